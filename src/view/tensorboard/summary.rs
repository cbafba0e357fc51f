//! Events as TensorBoard reads them: scalars, texts, pictures, and what its HParams plugin shows of trials.
//!
//! Reference: `event.proto`, `summary.proto` and `tensor.proto` in `tensorboard/compat/proto`, and `api.proto` and `plugin_data.proto` in
//! `tensorboard/plugins/hparams`. `tests/feeds/make_fixture.py` makes the same with TensorBoard's own writer.

use serde_json::Value as Json;

use super::wire::Message;

/// What the first event of a file says.
const VERSION: &str = "brain.Event:2";

/// One tag with its value in an event.
pub(super) struct Value(Message);

/// The first record of every file.
pub(super) fn version(wall_time: f64) -> Vec<u8> {
    Message::new().double(1, wall_time).text(3, VERSION).record()
}

/// A record that says that a program has started: from the second one on, what a file has before it counts no longer.
pub(super) fn start(wall_time: f64) -> Vec<u8> {
    const START: u64 = 1;
    Message::new().double(1, wall_time).message(7, &Message::new().number(1, START)).record()
}

/// A record of values at a step.
pub(super) fn event(wall_time: f64, step: u64, values: &[Value]) -> Vec<u8> {
    let summary = Message::new().messages(1, values.iter().map(|value| &value.0));
    Message::new().double(1, wall_time).number(2, step).message(5, &summary).record()
}

impl Value {
    pub(super) fn scalar(tag: &str, value: f64) -> Self {
        Self(Message::new().text(1, tag).float(2, value as f32))
    }

    /// * `markdown`: is shown as such
    pub(super) fn text(tag: &str, markdown: &str) -> Self {
        const STRING: u64 = 7;
        let tensor = Message::new().number(1, STRING).message(2, &Message::new());
        let tensor = tensor.text(8, markdown);
        let plugin = Message::new().text(1, "text");
        Self::tensor(tag, &tensor, &plugin)
    }

    /// A picture; `None` of what is no PNG.
    pub(super) fn picture(tag: &str, png: &[u8]) -> Option<Self> {
        const RGBA: u64 = 4;
        let size = |at: usize| {
            let bytes: [u8; 4] = png.get(at..at + 4)?.try_into().ok()?;
            Some(u64::from(u32::from_be_bytes(bytes)))
        };
        png.starts_with(b"\x89PNG").then_some(())?;
        let (width, height) = (size(16)?, size(20)?);
        let picture = Message::new().number(1, height).number(2, width).number(3, RGBA);
        Some(Self(Message::new().text(1, tag).message(4, &picture.bytes(4, png))))
    }

    /// What a sweep varies and what its points are compared by.
    pub(super) fn experiment(created: f64, parameters: &[Parameter<'_>], metrics: &[&str]) -> Self {
        let parameter = |parameter: &Parameter<'_>| {
            let info = Message::new().text(1, parameter.name).number(4, parameter.kind as u64);
            // The viewer shows those first.
            info.boolean(7, true)
        };
        let metric = |metric: &&str| {
            let name = Message::new().text(2, metric);
            Message::new().message(1, &name)
        };
        let experiment = Message::new()
            .double(3, created)
            .messages(4, &parameters.iter().map(parameter).collect::<Vec<_>>())
            .messages(5, &metrics.iter().map(metric).collect::<Vec<_>>());
        Self::hparams("_hparams_/experiment", &Message::new().message(2, &experiment))
    }

    /// What a trial is: one of those whose `group` is the same.
    pub(super) fn session_start(started: f64, group: &str, values: &[(String, Json)]) -> Self {
        let entry = |(name, value): &(String, Json)| {
            let value = match value {
                Json::Bool(value) => Message::new().boolean(4, *value),
                Json::Number(number) => {
                    Message::new().double(2, number.as_f64().unwrap_or(f64::NAN))
                }
                Json::String(text) => Message::new().text(3, text),
                other => Message::new().text(3, &other.to_string()),
            };
            Message::new().text(1, name).message(2, &value)
        };
        let start = Message::new().messages(1, &values.iter().map(entry).collect::<Vec<_>>());
        let start = if group.is_empty() { start } else { start.text(4, group) }.double(5, started);
        Self::hparams("_hparams_/session_start_info", &Message::new().message(3, &start))
    }

    pub(super) fn session_end(ended: f64, succeeded: bool) -> Self {
        let (success, failure) = (1, 2);
        let status = if succeeded { success } else { failure };
        let end = Message::new().number(1, status).double(2, ended);
        Self::hparams("_hparams_/session_end_info", &Message::new().message(4, &end))
    }

    /// The plugin keeps all in the description of a tensor without numbers.
    fn hparams(tag: &str, data: &Message) -> Self {
        const FLOAT: u64 = 1;
        let no_numbers = Message::new().message(2, &Message::new());
        let tensor = Message::new().number(1, FLOAT).message(2, &no_numbers);
        let plugin = Message::new().text(1, "hparams").message(2, data);
        Self::tensor(tag, &tensor, &plugin)
    }

    fn tensor(tag: &str, tensor: &Message, plugin: &Message) -> Self {
        let metadata = Message::new().message(1, plugin);
        Self(Message::new().text(1, tag).message(8, tensor).message(9, &metadata))
    }
}

/// What a sweep varies.
pub(super) struct Parameter<'a> {
    pub(super) name: &'a str,
    pub(super) kind: ParameterKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ParameterKind {
    Text = 1,
    Boolean = 2,
    Number = 3,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// As small as a PNG gets.
    const PIXEL: &[u8] = include_bytes!("../../../tests/feeds/pixel.png");

    #[test]
    fn the_bytes_are_those_of_the_writer_of_tensorboard() {
        let parameters = [
            Parameter { name: "train.learning_rate", kind: ParameterKind::Number },
            Parameter { name: "train.schedule", kind: ParameterKind::Text },
        ];
        let metrics = ["evaluate.ner.span_f1", "evaluate.loss"];
        let values =
            |learning_rate: f64| vec![("train.learning_rate".to_owned(), json!(learning_rate))];
        let records = [
            version(1.5),
            event(2.5, 1, &[Value::scalar("train/loss", 0.75), Value::scalar("train/zero", 0.0)]),
            event(3.5, 300, &[Value::scalar("validation/ner.span_f1", f64::NAN)]),
            event(4.5, 0, &[Value::text("experiment", "```toml\nabout = \"für alle\"\n```")]),
            event(5.5, 0, &[Value::picture("pixel", PIXEL).expect("a PNG")]),
            event(6.5, 0, &[Value::experiment(6.25, &parameters, &metrics)]),
            event(7.5, 0, &[Value::session_start(7.25, "learning_rate=1e-3", &values(1e-3))]),
            event(8.5, 0, &[Value::session_start(8.25, "", &[("a.b".to_owned(), json!(false))])]),
            event(9.5, 0, &[Value::session_end(9.25, true)]),
            start(10.5),
        ];
        let theirs = include_bytes!("../../../tests/feeds/events.out.tfevents.fixture");
        assert_eq!(records.concat(), theirs);
    }

    #[test]
    fn what_is_no_picture_is_none() {
        assert!(Value::picture("x", b"GIF89a").is_none());
        assert!(Value::picture("x", b"\x89PNG").is_none());
    }
}
