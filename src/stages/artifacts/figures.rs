//! Pictures for people.

use std::path::Path;

use crate::engine::stage::{Artifact, StageError};

/// PNG files; which of them are there depends on what there was to draw.
pub struct Figures;

impl Artifact for Figures {
    const TYPE: &'static str = "figures";
    const FORMAT: u32 = 1;
    const RESULTS: &'static [(&'static str, &'static str)] = &[
        ("loss.png", "loss.png"),
        ("loss_per_epoch.png", "loss_per_epoch.png"),
        ("learning_rate.png", "learning_rate.png"),
        ("anomaly_confusion.png", "anomaly_confusion.png"),
        ("ner_confusion.png", "ner_confusion.png"),
        ("precision_recall.png", "precision_recall.png"),
        ("roc.png", "roc.png"),
    ];

    fn open(_folder: &Path) -> Result<Self, StageError> {
        Ok(Self)
    }
}
