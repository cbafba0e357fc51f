//! What a person meets on the command line: the real program, run in a temporary folder, with all that it says and how it ends.

mod advice;
mod augment;
mod baseline;
mod bench;
mod check;
mod command;
#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod common;
mod data;
mod events;
mod feeds;
mod gc;
mod groups;
mod heads;
mod help;
mod hostile;
mod init;
mod kinds;
mod look;
mod ls;
mod memory;
mod models;
mod network;
mod orders;
mod pipes;
mod plan;
mod points;
mod predict;
mod project;
mod readers;
mod report;
mod results;
mod review;
mod run;
mod search;
mod show;
mod splits;
mod streams;
mod sweep;
mod tasks;
mod thresholds;
mod truth;
mod undefined;
mod windows;
mod world;
