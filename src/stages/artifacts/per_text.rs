//! What an evaluation says text by text, so that two can be compared on the same texts.

use std::collections::HashMap;

use super::evaluation::{Evaluation, columns_of};
use super::{Origin, corpus, files};
use crate::engine::stage::StageError;
use crate::tasks::metrics::{Counted, Units};
use crate::tasks::{classification, tagging};
use crate::text::{ClassHead, Entity};

/// The texts of an evaluation, and what each adds to its scores.
pub struct PerText {
    pub texts: usize,
    /// What is drawn of them: texts, or those of whole groups, where such were held out.
    pub units: Units,
    /// Of each task.
    pub counted: Vec<Counted>,
    origin: Option<Origin>,
}

impl PerText {
    /// Whether the texts of another evaluation are the same, one by one.
    #[must_use]
    pub fn has_the_texts_of(&self, other: &Self) -> bool {
        let are_the_same = match (&self.origin, &other.origin) {
            (Some(one), Some(other)) => one.has_the_texts_of(other),
            _ => false,
        };
        are_the_same && self.texts == other.texts
    }
}

impl Evaluation {
    /// What it says of each text; `None` where another program has scored, or an older one that does not say what it did.
    ///
    /// # Errors
    /// When a file is not what was written.
    pub fn per_text(&self) -> Result<Option<PerText>, StageError> {
        let path = self.folder.join(Self::PREDICTIONS);
        if !files::present(&path)? {
            return Ok(None);
        }
        let (header, rows) = files::read_csv_with_header::<Vec<String>>(&path)?;
        let table = Cells { header: &header, rows: &rows };
        let tasks = corpus::read_tasks(&self.folder)?;
        let wrong = || StageError::new(format!("`{}` is not what was expected", path.display()));
        let mut counted = Vec::new();
        if let Some(entities) = table.tagged().filter(|_| tasks.tagging) {
            let [truth, found] = entities.map_err(|()| wrong())?;
            counted.push(tagging::counted(&truth, &found));
        }
        for head in &tasks.heads {
            let answers = table.answers(head).ok_or_else(wrong)?;
            counted.push(classification::counted(head, answers));
        }
        let field = self.metrics()?["intervals_by"].as_str().map(str::to_owned);
        let units = match field {
            Some(field) => table.groups(&field).ok_or_else(wrong)?,
            None => Units::Texts(rows.len()),
        };
        let origin = self.origin()?;
        Ok(Some(PerText { texts: rows.len(), units, counted, origin }))
    }
}

/// `predictions.csv`.
struct Cells<'a> {
    header: &'a [String],
    rows: &'a [Vec<String>],
}

impl Cells<'_> {
    fn place(&self, column: &str) -> Option<usize> {
        self.header.iter().position(|name| name == column)
    }

    /// The true and the predicted entities of each text, none of one that is not labelled; `None` where the model does not tag.
    fn tagged(&self) -> Option<Result<[Vec<Vec<Entity>>; 2], ()>> {
        let places = [self.place("entities")?, self.place("predicted_entities")?];
        let read = |cell: &str| serde_json::from_str::<Vec<Entity>>(cell).map_err(|_| ());
        let column = |place: usize| -> Result<Vec<Vec<Entity>>, ()> {
            let of_row = |row: &Vec<String>| match row[places[0]].is_empty() {
                true => Ok(Vec::new()),
                false => read(&row[place]),
            };
            self.rows.iter().map(of_row).collect()
        };
        let [truth, found] = places.map(column);
        Some(truth.and_then(|truth| Ok([truth, found?])))
    }

    /// The true and the predicted class of each text that is labelled for a head.
    fn answers(&self, head: &ClassHead) -> Option<Vec<Option<[u32; 2]>>> {
        let [truth, predicted, _] = columns_of(&head.name);
        let (truth, predicted) = (self.place(&truth)?, self.place(&predicted)?);
        let class = |cell: &String| classification::read_written(head, cell);
        let of_row = |row: &Vec<String>| match row[truth].is_empty() {
            true => Some(None),
            false => Some(Some([class(&row[truth])?, class(&row[predicted])?])),
        };
        self.rows.iter().map(of_row).collect()
    }

    /// The texts that have each value of a field in common; those without one are each by itself.
    fn groups(&self, field: &str) -> Option<Units> {
        let place = self.place(&format!("corpus.{field}")).or_else(|| self.place(field))?;
        let (mut known, mut next) = (HashMap::new(), 0..);
        let mut new = || next.next().expect("a split has fewer than 2^32 texts");
        let number = |row: &Vec<String>| match row[place].as_str() {
            "" => new(),
            value => *known.entry(value.to_owned()).or_insert_with(&mut new),
        };
        Some(Units::groups(&self.rows.iter().map(number).collect::<Vec<u32>>()))
    }
}
