//! `pipeline serve`: a trained model over HTTP.
//!
//! 1. [`routes`] take requests within limits, and ask the model as `predict` does: what comes together is read together;
//! 2. [`requests`] are bodies in, bodies out;
//! 3. [`connections`] come and go, and at the end all that was taken is answered.
//!
//! There is one thread for connections; texts are taken apart on others, and the model has its own.

#[cfg(feature = "serve")]
mod connections;
#[cfg(feature = "serve")]
mod metrics;
#[cfg(feature = "serve")]
mod pages;
// Its tests need no server, and run in every build.
#[cfg(any(feature = "serve", test))]
#[cfg_attr(not(feature = "serve"), allow(dead_code))]
mod requests;
#[cfg(feature = "serve")]
mod routes;
#[cfg(feature = "serve")]
mod start;

#[cfg(feature = "serve")]
pub use start::run;

/// Says how to get a program that can.
#[cfg(not(feature = "serve"))]
pub fn run(_arguments: &super::args::Serve) -> Result<super::Outcome, super::Failure> {
    let failure = super::Failure::usage("this program was built without `serve`");
    Err(failure.with_help(
        "`cargo install --path . --features serve`, or `cargo build --release --features serve`",
    ))
}
