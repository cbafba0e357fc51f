//! Which point of a space to try next: a pure function of the space, a seed and the results so far.
//!
//! 1. [`Space`]: axes mapped to the unit cube, and regions that are left out.
//! 2. [`propose`]: results and pending points become a history; the first points are quasi-random, then a method proposes
//!    from what was learned, and where it has nothing to say (all its candidates were proposed before) any open
//!    point does.
//! 3. `None` ends a search: no open point is left;
//! 4. [`Search`] does that for the sweep of a file, as far as results allow;
//! 5. [`ranked`] says which of its points is the best.
//!
//! The arithmetic is in a fixed order, with the functions of `libm`, and what is proposed is rounded: another machine
//! proposes the same. There is no state beside the results, no clock, no thread.

mod choice;
mod draws;
mod gp;
mod history;
mod memo;
mod minimise;
mod normal;
mod points;
mod propose;
mod random;
mod space;
mod tpe;

pub use choice::{Standing, best_of, distance, kept, ranked};
pub use history::{Outcome, Score};
pub use memo::Memo;
pub use points::{Proposed, Search};
pub use propose::{Method, propose};
pub use space::{Axis, Condition, Point, Skip, Space, SpaceError, Value};

#[cfg(test)]
mod tests;
