//! The shape of an experiment file.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::experiment::Parameter;
use super::layer::{Layer, StageLayer, Unset};
use super::names::{NAME_RULE, SAFE_NAME, SEED, STAGE_KEYS, is_name, is_word, listed, unsafe_name};
use super::path::{RESERVED, RESERVED_RULE};
use super::problems::Problems;
use super::reader::{Place, Reader, mismatch};
use super::sweep;
use super::syntax::{self, Document, Entry, Node, NodeData, Table};
use crate::base::diagnostics::{Diagnostic, SourceId, Span, quoted};
use crate::base::units;

/// Keys of the file itself.
const KEYS: [&str; 9] =
    ["version", "extends", "unset", "about", "name", SEED, "params", "stage", "sweep"];
/// The version of the format that this program reads.
const VERSION: i64 = 1;
const AT_BEST: &str = "`at = \"best\"` runs a stage for the best point of a sweep alone";
/// More than that is a mistake, or a stage that fails in any case.
pub const MOST_RETRIES: u32 = 100;

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
            SEED => layer.seed = self.seed(&node),
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
            "at" => stage.at_best = self.at(&node),
            "retry" => stage.retry = self.retry(&node),
            "timeout" => stage.timeout = self.timeout(&node),
            "resources" => stage.resources = self.demand(node),
            _ => stage.parameters.push(Parameter {
                name,
                name_span,
                value: self.value(node, Place::Parameter),
            }),
        }
    }

    fn at(&mut self, node: &Node) -> Option<Span> {
        match &node.data {
            NodeData::String(text) if text == "best" => return Some(node.span),
            NodeData::Invalid => {}
            NodeData::String(text) => {
                let message = format!("`at` cannot be {}", quoted(text));
                let diagnostic = Diagnostic::new("unknown-value", message).at(node.span);
                self.problems.push(diagnostic.help(AT_BEST));
            }
            _ => self.problems.push(mismatch("`at`", "\"best\"", node).help(AT_BEST)),
        }
        None
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
}
