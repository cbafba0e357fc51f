//! What is known of an experiment beside its results.

use crate::engine::runs::TriedPoint;
use crate::engine::search::Method;

/// What is known of an experiment beside its results.
#[derive(Debug, Clone, Default)]
pub struct Background {
    /// What its file says of itself.
    pub about: Option<String>,
    pub settings: Vec<Setting>,
    /// How the points of a sweep are chosen; `None` of a grid.
    pub searched: Option<Searched>,
}

/// How the points of a search are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Searched {
    pub by: Method,
    /// Whether the axes decided that, and not the file.
    pub is_auto: bool,
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
    /// What stands at a path.
    #[must_use]
    pub fn setting(&self, path: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.path == path)
    }

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
