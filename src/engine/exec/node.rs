//! What a run calls its nodes, and why one of them was not run.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::engine::plan::{NodeId, Plan};

/// Which node of a run something is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeName {
    /// Its place in [`Plan::nodes`](crate::engine::plan::Plan), or among the orders that are run.
    pub node: usize,
    #[serde(serialize_with = "text", deserialize_with = "of_text")]
    pub stage: Arc<str>,
    pub kind: Cow<'static, str>,
    /// The swept values that reach it, such as `learning_rate=1e-5,seed=0`; empty where none does.
    #[serde(
        default,
        skip_serializing_if = "str::is_empty",
        serialize_with = "text",
        deserialize_with = "of_text"
    )]
    pub label: Arc<str>,
}

impl NodeName {
    pub(super) fn of(plan: &Plan, id: NodeId) -> Self {
        let node = plan.node(id);
        Self {
            node: id.index(),
            stage: Arc::clone(&node.stage),
            kind: node.kind.name.into(),
            label: Arc::clone(&node.label),
        }
    }
}

impl std::fmt::Display for NodeName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.stage)?;
        if self.label.is_empty() { Ok(()) } else { write!(formatter, " [{}]", self.label) }
    }
}

/// Why a node was not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Because {
    /// A node that it depends on, perhaps over others, failed.
    Failed {
        upstream: NodeName,
    },
    /// Another node failed, and the run was not asked to keep going.
    Stopped {
        after: NodeName,
    },
    Interrupted,
}

impl std::fmt::Display for Because {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed { upstream } => write!(formatter, "`{upstream}` failed"),
            Self::Stopped { after } => write!(formatter, "the run stopped after `{after}` failed"),
            Self::Interrupted => formatter.write_str("the run was interrupted"),
        }
    }
}

fn text<S: serde::Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

fn of_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
    Ok(String::deserialize(deserializer)?.into())
}
