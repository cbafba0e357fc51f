//! Whether every trainable parameter ever gets a gradient.
//!
//! A backward that cuts the gradient somewhere leaves weights at their initial values while the loss still falls, so nobody notices. Queries,
//! keys and values share one parameter, and a cut gradient of attention weights shows in the first two alone: their rows are looked at one by one.

use std::ops::Range;

use super::engine::{Engine, EngineError, Parameter};
use super::recipe::Recipe;

/// The parts of the parameters whose gradient has been zero so far.
#[derive(Debug)]
pub(super) struct Coverage {
    missing: Vec<Piece>,
}

#[derive(Debug)]
struct Piece {
    name: String,
    parameter: usize,
    elements: Range<usize>,
}

impl Coverage {
    /// All parts that `recipe` trains.
    ///
    /// * `longest`: the tokens of the longest sequence; a single token attends to itself whatever its query and key are
    pub(super) fn new(parameters: &[Parameter], recipe: &Recipe, longest: usize) -> Self {
        let trained = |name: &str| {
            !(name.starts_with("ner_classifier.") && recipe.ner_weight == 0.0
                || name.starts_with("anomaly_classifier.") && recipe.anomaly_weight == 0.0)
        };
        let mut missing = Vec::new();
        for (parameter, Parameter { name, length }) in
            parameters.iter().enumerate().filter(|(_, parameter)| trained(&parameter.name))
        {
            if name.ends_with("Wqkv.weight") {
                let third = length / 3;
                for (index, rows) in ["queries", "keys", "values"]
                    .into_iter()
                    .enumerate()
                    .filter(|(index, _)| longest > 1 || *index == 2)
                {
                    missing.push(Piece {
                        name: format!("{name} ({rows})"),
                        parameter,
                        elements: index * third..(index + 1) * third,
                    });
                }
            } else {
                missing.push(Piece { name: name.clone(), parameter, elements: 0..*length });
            }
        }
        Self { missing }
    }

    /// Forgets the parts that a training before this one has seen a gradient of.
    pub(super) fn restore(&mut self, names: &[String]) {
        self.missing.retain(|part| names.contains(&part.name));
    }

    /// Takes in the engine's present gradient.
    pub(super) fn look(&mut self, engine: &mut dyn Engine) -> Result<(), EngineError> {
        let mut failure = None;
        self.missing.retain(|part| {
            failure.is_some()
                || !engine.has_gradient(part.parameter, part.elements.clone()).unwrap_or_else(
                    |error| {
                        failure = Some(error);
                        false
                    },
                )
        });
        failure.map_or(Ok(()), Err)
    }

    pub(super) fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.missing.iter().map(|part| part.name.clone()).collect()
    }
}
