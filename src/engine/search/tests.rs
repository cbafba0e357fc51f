//! What holds for every method's proposals.

use super::{Axis, Condition, Method, Outcome, Point, Score, Skip, Space, Value, propose};
use proptest::prelude::*;

const METHODS: [Method; 3] = [Method::Random, Method::Tpe, Method::Gp];

/// One axis of each kind.
fn space(skips: Vec<Skip>) -> Space {
    let axes = vec![
        Axis::Log { low: 1e-5, high: 1e-3 },
        Axis::Uniform { low: 0.0, high: 0.2 },
        Axis::Int { low: 1, high: 40 },
        Axis::Ordered(vec![32.0, 8.0, 16.0]),
        Axis::Choice(3),
    ];
    Space::new(axes, skips).expect("a space")
}

/// 4 x 3 points.
fn small_space() -> Space {
    Space::new(vec![Axis::Int { low: 1, high: 4 }, Axis::Choice(3)], vec![]).expect("a space")
}

/// Best at 1e-4, 0.05, 20, 16, the second choice; every seventh point fails.
fn outcome(point: &[Value], number: usize) -> Outcome {
    let [
        Value::Real(rate),
        Value::Real(share),
        Value::Int(int),
        Value::Entry(list),
        Value::Entry(choice),
    ] = *point
    else {
        panic!("another space: {point:?}")
    };
    if number % 7 == 3 {
        return Outcome::Failed;
    }
    let off = (rate / 1e-4).log10().powi(2)
        + (10.0 * (share - 0.05)).powi(2)
        + (0.1 * (int as f64 - 20.0)).powi(2);
    let entries = f64::from(u8::from(list != 2)) + f64::from(u8::from(choice != 1));
    Outcome::Scored(Score { mean: -off - 0.3 * entries, sd: 0.0, n: 1 })
}

type Results = Vec<(Point, Outcome)>;

fn search(space: &Space, method: Method, seed: u64, points: usize) -> Results {
    let mut results = Results::new();
    for number in 0..points {
        let point = propose(space, method, seed, &results, &[]).expect("the space is large");
        let outcome = outcome(&point, number);
        results.push((point, outcome));
    }
    results
}

fn points(results: &Results) -> Vec<&Point> {
    results.iter().map(|(point, _)| point).collect()
}

fn are_distinct(points: &[&Point]) -> bool {
    points.iter().enumerate().all(|(i, point)| !points[..i].contains(point))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn proposals_lie_in_the_space_and_never_twice(seed: u64) {
        for method in METHODS {
            let results = search(&space(vec![]), method, seed, 25);
            let inside = |point: &&Point| space(vec![]).position(point).is_some();
            prop_assert!(points(&results).iter().all(inside), "{method:?}");
            prop_assert!(are_distinct(&points(&results)), "{method:?}");
        }
    }

    #[test]
    fn what_is_left_out_is_not_proposed(seed: u64) {
        let skip = Skip(vec![
            (0, Condition::Between { min: 3e-5, max: 1.0 }),
            (3, Condition::Among(vec![Value::Entry(0), Value::Entry(2)])),
        ]);
        let space = space(vec![skip]);
        for method in METHODS {
            let results = search(&space, method, seed, 20);
            prop_assert!(points(&results).iter().all(|point| space.allows(point)), "{method:?}");
        }
    }

    #[test]
    fn the_same_results_give_the_same_point(seed: u64) {
        for method in METHODS {
            let results = search(&space(vec![]), method, seed, 12);
            let next = || propose(&space(vec![]), method, seed, &results, &[]);
            prop_assert_eq!(next(), next());
        }
    }

    #[test]
    fn every_point_of_a_small_space_is_proposed_and_then_none(seed: u64) {
        for method in METHODS {
            let mut results = Results::new();
            while let Some(point) = propose(&small_space(), method, seed, &results, &[]) {
                let Value::Int(int) = point[0] else { panic!("{point:?}") };
                results.push((point, Outcome::Scored(Score { mean: int as f64, sd: 0.1, n: 2 })));
            }
            prop_assert!(results.len() == 12 && are_distinct(&points(&results)), "{method:?}");
        }
    }

    #[test]
    fn pending_points_are_not_proposed_again(seed: u64) {
        for method in METHODS {
            let results = search(&space(vec![]), method, seed, 12);
            let mut pending = Vec::new();
            for _ in 0..4 {
                let next = propose(&space(vec![]), method, seed, &results, &pending);
                pending.push(next.expect("the space is large"));
            }
            let all: Vec<&Point> = points(&results).into_iter().chain(&pending).collect();
            prop_assert!(are_distinct(&all), "{method:?}");
        }
    }
}

/// Three proposals, the first two under way, of a wave whose tops are alike.
fn pending_on_a_wave(method: Method) -> [f64; 3] {
    let space = Space::new(vec![Axis::Uniform { low: 0.0, high: 1.0 }], vec![]).expect("a space");
    let scored = |i: i32| {
        let at = f64::from(i) / 11.0;
        let mean = (6.0 * std::f64::consts::PI * at).cos();
        (vec![Value::Real(at)], Outcome::Scored(Score { mean, sd: 0.01, n: 3 }))
    };
    let results: Results = (0..12).map(scored).collect();
    let mut pending: Vec<Point> = Vec::new();
    [(); 3].map(|()| {
        let point = propose(&space, method, 5, &results, &pending).expect("a continuum");
        let Value::Real(real) = point[0] else { panic!("{point:?}") };
        pending.push(point);
        real
    })
}

#[test]
fn gp_looks_elsewhere_while_points_are_under_way() {
    let [a, b, c] = pending_on_a_wave(Method::Gp);
    let nearest = (a - b).abs().min((b - c).abs()).min((a - c).abs());
    assert!(nearest > 0.1, "{a} {b} {c}");
}

#[test]
fn a_random_point_depends_on_its_number_and_the_seed_only() {
    let results = search(&space(vec![]), Method::Random, 9, 10);
    let mut others = results.clone();
    others.iter_mut().for_each(|(_, outcome)| *outcome = Outcome::Failed);
    let (pending, known) = others.split_off(6).into_iter().fold(
        (Vec::new(), others.clone()),
        |(mut pending, known), (point, _)| {
            pending.push(point);
            (pending, known)
        },
    );
    let next = |results: &Results, pending: &[Point]| {
        propose(&space(vec![]), Method::Random, 9, results, pending)
    };
    assert_eq!(next(&results, &[]), next(&known, &pending));
}

/// Distance from the best there is, over some searches, with every seventh point lost.
fn regret(method: Method) -> f64 {
    let best = |seed| {
        let results = search(&space(vec![]), method, seed, 30);
        let means = results.iter().filter_map(|(_, outcome)| match outcome {
            Outcome::Scored(score) => Some(score.mean),
            Outcome::Failed => None,
        });
        -means.fold(f64::NEG_INFINITY, f64::max)
    };
    (0..6).map(best).sum::<f64>() / 6.0
}

#[test]
fn what_learns_finds_better_points_than_chance_though_some_fail() {
    let [random, tpe, gp] = METHODS.map(regret);
    assert!(tpe < 0.6 * random && gp < 0.6 * random, "random {random}, tpe {tpe}, gp {gp}");
}

#[test]
fn another_seed_proposes_other_points() {
    for method in METHODS {
        let first = |seed| propose(&space(vec![]), method, seed, &[], &[]);
        assert_ne!(first(1), first(2), "{method:?}");
    }
}

#[test]
fn a_search_goes_on_when_everything_failed() {
    for method in METHODS {
        let mut results = Results::new();
        for _ in 0..20 {
            let point = propose(&space(vec![]), method, 3, &results, &[]).expect("a continuum");
            results.push((point, Outcome::Failed));
        }
        assert!(are_distinct(&points(&results)), "{method:?}");
    }
}

#[test]
fn where_points_fail_fewer_are_proposed() {
    let space = Space::new(vec![Axis::Uniform { low: 0.0, high: 1.0 }], vec![]).expect("a space");
    let fails = |point: &Point| matches!(point[0], Value::Real(real) if real > 0.5);
    for method in [Method::Tpe, Method::Gp] {
        let mut results = Results::new();
        for _ in 0..30 {
            let point = propose(&space, method, 1, &results, &[]).expect("a continuum");
            let Value::Real(real) = point[0] else { panic!("{point:?}") };
            let score = Score { mean: -(real - 0.3) * (real - 0.3), sd: 0.0, n: 1 };
            let outcome = if fails(&point) { Outcome::Failed } else { Outcome::Scored(score) };
            results.push((point, outcome));
        }
        let failed = results[12..].iter().filter(|(point, _)| fails(point)).count();
        assert!(failed <= 4, "{method:?}: {failed} of 18");
    }
}

#[test]
fn equal_scores_everywhere_break_nothing() {
    for method in METHODS {
        let mut results = Results::new();
        for _ in 0..15 {
            let point = propose(&space(vec![]), method, 3, &results, &[]).expect("a continuum");
            results.push((point, Outcome::Scored(Score { mean: 0.5, sd: 0.0, n: 2 })));
        }
        assert!(are_distinct(&points(&results)), "{method:?}");
    }
}

#[test]
fn a_point_outside_of_the_space_teaches_nothing() {
    let outside =
        vec![Value::Real(1.0), Value::Real(9.0), Value::Int(0), Value::Entry(0), Value::Entry(0)];
    for method in METHODS {
        let next = |mean| {
            let mut results = search(&space(vec![]), method, 4, 12);
            let score = Score { mean, sd: 0.0, n: 1 };
            results.insert(0, (outside.clone(), Outcome::Scored(score)));
            propose(&space(vec![]), method, 4, &results, &[])
        };
        assert_eq!(next(0.0), next(1e6), "{method:?}");
    }
}

#[test]
fn what_is_proposed_is_the_same_on_every_machine() {
    let last = |method| {
        let results = search(&space(vec![]), method, 42, 16);
        results.last().map(|(point, _)| format!("{point:?}")).expect("16 points")
    };
    assert_eq!(
        METHODS.map(last),
        [
            "[Real(0.0002283), Real(0.08788), Int(29), Entry(0), Entry(1)]",
            "[Real(5.859e-5), Real(0.08774), Int(11), Entry(1), Entry(1)]",
            "[Real(7.796e-5), Real(0.2), Int(1), Entry(0), Entry(0)]",
        ]
    );
}
