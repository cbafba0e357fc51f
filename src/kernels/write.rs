//! What becomes of what stood where a result goes.

/// Whether a result replaces what its place held or is added to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    Replace,
    Add,
}
