//! Both engines against PyTorch and each other, and the loop's promises on the real model. The model and the twenty steps come from
//! `tests/parity/make_fixtures.py`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device};
use pipeline::base::rng::Rng;
use pipeline::nn::{
    Batch, EncoderSpec, Group, Instructions, JointModel, LossOptions, Role, Workspace,
};
use pipeline::tasks::{self, Predicted, Task};
use pipeline::text::{ClassHead, CorpusTasks, EncodedSplit, LabelSet};
use pipeline::training::adamw::{Update, clip_coefficient};
use pipeline::training::schedule::LearningRate;
use pipeline::training::{
    BatchLimit, Cadence, CandleEngine, ClassWeights, CpuEngine, Data, Engine, Notice, Observer,
    Recipe, Schedule, Storage, Trained, Warmup, predict, train,
};
use safetensors::{Dtype, SafeTensors};

use crate::toy::{Watcher, metric, told_by_labels};

const LABELS: usize = 7;
const STEPS: u64 = 20;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/training").join(name)
}

pub fn model() -> JointModel {
    let spec =
        EncoderSpec::from_json(&std::fs::read_to_string(fixture("config.json")).expect("a file"))
            .expect("a configuration");
    JointModel::load_trained(
        &fixture("model.safetensors"),
        spec,
        &tasks::heads(&tasks::joint(LABELS)),
    )
    .expect("a model")
}

fn read(name: &str) -> BTreeMap<String, Vec<f64>> {
    let bytes = std::fs::read(fixture(name)).expect("a file");
    let tensors = SafeTensors::deserialize(&bytes).expect("safetensors");
    let values = tensors.tensors().into_iter().map(|(name, tensor)| {
        let data = tensor.data();
        let values = match tensor.dtype() {
            Dtype::F64 => {
                data.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()
            }
            Dtype::F32 => data
                .as_chunks()
                .0
                .iter()
                .map(|bytes| f64::from(f32::from_le_bytes(*bytes)))
                .collect(),
            Dtype::U32 => data
                .as_chunks()
                .0
                .iter()
                .map(|bytes| f64::from(u32::from_le_bytes(*bytes)))
                .collect(),
            other => panic!("{name} has type {other:?}"),
        };
        (name, values)
    });
    values.collect()
}

pub fn batches() -> Vec<Batch> {
    let tensors = read("batches.safetensors");
    let numbers = |step: u64, name: &str| {
        tensors[&format!("{step}.{name}")].iter().map(|value| *value as u32).collect::<Vec<_>>()
    };
    let batch = |step| {
        let bounds = numbers(step, "bounds").into_iter().map(|bound| bound as usize).collect();
        let targets = vec![numbers(step, "labels"), numbers(step, "anomaly")];
        Batch::new(numbers(step, "ids"), bounds).expect("a batch").with_targets(targets)
    };
    (0..STEPS).map(batch).collect()
}

/// All sequences of some of the batches, as a split.
pub fn split(batches: std::ops::Range<usize>) -> EncodedSplit {
    let mut split = EncodedSplit::default();
    for batch in &self::batches()[batches] {
        for bounds in batch.bounds().windows(2) {
            split.ids.extend(&batch.ids()[bounds[0]..bounds[1]]);
            split.labels.extend(&batch.targets()[0][bounds[0]..bounds[1]]);
            split.bounds.push(split.ids.len() as u32);
        }
        split.classes.entry("anomaly".to_owned()).or_default().extend(&batch.targets()[1]);
    }
    split.starts = (0..split.ids.len() as u32).collect();
    split.ends = split.starts.iter().map(|start| start + 1).collect();
    told_by_labels(&mut split, &labels());
    split
}

fn labels() -> LabelSet {
    LabelSet::of(["X", "Y", "Z"])
}

pub fn candle() -> CandleEngine {
    CandleEngine::new(&model(), &Device::Cpu, DType::F32).expect("an engine")
}

pub fn weights(engine: &dyn Engine) -> Vec<f32> {
    let mut weights = Vec::new();
    let exported = engine.export(pipeline::training::StateVector::Parameters, &mut |values| {
        weights.extend_from_slice(values);
        Ok(())
    });
    exported.expect("an export");
    weights
}

pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// How far the recipe's twenty steps are from those in float64 by torch: the largest relative errors of the losses and of the gradient's norm, and those
/// of the final weights by name.
fn errors_of_twenty_steps(engine: &mut dyn Engine) -> BTreeMap<String, f64> {
    let expected = read("expected.safetensors");
    let rates = LearningRate::new(1e-3, Schedule::Linear, Warmup::default(), STEPS);
    let mut errors = BTreeMap::new();
    for ((step, batch), row) in batches().iter().enumerate().zip(expected["history"].chunks(5)) {
        let losses = engine.accumulate(batch, &[LossOptions::EVEN; 2]).expect("a step");
        let norm = engine.gradient_norm().expect("a norm");
        let learning_rate = rates.at(step as u64);
        for (name, found, expected) in [
            ("ner", losses.heads[0].mean, row[0]),
            ("anomaly", losses.heads[1].mean, row[1]),
            ("norm", norm, row[3]),
        ] {
            let worst = errors.entry(name.to_owned()).or_insert(0.0_f64);
            *worst = worst.max((found / expected - 1.0).abs());
        }
        assert!((learning_rate - row[4]).abs() < 1e-15);
        let gradient_scale = clip_coefficient(norm, Some(1.0));
        engine
            .step(&Update {
                learning_rate,
                betas: (0.9, 0.999),
                eps: 1e-8,
                weight_decay: 0.01,
                gradient_scale,
                clips_updates: false,
            })
            .expect("a step");
    }
    let weights = weights(engine);
    let mut rest = weights.as_slice();
    for parameter in engine.parameters() {
        let (found, others) = rest.split_at(parameter.range.len());
        rest = others;
        let theirs = &expected[&parameter.name];
        let error: f64 = found
            .iter()
            .zip(theirs)
            .map(|(ours, theirs)| (f64::from(*ours) - theirs).powi(2))
            .sum::<f64>()
            .sqrt();
        let size: f64 = theirs.iter().map(|value| value * value).sum::<f64>().sqrt();
        errors.insert(parameter.name.clone(), error / size);
    }
    errors
}

/// Ours in f32 differ by rounding that twenty steps enlarge; 1e-4 is what the product promises.
fn assert_twenty_steps(engine: &mut dyn Engine) {
    for (name, error) in errors_of_twenty_steps(engine) {
        assert!(error < 1e-4, "{name} is off by {error:e}");
    }
}

#[test]
fn twenty_steps_in_bf16_are_no_further_from_float64_than_those_of_torch() {
    let text = std::fs::read_to_string(fixture("../bf16.json")).expect("a file");
    let theirs: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let theirs = &theirs["training"];
    for instructions in Instructions::available() {
        let model = model().with_bf16_products(instructions).expect("memory");
        let ours = errors_of_twenty_steps(&mut CpuEngine::new(model));
        // Which weights a rounding hits is luck: where the gradient is about zero, its sign decides a whole step. How many and how hard is not.
        let (mut found, mut expected) = (Vec::new(), Vec::new());
        for (name, error) in ours {
            match theirs["weights"].get(&name) {
                Some(of_weight) => {
                    found.push(error);
                    expected.push(of_weight.as_f64().expect("an error"));
                }
                None => {
                    let theirs = theirs[&name].as_f64().expect("an error");
                    assert!(error < 1.5 * theirs, "{instructions:?}: {name} by {error}");
                }
            }
        }
        [&mut found, &mut expected].into_iter().for_each(|errors| errors.sort_by(f64::total_cmp));
        let ratio = |place: usize| found[place] / expected[place];
        let (worst, middle) = (ratio(found.len() - 1), ratio(found.len() / 2));
        assert!(worst < 1.3 && middle < 1.0, "{instructions:?}: {worst}, {middle} in the middle");
    }
}

#[test]
fn twenty_steps_on_the_cpu_are_those_of_torch() {
    assert_twenty_steps(&mut CpuEngine::new(model()));
}

#[test]
fn twenty_steps_in_candles_operations_are_those_of_torch() {
    assert_twenty_steps(&mut candle());
}

/// 24 sequences in batches of 4 for two epochs, with every part of the recipe in use.
pub fn recipe() -> Recipe {
    Recipe {
        epochs: 2,
        batch_size: 4,
        learning_rate: 1e-3,
        ignore_outside: true,
        class_weights: Some(ClassWeights::OfAnomaly([0.5, 2.0])),
        keep_best: Some(metric("loss")),
        decode: pipeline::tasks::Decode::Tokens,
        ..Recipe::default()
    }
}

pub fn run(
    engine: &mut dyn Engine,
    recipe: &Recipe,
    storage: Storage<'_>,
    observer: &dyn Observer,
) -> Result<Trained, pipeline::training::TrainError> {
    let (sentences, validation) = (split(0..6), split(6..8));
    train(
        engine,
        Data {
            train: &sentences,
            validation: Some(&validation),
            labels: &labels(),
            tasks: &CorpusTasks::default(),
        },
        recipe,
        storage,
        observer,
    )
}

pub fn undisturbed(recipe: &Recipe) -> (Vec<f32>, Trained) {
    let mut engine = CpuEngine::new(model());
    let trained = run(&mut engine, recipe, Storage::default(), &()).expect("it trains");
    (weights(&engine), trained)
}

#[test]
fn both_engines_train_alike() {
    let (expected, trained) = undisturbed(&recipe());
    let mut engine = candle();
    let composed = run(&mut engine, &recipe(), Storage::default(), &()).expect("it trains");
    for (ours, theirs) in trained.history.rows.iter().zip(&composed.history.rows) {
        assert_eq!(
            (ours.split, ours.step, ours.learning_rate),
            (theirs.split, theirs.step, theirs.learning_rate)
        );
        assert!(
            (ours.loss - theirs.loss).abs() < 1e-4,
            "step {}: {} and {}",
            ours.step,
            ours.loss,
            theirs.loss
        );
    }
    for (ours, theirs) in expected.iter().zip(weights(&engine)) {
        assert!((ours - theirs).abs() < 1e-4, "{ours} and {theirs}");
    }
}

#[test]
fn a_training_resumed_at_any_step_ends_in_the_same_bits() {
    let (expected, whole) = undisturbed(&recipe());
    for moment in 0.. {
        let folder = tempfile::tempdir().expect("a folder");
        let storage = Storage { saved: Some(folder.path()), ..Storage::default() };
        if run(&mut CpuEngine::new(model()), &recipe(), storage, &Watcher::cancelling_at(moment))
            .is_ok()
        {
            break;
        }
        let mut engine = CpuEngine::new(model());
        let trained = run(&mut engine, &recipe(), storage, &()).expect("it continues");
        assert_eq!(bits(&weights(&engine)), bits(&expected), "interrupted at {moment}");
        assert_eq!(trained.history, whole.history);
    }
}

#[test]
fn a_saved_state_after_every_step_changes_no_bit() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut engine = CpuEngine::new(model());
    let storage =
        Storage { saved: Some(folder.path()), warm_start: None, cadence: Cadence::every(1) };
    run(&mut engine, &recipe(), storage, &()).expect("it trains");
    assert_eq!(bits(&weights(&engine)), bits(&undisturbed(&recipe()).0));
}

#[test]
fn a_training_in_candles_operations_resumes_from_its_saved_state() {
    let mut whole = candle();
    run(&mut whole, &recipe(), Storage::default(), &()).expect("it trains");
    let folder = tempfile::tempdir().expect("a folder");
    let storage = Storage { saved: Some(folder.path()), ..Storage::default() };
    run(&mut candle(), &recipe(), storage, &Watcher::cancelling_at(5))
        .expect_err("it is interrupted");
    let mut resumed = candle();
    run(&mut resumed, &recipe(), storage, &()).expect("it continues");
    assert_eq!(bits(&weights(&resumed)), bits(&weights(&whole)));
}

#[test]
fn one_two_and_three_threads_give_the_same_bits() {
    let found = [1, 2, 3].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| bits(&undisturbed(&recipe()).0))
    });
    assert!(found.iter().all(|bits| *bits == found[0]));
}

#[test]
fn activation_saved_stateing_changes_no_bit() {
    let mut engine =
        CpuEngine::new(model()).with_workspace(Workspace::new().recompute_layers(true));
    let trained = run(&mut engine, &recipe(), Storage::default(), &()).expect("it trains");
    let (expected, whole) = undisturbed(&recipe());
    assert_eq!(bits(&weights(&engine)), bits(&expected));
    assert_eq!(trained.history, whole.history);
}

#[test]
fn activation_saved_stateing_changes_no_bit_in_candles_operations() {
    let weights = [false, true].map(|checkpointing| {
        let mut engine = candle().with_activation_checkpointing(checkpointing);
        run(&mut engine, &recipe(), Storage::default(), &()).expect("it trains");
        bits(&weights(&engine))
    });
    assert!(weights[0] == weights[1]);
}

#[test]
fn a_frozen_encoder_reads_each_text_once_and_changes_no_bit() {
    let recipe = Recipe { freeze: vec!["encoder".to_owned()], ..recipe() };
    let engine = || {
        let mut model = model();
        let layers = model.spec.layers.len();
        model.layout.regroup(|parameter| recipe.group(parameter, layers));
        CpuEngine::new(model)
    };
    let (mut whole, watcher) = (engine(), Watcher::default());
    run(&mut whole, &recipe, Storage::default(), &watcher).expect("it trains");
    assert!(watcher.notices.borrow().contains(&Notice::EncodedOnce));
    // Asked before each of 6 and 2 batches that are read once, 6 steps, and the one batch of an evaluation: it ends after the first epoch.
    let folder = tempfile::tempdir().expect("a folder");
    let storage = Storage { saved: Some(folder.path()), ..Storage::default() };
    run(&mut engine(), &recipe, storage, &Watcher::cancelling_at(15)).expect_err("a cancellation");
    let (mut resumed, watcher) = (engine(), Watcher::default());
    run(&mut resumed, &recipe, storage, &watcher).expect("it continues");
    // In the one epoch that is left the encoder reads the texts as ever.
    let notices = watcher.notices.borrow();
    assert!(matches!(
        notices.as_slice(),
        [Notice::Resumed { step: 6, .. }, Notice::KeptBest { .. }]
    ));
    assert_eq!(bits(&weights(&resumed)), bits(&weights(&whole)));
}

#[test]
fn two_micro_batches_of_eight_are_a_batch_of_sixteen() {
    let halves = undisturbed(&Recipe { batch_size: 8, gradient_accumulation: 2, ..recipe() });
    let whole = undisturbed(&Recipe { batch_size: 16, ..recipe() });
    assert_eq!(halves.1.steps, whole.1.steps);
    for (ours, theirs) in halves.0.iter().zip(&whole.0) {
        // AdamW's first steps turn the rounding of a gradient near zero into a part of the learning rate.
        assert!((ours - theirs).abs() < 1e-4, "{ours} and {theirs}");
    }
}

#[test]
fn predictions_do_not_depend_on_the_size_of_their_batches() {
    let split = split(0..4);
    let all = BatchLimit::of(&split, 2);
    let in_turn = [1, 3, 16].map(BatchLimit::Sequences);
    let sorted = [1, 64, 200].map(BatchLimit::Tokens);
    let predictions: Vec<Predicted> = [all]
        .into_iter()
        .chain(in_turn)
        .chain(sorted)
        .map(|limit| {
            let (mut engine, tasks) = (CpuEngine::new(model()), tasks_of(&recipe(), &split));
            predict(&mut engine, &split, limit, &tasks, &|| false)
                .expect("predictions")
                .expect("not cancelled")
        })
        .collect();
    for other in &predictions[1..] {
        assert!((other.loss - predictions[0].loss).abs() < 1e-5);
        for (one, other) in predictions[0].answers.iter().zip(&other.answers) {
            assert_eq!(one.classes, other.classes);
            assert!(one.scores.iter().zip(&other.scores).all(|(one, it)| (one - it).abs() < 1e-5));
        }
    }
    let first = &predictions[0];
    let rows = |name| first.of(name).map(|answers| answers.scores.len());
    assert_eq!([rows("ner"), rows("anomaly")], [Some(split.tokens()), Some(split.len())]);
}

/// The fixture's model with heads for these tasks.
/// What a recipe trains on these texts.
fn tasks_of(recipe: &Recipe, train: &EncodedSplit) -> Vec<Task> {
    let (labels, tasks) = (labels(), CorpusTasks::default());
    recipe.tasks(Data { train, validation: None, labels: &labels, tasks: &tasks })
}

fn headed(tasks: &[Task]) -> JointModel {
    let spec = model().spec;
    JointModel::load(&fixture("model.safetensors"), spec, &tasks::heads(tasks), &Rng::new(5))
        .expect("a model")
}

#[test]
fn a_model_of_one_head_trains_alike_on_both_paths_and_says_nothing_of_the_other() {
    for (ner_weight, anomaly_weight) in [(1.0, 0.0), (0.0, 1.0)] {
        let recipe = Recipe { ner_weight, anomaly_weight, ..recipe() };
        let tasks = tasks_of(&recipe, &split(0..1));
        let train = |engine: &mut dyn Engine| {
            run(engine, &recipe, Storage::default(), &()).expect("it trains").history.rows
        };
        let (mut ours, mut theirs) = (
            CpuEngine::new(headed(&tasks)),
            CandleEngine::new(&headed(&tasks), &Device::Cpu, DType::F32).expect("a CPU"),
        );
        for (one, other) in train(&mut ours).iter().zip(train(&mut theirs)) {
            assert!((one.loss - other.loss).abs() < 1e-4 * one.loss.abs(), "{one:?} {other:?}");
            assert_eq!(
                (one.losses[0].is_some(), one.losses[1].is_some()),
                (ner_weight > 0.0, anomaly_weight > 0.0)
            );
            assert_eq!(Some(one.loss), one.losses[0].or(one.losses[1]));
        }
        let found = predict(&mut ours, &split(0..4), 2, &tasks, &|| false)
            .expect("predictions")
            .expect("not cancelled");
        assert_eq!(found.of("ner").is_some(), ner_weight > 0.0);
        assert_eq!(found.of("anomaly").is_some(), anomaly_weight > 0.0);
    }
}

#[test]
fn an_absent_head_leaves_the_gradient_of_the_rest_as_a_weight_of_zero_does() {
    let update = Update {
        learning_rate: 1e-3,
        betas: (0.9, 0.999),
        eps: 1e-8,
        weight_decay: 0.0,
        gradient_scale: 1.0,
        clips_updates: false,
    };
    let unweighted = LossOptions { weight: 0.0, ..LossOptions::EVEN };
    let options = [LossOptions::EVEN, unweighted];
    let train = |heads: usize| {
        let mut engine = CpuEngine::new(headed(&tasks::joint(LABELS)[..heads]));
        for batch in &batches()[..4] {
            let batch = batch.clone().with_targets(batch.targets()[..heads].to_vec());
            engine.accumulate(&batch, &options[..heads]).expect("a batch");
            engine.step(&update).expect("a step");
        }
        engine.model().clone()
    };
    let (whole, part) = (train(2), train(1));
    for parameter in part.layout.parameters() {
        let same = whole
            .layout
            .parameters()
            .iter()
            .find(|other| other.name == parameter.name)
            .expect("the whole model has it");
        assert!(
            part.parameters[parameter.range.clone()] == whole.parameters[same.range.clone()],
            "{}",
            parameter.name
        );
    }
}

#[test]
fn any_number_of_heads_trains_alike_on_both_paths() {
    let [tagging, classification] = tasks::joint(LABELS).try_into().expect("two tasks");
    let classes = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
    let topic = Task {
        weight: 0.5,
        class_weights: Some(vec![1.0, 2.0, 1.0, 0.5, 1.0]),
        focal_gamma: 2.0,
        ..Task::classification(&ClassHead { name: "topic".to_owned(), classes })
    };
    let other = Task { name: "other".to_owned(), ..tagging.clone() };
    let tasks = [tagging, classification, topic, other];
    let mut split = split(0..2);
    split.classes.insert("topic".to_owned(), (0..split.len() as u32).map(|row| row % 5).collect());
    let batch = tasks::batch(&tasks, &split, &[3, 0, 2]).expect("a batch");
    let options = tasks::loss_options(&tasks, std::slice::from_ref(&batch));
    let step = |engine: &mut dyn Engine| {
        let losses = engine.accumulate(&batch, &options).expect("a batch");
        (losses, engine.gradient_norm().expect("a norm"))
    };
    let model = headed(&tasks);
    let (ours, norm) = step(&mut CpuEngine::new(model.clone()));
    let mut theirs = CandleEngine::new(&model, &Device::Cpu, DType::F32).expect("a CPU");
    let (theirs, their_norm) = step(&mut theirs);
    assert_eq!((ours.heads.len(), theirs.heads.len()), (4, 4));
    assert!((ours.total / theirs.total - 1.0).abs() < 1e-5, "{ours:?} {theirs:?}");
    assert!((norm / their_norm - 1.0).abs() < 1e-5, "{norm} {their_norm}");
}

#[test]
fn both_engines_move_each_parameter_as_its_group_says() {
    const RATE: f64 = 1e-3;
    let mut model = model();
    model.layout.regroup(|parameter| Group {
        trainable: parameter.role != Role::Embedding && parameter.role != Role::IntoStream,
        decays: !matches!(parameter.role, Role::Norm | Role::Bias),
        rate: if parameter.head().is_some() { 10.0 } else { 1.0 },
    });
    let update = Update {
        learning_rate: RATE,
        betas: (0.9, 0.999),
        eps: 1e-8,
        weight_decay: 100.0,
        gradient_scale: 1.0,
        clips_updates: false,
    };
    let step = |engine: &mut dyn Engine| {
        engine.accumulate(&batches()[0], &[LossOptions::EVEN; 2]).expect("a batch");
        let norm = engine.gradient_norm().expect("a norm");
        engine.step(&update).expect("a step");
        norm
    };
    let mut candle = CandleEngine::new(&model, &Device::Cpu, DType::F32).expect("an engine");
    let mut cpu = CpuEngine::new(model.clone());
    let (norm, candles_norm) = (step(&mut cpu), step(&mut candle));
    assert!((norm / candles_norm - 1.0).abs() < 1e-5, "{norm} {candles_norm}");
    let (before, found) = (&model.parameters, &cpu.model().parameters);
    let mut candles = model.clone();
    candle.model().read_back(&mut candles).expect("a CPU");
    for parameter in model.layout.parameters() {
        let range = parameter.range.clone();
        let furthest = |after: &[f32]| {
            let kept = if parameter.group.decays {
                1.0 - update.weight_decay * RATE * parameter.group.rate
            } else {
                1.0
            };
            let moved = before[range.clone()]
                .iter()
                .zip(&after[range.clone()])
                .map(|(&before, &after)| (f64::from(after) - kept * f64::from(before)).abs());
            moved.fold(0.0, f64::max)
        };
        for after in [found, &candles.parameters] {
            if parameter.group.trainable {
                // The first step of AdamW moves what has a gradient by the learning rate.
                let moved = furthest(after) / (RATE * parameter.group.rate);
                assert!((moved - 1.0).abs() < 1e-2, "{}: {moved}", parameter.name);
            } else {
                assert_eq!(after[range.clone()], before[range.clone()], "{}", parameter.name);
            }
        }
    }
}

#[test]
fn both_engines_clip_updates_and_average_weights_alike() {
    let update = Update {
        learning_rate: 1e-3,
        betas: (0.9, 0.98),
        eps: 1e-6,
        weight_decay: 0.01,
        gradient_scale: 1.0,
        clips_updates: true,
    };
    let run = |engine: &mut dyn Engine| {
        engine.keep_average(0.5).expect("room");
        for batch in &batches()[..4] {
            engine.accumulate(batch, &[LossOptions::EVEN; 2]).expect("a batch");
            engine.step(&update).expect("a step");
        }
        let last = weights(engine);
        engine.exchange_average().expect("an average");
        (last, weights(engine))
    };
    let (ours, our_average) = run(&mut CpuEngine::new(model()));
    let (theirs, their_average) = run(&mut candle());
    let furthest = |ours: &[f32], theirs: &[f32]| {
        ours.iter().zip(theirs).map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f32::max)
    };
    // A thousandth of a step: where a gradient is next to nothing its sign, and with it the direction of a whole step, is rounding.
    let apart = |ours: &[f32], theirs: &[f32]| {
        let far = ours.iter().zip(theirs).filter(|(ours, theirs)| (*ours - *theirs).abs() > 1e-6);
        far.count() as f64 / ours.len() as f64
    };
    assert!(apart(&ours, &theirs) < 1e-3, "{}", apart(&ours, &theirs));
    assert!(apart(&our_average, &their_average) < 1e-3, "{}", apart(&our_average, &their_average));
    assert!(furthest(&ours, &our_average) > 1e-4);
}
