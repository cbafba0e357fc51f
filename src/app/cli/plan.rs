//! `pipeline plan`: what would run, and why.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::args::Plan as Arguments;
use super::cost::{Costs, PlanCost};
use super::failure::{Failure, Outcome};
use super::profile::profile;
use super::project::Project;
use super::root::Root;
use super::terminal;
use crate::engine::exec::{Options, WorkOrder};
use crate::engine::plan::{Continuation, Forecast, Identity, NodeForecast, NodeId, Plan, Reason};
use crate::engine::runs::Known;
use crate::engine::store::Store;
use crate::view::format;

/// Plans with more nodes are summarised by stage, and those with more stages by kind.
pub const LISTED: usize = 60;

pub fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let threads = profile(&Root::of(&arguments.file, &arguments.place)?, None)?
        .threads
        .map_or(Options::default().threads, |threads| threads as usize);
    let (project, plan) =
        Project::plan(&arguments.file, &arguments.place, &arguments.changes, &arguments.stages)?;
    let mut forecast = forecast(&plan, &project.store, &[]);
    end_failed(&project, &plan, &mut forecast);
    if arguments.orders {
        orders(&plan, &forecast, &project.store)?;
    } else {
        print(&project, &plan, &forecast, threads, arguments.json)?;
    }
    Ok(if arguments.check && forecast.pending() > 0 { Outcome::Pending } else { Outcome::Done })
}

/// Prints the orders for all that would run on standard output: all of them or none, since whoever reads them works them off.
fn orders(plan: &Plan, forecast: &Forecast, store: &Store) -> Result<(), Failure> {
    let mut lines = String::new();
    for id in forecast.to_do() {
        let order = WorkOrder::of(plan, id, store).map_err(|error| Failure::usage_of(&error))?;
        let line = order.to_line().map_err(|error| {
            Failure::failed(format!("`{}` cannot be ordered: {error}", plan.node(id).title()))
                .with_help("run from a folder that exists, and give files names in UTF-8")
        })?;
        lines.push_str(&line);
        lines.push('\n');
    }
    terminal::print_while_read(&lines)?;
    plan.warnings.iter().for_each(|warning| terminal::complain(&format!("warning: {warning}\n")));
    Ok(())
}

/// What is expected of every node. Only what can be read and does not go too far counts as a state to go on from.
pub fn forecast(plan: &Plan, store: &Store, rerun: &[String]) -> Forecast {
    let mut forecast = Forecast::of(plan, &Known::of(store), rerun);
    let mut costs = Costs::new(plan, store, 1);
    for (id, continuation) in &mut forecast.continuations {
        if *continuation == Continuation::Continues {
            let shared =
                || plan.warm_start(*id).map(|key| store.saved_state(&key)).into_iter().collect();
            if costs.of(*id, shared).is_some_and(|cost| cost.steps_made == 0) {
                *continuation = Continuation::StateGone;
            }
        }
    }
    forecast
}

/// Takes for ended what a search has tried in vain.
pub fn end_failed(project: &Project, plan: &Plan, forecast: &mut Forecast) {
    if project.search.as_ref().is_some_and(|search| search.searches) {
        forecast.end_failed(plan, |key| project.store.failure(key).is_some());
    }
}

/// Prints the forecast on standard output.
///
/// * `threads`: what the run would use
pub fn print(
    project: &Project,
    plan: &Plan,
    forecast: &Forecast,
    threads: usize,
    as_json: bool,
) -> Result<(), Failure> {
    let cost = PlanCost::of(plan, forecast, &project.store, threads);
    if as_json {
        let mut said = to_json(plan, forecast, &cost);
        if let Some(search) = &project.search {
            said["search"] = search.json();
        }
        return terminal::json(&said);
    }
    let search = project.search.as_ref().map(|search| search.text(plan, &project.store));
    let search = search.unwrap_or_default();
    terminal::print(&(to_text(plan, forecast) + &search + &cost.text(plan)))?;
    terminal::complain(&cost.warning(plan).unwrap_or_default());
    plan.warnings.iter().for_each(|warning| terminal::complain(&format!("warning: {warning}\n")));
    Ok(())
}

fn action(expectation: &NodeForecast) -> &'static str {
    match expectation {
        NodeForecast::Hit => "cached",
        NodeForecast::MayBeReused { .. } => "maybe",
        NodeForecast::Miss(_) => "run",
        NodeForecast::Failed(_) => "failed",
    }
}

fn reason(forecast: &Forecast, id: NodeId) -> String {
    match (forecast.node(id), forecast.continuations.get(&id)) {
        (NodeForecast::Hit, _) => String::new(),
        (other, None) => other.to_string(),
        (other, Some(continuation)) => format!("{other}; {continuation}"),
    }
}

fn to_text(plan: &Plan, forecast: &Forecast) -> String {
    let mut text = String::new();
    let trials = if plan.sweep.is_some() {
        format!(" of {}", format::counted(plan.trials.len(), "trial"))
    } else {
        String::new()
    };
    let lines: Vec<(String, &str, String)> = if plan.nodes.len() <= LISTED {
        plan.ids()
            .map(|id| (plan.node(id).title(), action(forecast.node(id)), reason(forecast, id)))
            .collect()
    } else if plan.stages().len() <= LISTED {
        folded(plan.by_stage().into_iter().map(|(stage, ids)| (&**stage, ids)), plan, forecast)
    } else {
        folded(by_kind(plan), plan, forecast)
    };
    let width = lines.iter().map(|(title, ..)| title.chars().count()).max().unwrap_or(0);
    for (title, action, reason) in lines {
        writeln!(text, "{}", format!("{title:width$}  {action:<6}  {reason}").trim_end())
            .expect("a string");
    }
    let count = |wanted: &str| plan.ids().filter(|id| action(forecast.node(*id)) == wanted).count();
    let (run, maybe, failed, cached) =
        (count("run"), count("maybe"), count("failed"), count("cached"));
    let maybe = if maybe > 0 { format!(", {maybe} may be reused") } else { String::new() };
    let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
    let nodes =
        format::counted(plan.nodes.len(), if plan.sweep.is_some() { "node" } else { "stage" });
    writeln!(
        text,
        "\n{}: {nodes}{trials}: {run} to run{maybe}{failed}, {cached} cached",
        plan.name
    )
    .expect("a string");
    text
}

/// What a person reads of groups of nodes: a line for each group and action, with the reason that most of its nodes have.
fn folded<'a>(
    groups: impl IntoIterator<Item = (&'a str, Vec<NodeId>)>,
    plan: &Plan,
    forecast: &Forecast,
) -> Vec<(String, &'static str, String)> {
    let mut lines = Vec::new();
    for (name, ids) in groups {
        let mut actions: BTreeMap<&'static str, BTreeMap<String, Vec<NodeId>>> = BTreeMap::new();
        for id in ids {
            let reasons = actions.entry(action(forecast.node(id))).or_default();
            reasons.entry(reason(forecast, id)).or_default().push(id);
        }
        for (action, reasons) in actions {
            let total: usize = reasons.values().map(Vec::len).sum();
            let (most, ids) =
                reasons.iter().max_by_key(|(_, ids)| ids.len()).expect("a group has a member");
            let reason = match total - ids.len() {
                0 => most.clone(),
                _ if ids.len() == 1 => format!("each for its own reason, one of them: {most}"),
                others => format!("{most} ({others} for other reasons)"),
            };
            let title = match ids[..] {
                [only] if total == 1 => plan.node(only).stage.to_string(),
                _ => format!("{name} ×{total}"),
            };
            lines.push((title, action, reason));
        }
    }
    lines
}

/// The nodes of each kind, by its name.
fn by_kind(plan: &Plan) -> BTreeMap<&'static str, Vec<NodeId>> {
    let mut kinds: BTreeMap<&'static str, Vec<NodeId>> = BTreeMap::new();
    for id in plan.ids() {
        kinds.entry(plan.node(id).kind.name).or_default().push(id);
    }
    kinds
}

fn to_json(plan: &Plan, forecast: &Forecast, cost: &PlanCost) -> Value {
    let node = |id: NodeId| {
        let (node, expectation) = (plan.node(id), forecast.node(id));
        let mut value = json!({
            "stage": &*node.stage,
            "kind": node.kind.name,
            "key": match node.identity { Identity::Key(key) => Some(key.to_string()), Identity::Unresolved(_) => None },
            "action": action(expectation),
            "reason": (*expectation != NodeForecast::Hit).then(|| reason(forecast, id)),
        });
        if !node.label.is_empty() {
            value["variant"] = json!(&*node.label);
        }
        if let NodeForecast::Miss(Reason::Changes(changes)) = expectation {
            value["changes"] = json!(changes);
        }
        if let Some(memory) = cost.memory(id) {
            value["memory_bytes"] = json!(memory.bytes());
        }
        if let Some(time) = cost.time(id) {
            value["time"] = json!(time);
        }
        value
    };
    json!({
        "experiment": plan.name,
        "file": plan.file.to_string_lossy(),
        "trials": plan.trials.len(),
        "pending": forecast.pending(),
        "warnings": plan.warnings,
        "memory_available_bytes": cost.available,
        "nodes": plan.ids().map(node).collect::<Vec<_>>(),
    })
}
