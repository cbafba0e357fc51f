//! What a search is worth, held against Optuna's on the same functions.

mod functions;
mod optuna;
mod statistics;
