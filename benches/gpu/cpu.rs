//! The script on the CPU, where a tiny model and two steps show that every section runs and its figures arrive.

use std::path::Path;
use std::process::{Command, ExitCode};

use serde_json::Value;

use crate::table::say;

const TESTS: [(&str, fn()); 2] = [
    ("the_script_measures_every_section_on_the_cpu", the_script_measures_every_section_on_the_cpu),
    (
        "a_section_that_fails_is_a_row_with_its_error_and_the_rest_goes_on",
        a_section_that_fails_is_a_row_with_its_error_and_the_rest_goes_on,
    ),
];

/// What `cargo test` and `cargo bench` start, with the words that choose among tests.
pub fn of_cargo(arguments: &[String]) -> ExitCode {
    if arguments.iter().any(|argument| argument == "--bench") {
        say("benches/gpu.sh measures what needs a GPU");
        return ExitCode::SUCCESS;
    }
    if Command::new("bash").arg("--version").output().is_err() {
        say("SKIPPED: there is no bash to run benches/gpu.sh");
        return ExitCode::SUCCESS;
    }
    let words: Vec<&String> = arguments.iter().filter(|word| !word.starts_with('-')).collect();
    for (name, test) in TESTS {
        if words.is_empty() || words.iter().any(|word| name.contains(word.as_str())) {
            test();
            say(&format!("test {name} ... ok"));
        }
    }
    ExitCode::SUCCESS
}

/// What the script says and what it leaves, without PyTorch.
fn measured(device: &str) -> (String, Value) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("found.json");
    let done = Command::new("bash")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/gpu.sh"))
        .current_dir(folder.path())
        .env_remove("CARGO")
        .env_remove("PYTHON")
        .env("DEVICE", device)
        .env("OUTPUT", &file)
        .env("BINARY", std::env::current_exe().expect("this program"))
        .output()
        .expect("bash was just there");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
    let text = std::fs::read_to_string(&file).expect("the figures");
    (said, serde_json::from_str(&text).expect("JSON"))
}

fn the_script_measures_every_section_on_the_cpu() {
    let (said, found) = measured("cpu");
    assert!(said.contains("PyTorch's side is left out: PYTHON names none"), "{said}");
    let rows = found["rows"].as_array().expect("rows");
    assert!(rows.iter().all(|row| row["error"].is_null()), "{found:#}");
    let of = |what: &str| rows.iter().filter(|row| row["what"] == what).collect::<Vec<_>>();
    let (parity, steps, tiny) = (of("parity"), of("steps"), of("tiny.toml"));
    assert_eq!((parity.len(), steps.len(), tiny.len()), (2, 2, 1), "{found:#}");
    // What computed in f32 and is called bf16 would be off by a thousandth of this.
    let is_bf16 = |row: &&&Value| row["dtype"] == "bf16";
    let off = |row: &Value| row["small"]["largest_error"].as_f64().expect("a figure");
    assert!(parity.iter().all(|row| row["holds"] == true), "{found:#}");
    assert!(parity.iter().filter(is_bf16).all(|row| off(row) > 1e-4), "{found:#}");
    let positive = |row: &Value, name: &str| row[name].as_f64().is_some_and(|value| value > 0.0);
    for name in ["step_s", "texts_per_s", "forward_texts_per_s"] {
        assert!(steps.iter().all(|row| positive(row, name)), "{name}: {found:#}");
    }
    assert!(positive(tiny[0], "run_s") && positive(&tiny[0]["stages_s"], "train"), "{found:#}");
    assert!(tiny[0]["scores"]["evaluate.loss"].is_number(), "{found:#}");
    assert!(found["machine"]["processor"].is_string(), "{found:#}");
}

fn a_section_that_fails_is_a_row_with_its_error_and_the_rest_goes_on() {
    let (said, found) = measured("abacus");
    let rows = found["rows"].as_array().expect("rows");
    let whats: Vec<&str> = rows.iter().filter_map(|row| row["what"].as_str()).collect();
    let steps = ["steps"; 6];
    assert_eq!(
        whats,
        [&["parity", "parity", "steps", "steps", "tiny.toml"][..], &steps].concat(),
        "{found:#}"
    );
    let says = |row: &Value, text| row["error"].as_str().is_some_and(|error| error.contains(text));
    assert!(rows.iter().all(|row| says(row, "abacus")), "{found:#}");
    assert!(said.contains("failed: "), "{said}");
}
