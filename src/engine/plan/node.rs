//! The plan itself: nodes in topological order, trials, identities.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::portable::parameters_in_key;
use super::schema::Schema;
use super::warning::Warning;
use super::{CacheKey, Fingerprint, Home, SweepShape, Trial};
use crate::base::diagnostics::Diagnostics;
use crate::engine::spec::SEED;
use crate::engine::stage::{AnyStage, Facts, Resources, StageKind, Unresolved};

/// The position of a node in [`Plan::nodes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u32);

impl NodeId {
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A stage that runs for the best point alone, as long as nobody knows which one that is.
#[derive(Clone)]
pub struct Foreseen {
    pub stage: Arc<str>,
    /// As the first point has it.
    pub instance: Arc<dyn AnyStage>,
    /// Those of the first point's nodes that it takes in, by port.
    pub inputs: Vec<(Arc<str>, NodeId)>,
}

impl std::fmt::Debug for Foreseen {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Foreseen").field("stage", &self.stage).finish_non_exhaustive()
    }
}

/// What is to be computed, and how each result is called.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The experiment's name.
    pub name: String,
    /// The folder of its results inside of `outputs/`: the name, with `-sweep` behind it where only the command line asks for a sweep.
    pub results: String,
    pub file: PathBuf,
    /// In topological order: a node comes after its inputs and after what it was told to wait for. Two nodes may have equal keys where two
    /// stages of different names ask for the same thing.
    pub nodes: Vec<Node>,
    /// Stages that will have nodes once the best point is known.
    pub foreseen: Vec<Foreseen>,
    /// One for each point and seed; without a sweep a single one with an empty label.
    pub trials: Vec<Trial>,
    pub sweep: Option<SweepShape>,
    pub home: Home,
    /// True when not all stages of the experiment are in it, because some were asked for by name.
    pub partial: bool,
    /// True when single trials were asked for by name, so that not all there are of a sweep's are in it.
    pub of_single_trials: bool,
    /// What is to be said of it before anything runs.
    pub warnings: Vec<Warning>,
    /// For each kind one stage, whether or not it was selected: see [`Plan::is_first_of_its_kind`].
    pub(super) firsts: BTreeSet<Arc<str>>,
    /// By trial and stage, in the order of `stages`.
    pub(super) stages: Vec<Arc<str>>,
    /// Of each stage in `stages`.
    pub(super) positions: HashMap<Arc<str>, usize>,
    pub(super) table: Vec<Vec<Option<NodeId>>>,
}

/// One stage at one point of what reaches it.
#[derive(Clone)]
pub struct Node {
    pub stage: Arc<str>,
    pub kind: &'static StageKind,
    pub instance: Arc<dyn AnyStage>,
    /// The inputs by name, in the order of the kind's ports.
    pub inputs: Vec<(Arc<str>, NodeId)>,
    /// What must be done before, without handing on data.
    pub after: Vec<NodeId>,
    /// How often it is tried again when it fails.
    pub retry: u32,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
    /// What it takes of a machine: as the file says, else as the kind does.
    pub resources: Resources,
    pub identity: Identity,
    /// The swept values that reach it, such as `learning_rate=1e-5,seed=0`; empty where none does.
    pub label: Arc<str>,
    /// Whether it runs for the best point of a sweep alone.
    pub is_late: bool,
    /// What is known of its output before anything runs.
    pub facts: Arc<Facts>,
    pub(super) own: Arc<Own>,
}

/// What a node is called in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    Key(CacheKey),
    /// This must be found out and pinned first, for this stage or one upstream of it.
    Unresolved(Arc<Unresolved>),
}

impl Identity {
    #[must_use]
    pub fn key(&self) -> Option<CacheKey> {
        match self {
            Self::Key(key) => Some(*key),
            Self::Unresolved(_) => None,
        }
    }
}

/// What the key of a node does not have from its inputs, shared by all nodes that have the same. The parameters are not kept in the form that
/// enters the key: of ten thousand trials that would be most of a plan's memory.
#[derive(Debug)]
pub(super) struct Own {
    schema: Arc<Schema>,
    sources: BTreeMap<String, String>,
    pub(super) commit: Commit,
    pub(super) digest: [u8; 32],
}

impl Own {
    /// * `in_key`: the digest of the parameters
    pub(super) fn new(
        kind: &StageKind,
        schema: &Arc<Schema>,
        in_key: &[u8; 32],
        sources: BTreeMap<String, String>,
        commit: Commit,
    ) -> Self {
        let told = match &commit {
            Commit::None => None,
            Commit::Known(commit) => Some(commit.clone()),
            // A digest with an unknown commit never becomes a key; it only tells such stages apart.
            Commit::Unknown(unresolved) => Some(unresolved.to_string()),
        };
        let told = Fingerprint { sources, commit: told, ..Fingerprint::of_kind(kind) };
        let digest = told.digest_with(in_key);
        Self { schema: Arc::clone(schema), sources: told.sources, commit, digest }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Commit {
    None,
    Known(String),
    Unknown(Arc<Unresolved>),
}

impl Plan {
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    pub fn ids(&self) -> impl ExactSizeIterator<Item = NodeId> + use<> {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the number of trials and stages is bounded far below"
        )]
        (0..self.nodes.len() as u32).map(NodeId)
    }

    /// The stages of the plan, topologically sorted: those that were selected and what they need.
    #[must_use]
    pub fn stages(&self) -> &[Arc<str>] {
        &self.stages
    }

    /// The nodes of each stage, in the order of [`stages`](Self::stages).
    #[must_use]
    pub fn by_stage(&self) -> Vec<(&Arc<str>, Vec<NodeId>)> {
        let mut groups: Vec<_> = self.stages.iter().map(|stage| (stage, Vec::new())).collect();
        for id in self.ids() {
            groups[self.positions[&self.node(id).stage]].1.push(id);
        }
        groups
    }

    /// Whether the results of a stage have their places without its name: it is called as its kind is, or where no stage is, it is the first of
    /// its kind in the file. A further stage of the kind moves nothing.
    #[must_use]
    pub fn is_first_of_its_kind(&self, stage: &str) -> bool {
        self.firsts.contains(stage)
    }

    /// The node of `stage` in a trial; `None` when the plan has no such stage or trial.
    #[must_use]
    pub fn node_of(&self, trial: u32, stage: &str) -> Option<NodeId> {
        self.table[*self.positions.get(stage)?].get(trial as usize).copied().flatten()
    }

    /// What kind a stage is of, where it has a node.
    #[must_use]
    pub fn kind_of(&self, stage: &str) -> Option<&'static StageKind> {
        let nodes = &self.table[*self.positions.get(stage)?];
        let id = nodes.iter().flatten().next()?;
        Some(self.node(*id).kind)
    }

    /// The stages to whose seeds a sweep's `seeds` are added.
    pub fn replicated(&self) -> impl Iterator<Item = &str> {
        let is_replicated = |id: NodeId| self.node(id).kind.replicated;
        let stages = self.stages.iter().map(|stage| &**stage);
        stages.filter(move |stage| self.node_of(0, stage).is_some_and(is_replicated))
    }

    /// What stages before a replicated one drew at random, and the sweep's `seeds` do not draw again: the stage, and what it drew.
    #[must_use]
    pub fn shared_draws(&self) -> Vec<(&str, &'static str)> {
        let mut open: Vec<NodeId> =
            self.replicated().filter_map(|stage| self.node_of(0, stage)).collect();
        let (mut seen, mut draws) = (BTreeSet::new(), Vec::new());
        while let Some(id) = open.pop() {
            for (_, input) in &self.node(id).inputs {
                let node = self.node(*input);
                if seen.insert(*input) {
                    draws.extend(node.kind.draws.map(|what| (&*node.stage, what)));
                    open.push(*input);
                }
            }
        }
        draws
    }

    /// The seed that a stage has in a trial, whatever it was added up from.
    #[must_use]
    pub fn seed(&self, trial: u32, stage: &str) -> Option<u64> {
        self.node(self.node_of(trial, stage)?).instance.parameters()[SEED].as_u64()
    }

    /// The parts of a node's key; `None` as long as a commit upstream is unknown.
    #[must_use]
    pub fn fingerprint(&self, id: NodeId) -> Option<Fingerprint> {
        self.fingerprint_after(id, None)
    }

    /// The same, made of that of another node of the stage: most of a sweep's nodes differ in their inputs alone.
    pub(super) fn fingerprint_after(
        &self,
        id: NodeId,
        other: Option<(NodeId, Fingerprint)>,
    ) -> Option<Fingerprint> {
        let node = self.node(id);
        node.identity.key()?;
        let own = |other: &NodeId| self.node(*other).own.digest;
        let mut fingerprint = match other {
            Some((other, fingerprint)) if own(&other) == node.own.digest => fingerprint,
            _ => Fingerprint {
                parameters: parameters_in_key(&*node.instance, &node.own.schema),
                sources: node.own.sources.clone(),
                commit: node.commit().map(str::to_owned),
                ..Fingerprint::of_kind(node.kind)
            },
        };
        for (port, input) in &node.inputs {
            let key = self.node(*input).identity.key()?;
            match fingerprint.inputs.get_mut(&**port) {
                Some(known) => *known = key,
                None => drop(fingerprint.inputs.insert(port.to_string(), key)),
            }
        }
        Some(fingerprint)
    }

    /// The name that a node shares with those that differ from it only in how far they go, for kinds that say how far.
    #[must_use]
    pub fn warm_start(&self, id: NodeId) -> Option<CacheKey> {
        // Most kinds have none, and then nobody needs the fingerprint.
        let extension = self.node(id).instance.extension()?;
        Some(self.fingerprint(id)?.warm_start(extension.parameters))
    }

    /// Every name under which a run of the plan may look for something, or leave it.
    #[must_use]
    pub fn names(&self) -> Vec<CacheKey> {
        self.nodes
            .iter()
            .filter_map(|node| node.identity.key())
            .chain(self.ids().filter_map(|id| self.warm_start(id)))
            .collect()
    }

    /// What must be found out and pinned before every node has a key, each once.
    #[must_use]
    pub fn unresolved(&self) -> Vec<Unresolved> {
        let mut seen = HashSet::new();
        let unresolved = self.nodes.iter().filter_map(|node| match &node.own.commit {
            Commit::Unknown(unresolved) => Some(&**unresolved),
            Commit::None | Commit::Known(_) => None,
        });
        unresolved.filter(|unresolved| seen.insert(*unresolved)).cloned().collect()
    }
}

impl Node {
    /// The commit that the node's own hub revision stands for, where it has one and it is known.
    #[must_use]
    pub fn commit(&self) -> Option<&str> {
        match &self.own.commit {
            Commit::Known(commit) => Some(commit),
            Commit::None | Commit::Unknown(_) => None,
        }
    }

    /// What to call it to a person: the stage, and the swept values that reach it.
    #[must_use]
    pub fn title(&self) -> String {
        if self.label.is_empty() {
            self.stage.to_string()
        } else {
            format!("{} [{}]", self.stage, self.label)
        }
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Node")
            .field("title", &self.title())
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The experiment has mistakes.
    #[error(transparent)]
    Diagnostics(#[from] Diagnostics),
    /// A stage that was asked for by name is none of the experiment's.
    #[error("there is no stage `{selector}`{}", suggestion.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default())]
    NothingSelected { selector: String, suggestion: Option<String>, stages: Vec<String> },
    /// A stage has no trial of the values that were asked for.
    #[error("there is no trial `{selector}`{}", suggestion.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default())]
    NoTrial { selector: String, suggestion: Option<String>, known: Vec<String>, count: usize },
}
