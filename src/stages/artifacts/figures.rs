//! Pictures for people.

use std::path::Path;

use crate::engine::stage::{Artifact, StageError};

/// PNG files; which of them are there depends on what there was to draw.
pub struct Figures;

impl Figures {
    pub const CLASS_CONFUSION: &'static str = "anomaly_confusion.png";
    pub const TAG_CONFUSION: &'static str = "ner_confusion.png";
}

impl Artifact for Figures {
    const TYPE: &'static str = "figures";
    const FORMAT: u32 = 1;
    const RESULTS: &'static [(&'static str, &'static str)] = &[
        ("loss.png", "loss.png"),
        ("loss_per_epoch.png", "loss_per_epoch.png"),
        ("learning_rate.png", "learning_rate.png"),
        (Self::CLASS_CONFUSION, "anomaly_confusion.png"),
        (Self::TAG_CONFUSION, "ner_confusion.png"),
        ("precision_recall.png", "precision_recall.png"),
        ("roc.png", "roc.png"),
    ];

    fn open(_folder: &Path) -> Result<Self, StageError> {
        Ok(Self)
    }
}
