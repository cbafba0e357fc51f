//! Profiles of `pipeline.toml`: how and where work runs. Nothing of them enters a key.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::Failure;
use super::args;
use super::root::Root;
use crate::base::diagnostics::{Diagnostic, Diagnostics, Sources, Span, suggest};
use crate::base::disk::regular;
use crate::engine::exec::{Cluster, Request};
use crate::engine::stage::Device;

/// Who does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Executor {
    /// Threads of this process.
    #[default]
    Threads,
    /// Jobs of a cluster.
    Slurm,
}

/// A profile, with what it inherits.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The profile whose settings count where this one says nothing.
    inherits: Option<String>,
    #[serde(default, deserialize_with = "count")]
    pub jobs: Option<u32>,
    #[serde(default, deserialize_with = "count")]
    pub threads: Option<u32>,
    #[serde(default, deserialize_with = "device")]
    pub device: Option<Device>,
    pub offline: Option<bool>,
    /// Whether a run writes event files for TensorBoard.
    pub tensorboard: Option<bool>,
    executor: Option<Executor>,
    partition: Option<String>,
    account: Option<String>,
    qos: Option<String>,
    constraint: Option<String>,
    gres: Option<String>,
    #[serde(default, deserialize_with = "count")]
    cpus: Option<u32>,
    #[serde(default, deserialize_with = "Request::size")]
    memory: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    gpus: Option<u32>,
    #[serde(default, deserialize_with = "Request::duration")]
    time: Option<Duration>,
    #[serde(default)]
    options: Vec<String>,
    #[serde(default)]
    prologue: Vec<String>,
    #[serde(default, deserialize_with = "number")]
    max_jobs: Option<usize>,
    #[serde(default, deserialize_with = "number")]
    array_limit: Option<usize>,
    #[serde(default)]
    kinds: BTreeMap<String, Request>,
    #[serde(default)]
    stages: BTreeMap<String, Request>,
}

impl Profile {
    /// The cluster that work is submitted to; `None` where it is done here.
    #[must_use]
    pub fn cluster(&self) -> Option<Cluster> {
        match self.executor.unwrap_or_default() {
            Executor::Threads => return None,
            Executor::Slurm => {}
        }
        let Self { partition, account, qos, constraint, gres, options, .. } = self.clone();
        let Self { cpus, memory, gpus, time, .. } = *self;
        let job = Request {
            partition,
            account,
            qos,
            constraint,
            gres,
            cpus,
            memory,
            gpus,
            time,
            options,
        };
        Some(Cluster {
            job,
            kinds: self.kinds.clone(),
            stages: self.stages.clone(),
            prologue: self.prologue.clone(),
            max_jobs: self.max_jobs,
            array_limit: self.array_limit,
            detach: false,
        })
    }

    /// This, and what `parent` says where this says nothing.
    fn over(self, parent: Self) -> Self {
        let with = |mut parent: BTreeMap<String, Request>, own| {
            parent.extend(own);
            parent
        };
        let list = |own: Vec<String>, parent| if own.is_empty() { parent } else { own };
        Self {
            inherits: parent.inherits,
            jobs: self.jobs.or(parent.jobs),
            threads: self.threads.or(parent.threads),
            device: self.device.or(parent.device),
            offline: self.offline.or(parent.offline),
            tensorboard: self.tensorboard.or(parent.tensorboard),
            executor: self.executor.or(parent.executor),
            partition: self.partition.or(parent.partition),
            account: self.account.or(parent.account),
            qos: self.qos.or(parent.qos),
            constraint: self.constraint.or(parent.constraint),
            gres: self.gres.or(parent.gres),
            cpus: self.cpus.or(parent.cpus),
            memory: self.memory.or(parent.memory),
            gpus: self.gpus.or(parent.gpus),
            time: self.time.or(parent.time),
            options: list(self.options, parent.options),
            prologue: list(self.prologue, parent.prologue),
            max_jobs: self.max_jobs.or(parent.max_jobs),
            array_limit: self.array_limit.or(parent.array_limit),
            kinds: with(parent.kinds, self.kinds),
            stages: with(parent.stages, self.stages),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    profile: BTreeMap<String, Profile>,
}

/// The bounds of `--jobs` and `--threads`.
fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    match u32::deserialize(deserializer) {
        Ok(number @ 1..=1024) => Ok(Some(number)),
        _ => Err(D::Error::custom("expected a whole number from 1 to 1024")),
    }
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    match usize::deserialize(deserializer) {
        Ok(number @ 1..) => Ok(Some(number)),
        _ => Err(D::Error::custom("expected a whole number from 1 on")),
    }
}

fn device<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Device>, D::Error> {
    let text = String::deserialize(deserializer)?;
    args::device(&text).map(Some).map_err(D::Error::custom)
}

/// The named profile of a root's `pipeline.toml`, or the one called `default`, which need not be there.
pub fn profile(root: &Root, name: Option<&str>) -> Result<Profile, Failure> {
    let path = root.settings();
    let text = match regular::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            return Err(Failure::usage(format!("`{}` is not UTF-8 text", path.display())));
        }
        Err(error) => {
            return Err(Failure::usage(format!(
                "cannot read `{}`: {}",
                path.display(),
                regular::reason(&error)
            )));
        }
    };
    let settings: Settings =
        toml::from_str(&text).map_err(|error| malformed(&path, &text, &error))?;
    match name {
        None if !settings.profile.contains_key("default") => Ok(Profile::default()),
        None => inherited(&settings, "default", &path),
        Some(name) => inherited(&settings, name, &path),
    }
}

/// A profile over those that it inherits.
fn inherited(settings: &Settings, name: &str, path: &Path) -> Result<Profile, Failure> {
    let mut whole = named(settings, name, path)?;
    let mut way = vec![name.to_owned()];
    while let Some(parent) = whole.inherits.take() {
        let is_circle = way.contains(&parent);
        way.push(parent.clone());
        if is_circle {
            let way = way.join("` inherits `");
            let message = format!("`{}`: `{way}`, which is a circle", path.display());
            return Err(Failure::usage(message).with_help("remove one `inherits`"));
        }
        whole = whole.over(named(settings, &parent, path)?);
    }
    Ok(whole)
}

fn named(settings: &Settings, name: &str, path: &Path) -> Result<Profile, Failure> {
    settings.profile.get(name).cloned().ok_or_else(|| {
        let known = || settings.profile.keys().map(String::as_str);
        let help = match suggest(name, known()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if settings.profile.is_empty() => {
                format!("write `[profile.{name}]` into `{}`", path.display())
            }
            None => format!(
                "`{}` has {}",
                path.display(),
                known().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
            ),
        };
        Failure::usage(format!("there is no profile `{name}`")).with_help(help)
    })
}

/// The mistake with its line, as those of experiments are shown.
fn malformed(path: &Path, text: &str, error: &toml::de::Error) -> Failure {
    let mut sources = Sources::new();
    let source = sources.add(path.display().to_string(), text.to_owned());
    let span = Span::new(source, error.span().unwrap_or(0..0));
    let diagnostic = Diagnostic::new("settings", error.message()).at(span).help(
        "a profile is `[profile.NAME]` with `jobs`, `threads`, `device`, `offline`, `tensorboard`, `inherits`, and for a cluster \
         `executor = \"slurm\"` and what jobs ask for: the README's page for clusters has all of it",
    );
    Diagnostics::new(Arc::new(sources), vec![diagnostic]).into()
}
