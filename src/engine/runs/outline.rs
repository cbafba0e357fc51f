//! What a run consists of, as its plan had it: its stages, points and trials. With how the nodes ended it is all that [`Results`](super::Results)
//! need beside entries.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::engine::plan::{Home, Level, Plan, Point, SweepShape};
use crate::engine::search::distance;

/// What a run consists of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Outline {
    /// Each after those that it takes something from.
    pub(super) stages: Vec<OutlinedStage>,
    /// The stages to whose seeds a sweep's `seeds` are added.
    pub(super) replicated: Vec<String>,
    /// Stages that drew something at random which a sweep's `seeds` do not draw again, and what.
    pub(super) shared_draws: Vec<(String, String)>,
    pub(super) sweep: Option<SweepShape>,
    /// Not all stages of the experiment are in it.
    pub(super) partial: bool,
    /// In the order in which trials first have them.
    pub(super) points: Vec<TriedPoint>,
    pub(super) trials: Vec<OutlinedTrial>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct OutlinedStage {
    pub(super) name: String,
    pub(super) kind: String,
    /// The name of what it makes.
    pub(super) artifact: String,
    /// Its files have their places without its name ([`Plan::is_first_of_its_kind`]).
    pub(super) is_at_top: bool,
    /// It runs for the best point alone.
    pub(super) is_late: bool,
    /// The stages that it takes something from, by their places.
    pub(super) inputs: Vec<usize>,
}

/// A point of a sweep; without one the only one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TriedPoint {
    /// As [`Point`] has it.
    pub label: String,
    /// By axis (`train.learning_rate`), in the order of the file.
    pub values: Vec<(String, Json)>,
    /// The values as the file spells them, a string without its quotes.
    pub texts: Vec<String>,
    /// From the file's own values, where somebody asks for it ([`distance`]).
    pub distance: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct OutlinedTrial {
    pub(super) label: String,
    /// Its place among the points.
    pub(super) point: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fold: Option<usize>,
    #[serde(flatten)]
    pub(super) level: Level,
    /// Of each replicated stage.
    pub(super) seeds: Vec<Option<u64>>,
    /// The node of each stage, by its place among the run's.
    pub(super) nodes: Vec<Option<usize>>,
}

impl TriedPoint {
    #[must_use]
    pub fn of(point: &Point, home: &Home) -> Self {
        let values = point.values.iter().map(|(axis, value)| (axis.to_string(), value.clone()));
        Self {
            label: point.label.to_string(),
            values: values.collect(),
            texts: point.texts.iter().map(ToString::to_string).collect(),
            distance: distance(home, point),
        }
    }
}

impl Outline {
    /// Whether its numbers lead somewhere: a record is a file that anybody may have changed.
    ///
    /// * `nodes`: how many the run has
    pub(super) fn fits(&self, nodes: usize) -> bool {
        let axes = self.sweep.as_ref().map_or(0, |sweep| sweep.axes.len());
        let is_whole = |trial: &OutlinedTrial| {
            trial.point < self.points.len()
                && trial.nodes.len() == self.stages.len()
                && trial.nodes.iter().flatten().all(|node| *node < nodes)
                && trial.seeds.len() == self.replicated.len()
        };
        self.points.iter().all(|point| [point.values.len(), point.texts.len()] == [axes; 2])
            && self.stages.iter().flat_map(|stage| &stage.inputs).all(|of| *of < self.stages.len())
            && self.trials.iter().all(is_whole)
    }

    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let place = |name: &str| plan.stages().iter().position(|stage| **stage == *name);
        let mut stages: Vec<OutlinedStage> = Vec::with_capacity(plan.stages().len());
        for name in plan.stages() {
            let nodes = || plan.nodes.iter().filter(|node| node.stage == *name);
            let kind = plan.kind_of(name);
            let inputs = nodes().flat_map(|node| &node.inputs);
            let mut inputs: Vec<usize> =
                inputs.filter_map(|(_, input)| place(&plan.node(*input).stage)).collect();
            inputs.sort_unstable();
            inputs.dedup();
            stages.push(OutlinedStage {
                name: name.to_string(),
                kind: kind.map_or_else(String::new, |kind| kind.name.to_owned()),
                artifact: kind.map_or_else(String::new, |kind| kind.output.name.to_owned()),
                is_at_top: plan.is_first_of_its_kind(name),
                is_late: nodes().any(|node| node.is_late),
                inputs,
            });
        }
        let replicated: Vec<String> = plan.replicated().map(str::to_owned).collect();
        let draws = plan.shared_draws().into_iter();
        let (mut points, mut trials) = (Vec::<TriedPoint>::new(), Vec::new());
        for trial in &plan.trials {
            if points.last().is_none_or(|last| *last.label != *trial.point.label) {
                points.push(TriedPoint::of(&trial.point, &plan.home));
            }
            let node =
                |stage: &std::sync::Arc<str>| Some(plan.node_of(trial.index, stage)?.index());
            trials.push(OutlinedTrial {
                label: trial.label.to_string(),
                point: points.len() - 1,
                fold: trial.fold,
                level: trial.level,
                seeds: replicated.iter().map(|stage| plan.seed(trial.index, stage)).collect(),
                nodes: plan.stages().iter().map(node).collect(),
            });
        }
        Self {
            stages,
            replicated,
            shared_draws: draws.map(|(stage, what)| (stage.to_owned(), what.to_owned())).collect(),
            sweep: plan.sweep.clone(),
            partial: plan.partial,
            points,
            trials,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outline_whose_numbers_lead_nowhere_does_not_fit() {
        let outline = r#"{
            "stages": [{"name": "train", "kind": "train", "artifact": "checkpoint",
                "is_at_top": true, "is_late": false, "inputs": [0]}],
            "replicated": ["train"], "shared_draws": [], "sweep": null, "partial": false,
            "points": [{"label": "", "values": [], "texts": [], "distance": 0.0}],
            "trials": [{"label": "", "point": 0, "rung": 0, "is_fresh": false, "seeds": [7], "nodes": [1]}]
        }"#;
        let fits = |found: &str, changed: &str| {
            assert!(outline.contains(found), "{found}");
            let outline = outline.replace(found, changed);
            serde_json::from_str::<Outline>(&outline).expect("an outline").fits(2)
        };
        assert!(fits("[7]", "[null]"));
        for (found, changed) in [
            (r#""point": 0"#, r#""point": 1"#),
            (r#""nodes": [1]"#, r#""nodes": [2]"#),
            (r#""nodes": [1]"#, r#""nodes": []"#),
            ("[7]", "[]"),
            (r#""inputs": [0]"#, r#""inputs": [1]"#),
            (r#""texts": []"#, r#""texts": ["1e-5"]"#),
        ] {
            assert!(!fits(found, changed), "{changed}");
        }
    }
}
