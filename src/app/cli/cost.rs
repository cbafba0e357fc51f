//! What the stages to run will take of this machine: memory, and time as far as something was measured on it. Nothing of it is part of a plan, which
//! is the same on any machine.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::app::tools::Workload;
use crate::base::disk::regular;
use crate::engine::plan::{Forecast, NodeForecast, NodeId, Plan, Reason};
use crate::engine::stage::{
    Circumstances, Cost, Facts, InputFacts, MeasuredBy, Memory, Part, Stage, Time,
};
use crate::engine::store::Store;
use crate::stages;
use crate::stages::artifacts::known;
use crate::stages::train::{DATA, MODEL};
use crate::view::format;

/// Asks the stages of a plan what they will take, in view of what is known of their inputs.
pub struct Costs<'a> {
    plan: &'a Plan,
    store: &'a Store,
    /// What the kinds remember of the speed of this machine.
    speeds: Arc<dyn Any + Send + Sync>,
    threads: usize,
    facts: HashMap<NodeId, Facts>,
}

impl<'a> Costs<'a> {
    /// * `threads`: what the run would use
    pub fn new(plan: &'a Plan, store: &'a Store, threads: usize) -> Self {
        let speeds = stages::speeds(&store.cache());
        Self { plan, store, speeds, threads, facts: HashMap::new() }
    }

    /// What is known of the inputs of a node: what the plan foresees, and more of those that are there.
    pub fn inputs(&mut self, id: NodeId) -> Vec<(&'a str, &Facts)> {
        let (plan, store) = (self.plan, self.store);
        let inputs = &plan.node(id).inputs;
        for (_, input) in inputs {
            self.facts.entry(*input).or_insert_with(|| {
                let node = plan.node(*input);
                let mut facts = (*node.facts).clone();
                if let Some(folder) = entry_folder(plan, *input, store) {
                    facts.extend((node.kind.output.facts)(&folder));
                }
                facts
            });
        }
        inputs.iter().map(|(port, input)| (&**port, &self.facts[input])).collect()
    }

    /// `None` for a stage that takes too little to tell.
    ///
    /// * `saved`: folders in which a state to go on from may lie
    pub fn of(&mut self, id: NodeId, saved: impl FnOnce() -> Vec<PathBuf>) -> Option<Cost> {
        let plan = self.plan;
        let stage = &plan.node(id).instance;
        let nothing = Circumstances { threads: 1, speeds: &(), saved: &[] };
        // Most kinds have nothing to tell, whatever is known: that is no reason to look into the store.
        stage.cost(InputFacts(&[]), nothing)?;
        let saved: Vec<PathBuf> = saved().into_iter().filter(|folder| folder.is_dir()).collect();
        let (speeds, threads) = (Arc::clone(&self.speeds), self.threads);
        let here = Circumstances { threads, speeds: &*speeds, saved: &saved };
        stage.cost(InputFacts(&self.inputs(id)), here)
    }
}

/// Where the artifact of a node lies, if it is there.
pub fn entry_folder(plan: &Plan, id: NodeId, store: &Store) -> Option<PathBuf> {
    let entry = store.get(&plan.node(id).identity.key()?).ok()??;
    Some(entry.folder().to_owned())
}

/// What the stages to run will take, of those whose kinds tell.
pub struct PlanCost {
    costs: BTreeMap<NodeId, Cost>,
    /// In bytes; `None` where the system does not say.
    pub available: Option<u64>,
}

impl PlanCost {
    /// * `threads`: what the run would use
    pub fn of(plan: &Plan, forecast: &Forecast, store: &Store, threads: usize) -> Self {
        let mut costs = Costs::new(plan, store, threads);
        let has_states = !store.saved_states().is_empty();
        let cost = |id: NodeId| {
            let saved = || {
                // To name the state that a node shares with others takes long.
                if !has_states {
                    return Vec::new();
                }
                let reruns = matches!(forecast.node(id), NodeForecast::Miss(Reason::Rerun));
                let shared = plan.warm_start(id).filter(|_| !reruns);
                let keys = plan.node(id).identity.key().into_iter().chain(shared);
                keys.map(|key| store.saved_state(&key)).collect()
            };
            Some((id, costs.of(id, saved)?))
        };
        Self { costs: forecast.to_do().filter_map(cost).collect(), available: available() }
    }

    pub fn memory(&self, id: NodeId) -> Option<&Memory> {
        self.costs.get(&id)?.memory.as_ref()
    }

    pub fn time(&self, id: NodeId) -> Option<Time> {
        self.costs.get(&id)?.time
    }

    /// The stage that needs most memory.
    fn largest(&self) -> Option<(NodeId, &Memory)> {
        let needs = self.costs.iter().filter_map(|(id, cost)| Some((*id, cost.memory.as_ref()?)));
        needs.max_by_key(|(_, memory)| memory.bytes())
    }

    /// A line about the stage that needs most memory, and lines about the time of each stage; empty where nothing is known.
    pub fn text(&self, plan: &Plan) -> String {
        let mut text = String::new();
        if let Some((id, memory)) = self.largest() {
            let part = |part: &Part| format!("{} for {}", format::bytes(part.bytes), part.purpose);
            let parts: Vec<String> = memory.0.iter().map(part).collect();
            let (all, parts) = (format::bytes(memory.bytes()), parts.join(", "));
            let title = plan.node(id).title();
            writeln!(text, "memory: up to about {all} for {title} on the CPU ({parts})")
                .expect("a string");
        }
        text + &self.times(plan)
    }

    /// What to say of a stage for which there is not enough memory.
    pub fn warning(&self, plan: &Plan) -> Option<String> {
        let (id, memory) = self.largest()?;
        let text = too_much(memory, self.available?)?;
        Some(format!("warning: `{}` {text}\n", plan.node(id).title()))
    }

    /// A line for each stage that takes long, or one for all where they are many.
    fn times(&self, plan: &Plan) -> String {
        const STAGES: usize = 10;
        let mut text = String::new();
        let telling = |ids: Vec<NodeId>| -> Vec<NodeId> {
            ids.into_iter().filter(|id| self.costs.contains_key(id)).collect()
        };
        let stages = plan.by_stage().into_iter().map(|(stage, ids)| (stage, telling(ids)));
        let stages: Vec<_> = stages.filter(|(_, ids)| !ids.is_empty()).collect();
        let groups: Vec<(String, Vec<NodeId>)> = if stages.len() > STAGES {
            let all: Vec<NodeId> = stages.into_iter().flat_map(|(_, ids)| ids).collect();
            vec![(format!("{} stages", all.len()), all)]
        } else {
            let title = |stage: &str, ids: &[NodeId]| match ids {
                [only] => plan.node(*only).title(),
                several => format!("{stage} ×{}", several.len()),
            };
            stages.into_iter().map(|(stage, ids)| (title(stage, &ids), ids)).collect()
        };
        for (title, ids) in groups {
            let times: Option<Vec<Time>> = ids.iter().map(|id| self.costs[id].time).collect();
            match times {
                Some(times) => {
                    let resumed = ids.iter().any(|id| self.costs[id].steps_made > 0);
                    writeln!(text, "time: {}", line(&title, &times, resumed))
                }
                None => {
                    writeln!(text, "time: not known for {title} on this machine: `pipeline bench {}` measures a step", plan.file.display())
                }
            }
            .expect("a string");
        }
        text
    }
}

/// * `times`: of the nodes of a stage, at least one
/// * `resumed`: some steps are made
fn line(title: &str, times: &[Time], resumed: bool) -> String {
    let Time { step_s, measured_by, threads, .. } = times[0];
    let by = match measured_by {
        MeasuredBy::Bench => "`pipeline bench`".to_owned(),
        MeasuredBy::Work(work) => format!("a {work} here"),
    };
    let scaled = if times.iter().any(|time| time.scaled) {
        ", scaled from another model or batch"
    } else {
        ""
    };
    let basis = format!(
        "measured by {by} with {threads} {}{scaled}",
        if threads == 1 { "thread" } else { "threads" }
    );
    let totals: Option<(Vec<u64>, Vec<f64>)> =
        times.iter().map(|time| Some((time.steps?, time.total_s?))).collect();
    let seconds = |seconds: f64| {
        format::duration(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    };
    match totals {
        Some((steps, totals)) => {
            let (steps, total) =
                (format::grouped(steps.iter().sum()), seconds(totals.iter().sum()));
            let left = if resumed { " that are left" } else { "" };
            format!(
                "about {total} for {title} on the CPU ({steps} steps{left} of about {}, {basis})",
                seconds(step_s)
            )
        }
        None => format!(
            "about {} for a step of {title} on the CPU ({basis}); how many there are is known once it has its texts",
            seconds(step_s)
        ),
    }
}

/// What to say when a node begins for which there is not enough memory.
pub fn warning(plan: &Plan, id: NodeId, store: &Store) -> Option<String> {
    too_much(&Costs::new(plan, store, 1).of(id, Vec::new)?.memory?, available()?)
}

/// What to say of a measurement for which there is not enough.
pub fn warning_of_bench(workload: &Workload) -> Option<String> {
    let text = too_much(&memory_of(workload)?, available()?)?;
    Some(format!("warning: the measurement {text}\n"))
}

/// What the kind says of a training like it.
fn memory_of(workload: &Workload) -> Option<Memory> {
    let model = known::of_encoder(&workload.encoder);
    let data = known::of_max_length(workload.longest()?);
    let here = Circumstances { threads: 1, speeds: &(), saved: &[] };
    Stage::cost(&workload.recipe, InputFacts(&[(MODEL, &model), (DATA, &data)]), here)?.memory
}

fn too_much(memory: &Memory, available: u64) -> Option<String> {
    let remedy = memory.remedy(available)?;
    let (needed, available) = (format::bytes(memory.bytes()), format::bytes(available));
    Some(format!(
        "needs up to about {needed} of memory on the CPU, and {available} are available; {remedy}"
    ))
}

/// Main memory that a process can have without swapping, within the limit of its control group.
pub(super) fn available() -> Option<u64> {
    let text = regular::read_to_string(Path::new("/proc/meminfo")).ok()?;
    let free = meminfo(&text)?;
    let limit = regular::read_to_string(Path::new("/sys/fs/cgroup/memory.max"))
        .ok()
        .and_then(|text| text.trim().parse().ok());
    Some(limit.map_or(free, |limit: u64| limit.min(free)))
}

/// `MemAvailable` in bytes.
fn meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stages::train::Recipe;

    #[test]
    fn a_measurement_that_no_machine_has_the_memory_for_is_warned_of() {
        let recipe = Recipe { batch_size: 1, activation_checkpointing: true, ..Recipe::default() };
        let base = Workload::of_published("base").unwrap();
        let workload = |length| Workload { length, recipe: recipe.clone(), ..base.clone() };
        let warning = warning_of_bench(&workload(Some(1 << 50)));
        assert_eq!(
            warning.is_some_and(|text| text.contains("lower `batch_size`")),
            cfg!(target_os = "linux")
        );
        let needed = memory_of(&workload(None)).expect("its texts are made up").bytes();
        assert_eq!(
            warning_of_bench(&workload(None)).is_some(),
            available().is_some_and(|there| needed > there)
        );
    }

    #[test]
    fn available_memory_is_read_in_bytes() {
        assert_eq!(
            meminfo("MemTotal:       24630924 kB\nMemFree: 1 kB\nMemAvailable:   20000000 kB\n"),
            Some(20_480_000_000)
        );
        assert_eq!(meminfo("MemTotal: 3 kB\n"), None);
    }
}
