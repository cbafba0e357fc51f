//! `pipeline completions`.

use clap::CommandFactory as _;

use super::{Failure, args::Cli, terminal};

pub fn run(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "pipeline", &mut script);
    terminal::print(&String::from_utf8_lossy(&script))
}
