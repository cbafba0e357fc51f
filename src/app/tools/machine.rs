//! What of this machine a model can be computed with.

use candle_core::Device;

pub use crate::nn::Instructions;

/// What this machine can compute products in bf16 with on CPUs, by the names that command lines have for it; best first.
#[must_use]
pub fn instructions_here() -> Vec<(&'static str, Instructions)> {
    let name = |instructions| match instructions {
        Instructions::Amx => "amx",
        Instructions::Avx512 => "avx512",
        Instructions::Portable => "f32",
    };
    Instructions::available().into_iter().map(|it| (name(it), it)).collect()
}

/// What matrix products in bf16 are computed with on CPUs.
#[must_use]
pub fn bf16_instructions() -> &'static str {
    Instructions::best().name()
}

/// The GPU that `--device auto` takes.
///
/// # Errors
/// Why there is none.
pub fn gpu() -> Result<String, String> {
    let (device, opened) = match (cfg!(feature = "cuda"), cfg!(feature = "metal")) {
        (true, _) => ("cuda:0", Device::new_cuda(0)),
        (_, true) => ("metal:0", Device::new_metal(0)),
        _ => return Err("this program was built without `cuda` or `metal`".to_owned()),
    };
    opened.map(|_| device.to_owned()).map_err(|error| format!("`{device}` cannot be used: {error}"))
}
