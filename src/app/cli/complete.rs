//! `pipeline completions` and `pipeline man`: what shells and readers of manuals know of the command line.

use std::path::Path;

use clap::CommandFactory as _;
use clap_mangen::Man;

use super::args::Cli;
use super::{Failure, terminal};

pub fn run(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "pipeline", &mut script);
    terminal::print(&String::from_utf8_lossy(&script))
}

/// Prints the page of the program, or writes that and one for each command into a folder.
pub fn manual(folder: Option<&Path>) -> Result<(), Failure> {
    let Some(folder) = folder else {
        let mut page = Vec::new();
        Man::new(Cli::command()).render(&mut page).expect("memory takes whatever is written");
        return terminal::print(&String::from_utf8_lossy(&page));
    };
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
        .map_err(|error| {
            Failure::failed(format!("pages of the manual go into {}: {error}", folder.display()))
        })
}
