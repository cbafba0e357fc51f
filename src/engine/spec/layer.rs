//! The shape of an experiment file: what one text says, before it is laid over what it extends.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::path::{RESERVED, RESERVED_RULE, Word};
use super::problems::Problems;
use super::sweep::{self, SweepLayer};
use super::syntax::{self, Document, Entry, Node, NodeData, Table};
use super::{Data, Parameter, Value};
use crate::base::diagnostics::{Diagnostic, SourceId, Span, quoted};
use crate::base::units;
use crate::base::visible;

/// Keys of the file itself.
const KEYS: [&str; 9] =
    ["version", "extends", "unset", "about", "name", "seed", "params", "stage", "sweep"];
/// Keys that every stage has, whatever its kind; none is a parameter.
pub const STAGE_KEYS: [&str; 4] = ["kind", "after", "retry", "timeout"];
/// The version of the format that this program reads.
pub(super) const VERSION: i64 = 1;
pub(super) const NAME_RULE: &str =
    "a name is at most 100 letters, digits, `-` and `_`, and starts with a letter";
/// More than that is a mistake, or a stage that fails in any case.
pub const MOST_RETRIES: u32 = 100;
/// Names become folders.
const LONGEST_NAME: usize = 100;

/// What one file, or the command line, says.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub version: Option<Span>,
    pub extends: Option<(String, Span)>,
    pub unset: Vec<Unset>,
    pub about: Option<String>,
    pub name: Option<(String, Span)>,
    pub seed: Option<(u64, Span)>,
    pub params: Vec<Parameter>,
    pub stages: Vec<StageLayer>,
    pub sweep: Option<SweepLayer>,
    /// True if a table stands where none belongs, so that a stage which is missing is probably that.
    pub misplaced: bool,
    /// True if so much is unreadable that what is missing says nothing.
    pub broken: bool,
}

/// `[stage.name]` in one file.
#[derive(Debug)]
pub(super) struct StageLayer {
    pub name: Arc<str>,
    pub name_span: Span,
    pub kind: Option<(Arc<str>, Span)>,
    pub after: Option<Vec<(Arc<str>, Span)>>,
    pub retry: Option<(u32, Span)>,
    pub timeout: Option<(Duration, Span)>,
    pub parameters: Vec<Parameter>,
}

impl StageLayer {
    pub fn new(name: Arc<str>, name_span: Span) -> Self {
        Self {
            name,
            name_span,
            kind: None,
            after: None,
            retry: None,
            timeout: None,
            parameters: Vec::new(),
        }
    }
}

/// One member of `unset`.
#[derive(Debug)]
pub(super) struct Unset {
    pub words: Vec<Word>,
    pub span: Span,
}

/// Where a value stands, which decides what a leading `@` may mean.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// The whole value of a parameter or port.
    Parameter,
    /// Inside such a value.
    Nested,
    /// Where no reference may stand; the text says where.
    Plain(&'static str),
}

pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.len() <= LONGEST_NAME
        && is_word(text)
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// `what` has the wrong type.
pub(super) fn mismatch(what: &str, expected: &str, node: &Node) -> Diagnostic {
    Diagnostic::new(
        "wrong-type",
        format!("{what} expects {expected}, found {}", node.data.describe()),
    )
    .at(node.span)
}

/// Reads what a file says. Relative paths in it belong to `folder`.
pub(super) fn read(
    document: Document,
    id: SourceId,
    text: &str,
    folder: &Arc<Path>,
    problems: &mut Problems,
) -> Layer {
    let mut layer = Layer { broken: document.broken, ..Layer::default() };
    if document.broken {
        // Keys may stand under a header that is not theirs: complaints would mislead. The parent's file can still be read.
        layer.extends =
            document.root.entries.into_iter().find(|entry| &*entry.name == "extends").and_then(
                |entry| match entry.node.data {
                    NodeData::String(text) => Some((text, entry.node.span)),
                    _ => None,
                },
            );
        return layer;
    }
    let mut reader = Reader { id, text, folder, problems };
    for entry in document.root.entries {
        reader.top(entry, &mut layer);
    }
    layer
}

/// Reads the parts of one text.
pub(super) struct Reader<'a> {
    pub id: SourceId,
    pub text: &'a str,
    pub folder: &'a Arc<Path>,
    pub problems: &'a mut Problems,
}

impl Reader<'_> {
    fn top(&mut self, entry: Entry, layer: &mut Layer) {
        let Entry { name, name_span, node } = entry;
        if matches!(node.data, NodeData::Invalid) && KEYS.contains(&&*name) {
            // The mistake is known; of a missing version, say, nobody should complain again.
            layer.broken = true;
            return;
        }
        match &*name {
            "version" => {
                layer.version = Some(node.span);
                self.version(&node);
            }
            "extends" => {
                layer.extends =
                    self.string("`extends`", node, "the path of another experiment file");
                layer.broken |= layer.extends.is_none();
            }
            "unset" => self.unset(node, layer),
            "about" => layer.about = self.string("`about`", node, "a string").map(|(text, _)| text),
            "name" => {
                layer.name = self.string("`name`", node, "a string");
                if let Some((text, span)) = &layer.name
                    && let Some(problem) = unsafe_name(text)
                {
                    let message = format!("the name {} {problem}", quoted(text));
                    self.problems
                        .push(Diagnostic::new("unsafe-name", message).at(*span).help(SAFE_NAME));
                }
            }
            "seed" => layer.seed = self.seed(&node),
            "params" => self.params(node, layer),
            "stage" => self.stages(node, layer),
            "sweep" => layer.sweep = sweep::read(self, name_span, node),
            _ => {
                layer.misplaced |= matches!(node.data, NodeData::Table(_));
                self.unknown_key(&name, name_span, &node);
            }
        }
    }

    fn unknown_key(&mut self, name: &str, span: Span, node: &Node) {
        let diagnostic =
            Diagnostic::new("unknown-key", format!("unknown key {}", quoted(name))).at(span);
        let near = self.problems.near(name, KEYS);
        let diagnostic = match near {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None if matches!(node.data, NodeData::Table(_)) && is_name(name) => {
                diagnostic.help(format!("a stage is written `[stage.{name}]`"))
            }
            None if STAGE_KEYS.contains(&name) => {
                diagnostic.help("it belongs below the header of a stage, such as `[stage.train]`")
            }
            None => diagnostic
                .help(format!("outside of stages the keys are {}", listed(&KEYS)))
                .help("a parameter belongs below the header of its stage, such as `[stage.train]`"),
        };
        self.problems.push(diagnostic);
    }

    fn version(&mut self, node: &Node) {
        match node.data {
            NodeData::Integer(VERSION) => {}
            NodeData::Integer(other) => {
                let message = format!("version {other} of the format is not supported");
                self.problems.push(
                    Diagnostic::new("unsupported-version", message)
                        .at(node.span)
                        .help("this program reads `version = 1`"),
                );
            }
            _ => self
                .problems
                .push(mismatch("`version`", "an integer", node).help("write `version = 1`")),
        }
    }

    /// A string outside of stages, where no reference may stand.
    pub fn string(
        &mut self,
        what: &'static str,
        node: Node,
        expected: &str,
    ) -> Option<(String, Span)> {
        if !matches!(node.data, NodeData::String(_)) {
            self.problems.push(mismatch(what, expected, &node));
            return None;
        }
        let value = self.value(node, Place::Plain(what));
        match value.data {
            Data::String(text) => Some((text, value.span)),
            _ => None,
        }
    }

    pub fn seed(&mut self, node: &Node) -> Option<(u64, Span)> {
        match node.data {
            NodeData::Integer(value) => match u64::try_from(value) {
                Ok(value) => return Some((value, node.span)),
                Err(_) => {
                    let message = format!("the seed {value} is out of range");
                    self.problems.push(
                        Diagnostic::new("out-of-range", message)
                            .at(node.span)
                            .help("a seed is a whole number from 0"),
                    );
                }
            },
            NodeData::Invalid => {}
            _ => self.problems.push(mismatch("`seed`", "an integer", node)),
        }
        None
    }

    fn unset(&mut self, node: Node, layer: &mut Layer) {
        let items = match node.data {
            NodeData::Array { items, tables: false } => items,
            _ => {
                return self.problems.push(
                    mismatch("`unset`", "an array of strings", &node)
                        .help("write `unset = [\"stage.x.y\"]`"),
                );
            }
        };
        for item in items {
            let span = item.span;
            let Some((text, _)) = self.string("`unset`", item, "an array of strings") else {
                continue;
            };
            let mut own = Problems::default();
            match syntax::key(&text, 0..text.len(), self.id, &mut own) {
                Some(words) => layer.unset.push(Unset { words, span }),
                None => {
                    let message = format!("{} is not a path", quoted(&text));
                    self.problems.push(
                        Diagnostic::new("unset", message)
                            .at(span)
                            .help("write `stage.x.y`, `stage.x`, `params.x` or `sweep`"),
                    );
                }
            }
        }
    }

    fn table(&mut self, what: &str, node: Node) -> Option<Table> {
        match node.data {
            NodeData::Table(table) => Some(table),
            NodeData::Invalid => None,
            _ => {
                self.problems.push(mismatch(what, "a table", &node));
                None
            }
        }
    }

    fn params(&mut self, node: Node, layer: &mut Layer) {
        for Entry { name, name_span, node } in
            self.table("`params`", node).into_iter().flat_map(|table| table.entries)
        {
            if !is_word(&name) {
                let message = format!("{} cannot be the name of a param", quoted(&name));
                self.problems.push(
                    Diagnostic::new("bad-name", message)
                        .at(name_span)
                        .help("a name is letters, digits, `-` and `_`"),
                );
            }
            let value = self.value(node, Place::Plain("`[params]`"));
            layer.params.push(Parameter { name, name_span, value });
        }
    }

    fn stages(&mut self, node: Node, layer: &mut Layer) {
        if !matches!(node.data, NodeData::Table(_)) {
            layer.broken = true;
        }
        let what = "`stage`";
        for Entry { name, name_span, node } in
            self.table(what, node).into_iter().flat_map(|table| table.entries)
        {
            let is_reserved = RESERVED.contains(&&*name);
            if !is_name(&name) || is_reserved {
                let message = format!("{} cannot be the name of a stage", quoted(&name));
                let diagnostic = Diagnostic::new("bad-name", message).at(name_span);
                let help = if is_reserved { RESERVED_RULE } else { NAME_RULE };
                self.problems.push(diagnostic.help(help));
            }
            match node.data {
                NodeData::Table(table) => {
                    let stage = self.stage(name, name_span, table);
                    layer.stages.push(stage);
                }
                NodeData::Invalid => layer.broken = true,
                NodeData::Array { .. } => {
                    layer.broken = true;
                    let diagnostic = mismatch(&quoted(&format!("stage.{name}")), "a table", &node);
                    self.problems.push(
                        diagnostic.help(format!("write `[stage.{name}]` above its parameters")),
                    );
                }
                _ => {
                    layer.misplaced = true;
                    let diagnostic = mismatch(&quoted(&format!("stage.{name}")), "a table", &node);
                    self.problems.push(diagnostic.help("a parameter belongs below the header of its stage, such as `[stage.train]`"));
                }
            }
        }
    }

    fn stage(&mut self, name: Arc<str>, name_span: Span, table: Table) -> StageLayer {
        let mut stage = StageLayer::new(name, name_span);
        stage.parameters.reserve(table.entries.len());
        for entry in table.entries {
            self.stage_entry(entry, &mut stage);
        }
        stage
    }

    /// One key of a stage, which may come from the command line.
    pub fn stage_entry(&mut self, entry: Entry, stage: &mut StageLayer) {
        let Entry { name, name_span, node } = entry;
        match &*name {
            "kind" => match &node.data {
                NodeData::String(text) if is_name(text) => {
                    stage.kind = Some((text.as_str().into(), node.span))
                }
                other => {
                    // A stage without a kind, of which nothing else can be said.
                    stage.kind = Some(("".into(), node.span));
                    if let NodeData::String(text) = other {
                        let message = format!("{} cannot be the name of a kind", quoted(text));
                        self.problems.push(
                            Diagnostic::new("bad-name", message)
                                .at(node.span)
                                .help("`pipeline kinds` lists the kinds"),
                        );
                    } else if !matches!(other, NodeData::Invalid) {
                        self.problems.push(mismatch("`kind`", "the name of a kind", &node));
                    }
                }
            },
            "after" => stage.after = self.after(node),
            "retry" => stage.retry = self.retry(&node),
            "timeout" => stage.timeout = self.timeout(&node),
            _ => stage.parameters.push(Parameter {
                name,
                name_span,
                value: self.value(node, Place::Parameter),
            }),
        }
    }

    fn retry(&mut self, node: &Node) -> Option<(u32, Span)> {
        match &node.data {
            NodeData::Integer(count) => {
                match u32::try_from(*count).ok().filter(|count| *count <= MOST_RETRIES) {
                    Some(count) => return Some((count, node.span)),
                    None => {
                        let message = format!(
                            "`retry` must be at least 0 and at most {MOST_RETRIES}, but is {count}"
                        );
                        self.problems.push(Diagnostic::new("out-of-range", message).at(node.span));
                    }
                }
            }
            NodeData::Invalid => {}
            _ => {
                let help = "`retry = 2` tries a stage that fails twice more";
                self.problems.push(mismatch("`retry`", "an integer", node).help(help));
            }
        }
        None
    }

    fn timeout(&mut self, node: &Node) -> Option<(Duration, Span)> {
        match &node.data {
            NodeData::String(text) => match units::duration(text) {
                Some(duration) => return Some((duration, node.span)),
                None => {
                    let message = format!("`timeout` cannot be {}", quoted(text));
                    self.problems.push(
                        Diagnostic::new("bad-duration", message)
                            .at(node.span)
                            .help(format!("write {}", units::DURATION)),
                    );
                }
            },
            NodeData::Integer(seconds) if *seconds > 0 => {
                let help = format!("write `timeout = \"{seconds}s\"` if these are seconds");
                self.problems
                    .push(mismatch("`timeout`", "a duration with its unit", node).help(help));
            }
            NodeData::Invalid => {}
            _ => self.problems.push(
                mismatch("`timeout`", "a duration", node)
                    .help(format!("write {}", units::DURATION)),
            ),
        }
        None
    }

    fn after(&mut self, node: Node) -> Option<Vec<(Arc<str>, Span)>> {
        let items = match node.data {
            NodeData::Array { items, tables: false } => items,
            NodeData::Invalid => return None,
            _ => {
                let diagnostic = mismatch("`after`", "an array of stages", &node);
                self.problems.push(match &node.data {
                    NodeData::String(text) if is_name(text) => {
                        diagnostic.help(format!("write `after = [\"{text}\"]`"))
                    }
                    _ => diagnostic.help("write `after = [\"stage\"]`"),
                });
                return None;
            }
        };
        let mut after = Vec::with_capacity(items.len());
        for item in items {
            match &item.data {
                NodeData::String(text) if is_name(text) => {
                    after.push((text.as_str().into(), item.span))
                }
                NodeData::String(text) => {
                    let diagnostic = Diagnostic::new(
                        "bad-name",
                        format!("{} is not the name of a stage", quoted(text)),
                    )
                    .at(item.span);
                    self.problems.push(match text.strip_prefix('@') {
                        Some(name) if is_name(name) => diagnostic
                            .help(format!("in `after` the name stands alone: `\"{name}\"`")),
                        _ => diagnostic.help(NAME_RULE),
                    });
                }
                NodeData::Invalid => {}
                _ => self.problems.push(mismatch("`after`", "the name of a stage", &item)),
            }
        }
        Some(after)
    }

    /// A value with its references.
    pub fn value(&mut self, node: Node, place: Place) -> Value {
        let below = if let Place::Plain(_) = place { place } else { Place::Nested };
        let span = node.span;
        let data = match node.data {
            NodeData::Bool(value) => Data::Bool(value),
            NodeData::Integer(value) => Data::Integer(value),
            NodeData::Float(value) => Data::Float(value),
            NodeData::String(text) => self.text(text, span, place),
            NodeData::Array { items, .. } => {
                Data::Array(items.into_iter().map(|item| self.value(item, below)).collect())
            }
            NodeData::Table(table) => {
                let entry = |Entry { name, name_span, node }: Entry| {
                    (name, name_span, self.value(node, below))
                };
                let mut entries: Vec<_> = table.entries.into_iter().map(entry).collect();
                entries.sort_by(|(one, ..), (other, ..)| one.cmp(other));
                Data::Table(entries)
            }
            NodeData::Invalid => Data::Invalid,
        };
        Value { data, span, folder: self.folder.clone() }
    }

    /// A string, which is a reference if it starts with `@`.
    fn text(&mut self, text: String, span: Span, place: Place) -> Data {
        let Some(rest) = text.strip_prefix('@') else { return Data::String(text) };
        if rest.starts_with('@') {
            return Data::String(rest.to_owned());
        }
        let (message, help) = match (place, rest.strip_prefix("params")) {
            (Place::Plain(what), _) => {
                (format!("{what} holds no references, found {}", quoted(&text)), escaped(&text))
            }
            (_, Some(path)) if path.is_empty() || path.starts_with('.') => match path
                .strip_prefix('.')
            {
                Some(path) if path.split('.').all(|word| !word.is_empty()) => {
                    return Data::Param(path.into());
                }
                _ => {
                    (format!("{} names no param", quoted(&text)), "write `@params.name`".to_owned())
                }
            },
            (Place::Parameter, _) if is_name(rest) => return Data::Stage(rest.into()),
            (_, _) if is_name(rest) => {
                let help = format!(
                    "write `\"{text}\"` as the whole value of an input; {}",
                    escaped(&text)
                );
                (
                    format!(
                        "{} stands inside a value: only a whole value can refer to a stage",
                        quoted(&text)
                    ),
                    help,
                )
            }
            (_, _) => match rest.split_once('.') {
                Some(("param", path)) => (
                    format!("{} is not a reference", quoted(&text)),
                    format!("did you mean `@params.{path}`?"),
                ),
                Some((stage, _)) if is_name(stage) => (
                    format!("{} is not a reference", quoted(&text)),
                    format!("a stage has exactly one output: write `@{stage}`"),
                ),
                _ => (format!("{} is not a reference", quoted(&text)), escaped(&text)),
            },
        };
        self.problems.push(Diagnostic::new("bad-reference", message).at(span).help(help));
        Data::Invalid
    }
}

fn escaped(text: &str) -> String {
    format!("for a string that starts with `@`, write {}", quoted(&format!("@{text}")))
}

/// `a`, `b` and `c`, in backticks.
pub(super) fn listed(words: &[&str]) -> String {
    let mut quoted = words.iter().map(|word| format!("`{word}`"));
    let last = quoted.next_back().unwrap_or_default();
    let first: Vec<String> = quoted.collect();
    if first.is_empty() { last } else { format!("{} and {last}", first.join(", ")) }
}

pub(super) const SAFE_NAME: &str = "results go to `outputs/<name>/`";

/// Why a text cannot be the name of a folder in `outputs/`.
#[must_use]
pub fn unsafe_name(name: &str) -> Option<&'static str> {
    const OURS: [&str; 4] = ["store", "runs", "cache", "checkpoints"];
    if name.trim().is_empty() {
        Some("is empty")
    } else if OURS.contains(&name.to_lowercase().as_str()) {
        Some("is taken: `outputs/` holds a folder of that name already")
    } else if name.len() > LONGEST_NAME {
        Some("is longer than 100 bytes")
    } else if name.starts_with(['.', ' ']) || name.ends_with(['.', ' ']) {
        Some("starts or ends with a dot or a space")
    } else if name.starts_with('-') {
        Some("starts with a dash, as the options of commands do")
    } else if visible::line(name) != name {
        Some("has a character that cannot be seen")
    } else if name.contains(|character: char| "/\\:*?\"<>|".contains(character)) {
        Some("has a character that file names do not have everywhere")
    } else {
        None
    }
}
