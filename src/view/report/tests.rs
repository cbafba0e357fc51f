//! The page as a whole: what is on it, how large it gets, and that nothing foreign acts in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::rivals::{Pair, Rival};
use super::*;
use crate::engine::plan::{Along, CacheKey, Choose, Level, Objective, SweepShape};
use crate::engine::runs::{
    Asked, Built, NodeStatus, Of, RunFile, RunStatus, Step, TrialStatus, TriedPoint,
};
use crate::engine::search::Method;
use crate::engine::stage::{
    Answer, Caveat, Exhibit, Intervals, Line, LineStyle, Matrix, Mistake, Mistakes, Plot, Score,
    Scores, Span as Part,
};
use crate::view::difference::{Comparison, Difference, Over};
use crate::view::rows::{Names, PointRows, Row};

mod guidance;

const METRIC: &str = "evaluate.ner.span_f1";
/// What somebody may call a label who wishes us ill.
const HOSTILE: &str = "</script><script>alert(1)</script><!-- \u{202e}\"'";

fn run_file() -> RunFile {
    let asked = Asked {
        command: "pipeline run experiments/x.toml".to_owned(),
        results: "x".to_owned(),
        ..Asked::default()
    };
    RunFile {
        id: "20261124-182215-x".to_owned(),
        experiment: "x".to_owned(),
        file: PathBuf::from("experiments/x.toml"),
        program: "0.1.0".to_owned(),
        asked,
        status: RunStatus::Done,
        started: "2026-11-24T18:22:15.000Z".to_owned(),
        elapsed_ms: Some(61_000),
        exit_code: Some(0),
        best: Vec::new(),
        fresh: Vec::new(),
        nodes: Vec::new(),
        outline: None,
    }
}

/// A sweep of two axes and three seeds; the score grows with the number of the point.
struct Sweep {
    run: RunFile,
    background: Background,
    shape: SweepShape,
    points: Vec<TriedPoint>,
    labels: Vec<String>,
}

impl Sweep {
    fn of(count: usize) -> Self {
        let point = |number: usize| {
            let rate = 1e-4 * (number + 1) as f64;
            let values = vec![
                ("train.learning_rate".into(), rate.into()),
                ("train.batch_size".into(), (8 << (number % 3)).into()),
            ];
            let texts = vec![format!("{rate:.4e}"), (8 << (number % 3)).to_string()];
            let label = format!("learning_rate={rate:.4e}");
            TriedPoint { label, values, texts, distance: 0.0 }
        };
        let shape = SweepShape {
            axes: ["train.learning_rate", "train.batch_size"]
                .map(|name| (name.into(), Vec::new()))
                .to_vec(),
            along: vec![Along::Log, Along::List],
            seeds: vec![0, 1, 2],
            folds: None,
            points: count,
            objective: Some(Objective { maximize: true, metric: METRIC.to_owned() }),
            choose: Choose::Mean,
            rungs: 1,
            has_finalists: false,
        };
        let setting = |path: &str, value: &str| Setting {
            path: path.to_owned(),
            value: value.to_owned(),
            origin: "experiments/x.toml:3".to_owned(),
        };
        let settings = vec![
            setting("stage.train.learning_rate", "2e-4"),
            setting("stage.train.batch_size", "1_6"),
        ];
        Self {
            run: run_file(),
            background: Background { about: Some(HOSTILE.to_owned()), settings, searched: None },
            shape,
            points: (0..count).map(point).collect(),
            labels: (0..count * 3).map(|trial| format!("trial {trial}")).collect(),
        }
    }

    fn rows(&self) -> Vec<PointRows<'_>> {
        const SEEDS: [&[Option<u64>]; 3] = [&[Some(0)], &[Some(1)], &[Some(2)]];
        let row = |index: usize| {
            let (point, seed) = (index / 3, index % 3);
            let score = 0.5 + 0.4 * point as f64 / self.points.len() as f64 + 0.002 * seed as f64;
            let mut scores = Scores::from([
                (METRIC.to_owned(), Some(Score::Measured(score))),
                (
                    "evaluate.baselines.majority.ner.span_f1".to_owned(),
                    Some(Score::Measured(0.125)),
                ),
                ("evaluate.loss".to_owned(), Some(Score::Measured(1.0 - score))),
            ]);
            for label in ["PER", HOSTILE] {
                scores.insert(
                    format!("evaluate.ner.per_label.{label}.f1"),
                    Some(Score::Measured(score / 2.0)),
                );
            }
            if point + 1 == self.points.len() {
                scores.insert("evaluate_test.ner.span_f1".to_owned(), Some(Score::Measured(0.25)));
            }
            Row {
                index,
                label: &self.labels[index],
                status: TrialStatus::Done,
                seeds: SEEDS[seed],
                fold: None,
                scores,
            }
        };
        self.points
            .iter()
            .enumerate()
            .map(|(number, point)| PointRows {
                point,
                level: Level::default(),
                rows: (number * 3..number * 3 + 3).map(row).collect(),
            })
            .collect()
    }

    fn page(&self, change: impl FnOnce(&mut Material<'_>)) -> String {
        self.page_of(&self.rows(), change)
    }

    fn page_of(&self, points: &[PointRows<'_>], change: impl FnOnce(&mut Material<'_>)) -> String {
        let names = points
            .iter()
            .flat_map(|point| &point.rows)
            .flat_map(|row| row.scores.keys())
            .map(String::as_str)
            .collect::<BTreeSet<_>>();
        let (of_labels, plain): (Vec<&str>, Vec<&str>) =
            names.into_iter().partition(|name| name.contains("per_label"));
        let of_label = |name| -> (&str, &str, String) {
            let (before, rest) = str::split_once(name, "per_label.").expect("of a label");
            let (label, metric) = rest.rsplit_once('.').expect("a score of a label");
            (name, label, format!("{before}{metric}"))
        };
        let of_labels = of_labels.into_iter().map(of_label).collect();
        let best = points.len() - 1;
        let mut material = Material {
            run: &self.run,
            background: &self.background,
            shape: Some(&self.shape),
            points,
            order: material::order(Some(&self.shape), points),
            chosen: Some((best, &points[best].rows[0])),
            own: None,
            rivals: Vec::new(),
            headlines: vec![
                METRIC.to_owned(),
                "evaluate.loss".to_owned(),
                "evaluate_test.ner.span_f1".to_owned(),
            ],
            names: Names { plain, of_labels },
            steps: vec![step("train", &[]), step("evaluate", &[0])],
            trainings: vec![Of { stage: "train".to_owned(), it: vec![vec![plot(2_000)]; 3] }],
            courses: (0..points.len() * 3)
                .map(|trial| (trial, plot(24).lines[0].points.clone()))
                .collect(),
            course_name: "loss (training)".to_owned(),
            card_parts: Vec::new(),
            cards: Vec::new(),
            keys: BTreeMap::new(),
            exhibits: vec![Of { stage: "evaluate".to_owned(), it: exhibits() }],
            intervals: BTreeMap::from([(
                "evaluate".to_owned(),
                Intervals {
                    ends: BTreeMap::from([("ner.span_f1".to_owned(), [0.8, 0.95])]),
                    drawn: None,
                },
            )]),
            asides: BTreeSet::new(),
            caveats: vec![Caveat::new("code", 3, HOSTILE)],
            judging: Vec::new(),
            missing: BTreeSet::new(),
        };
        change(&mut material);
        if let Some((chosen, _)) = material.chosen.filter(|_| material.shape.is_some()) {
            material.own = rivals::own(&self.background, points, &material.order);
            let pairs = rivals::pairs(&self.background, points, &material.order, chosen, METRIC);
            material.rivals = pairs.into_iter().map(|pair| rival(points, pair)).collect();
        }
        page(&material)
    }
}

/// What an earlier run has made.
fn found() -> CacheKey {
    "cd".repeat(32).parse().expect("a key")
}

/// As if the interval had come of it.
fn rival(points: &[PointRows<'_>], pair: Pair) -> Rival {
    let mean = |place: usize| points[place].moments(METRIC).mean.expect("it is scored");
    let difference = Difference {
        mean: Some(mean(pair.best) - mean(pair.rival)),
        interval: Some([-0.25, 0.75]),
        over: Some(Over::SeedsAndTexts),
        p: Some(0.25),
    };
    let notes = vec!["3 seeds cannot show a difference: p is 0.25 at least".to_owned()];
    let command = "pipeline diff RUN:a RUN:b".to_owned();
    Rival { pair, comparison: Comparison { difference, notes }, command }
}

fn step(name: &str, inputs: &[usize]) -> Step {
    Step {
        name: name.to_owned(),
        kind: name.to_owned(),
        inputs: inputs.to_vec(),
        ends: vec![(NodeStatus::Built, 3)],
        elapsed_ms: Some(1_200),
        found: BTreeMap::new(),
        error: None,
        keys: vec!["ab".repeat(32); 3],
        parameters: serde_json::Map::from_iter([("dropout".to_owned(), 0.5.into())]),
        commit: Some("8949b909".to_owned()),
    }
}

fn plot(steps: u32) -> Plot {
    let points = (1..=steps).map(|step| [f64::from(step), 4.0 / f64::from(step)]).collect();
    let line = Line { name: "training".to_owned(), style: LineStyle::Line, points };
    let (title, x, y) = ("Loss".to_owned(), "step".to_owned(), "nats".to_owned());
    Plot { title, x, y, is_of_shares: false, lines: vec![line] }
}

fn exhibits() -> Vec<Exhibit> {
    let labels = vec!["O".to_owned(), "B-PER".to_owned(), HOSTILE.to_owned()];
    let matrix = Matrix {
        title: "NER".to_owned(),
        noun: "tokens".to_owned(),
        labels,
        counts: vec![9, 1, 0, 2, 8, 0, 0, 3, 7],
    };
    let span = |is_right| Part { start: 0, end: 3, label: HOSTILE.to_owned(), is_right };
    let answer = Answer {
        question: "anomaly".to_owned(),
        truth: "normal".to_owned(),
        predicted: HOSTILE.to_owned(),
        score: 0.75,
    };
    let mistake = Mistake {
        name: "7".to_owned(),
        text: HOSTILE.to_owned(),
        left_out: [0, 4],
        truth: vec![span(true)],
        predicted: vec![span(false)],
        answers: vec![answer],
        labels: vec![HOSTILE.to_owned()],
    };
    let mistakes = Mistakes {
        texts: 10,
        wrong: 1,
        by_label: vec![(HOSTILE.to_owned(), 1)],
        shown: vec![mistake],
    };
    vec![Exhibit::Matrix(matrix), Exhibit::Plot(plot(9)), Exhibit::Mistakes(mistakes)]
}

#[test]
fn the_page_answers_which_setting_is_best_how_sure_that_is_and_what_it_beats() {
    let html = Sweep::of(10).page(|_| {});
    for part in [
        "Which of 10 settings has the highest <code>evaluate.ner.span_f1</code>?",
        "<i>train.learning_rate</i> <b>1.0000e-3</b>",
        "<p class=big>0.8620\u{a0}\u{b1}\u{a0}0.0020",
        "95 % interval of the mean 0.8570 to 0.8670",
        "its first trial (0.8600) would score 0.8000 to 0.9500",
        "<b>+0.3200</b> better than the file\u{2019}s own values (2.0000e-4 \u{b7} 16)",
        "<b>+0.0400</b> better than the next best",
        "<b>+0.7370</b> above the baseline <code>majority</code>",
        "<code>evaluate_test.ner.span_f1</code> <b>0.2500",
        "pipeline run outputs/x/experiment.toml",
        "<pre><code>pipeline run outputs/x/best/experiment.toml</code></pre>",
        "at commit <code>8949b909</code>",
        "stage.train.dropout</code><td><code>0.5</code><td>default",
    ] {
        assert!(
            html.contains(part),
            "{part} in {}",
            html.split("<main>").nth(1).unwrap_or_default()
        );
    }
}

#[test]
fn a_difference_is_told_as_diff_tells_it_with_what_limits_it() {
    let html = Sweep::of(4).page(|_| {});
    for part in [
        "95 % of it from \u{2212}0.2500 to +0.7500, 0 among them, drawn over seeds and texts; p 0.2500. \
         3 seeds cannot show a difference: p is 0.25 at least.",
        "<code>pipeline diff RUN:a RUN:b</code>",
        "B \u{2212} A, as <code>pipeline diff A B</code> has it.",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
}

#[test]
fn of_what_is_to_be_low_a_negative_difference_is_the_better() {
    let mut sweep = Sweep::of(4);
    sweep.shape.objective = Some(Objective { maximize: false, metric: METRIC.to_owned() });
    let html = sweep.page(|material| {
        let points = material.points;
        material.chosen = Some((0, &points[0].rows[0]));
    });
    // The second of them is what the file says.
    assert!(html.contains("\u{2212}0.1000</b> better than the file\u{2019}s own values"), "{html}");
    assert!(html.contains("\u{2212}0.2000</b> better than the next best"), "{html}");
    assert!(html.contains("The lower, the better."));
}

#[test]
fn a_sweep_with_rungs_says_which_went_on_and_where_the_files_own_values_were_dropped() {
    let mut sweep = Sweep::of(4);
    (sweep.shape.rungs, sweep.shape.has_finalists) = (2, true);
    sweep.background.settings.push(Setting {
        path: "sweep.rung[0].train.stop_after".to_owned(),
        value: "1".to_owned(),
        origin: "experiments/x.toml:9".to_owned(),
    });
    let (first, rest) = (sweep.rows(), [2, 3, 3]);
    let mut points = first;
    for (number, place) in rest.into_iter().enumerate() {
        let mut further = sweep.rows().swap_remove(place);
        further.level = Level { rung: 1, is_fresh: number == 2 };
        points.push(further);
    }
    let html = sweep.page_of(&points, |_| {});
    for part in [
        "<li><b>Rung 1 of 2</b> (<code>train.stop_after = 1</code>): 4 settings, 12 trials. The best 2 went on to the next rung, \
         down to 0.7020\u{a0}\u{b1}\u{a0}0.0020; 2 did not, of which the best had 0.6020\u{a0}\u{b1}\u{a0}0.0020.</li>",
        "<li><b>Rung 2 of 2</b>: 2 settings, 6 trials. The best went on to the finals",
        "<li><b>Finals, with fresh seeds</b>: 1 setting, 3 trials.",
        "<td>finals<td>1 of 1<td",
        "<td>1 of 2<td>3 of 4, dropped<td",
        "<td>1 of 2<td>1 of 4, went on<td",
        "<b>+0.2000</b> better than the file\u{2019}s own values (2.0000e-4 \u{b7} 16), which went no further than rung 1: \
         0.6020\u{a0}\u{b1}\u{a0}0.0020 there, and this setting 0.8020\u{a0}\u{b1}\u{a0}0.0020",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
}

#[test]
fn labels_that_no_text_has_stand_last_and_the_weakest_of_the_others_are_named_first() {
    let sweep = Sweep::of(4);
    let mut points = sweep.rows();
    for row in points.iter_mut().flat_map(|point| &mut point.rows) {
        for (label, f1, support) in [("A", 0.0, 0), ("B", 0.25, 7), ("C", 0.5, 9)] {
            let name = format!("evaluate.ner.per_label.{label}");
            row.scores.insert(format!("{name}.f1"), Some(Score::Measured(f1)));
            row.scores.insert(format!("{name}.support"), Some(Score::Count(support)));
        }
    }
    let html = sweep.page_of(&points, |_| {});
    assert!(
        html.contains(
            "The weakest of <a href=\"#labels-evaluate.ner.per_label\"><code>evaluate.ner.per_label</code></a>, \
             with how many there are: B 0.2500 (7), "
        ),
        "{html}"
    );
    assert!(html.contains("<details open id=\"labels-evaluate.ner.per_label\">"), "{html}");
    let place = |label: &str| html.find(&format!("<tr><td>{label}<td")).expect("a row");
    assert!(place("B") < place("C") && place("C") < place("A"), "{html}");
    assert!(html.contains("Those that no text has stand last"), "{html}");
}

#[test]
fn a_finalist_is_held_against_finalists_alone() {
    let sweep = Sweep::of(4);
    let mut points = sweep.rows();
    points[3].level.is_fresh = true;
    assert!(!sweep.page_of(&points, |_| {}).contains("the next best"));
    points[1].level.is_fresh = true;
    points[0].level.is_fresh = true;
    // The second of them is what the file says.
    let html = sweep.page_of(&points, |_| {});
    assert!(html.contains("+0.3000</b> better than the next best"), "{html}");
}

#[test]
fn what_is_chosen_within_one_standard_error_is_not_called_the_best() {
    let mut sweep = Sweep::of(4);
    sweep.shape.choose = Choose::OneStandardError;
    let html = sweep.page(|material| {
        let points = material.points;
        material.chosen = Some((1, &points[1].rows[0]));
        material.order = vec![1, 3, 2, 0];
    });
    assert!(html.contains("It is what the file says without the sweep.</li>"), "{html}");
    assert!(html.contains("worse than the best mean"), "{html}");
}

#[test]
fn nothing_foreign_acts_in_the_page() {
    let html = Sweep::of(4).page(|_| {});
    assert_eq!(html.matches("<script").count(), 2);
    assert_eq!(html.matches("</script>").count(), 2);
    assert!(!html.contains("<!--") && !html.contains('\u{202e}'));
    let is_handler = |part: &str| {
        part.contains(" onclick=") || part.contains(" onload=") || part.contains(" style=")
    };
    assert!(!is_handler(html.split("<script").next().unwrap_or_default()));
    assert!(html.contains("default-src 'none'; style-src 'sha256-"));
}

#[test]
fn the_policy_names_the_style_and_the_script_as_they_stand_in_the_page() {
    let html = Sweep::of(2).page(|_| {});
    // `printf '' | openssl dgst -sha256 -binary | base64`
    assert_eq!(super::page::digest(""), "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    for (begin, end) in [("<style>", "</style>"), ("<script>", "</script>")] {
        let (_, rest) = html.split_once(begin).expect("there");
        let (content, _) = rest.split_once(end).expect("there");
        assert!(html.contains(&super::page::digest(content)), "{begin}");
    }
}

#[test]
fn the_same_material_gives_the_same_bytes_and_no_file_of_another_place_is_named() {
    let sweep = Sweep::of(6);
    let html = sweep.page(|_| {});
    assert_eq!(html, sweep.page(|_| {}));
    let body = html.split("<script>").next().expect("the page");
    assert!(!body.contains("http://") && !body.contains("https://") && !body.contains("src="));
}

#[test]
fn fifty_points_of_three_seeds_take_at_most_300_kilobytes_and_a_thousand_trials_two_million() {
    let size = |count: usize| Sweep::of(count).page(|material| material.exhibits.clear()).len();
    let (small, large) = (size(50), size(334));
    assert!(small <= 300_000, "{small}");
    assert!(large <= 2_000_000, "{large}");
}

#[test]
fn a_run_that_measured_nothing_has_a_page_too() {
    let sweep = Sweep::of(2);
    let html = sweep.page(|material| {
        material.chosen = None;
        material.shape = None;
        material.points = &[];
        material.order.clear();
        material.headlines.clear();
        material.trainings.clear();
        material.exhibits.clear();
        material.missing = BTreeSet::from(["train".to_owned()]);
    });
    assert!(html.contains("Nothing was scored in this run."), "{html}");
    assert!(html.contains("without the results of <code>train</code>"), "{html}");
}
