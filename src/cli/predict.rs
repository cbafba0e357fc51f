//! `pipeline predict`: lines or JSONL in, JSONL out, a line for each line. One that holds no text is answered by why, and does not keep the
//! others from being tagged.

use std::io::Read;

use serde::Serialize;

use super::args::Predict;
use super::failure::{Failure, Outcome};
use super::lines::Lines;
use super::terminal;
use crate::report;
use crate::tools::{OpenError, Predictor, ToolError};

pub fn run(arguments: &Predict) -> Result<Outcome, Failure> {
    let input: Box<dyn Read> = match arguments.file.as_deref() {
        None => Box::new(std::io::stdin()),
        Some(path) if path.as_os_str() == "-" => Box::new(std::io::stdin()),
        Some(path) if path.is_dir() => {
            return Err(Failure::usage(format!(
                "`{}` is a folder, not a file of texts",
                path.display()
            )));
        }
        Some(path) => Box::new(std::fs::File::open(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Failure::usage(format!("cannot read `{}`: there is no such file", path.display()))
            }
            kind => Failure::usage(format!("cannot read `{}`: {kind}", path.display())),
        })?),
    };
    let name = arguments
        .file
        .as_ref()
        .map_or_else(|| "standard input".to_owned(), |path| format!("`{}`", path.display()));
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(arguments.threads.map_or(0, |threads| threads as usize))
        .build()
        .map_err(|error| Failure::failed(format!("threads cannot be started: {error}")))?;
    let mut predictor =
        pool.install(|| Predictor::open(&arguments.model)).map_err(|error| not_opened(&error))?;
    let mut lines = Lines::new(input);
    let mut bad = BadLines::default();
    loop {
        let before = lines.number;
        let chunk = lines
            .chunk()
            .map_err(|error| Failure::failed(format!("cannot read {name}: {}", error.kind())))?;
        if chunk.is_empty() {
            return bad.end(lines.number);
        }
        let texts: Vec<String> = chunk.iter().flatten().cloned().collect();
        let predictions = pool
            .install(|| predictor.predict(&texts, arguments.batch_size as usize))
            .map_err(failed)?;
        let mut predictions = predictions.into_iter();
        let mut output = String::new();
        for (number, line) in (before + 1..).zip(chunk) {
            let answer = match line {
                Ok(_) => serde_json::to_string(&predictions.next().expect("one for each text")),
                Err(reason) => serde_json::to_string(&bad.add(number, reason)),
            };
            output += &answer.expect("plain data");
            output.push('\n');
        }
        if !terminal::print_while_read(&output)? {
            return bad.end(lines.number);
        }
    }
}

/// The same, with what to do about it.
fn not_opened(error: &OpenError) -> Failure {
    let failure = Failure::usage(error.to_string());
    match error {
        OpenError::Missing { .. } | OpenError::File { .. } | OpenError::NoModel { .. } => failure
            .with_help(
                "a trained model is a folder that `run` published, such as `outputs/tiny/model`",
            ),
        OpenError::Earlier { folder } => {
            let file = report::experiment_of(folder);
            let file = file.as_deref().unwrap_or("EXPERIMENT.toml");
            failure.with_help(format!("train it again: `pipeline run {file}`"))
        }
        OpenError::Unusable { help, .. } => failure.with_help_of(help.as_deref()),
    }
}

fn failed(error: ToolError) -> Failure {
    Failure::failed(error.to_string()).with_help_of(error.help())
}

/// What stands in the place of a prediction.
#[derive(Serialize)]
struct BadLine {
    error: String,
    line: u64,
}

/// The lines that held no text.
#[derive(Default)]
struct BadLines {
    count: u64,
    first: Vec<u64>,
}

impl BadLines {
    const NAMED: usize = 10;

    fn add(&mut self, line: u64, error: String) -> BadLine {
        self.count += 1;
        if self.first.len() < Self::NAMED {
            self.first.push(line);
        }
        BadLine { error, line }
    }

    fn end(&self, lines: u64) -> Result<Outcome, Failure> {
        if self.count == 0 {
            return Ok(Outcome::Done);
        }
        let mut numbers = self.first.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        if self.count > self.first.len() as u64 {
            numbers += ", ...";
        }
        let message = format!("{} of {lines} lines could not be tagged: {numbers}", self.count);
        Err(Failure::failed(message).with_help(
            "each is answered by an object with `error` and `line` instead of a prediction",
        ))
    }
}
