//! From an experiment and the table of kinds to what will be computed: typed stages, trials and keys.
//!
//! The life of a [`Plan`]:
//!
//! 1. [`Plan::build`] holds every parameter and wire of an [`Experiment`](crate::engine::spec::Experiment) against the kinds, and finds all mistakes at once;
//! 2. each of its [`Points`] becomes a [`Trial`] with every seed, and each stage one [`Node`] for all trials that agree on what it depends on;
//! 3. each node gets its [`Identity`], a [`CacheKey`] unless the commit of a hub model is still unknown;
//! 4. [`Forecast::of`] says beside a store what would run, and why.
//!
//! What enters a key:
//!
//! | enters | stays out |
//! |---|---|
//! | kind, parameters after defaults, output format, code versions | stage and experiment names, order, comments |
//! | content of source files, commit of hub models | parameters with `"format": "path"` or `"format": "revision"` |
//! | the keys of the inputs | everything that a run decides: threads, device, folders |
//!
//! A plan is the same on any machine: nothing here reads the store, the network or a clock, and files only through [`Digests`].

mod build;
mod canonical;
mod change;
mod digests;
mod draft;
mod facts;
mod folds;
mod forecast;
mod instances;
mod key;
mod node;
mod order;
mod parameters;
mod points;
mod portable;
mod schema;
mod select;
mod sources;
mod sweep;
mod trials;
mod validate;
mod warning;
mod wires;

pub use crate::engine::spec::{Along, Choose, FOLD, Objective, RUNG, SEED};
pub use change::{Change, full_text, value_text};
pub use digests::{Digests, FileDigest};
pub use forecast::{
    Comparison, Continuation, Forecast, Lookup, NodeForecast, Presence, Reason, fewest_changes,
};
pub use instances::pinned_source;
pub use key::{CacheKey, Fingerprint, KeyError};
pub use node::{Foreseen, Identity, Node, NodeId, Plan, PlanError};
pub use points::{Point, Points, all_left_out};
pub use portable::portable_parameters;
pub use sweep::{Home, SweepShape};
pub use trials::{Level, Trial};
pub use warning::{Warning, undefined_everywhere};
