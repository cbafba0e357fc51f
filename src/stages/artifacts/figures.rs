//! Pictures for people.

use std::path::Path;

use crate::engine::stage::{Artifact, StageError};
use crate::text::ANOMALY;

/// PNG or SVG files; which of them are there depends on what there was to draw.
pub struct Figures;

impl Figures {
    /// That of a task.
    #[must_use]
    pub fn confusion(task: &str) -> String {
        format!("{task}_confusion.png")
    }

    /// That of a head over whole texts.
    #[must_use]
    pub fn reliability(head: &str) -> String {
        format!("{head}_reliability.png")
    }

    /// A curve of a head over whole texts. That of [`ANOMALY`] has the plain name.
    #[must_use]
    pub fn curve(head: &str, curve: &str) -> String {
        if head == ANOMALY { format!("{curve}.png") } else { format!("{head}_{curve}.png") }
    }
}

impl Artifact for Figures {
    const TYPE: &'static str = "figures";
    const FORMAT: u32 = 1;
    const RESULTS: &'static [(&'static str, &'static str)] = &[
        ("loss.png", "loss.png"),
        ("loss_per_epoch.png", "loss_per_epoch.png"),
        ("learning_rate.png", "learning_rate.png"),
        ("lengths.png", "lengths.png"),
        ("labels.png", "labels.png"),
        ("*_confusion.png", "*_confusion.png"),
        ("*_reliability.png", "*_reliability.png"),
        ("*precision_recall.png", "*precision_recall.png"),
        ("*roc.png", "*roc.png"),
        ("*.svg", "*.svg"),
    ];

    fn open(_folder: &Path) -> Result<Self, StageError> {
        Ok(Self)
    }
}
