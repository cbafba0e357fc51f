//! What a machine can compute products in bf16 with.

use std::sync::OnceLock;

/// The instructions that compute products in bf16, the most special first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Instructions {
    /// AMX: `tdpbf16ps`, a tile by a tile.
    Amx,
    /// AVX-512 BF16: `vdpbf16ps`, a vector by a pair. On Intel's processors slower than those of any machine.
    Avx512,
    /// Those of any machine: factors are rounded, and multiplied in f32. No faster than f32.
    Portable,
}

impl Instructions {
    /// The fastest that this machine has.
    #[must_use]
    pub fn best() -> Self {
        static BEST: OnceLock<Instructions> = OnceLock::new();
        let pays = |instructions: &Self| *instructions != Self::Avx512 || !has_slow_avx512_bf16();
        *BEST.get_or_init(|| Self::available().into_iter().find(pays).unwrap_or(Self::Portable))
    }

    /// All that this machine has, the most special first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let all = [Self::Amx, Self::Avx512, Self::Portable];
        all.into_iter().filter(|instructions| instructions.is_available()).collect()
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Amx => "AMX",
            Self::Avx512 => "AVX-512 BF16",
            Self::Portable => "f32 instructions",
        }
    }

    /// Whether this machine has them.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => has_avx512_bf16(),
            // Factors are packed with the other's instructions.
            #[cfg(target_arch = "x86_64")]
            Self::Amx => has_avx512_bf16() && super::amx::is_permitted(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 | Self::Amx => false,
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx512_bf16() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bf16")
}

/// Whether `vdpbf16ps` multiplies no more numbers in a cycle than f32 instructions do: so it is on Intel's processors.
#[cfg(target_arch = "x86_64")]
fn has_slow_avx512_bf16() -> bool {
    let vendor = std::arch::x86_64::__cpuid(0);
    [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).concat() == b"GenuineIntel"
}

#[cfg(not(target_arch = "x86_64"))]
fn has_slow_avx512_bf16() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_machine_has_the_portable_ones_and_they_are_the_last_choice() {
        let available = Instructions::available();
        assert!(available.is_sorted());
        assert_eq!(available.last(), Some(&Instructions::Portable));
        assert!(available.contains(&Instructions::best()));
        // AMX, where there is any, is faster than all.
        assert!(available[0] != Instructions::Amx || Instructions::best() == Instructions::Amx);
    }
}
