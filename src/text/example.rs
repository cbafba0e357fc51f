//! Labelled texts.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use super::CorpusTasks;

/// A named entity in a text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entity {
    /// Its first character, counted in characters (Unicode scalar values) of the text.
    pub start: usize,
    /// The character after its last one.
    pub end: usize,
    /// Its type, such as `PER`.
    pub label: String,
}

/// One text with everything that is known about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Example {
    pub text: String,
    /// In the text's order; they never overlap. `None` where nobody has said which there are: the text then trains the other tasks.
    pub entities: Option<Vec<Entity>>,
    /// What the text is as a whole: the name of its class, by head. A head that is not there has no label for the text.
    pub classes: BTreeMap<String, String>,
    /// Whatever else is known, such as `template` or `event`, as text.
    pub fields: BTreeMap<String, String>,
    /// The number of its file among those of its corpus.
    pub file: u16,
    /// Where it comes from: its line in the file, from 1, or its number among the generated ones.
    pub line: usize,
}

/// A part of a corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    Train,
    Validation,
    Test,
}

impl Example {
    /// Its entities, none where they are not known.
    #[must_use]
    pub fn entities(&self) -> &[Entity] {
        self.entities.as_deref().unwrap_or_default()
    }

    /// Its entities as digests take them.
    pub(super) fn entities_written(&self) -> String {
        let written: Vec<String> = self
            .entities()
            .iter()
            .map(|entity| format!("{} {} {}", entity.start, entity.end, entity.label))
            .collect();
        written.join("\n")
    }
}

impl Split {
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// As experiment files and file names spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

impl std::fmt::Display for Split {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Texts in up to three parts; a part that was not asked for is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Corpus {
    /// What its texts are labelled for.
    pub tasks: CorpusTasks,
    /// The field by which it was split, where that was in an order.
    pub order: Option<String>,
    pub train: Vec<Example>,
    pub validation: Vec<Example>,
    pub test: Vec<Example>,
}

impl Corpus {
    #[must_use]
    pub fn get(&self, split: Split) -> &[Example] {
        match split {
            Split::Train => &self.train,
            Split::Validation => &self.validation,
            Split::Test => &self.test,
        }
    }

    pub fn get_mut(&mut self, split: Split) -> &mut Vec<Example> {
        match split {
            Split::Train => &mut self.train,
            Split::Validation => &mut self.validation,
            Split::Test => &mut self.test,
        }
    }

    /// Every entity type in any part.
    #[must_use]
    pub fn entity_labels(&self) -> BTreeSet<&str> {
        Split::ALL
            .iter()
            .flat_map(|split| self.get(*split))
            .flat_map(Example::entities)
            .map(|entity| entity.label.as_str())
            .collect()
    }

    /// Counts the texts that lie in more than one part: scores on them measure memory.
    #[must_use]
    pub fn duplicates(&self) -> Duplicates {
        let texts = |split| {
            self.get(split).iter().map(|example| example.text.as_str()).collect::<HashSet<&str>>()
        };
        let (train, validation) = (texts(Split::Train), texts(Split::Validation));
        let count = |split, seen: &HashSet<&str>| {
            self.get(split).iter().filter(|example| seen.contains(example.text.as_str())).count()
        };
        Duplicates {
            validation_in_train: count(Split::Validation, &train),
            test_in_train: count(Split::Test, &train),
            test_in_validation: count(Split::Test, &validation),
        }
    }
}

/// How many examples of one part have a text that also stands in another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duplicates {
    pub validation_in_train: usize,
    pub test_in_train: usize,
    pub test_in_validation: usize,
}

impl Duplicates {
    #[must_use]
    pub fn any(&self) -> bool {
        *self != Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(text: &str) -> Example {
        Example { text: text.into(), line: 1, ..Example::default() }
    }

    #[test]
    fn duplicates_are_counted_as_examples_of_the_later_part() {
        let corpus = Corpus {
            train: vec![example("a"), example("a"), example("b")],
            validation: vec![example("a"), example("a"), example("c")],
            test: vec![example("c"), example("b"), example("d")],
            ..Corpus::default()
        };
        assert_eq!(
            corpus.duplicates(),
            Duplicates { validation_in_train: 2, test_in_train: 1, test_in_validation: 1 }
        );
    }
}
