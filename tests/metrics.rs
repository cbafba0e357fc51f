//! Scores against scikit-learn and seqeval on the same predictions; `metrics/make_fixtures.py` and `metrics/make_difference.py` made theirs.

use pipeline::tasks::metrics::{
    Aim, Classes, ConfusionMatrix, DrawnTexts, PrecisionRecall, Replicates, Side, SpanScores,
    Units, auroc, average_precision, binary_scores, classification_report, difference_intervals,
    precision_at, precision_recall_curve, roc_curve, sign_flip, span_report, span_scores,
    temperature, threshold, token_accuracy,
};
use pipeline::text::{EncodedSplit, LabelSet, spans::Span};
use serde_json::Value;

fn cases(text: &str) -> Vec<Value> {
    serde_json::from_str(text).expect("the fixture is JSON")
}

fn list<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).expect("the fixture has this shape")
}

/// The scores of each case, from labels over texts whose tokens are a character each: where every entity fits tokens, none is cut, no predicted
/// one has blank edges and no two tokens share a character, they are seqeval's.
fn spans() -> impl Iterator<Item = (Value, SpanScores)> {
    cases(include_str!("metrics/spans.json")).into_iter().map(|case| {
        let (truth, predicted): (Vec<Vec<u32>>, Vec<Vec<u32>>) =
            (list(&case["truth"]), list(&case["predicted"]));
        let names: Vec<String> = list(&case["names"]);
        let set = LabelSet::from_names(&names).expect("the fixture has BIO labels");
        let mut split = EncodedSplit::default();
        for row in &truth {
            let length = u32::try_from(row.len()).unwrap();
            split.ids.extend(row);
            split.labels.extend(row);
            split.starts.extend(0..length);
            split.ends.extend(1..=length);
            split.bounds.push(u32::try_from(split.ids.len()).unwrap());
        }
        let read = |labels: &[u32]| split.spans(labels, &set);
        let kind = |span: &Span| set.types()[span.kind as usize].as_str();
        let scores = span_scores(&read(&truth.concat()), &read(&predicted.concat()), kind);
        (case, scores)
    })
}

#[test]
fn span_scores_are_seqevals_to_the_last_bit() {
    let number = |score: Option<f64>| score.unwrap_or(0.0);
    let row = |scores: &PrecisionRecall| {
        [number(scores.precision), number(scores.recall), number(scores.f1), scores.support as f64]
    };
    for (case, scores) in spans() {
        assert_eq!(row(&scores.micro), list::<[f64; 4]>(&case["micro"]), "{case}");
        assert_eq!(
            scores.per_label.values().map(row).collect::<Vec<_>>(),
            list::<Vec<[f64; 4]>>(&case["per_label"]),
            "{case}"
        );
    }
}

#[test]
fn the_span_report_is_seqevals_text() {
    for (case, scores) in spans() {
        if let Some(expected) = case["report"].as_str() {
            assert_eq!(span_report(&scores, 4), expected);
        }
    }
}

#[test]
fn the_classification_report_is_scikit_learns_text() {
    for case in cases(include_str!("metrics/classification.json")) {
        let (truth, predicted): (Vec<u32>, Vec<u32>) =
            (list(&case["truth"]), list(&case["predicted"]));
        let (names, labels): (Vec<String>, Option<Vec<u32>>) =
            (list(&case["names"]), list(&case["labels"]));
        assert_eq!(
            classification_report(&truth, &predicted, &names, labels.as_deref(), 4),
            case["report"].as_str().unwrap()
        );
    }
}

#[test]
fn class_scores_are_scikit_learns() {
    for case in cases(include_str!("metrics/classification.json")) {
        let (truth, predicted): (Vec<u32>, Vec<u32>) =
            (list(&case["truth"]), list(&case["predicted"]));
        let classes = list::<Vec<String>>(&case["names"]).len();
        let matrix = ConfusionMatrix::of(&truth, &predicted, classes);
        assert_eq!(
            matrix.rows().map(<[u64]>::to_vec).collect::<Vec<_>>(),
            list::<Vec<Vec<u64>>>(&case["confusion"])
        );
        assert_eq!(token_accuracy(&truth, &predicted), list(&case["accuracy"]));
        if case.get("binary").is_some() {
            let scores = binary_scores(&truth, &predicted);
            assert_eq!(
                [scores.precision, scores.recall, scores.f1],
                list::<[Option<f64>; 3]>(&case["binary"]),
                "{case}"
            );
        }
    }
}

#[test]
fn areas_and_average_precision_are_scikit_learns_to_the_last_bit_ties_included() {
    for case in cases(include_str!("metrics/ranking.json")) {
        let (truth, scores): (Vec<u32>, Vec<f64>) = (list(&case["truth"]), list(&case["scores"]));
        assert_eq!(
            [auroc(&truth, &scores), average_precision(&truth, &scores)],
            [list(&case["auroc"]), list(&case["average_precision"])]
        );
    }
}

#[test]
fn curves_have_scikit_learns_points() {
    for case in cases(include_str!("metrics/ranking.json")) {
        let (truth, scores): (Vec<u32>, Vec<f64>) = (list(&case["truth"]), list(&case["scores"]));
        let roc = roc_curve(&truth, &scores).map(|curve| {
            [curve.false_positive_rate, curve.true_positive_rate, curve.thresholds[1..].to_vec()]
        });
        assert_eq!(roc, list::<Option<[Vec<f64>; 3]>>(&case["roc"]), "{case}");
        let curve = precision_recall_curve(&truth, &scores)
            .map(|curve| [curve.precision, curve.recall, curve.thresholds]);
        assert_eq!(curve, list::<Option<[Vec<f64>; 3]>>(&case["curve"]), "{case}");
    }
}

#[test]
fn temperatures_are_where_scipy_finds_the_least_cross_entropy() {
    for case in cases(include_str!("metrics/calibration.json")) {
        let (truth, logits): (Vec<u32>, Vec<f32>) = (list(&case["truth"]), list(&case["logits"]));
        let found = temperature(&logits, list(&case["classes"]), &truth).expect("there is one");
        let expected: f64 = list(&case["temperature"]);
        // A minimum that is searched by its values is known to the root of their rounding.
        assert!((found / expected - 1.0).abs() < 1e-6, "{found} {expected}");
    }
}

#[test]
fn the_expected_calibration_error_is_that_of_scikit_learns_bins() {
    for case in cases(include_str!("metrics/calibration.json")) {
        let (truth, classes): (Vec<u32>, usize) = (list(&case["truth"]), list(&case["classes"]));
        for when in ["before", "after"] {
            let of = &case[when];
            let (scores, predicted): (Vec<f64>, Vec<u32>) =
                (list(&of["scores"]), list(&of["predicted"]));
            let said = Classes { truth: &truth, predicted: &predicted, scores: &scores, classes };
            let error = said.reliability().expected_error().expect("there are texts");
            let expected: f64 = list(&of["error"]);
            assert!((error - expected).abs() < 1e-12, "{error} {expected}");
        }
    }
}

#[test]
fn thresholds_are_those_of_scikit_learns_precision_recall_curve() {
    let mut compared = 0;
    for case in cases(include_str!("metrics/calibration.json")) {
        if case["classes"] != 2 {
            continue;
        }
        let truth: Vec<u32> = list(&case["truth"]);
        let scores: Vec<f64> = list(&case["after"]["scores"]);
        let budget = truth.len() / 5;
        let aims =
            [("f1", Aim::F1), ("precision", Aim::Precision(0.7)), ("alerts", Aim::Alerts(budget))];
        for (name, aim) in aims {
            // Which texts count, since theirs is the lowest score of these and ours lies below it.
            let counted = threshold(aim, &truth, &scores)
                .map(|least| scores.iter().map(|score| *score >= least).collect::<Vec<_>>());
            assert_eq!(counted, list::<Option<Vec<bool>>>(&case[name]), "{name}");
            compared += 1;
        }
        let at_budget = precision_at(&truth, &scores, budget);
        assert_eq!(at_budget, list(&case["at_budget"]));
    }
    assert_eq!(compared, 9);
}

#[test]
fn sign_flips_have_the_p_of_scipy() {
    let fixture: Value = list(&cases_of_differences()["sign_flips"]);
    for case in fixture.as_array().expect("cases") {
        let differences: Vec<f64> = list(&case["differences"]);
        let (ours, theirs) = (sign_flip(&differences).expect("defined"), list::<f64>(&case["p"]));
        assert!((ours - theirs).abs() < 1e-12, "{ours} {case}");
    }
}

/// Both draw at random: ends may lie as far apart as those of two lots of as many draws.
#[test]
fn intervals_of_differences_are_those_of_scipy_within_their_blur() {
    let fixture: Value = list(&cases_of_differences()["intervals"]);
    for case in fixture.as_array().expect("cases") {
        let sides: [Vec<Vec<[u64; 3]>>; 2] = [list(&case["a"]), list(&case["b"])];
        let texts = sides[0][0].len();
        let f1 = |side: Side, seed: usize, weights: Option<&[u32]>| {
            let counts = &sides[usize::from(side == Side::B)][seed];
            let mut sums = [0; 3];
            for (text, counts) in counts.iter().enumerate() {
                let weight = u64::from(weights.map_or(1, |weights| weights[text]));
                sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += weight * count);
            }
            vec![Some(2.0 * sums[0] as f64 / (sums[1] + sums[2]) as f64)]
        };
        let counts = [sides[0].len(), sides[1].len()];
        let replicates = match list(&case["paired"]) {
            true => Replicates::Paired(counts[0]),
            false => Replicates::Apart(counts[0], counts[1]),
        };
        let drawn = DrawnTexts {
            lots: vec![(Units::Texts(texts), texts)],
            of_replicate: vec![0; counts[0].max(counts[1])],
        };
        let drawn = list::<bool>(&case["texts"]).then_some(&drawn);
        let [low, high] = difference_intervals("x", replicates, drawn, &f1)[0].expect("defined");
        let ([their_low, their_high], blur) =
            (list::<[f64; 2]>(&case["interval"]), list::<f64>(&case["blur"]));
        assert!(
            (low - their_low).abs() < blur && (high - their_high).abs() < blur,
            "{low} {high}, and not {their_low} {their_high} ± {blur}"
        );
    }
}

fn cases_of_differences() -> Value {
    serde_json::from_str(include_str!("metrics/difference.json")).expect("the fixture is JSON")
}
