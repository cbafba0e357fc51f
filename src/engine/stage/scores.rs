//! Named scores, and how they are written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// By path, such as `evaluate.ner.span_f1`; an undefined one is `None`.
pub type Scores = BTreeMap<String, Option<Score>>;

/// The member of a metrics file that has the same metrics of what is shown beside, by its name: `baselines.majority.ner.span_f1`.
pub const BESIDE: &str = "baselines";

/// Within which scores would lie on other texts of the same kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Intervals {
    /// The lowest and the highest value, by path.
    pub ends: BTreeMap<String, [f64; 2]>,
    /// What was drawn to find out, where it was not single texts.
    pub drawn: Option<String>,
}

impl Intervals {
    /// The member of a metrics file that has them, by the paths of metrics.
    pub const MEMBER: &'static str = "intervals";
    /// The member that says what was drawn.
    pub const DRAWN: &'static str = "intervals_by";

    /// Those of a metrics file; none where it has none.
    #[must_use]
    pub fn listed_in(metrics: &serde_json::Value) -> Self {
        let ends = metrics.get(Self::MEMBER).and_then(|ends| ends.as_object());
        let read = |(path, ends): (&String, &serde_json::Value)| {
            Some((path.clone(), <[f64; 2]>::deserialize(ends).ok()?))
        };
        let drawn = metrics.get(Self::DRAWN).and_then(|drawn| drawn.as_str());
        Self {
            ends: ends.into_iter().flatten().filter_map(read).collect(),
            drawn: drawn.map(str::to_owned),
        }
    }
}

/// One number of a file of scores; one that is written without a fraction counts things.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Score {
    Count(u64),
    Measured(f64),
}

impl Score {
    #[must_use]
    pub fn value(self) -> f64 {
        match self {
            Self::Count(count) => count as f64,
            Self::Measured(value) => value,
        }
    }
}

/// The name that stands for any.
const ANY: &str = "**";

/// As much of `path` as one of `names` stands for, as [`Artifact::METRIC_NAMES`](super::Artifact::METRIC_NAMES) has them: all of it, or the
/// beginning that makes it a detail.
#[must_use]
pub fn covered<'p>(names: &[&str], path: &'p str) -> Option<&'p str> {
    let head = path.find('.').map(|dot| &path[..dot]);
    let has_names = |head: &str| {
        names.iter().any(|name| name.strip_prefix(head).is_some_and(|rest| rest.starts_with('.')))
    };
    let of_name = |name: &&str| {
        if *name == ANY {
            return Some(path);
        }
        let (taken, rest) = match name.strip_prefix('*') {
            Some(rest) => (head.filter(|head| !has_names(head))?.len(), rest),
            None => (0, *name),
        };
        let length = taken + rest.len();
        let covers =
            path[taken..].starts_with(rest) && (path.len() == length) != rest.ends_with('.');
        covers.then(|| &path[..length])
    };
    names.iter().find_map(of_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_covers_its_path_or_all_below_it_and_a_star_what_nobody_else_is_called() {
        let names = ["loss", "ner.span_f1", "ner.per_label.", "*.f1", "*.per_class."];
        let of = |path| covered(&names, path);
        assert_eq!(of("loss"), Some("loss"));
        assert_eq!(of("ner.per_label.PER.f1"), Some("ner.per_label."));
        assert_eq!(of("severity.f1"), Some("severity.f1"));
        assert_eq!(of("severity.per_class.a.f1"), Some("severity.per_class."));
        for path in ["f1", "ner.f1", "any.path.of.all"] {
            assert_eq!(covered(&["**"], path), Some(path));
        }
        for path in ["f1", "ner.f1", "ner.per_class.x", "severity.f1.x", "ner.per_label.", ".f"] {
            assert_eq!(of(path), None, "{path}");
        }
    }

    #[test]
    fn counts_are_written_without_a_fraction_and_scores_with_one() {
        let text = r#"{"e.loss":null,"e.ner.entities":227,"e.ner.f1":1.0}"#;
        let scores: Scores = serde_json::from_str(text).expect("scores");
        assert_eq!(scores["e.ner.entities"], Some(Score::Count(227)));
        assert_eq!(serde_json::to_string(&scores).expect("JSON"), text);
    }
}
