//! The computations of a layer, forward and backward, over flat row-major `f32` slices.
//!
//! Every kernel gives the same bits for any number of threads: it splits its work on boundaries that depend on shapes alone, and sums
//! within a chunk in a fixed order. Vectors are 16 floats wide whatever the machine offers, so a wider one changes the speed, not a sum.

pub mod attention;
pub mod cross_entropy;
mod functions;
pub mod geglu;
pub(crate) mod lanes;
pub mod layer_norm;
pub mod product;
pub mod rotary;
mod tasks;
mod write;

use tasks::TASK_FLOATS;
pub use write::Write;
