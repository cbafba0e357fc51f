//! Made-up corpora: sentences with placeholders that are filled from lists of values.
//!
//! ```toml
//! [entities.user]                  # the placeholder {user}
//! label  = "PER"                   # the entity type of what fills it
//! values = ["Ann Lee", "Bo Chen"]
//!
//! [templates]
//! normal  = ["{user} logged in."]
//! anomaly = ["{user} shared a session with {user:other}.", "{user} tried {{root}}."]
//! ```
//!
//! A placeholder that stands twice in a template is filled with the same value; `{user:other}` is a further one, always different. `{{` and
//! `}}` are braces. Two placeholders may have one label.
//!
//! Exactly `round(samples * anomaly_ratio)` of the sentences are anomalies, at random places; the template and values of sentence *n* come from
//! a stream of their own, so that the number of threads changes nothing. Each example's field `template` names what it was made from:
//! `normal-03` is the third of the list.

mod parser;
mod template;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use self::template::{Piece, Template};
use super::{Entity, Example, anomaly};
use crate::base::disk::regular;
use crate::base::problem::{Position, Problem};
use crate::base::rng::Rng;
use crate::base::toml::Mistake;

pub use parser::FORMAT;
pub use template::Templates;

/// The largest file of templates that is read.
const LIMIT_BYTES: u64 = 8 << 20;

/// Why there are no templates, or no sentences from them.
#[derive(Debug, thiserror::Error)]
pub enum TemplatesError {
    #[error("cannot read `{}`: {error}", path.display())]
    Io { path: PathBuf, error: std::io::Error },
    #[error("{}", render(path, problems))]
    Malformed { path: PathBuf, problems: Vec<Problem<Position>> },
    #[error(
        "there are no `{class}` templates, but the anomaly ratio of {anomaly_ratio} asks for {count} such sentences"
    )]
    NoTemplates { class: &'static str, anomaly_ratio: f64, count: usize },
    #[error("the anomaly ratio is {anomaly_ratio}, expected 0 to 1")]
    Ratio { anomaly_ratio: f64 },
}

fn render(path: &Path, problems: &[Problem<Position>]) -> String {
    let line = |Problem { place, message, help }: &Problem<Position>| {
        let help = help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
        format!("{}:{place}: {message}{help}", path.display())
    };
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Mistakes, which are in the order of the text, with their lines and columns.
fn located(text: &str, mistakes: Vec<Mistake>) -> Vec<Problem<Position>> {
    // One walk for all of them, since a file may be a single line of megabytes.
    let (mut at, mut position) = (0, Position { line: 1, column: 1 });
    let mut locate = |mistake: Mistake| {
        let start = mistake.place.start;
        for character in text.get(at..start).unwrap_or_default().chars() {
            let Position { line, column } = position;
            position = match character {
                '\n' => Position { line: line + 1, column: 1 },
                _ => Position { line, column: column + 1 },
            };
        }
        at = at.max(start);
        mistake.at(position)
    };
    mistakes.into_iter().map(&mut locate).collect()
}

impl Templates {
    /// Reads a file of templates.
    ///
    /// # Errors
    /// [`TemplatesError`] with every mistake in the file and where it stands.
    pub fn read(path: &Path) -> Result<Self, TemplatesError> {
        let io = |error| TemplatesError::Io { path: path.into(), error };
        let size = std::fs::metadata(path).map_err(io)?.len();
        if size > LIMIT_BYTES {
            let problem = format!("{size} bytes are more than the {LIMIT_BYTES} that are read");
            return Err(io(std::io::Error::new(std::io::ErrorKind::FileTooLarge, problem)));
        }
        let bytes = regular::read(path).map_err(io)?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => Self::parse(text.strip_prefix('\u{feff}').unwrap_or(text), path),
            Err(error) => {
                let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
                let end = Mistake::new(valid.len()..valid.len(), "not UTF-8");
                let problems = located(&valid, vec![end]);
                Err(TemplatesError::Malformed { path: path.into(), problems })
            }
        }
    }

    /// Reads templates from text; `path` is what messages call it.
    ///
    /// # Errors
    /// As [`Templates::read`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, TemplatesError> {
        Self::check(text).map_err(|mistakes| {
            let problems = located(text, mistakes);
            TemplatesError::Malformed { path: path.into(), problems }
        })
    }

    /// Reads templates from text that nobody has named yet.
    ///
    /// # Errors
    /// Every mistake, in the order of the text.
    pub fn check(text: &str) -> Result<Self, Vec<Mistake>> {
        parser::parse(text)
    }

    /// Placeholders that no template uses.
    #[must_use]
    pub fn unused(&self) -> Vec<&str> {
        let used: BTreeSet<usize> = self
            .normal
            .iter()
            .chain(&self.anomaly)
            .flat_map(|template| template.draws.iter().copied())
            .collect();
        let names = self.placeholders.iter().enumerate();
        names
            .filter(|(index, _)| !used.contains(index))
            .map(|(_, placeholder)| placeholder.name.as_str())
            .collect()
    }

    /// The entity types of all placeholders, sorted.
    #[must_use]
    pub fn entity_labels(&self) -> BTreeSet<&str> {
        self.placeholders.iter().map(|placeholder| placeholder.label.as_str()).collect()
    }

    /// How many normal templates there are, and how many of anomalies.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.normal.len(), self.anomaly.len())
    }

    /// `samples` sentences to be made, `round(samples * anomaly_ratio)` of them anomalies.
    ///
    /// # Errors
    /// [`TemplatesError::Ratio`] for a ratio outside 0 to 1, [`TemplatesError::NoTemplates`] when a class that is asked for has no template.
    pub fn sentences(
        &self,
        samples: usize,
        anomaly_ratio: f64,
        rng: Rng,
    ) -> Result<Sentences<'_>, TemplatesError> {
        self.check_classes(samples, anomaly_ratio)?;
        let [_, anomalies] = classes(samples, anomaly_ratio);
        let mut classes: Vec<u32> =
            (0..samples).map(|index| u32::from(index < anomalies)).collect();
        classes.shuffle(&mut rng.stream("templates/anomaly"));
        Ok(Sentences { templates: self, classes, rng })
    }

    /// Makes them all, on the threads of the current pool.
    ///
    /// # Errors
    /// As [`Templates::sentences`].
    pub fn generate(
        &self,
        samples: usize,
        anomaly_ratio: f64,
        rng: Rng,
    ) -> Result<Vec<Example>, TemplatesError> {
        let sentences = self.sentences(samples, anomaly_ratio, rng)?;
        Ok((0..samples).into_par_iter().map(|index| sentences.get(index)).collect())
    }

    /// Says whether there are templates for each class of sentences that is asked for.
    ///
    /// # Errors
    /// As [`Templates::generate`].
    pub fn check_classes(&self, samples: usize, anomaly_ratio: f64) -> Result<(), TemplatesError> {
        if !(0.0..=1.0).contains(&anomaly_ratio) {
            return Err(TemplatesError::Ratio { anomaly_ratio });
        }
        let [normal, anomalies] = classes(samples, anomaly_ratio);
        for (class, templates, count) in
            [("normal", &self.normal, normal), ("anomaly", &self.anomaly, anomalies)]
        {
            if count > 0 && templates.is_empty() {
                return Err(TemplatesError::NoTemplates { class, anomaly_ratio, count });
            }
        }
        Ok(())
    }

    fn fill(
        &self,
        template: &Template,
        class: u32,
        line: usize,
        stream: &mut ChaCha8Rng,
    ) -> Example {
        let mut values: Vec<usize> = Vec::with_capacity(template.draws.len());
        for (index, placeholder) in template.draws.iter().enumerate() {
            // What earlier draws of the same placeholder took is left out, by stepping over it in ascending order.
            let earlier = template.draws[..index]
                .iter()
                .zip(&values)
                .filter(|(other, _)| *other == placeholder);
            let mut taken: Vec<usize> = earlier.map(|(_, value)| *value).collect();
            taken.sort_unstable();
            let mut value =
                below(stream, self.placeholders[*placeholder].values.len() - taken.len());
            for other in taken {
                value += usize::from(other <= value);
            }
            values.push(value);
        }
        let (mut text, mut length, mut entities) = (String::new(), 0, Vec::new());
        for piece in &template.pieces {
            let start = length;
            match piece {
                Piece::Text(literal) => {
                    text.push_str(literal);
                    length += literal.chars().count();
                }
                Piece::Draw(draw) => {
                    let placeholder = &self.placeholders[template.draws[*draw]];
                    let value = &placeholder.values[values[*draw]];
                    text.push_str(value);
                    length += value.chars().count();
                    entities.push(Entity { start, end: length, label: placeholder.label.clone() });
                }
            }
        }
        let fields = [("template".to_owned(), template.id.clone())].into();
        Example {
            text,
            entities: Some(entities),
            classes: anomaly(class == 1),
            fields,
            file: 0,
            line,
        }
    }
}

/// Sentences that are made when they are asked for: any number of times, in any order, on any thread.
pub struct Sentences<'a> {
    templates: &'a Templates,
    classes: Vec<u32>,
    rng: Rng,
}

impl Sentences<'_> {
    /// Sentence `index`, from 0, whose line is one more.
    #[must_use]
    pub fn get(&self, index: usize) -> Example {
        let class = self.classes[index];
        let mut stream = self.rng.numbered_stream("templates/sentence", index as u64);
        let of_class = if class == 1 { &self.templates.anomaly } else { &self.templates.normal };
        let template = &of_class[below(&mut stream, of_class.len())];
        self.templates.fill(template, class, index + 1, &mut stream)
    }
}

/// How many normal sentences and how many anomalies `samples` of them are.
#[must_use]
pub fn classes(samples: usize, anomaly_ratio: f64) -> [usize; 2] {
    let anomalies = ((samples as f64 * anomaly_ratio).round() as usize).min(samples);
    [samples - anomalies, anomalies]
}

fn below(stream: &mut ChaCha8Rng, count: usize) -> usize {
    // Drawn as u64, so that the width of a pointer changes nothing.
    stream.random_range(0..count as u64) as usize
}

#[cfg(test)]
mod tests;
