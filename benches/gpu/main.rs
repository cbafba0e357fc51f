//! The program of `benches/gpu.sh`: all that needs a GPU in one binary, so that none of the GPU's time goes into compiling.
//!
//! - `measure DEVICE FILE SECONDS [PYTHON]` runs every section in a process of its own, which may fail or take too long while the rest goes on, and
//!   keeps what is known in a file of JSON;
//! - `parity DEVICE DTYPE` and `steps DEVICE SHAPE BATCH DTYPE STEPS` are sections, each of which prints a line of JSON;
//! - any other arguments are those of `pipeline` itself, with which `tiny.toml` is run.
//!
//! `cargo test` runs it without arguments: the script is then tested on the CPU.

mod cpu;
#[expect(dead_code, reason = "tests use what this program does not")]
#[path = "../../tests/parity/fixture.rs"]
mod fixture;
mod measure;
mod memory;
mod parity;
mod section;
mod steps;
mod table;

use std::error::Error;
use std::process::ExitCode;

use candle_core::Device;
use pipeline::training::Dtype;
use serde_json::Value;

/// Why there is no figure, said where it would stand.
type Failure = Box<dyn Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if std::env::var_os("CARGO").is_some() {
        return cpu::of_cargo(&arguments);
    }
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["measure", device, file, seconds, python @ ..] => {
            end(measure::measure(device, file, seconds, python.first().copied()))
        }
        ["parity", device, dtype] => tell(section_of_parity(device, dtype)),
        ["steps", device, shape, batch, dtype, steps] => {
            tell(section_of_steps(device, shape, batch, dtype, steps))
        }
        _ => pipeline::app::cli::main(),
    }
}

fn section_of_parity(device: &str, dtype: &str) -> Result<Value, Failure> {
    parity::parity(&opened(device)?, read(dtype)?)
}

fn section_of_steps(
    device: &str,
    shape: &str,
    batch: &str,
    dtype: &str,
    steps: &str,
) -> Result<Value, Failure> {
    steps::steps(&opened(device)?, shape, batch.parse()?, read(dtype)?, steps.parse()?)
}

/// The device that `pipeline --device` opens under this name.
fn opened(name: &str) -> Result<Device, Failure> {
    match name {
        "cpu" => Ok(Device::Cpu),
        "cuda" => Ok(Device::new_cuda(0)?),
        "metal" => Ok(Device::new_metal(0)?),
        _ => Err(format!("there is no device `{name}`; expected `cuda`, `metal` or `cpu`").into()),
    }
}

fn read(dtype: &str) -> Result<Dtype, Failure> {
    Ok(serde_json::from_value(Value::from(dtype))?)
}

#[expect(clippy::print_stdout, reason = "what the process that started it reads")]
fn tell(found: Result<Value, Failure>) -> ExitCode {
    end(found.map(|found| println!("{found}")))
}

#[expect(clippy::print_stderr, reason = "there is no other place to say it")]
fn end(outcome: Result<(), Failure>) -> ExitCode {
    outcome.map_or_else(
        |error| {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}
