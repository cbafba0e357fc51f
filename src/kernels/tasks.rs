//! How large the pieces are that threads take.

/// At least this many floats make a task of an elementwise kernel: less work than that is done sooner than it is handed over.
pub(super) const TASK_FLOATS: usize = 1 << 14;
