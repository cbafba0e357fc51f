//! The arguments of the commands about what is kept: `verify`, `gc`, `pin`, `unpin`, `export-runs`.

use std::path::PathBuf;

use clap::Args;

use super::Place;
use crate::base::units;

#[derive(Debug, Args)]
#[command(after_help = "Example: pipeline verify && echo sound")]
pub struct Verify {
    #[command(flatten)]
    pub place: Place,
    #[arg(long, help = "Print JSON")]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "What goes: results and saved states of earlier runs and of work that was given up, damaged entries that were set aside.\n\
    What stays in any case: what the latest run of each experiment file needs, the latest with the file as it stands, and for 30 days \
    the latest with each `--set`, `--sweep` or `--seeds`; what pinned runs and running processes need.\n\
    `pipeline pin RUN` keeps a run, `unpin` lets it go again.\n\
    `--runs` is about records of runs alone: those go that are none of these, and whose results do not lie in `outputs/`.\n\n\
    Examples:\n  \
    pipeline gc --older-than 30d          what would go\n  \
    pipeline gc --max-size 20GB --apply"
)]
pub struct Gc {
    /// Only what was not used for this long, such as `30d` or `12h`
    #[arg(long, value_name = "AGE", allow_negative_numbers = true, value_parser = age)]
    pub older_than: Option<std::time::Duration>,
    /// Only the least recently used, until the rest is no larger than this, such as `20GB`
    #[arg(long, value_name = "SIZE", allow_negative_numbers = true, value_parser = size)]
    pub max_size: Option<u64>,
    /// A run whose results stay, as in `outputs/runs/RUN`
    #[arg(long, value_name = "RUN")]
    pub keep: Vec<String>,
    /// Old records of runs in `outputs/runs/`, in place of results
    #[arg(long, conflicts_with = "max_size")]
    pub runs: bool,
    /// Remove it
    #[arg(long)]
    pub apply: bool,
    #[command(flatten)]
    pub place: Place,
    #[arg(long, help = "Print JSON")]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Pinned {
    /// Runs, as in `outputs/runs/RUN`
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<String>,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
#[command(
    after_help = "A sweep becomes a run with one below it for each trial. What lies there already is left as it is, so that the same command adds what \
    came since. Models are not copied; runs that still go are left out.\n\n\
    Examples:\n  \
    pipeline export-runs --mlflow mlruns        every run\n  \
    pipeline export-runs --mlflow mlruns RUN    one of them\n  \
    MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri mlruns"
)]
pub struct ExportRuns {
    /// Runs, as in `outputs/runs/RUN` [default: all]
    #[arg(value_name = "RUN")]
    pub runs: Vec<String>,
    /// The folder of MLflow's files, which is made where it is not there
    #[arg(long, value_name = "DIR")]
    pub mlflow: PathBuf,
    #[command(flatten)]
    pub place: Place,
}

fn age(text: &str) -> Result<std::time::Duration, String> {
    units::duration(text).ok_or_else(|| format!("expected a time above zero: {}", units::DURATION))
}

fn size(text: &str) -> Result<u64, String> {
    units::size(text).ok_or_else(|| format!("expected {}", units::SIZE))
}
