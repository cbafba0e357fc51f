//! Points of several dimensions, numbered row by row.
//!
//! A stage varies along some of the sweep's dimensions: the axes, and the seeds as the last. Its rows are all combinations of those, the last
//! dimension fastest.

/// The rows that some of all dimensions span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grid {
    /// Numbers of dimensions, ascending.
    pub(super) dimensions: Vec<usize>,
    sizes: Vec<usize>,
    strides: Vec<usize>,
    pub(super) rows: usize,
}

impl Grid {
    /// * `dimensions`: the numbers of those that span it, in any order
    /// * `sizes`: of all dimensions there are
    pub(super) fn new(mut dimensions: Vec<usize>, sizes: &[usize]) -> Self {
        dimensions.sort_unstable();
        dimensions.dedup();
        let sizes: Vec<usize> = dimensions.iter().map(|dimension| sizes[*dimension]).collect();
        let mut strides = vec![1; sizes.len()];
        let mut rows = 1_usize;
        for (stride, size) in strides.iter_mut().zip(&sizes).rev() {
            *stride = rows;
            rows = rows.saturating_mul(*size);
        }
        Self { dimensions, sizes, strides, rows }
    }

    /// Where `row` stands along a dimension; 0 along one that the grid does not have.
    pub(super) fn coordinate(&self, row: usize, dimension: usize) -> usize {
        match self.dimensions.binary_search(&dimension) {
            Ok(position) => row / self.strides[position] % self.sizes[position],
            Err(_) => 0,
        }
    }

    /// How rows of this grid fall onto those of another.
    pub(super) fn onto(&self, other: &Self) -> Projection {
        let mut steps = Vec::new();
        let mut offsets = vec![0];
        for (position, dimension) in other.dimensions.iter().enumerate() {
            let (stride, size) = (other.strides[position], other.sizes[position]);
            match self.dimensions.binary_search(dimension) {
                Ok(mine) => steps.push(Step { divisor: self.strides[mine], size, stride }),
                Err(_) => {
                    offsets = offsets
                        .iter()
                        .flat_map(|offset| (0..size).map(move |at| offset + at * stride))
                        .collect()
                }
            }
        }
        Projection { steps, offsets }
    }
}

struct Step {
    divisor: usize,
    size: usize,
    stride: usize,
}

/// A map from the rows of one grid to those of another.
pub(super) struct Projection {
    steps: Vec<Step>,
    /// More than one where the other grid has dimensions of its own.
    offsets: Vec<usize>,
}

impl Projection {
    /// The row of the other grid, the first of them if there are several.
    pub(super) fn row(&self, row: usize) -> usize {
        self.steps.iter().map(|step| row / step.divisor % step.size * step.stride).sum()
    }

    /// Every row of the other grid that agrees with `row` in the dimensions of both.
    pub(super) fn rows(&self, row: usize) -> impl Iterator<Item = usize> + '_ {
        let base = self.row(row);
        self.offsets.iter().map(move |offset| base + offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_dimension_runs_fastest() {
        let grid = Grid::new(vec![2, 0], &[2, 9, 3]);
        let coordinates: Vec<_> =
            (0..grid.rows).map(|row| (grid.coordinate(row, 0), grid.coordinate(row, 2))).collect();
        assert_eq!(coordinates, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]);
    }

    #[test]
    fn a_projection_keeps_the_coordinates_of_both() {
        let sizes = [2, 3, 4];
        let (whole, part) = (Grid::new(vec![0, 1, 2], &sizes), Grid::new(vec![0, 2], &sizes));
        let onto = whole.onto(&part);
        assert!((0..whole.rows).all(|row| {
            let to = onto.row(row);
            part.coordinate(to, 0) == whole.coordinate(row, 0)
                && part.coordinate(to, 2) == whole.coordinate(row, 2)
        }));
    }

    #[test]
    fn a_projection_onto_more_dimensions_gives_every_row_that_agrees() {
        let sizes = [2, 3];
        let onto = Grid::new(vec![0], &sizes).onto(&Grid::new(vec![0, 1], &sizes));
        assert_eq!(onto.rows(1).collect::<Vec<_>>(), [3, 4, 5]);
    }

    #[test]
    fn without_dimensions_there_is_one_row() {
        assert_eq!(Grid::new(Vec::new(), &[5]).rows, 1);
    }
}
