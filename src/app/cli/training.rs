//! A training of a plan, as those see it who foresee what it takes.

use std::path::PathBuf;

use super::Failure;
use crate::app::tools::{Shape, Texts, steps_made};
use crate::engine::plan::{CacheKey, Expectation, Forecast, Node, NodeId, Plan, Reason};
use crate::engine::store::Store;

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
    /// Steps that an earlier run made and this one need not make again.
    pub steps_made: u64,
}

impl Training {
    /// `None` for other kinds of stages.
    pub fn of(plan: &Plan, id: NodeId) -> Option<Self> {
        let node = plan.node(id);
        if node.kind.name != "train" {
            return None;
        }
        let input =
            |port: &str| node.inputs.iter().find(|(name, _)| *name == port).map(|(_, id)| *id);
        let parameters = node.instance.parameters();
        let size = |name: &str| {
            parameters[name].as_u64().map(|size| usize::try_from(size).unwrap_or(usize::MAX))
        };
        Some(Self {
            model: input("model")?,
            data: input("data")?,
            epochs: parameters["epochs"].as_u64()?,
            batch_size: size("batch_size")?,
            gradient_accumulation: size("gradient_accumulation")?,
            evaluate_every: parameters["evaluate_every"].as_u64(),
            activation_checkpointing: node
                .instance
                .execution()
                .get("activation_checkpointing")
                .is_some_and(|value| value == true),
            steps_made: 0,
        })
    }

    /// Those that are to run, with the steps that are made.
    pub fn pending(plan: &Plan, forecast: &Forecast, store: &Store) -> Vec<(NodeId, Self)> {
        let pending = plan.ids().filter(|id| *forecast.node(*id) != Expectation::Hit);
        let training = |id| {
            let training = Self::of(plan, id)?;
            Some((id, Self { steps_made: training.made(plan, id, forecast, store), ..training }))
        };
        pending.filter_map(training).collect()
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

    /// The steps in its checkpoints, else in the state that a shorter one has left, as a run would look for them.
    fn made(&self, plan: &Plan, id: NodeId, forecast: &Forecast, store: &Store) -> u64 {
        let node = plan.node(id);
        let own = node.identity.key();
        let reruns = matches!(forecast.node(id), Expectation::Miss(Reason::Rerun));
        let extends = !reruns
            && node.instance.extension().is_some_and(|extension| extension.obstacle.is_none());
        let folders = own.into_iter().chain(plan.lineage(id).filter(|_| extends));
        folders.into_iter().find_map(|key| self.made_in(&key, plan, store)).unwrap_or(0)
    }

    /// The steps in the newest state that was left under `key` and that it can use, as far as the beginning of that shows.
    pub fn made_in(&self, key: &CacheKey, plan: &Plan, store: &Store) -> Option<u64> {
        let folder = store.checkpoints(key);
        if !folder.is_dir() {
            return None;
        }
        // Without its texts nobody knows its end.
        let texts = self.encoded(plan, store).and_then(|encoded| Texts::of_encoded(&encoded).ok());
        let last_step = texts.map_or(u64::MAX, |texts| self.steps(&texts));
        steps_made(&folder, last_step)
    }

    /// The steps of the whole training.
    pub fn steps(&self, texts: &Texts) -> u64 {
        texts.total_steps(self.epochs, self.batch_size, self.gradient_accumulation)
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
    parameters["repo"].as_str().and_then(Shape::published).ok_or_else(|| {
        Failure::usage(format!("the sizes of the model of `{}` are not known yet", node.stage))
            .with_help(format!("`pipeline run {} {}` fetches it", plan.file.display(), node.stage))
    })
}
