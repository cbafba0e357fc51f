//! Which caveats concern whoever reads some splits alone.

use serde_json::Value;

use crate::engine::stage::Caveat;
use crate::text::Split;

/// Those about the corpus as a whole, and about these splits.
#[must_use]
pub fn caveats_about(splits: &[Split], caveats: &[Caveat]) -> Vec<Caveat> {
    let concerns = |caveat: &&Caveat| names_any(splits, caveat.split.as_deref());
    caveats.iter().filter(concerns).cloned().collect()
}

/// Takes the others out of a list in a file.
pub(super) fn keep_about(splits: &[Split], caveats: &mut Value) {
    if let Some(caveats) = caveats.as_array_mut() {
        caveats.retain(|caveat| names_any(splits, caveat["split"].as_str()));
    }
}

fn names_any(splits: &[Split], about: Option<&str>) -> bool {
    about.is_none_or(|about| splits.iter().any(|split| split.name() == about))
}
