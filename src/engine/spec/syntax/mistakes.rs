//! What the parser complains about, in our words: a dictionary. What is read of a file, and what is not, goes by the text and by the tokens that
//! the parser expected (`super::feed`, `super::builder`).

use toml_parser::{Expected, ParseError};

use crate::base::diagnostics::{Diagnostic, SourceId, Span, quoted};

/// The diagnostic for a complaint about `text`, which starts at byte `base` of its source.
pub(super) fn translate(error: &ParseError, text: &str, base: usize, id: SourceId) -> Diagnostic {
    let place = error.unexpected().map_or(0..0, |span| span.start()..span.end());
    let context = error.context().map_or(place.clone(), |span| span.start()..span.end());
    let raw = |range: &std::ops::Range<usize>| text.get(range.clone()).unwrap_or_default();
    let mut span = place.clone();
    let (message, help): (String, &str) = match error.description() {
        "key with no value" | "missing value for key" => {
            let start = text[..place.start].rfind('\n').map_or(0, |at| at + 1);
            let line = text[start..place.start].trim();
            span = place.start - text[start..place.start].trim_start().len()
                ..start + text[start..place.start].trim_end().len();
            (
                format!("expected `=` and a value after {}", quoted(line)),
                "write `key = value`, or `[name]` for a table",
            )
        }
        "missing value" => ("expected a value".into(), ""),
        "extra `=`" | "extra assignment between key-value pairs" => ("one `=` too many".into(), ""),
        "cannot recurse further; max recursion depth met" => {
            (format!("values are nested more than {} deep", super::DEEPEST), "")
        }
        "extra comma in array" | "extra comma in inline table" => ("one comma too many".into(), ""),
        "invalid inline table element" | "missing key for inline table element" => {
            ("expected `key = value` in the inline table".into(), "")
        }
        "invalid key-value pair" => (
            format!("expected a key, found {}", quoted(raw(&context))),
            "every line is `key = value` or `[name]`",
        ),
        "invalid table" => ("expected the name of a table".into(), "write `[stage.name]`"),
        "missing array opening" | "missing table open" => ("`]` without its `[`".into(), ""),
        "missing inline table opening" => ("`}` without its `{`".into(), ""),
        "missing assignment between key-value pairs" => ("expected `=` after the key".into(), ""),
        "missing comma between array elements" => {
            ("expected a comma between the values of an array".into(), "")
        }
        "missing comma between key-value pairs" => {
            ("expected a comma between the entries of an inline table".into(), "")
        }
        "unclosed array" => {
            span = context.clone();
            ("this array is never closed".into(), "add `]` after its last value")
        }
        "unclosed inline table" => {
            span = context.clone();
            ("this inline table is never closed".into(), "add `}` after its last entry")
        }
        "unclosed table" => ("expected `]` after the name of the table".into(), ""),
        "unclosed array table" => ("expected `]]` after the name of the table".into(), ""),
        "unexpected `=` in array" => {
            ("`=` inside an array".into(), "a table inside an array is written `{ key = value }`")
        }
        "unexpected content"
        | "unexpected content between comment and newline"
        | "unexpected key or value" => {
            let rest = text[place.start..].lines().next().unwrap_or_default().trim();
            span = place.start..place.start + rest.len();
            let before = text[..place.start].lines().next_back().unwrap_or_default();
            let before = before.rsplit(['=', ' ']).next().unwrap_or_default();
            let message = format!("expected the end of the line, found {}", quoted(rest));
            let diagnostic = Diagnostic::new("syntax", message)
                .at(Span::new(id, base + span.start..base + span.end));
            return match decimal(before, rest) {
                Some(number) => diagnostic.help(format!("write `{number}`: decimals have a point")),
                None => diagnostic,
            };
        }
        "invalid comment character" => ("a control character in a comment".into(), "remove it"),
        "carriage return must be followed by newline" => {
            ("a carriage return without a line feed".into(), "end lines with a line feed")
        }
        "missing opening quote" => {
            span = context.clone();
            (format!("the string {} lacks its opening quote", quoted(raw(&context))), "")
        }
        "invalid basic string"
        | "invalid literal string"
        | "invalid multi-line basic string"
        | "invalid multi-line literal string" => {
            if matches!(error.expected(), Some([Expected::Literal(_), ..])) {
                span = context.start
                    ..text[context.start..]
                        .find('\n')
                        .map_or(context.end, |length| context.end.min(context.start + length));
                ("this string is never closed".into(), "")
            } else {
                (
                    "a control character inside a string".into(),
                    "write it as an escape, such as `\\t` or `\\u0007`",
                )
            }
        }
        "missing escaped value" | "too few unicode value digits" | "invalid value" => (
            "an escape that does not exist".into(),
            "`\\\\` is a backslash; between single quotes a backslash stands for itself",
        ),
        "unquoted keys cannot be empty" => ("expected a key".into(), ""),
        "invalid unquoted key" => {
            let around = if context.is_empty() { &place } else { &context };
            span = around.clone();
            (
                format!("the key {} needs quotes", quoted(raw(around))),
                "without quotes a key is letters, digits, `-` and `_`",
            )
        }
        other if other.starts_with("keys cannot be multi-line") => {
            ("a key cannot be a string of several lines".into(), "")
        }
        other => (other.to_owned(), ""),
    };
    let diagnostic = Diagnostic::new("syntax", message)
        .at(Span::new(id, base + span.start..base + span.end.max(span.start)));
    if help.is_empty() { diagnostic } else { diagnostic.help(help) }
}

/// `0.001` for `0` and `,001`.
fn decimal(before: &str, rest: &str) -> Option<String> {
    let digits = rest.strip_prefix(',')?;
    let number = format!("{before}.{digits}");
    let starts = |text: &str| text.starts_with(|first: char| first.is_ascii_digit());
    (starts(digits) && before.parse::<i64>().is_ok() && number.parse::<f64>().is_ok())
        .then_some(number)
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

/// The diagnostic for a value without quotes that is none.
pub(super) fn no_value(raw: &str, span: Span) -> Diagnostic {
    let diagnostic = Diagnostic::new("syntax", format!("{} is not a value", quoted(raw))).at(span);
    if let Some((before, _)) = raw.split_once(' ')
        && (before.starts_with(|first: char| first.is_ascii_digit() || first == '-')
            || ["true", "false"].contains(&before))
    {
        return diagnostic
            .help(format!("after {} a comma or the end of the line is missing", quoted(before)));
    }
    if let Some(help) = without_sign(raw) {
        return diagnostic.help(help);
    }
    let lower = raw.to_lowercase();
    let first = raw.trim_start_matches(['+', '-', '.']).bytes().next();
    if ["true", "false"].contains(&lower.as_str()) {
        diagnostic.help(format!("booleans are written in lower case: `{lower}`"))
    } else if first.is_some_and(|byte| byte.is_ascii_digit())
        && lower.bytes().all(|byte| b"0123456789abcdefox_+-.".contains(&byte))
    {
        // Rust reads more spellings than TOML.
        match (raw.parse::<i64>(), raw.parse::<f64>()) {
            (Ok(number), _) => diagnostic.help(format!("write `{number}`")),
            (_, Ok(number)) if number.is_finite() => diagnostic.help(format!("write `{number:?}`")),
            _ => diagnostic
                .help("numbers are written as in `12`, `0.5` or `2e-5`; a string has quotes"),
        }
    } else if raw.len() <= 60 && !raw.contains(['"', '\\', '\n']) {
        diagnostic.help(format!("a string has quotes: `\"{raw}\"`"))
    } else {
        diagnostic.help("a string has quotes")
    }
}
