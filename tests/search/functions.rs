//! The functions that `optuna_regrets.py` gives to Optuna, and the real trainings; lower is better.

use std::f64::consts::{E, PI};

use pipeline::engine::search::{Axis, Point, Score, Space, Value};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use crate::surface::Surface;

const NOISE_SD: f64 = 0.2;
const NOISE_SEEDS: u32 = 3;

pub struct Function {
    pub name: &'static str,
    axes: Vec<Axis>,
    pub lowest: f64,
    pub range: f64,
    of: Of,
}

enum Of {
    /// Of the reals, and the entry of a choice.
    Formula(fn(&[f64], usize) -> f64),
    /// The same, where a score is the mean over seeds that differ.
    Noisy(fn(&[f64], usize) -> f64),
    Trainings(Surface),
}

/// All of them.
pub fn functions() -> Vec<Function> {
    let unit = |reals| vec![Axis::Uniform { low: 0.0, high: 1.0 }; reals];
    let cube = |reals, side: f64| vec![Axis::Uniform { low: -side, high: side }; reals];
    let plane =
        vec![Axis::Uniform { low: -5.0, high: 10.0 }, Axis::Uniform { low: 0.0, high: 15.0 }];
    let with_choice = [unit(3), vec![Axis::Choice(4)]].concat();
    let hartmann_3 = |x: &[f64], _| hartmann(x, &A3, &P3);
    vec![
        function("branin", plane, 0.397887, 307.7312, |x, _| branin(x)),
        function("hartmann_3", unit(3), -3.862780, 3.8628, hartmann_3),
        function("hartmann_6", unit(6), -3.322368, 3.3224, |x, _| hartmann(x, &A6, &P6)),
        function("rosenbrock_4", cube(4, 2.048), 0.0, 11717.78, |x, _| rosenbrock(x)),
        function("ackley_5", cube(5, 32.768), 0.0, 22.3203, |x, _| ackley(x)),
        function("hartmann_3_choice", with_choice, -3.862780, 3.8628, with_a_choice),
        Function {
            of: Of::Noisy(hartmann_3),
            ..function("hartmann_3_noise", unit(3), -3.862780, 3.8628, hartmann_3)
        },
        trainings(),
    ]
}

/// The F1 of whole trainings, over their seeds.
fn trainings() -> Function {
    let surface = Surface::read();
    let [least, most] = surface.range();
    Function {
        name: "tiny_trainings",
        axes: surface.axes(),
        lowest: -most,
        range: most - least,
        of: Of::Trainings(surface),
    }
}

fn function(
    name: &'static str,
    axes: Vec<Axis>,
    lowest: f64,
    range: f64,
    value: fn(&[f64], usize) -> f64,
) -> Function {
    Function { name, axes, lowest, range, of: Of::Formula(value) }
}

impl Function {
    pub fn space(&self) -> Space {
        Space::new(self.axes.clone(), vec![]).expect("a space")
    }

    /// Without noise.
    pub fn value(&self, point: &Point) -> f64 {
        let value = match &self.of {
            Of::Formula(value) | Of::Noisy(value) => value,
            Of::Trainings(surface) => return -surface.score(point).mean,
        };
        let real = |value: &Value| match value {
            Value::Real(real) => Some(*real),
            _ => None,
        };
        let entry = |value: &Value| match value {
            Value::Entry(entry) => Some(*entry),
            _ => None,
        };
        let reals: Vec<f64> = point.iter().filter_map(real).collect();
        value(&reals, point.iter().find_map(entry).unwrap_or(0))
    }

    /// What a search hears of a point, which looks for more.
    pub fn score(&self, point: &Point, rng: &mut ChaCha8Rng) -> Score {
        let mean = -self.value(point);
        match &self.of {
            Of::Formula(_) => return Score { mean, sd: 0.0, n: 1 },
            Of::Trainings(surface) => return surface.score(point),
            Of::Noisy(_) => {}
        }
        let mut normal = || {
            let (u, v): (f64, f64) = (rng.random(), rng.random());
            (-2.0 * (1.0 - u).ln()).sqrt() * (2.0 * PI * v).cos()
        };
        let scores: Vec<f64> = (0..NOISE_SEEDS).map(|_| mean + NOISE_SD * normal()).collect();
        crate::statistics::score(&scores)
    }

    /// At a certain share of each axis, and of a choice all entries in turn; of trainings all settings.
    pub fn probes(&self) -> Vec<f64> {
        if let Of::Trainings(surface) = &self.of {
            return surface.points().map(|point| self.value(&point)).collect();
        }
        let shares = [0.2, 0.7, 0.4, 0.9, 0.1, 0.6];
        let real = |(axis, share): (&Axis, f64)| match axis {
            Axis::Uniform { low, high } => Some(Value::Real(low + (high - low) * share)),
            _ => None,
        };
        let reals: Vec<Value> = self.axes.iter().zip(shares).filter_map(real).collect();
        let entries = if self.axes.iter().any(Axis::is_choice) { 4 } else { 1 };
        let at = |entry| self.value(&[reals.clone(), vec![Value::Entry(entry)]].concat());
        (0..entries).map(at).collect()
    }
}

const A3: [[f64; 3]; 4] =
    [[3.0, 10.0, 30.0], [0.1, 10.0, 35.0], [3.0, 10.0, 30.0], [0.1, 10.0, 35.0]];
const P3: [[f64; 3]; 4] = [
    [0.3689, 0.1170, 0.2673],
    [0.4699, 0.4387, 0.7470],
    [0.1091, 0.8732, 0.5547],
    [0.0381, 0.5743, 0.8828],
];
const A6: [[f64; 6]; 4] = [
    [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
    [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
    [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
    [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
];
const P6: [[f64; 6]; 4] = [
    [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
    [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
    [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
    [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
];
const C: [f64; 4] = [1.0, 1.2, 3.0, 3.2];

fn hartmann<const N: usize>(x: &[f64], a: &[[f64; N]; 4], p: &[[f64; N]; 4]) -> f64 {
    let peak = |i: usize| {
        let far: f64 = (0..N).map(|j| a[i][j] * (x[j] - p[i][j]).powi(2)).sum();
        C[i] * (-far).exp()
    };
    -(0..4).map(peak).sum::<f64>()
}

fn branin(x: &[f64]) -> f64 {
    let (u, v) = (x[0], x[1]);
    (v - 5.1 / (4.0 * PI * PI) * u * u + 5.0 / PI * u - 6.0).powi(2)
        + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * u.cos()
        + 10.0
}

fn rosenbrock(x: &[f64]) -> f64 {
    x.windows(2)
        .map(|pair| 100.0 * (pair[1] - pair[0] * pair[0]).powi(2) + (1.0 - pair[0]).powi(2))
        .sum()
}

fn ackley(x: &[f64]) -> f64 {
    let n = x.len() as f64;
    let squares: f64 = x.iter().map(|v| v * v).sum();
    let waves: f64 = x.iter().map(|v| (2.0 * PI * v).cos()).sum();
    -20.0 * (-0.2 * (squares / n).sqrt()).exp() - (waves / n).exp() + 20.0 + E
}

fn with_a_choice(x: &[f64], choice: usize) -> f64 {
    let h3 = |x: [f64; 3]| hartmann(&x, &A3, &P3);
    match choice {
        0 => h3([x[0], x[1], x[2]]),
        1 => 0.9 * h3([x[2], x[0], x[1]]),
        2 => 0.7 * h3([1.0 - x[0], 1.0 - x[1], 1.0 - x[2]]),
        _ => 0.4 * h3([x[1], x[2], x[0]]),
    }
}
