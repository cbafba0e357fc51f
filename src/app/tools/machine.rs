//! What of this machine a model can be computed with.

use candle_core::Device;

pub use crate::nn::Instructions;

/// What may compute products in bf16 on CPUs, by the names that command lines have for it; best first.
pub const INSTRUCTIONS: [(&str, Instructions); 3] =
    [("amx", Instructions::Amx), ("avx512", Instructions::Avx512), ("f32", Instructions::Portable)];

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
