//! A line with its answer, and how the two are called.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::lines::Line;
use crate::app::tools::{Prediction, Predictor};

/// Members that an answer has, or may have, beside those of the heads over whole texts.
const OF_ANSWERS: [&str; 4] = ["entities", "truncated", "error", "line"];

/// A line with its answer.
pub struct Answered {
    /// From 1.
    pub number: u64,
    pub line: Line,
    /// Or why there is none.
    pub answer: Result<Arc<Prediction>, String>,
}

/// How lines and answers are called.
pub struct Shape {
    /// The member of a line that holds the text.
    pub field: String,
    /// Whether the model looks for entities.
    pub tags: bool,
    /// Its heads over whole texts.
    pub heads: Vec<String>,
    /// What each of these decides between.
    pub classes: Vec<Vec<String>>,
    /// Members of answers.
    pub taken: Vec<String>,
}

impl Shape {
    pub fn of(field: Option<&str>, predictor: &Predictor) -> Self {
        let heads = predictor.heads();
        let members = heads.flat_map(|(head, _)| [head.to_owned(), format!("{head}_score")]);
        Self {
            field: field.unwrap_or("text").to_owned(),
            tags: predictor.tags(),
            heads: predictor.class_heads().iter().map(|head| head.name.clone()).collect(),
            classes: predictor.class_heads().iter().map(|head| head.classes.clone()).collect(),
            taken: OF_ANSWERS.map(str::to_owned).into_iter().chain(members).collect(),
        }
    }

    /// The heads over whole texts, as the script of a page has them.
    pub fn on_page(&self) -> Value {
        let head = |(name, classes)| json!({ "name": name, "classes": classes });
        self.heads.iter().zip(&self.classes).map(head).collect()
    }
}
