use std::collections::{BTreeSet, HashMap};

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::*;
use crate::text::{Entity, anomaly};

fn corpus(count: usize, anomalies: usize, groups: usize) -> Vec<Example> {
    (0..count)
        .map(|index| Example {
            text: format!("{index}"),
            entities: Some(Vec::new()),
            classes: anomaly(index < anomalies),
            fields: [("event".to_owned(), format!("E{}", index % groups))].into(),
            file: 0,
            line: index + 1,
        })
        .collect()
}

/// Texts in groups of these sizes; every third one is an anomaly.
fn grouped(sizes: &[usize]) -> Vec<Example> {
    let mut examples = corpus(sizes.iter().sum(), 0, 1);
    let groups = sizes.iter().enumerate().flat_map(|(group, size)| vec![group; *size]);
    for (index, (example, group)) in examples.iter_mut().zip(groups).enumerate() {
        example.classes = anomaly(index % 3 == 0);
        example.fields.insert("source".to_owned(), format!("S{group}"));
    }
    examples
}

fn fractions(train: f64, validation: f64) -> Fractions {
    Fractions { train, validation, test: (1.0 - train - validation).max(0.0) }
}

fn divide_by(by: By, fractions: Fractions, seed: u64) -> Division {
    Division { fractions, by, order: None, fold: None, equal_texts: EqualTexts::Together, seed }
}

fn plainly(fractions: Fractions, seed: u64) -> Division {
    divide_by(By::Nothing, fractions, seed)
}

fn by_event(fractions: Fractions, seed: u64) -> Division {
    divide_by(By::Field("event".to_owned()), fractions, seed)
}

fn parts(examples: Vec<Example>, division: &Division) -> Result<Corpus, SplitError> {
    split(examples, division).map(|(corpus, _)| corpus)
}

fn change_class(example: &mut Example) {
    example.classes = anomaly(example.classes != anomaly(true));
}

fn anomalies(examples: &[Example]) -> usize {
    examples.iter().filter(|example| example.classes == anomaly(true)).count()
}

fn places(examples: &[Example], division: &Division) -> HashMap<String, Split> {
    let membership = split(examples.to_vec(), division).unwrap().1;
    let place = |(example, part): (&Example, Option<Split>)| Some((example.text.clone(), part?));
    examples.iter().zip(membership.parts).filter_map(place).collect()
}

/// How many texts that are in both lie in another part.
fn moved(before: &HashMap<String, Split>, after: &HashMap<String, Split>) -> usize {
    after.iter().filter(|(text, part)| before.get(*text).is_some_and(|old| old != *part)).count()
}

#[test]
fn the_recipe_splits_into_4000_and_1000_with_the_same_share_of_anomalies() {
    let corpus = parts(corpus(5000, 1500, 7), &plainly(fractions(0.8, 0.2), 42)).unwrap();
    assert_eq!((corpus.train.len(), corpus.validation.len(), corpus.test.len()), (4000, 1000, 0));
    assert_eq!((anomalies(&corpus.train), anomalies(&corpus.validation)), (1200, 300));
}

#[test]
fn another_seed_gives_another_split_and_the_same_seed_the_same() {
    let lines = |seed| -> Vec<usize> {
        let corpus = parts(corpus(100, 30, 7), &plainly(fractions(0.8, 0.2), seed)).unwrap();
        corpus.validation.iter().map(|example| example.line).collect()
    };
    assert_eq!(lines(1), lines(1));
    assert_ne!(lines(1), lines(2));
    assert!(lines(1).is_sorted());
}

#[test]
fn a_flipped_label_moves_one_text_and_not_a_whole_part() {
    let division = plainly(fractions(0.7, 0.15), 42);
    let examples = corpus(1500, 450, 7);
    let before = places(&examples, &division);
    for line in [0, 449, 450, 1499] {
        let mut flipped = examples.clone();
        change_class(&mut flipped[line]);
        let moved = moved(&before, &places(&flipped, &division));
        assert!(moved <= 5, "{moved} of 1500 texts moved after one correction");
    }
}

#[test]
fn ten_deleted_lines_move_about_ten_texts_and_the_order_of_the_lines_none() {
    let division = plainly(fractions(0.7, 0.15), 42);
    let examples = corpus(1500, 450, 7);
    let before = places(&examples, &division);
    let fewer: Vec<Example> =
        examples.iter().filter(|example| example.line % 150 != 7).cloned().collect();
    assert_eq!(fewer.len(), 1490);
    let moves = moved(&before, &places(&fewer, &division));
    assert!(moves <= 15, "{moves}");
    let reversed: Vec<Example> = examples.iter().rev().cloned().collect();
    assert_eq!(moved(&before, &places(&reversed, &division)), 0);
}

#[test]
fn a_text_with_an_id_stays_in_its_part_when_it_is_corrected() {
    let division = plainly(fractions(0.7, 0.15), 42);
    let mut examples = corpus(300, 90, 7);
    for example in &mut examples {
        example.fields.insert("id".to_owned(), format!("line-{}", example.line));
    }
    let before = split(examples.clone(), &division).unwrap().1;
    examples.iter_mut().for_each(|example| example.text += " corrected");
    assert_eq!(split(examples, &division).unwrap().1, before);
}

/// Of every text a second line, far away.
fn doubled() -> Vec<Example> {
    let examples = corpus(200, 60, 7);
    let again =
        examples.iter().map(|example| Example { line: example.line + 200, ..example.clone() });
    let again: Vec<Example> = again.collect();
    [examples, again].concat()
}

#[test]
fn equal_texts_stay_together_unless_they_are_kept_apart() {
    let of = |equal_texts| {
        let division = Division { equal_texts, ..plainly(fractions(0.7, 0.15), 42) };
        split(doubled(), &division).unwrap()
    };
    let (together, membership) = of(EqualTexts::Together);
    assert_eq!((together.duplicates().any(), membership.dropped()), (false, 0));
    let (kept, membership) = of(EqualTexts::Keep);
    assert_eq!((kept.duplicates().any(), membership.dropped()), (true, 0));
    let (dropped, membership) = of(EqualTexts::Drop);
    assert_eq!((dropped.duplicates().any(), membership.dropped()), (false, 200));
    assert!(Split::ALL.iter().all(|split| dropped.get(*split).iter().all(|it| it.line <= 200)));
}

/// The line that stays of 20 lines, of which some are one text with these classes and ends of an entity.
fn kept_of(labels: &[(usize, u32, usize)]) -> (usize, Contradictions) {
    let mut examples = corpus(20, 0, 1);
    for (index, class, end) in labels {
        let entity = Entity { start: 0, end: *end, label: "X".to_owned() };
        examples[*index].text = "disputed".to_owned();
        examples[*index].classes = anomaly(*class == 1);
        examples[*index].entities = Some(vec![entity]);
    }
    let division = Division { equal_texts: EqualTexts::Drop, ..plainly(fractions(0.5, 0.5), 1) };
    let (corpus, membership) = split(examples, &division).unwrap();
    let kept = Split::ALL.iter().flat_map(|split| corpus.get(*split));
    let kept: Vec<usize> =
        kept.filter(|example| example.text == "disputed").map(|example| example.line).collect();
    let [line] = kept[..] else { panic!("{kept:?}") };
    (line, membership.contradictions)
}

#[test]
fn of_contradicting_equal_texts_the_first_with_the_labels_of_most_stays() {
    assert_eq!(kept_of(&[(3, 0, 1), (4, 1, 1), (5, 1, 1)]).0, 5);
    assert_eq!(kept_of(&[(3, 0, 1), (4, 1, 1)]).0, 4);
    assert_eq!(kept_of(&[(3, 1, 1), (4, 0, 1)]).0, 4);
    assert_eq!(kept_of(&[(3, 0, 1), (4, 0, 2), (5, 0, 2)]).0, 5);
    let found = Contradictions { examples: 2, texts: 1, first: Some([3, 4]) };
    assert_eq!(kept_of(&[(3, 0, 1), (4, 0, 2)]), (4, found));
    assert_eq!(kept_of(&[(3, 0, 1), (4, 0, 1)]), (4, Contradictions::default()));
}

#[test]
fn fractions_that_do_not_sum_to_one_are_refused() {
    let of = |train, validation, test| {
        parts(corpus(9, 3, 3), &plainly(Fractions { train, validation, test }, 1))
    };
    assert_eq!(of(0.5, 0.25, 0.0), Err(SplitError::Sum { sum: 0.75 }));
    assert!(matches!(of(1.5, -0.5, 0.0), Err(SplitError::Fraction { split: Split::Train, .. })));
    assert!(matches!(of(f64::NAN, 0.5, 0.5), Err(SplitError::Fraction { .. })));
    assert!(of(0.7, 0.2, 0.1).is_ok());
}

#[test]
fn a_missing_field_is_an_error_that_names_the_line() {
    let mut examples = corpus(4, 2, 2);
    examples[2].fields = [("tag".to_owned(), "-".to_owned())].into();
    let error = parts(examples, &by_event(fractions(0.5, 0.5), 1)).unwrap_err();
    assert_eq!(error.to_string(), "line 3 has no field `event` to split by; it has `tag`");
}

#[test]
fn a_part_that_would_be_empty_is_an_error() {
    assert!(matches!(
        parts(corpus(2, 1, 1), &plainly(fractions(0.9, 0.1), 1)),
        Err(SplitError::TooFew { .. })
    ));
    let error = parts(corpus(9, 3, 1), &by_event(fractions(0.5, 0.5), 1)).unwrap_err();
    assert_eq!(error.to_string(), "a single value of `event` leaves none for `validation`");
}

/// Texts of 60 events, of which some are frequent and most are rare.
fn events() -> Vec<Example> {
    let mut examples = corpus(1500, 450, 1);
    for (index, example) in examples.iter_mut().enumerate() {
        let event = if index % 2 == 0 { index % 5 } else { 5 + index * index % 347 % 55 };
        example.fields.insert("event".to_owned(), format!("E{event}"));
    }
    examples
}

#[test]
fn labels_move_no_group() {
    let examples = events();
    for division in [
        by_event(fractions(0.7, 0.15), 42),
        divide_by(By::Field("text".to_owned()), fractions(0.7, 0.15), 42),
    ] {
        let before = places(&examples, &division);
        for line in (0..1500).step_by(100) {
            let mut flipped = examples.clone();
            change_class(&mut flipped[line]);
            assert_eq!(moved(&before, &places(&flipped, &division)), 0);
        }
        let calm: Vec<Example> = examples
            .iter()
            .map(|example| Example { classes: anomaly(false), ..example.clone() })
            .collect();
        assert_eq!(moved(&before, &places(&calm, &division)), 0);
    }
}

#[test]
fn ten_deleted_lines_move_few_groups() {
    let examples = events();
    let mut total = 0;
    for seed in 0..10 {
        let division = by_event(fractions(0.7, 0.15), seed);
        let before = places(&examples, &division);
        let fewer = examples.iter().filter(|example| example.line % 150 != seed as usize);
        let fewer: Vec<Example> = fewer.cloned().collect();
        assert_eq!(fewer.len(), 1490);
        total += moved(&before, &places(&fewer, &division));
    }
    assert!(total <= 10 * 15, "{total} texts moved in ten draws of ten lines");
}

/// The shares that came out for groups of these sizes, in percent of 100 texts, for each of ten seeds.
fn shares(sizes: &[usize], fractions: Fractions) -> BTreeSet<[usize; 3]> {
    assert_eq!(sizes.iter().sum::<usize>(), 100);
    let of = |seed| {
        let division = divide_by(By::Field("source".to_owned()), fractions, seed);
        let corpus = parts(grouped(sizes), &division).unwrap();
        Split::ALL.map(|split| corpus.get(split).len())
    };
    (0..10).map(of).collect()
}

#[test]
fn of_few_groups_each_goes_to_the_part_that_lacks_most() {
    assert_eq!(shares(&[33, 33, 34], fractions(0.7, 0.3)), [[66, 34, 0], [67, 33, 0]].into());
    assert_eq!(shares(&[15, 15, 70], fractions(0.7, 0.15)), [[70, 15, 15]].into());
    for [train, ..] in shares(&[20, 70, 10], fractions(0.7, 0.3)) {
        assert!([70, 80, 90].contains(&train), "{train}");
    }
}

#[test]
fn a_large_group_that_comes_late_takes_nothing_from_the_small_ones() {
    let sizes: Vec<usize> = std::iter::repeat_n(1, 60).chain([40]).collect();
    for [train, validation, test] in shares(&sizes, fractions(0.7, 0.15)) {
        assert!((68..=72).contains(&train), "{train} {validation} {test}");
        assert!((13..=17).contains(&validation) && (13..=17).contains(&test));
    }
}

#[test]
fn groups_of_one_part_alone_leave_a_stratified_rest() {
    let mut examples = corpus(1000, 0, 20);
    for example in &mut examples {
        example.classes = anomaly(example.line % 7 < 2);
    }
    let by = By::Parts { validation: None, test: Some("event".to_owned()) };
    let division = divide_by(by, fractions(0.7, 0.15), 42);
    let (corpus, membership) = split(examples, &division).unwrap();
    assert_eq!((corpus.train.len(), corpus.validation.len(), corpus.test.len()), (700, 150, 150));
    let events = |split| -> BTreeSet<&String> {
        corpus.get(split).iter().map(|example| &example.fields["event"]).collect()
    };
    assert!(events(Split::Test).is_disjoint(&events(Split::Train)));
    assert_eq!(events(Split::Train), events(Split::Validation));
    assert_eq!((membership.groups[0].total, membership.groups[0].parts), (20, [0, 0, 3]));
    let share = |split| anomalies(corpus.get(split)) * 100 / corpus.get(split).len();
    assert!(share(Split::Test) > 0 && share(Split::Train).abs_diff(share(Split::Validation)) <= 1);
}

#[test]
fn the_text_itself_is_a_field_to_divide_by() {
    let division = divide_by(By::Field("text".to_owned()), fractions(0.7, 0.15), 42);
    let (corpus, membership) = split(doubled(), &division).unwrap();
    assert!(!corpus.duplicates().any());
    assert_eq!(membership.groups[0].parts, [140, 30, 30]);
}

#[test]
fn a_difference_counts_texts_by_id_or_by_themselves_and_equal_ones_apart() {
    let trace = |texts: &[(Split, &str, u32)]| {
        let mut trace = Trace::default();
        for (split, text, class) in texts {
            let example = Example {
                text: (*text).to_owned(),
                classes: anomaly(*class == 1),
                ..corpus(1, 0, 1)[0].clone()
            };
            trace.push(*split, &example);
        }
        trace
    };
    let before = trace(&[
        (Split::Train, "a", 0),
        (Split::Train, "a", 0),
        (Split::Train, "b", 0),
        (Split::Test, "c", 0),
        (Split::Test, "d", 0),
    ]);
    let after = trace(&[
        (Split::Train, "a", 0),
        (Split::Train, "b", 1),
        (Split::Train, "c", 1),
        (Split::Test, "d", 0),
        (Split::Test, "e", 0),
        (Split::Test, "f", 0),
    ]);
    let difference = after.since(&before);
    assert_eq!(
        difference.to_string(),
        "2 texts new, 1 gone, 2 changed, 1 moved from test to train"
    );
    assert_eq!(before.since(&before), Difference::default());
}

#[test]
fn texts_that_share_an_id_are_compared_by_what_they_say() {
    let trace = |texts: &[(&str, &str)]| {
        let mut trace = Trace::default();
        for (id, text) in texts {
            let fields = [("id".to_owned(), (*id).to_owned())].into();
            let example =
                Example { text: (*text).to_owned(), fields, ..corpus(1, 0, 1)[0].clone() };
            trace.push(Split::Train, &example);
        }
        trace
    };
    let before = trace(&[("same", "a"), ("same", "b"), ("same", "c"), ("own", "d")]);
    let after = trace(&[("same", "b"), ("same", "c"), ("own", "corrected")]);
    assert_eq!(after.since(&before).to_string(), "1 text gone, 1 changed");
    assert_eq!(before.since(&after).to_string(), "1 text new, 1 changed");
}

proptest! {
    #[test]
    fn k_changed_lines_move_about_k_others(
        normal in 20_usize..150, anomalous in 20_usize..150, flips in proptest::collection::vec(any::<usize>(), 0..8),
        deletions in proptest::collection::vec(any::<usize>(), 0..8), additions in 0_usize..8, seed in any::<u64>(),
        train in 0.4..0.8_f64, share in 0.2..0.8_f64,
    ) {
        let division = plainly(fractions(train, (1.0 - train) * share), seed);
        let mut examples = corpus(normal + anomalous, anomalous, 3);
        let before = places(&examples, &division);
        let changed = flips.len() + deletions.len() + additions;
        for flip in flips {
            let index = flip % examples.len();
            change_class(&mut examples[index]);
        }
        for deletion in deletions {
            examples.remove(deletion % examples.len());
        }
        for number in 0..additions {
            examples.push(Example { text: format!("new {number}"), ..examples[0].clone() });
        }
        let moves = moved(&before, &places(&examples, &division));
        // Of each class, at each of two cuts: as many as changed, and one for the rounding of either cut.
        prop_assert!(moves <= 3 * changed + 4, "{moves} moved for {changed}");
    }

    #[test]
    fn sizes_are_known_before_there_is_a_corpus(normal in 0..12_usize, anomalous in 0..12_usize, train in 0.0..1.0_f64, share in 0.0..1.0_f64) {
        let fractions = fractions(train, (1.0 - train) * share);
        let whole = parts(corpus(normal + anomalous, anomalous, 3), &plainly(fractions, 1));
        prop_assert_eq!(check_sizes([normal, anomalous], fractions).err(), whole.err());
    }

    #[test]
    fn parts_hold_every_example_once_and_groups_stay_whole(
        count in 12_usize..200, anomalous in 0_usize..200, groups in 3_usize..12, train in 1_u32..8, validation in 1_u32..8,
        by in any::<bool>(), seed in any::<u64>(),
    ) {
        let sum = f64::from(train + validation + 1);
        let fractions = Fractions { train: f64::from(train) / sum, validation: f64::from(validation) / sum, test: 1.0 / sum };
        let division = if by { by_event(fractions, seed) } else { plainly(fractions, seed) };
        let Ok(parts) = parts(corpus(count, anomalous, groups), &division) else { return Ok(()) };
        let mut lines: Vec<usize> = Split::ALL.iter().flat_map(|split| parts.get(*split)).map(|example| example.line).collect();
        lines.sort_unstable();
        prop_assert_eq!(lines, (1..=count).collect::<Vec<_>>());
        if by {
            let of = |split| parts.get(split).iter().map(|example: &Example| example.fields["event"].clone()).collect::<BTreeSet<_>>();
            let sides = Split::ALL.map(of);
            prop_assert!(sides[0].is_disjoint(&sides[1]) && sides[0].is_disjoint(&sides[2]) && sides[1].is_disjoint(&sides[2]));
        } else {
            for split in Split::ALL {
                let expected = fractions.get(split) * count as f64;
                prop_assert!((parts.get(split).len() as f64 - expected).abs() <= 2.0, "{split}: {} of {expected}", parts.get(split).len());
                let share = fractions.get(split) * anomalous.min(count) as f64;
                prop_assert!((anomalies(parts.get(split)) as f64 - share).abs() <= 2.0);
            }
        }
    }
}

fn by_time(fractions: Fractions) -> Division {
    Division { order: Some("time".to_owned()), ..plainly(fractions, 42) }
}

/// Texts of these moments, the first in line 1.
fn at(moments: &[&str]) -> Vec<Example> {
    let mut examples = corpus(moments.len(), 0, 1);
    for (example, moment) in examples.iter_mut().zip(moments) {
        example.fields.insert("time".to_owned(), (*moment).to_owned());
    }
    examples
}

#[test]
fn the_past_trains_and_the_future_validates_and_then_tests() {
    let moments = ["10", "2", "30", "4", "50", "6", "70", "8", "90", "1"];
    let (corpus, membership) = split(at(&moments), &by_time(fractions(0.6, 0.2))).unwrap();
    let of = |split| -> Vec<&str> {
        corpus.get(split).iter().map(|example| example.fields["time"].as_str()).collect()
    };
    assert_eq!(of(Split::Train), ["10", "2", "4", "6", "8", "1"]);
    assert_eq!(of(Split::Validation), ["30", "50"]);
    assert_eq!(of(Split::Test), ["70", "90"]);
    let ordered = membership.ordered.unwrap();
    assert_eq!(ordered.scale, Scale::Numbers);
    assert_eq!(ordered.spans[0], (Split::Train, "1".to_owned(), "10".to_owned()));
}

#[test]
fn texts_of_one_moment_stay_together_however_it_is_spelled() {
    let moments = [
        "2024-01-01T00:00Z",
        "2024-01-02T00:00Z",
        "2024-01-02",
        "2024-01-02T01:00+01:00",
        "2024-01-03",
    ];
    let places = places(&at(&moments), &by_time(fractions(0.4, 0.6)));
    let of = |text: &str| places[text];
    assert_eq!([of("1"), of("2"), of("3")], [of("1"); 3]);
    assert_eq!((of("0"), of("4")), (Split::Train, Split::Validation));
}

#[test]
fn a_text_without_the_moment_or_too_few_moments_are_refused() {
    let mut examples = at(&["1", "2", "3"]);
    examples[1].fields.remove("time");
    let error = parts(examples, &by_time(fractions(0.5, 0.5))).unwrap_err();
    assert!(matches!(error, SplitError::MissingField { line: 2, ordered: true, .. }), "{error}");
    let error = parts(at(&["1", "1", "1"]), &by_time(fractions(0.5, 0.5))).unwrap_err();
    assert_eq!(error.to_string(), "a single value of `time` leaves none for `validation`");
}

#[test]
fn text_that_is_no_order_of_time_is_said_and_days_before_years_are_refused() {
    let odd = |moments: &[&str]| {
        let (_, membership) = split(at(moments), &by_time(fractions(0.5, 0.5))).unwrap();
        membership.ordered.unwrap().odd
    };
    assert_eq!(odd(&["2024-01-01", "unknown", "2024-01-02"]).as_deref(), Some("unknown"));
    assert_eq!(odd(&["2024-01-01", "1704067200"]).as_deref(), Some("1704067200"));
    assert_eq!(odd(&["run-1", "run-2"]).as_deref(), Some("run-1"));
    assert_eq!(odd(&["2024-01-01", "2024-01-02"]), None);
    let error = parts(at(&["31.12.2024", "01.01.2025"]), &by_time(fractions(0.5, 0.5)));
    let day_first = SplitError::DayFirst { field: "time".into(), value: "31.12.2024".into() };
    assert_eq!(error.unwrap_err(), day_first);
}

fn folds(division: &Division, of: usize) -> impl Iterator<Item = Division> {
    (0..of).map(move |index| Division { fold: Some(Fold { index, of }), ..division.clone() })
}

#[test]
fn every_text_outside_of_test_validates_in_one_fold_and_test_stays() {
    let fractions = fractions(0.6, 0.2);
    let by_parts = |validation: Option<&str>, test: Option<&str>| By::Parts {
        validation: validation.map(str::to_owned),
        test: test.map(str::to_owned),
    };
    for by in [
        By::Nothing,
        By::Field("event".to_owned()),
        by_parts(Some("event"), None),
        by_parts(None, Some("event")),
    ] {
        let whole = divide_by(by.clone(), fractions, 42);
        let examples = corpus(200, 60, 25);
        let without = places(&examples, &whole);
        let mut validated: HashMap<String, usize> = HashMap::new();
        for fold in folds(&whole, 4) {
            let found = places(&examples, &fold);
            let test = |places: &HashMap<String, Split>| {
                let of_test = places.iter().filter(|(_, split)| **split == Split::Test);
                of_test.map(|(text, _)| text.clone()).collect::<BTreeSet<_>>()
            };
            assert_eq!(test(&found), test(&without), "{by:?}");
            let validates = found.iter().filter(|(_, split)| **split == Split::Validation);
            validates.for_each(|(text, _)| *validated.entry(text.clone()).or_default() += 1);
        }
        let outside = without.values().filter(|split| **split != Split::Test).count();
        assert_eq!(validated.len(), outside, "{by:?}");
        assert!(validated.values().all(|times| *times == 1), "{by:?}");
    }
}

#[test]
fn folds_are_equally_large_with_the_share_of_each_class_and_of_whole_groups() {
    let fractions = fractions(0.6, 0.2);
    for fold in folds(&plainly(fractions, 1), 5) {
        let corpus = parts(corpus(1000, 300, 1), &fold).unwrap();
        assert!(corpus.validation.len().abs_diff(160) <= 1, "{}", corpus.validation.len());
        assert!(anomalies(&corpus.validation).abs_diff(48) <= 2);
    }
    for fold in folds(&by_event(fractions, 1), 5) {
        let corpus = parts(corpus(1000, 300, 50), &fold).unwrap();
        let events = |split| -> BTreeSet<&String> {
            corpus.get(split).iter().map(|example| &example.fields["event"]).collect()
        };
        assert!(events(Split::Train).is_disjoint(&events(Split::Validation)));
    }
}

#[test]
fn more_folds_than_there_are_groups_are_refused() {
    let division = folds(&by_event(fractions(0.8, 0.2), 1), 5).next().unwrap();
    let error = parts(corpus(100, 0, 3), &division).unwrap_err();
    let said = "3 values of `event` outside of test are too few for 5 folds";
    assert_eq!(error.to_string(), said);
}
