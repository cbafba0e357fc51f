//! What this machine computes with: the same program gives the same bits on machines with the same instructions, and others only nearly so.

use std::path::Path;
use std::sync::OnceLock;

use super::disk::regular;

/// The processor, as the system calls it.
#[must_use]
pub fn processor() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let text = regular::read_to_string(Path::new("/proc/cpuinfo")).unwrap_or_default();
        named(&text).unwrap_or(std::env::consts::ARCH).to_owned()
    })
}

/// The name in what Linux says of its processors.
fn named(cpuinfo: &str) -> Option<&str> {
    let (_, rest) = cpuinfo.split_once("model name")?;
    let name = rest.lines().next()?.trim_start_matches([' ', '\t', ':']).trim_end();
    (!name.is_empty()).then_some(name)
}

/// The widest instructions that products of matrices use, which decide in what order is summed.
#[must_use]
pub fn instructions() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16") {
            return "avx512 bf16";
        }
        if is_x86_feature_detected!("avx512f") {
            return "avx512";
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return "avx2";
        }
    }
    std::env::consts::ARCH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_processor_is_the_first_that_linux_tells() {
        let told =
            "processor\t: 0\nmodel name\t: AMD EPYC 9R14\nflags\t\t: fpu\n\nprocessor\t: 1\n";
        assert_eq!(named(told), Some("AMD EPYC 9R14"));
        assert_eq!(named("processor\t: 0\nFeatures\t: asimd\n"), None);
    }
}
