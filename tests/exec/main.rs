//! The executor with small stage kinds, on a store in a temporary folder.

#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod common;
mod disk;
mod kinds;
mod limits;
mod orders;
mod processes;
mod runs;
mod scheduling;
mod support;
