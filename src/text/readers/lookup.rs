//! A second file that says more of texts, such as the classes of sessions: rows that are found by the value of a field.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::Path;

use super::findings::Findings;
use super::options::{Fields, Options, Purpose};
use super::problems::{Problems, ReadError};
use super::read::read;
use crate::text::Example;

/// The rows of a second file, all in memory.
#[derive(Debug)]
pub struct Lookup {
    key: String,
    rows: HashMap<String, Row>,
    /// What was found in the file.
    pub findings: Findings,
}

/// What a row says, by the names of its columns.
#[derive(Debug)]
struct Row {
    classes: BTreeMap<String, String>,
    fields: BTreeMap<String, String>,
}

impl Lookup {
    /// Reads a file of any format in which the field `key` says whose row it is; of equal ones the first counts.
    ///
    /// # Errors
    /// When it cannot be read, or a row is wrong.
    pub fn read(path: &Path, key: &str, options: &Options) -> Result<Self, ReadError> {
        let fields = Fields { text: Some(key.to_owned()), ..Fields::default() };
        let options = Options {
            fields,
            markup: false,
            rules: None,
            purpose: Purpose::Lookup,
            ..options.clone()
        };
        let (mut rows, mut problems) = (HashMap::new(), Problems::default());
        let (_, findings) = read(path, None, &options, &mut |found| {
            match found {
                Ok(row) => {
                    let Example { text, classes, fields, .. } = row;
                    rows.entry(text).or_insert(Row { classes, fields });
                }
                Err(problem) => problems.push(path, problem),
            }
            ControlFlow::Continue(())
        })?;
        if problems.count() > 0 {
            return Err(ReadError::Malformed(problems));
        }
        Ok(Self { key: key.to_owned(), rows, findings })
    }

    /// Adds what the file says of a text; false where it says nothing. What the text says itself stays.
    pub fn add(&self, example: &mut Example) -> bool {
        let row = example.fields.get(&self.key).and_then(|value| self.rows.get(value));
        let Some(Row { classes, fields }) = row else { return false };
        for (head, class) in classes {
            example.classes.entry(head.clone()).or_insert_with(|| class.clone());
        }
        for (name, value) in fields {
            example.fields.entry(name.clone()).or_insert_with(|| value.clone());
        }
        true
    }
}
