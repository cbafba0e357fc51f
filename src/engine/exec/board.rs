//! Where each node stands, and whose turn it is.
//!
//! Knows no store and tells nobody: [`Board::set_phase`] is the one way for a node to move, so that the sets below always agree with the phases.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::agenda::Task;
use super::order::Existing;
use super::outcome::Outcome;
use super::wants::{Wants, may_take_all};
use crate::engine::store::Entry;

#[derive(Debug)]
pub(super) enum Phase {
    /// For what it depends on.
    Waiting,
    /// Everything that it depends on is there, but nobody has looked at it.
    Ready,
    /// It must be built.
    Queued,
    /// Someone else is building it.
    Busy,
    Running {
        threads: usize,
    },
    Done(Outcome),
}

impl Phase {
    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }
}

pub(super) struct Slot {
    phase: Phase,
    pub(super) entry: Option<Entry>,
    pub(super) existing: Existing,
    /// What it held before it was found damaged.
    pub(super) before: Option<String>,
    pub(super) told_waiting: bool,
    /// Once it is queued.
    pub(super) wants: Wants,
    /// What went wrong in attempts that were not the last.
    pub(super) earlier_errors: Vec<String>,
}

impl Slot {
    pub(super) fn phase(&self) -> &Phase {
        &self.phase
    }

    /// How it ended, with what it leaves; `None` where it has not.
    pub(super) fn into_end(self) -> Option<(Outcome, Option<Entry>, Vec<String>)> {
        match self.phase {
            Phase::Done(outcome) => Some((outcome, self.entry, self.earlier_errors)),
            _ => None,
        }
    }
}

/// What there is for all nodes that run together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Nodes at the same time.
    pub(super) jobs: usize,
    pub(super) threads: usize,
    /// In bytes; `None` where nobody knows.
    pub(super) memory: Option<u64>,
}

/// Which of the queued nodes comes first: what shares the threads before what takes all of them for long, what is further down before what is
/// further up, else in the plan's order. So a sweep's first trial is evaluated before its second is trained, and an interrupted sweep has
/// whole trials to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    exclusive: bool,
    depth: Reverse<usize>,
    pub(super) node: usize,
}

pub(super) struct Board {
    slots: Vec<Slot>,
    ranks: Vec<Rank>,
    /// What each node depends on, and what depends on it, each once.
    needs: Vec<Vec<usize>>,
    needed_by: Vec<Vec<usize>>,
    ready: BTreeSet<usize>,
    queued: BTreeSet<Rank>,
    busy: BTreeSet<usize>,
    /// With the threads of each.
    running: BTreeMap<usize, usize>,
}

impl Board {
    /// Every node waits, but for those that depend on nothing.
    pub(super) fn new(tasks: &[Task]) -> Self {
        let mut needs: Vec<Vec<usize>> = Vec::with_capacity(tasks.len());
        let mut needed_by = vec![Vec::new(); tasks.len()];
        // How many nodes lie on the longest way to each.
        let mut depths: Vec<usize> = Vec::with_capacity(tasks.len());
        for (index, task) in tasks.iter().enumerate() {
            let inputs = task.inputs.iter().filter_map(|(_, source)| source.node());
            let mut before: Vec<usize> = inputs.chain(task.after.iter().copied()).collect();
            before.sort_unstable();
            before.dedup();
            for producer in &before {
                needed_by[*producer].push(index);
            }
            depths.push(before.iter().map(|producer| depths[*producer] + 1).max().unwrap_or(0));
            needs.push(before);
        }
        let rank = |(node, task): (usize, &Task)| Rank {
            exclusive: may_take_all(task),
            depth: Reverse(depths[node]),
            node,
        };
        let slot = |task: &Task| Slot {
            phase: Phase::Waiting,
            entry: None,
            existing: task.existing,
            before: None,
            told_waiting: false,
            wants: Wants::ALL,
            earlier_errors: Vec::new(),
        };
        let mut board = Self {
            slots: tasks.iter().map(slot).collect(),
            ranks: tasks.iter().enumerate().map(rank).collect(),
            needs,
            needed_by,
            ready: BTreeSet::new(),
            queued: BTreeSet::new(),
            busy: BTreeSet::new(),
            running: BTreeMap::new(),
        };
        (0..tasks.len()).for_each(|index| board.wake(index));
        board
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn slot(&self, index: usize) -> &Slot {
        &self.slots[index]
    }

    pub(super) fn slot_mut(&mut self, index: usize) -> &mut Slot {
        &mut self.slots[index]
    }

    pub(super) fn into_slots(self) -> Vec<Slot> {
        self.slots
    }

    pub(super) fn set_phase(&mut self, index: usize, phase: Phase) {
        match self.slots[index].phase {
            Phase::Ready => drop(self.ready.remove(&index)),
            Phase::Queued => drop(self.queued.remove(&self.ranks[index])),
            Phase::Busy => drop(self.busy.remove(&index)),
            Phase::Running { .. } => drop(self.running.remove(&index)),
            Phase::Waiting | Phase::Done(_) => {}
        }
        match phase {
            Phase::Ready => drop(self.ready.insert(index)),
            Phase::Queued => drop(self.queued.insert(self.ranks[index])),
            Phase::Busy => drop(self.busy.insert(index)),
            Phase::Running { threads } => drop(self.running.insert(index, threads)),
            Phase::Waiting | Phase::Done(_) => {}
        }
        self.slots[index].phase = phase;
    }

    /// Makes a waiting node ready if all that it depends on is there.
    pub(super) fn wake(&mut self, index: usize) {
        let has_entry = |producer: &usize| {
            let slot = &self.slots[*producer];
            slot.phase.is_done() && slot.entry.is_some()
        };
        if matches!(self.slots[index].phase, Phase::Waiting)
            && self.needs[index].iter().all(has_entry)
        {
            self.set_phase(index, Phase::Ready);
        }
    }

    /// Wakes what depends on a node.
    pub(super) fn wake_dependants(&mut self, index: usize) {
        for dependant in self.needed_by[index].clone() {
            self.wake(dependant);
        }
    }

    /// Whatever was decided of a node no longer holds: it waits again.
    pub(super) fn reopen(&mut self, index: usize) {
        self.set_phase(index, Phase::Waiting);
        self.slots[index].entry = None;
    }

    pub(super) fn dependants(&self, index: usize) -> &[usize] {
        &self.needed_by[index]
    }

    /// Everything downstream of a node, in the plan's order.
    pub(super) fn descendants(&self, index: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut pending = vec![index];
        while let Some(next) = pending.pop() {
            for dependant in &self.needed_by[next] {
                if found.insert(*dependant) {
                    pending.push(*dependant);
                }
            }
        }
        found
    }

    pub(super) fn first_ready(&self) -> Option<usize> {
        self.ready.first().copied()
    }

    /// Others may have finished what they were building: it is looked at again.
    pub(super) fn look_again_at_busy(&mut self) {
        for index in self.busy.clone() {
            self.set_phase(index, Phase::Ready);
        }
    }

    /// Whether nothing is left to look at, to start or to wait for, but what runs.
    pub(super) fn is_idle(&self) -> bool {
        self.ready.is_empty() && self.queued.is_empty() && self.busy.is_empty()
    }

    pub(super) fn running(&self) -> impl ExactSizeIterator<Item = usize> {
        self.running.keys().copied()
    }

    /// The first of the queue, or the one behind another, which need not be there any more.
    pub(super) fn next_after(&self, rank: Option<Rank>) -> Option<Rank> {
        let start = rank.map_or(Bound::Unbounded, Bound::Excluded);
        self.queued.range((start, Bound::Unbounded)).next().copied()
    }

    /// The threads that a queued node may have now; `None` where it has to wait, and all behind it as well.
    pub(super) fn share(&self, rank: Rank, limits: Limits) -> Option<usize> {
        let Limits { jobs, threads, memory } = limits;
        let free = threads.saturating_sub(self.running.values().sum());
        let places = jobs.saturating_sub(self.running.len());
        if free == 0 || places == 0 {
            return None;
        }
        if rank.exclusive {
            let wants = self.slots[rank.node].wants;
            if wants.threads >= threads || jobs == 1 {
                return (free == threads).then_some(threads);
            }
            let taken = self.running.keys().map(|node| self.slots[*node].wants.memory);
            let together = taken.fold(wants.memory, u64::saturating_add);
            let has_room = self.running.is_empty() || memory.is_none_or(|most| together <= most);
            // Each has what it can use, and more where they are few.
            let places = places.min(free / wants.threads);
            let leaves_some = |other: &&Rank| self.slots[other.node].wants.threads < threads;
            let sharing = self.queued.iter().filter(leaves_some).take(places).count();
            return (has_room && places > 0).then(|| free / sharing.max(1));
        }
        let sharing = self.queued.iter().take_while(|other| !other.exclusive).take(places).count();
        Some((free / sharing.max(1)).max(1))
    }
}
