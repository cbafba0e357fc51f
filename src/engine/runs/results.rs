//! What a run came to: the read model that everything shown of it is made from, whether it has just ended or long ago.
//!
//! It knows the run's stages, its trials, and the entries that they have. Scores are read when somebody asks for them, once; what a report shows
//! beside them ([`exhibits`]) whenever somebody asks.

mod exhibits;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::sync::Arc;

use super::outline::{Outline, OutlinedStage, OutlinedTrial, TriedPoint};
use super::record::{NodeStatus, RunFile, RunNode};
use super::scores::scores_of;
use super::{labels, machines};
use crate::engine::plan::{CacheKey, Fingerprint, Level, SweepShape};
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
    pub replicated: Vec<String>,
    /// Stages that drew something at random which a sweep's `seeds` do not draw again, and what.
    shared_draws: Vec<(String, String)>,
}

/// One trial; without a sweep the only one.
#[derive(Debug)]
pub struct TrialResults {
    /// Its place in [`trials`](Results::trials).
    pub index: u32,
    /// As [`Trial`](crate::engine::plan::Trial) has it.
    pub label: Arc<str>,
    pub point: Arc<TriedPoint>,
    /// Which part of the corpus validated, in a sweep with folds.
    pub fold: Option<usize>,
    pub level: Level,
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
    /// Its files have their places without its name.
    is_at_top: bool,
    /// It runs for the best point alone.
    is_late: bool,
    /// It is shown beside others ([`StageKind::aside`]).
    is_aside: bool,
    /// The stages that it takes something from, by their places.
    inputs: Vec<usize>,
}

struct Left {
    output: Option<&'static ArtifactType>,
    entry: Option<Entry>,
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
    /// Of a run, whether or not it came to its end.
    ///
    /// * `entries`: of each node, where it has one
    #[must_use]
    pub fn of(run: RunFile, entries: Vec<Option<Entry>>, kinds: &'static [StageKind]) -> Self {
        let of_labels;
        let outline = match &run.outline {
            Some(outline) if outline.fits(run.nodes.len()) => outline,
            Some(_) | None => {
                of_labels = Outline::of_labels(&run, &entries, kinds);
                &of_labels
            }
        };
        let mut stages: Vec<Stage> = outline.stages.iter().map(|of| Stage::of(of, kinds)).collect();
        let objective = outline.sweep.as_ref().and_then(|sweep| sweep.objective.as_ref());
        Stage::show(&mut stages, objective.map(|objective| objective.path().0));
        let points: Vec<Arc<TriedPoint>> = outline.points.iter().cloned().map(Arc::new).collect();
        let trial = |(index, of): (u32, &OutlinedTrial)| TrialResults {
            index,
            label: of.label.as_str().into(),
            point: Arc::clone(&points[of.point]),
            fold: of.fold,
            level: of.level,
            status: TrialStatus::of(&of.nodes, &stages, &run),
            seeds: of.seeds.clone(),
            nodes: of.nodes.clone(),
        };
        let trials = (0..).zip(&outline.trials).map(trial).collect();
        let places: HashMap<&str, usize> =
            stages.iter().enumerate().map(|(place, stage)| (&*stage.name, place)).collect();
        let left = |(node, entry): (&RunNode, Option<Entry>)| {
            let output = places.get(&*node.stage).and_then(|place| stages[*place].output);
            Left { output, entry, scored: OnceCell::new() }
        };
        Self {
            left: run.nodes.iter().zip(entries).map(left).collect(),
            trials,
            sweep: outline.sweep.clone(),
            partial: outline.partial,
            replicated: outline.replicated.clone(),
            shared_draws: outline.shared_draws.clone(),
            stages,
            run,
        }
    }

    /// Of a run that is read back, as far as its entries are still there.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn read(
        run: RunFile,
        store: &Store,
        kinds: &'static [StageKind],
    ) -> Result<Self, StoreError> {
        let entry = |node: &RunNode| node.key.map_or(Ok(None), |key| store.get(&key));
        let entries: Result<Vec<_>, StoreError> = run.nodes.iter().map(entry).collect();
        Ok(Self::of(run, entries?, kinds))
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

    /// The nodes that came to their end, with their entries where these are there.
    pub fn nodes(&self) -> impl Iterator<Item = (&RunNode, &Entry)> {
        let nodes = self.run.nodes.iter().zip(&self.left);
        let whole = nodes.filter(|(node, _)| node.outcome.is_complete());
        whole.filter_map(|(node, left)| Some((node, left.entry.as_ref()?)))
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

    /// Whether a trial came to its end, or at least as far as its score in a sweep's objective: what failed beside that takes nothing from it.
    #[must_use]
    pub fn is_judged(&self, trial: &TrialResults) -> bool {
        let objective = self.sweep.as_ref().and_then(|shape| shape.objective.as_ref());
        let judges = |stage: &Stage| objective.is_some_and(|it| it.path().0 == &*stage.name);
        trial.status == TrialStatus::Done || self.entries(trial).any(|(stage, ..)| judges(stage))
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

    /// What the scores of one stage of a trial are to be read with.
    ///
    /// # Errors
    /// As [`caveats`](Self::caveats).
    pub fn caveats_of_stage(
        &self,
        trial: &TrialResults,
        stage: &str,
    ) -> Result<Vec<Caveat>, Unreadable> {
        let entries = self.entries(trial).filter(|(of, ..)| *of.name == *stage);
        self.caveats_among(entries.map(|(_, node, _)| node))
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
    fn of(outlined: &OutlinedStage, kinds: &'static [StageKind]) -> Self {
        let kind = kinds.iter().find(|kind| kind.name == outlined.kind);
        Self {
            name: outlined.name.as_str().into(),
            output: kind.and_then(|kind| kind.producing(&outlined.artifact)).map(|it| &it.output),
            is_at_top: outlined.is_at_top,
            is_late: outlined.is_late,
            is_aside: kind.is_some_and(|kind| kind.aside),
            inputs: outlined.inputs.clone(),
        }
    }

    /// Shows by itself what trials are judged by, and what is scored where nothing else is.
    ///
    /// * `judging`: the stage of a sweep's objective
    fn show(stages: &mut [Self], judging: Option<&str>) {
        let is_scored = |stage: &Self| stage.output.is_some_and(|output| output.metrics.is_some());
        let has_others = stages.iter().any(|stage| is_scored(stage) && !stage.is_aside);
        for stage in stages {
            stage.is_aside &= has_others && judging != Some(&*stage.name);
        }
    }

    /// Where a file of its lies among those for people.
    fn place(&self, name: &str) -> String {
        if self.is_at_top { name.to_owned() } else { format!("{}/{name}", self.name) }
    }

    fn makes_results(&self) -> bool {
        self.output.is_some_and(|output| !output.results.is_empty())
    }
}

impl TrialResults {
    /// What it is called together with the other trials of its point on its level.
    #[must_use]
    pub fn of_point(&self) -> String {
        labels::of_point(&self.label, self.level.is_fresh)
    }
}

impl TrialStatus {
    /// What follows for the best point says nothing of which that is.
    ///
    /// * `nodes`: of each of the `stages`
    fn of(nodes: &[Option<usize>], stages: &[Stage], run: &RunFile) -> Self {
        let counted = || nodes.iter().zip(stages).filter(|(_, stage)| !stage.is_late);
        let ends = || counted().filter_map(|(node, _)| Some(run.nodes[(*node)?].outcome));
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

/// Each caveat once. One that not all have names the stage, where it is about all of that one, or else the first that has it.
///
/// * `listed`: what the scores of each node are to be read with
fn gathered(listed: &[(&RunNode, &[Caveat])]) -> Vec<Caveat> {
    // With the first that it is about, their stages, and how many those are.
    let mut found: Vec<(&Caveat, &RunNode, BTreeSet<&str>, usize)> = Vec::new();
    let mut places: HashMap<&Caveat, usize> = HashMap::new();
    for (node, caveat) in
        listed.iter().flat_map(|(node, all)| all.iter().map(move |one| (node, one)))
    {
        let place = *places.entry(caveat).or_insert(found.len());
        if place == found.len() {
            found.push((caveat, node, BTreeSet::new(), 0));
        }
        found[place].2.insert(&node.stage);
        found[place].3 += 1;
    }
    let mut of_stages: HashMap<&str, usize> = HashMap::new();
    listed.iter().for_each(|(node, _)| *of_stages.entry(&node.stage).or_default() += 1);
    let said = |(caveat, first, stages, count): (&Caveat, &RunNode, BTreeSet<&str>, usize)| {
        let of_these: usize = stages.iter().map(|stage| of_stages[stage]).sum();
        let whose = match count {
            all if all == listed.len() => return caveat.clone(),
            1 => first.title(),
            all if all == of_these => stages.into_iter().collect::<Vec<_>>().join(", "),
            count => format!("{} and {} more", first.title(), count - 1),
        };
        Caveat { message: format!("{whose}: {}", caveat.message), ..caveat.clone() }
    };
    found.into_iter().map(said).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caveat_of_all_of_a_stage_names_the_stage_and_one_of_some_the_first() {
        let node = |(stage, label): (&str, &str)| RunNode {
            stage: stage.to_owned(),
            label: label.to_owned(),
            kind: "evaluate".to_owned(),
            key: None,
            outcome: NodeStatus::Built,
            elapsed_ms: None,
            built: None,
            error: None,
            earlier_errors: Vec::new(),
            warm_start: None,
        };
        let nodes = [("evaluate", "x=1"), ("evaluate", "x=2"), ("test", "x=1"), ("test", "x=2")];
        let nodes = nodes.map(node);
        let whose = |about: &[usize]| {
            let caveat = [Caveat::new("few", 3, "few texts")];
            let of = |at: usize| if about.contains(&at) { &caveat[..] } else { &[] };
            let listed: Vec<_> = nodes.iter().enumerate().map(|(at, it)| (it, of(at))).collect();
            gathered(&listed)[0].message.clone()
        };
        assert_eq!(whose(&[0, 1, 2, 3]), "few texts");
        assert_eq!(whose(&[0, 1]), "evaluate: few texts");
        assert_eq!(whose(&[1]), "evaluate [x=2]: few texts");
        assert_eq!(whose(&[0, 1, 3]), "evaluate [x=1] and 2 more: few texts");
    }
}
