//! AdamW, clipping and schedules against PyTorch; the fixture is made by `make_fixtures.py`.

use pipeline::nn::Group;
use pipeline::nn::kernels::average::{average, newest_share};
use pipeline::training::adamw::{AdamW, Gradient, Update, clip_coefficient, gradient_norm};
use pipeline::training::schedule::LearningRate;
use pipeline::training::{Schedule, Warmup};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    start: Vec<f32>,
    gradients: Vec<Vec<f32>>,
    runs: Vec<Run>,
    stable: Vec<StableRun>,
    schedules: Vec<Rates>,
}

#[derive(Deserialize)]
struct Run {
    max_norm: Option<f64>,
    lr: f64,
    betas: (f64, f64),
    eps: f64,
    weight_decay: f64,
    after: Vec<Vec<f32>>,
    norms: Vec<f64>,
}

/// StableAdamW without clipping the gradient, and the average of the weights.
#[derive(Deserialize)]
struct StableRun {
    lr: f64,
    betas: (f64, f64),
    eps: f64,
    weight_decay: f64,
    decay: f64,
    after: Vec<Vec<f32>>,
    averages: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct Rates {
    schedule: Schedule,
    warmup: u64,
    total: u64,
    rates: Vec<f64>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("fixtures/optimiser.json")).expect("the fixture")
}

/// Both sides work in f32 in slightly different orders: a few units in the last place of numbers around 1, over 20 steps.
const TOLERANCE: f32 = 2e-6;

#[test]
fn twenty_steps_of_adamw_with_clipping_and_linear_decay_are_those_of_torch() {
    let Fixture { start, gradients, runs, .. } = fixture();
    for run in runs {
        let rates =
            LearningRate::new(run.lr, Schedule::Linear, Warmup::Steps(3), gradients.len() as u64);
        let (mut parameters, mut optimiser) = (start.clone(), AdamW::new(start.len()));
        for (step, values) in gradients.iter().enumerate() {
            let gradient = [Gradient::Dense { start: 0, values, group: Group::default() }];
            let norm = gradient_norm(&gradient);
            assert!((norm - run.norms[step]).abs() < 1e-6 * norm, "norm of step {step}");
            let update = Update {
                learning_rate: rates.at(step as u64),
                betas: run.betas,
                eps: run.eps,
                weight_decay: run.weight_decay,
                gradient_scale: clip_coefficient(norm, run.max_norm),
                clips_updates: false,
            };
            optimiser.step(&mut parameters, &gradient, &update);
            assert_near(&parameters, &run.after[step], &format!("weights of step {step}"));
        }
    }
}

#[test]
fn twenty_steps_of_stable_adamw_and_their_average_are_those_of_torch() {
    let Fixture { start, gradients, stable, .. } = fixture();
    for run in stable {
        let (mut parameters, mut averages) = (start.clone(), start.clone());
        let mut optimiser = AdamW::new(start.len());
        for (step, values) in gradients.iter().enumerate() {
            let gradient = [Gradient::Dense { start: 0, values, group: Group::default() }];
            let update = Update {
                learning_rate: run.lr,
                betas: run.betas,
                eps: run.eps,
                weight_decay: run.weight_decay,
                gradient_scale: 1.0,
                clips_updates: true,
            };
            optimiser.step(&mut parameters, &gradient, &update);
            average(&mut averages, &parameters, newest_share(run.decay, optimiser.updates()));
            assert_near(&parameters, &run.after[step], &format!("weights of step {step}"));
            assert_near(&averages, &run.averages[step], &format!("average of step {step}"));
        }
    }
}

fn assert_near(ours: &[f32], theirs: &[f32], what: &str) {
    for (index, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        assert!((ours - theirs).abs() < TOLERANCE, "{what}, {index}: {ours}, torch has {theirs}");
    }
}

#[test]
fn learning_rates_are_those_of_transformers() {
    for Rates { schedule, warmup, total, rates } in fixture().schedules {
        let ours = LearningRate::new(2e-5, schedule, Warmup::Steps(warmup), total);
        for (step, expected) in rates.iter().enumerate() {
            let found = ours.at(step as u64);
            assert!(
                (found - expected).abs() < 1e-18,
                "{schedule:?} with {warmup} of {total} at {step}: {found}, expected {expected}"
            );
        }
    }
}
