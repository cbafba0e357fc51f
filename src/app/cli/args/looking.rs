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

#[derive(Debug, Args)]
#[command(
    after_help = "A side is an experiment file as it stands, with what has run of it; a run or a folder of results; or RUN:LABEL, a trial or a point as \
    `ls` prints them. A sweep as a whole is its best point. Trainings with the same seeds are compared with each other.\n\
    95 % are those of B - A where seeds are drawn, and texts where both were scored on the same and they add up to the score. p is the probability of \
    such a mean where the sign of each pair is chance: with n seeds it is never below 2/2^n.\n\n\
    Examples:\n  \
    pipeline diff experiments/small.toml experiments/large.toml\n  \
    pipeline diff RUN:learning_rate=1e-5 RUN:learning_rate=2e-5 --metric evaluate.ner\n  \
    pipeline diff outputs/main outputs/change --require 'evaluate.ner.span_f1 >= -0.005' --confident"
)]
pub struct Diff {
    /// What it was: an experiment file, a run, or a trial or a point of one
    pub a: String,
    /// What it is now
    pub b: String,
    /// Only these scores, or those below a name, such as `evaluate.ner` [default: all but those of single labels]
    #[arg(long, value_name = "SCORE")]
    pub metric: Vec<String>,
    /// Exit with 3 unless B - A keeps this, such as `evaluate.ner.span_f1 >= -0.005`
    #[arg(long = "require", value_name = "BOUND")]
    pub requirements: Vec<String>,
    /// Hold the end of the 95 % against what is required, and not B - A alone
    #[arg(long, requires = "requirements")]
    pub confident: bool,
    /// Exit with 3 if anything differs
    #[arg(long)]
    pub exit_code: bool,
    #[command(flatten)]
    pub place: Place,
    #[arg(long, help = "Print JSON")]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "It reads the run's folder in `outputs/runs/` and nothing else, and the run does not notice. On a terminal: `q` quits, the arrows scroll, \
    Tab goes to the next part, the arrows to the sides to another training, `m` to another score. Elsewhere a line is printed for each thing that happens, \
    until the run ends. The exit code is that of a run that has ended: 1 where it failed or died, 130 where it was interrupted.\n\n\
    Examples:\n  \
    pipeline watch\n  \
    pipeline watch experiments/sweep.toml\n  \
    ssh -t host pipeline watch --root /data/project"
)]
pub struct Watch {
    /// A run, its folder, or an experiment, of which the newest run is meant [default: the newest run]
    pub run: Option<String>,
    #[command(flatten)]
    pub place: Place,
    #[arg(long, help = "Print the events, a JSON object a line")]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Of a token of the hub it says only whether there is one. Nothing is changed, and nothing sent but a question to the hub.\n\n\
    Example: pipeline doctor --offline"
)]
pub struct Doctor {
    #[command(flatten)]
    pub place: Place,
    /// Do not ask the hub
    #[arg(long)]
    pub offline: bool,
    #[arg(long, help = "Print JSON")]
    pub json: bool,
}
