//! The products of linear layers in bf16: factors rounded to the nearest bf16 (ties to even), products and sums in f32.
//!
//! 1. [`Instructions`] are what computes them: the best that the machine has, or those that a caller asks for.
//! 2. A [`Weight`] is rounded whenever it has changed, for both directions at once.
//! 3. An [`Operand`] is rounded where it is used: the input of a layer, or the gradient of its output.
//! 4. [`Weight::forward`], [`Weight::backward_input`] and [`backward_weight`] are the three products.
//!
//! Every sum runs over the whole depth in one order, whichever task computes it, so on the same instructions any number of threads gives the same
//! bits. Instructions differ in that order, and in what they do within a pair: their results agree up to the rounding of f32 sums. Numbers
//! below the normal range of f32 count as zero, as the instructions have it.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod block;
mod instructions;
mod linear;
#[cfg(target_arch = "x86_64")]
mod pack;
mod product;
mod round;
mod tiles;

pub use instructions::Instructions;
pub use linear::{Operand, Weight, backward_weight};
