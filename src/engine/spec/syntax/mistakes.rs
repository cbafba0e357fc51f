//! What is no value of ours, and what to write instead.

use std::ops::Range;

use toml::de::DeValue;

use crate::base::diagnostics::{Diagnostic, Span, quoted};
use crate::base::toml::Mistake;

pub(super) fn date(raw: &str, span: Span) -> Diagnostic {
    let message = format!("{} is a date or a time, which no parameter takes", quoted(raw));
    let help = format!("for a string, put it into quotes: `\"{raw}\"`");
    Diagnostic::new("date", message).at(span).help(help)
}

pub(super) fn integer_range(raw: &str, span: Span) -> Diagnostic {
    let message = format!("the integer {} is out of range", quoted(raw));
    let help = "integers lie between -9223372036854775808 and 9223372036854775807";
    Diagnostic::new("number-range", message).at(span).help(help)
}

pub(super) fn float_range(raw: &str, span: Span) -> Diagnostic {
    let message = format!("{} is out of range", quoted(raw));
    Diagnostic::new("number-range", message).at(span).help("numbers are finite")
}

/// What to write for a number with a sign behind it.
fn without_sign(raw: &str) -> Option<String> {
    if let Some(number) = raw.strip_suffix(';') {
        let is_number = number.parse::<f64>().is_ok();
        return is_number.then(|| format!("write `{number}`: a line ends without `;`"));
    }
    let number: f64 = raw.strip_suffix('%')?.trim_end().parse().ok()?;
    Some(format!("write `{:?}`: there is no sign for percent", number / 100.0))
}

/// What is wrong at `place` on a line of a text where it is a key and no value.
pub(super) fn of_key(text: &str, line: Range<usize>, place: &Range<usize>) -> Option<Mistake> {
    let before = &text[line.start..place.start];
    let words = before.trim();
    let is_lonely = !words.is_empty() && !text[line].contains(['=', '{']);
    is_lonely.then(|| {
        let start = place.start - before.trim_start().len();
        let message = format!("expected `=` and a value after {}", quoted(words));
        Mistake::new(start..start + words.len(), message)
            .help("write `key = value`, or `[name]` for a table")
    })
}

/// What is wrong with a text at `place` that is to be a value; nothing where what is wrong is behind it, or is said well by others.
pub(super) fn of_scalar(raw: &str, place: Range<usize>) -> Option<Mistake> {
    let quotes = ['"', '\''];
    if raw.starts_with(quotes) {
        let is_closed = raw.len() > 1 && raw.chars().next() == raw.chars().next_back();
        let line = raw.lines().next().map_or(0, str::len);
        let escape = "`\\\\` is a backslash; between single quotes a backslash stands for itself";
        return match is_closed {
            false => {
                Some(Mistake::new(place.start..place.start + line, "this string is never closed"))
            }
            true if raw.starts_with('"') && raw.contains('\\') => {
                Some(Mistake::new(place, "an escape that does not exist").help(escape))
            }
            true => None,
        };
    }
    if raw.is_empty() {
        return Some(Mistake::new(place, "expected a value"));
    }
    if raw.ends_with(quotes) || DeValue::parse(raw).is_ok() {
        return None;
    }
    Some(Mistake::new(place, format!("{} is not a value", quoted(raw))).help(instead_of(raw)))
}

/// What to write for a value without quotes that is none.
fn instead_of(raw: &str) -> String {
    if let Some((before, _)) = raw.split_once(' ')
        && (before.starts_with(|first: char| first.is_ascii_digit() || first == '-')
            || ["true", "false"].contains(&before))
    {
        return format!("after {} a comma or the end of the line is missing", quoted(before));
    }
    if let Some(help) = without_sign(raw) {
        return help;
    }
    let lower = raw.to_lowercase();
    let first = raw.trim_start_matches(['+', '-', '.']).bytes().next();
    if ["true", "false"].contains(&lower.as_str()) {
        format!("booleans are written in lower case: `{lower}`")
    } else if first.is_some_and(|byte| byte.is_ascii_digit())
        && lower.bytes().all(|byte| b"0123456789abcdefox_+-.".contains(&byte))
    {
        // Rust reads more spellings than TOML.
        match (raw.parse::<i64>(), raw.parse::<f64>()) {
            (Ok(number), _) => format!("write `{number}`"),
            (_, Ok(number)) if number.is_finite() => format!("write `{number:?}`"),
            _ => "numbers are written as in `12`, `0.5` or `2e-5`; a string has quotes".to_owned(),
        }
    } else if raw.len() <= 60 && !raw.contains(['"', '\\', '\n']) {
        format!("a string has quotes: `\"{raw}\"`")
    } else {
        "a string has quotes".to_owned()
    }
}
