//! From what the `toml` crate read to our tree.

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::super::problems::Problems;
use super::mistakes;
use super::tree::{Entry, Node, NodeData, Table};
use crate::base::diagnostics::{Diagnostic, SourceId, Span, quoted};
use crate::base::toml::{self as crude, Mistake, Reading};

/// What a file says.
#[derive(Debug)]
pub(in crate::engine::spec) struct Document {
    pub root: Table,
    /// True if a mistake is in no value, so that nothing can be said about what is missing or where a key belongs.
    pub broken: bool,
}

/// Reads a whole file.
///
/// A line with a mistake that is in no value, such as a key without `=`, ends what the crate reads: it is left out, and the rest read again.
pub(in crate::engine::spec) fn document(
    text: &str,
    id: SourceId,
    problems: &mut Problems,
) -> Document {
    /// Keys that stand twice are found once all others are keys. Beyond that, nobody needs more at a time.
    const ROUNDS: usize = 3;
    let mut rest = text.to_owned();
    let mut left_out = Vec::new();
    let mut round = 0;
    loop {
        round += 1;
        let Reading { root, mistakes, is_cut } = crude::document(&rest);
        let mut tree = Tree::new(&rest, id, 0, mistakes);
        let root = tree.table(root);
        let mut open = tree.open();
        crude::one_per_line(&rest, &mut open);
        let lines: Vec<_> = open.iter().map(|it| line_of(&rest, it.place.start)).collect();
        // What is below a header that could not be read would be taken for somebody else's.
        let is_header = |line: &Range<usize>| rest[line.clone()].starts_with('[');
        let broken = is_cut || round == ROUNDS || lines.iter().any(is_header);
        if broken || lines.is_empty() {
            let broken = is_cut || !lines.is_empty();
            tree.finish(left_out, problems);
            return Document { root, broken };
        }
        left_out.extend(open.into_iter().zip(&lines).map(|(mistake, line)| {
            mistakes::of_key(&rest, line.clone(), &mistake.place).unwrap_or(mistake)
        }));
        let mut bytes = rest.into_bytes();
        lines.into_iter().for_each(|line| bytes[line].fill(b' '));
        rest = String::from_utf8(bytes).expect("whole lines were left out");
    }
}

/// Reads one value out of a text.
pub(in crate::engine::spec) fn value(
    text: &str,
    range: Range<usize>,
    id: SourceId,
    problems: &mut Problems,
) -> Node {
    let text = &text[range.clone()];
    let Reading { root, mistakes, .. } = crude::value(text);
    let mut tree = Tree::new(text, id, range.start, mistakes);
    let node = root.map(|value| tree.node(value)).filter(|_| tree.open().is_empty());
    tree.finish(Vec::new(), problems);
    node.unwrap_or(Node { span: Span::new(id, range), data: NodeData::Invalid })
}

/// Reads one dotted key out of a text; nothing if it is none.
pub(in crate::engine::spec) fn key(
    text: &str,
    range: Range<usize>,
    id: SourceId,
    problems: &mut Problems,
) -> Option<Vec<(Arc<str>, Span)>> {
    let line = format!("{} = 0", &text[range.clone()]);
    let Reading { root: mut table, mistakes, .. } = crude::document(&line);
    let mut words = Vec::new();
    while let Some((word, value)) = table.into_iter().next() {
        let place = word.span().start + range.start..word.span().end + range.start;
        words.push((word.into_inner().into(), Span::new(id, place)));
        table = match value.into_inner() {
            DeValue::Table(inner) => inner,
            _ => DeTable::new(),
        };
    }
    // A header above the key would be TOML, too.
    if mistakes.is_empty() && !line.contains('\n') {
        return Some(words);
    }
    let start = mistakes.first().map_or(0, |mistake| mistake.place.start).min(range.len());
    let message = format!("{} is not a dotted key", quoted(&text[range.clone()]));
    problems.push(
        Diagnostic::new("syntax", message)
            .at(Span::new(id, range.start + start..range.end))
            .help("a key is words with dots between them; without quotes a word is letters, digits, `-` and `_`"),
    );
    None
}

/// Where the line is that holds a place, without its end.
fn line_of(text: &str, at: usize) -> Range<usize> {
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    start..text[at..].find('\n').map_or(text.len(), |length| at + length)
}

/// What is known of a mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing in the tree holds it.
    Open,
    /// A value does, which therefore is [`NodeData::Invalid`], or a header.
    Inside,
    /// It was said in better words.
    Said,
}

/// A tree being made.
struct Tree<'t> {
    text: &'t str,
    id: SourceId,
    /// Where the text starts in its source.
    base: usize,
    /// Of the text, sorted.
    mistakes: Vec<Mistake>,
    /// Of each mistake.
    states: Vec<State>,
    /// What is said in place of mistakes.
    said: Vec<Mistake>,
    /// Values that are TOML, but not ours.
    problems: Problems,
}

impl<'t> Tree<'t> {
    fn new(text: &'t str, id: SourceId, base: usize, mistakes: Vec<Mistake>) -> Self {
        let states = vec![State::Open; mistakes.len()];
        Self { text, id, base, mistakes, states, said: Vec::new(), problems: Problems::default() }
    }

    /// The mistakes that nothing in the tree holds.
    fn open(&self) -> Vec<Mistake> {
        let all = self.mistakes.iter().zip(&self.states);
        all.filter(|(_, state)| **state == State::Open)
            .map(|(mistake, _)| mistake.clone())
            .collect()
    }

    /// * `before`: mistakes that are to be said, too
    fn finish(self, mut before: Vec<Mistake>, problems: &mut Problems) {
        let all = self.mistakes.into_iter().zip(self.states);
        before.extend(all.filter(|(_, state)| *state != State::Said).map(|(mistake, _)| mistake));
        before.extend(self.said);
        before.sort_by_key(|mistake| mistake.place.start);
        crude::one_per_line(self.text, &mut before);
        problems.extend(self.problems);
        for mistake in before {
            let Range { start, end } = mistake.place;
            let span = Span::new(self.id, self.base + start..self.base + end);
            problems.push(Diagnostic::of("syntax", mistake.at(span)));
        }
    }

    fn span(&self, place: Range<usize>) -> Span {
        Span::new(self.id, self.base + place.start..self.base + place.end)
    }

    fn table(&mut self, table: DeTable<'_>) -> Table {
        // Where a word of a key is missing, the crate makes an empty one.
        let is_key = |name: &Spanned<_>| !name.span().is_empty();
        let mut entries: Vec<_> = table.into_iter().filter(|(name, _)| is_key(name)).collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        let entry = |(name, value): (Spanned<_>, _)| {
            let name_span = self.span(name.span());
            let name: std::borrow::Cow<'_, str> = name.into_inner();
            Entry { name: name.into(), name_span, node: self.node(value) }
        };
        Table { entries: entries.into_iter().map(entry).collect() }
    }

    fn node(&mut self, value: Spanned<DeValue<'_>>) -> Node {
        let place = value.span();
        let (text, span) = (self.text, self.span(place.clone()));
        let raw = &text[place.clone()];
        let data = match value.into_inner() {
            DeValue::Array(items) => self.array(items, place),
            DeValue::Table(table) => {
                let table = self.table(table);
                // Of any other, this is only the place of its header, which was read all the same.
                match self.claim(&place, State::Inside) && raw.starts_with('{') {
                    true => NodeData::Invalid,
                    false => NodeData::Table(table),
                }
            }
            DeValue::Datetime(_) => {
                self.claim(&place, State::Said);
                self.problems.push(mistakes::date(raw, span));
                NodeData::Invalid
            }
            scalar => self.scalar(scalar, place),
        };
        Node { span, data }
    }

    fn array(&mut self, items: DeArray<'_>, place: Range<usize>) -> NodeData {
        // `[[name]]` stands for itself and for the first of its tables.
        let tables = items.first().is_some_and(|first| first.span() == place);
        let items = items.into_iter().map(|item| self.node(item)).collect();
        if !tables && self.claim(&place, State::Inside) {
            return NodeData::Invalid;
        }
        NodeData::Array { items, tables }
    }

    fn scalar(&mut self, value: DeValue<'_>, place: Range<usize>) -> NodeData {
        let (raw, span) = (&self.text[place.clone()], self.span(place.clone()));
        if self.has_mistake(&place) {
            let said = mistakes::of_scalar(raw, place.clone());
            self.claim(&place, if said.is_some() { State::Said } else { State::Inside });
            self.said.extend(said);
            return NodeData::Invalid;
        }
        match value {
            DeValue::String(text) => NodeData::String(text.into_owned()),
            DeValue::Boolean(value) => NodeData::Bool(value),
            DeValue::Integer(number) => {
                match i64::from_str_radix(number.as_str(), number.radix()) {
                    Ok(value) => return NodeData::Integer(value),
                    Err(_) => self.problems.push(mistakes::integer_range(raw, span)),
                }
                NodeData::Invalid
            }
            DeValue::Float(number) => match number.as_str().parse::<f64>() {
                Ok(value) if value.is_finite() => NodeData::Float(value),
                _ => {
                    self.problems.push(mistakes::float_range(raw, span));
                    NodeData::Invalid
                }
            },
            DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => NodeData::Invalid,
        }
    }

    /// The mistakes at a place, as positions.
    fn at(&self, place: &Range<usize>) -> Range<usize> {
        let before = |end: usize| self.mistakes.partition_point(|it| it.place.start < end);
        before(place.start)..before(place.end + 1)
    }

    fn has_mistake(&self, place: &Range<usize>) -> bool {
        self.at(place).any(|at| self.states[at] == State::Open)
    }

    /// Settles the mistakes at a place that nobody settled. Returns whether there are any.
    fn claim(&mut self, place: &Range<usize>, state: State) -> bool {
        let has_mistake = self.has_mistake(place);
        for at in self.at(place) {
            if self.states[at] == State::Open {
                self.states[at] = state;
            }
        }
        has_mistake
    }
}
