//! Every section in turn, and the file that has their figures.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Failure;
use crate::memory::{INTERVAL_MS, Sampler, card};
use crate::section::Section;
use crate::table;

/// Models and batches of training steps, the most telling first.
struct Scale {
    /// Shape and texts in a batch.
    steps: &'static [(&'static str, usize)],
    counted: usize,
    /// What PyTorch also compiles.
    compiled: Option<(&'static str, usize)>,
    /// Settings of `tiny.toml`.
    settings: &'static [&'static str],
}

const ON_GPUS: Scale = Scale {
    steps: &[("base", 16), ("base", 64), ("large", 16), ("large", 64)],
    counted: 10,
    compiled: Some(("base", 16)),
    settings: &[],
};

const ON_CPUS: Scale = Scale {
    steps: &[("tiny", 16)],
    counted: 2,
    compiled: None,
    settings: &["stage.corpus.samples=120", "stage.train.epochs=1"],
};

/// What a training that went wrong on the device would be seen by.
const SCORES: [&str; 3] = ["evaluate.loss", "evaluate.ner.span_f1", "evaluate.anomaly.f1"];
const DTYPES: [&str; 2] = ["f32", "bf16"];
const SHORT: Duration = Duration::from_secs(60);
/// For what compiles, and for a whole experiment.
const LONG: Duration = Duration::from_secs(120);

/// Runs all sections in at most `seconds`, writes `file` anew after each, and prints tables.
///
/// * `python`: one with torch and transformers; without it, PyTorch's side is left out, and that is said
///
/// # Errors
/// When the file cannot be written. A section that fails is a row with its `error`.
pub fn measure(
    device: &str,
    file: &str,
    seconds: &str,
    python: Option<&str>,
) -> Result<(), Failure> {
    let begun = Instant::now();
    let most = Duration::from_secs(seconds.parse()?);
    let scratch = tempfile::tempdir()?;
    let torch = python_with_torch(python);
    if let Err(why) = &torch {
        table::say(&format!("PyTorch's side is left out: {why}"));
    }
    let sampler = (device != "cpu").then(Sampler::start).flatten();
    let mut found = json!({
        "device": device,
        "machine": machine()?,
        "card": if device == "cuda" { card() } else { Value::Null },
        "commit": std::env::var("COMMIT").ok(),
        "pytorch": torch.as_ref().map_or_else(|why| json!({"left_out": why}), |(_, version)| json!(version)),
        "device_memory": sampler.as_ref().map(|_| format!("in use on the whole card, asked for every {INTERVAL_MS} ms")),
        "rows": [],
    });
    for section in sections(device, torch.ok().map(|(python, _)| python), scratch.path())? {
        let before = sampler.as_ref().and_then(Sampler::take_peak_gib);
        let mut row = section.run(scratch.path(), most.saturating_sub(begun.elapsed()));
        if let Some(sampler) = &sampler {
            row["device_gib_before"] = json!(before);
            row["device_peak_gib"] = json!(sampler.take_peak_gib());
        }
        let line = table::line(&row);
        found["rows"].as_array_mut().expect("it was made as one").push(row);
        found["seconds"] = json!(begun.elapsed().as_secs_f64());
        write(Path::new(file), &found)?;
        table::say(&line);
    }
    table::say(&table::beside_each_other(&found));
    Ok(())
}

/// Whole or not at all, so that nothing is lost when it is cut.
fn write(path: &Path, found: &Value) -> Result<(), Failure> {
    let part = path.with_extension("part");
    std::fs::write(&part, serde_json::to_string_pretty(found)? + "\n")?;
    Ok(std::fs::rename(part, path)?)
}

fn this_program() -> Result<Command, Failure> {
    Ok(Command::new(std::env::current_exe()?))
}

/// What `pipeline doctor` says.
fn machine() -> Result<Value, Failure> {
    let said = this_program()?.args(["doctor", "--json", "--offline"]).output()?;
    Ok(serde_json::from_slice(&said.stdout)?)
}

/// The Python and its versions, or why there is none.
fn python_with_torch(python: Option<&str>) -> Result<(&str, Value), String> {
    const VERSIONS: &str = "import json, torch, transformers; print(json.dumps({'torch': torch.__version__, 'transformers': transformers.__version__}))";
    let python = python.filter(|python| !python.is_empty());
    let python = python.ok_or_else(|| "PYTHON names none".to_owned())?;
    let said = Command::new(python).args(["-c", VERSIONS]).output();
    let said = said.map_err(|error| format!("`{python}` cannot be started: {error}"))?;
    let versions = serde_json::from_slice(&said.stdout).ok().filter(|_| said.status.success());
    let versions =
        versions.ok_or_else(|| format!("`{python}` cannot import torch and transformers"))?;
    Ok((python, versions))
}

fn sections(device: &str, python: Option<&str>, scratch: &Path) -> Result<Vec<Section>, Failure> {
    let scale = if device == "cpu" { ON_CPUS } else { ON_GPUS };
    let mut sections = Vec::new();
    for dtype in DTYPES {
        let mut command = this_program()?;
        command.args(["parity", device, dtype]);
        let (of, read) = (json!({"dtype": dtype}), as_json);
        sections.push(Section {
            what: "parity",
            side: "pipeline",
            of,
            command,
            limit: SHORT,
            read,
        });
    }
    for (number, &(shape, batch)) in scale.steps.iter().enumerate() {
        for dtype in DTYPES {
            sections.push(our_steps(device, (shape, batch), dtype, scale.counted)?);
            sections.extend(python.map(|python| {
                their_steps(python, device, (shape, batch), dtype, scale.counted, false)
            }));
        }
        if number == 0 {
            sections.push(tiny(device, &scale, scratch)?);
        }
    }
    // Last, as it takes longest.
    for (python, of) in python.into_iter().zip(scale.compiled) {
        sections.extend(
            DTYPES.map(|dtype| their_steps(python, device, of, dtype, scale.counted, true)),
        );
    }
    Ok(sections)
}

fn as_json(printed: &str) -> Result<Value, Failure> {
    Ok(serde_json::from_str(printed)?)
}

fn our_steps(
    device: &str,
    (shape, batch): (&str, usize),
    dtype: &str,
    counted: usize,
) -> Result<Section, Failure> {
    let mut command = this_program()?;
    command.args(["steps", device, shape, &batch.to_string(), dtype, &counted.to_string()]);
    let of = json!({"shape": shape, "batch_size": batch, "dtype": dtype});
    Ok(Section { what: "steps", side: "pipeline", of, command, limit: SHORT, read: as_json })
}

fn their_steps(
    python: &str,
    device: &str,
    (shape, batch): (&str, usize),
    dtype: &str,
    counted: usize,
    compiles: bool,
) -> Section {
    let mut command = Command::new(python);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    command.args(["benches/torch_step.py", "--modes", "dynamic,infer", "--device", device]);
    command.args(["--steps", &counted.to_string(), "--threads", &threads.to_string()]);
    command.args(["--batch-size", &batch.to_string()]);
    command.args((shape != "base").then(|| format!("--{shape}")));
    command.args((dtype == "bf16").then_some("--bf16"));
    command.args(compiles.then_some("--compile"));
    let of = json!({"shape": shape, "batch_size": batch, "dtype": dtype, "compiled": compiles});
    let limit = if compiles { LONG } else { SHORT };
    Section { what: "steps", side: "PyTorch", of, command, limit, read: of_torch_step }
}

fn of_torch_step(printed: &str) -> Result<Value, Failure> {
    let said: Value = serde_json::from_str(printed)?;
    let (training, forward) = (&said["modes"]["dynamic"], &said["modes"]["infer"]);
    // Of the process, or what torch itself allocated on the card.
    let peak = if said["device"] == "cpu" { "peak_rss_gib" } else { "allocated_peak_gib" };
    Ok(json!({
        "step_s": training["step_s"],
        "texts_per_s": training["texts_per_s"],
        "forward_texts_per_s": forward["texts_per_s"],
        (peak): training["peak_rss_gib"],
    }))
}

/// `tiny.toml` from nothing to its report.
fn tiny(device: &str, scale: &Scale, scratch: &Path) -> Result<Section, Failure> {
    let root = scratch.join("tiny");
    std::fs::create_dir(&root)?;
    let mut command = this_program()?;
    command.args(["run", "experiments/tiny.toml", "--json", "--device", device, "--root"]);
    command.arg(root).args(scale.settings.iter().flat_map(|setting| ["--set", setting]));
    let of = json!({"settings": scale.settings});
    Ok(Section { what: "tiny.toml", side: "pipeline", of, command, limit: LONG, read: of_events })
}

/// Of the events of a run: its seconds, those of its stages, and its scores.
fn of_events(printed: &str) -> Result<Value, Failure> {
    let events = printed.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    let seconds = |event: &Value| event["elapsed_ms"].as_f64().map(|elapsed| elapsed / 1e3);
    let of = |name: &'static str| events.iter().filter(move |event| event["event"] == name);
    let end = of("run_finished").next().ok_or("its last event is missing")?;
    let stages = of("stage_finished")
        .filter_map(|event| Some((event["stage"].as_str()?.to_owned(), json!(seconds(event)))));
    let stages: serde_json::Map<_, _> = stages.collect();
    let scores = SCORES.map(|name| (name.to_owned(), end["metrics"][name].clone()));
    let scores = serde_json::Map::from_iter(scores);
    Ok(json!({"run_s": seconds(end), "stages_s": stages, "scores": scores}))
}
