//! TOML with spans: text in, a tree of `Node`s out, and every mistake on the way.
//!
//! The `toml` crate's parser does the reading; the tree is our own because that of the crate keeps neither the order of the file nor the place
//! where a key was first written, and gives up after a line without `=`. What it accepts is exactly what the crate accepts (a property test holds
//! them against each other), except that dates, numbers that are not finite or do not fit, and keys or values nested deeper than `DEEPEST` are
//! mistakes here.

mod builder;
mod mistakes;
mod tree;

pub(super) use tree::{Entry, Node, NodeData, Shape, Table};

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use builder::Builder;
use toml_parser::parser::{EventReceiver, RecursionGuard, ValidateWhitespace};
use toml_parser::{Expected, ParseError, Source};

use super::problems::Problems;
use crate::base::diagnostics::{SourceId, Span};

/// Arrays, tables and dotted keys may be nested this deep: walking a tree recurses.
const DEEPEST: u32 = 64;

/// What a file says.
#[derive(Debug)]
pub(super) struct Document {
    pub root: Table,
    /// True if a mistake swallowed part of the file, so that nothing can be said about what is missing or where a key belongs.
    pub broken: bool,
}

/// Reads a whole file.
pub(super) fn document(text: &str, id: SourceId, problems: &mut Problems) -> Document {
    let mut builder = Builder::new(text, id, 0);
    let broken = feed(&mut builder, text, 0, id, toml_parser::parser::parse_document, problems);
    builder.finish(problems, broken)
}

/// Reads one value out of a text.
pub(super) fn value(
    text: &str,
    range: Range<usize>,
    id: SourceId,
    problems: &mut Problems,
) -> Node {
    let mut builder = Builder::new(&text[range.clone()], id, range.start);
    feed(
        &mut builder,
        &text[range.clone()],
        range.start,
        id,
        toml_parser::parser::parse_value,
        problems,
    );
    builder
        .into_value(problems)
        .unwrap_or(Node { span: Span::new(id, range), data: NodeData::Invalid })
}

/// Reads one dotted key out of a text; nothing if it is none.
pub(super) fn key(
    text: &str,
    range: Range<usize>,
    id: SourceId,
    problems: &mut Problems,
) -> Option<Vec<(Arc<str>, Span)>> {
    let mut builder = Builder::new(&text[range.clone()], id, range.start);
    let mut own = Problems::default();
    feed(
        &mut builder,
        &text[range.clone()],
        range.start,
        id,
        toml_parser::parser::parse_key,
        &mut own,
    );
    let key = builder.into_key(&mut own);
    let good = own.is_empty();
    problems.extend(own);
    key.filter(|_| good)
}

/// A basic string of TOML.
pub(super) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            control if control.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// What stands on a line before a place.
fn before(text: &str, at: usize) -> &str {
    text[..text.floor_char_boundary(at)].rsplit('\n').next().unwrap_or_default()
}

type Parse =
    fn(&[toml_parser::lexer::Token], &mut dyn EventReceiver, &mut dyn toml_parser::ErrorSink);

/// Runs the parser over `text` into the builder and translates its complaints. Returns true if one of them swallowed part of the text.
fn feed(
    builder: &mut Builder<'_>,
    text: &str,
    base: usize,
    id: SourceId,
    parse: Parse,
    problems: &mut Problems,
) -> bool {
    let source = Source::new(text);
    let tokens = source.lex().into_vec();
    let mut broken = false;
    let mut line_end = 0;
    let mut sink = |error: ParseError| {
        // What follows a mistake on its line is most often a consequence of it.
        let at = error.unexpected().map_or(0, |span| span.start()).min(text.len());
        // A line that begins with a bracket which nothing opened: what was meant to be inside stands outside.
        broken |= error.expected() == Some(&[Expected::Literal("[")])
            && before(text, at).trim().is_empty();
        if at >= line_end {
            problems.push(mistakes::translate(&error, text, base, id));
            line_end = text[text.ceil_char_boundary(at)..]
                .find('\n')
                .map_or(text.len(), |length| at + length)
                .max(1);
        }
    };
    let mut guard = RecursionGuard::new(builder, DEEPEST);
    parse(&tokens, &mut ValidateWhitespace::new(&mut guard, source), &mut sink);
    broken
}
