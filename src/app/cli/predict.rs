//! `pipeline predict`: lines or JSONL in, answers out, one for each line, in order. One that holds no text, or that the model cannot read, is
//! answered by why, and does not keep the others from being tagged.
//!
//! 1. a thread reads lines as they come, and asks the model ([`reader`]); how far it is ahead is bounded;
//! 2. the model's threads answer ([`Service`]);
//! 3. this one writes each answer as soon as all before it are written.

mod answered;
mod conll;
pub mod json_lines;
pub mod model;
mod page;
mod reader;
mod spans;
mod table;

use std::io::{IsTerminal as _, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

pub use self::answered::{Answered, Shape};
use self::model::Opener;
use self::page::Page;
use self::reader::Part;
use self::spans::Spans;
use self::table::Table;
use super::args::{Format, Predict, When};
use super::failure::{Failure, Outcome};
use super::lines::{Lines, NoText, Unreadable};
use super::{input, terminal};
use crate::app::tools::{Service, decoded, is_unmarked_utf16};
use crate::base::disk::regular;
use crate::view::{Status, format};

/// Tokens that may wait: enough for all threads to have work while more is read.
const QUEUE_TOKENS: usize = 1 << 17;

/// So much is written at once, unless there is nothing to do but to wait.
const OUTPUT_BYTES: usize = 64 << 10;

pub fn run(arguments: &Predict, color: When) -> Result<Outcome, Failure> {
    let Input { source, name, bytes } = open(arguments.file.as_deref())?;
    let bytes = bytes.filter(|_| arguments.written.encoding.is_none());
    let written = input::written(&arguments.written)?;
    let source: Box<dyn Read + Send> = Box::new(decoded(source, written.encoding));
    let lines = Lines::of(source, written);
    let service = Opener::new(&arguments.model, &arguments.options, QUEUE_TOKENS)?.open()?;
    let service = Arc::new(service);
    let shape = Shape::of(arguments.written.field.as_deref(), service.predictor());
    let format = arguments.format.unwrap_or_default();
    if format == Format::Conll && !shape.tags {
        let message = "the model looks for no entities, which `--format conll` is about";
        return Err(Failure::usage(message).with_help("`--format jsonl` has what it says"));
    }
    let page = arguments.html.as_deref().map(Page::create).transpose()?;
    let parts = reader::start(lines, Arc::clone(&service))
        .map_err(|error| Failure::failed(format!("a thread cannot be started: {error}")))?;
    // Who looks at a page has no need of lines, unless they are asked for.
    let written = (page.is_none() || arguments.format.is_some()).then_some(format);
    let mut writer = Writer {
        form: written.map(|format| Form::of(format, color)),
        page,
        shape,
        waiting: String::new(),
        bad: BadLines::new(written),
        lines: 0,
        whole: 0,
        progress: bytes.and_then(|bytes| Progress::of(bytes, &service)),
    };
    let outcome = writer.write_all(&parts, |error| unreadable(error, &name, arguments))?;
    if let Some(warning) = writer.unknown_lines() {
        terminal::complain(&warning);
    }
    if let Some(page) = writer.page {
        page.finish(&writer.shape, &arguments.model)?;
    }
    outcome
}

/// How an answer is written.
enum Form {
    JsonLines,
    Table(Table),
    Conll,
    Spans(Spans),
}

impl Form {
    fn of(format: Format, color: When) -> Self {
        match format {
            Format::Jsonl => Self::JsonLines,
            Format::Csv => Self::Table(Table::new()),
            Format::Conll => Self::Conll,
            Format::SpansInColour => Self::Spans(Spans::new(terminal::prints_colors(color))),
        }
    }

    fn write(&mut self, answered: &Answered, shape: &Shape) -> String {
        match self {
            Self::JsonLines => json_lines::line(answered, shape),
            Self::Table(table) => table.row(answered, shape),
            Self::Conll => conll::sentence(answered, shape),
            Self::Spans(spans) => spans.line(answered),
        }
    }
}

/// What is read.
struct Input {
    source: Box<dyn Read + Send>,
    name: String,
    /// How much there is, of a file.
    bytes: Option<u64>,
}

fn open(file: Option<&Path>) -> Result<Input, Failure> {
    let Some(path) = file.filter(|path| path.as_os_str() != "-") else {
        let name = "standard input".to_owned();
        return Ok(Input { source: Box::new(std::io::stdin()), name, bytes: None });
    };
    if path.is_dir() {
        return Err(input::folder(path));
    }
    let file = std::fs::File::open(path).map_err(|error| input::unreadable(path, &error))?;
    let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file);
    // Of what is unpacked nobody knows how much it comes to.
    let is_packed = path.extension().is_some_and(|end| end == "gz" || end == "zst");
    let bytes = metadata.filter(|_| !is_packed).map(|metadata| metadata.len());
    Ok(Input { source: Box::new(file), name: format!("`{}`", path.display()), bytes })
}

fn unreadable(error: &Unreadable, name: &str, arguments: &Predict) -> Failure {
    let model = arguments.model.display();
    let file = arguments.file.as_ref().filter(|path| path.as_os_str() != "-");
    let file = file.map(|path| format!(" {}", path.display())).unwrap_or_default();
    match error {
        Unreadable::Io(error) => {
            let message = format!("cannot read {name}: {}", regular::reason(error));
            let utf16 = is_unmarked_utf16(error).then_some("`--encoding utf-16` reads it");
            Failure::failed(message).with_help_of(utf16)
        }
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

/// Writes answers.
struct Writer {
    form: Option<Form>,
    page: Option<Page>,
    shape: Shape,
    /// What is not yet written.
    waiting: String,
    bad: BadLines,
    lines: u64,
    /// Lines that no rule has taken apart.
    whole: u64,
    progress: Option<Progress>,
}

impl Writer {
    /// What to say of lines that the rules do not know, as those of another log.
    fn unknown_lines(&self) -> Option<String> {
        let (whole, lines) = (self.whole, self.lines);
        let are = if whole == 1 { "1 line was" } else { &format!("{whole} lines were") };
        (whole > 0).then(|| {
            format!("warning: {are} tagged whole, of {lines}: no `line` of the rules fits; is it another log than `--rules` is for?\n")
        })
    }

    /// Returns how the command ends once all is written.
    ///
    /// * `unreadable`: says why there is no more to read
    ///
    /// # Errors
    /// When something cannot be read or written.
    fn write_all(
        &mut self,
        parts: &Receiver<Result<Part, Unreadable>>,
        unreadable: impl Fn(&Unreadable) -> Failure,
    ) -> Result<Result<Outcome, Failure>, Failure> {
        loop {
            let part = match parts.try_recv() {
                Ok(part) => part,
                Err(_) => {
                    if !self.flush()? {
                        return Ok(self.bad.end(self.lines));
                    }
                    let Ok(part) = parts.recv() else { return Ok(self.bad.end(self.lines)) };
                    part
                }
            };
            let is_read = match part {
                Ok(part) => self.write_part(part)?,
                Err(error) => {
                    self.flush()?;
                    return Err(unreadable(&error));
                }
            };
            if !is_read {
                return Ok(self.bad.end(self.lines));
            }
        }
    }

    /// Writes the answers of a part, each as soon as there is no earlier one to wait for; returns whether somebody still reads.
    fn write_part(&mut self, part: Part) -> Result<bool, Failure> {
        let Part { lines, mut answers, bytes } = part;
        for line in lines {
            self.lines += 1;
            self.whole += u64::from(line.is_whole);
            let answer = match &line.text {
                Err(reason) => Err(reason.to_string()),
                Ok(_) => {
                    if !answers.is_next_there() && !self.flush()? {
                        return Ok(false);
                    }
                    answers.next().map_err(|error| error.to_string())
                }
            };
            let answered = Answered { number: self.lines, line, answer };
            if answered.answer.is_err() {
                self.bad.add(&answered);
            }
            if let Some(page) = &mut self.page {
                page.add(&answered);
            }
            if let Some(form) = &mut self.form {
                self.waiting += &form.write(&answered, &self.shape);
            }
            if self.waiting.len() > OUTPUT_BYTES && !self.flush()? {
                return Ok(false);
            }
        }
        if let Some(progress) = &mut self.progress {
            progress.tell(bytes, self.lines);
        }
        Ok(true)
    }

    /// Writes what waits; returns whether somebody still reads.
    fn flush(&mut self) -> Result<bool, Failure> {
        let text = std::mem::take(&mut self.waiting);
        match self.form {
            _ if text.is_empty() => Ok(true),
            Some(Form::Spans(_)) => terminal::print_styled_while_read(&text),
            _ => terminal::print_while_read(&text),
        }
    }
}

/// How far it is in a file.
struct Progress {
    status: Status,
    service: Arc<Service>,
    bytes: u64,
    begun: Instant,
}

impl Progress {
    /// On a terminal to which no answers go.
    fn of(bytes: u64, service: &Arc<Service>) -> Option<Self> {
        let is_seen = std::io::stderr().is_terminal() && !std::io::stdout().is_terminal();
        is_seen.then(|| Self {
            status: Status::begin(),
            service: Arc::clone(service),
            bytes,
            begun: Instant::now(),
        })
    }

    /// * `bytes`, `lines`: that are done
    fn tell(&mut self, bytes: u64, lines: u64) {
        let elapsed = self.begun.elapsed().as_secs_f64();
        let rate = lines as f64 / elapsed;
        let left = elapsed * self.bytes.saturating_sub(bytes) as f64 / bytes.max(1) as f64;
        let left = format::duration(Duration::from_secs_f64(left));
        let repeated = self.service.repeated();
        self.status.say(&format!(
            "{lines} lines, {rate:.0} lines/s, about {left} left; {repeated} answered before"
        ));
    }
}

/// The lines that could not be tagged.
struct BadLines {
    /// How answers are written; nothing where there is a page alone.
    format: Option<Format>,
    count: u64,
    first: Vec<u64>,
    /// Whether one of them is an object without the text's field.
    without_field: bool,
    /// Whether one of them is in another encoding.
    not_utf8: bool,
}

impl BadLines {
    const NAMED: usize = 10;

    fn new(format: Option<Format>) -> Self {
        Self { format, count: 0, first: Vec::new(), without_field: false, not_utf8: false }
    }

    fn add(&mut self, answered: &Answered) {
        self.count += 1;
        self.without_field |= matches!(answered.line.text, Err(NoText::NoField { .. }));
        self.not_utf8 |= matches!(answered.line.text, Err(NoText::NotUtf8 { .. }));
        if self.first.len() < Self::NAMED {
            self.first.push(answered.number);
        }
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
        let help = match self.format {
            Some(Format::Jsonl) => {
                "each is answered by an object with `error` and `line` instead of a prediction"
            }
            Some(Format::Csv) => "the row of each says why in the column `error`",
            Some(Format::Conll) => {
                "each is answered by the comments `# error = ...` and `# line = ...`, without words"
            }
            Some(Format::SpansInColour) => "in place of each stands its number, and why",
            None => "the page says why in place of each",
        };
        let field = self.without_field.then_some("`--field NAME` names the field of the text");
        let encoding = self.not_utf8.then_some(
            "`--encoding latin-1` or `utf-16` says what the lines are in instead of UTF-8",
        );
        Err(Failure::failed(message).with_help(help).with_help_of(field).with_help_of(encoding))
    }
}
