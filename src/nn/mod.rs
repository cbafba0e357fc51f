//! The joint model: an encoder with heads, which classify every token or the whole text.
//!
//! What it does, as the data goes:
//!
//! 1. [`EncoderSpec`] is read from a `config.json` of any family in [`configs`], and checked: what differs between encoders.
//! 2. [`Layout`] gives every parameter its checkpoint name, its shape and its place in one flat buffer. It is the one definition of the
//!    parameters, for every path below.
//! 3. [`JointModel`] is that buffer with meaning: drawn at random or loaded from a safetensors file, run, saved.
//! 4. [`JointModel::forward`] gives logits; [`JointModel::loss_and_gradients`] a step's losses and [`Gradients`]. Both work in a
//!    [`Workspace`], which keeps what is large from step to step.
//! 5. [`ComposedModel`] is the same model in candle's differentiable operations, for GPUs and as the oracle of the tests.
//!
//! # The CPU path
//!
//! A batch is packed: the sequences lie one after the other in a single `(tokens, hidden)` matrix, so no linear layer, norm or activation
//! ever sees padding, and attention looks at one sequence at a time. Forward and backward are written out over flat `f32` buffers. The
//! backward keeps little of the forward: it recomputes norms, activations and attention weights, which cost less than the memory that
//! they would take.
//!
//! The products of the encoder's linear layers and of its attention may be computed in bf16 ([`JointModel::with_bf16_products`]): their factors are rounded,
//! the weights of layers as the optimiser moves them, and sums stay f32, as does everything else, the products of heads included.
//!
//! All of it runs on the current rayon pool and gives the same bits whatever its number of threads: matrix products never split the inner
//! dimension, and every other sum runs over chunks whose boundaries depend on shapes alone.
//!
//! # What is not here
//!
//! Optimisers, schedules and loops live in `training`, and so does the chance in them: what dropout drops follows from a number that a batch brings.

mod adapter;
mod adapters;
mod attend;
mod batch;
mod buffers;
mod checkpoint;
mod composed;
pub mod configs;
mod distances;
mod dropout;
mod embeddings;
mod encoder;
mod export;
mod gather;
mod gradients;
mod heads;
mod initialise;
mod joint;
mod layout;
mod linear;
mod loss;
mod products;
mod profile;
mod spec;
mod workspace;

pub use pipeline_kernels as kernels;

pub use adapters::Lora;
pub use batch::{Batch, BatchError};
pub use buffers::{NoMemory, ask_for_large_pages, reserve, room_for, zeros};
pub use checkpoint::CheckpointError;
pub use composed::ComposedModel;
pub use configs::{ConfigError, ConfigProblem};
pub use export::{NoStockClass, OnnxHead, StockHead, StockModel};
pub use gather::{gather_pickles, gather_shards, shards};
pub use gradients::{Gradients, SparseRows};
pub use joint::JointModel;
pub use kernels::Group;
pub use kernels::bf16::Instructions;
pub use layout::{Affine, LayerLayout, Layout, Parameter, Role, Section};
pub use loss::{HeadLoss, LossOptions, Losses};
pub use products::StepProducts;
pub use profile::{Part, Pass, Profile};
pub use spec::{
    Activation, Dense, DenseActivation, Distances, Dropout, Embeddings, EncoderSpec, HeadKind,
    HeadSpec, Initial, LayerSpec, Mlp, Names, Norm, Over, PositionTable, Positions,
};
pub use workspace::Workspace;
