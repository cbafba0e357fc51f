//! What stages read of their inputs, where that is not all of them: what decides whether an older result serves.

use std::collections::BTreeMap;

use crate::engine::stage::{AnyStage, Unread};
use crate::engine::store::Entry;

/// The digests of what a stage reads of inputs of which it leaves something unread, by input. An input of which that cannot be told is read as a whole.
///
/// * `inputs`: by name
pub(super) fn read_of<'a, N: AsRef<str>>(
    stage: &dyn AnyStage,
    inputs: impl IntoIterator<Item = (N, &'a Entry)>,
) -> BTreeMap<String, String> {
    let read = |(name, entry): (N, &Entry)| {
        let unread = stage.unread(name.as_ref());
        if unread.is_nothing() {
            return None;
        }
        let Unread { files, parts } = unread;
        Some((name.as_ref().to_owned(), entry.content_without(&files, &parts)?))
    };
    inputs.into_iter().filter_map(read).collect()
}
