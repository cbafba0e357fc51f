//! What flows along a wire.

use std::path::Path;

use super::{CardPart, Exhibit, Facts, Plot, Shown, StageError};

/// What flows along a wire: a folder of files with a name for its type and a version of its layout.
pub trait Artifact: Sized {
    /// The type's name, as messages print it: `corpus`, `encoded`, `checkpoint`.
    const TYPE: &'static str;
    /// Version of the layout on disk; it enters the key of every stage that produces the type.
    const FORMAT: u32;
    /// Files that hold clocks or speeds: their digests are kept, but are not part of the artifact's content.
    const VOLATILE: &'static [&'static str] = &[];
    /// What of it is published for people: the file, and its name in the results folder. A file that is not there is skipped. A `*` in front of both
    /// stands for any beginning.
    const RESULTS: &'static [(&'static str, &'static str)] = &[];
    /// The files among them that are too large to lie beside every trial of a sweep.
    const LARGE: &'static [&'static str] = &[];
    /// A JSON file of named numbers, nested, for summaries, sweeps and objectives.
    const METRICS: Option<&'static str> = None;
    /// The paths of those numbers, such as `ner.span_f1`; one that ends with a dot stands for all below it, which is detail: a summary leaves it out.
    /// A `*` in front stands for any first part that no other of them has, and `**` for any path.
    const METRIC_NAMES: &'static [&'static str] = &[];
    /// Those of them that say most, the first first: what a table shows that has no room for all.
    const HEADLINES: &'static [&'static str] = &[];
    /// What was measured while it was made, such as losses by step: the plot that says most first.
    const CURVES: Shown<Plot> = Shown::NOTHING;
    /// What it shows of itself in a report, beside its metrics.
    const EXHIBITS: Shown<Exhibit> = Shown::NOTHING;
    /// What it says of itself in the card of a model that was made with it.
    const CARD_PARTS: Shown<CardPart> = Shown::NOTHING;
    /// Where the card of a model lies that the artifact is, as in [`RESULTS`](Self::RESULTS).
    const CARD: Option<&'static str> = None;

    /// What is known of the artifact in `folder`, by the names of [`Stage::facts`](super::Stage::facts): more than could be foreseen. Nothing where it cannot be read.
    fn facts(_folder: &Path) -> Facts {
        Facts::new()
    }

    /// Opens the artifact in `folder`, reading no more than its small parts.
    ///
    /// # Errors
    /// When a file is missing or not in this format.
    fn open(folder: &Path) -> Result<Self, StageError>;
}
