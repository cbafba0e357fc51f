//! Sweeps whose points are chosen as results come, and what runs for the best point alone.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::world::{Shot, World};

const FILE: &str = "experiments/search.toml";

/// A search that trains nothing: how well a majority does depends on the corpus.
const SEARCH: &str = r#"version = 1
seed = 7
[stage.corpus]
kind = "generate_corpus"
templates = "data/events.toml"
samples = 100
anomaly_ratio = 0.3
split = { train = 0.6, validation = 0.2, test = 0.2 }
[stage.filter]
kind = "command"
run = ["sh", "-c", "test $(wc -l < \"$0/train.jsonl\") -lt 150 || exit 3; cp \"$0\"/*.jsonl \"$1\"", "{in.corpus}", "{out}"]
output = "corpus"
corpus = "@corpus"
[stage.baseline]
corpus = "@filter"
method = "majority"
[stage.held_out]
kind = "baseline"
corpus = "@filter"
method = "majority"
split = "test"
at = "best"
[sweep]
method = "tpe"
objective = "max baseline.anomaly.accuracy"
points = 8
parallel = 2
[sweep.over]
corpus.anomaly_ratio = { uniform = [0.1, 0.9] }
corpus.samples = { int = [60, 200] }
"#;

fn world(text: &str) -> World {
    let world = World::new();
    world.write(FILE, text);
    world
}

fn run(world: &World, more: &[&str]) -> Shot {
    world.pipeline([&["run", FILE][..], more].concat())
}

/// The values of a column of `trials.csv`.
fn column(world: &World, wanted: &str) -> Vec<String> {
    let text = world.read("outputs/search/trials.csv");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().expect("a header").clone();
    let place = header.iter().position(|name| name == wanted);
    let place = place.unwrap_or_else(|| panic!("{wanted} in {header:?}"));
    reader.records().map(|row| row.expect("a row")[place].to_owned()).collect()
}

#[test]
fn the_points_are_the_same_for_any_number_of_jobs_and_after_kills_and_more_of_them_go_on() {
    let (one, killed) = (world(SEARCH), world(SEARCH));
    let shot = run(&one, &["-j", "1"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    let points = column(&one, "trial");
    assert_eq!((points.len(), &*points[0]), (8, "anomaly_ratio=0.3,samples=100"));
    for after in ["point 1/8", "point 3/8", "point 6/8"] {
        let mut process = killed
            .process(["run", FILE, "-j", "4"])
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let lines = BufReader::new(process.stderr.take().expect("piped")).lines();
        lines.map_while(Result::ok).find(|line| line.starts_with(after));
        process.kill().expect("killed");
        process.wait().expect("ended");
    }
    let shot = run(&killed, &["-j", "8"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    assert_eq!(column(&killed, "trial"), points);
    let more = run(&killed, &["--set", "sweep.points=11"]);
    assert_eq!(more.code, Some(0), "{more}");
    assert_eq!(column(&killed, "trial")[..8], points);
    assert_eq!(column(&killed, "trial").len(), 11);
}

#[test]
fn a_plan_says_how_far_a_search_is_and_a_finished_one_has_nothing_to_do() {
    let world = world(SEARCH);
    let before = world.pipeline(["plan", FILE]);
    let says = "search: 2 of 8 points so far; the others are proposed from their results\n\
                what runs for the best point follows when all points are scored\n";
    assert!(before.stdout.contains(says), "{before}");
    let shot = run(&world, &[]);
    assert!(shot.stderr.contains("point 8/8  "), "{shot}");
    assert!(shot.stdout.contains("8 points, best first"), "{shot}");
    let after = world.pipeline(["plan", FILE, "--check"]);
    assert_eq!(after.code, Some(0), "{after}");
    let stdout = &after.stdout;
    assert!(stdout.contains("of 8 trials: 0 to run") && !stdout.contains("so far"), "{after}");
    let again = run(&world, &["--json"]);
    assert!(again.stdout.contains("\"built\":0"), "{again}");
    assert_eq!(again.stdout.matches("\"event\":\"run_started\"").count(), 1);
    assert_eq!(again.stdout.matches("\"event\":\"point_ended\"").count(), 8);
}

#[test]
fn what_is_at_best_runs_for_the_best_point_alone_and_its_scores_lie_with_it() {
    let world = world(SEARCH);
    let shot = run(&world, &[]);
    world.assert_is_read_back(&shot);
    let scored = column(&world, "held_out.anomaly.accuracy");
    let (points, best) = (column(&world, "trial"), column(&world, "baseline.anomaly.accuracy"));
    let number = |text: &String| text.parse::<f64>().unwrap_or(-1.0);
    let highest = best.iter().map(number).fold(-1.0, f64::max);
    let first = best.iter().position(|score| number(score) == highest).expect("a best point");
    let has: Vec<usize> = (0..8).filter(|row| !scored[*row].is_empty()).collect();
    assert_eq!(has, [first], "{shot}");
    assert!(shot.stdout.contains(&format!("best point: {}\n", points[first])), "{shot}");
    assert!(world.names("outputs/search/best/held_out").contains(&"metrics.json".to_owned()));
    // The same in a grid, whose best point is known when all are scored.
    let grid = ["--sweep", "corpus.anomaly_ratio=0.2,0.4,0.6", "--name", "grid"];
    let shot = run(&world, &grid);
    assert_eq!(shot.code, Some(0), "{shot}");
    let trials = world.read("outputs/search@grid/trials.csv");
    let mut reader = csv::Reader::from_reader(trials.as_bytes());
    let header = reader.headers().expect("a header").clone();
    let place = header.iter().position(|name| name == "held_out.anomaly.accuracy");
    let place = place.expect("a column");
    let filled = reader.records().filter(|row| !row.as_ref().expect("a row")[place].is_empty());
    assert_eq!(filled.count(), 1);
}

#[test]
fn a_point_that_fails_costs_one_point_and_is_tried_again_when_that_is_asked_for() {
    // More than 150 texts to train on are too many for the filter.
    let world = world(&SEARCH.replace("int = [60, 200]", "int = [100, 400]"));
    let shot = run(&world, &[]);
    assert_eq!(shot.code, Some(0), "{shot}");
    let status = column(&world, "status");
    let failed = status.iter().filter(|status| *status == "failed").count();
    assert!((1..8).contains(&failed), "{status:?}");
    assert_eq!(status.len(), 8);
    assert!(shot.stdout.contains(&format!(", {failed} failed")), "{shot}");
    let again = run(&world, &[]);
    assert_eq!(again.code, Some(0), "{again}");
    assert!(again.stderr.contains("it has failed before: "), "{again}");
    assert!(again.stderr.contains("`--retry-failed` tries it again"), "{again}");
    // To fail is to be done.
    let plan = world.pipeline(["plan", FILE, "--check"]);
    assert_eq!(plan.code, Some(0), "{plan}");
    assert!(plan.stdout.contains("has failed before: `--retry-failed` tries it again"), "{plan}");
    assert!(plan.stdout.contains(" 0 to run, "), "{plan}");
    // What the latest run needs to know stays.
    assert_eq!(world.pipeline(["gc", "--apply"]).code, Some(0));
    assert!(run(&world, &[]).stderr.contains("it has failed before: "));
    let text = world.read(FILE).replace("exit 3;", "true;");
    world.write(FILE, text);
    let mended = run(&world, &["--retry-failed"]);
    assert_eq!(mended.code, Some(0), "{mended}");
    assert!(column(&world, "status").iter().all(|status| status == "done"), "{mended}");
}

#[test]
fn regions_that_are_left_out_have_no_points() {
    let skip =
        "[[sweep.skip]]\ncorpus.anomaly_ratio = { min = 0.4 }\ncorpus.samples = { max = 150 }\n";
    let world = world(&format!("{SEARCH}{skip}"));
    let shot = run(&world, &[]);
    assert_eq!(shot.code, Some(0), "{shot}");
    let numbers = |name: &str| -> Vec<f64> {
        column(&world, name).iter().map(|text| text.parse().expect("a number")).collect()
    };
    let (ratios, samples) = (numbers("corpus.anomaly_ratio"), numbers("corpus.samples"));
    assert!(ratios.iter().zip(&samples).all(|(ratio, samples)| *ratio < 0.4 || *samples > 150.0));
    let grid = "[sweep]\nmethod = \"grid\"\n[sweep.over]\ntrain.learning_rate = [1e-3, 2e-3]\ntrain.epochs = [1, 2]\n\
                [[sweep.skip]]\ntrain.epochs = 2\ntrain.learning_rate = [2e-3]\n";
    world.child("grid", grid);
    let plan = world.pipeline(["plan", "experiments/grid.toml"]);
    assert!(plan.stdout.contains("of 3 trials"), "{plan}");
    world.child("none", &format!("{grid}[[sweep.skip]]\ntrain.epochs = [1, 2]\n"));
    let plan = world.pipeline(["check", "experiments/none.toml"]);
    assert_eq!(plan.code, Some(2));
    assert!(plan.stderr.contains("`skip` leaves out every point"), "{plan}");
}

#[test]
fn mistakes_are_found_before_anything_is_chosen() {
    for (old, new, says) in [
        ("uniform = [0.1, 0.9]", "uniform = [0.1, 2]", "anomaly_ratio"),
        ("split = \"test\"\nat", "split = \"tset\"\nat", "tset"),
        (
            "max baseline.anomaly.accuracy",
            "max held_out.anomaly.accuracy",
            "for the best point alone",
        ),
        ("at = \"best\"", "at = \"last\"", "`at = \"best\"` runs a stage"),
        ("points = 8", "", "needs `points`"),
        ("[sweep.over]", "[[sweep.skip]]\ncorpus.sample = 3\n[sweep.over]", "no axis of the sweep"),
        (
            "[sweep.over]",
            "[[sweep.skip]]\ncorpus.anomaly_ratio = { min = 0.1 }\n[sweep.over]",
            "`skip` leaves out every point",
        ),
    ] {
        let world = world(&SEARCH.replace(old, new));
        let shot = world.pipeline(["check", FILE]);
        assert_eq!(shot.code, Some(2), "{new}: {shot}");
        assert!(shot.stderr.contains(says), "{new}: {shot}");
    }
}

#[test]
fn a_stage_at_best_that_fails_fails_the_run_and_leaves_the_best_point_what_it_is() {
    let failing = "kind = \"command\"\nrun = [\"false\"]\ncorpus = \"@filter\"\nat = \"best\"\n";
    let (before, after) = SEARCH.split_once("[stage.held_out]\n").expect("a stage");
    let (_, after) = after.split_once("at = \"best\"\n").expect("its end");
    let world = world(&format!("{before}[stage.held_out]\n{failing}{after}"));
    let shot = run(&world, &[]);
    assert_eq!(shot.code, Some(1), "{shot}");
    assert!(column(&world, "status").iter().all(|status| status == "done"), "{shot}");
    let told = shot.stderr.lines().rfind(|line| line.starts_with("point 8/8")).expect("a point");
    let best = shot.stdout.lines().find_map(|line| line.strip_prefix("best point: "));
    assert!(
        told.contains(best.expect("a best point")) || told.contains("the best so far"),
        "{shot}"
    );
}

#[test]
fn a_stage_that_fails_beside_the_objective_takes_no_score_from_a_point() {
    let beside = "[stage.beside]\nkind = \"command\"\nrun = [\"false\"]\ncorpus = \"@filter\"\nafter = [\"baseline\"]\n[sweep]\n";
    let world = world(&SEARCH.replace("[sweep]\n", beside));
    let shot = run(&world, &[]);
    let best = shot.stdout.lines().find_map(|line| line.strip_prefix("best point: "));
    let trial = world.read("outputs/search/best/trial.txt");
    assert_eq!(best, Some(trial.trim_end()), "{shot}");
    let scores = column(&world, "baseline.anomaly.accuracy");
    assert!(scores.iter().all(|score| !score.is_empty()), "{scores:?}");
    assert!(column(&world, "status").iter().all(|status| status == "failed"), "{shot}");
    let chosen = column(&world, "held_out.anomaly.accuracy");
    let of_best = chosen.iter().position(|score| !score.is_empty()).expect("it is scored");
    assert_eq!(column(&world, "trial")[of_best], trial.trim_end());
    world.assert_is_read_back(&shot);
}

#[test]
fn what_is_no_experiment_is_a_point_that_failed_and_all_that_failed_are_a_failure() {
    let search = "[sweep]\nmethod = \"random\"\nobjective = \"max evaluate.ner.token_accuracy\"\npoints = 5\n\
                  [sweep.over]\ninit_model.hidden_size = { int = [32, 36] }\n";
    let world = World::new();
    world.child("search", search);
    let shot = world.pipeline(["run", FILE]);
    assert_eq!(shot.code, Some(0), "{shot}");
    assert!(shot.stderr.contains("the point hidden_size=33 counts as failed: "), "{shot}");
    assert_eq!(column(&world, "trial").len(), 2, "{shot}");
    // Nothing is found where every point fails.
    let world =
        self::world(&SEARCH.replace("exit 3;", "exit 3; exit 4;").replace("-lt 150", "-lt 0"));
    let shot = run(&world, &[]);
    assert_eq!(shot.code, Some(1), "{shot}");
}

#[test]
fn what_was_selected_runs_with_what_it_takes_to_know_the_best_point() {
    let world = world(SEARCH);
    let shot = run(&world, &["held_out"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    assert!(shot.stderr.contains("held_out [") && shot.stderr.contains("point 8/8"), "{shot}");
    let again = run(&world, &["corpus"]);
    assert!(again.stdout.contains("8 cached"), "{again}");
    // What tells nothing of the best point is left alone.
    let alone = self::world(SEARCH);
    let shot = run(&alone, &["corpus"]);
    assert!(shot.code == Some(0) && !shot.stderr.contains("baseline"), "{shot}");
}

#[test]
fn what_the_machine_keeps_from_its_end_is_no_failure_of_a_point() {
    let world = World::new();
    let mark = world.path("mark");
    // As the system does where memory is short.
    let script = format!("test -e '{}' || kill -9 $$; cp", mark.display());
    let start = SEARCH.find("test $(wc").expect("a script");
    let end = SEARCH.find("cp \\\"$0").expect("its end");
    world.write(FILE, format!("{}{script}{}", &SEARCH[..start], &SEARCH[end + 2..]));
    let shot = run(&world, &[]);
    assert_eq!(shot.code, Some(1), "{shot}");
    assert!(shot.stderr.contains("failed with signal: 9"), "{shot}");
    std::fs::write(mark, "").expect("writable");
    let again = run(&world, &[]);
    assert_eq!(again.code, Some(0), "{again}");
    assert!(column(&world, "status").iter().all(|status| status == "done"), "{again}");
}

#[test]
fn a_search_that_is_interrupted_between_two_points_is_not_done() {
    let world = world(&SEARCH.replace("parallel = 2", "parallel = 1"));
    for after in ["point 1/8", "point 2/8", "point 4/8"] {
        let mut process =
            world.process(["run", FILE]).stderr(Stdio::piped()).spawn().expect("started");
        let mut lines = BufReader::new(process.stderr.take().expect("piped")).lines();
        lines.by_ref().map_while(Result::ok).find(|line| line.starts_with(after));
        let pid = process.id().to_string();
        std::process::Command::new("kill").args(["-INT", &pid]).status().expect("sent");
        // Nobody waits for who does not read.
        lines.for_each(drop);
        assert_eq!(process.wait().expect("ended").code(), Some(130), "{after}");
    }
    assert_eq!(run(&world, &[]).code, Some(0));
}
