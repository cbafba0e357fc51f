//! The seed of a stage whose file gives none.

pub(super) fn default_seed() -> u64 {
    42
}
