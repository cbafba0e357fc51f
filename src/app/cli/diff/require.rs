//! What a difference must be for a change to be let in: `evaluate.ner.span_f1 >= -0.005`.

use super::scores::ScoreRows;
use crate::app::cli::Failure;
use crate::base::diagnostics::quoted;
use crate::view::Over;
use crate::view::format;
use crate::view::listing::Relation;

/// A bound of B - A.
pub struct Requirement {
    text: String,
    metric: String,
    relation: Relation,
    bound: f64,
    /// Whether the interval's end must keep it, and not the difference alone.
    confident: bool,
}

impl Requirement {
    pub fn read(text: &str, confident: bool) -> Result<Self, Failure> {
        let is_bound = |relation: Relation| {
            use Relation::{AtLeast, AtMost, Greater, Less};
            matches!(relation, AtLeast | AtMost | Greater | Less)
        };
        let read = Relation::split(text).filter(|(_, relation, _)| is_bound(*relation));
        let read = read.and_then(|(metric, relation, bound)| {
            Some((metric, relation, bound.parse::<f64>().ok().filter(|bound| bound.is_finite())?))
        });
        let Some((metric, relation, bound)) = read else {
            let failure = Failure::usage(format!("{} is no requirement", quoted(text)));
            return Err(failure.with_help("write a score, one of `>=`, `>`, `<=`, `<`, and a number that B - A is held against: `evaluate.ner.span_f1 >= -0.005`"));
        };
        let (text, metric) = (text.trim().to_owned(), metric.to_owned());
        Ok(Self { text, metric, relation, bound, confident })
    }

    /// The requirement with what there is, and whether it is met. What is not known is not met.
    pub fn verdict(&self, scores: &ScoreRows) -> Result<(String, bool), Failure> {
        let row = scores.named(&self.metric)?;
        // Of few seeds the interval is hardly more than their own differences.
        let limits = scores.limits().filter(|_| row.difference.over == Some(Over::Seeds));
        if let Some(limits) = limits.filter(|_| self.confident) {
            let text = format!("`{}`: its interval is over seeds alone, and {limits}", self.text);
            return Ok((text, false));
        }
        let is_lower = matches!(self.relation, Relation::AtLeast | Relation::Greater);
        let held = match (self.confident, row.difference.interval) {
            (false, _) => row.difference.mean,
            (true, interval) => interval.map(|[low, high]| if is_lower { low } else { high }),
        };
        let Some(value) = held else {
            let lacks = match row.difference.mean {
                None => "it is undefined",
                Some(_) => "it has no interval, which takes two seeds, or the same texts",
            };
            return Ok((format!("`{}`: {lacks}", self.text), false));
        };
        let met = self.relation.holds(value.total_cmp(&self.bound));
        let what = match (self.confident, is_lower) {
            (false, _) => "B - A is",
            (true, true) => "95 % of B - A begins at",
            (true, false) => "95 % of B - A ends at",
        };
        Ok((format!("`{}`: {what} {}", self.text, format::signed(value)), met))
    }
}
