//! The engine of any device that candle runs on: candle's differentiable operations and AdamW in candle's operations, with moments that can be
//! saved. On a CPU it is the oracle of [`CpuEngine`](super::CpuEngine).

mod buckets;

use std::ops::Range;

use candle_core::{DType, Device, Result, Tensor};

use crate::nn::{Batch, ComposedModel, JointModel, LossOptions, Losses, Parameter};

use self::buckets::{Bucket, Corrected, buckets};
use super::adamw::Update;
use super::engine::{Engine, EngineError, Forward, NO_AVERAGE, StateVector, trained};
use crate::nn::kernels::average::newest_share;

/// A joint model on a candle device.
#[derive(Debug)]
pub struct CandleEngine {
    model: ComposedModel,
    /// One for each variable, until its bucket takes it.
    gradient: Vec<Option<Tensor>>,
    buckets: Vec<Bucket>,
    average: Option<Average>,
    updates: u64,
    /// The rows of the embedding that any batch uses, where the others have no gradient and somebody said which.
    used_rows: Option<Vec<u32>>,
    activation_checkpointing: bool,
}

/// The average of the variables over the updates so far.
#[derive(Debug)]
struct Average {
    decay: f64,
    tensors: Vec<Tensor>,
}

impl CandleEngine {
    /// A copy of `model` on `device`, whose matrix products are computed in `products`.
    ///
    /// # Errors
    /// When the device has no room.
    pub fn new(model: &JointModel, device: &Device, products: DType) -> Result<Self> {
        Self::of(ComposedModel::new(model, device)?.with_products_in(products))
    }

    /// One for another model, on the same device.
    ///
    /// # Errors
    /// When the device has no room.
    pub fn beside(&self, model: &JointModel) -> Result<Self> {
        Self::of(self.model.beside(model)?)
    }

    fn of(model: ComposedModel) -> Result<Self> {
        Ok(Self {
            gradient: vec![None; model.variables().len()],
            buckets: buckets(model.layout().parameters(), model.device())?,
            average: None,
            updates: 0,
            used_rows: None,
            activation_checkpointing: false,
            model,
        })
    }

    /// Whether a backward computes each layer again from its input, which saves memory and changes no result.
    #[must_use]
    pub fn with_activation_checkpointing(self, activation_checkpointing: bool) -> Self {
        Self { activation_checkpointing, ..self }
    }

    #[must_use]
    pub fn model(&self) -> &ComposedModel {
        &self.model
    }

    /// The numbers of the parameters that are trained.
    fn trained(&self) -> Vec<usize> {
        let parameters = self.model.layout().parameters();
        (0..parameters.len()).filter(|index| parameters[*index].group.trainable).collect()
    }

    /// The rows of which alone a vector has elements for the parameter of this number, and their width; `None` where it has all.
    fn rows_of(&self, vector: StateVector, index: usize) -> Option<(&[u32], usize)> {
        let width = self.model.layout().parameters()[0].shape[1];
        let rows = self.used_rows.as_deref()?;
        let has_all = matches!(vector, StateVector::Parameters | StateVector::Average);
        (index == 0 && !has_all).then_some((rows, width))
    }

    /// `(floats,)`
    fn tensor(&self, vector: StateVector, index: usize) -> Result<Tensor> {
        let moments = |which: usize| {
            let both = buckets::moments(&self.buckets, index).expect("it is trained");
            both.map(|both| both[which].clone())
        };
        match vector {
            StateVector::Parameters => self.model.variables()[index].as_tensor().flatten_all(),
            StateVector::FirstMoments => moments(0),
            StateVector::SecondMoments => moments(1),
            StateVector::Average => {
                self.average.as_ref().expect(NO_AVERAGE).tensors[index].flatten_all()
            }
        }
    }

    fn try_accumulate(&mut self, batch: &Batch, options: &[LossOptions]) -> Result<Losses> {
        let (losses, found) =
            self.model.loss_and_gradients(batch, options, self.activation_checkpointing)?;
        for (sum, found) in self.gradient.iter_mut().zip(found) {
            if let Some(gradient) = found {
                *sum = Some(match sum.take() {
                    Some(sum) => (sum + gradient)?,
                    None => gradient,
                });
            }
        }
        Ok(losses)
    }

    /// Reads back all parts of it at once.
    fn try_norm(&mut self) -> Result<f64> {
        let mut squares = Vec::new();
        for bucket in &mut self.buckets {
            squares.extend(bucket.squares(&mut self.gradient)?);
        }
        if squares.is_empty() {
            return Ok(0.0);
        }
        let squares = Tensor::stack(&squares, 0)?.to_vec1::<f32>()?;
        Ok(squares.into_iter().map(f64::from).sum::<f64>().sqrt())
    }

    fn try_has_gradient(&self, parameter: usize, elements: Range<usize>) -> Result<bool> {
        let gathered = buckets::gradient(&self.buckets, parameter);
        let gradient = gathered.or_else(|| Some(self.gradient[parameter].as_ref()?.flatten_all()));
        let Some(gradient) = gradient.transpose()? else { return Ok(false) };
        let part = gradient.narrow(0, elements.start, elements.len())?;
        Ok(part.abs()?.max(0)?.to_scalar::<f32>()? != 0.0)
    }

    fn try_step(&mut self, update: &Update) -> Result<()> {
        let corrected = Corrected::new(update, self.updates + 1);
        for bucket in &mut self.buckets {
            bucket.step(self.model.variables(), &mut self.gradient, corrected)?;
        }
        self.gradient.fill(None);
        self.updates += 1;
        if let Some(Average { decay, tensors }) = &mut self.average {
            let share = newest_share(*decay, self.updates);
            for (average, variable) in tensors.iter_mut().zip(self.model.variables()) {
                *average = (&*average + ((variable.as_tensor() - &*average)? * share)?)?;
            }
        }
        Ok(())
    }

    /// Copies, as a variable's own memory changes with it.
    fn copies(&self) -> Result<Vec<Tensor>> {
        self.model.variables().iter().map(|variable| variable.as_tensor().copy()).collect()
    }

    fn try_exchange(&mut self) -> Result<()> {
        let parameters = self.copies()?;
        let average = self.average.as_mut().expect(NO_AVERAGE);
        let averages = std::mem::replace(&mut average.tensors, parameters);
        self.model
            .variables()
            .iter()
            .zip(averages)
            .try_for_each(|(variable, average)| variable.set(&average))
    }
}

impl Forward for CandleEngine {
    fn logits(&mut self, batch: &Batch) -> std::result::Result<Vec<Vec<f32>>, EngineError> {
        let logits = self.model.forward(batch)?;
        Ok(logits.iter().map(|logits| logits.flatten_all()?.to_vec1()).collect::<Result<_>>()?)
    }
}

impl Engine for CandleEngine {
    fn parameters(&self) -> &[Parameter] {
        self.model.layout().parameters()
    }

    fn accumulate(
        &mut self,
        batch: &Batch,
        options: &[LossOptions],
    ) -> std::result::Result<Losses, EngineError> {
        Ok(self.try_accumulate(batch, options)?)
    }

    fn gradient_norm(&mut self) -> std::result::Result<f64, EngineError> {
        Ok(self.try_norm()?)
    }

    fn has_gradient(
        &mut self,
        parameter: usize,
        elements: Range<usize>,
    ) -> std::result::Result<bool, EngineError> {
        Ok(self.try_has_gradient(parameter, elements)?)
    }

    fn step(&mut self, update: &Update) -> std::result::Result<(), EngineError> {
        Ok(self.try_step(update)?)
    }

    fn discard(&mut self) {
        self.gradient.fill(None);
        self.buckets.iter_mut().for_each(Bucket::discard);
    }

    fn fixed_states(
        &mut self,
        batch: &Batch,
    ) -> std::result::Result<Option<Vec<f32>>, EngineError> {
        if !self.model.layout().fixes_encoder(self.model.spec()) {
            return Ok(None);
        }
        Ok(Some(self.model.encode(batch)?.flatten_all()?.to_vec1()?))
    }

    fn updates(&self) -> u64 {
        self.updates
    }

    fn export(
        &self,
        vector: StateVector,
        sink: &mut dyn FnMut(&[f32]) -> std::io::Result<()>,
    ) -> std::result::Result<(), EngineError> {
        for index in self.trained() {
            let values = self.tensor(vector, index)?.to_vec1::<f32>()?;
            match self.rows_of(vector, index) {
                Some((rows, width)) => {
                    let row = |row: &u32| &values[*row as usize * width..][..width];
                    sink(&rows.iter().flat_map(row).copied().collect::<Vec<_>>())?;
                }
                None => sink(&values)?,
            }
        }
        Ok(())
    }

    fn import(
        &mut self,
        vector: StateVector,
        source: &mut dyn FnMut(&mut [f32]) -> std::io::Result<()>,
    ) -> std::result::Result<(), EngineError> {
        for index in self.trained() {
            let mut values = vec![0.0; self.model.layout().parameters()[index].range.len()];
            match self.rows_of(vector, index) {
                Some((rows, width)) => {
                    let mut used = vec![0.0; rows.len() * width];
                    source(&mut used)?;
                    for (row, used) in rows.iter().zip(used.chunks_exact(width)) {
                        values[*row as usize * width..][..width].copy_from_slice(used);
                    }
                }
                None => source(&mut values)?,
            }
            let variable = &self.model.variables()[index];
            let tensor = Tensor::from_vec(values, variable.shape(), variable.device())?;
            match vector {
                StateVector::Parameters => variable.set(&tensor)?,
                StateVector::FirstMoments => {
                    buckets::set_moments(&self.buckets, index, 0, &tensor.flatten_all()?)?;
                }
                StateVector::SecondMoments => {
                    buckets::set_moments(&self.buckets, index, 1, &tensor.flatten_all()?)?;
                }
                StateVector::Average => {
                    self.average.as_mut().expect(NO_AVERAGE).tensors[index] = tensor;
                }
            }
        }
        Ok(())
    }

    fn set_updates(&mut self, updates: u64) {
        self.updates = updates;
    }

    /// Moments lie in memory whole all the same: candle's gradient of an embedding is dense.
    fn expect_tokens(&mut self, tokens: &[u32]) {
        let layout = self.model.layout();
        if layout.has_sparse_embedding() && layout.parameters()[0].group.trainable {
            let count = layout.parameters()[0].shape[0] as u32;
            self.used_rows = Some(tokens.iter().copied().filter(|row| *row < count).collect());
        }
    }

    fn length(&self, vector: StateVector) -> usize {
        let all = trained(self);
        self.rows_of(vector, 0).map_or(all, |(rows, width)| {
            all - self.model.layout().parameters()[0].range.len() + rows.len() * width
        })
    }

    fn set_pending_decay(&mut self, factor: f64) -> std::result::Result<(), EngineError> {
        if let Some(rows) = self.used_rows.as_deref().filter(|_| factor != 1.0) {
            let embedding = &self.model.variables()[0];
            let count = embedding.dim(0)?;
            let mut factors = vec![factor as f32; count];
            rows.iter().for_each(|row| factors[*row as usize] = 1.0);
            let factors = Tensor::from_vec(factors, (count, 1), embedding.device())?;
            embedding.set(&embedding.as_tensor().broadcast_mul(&factors)?.detach())?;
        }
        Ok(())
    }

    fn keep_average(&mut self, decay: f64) -> std::result::Result<(), EngineError> {
        self.average = Some(Average { decay, tensors: self.copies()? });
        Ok(())
    }

    fn exchange_average(&mut self) -> std::result::Result<(), EngineError> {
        Ok(self.try_exchange()?)
    }

    fn vectors(&self) -> &'static [StateVector] {
        StateVector::of(self.average.is_some())
    }
}
