//! The hub client against a server on this machine.

mod cache;
mod downloads;
mod interruptions;
mod refusals;
mod server;
mod tokens;
mod world;
