//! Training: the optimiser against PyTorch, and the loop's promises on a model small enough to train in microseconds.

mod engines;
mod extending;
mod integrity;
mod killed;
mod optimiser;
mod recipe;
mod resume;
mod rows;
mod stopping;
mod toy;
