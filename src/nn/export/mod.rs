//! A joint model as other programs keep models.

mod onnx;
mod stock;

use std::borrow::Cow;

pub use onnx::OnnxHead;
pub use stock::{NoStockClass, StockHead, StockModel};

/// The parameters of a head's matrix with its temperature in them.
fn divided(values: &[f32], temperature: f64) -> Cow<'_, [f32]> {
    match temperature {
        1.0 => Cow::Borrowed(values),
        _ => values.iter().map(|value| (f64::from(*value) / temperature) as f32).collect(),
    }
}
