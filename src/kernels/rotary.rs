//! Rotary position embeddings: pairs of a head's features, turned by an angle that grows with the position.

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

    /// Turns the features of one head at `position`: `(first, second)` halves to `(first·cos - second·sin, second·cos + first·sin)`.
    ///
    /// * `output`, `input`: `(head_dim,)`
    #[inline(always)]
    pub fn turn(&self, output: &mut [f32], input: &[f32], position: usize) {
        let pairs = self.inverse_frequencies.len();
        let (cosines, sines) = self.at(position);
        let (output_first, output_second) = output.split_at_mut(pairs);
        let (first, second) = input.split_at(pairs);
        let inputs = first.iter().zip(second).zip(cosines.iter().zip(sines));
        for ((output_first, output_second), ((&first, &second), (&cosine, &sine))) in
            output_first.iter_mut().zip(output_second).zip(inputs)
        {
            *output_first = first * cosine - second * sine;
            *output_second = second * cosine + first * sine;
        }
    }

    /// Turns back, in place: what [`Rotary::turn`] does to a gradient on its way back.
    #[inline(always)]
    pub fn turn_back(&self, features: &mut [f32], position: usize) {
        let (cosines, sines) = self.at(position);
        let (first, second) = features.split_at_mut(self.inverse_frequencies.len());
        for ((first, second), (&cosine, &sine)) in
            first.iter_mut().zip(second).zip(cosines.iter().zip(sines))
        {
            (*first, *second) =
                (*first * cosine + *second * sine, *second * cosine - *first * sine);
        }
    }

    #[inline(always)]
    fn at(&self, position: usize) -> (&[f32], &[f32]) {
        let pairs = self.inverse_frequencies.len();
        let range = position * pairs..(position + 1) * pairs;
        (&self.cosines[range.clone()], &self.sines[range])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn position_0_is_not_turned() {
        let mut rotary = Rotary::new(10_000.0, 4);
        rotary.grow(1);
        let mut output = [0.0; 4];
        rotary.turn(&mut output, &[1.0, 2.0, 3.0, 4.0], 0);
        assert_eq!(output, [1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn the_first_pair_is_turned_by_one_radian_per_position() {
        let mut rotary = Rotary::new(10_000.0, 4);
        rotary.grow(3);
        let mut output = [0.0; 4];
        rotary.turn(&mut output, &[1.0, 0.0, 0.0, 0.0], 2);
        assert_eq!(output, [2f64.cos() as f32, 0.0, 2f64.sin() as f32, 0.0]);
    }

    #[test]
    fn turning_back_undoes_turning() {
        let mut rotary = Rotary::new(160_000.0, 8);
        rotary.grow(2);
        rotary.grow(50); // grows what is there
        let input = [1.0, -2.0, 3.0, -4.0, 5.0, -6.0, 7.0, -8.0];
        let mut features = [0.0; 8];
        rotary.turn(&mut features, &input, 49);
        assert_ne!(features, input);
        rotary.turn_back(&mut features, 49);
        features
            .iter()
            .zip(input)
            .for_each(|(found, expected)| assert!((found - expected).abs() < 1e-5));
    }
}
