//! What an artifact says of itself in the card of a model: the page beside its files that hubs show first.

use super::Table;

/// A part of a card.
#[derive(Debug, Clone, PartialEq)]
pub struct CardPart {
    /// Fields of the card's head as hubs read it, such as `pipeline_tag`, each with one of its values.
    pub fields: Vec<(&'static str, String)>,
    /// What stands below its title.
    pub table: Table,
}
