//! Rows of the embedding that no text of a training uses: they only decay, all at once, and there are no moments of them.

use pipeline::nn::{Batch, LossOptions};
use pipeline::training::adamw::Update;
use pipeline::training::{CpuEngine, Engine, Forward as _, StateVector, Storage};

use crate::engines::{batches, candle, model, recipe, run, undisturbed, weights};
use crate::toy::Watcher;

/// How many of the tokens the batches below are made of, and how wide their rows are.
const USED: u32 = 40;
const WIDTH: usize = 32;
const STEPS: usize = 20;

/// The fixture's batches in a part of their vocabulary: every third token.
fn narrow_batches() -> Vec<Batch> {
    let narrow = |batch: &Batch| {
        let ids = batch.ids().iter().map(|id| id % USED * 3).collect();
        let narrow = Batch::new(ids, batch.bounds().to_vec()).expect("a batch");
        narrow.with_targets(batch.targets().to_vec())
    };
    batches().iter().map(narrow).collect()
}

fn used() -> Vec<u32> {
    (0..USED).map(|id| id * 3).collect()
}

fn train(engine: &mut dyn Engine) {
    for (step, batch) in (0..STEPS).zip(&narrow_batches()) {
        engine.accumulate(batch, &[LossOptions::EVEN; 2]).expect("a batch");
        engine.gradient_norm().expect("a norm");
        let learning_rate = 1e-3 * (STEPS - step) as f64 / STEPS as f64;
        let update = Update {
            learning_rate,
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: 0.1,
            gradient_scale: 1.0,
            clips_updates: false,
        };
        engine.step(&update).expect("a step");
    }
}

#[test]
fn they_are_as_if_they_took_part_to_rounding_and_all_others_to_the_bit() {
    let mut plain = CpuEngine::new(model());
    train(&mut plain);
    let mut engine = CpuEngine::new(model());
    engine.expect_tokens(&used());
    train(&mut engine);
    let embedding = engine.parameters()[0].range.clone();
    let last = |engine: &mut CpuEngine| {
        let answers = engine.logits(&batches()[0]).expect("a batch");
        (answers, weights(engine))
    };
    let (before, (expected, plain), (answers, found)) =
        (weights(&CpuEngine::new(model())), last(&mut plain), last(&mut engine));
    let mut moved = 0;
    for (index, (found, plain)) in found.iter().zip(&plain).enumerate() {
        let is_unused = embedding.contains(&index) && !(index / WIDTH).is_multiple_of(3);
        if is_unused {
            assert!((found / plain - 1.0).abs() <= STEPS as f32 * f32::EPSILON, "{index}");
            moved += usize::from(*found != before[index]);
        } else {
            assert_eq!(found.to_bits(), plain.to_bits(), "{index}");
        }
    }
    assert!(moved > 0, "unused rows decay");
    // Texts that are evaluated use other tokens than those that were trained on.
    for (found, expected) in answers.iter().flatten().zip(expected.iter().flatten()) {
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    }
}

#[test]
fn there_are_no_moments_of_them_in_memory_or_in_a_saved_state() {
    let mut engine = CpuEngine::new(model());
    let all = engine.length(StateVector::FirstMoments);
    engine.expect_tokens(&used());
    let rows = engine.parameters()[0].shape[0] - USED as usize;
    for vector in [StateVector::FirstMoments, StateVector::SecondMoments] {
        let mut length = 0;
        let exported = engine.export(vector, &mut |values| {
            length += values.len();
            Ok(())
        });
        exported.expect("an export");
        assert_eq!((length, engine.length(vector)), (all - rows * WIDTH, length));
    }
    assert_eq!(engine.length(StateVector::Parameters), all);
}

#[test]
fn a_training_goes_on_where_the_other_engine_was_interrupted() {
    let (expected, _) = undisturbed(&recipe());
    let interrupt = |engine: &mut dyn Engine, storage| {
        run(engine, &recipe(), storage, &Watcher::cancelling_at(5)).expect_err("it is interrupted");
        engine.pending_decay()
    };
    let finish = |engine: &mut dyn Engine, storage| {
        let trained = run(engine, &recipe(), storage, &()).expect("it continues");
        assert!(trained.resumed_from.is_some());
        for (found, expected) in weights(engine).iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-4, "{found} and {expected}");
        }
    };
    let (first, second) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two"));
    let storage = |folder| Storage { saved: Some(folder), ..Storage::default() };
    let pending = interrupt(&mut CpuEngine::new(model()), storage(first.path()));
    assert!(pending < 1.0, "some tokens of the fixture's vocabulary are in no text");
    finish(&mut candle(), storage(first.path()));
    interrupt(&mut candle(), storage(second.path()));
    finish(&mut CpuEngine::new(model()), storage(second.path()));
}
