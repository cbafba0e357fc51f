//! What the recipe's parameters do.

use pipeline::text::{CorpusTasks, EncodedSplit, Window, Windows};
use pipeline::training::{
    Data, EarlyStopping, Notice, OnNonfinite, Recipe, Row, RowSplit, Schedule, Storage, TrainError,
    Trained, epoch_losses, train,
};

use crate::toy::{Toy, Watcher, labels, metric, recipe, run, split, undisturbed};

#[test]
fn accumulating_two_halves_is_the_whole_batch_to_rounding() {
    let halves = undisturbed(&Recipe { batch_size: 2, gradient_accumulation: 2, ..recipe() });
    let whole = undisturbed(&Recipe { batch_size: 4, ..recipe() });
    for (left, right) in halves.0.parameters.iter().zip(&whole.0.parameters) {
        assert!((left - right).abs() < 1e-5, "{left} {right}");
    }
    for (left, right) in halves.1.history.rows.iter().zip(&whole.1.history.rows) {
        assert!((left.loss - right.loss).abs() < 1e-5);
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let bits = [1, 2, 3].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| undisturbed(&recipe()).0.bits())
    });
    assert!(bits.iter().all(|these| *these == bits[0]));
}

#[test]
fn the_history_has_a_row_for_every_step_and_every_evaluation() {
    let (_, trained) = undisturbed(&recipe());
    let rows = |part| {
        trained
            .history
            .rows
            .iter()
            .filter(move |row| row.split == part)
            .map(|row| (row.step, row.epoch))
    };
    assert_eq!(
        rows(RowSplit::Train).collect::<Vec<_>>(),
        (1..=18_u64).map(|step| (step, step.div_ceil(6))).collect::<Vec<_>>()
    );
    assert_eq!(rows(RowSplit::Validation).collect::<Vec<_>>(), [(6, 1), (12, 2), (18, 3)]);
    assert_eq!(trained.timings.len(), 18);
    let losses = epoch_losses(&trained.history.rows);
    assert_eq!(losses.len(), 3);
    assert!(losses[2] < losses[0]);
}

fn evaluations(trained: &Trained) -> impl Iterator<Item = &Row> {
    trained.history.rows.iter().filter(|row| row.split == RowSplit::Validation)
}

#[test]
fn an_interval_of_steps_evaluates_after_the_last_step_as_well() {
    let (_, trained) = undisturbed(&Recipe { evaluate_every: Some(7), ..recipe() });
    assert_eq!(evaluations(&trained).map(|row| row.step).collect::<Vec<_>>(), [7, 14, 18]);
}

#[test]
fn the_kept_weights_are_those_of_the_best_evaluation() {
    let rising = Recipe {
        learning_rate: 3.0,
        schedule: Schedule::Constant,
        keep_best: Some(metric("loss")),
        evaluate_every: Some(1),
        ..recipe()
    };
    let (toy, trained) = undisturbed(&rising);
    let best = trained.best.clone().expect("a best");
    assert!(best.step < 18, "a learning rate of 3 does not end at its best");
    // A constant schedule stops there with the same weights.
    let losses: Vec<f64> = evaluations(&trained).map(|row| row.loss).collect();
    assert_eq!(Some(best.value), losses.iter().copied().reduce(f64::min));
    let stop = Watcher::cancelling_at(asked_before_step(best.step + 1));
    let mut stopped = Toy::new();
    run(&mut stopped, &rising, Storage::default(), &stop).expect_err("it is interrupted");
    assert_eq!(toy.parameters, stopped.parameters);
}

/// With an evaluation of one batch after every step, the observer is asked twice for each.
fn asked_before_step(step: u64) -> u64 {
    (step - 1) * 2
}

#[test]
fn early_stopping_waits_for_its_patience() {
    let stopping = EarlyStopping { metric: metric("loss"), patience: 3, min_delta: 100.0 };
    let watcher = Watcher::default();
    let recipe = Recipe { early_stopping: Some(stopping), evaluate_every: Some(2), ..recipe() };
    let trained = run(&mut Toy::new(), &recipe, Storage::default(), &watcher).expect("it trains");
    assert_eq!((trained.steps, trained.stopped_early), (8, true));
    assert_eq!(
        watcher.notices.into_inner(),
        [Notice::StoppedEarly { step: 8, metric: "loss".to_owned() }]
    );
}

#[test]
fn evaluations_have_the_watched_metric_and_the_kept_one_is_told() {
    let watcher = Watcher::default();
    let recipe = Recipe { keep_best: Some(metric("ner.token_accuracy")), ..recipe() };
    let trained = run(&mut Toy::new(), &recipe, Storage::default(), &watcher).expect("it trains");
    let watched: Vec<f64> = evaluations(&trained).filter_map(|row| row.watched).collect();
    let best = trained.best.as_ref().expect("a best");
    assert_eq!(watched.len(), 3);
    assert_eq!(watched.iter().copied().reduce(f64::max), Some(best.value));
    assert!(
        trained
            .history
            .rows
            .iter()
            .all(|row| row.split == RowSplit::Validation || row.watched.is_none())
    );
    let (metric, value) = ("ner.token_accuracy".to_owned(), best.value);
    let kept = Notice::KeptBest { step: best.step, steps: 18, metric, value };
    assert_eq!(watcher.notices.into_inner(), [kept]);
}

#[test]
fn a_metric_that_no_evaluation_defined_stops_nothing_and_is_told() {
    // Every validation text is of one class.
    let (sentences, mut validation, labels) = (split(11, 0), split(5, 3), labels());
    validation.classes.values_mut().for_each(|classes| classes.fill(0));
    let stopping = EarlyStopping { metric: metric("anomaly.auroc"), patience: 1, min_delta: 0.0 };
    let recipe = Recipe {
        early_stopping: Some(stopping),
        keep_best: Some(metric("anomaly.auroc")),
        ..recipe()
    };
    let watcher = Watcher::default();
    let data = Data {
        train: &sentences,
        validation: Some(&validation),
        labels: &labels,
        tasks: &CorpusTasks::default(),
    };
    let trained = train(&mut Toy::new(), data, &recipe, Storage::default(), &watcher)
        .expect("it trains to its end");
    assert_eq!((trained.steps, trained.stopped_early, trained.best), (18, false, None));
    let never =
        [("early_stopping", metric("anomaly.auroc")), ("keep_best", metric("anomaly.auroc"))];
    assert_eq!(trained.never_defined, never);
    assert_eq!(watcher.notices.into_inner(), []);
}

#[test]
fn a_gradient_that_is_not_finite_stops_with_the_step_and_its_sequences() {
    let mut toy = Toy::poisoned(4);
    let error = run(&mut toy, &recipe(), Storage::default(), &()).expect_err("it stops");
    assert!(
        matches!(&error, TrainError::NotFinite { step: 5, what: "gradient", texts, last_good: None } if texts.len() == 2),
        "{error}"
    );
    assert!(toy.parameters.iter().all(|value| value.is_finite()));
}

#[test]
fn a_skipped_step_is_counted_and_moves_nothing() {
    let mut toy = Toy::poisoned(4);
    let recipe = Recipe { on_nonfinite: OnNonfinite::Skip, ..recipe() };
    let trained = run(&mut toy, &recipe, Storage::default(), &()).expect("it goes on");
    assert_eq!((trained.skipped, trained.steps), (1, 18));
    assert!(toy.parameters.iter().all(|value| value.is_finite()));
    assert!(trained.history.rows[4].grad_norm.is_some_and(f64::is_nan));
}

#[test]
fn a_parameter_without_a_gradient_is_an_error_that_names_it() {
    let mut toy = Toy::cut();
    let error = run(&mut toy, &recipe(), Storage::default(), &()).expect_err("it is noticed");
    assert_eq!(
        error.to_string(),
        "a parameter never got a gradient in the first epoch: ner_classifier.weight"
    );
}

#[test]
fn a_head_that_the_recipe_switches_off_needs_no_gradient() {
    let mut toy = Toy::classifier();
    run(&mut toy, &Recipe { ner_weight: 0.0, ..recipe() }, Storage::default(), &())
        .expect("it trains");
}

#[test]
fn outside_tokens_count_in_no_loss_when_the_recipe_ignores_them() {
    let batch_without_entities = |recipe: &Recipe| {
        undisturbed(recipe).1.history.rows.iter().filter(|row| row.losses[0].is_none()).count()
    };
    let one_by_one = Recipe { batch_size: 1, epochs: 1, ..recipe() };
    assert_eq!(batch_without_entities(&one_by_one), 0);
    assert!(batch_without_entities(&Recipe { ignore_outside: true, ..one_by_one }) > 0);
}

#[test]
fn the_loss_is_the_weighted_sum_of_both() {
    let (_, trained) = undisturbed(&Recipe { ner_weight: 0.5, anomaly_weight: 2.0, ..recipe() });
    for row in trained.history.rows {
        let expected =
            0.5 * row.losses[0].expect("labels") + 2.0 * row.losses[1].expect("sequences");
        assert!((row.loss - expected).abs() < 1e-12);
    }
}

#[test]
fn an_unusable_recipe_is_refused_with_all_its_problems() {
    let error = run(
        &mut Toy::new(),
        &Recipe { epochs: 0, batch_size: 0, ..recipe() },
        Storage::default(),
        &(),
    )
    .expect_err("it is refused");
    assert!(matches!(error, TrainError::Recipe { problems } if problems.len() == 2));
}

#[test]
fn every_epoch_has_batches_of_its_own() {
    // Steps too small to change a weight, so that equal batches have equal losses.
    let still = Recipe { epochs: 2, learning_rate: 1e-30, weight_decay: 0.0, ..recipe() };
    let (toy, trained) = undisturbed(&still);
    assert_eq!(toy.parameters, Toy::new().parameters);
    let losses = |epoch| {
        trained
            .history
            .rows
            .iter()
            .filter(|row| row.split == RowSplit::Train && row.epoch == epoch)
            .map(|row| row.loss)
            .collect()
    };
    let (first, second): (Vec<f64>, Vec<f64>) = (losses(1), losses(2));
    assert_eq!((first.len(), second.len()), (6, 6));
    assert_ne!(first, second);
}

#[test]
fn weights_without_a_finite_loss_are_neither_the_best_nor_a_result() {
    let spoilt = || {
        let mut toy = Toy::new();
        toy.infinite_after = Some(18);
        toy
    };
    let keeping = Recipe { keep_best: Some(metric("ner.token_accuracy")), ..recipe() };
    let trained =
        run(&mut spoilt(), &keeping, Storage::default(), &()).expect("earlier weights are good");
    assert!(
        trained.best.as_ref().is_some_and(|best| best.step < 18 && best.value < 1.0),
        "{:?} {:?}",
        trained.best,
        trained.history.rows.last()
    );
    let error = run(&mut spoilt(), &recipe(), Storage::default(), &())
        .expect_err("the last weights are no result");
    assert!(matches!(error, TrainError::Spoilt { step: 18, skipped: 0 }), "{error}");
}

/// Sentences of the toy in windows of two words, each of which begins with the last one of the window before.
fn windowed(sequences: usize) -> EncodedSplit {
    let split = split(sequences, 0);
    let mut windows = Windows::new((1, 1));
    for text in 0..split.len() {
        let words = split.range(text).len() - 2;
        let begins = 0..words.saturating_sub(1).max(1);
        windows.push(
            begins.map(|begin| Window { tokens: begin..(begin + 2).min(words), cut: (0, 0) }),
        );
    }
    EncodedSplit { windows: Some(windows), ..split }
}

#[test]
fn an_epoch_visits_every_window_once_in_an_order_that_the_seed_decides() {
    let (train_on, validation, labels) = (windowed(11), windowed(5), labels());
    let data = Data {
        train: &train_on,
        validation: Some(&validation),
        labels: &labels,
        tasks: &CorpusTasks::default(),
    };
    let trained = |seed| {
        let mut toy = Toy::new();
        let recipe = Recipe { seed, ..recipe() };
        let trained = train(&mut toy, data, &recipe, Storage::default(), &()).expect("it trains");
        (toy.bits(), trained)
    };
    let ((bits, once), (again, _), (other, _)) = (trained(1), trained(1), trained(2));
    assert!(bits == again && bits != other);
    let (epochs, windows) = (recipe().epochs, train_on.sequences() as u64);
    assert!(windows > 11 && once.steps == epochs * windows.div_ceil(2), "{windows}");
    let tokens: usize = (0..train_on.sequences()).map(|row| train_on.length_of(row)).sum();
    let seen: u64 = once.timings.iter().map(|timing| timing.tokens).sum();
    assert_eq!(seen, epochs * tokens as u64);
}
