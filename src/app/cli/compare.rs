//! Trials of runs, held against each other.

use crate::app::tools::{Differences, Replicate};
use crate::engine::runs::{Results, TrialResults, Unreadable};
use crate::engine::stage::{Scores, StageError};
use crate::stages::artifacts::{Artifact as _, Evaluation};
use crate::view::Comparison;

/// The trials that have scores, with what compares them.
///
/// # Errors
/// When the scores of a trial cannot be read.
pub fn replicates<'a>(
    results: &Results,
    trials: impl IntoIterator<Item = &'a TrialResults>,
) -> Result<Vec<(Replicate, Scores)>, Unreadable> {
    let replicate = |trial: &TrialResults| {
        let scores = results.scores(trial)?;
        let evaluations = results.scored_entries(trial);
        let replicate = Replicate {
            seeds: trial.seeds.clone(),
            fold: trial.fold,
            scores: scores
                .iter()
                .map(|(name, score)| (name.clone(), score.map(|it| it.value())))
                .collect(),
            evaluations: evaluations
                .filter(|(_, entry)| entry.manifest().artifact == Evaluation::TYPE)
                .map(|(stage, entry)| (stage.to_owned(), entry.folder().to_owned()))
                .collect(),
        };
        Ok((replicate, scores))
    };
    let all: Result<Vec<_>, Unreadable> = trials.into_iter().map(replicate).collect();
    Ok(all?.into_iter().filter(|(_, scores)| !scores.is_empty()).collect())
}

/// Holds trials of a run against each other in one score, A first, as `diff` does ([`Compare`](crate::view::Compare)).
///
/// # Errors
/// When scores or an evaluation cannot be read.
pub fn compare(
    results: &Results,
    sides: [&[usize]; 2],
    score: &str,
) -> Result<Comparison, StageError> {
    let of = |trials: &[usize]| -> Result<Vec<Replicate>, StageError> {
        let trials = trials.iter().map(|trial| &results.trials[*trial]);
        let all = replicates(results, trials)
            .map_err(|error| StageError::new(format!("scores: {error}")))?;
        Ok(all.into_iter().map(|(replicate, _)| replicate.with_only(score)).collect())
    };
    let [a, b] = [of(sides[0])?, of(sides[1])?];
    let mut found = Differences::between(&a, &b)?;
    Ok(Comparison {
        difference: found.of_scores.remove(score).unwrap_or_default(),
        notes: found.notes([a.len(), b.len()]),
    })
}
