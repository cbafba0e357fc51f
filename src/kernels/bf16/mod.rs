//! The products of linear layers in bf16: factors rounded to the nearest bf16 (ties to even), products and sums in f32.
//!
//! 1. [`Instructions`] are what computes them: the best that the machine has, or those that a caller asks for.
//! 2. A [`Weight`] is rounded whenever it has changed, for both directions at once.
//! 3. An [`Operand`] is rounded where it is used: the input of a layer, or the gradient of its output.
//! 4. [`Weight::forward`], [`Weight::backward_input`] and [`backward_weight`] are the three products.
//! 5. [`attention`] has its own products, of small matrices that a task makes and uses.
//!
//! Every sum runs over the whole depth in one order, whichever task computes it, so on the same instructions any number of threads gives the same
//! bits. Instructions differ in that order, and in what they do within a pair: their results agree up to the rounding of f32 sums. Numbers
//! below the normal range of f32 count as zero, as the instructions have it.

#[cfg(target_arch = "x86_64")]
mod amx;
pub mod attention;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod block;
mod instructions;
mod linear;
#[cfg_attr(not(target_arch = "x86_64"), path = "no_pack.rs")]
mod pack;
mod panel;
mod product;
mod round;
mod tiles;

pub use instructions::Instructions;
pub use linear::{Operand, Weight, backward_weight};
