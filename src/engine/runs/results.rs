//! What a run came to: the read model that everything shown of it is made from, whether it has just ended or long ago.
//!
//! It knows the run's stages, its trials, and the entries that they have. Scores are read when somebody asks for them, once; what a report shows
//! beside them ([`exhibits`]) whenever somebody asks.

mod exhibits;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::sync::Arc;

use super::labels::{self, Labelled};
use super::machines;
use super::record::{NodeStatus, RunFile, RunNode};
use super::scores::scores_of;
use crate::engine::plan::{CacheKey, Fingerprint, Level, Plan, Point, SEED, SweepShape, Trial};
use crate::engine::stage::{ArtifactType, Caveat, Scores, StageKind};
use crate::engine::store::{Entry, Manifest, Store, StoreError};
pub use exhibits::{Of, Step};

/// What a run came to.
pub struct Results {
    pub run: RunFile,
    /// What each of the run's nodes left.
    left: Vec<Left>,
    stages: Vec<Stage>,
    pub trials: Vec<TrialResults>,
    pub sweep: Option<SweepShape>,
    /// Not all stages of the experiment are in it.
    pub partial: bool,
    /// The stages to whose seeds a sweep's `seeds` are added.
    pub replicated: Vec<Arc<str>>,
    /// Stages that drew something at random which a sweep's `seeds` do not draw again, and what.
    shared_draws: Vec<(String, &'static str)>,
}

/// One trial; without a sweep the only one.
pub struct TrialResults {
    /// As far as it is known: of a run that is read back, its label.
    pub trial: Trial,
    pub status: TrialStatus,
    /// Of each replicated stage.
    pub seeds: Vec<Option<u64>>,
    /// The node of each stage.
    nodes: Vec<Option<usize>>,
}

/// What became of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrialStatus {
    Done,
    /// A stage of it failed.
    Failed,
    /// A stage of it was running when the run was interrupted.
    Interrupted,
    /// The run ended before its turn.
    NotRun,
}

/// The scores of an entry could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Unreadable {
    pub key: CacheKey,
    pub error: io::Error,
}

struct Stage {
    name: Arc<str>,
    /// What it makes; `None` for one of a kind that this program does not have.
    output: Option<&'static ArtifactType>,
    /// Its files have their places without its name ([`Plan::is_first_of_its_kind`]).
    is_at_top: bool,
    /// It is shown beside others ([`StageKind::aside`]).
    is_aside: bool,
}

struct Left {
    output: Option<&'static ArtifactType>,
    entry: Option<Entry>,
    /// The nodes that it was made from, as far as they are known.
    inputs: Vec<usize>,
    scored: OnceCell<Scored>,
}

/// Scores, and what they are to be read with.
type Scored = (Scores, Vec<Caveat>);

/// The files of an entry that are for people, each with its name there.
fn published<'a>(output: &'a ArtifactType, entry: &'a Entry) -> Vec<(&'a str, &'a str)> {
    let files = || entry.manifest().files.iter().map(|file| file.path.as_str());
    let mut all: Vec<(&str, &str)> = Vec::new();
    for (file, name) in output.results {
        match file.strip_prefix('*') {
            None if entry.file(file).is_some() => all.push((*file, *name)),
            None => {}
            Some(end) => {
                all.extend(files().filter(|file| file.ends_with(end)).map(|file| (file, file)));
            }
        }
    }
    all
}

impl Results {
    /// Of a run of `plan` that has just ended.
    ///
    /// * `run`: with a node for each of the plan's
    /// * `entries`: of its nodes that have one
    #[must_use]
    pub fn of(run: RunFile, plan: &Plan, entries: &HashMap<CacheKey, &Entry>) -> Self {
        let stage = |name: &Arc<str>| Stage {
            name: Arc::clone(name),
            output: plan.kind_of(name).map(|kind| &kind.output),
            is_at_top: plan.is_first_of_its_kind(name),
            is_aside: plan.kind_of(name).is_some_and(|kind| kind.aside),
        };
        let replicated: Vec<Arc<str>> = plan.replicated().map(Arc::from).collect();
        let trial = |trial: &Trial| {
            let node = |stage: &Arc<str>| Some(plan.node_of(trial.index, stage)?.index());
            let nodes: Vec<Option<usize>> = plan.stages().iter().map(node).collect();
            // What follows for the best point says nothing of which that is.
            let counted = |node: &Option<usize>| node.filter(|node| !plan.nodes[*node].is_late);
            let counted: Vec<Option<usize>> = nodes.iter().map(counted).collect();
            TrialResults {
                trial: trial.clone(),
                status: TrialStatus::of(&counted, &run),
                seeds: replicated.iter().map(|stage| plan.seed(trial.index, stage)).collect(),
                nodes,
            }
        };
        let left = |(node, of): (&RunNode, &crate::engine::plan::Node)| {
            let key = node.key.filter(|_| node.outcome.is_complete());
            let entry = key.and_then(|key| entries.get(&key).copied().cloned());
            let inputs = of.inputs.iter().map(|(_, id)| id.index()).collect();
            Left { output: Some(&of.kind.output), entry, inputs, scored: OnceCell::new() }
        };
        let draws = plan.shared_draws().into_iter();
        Self {
            left: run.nodes.iter().zip(&plan.nodes).map(left).collect(),
            stages: plan.stages().iter().map(stage).collect(),
            trials: plan.trials.iter().map(trial).collect(),
            sweep: plan.sweep.clone(),
            partial: plan.partial,
            shared_draws: draws.map(|(stage, what)| (stage.to_owned(), what)).collect(),
            replicated,
            run,
        }
    }

    /// Of a run that is read back, as far as its entries are still there. Its record tells trials apart by the labels of nodes.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn read(
        run: RunFile,
        store: &Store,
        kinds: &'static [StageKind],
    ) -> Result<Self, StoreError> {
        let mut left = Vec::with_capacity(run.nodes.len());
        let mut stages = Vec::<Stage>::new();
        let mut replicated: Vec<Arc<str>> = Vec::new();
        for node in &run.nodes {
            let kind = kinds.iter().find(|kind| kind.name == node.kind);
            let entry = node.key.map(|key| store.get(&key)).transpose()?.flatten();
            let made = |kind: &'static StageKind| match &entry {
                Some(entry) => kind.producing(&entry.manifest().artifact),
                None => Some(kind),
            };
            let output = kind.and_then(made).map(|kind| &kind.output);
            left.push(Left { output, entry, inputs: Vec::new(), scored: OnceCell::new() });
            if stages.iter().all(|stage| *stage.name != *node.stage) {
                let name: Arc<str> = node.stage.as_str().into();
                let is_aside = kind.is_some_and(|kind| kind.aside);
                let is_at_top = node.stage == node.kind && !is_aside;
                replicated.extend(kind.filter(|kind| kind.replicated).map(|_| Arc::clone(&name)));
                stages.push(Stage { name, output, is_at_top, is_aside });
            }
        }
        let places: Vec<labels::Node<'_>> = run
            .nodes
            .iter()
            .map(|node| labels::Node { stage: &node.stage, label: &node.label })
            .collect();
        let of_label = |(index, labelled): (usize, Labelled<'_>)| {
            let mut nodes = vec![None; stages.len()];
            for number in labelled.nodes {
                let is_its = |stage: &Stage| *stage.name == *run.nodes[number].stage;
                nodes[stages.iter().position(is_its).expect("taken in above")] = Some(number);
            }
            let is_fresh = run.fresh.iter().any(|fresh| *fresh == *labelled.label);
            let mut trial = TrialResults::labelled(index, labelled.label, is_fresh);
            trial.status = TrialStatus::of(&nodes, &run);
            trial.nodes = nodes;
            trial
        };
        let trials = labels::trials(&places).into_iter().enumerate().map(of_label).collect();
        exhibits::wire(&mut left, &run);
        let (sweep, shared_draws) = (None, Vec::new());
        let mut results =
            Self { left, stages, trials, sweep, partial: false, replicated, shared_draws, run };
        for number in 0..results.trials.len() {
            results.trials[number].seeds = results.seeds_of(&results.trials[number]);
        }
        Ok(results)
    }

    /// Those that the replicated stages of a trial had, as far as their entries tell.
    fn seeds_of(&self, trial: &TrialResults) -> Vec<Option<u64>> {
        let seed = |stage: &Arc<str>| {
            let mut made = self.made_with(trial);
            let (_, fingerprint) = made.find(|(node, _)| node.stage == **stage)?;
            fingerprint?.parameters.get(SEED)?.as_u64()
        };
        self.replicated.iter().map(seed).collect()
    }

    /// The nodes of a trial, each with what it was made with where its entry is there.
    pub fn made_with<'a>(
        &'a self,
        trial: &'a TrialResults,
    ) -> impl Iterator<Item = (&'a RunNode, Option<&'a Fingerprint>)> {
        trial.nodes.iter().flatten().map(|number| {
            let entry = self.left[*number].entry.as_ref();
            (&self.run.nodes[*number], entry.map(|entry| &entry.manifest().fingerprint))
        })
    }

    /// The entries of a trial that have scores, with the stages that made them.
    pub fn scored_entries<'a>(
        &'a self,
        trial: &'a TrialResults,
    ) -> impl Iterator<Item = (&'a str, &'a Entry)> {
        let scored = |stage: &Stage| stage.output.is_some_and(|output| output.metrics.is_some());
        let entries = self.entries(trial).filter(move |(stage, ..)| scored(stage));
        entries.map(|(stage, _, entry)| (&*stage.name, entry))
    }

    /// The stages of a trial that have an entry, with their nodes.
    fn entries<'a>(
        &'a self,
        trial: &'a TrialResults,
    ) -> impl Iterator<Item = (&'a Stage, usize, &'a Entry)> {
        let nodes = self.stages.iter().zip(&trial.nodes);
        nodes.filter_map(|(stage, node)| {
            Some((stage, (*node)?, self.left[(*node)?].entry.as_ref()?))
        })
    }

    /// Whether a stage belongs to the run of a trial.
    ///
    /// * `trial`: its place in [`trials`](Self::trials)
    #[must_use]
    pub fn ran(&self, trial: usize, stage: &str) -> bool {
        let mut nodes = self.stages.iter().zip(&self.trials[trial].nodes);
        nodes.any(|(known, node)| *known.name == *stage && node.is_some())
    }

    /// Whether any stage of a trial has made something for people.
    #[must_use]
    pub fn has_results(&self, trial: &TrialResults) -> bool {
        self.entries(trial).any(|(stage, ..)| stage.makes_results())
    }

    /// The stages of a trial that would make something for people, and have no entry.
    #[must_use]
    pub fn missing(&self, trial: &TrialResults) -> BTreeSet<String> {
        let there: HashSet<&str> = self.entries(trial).map(|(stage, ..)| &*stage.name).collect();
        let stages = self.stages.iter().filter(|stage| stage.makes_results());
        let names = stages.map(|stage| &*stage.name);
        names.filter(|name| !there.contains(name)).map(str::to_owned).collect()
    }

    /// The keys of a trial's entries by stage: equal keys, equal results.
    #[must_use]
    pub fn keys(&self, trial: &TrialResults) -> BTreeMap<String, String> {
        let key = |(stage, _, entry): (&Stage, usize, &Entry)| {
            (stage.name.to_string(), entry.key().to_string())
        };
        self.entries(trial).map(key).collect()
    }

    /// What a trial has for people: names in its folder, with the entries that have the files, and what those are called there. Of stages that share
    /// a kind, one has its files at the top, and each other one in a folder of its name.
    ///
    /// * `with_large`: those too that are too large to lie beside every trial
    #[must_use]
    pub fn files<'a>(
        &'a self,
        trial: &'a TrialResults,
        with_large: bool,
    ) -> Vec<(String, &'a Entry, &'a str)> {
        let mut files = Vec::new();
        for (stage, _, entry) in self.entries(trial) {
            let Some(output) = stage.output else { continue };
            for (file, name) in published(output, entry) {
                if with_large || !output.large.contains(&file) {
                    files.push((stage.place(name), entry, file));
                }
            }
        }
        files
    }

    /// The entries on which depends what is known of the run: those of its scores, and those that should be there and are not. With whether they are.
    pub(super) fn deciding_entries(&self) -> Vec<(CacheKey, bool)> {
        let decides = |(node, left): (&RunNode, &Left)| {
            let is_scored = left.output.is_some_and(|output| output.metrics.is_some());
            let is_there = left.entry.is_some();
            let key = node.key.filter(|_| node.outcome.is_complete())?;
            (is_scored || !is_there).then_some((key, is_there))
        };
        let entries: BTreeSet<_> =
            self.run.nodes.iter().zip(&self.left).filter_map(decides).collect();
        entries.into_iter().collect()
    }

    /// Every number of a trial's scores, by stage and path.
    ///
    /// # Errors
    /// When a file of scores cannot be read, or is not what its entry's manifest says.
    pub fn scores(&self, trial: &TrialResults) -> Result<Scores, Unreadable> {
        let mut all = Scores::new();
        for (_, node, _) in self.entries(trial) {
            if let Some((scores, _)) = self.scored(node)? {
                all.extend(scores.clone());
            }
        }
        Ok(all)
    }

    /// What a node is scored; `None` where it makes no scores, or has no entry.
    fn scored(&self, node: usize) -> Result<Option<&Scored>, Unreadable> {
        let Left { output: Some(output), entry: Some(entry), scored, .. } = &self.left[node] else {
            return Ok(None);
        };
        if output.metrics.is_none() {
            return Ok(None);
        }
        if let Some(known) = scored.get() {
            return Ok(Some(known));
        }
        let read = scores_of(output, &self.run.nodes[node].stage, entry)
            .map_err(|error| Unreadable { key: entry.key(), error })?;
        Ok(Some(scored.get_or_init(|| read)))
    }

    /// The names of the scores that say most of what the stages measure, such as `evaluate.ner.span_f1`.
    #[must_use]
    pub fn headlines(&self) -> Vec<String> {
        let nodes = self.run.nodes.iter().zip(&self.left);
        let scored: HashSet<&str> = nodes
            .filter(|(_, left)| left.entry.is_some())
            .map(|(node, _)| node.stage.as_str())
            .collect();
        let scored = self.stages.iter().filter(|stage| scored.contains(&*stage.name));
        scored.flat_map(|stage| self.headlines_of(stage)).collect()
    }

    /// One with a `*` stands for those of all that have none by another name.
    fn headlines_of(&self, stage: &Stage) -> Vec<String> {
        let nodes =
            self.run.nodes.iter().enumerate().filter(|(_, node)| *node.stage == *stage.name);
        let scores = nodes.filter_map(|(number, _)| self.scored(number).ok().flatten());
        let known: BTreeSet<&str> =
            scores.flat_map(|(scores, _)| scores.keys()).map(String::as_str).collect();
        let headlines = stage.output.map_or(&[][..], |output| output.headlines);
        let mut found: Vec<String> = Vec::new();
        for headline in headlines {
            let Some(end) = headline.strip_prefix('*') else {
                found.push(format!("{}.{headline}", stage.name));
                continue;
            };
            for name in &known {
                let Some(before) = name.strip_suffix(end) else { continue };
                let is_whole = before.matches('.').count() == 1 && before.starts_with(&*stage.name);
                let begins = |found: &String| {
                    found.strip_prefix(before).is_some_and(|rest| rest.starts_with('.'))
                };
                if is_whole && !found.iter().any(begins) {
                    found.push((*name).to_owned());
                }
            }
        }
        found
    }

    /// What stands before the name of a label in the path of its score, such as `evaluate.ner.per_label.`; `None` of other scores.
    #[must_use]
    pub fn label_prefix<'p>(&self, path: &'p str) -> Option<&'p str> {
        let of_stage = |stage: &Stage| {
            let below = path.strip_prefix(&*stage.name)?.strip_prefix('.')?;
            let detail = stage.output?.detail(below)?;
            Some(&path[..path.len() - below.len() + detail.len()])
        };
        self.stages.iter().find_map(of_stage)
    }

    /// What the scores are to be read with, each said once however many trials it is about. One that is not about all scores names the first stage
    /// and trial that it is about.
    ///
    /// # Errors
    /// When a file of scores cannot be read.
    pub fn caveats(&self) -> Result<Vec<Caveat>, Unreadable> {
        let mut caveats = self.caveats_among(0..self.run.nodes.len())?;
        let seeds = self.sweep.as_ref().map_or(0, |sweep| sweep.seeds.len());
        if seeds > 1 {
            caveats.extend(self.shared_draws.iter().map(|(stage, what)| {
                let message = format!(
                    "all {seeds} seeds share {what}, which `{stage}` drew once: the spread over them (±) does not hold that draw"
                );
                Caveat::new("shared_draw", seeds, message)
            }));
        }
        caveats.extend(self.several_machines());
        Ok(caveats)
    }

    /// That trials ran on different machines, as far as that matters.
    fn several_machines(&self) -> Option<Caveat> {
        let of_trials = self.run.nodes.iter().zip(&self.left);
        let entries = of_trials.filter(|(node, _)| !node.label.is_empty());
        let entries = entries.filter_map(|(_, left)| left.entry.as_ref());
        machines::several(entries.filter_map(|entry| {
            entry.manifest().made_with.get(Manifest::INSTRUCTIONS).map(String::as_str)
        }))
    }

    /// What the scores of some trials are to be read with, in the same way.
    ///
    /// # Errors
    /// As [`caveats`](Self::caveats).
    pub fn caveats_of(&self, trials: &[&TrialResults]) -> Result<Vec<Caveat>, Unreadable> {
        let nodes: BTreeSet<usize> =
            trials.iter().flat_map(|trial| trial.nodes.iter().flatten().copied()).collect();
        self.caveats_among(nodes)
    }

    fn caveats_among(
        &self,
        nodes: impl IntoIterator<Item = usize>,
    ) -> Result<Vec<Caveat>, Unreadable> {
        let mut listed = Vec::new();
        for number in nodes {
            if let Some((_, caveats)) = self.scored(number)? {
                listed.push((&self.run.nodes[number], caveats.as_slice()));
            }
        }
        Ok(gathered(&listed))
    }
}

impl Stage {
    /// Where a file of its lies among those for people.
    fn place(&self, name: &str) -> String {
        if self.is_at_top { name.to_owned() } else { format!("{}/{name}", self.name) }
    }

    fn makes_results(&self) -> bool {
        self.output.is_some_and(|output| !output.results.is_empty())
    }
}

impl TrialResults {
    /// * `is_fresh`: its point was one of the best, and this one of its fresh seeds
    fn labelled(index: usize, label: &str, is_fresh: bool) -> Self {
        let (values, texts, chosen) = (Vec::new(), Vec::new(), Vec::new());
        // From the seeds that made it one of the best they are kept apart.
        let fresh = if is_fresh { ",fresh" } else { "" };
        let of_point = format!("{}{fresh}", labels::point(label)).into();
        let point = Arc::new(Point { label: of_point, values, texts, chosen });
        let index = u32::try_from(index).expect("the number of trials is bounded");
        let fold = labels::fold(label);
        let trial = Trial {
            index,
            label: label.into(),
            point,
            fold,
            level: Level { is_fresh, ..Level::default() },
        };
        Self { trial, status: TrialStatus::NotRun, seeds: Vec::new(), nodes: Vec::new() }
    }
}

impl TrialStatus {
    fn of(nodes: &[Option<usize>], run: &RunFile) -> Self {
        let ends = || nodes.iter().flatten().map(|node| run.nodes[*node].outcome);
        if ends().all(NodeStatus::is_complete) {
            Self::Done
        } else if ends().any(|end| end == NodeStatus::Failed) {
            Self::Failed
        } else if ends().any(|end| end == NodeStatus::Cancelled) {
            Self::Interrupted
        } else {
            Self::NotRun
        }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::NotRun => "not_run",
        }
    }
}

impl From<Unreadable> for io::Error {
    fn from(unreadable: Unreadable) -> Self {
        unreadable.error
    }
}

/// Each caveat once. One that not all have names the first that has it.
///
/// * `listed`: what the scores of each node are to be read with
fn gathered(listed: &[(&RunNode, &[Caveat])]) -> Vec<Caveat> {
    // With the first that it is about, and how many those are.
    let mut found: Vec<(&Caveat, &RunNode, usize)> = Vec::new();
    let mut places: HashMap<&Caveat, usize> = HashMap::new();
    for (node, caveat) in
        listed.iter().flat_map(|(node, all)| all.iter().map(move |one| (node, one)))
    {
        let place = *places.entry(caveat).or_insert(found.len());
        if place == found.len() {
            found.push((caveat, node, 0));
        }
        found[place].2 += 1;
    }
    let said = |(caveat, first, count): (&Caveat, &RunNode, usize)| {
        let whose = match count {
            all if all == listed.len() => return caveat.clone(),
            1 => first.title(),
            count => format!("{} and {} more", first.title(), count - 1),
        };
        Caveat { message: format!("{whose}: {}", caveat.message), ..caveat.clone() }
    };
    found.into_iter().map(said).collect()
}
