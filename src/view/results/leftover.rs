//! Old results that a killed run left in a temporary folder, and a person's files in them.
//!
//! New results are exchanged with old ones, and the old ones looked through once more for what a person wrote into them at that moment. A process
//! that is killed in between leaves that to the next run, which brings over what no run has listed, and removes the rest.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use super::ownership::Ownership;
use super::strangers::Place;
use super::swap;
use crate::engine::runs::{ResultsLock, publications};
use crate::engine::store::{Scratch, Store};

/// Looks through what killed runs left. What cannot be brought over now stays for the next run; the text says so.
#[must_use]
pub fn bring_over(store: &Store) -> Vec<String> {
    let mut warnings = Vec::new();
    for scratch in Scratch::left(store) {
        match bring(store, &scratch) {
            Ok(true) => drop(scratch),
            Ok(false) => scratch.keep(),
            Err(error) => {
                let left = scratch.path().display().to_string();
                warnings
                    .push(format!("files that a killed run left in `{left}` stay there: {error}"));
                scratch.keep();
            }
        }
    }
    warnings
}

/// False where another run is at work on the results.
fn bring(store: &Store, scratch: &Scratch) -> io::Result<bool> {
    let old = scratch.old_results()?;
    let Some(_lock) = ResultsLock::try_take(store, &old.folder).map_err(io::Error::other)? else {
        return Ok(false);
    };
    let results = store.outputs().join(&old.folder);
    let ownership = Arc::new(Ownership::of(&results, &publications(store, &old.folder), None));
    for part in &old.parts {
        let folder = scratch.path().join(&part.building);
        // The new one still lies there where nothing was exchanged, and nothing where the old one was taken away.
        if folder.metadata().is_ok_and(|there| there.is_dir() && there.ino() != part.new) {
            let owners = || Arc::clone(&ownership);
            swap::rescue(
                &folder,
                Place { results: &results, inside: &part.inside, owners: &owners },
            )?;
        }
    }
    Ok(true)
}
