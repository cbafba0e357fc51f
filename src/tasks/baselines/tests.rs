use std::collections::BTreeMap;
use std::convert::Infallible;

use serde::Deserialize;

use super::*;
use crate::text::{ClassHead, Entity};

fn example(text: &str, class: Option<&str>, entities: &[(usize, usize, &str)]) -> Example {
    let entity = |(start, end, label): &(usize, usize, &str)| Entity {
        start: *start,
        end: *end,
        label: (*label).to_owned(),
    };
    let class = class.map(|class| ("kind".to_owned(), class.to_owned()));
    Example {
        text: text.to_owned(),
        entities: Some(entities.iter().map(entity).collect()),
        classes: class.into_iter().collect(),
        fields: BTreeMap::new(),
        file: 0,
        line: 1,
    }
}

fn tasks(classes: &[&str]) -> CorpusTasks {
    let classes = classes.iter().map(|class| (*class).to_owned()).collect();
    CorpusTasks { tagging: true, heads: vec![ClassHead { name: "kind".to_owned(), classes }] }
}

fn fitted(method: Method, texts: &[Example], tasks: &CorpusTasks) -> Baseline {
    fitted_by(2, method, texts, tasks)
}

/// A baseline that is handed so many texts at a time.
fn fitted_by(count: usize, method: Method, texts: &[Example], tasks: &CorpusTasks) -> Baseline {
    let fitted = Baseline::fit(method, tasks, |each| {
        texts.chunks(count).for_each(each);
        Ok::<(), Infallible>(())
    });
    fitted.unwrap_or_else(|never| match never {})
}

/// What a baseline says of `text`: the probability of `b`, and the entities as `start..end LABEL`.
fn said(method: Method, texts: &[Example], text: &str) -> (f64, Vec<String>) {
    let said = fitted(method, texts, &tasks(&["a", "b"])).predict(text);
    let shown = |it: &Entity| format!("{}..{} {}", it.start, it.end, it.label);
    let entities = said.entities.expect("texts are labelled for them");
    (said.classes[0][1], entities.iter().map(shown).collect())
}

#[test]
fn the_majority_is_said_of_every_text_and_what_is_not_labelled_does_not_count() {
    let texts =
        [("x", Some("a")), ("y", Some("b")), ("z", Some("a")), ("w", Some("a")), ("v", None)];
    let texts = texts.map(|(text, class)| example(text, class, &[(0, 1, "X")]));
    assert_eq!(said(Method::Majority, &texts, "y"), (0.25, vec![]));
}

#[test]
fn an_equal_text_is_looked_up_and_another_gets_the_majority() {
    let texts = [
        example("port 80 open", Some("b"), &[(5, 7, "PORT")]),
        example("port 80 open", Some("a"), &[]),
        example("all well", Some("a"), &[]),
        example("all well", Some("a"), &[]),
    ];
    assert_eq!(said(Method::Lookup, &texts, "port 80 open"), (0.5, vec!["5..7 PORT".into()]));
    assert_eq!(said(Method::Lookup, &texts, "port 81 open"), (0.25, vec![]));
}

#[test]
fn masked_numbers_do_not_count_and_entities_move_with_them() {
    let texts = [
        example("v1 at 10.0.0.1:80 ended", Some("b"), &[(6, 14, "IP"), (15, 17, "PORT")]),
        example("other", Some("a"), &[]),
    ];
    let text = "v123 at 192.168.200.17:8080 ended";
    let expected = vec!["8..22 IP".to_owned(), "23..27 PORT".to_owned()];
    assert_eq!(said(Method::Masked, &texts, text), (1.0, expected));
    assert_eq!(said(Method::Masked, &texts, "v at 1"), (0.5, vec![]));
}

#[test]
fn a_gazetteer_takes_the_longest_name_and_the_type_that_it_had_most() {
    let texts = [
        example("New York grows", None, &[(0, 8, "LOC")]),
        example("York met Ada", None, &[(0, 4, "PER"), (9, 12, "PER")]),
        example("in York, May", None, &[(3, 7, "LOC")]),
        example("by York", None, &[(3, 7, "LOC")]),
        example("May we go", None, &[(0, 3, "PER")]),
        example("we may, May, May", None, &[]),
    ];
    let (_, found) = said(Method::Linear, &texts, "Ada of New York-York, May");
    assert_eq!(found, ["0..3 PER", "7..15 LOC", "16..20 LOC"]);
}

#[test]
fn a_head_of_which_one_class_occurs_has_nothing_to_tell_apart() {
    let texts = [example("x", Some("a"), &[]), example("y", Some("a"), &[])];
    assert_eq!(said(Method::Linear, &texts, "x").0, 0.0);
}

#[test]
fn neither_how_many_texts_come_at_a_time_nor_threads_change_an_answer() {
    let text = |number: usize| {
        let (place, level) = (["Rome", "New York", "Oslo"][number % 3], number % 5);
        let text = format!("{place} reports level {level} at {number}");
        let class = ["a", "b"][usize::from(level > 2)];
        example(&text, (!number.is_multiple_of(7)).then_some(class), &[(0, place.len(), "LOC")])
    };
    let texts: Vec<Example> = (0..60).map(text).collect();
    let tasks = tasks(&["a", "b"]);
    for method in [Method::Majority, Method::Lookup, Method::Masked, Method::Linear] {
        let answers = |count, threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let baseline = fitted_by(count, method, &texts, &tasks);
                (0..90).map(|number| baseline.predict(&text(number).text)).collect::<Vec<Said>>()
            })
        };
        let all_at_once = answers(60, 1);
        assert!([1, 7].iter().all(|count| answers(*count, 3) == all_at_once), "{method:?}");
    }
}

#[derive(Deserialize)]
struct Fixture {
    train: Vec<(String, String)>,
    classes: Vec<String>,
    test: Vec<String>,
    probabilities: Vec<Vec<f64>>,
}

/// Ours stops where no component of the gradient exceeds 1e-4, theirs at 1e-8: probabilities differ by less than 1e-4.
#[test]
fn logistic_regression_gives_the_probabilities_of_scikit_learn() {
    let text = include_str!("../../../tests/baselines/linear.json");
    let fixtures: BTreeMap<String, Fixture> = serde_json::from_str(text).expect("the fixture");
    for (name, fixture) in fixtures {
        let texts: Vec<Example> =
            fixture.train.iter().map(|(text, class)| example(text, Some(class), &[])).collect();
        let classes: Vec<&str> = fixture.classes.iter().map(String::as_str).collect();
        let baseline = fitted(Method::Linear, &texts, &tasks(&classes));
        for (text, expected) in fixture.test.iter().zip(&fixture.probabilities) {
            let found = &baseline.predict(text).classes[0];
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-4, "{name} `{text}`: {found} {expected}");
            }
        }
    }
}
