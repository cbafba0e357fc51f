#![doc = include_str!("ARCHITECTURE.md")]

mod allocator;
pub mod artifacts;
pub mod cli;
mod crash;
pub mod data;
pub mod diagnostics;
mod digest;
mod durable;
pub mod exec;
pub mod experiment;
pub mod hub;
pub mod kinds;
mod locks;
pub mod metrics;
pub mod models;
mod no_room;
pub mod plan;
pub mod plots;
mod regular;
pub mod report;
pub mod rng;
pub mod stage;
pub mod store;
pub mod tools;
pub mod training;
pub mod units;
mod visible;
