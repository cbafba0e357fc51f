//! `pipeline pin` and `unpin`: runs whose record and results `gc` leaves alone.

use super::args::Pinned;
use super::root::Root;
use super::{Failure, gc, project, terminal};
use crate::engine::runs::pin;

/// * `pinned`: whether the runs are pinned from now on
pub fn run(arguments: &Pinned, pinned: bool) -> Result<(), Failure> {
    let store = project::open_store(&Root::here(&arguments.place)?)?;
    let mut text = String::new();
    for run in gc::runs(&store, &arguments.runs)? {
        pin(&store, &run, pinned)?;
        text += &format!("{} {run}\n", if pinned { "pinned" } else { "unpinned" });
    }
    terminal::print(&text)
}
