//! Answers for people: each text with its entities marked, and its classes behind it.

use std::fmt::Write as _;

use super::answered::Answered;
use crate::base::visible;
use crate::view::{Mark, format, marked};

/// Marks texts; each label has a colour, in the order in which they come.
pub struct Spans {
    color: bool,
    labels: Vec<String>,
}

impl Spans {
    pub fn new(color: bool) -> Self {
        Self { color, labels: Vec::new() }
    }

    /// A line of text.
    pub fn line(&mut self, answered: &Answered) -> String {
        let Answered { number, line, answer } = answered;
        let prediction = match answer {
            Ok(prediction) => prediction,
            Err(error) => return format!("line {number}: {}\n", visible::line(error)),
        };
        let entities = prediction.entities.as_deref().unwrap_or_default();
        for found in entities {
            if !self.labels.contains(&found.entity.label) {
                self.labels.push(found.entity.label.clone());
            }
        }
        let marks: Vec<Mark<'_>> = entities
            .iter()
            .map(|found| Mark {
                start: found.entity.start,
                end: found.entity.end,
                label: &found.entity.label,
            })
            .collect();
        let number = |label: &str| self.labels.iter().position(|other| other == label);
        let number = |label: &str| number(label).unwrap_or_default();
        let text = line.text.as_deref().unwrap_or_default();
        let mut out = marked(text, &marks, self.color, number);
        for said in &prediction.classes {
            let (Some(class), Some(score)) = (&said.name, said.score) else { continue };
            let (head, class) = (visible::line(&said.head), visible::line(class));
            let said = format!("{head} {class} ({})", format::number(score));
            match self.color {
                true => write!(out, "  \x1b[2m{said}\x1b[0m"),
                false => write!(out, "  {said}"),
            }
            .expect("a string");
        }
        out + "\n"
    }
}
