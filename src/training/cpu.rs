//! The engine of the CPU: explicit forward and backward over one flat buffer, and AdamW in place.

use std::ops::Range;

use crate::nn::{
    Batch, Gradients, Group, JointModel, Layout, LossOptions, Losses, NoMemory, Parameter, Part,
    Pass, Profile, Workspace, ask_for_large_pages, reserve, room_for,
};

use super::adamw::{AdamW, Gradient, Rows, Update, gradient_norm};
use super::engine::{Engine, EngineError, Forward, NO_AVERAGE, StateVector, trained};
use crate::nn::kernels::average::{average, newest_share};

/// A joint model on the CPU, on the threads of the current pool.
///
/// Moments and gradients take memory only once a step has been made, and only of what is trained, so that an engine which only predicts is as large as its
/// model. Rows of the embedding that no text of a training uses have neither; they decay when somebody looks at them.
#[derive(Debug)]
pub struct CpuEngine {
    model: JointModel,
    gradients: Gradients,
    optimiser: AdamW,
    workspace: Workspace,
    /// What is dense, by group, and the same in the parts in which a step writes it.
    dense: Vec<(Group, Range<usize>)>,
    parts: Vec<(Group, Range<usize>)>,
    average: Option<Average>,
}

/// The average of the parameters over the updates so far.
#[derive(Debug)]
struct Average {
    decay: f64,
    values: Vec<f32>,
}

impl CpuEngine {
    /// [`new`](Self::new) where there is room for moments and gradients.
    ///
    /// # Errors
    /// [`NoMemory`]
    pub fn try_new(model: JointModel) -> Result<Self, NoMemory> {
        room_for(3 * model.layout.trained(), "its gradients and the optimiser's moments")?;
        Ok(Self::new(model))
    }

    #[must_use]
    pub fn new(model: JointModel) -> Self {
        let optimiser = optimiser(&model.layout, None);
        let gradients = Gradients::new(&model.layout);
        ask_for_large_pages(gradients.dense());
        let groups = model.layout.dense_groups();
        let parts_of = |(group, range): &(Group, Range<usize>)| {
            let group = *group;
            model.in_parts(range).into_iter().map(move |part| (group, part))
        };
        Self {
            parts: groups.iter().flat_map(parts_of).collect(),
            dense: groups,
            gradients,
            optimiser,
            workspace: Workspace::default(),
            average: None,
            model,
        }
    }

    /// Uses a workspace of the caller's, which may be set to compute layers anew in the backward.
    #[must_use]
    pub fn with_workspace(self, workspace: Workspace) -> Self {
        Self { workspace, ..self }
    }

    /// The model as the last step left it, or [`settle`](Engine::settle) after that.
    #[must_use]
    pub fn model(&self) -> &JointModel {
        &self.model
    }

    #[must_use]
    pub fn into_model(mut self) -> JointModel {
        self.settle();
        self.model
    }

    /// Whether a backward computes each layer again from its input.
    #[must_use]
    pub fn checkpoints_activations(&self) -> bool {
        self.workspace.recomputes_layers()
    }

    /// Counts where the time of steps goes, from zero.
    pub fn start_profile(&mut self) {
        self.workspace.profile_mut().start();
    }

    #[must_use]
    pub fn profile(&self) -> &Profile {
        self.workspace.profile()
    }

    /// The gradient of what is trained, as AdamW takes it.
    fn gradient<'g>(
        gradients: &'g Gradients,
        layout: &Layout,
        dense: &[(Group, Range<usize>)],
    ) -> Vec<Gradient<'g>> {
        let (group, rows) = (layout.parameters()[0].group, gradients.embedding());
        let rows = Gradient::Rows { rows: &rows.ids, values: &rows.rows, group };
        let dense = dense.iter().map(|(group, range)| Gradient::Dense {
            start: range.start,
            values: gradients.within(range),
            group: *group,
        });
        let all = layout.has_sparse_embedding().then_some(rows).into_iter().chain(dense);
        all.filter(|gradient| gradient.group().trainable).collect()
    }
}

/// The state of an optimiser that has made no update.
///
/// * `used`: the rows of a sparse embedding that may have a gradient, rising, each once; all where nobody knows
fn optimiser(layout: &Layout, used: Option<Vec<u32>>) -> AdamW {
    if !layout.has_sparse_embedding() {
        return AdamW::new(layout.len());
    }
    let embedding = &layout.parameters()[0];
    let (start, count, width) = (embedding.range.start, embedding.shape[0], embedding.shape[1]);
    let rows = match used {
        Some(used) => Rows { start, width, count, used },
        None => Rows::all(start, width, count),
    };
    let optimiser = AdamW::with_rows(layout.len(), rows);
    // Every step touches all of these, but of the embedding's moments only the rows of tokens that occur.
    let (dense, (first, second)) = (optimiser.place_of(&layout.dense()), optimiser.moments());
    [&first[dense.clone()], &second[dense]].into_iter().for_each(ask_for_large_pages);
    optimiser
}

impl Forward for CpuEngine {
    fn logits(&mut self, batch: &Batch) -> Result<Vec<Vec<f32>>, EngineError> {
        self.settle();
        CpuForward { model: &self.model, workspace: &mut self.workspace }.logits(batch)
    }
}

/// A model that nobody trains, on the threads of the current pool; it may answer several at once, each with a workspace of its own.
#[derive(Debug)]
pub struct CpuForward<'m> {
    pub model: &'m JointModel,
    pub workspace: &'m mut Workspace,
}

impl Forward for CpuForward<'_> {
    fn logits(&mut self, batch: &Batch) -> Result<Vec<Vec<f32>>, EngineError> {
        Ok(self.model.forward(batch, self.workspace)?.to_vec())
    }
}

impl Engine for CpuEngine {
    fn parameters(&self) -> &[Parameter] {
        self.model.layout.parameters()
    }

    fn accumulate(
        &mut self,
        batch: &Batch,
        options: &[LossOptions],
    ) -> Result<Losses, EngineError> {
        let (workspace, gradients) = (&mut self.workspace, &mut self.gradients);
        Ok(self.model.loss_and_gradients(batch, options, workspace, gradients)?)
    }

    fn gradient_norm(&mut self) -> Result<f64, EngineError> {
        self.workspace.profile_mut().begin(Pass::Update);
        let norm = gradient_norm(&Self::gradient(&self.gradients, &self.model.layout, &self.dense));
        self.workspace.profile_mut().lap(Part::GradientNorm);
        Ok(norm)
    }

    fn has_gradient(
        &mut self,
        parameter: usize,
        elements: Range<usize>,
    ) -> Result<bool, EngineError> {
        let values = self.gradients.parameter(&self.model.layout.parameters()[parameter]);
        // Of the embedding there are only rows, and nobody asks for a part of it.
        let values =
            values.map_or(self.gradients.embedding().rows.as_slice(), |values| &values[elements]);
        Ok(values.iter().any(|value| *value != 0.0))
    }

    fn step(&mut self, update: &Update) -> Result<(), EngineError> {
        self.workspace.profile_mut().begin(Pass::Update);
        let layout = &self.model.layout;
        let gradient = if update.clips_updates {
            let tensors = layout.dense_parameters().iter();
            let tensors: Vec<_> = tensors.map(|it| (it.group, it.range.clone())).collect();
            Self::gradient(&self.gradients, layout, &tensors)
        } else {
            Self::gradient(&self.gradients, layout, &self.parts)
        };
        let (parameters, moved) = self.model.parameters_mut();
        self.optimiser.step_telling(parameters, &gradient, update, moved);
        if let Some(Average { decay, values }) = &mut self.average {
            let share = newest_share(*decay, self.optimiser.updates());
            average(values, &self.model.parameters, share);
        }
        self.workspace.profile_mut().lap(Part::Optimiser);
        self.gradients.clear();
        Ok(())
    }

    fn discard(&mut self) {
        self.gradients.clear();
    }

    fn fixed_states(&mut self, batch: &Batch) -> Result<Option<Vec<f32>>, EngineError> {
        if !self.model.layout.fixes_encoder(&self.model.spec) {
            return Ok(None);
        }
        Ok(Some(self.model.encode(batch, &mut self.workspace)?.to_vec()))
    }

    fn expect_tokens(&mut self, tokens: &[u32]) {
        let vocabulary = self.model.spec.vocab_size as u32;
        let used = tokens.iter().copied().filter(|token| *token < vocabulary).collect();
        // What is there gives its memory back first: there may be no room for both.
        self.optimiser = AdamW::new(0);
        self.optimiser = optimiser(&self.model.layout, Some(used));
    }

    fn settle(&mut self) {
        self.optimiser.settle(&mut self.model.parameters);
    }

    fn updates(&self) -> u64 {
        self.optimiser.updates()
    }

    fn pending_decay(&self) -> f64 {
        self.optimiser.pending_decay()
    }

    fn length(&self, vector: StateVector) -> usize {
        let embedding = &self.model.layout.parameters()[0];
        match vector {
            StateVector::FirstMoments | StateVector::SecondMoments if embedding.group.trainable => {
                let range = &embedding.range;
                trained(self) - range.len() + self.optimiser.place_of(range).len()
            }
            _ => trained(self),
        }
    }

    fn export(
        &self,
        vector: StateVector,
        sink: &mut dyn FnMut(&[f32]) -> std::io::Result<()>,
    ) -> Result<(), EngineError> {
        let (first, second) = self.optimiser.moments();
        let place = |range: &Range<usize>| match vector {
            StateVector::FirstMoments | StateVector::SecondMoments => {
                self.optimiser.place_of(range)
            }
            StateVector::Parameters | StateVector::Average => range.clone(),
        };
        let values = match vector {
            StateVector::Parameters => &self.model.parameters,
            StateVector::FirstMoments => first,
            StateVector::SecondMoments => second,
            StateVector::Average => &self.average.as_ref().expect(NO_AVERAGE).values,
        };
        Ok(self
            .model
            .layout
            .parameters()
            .iter()
            .filter(|parameter| parameter.group.trainable)
            .try_for_each(|parameter| sink(&values[place(&parameter.range)]))?)
    }

    fn import(
        &mut self,
        vector: StateVector,
        source: &mut dyn FnMut(&mut [f32]) -> std::io::Result<()>,
    ) -> Result<(), EngineError> {
        let parameters = self.model.layout.parameters().iter();
        let trained = parameters.filter(|parameter| parameter.group.trainable);
        let places: Vec<Range<usize>> = match vector {
            StateVector::FirstMoments | StateVector::SecondMoments => {
                trained.map(|parameter| self.optimiser.place_of(&parameter.range)).collect()
            }
            StateVector::Parameters | StateVector::Average => {
                trained.map(|parameter| parameter.range.clone()).collect()
            }
        };
        let (first, second) = self.optimiser.restore(self.optimiser.updates());
        let values = match vector {
            StateVector::Parameters => &mut self.model.parameters,
            StateVector::FirstMoments => first,
            StateVector::SecondMoments => second,
            StateVector::Average => &mut self.average.as_mut().expect(NO_AVERAGE).values,
        };
        places.into_iter().try_for_each(|place| source(&mut values[place]))?;
        if vector == StateVector::Parameters {
            self.model.weights_changed();
            self.optimiser.set_pending_decay(1.0);
        }
        Ok(())
    }

    fn set_updates(&mut self, updates: u64) {
        self.optimiser.restore(updates);
    }

    fn set_pending_decay(&mut self, factor: f64) -> Result<(), EngineError> {
        self.optimiser.set_pending_decay(factor);
        Ok(())
    }

    fn keep_average(&mut self, decay: f64) -> Result<(), EngineError> {
        let mut values = Vec::new();
        reserve(&mut values, self.model.parameters.len(), "the average of its weights")?;
        values.extend_from_slice(&self.model.parameters);
        self.average = Some(Average { decay, values });
        Ok(())
    }

    fn exchange_average(&mut self) -> Result<(), EngineError> {
        let average = self.average.as_mut().expect(NO_AVERAGE);
        std::mem::swap(&mut average.values, &mut self.model.parameters);
        self.model.weights_changed();
        Ok(())
    }

    fn vectors(&self) -> &'static [StateVector] {
        StateVector::of(self.average.is_some())
    }
}
