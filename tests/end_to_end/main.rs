//! Whole runs of the real binary: the main job, its numbers, and what runs again when something changes.

#[path = "../hub/server.rs"]
#[allow(dead_code, reason = "the hub's own tests use all of it")]
mod server;

mod caching;
#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod common;
mod determinism;
mod hub;
mod orders;
mod real_data;
mod support;
mod sweeps;
