//! Scores beside each other, and how sure their differences are.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::app::cli::Failure;
use crate::app::cli::side::Side;
use crate::app::tools::{Differences, Replicate};
use crate::base::diagnostics::{quoted, suggest};
use crate::engine::stage::{Score, Scores};
use crate::view::{self, Difference, Moments, Over, format};

/// All scores of two sides.
pub struct ScoreRows {
    rows: Vec<ScoreRow>,
    /// `None` where one side has no scores at all.
    differences: Option<Differences>,
    /// Trials of each side.
    counts: [usize; 2],
}

/// A score of both.
pub struct ScoreRow {
    pub name: String,
    pub difference: Difference,
    values: [Moments; 2],
    /// Of a single label or class.
    is_detail: bool,
    /// Whether all trainings have the same.
    is_equal: bool,
}

impl ScoreRow {
    pub fn json(&self) -> Value {
        let moments = |it: &Moments| json!({"mean": it.mean, "sd": it.deviation, "n": it.count});
        let Difference { mean, interval, over, p } = self.difference;
        json!({
            "name": self.name, "a": moments(&self.values[0]), "b": moments(&self.values[1]),
            "difference": mean, "interval": interval, "over": over, "p": p,
        })
    }
}

impl ScoreRows {
    pub fn compare(a: &Side, b: &Side) -> Result<Self, Failure> {
        let of = |side: &Side| side.replicates().map_err(Failure::from);
        let (of_a, of_b) = (of(a)?, of(b)?);
        let replicates = |of: &[(Replicate, Scores)]| -> Vec<Replicate> {
            of.iter().map(|(replicate, _)| replicate.clone()).collect()
        };
        let are_there = !of_a.is_empty() && !of_b.is_empty();
        let differences = are_there.then(|| {
            Differences::between(&replicates(&of_a), &replicates(&of_b))
                .map_err(|error| Failure::failed_of(&error))
        });
        let differences = differences.transpose()?;
        let pick = |of: Vec<(Replicate, Scores)>, kept: Option<&Vec<usize>>| -> Vec<Scores> {
            let is_kept = |at: &usize| kept.is_none_or(|kept| kept.contains(at));
            let numbered = of.into_iter().enumerate().filter(|(at, _)| is_kept(at));
            numbered.map(|(_, (_, scores))| scores).collect()
        };
        let counts = [of_a.len(), of_b.len()];
        let of_a = pick(of_a, differences.as_ref().map(|it| &it.a));
        let of_b = pick(of_b, differences.as_ref().map(|it| &it.b));
        let names: BTreeSet<&String> = of_a.iter().chain(&of_b).flat_map(Scores::keys).collect();
        let row = |name: &String| {
            let defined = |of: &[Scores]| -> Vec<Score> {
                of.iter().filter_map(|scores| *scores.get(name)?).collect()
            };
            let values = [defined(&of_a), defined(&of_b)];
            let known = differences.as_ref().and_then(|it| it.of_scores.get(name));
            let sides = [a, b];
            ScoreRow {
                is_equal: values[0] == values[1],
                is_detail: sides.iter().any(|side| side.results.label_prefix(name).is_some()),
                difference: known.cloned().unwrap_or_default(),
                values: values.map(|values| Moments::of(&values)),
                name: name.clone(),
            }
        };
        let mut rows: Vec<ScoreRow> = names.into_iter().map(row).collect();
        let headlines: BTreeMap<String, usize> =
            [a, b].iter().flat_map(|side| side.results.headlines()).zip(0..).collect();
        let place = |row: &ScoreRow| headlines.get(&row.name).copied().unwrap_or(usize::MAX);
        rows.sort_by_key(place);
        Ok(Self { rows, differences, counts })
    }

    /// Whether any score of all texts differs.
    pub fn differ(&self) -> bool {
        self.rows.iter().any(|row| !row.is_equal)
    }

    /// The score of a name.
    pub fn named(&self, name: &str) -> Result<&ScoreRow, Failure> {
        self.rows.iter().find(|row| row.name == name).ok_or_else(|| self.unknown(name))
    }

    fn unknown(&self, name: &str) -> Failure {
        let failure = Failure::usage(format!("neither side has a score {}", quoted(name)));
        let names = || self.rows.iter().map(|row| row.name.as_str());
        let end = format!(".{name}");
        let mut ending = names().filter(|known| known.ends_with(&end));
        let by_end = ending.next().filter(|_| ending.next().is_none());
        match by_end.or_else(|| suggest(name, names())) {
            Some(near) => failure.with_help(format!("did you mean `{near}`?")),
            None if self.rows.is_empty() => {
                failure.with_help("neither has any: nothing of them was scored, or it is gone")
            }
            None => {
                let plain = self.rows.iter().filter(|row| !row.is_detail).take(8);
                let named: Vec<String> = plain.map(|row| format!("`{}`", row.name)).collect();
                failure.with_help(format!("there are {}, ...", named.join(", ")))
            }
        }
    }

    /// Those of these names, or below them; without names all but those of single labels.
    pub fn selected(&self, names: &[String]) -> Result<Vec<&ScoreRow>, Failure> {
        if names.is_empty() {
            let is_told =
                |row: &&ScoreRow| !row.is_detail && row.values.iter().any(|of| of.mean.is_some());
            return Ok(self.rows.iter().filter(is_told).collect());
        }
        let mut found = Vec::new();
        for name in names {
            let below = format!("{name}.");
            let is_meant = |row: &&ScoreRow| row.name == *name || row.name.starts_with(&below);
            let before = found.len();
            found.extend(self.rows.iter().filter(is_meant));
            if found.len() == before {
                return Err(self.unknown(name));
            }
        }
        Ok(found)
    }

    pub fn replicates_json(&self) -> Value {
        let sides = self.differences.as_ref().map(|it| (it.a.len(), it.b.len(), it.is_paired()));
        sides.map_or(Value::Null, |(a, b, paired)| json!({"paired": paired, "a": a, "b": b}))
    }

    /// What the number of seeds does not allow to say.
    pub fn limits(&self) -> Option<String> {
        self.differences.as_ref()?.limits()
    }

    /// What is to be known of the differences.
    pub fn notes(&self) -> Vec<String> {
        match &self.differences {
            Some(differences) => differences.notes(self.counts),
            None => vec!["there are no scores of both sides to compare".to_owned()],
        }
    }

    /// * `all`: whether those that are equal are shown, too
    pub fn text(&self, shown: &[&ScoreRow], all: bool) -> String {
        let (rows, equal): (Vec<&ScoreRow>, Vec<&ScoreRow>) =
            shown.iter().copied().partition(|row| all || !row.is_equal);
        let mut text = String::new();
        if !rows.is_empty() {
            let column = |head: &str, cell: &dyn Fn(&ScoreRow) -> String| -> Vec<String> {
                std::iter::once(head.to_owned()).chain(rows.iter().map(|row| cell(row))).collect()
            };
            let mut columns = vec![
                column("scores", &|row| row.name.clone()),
                column("A", &|row| row.values[0].shown()),
                column("B", &|row| row.values[1].shown()),
                column("B - A", &|row| row.difference.mean.map(format::signed).unwrap_or_default()),
            ];
            if rows.iter().any(|row| row.difference.interval.is_some()) {
                columns.push(column("95 %", &|row| match row.difference.interval {
                    Some([low, high]) => {
                        format!("{} to {}", format::signed(low), format::signed(high))
                    }
                    None => String::new(),
                }));
                columns.push(column("drawn", &|row| {
                    row.difference.over.map_or("", Over::words).to_owned()
                }));
            }
            if rows.iter().any(|row| row.difference.p.is_some_and(|p| p < 1.0)) {
                columns.push(column("p", &|row| {
                    row.difference.p.map(format::number).unwrap_or_default()
                }));
            }
            text += &format!("\n{}", view::columns_text(&columns));
        }
        match (equal.len(), rows.is_empty()) {
            (0, _) => {}
            (count, true) => text += &format!("\n{} equal\n", scores_are(count)),
            (count, false) => text += &format!("  and {} equal\n", scores_are(count)),
        }
        let are_the_same = equal.len() == shown.len() && self.differences.is_some();
        let notes = if are_the_same { Vec::new() } else { self.notes() };
        if !notes.is_empty() {
            let note = |note: &String| format!("{}\n", format::fold(note, 0, 100));
            text += &format!("\n{}", notes.iter().map(note).collect::<String>());
        }
        text
    }
}

fn scores_are(count: usize) -> String {
    let verb = if count == 1 { "is" } else { "are" };
    format!("{} {verb}", format::counted(count, "score"))
}
