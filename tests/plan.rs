//! Plans of experiment files over a small world of stage kinds.

#[path = "common/mod.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod common;
#[path = "plan/forecasts.rs"]
mod forecasts;
#[path = "plan/hostile.rs"]
mod hostile;
#[path = "plan/keys.rs"]
mod keys;
#[path = "plan/kinds.rs"]
mod kinds;
#[path = "plan/mistakes.rs"]
mod mistakes;
#[path = "plan/names.rs"]
mod names;
#[path = "plan/ports.rs"]
mod ports;
#[path = "plan/properties.rs"]
mod properties;
#[path = "plan/sweeps.rs"]
mod sweeps;
#[path = "plan/world.rs"]
mod world;
