//! Which points a sweep has, and which of them is chosen.

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
