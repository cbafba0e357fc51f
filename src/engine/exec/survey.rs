//! What a run would find in its data, looked at without building or writing anything.
//!
//! 1. Nodes come in the plan's order; each is handed what was found of its inputs.
//! 2. Stages that say nothing hand nothing on, and those downstream say what they can without.

use std::sync::Arc;

use crate::engine::plan::{Foreseen, Node, Plan, Warning, undefined_everywhere};
use crate::engine::stage::{Finding, Remark, StageError, SurveyInputs, UndefinedMetrics};
use crate::engine::store::{State, Store};

/// What was found in one stage.
#[derive(Debug, Clone)]
pub struct Found {
    pub stage: Arc<str>,
    /// Each once, however many nodes of the stage say it.
    pub remarks: Vec<Remark>,
    pub errors: Vec<StageError>,
}

/// What was found in the data of a plan.
pub struct Surveyed {
    /// Of each stage in which something was.
    pub found: Vec<Found>,
    /// By node; `None` where the stage does not know its output before it has run.
    pub findings: Vec<Option<Finding>>,
}

/// Looks into the data of all stages of a plan.
#[must_use]
pub fn survey(plan: &Plan, store: &Store) -> Surveyed {
    let mut findings: Vec<Option<Finding>> = Vec::with_capacity(plan.nodes.len());
    let mut undefined: Vec<Vec<UndefinedMetrics>> = Vec::with_capacity(plan.nodes.len());
    let mut found: Vec<Found> = Vec::new();
    for node in &plan.nodes {
        let inputs: Vec<(&str, Option<Finding>)> = node
            .inputs
            .iter()
            .map(|(port, input)| (&**port, findings[input.index()].clone()))
            .collect();
        let entry = node.identity.key().and_then(|key| match store.state(&key) {
            Ok(State::Present(entry)) => Some(entry.folder().to_owned()),
            _ => None,
        });
        let said = said_of(&node.stage, &mut found);
        match node.instance.survey(SurveyInputs(&inputs), entry.as_deref()) {
            Ok(survey) => {
                for remark in survey.remarks {
                    if !said.remarks.contains(&remark) {
                        said.remarks.push(remark);
                    }
                }
                findings.push(survey.finding);
                undefined.push(survey.undefined);
            }
            Err(error) => {
                if !said.errors.contains(&error) {
                    said.errors.push(error);
                }
                findings.push(None);
                undefined.push(Vec::new());
            }
        }
    }
    for Foreseen { stage, instance, inputs } in &plan.foreseen {
        let inputs: Vec<(&str, Option<Finding>)> =
            inputs.iter().map(|(port, id)| (&**port, findings[id.index()].clone())).collect();
        if let Err(error) = instance.survey(SurveyInputs(&inputs), None) {
            said_of(stage, &mut found).errors.push(error);
        }
    }
    let is_known = plan.warnings.iter().any(|it| matches!(it, Warning::UndefinedObjective { .. }));
    if !is_known && let Some((node, warning)) = objective(plan, undefined) {
        said_of(&node.stage, &mut found).remarks.push(Remark::Warning(warning.to_string()));
    }
    found.retain(|found| !found.remarks.is_empty() || !found.errors.is_empty());
    Surveyed { found, findings }
}

/// What was found in a stage.
fn said_of<'a>(stage: &Arc<str>, found: &'a mut Vec<Found>) -> &'a mut Found {
    let place = match found.iter().position(|found| found.stage == *stage) {
        Some(place) => place,
        None => {
            let stage = Arc::clone(stage);
            found.push(Found { stage, remarks: Vec::new(), errors: Vec::new() });
            found.len() - 1
        }
    };
    &mut found[place]
}

/// A warning of an objective that the data leave undefined in every trial, and a node of its stage.
///
/// * `undefined`: what they leave undefined, by node
fn objective(plan: &Plan, undefined: Vec<Vec<UndefinedMetrics>>) -> Option<(&Node, Warning)> {
    let objective = plan.sweep.as_ref()?.objective.as_ref()?;
    let (stage, metric) = objective.path();
    let is_of_stage = |node: &&Node| *node.stage == *stage;
    let of_stage = plan.nodes.iter().zip(undefined).filter(|(node, _)| is_of_stage(node));
    let reasons = undefined_everywhere(metric, of_stage.map(|(_, undefined)| undefined))?;
    let (metric, because) = (objective.metric.clone(), reasons[0].because.clone());
    let node = plan.nodes.iter().find(is_of_stage)?;
    Some((node, Warning::UndefinedObjective { metric, because }))
}
