//! What was proposed before, so that a search that is asked again answers at once. It may be deleted at any time.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Outcome;
use super::space::{Point, Value};
use crate::base::disk::{durable, regular};

/// Proposals by what they were made from.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memo {
    /// All points of the last time.
    pub(super) points: Vec<Point>,
    /// By digest; without a point where the space had none.
    proposals: BTreeMap<String, Option<Point>>,
    #[serde(skip)]
    is_new: bool,
}

impl Memo {
    /// The memo at `path`; an empty one where there is none that can be read.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        let read = regular::read(path).ok();
        read.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Writes the memo to `path`, unless nothing new is in it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let Some(folder) = path.parent().filter(|_| self.is_new) else { return Ok(()) };
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        durable::rename_unflushed(&file.into_temp_path(), path)
    }

    /// What was proposed for these results, or else what is proposed now.
    pub(super) fn proposal(
        &mut self,
        ended: &Ended,
        pending: &[Point],
        propose: impl FnOnce() -> Option<Point>,
    ) -> Option<Point> {
        let digest = ended.digest(pending);
        if let Some(known) = self.proposals.get(&digest) {
            return known.clone();
        }
        self.is_new = true;
        self.proposals.entry(digest).or_insert_with(propose).clone()
    }
}

/// What became of points, in their order, with a digest that goes on as they come.
#[derive(Debug, Default)]
pub(super) struct Ended {
    results: Vec<(Point, Outcome)>,
    hasher: blake3::Hasher,
}

impl Ended {
    pub(super) fn push(&mut self, point: Point, outcome: Outcome) {
        let mut text = text_of(&point);
        let _ = match outcome {
            Outcome::Scored(score) => {
                let (mean, sd) = (score.mean.to_bits(), score.sd.to_bits());
                write!(text, "{mean:x} {sd:x} {};", score.n)
            }
            Outcome::Failed => write!(text, "failed;"),
        };
        self.hasher.update(text.as_bytes());
        self.results.push((point, outcome));
    }

    pub(super) fn results(&self) -> &[(Point, Outcome)] {
        &self.results
    }

    fn digest(&self, pending: &[Point]) -> String {
        let mut hasher = self.hasher.clone();
        for point in pending {
            hasher.update(text_of(point).as_bytes());
        }
        hasher.update(format!("{} {}", self.results.len(), pending.len()).as_bytes());
        hasher.finalize().to_hex().to_string()
    }
}

fn text_of(point: &Point) -> String {
    let mut text = String::new();
    for value in point {
        let _ = match value {
            Value::Real(real) => write!(text, "r{:x} ", real.to_bits()),
            Value::Int(int) => write!(text, "i{int} "),
            Value::Entry(entry) => write!(text, "e{entry} "),
        };
    }
    text.push(';');
    text
}

#[cfg(test)]
mod tests {
    use super::super::Score;
    use super::*;

    #[test]
    fn a_proposal_is_made_once_for_the_same_results_and_again_for_others() {
        let path = tempfile::tempdir().unwrap().keep().join("cache/search/1.json");
        let point = |real: f64| vec![Value::Real(real), Value::Entry(2), Value::Int(-1)];
        let score = |mean| Outcome::Scored(Score { mean, sd: 0.1, n: 3 });
        let mut memo = Memo::read(&path);
        let ended = |outcome| {
            let mut ended = Ended::default();
            ended.push(point(0.1), outcome);
            ended
        };
        let results = ended(score(0.5));
        assert_eq!(memo.proposal(&results, &[], || Some(point(0.2))), Some(point(0.2)));
        memo.write(&path).unwrap();
        let mut again = Memo::read(&path);
        assert_eq!(again.proposal(&results, &[], || panic!("it is known")), Some(point(0.2)));
        assert_eq!(again.proposal(&results, &[point(0.2)], || None), None);
        assert_eq!(again.proposal(&ended(score(0.6)), &[], || Some(point(0.3))), Some(point(0.3)));
        assert_eq!(again.proposal(&ended(Outcome::Failed), &[], || None), None);
    }
}
