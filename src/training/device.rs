//! The engine that fits a device.

use candle_core::{DType, Device};

use crate::models::JointModel;

use super::candle::CandleEngine;
use super::cpu::CpuEngine;
use super::engine::{Engine, EngineError};

/// A joint model on the device that was asked for.
#[derive(Debug)]
pub enum ModelEngine {
    Cpu(Box<CpuEngine>),
    /// The model on the device, and the one that it was copied from.
    Device(Box<(CandleEngine, JointModel)>),
}

impl ModelEngine {
    /// On a CPU the explicit path, else candle's.
    ///
    /// * `products`: the type of matrix products; a CPU computes in f32 whatever it says
    ///
    /// # Errors
    /// When the device has no room.
    pub fn on(device: &Device, model: JointModel, products: DType) -> Result<Self, EngineError> {
        if device.is_cpu() {
            Ok(Self::Cpu(Box::new(CpuEngine::new(model))))
        } else {
            Ok(Self::Device(Box::new((CandleEngine::new(&model, device, products)?, model))))
        }
    }

    pub fn engine(&mut self) -> &mut dyn Engine {
        match self {
            Self::Cpu(engine) => engine.as_mut(),
            Self::Device(pair) => &mut pair.0,
        }
    }

    /// The model with its present weights, back on the CPU.
    ///
    /// # Errors
    /// When the device fails.
    pub fn into_model(self) -> Result<JointModel, EngineError> {
        match self {
            Self::Cpu(engine) => Ok(engine.into_model()),
            Self::Device(pair) => {
                let (engine, mut model) = *pair;
                engine.model().read_back(&mut model)?;
                Ok(model)
            }
        }
    }
}
