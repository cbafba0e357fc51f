//! Where the parts of a packed vector begin, and where the last one ends.

/// Adds bounds that begin at 0 behind those that are there.
///
/// # Panics
/// When the last one is beyond 2^32.
pub(super) fn extend(bounds: &mut Vec<u32>, more: &[u32]) {
    let from = bounds.last().copied().unwrap_or_default();
    let bound = |bound: &u32| from.checked_add(*bound).expect("fewer than 2^32");
    bounds.extend(more.iter().skip(1).map(bound));
}
