//! What a report shows of a run beside its scores: how its stages hang together, what was measured on the way, and what its artifacts show of
//! themselves.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;

use super::{Results, Stage, TrialResults};
use crate::engine::plan::CacheKey;
use crate::engine::runs::record::{Built, NodeStatus};
use crate::engine::stage::{CardPart, Exhibit, Intervals, Plot, Shown, StageError};
use crate::engine::store::Entry;

/// Something of a stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Of<T> {
    pub stage: String,
    pub it: T,
}

/// A stage of a run, with all of its nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub name: String,
    pub kind: String,
    /// The stages that it takes something from, by their places.
    pub inputs: Vec<usize>,
    /// How many of its nodes came to each end.
    pub ends: Vec<(NodeStatus, usize)>,
    /// What the run spent on it, of all nodes together.
    pub elapsed_ms: Option<u64>,
    /// The making of what it found and did not make, as far as it is known: a result each.
    pub found: BTreeMap<CacheKey, Built>,
    /// The first thing that went wrong.
    pub error: Option<String>,
    /// The keys of its entries, those of the first trials first.
    pub keys: Vec<String>,
    /// After defaults, as its first entry says them.
    pub parameters: serde_json::Map<String, serde_json::Value>,
    /// The commit of what it was made from, where that came from a hub.
    pub commit: Option<String>,
}

impl Results {
    /// The stages in the run's order, each after those that it takes something from.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (node, left) in self.run.nodes.iter().zip(&self.left) {
            let place = *places.entry(&node.stage).or_insert(steps.len());
            if place == steps.len() {
                steps.push(Step {
                    name: node.stage.clone(),
                    kind: node.kind.clone(),
                    inputs: Vec::new(),
                    ends: Vec::new(),
                    elapsed_ms: None,
                    found: BTreeMap::new(),
                    error: None,
                    keys: Vec::new(),
                    parameters: serde_json::Map::new(),
                    commit: None,
                });
            }
            let step = &mut steps[place];
            match step.ends.iter_mut().find(|(end, _)| *end == node.outcome) {
                Some((_, count)) => *count += 1,
                None => step.ends.push((node.outcome, 1)),
            }
            if let Some(elapsed) = node.elapsed_ms {
                *step.elapsed_ms.get_or_insert(0) += elapsed;
            }
            step.error = step.error.take().or_else(|| node.error.clone());
            if let Some(entry) = &left.entry {
                let fingerprint = &entry.manifest().fingerprint;
                if step.keys.is_empty() {
                    step.parameters.clone_from(&fingerprint.parameters);
                }
                step.keys.push(entry.key().to_string());
                step.found.extend(node.built.clone().map(|built| (entry.key(), built)));
                step.commit = step.commit.take().or_else(|| fingerprint.commit.clone());
            }
        }
        for stage in &self.stages {
            let Some(place) = places.get(&*stage.name) else { continue };
            let names: BTreeSet<&str> =
                stage.inputs.iter().map(|from| &*self.stages[*from].name).collect();
            steps[*place].inputs =
                names.iter().filter_map(|name| places.get(name).copied()).collect();
        }
        steps
    }

    /// What each stage of a trial measured while it ran.
    ///
    /// # Errors
    /// When a file of an entry cannot be read, or is not what its manifest says.
    pub fn curves(&self, trial: &TrialResults) -> Result<Vec<Of<Vec<Plot>>>, StageError> {
        self.of_each(trial, |stage| stage.output.map(|output| output.curves))
    }

    /// What each stage of a trial shows of its result, but for those that are shown beside others.
    ///
    /// # Errors
    /// When a file of an entry cannot be read, or is not what its manifest says.
    pub fn exhibits(&self, trial: &TrialResults) -> Result<Vec<Of<Vec<Exhibit>>>, StageError> {
        let of = |stage: &Stage| stage.output.filter(|_| !stage.is_aside);
        self.of_each(trial, |stage| of(stage).map(|output| output.exhibits))
    }

    /// What each stage of a trial says in the card of a model that was made with it.
    ///
    /// # Errors
    /// When a file of an entry cannot be read, or is not what its manifest says.
    pub fn card_parts(&self, trial: &TrialResults) -> Result<Vec<Of<Vec<CardPart>>>, StageError> {
        self.of_each(trial, |stage| stage.output.map(|output| output.card_parts))
    }

    /// Where the cards of a trial's models lie among its files.
    #[must_use]
    pub fn cards(&self, trial: &TrialResults) -> Vec<String> {
        let card = |(stage, ..): (&Stage, usize, &Entry)| Some(stage.place(stage.output?.card?));
        self.entries(trial).filter_map(card).collect()
    }

    /// What is read from the folders of a trial's entries; nothing of a stage that has nothing.
    fn of_each<T: 'static>(
        &self,
        trial: &TrialResults,
        shown: impl Fn(&Stage) -> Option<Shown<T>>,
    ) -> Result<Vec<Of<Vec<T>>>, StageError> {
        let mut all = Vec::new();
        for (stage, _, entry) in self.entries(trial) {
            let Some(Shown { files, read }) = shown(stage) else { continue };
            let files: Vec<&str> =
                files.iter().copied().filter(|file| entry.file(file).is_some()).collect();
            // Nobody is shown what is damaged.
            for file in &files {
                entry.read(file).map_err(|error| StageError::new(error.to_string()))?;
            }
            let it = if files.is_empty() { Vec::new() } else { read(entry.folder())? };
            if !it.is_empty() {
                all.push(Of { stage: stage.name.to_string(), it });
            }
        }
        Ok(all)
    }

    /// Within which the scores of a trial would lie on other texts, by stage; without stages that do not say it.
    ///
    /// # Errors
    /// When a file of scores cannot be read, or is not what its entry's manifest says.
    pub fn intervals(&self, trial: &TrialResults) -> io::Result<BTreeMap<String, Intervals>> {
        let mut all = BTreeMap::new();
        for (stage, _, entry) in self.entries(trial) {
            let Some(file) = stage.output.and_then(|output| output.metrics) else { continue };
            let content: serde_json::Value = serde_json::from_slice(&entry.read(file)?)?;
            let intervals = Intervals::listed_in(&content);
            if !intervals.ends.is_empty() {
                all.insert(stage.name.to_string(), intervals);
            }
        }
        Ok(all)
    }

    /// The stages that are shown beside others.
    #[must_use]
    pub fn asides(&self) -> BTreeSet<String> {
        let asides = self.stages.iter().filter(|stage| stage.is_aside);
        asides.map(|stage| stage.name.to_string()).collect()
    }
}
