//! The program: the command line, and what works on a trained model without a pipeline.

pub mod cli;
pub mod tools;
