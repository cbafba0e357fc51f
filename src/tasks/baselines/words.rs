//! What a baseline says, in the form in which a model says it: its tokens are words, cut where any entity begins or ends, so that every entity is
//! whole tokens.

use std::collections::BTreeSet;

use super::said::Said;
use crate::base::IGNORE;
use crate::tasks::{Answers, Predicted, tagging};
use crate::text::spans::Span;
use crate::text::{CorpusTasks, EncodedSplit, Entity, Example, Fit, LabelSet, words};

/// The texts as words, and what is said of them.
///
/// * `said`: one for each example
#[must_use]
pub fn as_tokens(
    examples: &[Example],
    said: Vec<Said>,
    tasks: &CorpusTasks,
    labels: &LabelSet,
) -> (EncodedSplit, Predicted) {
    let mut split = EncodedSplit::default();
    for head in &tasks.heads {
        let class = |example: &Example| {
            let class = example.classes.get(&head.name).and_then(|class| head.index(class));
            class.unwrap_or(IGNORE)
        };
        split.classes.insert(head.name.clone(), examples.iter().map(class).collect());
    }
    let mut tags = Vec::new();
    for (example, said) in examples.iter().zip(&said) {
        let found = said.entities.as_deref().unwrap_or_default();
        let words = cut_words(&example.text, example.entities.iter().flatten().chain(found));
        match &example.entities {
            Some(entities) => split.labels.extend(bio(&words, entities, labels)),
            None => split.labels.extend(words.iter().map(|_| IGNORE)),
        }
        tags.extend(bio(&words, found, labels));
        for (start, end) in words {
            split.ids.push(0);
            split.starts.push(number(start));
            split.ends.push(number(end));
        }
        split.bounds.push(number(split.ids.len()));
        let truth = example.entities.iter().flatten().filter_map(|entity| {
            let kind = labels.types().iter().position(|known| *known == entity.label)?;
            let span =
                Span { start: number(entity.start), end: number(entity.end), kind: number(kind) };
            Some((span, Fit::Exact))
        });
        split.truth.push(truth);
    }
    let mut answers = Vec::new();
    if tasks.tagging {
        let name = tagging::NAME.to_owned();
        answers.push(said_of(name, tags, Vec::new()));
    }
    for (at, head) in tasks.heads.iter().enumerate() {
        let of_head = said.iter().map(|said| read(&said.classes[at]));
        let (classes, scores) = of_head.unzip();
        answers.push(said_of(head.name.clone(), classes, scores));
    }
    (split, Predicted { answers, loss: f64::NAN })
}

/// Answers that no logits were read from.
fn said_of(name: String, classes: Vec<u32>, scores: Vec<f64>) -> Answers {
    Answers { name, classes, scores, logits: Vec::new(), loss: None }
}

/// The most likely class, and a score as [`Task::read`](crate::tasks::Task::read) gives it.
fn read(probabilities: &[f64]) -> (u32, f64) {
    let (mut best, mut most) = (0, f64::NEG_INFINITY);
    for (class, probability) in probabilities.iter().enumerate() {
        if *probability > most {
            (best, most) = (class, *probability);
        }
    }
    let score = if let [_, yes] = *probabilities { yes } else { most };
    (number(best), score)
}

/// Words that are not blank, each from its first character to the one after its last.
fn cut_words<'e>(text: &str, entities: impl Iterator<Item = &'e Entity>) -> Vec<(usize, usize)> {
    let characters: Vec<char> = text.chars().collect();
    let of_entities = entities.flat_map(|it| [it.start, it.end]);
    let of_words = words::words(text).into_iter().flat_map(|word| [word.start, word.end]);
    let cuts: BTreeSet<usize> = of_entities.chain(of_words).collect();
    let cuts: Vec<usize> = cuts.into_iter().collect();
    let pieces = cuts.windows(2).map(|pair| (pair[0], pair[1]));
    let is_blank = |(start, end): &(usize, usize)| {
        characters[*start..*end].iter().all(|character| character.is_whitespace())
    };
    pieces.filter(|piece| !is_blank(piece)).collect()
}

/// A label for each word.
fn bio(words: &[(usize, usize)], entities: &[Entity], labels: &LabelSet) -> Vec<u32> {
    let label = |(start, end): &(usize, usize)| {
        let inside = entities.iter().find(|it| it.start <= *start && *end <= it.end)?;
        let (begin, within) = labels.begin_and_inside(&inside.label)?;
        // Blanks at the front of an entity are no word.
        let is_first = !words.iter().any(|(other, _)| inside.start <= *other && *other < *start);
        Some(if is_first { begin } else { within })
    };
    words.iter().map(|word| label(word).unwrap_or(labels.outside())).collect()
}

fn number(value: usize) -> u32 {
    u32::try_from(value).expect("texts of a split are bounded where they are read")
}
