//! Paths: one grammar for `--set`, `--sweep`, `unset` and `[sweep.over]`.
//!
//! | path | names |
//! |---|---|
//! | `train.epochs`, `stage.train.epochs` | a parameter of a stage |
//! | `train.early_stopping.patience` | a member of its value |
//! | `params.name`, `params.name.member` | a param, a member of its value |
//! | `stage.train` | a whole stage |
//! | `seed` | the file's seed |
//! | `sweep`, `sweep.seeds`, `sweep.over.train.epochs` | the sweep, what it says, one of its axes |
//!
//! So that a path means one thing, its first words are names of no stage ([`RESERVED`]).

use std::sync::Arc;

use super::names::SEED;
use crate::base::diagnostics::Span;

/// What begins a path by itself, and is the name of no stage.
pub const RESERVED: [&str; 4] = ["params", SEED, "stage", "sweep"];
pub(super) const RESERVED_RULE: &str =
    "no stage is named `params`, `seed`, `stage` or `sweep`: paths such as `params.x` begin so";

/// What an axis varies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AxisTarget {
    Stage { stage: Arc<str>, parameter: Arc<str> },
    Params(Arc<str>),
}

impl std::fmt::Display for AxisTarget {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stage { stage, parameter } => write!(formatter, "{stage}.{parameter}"),
            Self::Params(name) => write!(formatter, "params.{name}"),
        }
    }
}

/// A word of a path, and where it stands.
pub(super) type Word = (Arc<str>, Span);

/// What a path names, whether it is there or not.
#[derive(Debug)]
pub(super) enum Named<'a> {
    Seed,
    Stage(&'a Word),
    Value(ValuePath<'a>),
    /// What follows `sweep`.
    Sweep(&'a [Word]),
}

/// The value of a parameter or a param, or a part of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct ValuePath<'a> {
    /// `None` for a param.
    pub stage: Option<&'a Word>,
    pub name: &'a Word,
    /// The way into the value; empty for the whole of it.
    pub members: &'a [Word],
}

impl ValuePath<'_> {
    /// What the whole value belongs to.
    pub fn target(&self) -> AxisTarget {
        let name = self.name.0.clone();
        match self.stage {
            Some((stage, _)) => AxisTarget::Stage { stage: stage.clone(), parameter: name },
            None => AxisTarget::Params(name),
        }
    }
}

/// What the words of a path name; `None` for what names nothing.
pub(super) fn named(words: &[Word]) -> Option<Named<'_>> {
    let (first, rest) = words.split_first()?;
    match (&*first.0, rest) {
        (SEED, []) => Some(Named::Seed),
        ("sweep", rest) => Some(Named::Sweep(rest)),
        ("params", [name, members @ ..]) => {
            Some(Named::Value(ValuePath { stage: None, name, members }))
        }
        ("stage", [stage]) => Some(Named::Stage(stage)),
        ("stage", [stage, name, members @ ..]) => of_stage(stage, name, members),
        (_, [name, members @ ..]) => of_stage(first, name, members),
        (_, []) => None,
    }
}

fn of_stage<'a>(stage: &'a Word, name: &'a Word, members: &'a [Word]) -> Option<Named<'a>> {
    let is_free = !RESERVED.contains(&&*stage.0);
    is_free.then_some(Named::Value(ValuePath { stage: Some(stage), name, members }))
}

/// The words with points between them, as they are written.
pub(super) fn text(words: &[Word]) -> String {
    words.iter().map(|(word, _)| &**word).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::diagnostics::Sources;

    /// What a path names, in one line.
    fn read(path: &str) -> String {
        let span = Span::new(Sources::new().add(String::new(), String::new()), 0..0);
        let words: Vec<Word> = path.split('.').map(|word| (word.into(), span)).collect();
        match named(&words) {
            None => "nothing".to_owned(),
            Some(Named::Seed) => "the seed".to_owned(),
            Some(Named::Stage((name, _))) => format!("stage {name}"),
            Some(Named::Sweep(rest)) => format!("sweep [{}]", text(rest)),
            Some(Named::Value(value)) => format!("{} [{}]", value.target(), text(value.members)),
        }
    }

    #[test]
    fn stage_may_stand_before_the_two_words_of_a_parameter() {
        assert_eq!(read("train.epochs"), "train.epochs []");
        assert_eq!(read("stage.train.epochs"), "train.epochs []");
    }

    #[test]
    fn what_follows_the_two_words_is_a_member() {
        assert_eq!(read("train.early_stopping.patience"), "train.early_stopping [patience]");
        assert_eq!(read("stage.train.early_stopping.patience"), "train.early_stopping [patience]");
        assert_eq!(read("params.a.b.c"), "params.a [b.c]");
    }

    #[test]
    fn first_words_of_their_own_name_no_stage() {
        assert_eq!(read("seed"), "the seed");
        assert_eq!(read("stage.train"), "stage train");
        assert_eq!(read("sweep"), "sweep []");
        assert_eq!(read("sweep.over.train.epochs"), "sweep [over.train.epochs]");
        for path in ["seed.x", "params", "stage", "stage.params.x", "stage.sweep.over.x", "epochs"]
        {
            assert_eq!(read(path), "nothing", "{path}");
        }
    }
}
