//! AdamW over a few large tensors: a device is told of a handful of operations in place of some sixteen for every parameter.

use candle_core::{DType, Device, Result, Tensor, Var};

use super::super::adamw::Update;
use crate::nn::Parameter;
use crate::nn::kernels::Group;

/// The most floats of a bucket that holds several parameters: what an update holds beside the moments does not grow with the model.
const MOST: usize = 1 << 25;

/// Floats whose squares are added up before they are added to others: that loses less in f32 than one long sum.
const ROW: usize = 1024;

/// Parameters of one group that are updated together, one after the other.
#[derive(Debug)]
pub(super) struct Bucket {
    group: Group,
    parts: Vec<Part>,
    /// `(floats,)`, like the following one.
    first: Tensor,
    second: Tensor,
    /// `(floats,)`: of this step, once it was asked for.
    gradient: Option<Tensor>,
}

/// A parameter in a bucket.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// Its number in the layout.
    parameter: usize,
    start: usize,
    length: usize,
}

/// What an update comes to after so many before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Corrected<'a> {
    update: &'a Update,
    correction: f64,
    root_correction: f64,
}

impl<'a> Corrected<'a> {
    /// * `updates`: with this one
    pub(super) fn new(update: &'a Update, updates: u64) -> Self {
        let (beta1, beta2) = update.betas;
        Self {
            update,
            correction: 1.0 - beta1.powf(updates as f64),
            root_correction: 1.0 / (1.0 - beta2.powf(updates as f64)).sqrt(),
        }
    }
}

/// The trainable parameters by their groups.
pub(super) fn buckets(parameters: &[Parameter], device: &Device) -> Result<Vec<Bucket>> {
    let mut found: Vec<(Group, Vec<Part>, usize)> = Vec::new();
    for (parameter, of) in parameters.iter().enumerate().filter(|(_, of)| of.group.trainable) {
        let length = of.range.len();
        let has_room = |bucket: &&mut (Group, Vec<Part>, usize)| {
            bucket.0 == of.group && bucket.2 + length <= MOST
        };
        match found.iter_mut().rev().find(has_room) {
            Some((_, parts, floats)) => {
                parts.push(Part { parameter, start: *floats, length });
                *floats += length;
            }
            None => found.push((of.group, vec![Part { parameter, start: 0, length }], length)),
        }
    }
    let moments = |floats| Tensor::zeros(floats, DType::F32, device);
    let bucket = |(group, parts, floats)| {
        let (first, second) = (moments(floats)?, moments(floats)?);
        Ok(Bucket { group, parts, first, second, gradient: None })
    };
    found.into_iter().map(bucket).collect()
}

/// The first and the second moments of a parameter, `(floats,)` each, which lie in the memory of its bucket; `None` of one that is not trained.
pub(super) fn moments(buckets: &[Bucket], parameter: usize) -> Option<Result<[Tensor; 2]>> {
    buckets.iter().find_map(|bucket| {
        let part = bucket.parts.iter().find(|part| part.parameter == parameter)?;
        let both = || Ok([part.of(&bucket.first)?, part.of(&bucket.second)?]);
        Some(both())
    })
}

/// The gradient of a parameter, `(floats,)`, where its bucket has [gathered](Bucket::gather) it.
pub(super) fn gradient(buckets: &[Bucket], parameter: usize) -> Option<Result<Tensor>> {
    buckets.iter().find_map(|bucket| {
        let part = bucket.parts.iter().find(|part| part.parameter == parameter)?;
        Some(part.of(bucket.gradient.as_ref()?))
    })
}

/// Sets the first or the second moments of a parameter.
///
/// * `which`: 0 or 1
/// * `values`: `(floats,)`
pub(super) fn set_moments(
    buckets: &[Bucket],
    parameter: usize,
    which: usize,
    values: &Tensor,
) -> Result<()> {
    for bucket in buckets {
        if let Some(part) = bucket.parts.iter().find(|part| part.parameter == parameter) {
            let whole = [&bucket.first, &bucket.second][which];
            return whole.slice_set(values, 0, part.start);
        }
    }
    Ok(())
}

impl Part {
    fn of(&self, whole: &Tensor) -> Result<Tensor> {
        whole.narrow(0, self.start, self.length)
    }
}

impl Bucket {
    /// The gradient, `(floats,)`, in one tensor. A variable without one has one of zeros.
    ///
    /// * `gradients`: of each variable; taken the first time in a step
    fn gather(&mut self, gradients: &mut [Option<Tensor>]) -> Result<Tensor> {
        if let Some(gradient) = &self.gradient {
            debug_assert!(self.parts.iter().all(|part| gradients[part.parameter].is_none()));
            return Ok(gradient.clone());
        }
        let of = |part: &Part| match gradients[part.parameter].take() {
            Some(gradient) => gradient.flatten_all(),
            None => Tensor::zeros(part.length, DType::F32, self.first.device()),
        };
        let gradient = Tensor::cat(&self.parts.iter().map(of).collect::<Result<Vec<_>>>()?, 0)?;
        self.gradient = Some(gradient.clone());
        Ok(gradient)
    }

    /// Scalars on the device, which add up to the square of the gradient's norm.
    ///
    /// * `gradients`: of each variable; taken
    pub(super) fn squares(&mut self, gradients: &mut [Option<Tensor>]) -> Result<Vec<Tensor>> {
        let gradient = self.gather(gradients)?;
        let length = gradient.elem_count();
        let rest = length % ROW;
        let rows = (length > rest).then(|| {
            let rows = gradient.narrow(0, 0, length - rest)?.reshape(((), ROW))?; // (rows, ROW)
            rows.sqr()?.sum(1)?.sum_all()
        });
        let rest = (rest > 0).then(|| gradient.narrow(0, length - rest, rest)?.sqr()?.sum_all());
        rows.into_iter().chain(rest).collect()
    }

    /// Forgets the gradient.
    pub(super) fn discard(&mut self) {
        self.gradient = None;
    }

    /// The formulas of [`AdamW::step`](super::super::adamw::AdamW::step).
    ///
    /// * `gradients`: of each of the `variables`; taken
    pub(super) fn step(
        &mut self,
        variables: &[Var],
        gradients: &mut [Option<Tensor>],
        corrected: Corrected<'_>,
    ) -> Result<()> {
        let Corrected { update, correction, root_correction } = corrected;
        let (update, (beta1, beta2)) = (update.of(self.group), update.betas);
        let gradient = (self.gather(gradients)? * update.gradient_scale)?;
        self.gradient = None;
        self.first = (&self.first + ((&gradient - &self.first)? * (1.0 - beta1))?)?;
        self.second = ((&self.second * beta2)? + (gradient.sqr()? * (1.0 - beta2))?)?;
        let denominator = ((self.second.sqrt()? * root_correction)? + update.eps)?;
        let moved = (&self.first / denominator)?;
        let next = |values: &Tensor, moved: &Tensor, rate: f64| {
            (values * (1.0 - rate * update.weight_decay))? - (moved * (rate / correction))?
        };
        let values = |part: &Part| variables[part.parameter].as_tensor().flatten_all();
        let set = |part: &Part, values: &Tensor| {
            let variable = &variables[part.parameter];
            variable.set(&values.reshape(variable.shape())?.detach())
        };
        if update.clips_updates {
            let rates = self.clipped(&gradient, &update, root_correction)?;
            return self.parts.iter().zip(rates).try_for_each(|(part, rate)| {
                set(part, &next(&values(part)?, &part.of(&moved)?, rate)?)
            });
        }
        let whole = Tensor::cat(&self.parts.iter().map(values).collect::<Result<Vec<_>>>()?, 0)?;
        let whole = next(&whole, &moved, update.learning_rate)?;
        self.parts.iter().try_for_each(|part| set(part, &part.of(&whole)?))
    }

    /// The learning rate of each part where large gradients lower it, as [`Update::clips_updates`] has it; all are read back at once.
    fn clipped(
        &self,
        gradient: &Tensor,
        update: &Update,
        root_correction: f64,
    ) -> Result<Vec<f64>> {
        let variance = (&self.second * root_correction.powi(2))?.maximum(update.eps.powi(2))?;
        let ratios = (gradient.sqr()? / variance)?;
        let means = self.parts.iter().map(|part| part.of(&ratios)?.mean_all());
        let means = Tensor::stack(&means.collect::<Result<Vec<_>>>()?, 0)?.to_vec1::<f32>()?;
        let rate = |mean: f32| update.learning_rate / f64::from(mean).sqrt().max(1.0);
        Ok(means.into_iter().map(rate).collect())
    }
}
