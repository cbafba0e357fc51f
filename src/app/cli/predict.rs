//! `pipeline predict`: lines or JSONL in, JSONL out, a line for each line. One that holds no text, or that the model cannot read, is answered
//! by why, and does not keep the others from being tagged.

use std::borrow::Cow;
use std::io::Read;
use std::path::Path;

use serde::Serialize;

use super::args::{Predict, Threshold};
use super::failure::{Failure, Outcome};
use super::lines::{Fields, Line, Lines, NoText, Unreadable};
use super::terminal;
use crate::app::tools::{OpenError, Prediction, Predictor};
use crate::base::disk::regular::TO_READ;
use crate::view;

/// Members that an answer has, or may have, beside those of the heads over whole texts.
const OF_ANSWERS: [&str; 4] = ["entities", "truncated", "error", "line"];

/// What stands before the names of a line's own members that an answer's could be taken for.
const OF_INPUT: &str = "input_";

pub fn run(arguments: &Predict) -> Result<Outcome, Failure> {
    let input = open(arguments.file.as_deref())?;
    let name = arguments
        .file
        .as_ref()
        .map_or_else(|| "standard input".to_owned(), |path| format!("`{}`", path.display()));
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(arguments.threads.map_or(0, |threads| threads as usize))
        .build()
        .map_err(|error| Failure::failed(format!("threads cannot be started: {error}")))?;
    let folder = view::model_in(&arguments.model).unwrap_or_else(|| arguments.model.clone());
    let mut predictor = pool
        .install(|| Predictor::open(&folder, arguments.dtype.unwrap_or_default()))
        .map_err(|error| not_opened(&error))?;
    set_thresholds(&mut predictor, &arguments.threshold)?;
    let heads = predictor.heads().flat_map(|(head, _)| [head.to_owned(), format!("{head}_score")]);
    let taken: Vec<String> = OF_ANSWERS.map(str::to_owned).into_iter().chain(heads).collect();
    let mut lines = Lines::new(input, arguments.field.as_deref());
    let field = arguments.field.as_deref().unwrap_or("text");
    let mut bad = BadLines::default();
    loop {
        let before = lines.number;
        let chunk = lines.chunk().map_err(|error| unreadable(&error, &name, arguments))?;
        if chunk.is_empty() {
            return bad.end(lines.number);
        }
        let texts: Vec<&str> = chunk.iter().filter_map(|line| line.text.as_deref().ok()).collect();
        let predictions = pool.install(|| predictor.predict(&texts, arguments.batch_size as usize));
        let mut predictions = predictions.into_iter();
        let mut output = String::new();
        for (number, line) in (before + 1..).zip(&chunk) {
            let answer = match &line.text {
                Ok(_) => predictions
                    .next()
                    .expect("one for each text")
                    .map_err(|error| error.to_string()),
                Err(reason) => {
                    bad.without_field |= matches!(reason, NoText::NoField { .. });
                    Err(reason.to_string())
                }
            };
            output += &match answer {
                Ok(prediction) => tagged(line, field, &prediction, &taken),
                Err(reason) => bad.add(number, line, reason, &taken),
            };
            output.push('\n');
        }
        if !terminal::print_while_read(&output)? {
            return bad.end(lines.number);
        }
    }
}

fn open(file: Option<&Path>) -> Result<Box<dyn Read>, Failure> {
    let Some(path) = file.filter(|path| path.as_os_str() != "-") else {
        return Ok(Box::new(std::io::stdin()));
    };
    if path.is_dir() {
        return Err(Failure::usage(format!(
            "`{}` is a folder, not a file of texts",
            path.display()
        )));
    }
    let file = std::fs::File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Failure::usage(format!("cannot read `{}`: there is no such file", path.display()))
        }
        kind => Failure::usage(format!("cannot read `{}`: {kind}", path.display())),
    })?;
    Ok(Box::new(file))
}

/// One without a head is for all of them that have none of their own.
fn set_thresholds(predictor: &mut Predictor, given: &[Threshold]) -> Result<(), Failure> {
    let all: Vec<(String, bool)> =
        predictor.heads().map(|(head, takes)| (head.to_owned(), takes)).collect();
    let heads: Vec<&String> = all.iter().map(|(head, _)| head).collect();
    for (index, threshold) in given.iter().enumerate() {
        if given[..index].iter().any(|other| other.head == threshold.head) {
            let of = threshold.head.as_ref().map(|head| format!(" of `{head}`"));
            return Err(Failure::usage(format!(
                "the threshold{} is given twice",
                of.unwrap_or_default()
            )));
        }
        if let Some(head) = threshold.head.as_ref().filter(|head| !heads.contains(head)) {
            let names: Vec<&str> = heads.iter().map(|head| head.as_str()).collect();
            return Err(Failure::usage(format!("the model has no head `{head}`"))
                .with_help(format!("it has `{}`", names.join("`, `"))));
        }
        if let Some((head, _)) =
            all.iter().find(|(head, takes)| !takes && threshold.head.as_ref() == Some(head))
        {
            let message = format!(
                "head `{head}` decides between more than two classes, of which none is looked for from a threshold on"
            );
            return Err(Failure::usage(message).with_help(format!(
                "leave the threshold of `{head}` out: its most likely class is the answer"
            )));
        }
    }
    for (head, _) in all.iter().filter(|(_, takes)| *takes) {
        let own = given.iter().find(|threshold| threshold.head.as_ref() == Some(head));
        let common = given.iter().find(|threshold| threshold.head.is_none());
        if let Some(threshold) = own.or(common) {
            predictor.set_threshold(head, threshold.value);
        }
    }
    Ok(())
}

fn unreadable(error: &Unreadable, name: &str, arguments: &Predict) -> Failure {
    let model = arguments.model.display();
    let file = arguments.file.as_ref().filter(|path| path.as_os_str() != "-");
    let file = file.map(|path| format!(" {}", path.display())).unwrap_or_default();
    match error {
        Unreadable::Io(error) => Failure::failed(format!("cannot read {name}: {}", error.kind())),
        Unreadable::Array => {
            Failure::usage(format!("{name} is a JSON array, expected an object on each line"))
                .with_help(format!("`jq -c '.[]'{file} | pipeline predict {model}`"))
        }
        Unreadable::Spread => Failure::usage(format!(
            "the first JSON object of {name} goes on on the next line, expected one on each line"
        ))
        .with_help(format!("`jq -c .{file} | pipeline predict {model}`")),
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
            let file = view::experiment_of(folder);
            let file = file.as_deref().unwrap_or("EXPERIMENT.toml");
            failure.with_help(format!("train it again: `pipeline run {file}`"))
        }
        OpenError::Denied { .. } => failure.with_help(TO_READ),
        OpenError::Unusable { help, .. } => failure.with_help_of(help.as_deref()),
    }
}

/// What the line holds, with the prediction behind it.
fn tagged(line: &Line, field: &str, prediction: &Prediction, taken: &[String]) -> String {
    let mut fields = Vec::new();
    if let (true, Ok(text)) = (line.fields.0.is_empty(), &line.text) {
        let text = serde_json::to_string(text).expect("a string");
        fields.push(member(&kept_as(field, &line.fields, taken), &text));
    }
    object(fields, &line.fields, prediction, taken)
}

/// A JSON object of `first`, the line's own members, and `answer`'s.
///
/// * `taken`: names of members of answers
fn object(first: Vec<String>, own: &Fields, answer: &impl Serialize, taken: &[String]) -> String {
    let mut members = first;
    members
        .extend(own.0.iter().map(|(name, value)| member(&kept_as(name, own, taken), value.get())));
    let answer = serde_json::to_string(answer).expect("plain data");
    members.push(answer[1..answer.len() - 1].to_owned());
    members.retain(|member| !member.is_empty());
    format!("{{{}}}", members.join(","))
}

/// The name under which a member of the line stays: its own, unless it is one of an answer's; then a name that no other member of the line has.
fn kept_as<'a>(name: &'a str, own: &Fields, taken: &[String]) -> Cow<'a, str> {
    let mut kept = Cow::Borrowed(name);
    while taken.iter().any(|taken| *taken == *kept)
        || (kept != name && own.0.iter().any(|(other, _)| *other == *kept))
    {
        kept = format!("{OF_INPUT}{kept}").into();
    }
    kept
}

fn member(name: &str, value: &str) -> String {
    format!("{}:{value}", serde_json::to_string(name).expect("a string"))
}

/// What stands in the place of a prediction.
#[derive(Serialize)]
struct BadLine {
    error: String,
    line: u64,
}

/// The lines that could not be tagged.
#[derive(Default)]
struct BadLines {
    count: u64,
    first: Vec<u64>,
    /// Whether one of them is an object without the text's field.
    without_field: bool,
}

impl BadLines {
    const NAMED: usize = 10;

    /// The answer to line `number`, with what else it holds.
    fn add(&mut self, number: u64, line: &Line, error: String, taken: &[String]) -> String {
        self.count += 1;
        if self.first.len() < Self::NAMED {
            self.first.push(number);
        }
        object(Vec::new(), &line.fields, &BadLine { error, line: number }, taken)
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
        let help = "each is answered by an object with `error` and `line` instead of a prediction";
        let field = self.without_field.then_some("`--field NAME` names the field of the text");
        Err(Failure::failed(message).with_help(help).with_help_of(field))
    }
}
