//! Rotary position embeddings: pairs of a head's features, turned by an angle that grows with the position.

use pulp::{Arch, Scalar, Simd, WithSimd};

use super::product::{Matrix, MatrixMut};

/// Cosines and sines for the positions that have been needed so far.
#[derive(Debug, Clone)]
pub struct Rotary {
    theta: f64,
    inverse_frequencies: Vec<f32>,
    /// `(positions, head_dim / 2)` each
    cosines: Vec<f32>,
    sines: Vec<f32>,
}

impl Rotary {
    /// The angles `position / theta^(2 * pair / head_dim)`, for no position yet: [`Rotary::grow`] adds them.
    #[must_use]
    pub fn new(theta: f64, head_dim: usize) -> Self {
        // In f32 where transformers computes in f32, so that far positions have its angles and not better ones.
        let inverse_frequency =
            |pair: usize| 1.0 / theta.powf((2 * pair) as f64 / head_dim as f64) as f32;
        let inverse_frequencies = (0..head_dim / 2).map(inverse_frequency).collect();
        Self { theta, inverse_frequencies, cosines: Vec::new(), sines: Vec::new() }
    }

    #[must_use]
    pub fn theta(&self) -> f64 {
        self.theta
    }

    #[must_use]
    pub fn head_dim(&self) -> usize {
        2 * self.inverse_frequencies.len()
    }

    /// `(head_dim / 2,)`: by how much each angle grows from one position to the next.
    #[must_use]
    pub fn inverse_frequencies(&self) -> &[f32] {
        &self.inverse_frequencies
    }

    /// Makes sure that positions up to `length` are there.
    pub fn grow(&mut self, length: usize) {
        let pairs = self.inverse_frequencies.len();
        for position in self.cosines.len() / pairs..length {
            for &inverse_frequency in &self.inverse_frequencies {
                let angle = f64::from(position as f32 * inverse_frequency);
                self.cosines.push(angle.cos() as f32);
                self.sines.push(angle.sin() as f32);
            }
        }
    }

    /// `(positions, head_dim / 2)`: the cosine of every angle.
    #[must_use]
    pub fn cosines(&self) -> &[f32] {
        &self.cosines
    }

    /// `(positions, head_dim / 2)`: the sine of every angle.
    #[must_use]
    pub fn sines(&self) -> &[f32] {
        &self.sines
    }

    /// Turns the features of a head, row by row: `(first, second)` halves to `(first·cos - second·sin, second·cos + first·sin)`.
    ///
    /// * `output`, `input`: `(positions, head_dim)`
    pub(crate) fn turn(&self, output: &mut MatrixMut<'_>, input: Matrix<'_>) {
        Arch::new().dispatch(Turn { rotary: self, output, input });
    }

    /// Turns back, in place: what [`Rotary::turn`] does to a gradient on its way back.
    pub(crate) fn turn_back(&self, features: &mut MatrixMut<'_>) {
        Arch::new().dispatch(TurnBack { rotary: self, features });
    }

    #[inline(always)]
    fn at(&self, position: usize) -> (&[f32], &[f32]) {
        let pairs = self.inverse_frequencies.len();
        let range = position * pairs..(position + 1) * pairs;
        (&self.cosines[range.clone()], &self.sines[range])
    }
}

struct Turn<'a, 'm> {
    rotary: &'a Rotary,
    output: &'a mut MatrixMut<'m>,
    input: Matrix<'a>,
}

impl WithSimd for Turn<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { rotary, output, input } = self;
        let pairs = rotary.inverse_frequencies.len();
        for position in 0..input.height() {
            let (first, second) = input.row(position).split_at(pairs);
            let (first, second) = (S::as_simd_f32s(first), S::as_simd_f32s(second));
            let (cosines, sines) = rotary.at(position);
            let (cosines, sines) = (S::as_simd_f32s(cosines), S::as_simd_f32s(sines));
            let (out_first, out_second) = output.row(position).split_at_mut(pairs);
            let (out_first, out_second) =
                (S::as_mut_simd_f32s(out_first), S::as_mut_simd_f32s(out_second));
            turn(simd, (out_first.0, out_second.0), (first.0, second.0), (cosines.0, sines.0));
            turn(Scalar, (out_first.1, out_second.1), (first.1, second.1), (cosines.1, sines.1));
        }
    }
}

struct TurnBack<'a, 'm> {
    rotary: &'a Rotary,
    features: &'a mut MatrixMut<'m>,
}

impl WithSimd for TurnBack<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { rotary, features } = self;
        let pairs = rotary.inverse_frequencies.len();
        for position in 0..features.height() {
            let (cosines, sines) = rotary.at(position);
            let (cosines, sines) = (S::as_simd_f32s(cosines), S::as_simd_f32s(sines));
            let (first, second) = features.row(position).split_at_mut(pairs);
            let (first, second) = (S::as_mut_simd_f32s(first), S::as_mut_simd_f32s(second));
            turn_back(simd, (first.0, second.0), (cosines.0, sines.0));
            turn_back(Scalar, (first.1, second.1), (cosines.1, sines.1));
        }
    }
}

#[inline(always)]
fn turn<S: Simd>(
    simd: S,
    (output_first, output_second): (&mut [S::f32s], &mut [S::f32s]),
    (first, second): (&[S::f32s], &[S::f32s]),
    (cosines, sines): (&[S::f32s], &[S::f32s]),
) {
    let inputs = first.iter().zip(second).zip(cosines.iter().zip(sines));
    let outputs = output_first.iter_mut().zip(output_second);
    for ((output_first, output_second), ((&first, &second), (&cosine, &sine))) in
        outputs.zip(inputs)
    {
        *output_first = simd.sub_f32s(simd.mul_f32s(first, cosine), simd.mul_f32s(second, sine));
        *output_second = simd.add_f32s(simd.mul_f32s(second, cosine), simd.mul_f32s(first, sine));
    }
}

#[inline(always)]
fn turn_back<S: Simd>(
    simd: S,
    (first, second): (&mut [S::f32s], &mut [S::f32s]),
    (cosines, sines): (&[S::f32s], &[S::f32s]),
) {
    let features = first.iter_mut().zip(second);
    for ((first, second), (&cosine, &sine)) in features.zip(cosines.iter().zip(sines)) {
        (*first, *second) = (
            simd.add_f32s(simd.mul_f32s(*first, cosine), simd.mul_f32s(*second, sine)),
            simd.sub_f32s(simd.mul_f32s(*second, cosine), simd.mul_f32s(*first, sine)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the features become at the last of so many positions.
    fn turned<const WIDTH: usize>(
        rotary: &Rotary,
        features: [f32; WIDTH],
        positions: usize,
    ) -> [f32; WIDTH] {
        let (mut output, input) = (vec![0.0; positions * WIDTH], features.repeat(positions));
        let view = &mut MatrixMut::new(&mut output, positions, WIDTH);
        rotary.turn(view, Matrix::new(&input, positions, WIDTH));
        *output.last_chunk().expect("there is a position")
    }

    #[test]
    fn position_0_is_not_turned() {
        let mut rotary = Rotary::new(10_000.0, 4);
        rotary.grow(1);
        assert_eq!(turned(&rotary, [1.0, 2.0, 3.0, 4.0], 1), [1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn the_first_pair_is_turned_by_one_radian_per_position() {
        let mut rotary = Rotary::new(10_000.0, 4);
        rotary.grow(3);
        let expected = [2f64.cos() as f32, 0.0, 2f64.sin() as f32, 0.0];
        assert_eq!(turned(&rotary, [1.0, 0.0, 0.0, 0.0], 3), expected);
    }

    #[test]
    fn turning_back_undoes_turning() {
        const WIDTH: usize = 2 * 37; // vectors, and what is left
        let mut rotary = Rotary::new(160_000.0, WIDTH);
        rotary.grow(2);
        rotary.grow(50); // grows what is there
        let input: [f32; WIDTH] = std::array::from_fn(|place| place as f32 - 20.5);
        let mut features = turned(&rotary, input, 50).repeat(50);
        assert_ne!(features[49 * WIDTH..], input);
        rotary.turn_back(&mut MatrixMut::new(&mut features, 50, WIDTH));
        features[49 * WIDTH..]
            .iter()
            .zip(input)
            .for_each(|(found, expected)| assert!((found - expected).abs() < 1e-4));
    }
}
