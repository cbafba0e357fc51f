//! Files that a command line names: texts, and the rules by which lines of a log become texts.

use std::io::Error;
use std::path::Path;

use super::Failure;
use super::args;
use crate::app::tools::{Encoding, Rules, Written};
use crate::base::disk::regular;
use crate::stages::RulesOf;

/// Says why a file of texts cannot be read, where that shows before it is.
///
/// # Errors
/// When there is no such file, or it cannot be opened.
pub fn check(path: &Path) -> Result<(), Failure> {
    if path.is_dir() {
        return Err(folder(path));
    }
    regular::open(path).map(drop).map_err(|error| unreadable(path, &error))
}

/// How a file of texts is written, as a command line says it.
///
/// # Errors
/// Those of [`rules`].
pub fn written(said: &args::Written) -> Result<Written, Failure> {
    Ok(Written {
        field: said.field.clone(),
        rules: said.rules.as_deref().map(rules).transpose()?,
        encoding: match said.encoding {
            None | Some(args::Encoding::Utf8) => Encoding::Utf8,
            Some(args::Encoding::Latin1) => Encoding::Latin1,
            Some(args::Encoding::Utf16) => Encoding::Utf16,
        },
        markup: said.markup,
    })
}

/// The rules of a name: those that come with the program, or a file.
///
/// # Errors
/// When there are none of this name, or they are wrong.
pub fn rules(name: &Path) -> Result<Rules, Failure> {
    let rules = RulesOf::of(name);
    if let RulesOf::File(path) = &rules
        && let Err(error) = regular::open(path)
    {
        let help =
            "`syslog`, `application` and `apache` come with the program; all else names a file";
        return Err(unreadable(path, &error).with_help(help));
    }
    rules.read().map_err(|error| Failure::usage_of(&error).with_lines())
}

/// A folder stands where a file of texts is asked for.
pub fn folder(path: &Path) -> Failure {
    Failure::usage(format!("`{}` is a folder, not a file of texts", path.display()))
}

/// A file cannot be opened.
pub fn unreadable(path: &Path, error: &Error) -> Failure {
    Failure::usage(format!("cannot read `{}`: {}", path.display(), regular::reason(error)))
}
