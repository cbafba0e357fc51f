//! What requests ask, and what they are answered: bodies in, bodies out. Nothing here knows a connection.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::app::cli::lines::{Fields, Line};
use crate::app::cli::predict::{Answered, Shape, json_lines};
use crate::app::tools::{Answer, ClassHead, FoundEntity, Prediction};
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
    /// How many classes of a head are told, the likeliest first.
    most_classes: usize,
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
                Ok(text) => Ok(Self::of_lines(vec![Line::new(fields, Ok(text))])),
                Err(_) => wrong("`text` is no string"),
            },
            (None, Some((_, value))) => match serde_json::from_str(value.get()) {
                Ok(texts) => Ok(Self::of_list(texts)),
                Err(_) => wrong("`texts` is no list of strings"),
            },
        }
    }

    /// Reads `{"inputs": ...}`, a text or a list of them, as Hugging Face's inference API takes it, and `top_k` of its `parameters`; what else these
    /// or `options` hold is passed over.
    ///
    /// # Errors
    /// What is wrong with it, and what was expected.
    pub fn of_hugging_face(body: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Inputs {
            inputs: Box<RawValue>,
            #[serde(default)]
            parameters: Option<Parameters>,
        }
        #[derive(Default, Deserialize)]
        struct Parameters {
            top_k: Option<usize>,
        }
        const EXPECTED: &str = "expected `{\"inputs\": \"...\"}` or `{\"inputs\": [\"...\"]}`";
        let Inputs { inputs, parameters } = parsed(body, EXPECTED)?;
        let most_classes = parameters.and_then(|it| it.top_k).unwrap_or(usize::MAX);
        if let Ok(text) = serde_json::from_str::<String>(inputs.get()) {
            return Ok(Self { is_list: false, most_classes, ..Self::of_list(vec![text]) });
        }
        match serde_json::from_str(inputs.get()) {
            Ok(texts) => Ok(Self { most_classes, ..Self::of_list(texts) }),
            Err(_) => {
                Err(format!("`inputs` is neither a string nor a list of strings, {EXPECTED}"))
            }
        }
    }

    fn of_lines(lines: Vec<Line>) -> Self {
        Self { lines, is_list: false, most_classes: usize::MAX }
    }

    fn of_list(texts: Vec<String>) -> Self {
        let line = |text| Line::new(Fields::default(), Ok(text));
        Self { is_list: true, ..Self::of_lines(texts.into_iter().map(line).collect()) }
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
                Some(head) => classes(head, &prediction, self.most_classes),
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

/// Classes with their probabilities, the likeliest first; none of a blank text.
///
/// * `most`: how many at most
fn classes(head: &ClassHead, prediction: &Arc<Prediction>, most: usize) -> Value {
    let Some(said) = prediction.classes.iter().find(|said| said.head == head.name) else {
        return json!([]);
    };
    let mut scored: Vec<(&String, f64)> =
        head.classes.iter().zip(said.probabilities.iter().copied()).collect();
    scored.sort_by(|one, other| other.1.total_cmp(&one.1));
    let object = |(label, score)| json!({ "label": label, "score": score });
    scored.into_iter().take(most).map(object).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::tools::Judgement;

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

    #[test]
    fn classes_are_scored_from_the_likeliest_on() {
        let head =
            ClassHead { name: "x".into(), classes: ["a", "b", "c"].map(str::to_owned).into() };
        let judgement = Judgement {
            head: "x".into(),
            class: Some("b".into()),
            name: Some("b".into()),
            score: Some(0.5),
            probabilities: vec![0.2, 0.5, 0.3],
        };
        let prediction = Prediction { entities: None, classes: vec![judgement], truncated: false };
        let scored = |most| classes(&head, &Arc::new(prediction.clone()), most);
        let all = json!([{"label": "b", "score": 0.5}, {"label": "c", "score": 0.3}, {"label": "a", "score": 0.2}]);
        assert_eq!(scored(9), all);
        assert_eq!(scored(1), json!([{"label": "b", "score": 0.5}]));
    }
}
