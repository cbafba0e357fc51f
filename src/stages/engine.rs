//! A model on the device that the run asks for.

use candle_core::{DType, Device as Place, DeviceLocation};

use crate::engine::stage::{Context, Device, StageError};
use crate::nn::{Instructions, JointModel};
use crate::training::{EngineError, ModelEngine};

/// Puts the model on the context's device, and says which that is.
///
/// * `products`: the type of its matrix products
/// * `activation_checkpointing`: whether a backward computes each layer again from its input
pub fn open(
    model: JointModel,
    products: DType,
    activation_checkpointing: bool,
    context: &Context<'_>,
) -> Result<ModelEngine, StageError> {
    let (place, name) = place(context.device)?;
    context.uses_device(&name);
    context.note(match place.location() {
        DeviceLocation::Cpu => {
            let threads = match rayon::current_num_threads() {
                1 => "on the CPU with 1 thread".to_owned(),
                threads => format!("on the CPU with {threads} threads"),
            };
            match products {
                DType::BF16 => format!("{threads}, in bf16 by {}", Instructions::best().name()),
                _ => threads,
            }
        }
        DeviceLocation::Cuda { gpu_id } => format!("on CUDA device {gpu_id}"),
        DeviceLocation::Metal { gpu_id } => format!("on Metal device {gpu_id}"),
    });
    ModelEngine::on(&place, model, products, activation_checkpointing).map_err(failed)
}

/// An engine's failure as a stage's, with what helps.
pub fn failed(error: EngineError) -> StageError {
    StageError::of(&error)
}

/// The device, and its name as `--device` spells it. `auto` is a GPU where the program was built for one and the machine has one.
fn place(device: Device) -> Result<(Place, String), StageError> {
    let (opened, name) = match device {
        Device::Cpu => (Ok(Place::Cpu), "cpu".to_owned()),
        Device::Cuda(number) => (Place::new_cuda(number), format!("cuda:{number}")),
        Device::Metal(number) => (Place::new_metal(number), format!("metal:{number}")),
        Device::Auto => {
            let gpu = [Device::Cuda(0), Device::Metal(0)]
                .into_iter()
                .find_map(|device| place(device).ok());
            return gpu.map_or_else(|| place(Device::Cpu), Ok);
        }
    };
    let failed = |error: candle_core::Error| {
        StageError::new(format!("device `{name}` cannot be used: {error}"))
            .with_help("`--device cpu` needs no GPU; `nvidia-smi` says whether the driver sees one")
    };
    opened.map_err(failed).map(|place| (place, name.clone()))
}
