//! From a key to the folder of its artifact.
//!
//! The life of an entry:
//!
//! 1. [`Store::state`] says whether `outputs/store/ab/<key>/` holds a complete entry: its manifest carries its own digest, and every file has
//!    the size that the manifest gives;
//! 2. [`Store::builder`] starts one in `outputs/store/tmp/`, and [`Builder::commit`] puts it in place with one rename, the manifest written
//!    last and everything flushed before;
//! 3. [`Store::reuse`] gives an entry a second key when it was made from inputs of the same content (an alias: a manifest without files);
//! 4. [`Store::verify_once`] reads its contents when they are first used in a run; [`Store::set_aside`] moves a damaged one away;
//! 5. [`Store::verify`] reads everything; [`Store::gc`] removes what nobody needs, but nothing that a living run [claims](Store::claim).
//!
//! Correctness rests on the rename alone. Locks only save work, and none outlives its process: they are `flock`s, which the kernel
//! releases. Nothing in `outputs/cache/` is needed: indexes and memos are checked when they are read, and rebuilt when they are missing.
//!
//! The store knows keys and fingerprints, but no stage: it runs nothing, prints nothing, and decides nothing about what to build.

mod builder;
mod claim;
mod content;
mod disk;
mod entry;
mod error;
mod folder;
mod gc;
mod listing;
mod lookup;
mod manifest;
mod memo;
mod publications;
mod records;
mod runs;
mod sealed;
#[cfg(test)]
mod test_support;
#[cfg(test)]
mod tests;
mod verify;

pub use builder::{Builder, Committed, OldPart, OldResults, Record, Scratch};
pub use claim::Claim;
pub use entry::{Entry, Finding, Problem, State};
pub use error::StoreError;
pub use folder::{KeyLock, Store};
pub use gc::{Collection, Limits, Waste, WasteOf};
pub use manifest::{FileRecord, MANIFEST, Manifest};
pub use memo::DigestMemo;
pub use publications::{KeysByTrial, Publication, ResultsLock};
pub use records::{OldRun, OldRuns};
pub use runs::{Asked, Changes, MadeBy, NewRun, RunFile, RunNode, RunRecord, RunStatus};
pub use verify::Verification;
