//! How two settings differ in their scores, and how sure that is.
//!
//! Trainings with the same seeds (and folds) are compared with each other. Where both were scored on the same texts, and a score is a matter of counts
//! that texts add up to, seeds and texts are drawn; else seeds alone, where there are several.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::stages::artifacts::{Artifact as _, Evaluation, PerText, StageError};
use crate::tasks::metrics::{
    DrawnTexts, Interval, Replicates, Side, difference_intervals, sign_flip,
};
use crate::view::{Difference, Over, SIGNIFICANT, format, pairs_for, too_few};

/// A training of a setting, with its scores.
#[derive(Debug, Clone, Default)]
pub struct Replicate {
    /// Of each stage that seeds replicate.
    pub seeds: Vec<Option<u64>>,
    pub fold: Option<usize>,
    pub scores: BTreeMap<String, Option<f64>>,
    /// The folders of its evaluations, by stage.
    pub evaluations: BTreeMap<String, PathBuf>,
}

impl Replicate {
    /// What one score takes of it.
    #[must_use]
    pub fn with_only(mut self, score: &str) -> Self {
        self.scores.retain(|name, _| name == score);
        let (stage, _) = score.split_once('.').unwrap_or((score, ""));
        self.evaluations.retain(|name, _| name == stage);
        self
    }
}

/// Two settings, as far as they are compared.
pub struct Differences {
    pub replicates: Replicates,
    /// Those that are compared: one after the other where they are paired.
    pub a: Vec<usize>,
    pub b: Vec<usize>,
    /// By the names of scores.
    pub of_scores: BTreeMap<String, Difference>,
}

impl Differences {
    /// Whether each training of A is compared with the one of B that had the same seeds.
    #[must_use]
    pub fn is_paired(&self) -> bool {
        matches!(self.replicates, Replicates::Paired(_))
    }

    /// Compares two settings.
    ///
    /// # Errors
    /// When an evaluation cannot be read.
    pub fn between(a: &[Replicate], b: &[Replicate]) -> Result<Self, StageError> {
        let (replicates, of_a, of_b) = paired(a, b);
        let sides = Sides {
            a: of_a.iter().map(|at| &a[*at]).collect(),
            b: of_b.iter().map(|at| &b[*at]).collect(),
            replicates,
        };
        let mut of_scores = sides.of_values();
        for (name, interval) in sides.over_texts()? {
            if let Some(difference) = of_scores.get_mut(&name).filter(|it| it.mean.is_some()) {
                difference.interval = Some(interval);
                difference.over = Some(match sides.has_several() {
                    true => Over::SeedsAndTexts,
                    false => Over::Texts,
                });
            }
        }
        Ok(Self { replicates, a: of_a, b: of_b, of_scores })
    }
}

impl Differences {
    /// What is to be known of the differences.
    ///
    /// * `counts`: how many trainings each side has
    #[must_use]
    pub fn notes(&self, counts: [usize; 2]) -> Vec<String> {
        let mut notes = Vec::new();
        for ((side, count), compared) in ["A", "B"].iter().zip(counts).zip([&self.a, &self.b]) {
            if count > compared.len() {
                let trainings = format::counted(count - compared.len(), "training");
                notes.push(format!("{trainings} of {side} with other seeds are not compared"));
            }
        }
        notes.extend(self.limits());
        notes
    }

    /// What the number of seeds does not allow to say; `None` where it allows it.
    pub fn limits(&self) -> Option<String> {
        let seeds = |count: usize| match count {
            1 => "1 seed".to_owned(),
            count => format!("{count} seeds"),
        };
        let fewest = pairs_for(SIGNIFICANT);
        match self.replicates {
            Replicates::Paired(count) => too_few(count),
            Replicates::Apart(a, b) => Some(format!(
                "A has {} and B {}, none of them the same: without pairs there is no p, and {fewest} common seeds are the fewest that can show a difference",
                seeds(a),
                seeds(b),
            )),
        }
    }
}

/// Those that were trained with the same seeds, one after the other, or all where none was.
fn paired(a: &[Replicate], b: &[Replicate]) -> (Replicates, Vec<usize>, Vec<usize>) {
    let partner = |(at, one): (usize, &Replicate)| {
        let are_known = one.seeds.iter().all(Option::is_some);
        let is_partner =
            |other: &Replicate| are_known && (&other.seeds, other.fold) == (&one.seeds, one.fold);
        Some((at, b.iter().position(is_partner)?))
    };
    let (of_a, of_b): (Vec<usize>, Vec<usize>) = a.iter().enumerate().filter_map(partner).unzip();
    if of_a.is_empty() {
        let all = Replicates::Apart(a.len(), b.len());
        return (all, (0..a.len()).collect(), (0..b.len()).collect());
    }
    (Replicates::Paired(of_a.len()), of_a, of_b)
}

/// Whether texts add up to the score that was written: another program may have scored otherwise.
fn is_close(one: Option<f64>, other: Option<f64>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => (one - other).abs() < 1e-9,
        (one, other) => one == other,
    }
}

/// What is compared.
struct Sides<'a> {
    a: Vec<&'a Replicate>,
    b: Vec<&'a Replicate>,
    replicates: Replicates,
}

impl Sides<'_> {
    /// Whether drawing seeds says anything.
    fn has_several(&self) -> bool {
        match self.replicates {
            Replicates::Paired(count) => count > 1,
            Replicates::Apart(a, b) => a > 1 && b > 1,
        }
    }

    fn of(&self, side: Side) -> &[&Replicate] {
        match side {
            Side::A => &self.a,
            Side::B => &self.b,
        }
    }

    /// From the scores of whole evaluations.
    fn of_values(&self) -> BTreeMap<String, Difference> {
        let names = self.a.iter().chain(&self.b).flat_map(|it| it.scores.keys());
        let names: std::collections::BTreeSet<&String> = names.collect();
        let names: Vec<&String> = names.into_iter().collect();
        let values = |side: Side, name: &String| -> Option<Vec<f64>> {
            let score = |of: &&Replicate| *of.scores.get(name)?;
            self.of(side).iter().map(score).collect()
        };
        let drawn = self.has_several().then(|| {
            difference_intervals("scores", self.replicates, None, &|side, seed, _| {
                let scores = &self.of(side)[seed].scores;
                names.iter().map(|name| scores.get(*name).copied().flatten()).collect()
            })
        });
        let difference = |(at, name): (usize, &&String)| {
            let both = values(Side::A, name).zip(values(Side::B, name));
            let Some((a, b)) = both.filter(|(a, b)| !a.is_empty() && !b.is_empty()) else {
                return ((*name).clone(), Difference::default());
            };
            let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
            let p = matches!(self.replicates, Replicates::Paired(_))
                .then(|| sign_flip(&a.iter().zip(&b).map(|(a, b)| b - a).collect::<Vec<f64>>()));
            let interval = drawn.as_ref().and_then(|drawn| drawn[at]);
            let difference = Difference {
                mean: Some(mean(&b) - mean(&a)),
                interval,
                over: interval.map(|_| Over::Seeds),
                p: p.flatten(),
            };
            ((*name).clone(), difference)
        };
        names.iter().enumerate().map(difference).collect()
    }

    /// Intervals of those scores that texts add up to, where both sides were scored on the same.
    fn over_texts(&self) -> Result<Vec<(String, Interval)>, StageError> {
        let mut found = Vec::new();
        let Some(first) = self.a.first() else { return Ok(found) };
        for stage in first.evaluations.keys() {
            let read = |side: Side| -> Result<Option<Vec<PerText>>, StageError> {
                let of = |replicate: &&Replicate| match replicate.evaluations.get(stage) {
                    Some(folder) => Evaluation::open(folder)?.per_text(),
                    None => Ok(None),
                };
                self.of(side).iter().map(of).collect()
            };
            let (Some(a), Some(b)) = (read(Side::A)?, read(Side::B)?) else { continue };
            let Some(texts) = self.drawn_texts(&a, &b) else { continue };
            for (task, counted) in a[0].counted.iter().enumerate() {
                let has_task = |of: &PerText| {
                    of.counted.get(task).is_some_and(|other| other.task == counted.task)
                };
                if !a.iter().chain(&b).all(has_task) {
                    continue;
                }
                let name = format!("{stage}.{}", counted.task);
                let is_asked = counted.names.iter().any(|metric| {
                    let name = format!("{name}.{metric}");
                    self.a.iter().any(|of| of.scores.contains_key(&name))
                });
                if !is_asked {
                    continue;
                }
                let scores = |side: Side, seed: usize, weights: Option<&[u32]>| {
                    let of = match side {
                        Side::A => &a[seed],
                        Side::B => &b[seed],
                    };
                    of.counted[task].weighted(of.texts, weights)
                };
                let adds_up = |side: Side, of: &[PerText]| -> Vec<bool> {
                    let whole: Vec<_> =
                        of.iter().map(|of| of.counted[task].weighted(of.texts, None)).collect();
                    let is_score = |(at, metric): (usize, &&str)| {
                        let name = format!("{name}.{metric}");
                        let known =
                            self.of(side).iter().map(|of| of.scores.get(&name).copied().flatten());
                        known.zip(&whole).all(|(known, whole)| is_close(known, whole[at]))
                    };
                    counted.names.iter().enumerate().map(is_score).collect()
                };
                let add_up = [adds_up(Side::A, &a), adds_up(Side::B, &b)];
                let intervals = difference_intervals(&name, self.replicates, Some(&texts), &scores);
                for (at, (metric, interval)) in counted.names.iter().zip(intervals).enumerate() {
                    let interval = interval.filter(|_| add_up.iter().all(|add_up| add_up[at]));
                    found.extend(interval.map(|it| (format!("{name}.{metric}"), it)));
                }
            }
        }
        Ok(found)
    }

    /// The texts that both sides were scored on: with folds those of each; `None` where they are others.
    fn drawn_texts(&self, a: &[PerText], b: &[PerText]) -> Option<DrawnTexts> {
        let mut lots: Vec<&PerText> = Vec::new();
        let mut of_replicate = Vec::new();
        for one in a {
            let known = lots.iter().position(|lot| lot.has_the_texts_of(one));
            let lot = known.unwrap_or(lots.len());
            if known.is_none() {
                lots.push(one);
            }
            of_replicate.push(lot);
        }
        let are_the_same = match self.replicates {
            Replicates::Paired(_) => a.iter().zip(b).all(|(a, b)| a.has_the_texts_of(b)),
            Replicates::Apart(..) => {
                of_replicate = vec![0; a.len().max(b.len())];
                lots.len() == 1 && b.iter().all(|b| b.has_the_texts_of(lots[0]))
            }
        };
        let say_something = lots.iter().all(|lot| lot.units.say_something());
        (are_the_same && say_something).then(|| DrawnTexts {
            lots: lots.iter().map(|lot| (lot.units.clone(), lot.texts)).collect(),
            of_replicate,
        })
    }
}
