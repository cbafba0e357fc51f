//! What requests ask, and what they are answered: bodies in, bodies out. Nothing here knows a connection.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::app::cli::lines::{Fields, Line};
use crate::app::cli::predict::{Answered, Shape, json_lines};
use crate::app::tools::{Answer, ClassHead, FoundEntity, Judgement, Prediction};
use crate::base::problem::json_reason;

/// What one request may ask for, and how many there may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub body_bytes: usize,
    pub texts: usize,
    pub tokens: usize,
    /// Requests that are answered at the same time.
    pub requests: usize,
    /// For the head of a request to come, for its body, and for the answer.
    pub time: Duration,
}

/// Texts that are asked about at once.
#[derive(Debug)]
pub struct Question {
    pub lines: Vec<Line>,
    /// Whether there is a list of them.
    is_list: bool,
}

impl Question {
    /// Reads `{"text": ...}`, whose other members are kept, or `{"texts": [...]}`.
    ///
    /// # Errors
    /// What is wrong with it, and what was expected.
    pub fn of_predict(body: &[u8]) -> Result<Self, String> {
        const EXPECTED: &str = "expected `{\"text\": \"...\"}` or `{\"texts\": [\"...\"]}`";
        let fields: Fields = parsed(body, EXPECTED)?;
        let of = |name: &str| fields.0.iter().find(|(other, _)| other == name);
        let wrong = |what: &str| Err(format!("{what}, {EXPECTED}"));
        match (of("text"), of("texts")) {
            (Some(_), Some(_)) => wrong("the object has both `text` and `texts`"),
            (None, None) => wrong("the object has neither `text` nor `texts`"),
            (Some((_, value)), None) => match serde_json::from_str(value.get()) {
                Ok(text) => Ok(Self { lines: vec![Line::new(fields, Ok(text))], is_list: false }),
                Err(_) => wrong("`text` is no string"),
            },
            (None, Some((_, value))) => match serde_json::from_str(value.get()) {
                Ok(texts) => Ok(Self::of_list(texts)),
                Err(_) => wrong("`texts` is no list of strings"),
            },
        }
    }

    /// Reads `{"inputs": ...}`, a text or a list of them, as Hugging Face's inference API takes it; `parameters` and `options` are passed over.
    ///
    /// # Errors
    /// What is wrong with it, and what was expected.
    pub fn of_hugging_face(body: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Inputs {
            inputs: Box<RawValue>,
        }
        const EXPECTED: &str = "expected `{\"inputs\": \"...\"}` or `{\"inputs\": [\"...\"]}`";
        let Inputs { inputs } = parsed(body, EXPECTED)?;
        if let Ok(text) = serde_json::from_str::<String>(inputs.get()) {
            return Ok(Self { is_list: false, ..Self::of_list(vec![text]) });
        }
        match serde_json::from_str(inputs.get()) {
            Ok(texts) => Ok(Self::of_list(texts)),
            Err(_) => {
                Err(format!("`inputs` is neither a string nor a list of strings, {EXPECTED}"))
            }
        }
    }

    fn of_list(texts: Vec<String>) -> Self {
        let line = |text| Line::new(Fields::default(), Ok(text));
        Self { lines: texts.into_iter().map(line).collect(), is_list: true }
    }

    pub fn texts(&self) -> Vec<String> {
        self.lines.iter().filter_map(|line| line.text.clone().ok()).collect()
    }

    /// The objects of `predict`: one for a text, a list for several.
    pub fn answer(self, answers: Vec<Answer>, shape: &Shape) -> String {
        let is_list = self.is_list;
        let object = |((number, line), answer): ((u64, Line), Answer)| {
            let answer = answer.map_err(|error| error.to_string());
            let text = json_lines::line(&Answered { number, line, answer }, shape);
            text.trim_end().to_owned()
        };
        let lines = (1..).zip(self.lines).zip(answers).map(object);
        let objects: Vec<String> = lines.collect();
        if is_list { format!("[{}]", objects.join(",")) } else { objects.concat() }
    }

    /// The same in the forms of Hugging Face's inference API: entities as of a pipeline that tags, with `aggregation_strategy="simple"`, or classes with
    /// their scores. These are a list for each text, also for a single one.
    ///
    /// * `head`: that of classes; `None` for entities
    ///
    /// # Errors
    /// Why a text has no answer.
    pub fn answer_hugging_face(
        self,
        answers: Vec<Answer>,
        head: Option<&ClassHead>,
    ) -> Result<Value, String> {
        let mut lists = Vec::new();
        for (line, answer) in self.lines.iter().zip(answers) {
            let prediction = answer.map_err(|error| error.to_string())?;
            lists.push(match head {
                None => entities(line.text.as_deref().unwrap_or_default(), &prediction),
                Some(head) => classes(head, &prediction),
            });
        }
        Ok(match self.is_list || head.is_some() {
            true => Value::Array(lists),
            false => lists.pop().unwrap_or_else(|| json!([])),
        })
    }
}

fn parsed<'b, T: Deserialize<'b>>(body: &'b [u8], expected: &str) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => format!("no such object, {expected}"),
        _ => {
            let (line, column) = (error.line(), error.column());
            format!("no JSON: {} at line {line}, byte {column}; {expected}", json_reason(&error))
        }
    })
}

fn entities(text: &str, prediction: &Arc<Prediction>) -> Value {
    let characters: Vec<char> = text.chars().collect();
    let entity = |FoundEntity { entity, score }: &FoundEntity| {
        let word: String = characters[entity.start..entity.end].iter().collect();
        json!({
            "entity_group": entity.label, "score": score, "word": word, "start": entity.start, "end": entity.end,
        })
    };
    prediction.entities.iter().flatten().map(entity).collect()
}

/// Classes with their scores, the likeliest first: both of two, of more the one that is said.
fn classes(head: &ClassHead, prediction: &Arc<Prediction>) -> Value {
    let said = prediction.classes.iter().find(|said| said.head == head.name);
    let Some(Judgement { name: Some(name), score: Some(score), .. }) = said else {
        return json!([]);
    };
    let scored = |label: &str, score: f64| json!({ "label": label, "score": score });
    match head.classes.as_slice() {
        [first, second] => {
            let mut both = [(first, 1.0 - score), (second, *score)];
            both.sort_by(|one, other| other.1.total_cmp(&one.1));
            both.iter().map(|(label, score)| scored(label, *score)).collect()
        }
        _ => json!([scored(name, *score)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_a_text_or_a_list_of_them() {
        let texts = |body: &str| Question::of_predict(body.as_bytes()).map(|asked| asked.texts());
        assert_eq!(texts(r#"{"text": "a", "id": 1}"#), Ok(vec!["a".to_owned()]));
        assert_eq!(texts(r#"{"texts": ["a", ""]}"#), Ok(vec!["a".to_owned(), String::new()]));
        assert_eq!(texts(r#"{"texts": []}"#), Ok(vec![]));
        let inputs = |body: &str| Question::of_hugging_face(body.as_bytes());
        assert_eq!(
            inputs(r#"{"inputs": "a", "options": {}}"#).map(|asked| asked.is_list),
            Ok(false)
        );
        assert_eq!(inputs(r#"{"inputs": ["a"]}"#).map(|asked| asked.is_list), Ok(true));
    }

    #[test]
    fn what_is_no_question_is_told_what_was_expected() {
        for body in [
            "",
            "{",
            "[]",
            "5",
            "{}",
            r#"{"text": 5}"#,
            r#"{"texts": "a"}"#,
            r#"{"texts": [1]}"#,
            r#"{"text": "a", "texts": []}"#,
            "\u{0}",
        ] {
            let refused = Question::of_predict(body.as_bytes()).expect_err(body);
            assert!(refused.contains("expected `{\"text\""), "{body}: {refused}");
            let refused = Question::of_hugging_face(body.as_bytes()).expect_err(body);
            assert!(refused.contains("expected `{\"inputs\""), "{body}: {refused}");
        }
        assert!(Question::of_predict(b"{\"text\": \"\xff\"}").is_err());
    }

    fn said(class: &str, score: f64) -> Arc<Prediction> {
        let (head, name, score) = ("x".into(), Some(class.into()), Some(score));
        let class = Judgement { head, class: Some(class.into()), name, score };
        Arc::new(Prediction { entities: None, classes: vec![class], truncated: false })
    }

    #[test]
    fn of_two_classes_both_are_scored_and_of_more_the_one_that_is_said() {
        let head = |classes: &[&str]| ClassHead {
            name: "x".into(),
            classes: classes.iter().map(|class| (*class).to_owned()).collect(),
        };
        let of_two = classes(&head(&["no", "yes"]), &said("yes", 0.75));
        assert_eq!(
            of_two,
            json!([{"label": "yes", "score": 0.75}, {"label": "no", "score": 0.25}])
        );
        let of_three = classes(&head(&["a", "b", "c"]), &said("b", 0.5));
        assert_eq!(of_three, json!([{"label": "b", "score": 0.5}]));
    }
}
