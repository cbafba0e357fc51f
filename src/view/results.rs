//! From nodes and their entries to the files and numbers that people want.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde::Deserialize as _;
use serde_json::Value;

use super::contents::{Item, Source};
use super::format;
use crate::engine::exec::RunOutcome;
use crate::engine::plan::{NodeId, Plan};
use crate::engine::stage::{ArtifactType, Caveat, Score};
use crate::engine::store::Entry;

pub use crate::engine::stage::Scores as Metrics;

/// One trial's nodes that have an entry.
pub struct TrialResults<'a> {
    nodes: Vec<(&'a str, NodeId, &'a Entry)>,
    plan: &'a Plan,
}

impl<'a> TrialResults<'a> {
    #[must_use]
    pub fn of(plan: &'a Plan, outcome: &'a RunOutcome, trial: u32) -> Self {
        let node = |stage: &'a Arc<str>| {
            let id = plan.node_of(trial, stage)?;
            Some((&**stage, id, outcome.nodes[id.index()].entry.as_ref()?))
        };
        Self { nodes: plan.stages().iter().filter_map(node).collect(), plan }
    }

    /// Whether every stage of the trial has its entry.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.nodes.len() == self.plan.stages().len()
    }

    /// The stages without an entry that would make something for people.
    #[must_use]
    pub fn missing(&self, trial: u32) -> BTreeSet<String> {
        let makes_results = |stage: &str| {
            self.plan
                .node_of(trial, stage)
                .is_some_and(|id| !self.plan.node(id).kind.output.results.is_empty())
        };
        let there: HashSet<&str> = self.nodes.iter().map(|(name, _, _)| *name).collect();
        let absent = |stage: &&Arc<str>| !there.contains(&***stage);
        self.plan
            .stages()
            .iter()
            .filter(absent)
            .filter(|stage| makes_results(stage))
            .map(ToString::to_string)
            .collect()
    }

    /// The keys of the nodes by stage: equal keys, equal results.
    #[must_use]
    pub fn keys(&self) -> BTreeMap<String, String> {
        let key = |id: NodeId| {
            self.plan.node(id).identity.key().map(|key| key.to_string()).unwrap_or_default()
        };
        self.nodes.iter().map(|(stage, id, _)| ((*stage).to_owned(), key(*id))).collect()
    }

    /// Whether any of its stages makes something for people.
    #[must_use]
    pub fn has_results(&self) -> bool {
        self.nodes.iter().any(|(_, id, _)| !self.plan.node(*id).kind.output.results.is_empty())
    }

    /// What to publish. Of stages that share a kind, one has its files at the top ([`Plan::is_first_of_its_kind`]), and each other one in a folder
    /// of its name.
    #[must_use]
    pub fn files(&self) -> Vec<(String, Item)> {
        let mut files = Vec::new();
        for (stage, id, entry) in &self.nodes {
            let kind = self.plan.node(*id).kind;
            let at_top = self.plan.is_first_of_its_kind(stage);
            for (file, name) in kind.output.results {
                if let Some(record) = entry.file(file) {
                    let name = if at_top { (*name).to_owned() } else { format!("{stage}/{name}") };
                    let source = Source::Stored { entry: Entry::clone(entry), file };
                    files.push((name, Item { source, blake3: record.blake3.clone() }));
                }
            }
        }
        files
    }

    /// Every number of the trial's metrics, by stage and path.
    ///
    /// # Errors
    /// When a metrics file cannot be read, or is not what its entry's manifest says.
    pub fn metrics(&self) -> std::io::Result<Metrics> {
        let mut metrics = Metrics::new();
        for (stage, id, entry) in &self.nodes {
            metrics.extend(scores_of(&self.plan.node(*id).kind.output, stage, entry)?.0);
        }
        Ok(metrics)
    }
}

/// What the scores of a run are to be read with, each said once however many trials it is about. One that is not about all scores names the
/// first stage and trial that it is about.
///
/// # Errors
/// When a metrics file cannot be read.
pub fn caveats(plan: &Plan, outcome: &RunOutcome) -> std::io::Result<Vec<Caveat>> {
    let mut listed = Vec::new();
    for (id, node) in plan.ids().zip(&outcome.nodes) {
        let Some(entry) = &node.entry else { continue };
        let Some(metrics) = metrics_file(plan, id, entry)? else { continue };
        listed.push((node.name.to_string(), Caveat::listed_in(&metrics)));
    }
    let mut caveats = gathered(&listed);
    let seeds = plan.sweep.as_ref().map_or(0, |sweep| sweep.seeds.len());
    if seeds > 1 {
        caveats.extend(plan.shared_draws().iter().map(|(stage, what)| {
            let message = format!(
                "all {seeds} seeds share {what}, which `{stage}` drew once: the spread over them (±) does not hold that draw"
            );
            Caveat::new("shared_draw", seeds, message)
        }));
    }
    Ok(caveats)
}

/// Each caveat once. One that not all have names the first that has it.
///
/// * `listed`: what each score is to be read with, with the name of its stage and trial
#[must_use]
pub fn gathered(listed: &[(String, Vec<Caveat>)]) -> Vec<Caveat> {
    // With the first that it is about, and how many those are.
    let mut found: Vec<(&Caveat, &str, usize)> = Vec::new();
    let mut places: HashMap<&Caveat, usize> = HashMap::new();
    for (name, caveats) in listed {
        for caveat in caveats {
            match places.get(caveat) {
                Some(place) => found[*place].2 += 1,
                None => {
                    places.insert(caveat, found.len());
                    found.push((caveat, name, 1));
                }
            }
        }
    }
    let said = |(caveat, first, count): (&Caveat, &str, usize)| {
        let whose = match count {
            all if all == listed.len() => return caveat.clone(),
            1 => first.to_owned(),
            count => format!("{first} and {} more", count - 1),
        };
        Caveat { message: format!("{whose}: {}", caveat.message), ..caveat.clone() }
    };
    found.into_iter().map(said).collect()
}

/// The content of the file of scores, for artifacts that have one.
fn metrics_file(plan: &Plan, id: NodeId, entry: &Entry) -> std::io::Result<Option<Value>> {
    read_metrics(&plan.node(id).kind.output, entry)
}

fn read_metrics(output: &ArtifactType, entry: &Entry) -> std::io::Result<Option<Value>> {
    let Some(file) = output.metrics else { return Ok(None) };
    Ok(Some(serde_json::from_slice(&entry.read(file)?)?))
}

/// The scores of one entry and what they are to be read with; nothing of an artifact without scores.
///
/// * `name`: what stands before the names of the scores, such as the stage's name
///
/// # Errors
/// When the metrics file cannot be read.
pub fn scores_of(
    output: &ArtifactType,
    name: &str,
    entry: &Entry,
) -> std::io::Result<(Metrics, Vec<Caveat>)> {
    let Some(value) = read_metrics(output, entry)? else { return Ok(Default::default()) };
    let mut metrics = Metrics::new();
    flatten("", &value, output.metric_names, &mut metrics);
    let named = metrics.into_iter().map(|(path, value)| (format!("{name}.{path}"), value));
    Ok((named.collect(), Caveat::listed_in(&value)))
}

/// Caveats as lines for people, the first of many.
#[must_use]
pub fn caveat_lines(caveats: &[Caveat]) -> String {
    const SHOWN: usize = 12;
    const HEAD: &str = "caveat: ";
    const COLUMNS: usize = 80;
    let line =
        |caveat: &Caveat| format!("{HEAD}{}\n", format::fold(&caveat.message, HEAD.len(), COLUMNS));
    let mut text: String = caveats.iter().take(SHOWN).map(line).collect();
    if let Some(more) = caveats.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        text += &format!("and {more} more caveats, in each `metrics.json`\n");
    }
    text
}

/// The names under which the stages of a plan give a score for each label, such as `evaluate.ner.per_label.`
pub struct LabelScores(Vec<String>);

impl LabelScores {
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let mut prefixes = Vec::new();
        for stage in plan.stages() {
            let Some(id) = plan.node_of(0, stage) else { continue };
            let names = plan.node(id).kind.output.metric_names.iter();
            prefixes.extend(
                names.filter(|name| name.ends_with('.')).map(|name| format!("{stage}.{name}")),
            );
        }
        Self(prefixes)
    }

    /// The label and the metric of it, such as `PER` and `evaluate.ner.f1`, where a name is that of a label's score.
    #[must_use]
    pub fn split<'n>(&self, name: &'n str) -> Option<(&'n str, String)> {
        let prefix = self.0.iter().find(|prefix| name.starts_with(prefix.as_str()))?;
        let (label, metric) = name[prefix.len()..].rsplit_once('.')?;
        let (scores, _) = prefix.trim_end_matches('.').rsplit_once('.')?;
        Some((label, format!("{scores}.{metric}")))
    }
}

/// Every number below `path`. A null is one that is undefined where the artifact names a metric so; else it stands for something that is no
/// number, such as a table.
///
/// * `names`: of the artifact's metrics; one that ends with a dot stands for all below it
fn flatten(path: &str, value: &Value, names: &[&str], metrics: &mut Metrics) {
    let is_metric =
        || names.iter().any(|name| *name == path || name.ends_with('.') && path.starts_with(name));
    match value {
        Value::Object(map) => map.iter().for_each(|(name, value)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            flatten(&path, value, names, metrics);
        }),
        Value::Number(_) => drop(metrics.insert(path.to_owned(), Score::deserialize(value).ok())),
        Value::Null if is_metric() => drop(metrics.insert(path.to_owned(), None)),
        Value::Null | Value::Array(_) | Value::String(_) | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_named_by_their_path_and_undefined_metrics_are_kept_but_no_other_nulls() {
        let mut metrics = Metrics::new();
        let ner = json!({"span_f1": 0.5, "token_accuracy": null, "per_label": {"PER": {"f1": null}}, "cut": 3});
        let content = json!({"ner": ner, "confusion": [[1, 2]], "other": {"confusion": null}});
        let names = ["ner.token_accuracy", "ner.span_f1", "ner.per_label."];
        flatten("", &content, &names, &mut metrics);
        assert_eq!(
            metrics,
            Metrics::from([
                ("ner.span_f1".into(), Some(Score::Measured(0.5))),
                ("ner.token_accuracy".into(), None),
                ("ner.per_label.PER.f1".into(), None),
                ("ner.cut".into(), Some(Score::Count(3))),
            ])
        );
    }
}
