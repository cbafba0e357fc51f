//! The saved states of a sweep's rungs: what points that were dropped leave, and nobody will go on from.

use std::collections::{BTreeSet, HashMap};

use crate::engine::plan::{CacheKey, Plan, Trial};
use crate::engine::store::listing::size_of;
use crate::engine::store::{Store, StoreError};

/// What trainings on the rungs of a sweep have saved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SavedStates {
    /// Of points of which it is open how far they go; nothing where that is decided.
    pub kept_bytes: u64,
    /// Of points that have been dropped.
    pub dropped_bytes: u64,
    dropped: Vec<CacheKey>,
}

/// What the rungs of a plan have saved, below the last one.
#[must_use]
pub fn saved_states(plan: &Plan, store: &Store) -> SavedStates {
    // Of single trials nobody knows how far the others came.
    let shape = plan.sweep.as_ref().filter(|shape| shape.rungs > 1 && !plan.of_single_trials);
    let Some(shape) = shape else {
        return SavedStates::default();
    };
    let decided = plan.trials.iter().map(|trial| trial.level.rung).max().unwrap_or(0);
    let mut reached: HashMap<&str, usize> = HashMap::new();
    for trial in &plan.trials {
        let rung = reached.entry(&trial.point.label).or_default();
        *rung = (*rung).max(trial.level.rung);
    }
    let is_dropped = |trial: &Trial| reached[&*trial.point.label] < decided;
    let of = |wanted: &dyn Fn(&Trial) -> bool| -> BTreeSet<CacheKey> {
        let trials = plan.trials.iter().filter(|trial| wanted(trial));
        trials.flat_map(|trial| names(plan, trial)).collect()
    };
    let needed = of(&|trial| !is_dropped(trial));
    let dropped = of(&|trial| is_dropped(trial)).into_iter().filter(|key| !needed.contains(key));
    let has_state = |key: &CacheKey| store.saved_state(key).is_dir();
    let dropped: Vec<CacheKey> = dropped.filter(has_state).collect();
    let is_open = decided + 1 < shape.rungs;
    let kept_bytes =
        needed.iter().filter(|_| is_open).map(|key| size_of(&store.saved_state(key))).sum();
    let dropped_bytes = dropped.iter().map(|key| size_of(&store.saved_state(key))).sum();
    SavedStates { kept_bytes, dropped_bytes, dropped }
}

impl SavedStates {
    /// Removes those of points that have been dropped; what somebody is at work on stays.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn remove_dropped(&self, store: &Store) -> Result<(), StoreError> {
        for key in &self.dropped {
            if let Some(_lock) = store.try_lock(key)? {
                store.disk.remove_folder(&store.saved_state(key))?;
            }
        }
        Ok(())
    }
}

/// The names under which the stages of a trial may have saved a state.
fn names(plan: &Plan, trial: &Trial) -> Vec<CacheKey> {
    let nodes = plan.stages().iter().filter_map(|stage| plan.node_of(trial.index, stage));
    nodes
        .flat_map(|id| plan.node(id).identity.key().into_iter().chain(plan.warm_start(id)))
        .collect()
}
