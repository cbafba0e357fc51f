//! What a reader of scores must know of the labels of a corpus, found text by text.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher as _};

use crate::engine::stage::Caveat;
use crate::tasks::{self, Task, classification, tagging};
use crate::text::{Corpus, Example, Split};

/// No text of a split is normal, or an anomaly.
const CLASS_NEVER_OCCURS: &str = "class_never_occurs";
const LABELS_NOT_IN_TRAIN: &str = "labels_not_in_train";
/// What there is to say of entities only, here and where texts become tokens.
const OF_ENTITIES: [&str; 4] =
    [LABELS_NOT_IN_TRAIN, "entities_cut", "entities_inside_tokens", "offsets_unit"];

/// Whether a caveat is about nothing but scores that a model for these tasks has not.
pub(super) fn is_idle(caveat: &Caveat, tasks: &[Task]) -> bool {
    let code = caveat.code.as_str();
    (code == CLASS_NEVER_OCCURS && !tasks::has(tasks, classification::NAME))
        || (OF_ENTITIES.contains(&code) && !tasks::has(tasks, tagging::NAME))
}

/// Those among the caveats of a corpus that whoever learns its classes is warned of, and nobody else.
pub(super) fn about_classes(caveats: &[Caveat]) -> impl Iterator<Item = &Caveat> {
    caveats.iter().filter(|caveat| caveat.code == CLASS_NEVER_OCCURS)
}

/// Looks at every text once; [`caveats`](Self::caveats) says what was found.
#[derive(Default)]
pub(super) struct LabelFindings {
    splits: BTreeMap<Split, Labels>,
    texts: HashMap<u64, Seen>,
    contradictions: Contradictions,
}

/// The labels of a split.
#[derive(Default)]
struct Labels {
    /// Texts that are normal, and anomalies.
    classes: [usize; 2],
    /// Entities by type.
    entities: BTreeMap<String, usize>,
}

/// The first text of several equal ones.
struct Seen {
    split: Split,
    line: usize,
    class: u32,
    /// A digest of its entities.
    entities: u64,
    /// How many there were.
    count: usize,
    contradicted: bool,
}

/// Texts that stand more than once with different labels.
#[derive(Default)]
struct Contradictions {
    /// Texts whose equals have another class, or other entities.
    texts: usize,
    /// Distinct ones among them.
    distinct: usize,
    /// Two places of the first.
    first: Option<[(Split, usize); 2]>,
}

impl LabelFindings {
    pub(super) fn of(corpus: &Corpus) -> Self {
        let mut findings = Self::default();
        for split in Split::ALL {
            corpus.get(split).iter().for_each(|example| findings.push(split, example));
        }
        findings
    }

    pub(super) fn push(&mut self, split: Split, example: &Example) {
        let labels = self.splits.entry(split).or_default();
        labels.classes[usize::from(example.class == 1)] += 1;
        for entity in &example.entities {
            match labels.entities.get_mut(&entity.label) {
                Some(count) => *count += 1,
                None => drop(labels.entities.insert(entity.label.clone(), 1)),
            }
        }
        let seen = Seen {
            split,
            line: example.line,
            class: example.class,
            entities: digest(&example.entities),
            count: 0,
            contradicted: false,
        };
        let first = self.texts.entry(digest(&example.text)).or_insert(seen);
        first.count += 1;
        let is_other = first.class != example.class || first.entities != digest(&example.entities);
        let found = &mut self.contradictions;
        if first.contradicted {
            found.texts += 1;
        } else if is_other {
            first.contradicted = true;
            found.texts += first.count;
            found.distinct += 1;
            let places = [(first.split, first.line), (split, example.line)];
            found.first.get_or_insert(places);
        }
    }

    /// What is to be said of them, but for [`classes`](Self::classes).
    pub(super) fn caveats(&self) -> Vec<Caveat> {
        let mut caveats = self.labels();
        if let Some([(split, line), (other, other_line)]) = self.contradictions.first {
            let Contradictions { texts, distinct, .. } = self.contradictions;
            let message = format!(
                "{texts} texts have equals with other labels ({distinct} distinct ones, the first in line {line} of {split} and line {other_line} of {other}): \
                 no model can be right on all of them"
            );
            caveats.push(Caveat::new("contradicting_labels", texts, message));
        }
        caveats
    }

    /// Splits in which a class never occurs. Texts that are labelled with entities alone are all normal, so that this is said where the classes
    /// are learnt.
    pub(super) fn classes(&self) -> Vec<Caveat> {
        const MEANS: &str =
            "scores that compare the classes, such as AUROC, are undefined or say nothing";
        let name = |class: usize| classification::PREDICATES[class];
        let lacks = |labels: &Labels| labels.classes.iter().position(|count| *count == 0);
        let lacking: Vec<Option<usize>> = self.splits.values().map(lacks).collect();
        if let Some(&Some(class)) = lacking.first()
            && lacking.len() > 1
            && lacking.iter().all(|other| *other == Some(class))
        {
            let all: usize = self.splits.values().flat_map(|labels| labels.classes).sum();
            let message = format!("none of the {all} texts is {}: {MEANS}", name(class));
            return vec![Caveat::new(CLASS_NEVER_OCCURS, all, message)];
        }
        let caveat = |(split, labels): (&Split, &Labels)| {
            let class = lacks(labels)?;
            let all: usize = labels.classes.iter().sum();
            let means = if *split == Split::Train { "a model cannot learn it" } else { MEANS };
            let message = format!("none of the {all} {split} texts is {}: {means}", name(class));
            Some(Caveat::new(CLASS_NEVER_OCCURS, all, message).of(split))
        };
        self.splits.iter().filter_map(caveat).collect()
    }

    /// Types of entities that are to be found, but that nothing shows in training.
    fn labels(&self) -> Vec<Caveat> {
        let Some(train) = self.splits.get(&Split::Train) else { return Vec::new() };
        let caveat = |(split, labels): (&Split, &Labels)| {
            let only =
                labels.entities.iter().filter(|(kind, _)| !train.entities.contains_key(*kind));
            let (kinds, counts): (Vec<&String>, Vec<usize>) = only.unzip();
            let count: usize = counts.iter().sum();
            if count == 0 {
                return None;
            }
            let message = format!(
                "{count} {split} entities have labels that train does not have, so that no model learns them: {}",
                some_of(&kinds)
            );
            Some(Caveat::new(LABELS_NOT_IN_TRAIN, count, message).of(split))
        };
        self.splits.iter().filter_map(caveat).collect()
    }
}

/// Equal within a run of the program, which is all that is asked; a text of 64 equal bits that is another one is not worth a copy of each text.
fn digest(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn some_of(names: &[&String]) -> String {
    const SHOWN: usize = 8;
    let quoted: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => quoted.join(", "),
        more => format!("{} and {more} more", quoted.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Entity;

    /// Split, text, entities, and whether it is an anomaly.
    type Text<'a> = (Split, &'a str, &'a [(usize, usize, &'a str)], u32);

    fn caveats(texts: &[Text<'_>]) -> Vec<(String, u64, String)> {
        let mut findings = LabelFindings::default();
        for (line, (split, text, entities, anomaly)) in texts.iter().enumerate() {
            let entity = |(start, end, label): &(usize, usize, &str)| Entity {
                start: *start,
                end: *end,
                label: (*label).to_owned(),
            };
            let example = Example {
                text: (*text).to_owned(),
                entities: entities.iter().map(entity).collect(),
                class: *anomaly,
                fields: BTreeMap::new(),
                line: line + 1,
            };
            findings.push(*split, &example);
        }
        let told = |caveat: Caveat| (caveat.code, caveat.count, caveat.message);
        findings.classes().into_iter().chain(findings.caveats()).map(told).collect()
    }

    use Split::{Test, Train, Validation};

    #[test]
    fn equal_texts_with_equal_labels_are_no_contradiction() {
        let found = caveats(&[
            (Train, "Ann", &[(0, 3, "PER")], 0),
            (Train, "Bo", &[], 1),
            (Train, "Ann", &[(0, 3, "PER")], 0),
        ]);
        assert_eq!(found, []);
    }

    #[test]
    fn equal_texts_with_another_class_or_other_entities_are_counted_and_the_first_is_placed() {
        let found = caveats(&[
            (Train, "Ann", &[(0, 3, "PER")], 0),
            (Train, "Bo", &[], 1),
            (Train, "Ann", &[(0, 3, "PER")], 0),
            (Train, "Bo", &[], 0),
            (Train, "Ann", &[], 0),
            (Train, "Ann", &[(0, 3, "PER")], 0),
        ]);
        let [(code, count, message)] = &found[..] else { panic!("{found:?}") };
        assert_eq!((code.as_str(), *count), ("contradicting_labels", 6));
        assert!(
            message.contains("2 distinct ones, the first in line 2 of train and line 4 of train"),
            "{message}"
        );
    }

    #[test]
    fn a_class_that_never_occurs_is_said_of_its_split_and_once_where_no_split_has_it() {
        let found = caveats(&[(Train, "a", &[], 0), (Train, "b", &[], 1), (Test, "c", &[], 0)]);
        let message = "none of the 1 test texts is an anomaly: scores that compare the classes, such as AUROC, are undefined or say nothing";
        assert_eq!(found, [("class_never_occurs".into(), 1, message.into())]);
        let found =
            caveats(&[(Train, "a", &[], 1), (Validation, "b", &[], 1), (Test, "c", &[], 1)]);
        assert_eq!(found.len(), 1);
        assert!(found[0].2.starts_with("none of the 3 texts is normal"), "{found:?}");
    }

    #[test]
    fn labels_outside_of_train_are_counted_by_entity() {
        let found = caveats(&[
            (Train, "Ann", &[(0, 3, "PER")], 0),
            (Train, "b", &[], 1),
            (Test, "Oslo Rome", &[(0, 4, "LOC"), (5, 9, "LOC")], 1),
            (Test, "c", &[], 0),
        ]);
        let message = "2 test entities have labels that train does not have, so that no model learns them: `LOC`";
        assert_eq!(found, [("labels_not_in_train".into(), 2, message.into())]);
    }
}
