//! The seam between the training loop and the arithmetic, so that the loop is written once for every device.

use std::borrow::Cow;
use std::ops::Range;

use crate::base::problem::Help;
use crate::nn::{Batch, BatchError, LossOptions, Losses, NoMemory, Parameter};

use super::adamw::Update;

/// A model that answers.
pub trait Forward {
    /// What each head says of a batch, unnormalised, `(rows, outputs)`.
    ///
    /// # Errors
    /// When the batch does not fit the model, or a device operation fails.
    fn logits(&mut self, batch: &Batch) -> Result<Vec<Vec<f32>>, EngineError>;
}

/// A model with its gradient and its optimiser's state.
///
/// The life of a step: [`accumulate`](Self::accumulate) once for each micro-batch, [`gradient_norm`](Self::gradient_norm), then
/// [`step`](Self::step) or [`discard`](Self::discard), both of which leave the gradient empty.
pub trait Engine: Forward {
    /// The parameters, in the order in which [`export`](Self::export) hands out those that are trained.
    fn parameters(&self) -> &[Parameter];

    /// Adds the gradient of the total loss of `batch` to the gradient, and returns the losses.
    ///
    /// * `options`: for each head
    ///
    /// # Errors
    /// When the batch does not fit the model, or a device operation fails. Numbers that are not finite are no error here.
    fn accumulate(&mut self, batch: &Batch, options: &[LossOptions])
    -> Result<Losses, EngineError>;

    /// The Euclidean norm of the whole gradient.
    ///
    /// # Errors
    /// When a device operation fails.
    fn gradient_norm(&mut self) -> Result<f64, EngineError>;

    /// True when any element of the gradient of the part `elements` of parameter number `parameter` differs from zero.
    ///
    /// # Errors
    /// When a device operation fails.
    fn has_gradient(
        &mut self,
        parameter: usize,
        elements: Range<usize>,
    ) -> Result<bool, EngineError>;

    /// Moves the parameters along the gradient with AdamW.
    ///
    /// # Errors
    /// When a device operation fails.
    fn step(&mut self, update: &Update) -> Result<(), EngineError>;

    /// Forgets the gradient.
    fn discard(&mut self);

    /// The last hidden states of a batch, `(tokens, hidden)`, where no step changes them, and `None` where steps do. They may be brought with any
    /// [batch](Batch::with_hidden_states) of the same sequences.
    ///
    /// # Errors
    /// As [`accumulate`](Self::accumulate).
    fn fixed_states(&mut self, batch: &Batch) -> Result<Option<Vec<f32>>, EngineError>;

    /// Says before the first step which tokens occur in any of the batches to come, rising, each once. Others have no gradient, so that an engine need
    /// not keep moments of them, and may put off their decay until [`settle`](Self::settle). One that does not mind may ignore this.
    fn expect_tokens(&mut self, _tokens: &[u32]) {}

    /// Brings the parameters up to date where something was put off. [`logits`](Forward::logits) does so, too.
    fn settle(&mut self) {}

    /// What the rows of tokens that are not expected are still to be multiplied by.
    fn pending_decay(&self) -> f64 {
        1.0
    }

    /// Says what those rows are still to be multiplied by, after parameters were imported. An engine that puts nothing off multiplies at once.
    ///
    /// # Errors
    /// When a device operation fails.
    fn set_pending_decay(&mut self, _factor: f64) -> Result<(), EngineError> {
        Ok(())
    }

    /// The number of updates that the optimiser has made.
    fn updates(&self) -> u64;

    /// How many elements a vector of the state has.
    fn length(&self, _vector: StateVector) -> usize {
        trained(self)
    }

    /// Hands out all elements of a vector of the state, in order, in slices of any length.
    ///
    /// # Errors
    /// What `sink` returns, or when a device operation fails.
    fn export(
        &self,
        vector: StateVector,
        sink: &mut dyn FnMut(&[f32]) -> std::io::Result<()>,
    ) -> Result<(), EngineError>;

    /// Fills a vector of the state in the order of [`export`](Self::export).
    ///
    /// # Errors
    /// What `source` returns, or when a device operation fails.
    fn import(
        &mut self,
        vector: StateVector,
        source: &mut dyn FnMut(&mut [f32]) -> std::io::Result<()>,
    ) -> Result<(), EngineError>;

    /// Says that the optimiser has made `updates` updates, after its moments were imported.
    fn set_updates(&mut self, updates: u64);

    /// From the first step on keeps the average of the parameters over all updates, in which each counts `decay` times as much as the one after it.
    ///
    /// # Errors
    /// When there is no room for it.
    fn keep_average(&mut self, decay: f64) -> Result<(), EngineError>;

    /// Exchanges the parameters and their average. It is to be done once more before the next step.
    ///
    /// # Panics
    /// Without an average.
    ///
    /// # Errors
    /// When a device operation fails.
    fn exchange_average(&mut self) -> Result<(), EngineError>;

    /// The vectors that the state consists of.
    fn vectors(&self) -> &'static [StateVector];
}

/// What is wrong where an average is asked for that was not to be kept.
pub(super) const NO_AVERAGE: &str = "the average is kept before it is asked for";

/// How many numbers an engine trains.
#[must_use]
pub fn trained(engine: &(impl Engine + ?Sized)) -> usize {
    let trained = engine.parameters().iter().filter(|parameter| parameter.group.trainable);
    trained.map(|parameter| parameter.range.len()).sum()
}

/// A vector of the state with an element for every number that is trained: the others are as the model began. Moments have none for rows of tokens
/// that are not [expected](Engine::expect_tokens).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateVector {
    Parameters,
    FirstMoments,
    SecondMoments,
    /// Where an average is kept.
    Average,
}

impl StateVector {
    /// Those of an engine.
    #[must_use]
    pub fn of(keeps_average: bool) -> &'static [Self] {
        const ALL: &[StateVector] = &[
            StateVector::Parameters,
            StateVector::FirstMoments,
            StateVector::SecondMoments,
            StateVector::Average,
        ];
        if keeps_average { ALL } else { &ALL[..3] }
    }
}

/// A failure below the loop.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The batch does not fit the model.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The device refused, for example because its memory is full.
    #[error("the device failed: {0}")]
    Device(#[from] candle_core::Error),
    /// Parameters, moments or gradients are too large.
    #[error(transparent)]
    NoMemory(#[from] NoMemory),
    /// Reading or writing the state.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Help for EngineError {
    fn help(&self) -> Option<Cow<'_, str>> {
        let help = match self {
            Self::Batch(BatchError::NoMemory { .. }) => {
                Some("lower `batch_size` or `max_length`, or free memory")
            }
            Self::NoMemory(_) => Some("take a smaller model, or free memory"),
            _ => None,
        };
        help.map(Cow::from)
    }
}
