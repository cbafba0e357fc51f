//! The client of the Hugging Face hub: pinning, download, verification. It knows no stage.
//!
//! 1. [`Options::from_environment`] reads where the hub is, where files are kept, and the token: once, and nowhere else.
//! 2. [`Client::resolve`] turns a branch or tag into a [`Commit`].
//! 3. [`Client::fetch`] makes the commit's files lie in the cache, whole, and returns their folder. For each file:
//!    1. what the cache has is read and held against the digest in its blob's name; if it fits, or is a plain file without a blob, the network is
//!       not used;
//!    2. else the hub is asked for digest and size, and under the blob's lock `<digest>.incomplete` is filled, from where it stands;
//!    3. its length, its digest and a safetensors header are checked; only then it is renamed to the blob and linked into the snapshot.
//!
//! Files lie as Python's `huggingface_hub` puts them, and each uses what the other has downloaded:
//!
//! ```text
//! models--owner--name/blobs/<digest>            the content
//! models--owner--name/snapshots/<commit>/<file> -> ../../blobs/<digest>
//! models--owner--name/refs/<branch>             the commit that it was when last asked
//! .locks/models--owner--name/<digest>.lock      locked while a process downloads
//! ```
//!
//! # What is trusted
//!
//! Nothing that a server sends, beyond the digest that the hub itself names: 64 hexadecimal digits are the sha256 of the content, 40 are the sha1
//! of the git blob. A page with an error status is never stored. The token is sent to the hub only, and a redirect to another server ends that.
//! Names from outside never leave their folder.
//!
//! # What hf-hub is used for
//!
//! The layout of the cache, the addresses and the place of the token are hf-hub's ([`hf_hub::Cache`], [`hf_hub::Repo`]). The transfer is ours, over
//! the same `ureq`, because that of hf-hub 0.5 appends the whole file to the part when a server ignores `Range`, asks for bytes beyond the end of a
//! part that is complete and never gets past it, checks neither length nor digest, sends the token to whichever server a file lies on, cannot be
//! interrupted, gives up on a lock after five seconds, and cannot tell a missing repository from a missing revision or file.
//!
//! # What is not here
//!
//! Listing, uploading, other repositories than models, and several connections for one file.

mod address;
mod cache;
mod client;
mod error;
mod exchange;
mod names;
mod observer;
mod options;
mod refusal;
mod secrets;
mod transfer;
mod verify;

pub use client::Client;
pub use error::{HubError, tokenizer_remedy};
pub use names::{Commit, check_repo, check_revision};
pub use observer::{Observer, Silent};
pub use options::{Options, Proxy, Token};
