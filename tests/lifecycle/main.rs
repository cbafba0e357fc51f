//! What happens to work over its life: it goes on further than it was first asked to, it is interrupted and tried again, it goes wrong, and it
//! is thrown away. With the real kinds, on a model that trains in a moment.

mod checkpoints;
mod collecting;
mod extending;
mod numbers;
mod support;
