//! One number that texts, models and scores agree upon.

/// The label, or class, of what counts nowhere: in no loss and in no score.
pub const IGNORE: u32 = u32::MAX;
