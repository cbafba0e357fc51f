//! The executor with small stage kinds, on a store in a temporary folder.

mod disk;
mod kinds;
mod limits;
mod processes;
mod runs;
mod scheduling;
mod support;
