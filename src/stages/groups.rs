//! Texts by the values of a field.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::base::diagnostics::{quoted, suggest};
use crate::engine::stage::StageError;
use crate::text::{CorpusTasks, Example, Split};

/// The field that sentences from templates name them by.
pub(super) const TEMPLATE: &str = "template";

/// Texts of which something is told together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub field: String,
    /// What they have in common; empty where they have no such field.
    pub value: String,
    /// Their places in the split.
    pub texts: Vec<usize>,
}

/// What a text has in a field; `text` is the text itself, as for `by`.
fn value<'e>(example: &'e Example, field: &str) -> Option<&'e str> {
    match example.fields.get(field) {
        None if field == "text" => Some(&example.text),
        value => value.map(String::as_str),
    }
}

/// The number of each text's group: one for each value, and one for each text without any.
pub(super) fn numbers(examples: &[Example], field: &str) -> Vec<u32> {
    let (mut known, mut next) = (HashMap::new(), 0..);
    let mut new = || next.next().expect("a split has fewer than 2^32 texts");
    let number = |example| match value(example, field) {
        Some(value) => *known.entry(value).or_insert_with(&mut new),
        None => new(),
    };
    examples.iter().map(number).collect()
}

/// The texts of each value of a field, by value.
pub(super) fn of_field(examples: &[Example], field: &str) -> Vec<Group> {
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (text, example) in examples.iter().enumerate() {
        groups.entry(value(example, field).unwrap_or_default()).or_default().push(text);
    }
    let group = |(value, texts): (&str, Vec<usize>)| Group {
        field: field.to_owned(),
        value: value.to_owned(),
        texts,
    };
    groups.into_iter().map(group).collect()
}

/// The texts whose value of a field stands in the training split, and the others; nothing where there are not both.
pub(super) fn seen(examples: &[Example], field: &str, trained: &BTreeSet<String>) -> Vec<Group> {
    let is_seen =
        |text: &usize| value(&examples[*text], field).is_some_and(|value| trained.contains(value));
    let (seen, unseen): (Vec<usize>, Vec<usize>) = (0..examples.len()).partition(is_seen);
    if seen.is_empty() || unseen.is_empty() {
        return Vec::new();
    }
    let group = |(value, texts): (&str, Vec<usize>)| Group {
        field: format!("{field} seen in training"),
        value: value.to_owned(),
        texts,
    };
    [("yes", seen), ("no", unseen)].map(group).into()
}

/// Takes in the values that a text of the training split has.
pub(super) fn add_trained(trained: &mut BTreeMap<String, BTreeSet<String>>, example: &Example) {
    for (field, values) in trained {
        if let Some(value) = value(example, field).filter(|value| !values.contains(*value)) {
            values.insert(value.to_owned());
        }
    }
}

/// What to say of a name that is none of these fields.
pub(super) fn unknown(name: &str, among: &str, fields: &[&str]) -> (String, String) {
    let message = format!("`group_by` names {}, which is no field of {among}", quoted(name));
    let help = match suggest(name, fields.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if fields.is_empty() => "they have no fields, so leave `group_by` out".to_owned(),
        None => {
            let fields: Vec<String> = fields.iter().map(|field| quoted(field)).collect();
            format!("there are {}", fields.join(", "))
        }
    };
    (message, help)
}

/// What to say of a name that is a head's.
pub(super) fn of_head(name: &str) -> (String, String) {
    let message = format!("`group_by` names {}, which is a head and no field", quoted(name));
    let help =
        format!("leave it out: `{name}.per_class` in `metrics.json` has the scores of its classes");
    (message, help)
}

/// The fields that texts have.
pub(super) fn fields(examples: &[Example]) -> BTreeSet<String> {
    examples.iter().flat_map(|example| example.fields.keys()).cloned().collect()
}

/// Says that a name is no field of any text of a split.
///
/// * `fields`: that texts of it have
pub(super) fn check(
    names: &[String],
    split: Split,
    tasks: &CorpusTasks,
    fields: &BTreeSet<String>,
) -> Result<(), StageError> {
    let Some(name) = names.iter().find(|name| !fields.contains(*name)) else { return Ok(()) };
    let (message, help) = match tasks.head(name) {
        Some(_) => of_head(name),
        None => {
            let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
            unknown(name, &format!("the `{split}` texts"), &fields)
        }
    };
    Err(StageError::new(message).with_help(help).in_file_of("group_by"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples(values: &[Option<&str>]) -> Vec<Example> {
        let example = |value: &Option<&str>| Example {
            text: "same".to_owned(),
            entities: None,
            classes: BTreeMap::new(),
            fields: value.iter().map(|value| ("event".to_owned(), (*value).to_owned())).collect(),
            file: 0,
            line: 1,
        };
        values.iter().map(example).collect()
    }

    #[test]
    fn a_text_without_the_field_is_a_group_of_its_own_for_intervals_and_one_of_those_without_in_tables()
     {
        let texts = examples(&[Some("a"), None, Some("b"), Some("a"), None]);
        assert_eq!(numbers(&texts, "event"), [0, 1, 2, 0, 3]);
        let groups: Vec<(String, Vec<usize>)> =
            of_field(&texts, "event").into_iter().map(|group| (group.value, group.texts)).collect();
        assert_eq!(
            groups,
            [("".to_owned(), vec![1, 4]), ("a".to_owned(), vec![0, 3]), ("b".to_owned(), vec![2])]
        );
    }

    #[test]
    fn equal_texts_are_a_group_where_the_split_was_by_text() {
        assert_eq!(numbers(&examples(&[None, None]), "text"), [0, 0]);
    }

    #[test]
    fn seen_and_unseen_are_told_where_there_are_both() {
        let mut trained = BTreeMap::from([("event".to_owned(), BTreeSet::new())]);
        examples(&[Some("a"), None]).iter().for_each(|it| add_trained(&mut trained, it));
        let said = |values: &[Option<&str>]| -> Vec<(String, Vec<usize>)> {
            let groups = seen(&examples(values), "event", &trained["event"]);
            groups.into_iter().map(|group| (group.value, group.texts)).collect()
        };
        assert_eq!(
            said(&[Some("b"), Some("a"), None]),
            [("yes".to_owned(), vec![1]), ("no".to_owned(), vec![0, 2])]
        );
        assert!(said(&[Some("a")]).is_empty() && said(&[Some("b")]).is_empty());
    }

    #[test]
    fn a_name_that_is_no_field_is_told_with_those_that_there_are() {
        let texts = examples(&[Some("a")]);
        let check = |name: &str| {
            check(&[name.to_owned()], Split::Test, &CorpusTasks::default(), &fields(&texts))
        };
        assert_eq!(
            check("evnt").expect_err("refused").to_string(),
            "`group_by` names `evnt`, which is no field of the `test` texts"
        );
        assert_eq!(
            check("anomaly").expect_err("refused").to_string(),
            "`group_by` names `anomaly`, which is a head and no field"
        );
        assert_eq!(unknown("evnt", "", &["event"]).1, "did you mean `event`?");
        assert_eq!(unknown("x", "", &["event", "id"]).1, "there are `event`, `id`");
        assert_eq!(check("event"), Ok(()));
    }
}
