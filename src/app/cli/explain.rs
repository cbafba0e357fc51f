//! `pipeline explain`: the parts of a stage's key against the nearest known result.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::args::Explain;
use super::project::Project;
use super::{Failure, terminal};
use crate::engine::plan::{Comparison, Forecast, NodeId, Plan, value_text};
use crate::engine::runs::Known;

/// More nodes than this are not explained one by one.
const WHOLE: usize = 4;

pub fn run(arguments: &Explain) -> Result<(), Failure> {
    let (project, plan) = Project::plan(
        &arguments.file,
        &arguments.place,
        &arguments.changes,
        std::slice::from_ref(&arguments.stage),
    )?;
    let known = Known::of(&project.store);
    let forecast = Forecast::of(&plan, &known, &[]);
    let nodes: Vec<NodeId> =
        plan.ids().filter(|id| plan.node(*id).is_named(&arguments.stage)).collect();
    if arguments.json {
        return terminal::json(&Value::Array(
            nodes.iter().map(|id| to_json(&plan, *id, &forecast, &known)).collect(),
        ));
    }
    terminal::print(&explained(&plan, &nodes, &forecast, &known))
}

/// Every node, where they are few; else an example for each reason, with how many there are.
fn explained(plan: &Plan, nodes: &[NodeId], forecast: &Forecast, known: &Known<'_>) -> String {
    if nodes.len() <= WHOLE {
        let texts: Vec<_> = nodes.iter().map(|id| to_text(plan, *id, forecast, known)).collect();
        return texts.join("\n");
    }
    let mut reasons: BTreeMap<String, Vec<NodeId>> = BTreeMap::new();
    for id in nodes {
        reasons.entry(forecast.node(*id).to_string()).or_default().push(*id);
    }
    // The same reason for most first; reasons of their own, such as a swept value, come one after the other in the plan's order.
    let mut groups: Vec<(String, Vec<NodeId>)> = reasons.into_iter().collect();
    groups.sort_by_key(|(_, ids)| (std::cmp::Reverse(ids.len()), ids[0]));
    let mut text = String::new();
    for (reason, ids) in groups.iter().take(WHOLE) {
        if ids.len() > 1 {
            writeln!(text, "{} of {} nodes: {reason}; one of them:", ids.len(), nodes.len())
                .expect("a string");
        }
        text += &to_text(plan, ids[0], forecast, known);
        text.push('\n');
    }
    let told: usize = groups.iter().take(WHOLE).map(|(_, ids)| ids.len()).sum();
    if told < nodes.len() {
        writeln!(
            text,
            "{} more of {} nodes, each for its own reason",
            nodes.len() - told,
            nodes.len()
        )
        .expect("a string");
    }
    text + "`--json` has every node\n"
}

fn to_text(plan: &Plan, id: NodeId, forecast: &Forecast, known: &Known<'_>) -> String {
    let node = plan.node(id);
    let kind = if *node.stage == *node.kind.name {
        String::new()
    } else {
        format!(" ({})", node.kind.name)
    };
    let mut text = format!("{}{kind}: {}\n", node.title(), forecast.node(id));
    let Some(fingerprint) = plan.fingerprint(id) else { return text };
    let mut row =
        |part: &str, value: &str| writeln!(text, "  {part:<34} {value}").expect("a string");
    row("key", &fingerprint.key().to_string());
    row("output format", &fingerprint.format.to_string());
    for (part, version) in &fingerprint.code {
        row(&format!("code: {part}"), &format!("version {version}"));
    }
    for (name, value) in &fingerprint.parameters {
        // Of paths nothing is left in a key but what the files hold, which stands below.
        let is_files = value.as_array().is_some_and(Vec::is_empty)
            && fingerprint.sources.keys().any(|it| it.split(['.', '/']).next() == Some(name));
        if !is_files {
            row(name, &value_text(value));
        }
    }
    for (name, digest) in &fingerprint.sources {
        row(&format!("content of {name}"), &digest[..digest.len().min(16)]);
    }
    if let Some(commit) = &fingerprint.commit {
        row("commit", commit);
    }
    for (port, input) in &node.inputs {
        let from = plan.node(*input);
        let key = from.identity.key().map_or_else(String::new, |key| key.short());
        row(&format!("input {port}"), &format!("{key} ({})", from.title()));
    }
    if let Some(nearest) =
        Comparison::nearest(plan, id, known).filter(|nearest| !nearest.changes.is_empty())
    {
        writeln!(text, "\n  against the nearest known result, {}:", nearest.key.short())
            .expect("a string");
        for change in &nearest.changes {
            writeln!(text, "    {change}").expect("a string");
        }
    }
    text
}

fn to_json(plan: &Plan, id: NodeId, forecast: &Forecast, known: &Known<'_>) -> Value {
    let node = plan.node(id);
    json!({
        "stage": &*node.stage,
        "kind": node.kind.name,
        "variant": (!node.label.is_empty()).then(|| &*node.label),
        "expectation": forecast.node(id).to_string(),
        "fingerprint": plan.fingerprint(id),
        "key": node.identity.key(),
        "nearest": Comparison::nearest(plan, id, known),
    })
}
