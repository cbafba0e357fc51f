//! The command line as clap reads it. Help texts here are what `--help` prints.

mod answering;
mod export;
mod keeping;
mod looking;
mod reviewing;
mod shared;

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::app::tools::{Instructions, Workload};
use crate::engine::stage::Device;
use crate::stages::train::Dtype;
pub use answering::{Format, ModelOptions, Predict, Serve, Threshold};
pub use export::Export;
pub use keeping::{ExportRuns, Gc, Pinned, Verify};
pub use looking::{Diff, Doctor, Ls, Watch};
pub use reviewing::{Review, ReviewFormat};
pub use shared::{Changes, Encoding, Place, Written};
use shared::{between, count, dtype, instructions};

/// Reads `auto`, `cpu`, `cuda`, `cuda:1`, `metal`.
pub fn device(text: &str) -> Result<Device, String> {
    let (name, number) = text.split_once(':').unwrap_or((text, "0"));
    match (name, number.parse()) {
        ("auto", Ok(0)) => Ok(Device::Auto),
        ("cpu", Ok(0)) => Ok(Device::Cpu),
        ("cuda", Ok(number)) => Ok(Device::Cuda(number)),
        ("metal", Ok(number)) => Ok(Device::Metal(number)),
        _ => Err("expected `auto`, `cpu`, `cuda`, `cuda:1` or `metal`".to_owned()),
    }
}

/// Runs declarative experiments that fine-tune encoders: one TOML file to a trained model, scores and plots.
#[derive(Debug, Parser)]
#[command(name = "pipeline", version, propagate_version = true, max_term_width = 110)]
#[command(
    after_help = "Exit codes: 0 done · 1 a stage failed · 2 bad file or usage, nothing ran · 3 `plan --check` found work, or `diff` a difference · \
    4 nothing selected · 130 interrupted, resumable\n\n\
    Examples:\n  \
    pipeline init --data tickets.jsonl           an experiment for a file of labelled texts\n  \
    pipeline run experiments/tickets.toml        train, score, and publish to outputs/tickets/\n  \
    pipeline predict outputs/tickets new.jsonl   use what came out"
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    /// When to use colours (`NO_COLOR` is honoured)
    #[arg(long, global = true, value_enum, default_value_t = When::Auto, value_name = "WHEN")]
    pub color: When,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum When {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run what has changed of an experiment, and publish its results
    Run(Run),
    /// Show what would run, and why
    Plan(Plan),
    /// Check experiment files without running anything
    Check(Check),
    /// Say what is in a corpus: sizes, lengths, labels, classes, repeats, examples
    Data(Data),
    /// Explain a stage's cache key against the nearest entry in the store
    Explain(Explain),
    /// Show the experiment after `extends`, or a run, or a store entry
    Show(Show),
    /// Follow a run from another terminal: its stages, curves, points and log
    Watch(Watch),
    /// List runs, trials or points with their scores
    Ls(Ls),
    /// Compare two experiments, runs, trials or points: what they are made with, and their scores
    Diff(Diff),
    /// Draw the stages and their wires
    Graph(Graph),
    /// Do the work of single stages, as `plan --orders` writes it down
    #[command(
        subcommand,
        after_help = "Example: pipeline plan experiments/tiny.toml --orders | pipeline stage run -"
    )]
    Stage(Stage),
    /// End the jobs that a run has submitted to a cluster
    Cancel(Cancel),
    /// List the stage kinds, or describe one with its ports and parameters
    Kinds(Kinds),
    /// Tag texts with a trained model: lines or JSONL in, JSONL out
    Predict(Predict),
    /// Write a trained model as other programs read it
    Export(Export),
    /// Answer over HTTP with a trained model, with a page to try it
    Serve(Serve),
    /// Find labels that are likely wrong, or unlabelled texts to label next
    Review(Review),
    /// Measure a training step on this machine, and what limits it
    Bench(Bench),
    /// Verify the digests of the whole store (exit 1 where one is wrong)
    Verify(Verify),
    /// Show what can be removed from `outputs/`, and remove it with `--apply`
    Gc(Gc),
    /// Keep the record and the results of runs, whatever `gc` removes
    #[command(after_help = "Example: pipeline pin 20260301-101500-tiny")]
    Pin(Pinned),
    /// Let `gc` remove again what only these runs need
    #[command(after_help = "Example: pipeline unpin 20260301-101500-tiny")]
    Unpin(Pinned),
    /// Write runs as MLflow keeps them: parameters, curves, scores, artifacts
    ExportRuns(ExportRuns),
    /// Say what this program is and where it runs, to paste into the report of a mistake
    Doctor(Doctor),
    /// Print the JSON Schema of experiment files, for editors
    #[command(after_help = "Example: pipeline schema > experiment.schema.json")]
    Schema,
    /// Write a commented experiment: a starter, or one for a file of your texts
    Init(Init),
    /// Print a completion script for a shell
    #[command(
        after_help = "Example: pipeline completions bash > ~/.local/share/bash-completion/completions/pipeline"
    )]
    Completions {
        /// The shell to complete for
        shell: clap_complete::Shell,
    },
    /// Print the page of the manual, or write those of all commands into a folder
    #[command(after_help = "Examples:\n  \
        pipeline man | man -l -\n  \
        pipeline man ~/.local/share/man/man1")]
    Man {
        /// Where `pipeline.1`, `pipeline-run.1` and so on are written
        folder: Option<PathBuf>,
    },
}

/// The form of a command's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Text,
    /// One JSON value.
    Json,
    /// A JSON object a line.
    JsonLines,
}

impl Command {
    pub fn form(&self) -> Form {
        let json = match self {
            Self::Run(Run { json: true, dry_run: false, .. }) => return Form::JsonLines,
            Self::Stage(Stage::Run(StageRun { json: true, .. })) => return Form::JsonLines,
            Self::Watch(Watch { json: true, .. }) => return Form::JsonLines,
            Self::Stage(_) | Self::Watch(_) => false,
            Self::Run(arguments) => arguments.json,
            Self::Plan(arguments) => arguments.json,
            Self::Check(arguments) => arguments.json,
            Self::Data(arguments) => arguments.json,
            Self::Explain(arguments) => arguments.json,
            Self::Show(arguments) => arguments.json,
            Self::Ls(arguments) => arguments.json,
            Self::Diff(arguments) => arguments.json,
            Self::Graph(arguments) => arguments.json,
            Self::Kinds(arguments) => arguments.json,
            Self::Cancel(arguments) => arguments.json,
            Self::Bench(arguments) => arguments.json,
            Self::Verify(arguments) => arguments.json,
            Self::Gc(arguments) => arguments.json,
            Self::Doctor(arguments) => arguments.json,
            Self::Predict(_)
            | Self::Export(_)
            | Self::Serve(_)
            | Self::Review(_)
            | Self::Pin(_)
            | Self::Unpin(_)
            | Self::ExportRuns(_)
            | Self::Schema
            | Self::Init(_)
            | Self::Completions { .. }
            | Self::Man { .. } => false,
        };
        if json { Form::Json } else { Form::Text }
    }
}

/// How work is carried out on this machine; nothing of it enters a key.
#[derive(Debug, Args)]
pub struct Means {
    /// Stages that may run at the same time; a training that can use all threads has them to itself, and small ones run side by side [default: the number of threads]
    #[arg(short, long, value_name = "N", allow_negative_numbers = true, value_parser = count::<1024>)]
    pub jobs: Option<u32>,
    /// Threads for all stages together [default: all cores]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = count::<1024>)]
    pub threads: Option<u32>,
    /// Where to train: auto, cpu, cuda, cuda:1, metal [default: auto]
    #[arg(long, value_name = "DEVICE", value_parser = device)]
    pub device: Option<Device>,
    /// A profile of `pipeline.toml` [default: default]
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Use no network
    #[arg(long)]
    pub offline: bool,
    /// After a failure, finish what does not depend on it
    #[arg(long)]
    pub keep_going: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pipeline run experiments/tiny.toml\n  \
    pipeline run experiments/tiny.toml --set train.epochs=2 --name short\n  \
    pipeline run experiments/tiny.toml --sweep train.learning_rate=5e-4,1e-3 --seeds 3")]
pub struct Run {
    /// The experiment file
    pub file: PathBuf,
    /// Only these stages, or single trials such as `train [seed=0]`, and what they need
    pub stages: Vec<String>,
    #[command(flatten)]
    pub changes: Changes,
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub means: Means,
    /// Publish to `outputs/EXPERIMENT@NAME/`, beside the results of other runs
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Run this stage, or a trial such as `train [seed=0]`, even where the store has its result
    #[arg(long, value_name = "STAGE")]
    pub rerun: Vec<String>,
    /// Try points of a search again that have failed before
    #[arg(long)]
    pub retry_failed: bool,
    /// Submit the jobs of a cluster and end; the same command finds them, and publishes what they leave
    #[arg(long)]
    pub detach: bool,
    /// Show what would run and stop, as `plan` does
    #[arg(long)]
    pub dry_run: bool,
    /// Print no progress, only what needs attention and the results
    #[arg(long)]
    pub quiet: bool,
    /// Print events as NDJSON on standard output
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pipeline plan experiments/tiny.toml --set train.epochs=2\n  \
    pipeline plan experiments/tiny.toml --check || echo 'not up to date'")]
pub struct Plan {
    /// The experiment file
    pub file: PathBuf,
    /// Only these stages and what they need
    pub stages: Vec<String>,
    #[command(flatten)]
    pub changes: Changes,
    #[command(flatten)]
    pub place: Place,
    /// Exit with 3 if work is pending
    #[arg(long)]
    pub check: bool,
    /// Print what would run as work orders for `stage run`, one on a line
    #[arg(long, conflicts_with = "json")]
    pub orders: bool,
    #[arg(long, help = "Print JSON")]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Stage {
    /// Do what work orders say, each behind those that it needs
    Run(StageRun),
}

#[derive(Debug, Args)]
#[command(
    after_help = "Results go to the store, where `pipeline run FILE` finds them and publishes them. What no order makes must be there.\n\
    No run is recorded: until one has used these results, `gc` counts them as what nobody needs.\n\
    Orders hold all that decides a result, and are of use to the version of the program that wrote them.\n\n\
    Examples:\n  \
    pipeline plan experiments/sweep.toml --orders > orders.jsonl\n  \
    pipeline stage run orders.jsonl"
)]
pub struct StageRun {
    /// The file of orders, or `-` for standard input
    pub orders: PathBuf,
    /// The folder that holds `outputs/` [default: that which the orders name]
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    #[command(flatten)]
    pub means: Means,
    /// Print no progress, only what needs attention
    #[arg(long)]
    pub quiet: bool,
    /// Print events as NDJSON on standard output
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "What was saved stays: `run` submits the rest again, which goes on from there.\n\n\
    Example: pipeline cancel experiments/sweep.toml"
)]
pub struct Cancel {
    /// The experiment file [default: the jobs of all experiments]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub place: Place,
    #[arg(long, help = "Print JSON")]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pipeline check experiments/*.toml\n  \
    pipeline check --data experiments/tickets.toml   repeats, leaks and bad lines too")]
pub struct Check {
    /// Experiment files
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub changes: Changes,
    #[command(flatten)]
    pub place: Place,
    #[arg(long, help = "Also read the data and say what a run would say of them")]
    pub data: bool,
    #[arg(long, help = "Print JSON")]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Example: pipeline data experiments/tickets.toml --examples 20")]
pub struct Data {
    /// The experiment file
    pub file: PathBuf,
    /// The stage that makes the corpus, where there are several
    pub stage: Option<String>,
    /// How many texts to show
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub examples: usize,
    #[command(flatten)]
    pub changes: Changes,
    #[command(flatten)]
    pub place: Place,
    #[arg(long, help = "Print JSON")]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pipeline explain experiments/tiny.toml train\n  \
    pipeline explain experiments/sweep.toml 'train [learning_rate=1e-5,seed=0]'")]
pub struct Explain {
    /// The experiment file
    pub file: PathBuf,
    /// The stage to explain, or a trial such as `train [seed=0]`
    pub stage: String,
    #[command(flatten)]
    pub changes: Changes,
    #[command(flatten)]
    pub place: Place,
    #[arg(long, help = "Print JSON")]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pipeline show experiments/large.toml --origins\n  \
    pipeline show outputs/tiny")]
pub struct Show {
    /// An experiment file, a run, RUN:LABEL (a trial or a point, as `ls` prints them), a folder of results, or a key (its first digits are enough)
    pub what: PathBuf,
    #[command(flatten)]
    pub changes: Changes,
    #[command(flatten)]
    pub place: Place,
    /// Say where each value was written
    #[arg(long)]
    pub origins: bool,
    #[arg(long, help = "Print JSON")]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pipeline graph experiments/tiny.toml\n  \
    pipeline graph experiments/tiny.toml --format dot | dot -Tsvg > tiny.svg")]
pub struct Graph {
    /// The experiment file
    pub file: PathBuf,
    #[command(flatten)]
    pub changes: Changes,
    #[command(flatten)]
    pub place: Place,
    /// The language of the drawing
    #[arg(long, value_enum, default_value_t = GraphFormat::Mermaid)]
    pub format: GraphFormat,
    #[arg(long, help = "Print JSON")]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    Mermaid,
    Dot,
}

#[derive(Debug, Args)]
#[command(after_help = "Example: pipeline kinds train")]
pub struct Kinds {
    /// Describe this kind
    pub kind: Option<String>,
    #[arg(long, help = "Print JSON")]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pipeline bench experiments/tiny.toml --profile\n  \
    pipeline bench --model base --dtype bf16")]
pub struct Bench {
    /// An experiment file, whose first training is measured [default: ModernBERT-base on made-up texts]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub changes: Changes,
    #[command(flatten)]
    pub place: Place,
    /// The model to measure instead of an experiment's
    #[arg(long, value_name = "MODEL", value_parser = PossibleValuesParser::new(Workload::published()))]
    pub model: Option<String>,
    /// Texts in a batch [default: the experiment's, else 16]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = count::<65_536>)]
    pub batch_size: Option<u32>,
    // At both ends is a special token, and what has no other trains no tags.
    /// Measure on made-up texts of this many tokens each [default: the experiment's texts, else 12 to 34 tokens]
    #[arg(long, value_name = "TOKENS", allow_negative_numbers = true, value_parser = between::<3, 1_048_576>)]
    pub length: Option<u32>,
    /// Steps to measure
    #[arg(long, value_name = "N", default_value_t = 5, allow_negative_numbers = true, value_parser = count::<100_000>)]
    pub steps: u32,
    /// Arithmetic of the matrix products [default: the experiment's, else f32]
    #[arg(long, value_name = "DTYPE", value_parser = dtype())]
    pub dtype: Option<Dtype>,
    /// What computes products in bf16 on a CPU [default: the best that this machine has]
    #[arg(long, value_name = "INSTRUCTIONS", value_parser = instructions())]
    pub instructions: Option<Instructions>,
    /// Threads to use [default: all cores]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = count::<1024>)]
    pub threads: Option<u32>,
    /// Show where the time of a step goes
    #[arg(long)]
    pub profile: bool,
    #[arg(long, help = "Print JSON")]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pipeline init\n  \
    pipeline init --data tickets.jsonl --text message --classes severity\n  \
    pipeline init demo --template demo")]
pub struct Init {
    /// The folder to write into
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// A file of labelled texts: the experiment trains on it, and says why it does so as it does
    #[arg(long, value_name = "FILE", conflicts_with = "template")]
    pub data: Option<PathBuf>,
    /// The field or column of that file that holds the text; told from the file where this is left out
    #[arg(long, value_name = "FIELD", requires = "data")]
    pub text: Option<String>,
    /// The fields or columns of that file that say each text's class, a head each; told from the file where this is left out
    #[arg(long, value_name = "FIELD", value_delimiter = ',', requires = "data")]
    pub classes: Vec<String>,
    /// What to start from
    #[arg(long, value_enum, default_value_t = Template::Joint)]
    pub template: Template,
}

/// The experiments to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Template {
    /// Named entities, from a CoNLL file
    Ner,
    /// Classes of whole texts, from a CSV file
    Classify,
    /// Entities and classes in one model, from templates or JSON lines
    Joint,
    /// The same at a size that trains in seconds
    Demo,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    /// The pages of a command and of all below it that lack an example with its name, by their names.
    fn without_example(command: &clap::Command, path: &str, lacking: &mut Vec<String>) {
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let has_example =
            after.split_once("Example").is_some_and(|(_, examples)| examples.contains(path));
        if !has_example {
            lacking.push(path.to_owned());
        }
        for below in command.get_subcommands() {
            without_example(below, &format!("{path} {}", below.get_name()), lacking);
        }
    }

    #[test]
    fn every_page_of_help_ends_with_an_example() {
        let mut lacking = Vec::new();
        without_example(&Cli::command(), "pipeline", &mut lacking);
        assert_eq!(lacking, Vec::<String>::new());
    }
}
