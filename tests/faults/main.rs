//! Whole runs of the program that are killed, interrupted, crowded, starved of disk and fed damaged files.
//!
//! Each test makes a project of its own, does something to it that should not happen, and holds what a later run leaves against what an
//! undisturbed run leaves: bit for bit.
//!
//! `PIPELINE_FAULT_KILLS=300` sets how often the program is killed at random moments, and `PIPELINE_FAULT_SEED=1` when. The README's table has
//! these and others.

#![expect(
    clippy::print_stderr,
    reason = "counts, and what was skipped, are for whoever runs the tests"
)]

mod collecting;
#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod common;
mod concurrency;
mod disk;
mod downloads;
mod integrity;
mod interrupts;
mod kills;
mod memory;
mod names;
mod power;
#[path = "../hub/server.rs"]
#[expect(dead_code, reason = "the tests of the hub client need all of it")]
mod server;
mod support;
