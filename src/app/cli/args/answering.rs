//! Commands that ask a trained model.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::shared::{Written, between, count, dtype};
use crate::stages::train::Dtype;

/// The score from which the answers of a head count.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// All of them where there is none.
    pub head: Option<String>,
    pub value: f64,
}

fn threshold(text: &str) -> Result<Threshold, String> {
    let (head, value) = match text.split_once('=') {
        Some((head, value)) => (Some(head.to_owned()), value),
        None => (None, text),
    };
    match value.parse() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(Threshold { head, value }),
        _ => {
            Err("expected a number from 0 to 1, or a head and one, such as `anomaly=0.9`"
                .to_owned())
        }
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "Each line of input is answered in order, as soon as it can be: as JSONL, line 7 of the output is about line 7.\n\
    Input is JSONL where the first line that is not blank is a JSON object, else every line is a text as it stands, or what `--rules` make of it: what of a \
    line is no text then, such as its time, is kept beside the answer. gzip and zstd are unpacked.\n\
    A blank line, like a text of nothing but blanks, has no entities, and null for each other head, such as `anomaly` and `anomaly_score`.\n\
    A line without a text (no JSON object with a `text`, not UTF-8, longer than 16 MiB) is answered by\n\
    {\"error\": \"...\", \"line\": 7}, or says why in another format; the others are tagged, and the exit code is 1 at the end.\n\n\
    Examples:\n  \
    echo 'Login failed on db-07' | pipeline predict outputs/tiny\n  \
    pipeline predict outputs/tickets new.jsonl --field message --html new.html\n  \
    tail -f app.log | pipeline predict outputs/tiny --rules application"
)]
pub struct Predict {
    /// A trained model's folder, such as `outputs/tiny/model`, or a results folder such as `outputs/tiny`
    pub model: PathBuf,
    /// Lines of text, or JSONL with a `text` in each line [default: standard input]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub written: Written,
    /// How answers are written [default: jsonl]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// Write a page of the texts with their entities marked; lines only where `--format` asks for them, too
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    #[command(flatten)]
    pub options: ModelOptions,
}

#[derive(Debug, Args)]
#[command(
    after_help = "POST /predict      {\"text\": ...} or {\"texts\": [...]}, answered by the objects of `predict`\n\
    POST /hf/HEAD      {\"inputs\": ...}, in the forms of Hugging Face's inference API\n\
    POST /reload       opens the model's folder anew; needs a token\n\
    GET  /             a page to paste texts into; /health, /ready, /metrics (Prometheus), /openapi.json\n\n\
    Example: pipeline serve outputs/tiny --port 8000, then\n\
    curl -d '{\"text\": \"Login failed on db-07\"}' http://127.0.0.1:8000/predict"
)]
pub struct Serve {
    /// A trained model's folder, such as `outputs/tiny/model`, or a results folder such as `outputs/tiny`
    pub model: PathBuf,
    /// The port to listen on; 0 takes one that is free
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    pub port: u16,
    /// The address to listen on: 127.0.0.1 for this machine alone, 0.0.0.0 for all
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    pub host: String,
    /// Who asks must know this; other users of this machine can see it in the list of processes
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_file")]
    pub token: Option<String>,
    /// The same, in a file
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// A site whose pages may ask, such as `https://example.org`, or `*`
    #[arg(long, value_name = "ORIGIN")]
    pub allow_origin: Option<String>,
    /// KiB of a request's body
    #[arg(long, value_name = "KIB", default_value_t = 1024, allow_negative_numbers = true, value_parser = count::<1_048_576>)]
    pub max_body: u32,
    /// Texts of a request
    #[arg(long, value_name = "N", default_value_t = 1024, allow_negative_numbers = true, value_parser = count::<1_000_000>)]
    pub max_texts: u32,
    /// Tokens of a request
    #[arg(long, value_name = "N", default_value_t = 65_536, allow_negative_numbers = true, value_parser = count::<16_777_216>)]
    pub max_tokens: u32,
    /// Requests that are answered at the same time; others are told to come again
    #[arg(long, value_name = "N", default_value_t = 256, allow_negative_numbers = true, value_parser = count::<65_536>)]
    pub max_requests: u32,
    /// Tokens that may wait; requests beyond are told to come again
    #[arg(long, value_name = "N", default_value_t = 262_144, allow_negative_numbers = true, value_parser = count::<16_777_216>)]
    pub queue_tokens: u32,
    /// Seconds for a request to come, and again for its answer; a connection that is idle for longer is closed
    #[arg(long, value_name = "SECONDS", default_value_t = 30, allow_negative_numbers = true, value_parser = count::<3600>)]
    pub timeout: u32,
    #[command(flatten)]
    pub options: ModelOptions,
}

/// How answers are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// an object for each line
    #[default]
    Jsonl,
    /// a row for each line: the members of the first line, what is answered, and in `other` what else a line holds
    Csv,
    /// a word and its tag on each line, and what else there is to say in comments
    Conll,
    /// texts with their entities marked, in colours on a terminal
    SpansInColour,
}

/// How a model is asked.
#[derive(Debug, Clone, Args)]
pub struct ModelOptions {
    /// The score, 0 to 1, from which an answer counts, of all heads or of one, such as `anomaly=0.9` or `ner=0.5`: of two classes the second is said from it on (`anomaly`, not `normal`), and entities below it are left out; more classes take none. It goes before one that is stored in the model. Several times for several heads
    #[arg(long, value_name = "[HEAD=]VALUE", allow_negative_numbers = true, value_parser = threshold)]
    pub threshold: Vec<Threshold>,
    /// Tokens that are read at once; a longer text is read by itself. It changes no answer, but the last digits of scores
    #[arg(long, value_name = "N", default_value_t = 1024, allow_negative_numbers = true, value_parser = count::<1_048_576>)]
    pub batch_tokens: u32,
    /// MiB of memory for answers that are given again when the same text comes again
    #[arg(long, value_name = "MIB", default_value_t = 32, allow_negative_numbers = true, value_parser = between::<0, 65_536>)]
    pub cache: u32,
    /// Arithmetic of the matrix products; bf16 is faster on CPUs with instructions for it [default: f32]
    #[arg(long, value_name = "DTYPE", value_parser = dtype())]
    pub dtype: Option<Dtype>,
    /// Threads to use [default: all cores]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = count::<1024>)]
    pub threads: Option<u32>,
}
