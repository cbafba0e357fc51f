//! From the parser's events to a tree.

use std::borrow::Cow;
use std::sync::Arc;

use toml_parser::decoder::{Encoding, ScalarKind};
use toml_parser::parser::EventReceiver;
use toml_parser::{ErrorSink, ParseError, Raw, Source, Span as TextSpan};

use super::super::problems::Problems;
use super::mistakes;
use super::{DEEPEST, Document, Node, NodeData, Shape, Table};
use crate::base::diagnostics::{Diagnostic, SourceId, Span, quoted};

type Key = Vec<(Arc<str>, Span)>;

/// A value that is not closed yet.
enum Open {
    Array { start: usize, items: Vec<Node> },
    Table { start: usize, table: Table, outer: PendingKey },
}

/// The key whose value comes next.
#[derive(Default)]
struct PendingKey {
    words: Key,
    /// A word of it could not be read, so its value has no place.
    unreadable: bool,
}

/// Receives events; [`Builder::finish`] gives the tree.
pub(super) struct Builder<'t> {
    source: Source<'t>,
    id: SourceId,
    /// Where the text starts in its source.
    base: usize,
    root: Table,
    /// The way from the root to the table of the last header, as positions; nothing below a header that could not be read.
    current: Option<Vec<usize>>,
    header: Option<Header>,
    key: PendingKey,
    open: Vec<Open>,
    value: Option<Node>,
    /// An array or an inline table is never closed, and so has swallowed what follows.
    unclosed: bool,
    problems: Problems,
}

struct Header {
    start: usize,
    array: bool,
}

impl<'t> Builder<'t> {
    pub fn new(text: &'t str, id: SourceId, base: usize) -> Self {
        Self {
            source: Source::new(text),
            id,
            base,
            root: Table::new(Shape::Header),
            current: Some(Vec::new()),
            header: None,
            key: PendingKey::default(),
            open: Vec::new(),
            value: None,
            unclosed: false,
            problems: Problems::default(),
        }
    }

    pub fn finish(mut self, problems: &mut Problems, broken: bool) -> Document {
        self.end_line(self.source.input().len());
        problems.extend(self.problems);
        Document { root: self.root, broken: broken || self.unclosed }
    }

    pub fn into_value(self, problems: &mut Problems) -> Option<Node> {
        problems.extend(self.problems);
        self.value
    }

    pub fn into_key(self, problems: &mut Problems) -> Option<Key> {
        problems.extend(self.problems);
        (!self.key.unreadable && !self.key.words.is_empty()).then_some(self.key.words)
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.id, self.base + start..self.base + end)
    }

    fn raw(&self, span: TextSpan, encoding: Option<Encoding>) -> Raw<'t> {
        let text = self.source.input().get(span.start()..span.end()).unwrap_or_default();
        Raw::new_unchecked(text, encoding, span)
    }

    fn complain(&mut self, error: &ParseError) {
        self.problems.push(mistakes::translate(error, self.source.input(), self.base, self.id));
    }

    /// A line is over: a header without its bracket counts as one, and a key without a value as one that has an unreadable value.
    fn end_line(&mut self, at: usize) {
        if !self.open.is_empty() {
            return;
        }
        if let Some(header) = self.header.take() {
            self.close_header(&header, at);
        } else if !self.key.words.is_empty() {
            let span = self.key.words[0].1;
            self.place(Node { span, data: NodeData::Invalid });
        }
        self.key = PendingKey::default();
    }

    fn scalar_node(&mut self, span: TextSpan, encoding: Option<Encoding>) -> NodeData {
        let raw = self.raw(span, encoding);
        let place = self.span(span.start(), span.end());
        let mut errors = Vec::new();
        let mut decoded = Cow::Borrowed("");
        let kind = raw.decode_scalar(&mut decoded, &mut |error| first(&mut errors, error));
        if let Some(error) = errors.first() {
            match encoding {
                Some(_) => self.complain(error),
                None if raw.as_str().ends_with(['"', '\'']) => self.complain(error),
                None => self.problems.push(mistakes::no_value(raw.as_str(), place)),
            }
            return NodeData::Invalid;
        }
        let range = |message: String, help: &str| {
            Diagnostic::new("number-range", message).at(place).help(help)
        };
        match kind {
            ScalarKind::String => NodeData::String(decoded.into_owned()),
            ScalarKind::Boolean(value) => NodeData::Bool(value),
            ScalarKind::Integer(radix) => match i64::from_str_radix(&decoded, radix.value()) {
                Ok(value) => NodeData::Integer(value),
                Err(_) => {
                    let help = "integers lie between -9223372036854775808 and 9223372036854775807";
                    self.problems.push(range(
                        format!("the integer {} is out of range", quoted(raw.as_str())),
                        help,
                    ));
                    NodeData::Invalid
                }
            },
            ScalarKind::Float => match decoded.parse::<f64>() {
                Ok(value) if value.is_finite() => NodeData::Float(value),
                _ => {
                    self.problems.push(range(
                        format!("{} is out of range", quoted(raw.as_str())),
                        "numbers are finite",
                    ));
                    NodeData::Invalid
                }
            },
            ScalarKind::DateTime => {
                let message = format!(
                    "{} is a date or a time, which no parameter takes",
                    quoted(raw.as_str())
                );
                let help = format!("for a string, put it into quotes: `\"{}\"`", raw.as_str());
                self.problems.push(Diagnostic::new("date", message).at(place).help(help));
                NodeData::Invalid
            }
        }
    }

    /// Puts a finished value where it belongs.
    fn place(&mut self, node: Node) {
        if let Some(Open::Array { items, .. }) = self.open.last_mut() {
            items.push(node);
            return;
        }
        let key = std::mem::take(&mut self.key);
        let table = match self.open.last_mut() {
            Some(Open::Table { table, .. }) => Some(table),
            _ if key.words.is_empty() && !key.unreadable => {
                self.value = Some(node);
                return;
            }
            _ => self.current.as_deref().map(|path| descend(&mut self.root, path)),
        };
        let Some(table) = table else { return };
        if key.unreadable {
            return;
        }
        if let Err(problem) = insert(table, &key.words, node) {
            self.problems.push(problem);
        }
    }

    fn close_header(&mut self, header: &Header, end: usize) {
        let span = self.span(header.start, end);
        let key = std::mem::take(&mut self.key);
        self.current = None;
        if key.unreadable || key.words.is_empty() {
            return;
        }
        let (path, problem) = open_header(&mut self.root, &key.words, header.array, span);
        self.current = path;
        if let Some(problem) = problem {
            self.problems.push(problem);
        }
    }
}

fn first(errors: &mut Vec<ParseError>, error: ParseError) {
    if errors.is_empty() {
        errors.push(error);
    }
}

impl EventReceiver for Builder<'_> {
    fn std_table_open(&mut self, span: TextSpan, _: &mut dyn ErrorSink) {
        self.end_line(span.start());
        self.header = Some(Header { start: span.start(), array: false });
    }

    fn std_table_close(&mut self, span: TextSpan, _: &mut dyn ErrorSink) {
        self.end_line(span.end());
    }

    fn array_table_open(&mut self, span: TextSpan, _: &mut dyn ErrorSink) {
        self.end_line(span.start());
        self.header = Some(Header { start: span.start(), array: true });
    }

    fn array_table_close(&mut self, span: TextSpan, _: &mut dyn ErrorSink) {
        self.end_line(span.end());
    }

    fn inline_table_open(&mut self, span: TextSpan, _: &mut dyn ErrorSink) -> bool {
        let outer = std::mem::take(&mut self.key);
        self.open.push(Open::Table {
            start: span.start(),
            table: Table::new(Shape::Inline),
            outer,
        });
        true
    }

    fn inline_table_close(&mut self, span: TextSpan, _: &mut dyn ErrorSink) {
        self.unclosed |= span.is_empty();
        if let Some(Open::Table { start, table, outer }) = self.open.pop() {
            self.key = outer;
            self.place(Node { span: self.span(start, span.end()), data: NodeData::Table(table) });
        }
    }

    fn array_open(&mut self, span: TextSpan, _: &mut dyn ErrorSink) -> bool {
        self.open.push(Open::Array { start: span.start(), items: Vec::new() });
        true
    }

    fn array_close(&mut self, span: TextSpan, _: &mut dyn ErrorSink) {
        self.unclosed |= span.is_empty();
        if let Some(Open::Array { start, items }) = self.open.pop() {
            self.place(Node {
                span: self.span(start, span.end()),
                data: NodeData::Array { items, tables: false },
            });
        }
    }

    fn simple_key(&mut self, span: TextSpan, encoding: Option<Encoding>, _: &mut dyn ErrorSink) {
        let raw = self.raw(span, encoding);
        let mut errors = Vec::new();
        let mut decoded = Cow::Borrowed("");
        raw.decode_key(&mut decoded, &mut |error| first(&mut errors, error));
        let place = self.span(span.start(), span.end());
        if let Some(error) = errors.first() {
            if !self.key.unreadable {
                self.complain(error);
            }
            self.key.unreadable = true;
        } else if self.key.words.len() >= DEEPEST as usize {
            if !self.key.unreadable {
                self.problems.push(
                    Diagnostic::new("syntax", format!("a key of more than {DEEPEST} words"))
                        .at(place),
                );
            }
            self.key.unreadable = true;
        } else {
            self.key.words.push((decoded.into(), place));
        }
    }

    fn scalar(&mut self, span: TextSpan, encoding: Option<Encoding>, error: &mut dyn ErrorSink) {
        let data = if span.is_empty() {
            // The parser fills in what is missing, and does not always complain.
            error.report_error(ParseError::new("missing value").with_unexpected(span));
            NodeData::Invalid
        } else {
            self.scalar_node(span, encoding)
        };
        // What is behind it on its line is complained about next: it is no value that anybody meant.
        let is_cut = self.open.is_empty() && encoding.is_none() && {
            let rest = &self.source.input()[span.end()..];
            let rest = rest.lines().next().unwrap_or_default().trim_start();
            !rest.is_empty() && !rest.starts_with('#')
        };
        let data = if is_cut { NodeData::Invalid } else { data };
        self.place(Node { span: self.span(span.start(), span.end()), data });
    }

    fn newline(&mut self, span: TextSpan, _: &mut dyn ErrorSink) {
        self.end_line(span.start());
    }
}

/// The table at the end of a way that exists.
fn descend<'a>(mut table: &'a mut Table, path: &[usize]) -> &'a mut Table {
    for position in path {
        table = match &mut table.entries[*position].node.data {
            NodeData::Table(inner) => inner,
            NodeData::Array { items, .. } => match items.last_mut() {
                Some(Node { data: NodeData::Table(inner), .. }) => inner,
                _ => unreachable!("a way leads through tables"),
            },
            _ => unreachable!("a way leads through tables"),
        };
    }
    table
}

/// `a.b = 1` in `table`.
fn insert(mut table: &mut Table, key: &[(Arc<str>, Span)], node: Node) -> Result<(), Diagnostic> {
    let Some(((name, span), parents)) = key.split_last() else { return Ok(()) };
    for (parent, parent_span) in parents {
        let position = table.position(parent).unwrap_or_else(|| {
            let empty =
                Node { span: *parent_span, data: NodeData::Table(Table::new(Shape::Dotted)) };
            table.insert(parent.clone(), *parent_span, empty)
        });
        let entry = &mut table.entries[position];
        let (first, found) = (entry.name_span, entry.node.data.describe());
        table = match &mut entry.node.data {
            NodeData::Table(inner) if matches!(inner.shape, Shape::Dotted | Shape::Implicit) => {
                inner
            }
            // Complained about where it was written.
            NodeData::Invalid => return Ok(()),
            NodeData::Table(_) => {
                let message = format!(
                    "the table {} is complete already and takes no dotted keys",
                    quoted(parent)
                );
                return Err(Diagnostic::new("duplicate-key", message)
                    .at(*parent_span)
                    .label(first, "written here"));
            }
            _ => return Err(no_table(parent, *parent_span, first, found)),
        };
    }
    if let Some(position) = table.position(name) {
        return Err(twice(name, *span, table.entries[position].name_span));
    }
    table.insert(name.clone(), *span, node);
    Ok(())
}

/// `[a.b]` or `[[a.b]]`: the way to its table, if its keys have a place at all, and what is wrong.
fn open_header(
    root: &mut Table,
    key: &[(Arc<str>, Span)],
    array: bool,
    span: Span,
) -> (Option<Vec<usize>>, Option<Diagnostic>) {
    let mut path = Vec::with_capacity(key.len());
    let mut table = root;
    let Some(((name, name_span), parents)) = key.split_last() else { return (Some(path), None) };
    for (parent, parent_span) in parents {
        let position = table.position(parent).unwrap_or_else(|| {
            let empty =
                Node { span: *parent_span, data: NodeData::Table(Table::new(Shape::Implicit)) };
            table.insert(parent.clone(), *parent_span, empty)
        });
        path.push(position);
        let entry = &mut table.entries[position];
        if matches!(entry.node.data, NodeData::Invalid) {
            entry.node.data = NodeData::Table(Table::new(Shape::Implicit));
        }
        let (first, found) = (entry.name_span, entry.node.data.describe());
        table = match &mut entry.node.data {
            NodeData::Table(inner) if inner.shape != Shape::Inline => inner,
            NodeData::Table(_) => {
                let message = format!("the inline table {} is complete already", quoted(parent));
                return (
                    None,
                    Some(
                        Diagnostic::new("duplicate-key", message)
                            .at(*parent_span)
                            .label(first, "written here"),
                    ),
                );
            }
            NodeData::Array { items, tables: true } => match items.last_mut() {
                Some(Node { data: NodeData::Table(inner), .. }) => inner,
                _ => unreachable!("an array of tables holds tables"),
            },
            _ => return (None, Some(no_table(parent, *parent_span, first, found))),
        };
    }
    let Some(position) = table.position(name) else {
        let header = Node { span, data: NodeData::Table(Table::new(Shape::Header)) };
        let data =
            if array { NodeData::Array { items: vec![header], tables: true } } else { header.data };
        path.push(table.insert(name.clone(), *name_span, Node { span, data }));
        return (Some(path), None);
    };
    path.push(position);
    let entry = &mut table.entries[position];
    match &mut entry.node.data {
        NodeData::Table(inner) if !array && inner.shape == Shape::Implicit => {
            inner.shape = Shape::Header;
            entry.name_span = *name_span;
            entry.node.span = span;
            (Some(path), None)
        }
        NodeData::Array { items, tables: true } if array => {
            items.push(Node { span, data: NodeData::Table(Table::new(Shape::Header)) });
            (Some(path), None)
        }
        other => {
            let again = matches!(other, NodeData::Table(inner) if inner.shape != Shape::Inline);
            let words: Vec<&str> = key.iter().map(|(word, _)| &**word).collect();
            (again.then_some(path), Some(twice(&words.join("."), *name_span, entry.name_span)))
        }
    }
}

fn twice(name: &str, span: Span, first: Span) -> Diagnostic {
    Diagnostic::new("duplicate-key", format!("{} is written twice", quoted(name)))
        .at(span)
        .label(first, "first written here")
}

fn no_table(name: &str, span: Span, first: Span, found: &str) -> Diagnostic {
    let message = format!("{} is {found}, so nothing can be written below it", quoted(name));
    Diagnostic::new("duplicate-key", message).at(span).label(first, "written here")
}
