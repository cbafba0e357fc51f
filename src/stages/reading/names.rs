//! Names that a person gives and no text has: what to say of them, and what there is instead.

use std::path::PathBuf;

use super::groups::needed;
use super::known::Known;
use super::{Reading, in_file_of, named};
use crate::base::diagnostics::quoted;
use crate::engine::stage::StageError;
use crate::text::SplitError;
use crate::text::readers::{Findings, Note};

impl Reading<'_> {
    /// Refuses names of `fields` that stand for nothing in any file.
    ///
    /// # Errors
    /// With the first of them.
    pub(super) fn check_mapped(
        &self,
        findings: &Findings,
        known: &Known,
    ) -> Result<(), StageError> {
        let fields = &self.options.fields;
        let asked = [
            ("id", &fields.id),
            // Of marked texts only the marks count.
            ("entities", if self.options.markup { &None } else { &fields.entities }),
            ("tokens", &fields.tokens),
            ("tags", &fields.tags),
        ];
        let absent = asked.into_iter().find_map(|(meaning, name)| {
            Some((meaning, name.as_ref().filter(|_| !findings.mapped.contains(meaning))?))
        });
        let Some((meaning, name)) = absent else { return Ok(()) };
        let message =
            format!("no text has a field {}, which `fields` calls `{meaning}`", quoted(name));
        let help = known.help(name, "leave it out where nothing says it");
        Err(StageError::new(message).with_help(help).in_file_of("fields"))
    }

    /// What to say of a head of whose classes no text has any.
    pub(super) fn without_class(&self, head: &str, known: &Known) -> StageError {
        let (field, said, parameter) = match self.options.fields.heads.get(head) {
            Some(field) => (field.as_str(), format!(", which `fields` calls `{head}`"), "fields"),
            None => (head, String::new(), "classes"),
        };
        let message = format!("no text has a class in its field {}{said}", quoted(field));
        let usual = format!(
            "`classes` names the fields that say a text's classes, and `fields = {{ {head} = \"...\" }}` the one that is called otherwise"
        );
        StageError::new(message).with_help(known.help(field, &usual)).in_file_of(parameter)
    }

    /// Why texts cannot be divided.
    ///
    /// * `files`: those in which the reason lies
    /// * `parameter`: that names them
    pub(super) fn undivided(
        &self,
        error: &SplitError,
        files: &[PathBuf],
        parameter: Option<&'static str>,
        findings: &Findings,
        known: &Known,
    ) -> StageError {
        let SplitError::MissingField { field, ordered, .. } = error else {
            let message = format!("{}: {error}", named(files));
            return in_file_of(StageError::of(error).saying(message), parameter);
        };
        let asked = if *ordered { "order" } else { "by" };
        let error = match guessed(findings, field) {
            Some((is, help)) => {
                let message = format!("`{asked}` names {}, which is read as {is}", quoted(field));
                StageError::new(message).with_help(help)
            }
            None => {
                let help = known.meant(field).unwrap_or_else(|| needed(&self.options).to_owned());
                StageError::new(format!("{}: {error}", named(files))).with_help(help)
            }
        };
        error.in_file_of(asked)
    }
}

/// What a field was taken for though nobody said so, and how to divide by it.
fn guessed(findings: &Findings, field: &str) -> Option<(&'static str, &'static str)> {
    const ANOTHER: &str = "name a field of the texts";
    findings.notes.keys().find_map(|note| match note {
        Note::TextFrom(name) if name == field => Some(("the text", "write `text`")),
        Note::EntitiesFrom(name) if name == field => Some(("the entities of a text", ANOTHER)),
        Note::Tokens { tokens, tags } if tokens == field || tags == field => {
            Some(("words or their tags", ANOTHER))
        }
        _ => None,
    })
}
