//! The answers of a baseline.

use crate::text::Entity;

/// What is said of one text.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// In the text's order, none overlapping; `None` where texts are not labelled for them.
    pub entities: Option<Vec<Entity>>,
    /// For each head a probability of each of its classes.
    pub classes: Vec<Vec<f64>>,
}
