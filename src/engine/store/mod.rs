//! From a key to the folder of its artifact.
//!
//! The life of an entry:
//!
//! 1. [`Store::state`] says whether `outputs/store/ab/<key>/` holds a complete entry: its manifest carries its own digest, and every file has
//!    the size that the manifest gives;
//! 2. [`Store::builder`] starts one in `outputs/store/tmp/`, and [`Builder::commit`] puts it in place with one rename, the manifest written
//!    last and everything flushed before;
//! 3. [`Store::reuse`] gives an entry a second key when it was made from inputs of the same content (an alias: a manifest without files);
//! 4. [`Store::verify_once`] reads its contents when they are first used in a run; [`Store::set_aside`] moves a damaged one away; [`verify`] reads
//!    everything;
//! 5. a [`Failure`] beside the place of an entry says that its work was tried in vain, for a search that counts it;
//! 6. what no run needs and none that lives [claims](Claim) is removed by `runs::collect`.
//!
//! Correctness rests on the rename alone. Locks only save work, and none outlives its process: they are `flock`s, which the kernel
//! releases. Nothing in `outputs/cache/` is needed: indexes and memos are checked when they are read, and rebuilt when they are missing.
//!
//! The store knows keys and fingerprints, but no stage: it runs nothing, prints nothing, and decides nothing about what to build.

mod builder;
pub(in crate::engine) mod claim;
pub(in crate::engine) mod content;
mod disk;
mod entry;
mod error;
mod failures;
mod folder;
pub(in crate::engine) mod listing;
mod manifest;
mod memo;
mod scratch;
pub(in crate::engine) mod sealed;
#[cfg(test)]
pub(in crate::engine) mod test_support;
#[cfg(test)]
mod tests;
mod verify;

pub use builder::{Builder, Committed, Record};
pub use claim::Claim;
pub use entry::{Entry, Finding, Problem, State};
pub use error::StoreError;
pub use failures::Failure;
pub(in crate::engine) use folder::is_set_aside;
pub use folder::{KeyLock, Store};
pub use manifest::{FileRecord, MANIFEST, Manifest};
pub use memo::DigestMemo;
pub use scratch::{OldPart, OldResults, Scratch, clean};
pub use verify::{Verification, verify};
