//! `run`, `verify`.

use crate::world::{Shot, World, snapshot};

const FILE: &str = "experiments/mini.toml";

#[test]
fn the_first_run_does_all_and_the_second_nothing() {
    let world = World::new();
    snapshot!(world.pipeline(["run", FILE, "-j", "1"]), world.pipeline(["run", FILE]));
    snapshot!("what_a_run_leaves", world.names("outputs/mini").join("\n"));
}

#[test]
fn the_summary_gives_the_metrics_in_lines_of_80_columns() {
    let shot = World::new().pipeline(["run", FILE]);
    for name in [
        "evaluate.anomaly",
        "average_precision",
        "evaluate.ner",
        "span_f1",
        "token_accuracy",
        "results: outputs/mini",
    ] {
        assert!(shot.stdout.contains(name), "{name}\n{shot}");
    }
    assert!(shot.stdout.lines().all(|line| line.chars().count() <= 80), "{shot}");
}

/// The lines of standard output that begin with `caveat:`, joined with those that go on with them.
fn caveats(shot: &Shot) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut open = false;
    for line in shot.stdout.lines() {
        if let Some(caveat) = line.strip_prefix("caveat: ") {
            found.push(caveat.to_owned());
            open = true;
        } else if let (true, Some(last)) = (open && line.starts_with("  "), found.last_mut()) {
            *last += &format!(" {}", line.trim());
        } else {
            open = false;
        }
    }
    found
}

#[test]
fn what_a_run_warns_of_stays_with_its_scores_when_everything_is_cached() {
    let world = World::new();
    world.child("cut", "[stage.tokenize]\nmax_length = 8\n");
    let first = world.pipeline(["run", "experiments/cut.toml"]);
    let second = world.pipeline(["run", "experiments/cut.toml"]);
    let said = caveats(&second);
    assert_eq!(caveats(&first), said);
    assert!(said.iter().any(|caveat| caveat.starts_with("validation shares ")), "{second}");
    let metrics: serde_json::Value =
        serde_json::from_str(&world.read("outputs/cut/metrics.json")).expect("JSON");
    let listed = metrics["caveats"].as_array().expect("a list");
    let messages: Vec<_> = listed.iter().filter_map(|caveat| caveat["message"].as_str()).collect();
    assert_eq!(messages, said);
    let cut = listed.iter().find(|caveat| caveat["code"] == "texts_cut").expect("texts were cut");
    assert!(cut["count"].as_u64().expect("a count") > 0, "{cut}");
    assert_eq!(cut.as_object().expect("an object").len(), 3, "{cut}");
    let report = world.read("outputs/cut/classification_report.txt");
    for message in messages {
        assert!(first.stderr.contains(message), "{message}\n{first}");
        assert!(report.contains(message), "{message}\n{report}");
    }
}

#[test]
fn a_dry_run_is_a_plan() {
    let world = World::new();
    let (dry, plan) = (world.pipeline(["run", FILE, "--dry-run"]), world.pipeline(["plan", FILE]));
    assert_eq!((dry.stdout, dry.code), (plan.stdout, plan.code));
}

#[test]
fn a_run_of_one_stage_runs_what_it_needs_and_publishes_nothing_that_is_not_there() {
    let world = World::new();
    snapshot!(
        world.pipeline(["run", FILE, "tokenize", "-j", "1"]),
        world.pipeline(["run", FILE, "train", "-j", "1"])
    );
}

#[test]
fn rerun_runs_a_stage_although_it_is_there() {
    snapshot!(World::trained().pipeline(["run", FILE, "--rerun", "tokenize", "-j", "1"]));
}

/// A second corpus from a broken file, and what hangs on it.
const BROKEN: &str = r#"
[stage.logs]
kind = "read_corpus"
path = "data/logs.jsonl"

[stage.log_tokens]
kind = "tokenize"
model = "@init_model"
corpus = "@logs"
"#;

#[test]
fn a_failing_stage_says_which_line_is_malformed_and_stops_the_run() {
    let world = World::new();
    world.child("broken", BROKEN);
    world.write(
        "experiments/data/logs.jsonl",
        "{\"text\": \"a b\", \"entities\": [], \"anomaly\": 0}\n{\"text\": \"a b\",\n",
    );
    let shot = world.pipeline(["run", "experiments/broken.toml", "logs", "log_tokens", "-j", "1"]);
    let id = world.latest_run();
    snapshot!(shot, world.pipeline(["show", &id]));
}

#[test]
fn keep_going_finishes_what_does_not_depend_on_a_failure() {
    let world = World::new();
    world.child("broken", BROKEN);
    world.write(
        "experiments/data/logs.jsonl",
        "{\"text\": \"a b\", \"entities\": [{\"start\": 1, \"end\": 9, \"label\": \"X\"}], \"anomaly\": 0}\n",
    );
    snapshot!(world.pipeline(["run", "experiments/broken.toml", "--keep-going", "-j", "1"]));
}

/// The names in the results folder, and the stages that its record says are missing.
fn left(world: &World) -> (Vec<String>, serde_json::Value) {
    let record: serde_json::Value =
        serde_json::from_str(&world.read("outputs/mini/published.json")).expect("JSON");
    (world.names("outputs/mini"), record["missing"].clone())
}

/// Texts with other labels than those of `mini.toml`, on which its model cannot be evaluated. Only the run finds out.
const OTHERS: &str = r#"
[stage.others]
kind = "read_corpus"
path = "data/others.jsonl"
[stage.other_tokens]
kind = "tokenize"
model = "@init_model"
corpus = "@others"
"#;

fn write_others(world: &World) {
    world.write(
        "experiments/data/others.jsonl",
        (0..20)
            .map(|number| {
                format!("{{\"text\": \"a {number}\", \"entities\": [], \"anomaly\": 0}}\n")
            })
            .collect::<String>(),
    );
}

#[test]
fn a_failed_run_leaves_what_it_made_and_no_file_of_an_earlier_run() {
    // Whether the rest is finished makes no difference here.
    for option in ["--keep-going", "-j1"] {
        let world = World::trained();
        let whole = left(&world);
        let mini = world.read(FILE);
        write_others(&world);
        world.write(
            FILE,
            mini.replace(
                "[stage.evaluate]\nmodel = \"@train\"\ndata = \"@tokenize\"",
                "[stage.evaluate]\nmodel = \"@train\"\ndata = \"@other_tokens\"",
            ) + OTHERS,
        );
        let shot = world.pipeline(["run", FILE, option]);
        assert_eq!(shot.code, Some(1), "{shot}");
        assert!(
            shot.stdout.contains(
                "results: outputs/mini\nmissing: what `evaluate`, `plot` would have made\n"
            ),
            "{shot}"
        );
        let expected = [
            "experiment.toml",
            "history.csv",
            "model",
            "published.json",
            "report.html",
            "timing.csv",
        ]
        .map(str::to_owned)
        .to_vec();
        assert_eq!(left(&world), (expected, serde_json::json!(["evaluate", "plot"])));
        world.write(FILE, mini);
        let again = world.pipeline(["run", FILE]);
        assert!(again.stdout.contains("6 cached"), "{again}");
        assert_eq!(left(&world), whole);
    }
}

/// Weights that are multiplied by -99 at every step.
const DIVERGES: [&str; 8] = [
    "--set",
    "stage.train.learning_rate=10",
    "--set",
    "stage.train.weight_decay=10",
    "--set",
    "stage.train.schedule=constant",
    "--set",
    "stage.train.epochs=8",
];

#[test]
fn a_failed_run_that_has_no_results_leaves_those_of_an_earlier_one_and_says_so() {
    let world = World::trained();
    let whole = left(&world);
    let shot = world.pipeline([&["run", FILE][..], &DIVERGES].concat());
    assert!(
        shot.code == Some(1)
            && shot
                .stdout
                .contains("results: none; `outputs/mini` still holds those of an earlier run\n"),
        "{shot}"
    );
    assert_eq!(left(&world), whole);
    let nothing = World::new().pipeline([&["run", FILE][..], &DIVERGES].concat());
    assert!(!nothing.stdout.contains("results:"), "{nothing}");
}

#[test]
fn results_of_one_of_two_evaluations_keep_their_place_when_the_other_fails() {
    let world = World::new();
    write_others(&world);
    world.child("two", &format!("{OTHERS}[stage.test]\nkind = \"evaluate\"\nmodel = \"@train\"\ndata = \"@other_tokens\"\n"));
    let shot = world.pipeline(["run", "experiments/two.toml", "--keep-going"]);
    assert_eq!(shot.code, Some(1), "{shot}");
    assert!(world.path("outputs/two/metrics.json").is_file());
    assert!(!world.path("outputs/two/test").exists());
}

#[test]
fn the_command_that_failed_goes_on_once_the_file_is_mended() {
    let world = World::new();
    world.child("broken", BROKEN);
    world.write("experiments/data/logs.jsonl", "nonsense\n");
    let run = || {
        world.pipeline(["run", "experiments/broken.toml", "--keep-going", "log_tokens", "evaluate"])
    };
    assert_eq!(run().code, Some(1));
    let lines: String = (0..20)
        .map(|line| {
            format!("{{\"text\": \"line {line}\", \"entities\": [], \"anomaly\": {}}}\n", line % 2)
        })
        .collect();
    world.write("experiments/data/logs.jsonl", lines);
    let shot = run();
    assert!(shot.code == Some(0) && shot.stdout.contains("2 built, 5 cached"), "{shot}");
}

#[test]
fn events_come_as_one_json_object_a_line_from_start_to_end() {
    let shot = World::new().pipeline(["run", FILE, "--json"]);
    let events: Vec<serde_json::Value> =
        shot.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let name = |event: Option<&serde_json::Value>| event.expect("an event")["event"].clone();
    assert_eq!([name(events.first()), name(events.last())], ["run_started", "run_finished"]);
    assert_eq!(events.iter().filter(|event| event["event"] == "stage_finished").count(), 6);
    assert!(events.iter().all(|event| event["at_ms"].is_u64()));
    assert_eq!((shot.code, shot.stderr.as_str()), (Some(0), ""));
}

#[test]
fn events_of_a_run_that_does_nothing() {
    snapshot!(World::trained().pipeline(["run", FILE, "--json", "-j", "1", "--threads", "1"]));
}

#[test]
fn results_of_another_file_are_not_overwritten_and_the_remedy_is_a_name() {
    let world = World::trained();
    let other = "experiments/other.toml";
    world.write(other, format!("name = \"mini\"\n{}", world.read(FILE)));
    let refused = world.pipeline(["run", other]);
    world.write(other, world.read(FILE));
    let named = world.pipeline(["run", other]);
    snapshot!(refused, named);
}

#[test]
fn a_folder_that_no_run_made_is_not_touched() {
    let world = World::new();
    world.write("outputs/mini/diary.txt", "mine");
    snapshot!(world.pipeline(["run", FILE]));
    assert_eq!(world.names("outputs/mini"), ["diary.txt"]);
}

#[test]
fn results_that_were_removed_are_published_again_without_running_anything() {
    let world = World::trained();
    std::fs::remove_dir_all(world.path("outputs/mini")).expect("removed");
    let shot = world.pipeline(["run", FILE]);
    assert!(
        shot.stdout.contains("6 cached") && world.path("outputs/mini/loss.png").is_file(),
        "{shot}"
    );
}

#[test]
fn what_a_person_put_beside_the_results_stays_there() {
    let world = World::trained();
    world.write("outputs/mini/notes.txt", "mine");
    world.pipeline(["run", FILE, "--set", "stage.train.epochs=2"]);
    assert_eq!(world.read("outputs/mini/notes.txt"), "mine");
}

#[test]
fn verify_counts_what_is_right() {
    let world = World::trained();
    let shot = world.pipeline(["verify"]);
    assert!(
        shot.code == Some(0)
            && shot.stdout.starts_with("6 entries, ")
            && shot.stdout.ends_with("all as their manifests say\n"),
        "{shot}"
    );
    assert_eq!(world.pipeline(["verify", "--json"]).json()["entries"], 6);
}

#[test]
fn verify_finds_a_changed_byte_and_run_sets_the_entry_aside_and_builds_it_again() {
    let world = World::trained();
    let file = world.entry("corpus").join("train.jsonl");
    let mut bytes = std::fs::read(&file).expect("readable");
    bytes[20] ^= 1;
    let mut permissions = file.metadata().expect("there").permissions();
    #[expect(clippy::permissions_set_readonly_false, reason = "a folder of a test")]
    permissions.set_readonly(false);
    std::fs::set_permissions(&file, permissions).expect("set");
    std::fs::write(&file, bytes).expect("written");
    snapshot!(
        world.pipeline(["verify"]),
        world.pipeline(["run", FILE, "--set", "stage.tokenize.max_length=40", "-j", "1"]),
        world.pipeline(["verify"])
    );
}

#[test]
fn a_training_that_may_not_fit_into_memory_begins_with_a_warning() {
    let world = World::new();
    let large =
        ["--set", "stage.train.batch_size=65536", "--set", "stage.tokenize.max_length=8192"];
    let shot = world.pipeline(["run", FILE].iter().chain(&large));
    assert!(shot.stderr.contains("train       warning  needs up to about "), "{shot}");
    assert_eq!(shot.code, Some(0), "what little data there is fits");
    assert!(!world.pipeline(["run", FILE].iter().chain(&large)).stderr.contains("warning"));
}

#[test]
fn results_of_a_stage_that_the_file_no_longer_has_go() {
    let world = World::new();
    let more = "[stage.other]\nkind = \"evaluate\"\nmodel = \"@train\"\ndata = \"@tokenize\"\nbatch_size = 8\n";
    world.child("two", more);
    assert_eq!(world.pipeline(["run", "experiments/two.toml"]).code, Some(0));
    assert!(world.path("outputs/two/other").is_dir());
    world.child("two", "");
    let shot = world.pipeline(["run", "experiments/two.toml"]);
    assert!(!world.path("outputs/two/other").exists() && !shot.stdout.contains("other."), "{shot}");
    // What was not asked for stays.
    world.child("two", more);
    world.pipeline(["run", "experiments/two.toml"]);
    world.pipeline(["run", "experiments/two.toml", "evaluate"]);
    assert!(world.path("outputs/two/other").is_dir());
}

/// Runs until a training begins, puts a file in the place of the results, perhaps interrupts, and says how the process, its last event and its
/// record end.
fn ends_without_a_place_for_results(epochs: &str, interrupt: bool) -> [Option<i64>; 3] {
    use std::io::BufRead as _;
    let world = World::trained();
    let epochs = format!("stage.train.epochs={epochs}");
    let mut child = world
        .process(["run", FILE, "--set", &epochs, "--json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut lines = std::io::BufReader::new(child.stdout.take().expect("piped")).lines();
    assert!(lines.any(|line| line.expect("UTF-8").contains("\"stage_started\"")));
    std::fs::remove_dir_all(world.path("outputs/mini")).expect("removed");
    world.write("outputs/mini", "mine");
    if interrupt {
        let id = child.id().to_string();
        let status = std::process::Command::new("kill").args(["-INT", &id]).status();
        assert!(status.expect("kill").success());
    }
    let last = lines.map(|line| line.expect("UTF-8")).last().expect("an event");
    let last: serde_json::Value = serde_json::from_str(&last).expect("JSON");
    assert_eq!(
        (&last["event"], &last["results"]),
        (&"run_finished".into(), &serde_json::Value::Null)
    );
    let message = last["errors"].as_array().and_then(|errors| errors.last()?["message"].as_str());
    assert!(message.is_some_and(|message| message.contains("outputs/mini")), "{last}");
    let code = child.wait().expect("it ends").code().map(i64::from);
    assert_eq!(world.read("outputs/mini"), "mine");
    let record: serde_json::Value =
        serde_json::from_str(&world.read(&format!("outputs/runs/{}/run.json", world.latest_run())))
            .expect("JSON");
    [code, last["exit_code"].as_i64(), record["exit_code"].as_i64()]
}

#[test]
fn a_run_whose_results_cannot_be_published_has_failed_for_all_who_ask() {
    assert_eq!(ends_without_a_place_for_results("30", false), [Some(1); 3]);
}

#[test]
fn an_interrupted_run_was_interrupted_also_where_its_results_have_no_place() {
    assert_eq!(ends_without_a_place_for_results("99999", true), [Some(130); 3]);
}

#[cfg(target_os = "linux")]
#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn results_are_published_although_the_store_lies_on_another_disk() {
    use std::os::unix::fs::MetadataExt as _;
    let world = World::new();
    let Ok(other) = tempfile::tempdir_in("/dev/shm") else {
        return eprintln!("skipped: there is no /dev/shm");
    };
    std::fs::create_dir_all(world.path("outputs")).expect("created");
    if other.path().metadata().expect("there").dev()
        == world.path("outputs").metadata().expect("there").dev()
    {
        return eprintln!("skipped: /dev/shm is no other disk");
    }
    std::os::unix::fs::symlink(other.path(), world.path("outputs/store")).expect("a link");
    for epochs in ["1", "2"] {
        let shot = world.pipeline([
            "run",
            "experiments/mini.toml",
            "--set",
            &format!("stage.train.epochs={epochs}"),
        ]);
        assert_eq!(shot.code, Some(0), "{shot}");
        world.write("outputs/mini/mine.txt", "mine");
    }
    assert!(
        world.path("outputs/mini/loss.png").is_file()
            && world.path("outputs/mini/mine.txt").is_file()
    );
    assert!(
        world.names("outputs").iter().all(|name| !name.starts_with(".mini")),
        "{:?}",
        world.names("outputs")
    );
}

#[cfg(unix)]
#[test]
fn a_place_for_results_that_leads_nowhere_is_found_before_anything_runs() {
    let world = World::new();
    std::fs::create_dir_all(world.path("outputs")).expect("created");
    std::os::unix::fs::symlink("/nowhere", world.path("outputs/mini")).expect("a link");
    let shot = world.pipeline(["run", "experiments/mini.toml"]);
    assert!(shot.code == Some(2) && shot.to_string().contains("was not made by a run"), "{shot}");
    assert!(
        !world.path("outputs/store").exists()
            || world.names("outputs/store").iter().all(|name| name == "tmp"),
        "nothing ran"
    );
}
