//! What `run --json` and a run's `events.jsonl` tell, as it comes.

use serde_json::Value;

use crate::world::World;

const FILE: &str = "experiments/mini.toml";

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Events of one name.
fn named<'a>(events: &'a [Value], name: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["event"] == *name).collect()
}

#[test]
fn scores_on_the_validation_split_come_as_they_are_made_and_lie_in_the_record() {
    let world = World::new();
    let shot = world.pipeline(["run", FILE, "--json", "--set", "stage.train.epochs=3"]);
    let told = lines(&shot.stdout);
    let evaluated = named(&told, "evaluated");
    assert_eq!(evaluated.len(), 3, "{shot}");
    for event in &evaluated {
        assert_eq!(event["stage"], "train");
        assert!(event["step"].is_u64() && event["metrics"]["loss"].is_f64(), "{event}");
        assert!(event["metrics"]["ner.token_accuracy"].is_f64(), "{event}");
    }
    let record = world.read(&format!("outputs/runs/{}/events.jsonl", world.latest_run()));
    assert_eq!(lines(&record), told, "the record has the same lines");
}

#[test]
fn progress_is_told_and_at_most_once_a_second() {
    let world = World::new();
    let shot = world.pipeline(["run", FILE, "--json", "--set", "stage.train.epochs=40"]);
    let events = lines(&shot.stdout);
    let moments: Vec<u64> = named(&events, "stage_progress")
        .into_iter()
        .filter(|event| event["stage"] == "train")
        .map(|event| event["at_ms"].as_u64().expect("a time"))
        .collect();
    assert!(!moments.is_empty(), "{shot}");
    assert!(moments.windows(2).all(|pair| pair[1] - pair[0] >= 999), "{moments:?}");
}

#[test]
fn small_trainings_of_a_sweep_run_side_by_side_and_leave_what_one_after_the_other_does() {
    let world = World::new();
    let trained = |jobs: &str| -> (Vec<u64>, String) {
        let name = format!("jobs{jobs}");
        world.child(&name, "[sweep.over]\ntrain.learning_rate = [1e-3, 2e-3, 3e-3]\n");
        let file = format!("experiments/{name}.toml");
        let common = ["--rerun", "train", "--threads", "3", "--jobs", jobs, "--json"];
        let shot = world.pipeline([&["run", &file], &common[..]].concat());
        let events = lines(&shot.stdout);
        let of_train = named(&events, "stage_started").into_iter();
        let of_train = of_train.filter(|event| event["stage"] == "train");
        let threads = of_train.map(|event| event["threads"].as_u64().expect("a number"));
        (threads.collect(), world.read(&format!("outputs/jobs{jobs}/trials.csv")))
    };
    let ((alone, one_by_one), (beside, at_once)) = (trained("1"), trained("3"));
    assert_eq!((alone, beside), (vec![3; 3], vec![1; 3]));
    assert_eq!(one_by_one, at_once);
}

#[test]
fn the_last_line_has_the_run_its_metrics_and_its_results() {
    let world = World::new();
    for _ in ["built", "cached"] {
        let shot = world.pipeline(["run", FILE, "--json"]);
        let events = lines(&shot.stdout);
        let last = events.last().expect("a line");
        assert_eq!((&last["event"], &last["exit_code"]), (&"run_finished".into(), &0.into()));
        assert_eq!(last["run"], world.latest_run().as_str());
        let results = last["results"].as_str().expect("a folder");
        assert!(results.ends_with("outputs/mini"), "{results}");
        assert!(last["metrics"]["evaluate.ner.token_accuracy"].is_f64(), "{last}");
        assert_eq!(last["errors"], serde_json::json!([]));
    }
}

#[test]
fn a_stage_that_fails_is_an_error_in_the_last_line() {
    let world = World::new();
    world.child(
        "broken",
        "[stage.train]\nepochs = 1\nkeep_best = \"anomaly.auroc\"\n[stage.corpus]\nanomaly_ratio = 0\n",
    );
    let shot = world.pipeline(["run", "experiments/broken.toml", "--json"]);
    let events = lines(&shot.stdout);
    let last = events.last().expect("a line");
    assert_eq!((shot.code, &last["exit_code"]), (Some(1), &1.into()), "{shot}");
    assert_eq!(last["errors"][0]["stage"], "train");
    let message = last["errors"][0]["message"].as_str().expect("a message");
    assert!(message.contains("`keep_best` cannot go by `anomaly.auroc`"), "{message}");
    assert!(last["errors"][0]["help"][0].is_string(), "{last}");
}

#[test]
fn mistakes_in_a_file_are_objects_a_line_each() {
    let world = World::new();
    world.child("wrong", "[stage.train]\nepoch = 1\nbatch_size = 0\n");
    let shot = world.pipeline(["run", "experiments/wrong.toml", "--json"]);
    assert_eq!((shot.code, shot.stderr.as_str()), (Some(2), ""), "{shot}");
    let errors = lines(&shot.stdout);
    let places: Vec<_> =
        errors.iter().map(|error| (error["line"].as_u64(), error["column"].as_u64())).collect();
    assert_eq!(places, [(Some(3), Some(1)), (Some(4), Some(14))], "{shot}");
    for error in &errors {
        assert_eq!(error["event"], "error");
        assert_eq!(error["file"], "experiments/wrong.toml");
        assert!(error["message"].is_string() && error["help"].is_array(), "{error}");
    }
}

#[test]
fn a_file_that_is_not_there_is_an_object_too() {
    let shot = World::new().pipeline(["run", "experiments/none.toml", "--json"]);
    assert_eq!((shot.code, shot.stderr.as_str()), (Some(2), ""), "{shot}");
    assert_eq!(lines(&shot.stdout)[0]["event"], "error");
}

#[test]
fn other_commands_answer_mistakes_with_json_as_well() {
    let world = World::new();
    world.child("wrong", "[stage.train]\nepoch = 1\n");
    for command in ["plan", "graph"] {
        let shot = world.pipeline([command, "experiments/wrong.toml", "--json"]);
        assert_eq!((shot.code, shot.stderr.as_str()), (Some(2), ""), "{shot}");
        assert_eq!(shot.json()["errors"][0]["line"], 3, "{shot}");
    }
}

#[test]
fn a_command_line_that_is_wrong_is_told_as_json_where_the_answer_would_have_been() {
    let world = World::new();
    for (arguments, message) in [
        (&["plan", FILE, "--jobz", "3", "--json"][..], "unexpected argument '--jobz' found"),
        (&["check", "--json"], "the following required arguments were not provided"),
        (&["gc", "--json", "--older-than", "x"], "invalid value 'x' for '--older-than <AGE>'"),
        (&["pln", FILE, "--json"], "there is no command `pln`"),
        (&["run", FILE, "--dry-run", "--json", "--jobs"], "a value is required for '--jobs <N>'"),
    ] {
        let shot = world.pipeline(arguments);
        let errors = &shot.json()["errors"];
        let told = errors[0]["message"].as_str().expect("a message");
        assert!(told.starts_with(message) && errors[0]["help"].is_array(), "{shot}");
        assert!(shot.code == Some(2) && shot.stderr.is_empty(), "{shot}");
    }
    let shot = world.pipeline(["run", "--json", FILE, "--jobz"]);
    let event: serde_json::Value = serde_json::from_str(&shot.stdout).expect("one line");
    assert_eq!((shot.code, &event["event"]), (Some(2), &"error".into()), "{shot}");
    assert!(!shot.stdout.trim_end().contains('\n'), "{shot}");
}

#[test]
fn a_mistyped_command_is_answered_with_the_one_that_was_meant() {
    let shot = World::empty().pipeline(["pln"]);
    assert!(shot.stderr.contains("did you mean `plan`?"), "{shot}");
}
