//! The command line of what looks for labels to correct, and for texts to label.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::shared::{Place, Written, count, probability};

#[derive(Debug, Args)]
#[command(
    after_help = "A text whose label is another one than the models of the run confidently say is likely labelled wrongly. Each is judged by the models \
    that did not train on it, where there are any: with `[sweep] folds = 5` every text is.\n\
    A line is the text with its `id`, its labels as they are, and in `_review` what the models say. Correct the labels and name the file in \
    `corrections` of `read_corpus`: no text moves to another split, and lines that you left as they are change nothing.\n\n\
    `--field`, `--rules`, `--encoding` and `--markup` say how the file of `--unlabelled` is written.\n\n\
    Examples:\n  \
    pipeline review outputs/tickets --confidence 0.9 --out fixes.jsonl\n  \
    pipeline review outputs/tickets --unlabelled new.csv --field message --top 50"
)]
pub struct Review {
    /// The results of a run, such as `outputs/tiny`, or its id; with `--unlabelled` also a trained model's folder
    pub what: PathBuf,
    /// How many texts to write
    #[arg(long, value_name = "N", default_value_t = 100, allow_negative_numbers = true, value_parser = count::<1_000_000>)]
    pub top: u32,
    /// How sure the models have to be of another answer, 0 to 1: the mean of the probabilities that they give it, of entities over their tokens. [default: 0.6]
    #[arg(long, value_name = "PROBABILITY", allow_negative_numbers = true, value_parser = probability, conflicts_with = "unlabelled")]
    pub confidence: Option<f64>,
    /// Texts without labels, in any format that `read_corpus` knows: those are written on which the models are least sure
    #[arg(long, value_name = "FILE")]
    pub unlabelled: Option<PathBuf>,
    #[command(flatten)]
    pub written: Written,
    /// What to write: JSON lines, or tasks to import into Label Studio, with what the models say as predictions
    #[arg(long, value_enum, default_value_t = ReviewFormat::Jsonl, value_name = "FORMAT")]
    pub format: ReviewFormat,
    /// The file to write, which must not be there yet [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Threads to use [default: all cores]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = count::<1024>)]
    pub threads: Option<u32>,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum ReviewFormat {
    Jsonl,
    LabelStudio,
}
