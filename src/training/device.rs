//! The engine that fits a device.

use candle_core::{DType, Device};

use crate::nn::{JointModel, Workspace};

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
    /// * `products`: the type of matrix products: f32, or bf16 with the best instructions that there are for it
    /// * `activation_checkpointing`: whether a backward computes each layer again from its input, which saves memory and changes no result
    ///
    /// # Errors
    /// When the device has no room.
    pub fn on(
        device: &Device,
        model: JointModel,
        products: DType,
        activation_checkpointing: bool,
    ) -> Result<Self, EngineError> {
        if device.is_cpu() {
            let workspace = Workspace::new().recompute_layers(activation_checkpointing);
            let model = model.with_products_in(products)?;
            Ok(Self::Cpu(Box::new(CpuEngine::try_new(model)?.with_workspace(workspace))))
        } else {
            let engine = CandleEngine::new(&model, device, products)?
                .with_activation_checkpointing(activation_checkpointing);
            Ok(Self::Device(Box::new((engine, model))))
        }
    }

    /// The model with its adapters merged into the matrices that they stand beside.
    ///
    /// # Errors
    /// When the device fails or has no room.
    pub fn merged(self) -> Result<Self, EngineError> {
        match self {
            Self::Cpu(engine) => {
                Ok(Self::Cpu(Box::new(CpuEngine::new(engine.into_model().merged()))))
            }
            Self::Device(pair) => {
                let (engine, mut model) = *pair;
                engine.model().read_back(&mut model)?;
                let model = model.merged();
                Ok(Self::Device(Box::new((engine.beside(&model)?, model))))
            }
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
    pub fn model(&mut self) -> Result<&JointModel, EngineError> {
        match self {
            Self::Cpu(engine) => Ok(engine.model()),
            Self::Device(pair) => {
                let (engine, model) = &mut **pair;
                engine.model().read_back(model)?;
                Ok(model)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use crate::nn::EncoderSpec;

    #[test]
    fn the_cpu_checkpoints_activations_when_it_is_asked_to() {
        let sizes = r#"{"vocab_size": 60000, "num_hidden_layers": 1, "hidden_size": 8, "num_attention_heads": 1}"#;
        let spec = EncoderSpec::from_json(sizes).expect("good sizes");
        for asked in [false, true] {
            let model = JointModel::new_random(spec.clone(), &[], &Rng::new(1)).expect("memory");
            let engine = ModelEngine::on(&Device::Cpu, model, DType::F32, asked).expect("a CPU");
            assert!(
                matches!(engine, ModelEngine::Cpu(engine) if engine.checkpoints_activations() == asked)
            );
        }
    }
}
