//! What would run, and why.

use std::collections::BTreeMap;
use std::path::Path;

use pipeline::engine::plan::{
    CacheKey, Comparison, Fingerprint, Forecast, Lookup, NodeForecast, Plan, Presence,
};

use crate::world::{SMALL, World, key};

/// A store in memory.
#[derive(Default)]
struct Shelf {
    entries: BTreeMap<CacheKey, Fingerprint>,
    damaged: Vec<CacheKey>,
    latest: BTreeMap<String, Vec<CacheKey>>,
}

impl Shelf {
    /// As after a complete run.
    fn after(plan: &Plan) -> Self {
        let mut shelf = Self::default();
        for id in plan.ids() {
            let fingerprint = plan.fingerprint(id).expect("no commit is unknown");
            shelf
                .latest
                .entry(plan.node(id).stage.to_string())
                .or_default()
                .push(fingerprint.key());
            shelf.entries.insert(fingerprint.key(), fingerprint);
        }
        shelf
    }

    fn without_runs(mut self) -> Self {
        self.latest.clear();
        self
    }
}

impl Lookup for Shelf {
    fn presence(&self, key: &CacheKey) -> Presence {
        match (self.damaged.contains(key), self.entries.contains_key(key)) {
            (true, _) => Presence::Damaged,
            (false, true) => Presence::Present,
            (false, false) => Presence::Absent,
        }
    }

    fn fingerprint(&self, key: &CacheKey) -> Option<Fingerprint> {
        self.entries.get(key).cloned()
    }

    fn latest_run(&self, _: &Path, stage: &str) -> Vec<CacheKey> {
        self.latest.get(stage).cloned().unwrap_or_default()
    }

    fn nearest(&self, kind: &str) -> Vec<CacheKey> {
        self.entries
            .iter()
            .filter(|(_, fingerprint)| fingerprint.kind == kind)
            .map(|(key, _)| *key)
            .collect()
    }
}

/// One line for each node.
fn lines(plan: &Plan, shelf: &Shelf, rerun: &[&str]) -> Vec<String> {
    let rerun: Vec<String> = rerun.iter().map(|stage| (*stage).to_owned()).collect();
    let forecast = Forecast::of(plan, shelf, &rerun);
    plan.ids().map(|id| format!("{}: {}", plan.node(id).title(), forecast.node(id))).collect()
}

fn with(old: &str, new: &str) -> String {
    assert!(SMALL.contains(old), "`{old}` is not in the experiment");
    SMALL.replacen(old, new, 1)
}

#[test]
fn an_empty_store_has_never_run_anything() {
    let plan = World::new().plan(SMALL);
    assert!(lines(&plan, &Shelf::default(), &[]).iter().all(|line| line.ends_with(": never run")));
}

#[test]
fn after_a_run_everything_is_cached() {
    let plan = World::new().plan(SMALL);
    assert_eq!(Forecast::of(&plan, &Shelf::after(&plan), &[]).pending(), 0);
}

#[test]
fn a_changed_parameter_is_the_reason_and_what_follows_may_be_reused() {
    let world = World::new();
    let shelf = Shelf::after(&world.plan(SMALL));
    let lines =
        lines(&world.plan(&with("learning_rate = 2e-5", "learning_rate = 1e-5")), &shelf, &[]);
    let expected = [
        "fetch_model: cached",
        "corpus: cached",
        "tokenize: cached",
        "train: learning_rate 2e-5 -> 1e-5",
        "evaluate: may be reused: input `model` will be rebuilt",
        "plot: may be reused: inputs `history`, `evaluation` will be rebuilt",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_stage_whose_own_parameters_changed_too_says_both() {
    let world = World::new();
    let shelf = Shelf::after(&world.plan(SMALL));
    let text = with("learning_rate = 2e-5", "learning_rate = 1e-5").replacen(
        "[stage.evaluate]",
        "[stage.evaluate]\nsplit = \"test\"",
        1,
    );
    assert_eq!(
        lines(&world.plan(&text), &shelf, &[])[4],
        "evaluate: split \"validation\" -> \"test\", input `model` changed"
    );
}

#[test]
fn a_changed_source_is_the_reason() {
    let world = World::new();
    let shelf = Shelf::after(&world.plan(SMALL));
    world.write("templates.toml", "another template");
    assert_eq!(lines(&world.plan(SMALL), &shelf, &[])[1], "corpus: source `templates` changed");
}

#[test]
fn a_new_file_is_compared_with_the_nearest_entry_of_the_kind() {
    let world = World::new();
    let mut shelf = Shelf::after(
        &world.plan(&with("learning_rate = 2e-5", "learning_rate = 1e-5\nweight_decay = 0.1")),
    );
    shelf.entries.extend(Shelf::after(&world.plan(&with("epochs = 3", "epochs = 4"))).entries);
    assert_eq!(lines(&world.plan(SMALL), &shelf.without_runs(), &[])[3], "train: epochs 4 -> 3");
}

#[test]
fn a_changed_kind_is_the_reason() {
    let world = World::new();
    let mut shelf = Shelf::after(&world.plan(SMALL));
    let other = shelf.latest["tokenize"].clone();
    shelf.latest.insert("corpus".into(), other);
    world.write("templates.toml", "another template");
    assert_eq!(
        lines(&world.plan(SMALL), &shelf, &[])[1],
        "corpus: kind tokenize -> generate_corpus"
    );
}

#[test]
fn what_was_removed_or_damaged_is_said_so() {
    let world = World::new();
    let plan = world.plan(SMALL);
    let mut shelf = Shelf::after(&plan);
    shelf.entries.remove(&key(&plan, "corpus"));
    shelf.damaged.push(key(&plan, "train"));
    let lines = lines(&plan, &shelf, &[]);
    assert_eq!(lines[1], "corpus: its result was removed from the store");
    assert_eq!(lines[3], "train: its stored result is damaged");
}

#[test]
fn a_rerun_is_said_to_be_requested() {
    let plan = World::new().plan(SMALL);
    assert_eq!(lines(&plan, &Shelf::after(&plan), &["train"])[3], "train: rerun requested");
}

#[test]
fn an_unknown_commit_is_said_for_everything_downstream() {
    let plan = World::new().plan(&with("8949b909ec900327062f0ebf497f51aef5e6f0c8", "main"));
    let lines = lines(&plan, &Shelf::default(), &[]);
    assert_eq!(
        lines[0],
        "fetch_model: commit of `answerdotai/ModernBERT-base` at `main` is not known yet"
    );
    assert_eq!(
        lines[5],
        "plot: commit of `answerdotai/ModernBERT-base` at `main` is not known yet"
    );
    assert_eq!(lines[1], "corpus: never run");
}

#[test]
fn a_new_seed_is_compared_with_its_neighbour() {
    let world = World::new();
    let shelf = Shelf::after(&world.plan(&format!("{SMALL}\n[sweep]\nseeds = 2\n")));
    let lines = lines(&world.plan(&format!("{SMALL}\n[sweep]\nseeds = 3\n")), &shelf, &[]);
    let train: Vec<&String> = lines.iter().filter(|line| line.starts_with("train")).collect();
    assert_eq!(
        train,
        ["train [seed=0]: cached", "train [seed=1]: cached", "train [seed=2]: seed 42 -> 44"]
    );
}

#[test]
fn an_entry_under_its_own_key_is_compared_without_changes() {
    let plan = World::new().plan(SMALL);
    let id = plan.node_of(0, "train").expect("a stage");
    let nearest = Comparison::nearest(&plan, id, &Shelf::after(&plan)).expect("it ran");
    assert_eq!((nearest.key, nearest.changes), (key(&plan, "train"), Vec::new()));
}

#[test]
fn ten_thousand_new_trials_are_compared_with_ten_thousand_old_ones() {
    let text = |last: &str| {
        let rates: Vec<String> =
            (1..1000).map(|number| format!("{number}e-6")).chain([last.to_owned()]).collect();
        format!(
            "{SMALL}\n[sweep]\nseeds = 3\nover = {{ train.learning_rate = [{}] }}\n",
            rates.join(", ")
        )
    };
    let world = World::new();
    let shelf = Shelf::after(&world.plan(&text("0.5")));
    let plan = world.plan(&text("0.25"));
    let forecast = Forecast::of(&plan, &shelf, &[]);
    let missing =
        forecast.nodes.iter().filter(|expectation| **expectation != NodeForecast::Hit).count();
    assert_eq!(missing, 9);
}
