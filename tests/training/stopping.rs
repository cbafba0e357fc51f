//! A training that stops on its way, and those that go on from there.

use std::path::Path;

use pipeline::training::{
    Cadence, EarlyStopping, Notice, Recipe, RowSplit, Schedule, Storage, TrainError, Trained,
};

use crate::toy::{Toy, Watcher, metric, recipe, run, undisturbed};

/// Of three epochs of six steps.
fn scheduled(schedule: Schedule, warmup_ratio: Option<f64>, warmup_steps: Option<u64>) -> Recipe {
    let keep_best = Some(metric("loss"));
    Recipe { schedule, warmup_ratio, warmup_steps, keep_best, ..recipe() }
}

/// With warm-ups that end before the first stop and after it.
fn recipes() -> [Recipe; 5] {
    [
        scheduled(Schedule::Linear, Some(0.3), None),
        scheduled(Schedule::Cosine, None, Some(1)),
        scheduled(Schedule::Constant, Some(0.5), None),
        scheduled(Schedule::Constant, None, Some(4)),
        Recipe { keep_best: None, evaluate_every: Some(4), ..recipe() },
    ]
}

fn stopped(recipe: &Recipe, stop_after: impl Into<Option<f64>>) -> Recipe {
    Recipe { stop_after: stop_after.into(), ..recipe.clone() }
}

/// The folders of trainings that go on from one another.
struct Folders(tempfile::TempDir);

impl Folders {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn train(
        &self,
        recipe: &Recipe,
        saves: bool,
        watcher: &Watcher,
    ) -> Result<(Toy, Trained), TrainError> {
        let own = self.0.path().join(format!("{:?}", recipe.stop_after));
        let shared = self.shared();
        let storage = Storage {
            saved: saves.then_some(&own),
            warm_start: Some(&shared),
            cadence: Cadence::every(4),
        };
        let mut toy = Toy::new();
        run(&mut toy, recipe, storage, watcher).map(|trained| (toy, trained))
    }

    fn shared(&self) -> std::path::PathBuf {
        self.0.path().join("shared")
    }
}

/// Names of states that are left in a folder.
fn states(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = files.map(|file| file.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".checkpoint")).collect()
}

/// What a training comes to at each stop on its way: weights, moments and history as if there had been none.
fn assert_goes_on(recipe: &Recipe, stops: &[Option<f64>], saves: bool) {
    let folders = Folders::new();
    let mut before = None;
    for stop in stops {
        let (recipe, watcher) = (stopped(recipe, *stop), Watcher::default());
        let (toy, trained) = folders.train(&recipe, saves, &watcher).expect("it trains");
        let (expected, whole) = undisturbed(&recipe);
        assert_eq!(trained.resumed_from, before, "{recipe:?}");
        assert_eq!(toy.parameters, expected.parameters, "{recipe:?}");
        assert_eq!(trained.history, whole.history, "{recipe:?}");
        if recipe.keep_best.is_none() {
            assert_eq!(toy.bits(), expected.bits(), "{recipe:?}");
        }
        let best = [&trained, &whole].map(|trained| trained.best.as_ref().map(|best| best.step));
        assert_eq!(best[0], best[1], "{recipe:?}");
        before = Some(trained.steps);
    }
}

#[test]
fn under_any_schedule_a_training_in_stops_has_the_bits_of_one_without() {
    for recipe in recipes() {
        let stops = [Some(0.4), Some(1.0), Some(2.5), None];
        assert_goes_on(&recipe, &stops, true);
        // Best weights that no folder takes are not left for others.
        assert_goes_on(&Recipe { keep_best: None, ..recipe }, &stops, false);
    }
}

#[test]
fn the_epochs_of_the_schedule_are_what_a_stop_counts() {
    let long = Recipe { epochs: 10, ..scheduled(Schedule::Linear, Some(0.1), None) };
    assert_goes_on(&long, &[Some(2.0), Some(5.0), None], true);
    let rates = |recipe: &Recipe| {
        let rows = undisturbed(recipe).1.history.rows.into_iter();
        rows.filter_map(|row| row.learning_rate).collect::<Vec<_>>()
    };
    assert_eq!(rates(&stopped(&long, 2.0)), rates(&long)[..12]);
}

#[test]
fn the_history_of_a_stop_is_the_beginning_of_the_whole_one_and_a_last_evaluation() {
    for recipe in recipes() {
        let whole = undisturbed(&recipe).1.history.rows;
        let mut rows = undisturbed(&stopped(&recipe, 0.5)).1.history.rows;
        let last = rows.pop().expect("rows");
        assert_eq!((last.split, last.step), (RowSplit::Validation, 3));
        assert_eq!(rows, whole[..3]);
    }
}

#[test]
fn a_stop_keeps_the_best_that_there_was_its_last_evaluation_included() {
    let recipe = Recipe { evaluate_every: Some(2), ..scheduled(Schedule::Linear, None, None) };
    for stop in [0.5, 0.84, 1.5, 2.0] {
        let (toy, trained) = undisturbed(&stopped(&recipe, stop));
        let rows = trained.history.rows.iter().filter(|row| row.split == RowSplit::Validation);
        let least = rows.min_by(|a, b| a.loss.total_cmp(&b.loss)).expect("evaluations");
        assert_eq!(trained.best.expect("one is kept").step, least.step);
        let last_weights = Recipe { keep_best: None, ..recipe.clone() };
        let there = stopped(&last_weights, least.step as f64 / 6.0);
        assert_eq!(toy.parameters, undisturbed(&there).0.parameters);
    }
}

#[test]
fn a_stop_that_was_interrupted_anywhere_leaves_the_state_of_one_that_was_not() {
    for recipe in recipes() {
        let (expected, whole) = undisturbed(&recipe);
        for moment in 0.. {
            let folders = Folders::new();
            let stop = stopped(&recipe, 1.5);
            let Err(error) = folders.train(&stop, true, &Watcher::cancelling_at(moment)) else {
                assert!(moment > 9, "every step and evaluation was interrupted once");
                break;
            };
            assert!(matches!(error, TrainError::Cancelled { .. }), "{error}");
            folders.train(&stop, true, &Watcher::default()).expect("it continues");
            let watcher = Watcher::default();
            let (toy, trained) = folders.train(&recipe, true, &watcher).expect("it goes on");
            assert_eq!(toy.parameters, expected.parameters, "interrupted at {moment}");
            assert_eq!(trained.history, whole.history, "interrupted at {moment}");
            let notices = watcher.notices.into_inner();
            // A state that was saved after the evaluation of the stop is not one that a longer training has.
            let goes_on = matches!(notices[0], Notice::Extended { step: 9, .. });
            assert!(goes_on || moment > 9, "interrupted at {moment}: {notices:?}");
        }
    }
}

#[test]
fn early_stopping_ends_a_training_in_stops_where_it_ends_one_without() {
    let early_stopping =
        Some(EarlyStopping { metric: metric("anomaly.f1"), patience: 2, min_delta: 1.0 });
    let recipe = Recipe {
        epochs: 10,
        early_stopping,
        evaluate_every: Some(4),
        ..scheduled(Schedule::Cosine, None, None)
    };
    let whole = undisturbed(&recipe).1;
    assert!(whole.stopped_early && whole.steps == 12, "{}", whole.steps);
    // Before the end, at it and beyond.
    for stop in [0.5, 1.0, 1.9, 2.0, 3.0] {
        assert_goes_on(&recipe, &[Some(stop), None], true);
    }
}

#[test]
fn only_what_can_be_gone_on_from_is_left() {
    let left = |recipe: &Recipe| {
        let folders = Folders::new();
        folders.train(recipe, true, &Watcher::default()).expect("it trains");
        states(&folders.shared())
    };
    let linear = scheduled(Schedule::Linear, None, None);
    assert_eq!(left(&stopped(&linear, 1.5)), ["step-000000000009.checkpoint"]);
    assert_eq!([left(&linear), left(&stopped(&linear, 3.0))], [[""; 0]; 2]);
    let constant = scheduled(Schedule::Constant, None, None);
    assert_eq!(left(&constant), ["step-000000000018.checkpoint"]);
}

#[test]
fn where_the_rate_knows_no_end_a_stop_is_as_good_as_fewer_epochs() {
    let ten = Recipe { epochs: 10, ..scheduled(Schedule::Constant, None, Some(4)) };
    let three = Recipe { epochs: 3, ..ten.clone() };
    let (toy, trained) = undisturbed(&stopped(&ten, 3.0));
    let (expected, short) = undisturbed(&three);
    assert_eq!((toy.parameters, trained.history), (expected.parameters, short.history));
    let folders = Folders::new();
    folders.train(&stopped(&ten, 1.5), true, &Watcher::default()).expect("it trains");
    let trained = folders.train(&three, true, &Watcher::default()).expect("it goes on").1;
    assert_eq!(trained.resumed_from, Some(9));
}

#[test]
fn the_progress_of_a_stop_is_towards_its_own_end() {
    struct Ends(std::cell::RefCell<Vec<(u64, u64)>>);
    impl pipeline::training::Observer for Ends {
        fn progress(&self, progress: &pipeline::training::Progress<'_>) {
            self.0.borrow_mut().push((progress.step, progress.total_steps));
        }
    }
    let ends = Ends(std::cell::RefCell::default());
    run(&mut Toy::new(), &stopped(&recipe(), 0.5), Storage::default(), &ends).expect("it trains");
    assert_eq!(ends.0.into_inner(), [(1, 3), (2, 3), (3, 3)]);
}
