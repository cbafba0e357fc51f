//! What is found in the data before anything is built.

use std::any::Any;
use std::sync::Arc;

use super::{Caveat, UndefinedMetrics};

/// What those downstream look at: a value of a type that kinds agree upon.
pub type Finding = Arc<dyn Any + Send + Sync>;

/// Something that a run would say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    Note(String),
    /// What no score has to do with.
    Warning(String),
    Caveat(Caveat),
}

/// What a stage finds in its data.
#[derive(Default)]
pub struct Survey {
    pub remarks: Vec<Remark>,
    /// Nothing where the stage does not know its output before it has run.
    pub finding: Option<Finding>,
    /// Metrics of the output that these data leave undefined.
    pub undefined: Vec<UndefinedMetrics>,
}

/// The findings of what is wired to the ports, by port.
#[derive(Clone, Copy)]
pub struct SurveyInputs<'a>(pub &'a [(&'a str, Option<Finding>)]);

impl SurveyInputs<'_> {
    /// What was found of the input at `port`, where that is a `T`.
    #[must_use]
    pub fn get<T: Any + Send + Sync>(self, port: &str) -> Option<Arc<T>> {
        let (_, finding) = self.0.iter().find(|(name, _)| *name == port)?;
        Arc::clone(finding.as_ref()?).downcast().ok()
    }
}
