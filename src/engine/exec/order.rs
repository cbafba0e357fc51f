//! What one stage needs to run, as a value that can be written to a file and read by another process.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::ExecError;
use super::node::NodeName;
use crate::base::units;
use crate::engine::plan::{CacheKey, Fingerprint, Identity, NodeId, Plan, portable_parameters};
use crate::engine::stage::{AnyStage, Resources, StageKind, Unresolved};
use crate::engine::store::Store;

/// The version of [`Written`].
const FORMAT: u64 = 1;

/// What one stage needs to run, whoever does it and wherever: what decides the result, and the limits within which it is made. Threads, device
/// and network are those of the process that does the work.
#[derive(Clone)]
pub struct WorkOrder {
    /// The experiment's name, for people.
    pub experiment: String,
    /// The experiment's file, by which the stage finds what it came to the time before.
    pub file: PathBuf,
    /// The folder of the store that holds the inputs and takes the result.
    pub outputs: PathBuf,
    pub name: NodeName,
    pub kind: &'static StageKind,
    pub instance: Arc<dyn AnyStage>,
    /// The keys of the inputs are in it.
    pub fingerprint: Fingerprint,
    pub key: CacheKey,
    /// The name under which shorter and longer ones leave their state, where the stage can go on from one.
    pub warm_start: Option<CacheKey>,
    /// What must be done before, without handing on data.
    pub after: Vec<CacheKey>,
    /// How often it is tried again when it fails.
    pub retry: u32,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
    pub existing: Existing,
    /// What it takes of the machine.
    pub resources: Resources,
}

/// What an entry is worth that lies in the place of a node's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Existing {
    /// It is the result.
    #[default]
    Good,
    /// It is the result if every byte is as its manifest says.
    Suspect,
    /// The user wants it made again.
    Outdated,
}

impl Existing {
    fn is_good(&self) -> bool {
        *self == Self::Good
    }
}

/// An order on a line of a file. The parts of the key that a program knows by itself are not in it, so that one of another version, or one that
/// was changed by hand, does not have the key that it says.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format: u64,
    experiment: String,
    file: PathBuf,
    outputs: PathBuf,
    stage: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    label: String,
    kind: String,
    parameters: Map<String, Value>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    sources: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    inputs: BTreeMap<String, CacheKey>,
    key: CacheKey,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    after: Vec<CacheKey>,
    #[serde(default)]
    retry: u32,
    /// As people write it: `1h30m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout: Option<String>,
    #[serde(default, skip_serializing_if = "Existing::is_good")]
    existing: Existing,
}

/// Why a text is no order.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    #[error("it is no JSON from column {column} on")]
    Syntax { column: usize },
    #[error("it is no work order: {0}")]
    Shape(serde_json::Error),
    #[error("it is a work order of format {found}, and this program reads format {FORMAT}")]
    Format { found: u64 },
    #[error("there is no stage kind `{kind}`")]
    Kind { kind: String },
    #[error("the parameters are not those of the kind `{kind}`: {reason}")]
    Parameters { kind: &'static str, reason: String },
    #[error("`{timeout}` is no time")]
    Timeout { timeout: String },
    #[error("the kind `{kind}` has the ports {expected}, and the inputs are {found}")]
    Ports { kind: &'static str, expected: String, found: String },
    #[error("the source files of the stage are {expected}, and digests are there of {found}")]
    Sources { expected: String, found: String },
    #[error(
        "the commit of a model on the hub is there exactly where the kind `{kind}` fetches one"
    )]
    Commit { kind: &'static str },
    #[error("its key is {found}, and what it orders has the key {expected}")]
    Key { found: String, expected: String },
}

impl WorkOrder {
    /// The order for a node of a plan.
    ///
    /// # Errors
    /// When the node has no key yet.
    pub fn of(plan: &Plan, id: NodeId, store: &Store) -> Result<Self, ExecError> {
        let node = plan.node(id);
        let key = key_of(plan, id)?;
        let fingerprint = plan.fingerprint(id).expect("a node with a key has its parts");
        Ok(Self {
            experiment: plan.name.clone(),
            file: plan.file.clone(),
            outputs: store.outputs().to_owned(),
            name: NodeName::of(plan, id),
            kind: node.kind,
            instance: Arc::clone(&node.instance),
            warm_start: fingerprint.warm_start_of(&*node.instance),
            key,
            fingerprint,
            after: node.after.iter().map(|id| key_of(plan, *id)).collect::<Result<_, _>>()?,
            retry: node.retry,
            timeout: node.timeout,
            existing: Existing::Good,
            resources: node.resources,
        })
    }

    /// The keys of all that must be there before.
    pub(super) fn needs(&self) -> impl Iterator<Item = &CacheKey> {
        self.fingerprint.inputs.values().chain(&self.after)
    }

    /// The order as JSON on one line, with absolute paths.
    ///
    /// # Errors
    /// When the current folder, from which relative paths count, is gone, or a path is not UTF-8.
    pub fn to_line(&self) -> io::Result<String> {
        let written = Written {
            format: FORMAT,
            experiment: self.experiment.clone(),
            file: std::path::absolute(&self.file)?,
            outputs: std::path::absolute(&self.outputs)?,
            stage: self.name.stage.to_string(),
            label: self.name.label.to_string(),
            kind: self.kind.name.to_owned(),
            parameters: portable_parameters(self.kind, &*self.instance)?,
            sources: self.fingerprint.sources.clone(),
            commit: self.fingerprint.commit.clone(),
            inputs: self.fingerprint.inputs.clone(),
            key: self.key,
            after: self.after.clone(),
            retry: self.retry,
            timeout: self.timeout.map(units::duration_text),
            existing: self.existing,
        };
        Ok(serde_json::to_string(&written)?)
    }

    /// Reads what [`to_line`](Self::to_line) wrote, and believes none of it: the key is made again from all that it names.
    ///
    /// # Errors
    /// When `line` is no order of this program.
    pub fn read(line: &str, kinds: &'static [StageKind]) -> Result<Self, OrderError> {
        let value: Value = serde_json::from_str(line)
            .map_err(|error| OrderError::Syntax { column: error.column() })?;
        if let Some(found) = value["format"].as_u64().filter(|found| *found != FORMAT) {
            return Err(OrderError::Format { found });
        }
        let written: Written = serde_json::from_value(value).map_err(OrderError::Shape)?;
        let Some(kind) = kinds.iter().find(|kind| kind.name == written.kind) else {
            return Err(OrderError::Kind { kind: written.kind });
        };
        let kind = kind.given(|parameter| written.parameters.get(parameter)?.as_str());
        let wrong = |reason| OrderError::Parameters { kind: kind.name, reason };
        let instance = kind
            .parse(Value::Object(written.parameters))
            .map_err(|error| wrong(error.to_string()))?;
        if let Some(problem) = instance.check().into_iter().next() {
            return Err(wrong(problem.message));
        }
        check_names(kind, &*instance, &written.inputs, &written.sources)?;
        let timeout = match written.timeout {
            None => None,
            Some(text) => {
                Some(units::duration(&text).ok_or(OrderError::Timeout { timeout: text })?)
            }
        };
        let Written { sources, commit, inputs, key, .. } = written;
        let fingerprint = Fingerprint::of(kind, &*instance, sources, commit, inputs);
        if fingerprint.commit.is_some() != instance.hub_commit().is_some() {
            return Err(OrderError::Commit { kind: kind.name });
        }
        if fingerprint.key() != key {
            return Err(OrderError::Key {
                found: key.to_string(),
                expected: fingerprint.key().to_string(),
            });
        }
        Ok(Self {
            experiment: written.experiment,
            file: written.file,
            outputs: written.outputs,
            name: NodeName {
                node: 0,
                stage: written.stage.into(),
                kind: kind.name.into(),
                label: written.label.into(),
            },
            kind,
            warm_start: fingerprint.warm_start_of(&*instance),
            resources: instance.resources(),
            instance,
            fingerprint,
            key,
            after: written.after,
            retry: written.retry,
            timeout,
            existing: written.existing,
        })
    }
}

/// The key of a node, where it has one.
pub(super) fn key_of(plan: &Plan, id: NodeId) -> Result<CacheKey, ExecError> {
    let node = plan.node(id);
    match &node.identity {
        Identity::Key(key) => Ok(*key),
        Identity::Unresolved(unresolved) => {
            let stage = node.stage.to_string();
            Err(match &**unresolved {
                Unresolved::Commit(commit) => {
                    ExecError::CommitUnknown { stage, commit: commit.clone() }
                }
                Unresolved::Source(_) => ExecError::SourceUnknown { stage },
            })
        }
    }
}

/// Every required port has its input and every source file its digest, and nothing else has.
fn check_names(
    kind: &'static StageKind,
    instance: &dyn AnyStage,
    inputs: &BTreeMap<String, CacheKey>,
    sources: &BTreeMap<String, String>,
) -> Result<(), OrderError> {
    let is_wired = |name: &str| inputs.contains_key(name);
    if !inputs.keys().all(|input| kind.takes(input))
        || !kind.ports.iter().all(|port| !port.required || is_wired(port.name))
    {
        return Err(OrderError::Ports {
            kind: kind.name,
            expected: listed(kind.ports.iter().map(|port| port.name)),
            found: listed(inputs.keys().map(String::as_str)),
        });
    }
    let named = instance.sources();
    let expected: BTreeSet<&str> = named.iter().map(|source| source.name.as_str()).collect();
    let found: BTreeSet<&str> = sources.keys().map(String::as_str).collect();
    if expected != found {
        return Err(OrderError::Sources { expected: listed(expected), found: listed(found) });
    }
    Ok(())
}

fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
