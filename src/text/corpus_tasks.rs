//! What a corpus is labelled for: the tasks that a model can be trained for on it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::visible;

/// What the tagging of entities is called in results and parameters.
pub const TAGGING: &str = "ner";
/// The head that a corpus has which says nothing of heads, and its classes.
pub const ANOMALY: &str = "anomaly";
pub const ANOMALY_CLASSES: [&str; 2] = ["normal", "anomaly"];

/// What files and columns that hold something else are called.
const RESERVED: [&str; 14] = [
    TAGGING,
    "tag",
    "loss",
    "text",
    "entities",
    "id",
    "caveats",
    "intervals",
    "baselines",
    "truncated",
    "error",
    "line",
    "augmented_from",
    "augmentation",
];

/// The tasks that a corpus has labels for. A text may lack those of some of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorpusTasks {
    /// Whether texts say their entities.
    pub tagging: bool,
    /// In the order of their names in the corpus's parameters.
    pub heads: Vec<ClassHead>,
}

/// A question to a whole text that has one of several answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassHead {
    pub name: String,
    /// In the order of the head's outputs; of two the second is what is looked for.
    pub classes: Vec<String>,
}

impl Default for CorpusTasks {
    fn default() -> Self {
        Self { tagging: true, heads: vec![ClassHead::anomaly()] }
    }
}

impl ClassHead {
    #[must_use]
    pub fn anomaly() -> Self {
        Self { name: ANOMALY.to_owned(), classes: ANOMALY_CLASSES.map(str::to_owned).to_vec() }
    }

    /// The number of a class.
    #[must_use]
    pub fn index(&self, class: &str) -> Option<u32> {
        let index = self.classes.iter().position(|known| known == class)?;
        u32::try_from(index).ok()
    }
}

impl CorpusTasks {
    #[must_use]
    pub fn head(&self, name: &str) -> Option<&ClassHead> {
        self.heads.iter().find(|head| head.name == name)
    }

    /// These, and those of `other` that are not among them.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let more = other.heads.iter().filter(|head| self.head(&head.name).is_none());
        let heads = self.heads.iter().chain(more).cloned().collect();
        Self { tagging: self.tagging || other.tagging, heads }
    }

    /// Says what cannot be: names that files or columns have already, or a head with fewer than two classes.
    ///
    /// # Errors
    /// With the first reason.
    pub fn check(&self) -> Result<(), String> {
        for (number, head) in self.heads.iter().enumerate() {
            check_head_name(&head.name)?;
            let name = &head.name;
            if self.heads[..number].iter().any(|other| other.name == *name) {
                return Err(format!("there are two heads `{name}`"));
            }
            let twin = |other: &&ClassHead| other.name.eq_ignore_ascii_case(name);
            if let Some(other) = self.heads[..number].iter().find(twin) {
                return Err(format!(
                    "heads `{}` and `{name}` differ in case alone, and their pictures would have one name where files do not: `fields` of `read_corpus` calls one otherwise",
                    other.name
                ));
            }
            let columns =
                [format!("{name}_score"), format!("predicted_{name}"), format!("{name}_loss")];
            if let Some(other) = self.heads.iter().find(|other| columns.contains(&other.name)) {
                return Err(format!(
                    "head `{}` is called as a column of head `{name}` is",
                    other.name
                ));
            }
            if head.classes.len() < 2 {
                return Err(format!(
                    "head `{name}` has {} of the two classes at least that there must be to tell apart",
                    head.classes.len()
                ));
            }
            let mut seen = head.classes.iter().enumerate();
            if let Some((_, class)) =
                seen.find(|(number, class)| head.classes[..*number].contains(class))
            {
                return Err(format!(
                    "head `{name}` has the class `{}` twice",
                    visible::line(class)
                ));
            }
        }
        Ok(())
    }
}

/// Says what makes `name` none of a head: it becomes part of the names of files, columns, metrics and parameters.
///
/// # Errors
/// With the reason, such as "`ner` is the name of something else".
pub fn check_head_name(name: &str) -> Result<(), String> {
    let shown = visible::line(name);
    if RESERVED.contains(&name) {
        return Err(format!("`{shown}` is the name of something else in results"));
    }
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic());
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
    match begins && name.chars().all(is_plain) {
        true => Ok(()),
        false => Err(format!(
            "`{shown}` is no name of a head: letters, digits, `_` and `-`, a letter first"
        )),
    }
}

/// A name for a head whose field has one that [`check_head_name`] refuses, such as `First_Class` for `First Class`.
#[must_use]
pub fn head_name(field: &str) -> String {
    let plain = |it: char| if it.is_ascii_alphanumeric() || it == '-' { it } else { '_' };
    let name: String = field.chars().map(plain).collect();
    let name = name.trim_matches('_');
    if check_head_name(name).is_ok() { name.to_owned() } else { format!("class_{name}") }
}

/// What a text with such a label of the head [`ANOMALY`] has for [`Example::classes`](super::Example::classes).
#[must_use]
pub fn anomaly(is_anomaly: bool) -> BTreeMap<String, String> {
    let class = ANOMALY_CLASSES[usize::from(is_anomaly)];
    BTreeMap::from([(ANOMALY.to_owned(), class.to_owned())])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(heads: &[(&str, &[&str])]) -> Result<(), String> {
        let head = |(name, classes): &(&str, &[&str])| ClassHead {
            name: (*name).to_owned(),
            classes: classes.iter().map(|class| (*class).to_owned()).collect(),
        };
        CorpusTasks { tagging: false, heads: heads.iter().map(head).collect() }.check()
    }

    #[test]
    fn heads_that_differ_in_case_alone_are_refused() {
        let classes = &["a", "b"][..];
        assert!(reason(&[("severity", classes), ("Severity", classes)]).is_err());
    }

    #[test]
    fn every_field_has_a_name_for_its_head() {
        for (field, name) in [
            ("First Class", "First_Class"),
            ("How bad?", "How_bad"),
            ("loss", "class_loss"),
            ("2nd", "class_2nd"),
            ("重要度", "class_"),
        ] {
            assert_eq!(head_name(field), name);
            assert_eq!(check_head_name(name), Ok(()));
        }
    }

    #[test]
    fn names_that_results_have_already_are_no_heads() {
        for name in RESERVED {
            assert!(reason(&[(name, &["a", "b"])]).is_err(), "{name}");
        }
        assert_eq!(reason(&[("severity", &["low", "high"]), ("anomaly", &["a", "b"])]), Ok(()));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_reason() {
        let message = |heads: &[(&str, &[&str])]| reason(heads).expect_err("it is refused");
        assert!(message(&[("a.b", &["a", "b"])]).contains("no name of a head"));
        assert!(message(&[("../x", &["a", "b"])]).contains("no name of a head"));
        assert!(message(&[("x", &["a"])]).contains("two classes"));
        assert!(message(&[("x", &["a", "b", "a"])]).contains("`a` twice"));
        assert!(message(&[("x", &["a", "b"]), ("x", &["a", "b"])]).contains("two heads"));
    }
}
