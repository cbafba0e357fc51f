//! What is known of one run, as the index has it in memory.

use std::collections::HashMap;
use std::fmt;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::OnceLock;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::text::Text;
use crate::engine::plan::{CacheKey, Level, Objective};
use crate::engine::runs::record::RunStatus;
use crate::engine::runs::records::all;
use crate::engine::store::Store;

/// The parts of a run's line after what it is found by.
const ABOUT: usize = 1;
const SCORES: usize = 2;
const PARAMETERS: usize = 3;
/// That of a line of details after the id of the run and the checksum of its line.
const DETAILS: usize = 2;

/// What a run is found by, and by which it shows whether all of this is still so: the only thing that is read of every run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Head {
    pub id: String,
    pub(super) stamp: Stamp,
    pub experiment: String,
    pub file: PathBuf,
    /// The folder of its results in `outputs/`.
    pub results: String,
    pub status: RunStatus,
    pub started: String,
    /// The places of the trials from which the score of the chosen point comes, or of those of the only one; none where nothing tells.
    pub best: Vec<usize>,
    /// Entries whose presence decides what is known, and whether they were there.
    pub(super) entries: Vec<(CacheKey, bool)>,
    /// All that was there could be read.
    pub(super) is_whole: bool,
}

/// What is known of a run beside its scores and parameters, for who asks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct About {
    pub program: String,
    pub command: String,
    pub elapsed_ms: Option<u64>,
    /// What a sweep's best point is chosen by, such as `max evaluate.ner.span_f1`.
    pub objective: Option<Objective>,
    /// Whether a sweep tries points on several rungs.
    pub has_rungs: bool,
    /// Whether its best points are tried again with fresh seeds.
    pub has_finalists: bool,
    /// The names of the scores that say most.
    pub headlines: Vec<String>,
    pub trials: Vec<AboutTrial>,
}

/// What is known of a trial in the same way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AboutTrial {
    /// Empty without a sweep.
    pub label: String,
    /// What it is called together with the other trials of its point on its level.
    pub point: String,
    /// The place of its point among those of the run.
    pub place: usize,
    pub level: Level,
    /// [`TrialStatus::name`](crate::engine::runs::TrialStatus::name)
    pub status: String,
    pub is_done: bool,
    /// Of what ran for it alone.
    pub elapsed_ms: Option<u64>,
    /// Of each stage that the seeds of a sweep replicate.
    pub seeds: Vec<Option<u64>>,
    pub fold: Option<usize>,
}

/// What tells that `run.json` is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    size: u64,
    modified_s: i64,
    modified_ns: i64,
}

impl Stamp {
    /// `None` where there is no record.
    pub(super) fn of_run(store: &Store, id: &str) -> Option<Self> {
        let metadata = all(store).join(id).join("run.json").metadata().ok()?;
        let (modified_s, modified_ns) = (metadata.mtime(), metadata.mtime_nsec());
        Some(Self { size: metadata.len(), modified_s, modified_ns })
    }
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// A score that a summary has.
    Score,
    /// One of a single label or class.
    Detail,
    Parameter,
}

impl Part {
    pub const ALL: [Self; 3] = [Self::Score, Self::Detail, Self::Parameter];
}

/// A run of the index.
pub struct IndexedRun {
    pub head: Head,
    /// As soon as somebody has asked.
    pub(super) about: OnceLock<Box<About>>,
    /// That of its line.
    pub(super) checksum: u32,
    pub(super) text: Text,
    /// As far as they were read.
    pub(super) details: Option<Details>,
}

/// The values of a trial, as they are written, and the shape that names them.
pub(super) type Values<'a> = (&'a str, &'a RawValue);

/// The names of a trial's values.
pub(super) struct Shape {
    pub(super) part: Part,
    /// What values name it by.
    pub(super) digest: String,
    pub(super) names: Vec<String>,
    /// Of each name.
    pub(super) places: HashMap<String, usize>,
}

/// The details of a run.
#[derive(Clone)]
pub(super) struct Details {
    /// The checksum of the run's line.
    pub(super) of: u32,
    pub(super) text: Text,
}

impl Head {
    /// Whether all was there that there is now.
    pub(super) fn has_all(&self, entries: &HashMap<CacheKey, bool>) -> bool {
        let is_as_it_was = |(key, was): &(CacheKey, bool)| entries.get(key) == Some(was);
        self.is_whole && self.entries.iter().all(is_as_it_was)
    }

    /// Whether its record is written for good.
    pub(super) fn has_ended(&self) -> bool {
        !matches!(self.status, RunStatus::Running)
    }
}

impl IndexedRun {
    /// What is known of it beside its values: nothing where the file of its line was changed meanwhile.
    #[must_use]
    pub fn about(&self) -> &About {
        let read = || serde_json::from_str(&self.text.part(ABOUT)).unwrap_or_default();
        self.about.get_or_init(read)
    }

    pub(super) fn order(&self) -> (&str, &str) {
        (&self.head.started, &self.head.id)
    }

    /// Whether all of its values of a part have names.
    pub(super) fn is_named(&self, part: Part, shapes: &HashMap<String, Shape>) -> bool {
        values(&self.part(part)).iter().all(|(shape, _)| shapes.contains_key(*shape))
    }

    /// The values of each trial, for [`values`].
    pub(super) fn part(&self, part: Part) -> String {
        match (part, &self.details) {
            (Part::Score, _) => self.text.part(SCORES),
            (Part::Parameter, _) => self.text.part(PARAMETERS),
            (Part::Detail, Some(details)) => details.text.part(DETAILS),
            (Part::Detail, None) => String::new(),
        }
    }
}

/// The values of each trial; none of what is no such list.
pub(super) fn values(part: &str) -> Vec<Values<'_>> {
    serde_json::from_str(part).unwrap_or_default()
}

/// All values of a list; none of what is no list.
pub(super) fn all_of(list: &RawValue) -> Vec<Value> {
    serde_json::from_str(list.get()).unwrap_or_default()
}

/// One value of a list, the others passed over.
pub(super) fn one_of(list: &RawValue, place: usize) -> Option<Value> {
    One { place }.deserialize(&mut serde_json::Deserializer::from_str(list.get())).ok().flatten()
}

/// What is read of a list where one value is asked for.
struct One {
    place: usize,
}

impl<'de> DeserializeSeed<'de> for One {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for One {
    type Value = Option<Value>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        for _ in 0..self.place {
            if list.next_element::<IgnoredAny>()?.is_none() {
                return Ok(None);
            }
        }
        let value = list.next_element()?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(value)
    }
}
