//! What a plan lacks, divided into the work of jobs.

use std::collections::{HashMap, HashSet};

use super::super::cluster::{Cluster, Request};
use super::super::error::ExecError;
use super::super::options::Options;
use super::super::order::{Existing, WorkOrder, key_of};
use crate::engine::plan::{CacheKey, NodeId, Plan};
use crate::engine::stage::Threads;
use crate::engine::store::{State, Store};

/// Work that one job does, in the order of the plan.
pub(super) struct Batch {
    pub(super) orders: Vec<WorkOrder>,
    pub(super) request: Request,
}

impl Batch {
    pub(super) fn new(orders: Vec<WorkOrder>, cluster: &Cluster) -> Self {
        let request = cluster.request(
            orders.iter().map(|order| (order.kind.name, &*order.name.stage, order.resources)),
        );
        Self { orders, request }
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = CacheKey> {
        self.orders.iter().map(|order| order.key)
    }

    /// What has to be there before, and is not made by the batch itself.
    pub(super) fn needs(&self) -> HashSet<CacheKey> {
        let own: HashSet<CacheKey> = self.keys().collect();
        let needs = self.orders.iter().flat_map(WorkOrder::needs);
        needs.copied().filter(|key| !own.contains(key)).collect()
    }
}

/// What goes to the cluster, and what is made where `run` was called.
pub(in crate::engine::exec) struct Division {
    pub(super) batches: Vec<Batch>,
    /// What is fetched from the hub, since nodes of a cluster often reach no network, and what is too little to be a job.
    pub(super) here: HashSet<CacheKey>,
}

/// Whose work a node is.
#[derive(Clone, Copy, PartialEq)]
enum Owner {
    Trial(u32),
    Several,
}

/// Divides what is not in the store: what several trials share, and the rest of each trial.
///
/// # Errors
/// When a node has no key yet, or the store cannot be read.
pub(in crate::engine::exec) fn divide(
    plan: &Plan,
    store: &Store,
    options: &Options,
    cluster: &Cluster,
) -> Result<Division, ExecError> {
    let owners = owners(plan);
    let mut here = HashSet::new();
    let (mut shared, mut of_trials) = (Vec::new(), HashMap::<u32, Vec<WorkOrder>>::new());
    for id in lacking(plan, store, options)? {
        let mut order = WorkOrder::of(plan, id, store)?;
        if plan.node(id).instance.hub_commit().is_some() {
            here.insert(order.key);
            continue;
        }
        if is_rerun(plan, id, options) {
            order.existing = Existing::Outdated;
        }
        match owners[id.index()] {
            Some(Owner::Trial(trial)) => of_trials.entry(trial).or_default().push(order),
            Some(Owner::Several) | None => shared.push(order),
        }
    }
    let mut batches = Vec::with_capacity(of_trials.len() + 1);
    let mut add = |orders: Vec<WorkOrder>, is_small: bool| {
        let takes_all = |order: &WorkOrder| order.instance.resources().threads == Threads::All;
        if is_small && !orders.iter().any(takes_all) {
            here.extend(orders.iter().map(|order| order.key));
        } else if !orders.is_empty() {
            batches.push(Batch::new(orders, cluster));
        }
    };
    let is_one = shared.len() == 1;
    add(shared, is_one);
    let mut of_trials: Vec<(u32, Vec<WorkOrder>)> = of_trials.into_iter().collect();
    of_trials.sort_unstable_by_key(|(trial, _)| *trial);
    of_trials.into_iter().for_each(|(_, orders)| add(orders, true));
    Ok(Division { batches, here })
}

fn owners(plan: &Plan) -> Vec<Option<Owner>> {
    let mut owners: Vec<Option<Owner>> = vec![None; plan.nodes.len()];
    for trial in &plan.trials {
        for stage in plan.stages() {
            let Some(id) = plan.node_of(trial.index, stage) else { continue };
            let owner = &mut owners[id.index()];
            let this = Owner::Trial(trial.index);
            *owner =
                Some(if owner.is_none_or(|owner| owner == this) { this } else { Owner::Several });
        }
    }
    owners
}

fn is_rerun(plan: &Plan, id: NodeId, options: &Options) -> bool {
    options.rerun.iter().any(|selector| plan.node(id).is_named(selector))
}

/// The nodes that have no entry, or are to be made again; without what has failed before, and what depends on that.
fn lacking(plan: &Plan, store: &Store, options: &Options) -> Result<Vec<NodeId>, ExecError> {
    let (mut lacking, mut hopeless) = (Vec::new(), HashSet::new());
    for id in plan.ids() {
        let (node, key) = (plan.node(id), key_of(plan, id)?);
        let mut needs = node.inputs.iter().map(|(_, input)| input).chain(&node.after);
        if needs.any(|id| hopeless.contains(id)) || options.failed.contains_key(&key) {
            hopeless.insert(id);
        } else if is_rerun(plan, id, options) || !matches!(store.state(&key)?, State::Present(_)) {
            lacking.push(id);
        }
    }
    Ok(lacking)
}
