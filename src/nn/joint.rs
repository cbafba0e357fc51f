//! The joint model: parameters with meaning, run forward and backward.

use super::encoder::{Encoder, Keep};
use super::{
    BatchError, EncoderSpec, Gradients, HeadSizes, Layout, LossOptions, Losses, Part, Pass,
    Targets, Tokens, Workspace, heads,
};

/// An encoder with a head for tokens, a head for whole texts, or both.
///
/// All parameters lie in one flat buffer, as [`Layout`] says. Drawn by `JointModel::new_random`, read by `JointModel::load`, written by
/// `JointModel::save`.
#[derive(Debug, Clone)]
pub struct JointModel {
    pub spec: EncoderSpec,
    pub layout: Layout,
    /// `(layout.len(),)`
    pub parameters: Vec<f32>,
}

/// What the model says about a batch, unnormalised.
#[derive(Debug, Clone, Copy)]
pub struct Logits<'a> {
    /// `(tokens, labels)`; empty where the model has no such head.
    pub ner: &'a [f32],
    /// `(sequences, 2)`: normal, anomaly; empty where the model has no such head.
    pub anomaly: &'a [f32],
}

impl JointModel {
    /// How many labels the token head tells apart; 0 without one.
    #[must_use]
    pub fn labels(&self) -> usize {
        self.layout.labels()
    }

    #[must_use]
    pub fn heads(&self) -> HeadSizes {
        self.layout.heads()
    }

    /// The last hidden states: `(tokens, hidden)`, as transformers' `last_hidden_state` without its padding.
    ///
    /// # Errors
    /// [`BatchError::OutsideVocabulary`] and [`BatchError::NoMemory`]
    pub fn encode<'w>(
        &self,
        tokens: &Tokens<'_>,
        workspace: &'w mut Workspace,
    ) -> Result<&'w [f32], BatchError> {
        tokens.check_vocabulary(self.spec.vocab_size)?;
        self.make_room(tokens, workspace, false)?;
        on_the_pool(|| self.encoder(tokens).forward(workspace, Keep::Nothing));
        Ok(&workspace.hidden)
    }

    /// The logits of the heads.
    ///
    /// # Errors
    /// [`BatchError::OutsideVocabulary`] and [`BatchError::NoMemory`]
    pub fn forward<'w>(
        &self,
        tokens: &Tokens<'_>,
        workspace: &'w mut Workspace,
    ) -> Result<Logits<'w>, BatchError> {
        tokens.check_vocabulary(self.spec.vocab_size)?;
        self.make_room(tokens, workspace, false)?;
        on_the_pool(|| {
            self.encoder(tokens).forward(workspace, Keep::Nothing);
            heads::forward(&self.layout, &self.parameters, tokens, workspace);
        });
        Ok(Logits { ner: &workspace.heads.ner, anomaly: &workspace.heads.anomaly })
    }

    /// The losses of a batch, without gradients, and the logits that they come from.
    ///
    /// # Errors
    /// When the batch does not fit the model, or the targets the batch.
    pub fn evaluate<'w>(
        &self,
        tokens: &Tokens<'_>,
        targets: &Targets<'_>,
        options: &LossOptions,
        workspace: &'w mut Workspace,
    ) -> Result<(Losses, Logits<'w>), BatchError> {
        targets.check(tokens, self.heads())?;
        self.forward(tokens, workspace)?;
        let losses = heads::losses(&self.layout, tokens, targets, options, workspace, false);
        Ok((losses, Logits { ner: &workspace.heads.ner, anomaly: &workspace.heads.anomaly }))
    }

    /// The losses of a batch, and the gradient of their weighted sum with respect to every parameter.
    ///
    /// Gradients replace what `gradients` held if it was cleared, else they add to it: with common [`LossOptions::normalisers`], those of
    /// micro-batches sum to those of the whole.
    ///
    /// # Errors
    /// When the batch does not fit the model, or the targets the batch. `gradients` is then as it was.
    pub fn loss_and_gradients(
        &self,
        tokens: &Tokens<'_>,
        targets: &Targets<'_>,
        options: &LossOptions,
        workspace: &mut Workspace,
        gradients: &mut Gradients,
    ) -> Result<Losses, BatchError> {
        tokens.check_vocabulary(self.spec.vocab_size)?;
        targets.check(tokens, self.heads())?;
        self.make_room(tokens, workspace, true)?;
        gradients
            .make_room(tokens.len())
            .map_err(|source| BatchError::NoMemory { tokens: tokens.len(), source })?;
        Ok(on_the_pool(|| {
            self.encoder(tokens).forward(workspace, Keep::ForBackward);
            heads::forward(&self.layout, &self.parameters, tokens, workspace);
            let losses = heads::losses(&self.layout, tokens, targets, options, workspace, true);
            workspace.profile_mut().lap(Part::Heads);
            workspace.profile_mut().begin(Pass::Backward);
            heads::backward(&self.layout, &self.parameters, tokens, workspace, gradients);
            workspace.profile_mut().lap(Part::Heads);
            self.encoder(tokens).backward(workspace, gradients);
            gradients.written();
            losses
        }))
    }

    fn make_room(
        &self,
        tokens: &Tokens<'_>,
        workspace: &mut Workspace,
        backward: bool,
    ) -> Result<(), BatchError> {
        let room = workspace.make_room(&self.spec, self.heads(), tokens, backward);
        room.map_err(|source| BatchError::NoMemory { tokens: tokens.len(), source })
    }

    fn encoder<'a>(&'a self, tokens: &'a Tokens<'a>) -> Encoder<'a> {
        Encoder { spec: &self.spec, layout: &self.layout, parameters: &self.parameters, tokens }
    }
}

/// Runs `work` on a thread of the current pool, so that the many parallel loops inside need not each be handed over from outside.
fn on_the_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| work())
}
