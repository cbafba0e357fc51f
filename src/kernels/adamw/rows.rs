//! The matrix whose gradient comes as rows: which of them ever have one, and what becomes of the others.

use std::ops::Range;

use rayon::prelude::*;

use super::{AdamW, CHUNK, Constants, decay, update_with_gradient, update_without_gradient};

/// A matrix whose gradient comes as rows, with the rows that may ever have one. The others only decay, and there are no moments of them.
#[derive(Debug, Clone)]
pub struct Rows {
    /// Where the matrix begins among the parameters.
    pub start: usize,
    /// Elements in a row.
    pub width: usize,
    /// Rows of the matrix.
    pub count: usize,
    /// Those that may have a gradient, ascending, each once.
    pub used: Vec<u32>,
}

impl Rows {
    /// A matrix of which any row may have a gradient.
    #[must_use]
    pub fn all(start: usize, width: usize, count: usize) -> Self {
        Self { start, width, count, used: (0..count as u32).collect() }
    }

    /// Where the matrix is among the parameters.
    pub(super) fn place(&self) -> Range<usize> {
        self.start..self.start + self.count * self.width
    }

    /// Elements without moments.
    pub(super) fn unused(&self) -> usize {
        (self.count - self.used.len()) * self.width
    }

    /// The number of a row among the used ones.
    pub(super) fn number(&self, row: u32) -> usize {
        self.used.binary_search(&row).expect("a row that has a gradient is a used one")
    }
}

/// Used rows that one thread takes at a time, with the part of the matrix from row `first_row` to the last of them.
struct Task<'a> {
    used: &'a [u32],
    moving: &'a [bool],
    first: &'a mut [f32],
    second: &'a mut [f32],
    parameters: &'a mut [f32],
    first_row: usize,
}

impl AdamW {
    pub(super) fn matrix(&self) -> &Rows {
        self.rows
            .as_ref()
            .expect("a gradient of rows comes to an optimiser that was made with them")
    }

    /// Multiplies the unused rows by all that they were to decay by since the last time.
    ///
    /// Step by step each factor and each product would be rounded to f32: here the product of the factors is rounded once, and that of the weight
    /// with it.
    pub fn settle(&mut self, parameters: &mut [f32]) {
        let factor = std::mem::replace(&mut self.pending_decay, 1.0) as f32;
        let Some(Rows { width, used, .. }) = &self.rows else { return };
        if factor == 1.0 {
            return;
        }
        let rows_per_chunk = (CHUNK / width).max(1);
        let matrix = &mut parameters[self.matrix().place()];
        let chunks = matrix.par_chunks_mut(rows_per_chunk * width).enumerate();
        chunks.for_each(|(chunk, rows)| {
            let from = chunk * rows_per_chunk;
            let first = used.partition_point(|&row| (row as usize) < from);
            let mut used = used[first..].iter().peekable();
            for (row, values) in (from as u32..).zip(rows.chunks_exact_mut(*width)) {
                if used.next_if_eq(&&row).is_none() {
                    decay(values, factor);
                }
            }
        });
    }

    /// One step of the used rows.
    ///
    /// * `parameters`: of the matrix
    /// * `rows`, `values`: the gradient
    pub(super) fn step_rows(
        &mut self,
        parameters: &mut [f32],
        rows: &[u32],
        values: &[f32],
        constants: &Constants,
    ) {
        self.mark_moving(rows);
        let place = self.place_of(&self.matrix().place());
        let Some(Rows { width, used, .. }) = &self.rows else { return };
        let width = *width;
        assert_eq!(values.len(), rows.len() * width, "one gradient for every row");
        debug_assert!(rows.is_sorted_by(|left, right| left < right), "rows ascend");
        let rows_per_task = (CHUNK / width).max(1);
        let length = rows_per_task * width;
        let (mut rest, mut next_row) = (parameters, 0);
        let moments =
            self.first[place.clone()].chunks_mut(length).zip(self.second[place].chunks_mut(length));
        let used = used.chunks(rows_per_task).zip(self.moving_rows.chunks(rows_per_task));
        let tasks = used.zip(moments).map(|((used, moving), (first, second))| {
            let end = used.last().map_or(next_row, |row| *row as usize + 1);
            let (parameters, others) =
                std::mem::take(&mut rest).split_at_mut((end - next_row) * width);
            rest = others;
            let first_row = std::mem::replace(&mut next_row, end);
            Task { used, moving, first, second, parameters, first_row }
        });
        let tasks: Vec<Task<'_>> = tasks.collect();
        tasks.into_par_iter().for_each(|task| task.step(width, rows, values, constants));
    }

    /// Keeps [`moving_rows`](Self::moving_rows) right: after a restart it follows from the moments.
    fn mark_moving(&mut self, rows: &[u32]) {
        let matrix = self.matrix();
        let numbers: Vec<usize> = rows.iter().map(|row| matrix.number(*row)).collect();
        if self.moving_rows.is_empty() {
            let (width, place) = (matrix.width, self.place_of(&matrix.place()));
            let moves = |values: &[f32]| values.iter().any(|&value| value != 0.0);
            let moments = self.first[place.clone()]
                .par_chunks(width)
                .zip(self.second[place].par_chunks(width));
            moments
                .map(|(first, second)| moves(first) || moves(second))
                .collect_into_vec(&mut self.moving_rows);
        }
        for number in numbers {
            self.moving_rows[number] = true;
        }
    }
}

impl Task<'_> {
    fn step(self, width: usize, rows: &[u32], values: &[f32], constants: &Constants) {
        let moments = self.first.chunks_exact_mut(width).zip(self.second.chunks_exact_mut(width));
        let from = self.used[0];
        let mut next = rows.partition_point(|&row| row < from);
        for ((&row, &moving), (first, second)) in self.used.iter().zip(self.moving).zip(moments) {
            let place = (row as usize - self.first_row) * width;
            let parameters = &mut self.parameters[place..][..width];
            if !moving {
                decay(parameters, constants.keep);
            } else if rows.get(next) == Some(&row) {
                let gradient = &values[next * width..][..width];
                update_with_gradient(parameters, first, second, gradient, constants);
                next += 1;
            } else {
                update_without_gradient(parameters, first, second, constants);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Gradient, Update};
    use super::*;
    use crate::group::Group;

    const WIDTH: usize = 5;
    const COUNT: usize = 40_000;
    const BEFORE: usize = 3;
    const LENGTH: usize = BEFORE + COUNT * WIDTH + 7;
    const STEPS: u32 = 50;

    fn numbers(length: usize, factor: usize) -> Vec<f32> {
        (0..length).map(|index| ((index * factor % 1009) as f32 - 504.0) / 500.0).collect()
    }

    /// Of every fourteen rows three; neither the first nor the last one of the matrix.
    fn used() -> Vec<u32> {
        (1..COUNT as u32 - 1).filter(|row| matches!(row % 14, 3 | 4 | 9)).collect()
    }

    fn update(step: u32, clips_updates: bool) -> Update {
        Update {
            learning_rate: 1e-2 / f64::from(step + 1),
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: 0.1,
            gradient_scale: 1.0,
            clips_updates,
        }
    }

    /// The parameters after [`STEPS`] steps in which some used rows have gradients, before anything that was put off; and the optimiser.
    fn trained(matrix: Rows, clips_updates: bool) -> (Vec<f32>, AdamW) {
        let group = Group::default();
        let mut optimiser = AdamW::with_rows(LENGTH, matrix);
        let mut parameters = numbers(LENGTH, 7919);
        for step in 0..STEPS {
            let rows: Vec<u32> =
                used().into_iter().filter(|row| (row * 31 + step) % 5 == 0).collect();
            let values = numbers(rows.len() * WIDTH, 31 + step as usize);
            let start = BEFORE + COUNT * WIDTH;
            let gradients = [
                Gradient::Rows { rows: &rows, values: &values, group },
                Gradient::Dense { start, values: &values[..7], group },
                Gradient::Dense { start: 0, values: &values[..BEFORE], group },
            ];
            optimiser.step(&mut parameters, &gradients, &update(step, clips_updates));
        }
        (parameters, optimiser)
    }

    fn narrow() -> Rows {
        Rows { used: used(), ..Rows::all(BEFORE, WIDTH, COUNT) }
    }

    #[test]
    fn used_rows_have_the_bits_of_all_rows_taking_part_and_others_those_of_one_product() {
        for clips_updates in [false, true] {
            let (plain, _) = trained(Rows::all(BEFORE, WIDTH, COUNT), clips_updates);
            let (mut found, mut optimiser) = trained(narrow(), clips_updates);
            let (start, used) = (numbers(LENGTH, 7919), used());
            let factor = optimiser.pending_decay();
            optimiser.settle(&mut found);
            assert_eq!(optimiser.pending_decay(), 1.0);
            for index in 0..LENGTH {
                let row = index.checked_sub(BEFORE).map(|place| (place / WIDTH) as u32);
                let is_unused = row
                    .is_some_and(|row| (row as usize) < COUNT && used.binary_search(&row).is_err());
                if is_unused {
                    assert_eq!(found[index], start[index] * factor as f32, "{index}");
                    // Each step rounds a factor and a product.
                    let bound = STEPS as f32 * f32::EPSILON * start[index].abs();
                    assert!((found[index] - plain[index]).abs() <= bound, "{index}");
                } else {
                    assert_eq!(found[index].to_bits(), plain[index].to_bits(), "{index}");
                }
            }
            let mut again = found.clone();
            optimiser.settle(&mut again);
            assert_eq!(again, found);
        }
    }

    #[test]
    fn there_are_no_moments_of_unused_rows() {
        let (_, optimiser) = trained(narrow(), false);
        let unused = (COUNT - used().len()) * WIDTH;
        assert_eq!(optimiser.moments().0.len(), LENGTH - unused);
        assert_eq!(optimiser.moments().1.len(), LENGTH - unused);
        let behind = BEFORE + COUNT * WIDTH..LENGTH;
        assert_eq!(optimiser.place_of(&behind), behind.start - unused..LENGTH - unused);
    }

    #[test]
    #[should_panic(expected = "a row that has a gradient is a used one")]
    fn a_gradient_of_an_unused_row_is_a_mistake_of_the_caller() {
        let mut optimiser = AdamW::with_rows(LENGTH, narrow());
        let gradient =
            Gradient::Rows { rows: &[0], values: &[1.0; WIDTH], group: Group::default() };
        optimiser.step(&mut numbers(LENGTH, 7919), &[gradient], &update(0, false));
    }
}
