//! `pipeline predict`: lines or JSONL in, JSONL out.

use std::io::{BufRead, BufReader, Read};

use super::args::Predict;
use super::failure::{Failure, Outcome};
use super::terminal;
use crate::tools::{Predictor, ToolError};

/// Most texts read before they are tagged, so that memory stays bounded and output begins early.
const CHUNK: usize = 1024;
/// A file fills it; of a stream it takes what is there.
const BUFFER_BYTES: usize = 256 << 10;
/// A longer line is no text.
const LINE_LIMIT_BYTES: u64 = 16 << 20;

pub fn run(arguments: &Predict) -> Result<Outcome, Failure> {
    let input: Box<dyn Read> = match arguments.file.as_deref() {
        None => Box::new(std::io::stdin()),
        Some(path) if path.as_os_str() == "-" => Box::new(std::io::stdin()),
        Some(path) if path.is_dir() => return Err(Failure::usage(format!("`{}` is a folder, not a file of texts", path.display()))),
        Some(path) => Box::new(std::fs::File::open(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Failure::usage(format!("cannot read `{}`: there is no such file", path.display())),
            kind => Failure::usage(format!("cannot read `{}`: {kind}", path.display())),
        })?),
    };
    let name = arguments.file.as_ref().map_or_else(|| "standard input".to_owned(), |path| path.display().to_string());
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(arguments.threads.map_or(0, |threads| threads as usize))
        .build()
        .map_err(|error| Failure::failed(format!("threads cannot be started: {error}")))?;
    let mut predictor = Predictor::open(&arguments.model).map_err(|error| {
        let model = arguments.model.display();
        let message = match std::fs::metadata(&arguments.model) {
            Ok(metadata) if metadata.is_dir() => format!("`{model}` holds no trained model: {error}"),
            Ok(_) => format!("`{model}` is a file, not a model's folder"),
            Err(_) => format!("there is no folder `{model}`"),
        };
        Failure::usage(message).with_help("a trained model is a folder that `run` published, such as `outputs/tiny/model`")
    })?;
    let mut lines = Lines { reader: BufReader::with_capacity(BUFFER_BYTES, input), name, number: 0, json: None };
    loop {
        let texts = lines.chunk()?;
        if texts.is_empty() {
            return Ok(Outcome::Done);
        }
        let predictions = pool.install(|| predictor.predict(&texts, arguments.batch_size as usize)).map_err(failed)?;
        let mut output = String::new();
        for prediction in predictions {
            output += &serde_json::to_string(&prediction).expect("plain data");
            output.push('\n');
        }
        terminal::print(&output)?;
    }
}

fn failed(error: ToolError) -> Failure {
    Failure::failed(error.to_string())
}

/// The texts of a stream: the `text` of each JSON line where the first line is a JSON object with one, else the lines themselves.
struct Lines<R> {
    reader: BufReader<R>,
    name: String,
    number: usize,
    /// Unknown before the first line.
    json: Option<bool>,
}

impl<R: Read> Lines<R> {
    /// The next texts; none at the end. Empty lines are passed over. It waits for a text, but not for more of them: what writes a line now and
    /// then sees each tagged at once.
    fn chunk(&mut self) -> Result<Vec<String>, Failure> {
        let mut texts = Vec::new();
        while texts.len() < CHUNK && (texts.is_empty() || self.reader.buffer().contains(&b'\n')) {
            let mut bytes = Vec::new();
            self.number += 1;
            let wrong = |reason: String| Failure::usage(format!("{}:{}: {reason}", self.name, self.number));
            let read = self
                .reader
                .by_ref()
                .take(LINE_LIMIT_BYTES)
                .read_until(b'\n', &mut bytes)
                .map_err(|error| wrong(error.kind().to_string()))?;
            if read == 0 {
                break;
            }
            if read as u64 == LINE_LIMIT_BYTES && bytes.last() != Some(&b'\n') {
                return Err(wrong(format!("the line is longer than {LINE_LIMIT_BYTES} bytes")));
            }
            let line =
                String::from_utf8(bytes).map_err(|error| wrong(format!("not UTF-8: byte {}", error.utf8_error().valid_up_to() + 1)))?;
            let line = line.trim_end_matches(['\n', '\r']);
            if line.trim().is_empty() {
                continue;
            }
            let json = *self.json.get_or_insert_with(|| text_of(line).is_ok());
            texts.push(if json { text_of(line).map_err(wrong)? } else { line.to_owned() });
        }
        Ok(texts)
    }
}

/// The text of a JSON line.
fn text_of(line: &str) -> Result<String, String> {
    let value: serde_json::Value = serde_json::from_str(line).map_err(|error| {
        // The line is the stream's, and is said already.
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        format!("not a JSON object: {message} at byte {}", error.column())
    })?;
    value["text"].as_str().map(str::to_owned).ok_or_else(|| "the object has no `text` that is a string".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(input: &str) -> Result<Vec<String>, String> {
        let mut lines = Lines { reader: BufReader::new(input.as_bytes()), name: "in".into(), number: 0, json: None };
        let mut all = Vec::new();
        loop {
            match lines.chunk().map_err(|failure| failure.render(false))? {
                texts if texts.is_empty() => return Ok(all),
                texts => all.extend(texts),
            }
        }
    }

    #[test]
    fn lines_are_texts_unless_the_first_is_a_json_object_with_one() {
        assert_eq!(texts("a b\r\n\n{\"text\": \"c\"}").unwrap(), ["a b", "{\"text\": \"c\"}"]);
        assert_eq!(texts("{\"text\": \"c\", \"x\": 1}\n{\"text\": \"d\"}\n").unwrap(), ["c", "d"]);
    }

    #[test]
    fn a_bad_line_among_json_lines_is_named() {
        assert_eq!(texts("{\"text\": \"c\"}\n{\"txt\": \"d\"}\n").unwrap_err(), "error: in:2: the object has no `text` that is a string\n");
    }
}
