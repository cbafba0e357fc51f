//! What is to be done: nodes, and what each of them needs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::error::ExecError;
use super::node::NodeName;
use super::options::Options;
use super::order::{Existing, WorkOrder, key_of};
use crate::engine::plan::{CacheKey, Fingerprint, Foreseen, NodeId, Plan};
use crate::engine::stage::{AnyStage, StageKind};
use crate::engine::store::{Entry, Store};

/// One node, as far as it takes to decide what is to be done about it.
pub(super) struct Task {
    pub(super) name: NodeName,
    pub(super) kind: &'static StageKind,
    pub(super) instance: Arc<dyn AnyStage>,
    pub(super) key: CacheKey,
    /// By port.
    pub(super) inputs: Vec<(Arc<str>, Source)>,
    /// What must be done before, without handing on data.
    pub(super) after: Vec<usize>,
    pub(super) existing: Existing,
    /// Its entry is read even where nothing else needs it: the caller is about to publish what it holds.
    pub(super) is_shown: bool,
}

/// Where an input comes from.
pub(super) enum Source {
    Node(usize),
    /// It was there before, and no node makes it.
    Store(Box<Entry>),
}

impl Source {
    pub(super) fn node(&self) -> Option<usize> {
        match self {
            Self::Node(index) => Some(*index),
            Self::Store(_) => None,
        }
    }
}

pub(super) struct Agenda<'a> {
    /// In topological order.
    pub(super) tasks: Vec<Task>,
    origin: Origin<'a>,
}

/// What orders are made from. Most nodes of a large plan are there already, and need none.
enum Origin<'a> {
    Plan(&'a Plan, &'a Store),
    /// In the order of the tasks.
    Orders(Vec<&'a WorkOrder>),
}

impl<'a> Agenda<'a> {
    /// # Errors
    /// When a node has no key yet.
    pub(super) fn of_plan(
        plan: &'a Plan,
        store: &'a Store,
        options: &Options,
    ) -> Result<Self, ExecError> {
        let task = |id: NodeId| {
            let node = plan.node(id);
            let reruns = options.rerun.iter().any(|selector| node.is_named(selector));
            let input =
                |(port, id): &(Arc<str>, NodeId)| (Arc::clone(port), Source::Node(id.index()));
            Ok(Task {
                name: NodeName::of(plan, id),
                kind: node.kind,
                instance: Arc::clone(&node.instance),
                key: key_of(plan, id)?,
                inputs: node.inputs.iter().map(input).collect(),
                after: node.after.iter().map(|id| id.index()).collect(),
                existing: if reruns { Existing::Outdated } else { Existing::Good },
                is_shown: options.verify.contains(&id),
            })
        };
        let tasks = plan.ids().map(task).collect::<Result<_, ExecError>>()?;
        Ok(Self { tasks, origin: Origin::Plan(plan, store) })
    }

    /// # Errors
    /// When an order needs what no order makes and the store does not have, or orders wait for each other.
    pub(super) fn of_orders(orders: &'a [WorkOrder], store: &Store) -> Result<Self, ExecError> {
        let sorted = in_order(orders)?;
        let mut makers: HashMap<CacheKey, usize> = HashMap::with_capacity(sorted.len());
        for (index, order) in sorted.iter().enumerate() {
            makers.entry(order.key).or_insert(index);
        }
        let source = |order: &WorkOrder, key: &CacheKey| match makers.get(key) {
            Some(index) => Ok(Source::Node(*index)),
            None => match store.get(key)? {
                Some(entry) => Ok(Source::Store(Box::new(entry))),
                None => Err(ExecError::InputMissing { stage: order.name.to_string(), key: *key }),
            },
        };
        let task = |(index, order): (usize, &&WorkOrder)| {
            let keys = &order.fingerprint.inputs;
            let wired =
                keys.iter().map(|(port, key)| Ok((port.as_str().into(), source(order, key)?)));
            let after: Vec<Source> =
                order.after.iter().map(|key| source(order, key)).collect::<Result<_, _>>()?;
            Ok(Task {
                name: NodeName { node: index, ..order.name.clone() },
                kind: order.kind,
                instance: Arc::clone(&order.instance),
                key: order.key,
                inputs: wired.collect::<Result<_, ExecError>>()?,
                after: after.iter().filter_map(Source::node).collect(),
                existing: order.existing,
                is_shown: false,
            })
        };
        let tasks = sorted.iter().enumerate().map(task).collect::<Result<_, ExecError>>()?;
        Ok(Self { tasks, origin: Origin::Orders(sorted) })
    }

    /// The order for a node.
    pub(super) fn order(&self, index: usize, existing: Existing) -> WorkOrder {
        let order = match &self.origin {
            Origin::Plan(plan, store) => {
                WorkOrder::of(plan, id(index), store).expect("every node has its key")
            }
            Origin::Orders(orders) => orders[index].clone(),
        };
        WorkOrder { name: self.tasks[index].name.clone(), existing, ..order }
    }

    /// What will run once it is known for which point.
    pub(super) fn foreseen(&self) -> &'a [Foreseen] {
        match &self.origin {
            Origin::Plan(plan, _) => &plan.foreseen,
            Origin::Orders(_) => &[],
        }
    }

    /// What the key of a node is made of.
    pub(super) fn fingerprint(&self, index: usize) -> Fingerprint {
        match &self.origin {
            Origin::Plan(plan, _) => plan.fingerprint(id(index)).expect("every node has its key"),
            Origin::Orders(orders) => orders[index].fingerprint.clone(),
        }
    }
}

fn id(index: usize) -> NodeId {
    NodeId(u32::try_from(index).expect("a plan numbers its nodes in 32 bits"))
}

/// The names of some orders that wait for each other, among those that nothing frees.
fn circle(waiting: &[&WorkOrder], done: &HashSet<CacheKey>) -> Vec<String> {
    let by_key: HashMap<CacheKey, &WorkOrder> =
        waiting.iter().map(|order| (order.key, *order)).collect();
    let mut way: Vec<&WorkOrder> = Vec::new();
    let mut next = waiting.first().copied();
    while let Some(order) = next {
        if let Some(start) = way.iter().position(|earlier| earlier.key == order.key) {
            return way[start..].iter().map(|order| order.name.to_string()).collect();
        }
        way.push(order);
        let unmet = order.needs().filter(|key| !done.contains(key));
        next = unmet.filter_map(|key| by_key.get(key).copied()).next();
    }
    Vec::new()
}

/// The orders, each behind those that make what it needs.
fn in_order(orders: &[WorkOrder]) -> Result<Vec<&WorkOrder>, ExecError> {
    let made: HashSet<CacheKey> = orders.iter().map(|order| order.key).collect();
    let mut done: HashSet<CacheKey> = HashSet::with_capacity(made.len());
    let mut sorted = Vec::with_capacity(orders.len());
    let mut rest: Vec<&WorkOrder> = orders.iter().collect();
    while !rest.is_empty() {
        let is_next =
            |order: &&WorkOrder| order.needs().all(|key| done.contains(key) || !made.contains(key));
        let (next, later): (Vec<_>, Vec<_>) = rest.into_iter().partition(is_next);
        if next.is_empty() {
            return Err(ExecError::Circle { stages: circle(&later, &done) });
        }
        done.extend(next.iter().map(|order| order.key));
        sorted.extend(next);
        rest = later;
    }
    Ok(sorted)
}
