//! The search held against Optuna's samplers, whose regrets `optuna_regrets.py` wrote to `regrets.json`.
//!
//! A regret is a share of the function's range, at least [`FLOOR`]. Per method and budget the geometric mean over functions of the ratio of medians
//! may be at most [`RATIO`], and on no function ours may be larger at [`LEVEL`] (Mann and Whitney, one-sided, Holm's correction over all
//! comparisons). A method takes part as soon as the fixture has all of its repeats.
//!
//! A short version always runs; `PIPELINE_SEARCH_FULL=1 cargo test --release --test search -- --nocapture` works out and prints the table of
//! BENCHMARKS.md.

use std::fmt::Write as _;

use pipeline::engine::search::{Method, Outcome, Point, propose};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use crate::functions::{Function, functions};
use crate::statistics::{FLOOR, geometric_mean, holm, median, p_ours_larger};

const METHODS: [(&str, Method); 3] =
    [("random", Method::Random), ("tpe", Method::Tpe), ("gp", Method::Gp)];
const BUDGETS: [usize; 2] = [20, 50];
const REPEATS: u64 = 30;

const RATIO: f64 = 1.1;
const LEVEL: f64 = 0.01;

struct Comparison {
    method: &'static str,
    function: &'static str,
    budget: usize,
    ours: f64,
    theirs: f64,
    p: f64,
}

/// Per budget, the true regret of the point with the best score.
fn regrets(function: &Function, method: Method, seed: u64, budgets: &[usize]) -> Vec<f64> {
    let space = function.space();
    let mut rng = ChaCha8Rng::seed_from_u64(1000 + seed);
    let mut results: Vec<(Point, Outcome)> = Vec::new();
    let mut best = (f64::NEG_INFINITY, f64::NAN);
    let mut regrets = Vec::new();
    for number in 1..=budgets.iter().copied().max().expect("a budget") {
        let point = propose(&space, method, seed, &results, &[]).expect("one is open");
        let score = function.score(&point, &mut rng);
        if score.mean > best.0 {
            best = (score.mean, function.value(&point));
        }
        results.push((point, Outcome::Scored(score)));
        if budgets.contains(&number) {
            regrets.push(((best.1 - function.lowest) / function.range).max(FLOOR));
        }
    }
    regrets
}

fn fixture() -> serde_json::Value {
    serde_json::from_str(include_str!("regrets.json")).expect("the script writes JSON")
}

fn numbers(values: &serde_json::Value) -> Vec<f64> {
    let values = values.as_array().expect("a list of numbers");
    values.iter().map(|value| value.as_f64().expect("a number")).collect()
}

/// Of one method on one function, for each budget.
///
/// * `repeats`: of ours
fn compare(
    (name, method): (&'static str, Method),
    function: &Function,
    repeats: u64,
    budgets: &[usize],
) -> Vec<Comparison> {
    let ours: Vec<Vec<f64>> =
        (0..repeats).map(|repeat| regrets(function, method, repeat, budgets)).collect();
    let theirs = &fixture()["regrets"][name][function.name];
    let of_budget = |(at, budget): (usize, &usize)| {
        let ours: Vec<f64> = ours.iter().map(|regrets| regrets[at]).collect();
        let theirs = numbers(&theirs[budget.to_string()]);
        assert_eq!(theirs.len() as u64, REPEATS, "the script ran to its end");
        let theirs: Vec<f64> = theirs.into_iter().map(|regret| regret.max(FLOOR)).collect();
        Comparison {
            method: name,
            function: function.name,
            budget: *budget,
            ours: median(&ours),
            theirs: median(&theirs),
            p: p_ours_larger(&ours, &theirs),
        }
    };
    budgets.iter().enumerate().map(of_budget).collect()
}

/// The table for a person, and what does not hold.
fn report(all: &[Comparison]) -> (String, Vec<String>) {
    let corrected = holm(&all.iter().map(|it| it.p).collect::<Vec<_>>());
    let mut table = "| method | function | points | ours | Optuna | ratio | p, ours larger | corrected |\n|---|---|---|---|---|---|---|---|\n".to_owned();
    let mut wrong = Vec::new();
    for (it, corrected) in all.iter().zip(corrected) {
        let Comparison { method, function, budget, ours, theirs, p } = it;
        let ratio = ours / theirs;
        writeln!(table, "| {method} | {function} | {budget} | {ours:.4} | {theirs:.4} | {ratio:.2} | {p:.3} | {corrected:.2} |").expect("a string");
        if corrected < LEVEL {
            wrong.push(format!("{method} on {function} at {budget}: worse, p {corrected}"));
        }
    }
    for (method, _) in METHODS {
        for budget in BUDGETS {
            let chosen = all.iter().filter(|it| it.method == method && it.budget == budget);
            let ratios: Vec<f64> = chosen.map(|it| it.ours / it.theirs).collect();
            if ratios.is_empty() {
                continue;
            }
            let ratio = geometric_mean(&ratios);
            writeln!(
                table,
                "| **{method}** | geometric mean | {budget} | | | **{ratio:.3}** | | |"
            )
            .expect("a string");
            if ratio > RATIO {
                wrong.push(format!("{method} at {budget}: ratio {ratio:.3}"));
            }
        }
    }
    (table, wrong)
}

/// Whether Optuna's side of a method has run to its end.
fn is_complete(method: &str, functions: &[Function]) -> bool {
    let fixture = fixture();
    let repeats = |function: &Function| {
        fixture["regrets"][method][function.name]["50"].as_array().map_or(0, Vec::len)
    };
    functions.iter().all(|function| repeats(function) as u64 == REPEATS)
}

#[test]
#[expect(clippy::print_stderr, reason = "the table is for who asked for it")]
fn the_search_is_as_good_as_optuna() {
    let is_full = std::env::var_os("PIPELINE_SEARCH_FULL").is_some();
    let (methods, repeats, budgets) = if is_full {
        (&METHODS[..], REPEATS, &BUDGETS[..])
    } else {
        (&METHODS[..2], 10, &BUDGETS[..1])
    };
    let functions = functions();
    let known = methods.iter().filter(|(name, _)| is_complete(name, &functions));
    let all: Vec<Comparison> = known
        .flat_map(|method| {
            functions.iter().flat_map(|function| compare(*method, function, repeats, budgets))
        })
        .collect();
    assert!(all.len() >= 2 * functions.len(), "the fixture has two methods at least");
    let (table, wrong) = report(&all);
    if is_full {
        eprintln!("{table}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}\n{table}");
}

#[test]
fn the_functions_are_those_that_optuna_was_given() {
    let fixture = fixture();
    for function in functions() {
        let theirs = numbers(&fixture["probes"][function.name]);
        let ours = function.probes();
        assert_eq!(ours.len(), theirs.len(), "{}", function.name);
        let is_same =
            |(ours, theirs): (&f64, &f64)| (ours - theirs).abs() < 1e-9 * theirs.abs().max(1.0);
        assert!(ours.iter().zip(&theirs).all(is_same), "{}", function.name);
    }
}

#[test]
fn a_sample_that_lies_above_another_is_found_larger() {
    let (low, high): (Vec<f64>, Vec<f64>) =
        (0..10).map(|i| (f64::from(i), f64::from(i) + 4.5)).unzip();
    // scipy.stats.mannwhitneyu(high, low, alternative="greater", method="asymptotic")
    let p = p_ours_larger(&high, &low);
    assert!((p - 0.004_554_248_199_015_482).abs() < 1e-9, "{p}");
}

#[test]
fn holm_corrects_by_how_many_are_left() {
    assert_eq!(holm(&[0.04, 0.01, 0.03]), [0.06, 0.03, 0.06]);
}
