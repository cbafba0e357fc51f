//! From text to [`Experiment`]: names, kinds, wires, params and axes, every value with the span that wrote it.
//!
//! The way of a file:
//!
//! 1. `source` reads its text: UTF-8, at most 8 MiB;
//! 2. `syntax` turns the text into a tree with spans, going on after mistakes;
//! 3. `file` gives the tree the shape of an experiment file, as a `layer`: what one text says; `sweep` reads that part of it;
//! 4. `chain` reads what the file `extends`;
//! 5. `merge` lays the layers on each other, the root first and the command line last, into an [`Experiment`].
//!
//! Stage kinds, port types and cycles are the plan's: nothing here knows what a kind is, only what it is called.

mod axis;
mod chain;
mod command_line;
mod demand;
mod experiment;
mod file;
mod layer;
mod merge;
mod names;
mod objective;
mod path;
mod pins;
mod problems;
mod reader;
mod rules;
mod rung;
mod seeds;
mod skip;
mod source;
mod sweep;
mod syntax;
mod together;
mod trial;
mod value;
mod write;

pub use command_line::Overrides;
pub use demand::Demand;
pub use experiment::{
    Along, Axis, Choose, Condition, Count, Experiment, Folds, Method, Parameter, Reading, Rung,
    Seeds, Skip, StageDeclaration, Sweep, What, dimensions,
};
pub use file::MOST_RETRIES;
pub use names::{FOLD, LONGEST_NAME, RUNG, SEED, STAGE_KEYS, unsafe_name};
pub use objective::Objective;
pub use path::{AxisTarget, RESERVED};
pub use pins::{Choice, Pin, PinnedSource, Pins, PinsError};
pub use source::spelled_from;
pub use value::{Data, Value};
pub use write::Origin;

#[cfg(test)]
mod tests;
