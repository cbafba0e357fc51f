//! The computations of a layer, forward and backward, over flat row-major `f32` slices, those of the optimiser, and those of a search.
//!
//! Every kernel gives the same bits for any number of threads: it splits its work on boundaries that depend on shapes alone, and sums
//! within a chunk in a fixed order. Vectors are 16 floats wide whatever the machine offers, so a wider one changes the speed, not a sum.

pub mod adamw;
pub mod attention;
pub mod average;
pub mod bf16;
pub mod bias;
pub mod cross_entropy;
pub mod dropout;
mod functions;
pub mod geglu;
pub mod gelu;
mod group;
mod lanes;
pub mod layer_norm;
pub mod low_rank;
pub mod positive_definite;
pub mod product;
pub mod relative;
pub mod rotary;
mod tasks;
mod write;

pub use group::Group;
use tasks::TASK_FLOATS;
pub use write::Write;

/// The label, or class, of what counts nowhere: in no loss and in no score.
pub const IGNORE: u32 = u32::MAX;
