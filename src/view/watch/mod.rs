//! A run as it is watched from another terminal, from what its record says.
//!
//! 1. [`Watched`] is what is known of the run: a function of its record and of the lines of its `events.jsonl`, as far as they are written;
//! 2. [`Screen`](screen::Screen) draws that for a moment, a size and what somebody looks at ([`Look`](look::Look));
//! 3. [`on_screen`] keeps doing so until somebody has seen enough, and gives the terminal back as it was, whatever ends it;
//! 4. [`Lines`] tells the same without a terminal.
//!
//! Nothing of the run is changed, nor waited for.

mod chart;
mod curves;
mod lines;
mod look;
mod paint;
mod points;
mod screen;
mod state;
mod terminal;
#[cfg(test)]
mod tests;

pub use lines::Lines;
pub use state::Watched;
pub use terminal::{Left, on_screen};
