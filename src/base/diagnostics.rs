//! Source text, spans, carets and help lines.
//!
//! The life of a mistake:
//!
//! 1. whoever reads a text adds it to [`Sources`] and gets a [`SourceId`];
//! 2. whoever finds something wrong makes a [`Diagnostic`] with the [`Span`] at which to point, and goes on looking;
//! 3. [`Diagnostics`] sorts them by file and position, and [renders](Diagnostics::render) them for a person or [as JSON](Diagnostics::to_json).
//!
//! Nothing here knows what the texts mean, reads a file or prints.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Element, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};

use super::problem::Problem;
use super::visible;

/// More diagnostics than this are counted, not kept: nobody reads them, and a hostile file must not fill the memory.
const KEPT: usize = 1000;
/// Longer stretches of text than this are not shown whole: a file may be one line of megabytes.
const EXCERPT_BYTES: usize = 512;
/// As many are shown to a person; machines get all that are kept.
const SHOWN: usize = 50;

/// One of the texts in [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// A stretch of a source text, in bytes, half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub source: SourceId,
    pub start: usize,
    pub end: usize,
}

impl Span {
    #[must_use]
    pub fn new(source: SourceId, range: Range<usize>) -> Self {
        Self { source, start: range.start, end: range.end }
    }
}

#[derive(Debug, Clone)]
struct Source {
    name: String,
    text: String,
    /// From the command line, where lines have no numbers.
    typed: bool,
    /// Where each line starts.
    lines: Vec<usize>,
}

impl Source {
    /// The zero-based line that holds the byte `offset`.
    fn line_of(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset) - 1
    }

    /// The bytes of a line without its line break.
    fn line_range(&self, line: usize) -> Range<usize> {
        let start = self.lines[line];
        let end = self.lines.get(line + 1).map_or(self.text.len(), |next| next - 1);
        start..start + self.text[start..end].trim_end_matches('\r').len()
    }

    /// A range that lies inside the text, on character boundaries and on one line, so that carets can be drawn under it.
    fn clip(&self, span: Span) -> Range<usize> {
        let start = self.text.floor_char_boundary(span.start.min(self.text.len()));
        let line = self.line_range(self.line_of(start));
        let end = self.text.ceil_char_boundary(span.end.min(self.text.len()));
        start..end.min(line.end).max(start)
    }
}

/// The texts that were read: files, and what was given on the command line.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    list: Vec<Source>,
}

impl Sources {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps `text` under the name that messages print, usually a path.
    pub fn add(&mut self, name: String, text: String) -> SourceId {
        self.push(name, text, false)
    }

    /// Whether a text stood on the command line.
    #[must_use]
    pub fn is_typed(&self, id: SourceId) -> bool {
        self.get(id).typed
    }

    /// The names of the files among them.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.list.iter().filter(|source| !source.typed).map(|source| source.name.as_str())
    }

    /// Keeps what was typed on the command line: the beginning of `name` alone says where that is.
    pub fn add_typed(&mut self, name: String, text: String) -> SourceId {
        const SHOWN: usize = 120;
        let name = match name.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", &name[..end]),
            None => name,
        };
        self.push(name, text, true)
    }

    fn push(&mut self, name: String, text: String, typed: bool) -> SourceId {
        let id = SourceId(
            u32::try_from(self.list.len()).expect("fewer than 2^32 texts fit into memory"),
        );
        let lines = std::iter::once(0)
            .chain(
                text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1),
            )
            .collect();
        self.list.push(Source { name, text, typed, lines });
        id
    }

    fn get(&self, id: SourceId) -> &Source {
        self.list.get(id.0 as usize).expect("a span belongs to the sources that made it")
    }

    #[must_use]
    pub fn name(&self, id: SourceId) -> &str {
        &self.get(id).name
    }

    #[must_use]
    pub fn text(&self, id: SourceId) -> &str {
        &self.get(id).text
    }

    /// Line and column of a span's start, in characters, both counted from one.
    #[must_use]
    pub fn location(&self, span: Span) -> (usize, usize) {
        let source = self.get(span.source);
        let start = source.clip(span).start;
        let line = source.line_of(start);
        (line + 1, source.text[source.lines[line]..start].chars().count() + 1)
    }
}

/// One mistake, where it is, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// A stable name for machines, such as `unknown-parameter`.
    pub code: &'static str,
    /// Lower case, no final period, names in backticks.
    pub message: String,
    /// Where the caret points; nothing for a file that could not be read.
    pub span: Option<Span>,
    /// Other places that matter, with what they are.
    pub labels: Vec<(Span, String)>,
    pub help: Vec<String>,
}

impl Diagnostic {
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), span: None, labels: Vec::new(), help: Vec::new() }
    }

    /// The diagnostic of a problem whose place in the texts is known.
    #[must_use]
    pub fn of(code: &'static str, problem: Problem<Span>) -> Self {
        Self::new(code, problem.message).at(problem.place).help_of(problem.help)
    }

    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push((span, text.into()));
        self
    }

    #[must_use]
    pub fn help(self, text: impl Into<String>) -> Self {
        self.help_of(Some(text))
    }

    #[must_use]
    pub fn help_of(mut self, help: Option<impl Into<String>>) -> Self {
        self.help.extend(help.map(Into::into));
        self
    }

    /// Names what was most likely meant, or says what there is.
    #[must_use]
    pub fn meant(self, near: Option<&str>, otherwise: impl FnOnce() -> String) -> Self {
        self.help(near.map_or_else(otherwise, |near| format!("did you mean `{near}`?")))
    }
}

/// All mistakes that were found, in the order in which they are reported: by file, then by position.
#[derive(Debug, Clone)]
pub struct Diagnostics {
    sources: Arc<Sources>,
    list: Vec<Diagnostic>,
    omitted: usize,
}

impl Diagnostics {
    /// Sorts the list. What several checks found at the same place under the same code is reported once.
    #[must_use]
    pub fn new(sources: Arc<Sources>, list: Vec<Diagnostic>) -> Self {
        let mut all = Self { sources, list, omitted: 0 };
        all.tidy();
        all
    }

    /// What the first of them says.
    #[must_use]
    pub fn first(&self) -> &str {
        self.list.first().map_or("", |diagnostic| &diagnostic.message)
    }

    /// Says that `count` mistakes more were found than are in the list.
    #[must_use]
    pub fn omitting(mut self, count: usize) -> Self {
        self.omitted += count;
        self
    }

    fn tidy(&mut self) {
        self.list.sort_by_key(|diagnostic| diagnostic.span);
        let mut seen = HashSet::new();
        self.list.retain(|diagnostic| {
            diagnostic.span.is_none() || seen.insert((diagnostic.code, diagnostic.span))
        });
        self.omitted += self.list.len().saturating_sub(KEPT);
        self.list.truncate(KEPT);
    }

    /// Adds what a later check found in the same sources.
    #[must_use]
    pub fn merge(mut self, later: Self) -> Self {
        self.list.extend(later.list);
        self.omitted += later.omitted;
        // A later check may have read more texts; those of the earlier one are a prefix of them.
        if later.sources.list.len() > self.sources.list.len() {
            self.sources = later.sources;
        }
        self.tidy();
        self
    }

    #[must_use]
    pub fn sources(&self) -> &Arc<Sources> {
        &self.sources
    }

    #[must_use]
    pub fn list(&self) -> &[Diagnostic] {
        &self.list
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Every mistake with its line, carets and help, separated by empty lines; `color` adds terminal styles.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let mut out = String::new();
        for (index, diagnostic) in self.list.iter().take(SHOWN).enumerate() {
            if index > 0 {
                out.push('\n');
            }
            self.render_one(&renderer, diagnostic, &mut out);
        }
        let more = self.omitted + self.list.len().saturating_sub(SHOWN);
        if more > 0 {
            let _ = writeln!(out, "\n... and {more} more");
        }
        out
    }

    fn render_one(&self, renderer: &Renderer, diagnostic: &Diagnostic, out: &mut String) {
        let title = Level::ERROR.primary_title(visible::message(&diagnostic.message));
        let mut text = renderer.render(&[Group::with_title(title)]);
        let mut group = Group::with_level(Level::ERROR);
        // What the renderer calls a place, and what it is called here.
        let mut places: Vec<(String, String)> = Vec::new();
        if let Some(span) = diagnostic.span {
            let source = self.sources.get(span.source);
            let (near, far): (Vec<_>, Vec<_>) =
                diagnostic.labels.iter().partition(|(other, _)| self.close(span, *other));
            let mut excerpt = Excerpt::around(
                source,
                std::iter::once(span).chain(near.iter().map(|(span, _)| *span)),
            );
            places.extend(self.renamed(span, excerpt.shift.take()));
            group = group.element(excerpt.snippet(source, Some(span), &near));
            for label in far {
                let source = self.sources.get(label.0.source);
                let mut excerpt = Excerpt::around(source, std::iter::once(label.0));
                places.extend(self.renamed(label.0, excerpt.shift.take()));
                group = group.element(excerpt.snippet(source, None, &[label]));
            }
        }
        if !group.is_empty() {
            text.push('\n');
            text.push_str(&put_places(renderer.render(&[group]), &places));
        }
        for help in &diagnostic.help {
            text.push('\n');
            text.push_str(
                &renderer.render(&[Group::with_title(
                    Level::HELP.secondary_title(visible::message(help)),
                )]),
            );
        }
        // The gutter of an empty line is followed by a space that nobody sees, and that editors remove from snapshots.
        for line in text.lines() {
            out.push_str(&visible::styled(line.trim_end()));
            out.push('\n');
        }
    }

    /// The name of a place where it differs from the renderer's: that counts columns in the excerpt, while the reader wants those of the file, and
    /// counts lines where there are none.
    ///
    /// * `cut`: the column in the excerpt, where that lacks the start of the line
    fn renamed(&self, span: Span, cut: Option<usize>) -> Option<(String, String)> {
        let Source { name, typed, .. } = self.sources.get(span.source);
        let (line, column) = self.sources.location(span);
        let name = visible::line(name);
        let shown = format!("{name}:{line}:{}", cut.unwrap_or(column));
        match (typed, cut) {
            (true, _) => Some((shown, name.into_owned())),
            (false, Some(_)) => Some((shown, format!("{name}:{line}:{column}"))),
            (false, None) => None,
        }
    }

    /// True if two places can be shown in one excerpt.
    fn close(&self, one: Span, other: Span) -> bool {
        one.source == other.source && {
            let source = self.sources.get(one.source);
            let (one, other) = (source.clip(one), source.clip(other));
            let first = source.line_range(source.line_of(one.start.min(other.start)));
            let last = source.line_range(source.line_of(one.end.max(other.end)));
            last.end - first.start <= EXCERPT_BYTES
        }
    }

    /// An array with one object for each mistake.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let place = |span: Span| {
            let (line, column) = self.sources.location(span);
            json!({ "file": self.sources.name(span.source), "line": line, "column": column, "start": span.start, "end": span.end })
        };
        let one = |diagnostic: &Diagnostic| {
            let labels: Vec<Value> = diagnostic
                .labels
                .iter()
                .map(|(span, text)| json!({ "place": place(*span), "text": text }))
                .collect();
            let place_of = diagnostic.span.map(place);
            let help: Vec<_> = diagnostic.help.iter().map(|help| visible::cut(help)).collect();
            let member = |name: &str| place_of.as_ref().map(|place| place[name].clone());
            json!({
                "code": diagnostic.code,
                "message": visible::cut(&diagnostic.message),
                "file": member("file"),
                "line": member("line"),
                "column": member("column"),
                "place": place_of,
                "labels": labels,
                "help": help,
            })
        };
        Value::Array(self.list.iter().map(one).collect())
    }
}

impl std::fmt::Display for Diagnostics {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.render(false).trim_end())
    }
}

impl std::error::Error for Diagnostics {}

/// Excerpts with the names of their places: the renderer takes none for a column. Each excerpt begins with its place, so that the first mention of
/// one, from the place before on, is what the renderer wrote.
///
/// * `places`: what the renderer calls each, and its name, in the order of the excerpts
fn put_places(mut excerpts: String, places: &[(String, String)]) -> String {
    let mut from = 0;
    for (shown, place) in places {
        if let Some(at) = excerpts[from..].find(shown).map(|at| from + at) {
            excerpts.replace_range(at..at + shown.len(), place);
            from = at + place.len();
        }
    }
    excerpts
}

/// The part of a source that is shown, so that no rendering walks through a whole file.
struct Excerpt<'a> {
    text: Cow<'a, str>,
    line: usize,
    /// What a byte offset of the source loses to become one of the excerpt.
    offset: usize,
    /// The column of the first span's start in the excerpt, where a long line was cut before it.
    shift: Option<usize>,
    end: usize,
}

impl<'a> Excerpt<'a> {
    fn around(source: &'a Source, spans: impl Iterator<Item = Span>) -> Self {
        const MARGIN: usize = 60;
        let ranges: Vec<_> = spans.map(|span| source.clip(span)).collect();
        let start = ranges.iter().map(|range| range.start).min().unwrap_or(0);
        let end = ranges.iter().map(|range| range.end).max().unwrap_or(0);
        let line = source.line_of(start);
        let whole = source.lines[line]..source.line_range(source.line_of(end)).end.max(end);
        if whole.len() <= EXCERPT_BYTES {
            return Self {
                text: source.text[whole.clone()].into(),
                line,
                offset: whole.start,
                shift: None,
                end: whole.end,
            };
        }
        // One line, longer than anybody reads: keep what is near the first span.
        let from = source.text.ceil_char_boundary(start.saturating_sub(MARGIN).max(whole.start));
        let to = source
            .text
            .floor_char_boundary((end.min(start + MARGIN) + MARGIN).min(whole.end))
            .max(from);
        let shift = source.text[from..start].chars().count() + 1;
        Self {
            text: source.text[from..to].into(),
            line,
            offset: from,
            shift: (from > whole.start).then_some(shift),
            end: to,
        }
    }

    fn snippet(
        &self,
        source: &'a Source,
        primary: Option<Span>,
        labels: &[&'a (Span, String)],
    ) -> Element<'a> {
        let within = |span: Span| {
            let range = source.clip(span);
            range.start - self.offset..range.end.min(self.end).max(range.start) - self.offset
        };
        let primary = primary.map(|span| AnnotationKind::Primary.span(within(span)));
        let labels = labels.iter().map(|(span, text)| {
            AnnotationKind::Context
                .span(within(*span))
                .label(visible::message(text).replace('\n', " "))
        });
        let snippet = Snippet::source(self.text.clone().into_owned())
            .line_start(self.line + 1)
            .path(visible::line(&source.name));
        snippet.annotations(primary.into_iter().chain(labels)).into()
    }
}

/// The candidate that a mistyped word most likely meant.
///
/// Only the first thousand candidates and words of usual length are compared, so that a hostile file costs no quadratic time.
#[must_use]
pub fn suggest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const COMPARED: usize = 1000;
    const LONGEST: usize = 64;
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let lower = word.to_lowercase();
    let near = |candidate: &str| -> Option<usize> {
        if candidate == word || candidate.len() > LONGEST {
            return None;
        }
        let allowed = (word.chars().count().max(candidate.chars().count()) / 3).max(1);
        let other = candidate.to_lowercase();
        if lower.len().abs_diff(other.len()) <= allowed {
            let distance = strsim::osa_distance(&lower, &other);
            if distance <= allowed {
                return Some(distance);
            }
        }
        if lower.len() > 1 && initials(&other) == lower {
            return Some(1);
        }
        // `retries` for `retry`: the same beginning, and another end.
        let same = lower.chars().zip(other.chars()).take_while(|(one, other)| one == other).count();
        let ends = lower.chars().count().max(other.chars().count()) - same;
        if same >= 4 && ends <= 3 {
            return Some(allowed + ends);
        }
        // `lr_rate` for `learning_rate` is far in letters; a word that contains the other is near in meaning.
        let (short, long) =
            if lower.len() < other.len() { (&lower, &other) } else { (&other, &lower) };
        (short.len() >= 4 && long.contains(short.as_str()))
            .then_some(allowed + long.len() - short.len())
    };
    candidates
        .into_iter()
        .take(COMPARED)
        .filter_map(|candidate| Some((near(candidate)?, candidate)))
        .min_by(|(distance, one), (other_distance, other)| {
            // Of those as many letters away, `plan` for `pln` rather than `pin`: no letter of it is wrong.
            let alike = |candidate: &str| strsim::jaro_winkler(&lower, &candidate.to_lowercase());
            distance
                .cmp(other_distance)
                .then_with(|| alike(other).total_cmp(&alike(one)))
                .then_with(|| one.cmp(other))
        })
        .map(|(_, candidate)| candidate)
}

/// The file that a mistyped name most likely meant: one that ends alike, and is called nearly so before that.
#[must_use]
pub fn suggest_file<'a>(name: &str, files: &'a [String]) -> Option<&'a str> {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let parts =
        || files.iter().map(|file| (file.as_str(), file.rsplit_once('.').unwrap_or((file, ""))));
    let alike = || parts().filter(|(_, (_, other))| *other == extension);
    match suggest(stem, alike().map(|(_, (stem, _))| stem)) {
        Some(near) => alike().find(|(_, (stem, _))| *stem == near).map(|(file, _)| file),
        None => parts().find(|(_, (other, _))| *other == stem).map(|(file, _)| file),
    }
}

/// `lr` of `learning_rate`.
fn initials(name: &str) -> String {
    name.split(['_', '-', ' ']).filter_map(|word| word.chars().next()).collect()
}

/// A text as a message quotes it: in backticks, on one line, and no longer than a reader needs to recognise it.
#[must_use]
pub fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    if text.is_empty() {
        return "`\"\"`".to_owned();
    }
    let line: String = text.chars().take(SHOWN).collect();
    let line = visible::line(&line);
    let more = if text.chars().nth(SHOWN).is_some() { "…" } else { "" };
    format!("`{line}{more}`")
}

#[cfg(test)]
#[path = "diagnostics/tests.rs"]
mod tests;
