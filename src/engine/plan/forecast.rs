//! What would run, and why, said beside a store without reading an artifact.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use serde::Serialize;

use super::{CacheKey, Change, Fingerprint, Identity, Node, NodeId, Plan};
use crate::engine::stage::{AnyStage, Extension, Unresolved};

/// What the store says of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    Absent,
    Present,
    /// An entry is there, but a file of it is missing or has the wrong size.
    Damaged,
}

/// What a forecast asks of a store. Each answer costs a look at an index or a few stats, never a read of contents.
pub trait Lookup: Sync {
    fn presence(&self, key: &CacheKey) -> Presence;
    /// The parts of an entry's key, or of a key that a run recorded, even when the entry itself is gone; `None` when nothing is known of it.
    fn fingerprint(&self, key: &CacheKey) -> Option<Fingerprint>;
    /// The keys that a stage had in the latest run of the experiment file, one for each of its nodes.
    fn latest_run(&self, file: &Path, stage: &str) -> Vec<CacheKey>;
    /// Keys of entries of a kind, the newest first.
    fn nearest(&self, kind: &str) -> Vec<CacheKey>;
    /// Whether a state to go on from was left under this name.
    fn has_state(&self, warm_start: &CacheKey) -> bool {
        let _ = warm_start;
        false
    }
}

/// What is expected of every node.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// By [`NodeId`].
    pub nodes: Vec<NodeForecast>,
    /// Of the nodes that only go further than a result which is known.
    pub continuations: BTreeMap<NodeId, Continuation>,
}

/// Whether a node goes on from where a result ended that went less far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Continuation {
    Continues,
    /// It could, but the state that it would go on from is gone or cannot be read.
    StateGone,
    /// Its parameters do not allow it; the text says which.
    Impossible(String),
}

/// What is expected of one node.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeForecast {
    /// The store has it.
    Hit,
    /// It has another key only because inputs will be rebuilt; if they come out with the same content, its old result is reused.
    MayBeReused { ports: Vec<Arc<str>> },
    /// It will run.
    Miss(Reason),
    /// It will not run, since this stage was tried in vain: the node's own, or one that it needs.
    Failed(Arc<str>),
}

/// Why a stage will run.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    /// Nothing of this stage or kind is there to compare with.
    NeverRun,
    /// The differences from the nearest known result.
    Changes(Vec<Change>),
    /// It was there once under the same key.
    Removed,
    Damaged,
    Unresolved(Arc<Unresolved>),
    /// The user asked for it.
    Rerun,
}

/// The known result that is most like a node's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    pub key: CacheKey,
    /// From it to the node; empty when it has the node's key.
    pub changes: Vec<Change>,
}

/// Bounds the work per node where a sweep left thousands of entries to compare with.
const CANDIDATES: usize = 64;

/// So many nodes are looked for on several threads: for fewer it takes longer to start these.
const PARALLEL_NODES: usize = 64;

impl Forecast {
    /// * `rerun`: names of stages, or of single trials of them, to build although they are there
    #[must_use]
    pub fn of(plan: &Plan, lookup: &dyn Lookup, rerun: &[String]) -> Self {
        let mut history = History::new(plan, lookup);
        let mut nodes: Vec<NodeForecast> = Vec::with_capacity(plan.nodes.len());
        let mut continuations = BTreeMap::new();
        for (id, presence) in plan.ids().zip(presences(plan, lookup)) {
            let expectation = expect(plan, id, presence, &nodes, &mut history, rerun);
            if let Some(continuation) = Continuation::of(plan, id, &expectation, lookup) {
                continuations.insert(id, continuation);
            }
            nodes.push(expectation);
        }
        Self { nodes, continuations }
    }

    #[must_use]
    pub fn node(&self, id: NodeId) -> &NodeForecast {
        &self.nodes[id.index()]
    }

    /// Takes for ended what was tried in vain and is not asked for again, and what needs it: a search does not try it twice.
    ///
    /// * `has_failed`: whether the work of a key was
    pub fn end_failed(&mut self, plan: &Plan, has_failed: impl Fn(&CacheKey) -> bool) {
        for id in plan.ids() {
            let node = plan.node(id);
            if matches!(self.node(id), NodeForecast::Hit | NodeForecast::Miss(Reason::Rerun)) {
                continue;
            }
            let mut needed = node.inputs.iter().map(|(_, input)| input).chain(&node.after);
            let upstream = needed.find_map(|input| match self.node(*input) {
                NodeForecast::Failed(stage) => Some(Arc::clone(stage)),
                _ => None,
            });
            let own = || node.identity.key().filter(|key| has_failed(key));
            if let Some(stage) = upstream.or_else(|| own().map(|_| Arc::clone(&node.stage))) {
                self.continuations.remove(&id);
                self.nodes[id.index()] = NodeForecast::Failed(stage);
            }
        }
    }

    /// The nodes that are neither there nor ended otherwise.
    pub fn to_do(&self) -> impl Iterator<Item = NodeId> {
        let numbered = (0..).map(NodeId).zip(&self.nodes);
        numbered.filter(|(_, expectation)| expectation.is_to_do()).map(|(id, _)| id)
    }

    /// How many nodes are neither there nor ended otherwise.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.to_do().count()
    }
}

impl NodeForecast {
    fn is_to_do(&self) -> bool {
        !matches!(self, Self::Hit | Self::Failed(_))
    }
}

impl Continuation {
    /// `None` unless the only change is that the node goes further.
    fn of(
        plan: &Plan,
        id: NodeId,
        expectation: &NodeForecast,
        lookup: &dyn Lookup,
    ) -> Option<Self> {
        let NodeForecast::Miss(Reason::Changes(changes)) = expectation else { return None };
        let instance = &*plan.node(id).instance;
        let Extension { parameters, obstacle, .. } = instance.extension()?;
        let all: Vec<&str> =
            parameters.iter().copied().chain(obstacle.as_ref().map(|it| it.parameter)).collect();
        if !goes_further(instance, changes, &all)? {
            return None;
        }
        let is_in_the_way = |name: &str| obstacle.as_ref().is_some_and(|it| it.parameter == name);
        let hindered = changes.iter().any(|change| change.parameter().is_some_and(is_in_the_way));
        Some(match (obstacle, plan.warm_start(id)) {
            (Some(obstacle), _) if hindered => Self::Impossible(obstacle.reason),
            (_, Some(warm_start)) if lookup.has_state(&warm_start) => Self::Continues,
            _ => Self::StateGone,
        })
    }
}

/// Whether a stage goes further than a result from which it differs by `changes`; `None` where they are of other things, too.
///
/// * `parameters`: that say how far
fn goes_further(instance: &dyn AnyStage, changes: &[Change], parameters: &[&str]) -> Option<bool> {
    let says_how_far =
        |change: &Change| change.parameter().is_some_and(|it| parameters.contains(&it));
    // Mostly not, and to ask a stage for its parameters takes long.
    if !changes.iter().all(says_how_far) {
        return None;
    }
    let now = instance.parameters();
    let mut reach = (f64::INFINITY, f64::INFINITY);
    for name in parameters {
        let change = changes.iter().find(|change| change.parameter() == Some(name));
        let (old, new) = match change {
            Some(Change::Parameter { old, new, .. }) => (old.as_ref(), new.as_ref()),
            _ => (now.get(name), now.get(name)),
        };
        let least = |reach: f64, value: Option<&serde_json::Value>| {
            value.and_then(serde_json::Value::as_f64).map_or(reach, |value| reach.min(value))
        };
        reach = (least(reach.0, old), least(reach.1, new));
    }
    Some(reach.0 < reach.1)
}

impl Comparison {
    /// The known result nearest to a node: of the same stage in the latest run of the file, else of the same kind. `None` when there is none,
    /// or when the node has no key yet.
    #[must_use]
    pub fn nearest(plan: &Plan, id: NodeId, lookup: &dyn Lookup) -> Option<Self> {
        History::new(plan, lookup).nearest(id)
    }
}

/// What the store says of each node; nothing that has no key yet is there.
fn presences(plan: &Plan, lookup: &dyn Lookup) -> Vec<Presence> {
    let presence =
        |node: &Node| node.identity.key().map_or(Presence::Absent, |key| lookup.presence(&key));
    if plan.nodes.len() < PARALLEL_NODES {
        return plan.nodes.iter().map(presence).collect();
    }
    plan.nodes.par_iter().map(presence).collect()
}

/// * `presence`: of the node
/// * `before`: what is expected of the nodes before it
fn expect(
    plan: &Plan,
    id: NodeId,
    presence: Presence,
    before: &[NodeForecast],
    history: &mut History<'_>,
    rerun: &[String],
) -> NodeForecast {
    let node = plan.node(id);
    if let Identity::Unresolved(unresolved) = &node.identity {
        return NodeForecast::Miss(Reason::Unresolved(Arc::clone(unresolved)));
    }
    if rerun.iter().any(|selector| node.is_named(selector)) {
        return NodeForecast::Miss(Reason::Rerun);
    }
    match presence {
        Presence::Present => return NodeForecast::Hit,
        Presence::Damaged => return NodeForecast::Miss(Reason::Damaged),
        Presence::Absent => {}
    }
    let Some(nearest) = history.nearest(id) else { return NodeForecast::Miss(Reason::NeverRun) };
    if nearest.changes.is_empty() {
        return NodeForecast::Miss(Reason::Removed);
    }
    let ports = rebuilt_inputs(node, before);
    if !ports.is_empty()
        && nearest
            .changes
            .iter()
            .all(|change| matches!(change, Change::Input { old: Some(_), new: Some(_), .. }))
    {
        return NodeForecast::MayBeReused { ports };
    }
    NodeForecast::Miss(Reason::Changes(nearest.changes))
}

fn rebuilt_inputs(node: &Node, before: &[NodeForecast]) -> Vec<Arc<str>> {
    node.inputs
        .iter()
        .filter(|(_, input)| before[input.index()] != NodeForecast::Hit)
        .map(|(port, _)| Arc::clone(port))
        .collect()
}

/// What is known of earlier results, read once for each stage, kind and key.
struct History<'a> {
    plan: &'a Plan,
    lookup: &'a dyn Lookup,
    stages: HashMap<Arc<str>, LatestKeys>,
    kinds: HashMap<&'static str, Vec<CacheKey>>,
    fingerprints: HashMap<CacheKey, Option<Arc<Fingerprint>>>,
    /// That of the node of each stage for which there was one last.
    last: HashMap<Arc<str>, (NodeId, Fingerprint)>,
}

/// The keys that a stage had in the latest run.
struct LatestKeys {
    all: HashSet<CacheKey>,
    /// The first of them.
    candidates: Vec<CacheKey>,
}

impl<'a> History<'a> {
    fn new(plan: &'a Plan, lookup: &'a dyn Lookup) -> Self {
        Self {
            plan,
            lookup,
            stages: HashMap::new(),
            kinds: HashMap::new(),
            fingerprints: HashMap::new(),
            last: HashMap::new(),
        }
    }

    fn nearest(&mut self, id: NodeId) -> Option<Comparison> {
        let node = self.plan.node(id);
        let key = node.identity.key()?;
        let latest = self.stages.entry(Arc::clone(&node.stage)).or_insert_with(|| {
            let keys = self.lookup.latest_run(&self.plan.file, &node.stage);
            let candidates = keys.iter().take(CANDIDATES).copied().collect();
            LatestKeys { candidates, all: keys.into_iter().collect() }
        });
        if latest.all.contains(&key) {
            return Some(Comparison { key, changes: Vec::new() });
        }
        let latest = latest.candidates.clone();
        // A fingerprint costs more than to know that there is nothing to compare it with.
        if latest.is_empty() && self.of_kind(node.kind.name).is_empty() {
            return None;
        }
        let last = self.last.remove(&node.stage);
        let fingerprint = self.plan.fingerprint_after(id, last)?;
        let found = self.compare(&fingerprint, &latest).or_else(|| {
            let kind = self.of_kind(node.kind.name);
            let kind: Vec<CacheKey> = kind.iter().take(CANDIDATES).copied().collect();
            self.compare(&fingerprint, &kind)
        });
        self.last.insert(Arc::clone(&node.stage), (id, fingerprint));
        found
    }

    fn of_kind(&mut self, kind: &'static str) -> &[CacheKey] {
        self.kinds.entry(kind).or_insert_with(|| self.lookup.nearest(kind))
    }

    /// Of equals the first: candidates come with the newest first.
    fn compare(
        &mut self,
        fingerprint: &Fingerprint,
        candidates: &[CacheKey],
    ) -> Option<Comparison> {
        let known = candidates.iter().filter_map(|key| {
            let known = self.fingerprints.entry(*key);
            let known = known.or_insert_with(|| self.lookup.fingerprint(key).map(Arc::new));
            Some((*key, known.clone()?))
        });
        let (key, known) = fewest_changes(fingerprint, known, |(_, known)| known)?;
        Some(Comparison { key, changes: fingerprint.compare(&known) })
    }
}

/// The first of those from which there are the fewest changes to `new`.
///
/// * `parts`: what a candidate was made from
pub fn fewest_changes<T>(
    new: &Fingerprint,
    candidates: impl IntoIterator<Item = T>,
    parts: impl Fn(&T) -> &Fingerprint,
) -> Option<T> {
    let mut best: Option<(usize, T)> = None;
    for candidate in candidates {
        let limit = best.as_ref().map_or(usize::MAX, |(count, _)| *count);
        if let Some(count) = new.count_changes(parts(&candidate), limit) {
            best = Some((count, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

impl fmt::Display for NodeForecast {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hit => formatter.write_str("cached"),
            Self::MayBeReused { ports } => {
                write!(formatter, "may be reused: {} will be rebuilt", inputs_text(ports))
            }
            Self::Miss(reason) => reason.fmt(formatter),
            Self::Failed(stage) => {
                write!(formatter, "`{stage}` has failed before: `--retry-failed` tries it again")
            }
        }
    }
}

impl fmt::Display for Continuation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Continues => formatter.write_str("continues what is finished"),
            Self::StateGone => formatter.write_str(
                "cannot continue what is finished: the state to go on from is gone or damaged",
            ),
            Self::Impossible(obstacle) => {
                write!(formatter, "cannot continue what is finished: {obstacle}")
            }
        }
    }
}

fn inputs_text(ports: &[Arc<str>]) -> String {
    let names: Vec<String> = ports.iter().map(|port| format!("`{port}`")).collect();
    format!("input{} {}", if ports.len() == 1 { "" } else { "s" }, names.join(", "))
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverRun => formatter.write_str("never run"),
            Self::Changes(changes) => {
                for (number, change) in changes.iter().enumerate() {
                    if number > 0 {
                        formatter.write_str(", ")?;
                    }
                    change.fmt(formatter)?;
                }
                Ok(())
            }
            Self::Removed => formatter.write_str("its result was removed from the store"),
            Self::Damaged => formatter.write_str("its stored result is damaged"),
            Self::Unresolved(unresolved) => unresolved.fmt(formatter),
            Self::Rerun => formatter.write_str("rerun requested"),
        }
    }
}
