//! Names of entity types as BIO labels allow them.

use std::collections::BTreeMap;

use super::findings::{Findings, Note};

/// The longest name of an entity type.
const LIMIT_CHARACTERS: usize = 64;

/// The name of an entity type: as `names` says, else with `_` for all white space and control characters.
///
/// # Errors
/// What makes it no name all the same.
pub(super) fn label(
    from: String,
    names: &BTreeMap<String, String>,
    findings: &mut Findings,
) -> Result<String, String> {
    let to = match names.get(&from) {
        Some(name) => name.clone(),
        None => {
            let is_wrong = |character: char| character.is_whitespace() || character.is_control();
            let name = from.trim_matches(is_wrong);
            if !name.contains(is_wrong) && name.len() == from.len() {
                check_label(&from)?;
                return Ok(from);
            }
            name.replace(is_wrong, "_")
        }
    };
    check_label(&to)?;
    findings.note(Note::Label { from, to: to.clone() });
    Ok(to)
}

/// The same of what a span says, whose label has no use for the prefix of a word's tag.
///
/// # Errors
/// As [`label`].
pub(super) fn label_of_span(
    from: String,
    names: &BTreeMap<String, String>,
    findings: &mut Findings,
) -> Result<String, String> {
    let to = label(from, names, findings)?;
    let is_prefixed = ["B-", "I-"].iter().any(|prefix| {
        to.strip_prefix(prefix).is_some_and(|kind| kind.starts_with(char::is_alphabetic))
    });
    if is_prefixed {
        findings.note(Note::Prefixed(to.clone()));
    }
    Ok(to)
}

/// Says what makes `label` no name of an entity type.
///
/// # Errors
/// As a message that goes on from the label's name.
pub fn check_label(label: &str) -> Result<(), String> {
    if label.is_empty() {
        return Err("is empty".into());
    }
    if label.chars().count() > LIMIT_CHARACTERS {
        return Err(format!("is longer than {LIMIT_CHARACTERS} characters"));
    }
    match label.chars().find(|character| character.is_whitespace() || character.is_control()) {
        Some(character) => Err(format!(
            "holds {character:?}: labels have neither white space nor control characters"
        )),
        None => Ok(()),
    }
}
