//! What the trainings of a plan will take of the main memory, and whether there is as much.

use std::collections::{BTreeMap, HashMap};

use super::training::Training;
use crate::app::tools::{MemoryNeed, SYNTHETIC_LENGTH, Workload, memory_need};
use crate::base::disk::regular;
use crate::engine::plan::{NodeId, Plan};
use crate::engine::store::Store;
use crate::view::format;

/// The memory that the trainings to run need on the CPU, where the sizes of their models are known.
pub struct Outlook {
    pub needs: BTreeMap<NodeId, MemoryNeed>,
    /// In bytes; `None` where the system does not say.
    pub available: Option<u64>,
}

impl Outlook {
    /// * `trainings`: those to run
    pub fn of(trainings: &[(NodeId, Training)], plan: &Plan, store: &Store) -> Self {
        // A sweep asks for the same many times.
        let mut known: HashMap<Training, Option<MemoryNeed>> = HashMap::new();
        let mut needs = BTreeMap::new();
        for (id, training) in trainings {
            needs.extend(
                known
                    .entry(*training)
                    .or_insert_with(|| need(training, plan, store))
                    .map(|need| (*id, need)),
            );
        }
        Self { needs, available: available() }
    }

    /// The training that needs most.
    fn largest(&self) -> Option<(NodeId, MemoryNeed)> {
        self.needs.iter().map(|(id, need)| (*id, *need)).max_by_key(|(_, need)| need.bytes())
    }

    /// A line about the training that needs most; empty where nothing is known.
    pub fn text(&self, plan: &Plan) -> String {
        let Some((id, need)) = self.largest() else { return String::new() };
        let (all, parameters, activations) = (
            format::bytes(need.bytes()),
            format::bytes(need.parameters),
            format::bytes(need.activations),
        );
        format!(
            "memory: up to about {all} for {} on the CPU ({parameters} for parameters, {activations} for a batch)\n",
            plan.node(id).title()
        )
    }

    /// What to say of a training for which there is not enough.
    pub fn warning(&self, plan: &Plan) -> Option<String> {
        let (id, need) = self.largest()?;
        let checkpointing = Training::of(plan, id)?.activation_checkpointing;
        Some(format!(
            "warning: `{}` {}\n",
            plan.node(id).title(),
            too_much(need, self.available?, checkpointing)?
        ))
    }
}

/// What to say when a node begins for which there is not enough memory.
pub fn warning(plan: &Plan, id: NodeId, store: &Store) -> Option<String> {
    let training = Training::of(plan, id)?;
    too_much(need(&training, plan, store)?, available()?, training.activation_checkpointing)
}

/// What to say of a measurement for which there is not enough. Nothing is known beforehand of the lengths of real texts.
pub fn warning_of_bench(workload: &Workload) -> Option<String> {
    let Workload { shape, data: None, length, batch_size, activation_checkpointing, .. } = workload
    else {
        return None;
    };
    let need = memory_need(
        shape,
        *batch_size,
        length.unwrap_or(SYNTHETIC_LENGTH),
        *activation_checkpointing,
    )
    .ok()?;
    Some(format!(
        "warning: the measurement {}\n",
        too_much(need, available()?, *activation_checkpointing)?
    ))
}

/// * `checkpointing`: whether the training already does without most of its activations
fn too_much(need: MemoryNeed, available: u64, checkpointing: bool) -> Option<String> {
    if need.bytes() <= available {
        return None;
    }
    let remedy = if need.parameters > available {
        "its parameters alone do not fit: take a smaller model"
    } else if checkpointing {
        "lower `batch_size` and raise `gradient_accumulation` by as much, or lower `max_length`"
    } else {
        "set `activation_checkpointing = true`, lower `batch_size` and raise `gradient_accumulation` by as much, or lower `max_length`"
    };
    let (needed, available) = (format::bytes(need.bytes()), format::bytes(available));
    Some(format!(
        "needs up to about {needed} of memory on the CPU, and {available} are available; {remedy}"
    ))
}

/// `None` where the sizes of its model are not known yet.
fn need(training: &Training, plan: &Plan, store: &Store) -> Option<MemoryNeed> {
    let shape = training.shape(plan, store).ok()?;
    memory_need(
        &shape,
        training.batch_size,
        training.max_length(plan)?,
        training.activation_checkpointing,
    )
    .ok()
}

/// Main memory that a process can have without swapping, within the limit of its control group.
fn available() -> Option<u64> {
    let text = regular::read_to_string(std::path::Path::new("/proc/meminfo")).ok()?;
    let free = meminfo(&text)?;
    let limit = regular::read_to_string(std::path::Path::new("/sys/fs/cgroup/memory.max"))
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
    use crate::app::tools::Shape;

    fn base() -> Shape {
        Shape::published("base").unwrap()
    }

    #[test]
    fn a_measurement_that_no_machine_has_the_memory_for_is_warned_of() {
        let workload = |length| Workload {
            shape: base(),
            data: None,
            length,
            batch_size: 1,
            gradient_accumulation: 1,
            activation_checkpointing: true,
            total_steps: None,
            steps: 1,
        };
        let warning = warning_of_bench(&workload(Some(1 << 50)));
        assert_eq!(
            warning.is_some_and(|text| text.contains("lower `batch_size`")),
            cfg!(target_os = "linux")
        );
        let needed = |length| memory_need(&base(), 1, length, true).unwrap().bytes();
        assert_eq!(
            warning_of_bench(&workload(None)).is_some(),
            available().is_some_and(|there| needed(SYNTHETIC_LENGTH) > there)
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
