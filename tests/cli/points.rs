//! Which points a sweep has, and which of them is chosen.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::world::{Shot, World};

const FILE: &str = "experiments/points.toml";

/// Two axes that move as one over what a majority does well at.
const TOGETHER: &str = r#"version = 1
seed = 7
[stage.corpus]
kind = "generate_corpus"
templates = "data/events.toml"
samples = 100
anomaly_ratio = 0.3
[stage.baseline]
corpus = "@corpus"
method = "majority"
[sweep]
objective = "max baseline.anomaly.accuracy"
[[sweep.together]]
corpus.samples = [60, 80, 100]
corpus.anomaly_ratio = [0.2, 0.4, 0.3]
"#;

fn world(text: &str) -> World {
    let world = World::new();
    world.write(FILE, text);
    world
}

fn run(world: &World, more: &[&str]) -> Shot {
    let shot = world.pipeline([&["run", FILE][..], more].concat());
    assert_eq!(shot.code, Some(0), "{shot}");
    world.assert_is_read_back(&shot);
    shot
}

/// A column of a table in `outputs/points/`.
fn column(world: &World, table: &str, wanted: &str) -> Vec<String> {
    let text = world.read(&format!("outputs/points/{table}"));
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().expect("a header").clone();
    let place = header.iter().position(|name| name == wanted);
    let place = place.unwrap_or_else(|| panic!("{wanted} in {header:?}"));
    reader.records().map(|row| row.expect("a row")[place].to_owned()).collect()
}

fn numbers(world: &World, table: &str, wanted: &str) -> Vec<f64> {
    column(world, table, wanted).iter().map(|text| text.parse().expect("a number")).collect()
}

#[test]
fn what_moves_together_is_tried_entry_by_entry_and_shown_value_by_value() {
    let grid = world(TOGETHER);
    let shot = run(&grid, &[]);
    let labels = [(60, "0.2"), (80, "0.4"), (100, "0.3")]
        .map(|(samples, ratio)| format!("samples={samples},anomaly_ratio={ratio}"));
    assert_eq!(column(&grid, "trials.csv", "trial"), labels);
    assert_eq!(column(&grid, "summary.csv", "corpus.samples"), ["60", "80", "100"]);
    assert_eq!(column(&grid, "summary.csv", "corpus.anomaly_ratio"), ["0.2", "0.4", "0.3"]);
    assert!(shot.stdout.contains("  corpus.samples  corpus.anomaly_ratio  "), "{shot}");
    // A search proposes entries, the file's own first, and knows when there is no other.
    let search = world(&TOGETHER.replace("[sweep]", "[sweep]\nmethod = \"auto\"\npoints = 9"));
    let shot = run(&search, &[]);
    assert!(shot.stderr.contains("3 points of the 9 asked for"), "{shot}");
    let mut tried = column(&search, "trials.csv", "trial");
    assert_eq!(tried[0], labels[2]);
    tried.sort();
    let mut all = labels.to_vec();
    all.sort();
    assert_eq!(tried, all);
    // The file that lies with the results is the same sweep.
    let again = grid.pipeline(["plan", "outputs/points/experiment.toml", "--check"]);
    assert_eq!(again.code, Some(0), "{again}");
}

#[test]
fn the_point_that_is_chosen_within_one_standard_error_is_the_nearest_to_the_own_values() {
    let world = World::new();
    world.child(
        "points",
        "[stage.held_out]\nkind = \"evaluate\"\nmodel = \"@train\"\ndata = \"@tokenize\"\nat = \"best\"\n\
         [sweep]\nobjective = \"min evaluate.loss\"\nseeds = 2\nchoose = \"one-standard-error\"\n\
         [sweep.over]\ntrain.learning_rate = [1e-3, 1.01e-3, 1.02e-3, 1e-5]\n",
    );
    let shot = run(&world, &[]);
    let means = numbers(&world, "summary.csv", "evaluate.loss.mean");
    let deviations = numbers(&world, "summary.csv", "evaluate.loss.sd");
    let pooled = (deviations.iter().map(|sd| sd * sd).sum::<f64>() / 4.0).sqrt();
    let best = means.iter().copied().fold(f64::INFINITY, f64::min);
    let within = |mean: &f64| *mean <= best + pooled / 2.0_f64.sqrt();
    // The first is the file's own value, and the others lie the further off the later they come; the last learns next to nothing.
    let chosen = means.iter().position(within).expect("the best is within");
    assert!(chosen == 0 && means[0] > best, "this tells the two rules apart: {means:?}");
    let label = &column(&world, "summary.csv", "point")[chosen];
    assert!(shot.stdout.contains(&format!("best point: {label}\n")), "{shot}");
    let trial = world.read("outputs/points/best/trial.txt");
    assert!(trial.starts_with(&**label), "{trial}");
    let held_out = column(&world, "trials.csv", "held_out.loss");
    let scored: Vec<usize> = (0..8).filter(|row| !held_out[*row].is_empty()).collect();
    assert_eq!(scored, [2 * chosen, 2 * chosen + 1]);
    // By its mean another one is the best.
    let shot = run(&world, &["--set", "sweep.choose=mean"]);
    assert!(!shot.stdout.contains(&format!("best point: {label}\n")), "{shot}");
}

/// A search whose best points are trained again.
const FINALISTS: &str = "[stage.held_out]\nkind = \"evaluate\"\nmodel = \"@train\"\ndata = \"@tokenize\"\nat = \"best\"\n\
                         [sweep]\nmethod = \"random\"\npoints = 3\nobjective = \"min evaluate.loss\"\nfinalists = 2\nfresh_seeds = 2\n\
                         [sweep.over]\ntrain.learning_rate = { log = [1e-5, 1e-2] }\n";

#[test]
fn the_best_points_are_trained_again_and_the_winner_and_its_score_come_from_fresh_seeds_alone() {
    let world = World::new();
    world.child("points", FINALISTS);
    let before = world.pipeline(["plan", FILE]);
    let says = "finals: the 2 best points again with fresh seeds, when all points are scored\n";
    assert!(before.stdout.contains(says), "{before}");
    let shot = run(&world, &[]);
    assert!(
        shot.stderr.contains("point 3/3  ") && shot.stderr.contains("finalist 2/2  "),
        "{shot}"
    );
    let points = column(&world, "summary.csv", "point");
    let fresh = column(&world, "summary.csv", "finalist");
    let n = column(&world, "summary.csv", "evaluate.loss.n");
    let means = numbers(&world, "summary.csv", "evaluate.loss.mean");
    let finalists: Vec<usize> = (0..3).filter(|point| fresh[*point] == "true").collect();
    assert_eq!(finalists.len(), 2, "{shot}");
    assert!((0..3).all(|point| n[point] == if finalists.contains(&point) { "2" } else { "1" }));
    // They are the best by the first seed.
    let seeds = column(&world, "trials.csv", "train.seed");
    let is_fresh = column(&world, "trials.csv", "finalist");
    let losses = numbers(&world, "trials.csv", "evaluate.loss");
    let rates = column(&world, "trials.csv", "train.learning_rate");
    let of_seed =
        |seed: &str| -> Vec<usize> { (0..seeds.len()).filter(|row| seeds[*row] == seed).collect() };
    let first = of_seed("7");
    assert_eq!(([&first[..], &of_seed("8"), &of_seed("9")].map(<[_]>::len)), [3, 2, 2]);
    assert!((0..seeds.len()).all(|row| (seeds[row] != "7") == (is_fresh[row] == "true")));
    let worst = first.iter().max_by(|one, other| losses[**one].total_cmp(&losses[**other]));
    let dropped: Vec<&String> = vec![&rates[*worst.expect("a row")]];
    let kept: Vec<&String> = of_seed("8").into_iter().map(|row| &rates[row]).collect();
    assert!(kept.iter().all(|rate| *rate != dropped[0]), "{shot}");
    // The winner is the better of the two by its fresh seeds, and these alone are scored at the end.
    let best = *finalists
        .iter()
        .min_by(|one, other| means[**one].total_cmp(&means[**other]))
        .expect("two");
    assert!(shot.stdout.contains(&format!("best point: {}\n", points[best])), "{shot}");
    let held_out = column(&world, "trials.csv", "held_out.loss");
    let trials = column(&world, "trials.csv", "trial");
    let scored: Vec<&String> = (0..trials.len())
        .filter(|row| !held_out[*row].is_empty())
        .map(|row| &trials[row])
        .collect();
    assert_eq!(scored, [&format!("{},seed=1", points[best]), &format!("{},seed=2", points[best])]);
    assert_eq!(
        world.read("outputs/points/best/trial.txt").trim(),
        format!("{},seed=1", points[best])
    );
    let again = world.pipeline(["plan", FILE, "--check"]);
    assert_eq!(again.code, Some(0), "{again}");
    assert!(again.stdout.contains("finals: 2 points again with fresh seeds\n"), "{again}");
    let best = world.pipeline(["plan", "outputs/points/best/experiment.toml", "--check"]);
    assert_eq!(best.code, Some(0), "{best}");
}

/// Four points of two epochs, of which the worse half is given up after one.
const RUNGS: &str = "[stage.train]\nepochs = 2\nschedule = \"constant\"\n[sweep]\nobjective = \"min evaluate.loss\"\nseeds = 2\n\
                     [sweep.over]\ntrain.learning_rate = [1e-3, 1e-5, 3e-3, 1e-4]\n\
                     [[sweep.rung]]\ntrain.stop_after = 1\nseeds = 1\nkeep = 0.5\n[[sweep.rung]]\n";

/// The means over trials that `ls` groups by what is varied are those of points that `summary.csv` has.
fn assert_groups_are_points(world: &World) {
    let axis = "train.learning_rate";
    let run = world.latest_run();
    let grouped = ["ls", "trials", &run, "--group-by", axis, "--columns", "evaluate.loss", "--csv"];
    let shot = world.pipeline(grouped);
    let numbers = |row: &str| -> Vec<f64> {
        row.split(',').map(|field| field.parse().unwrap_or(f64::NAN)).collect()
    };
    let mut groups: Vec<Vec<f64>> = shot.stdout.lines().skip(1).map(numbers).collect();
    let columns = [axis, "evaluate.loss.n", "evaluate.loss.mean", "evaluate.loss.sd"];
    let columns = columns.map(|name| column(world, "summary.csv", name));
    let rows = (0..columns[0].len()).map(|row| columns.each_ref().map(|of| of[row].clone()));
    let mut points: Vec<Vec<f64>> =
        rows.map(|[rate, n, mean, sd]| numbers(&[&*rate, &n, &mean, &sd, &n].join(","))).collect();
    for rows in [&mut groups, &mut points] {
        rows.sort_by(|one, other| one[0].total_cmp(&other[0]));
    }
    assert_eq!(groups, points, "{shot}");
    assert!(shot.stderr.contains(" of earlier rungs"), "{shot}");
}

#[test]
fn points_go_on_from_rung_to_rung_and_the_others_leave_no_saved_state() {
    let world = World::new();
    world.child("points", RUNGS);
    let before = world.pipeline(["plan", FILE]);
    let says = "rungs: 4 points on rung 1; which go on to rung 2 of 2 shows when all are scored\n";
    assert!(before.stdout.contains(says), "{before}");
    let shot = run(&world, &["-j", "2"]);
    assert!(
        shot.stderr.contains("rung 1  point 4/4  ") && shot.stderr.contains("rung 2  point 2/2  "),
        "{shot}"
    );
    let rungs = column(&world, "trials.csv", "rung");
    assert_eq!(rungs.iter().filter(|rung| *rung == "1").count(), 4);
    assert_eq!(rungs.len(), 8);
    let (losses, rates) = (
        numbers(&world, "trials.csv", "evaluate.loss"),
        column(&world, "trials.csv", "train.learning_rate"),
    );
    let mut first: Vec<usize> = (0..8).filter(|row| rungs[*row] == "1").collect();
    first.sort_by(|one, other| losses[*one].total_cmp(&losses[*other]));
    let mut kept = [&rates[first[0]], &rates[first[1]]];
    kept.sort_by_key(|rate| first.iter().filter(|row| rates[**row] == **rate).min().copied());
    let mut last = column(&world, "summary.csv", "train.learning_rate");
    last.sort();
    kept.sort();
    assert_eq!(last.iter().collect::<Vec<_>>(), kept);
    assert!(shot.stdout.contains("2 other points went no further than an earlier rung"), "{shot}");
    // Of each of the two seeds of each of the two points there is one; a killed run leaves the same.
    let states = || {
        let all = std::fs::read_dir(world.path("outputs/checkpoints")).expect("a folder");
        let files = |folder: &std::path::Path| std::fs::read_dir(folder).map_or(0, Iterator::count);
        all.filter(|it| files(&it.as_ref().expect("listed").path()) > 0).count()
    };
    assert_eq!(states(), 4, "{shot}");
    let plan = world.pipeline(["plan", FILE, "--check"]);
    assert_eq!(plan.code, Some(0), "{plan}");
    assert!(plan.stdout.contains("rungs: 4 points on rung 1, 2 points on rung 2\n"), "{plan}");
    assert!(!plan.stdout.contains("saved states"), "{plan}");
    // The run's record tells the trials of a point's rungs apart.
    let run = world.latest_run();
    let asked = ["ls", "trials", &run, "--csv", "--columns", "trial,evaluate.loss"];
    let listed = world.pipeline(asked);
    let labels = column(&world, "trials.csv", "trial");
    let rows = labels.iter().zip(&losses).map(|(label, loss)| format!("\"{run}:{label}\",{loss}"));
    let mut rows: Vec<String> = rows.collect();
    let mut found: Vec<&str> = listed.stdout.lines().skip(1).collect();
    rows.sort();
    found.sort_unstable();
    assert_eq!(found, rows, "{listed}");
    assert_groups_are_points(&world);
    // Each rung by itself, where somebody asks for it.
    let grouped = world.pipeline(["ls", "trials", &run, "--csv", "--group-by", "rung"]);
    let counts: Vec<&str> = grouped.stdout.lines().skip(1).map(|row| &row[..4]).collect();
    assert_eq!(counts, ["1,4,", "2,4,"], "{grouped}");
    let listed = world.pipeline(["ls", "points", &run, "--csv", "--columns", "rung,n"]);
    let listed: Vec<&str> = listed.stdout.lines().collect();
    assert_eq!(listed, ["rung,n", "2,2", "2,2", "1,1", "1,1", "1,1", "1,1"]);
    // What lies beside a trial of an earlier rung makes that again.
    let label =
        column(&world, "trials.csv", "trial").into_iter().find(|label| label.contains("rung=1"));
    let file = format!("outputs/points/trials/{}/experiment.toml", label.expect("a trial"));
    let again = world.pipeline(["plan", &file, "--check"]);
    assert_eq!(again.code, Some(0), "{again}");
}

#[test]
fn which_points_go_on_is_the_same_for_any_number_of_jobs_and_after_a_kill() {
    let text = RUNGS
        .replace("[sweep]\n", "[sweep]\nmethod = \"random\"\npoints = 4\nfinalists = 1\n")
        .replace("[1e-3, 1e-5, 3e-3, 1e-4]", "{ log = [1e-5, 1e-2] }");
    let (whole, killed) = (World::new(), World::new());
    whole.child("points", &text);
    killed.child("points", &text);
    run(&whole, &["-j", "1"]);
    assert_groups_are_points(&whole);
    for after in ["rung 1  point 2/4", "rung 1  point 4/4", "rung 2  point 1/2"] {
        let mut process = killed
            .process(["run", FILE, "-j", "3"])
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let lines = BufReader::new(process.stderr.take().expect("piped")).lines();
        lines.map_while(Result::ok).find(|line| line.starts_with(after));
        process.kill().expect("killed");
        process.wait().expect("ended");
    }
    run(&killed, &["-j", "8"]);
    for table in ["trials.csv", "summary.csv"] {
        let read = |world: &World| world.read(&format!("outputs/points/{table}"));
        assert_eq!(read(&killed), read(&whole), "{table}");
    }
    // More points begin as these do.
    let on_first = |world: &World| -> Vec<String> {
        let labels = column(world, "trials.csv", "trial").into_iter();
        labels.filter(|label| label.contains("rung=1")).collect()
    };
    let plan = killed.pipeline(["plan", FILE, "--set", "sweep.points=5"]);
    let says = "of points that are dropped go when it is known which\n";
    assert!(plan.stdout.contains("saved states take ") && plan.stdout.contains(says), "{plan}");
    run(&killed, &["--set", "sweep.points=5"]);
    assert_eq!(on_first(&killed)[..4], on_first(&whole));
    assert_eq!(on_first(&killed).len(), 5);
}

#[test]
fn a_point_that_fails_on_a_rung_of_a_grid_costs_that_point() {
    // The first rung lets the stage fail at one of the points.
    let text = r#"version = 1
[stage.corpus]
kind = "generate_corpus"
templates = "data/events.toml"
samples = 60
seed = 3
[stage.filter]
kind = "command"
run = ["sh", "-c", "test $(wc -l < \"$0/train.jsonl\") -ne 50 || exit 3; cp \"$0\"/*.jsonl \"$1\"", "{in.corpus}", "{out}"]
output = "corpus"
corpus = "@corpus"
[stage.baseline]
corpus = "@filter"
method = "majority"
[sweep]
objective = "max baseline.anomaly.accuracy"
[sweep.over]
corpus.samples = [40, 60, 80]
[[sweep.rung]]
corpus.anomaly_ratio = 0.5
keep = 0.34
[[sweep.rung]]
"#;
    let world = world(text);
    let shot = run(&world, &[]);
    assert!(shot.stderr.contains("rung 1  point 2/3  samples=60  failed"), "{shot}");
    let (rungs, status) =
        (column(&world, "trials.csv", "rung"), column(&world, "trials.csv", "status"));
    assert_eq!(rungs.iter().filter(|rung| *rung == "2").count(), 2, "{shot}");
    assert_eq!(status.iter().filter(|status| *status == "failed").count(), 1, "{shot}");
    assert!(!column(&world, "summary.csv", "point").contains(&"samples=60".to_owned()));
}
