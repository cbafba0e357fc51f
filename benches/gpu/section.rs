//! A section of the measurement: a process that prints JSON, and may fail or take too long without taking the others with it.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

use crate::Failure;

/// What to run, and how what it prints is read.
pub struct Section {
    /// `parity`, `steps` or `tiny.toml`.
    pub what: &'static str,
    /// `pipeline` or `PyTorch`.
    pub side: &'static str,
    /// What tells it from others of its kind, such as the shape.
    pub of: Value,
    pub command: Command,
    pub limit: Duration,
    pub read: fn(&str) -> Result<Value, Failure>,
}

/// Between two looks at a process.
const PATIENCE: Duration = Duration::from_millis(20);
/// The last characters of a complaint.
const LONGEST_ERROR: usize = 600;

impl Section {
    /// Its row: what it is, its figures or else its `error`, and the seconds that it took.
    ///
    /// * `most`: what time there is for it at most
    pub fn run(mut self, scratch: &Path, most: Duration) -> Value {
        let begun = Instant::now();
        let limit = self.limit.min(most);
        let figures = self.figures(scratch, limit);
        let mut row = json!({"what": self.what, "side": self.side});
        let parts = [self.of, figures.unwrap_or_else(|error| json!({"error": error.to_string()}))];
        let row_of = row.as_object_mut().expect("it was just made");
        for part in parts {
            if let Value::Object(part) = part {
                row_of.extend(part);
            }
        }
        row_of.insert("section_s".to_owned(), json!(begun.elapsed().as_secs_f64()));
        row
    }

    fn figures(&mut self, scratch: &Path, limit: Duration) -> Result<Value, Failure> {
        if limit.is_zero() {
            return Err("no time was left for it".into());
        }
        let [out, complaints] = ["stdout", "stderr"].map(|name| scratch.join(name));
        // In files, so that no pipe is full while nobody reads.
        let process = self
            .command
            .stdin(Stdio::null())
            .stdout(File::create(&out)?)
            .stderr(File::create(&complaints)?)
            // With what it starts, so that all of it can be ended.
            .process_group(0)
            .spawn()?;
        let status = wait(process, limit)?
            .ok_or_else(|| format!("it was ended after {:.0} s", limit.as_secs_f64()))?;
        let printed = text(&out)?;
        if status.success() {
            (self.read)(&printed)
        } else {
            // `pipeline` complains there in JSON.
            let said = text(&complaints)?;
            let said = if said.trim().is_empty() { printed } else { said };
            Err(format!("{status}: {}", end(said.trim())).into())
        }
    }
}

/// How it ended; `None` where it had to be.
fn wait(mut process: Child, limit: Duration) -> Result<Option<ExitStatus>, Failure> {
    let begun = Instant::now();
    loop {
        if let Some(status) = process.try_wait()? {
            return Ok(Some(status));
        }
        if begun.elapsed() >= limit {
            if let Some(group) = i32::try_from(process.id()).ok().and_then(Pid::from_raw) {
                kill_process_group(group, Signal::KILL)?;
            }
            process.wait()?;
            return Ok(None);
        }
        std::thread::sleep(PATIENCE);
    }
}

fn text(path: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The last characters: there is where programs say what went wrong.
fn end(text: &str) -> &str {
    let from = text.char_indices().rev().nth(LONGEST_ERROR - 1).map_or(0, |(at, _)| at);
    &text[from..]
}
