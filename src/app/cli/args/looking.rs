//! The command lines of what looks at what has run.

use clap::Args;

use super::shared::{Place, between};

#[derive(Debug, Args)]
#[command(
    after_help = "A point is what the trials of a sweep have in common that differ in their seed and fold alone. A run has the scores of its best point.\n\
    Columns are `run`, `trial`, `point`, `started`, `experiment`, `status`, `duration`, `points`, `trials`, `n`, `seed`, `fold`, `objective`, `file`, \
    `name` (of the results folder), `command`, `program`, every score and every parameter.\n\n\
    Examples:\n  \
    pipeline ls --where 'evaluate.ner.span_f1 > 0.9' --where 'status = done' --sort -evaluate.ner.span_f1\n  \
    pipeline ls points experiments/sweep.toml\n  \
    pipeline ls trials --group-by train.learning_rate,train.batch_size --columns evaluate.loss\n  \
    pipeline ls --columns run,train.epochs,evaluate.loss --csv > runs.csv"
)]
pub struct Ls {
    /// What to list [default: runs, and of a single run its trials]
    #[arg(value_name = "runs|trials|points")]
    pub what: Option<String>,
    /// Only these: experiment files, ids of runs, or names of experiments
    #[arg(value_name = "FILE|RUN")]
    pub of: Vec<String>,
    /// Only where this holds: a column, one of `=`, `!=`, `<`, `<=`, `>`, `>=`, `~` (contains), and a value or `undefined`. Several times: all of them
    #[arg(long = "where", value_name = "CONDITION", allow_hyphen_values = true)]
    pub conditions: Vec<String>,
    /// Sort by columns, with `-` before one the largest first [default: the newest first, points of one run the best first]
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', allow_hyphen_values = true)]
    pub sort: Vec<String>,
    /// Show these columns [default: what it is, and the scores that say most]
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub columns: Vec<String>,
    /// A row for each value of these columns: how many there are, and the mean ± sd of their scores
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub group_by: Vec<String>,
    /// Show so many rows, 0 for all [default: 30; all as JSON and CSV]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = between::<0, { u32::MAX }>)]
    pub limit: Option<u32>,
    #[command(flatten)]
    pub place: Place,
    /// Print CSV
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    #[arg(long, help = "Print JSON")]
    pub json: bool,
}
