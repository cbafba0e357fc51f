//! The joint model: parameters with meaning, run forward and backward.

use std::ops::Range;

use candle_core::DType;

use super::buffers::fit;
use super::dropout::Place;
use super::encoder::{Encoder, Keep};
use super::kernels::bf16::Instructions;
use super::linear::{Arithmetic, Linears, RoundedWeights};
use super::{
    Batch, BatchError, EncoderSpec, Gradients, HeadSpec, Layout, LossOptions, Losses, NoMemory,
    Part, Pass, Workspace, heads,
};

/// An encoder with any number of heads.
///
/// All parameters lie in one flat buffer, as [`Layout`] says. Drawn by `JointModel::new_random`, read by `JointModel::load`, written by
/// `JointModel::save`.
#[derive(Debug, Clone)]
pub struct JointModel {
    pub spec: EncoderSpec,
    pub layout: Layout,
    /// `(layout.len(),)`
    pub parameters: Vec<f32>,
    pub(super) arithmetic: Arithmetic,
}

impl JointModel {
    pub fn heads(&self) -> impl ExactSizeIterator<Item = &HeadSpec> {
        self.layout.heads()
    }

    /// The same model with matrix products in `products`: f32, or bf16 with the best instructions that this machine has.
    ///
    /// # Errors
    /// [`NoMemory`]
    pub fn with_products_in(self, products: DType) -> Result<Self, NoMemory> {
        match products {
            DType::BF16 => self.with_bf16_products(Instructions::best()),
            _ => Ok(self),
        }
    }

    /// The same model with the products of its encoder's linear layers and attention in bf16, on `instructions`.
    ///
    /// It keeps a rounded copy of those weights, which [`weights_changed`](Self::weights_changed) brings up to date.
    ///
    /// # Errors
    /// [`NoMemory`]
    pub fn with_bf16_products(mut self, instructions: Instructions) -> Result<Self, NoMemory> {
        let weights = RoundedWeights::try_new(&self.layout, &self.parameters, instructions)?;
        self.arithmetic = Arithmetic::Bf16(weights);
        Ok(self)
    }

    /// To be called when `parameters` have changed.
    pub fn weights_changed(&mut self) {
        let all = 0..self.parameters.len();
        self.arithmetic.follow(&self.parameters, &all);
    }

    /// The parameters to write to, and what has to hear of each part of them that is written.
    pub fn parameters_mut(&mut self) -> (&mut [f32], impl FnMut(&[f32], Range<usize>)) {
        let Self { parameters, arithmetic, .. } = self;
        let moved = move |parameters: &[f32], changed| arithmetic.follow(parameters, &changed);
        (parameters.as_mut_slice(), moved)
    }

    /// A range of the parameters in parts that are best written one after another: those of which the arithmetic has copies.
    #[must_use]
    pub fn in_parts(&self, range: &Range<usize>) -> Vec<Range<usize>> {
        match &self.arithmetic {
            Arithmetic::F32 => vec![range.clone()],
            Arithmetic::Bf16(weights) => weights.cut(range),
        }
    }

    /// The last hidden states: `(tokens, hidden)`, as transformers' `last_hidden_state` without its padding.
    ///
    /// # Errors
    /// [`BatchError::OutsideVocabulary`], [`BatchError::TooLong`] and [`BatchError::NoMemory`]
    pub fn encode<'w>(
        &self,
        batch: &Batch,
        workspace: &'w mut Workspace,
    ) -> Result<&'w [f32], BatchError> {
        batch.check_tokens(&self.spec)?;
        self.make_room(batch, workspace, false)?;
        on_the_pool(|| self.encoder(batch).forward(workspace, Keep::Nothing));
        Ok(&workspace.hidden)
    }

    /// What each head says, unnormalised: `(rows, outputs)`, a row for each token or sequence as the head looks [over](super::Over) them.
    ///
    /// # Errors
    /// [`BatchError::OutsideVocabulary`], [`BatchError::TooLong`] and [`BatchError::NoMemory`]
    pub fn forward<'w>(
        &self,
        batch: &Batch,
        workspace: &'w mut Workspace,
    ) -> Result<&'w [Vec<f32>], BatchError> {
        batch.check_tokens(&self.spec)?;
        self.make_room(batch, workspace, false)?;
        on_the_pool(|| {
            self.leave_hidden_states(batch, workspace, Keep::Nothing);
            heads::forward(&self.layout, &self.parameters, batch, workspace);
        });
        Ok(&workspace.heads.logits)
    }

    /// The losses of a batch, without gradients.
    ///
    /// * `options`: for each head
    ///
    /// # Errors
    /// When the batch or its targets do not fit the model.
    pub fn evaluate(
        &self,
        batch: &Batch,
        options: &[LossOptions],
        workspace: &mut Workspace,
    ) -> Result<Losses, BatchError> {
        batch.check_targets(self.heads())?;
        self.forward(batch, workspace)?;
        Ok(heads::losses(&self.layout, batch, options, workspace, false))
    }

    /// The losses of a batch, and the gradient of their weighted sum with respect to every parameter.
    ///
    /// Features are dropped where the batch has [noise](Batch::with_noise) and the model's spec says so.
    ///
    /// Gradients replace what `gradients` held if it was cleared, else they add to it: with common [`LossOptions::normaliser`]s, those of
    /// micro-batches sum to those of the whole.
    ///
    /// * `options`: for each head
    ///
    /// # Errors
    /// When the batch or its targets do not fit the model. `gradients` is then as it was.
    pub fn loss_and_gradients(
        &self,
        batch: &Batch,
        options: &[LossOptions],
        workspace: &mut Workspace,
        gradients: &mut Gradients,
    ) -> Result<Losses, BatchError> {
        batch.check_tokens(&self.spec)?;
        batch.check_targets(self.heads())?;
        self.make_room(batch, workspace, true)?;
        gradients
            .make_room(batch.len())
            .map_err(|source| BatchError::NoMemory { tokens: batch.len(), source })?;
        Ok(on_the_pool(|| {
            self.leave_hidden_states(batch, workspace, Keep::ForBackward);
            self.encoder(batch).drop_out(&mut workspace.hidden, Place::Heads);
            heads::forward(&self.layout, &self.parameters, batch, workspace);
            let losses = heads::losses(&self.layout, batch, options, workspace, true);
            workspace.profile_mut().lap(Part::Heads);
            workspace.profile_mut().begin(Pass::Backward);
            heads::backward(&self.layout, &self.parameters, batch, workspace, gradients);
            self.encoder(batch).drop_out(&mut workspace.hidden, Place::Heads);
            workspace.profile_mut().lap(Part::Heads);
            if batch.hidden_states().is_none() {
                self.encoder(batch).backward(workspace, gradients);
            }
            gradients.written();
            losses
        }))
    }

    /// Those that the batch brings, or the encoder's.
    fn leave_hidden_states(&self, batch: &Batch, workspace: &mut Workspace, keep: Keep) {
        match batch.hidden_states() {
            Some(states) => {
                workspace.profile_mut().begin(Pass::Forward);
                fit(&mut workspace.hidden, states.len()).copy_from_slice(states);
            }
            None => self.encoder(batch).forward(workspace, keep),
        }
    }

    fn make_room(
        &self,
        batch: &Batch,
        workspace: &mut Workspace,
        backward: bool,
    ) -> Result<(), BatchError> {
        let instructions = self.arithmetic.instructions();
        let backward = backward && batch.hidden_states().is_none();
        let room = workspace.make_room(&self.spec, &self.layout, batch, backward, instructions);
        room.map_err(|source| BatchError::NoMemory { tokens: batch.len(), source })
    }

    fn encoder<'a>(&'a self, batch: &'a Batch) -> Encoder<'a> {
        let Self { arithmetic, parameters, layout, .. } = self;
        let linears = Linears { arithmetic, parameters, layout };
        Encoder { spec: &self.spec, layout: &self.layout, linears, batch }
    }
}

/// Runs `work` on a thread of the current pool, so that the many parallel loops inside need not each be handed over from outside.
fn on_the_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| work())
}
