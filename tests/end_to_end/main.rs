//! Whole runs of the real binary: the main job, its numbers, and what runs again when something changes.

#[path = "../hub/server.rs"]
#[allow(dead_code, reason = "the hub's own tests use all of it")]
mod server;

mod caching;
mod determinism;
mod hub;
mod real_data;
mod support;
mod sweeps;
