//! A training that was interrupted ends in the bits of one that was not.

use std::time::Duration;

use pipeline::training::{
    Cadence, EarlyStopping, Notice, OnNonfinite, Optimizer, Recipe, SavedStates, Storage,
    TrainError, Trained,
};

use crate::toy::{Toy, Watcher, metric, recipe, run, undisturbed};

fn storage(folder: &std::path::Path, cadence: Cadence) -> Storage<'_> {
    Storage { saved: Some(folder), warm_start: None, cadence }
}

/// Everything that must not depend on interruptions.
fn results(trained: Trained) -> (pipeline::training::History, u64, Option<u64>) {
    let best = trained.best.map(|best| best.step);
    (trained.history, trained.steps, best)
}

fn recipes() -> Vec<Recipe> {
    let loss = EarlyStopping { metric: metric("loss"), patience: 2, min_delta: 0.0 };
    vec![
        recipe(),
        Recipe { keep_best: Some(metric("anomaly.f1")), evaluate_every: Some(4), ..recipe() },
        Recipe {
            gradient_accumulation: 2,
            ignore_outside: true,
            keep_best: Some(metric("ner.span_f1")),
            ..recipe()
        },
        Recipe {
            ema: Some(0.9),
            keep_best: Some(metric("loss")),
            evaluate_every: Some(5),
            ..recipe()
        },
        Recipe { ema: Some(0.5), optimizer: Optimizer::StableAdamw, ..recipe() },
        // Not every step has an entity, so that what earlier steps saw a gradient of must be remembered.
        Recipe { batch_size: 1, epochs: 2, ignore_outside: true, seed: 1, ..recipe() },
        Recipe {
            evaluate_every: Some(1),
            learning_rate: 0.5,
            early_stopping: Some(loss),
            keep_best: Some(metric("loss")),
            ..recipe()
        },
    ]
}

#[test]
fn an_interruption_at_any_moment_changes_no_bit() {
    for recipe in recipes() {
        let (expected, trained) = undisturbed(&recipe);
        let expected_results = results(trained);
        // The observer is asked before every step and every batch of an evaluation, so that this interrupts everywhere.
        for moment in 0.. {
            let folder = tempfile::tempdir().expect("a folder");
            let mut first = Toy::new();
            let interrupted = run(
                &mut first,
                &recipe,
                storage(folder.path(), Cadence::default()),
                &Watcher::cancelling_at(moment),
            );
            let Err(error) = interrupted else { break };
            assert!(matches!(error, TrainError::Cancelled { saved: true, .. }), "{error}");
            let mut second = Toy::new();
            let trained =
                run(&mut second, &recipe, storage(folder.path(), Cadence::default()), &())
                    .expect("it continues");
            assert_eq!(
                second.bits()[..second.parameters.len()],
                expected.bits()[..expected.parameters.len()]
            );
            assert_eq!(results(trained), expected_results, "interrupted at {moment}");
        }
    }
}

#[test]
fn a_training_interrupted_before_every_step_still_ends_in_the_same_bits() {
    for recipe in recipes() {
        let (expected, trained) = undisturbed(&recipe);
        let folder = tempfile::tempdir().expect("a folder");
        let mut attempts = 0;
        let (toy, resumed) = loop {
            let mut toy = Toy::new();
            // Far enough to finish an evaluation, of which there is one batch, and to make a step.
            match run(
                &mut toy,
                &recipe,
                storage(folder.path(), Cadence::default()),
                &Watcher::cancelling_at(2),
            ) {
                Ok(trained) => break (toy, trained),
                Err(TrainError::Cancelled { .. }) => attempts += 1,
                Err(error) => panic!("{error}"),
            }
        };
        assert!(attempts > 1);
        assert_eq!(
            toy.bits()[..toy.parameters.len()],
            expected.bits()[..expected.parameters.len()]
        );
        assert_eq!(results(resumed), results(trained));
    }
}

#[test]
fn when_saved_states_are_written_never_changes_a_weight() {
    for recipe in recipes() {
        let (expected, trained) = undisturbed(&recipe);
        let expected_results = results(trained);
        let never = Cadence { steps: None, time: Duration::MAX, budget: 0.0 };
        for cadence in [
            Cadence::every(1),
            never,
            Cadence::every(3),
            Cadence { time: Duration::from_micros(50), ..Cadence::default() },
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            let mut toy = Toy::new();
            let trained =
                run(&mut toy, &recipe, storage(folder.path(), cadence), &()).expect("it trains");
            assert_eq!(toy.bits(), expected.bits());
            assert_eq!(results(trained), expected_results);
        }
    }
}

/// Counts the checkpoints that it sees in a folder, after steps that take a moment.
struct Counting<'a>(
    &'a std::path::Path,
    std::cell::RefCell<std::collections::BTreeSet<std::ffi::OsString>>,
);

impl pipeline::training::Observer for Counting<'_> {
    fn progress(&self, _: &pipeline::training::Progress<'_>) {
        std::thread::sleep(Duration::from_millis(1));
        let names =
            std::fs::read_dir(self.0).expect("the folder").flatten().map(|entry| entry.file_name());
        self.1
            .borrow_mut()
            .extend(names.filter(|name| name.to_string_lossy().ends_with(".checkpoint")));
    }
}

#[test]
fn the_slower_the_disk_the_rarer_a_saved_state_so_that_they_take_a_fiftieth_of_the_time() {
    let recipe = Recipe { epochs: 60, ..recipe() };
    let folder = tempfile::tempdir().expect("a folder");
    let counting = Counting(folder.path(), Default::default());
    let pause = Duration::from_millis(2);
    let mut toy = Toy::new();
    toy.export_pause = pause;
    let begun = std::time::Instant::now();
    // As often as the budget allows.
    let cadence = Cadence { time: Duration::ZERO, ..Cadence::default() };
    run(&mut toy, &recipe, storage(folder.path(), cadence), &counting).expect("it trains");
    let (written, elapsed) = (counting.1.into_inner().len() as u32, begun.elapsed());
    // A disk that is slower still may get one only.
    assert!(written >= 1, "{written} in {elapsed:?}");
    // Each but the last has been followed by fifty times what it cost.
    assert!((written - 1) * pause * 50 <= elapsed, "{written} in {elapsed:?}");
}

#[test]
fn a_kill_after_any_saved_state_changes_no_bit() {
    let recipe =
        Recipe { keep_best: Some(metric("anomaly.f1")), evaluate_every: Some(4), ..recipe() };
    let (expected, trained) = undisturbed(&recipe);
    let expected_results = results(trained);
    for moment in 1..18 {
        let folder = tempfile::tempdir().expect("a folder");
        let copy = tempfile::tempdir().expect("a folder");
        let mut first = Toy::new();
        let stop = Watcher::cancelling_at(moment);
        run(&mut first, &recipe, storage(folder.path(), Cadence::every(3)), &stop)
            .expect_err("it is interrupted");
        // What a kill would have left: without the checkpoint that the interruption itself wrote, if it wrote one off the cadence.
        for entry in std::fs::read_dir(folder.path()).expect("the folder").flatten() {
            let name = entry.file_name().into_string().expect("a name");
            let step = name
                .strip_prefix("step-")
                .and_then(|rest| rest.strip_suffix(".checkpoint"))
                .map(|step| step.parse::<u64>().expect("a step"));
            if step.is_none_or(|step| step % 3 == 0) {
                std::fs::copy(entry.path(), copy.path().join(name)).expect("a copy");
            }
        }
        let mut second = Toy::new();
        let trained = run(&mut second, &recipe, storage(copy.path(), Cadence::every(3)), &())
            .expect("it continues");
        assert_eq!(second.parameters, expected.parameters, "killed at {moment}");
        assert_eq!(results(trained), expected_results);
    }
}

#[test]
fn the_last_two_saved_states_and_the_best_weights_they_name_are_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = Recipe { keep_best: Some(metric("loss")), evaluate_every: Some(1), ..recipe() };
    let mut toy = Toy::new();
    let trained =
        run(&mut toy, &recipe, storage(folder.path(), Cadence::every(1)), &()).expect("it trains");
    let mut names: Vec<String> = std::fs::read_dir(folder.path())
        .expect("the folder")
        .flatten()
        .map(|entry| entry.file_name().into_string().expect("a name"))
        .collect();
    names.sort();
    let checkpoints = names.iter().filter(|name| name.ends_with(".checkpoint")).count();
    let best = names.iter().filter(|name| name.ends_with(".weights")).count();
    assert_eq!(checkpoints, 2, "{names:?}");
    assert!((1..=3).contains(&best), "{names:?}");
    assert!(trained.best.is_some());
}

#[test]
fn a_second_process_trains_without_saved_states_and_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let _first = SavedStates::open(folder.path()).expect("a folder").expect("nobody else");
    let watcher = Watcher::default();
    let mut toy = Toy::new();
    let recipe = Recipe { keep_best: Some(metric("loss")), ..recipe() };
    run(&mut toy, &recipe, storage(folder.path(), Cadence::every(1)), &watcher).expect("it trains");
    assert!(matches!(watcher.notices.borrow()[0], Notice::StatesBusy { .. }));
    assert_eq!(toy.bits(), undisturbed(&recipe).0.bits());
}

#[test]
fn what_a_killed_process_left_half_written_is_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(".writing-abc"), b"half").expect("a file");
    run(&mut Toy::new(), &recipe(), storage(folder.path(), Cadence::default()), &())
        .expect("it trains");
    assert!(!folder.path().join(".writing-abc").exists());
}

#[test]
fn steps_that_were_skipped_before_an_interruption_stay_counted() {
    let recipe = Recipe { on_nonfinite: OnNonfinite::Skip, ..recipe() };
    let folder = tempfile::tempdir().expect("a folder");
    let storage = storage(folder.path(), Cadence::default());
    run(&mut Toy::poisoned(4), &recipe, storage, &Watcher::cancelling_at(8))
        .expect_err("it is interrupted");
    let trained = run(&mut Toy::new(), &recipe, storage, &()).expect("it continues");
    assert_eq!((trained.skipped, trained.steps), (1, 18));
}
