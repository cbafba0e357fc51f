//! What is known of an experiment beside its results.

use crate::engine::runs::TriedPoint;

/// What is known of an experiment beside its results.
#[derive(Debug, Clone, Default)]
pub struct Background {
    /// What its file says of itself.
    pub about: Option<String>,
    pub settings: Vec<Setting>,
}

/// A value of the experiment, and who gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Such as `stage.train.epochs`.
    pub path: String,
    /// As TOML.
    pub value: String,
    /// A file with a line, or what was typed.
    pub origin: String,
}

impl Background {
    /// Whether the values of a point are those that the file gives without a sweep.
    #[must_use]
    pub fn gives(&self, point: &TriedPoint) -> bool {
        let given = |axis: &str| {
            let of_stage = format!("stage.{axis}");
            let mut settings = self.settings.iter();
            let setting = settings.find(|it| it.path == of_stage || it.path == axis)?;
            Some(setting.value.trim_matches('"'))
        };
        let is_given = |((axis, _), shown): (&(String, _), &String)| {
            let number = |text: &str| text.replace('_', "").parse::<f64>().ok();
            let is_same = |given: &str| {
                *given == **shown || number(given).is_some_and(|it| number(shown) == Some(it))
            };
            given(axis).is_some_and(is_same)
        };
        !point.values.is_empty() && point.values.iter().zip(&point.texts).all(is_given)
    }
}
