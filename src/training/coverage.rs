//! Whether every trainable parameter ever gets a gradient.
//!
//! A backward that cuts the gradient somewhere leaves weights at their initial values while the loss still falls, so nobody notices. Queries,
//! keys and values share one parameter, and a cut gradient of attention weights shows in the first two alone: their rows are looked at one by one.

use std::ops::Range;

use super::engine::{Engine, EngineError};
use crate::nn::{Parameter, Role};

/// The parts of the parameters whose gradient has been zero so far.
#[derive(Debug)]
pub(super) struct Coverage {
    missing: Vec<Piece>,
}

#[derive(Debug)]
struct Piece {
    name: String,
    head: Option<usize>,
    parameter: usize,
    elements: Range<usize>,
}

/// What reads for an adapter has no gradient before what adds for it has moved from zero, and then has one.
fn is_looked_at(parameter: &Parameter) -> bool {
    parameter.group.trainable && parameter.role != Role::AdapterDown
}

impl Coverage {
    /// All parts that are trained.
    ///
    /// * `longest`: the tokens of the longest sequence; a single token attends to itself whatever its query and key are
    pub(super) fn new(parameters: &[Parameter], longest: usize) -> Self {
        let mut missing = Vec::new();
        for (index, parameter) in
            parameters.iter().enumerate().filter(|(_, parameter)| is_looked_at(parameter))
        {
            let (name, head) = (&parameter.name, parameter.head());
            let length = parameter.range.len();
            let mut add = |name: String, elements| {
                missing.push(Piece { name, head, parameter: index, elements });
            };
            if parameter.role == Role::QueriesKeysValues {
                let third = length / 3;
                for (part, rows) in ["queries", "keys", "values"]
                    .into_iter()
                    .enumerate()
                    .filter(|(part, _)| longest > 1 || *part == 2)
                {
                    add(format!("{name} ({rows})"), part * third..(part + 1) * third);
                }
            } else {
                add(name.clone(), 0..length);
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

    /// The number of the head that all of them belong to, if there is one.
    pub(super) fn head(&self) -> Option<usize> {
        let head = self.missing.first()?.head;
        head.filter(|_| self.missing.iter().all(|part| part.head == head))
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.missing.iter().map(|part| part.name.clone()).collect()
    }
}
