//! AdamW in place over flat buffers, with the gradient's norm and its clipping.
//!
//! The life of a step: [`gradient_norm`] reads the gradient once; [`AdamW::step`] then makes one pass over parameters, moments and gradient,
//! with the clipping folded in. Both split the buffers on boundaries that depend on lengths only, and every element, or partial sum, is
//! computed by one thread in a fixed order: any number of threads gives the same bits. Nothing is allocated per step.
//!
//! The gradient of an embedding comes as rows. An absent row is a row of zeros, so the result is that of dense AdamW to the bit; rows that
//! never had a gradient have zero moments and only decay, which saves reading those moments. Rows that are known never to have one
//! ([`Rows`]) have no moments and are not visited: what they decay by is put off until [`AdamW::settle`].
//!
//! Where the update asks for it, each tensor moves no faster than is safe for it ([`Update::clips_updates`]): StableAdamW, which wants a gradient for every
//! tensor by itself. Its sums run in another order over rows than over a whole matrix, so that there the two are alike up to rounding.
//!
//! Reference: `torch.optim.AdamW` and `torch.nn.utils.clip_grad_norm_`; parity in `tests/training/optimiser.rs`.

mod clipping;
mod rows;

use std::ops::Range;

use rayon::prelude::*;

use super::group::Group;
use super::lanes::vectorised;

pub use clipping::{clip_coefficient, gradient_norm};
pub use rows::Rows;

/// Elements that one thread takes at a time; a boundary of partial sums, so that changing it changes bits.
const CHUNK: usize = 1 << 16;

/// One part of the gradient, at its place in the flat buffer of parameters.
#[derive(Debug, Clone, Copy)]
pub enum Gradient<'a> {
    /// A gradient for every parameter from `start` on.
    Dense { start: usize, values: &'a [f32], group: Group },
    /// Gradients for some rows of the matrix that the optimiser was made [with](AdamW::with_rows).
    Rows {
        /// The rows that have a gradient, ascending, each once.
        rows: &'a [u32],
        /// `(rows.len(), width)`
        values: &'a [f32],
        group: Group,
    },
}

impl Gradient<'_> {
    fn values(&self) -> &[f32] {
        match self {
            Self::Dense { values, .. } | Self::Rows { values, .. } => values,
        }
    }

    /// The group of all its parameters.
    #[must_use]
    pub fn group(&self) -> Group {
        match self {
            Self::Dense { group, .. } | Self::Rows { group, .. } => *group,
        }
    }
}

/// The numbers of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Update {
    pub learning_rate: f64,
    pub betas: (f64, f64),
    pub eps: f64,
    pub weight_decay: f64,
    /// The gradient is multiplied by this; see [`clip_coefficient`].
    pub gradient_scale: f64,
    /// Whether the learning rate of each tensor is divided by the root mean square of `g / max(sqrt(v / (1 - b2^t)), eps)` where that is above 1: gradients
    /// much larger than those that the second moment remembers do not move it far.
    ///
    /// Reference: StableAdamW in Wortsman et al., "Stable and low-precision training for large-scale vision-language models" (2023).
    pub clips_updates: bool,
}

impl Update {
    /// The numbers for parameters of one group.
    #[must_use]
    pub fn of(&self, group: Group) -> Self {
        Self {
            learning_rate: self.learning_rate * group.rate,
            weight_decay: if group.decays { self.weight_decay } else { 0.0 },
            ..*self
        }
    }
}

/// The optimiser's state: both moments of every parameter that may have a gradient, and the number of updates made.
#[derive(Debug, Clone)]
pub struct AdamW {
    first: Vec<f32>,
    second: Vec<f32>,
    updates: u64,
    /// The one sparse part.
    rows: Option<Rows>,
    /// Of its used rows: true where moments may differ from zero.
    moving_rows: Vec<bool>,
    /// What its unused rows are still to be multiplied by.
    pending_decay: f64,
}

impl AdamW {
    /// The state before the first update of `parameters` parameters.
    #[must_use]
    pub fn new(parameters: usize) -> Self {
        Self::of(parameters, None)
    }

    /// [`new`](Self::new) where the gradient of one matrix comes as rows.
    #[must_use]
    pub fn with_rows(parameters: usize, rows: Rows) -> Self {
        Self::of(parameters, Some(rows))
    }

    fn of(parameters: usize, rows: Option<Rows>) -> Self {
        let moments = parameters - rows.as_ref().map_or(0, Rows::unused);
        Self {
            first: vec![0.0; moments],
            second: vec![0.0; moments],
            updates: 0,
            rows,
            moving_rows: Vec::new(),
            pending_decay: 1.0,
        }
    }

    #[must_use]
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// What unused rows are still to be multiplied by: the product of the decays of the updates since [`settle`](Self::settle).
    #[must_use]
    pub fn pending_decay(&self) -> f64 {
        self.pending_decay
    }

    /// Says what unused rows are still to be multiplied by, where the parameters come from elsewhere.
    pub fn set_pending_decay(&mut self, factor: f64) {
        self.pending_decay = factor;
    }

    /// Where the moments of the parameters at `place` are. Of the sparse matrix, which is asked for as a whole, these are the used rows' alone.
    #[must_use]
    pub fn place_of(&self, place: &Range<usize>) -> Range<usize> {
        let moved = |at: usize| match &self.rows {
            Some(rows) if at >= rows.place().end => at - rows.unused(),
            _ => at,
        };
        moved(place.start)..moved(place.end)
    }

    /// The first and the second moments.
    #[must_use]
    pub fn moments(&self) -> (&[f32], &[f32]) {
        (&self.first, &self.second)
    }

    /// Both moments for a reader to fill, after which the state stands at `updates` updates.
    pub fn restore(&mut self, updates: u64) -> (&mut [f32], &mut [f32]) {
        self.updates = updates;
        self.moving_rows.clear();
        (&mut self.first, &mut self.second)
    }

    /// Moves the parameters that have a gradient by one step, each as its group says.
    ///
    /// With `t` updates made, this one included, and `g` the scaled gradient:
    /// `p *= 1 - lr * weight_decay`, `m += (1 - b1) * (g - m)`, `v = b2 * v + (1 - b2) * g * g`,
    /// `p -= lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)`.
    ///
    /// Moments below the normal range of f32 become zero: they cannot move a parameter, and some processors take a hundred times longer
    /// over them.
    ///
    /// # Panics
    /// When the lengths of parameters, moments and gradients do not belong together, there is more than one sparse part, or an unused row has a
    /// gradient.
    pub fn step(&mut self, parameters: &mut [f32], gradients: &[Gradient<'_>], update: &Update) {
        self.step_telling(parameters, gradients, update, |_, _| {});
    }

    /// [`step`](Self::step), which says after each part of the gradient which parameters have moved, while those are in the cache.
    ///
    /// # Panics
    /// As [`step`](Self::step).
    pub fn step_telling(
        &mut self,
        parameters: &mut [f32],
        gradients: &[Gradient<'_>],
        update: &Update,
        mut moved: impl FnMut(&[f32], Range<usize>),
    ) {
        let unused = self.rows.as_ref().map_or(0, Rows::unused);
        assert_eq!(parameters.len() - unused, self.first.len(), "one moment for every parameter");
        assert!(
            gradients.iter().filter(|gradient| matches!(gradient, Gradient::Rows { .. })).count()
                <= 1,
            "one sparse part"
        );
        self.updates += 1;
        for gradient in gradients {
            let update = self.clipped(update.of(gradient.group()), gradient);
            let constants = Constants::new(&update, self.updates);
            match *gradient {
                Gradient::Dense { start, values, .. } => {
                    let range = start..start + values.len();
                    self.step_dense(&mut parameters[range.clone()], start, values, &constants);
                    moved(parameters, range);
                }
                Gradient::Rows { rows, values, .. } => {
                    let place = self.matrix().place();
                    self.step_rows(&mut parameters[place.clone()], rows, values, &constants);
                    self.pending_decay *= 1.0 - update.learning_rate * update.weight_decay;
                    moved(parameters, place);
                }
            }
        }
    }

    /// * `parameters`: those from `start` on
    fn step_dense(
        &mut self,
        parameters: &mut [f32],
        start: usize,
        gradient: &[f32],
        constants: &Constants,
    ) {
        let range = self.place_of(&(start..start + gradient.len()));
        let state =
            parameters.par_chunks_mut(CHUNK).zip(self.first[range.clone()].par_chunks_mut(CHUNK));
        let state =
            state.zip(self.second[range].par_chunks_mut(CHUNK)).zip(gradient.par_chunks(CHUNK));
        state.for_each(|(((parameters, first), second), gradient)| {
            update_with_gradient(parameters, first, second, gradient, constants);
        });
    }
}

/// What is the same for all elements of a step, in the precision of the elements.
struct Constants {
    keep: f32,
    gradient_scale: f32,
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
    step_size: f32,
    root_correction: f32,
    /// The square of `root_correction`.
    correction: f32,
    eps: f32,
}

impl Constants {
    fn new(update: &Update, updates: u64) -> Self {
        let (beta1, beta2) = update.betas;
        let exponent = updates as f64;
        let (correction1, correction2) = (1.0 - beta1.powf(exponent), 1.0 - beta2.powf(exponent));
        Self {
            keep: (1.0 - update.learning_rate * update.weight_decay) as f32,
            gradient_scale: update.gradient_scale as f32,
            one_minus_beta1: (1.0 - beta1) as f32,
            beta2: beta2 as f32,
            one_minus_beta2: (1.0 - beta2) as f32,
            step_size: (update.learning_rate / correction1) as f32,
            root_correction: (1.0 / correction2.sqrt()) as f32,
            correction: (1.0 / correction2) as f32,
            eps: update.eps as f32,
        }
    }
}

#[inline(always)]
fn normal_or_zero(value: f32) -> f32 {
    if value.abs() < f32::MIN_POSITIVE { 0.0 } else { value }
}

#[inline(always)]
fn update_element(
    parameter: &mut f32,
    first: &mut f32,
    second: &mut f32,
    gradient: f32,
    constants: &Constants,
) {
    let momentum = normal_or_zero(*first + constants.one_minus_beta1 * (gradient - *first));
    let variance =
        normal_or_zero(*second * constants.beta2 + constants.one_minus_beta2 * gradient * gradient);
    let denominator = variance.sqrt() * constants.root_correction + constants.eps;
    *parameter = *parameter * constants.keep - constants.step_size * (momentum / denominator);
    *first = momentum;
    *second = variance;
}

fn update_with_gradient(
    parameters: &mut [f32],
    first: &mut [f32],
    second: &mut [f32],
    gradient: &[f32],
    constants: &Constants,
) {
    vectorised!(|| {
        for (((parameter, first), second), &gradient) in
            parameters.iter_mut().zip(&mut *first).zip(&mut *second).zip(gradient)
        {
            update_element(
                parameter,
                first,
                second,
                gradient * constants.gradient_scale,
                constants,
            );
        }
    });
}

fn update_without_gradient(
    parameters: &mut [f32],
    first: &mut [f32],
    second: &mut [f32],
    constants: &Constants,
) {
    vectorised!(|| {
        for ((parameter, first), second) in parameters.iter_mut().zip(&mut *first).zip(&mut *second)
        {
            update_element(parameter, first, second, 0.0, constants);
        }
    });
}

/// What [`update_without_gradient`] comes to where both moments are zero.
fn decay(parameters: &mut [f32], keep: f32) {
    for parameter in parameters {
        *parameter *= keep;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    const START: u64 = 0;
    const GRADIENT: u64 = 1;

    const UPDATE: Update = Update {
        learning_rate: 1e-2,
        betas: (0.9, 0.999),
        eps: 1e-8,
        weight_decay: 0.01,
        gradient_scale: 1.0,
        clips_updates: false,
    };

    fn numbers(seed: u64, count: usize) -> Vec<f32> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        (0..count).map(|_| (random.next_u32() as f32 / u32::MAX as f32 - 0.5) * 2.0).collect()
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    #[test]
    fn sparse_rows_give_the_bits_of_dense_adamw_over_thousands_of_steps() {
        let (width, count) = (8, 37);
        let every = || Rows::all(0, width, count);
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let (mut sparse, mut dense) =
            (numbers(START, width * count), numbers(START, width * count));
        let (mut sparse_state, mut dense_state) =
            (AdamW::with_rows(width * count, every()), AdamW::new(width * count));
        for step in 0..4000_u64 {
            // Some rows are touched once, early, so that their moments sink through the denormal range; some never.
            let rows: Vec<u32> = (0..count as u32)
                .filter(|&row| {
                    row % 3 != 0 && (row > 20 || step < 3) && random.next_u32().is_multiple_of(8)
                })
                .collect();
            let values: Vec<f32> = rows
                .iter()
                .flat_map(|&row| numbers(1000 * (step + 1) + u64::from(row), width))
                .map(|value| value * 1e-3)
                .collect();
            let mut full = vec![0.0; width * count];
            for (&row, values) in rows.iter().zip(values.chunks(width)) {
                full[row as usize * width..][..width].copy_from_slice(values);
            }
            sparse_state.step(
                &mut sparse,
                &[Gradient::Rows { rows: &rows, values: &values, group: Group::default() }],
                &UPDATE,
            );
            dense_state.step(
                &mut dense,
                &[Gradient::Dense { start: 0, values: &full, group: Group::default() }],
                &UPDATE,
            );
            if step == 1234 {
                // A restart in the middle changes nothing, wherever the optimiser stood that goes on.
                let mut other = AdamW::with_rows(width * count, every());
                let gradient =
                    Gradient::Rows { rows: &[0], values: &[1.0; 8], group: Group::default() };
                other.step(&mut numbers(START, width * count), &[gradient], &UPDATE);
                let (into_first, into_second) = other.restore(step + 1);
                into_first.copy_from_slice(&sparse_state.first);
                into_second.copy_from_slice(&sparse_state.second);
                sparse_state = other;
            }
        }
        assert_eq!(bits(&sparse), bits(&dense));
        assert_eq!(bits(sparse_state.moments().0), bits(dense_state.moments().0));
        assert_eq!(bits(sparse_state.moments().1), bits(dense_state.moments().1));
        assert!(sparse_state.moments().0.iter().all(|value| !value.is_subnormal()));
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bits() {
        let length = 5 * CHUNK + 77;
        let run = |threads: usize| {
            let pool =
                rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            pool.install(|| {
                let (mut parameters, gradient) =
                    (numbers(START, length), numbers(GRADIENT, length));
                let mut state = AdamW::new(length);
                let gradients =
                    [Gradient::Dense { start: 0, values: &gradient, group: Group::default() }];
                let norm = gradient_norm(&gradients);
                state.step(
                    &mut parameters,
                    &gradients,
                    &Update { gradient_scale: clip_coefficient(norm, Some(1.0)), ..UPDATE },
                );
                (norm.to_bits(), bits(&parameters))
            })
        };
        let one = run(1);
        assert_eq!(one, run(2));
        assert_eq!(one, run(3));
    }
}
