//! `diff`.

use crate::world::{World, snapshot};

const SWEEP: &str = r#"
[sweep]
method = "grid"
seeds = 2
[sweep.over]
train.learning_rate = [1e-3, 2e-3]
"#;

/// A folder in which a sweep without an objective was run, and its run.
fn swept() -> (World, String) {
    let world = World::new();
    world.child("rates", SWEEP);
    let ran = world.pipeline(["run", "experiments/rates.toml", "--quiet"]);
    assert_eq!(ran.code, Some(0), "{ran}");
    let run = world.latest_run();
    (world, run)
}

/// What is said up to the scores.
fn before_scores(text: &str) -> String {
    text.lines()
        .take_while(|line| !line.trim().starts_with("scores"))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn points_of_a_sweep_are_compared_seed_by_seed() {
    let (world, run) = swept();
    let (slow, fast) = (format!("{run}:learning_rate=1e-3"), format!("{run}:learning_rate=2e-3"));
    let shot = world.pipeline(["diff", &slow, &fast]);
    assert_eq!(shot.code, Some(0), "{shot}");
    let limits = "2 seeds cannot show a difference: p is 0.5 at least, and 6 seeds are the fewest with which it";
    assert!(shot.stdout.contains(limits), "{shot}");
    snapshot!(before_scores(&shot.stdout));
    let json = world.pipeline(["diff", &slow, &fast, "--json"]).json();
    assert_eq!(json["replicates"], serde_json::json!({"paired": true, "a": 2, "b": 2}));
    let loss = json["metrics"]
        .as_array()
        .expect("metrics")
        .iter()
        .find(|row| row["name"] == "evaluate.loss");
    let loss = loss.expect("it is scored");
    let number = |value: &serde_json::Value| value.as_f64().expect("a number");
    let means = number(&loss["b"]["mean"]) - number(&loss["a"]["mean"]);
    assert!((number(&loss["difference"]) - means).abs() < 1e-12, "{loss}");
    assert!(
        number(&loss["interval"][0]) <= means && means <= number(&loss["interval"][1]),
        "{loss}"
    );
    assert_eq!((&loss["over"], &loss["p"]), (&"seeds".into(), &0.5.into()));
}

#[test]
fn a_trials_folder_of_results_is_that_trial() {
    let (world, run) = swept();
    let label = |rate: &str| format!("learning_rate={rate},seed=0");
    let folder = |rate: &str| format!("outputs/rates/trials/{}", label(rate));
    let named = |rate: &str| format!("{run}:{}", label(rate));
    let shown = world.pipeline(["show", &folder("2e-3"), "--json"]).json();
    let trials = shown["trials"].as_array().expect("trials");
    assert_eq!((trials.len(), &trials[0]["trial"]), (1, &label("2e-3").into()));
    let differ = |one: &str, other: &str| {
        world.pipeline(["diff", one, other, "--json"]).json()["metrics"].clone()
    };
    let of_folders = differ(&folder("1e-3"), &format!("{}/", folder("2e-3")));
    assert_eq!(of_folders, differ(&named("1e-3"), &named("2e-3")));
    assert_ne!(of_folders, differ(&named("1e-3"), &named("1e-3")));
}

/// That the texts add up to the scores is what lets them be drawn.
#[test]
fn scores_that_texts_add_up_to_have_an_interval_over_texts() {
    let (world, run) = swept();
    let trial = |rate: &str| format!("{run}:learning_rate={rate},seed=0");
    let json = world.pipeline(["diff", &trial("1e-3"), &trial("2e-3"), "--json"]).json();
    let over = |name: &str| {
        let rows = json["metrics"].as_array().expect("metrics");
        rows.iter().find(|row| row["name"] == name).expect("it is scored")["over"].clone()
    };
    assert_eq!(over("evaluate.anomaly.accuracy"), "texts");
    assert_eq!(over("evaluate.ner.span_recall"), "texts");
    assert_eq!(over("evaluate.loss"), serde_json::Value::Null);
}

#[test]
fn files_are_compared_with_the_places_where_their_values_stand() {
    let world = World::new();
    world.child("longer", "[stage.train]\nepochs = 2\nschedule = \"constant\"\n[stage.corpus]\ntemplates = \"data/other.toml\"\n");
    world.write(
        "experiments/data/other.toml",
        world.read("experiments/data/events.toml") + "# other\n",
    );
    snapshot!(
        world.pipeline(["diff", "experiments/mini.toml", "experiments/longer.toml"]),
        world.pipeline(["diff", "experiments/mini.toml", "experiments/mini.toml", "--exit-code"]),
        world.pipeline([
            "diff",
            "experiments/mini.toml",
            "experiments/longer.toml",
            "--metric",
            "evaluate.loss"
        ]),
    );
}

#[test]
fn sweeps_differ_in_how_points_are_chosen_and_a_value_of_an_axis_stands_where_the_axis_does() {
    let world = World::new();
    let of = |rates: &str, seeds: u8| {
        format!(
            "[sweep]\nobjective = \"min evaluate.loss\"\nseeds = {seeds}\n[sweep.over]\ntrain.learning_rate = {rates}\n"
        )
    };
    world.child("one", &of("[1e-3, 2e-3]", 1));
    world.child("two", &of("[3e-3, 4e-3]", 2));
    for file in ["one", "two"] {
        world.pipeline(["run", &format!("experiments/{file}.toml"), "--quiet"]);
    }
    let shot =
        world.pipeline(["diff", "experiments/one.toml", "experiments/two.toml", "--exit-code"]);
    assert_eq!(shot.code, Some(3), "{shot}");
    assert!(
        shot.stdout.starts_with("A  experiments/one.toml  the best point of what has run of it, "),
        "{shot}"
    );
    let line = |name: &str| {
        let line = shot.stdout.lines().find(|line| line.trim_start().starts_with(name));
        line.unwrap_or_else(|| panic!("{name} in {shot}")).to_owned()
    };
    assert!(
        line("sweep.seeds ").contains("[0]") && line("sweep.seeds ").contains("[0, 1]"),
        "{shot}"
    );
    assert!(line("sweep.over.train.learning_rate ").contains("[0.003, 0.004]"), "{shot}");
    assert!(
        line("train.learning_rate ")
            .contains("A experiments/one.toml:6:1, B experiments/two.toml:6:1"),
        "{shot}"
    );
}

#[test]
fn a_run_differs_from_the_file_that_was_changed_since() {
    let world = World::trained();
    let run = world.latest_run();
    let same = world.pipeline(["diff", &run, "experiments/mini.toml", "--exit-code"]);
    assert!(same.code == Some(0) && same.stdout.ends_with("\nno difference\n"), "{same}");
    let text = world.read("experiments/mini.toml").replace("epochs = 1", "epochs = 2");
    world.write("experiments/mini.toml", text);
    let other = world.pipeline(["diff", &run, "experiments/mini.toml", "--exit-code"]);
    assert!(other.code == Some(3) && other.stdout.contains("train.epochs  1  2  "), "{other}");
    assert_eq!(world.pipeline(["diff", &run, "outputs/mini", "--exit-code"]).code, Some(0));
}

#[test]
fn a_requirement_that_is_not_met_ends_with_3() {
    let (world, run) = swept();
    let (slow, fast) = (format!("{run}:learning_rate=1e-3"), format!("{run}:learning_rate=2e-3"));
    let diff = |arguments: &[&str]| world.pipeline([&["diff", &slow, &fast], arguments].concat());
    let met = diff(&["--require", "evaluate.loss < 100", "--require", "evaluate.loss > -100"]);
    assert!(
        met.code == Some(0) && met.stderr.starts_with("met: `evaluate.loss < 100`: B - A is "),
        "{met}"
    );
    let unmet = diff(&["--require", "evaluate.loss < 100", "--require", "evaluate.loss > 100"]);
    assert!(
        unmet.code == Some(3) && unmet.stderr.contains("\nunmet: `evaluate.loss > 100`: "),
        "{unmet}"
    );
    let confident = diff(&["--require", "evaluate.anomaly.accuracy > -100", "--confident"]);
    assert!(
        confident.code == Some(0) && confident.stderr.contains("95 % of B - A begins at "),
        "{confident}"
    );
    // Over two seeds there is no interval to rely on.
    let few = diff(&["--require", "evaluate.loss > -100", "--confident"]);
    let says = "unmet: `evaluate.loss > -100`: its interval is over seeds alone, and 2 seeds cannot show a difference: ";
    assert!(few.code == Some(3) && few.stderr.starts_with(says), "{few}");
    let trial = |rate: &str| format!("{run}:learning_rate={rate},seed=0");
    let single = world.pipeline([
        "diff",
        &trial("1e-3"),
        &trial("2e-3"),
        "--require",
        "evaluate.loss > -100",
        "--confident",
    ]);
    assert!(single.code == Some(3) && single.stderr.contains("it has no interval"), "{single}");
    let json = world.pipeline(["diff", &slow, &fast, "--json", "--require", "evaluate.loss > 100"]);
    assert_eq!((json.code, &json.json()["requirements"][0]["met"]), (Some(3), &false.into()));
}

#[test]
fn what_cannot_be_compared_is_said_with_what_was_meant() {
    let (world, run) = swept();
    let point = format!("{run}:learning_rate=1e-3");
    let diff = |a: &str, b: &str, arguments: &[&str]| {
        world.pipeline([&["diff", a, b], arguments].concat())
    };
    snapshot!(
        diff(&run, &run, &[]),
        diff(&format!("{run}:learning_rate=1e-4"), &point, &[]),
        diff(&run.replace("rates", "rate"), &point, &[]),
        diff("experiments/rate.toml", &point, &[]),
        diff("outputs/rat", &point, &[]),
        diff(&point, &point, &["--metric", "evaluate.los"]),
        diff(&point, &point, &["--require", "evaluate.loss"]),
        diff(&point, &point, &["--require", "span_f1 >= 0"]),
        diff(&point, &point, &["--confident"]),
    );
}
