//! What a sweep says and leaves.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::world::{World, snapshot};

const SWEEP: &str = r#"
[sweep]
method = "grid"
objective = "max evaluate.ner.token_accuracy"
seeds = 2
[sweep.over]
train.learning_rate = [1e-3, 2e-3]
"#;

/// The fields of a table in `outputs/rates/`, the header first.
fn table(world: &World, name: &str) -> Vec<Vec<String>> {
    let text = world.read(&format!("outputs/rates/{name}"));
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|row| row.expect("a row").iter().map(str::to_owned).collect()).collect()
}

/// A column of it by its name.
fn column(world: &World, name: &str, column: &str) -> Vec<String> {
    let rows = table(world, name);
    let place = rows[0]
        .iter()
        .position(|name| name == column)
        .unwrap_or_else(|| panic!("{column} in {:?}", rows[0]));
    rows[1..].iter().map(|row| row[place].clone()).collect()
}

/// What a sweep says, without the rows of its table and the scores of its best point.
fn without_scores(text: &str) -> String {
    let is_score = |line: &&str| {
        line.contains(" ± ") && !line.ends_with(':')
            || line.starts_with("best point: ")
            || line.trim().starts_with("span_")
    };
    text.lines().filter(|line| !is_score(line)).map(|line| format!("{line}\n")).collect()
}

/// The rows of the table that the end of a sweep prints, and what stands below it.
fn printed(stdout: &str) -> Vec<Vec<String>> {
    let rows =
        stdout.lines().skip_while(|line| !line.ends_with("(mean ± sd of n trials):")).skip(1);
    rows.take_while(|line| line.starts_with("  "))
        .map(|row| {
            row.split("  ")
                .map(str::trim)
                .filter(|cell| !cell.is_empty())
                .map(str::to_owned)
                .collect()
        })
        .collect()
}

#[test]
fn the_end_of_a_sweep_shows_its_points_the_best_first_with_the_spelling_of_the_file() {
    let world = World::new();
    world.child(
        "rates",
        "[sweep]\nobjective = \"min evaluate.loss\"\nseeds = 2\n[sweep.over]\ntrain.learning_rate = [1e-5, 1.0e-3]\ncorpus.samples = [8_0]\n",
    );
    let shot =
        world.pipeline(["run", "experiments/rates.toml", "--set", "stage.corpus.samples=81"]);
    assert!(
        shot.stdout
            .contains("\n2 points, best first by min evaluate.loss (mean ± sd of n trials):\n"),
        "{shot}"
    );
    let rows = printed(&shot.stdout);
    assert_eq!(rows[0], ["train.learning_rate", "corpus.samples", "evaluate.loss", "n"]);
    assert_eq!(
        [&*rows[1][0], &*rows[1][1], &*rows[1][3], &*rows[2][0]],
        ["1.0e-3", "8_0", "2", "1e-5"]
    );
    assert!(shot.stdout.contains("\nbest point: learning_rate=1.0e-3,samples=80\n"), "{shot}");
    assert!(shot.stdout.contains("caveat: all 2 seeds share the weights to start from"), "{shot}");
    assert_eq!(
        table(&world, "summary.csv")[0][..3],
        ["point", "train.learning_rate", "corpus.samples"]
    );
    assert_eq!(
        column(&world, "trials.csv", "train.learning_rate"),
        ["1e-5", "1e-5", "1.0e-3", "1.0e-3"]
    );
    world.assert_is_read_back(&shot);
    // Also where nothing was left to do.
    let again =
        world.pipeline(["run", "experiments/rates.toml", "--set", "stage.corpus.samples=81"]);
    assert_eq!(printed(&again.stdout), rows);
}

#[test]
fn without_a_terminal_each_point_is_a_line_when_its_trials_have_ended_unless_it_is_to_be_quiet() {
    let world = World::new();
    world.child("rates", SWEEP);
    let shot = world.pipeline(["run", "experiments/rates.toml", "-j", "1"]);
    let points: Vec<&str> = shot.stderr.lines().filter(|line| line.starts_with("point ")).collect();
    let [first, second] = points[..] else { panic!("{shot}") };
    let (said, left) = first.rsplit_once(", ").unwrap_or_default();
    assert!(said.starts_with("point 1/2  learning_rate=1e-3  token_accuracy "), "{first}");
    assert!(said.ends_with(", n = 2  the best so far") && left.ends_with(" left"), "{first}");
    assert!(second.starts_with("point 2/2  learning_rate=2e-3") && !second.ends_with("left"));
    let quiet = world.pipeline(["run", "experiments/rates.toml", "--quiet", "--seeds", "3"]);
    assert!(!quiet.stderr.contains("point "), "{quiet}");
}

#[test]
fn a_sweep_without_an_objective_shows_its_points_and_one_of_a_single_point_its_scores() {
    let world = World::new();
    world.child("rates", "[sweep]\n[sweep.over]\ntrain.learning_rate = [1e-3, 1e-5]\n");
    let rows = printed(&world.pipeline(["run", "experiments/rates.toml"]).stdout);
    assert_eq!(rows[0][..2], ["train.learning_rate", "evaluate.ner.span_f1"]);
    assert_eq!([&*rows[1][0], &*rows[2][0]], ["1e-3", "1e-5"]);
    let shot = world.pipeline(["run", "experiments/mini.toml", "--seeds", "3"]);
    assert!(shot.stdout.contains("\n  mean ± sd of 3 trials:\n"), "{shot}");
    let loss = shot.stdout.lines().find(|line| line.contains("loss ")).unwrap_or_default();
    assert!(loss.contains(" ± "), "{shot}");
}

#[test]
fn a_trial_has_a_name_that_run_rerun_and_explain_take() {
    let world = World::new();
    world.child("rates", SWEEP);
    let file = "experiments/rates.toml";
    let name = "train [learning_rate=1e-3,seed=1]";
    let one = world.pipeline(["run", file, name, "-j", "1"]);
    assert!(
        one.stdout.contains(": 4 built\n")
            && one.stderr.contains("train [learning_rate=1e-3,seed=1]"),
        "{one}"
    );
    assert!(
        one.stdout
            .contains("results: none; single trials of a sweep are published with the others\n"),
        "{one}"
    );
    let explained = world.pipeline(["explain", file, name]);
    assert!(
        explained.stdout.starts_with("train [learning_rate=1e-3,seed=1]: cached\n"),
        "{explained}"
    );
    assert_eq!(explained.stdout.matches("  key ").count(), 1, "{explained}");
    let rest = world.pipeline(["run", file]);
    assert!(rest.stdout.contains(": 11 built, 4 cached\n"), "{rest}");
    let before = world.names("outputs/rates");
    let again = world.pipeline(["run", file, name, "--rerun", name]);
    assert!(again.stdout.contains(": 1 built, 3 cached\n"), "{again}");
    assert!(again.stdout.contains("results: none; `outputs/rates` still holds"), "{again}");
    assert_eq!(world.names("outputs/rates"), before);
    // A part of the name means all that have it.
    let planned = world.pipeline(["plan", file, "evaluate [seed=1]"]);
    assert!(
        planned.stdout.contains("\nrates: 7 nodes of 2 trials: 0 to run, 7 cached\n"),
        "{planned}"
    );
}

#[test]
fn a_trial_that_there_is_not_is_nothing_selected() {
    let world = World::new();
    world.child("rates", SWEEP);
    let ask = |name: &str| world.pipeline(["explain", "experiments/rates.toml", name]);
    snapshot!(
        ask("train [learning_rate=3e-3,seed=0]"),
        ask("corpus [seed=0]"),
        ask("trian [seed=0]"),
        world.pipeline(["run", "experiments/rates.toml", "--rerun", "train [seed=7]"]),
    );
}

#[test]
fn a_sweep_trains_every_point_and_seed_and_leaves_tables_pictures_trials_and_the_best() {
    let world = World::new();
    world.child("rates", SWEEP);
    let shot = world.pipeline(["run", "experiments/rates.toml", "-j", "1"]);
    let told = without_scores(&shot.to_string());
    let table = |name: &str| {
        table(&world, name).iter().map(|row| row[..4].join("  ")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(table("summary.csv").lines().count(), 3, "a row for each point");
    snapshot!(
        told,
        world.names("outputs/rates").join("\n"),
        world.names("outputs/rates/trials").join("\n"),
        world.names("outputs/rates/trials/learning_rate=1e-3,seed=0").join("\n"),
        world.names("outputs/rates/best").join("\n"),
        table("trials.csv"),
    );
}

#[test]
fn a_sweep_that_was_run_is_not_run_again_and_a_further_seed_runs_only_what_is_new() {
    let world = World::new();
    world.child("rates", SWEEP);
    let run = |more: &[&str]| world.pipeline(["run", "experiments/rates.toml"].iter().chain(more));
    run(&[]);
    let (again, more) = (run(&[]), run(&["--seeds", "3"]));
    assert!(again.stdout.contains(": 15 cached"), "{again}");
    assert!(more.stdout.contains(": 6 built, 15 cached"), "{more}");
}

/// So fast that a weight decay of 10 multiplies the weights by -99 at every step.
const FAST: &str = "[stage.train]\nlearning_rate = 10.0\nschedule = \"constant\"\nepochs = 8\n";

#[test]
fn a_trial_that_fails_is_in_the_table_and_the_others_are_published() {
    let world = World::new();
    world.child(
        "types",
        &format!(
            "{FAST}[sweep]\nmethod = \"grid\"\n[sweep.over]\ntrain.weight_decay = [0.01, 10.0]\n"
        ),
    );
    let shot = world.pipeline([
        "run",
        "experiments/types.toml",
        "--device",
        "cpu",
        "-j",
        "1",
        "--keep-going",
    ]);
    let is_score = |line: &&str| line.starts_with("  0.01 ");
    let told: Vec<String> =
        shot.to_string().lines().filter(|line| !is_score(line)).map(str::to_owned).collect();
    snapshot!(told.join("\n"));
    let table = world.read("outputs/types/trials.csv");
    let statuses: Vec<_> =
        table.lines().skip(1).filter_map(|line| line.split(',').nth(1)).collect();
    assert_eq!(statuses, ["done", "failed"]);
}

#[test]
fn the_table_of_trials_has_the_seed_with_which_each_was_trained() {
    let world = World::new();
    world.child("rates", "[sweep]\nseeds = [0, 5]\n");
    world.pipeline(["run", "experiments/rates.toml"]);
    assert_eq!(column(&world, "trials.csv", "train.seed"), ["7", "12"]);
}

#[test]
fn scores_of_single_labels_stand_in_a_table_of_their_own() {
    let world = World::new();
    world.child("rates", "[sweep]\nseeds = 2\n");
    world.pipeline(["run", "experiments/rates.toml"]);
    let header = |name: &str| table(&world, name)[0].join(",");
    assert!(!header("trials.csv").contains("HOST"), "{}", header("trials.csv"));
    assert!(!header("summary.csv").contains("HOST"), "{}", header("summary.csv"));
    assert_eq!(header("labels.csv"), "trial,train.seed,label,metric,value");
    let rows = table(&world, "labels.csv");
    let f1 = |row: &&Vec<String>| row[2] == "HOST" && row[3] == "evaluate.ner.f1";
    assert_eq!(rows.iter().filter(f1).map(|row| &*row[1]).collect::<Vec<_>>(), ["7", "8"]);
}

/// The second half of the points fails, since its weights grow without bound; without `--keep-going` the run stops at the first of them.
const DECAYS: &str =
    "[sweep]\n[sweep.over]\ntrain.weight_decay = [0.01, 10.0]\ntrain.epochs = [8, 9]\n";

#[test]
fn a_trial_that_did_not_run_is_told_from_one_that_failed() {
    let world = World::new();
    world.child(
        "rates",
        &format!("{FAST}{DECAYS}")
            .replace("[sweep]\n", "[sweep]\nobjective = \"min evaluate.loss\"\n"),
    );
    let shot = world.pipeline(["run", "experiments/rates.toml", "--device", "cpu", "-j", "1"]);
    assert_eq!(column(&world, "trials.csv", "status"), ["done", "done", "failed", "not_run"]);
    let rows = printed(&shot.stdout);
    assert_eq!([&*rows[3][2], &*rows[4][2]], ["failed", "not run"], "{shot}");
    assert!(shot.stdout.contains("best point of the 2 of 4 that came to their end: "), "{shot}");
    // The record says it too.
    let run = world.latest_run();
    let shown = world.pipeline(["show", &run]);
    assert_eq!(printed(&shown.stdout)[..5], rows[..5], "{shown}");
    let json = world.pipeline(["show", &run, "--json"]).json();
    let trials = json["trials"].as_array().expect("trials");
    assert_eq!(trials.len(), 2, "{json}");
    assert!(trials[0]["metrics"]["evaluate.loss"].is_f64(), "{json}");
    assert!(trials[0]["metrics"]["evaluate.ner.entities"].is_u64(), "{json}");
    assert!(json["caveats"][0]["message"].is_string(), "{json}");
}

#[test]
fn a_caveat_of_one_trial_names_it_and_counts_are_neither_measured_nor_drawn() {
    let world = World::new();
    world.child("rates", "[sweep]\nseeds = 2\n[sweep.over]\ntokenize.max_length = [8, 128]\n");
    world.pipeline(["run", "experiments/rates.toml"]);
    let shown = world.pipeline(["show", &world.latest_run()]);
    let caveats: Vec<&str> =
        shown.stdout.lines().filter(|line| line.starts_with("caveat: ")).collect();
    assert!(
        caveats.iter().any(|line| line.starts_with("caveat: evaluate [max_length=8,seed=0]")),
        "{shown}"
    );
    let pictures = world.names("outputs/rates");
    let has = |name: &str| pictures.iter().any(|picture| picture == name);
    assert!(has("evaluate.ner.cut.png") && has("evaluate.ner.span_f1.png"), "{pictures:?}");
    assert!(!has("evaluate.ner.entities.png"), "{pictures:?}");
    let one = world.pipeline(["run", "experiments/mini.toml", "--seeds", "2"]);
    assert!(one.stdout.contains("  cut 0  entities "), "{one}");
}

#[test]
fn pictures_that_compare_points_are_svg_too_where_those_of_trials_are() {
    let world = World::new();
    let sweep = "[sweep]\nobjective = \"min evaluate.loss\"\n[sweep.over]\n\
                 train.learning_rate = [1e-3, 2e-3]\n";
    let pictures = || -> Vec<String> {
        let mut names = world.names("outputs/rates");
        names.retain(|name| name.starts_with("evaluate.loss."));
        names
    };
    world.child("rates", sweep);
    world.pipeline(["run", "experiments/rates.toml"]);
    assert_eq!(pictures(), ["evaluate.loss.png"]);
    world.child("rates", &format!("[stage.plot]\nformats = [\"png\", \"svg\"]\n{sweep}"));
    let run = || world.pipeline(["run", "experiments/rates.toml"]);
    assert_eq!(run().code, Some(0));
    assert_eq!(pictures(), ["evaluate.loss.png", "evaluate.loss.svg"]);
    let svg = world.read("outputs/rates/evaluate.loss.svg");
    assert!(svg.starts_with("<svg") && svg.contains("evaluate.loss"), "{svg}");
    // It is one of the results: one that was removed comes back.
    std::fs::remove_file(world.path("outputs/rates/evaluate.loss.svg")).expect("removed");
    let again = run();
    assert_eq!(world.read_if_there("outputs/rates/evaluate.loss.svg"), svg, "{again}");
}

#[test]
fn a_point_without_a_result_has_a_row_that_counts_none() {
    let world = World::new();
    world.child("rates", &format!("{FAST}{DECAYS}"));
    world.pipeline(["run", "experiments/rates.toml", "--device", "cpu", "--keep-going"]);
    assert_eq!(column(&world, "summary.csv", "evaluate.loss.n"), ["1", "1", "0", "0"]);
    assert_eq!(column(&world, "summary.csv", "evaluate.loss.mean")[2], "");
}

#[test]
fn an_interrupted_sweep_leaves_the_trials_that_came_to_their_end() {
    let world = World::new();
    world.child("rates", "[sweep]\n[sweep.over]\ntrain.epochs = [1, 99999, 100000]\n");
    let mut child = world
        .process(["run", "experiments/rates.toml", "--json", "--jobs", "1"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut events = BufReader::new(child.stdout.take().expect("piped")).lines();
    let begun = |line: &std::io::Result<String>| {
        let event: serde_json::Value =
            serde_json::from_str(line.as_ref().expect("readable")).expect("JSON");
        event["event"] == "stage_started"
            && event["stage"] == "train"
            && event["label"] == "epochs=99999"
    };
    assert!(events.any(|line| begun(&line)), "the second training begins");
    let status = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .expect("kill");
    assert!(status.success());
    assert!(events.count() > 0, "the rest is read, so that nothing blocks");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert_eq!(column(&world, "trials.csv", "status"), ["done", "interrupted", "not_run"]);
}

#[test]
fn a_run_of_one_stage_leaves_the_results_of_the_whole_sweep() {
    let world = World::new();
    world.child("rates", SWEEP);
    world.pipeline(["run", "experiments/rates.toml"]);
    let before = (world.names("outputs/rates"), world.read("outputs/rates/trials.csv"));
    let shot = world.pipeline(["run", "experiments/rates.toml", "train"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    assert_eq!((world.names("outputs/rates"), world.read("outputs/rates/trials.csv")), before);
}

#[test]
fn tables_hold_whole_values() {
    let world = World::new();
    let long = "x".repeat(80);
    world.write(
        format!("experiments/data/{long}-a.toml"),
        world.read("experiments/data/events.toml"),
    );
    world.write(
        format!("experiments/data/{long}-b.toml"),
        world.read("experiments/data/events.toml") + "\n",
    );
    let [one, other] = ["a", "b"].map(|end| format!("data/{long}-{end}.toml"));
    world.child(
        "rates",
        &format!("[sweep]\n[sweep.over]\ncorpus.templates = [\"{one}\", \"{other}\"]\n"),
    );
    let shot = world.pipeline(["run", "experiments/rates.toml"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    assert_eq!(column(&world, "trials.csv", "corpus.templates"), [one, other]);
}

#[test]
fn a_picture_that_cannot_be_drawn_is_a_warning_and_costs_no_result() {
    let world = World::new();
    let sizes: Vec<String> = (1..=201).map(|size| size.to_string()).collect();
    world.child(
        "rates",
        &format!(
            "unset = [\"stage.plot\"]\n[sweep]\nobjective = \"max evaluate.loss\"\n[sweep.over]\n\
             evaluate.batch_size = [{}]\nevaluate.split = [\"train\"]\n",
            sizes.join(", ")
        ),
    );
    // Without the patience of other tests: that many stages take a busy machine a while.
    let output = world.process(["run", "experiments/rates.toml", "--json"]).output();
    let output = output.expect("the program starts");
    let events = String::from_utf8(output.stdout).expect("UTF-8");
    let warning =
        "the picture of `evaluate.loss` was not drawn: a table of 201 labels is too large";
    assert!(output.status.success() && events.contains(warning), "{:?}", output.status);
    assert_eq!(column(&world, "trials.csv", "status"), vec!["done"; 201]);
    assert!(world.path("outputs/rates/best").is_dir());
    assert!(!world.path("outputs/rates/evaluate.loss.png").exists());
}

#[test]
fn a_run_of_many_nodes_is_told_by_stage_and_quiet_tells_nothing_but_results() {
    let world = World::new();
    let corpora = ["run", "experiments/mini.toml", "corpus", "--sweep"];
    let values: Vec<String> = (20..90).map(|samples| samples.to_string()).collect();
    let axis = format!("corpus.samples={}", values.join(","));
    let run = |more: &[&str]| {
        let shot = world.pipeline(corpora.iter().chain([&&*axis]).chain(more));
        assert_eq!(shot.code, Some(0), "{shot}");
        shot.stderr
    };
    let first = run(&[]);
    assert!(first.lines().count() < 15 && first.contains("done     70 built"), "{first}");
    let second = run(&[]);
    assert!(second.starts_with("corpus    cached   70 cached in "), "{second}");
    assert_eq!(run(&["--quiet"]), "");
}

#[test]
fn explain_shows_of_many_nodes_what_one_reads() {
    let world = World::new();
    let values: Vec<String> = (1..400).map(|rate| format!("{rate}e-6")).collect();
    let axis = format!("train.learning_rate={}", values.join(","));
    let shot = world.pipeline(["explain", "experiments/mini.toml", "train", "--sweep", &axis]);
    assert!(shot.stdout.lines().count() < 60, "{shot}");
    assert!(shot.stdout.starts_with("399 of 399 nodes: never run; one of them:\n"), "{shot}");
}

#[test]
fn folds_are_trials_of_each_point_and_the_chosen_one_can_be_made_again() {
    let world = World::new();
    world.child(
        "rates",
        "[stage.corpus]\nsplit = { train = 0.5, validation = 0.25, test = 0.25 }\n[sweep]\nfolds = 3\n\
         objective = \"max evaluate.ner.token_accuracy\"\n[sweep.over]\ntrain.learning_rate = [1e-3, 2e-3]\n",
    );
    let shot = world.pipeline(["run", "experiments/rates.toml"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    assert_eq!(column(&world, "trials.csv", "fold"), ["0", "1", "2", "0", "1", "2"]);
    assert_eq!(column(&world, "summary.csv", "evaluate.loss.n"), ["3", "3"]);
    let text = world.read("outputs/rates/best/experiment.toml");
    assert!(text.contains("fold = { index = 0, of = 3 }"), "{text}");
    let again = world.pipeline(["plan", "outputs/rates/best/experiment.toml", "--check"]);
    assert_eq!(again.code, Some(0), "{again}");
}
