//! What the work of a stage takes of a machine, foreseen.

use std::any::Any;
use std::path::PathBuf;

use serde::Serialize;

/// What the work of a stage takes on the CPU, as far as it is known before it begins.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cost {
    /// `None` where the sizes that decide it are not known yet.
    pub memory: Option<Memory>,
    /// `None` where nothing like it was measured on this machine.
    pub time: Option<Time>,
    /// Steps that an earlier run made, and that are not made again.
    pub steps_made: u64,
}

/// Main memory: its parts, first what cannot be made smaller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory(pub Vec<Part>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    pub bytes: u64,
    /// What it is for, such as `parameters`.
    pub purpose: &'static str,
    /// What helps where there is no room for it.
    pub remedy: &'static str,
}

impl Memory {
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.iter().fold(0, |sum, part| sum.saturating_add(part.bytes))
    }

    /// What helps where only so much is there: for the first part that has no room beside those before it. `None` where all have.
    #[must_use]
    pub fn remedy(&self, available: u64) -> Option<&'static str> {
        let mut left = available;
        self.0.iter().find_map(|part| match left.checked_sub(part.bytes) {
            Some(rest) => {
                left = rest;
                None
            }
            None => Some(part.remedy),
        })
    }
}

/// What a speed was measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MeasuredBy {
    /// A measurement that a person asked for.
    Bench,
    /// Work of this kind that was seen, such as `training`.
    #[serde(untagged)]
    Work(&'static str),
}

/// How long steps take, told from a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Time {
    pub step_s: f64,
    /// Those that are still to be made; `None` where nobody knows yet how many there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Of these steps and what goes with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_s: Option<f64>,
    pub measured_by: MeasuredBy,
    pub threads: usize,
    /// Whether something of another size was measured.
    pub scaled: bool,
}

/// What a cost depends on besides parameters and inputs.
#[derive(Clone, Copy)]
pub struct Circumstances<'a> {
    /// What the work would use.
    pub threads: usize,
    /// What is remembered of the speed of this machine: a value of a type that kinds agree upon.
    pub speeds: &'a dyn Any,
    /// Folders in which a state to go on from may lie, in the order in which a run would look there.
    pub saved: &'a [PathBuf],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_is_that_of_the_first_part_without_room() {
        let part = |bytes, remedy| Part { bytes, purpose: "", remedy };
        let memory = Memory(vec![part(10, "smaller"), part(5, "fewer")]);
        assert_eq!(
            [15, 14, 10, 9].map(|available| memory.remedy(available)),
            [None, Some("fewer"), Some("fewer"), Some("smaller")]
        );
        assert_eq!(Memory(vec![part(u64::MAX, ""), part(1, "")]).bytes(), u64::MAX);
    }
}
