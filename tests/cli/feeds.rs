//! What runs leave for other programs: TensorBoard, MLflow, Weights & Biases. Each is read back with the program itself, where that is there.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use serde_json::{Value, json};

use crate::world::{World, snapshot};

/// The Python that a variable names, if it has what a script needs; else that is said, and nothing is tested.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub fn python_with(module: &str) -> Option<String> {
    let found = std::env::var("PIPELINE_TEST_PYTHON").ok().filter(|python| {
        let import = format!("import {module}");
        let tried = Command::new(python).args(["-c", &import]).output();
        tried.is_ok_and(|output| output.status.success())
    });
    if found.is_none() {
        eprintln!("skipped: set PIPELINE_TEST_PYTHON to a Python that has `{module}`");
    }
    found
}

/// What a script of `tests/feeds` says of a folder.
fn read_by(python: &str, script: &str, folder: &std::path::Path) -> Value {
    let script = format!("{}/tests/feeds/{script}", env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(python).arg(script).arg(folder).output().expect("python starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn events_of(world: &World, run: &str, python: &str) -> Value {
    let folder = world.path(format!("outputs/runs/{run}/tensorboard"));
    read_by(python, "read_events.py", &folder)
}

const SWEEP: &str = "[sweep]\nobjective = \"max evaluate.ner.token_accuracy\"\nseeds = 2\n[sweep.over]\n\
                     train.learning_rate = [1e-3, 2e-3]\n";

/// The steps of a curve.
fn steps(points: &Value) -> Vec<u64> {
    let points = points.as_array().expect("points");
    points.iter().map(|point| point[0].as_u64().expect("a step")).collect()
}

#[test]
fn tensorboard_shows_curves_scores_texts_and_pictures_of_a_run_also_where_all_was_cached() {
    let Some(python) = python_with("tensorboard") else { return };
    let world = World::new();
    let file = "experiments/mini.toml";
    let options =
        ["run", file, "--set", "stage.train.epochs=4", "--set", "stage.corpus.samples=200"];
    let options = [&options[..], &["--set", "stage.train.keep_best=ner.token_accuracy"]].concat();
    world.pipeline(&options);
    let first = events_of(&world, &world.latest_run(), &python);
    world.pipeline(&options);
    let second = events_of(&world, &world.latest_run(), &python);
    let history = world.read("outputs/mini/history.csv");
    let rows = history.lines().filter(|row| row.starts_with("train,")).count() as u64;
    for found in [&first, &second] {
        let curves = &found["scalars"]["train"];
        for name in ["loss", "ner_loss", "anomaly_loss", "grad_norm", "learning_rate"] {
            let steps = steps(&curves[format!("train/{name}")]);
            assert_eq!(steps, (1..=rows).collect::<Vec<_>>(), "{name}");
        }
        for name in ["loss", "ner_loss", "ner.token_accuracy"] {
            assert_eq!(steps(&curves[format!("validation/{name}")]).len(), 4, "{name}");
        }
        let scores = &found["scalars"]["."];
        let metrics: Value =
            serde_json::from_str(&world.read("outputs/mini/metrics.json")).expect("JSON");
        let close = |found: &Value, expected: &Value| {
            let [found, expected] = [found, expected].map(|it| it.as_f64().expect("a number"));
            (found - expected).abs() < 1e-6
        };
        assert!(close(
            &scores["evaluate.ner.token_accuracy"][0][1],
            &metrics["ner"]["token_accuracy"]
        ));
        let loss = history.lines().nth(1).and_then(|row| row.split(',').nth(4)).expect("a loss");
        assert!(close(&curves["train/loss"][0][1], &json!(loss.parse::<f64>().expect("a number"))));
        assert!(found["texts"]["."]["experiment"].as_str().expect("a text").contains("vocab_size"));
        assert!(found["pictures"]["."]["loss"][0].as_u64() > Some(500), "{}", found["pictures"]);
        let session = &found["groups"][0];
        assert_eq!(session["hparams"]["train.epochs"], 4.0, "{session}");
        assert_eq!(session["sessions"][0]["status"], "STATUS_SUCCESS");
    }
}

#[test]
fn tensorboard_shows_a_sweep_with_its_axes_and_the_objective() {
    let Some(python) = python_with("tensorboard") else { return };
    let world = World::new();
    world.child(
        "rates",
        "[sweep]\nobjective = \"max evaluate.ner.token_accuracy\"\nseeds = 2\n[sweep.over]\n\
         train.learning_rate = [1e-3, 2e-3]\ntrain.schedule = [\"linear\", \"constant\"]\n",
    );
    world.pipeline(["run", "experiments/rates.toml"]);
    let found = events_of(&world, &world.latest_run(), &python);
    let experiment = &found["experiment"];
    let names: Vec<&Value> = experiment["hparamInfos"]
        .as_array()
        .expect("parameters")
        .iter()
        .map(|info| &info["name"])
        .collect();
    assert_eq!(names, ["train.learning_rate", "train.schedule"], "{experiment}");
    let first = &experiment["metricInfos"][0]["name"]["tag"];
    assert_eq!(first, "evaluate.ner.token_accuracy", "{experiment}");
    let groups = found["groups"].as_array().expect("groups");
    assert_eq!(groups.len(), 4, "{found}");
    let mut summary = csv::Reader::from_reader(
        std::fs::File::open(world.path("outputs/rates/summary.csv")).expect("there"),
    );
    let headers = summary.headers().expect("a header").clone();
    let column = |name: &str| headers.iter().position(|header| header == name).expect("a column");
    let mean = column("evaluate.ner.token_accuracy.mean");
    for row in summary.records().map(|row| row.expect("a row")) {
        let name = format!("{} ({})", &row[0], world.latest_run());
        let group = groups.iter().find(|group| group["name"] == *name).expect("the point");
        assert_eq!(group["sessions"].as_array().map(Vec::len), Some(2), "{group}");
        let shown = group["metricValues"][0]["value"].as_f64().expect("a mean");
        assert!((shown - row[mean].parse::<f64>().expect("a number")).abs() < 1e-6, "{group}");
    }
    let trial = "learning_rate=1e-3,schedule=linear,seed=0/train";
    assert!(found["scalars"][trial]["train/loss"].is_array(), "{}", found["scalars"]);
    let pictures = found["pictures"].as_object().expect("pictures");
    let objective = &pictures["."]["evaluate.ner.token_accuracy"];
    assert!(objective[0].as_u64() > Some(500), "{pictures:?}");
    let trials: Vec<&String> = pictures.keys().filter(|run| *run != ".").collect();
    assert_eq!(trials.len(), 8, "{trials:?}");
    for trial in trials {
        assert!(trial.starts_with("learning_rate=") && !trial.ends_with("/train"), "{trial}");
        assert!(pictures[trial]["loss"][0].as_u64() > Some(500), "{trial}: {pictures:?}");
    }
}

/// The event files of a run, and where they lie on the disk.
fn event_files(world: &World, run: &str) -> BTreeMap<String, u64> {
    let folder = world.path(format!("outputs/runs/{run}/tensorboard"));
    let (mut files, mut folders) = (BTreeMap::new(), vec![folder.clone()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).expect("a folder") {
            let path = entry.expect("listed").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&folder).expect("inside").display().to_string();
            files.insert(name, path.metadata().expect("there").ino());
        }
    }
    files
}

#[test]
fn a_run_with_nothing_to_do_gives_the_event_files_of_the_one_before_second_names() {
    let world = World::new();
    world.child("rates", SWEEP);
    let run = |options: &[&str]| {
        let shot = world.pipeline([&["run", "experiments/rates.toml"], options].concat());
        assert_eq!(shot.code, Some(0), "{shot}");
        event_files(&world, &world.latest_run())
    };
    let first = run(&[]);
    // One at the top, one of each trial, and one of each trial's training.
    assert_eq!(first.len(), 9, "{first:?}");
    assert_eq!(run(&[]), first, "the same files by the same names");
    assert_eq!(run(&[]), first, "also of a run that has them from another");
    // One that has something to do writes its own, and leaves the others as they are.
    let inodes: BTreeSet<u64> = first.values().copied().collect();
    let other = run(&["--rerun", "train [learning_rate=1e-3,seed=0]"]);
    assert!(other.values().all(|inode| !inodes.contains(inode)), "{other:?} after {first:?}");
}

#[test]
fn event_files_are_not_written_where_the_settings_say_so() {
    let world = World::new();
    let file = "experiments/mini.toml";
    world.pipeline(["run", file, "corpus"]);
    assert!(world.path(format!("outputs/runs/{}/tensorboard", world.latest_run())).is_dir());
    world.write("pipeline.toml", "[profile.default]\ntensorboard = false\n");
    let shot = world.pipeline(["run", file, "corpus"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    let names = world.names(&format!("outputs/runs/{}", world.latest_run()));
    assert!(!names.contains(&"tensorboard".to_owned()), "{names:?}");
}

#[test]
fn event_files_that_cannot_be_written_cost_one_warning() {
    let world = World::new();
    let run = |name: &str| world.path(format!("outputs/runs/{name}"));
    // A file lies where the folder should be: as soon as the run's own is there.
    let runs = world.path("outputs/runs");
    let blocker = std::thread::spawn(move || {
        for _ in 0..20_000 {
            let first = std::fs::read_dir(&runs).ok().and_then(|mut runs| runs.next()?.ok());
            if let Some(run) = first.filter(|run| run.path().is_dir()) {
                return std::fs::write(run.path().join("tensorboard"), "").is_ok();
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        false
    });
    let shot = world.pipeline(["run", "experiments/mini.toml"]);
    assert!(blocker.join().expect("no panic"), "{shot}");
    assert!(run(&world.latest_run()).join("tensorboard").is_file());
    assert_eq!(shot.code, Some(0), "{shot}");
    assert_eq!(shot.stderr.matches("TensorBoard").count(), 1, "{shot}");
    assert!(shot.stdout.contains("results: outputs/mini"), "{shot}");
}

/// The row of `summary.csv` that is best in the objective of [`SWEEP`], by column.
fn best_of_summary(world: &World) -> BTreeMap<String, String> {
    let summary = csv::Reader::from_path(world.path("outputs/rates/summary.csv"));
    let rows = summary.expect("there").into_deserialize::<BTreeMap<String, String>>();
    let mean = |row: &BTreeMap<String, String>| -> f64 {
        row["evaluate.ner.token_accuracy.mean"].parse().expect("a number")
    };
    // Of equals the first.
    let better = |best: BTreeMap<String, String>, row: BTreeMap<String, String>| {
        if mean(&row) > mean(&best) { row } else { best }
    };
    rows.map(|row| row.expect("a row")).reduce(better).expect("a point")
}

#[test]
fn runs_are_exported_once_and_each_trial_of_a_sweep_is_a_run_below_its_run() {
    let world = World::new();
    world.child("rates", SWEEP);
    world.pipeline(["run", "experiments/rates.toml"]);
    let sweep = world.latest_run();
    let first = world.pipeline(["export-runs", "--mlflow", "mlruns"]);
    assert!(first.stdout.starts_with(&format!("{sweep}  written with 4 trials\n")), "{first}");
    let [experiment] = &world.names("mlruns")[..] else { panic!("{:?}", world.names("mlruns")) };
    let runs = || -> Vec<String> {
        let mut names = world.names(&format!("mlruns/{experiment}"));
        names.retain(|name| name != "meta.yaml");
        names
    };
    assert_eq!(runs().len(), 5);
    let read =
        |run: &str, name: &str| world.read_if_there(&format!("mlruns/{experiment}/{run}/{name}"));
    let parents: Vec<String> = runs()
        .iter()
        .map(|run| read(run, "tags/mlflow.parentRunId"))
        .filter(|it| !it.is_empty())
        .collect();
    assert!(
        parents.len() == 4 && parents.iter().all(|parent| runs().contains(parent)),
        "{parents:?}"
    );
    let trials: Vec<String> = runs().into_iter().filter(|run| *run != parents[0]).collect();
    for trial in &trials {
        let learning_rate = read(trial, "params/train.learning_rate");
        assert!(["0.001", "0.002"].contains(&&*learning_rate), "{learning_rate}");
        assert!(read(trial, "metrics/train/loss").lines().count() > 1);
        assert!(read(trial, "metrics/evaluate.ner.token_accuracy").ends_with(" 0\n"));
        assert!(!read(trial, "artifacts/metrics.json").is_empty());
    }
    assert!(!read(&parents[0], "artifacts/summary.csv").is_empty());
    // It has itself what the best point came to, and which trial stands for that.
    let best = best_of_summary(&world);
    for (metric, column) in [("", ".mean"), (".sd", ".sd"), (".n", ".n")] {
        for name in ["evaluate.ner.token_accuracy", "evaluate.loss"] {
            let line = read(&parents[0], &format!("metrics/{name}{metric}"));
            let value = line.split(' ').nth(1).expect("a value");
            assert_eq!(value, best[&format!("{name}{column}")], "{name}{metric}");
        }
    }
    let child = read(&parents[0], "params/best_child_run_id");
    let trial = world.read("outputs/rates/best/trial.txt");
    assert_eq!(read(&child, "tags/mlflow.runName"), trial.trim_end());
    let rate = |run: &str| read(run, "params/train.learning_rate");
    assert_eq!(rate(&parents[0]), rate(&child));
    world.pipeline(["run", "experiments/mini.toml"]);
    let (single, again) =
        (world.latest_run(), world.pipeline(["export-runs", "--mlflow", "mlruns"]));
    assert!(again.stdout.contains(&format!("{sweep}  was there\n{single}  written\n")), "{again}");
}

#[test]
fn mlflow_finds_parameters_curves_scores_tags_and_artifacts() {
    let Some(python) = python_with("mlflow") else { return };
    let world = World::new();
    world.child("rates", SWEEP);
    world.pipeline(["run", "experiments/rates.toml"]);
    world.pipeline(["run", "experiments/mini.toml"]);
    world.pipeline(["export-runs", "--mlflow", "mlruns"]);
    let found = read_by(&python, "read_mlflow.py", &world.path("mlruns"));
    let runs = found.as_array().expect("runs");
    assert_eq!(runs.len(), 6, "{found}");
    let single = runs.iter().find(|run| run["experiment"] == "mini").expect("the run");
    assert_eq!(single["status"], "FINISHED");
    assert_eq!(single["params"]["train.epochs"], "1");
    assert_eq!(single["tags"]["mlflow.source.name"], "experiments/mini.toml");
    let metrics: Value =
        serde_json::from_str(&world.read("outputs/mini/metrics.json")).expect("JSON");
    assert_eq!(single["metrics"]["evaluate.loss"], json!([[0, metrics["loss"]]]));
    let history = world.read("outputs/mini/history.csv");
    let rows = history.lines().filter(|row| row.starts_with("train,")).count() as u64;
    assert_eq!(steps(&single["metrics"]["train/ner_loss"]), (1..=rows).collect::<Vec<_>>());
    assert!(single["artifacts"].as_array().expect("a list").contains(&json!("loss.png")));
    let parent = runs.iter().find(|run| {
        run["artifacts"].as_array().is_some_and(|of| of.contains(&json!("summary.csv")))
    });
    let parent = &parent.expect("the sweep")["id"];
    let below = runs.iter().filter(|run| run["tags"]["mlflow.parentRunId"] == *parent);
    assert_eq!(below.count(), 4, "{found}");
    let sweep = runs.iter().find(|run| run["id"] == *parent).expect("just found");
    let best = best_of_summary(&world);
    let objective = "evaluate.ner.token_accuracy";
    for (metric, column) in [("", ".mean"), (".sd", ".sd"), (".n", ".n")] {
        let value: f64 = best[&format!("{objective}{column}")].parse().expect("a number");
        assert_eq!(sweep["metrics"][format!("{objective}{metric}")], json!([[0, value]]));
    }
    let child = &sweep["params"]["best_child_run_id"];
    let child = runs.iter().find(|run| run["id"] == *child).expect("one of the runs");
    assert_eq!(child["name"], world.read("outputs/rates/best/trial.txt").trim_end());
    let rate = |run: &Value| run["params"]["train.learning_rate"].clone();
    assert_eq!(rate(child), rate(sweep));
}

#[test]
fn what_cannot_be_exported_is_said() {
    let world = World::trained();
    world.write("file", "");
    snapshot!(
        world.pipeline(["export-runs", "--mlflow", "file"]),
        world.pipeline(["export-runs", "--mlflow", "mlruns", "20200101-000000-mini"]),
    );
    assert!(!world.path("mlruns").exists());
}

#[test]
fn a_run_is_followed_into_weights_and_biases() {
    let Some(python) = python_with("wandb") else { return };
    let world = World::trained();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/experiments/follow.py");
    let run = world.path(format!("outputs/runs/{}", world.latest_run()));
    let output = Command::new(python)
        .args([script.as_ref(), run.as_os_str()])
        .env("WANDB_MODE", "offline")
        .output()
        .expect("python starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let followed = glob::glob(&format!("{}/wandb/offline-run-*/*.wandb", run.display()))
        .expect("a pattern")
        .next()
        .expect("a file")
        .expect("listed");
    let bytes = std::fs::read(followed).expect("readable");
    let said = String::from_utf8_lossy(&bytes);
    for name in ["train/loss", "train/validation/ner_loss", "evaluate.ner.token_accuracy"] {
        assert!(said.contains(name), "{name}");
    }
}
