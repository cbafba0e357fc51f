//! Rows of a matrix in other places, with a backward that takes rows too.

use candle_core::backend::BackendStorage;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, Layout, MetalStorage, Result, Shape, Storage, Tensor, bail,
};

/// Rows of a matrix, some of them several times, of which at most one has a gradient.
///
/// The backward of candle's `index_select` adds rows up one after the other, which on a GPU is a loop over all of them in each column. Where it
/// is known which row has the gradient, that row is taken instead.
#[derive(Debug, Clone)]
pub(super) struct Moved {
    /// `(rows of the output,)`: the row of the input that stands there.
    pub taken: Tensor,
    /// `(rows of the input,)`: the row of the output that has its gradient.
    pub back: Tensor,
    /// `(rows of the input, 1)`: 1 where a row has a gradient, else 0; `None` where all have.
    pub has_gradient: Option<Tensor>,
}

impl Moved {
    /// * `input`: `(rows of the input, features)`
    ///
    /// Returns `(rows of the output, features)`.
    pub(super) fn of(&self, input: &Tensor) -> Result<Tensor> {
        input.contiguous()?.apply_op1(self.clone())
    }
}

const ELSEWHERE: &str = "rows and their numbers lie on different devices";

fn take<S: BackendStorage>(
    rows: &S,
    layout: &Layout,
    numbers: &S,
    of_numbers: &Layout,
) -> Result<(S, Shape)> {
    let (_, features) = layout.shape().dims2()?;
    let found = rows.index_select(numbers, layout, of_numbers, 0)?;
    Ok((found, (of_numbers.shape().dims1()?, features).into()))
}

impl CustomOp1 for Moved {
    fn name(&self) -> &'static str {
        "moved-rows"
    }

    fn cpu_fwd(&self, rows: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (numbers, of_numbers) = self.taken.storage_and_layout();
        match &*numbers {
            Storage::Cpu(numbers) => take(rows, layout, numbers, of_numbers),
            _ => bail!("{ELSEWHERE}"),
        }
    }

    fn cuda_fwd(&self, rows: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let (numbers, of_numbers) = self.taken.storage_and_layout();
        match &*numbers {
            Storage::Cuda(numbers) => take(rows, layout, numbers, of_numbers),
            _ => bail!("{ELSEWHERE}"),
        }
    }

    fn metal_fwd(&self, rows: &MetalStorage, layout: &Layout) -> Result<(MetalStorage, Shape)> {
        let (numbers, of_numbers) = self.taken.storage_and_layout();
        match &*numbers {
            Storage::Metal(numbers) => take(rows, layout, numbers, of_numbers),
            _ => bail!("{ELSEWHERE}"),
        }
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, d_output: &Tensor) -> Result<Option<Tensor>> {
        let d_input = d_output.contiguous()?.index_select(&self.back, 0)?;
        match &self.has_gradient {
            None => Ok(Some(d_input)),
            Some(has_gradient) => d_input.broadcast_mul(has_gradient).map(Some),
        }
    }
}
