//! A training with more epochs goes on from the finished state of one with fewer.

use pipeline::training::{EarlyStopping, Notice, Recipe, SavedStates, Schedule, Storage, Trained};

use crate::toy::{Toy, Watcher, metric, recipe, run, undisturbed};

fn constant() -> Recipe {
    Recipe { schedule: Schedule::Constant, keep_best: Some(metric("loss")), ..recipe() }
}

fn extend(from: &Recipe, to: &Recipe, with_checkpoints: bool) -> (Toy, Trained, Vec<Notice>) {
    let (folder, shared) =
        (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let checkpoints = [folder.path().join("short"), folder.path().join("long")];
    let storage = |index: usize| Storage {
        saved: with_checkpoints.then_some(&checkpoints[index]),
        warm_start: Some(shared.path()),
        ..Storage::default()
    };
    run(&mut Toy::new(), from, Storage { saved: Some(&checkpoints[0]), ..storage(0) }, &())
        .expect("it trains");
    let (mut toy, watcher) = (Toy::new(), Watcher::default());
    let trained = run(&mut toy, to, storage(1), &watcher).expect("it goes on");
    (toy, trained, watcher.notices.into_inner())
}

fn assert_same(short: &Recipe, long: &Recipe) {
    let (expected, whole) = undisturbed(long);
    for with_checkpoints in [true, false] {
        let (toy, trained, notices) = extend(short, long, with_checkpoints);
        assert!(matches!(notices[0], Notice::Extended { .. }), "{notices:?}");
        assert!(trained.resumed_from.is_some());
        assert_eq!(toy.parameters, expected.parameters);
        assert_eq!(trained.history, whole.history);
    }
}

#[test]
fn three_epochs_and_then_seven_more_are_the_bits_of_ten() {
    assert_same(&constant(), &Recipe { epochs: 10, ..constant() });
}

#[test]
fn the_best_weights_of_the_shorter_training_stay_the_best() {
    let early = Recipe { keep_best: Some(metric("anomaly.f1")), ..constant() };
    let long = Recipe { epochs: 10, ..early.clone() };
    assert!(undisturbed(&long).1.best.is_some_and(|best| best.step <= 18));
    assert_same(&early, &long);
}

#[test]
fn an_evaluation_that_only_the_shorter_training_made_leaves_no_trace() {
    let off_cadence = Recipe { evaluate_every: Some(7), ..constant() };
    assert_same(&off_cadence, &Recipe { epochs: 5, ..off_cadence.clone() });
}

#[test]
fn neither_does_one_that_a_saved_state_of_the_end_has_kept() {
    let short = Recipe { evaluate_every: Some(7), ..constant() };
    let long = Recipe { epochs: 5, ..short.clone() };
    let (folder, shared) =
        (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let [first, second] = ["short", "long"].map(|name| folder.path().join(name));
    let storage = |checkpoints| Storage {
        saved: Some(checkpoints),
        warm_start: Some(shared.path()),
        ..Storage::default()
    };
    let mut toy = Toy::new();
    {
        // Somebody else leaves a state there, so that this training cannot.
        let _busy = SavedStates::open(shared.path()).expect("a folder").expect("nobody else");
        let trained = run(&mut toy, &short, storage(&first), &()).expect("it trains");
        trained.save(&toy, storage(&first)).expect("the disk takes it");
    }
    run(&mut Toy::new(), &short, storage(&first), &()).expect("it finds all its steps made");
    let trained = run(&mut Toy::new(), &long, storage(&second), &()).expect("it trains");
    assert_eq!(trained.history, undisturbed(&long).1.history);
}

#[test]
fn a_training_that_would_have_stopped_at_the_shorter_ones_end_stops_there() {
    let stopping = EarlyStopping { metric: metric("anomaly.f1"), patience: 2, min_delta: 1.0 };
    let impatient = Recipe { early_stopping: Some(stopping), ..constant() };
    let (_, whole) = undisturbed(&Recipe { epochs: 10, ..impatient.clone() });
    assert!(
        whole.stopped_early && whole.steps == 18,
        "the third epoch of six steps is the end: {}",
        whole.steps
    );
    assert_same(&impatient, &Recipe { epochs: 10, ..impatient.clone() });
}

#[test]
fn a_shorter_training_does_not_begin_where_a_longer_one_ended() {
    let long = Recipe { epochs: 5, ..constant() };
    let (toy, trained, _) = extend(&long, &constant(), true);
    assert_eq!(trained.resumed_from, None);
    assert_eq!(toy.parameters, undisturbed(&constant()).0.parameters);
}

#[test]
fn a_schedule_that_knows_the_end_is_never_extended() {
    let linear = Recipe { schedule: Schedule::Linear, ..constant() };
    let (_, trained, notices) = extend(&linear, &Recipe { epochs: 5, ..linear.clone() }, true);
    assert_eq!(trained.resumed_from, None);
    assert!(!notices.iter().any(|notice| matches!(notice, Notice::Extended { .. })));
}
