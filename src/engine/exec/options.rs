//! How a run is carried out; nothing of it enters a key.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::cluster::Cluster;
use super::event::Reporter;
use crate::engine::plan::{CacheKey, NodeId};
use crate::engine::runs::Known;
use crate::engine::stage::Device;
use crate::engine::store::Store;

/// How a run is carried out.
#[derive(Debug, Clone)]
pub struct Options {
    /// Stages at the same time, at least 1.
    pub jobs: usize,
    /// Threads of all stages together, at least 1. No more stages run at the same time than there are threads.
    pub threads: usize,
    /// Memory that is free for stages that run together, in bytes; `None` where nobody knows.
    pub memory: Option<u64>,
    pub device: Device,
    /// After a failure, finish what does not depend on it.
    pub keep_going: bool,
    /// No stage may use the network.
    pub offline: bool,
    /// Stages, or single trials of them, that run although their entries are there.
    pub rerun: BTreeSet<Arc<str>>,
    pub saved_states: SavedStates,
    /// Nodes whose entries are read even where nothing else needs them: the caller is about to publish what they hold.
    pub verify: HashSet<NodeId>,
    /// Work that is not tried, since it has failed before, with what went wrong.
    pub failed: HashMap<CacheKey, String>,
    /// Where what other programs print is kept; without, in the folder of the saved state, which goes when the stage has succeeded.
    pub logs: Option<PathBuf>,
    /// The cluster whose jobs do the work, in place of this process.
    pub cluster: Option<Cluster>,
}

/// What becomes of a node's saved state once its entry is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SavedStates {
    #[default]
    Remove,
    Keep,
}

impl Default for Options {
    /// All cores, for as many stages as there are cores.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            jobs: cores,
            threads: cores,
            memory: None,
            device: Device::default(),
            keep_going: false,
            offline: false,
            rerun: BTreeSet::new(),
            saved_states: SavedStates::default(),
            verify: HashSet::new(),
            failed: HashMap::new(),
            logs: None,
            cluster: None,
        }
    }
}

/// Asks a run to stop. Clones share the one flag, which a signal handler's thread may set.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What all work of a run has in common.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a> {
    pub(super) store: &'a Store,
    pub(super) known: &'a Known<'a>,
    pub(super) options: &'a Options,
    pub(super) reporter: &'a dyn Reporter,
    pub(super) cancel: &'a Cancel,
}
