#![doc = include_str!("ARCHITECTURE.md")]

pub mod app;
pub mod base;
pub mod engine;
pub mod hub;
pub mod nn;
pub mod stages;
pub mod tasks;
pub mod text;
pub mod training;
pub mod view;
