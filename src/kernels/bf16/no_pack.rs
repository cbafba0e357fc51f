//! Where no instructions take packed factors, nobody packs any.

use super::tiles::{Factor, Reuse, Rows, Side};
use crate::product::Threads;

pub(super) fn pack(
    _matrix: Rows<'_>,
    _along: Option<(&mut Factor, Side)>,
    _across: Option<(&mut Factor, Side)>,
    _reuse: Reuse,
    _threads: Threads,
) {
    unreachable!("other machines have portable products only")
}
