//! `--set`, `--objective`, `--sweep` and `--seeds`: the last layer.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::axis;
use super::experiment::{Along, Axis, Parameter, Seeds};
use super::layer::{Layer, StageLayer, SweepLayer};
use super::path::{self, Named, ValuePath, Word};
use super::problems::Problems;
use super::reader::{Place, Reader};
use super::syntax::{self, Entry, Node, NodeData};
use super::value::Value;
use super::{seeds, sweep};
use crate::base::diagnostics::{Diagnostic, SourceId, Sources, Span, quoted};

/// What the command line changes in the file, as it was typed.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `stage.train.epochs=1`, `params.x=2`, `seed=3`; each path once.
    pub set: Vec<String>,
    /// `train.learning_rate=1e-5,2e-5`.
    pub sweep: Vec<String>,
    /// `5`, or `0,1,7`.
    pub seeds: Option<String>,
    /// `max evaluate.ner.span_f1`.
    pub objective: Option<String>,
    /// The current folder, to which paths in these texts are relative.
    pub folder: PathBuf,
}

/// What the command line says.
#[derive(Debug, Default)]
pub(super) struct CommandLine {
    /// `--set`.
    pub layer: Layer,
    /// `--set` of parts of values, after all that sets whole ones.
    pub members: Vec<Member>,
    /// Replaces the axes of the file, if there are any.
    pub axes: Vec<Axis>,
    pub seeds: Option<Seeds>,
}

/// A part of the value of a parameter or a param: `train.early_stopping.patience`.
#[derive(Debug)]
pub(super) struct Member {
    /// The whole path.
    pub words: Vec<Word>,
    pub value: Value,
}

/// Reads all options. Each text becomes a source of its own, called as it was typed.
pub(super) fn read(
    overrides: &Overrides,
    sources: &mut Sources,
    problems: &mut Problems,
) -> CommandLine {
    let folder: Arc<Path> = overrides.folder.as_path().into();
    let mut all = CommandLine::default();
    let mut given: HashMap<Vec<Arc<str>>, Span> = HashMap::new();
    for text in &overrides.set {
        let id = sources.add_typed(format!("--set {text}"), text.clone());
        let mut reader = Reader { id, text, folder: &folder, problems };
        if let Some((words, range)) = assignment(&mut reader, "--set stage.train.epochs=1") {
            let place = whole(&words);
            if let Some(first) = given.insert(path_of(&words), place) {
                let message = format!("{} is set twice", quoted(&path::text(&words)));
                reader.problems.push(
                    Diagnostic::new("repeated-set", message)
                        .at(place)
                        .label(first, "here too")
                        .help("leave one of the two out"),
                );
            }
            set(&mut reader, words, range, &mut all);
        }
    }
    if let Some(text) = &overrides.objective {
        let id = sources.add_typed(format!("--objective {text}"), text.clone());
        let mut reader = Reader { id, text, folder: &folder, problems };
        let span = Span::new(id, 0..text.len());
        let node = Node { span, data: NodeData::String(text.clone()) };
        if let Some(objective) = sweep::objective(&mut reader, &node) {
            let sweep = all.layer.sweep.get_or_insert_with(|| SweepLayer::empty(span));
            sweep.objective = Some(objective);
        }
    }
    for text in &overrides.sweep {
        let id = sources.add_typed(format!("--sweep {text}"), text.clone());
        let mut reader = Reader { id, text, folder: &folder, problems };
        if let Some((words, range)) =
            assignment(&mut reader, "--sweep train.learning_rate=1e-5,2e-5")
        {
            all.axes.extend(axis_of(&mut reader, &words, range));
        }
    }
    all.axes = sweep::once_each(all.axes, problems);
    if let Some(text) = &overrides.seeds {
        let id = sources.add_typed(format!("--seeds {text}"), text.clone());
        let mut reader = Reader { id, text, folder: &folder, problems };
        let range = trimmed(text, 0..text.len());
        if range.is_empty() {
            let diagnostic =
                Diagnostic::new("syntax", "expected a number of replicates or a list of seeds")
                    .at(Span::new(id, range));
            problems.push(diagnostic.help("as in `--seeds 5`"));
            return all;
        }
        let pieces = pieces(text, range.clone());
        let node = if pieces.len() == 1 {
            value(text, range, id, reader.problems)
        } else {
            let items =
                pieces.into_iter().map(|piece| value(text, piece, id, reader.problems)).collect();
            Node { span: Span::new(id, range), data: NodeData::Array { items, tables: false } }
        };
        all.seeds = seeds::seeds(&mut reader, &node);
    }
    all
}

/// Splits `path=value` into the words of the path and the place of the value.
fn assignment(reader: &mut Reader<'_>, example: &str) -> Option<(Vec<Word>, Range<usize>)> {
    let text = reader.text;
    let mut quote = None;
    let equals = text.char_indices().find_map(|(at, character)| match (quote, character) {
        (None, '=') => Some(at),
        (None, '"' | '\'') => {
            quote = Some(character);
            None
        }
        (Some(open), _) if open == character => {
            quote = None;
            None
        }
        _ => None,
    });
    let Some(equals) = equals else {
        let whole = Span::new(reader.id, 0..text.len());
        reader.problems.push(
            Diagnostic::new("syntax", "expected `path=value`")
                .at(whole)
                .help(format!("as in `{example}`")),
        );
        return None;
    };
    let words = syntax::key(text, trimmed(text, 0..equals), reader.id, reader.problems)?;
    let range = trimmed(text, equals + 1..text.len());
    if range.is_empty() {
        let diagnostic =
            Diagnostic::new("syntax", "expected a value after `=`").at(Span::new(reader.id, range));
        reader.problems.push(diagnostic.help("the empty string is `''`"));
        return None;
    }
    Some((words, range))
}

/// A TOML value, or a bare word, which is a string.
fn value(text: &str, range: Range<usize>, id: SourceId, problems: &mut Problems) -> Node {
    let mut own = Problems::default();
    let node = syntax::value(text, range.clone(), id, &mut own);
    // A number or a date that is none of ours is still meant as one; so is what starts like a string, an array or a table.
    let meant = text[range.clone()].starts_with(['"', '\'', '[', '{']) || own.only_about_values();
    if own.is_empty() || meant {
        problems.extend(own);
        return node;
    }
    Node { span: Span::new(id, range.clone()), data: NodeData::String(text[range].to_owned()) }
}

/// What a path leads to, whether or not it says that it begins at the stages.
fn path_of(words: &[Word]) -> Vec<Arc<str>> {
    let stages = words.len() > 2 && &*words[0].0 == "stage";
    words[usize::from(stages)..].iter().map(|(word, _)| Arc::clone(word)).collect()
}

/// Reads what `--set` gives a path.
fn set(reader: &mut Reader<'_>, words: Vec<Word>, range: Range<usize>, line: &mut CommandLine) {
    let layer = &mut line.layer;
    let several = pieces(reader.text, range.clone());
    if several.len() > 1 {
        return reader.problems.push(several_values(reader, &words, &range, several.len()));
    }
    let node = value(reader.text, range, reader.id, reader.problems);
    let problem = match path::named(&words) {
        Some(Named::Seed) => {
            layer.seed = reader.seed(&node);
            return;
        }
        Some(Named::Value(ValuePath { stage: None, name, members: [] })) => {
            let (name, name_span) = name.clone();
            let value = reader.value(node, Place::Plain("`[params]`"));
            return layer.params.push(Parameter { name, name_span, value });
        }
        Some(Named::Value(ValuePath { stage: Some(stage), name, members: [] })) => {
            return set_parameter(reader, stage, name, node, layer);
        }
        Some(Named::Value(ValuePath { stage, .. })) => {
            let place = if stage.is_some() { Place::Nested } else { Place::Plain("`[params]`") };
            let value = reader.value(node, place);
            return line.members.push(Member { words, value });
        }
        Some(Named::Stage((stage, _))) => {
            let message = format!("the path {} names no parameter", quoted(&path::text(&words)));
            Diagnostic::new("unknown-path", message)
                .help(format!("write `stage.{stage}.parameter=value`"))
        }
        Some(Named::Sweep([(first, _), ..])) if &**first == "over" => {
            let message = format!("{} is an axis", quoted(&path::text(&words)));
            Diagnostic::new("unknown-path", message)
                .help("`--sweep` gives one, as in `--sweep train.learning_rate=1e-5,2e-5`")
        }
        Some(Named::Sweep([(name, name_span)])) => {
            let sweep = layer.sweep.get_or_insert_with(|| SweepLayer::empty(whole(&words)));
            let entry = Entry { name: name.clone(), name_span: *name_span, node };
            return sweep::entry(reader, entry, sweep);
        }
        Some(Named::Sweep(_)) | None => {
            let message = format!("unknown path {}", quoted(&path::text(&words)));
            Diagnostic::new("unknown-path", message).help(
                "`--set` takes `stage.parameter`, or a member of it, `params.name`, `sweep.objective` and `seed`",
            )
        }
    };
    reader.problems.push(problem.at(whole(&words)));
}

fn set_parameter(
    reader: &mut Reader<'_>,
    (stage, stage_span): &Word,
    (name, name_span): &Word,
    node: Node,
    layer: &mut Layer,
) {
    let position = layer.stages.iter().position(|other| other.name == *stage);
    let mut stage = match position {
        Some(position) => layer.stages.swap_remove(position),
        None => StageLayer::new(stage.clone(), *stage_span),
    };
    // One that is set twice is one mistake.
    stage.parameters.retain(|parameter| parameter.name != *name);
    let entry = Entry { name: name.clone(), name_span: *name_span, node };
    reader.stage_entry(entry, &mut stage);
    layer.stages.push(stage);
}

/// `--set` with the values of a sweep, or a list without its brackets.
fn several_values(
    reader: &Reader<'_>,
    words: &[Word],
    range: &Range<usize>,
    count: usize,
) -> Diagnostic {
    let (path, given) = (path::text(words), &reader.text[range.clone()]);
    let message = format!("`--set` gives {} one value, but there are {count}", quoted(&path));
    let diagnostic =
        Diagnostic::new("several-values", message).at(Span::new(reader.id, range.clone()));
    if given.len() + path.len() > 100 {
        return diagnostic
            .help("an array stands in brackets; `--sweep` runs the experiment with each value");
    }
    let of_value = format!("where it takes an array, write `[{given}]`");
    let diagnostic = match path::named(words) {
        // Which of the two it takes is not known here.
        Some(Named::Value(ValuePath { members: [], .. })) => diagnostic.help(format!(
            "{of_value}; where it takes one value, `--sweep {path}={given}` runs the experiment with each"
        )),
        Some(Named::Seed) => {
            return diagnostic
                .help(format!("`--seeds {given}` runs the experiment with each"));
        }
        _ => diagnostic.help(of_value),
    };
    diagnostic.help(format!("a string with commas is `'{given}'`"))
}

/// Where a path stands, from its first word to its last.
fn whole(words: &[Word]) -> Span {
    Span { start: words[0].1.start, ..words[words.len() - 1].1 }
}

fn axis_of(reader: &mut Reader<'_>, words: &[Word], range: Range<usize>) -> Option<Axis> {
    let span = whole(words);
    let target = axis::target(reader, words, span)?;
    let whole = Span::new(reader.id, range.clone());
    let mut pieces = pieces(reader.text, range);
    if let [only] = &pieces[..]
        && reader.text[only.clone()].starts_with('[')
    {
        // The list as it stands in the file.
        let node = value(reader.text, only.clone(), reader.id, reader.problems);
        let NodeData::Array { items, .. } = node.data else { return None };
        return sweep::distinct(reader, &target, whole, items).map(|values| Axis {
            target,
            span,
            along: Along::List,
            values,
            together: None,
        });
    }
    if pieces.last().is_some_and(Range::is_empty) && pieces.len() > 1 {
        pieces.pop();
    }
    let mut items = Vec::with_capacity(pieces.len());
    for piece in pieces {
        if piece.is_empty() {
            reader.problems.push(
                Diagnostic::new("syntax", "expected a value between the commas")
                    .at(Span::new(reader.id, piece)),
            );
        } else {
            items.push(value(reader.text, piece, reader.id, reader.problems));
        }
    }
    let values = sweep::distinct(reader, &target, whole, items)?;
    Some(Axis { target, span, along: Along::List, values, together: None })
}

/// The parts of a list between the commas that stand in no string, array or table.
fn pieces(text: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let (mut depth, mut quote, mut start) = (0_usize, None, range.start);
    let mut pieces = Vec::new();
    for (at, character) in text[range.clone()].char_indices() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                pieces.push(trimmed(text, start..range.start + at));
                start = range.start + at + 1;
            }
            _ => {}
        }
    }
    pieces.push(trimmed(text, start..range.end));
    pieces
}

fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let part = &text[range.clone()];
    let start = range.start + part.len() - part.trim_start().len();
    start..start + part.trim().len()
}
