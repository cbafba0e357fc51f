//! `digests.json`: the BLAKE3 of each file of a model's folder, beside them, so that a copy of the folder has them too.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files;
use crate::base::disk::digest;
use crate::base::disk::regular;
use crate::engine::stage::StageError;

pub const DIGESTS: &str = "digests.json";
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Digests {
    format: u32,
    /// By the file's name.
    blake3: BTreeMap<String, String>,
}

/// Writes the digests of `names` in `folder`.
///
/// # Errors
/// When a file cannot be read, or the disk refuses.
pub(super) fn write(folder: &Path, names: &[&str]) -> Result<(), StageError> {
    let digest = |name: &&str| Ok(((*name).to_owned(), of_file(&folder.join(name))?));
    let blake3 = names.iter().map(digest).collect::<Result<_, StageError>>()?;
    files::write_json(&folder.join(DIGESTS), &Digests { format: FORMAT, blake3 })
}

/// Whether every one of `names` in `folder` is what it was; on all threads of the current pool.
///
/// # Errors
/// With the name of a file that is damaged or missing.
pub(super) fn check(folder: &Path, names: &[&str]) -> Result<(), StageError> {
    let bad = |path: &Path, why: &str| {
        StageError::new(format!("`{}` is {why}", path.display())).with_help(
            "copy the folder again from where it came; if `run` made it, run the same file again, and see what `pipeline verify` says",
        )
    };
    let damaged = |path: &Path, why: &str| bad(path, &format!("damaged: {why}"));
    let path = folder.join(DIGESTS);
    if !files::present(&path)? {
        return Err(bad(&path, "missing"));
    }
    let digests: Digests = serde_json::from_str(&files::read_text(&path)?)
        .map_err(|error| damaged(&path, &error.to_string()))?;
    if digests.format != FORMAT {
        return Err(damaged(
            &path,
            &format!("its format is {}, expected {FORMAT}", digests.format),
        ));
    }
    for name in names {
        let Some(expected) = digests.blake3.get(*name) else {
            return Err(damaged(&path, &format!("it has no digest of `{name}`")));
        };
        let file = folder.join(name);
        if !files::present(&file)? {
            return Err(bad(&file, "missing"));
        }
        if of_file(&file)? != *expected {
            return Err(damaged(&file, &format!("its digest is not the one in `{DIGESTS}`")));
        }
    }
    Ok(())
}

fn of_file(path: &Path) -> Result<String, StageError> {
    let digest = || {
        let file = regular::open(path)?;
        digest::of_file(&file, file.metadata()?.len())
    };
    Ok(digest().map_err(|error| StageError::reading(path, &error))?.to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 2] = ["a", "b"];

    fn sealed() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        NAMES
            .iter()
            .for_each(|name| std::fs::write(folder.path().join(name), name).expect("written"));
        write(folder.path(), &NAMES).expect("written");
        folder
    }

    fn why(folder: &tempfile::TempDir) -> String {
        let error = check(folder.path(), &NAMES).expect_err("it is damaged").to_string();
        error.replace(&*folder.path().to_string_lossy(), "")
    }

    #[test]
    fn a_copy_of_what_was_written_is_whole() {
        let (folder, copy) = (sealed(), tempfile::tempdir().expect("a folder"));
        for name in [NAMES[0], NAMES[1], DIGESTS] {
            std::fs::copy(folder.path().join(name), copy.path().join(name)).expect("copied");
        }
        check(copy.path(), &NAMES).expect("whole");
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let folder = sealed();
        for name in [NAMES[0], NAMES[1], DIGESTS] {
            let path = folder.path().join(name);
            let good = std::fs::read(&path).expect("readable");
            for bit in 0..8 * good.len() {
                let mut bad = good.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                std::fs::write(&path, &bad).expect("written");
                // Space may become another space, which says the same.
                let same = name == DIGESTS
                    && serde_json::from_slice::<serde_json::Value>(&bad).ok()
                        == serde_json::from_slice(&good).ok();
                assert!(same || check(folder.path(), &NAMES).is_err(), "bit {bit} of {name}");
            }
            std::fs::write(&path, &good).expect("written");
        }
    }

    #[test]
    fn a_damaged_file_is_named() {
        let folder = sealed();
        std::fs::write(folder.path().join("b"), "c").expect("written");
        assert_eq!(why(&folder), "`/b` is damaged: its digest is not the one in `digests.json`");
        std::fs::remove_file(folder.path().join("b")).expect("removed");
        assert_eq!(why(&folder), "`/b` is missing");
    }

    #[test]
    fn a_list_that_leaves_a_file_out_is_no_proof() {
        let folder = sealed();
        write(folder.path(), &NAMES[..1]).expect("written");
        assert_eq!(why(&folder), "`/digests.json` is damaged: it has no digest of `b`");
    }
}
