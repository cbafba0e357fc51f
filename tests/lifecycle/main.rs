//! What happens to work over its life: it goes on further than it was first asked to, it is interrupted and tried again, it goes wrong, and it
//! is thrown away. With the real kinds, on a model that trains in a moment.

mod checkpoints;
mod collecting;
#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod common;
mod extending;
mod numbers;
mod support;
