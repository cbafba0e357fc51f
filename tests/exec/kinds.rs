//! Small stage kinds: each produces a file with a text.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pipeline::engine::stage::{
    Artifact, Circumstances, CodeVersion, Context, Cost, InputFacts, Memory, Part, Progress,
    Resources, SourceFile, Stage, StageError, StageKind, Threads,
};
use pipeline::inputs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub static ALL: &[StageKind] = &[
    StageKind::of::<Write>(),
    StageKind::of::<Copy>(),
    StageKind::of::<Read>(),
    StageKind::of::<Join>(),
    StageKind::of::<Sleep>(),
    StageKind::of::<Fail>(),
    StageKind::of::<Panic>(),
    StageKind::of::<Gauge>(),
    StageKind::of::<Solo>(),
    StageKind::of::<Numbers>(),
    StageKind::of::<Moody>(),
    StageKind::of::<Giveup>(),
    StageKind::of::<Flaky>(),
];

pub struct Text {
    path: PathBuf,
}

impl Text {
    fn read(&self) -> Result<String, StageError> {
        fs::read_to_string(&self.path).map_err(|error| StageError::io("read", &self.path, &error))
    }

    fn write(context: &Context<'_>, text: &str) -> Result<Self, StageError> {
        let path = context.output.join("text");
        fs::write(&path, text).map_err(|error| StageError::io("write", &path, &error))?;
        Self::open(context.output)
    }
}

impl Artifact for Text {
    const TYPE: &'static str = "text";
    const FORMAT: u32 = 1;
    const VOLATILE: &'static [&'static str] = &["time"];

    fn open(folder: &Path) -> Result<Self, StageError> {
        let path = folder.join("text");
        if path.is_file() {
            Ok(Self { path })
        } else {
            Err(StageError::new(format!("`{}` is missing", path.display())))
        }
    }
}

inputs! {
    pub struct Nothing {}
}

inputs! {
    pub struct One {
        /// a text
        from: Text,
    }
}

inputs! {
    pub struct Two {
        /// a text
        first: Text,
        /// another
        second: Text,
    }
}

const CODE: &[CodeVersion] = &[CodeVersion { part: "test", version: 1 }];

/// Writes a text.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Write {
    /// what to write
    text: String,
    /// changes the key, but not the content
    #[serde(default)]
    note: String,
}

impl Stage for Write {
    const KIND: &'static str = "write";
    const CODE: &'static [CodeVersion] = CODE;
    type Inputs = Nothing;
    type Output = Text;

    fn run(&self, _inputs: Nothing, context: &Context<'_>) -> Result<Text, StageError> {
        let now = format!("{:?}", Instant::now());
        fs::write(context.output.join("time"), now)
            .map_err(|error| StageError::io("write", context.output, &error))?;
        Text::write(context, &self.text)
    }
}

/// Reads a source file.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// the file
    path: PathBuf,
}

impl Stage for Read {
    const KIND: &'static str = "read";
    const CODE: &'static [CodeVersion] = CODE;
    type Inputs = Nothing;
    type Output = Text;

    fn sources(&self) -> Vec<SourceFile> {
        vec![SourceFile {
            parameter: "path",
            name: "path".to_owned(),
            path: self.path.clone(),
            inspection: None,
        }]
    }

    fn run(&self, _inputs: Nothing, context: &Context<'_>) -> Result<Text, StageError> {
        Text::write(
            context,
            &fs::read_to_string(&self.path)
                .map_err(|error| StageError::io("read", &self.path, &error))?,
        )
    }
}

/// Copies a text.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Copy {
    /// what to put behind it
    #[serde(default)]
    suffix: String,
}

impl Stage for Copy {
    const KIND: &'static str = "copy";
    const CODE: &'static [CodeVersion] = CODE;
    type Inputs = One;
    type Output = Text;

    fn run(&self, inputs: One, context: &Context<'_>) -> Result<Text, StageError> {
        Text::write(context, &format!("{}{}", inputs.from.read()?, self.suffix))
    }
}

/// Puts one text behind another.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Join {}

impl Stage for Join {
    const KIND: &'static str = "join";
    const CODE: &'static [CodeVersion] = CODE;
    type Inputs = Two;
    type Output = Text;

    fn run(&self, inputs: Two, context: &Context<'_>) -> Result<Text, StageError> {
        Text::write(context, &format!("{}{}", inputs.first.read()?, inputs.second.read()?))
    }
}

/// Takes its time, and stops when it is asked to.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sleep {
    /// for how long
    milliseconds: u64,
    /// makes two of them differ
    #[serde(default)]
    name: String,
}

impl Stage for Sleep {
    const KIND: &'static str = "sleep";
    const CODE: &'static [CodeVersion] = CODE;
    type Inputs = Nothing;
    type Output = Text;

    fn run(&self, _inputs: Nothing, context: &Context<'_>) -> Result<Text, StageError> {
        let checkpoint = context.saved_state.join("checkpoint");
        let saved =
            fs::read_to_string(&checkpoint).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
        for done in saved..self.milliseconds {
            context.progress(Progress {
                done,
                total: self.milliseconds,
                unit: "ms",
                numbers: vec![("left".into(), f64::NAN)],
            });
            if done == saved || context.is_cancelled() {
                fs::create_dir_all(context.saved_state)
                    .and_then(|()| fs::write(&checkpoint, done.to_string()))
                    .expect("writable");
            }
            context.check_cancelled()?;
            std::thread::sleep(Duration::from_millis(1));
        }
        Text::write(context, "slept")
    }
}

/// Cannot do its work.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fail {}

impl Stage for Fail {
    const KIND: &'static str = "fail";
    const CODE: &'static [CodeVersion] = CODE;
    type Inputs = Nothing;
    type Output = Text;

    fn run(&self, _inputs: Nothing, context: &Context<'_>) -> Result<Text, StageError> {
        Text::write(context, "half")?;
        Err(StageError::new("it does not work").with_help("do not use it"))
    }
}

/// Has a mistake in it.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Panic {}

impl Stage for Panic {
    const KIND: &'static str = "panic";
    const CODE: &'static [CodeVersion] = CODE;
    type Inputs = Nothing;
    type Output = Text;

    fn run(&self, _inputs: Nothing, _context: &Context<'_>) -> Result<Text, StageError> {
        let nothing: &[u8] = &[];
        panic!("nothing at {}", nothing.len());
    }
}

/// Takes a moment.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gauge {
    /// makes two of them differ
    name: String,
}

/// Says with how many threads it runs.
fn gauge(context: &Context<'_>) -> Result<Text, StageError> {
    std::thread::sleep(Duration::from_millis(40));
    context.note(format!("{} threads", rayon::current_num_threads()));
    Text::write(context, "gauged")
}

impl Stage for Gauge {
    const KIND: &'static str = "gauge";
    const CODE: &'static [CodeVersion] = CODE;
    type Inputs = Nothing;
    type Output = Text;

    fn run(&self, _inputs: Nothing, context: &Context<'_>) -> Result<Text, StageError> {
        gauge(context)
    }
}

/// The same, alone.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Solo {
    /// makes two of them differ
    name: String,
    /// how many threads it can use
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uses: Option<usize>,
    /// of memory
    #[serde(default)]
    bytes: u64,
}

impl Stage for Solo {
    const KIND: &'static str = "solo";
    const CODE: &'static [CodeVersion] = CODE;
    type Inputs = Nothing;
    type Output = Text;

    fn resources(&self) -> Resources {
        Resources { threads: Threads::All, ..Resources::default() }
    }

    fn useful_threads(&self, _inputs: InputFacts<'_>) -> Option<usize> {
        self.uses
    }

    fn cost(&self, _inputs: InputFacts<'_>, _here: Circumstances<'_>) -> Option<Cost> {
        let part = Part { bytes: self.bytes, purpose: "all", remedy: "less" };
        Some(Cost { memory: Some(Memory(vec![part])), ..Cost::default() })
    }

    fn run(&self, _inputs: Nothing, context: &Context<'_>) -> Result<Text, StageError> {
        context.uses_device("toy:1");
        gauge(context)
    }
}

/// Writes many files.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Numbers {
    /// how many
    count: u32,
}

impl Stage for Numbers {
    const KIND: &'static str = "numbers";
    const CODE: &'static [CodeVersion] = CODE;
    type Inputs = Nothing;
    type Output = Text;

    fn run(&self, _inputs: Nothing, context: &Context<'_>) -> Result<Text, StageError> {
        use rayon::prelude::*;
        let write = |number: u32| {
            let folder = context.output.join(format!("{:02}", number % 7));
            fs::create_dir_all(&folder).and_then(|()| {
                fs::write(folder.join(number.to_string()), "x".repeat(number as usize))
            })
        };
        (0..self.count)
            .into_par_iter()
            .try_for_each(write)
            .map_err(|error| StageError::io("write", context.output, &error))?;
        Text::write(context, &self.count.to_string())
    }
}

/// Writes something else every time, as no stage should.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Moody {}

impl Stage for Moody {
    const KIND: &'static str = "moody";
    const CODE: &'static [CodeVersion] = CODE;
    type Inputs = Nothing;
    type Output = Text;

    fn run(&self, _inputs: Nothing, context: &Context<'_>) -> Result<Text, StageError> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        Text::write(context, &format!("mood {}", COUNT.fetch_add(1, Ordering::SeqCst)))
    }
}

/// Says that it was interrupted, although nobody asked.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Giveup {}

impl Stage for Giveup {
    const KIND: &'static str = "giveup";
    const CODE: &'static [CodeVersion] = CODE;
    type Inputs = Nothing;
    type Output = Text;

    fn run(&self, _inputs: Nothing, _context: &Context<'_>) -> Result<Text, StageError> {
        Err(StageError::Cancelled)
    }
}

/// Fails a few times before it works.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Flaky {
    /// how often
    failures: usize,
    /// with a panic
    #[serde(default)]
    panics: bool,
}

impl Stage for Flaky {
    const KIND: &'static str = "flaky";
    const CODE: &'static [CodeVersion] = CODE;
    type Inputs = Nothing;
    type Output = Text;

    fn run(&self, _inputs: Nothing, context: &Context<'_>) -> Result<Text, StageError> {
        // What a failed attempt wrote is not there for the next one.
        assert_eq!(fs::read_dir(context.output).expect("readable").count(), 0);
        fs::create_dir_all(context.saved_state).expect("writable");
        let failed = fs::read_dir(context.saved_state).expect("readable").count();
        if failed == self.failures {
            return Text::write(context, "at last");
        }
        fs::write(context.saved_state.join(failed.to_string()), "").expect("writable");
        Text::write(context, "half")?;
        assert!(!self.panics, "attempt {failed}");
        Err(StageError::new(format!("failure {}", failed + 1)))
    }
}
