//! A training of a plan, as those see it who foresee what it takes.

use std::path::PathBuf;

use super::Failure;
use crate::plan::{Expectation, Forecast, Node, NodeId, Plan};
use crate::store::Store;
use crate::tools::Shape;

/// What memory and duration of a training depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Training {
    pub model: NodeId,
    pub data: NodeId,
    pub epochs: u64,
    pub batch_size: usize,
    pub gradient_accumulation: usize,
    pub evaluate_every: Option<u64>,
    pub activation_checkpointing: bool,
}

impl Training {
    /// `None` for other kinds of stages.
    pub fn of(plan: &Plan, id: NodeId) -> Option<Self> {
        let node = plan.node(id);
        if node.kind.name != "train" {
            return None;
        }
        let input = |port: &str| node.inputs.iter().find(|(name, _)| *name == port).map(|(_, id)| *id);
        let parameters = node.instance.parameters();
        let size = |name: &str| parameters[name].as_u64().map(|size| usize::try_from(size).unwrap_or(usize::MAX));
        Some(Self {
            model: input("model")?,
            data: input("data")?,
            epochs: parameters["epochs"].as_u64()?,
            batch_size: size("batch_size")?,
            gradient_accumulation: size("gradient_accumulation")?,
            evaluate_every: parameters["evaluate_every"].as_u64(),
            activation_checkpointing: node.instance.execution().get("activation_checkpointing").is_some_and(|value| value == true),
        })
    }

    /// Those that are to run.
    pub fn pending(plan: &Plan, forecast: &Forecast) -> Vec<(NodeId, Self)> {
        let pending = plan.ids().filter(|id| *forecast.node(*id) != Expectation::Hit);
        pending.filter_map(|id| Some((id, Self::of(plan, id)?))).collect()
    }

    /// The longest text in tokens.
    pub fn max_length(&self, plan: &Plan) -> Option<usize> {
        usize::try_from(plan.node(self.data).instance.parameters()["max_length"].as_u64()?).ok()
    }

    /// # Errors
    /// When the sizes of the model are not known yet.
    pub fn shape(&self, plan: &Plan, store: &Store) -> Result<Shape, Failure> {
        shape(plan.node(self.model), store, plan)
    }

    /// The `encoded` artifact, if it is there.
    pub fn encoded(&self, plan: &Plan, store: &Store) -> Option<PathBuf> {
        folder(plan.node(self.data), store)
    }
}

/// Where a node's artifact lies, if it is there.
fn folder(node: &Node, store: &Store) -> Option<PathBuf> {
    let entry = store.get(&node.identity.key()?).ok()??;
    Some(entry.folder().to_owned())
}

/// The sizes of a model: of its entry, else as far as they are known without it.
fn shape(node: &Node, store: &Store, plan: &Plan) -> Result<Shape, Failure> {
    if let Some(folder) = folder(node, store) {
        return Ok(Shape::Folder(folder));
    }
    let parameters = node.instance.parameters();
    if node.kind.name == "init_model" {
        return Ok(Shape::Sizes(parameters));
    }
    if let Some(path) = parameters["path"].as_str() {
        return Ok(Shape::Folder(path.into()));
    }
    match parameters["repo"].as_str().and_then(|repo| repo.rsplit('/').next()) {
        Some("ModernBERT-base") => Ok(Shape::Base),
        Some("ModernBERT-large") => Ok(Shape::Large),
        _ => Err(Failure::failed(format!("the sizes of the model of `{}` are not known yet", node.stage)).with_help(format!(
            "`pipeline run {} {}` fetches it",
            plan.file.display(),
            node.stage
        ))),
    }
}
