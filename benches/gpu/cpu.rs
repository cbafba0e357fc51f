//! The script on the CPU, where a tiny model and two steps show that every section runs and its figures arrive.

use std::path::Path;
use std::process::{Command, ExitCode};

use serde_json::Value;

use crate::table::say;

/// What `cargo test` and `cargo bench` start, with the words that choose among tests.
pub fn of_cargo(arguments: &[String]) -> ExitCode {
    const NAME: &str = "the_script_measures_every_section_on_the_cpu";
    let mut words = arguments.iter().filter(|argument| !argument.starts_with('-'));
    if arguments.iter().any(|argument| argument == "--bench") {
        say("benches/gpu.sh measures what needs a GPU");
    } else if words.clone().next().is_none() || words.any(|word| NAME.contains(word.as_str())) {
        the_script_measures_every_section_on_the_cpu();
        say(&format!("test {NAME} ... ok"));
    }
    ExitCode::SUCCESS
}

fn the_script_measures_every_section_on_the_cpu() {
    if Command::new("bash").arg("--version").output().is_err() {
        return say("SKIPPED: there is no bash to run benches/gpu.sh");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("found.json");
    let done = Command::new("bash")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/gpu.sh"))
        .current_dir(folder.path())
        .env_remove("CARGO")
        .env_remove("PYTHON")
        .env("DEVICE", "cpu")
        .env("OUTPUT", &file)
        .env("BINARY", std::env::current_exe().expect("this program"))
        .output()
        .expect("bash was just there");
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
    assert!(said.contains("PyTorch's side is left out: PYTHON names none"), "{said}");
    let text = std::fs::read_to_string(&file).expect("the figures");
    let found: Value = serde_json::from_str(&text).expect("JSON");
    let rows = found["rows"].as_array().expect("rows");
    assert!(rows.iter().all(|row| row["error"].is_null()), "{text}");
    let of = |what: &str| rows.iter().filter(|row| row["what"] == what).collect::<Vec<_>>();
    let (parity, steps, tiny) = (of("parity"), of("steps"), of("tiny.toml"));
    assert_eq!((parity.len(), steps.len(), tiny.len()), (2, 2, 1), "{text}");
    // In bf16 as in f32: a device that computed in f32 what it calls bf16 would be a thousandth off.
    let is_bf16 = |row: &&&Value| row["dtype"] == "bf16";
    let off = |row: &Value| row["small"]["largest_error"].as_f64().expect("a figure");
    assert!(parity.iter().all(|row| row["holds"] == true), "{text}");
    assert!(parity.iter().filter(is_bf16).all(|row| off(row) > 1e-4), "{text}");
    let positive = |row: &Value, name: &str| row[name].as_f64().is_some_and(|value| value > 0.0);
    for name in ["step_s", "texts_per_s", "forward_texts_per_s"] {
        assert!(steps.iter().all(|row| positive(row, name)), "{name}: {text}");
    }
    assert!(positive(tiny[0], "run_s") && positive(&tiny[0]["stages_s"], "train"), "{text}");
    assert!(tiny[0]["scores"]["evaluate.loss"].is_number(), "{text}");
    assert!(found["machine"]["processor"].is_string(), "{text}");
}
