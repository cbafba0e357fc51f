//! A joint model as other programs keep models.

mod onnx;
mod stock;
mod temperature;

pub use onnx::OnnxHead;
pub use stock::{NoStockClass, StockHead, StockModel};
