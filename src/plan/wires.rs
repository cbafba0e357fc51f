//! Stages, their kinds, and what is wired to what.
//!
//! A parameter of a stage is either a port of its kind or a parameter of it. Ports take the output of one stage; `after` orders without data.
//! Both must end somewhere, agree in type, and never come back to where they began.

use std::collections::HashMap;
use std::sync::Arc;

use super::schema::{Schema, Schemas};
use super::validate::names_text;
use crate::diagnostics::{Diagnostic, Span, quoted, suggest};
use crate::experiment::{Data, Experiment, Parameter, StageDeclaration};
use crate::stage::{Port, StageKind};

/// A stage as far as its own table tells.
pub(super) struct Draft<'a> {
    pub(super) declaration: &'a StageDeclaration,
    /// `None` when there is no such kind.
    pub(super) kind: Option<(&'static StageKind, Arc<Schema>)>,
    /// In the order of the kind's ports.
    pub(super) wires: Vec<Wire>,
    pub(super) after: Vec<(usize, Span)>,
    /// Those that the kind knows.
    pub(super) parameters: Vec<&'a Parameter>,
    /// What misspelled names most likely meant; that it is missing is then no mistake of its own.
    pub(super) meant: Vec<String>,
}

/// A port and the stage whose output it takes.
pub(super) struct Wire {
    pub(super) port: &'static Port,
    /// The number of the draft.
    pub(super) stage: usize,
    pub(super) span: Span,
}

/// Every stage, connected.
pub(super) struct Graph<'a> {
    /// In the order of the file.
    pub(super) drafts: Vec<Draft<'a>>,
    /// Numbers of drafts, each after those that it needs; meaningless where there is a cycle.
    pub(super) order: Vec<usize>,
}

impl<'a> Graph<'a> {
    pub(super) fn connect(
        experiment: &'a Experiment,
        kinds: &'static [StageKind],
        schemas: &mut Schemas,
        found: &mut Vec<Diagnostic>,
    ) -> Self {
        let stages = &experiment.stages;
        let numbers: HashMap<&str, usize> = stages.iter().enumerate().map(|(number, stage)| (&*stage.name, number)).collect();
        let mut drafts: Vec<Draft<'a>> = Vec::with_capacity(stages.len());
        for declaration in stages {
            let mut connector = Connector { declaration, stages, kinds, numbers: &numbers, found };
            let kind = connector.kind().map(|kind| (kind, schemas.of(kind)));
            drafts.push(connector.draft(kind));
        }
        check_types(&drafts, kinds, found);
        let order = order(&drafts, found);
        Self { drafts, order }
    }

    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.drafts.iter().position(|draft| *draft.declaration.name == *name)
    }
}

/// Reads one stage.
struct Connector<'a, 'b> {
    declaration: &'a StageDeclaration,
    stages: &'a [StageDeclaration],
    kinds: &'static [StageKind],
    numbers: &'b HashMap<&'a str, usize>,
    found: &'b mut Vec<Diagnostic>,
}

impl<'a> Connector<'a, '_> {
    fn kind(&mut self) -> Option<&'static StageKind> {
        let StageDeclaration { kind: name, kind_span, name_span, .. } = self.declaration;
        let kind = self.kinds.iter().find(|kind| *kind.name == **name);
        if kind.is_none() {
            let diagnostic = Diagnostic::new("unknown-kind", format!("unknown stage kind {}", quoted(name))).at(*kind_span);
            let diagnostic = match suggest(name, self.kinds.iter().map(|kind| kind.name)) {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                None => diagnostic.help(format!("kinds are {}", names_text(self.kinds.iter().map(|kind| kind.name)))),
            };
            self.found.push(match kind_span == name_span {
                true => diagnostic
                    .help("a stage without `kind` is of the kind that it is named after: write `kind = \"...\"` to name it otherwise"),
                false => diagnostic,
            });
        }
        kind
    }

    fn draft(&mut self, kind: Option<(&'static StageKind, Arc<Schema>)>) -> Draft<'a> {
        let declaration = self.declaration;
        let after = declaration.after.iter().filter_map(|(name, span)| Some((self.stage(name, *span)?, *span))).collect();
        let mut wires: Vec<Wire> = Vec::new();
        let mut parameters = Vec::new();
        let mut meant = Vec::new();
        let Some((row, schema)) = &kind else {
            for parameter in &declaration.parameters {
                if let Data::Stage(name) = &parameter.value.data {
                    self.stage(name, parameter.value.span);
                }
            }
            return Draft { declaration, kind, wires, after, parameters, meant };
        };
        for parameter in &declaration.parameters {
            if let Some(port) = row.ports.iter().find(|port| *port.name == *parameter.name) {
                if let Some(stage) = self.wire(port, parameter) {
                    wires.push(Wire { port, stage, span: parameter.value.span });
                }
            } else if schema.property(&parameter.name).is_some() {
                parameters.push(parameter);
            } else {
                meant.extend(self.unknown_parameter(row, schema, parameter));
            }
        }
        self.missing_inputs(row, &meant);
        wires.sort_by_key(|wire| row.ports.iter().position(|port| port.name == wire.port.name));
        Draft { declaration, kind, wires, after, parameters, meant }
    }

    /// Finds the stage to which something refers, or says that there is none.
    fn stage(&mut self, name: &str, span: Span) -> Option<usize> {
        if let Some(number) = self.numbers.get(name) {
            return Some(*number);
        }
        let diagnostic = Diagnostic::new("unknown-stage", format!("there is no stage {}", quoted(name))).at(span);
        self.found.push(match suggest(name, self.stages.iter().map(|stage| &*stage.name)) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic.help(stages_text(self.stages)),
        });
        None
    }

    fn wire(&mut self, port: &'static Port, parameter: &Parameter) -> Option<usize> {
        let value = &parameter.value;
        match &value.data {
            Data::Stage(name) => return self.stage(name, value.span),
            Data::Invalid => return None,
            _ => {}
        }
        let message = format!(
            "stage `{}` input `{}` takes the output of a stage, but this is {}",
            self.declaration.name,
            port.name,
            value.data.describe()
        );
        let diagnostic = Diagnostic::new("value-for-wire", message).at(value.span);
        let named = match &value.data {
            Data::String(text) if self.numbers.contains_key(text.as_str()) => Some(text.as_str()),
            _ => None,
        };
        self.found.push(match named.or_else(|| self.producer(port.artifact)) {
            Some(name) => diagnostic.help(format!("write `\"@{name}\"`")),
            None => diagnostic.help(producers_text(port.artifact, self.stages, self.kinds)),
        });
        None
    }

    /// The only stage of the file that produces an artifact, if there is just one.
    fn producer(&self, artifact: &str) -> Option<&'a str> {
        let mut names = producers(artifact, self.stages, self.kinds).filter(|name| **name != *self.declaration.name);
        names.next().filter(|_| names.next().is_none())
    }

    /// Returns the name that was most likely meant.
    fn unknown_parameter(&mut self, kind: &StageKind, schema: &Schema, parameter: &Parameter) -> Option<String> {
        let known = || kind.ports.iter().map(|port| port.name).chain(schema.properties.iter().map(|property| property.name.as_str()));
        let message = format!("stage `{}` has no parameter or input {}", self.declaration.name, quoted(&parameter.name));
        let diagnostic = Diagnostic::new("unknown-parameter", message).at(parameter.name_span);
        // A wire under a wrong name most likely belongs to the port of its type.
        let fitting = match &parameter.value.data {
            Data::Stage(name) => self.stages.iter().find(|stage| stage.name == *name).and_then(|stage| {
                let output = self.kinds.iter().find(|kind| *kind.name == *stage.kind)?.output.name;
                kind.ports.iter().find(|port| port.artifact == output && self.declaration.parameter(port.name).is_none())
            }),
            _ => None,
        };
        let near = suggest(&parameter.name, known()).or(fitting.map(|port| port.name));
        self.found.push(match near {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic.help(format!("kind `{}` has {}", kind.name, names_text(known()))),
        });
        near.map(str::to_owned)
    }

    fn missing_inputs(&mut self, kind: &StageKind, meant: &[String]) {
        let given = |name: &str| self.declaration.parameter(name).is_some() || meant.iter().any(|meant| meant == name);
        let missing: Vec<&Port> = kind.ports.iter().filter(|port| port.required && !given(port.name)).collect();
        if missing.is_empty() {
            return;
        }
        let names = names_text(missing.iter().map(|port| port.name));
        let message = format!("stage `{}` lacks its input{} {names}", self.declaration.name, if missing.len() == 1 { "" } else { "s" });
        let mut diagnostic = Diagnostic::new("missing-input", message).at(self.declaration.name_span);
        for port in missing {
            diagnostic = match self.producer(port.artifact) {
                Some(stage) => diagnostic.help(format!("add `{} = \"@{stage}\"`", port.name)),
                None => {
                    let producers = producers_text(port.artifact, self.stages, self.kinds);
                    diagnostic.help(format!("`{}` takes `{}`; {producers}", port.name, port.artifact))
                }
            };
        }
        self.found.push(diagnostic);
    }
}

fn stages_text(stages: &[StageDeclaration]) -> String {
    const SHOWN: usize = 12;
    match stages.len() {
        0 => "the file declares no stage".to_owned(),
        count if count <= SHOWN => format!("stages are {}", names_text(stages.iter().map(|stage| &*stage.name))),
        count => format!(
            "stages are {} and {} more",
            stages[..SHOWN].iter().map(|it| format!("`{}`", it.name)).collect::<Vec<_>>().join(", "),
            count - SHOWN
        ),
    }
}

fn producers<'a>(artifact: &str, stages: &'a [StageDeclaration], kinds: &'static [StageKind]) -> impl Iterator<Item = &'a str> {
    let kinds: Vec<&str> = kinds.iter().filter(|kind| kind.output.name == artifact).map(|kind| kind.name).collect();
    stages.iter().filter(move |stage| kinds.contains(&&*stage.kind)).map(|stage| &*stage.name)
}

/// Who produces an artifact: stages of the file, else kinds.
fn producers_text(artifact: &str, stages: &[StageDeclaration], kinds: &'static [StageKind]) -> String {
    let produce = |names: usize| if names == 1 { "produces" } else { "produce" };
    let named: Vec<&str> = producers(artifact, stages, kinds).take(6).collect();
    if !named.is_empty() {
        return format!("{} {} `{artifact}`", names_text(named.iter().copied()), produce(named.len()));
    }
    let able: Vec<&str> = kinds.iter().filter(|kind| kind.output.name == artifact).map(|kind| kind.name).collect();
    match able.len() {
        0 => format!("no kind produces `{artifact}`"),
        1 => format!("a stage of kind `{}` produces `{artifact}`", able[0]),
        _ => format!("stages of the kinds {} produce `{artifact}`", names_text(able)),
    }
}

fn check_types(drafts: &[Draft<'_>], kinds: &'static [StageKind], found: &mut Vec<Diagnostic>) {
    let mut stages = None;
    for draft in drafts {
        for wire in &draft.wires {
            let Some((producer, _)) = &drafts[wire.stage].kind else { continue };
            if producer.output.name == wire.port.artifact {
                continue;
            }
            let message = format!(
                "stage `{}` input `{}` expects `{}`, but `{}` produces `{}`",
                draft.declaration.name, wire.port.name, wire.port.artifact, drafts[wire.stage].declaration.name, producer.output.name
            );
            let stages: &Vec<StageDeclaration> =
                stages.get_or_insert_with(|| drafts.iter().map(|draft| draft.declaration.clone()).collect());
            let help = producers_text(wire.port.artifact, stages, kinds);
            found.push(Diagnostic::new("wrong-wire", message).at(wire.span).help(help));
        }
    }
}

/// Sorts topologically, and names each cycle whole.
fn order(drafts: &[Draft<'_>], found: &mut Vec<Diagnostic>) -> Vec<usize> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let needs: Vec<Vec<(usize, Span)>> = drafts
        .iter()
        .map(|draft| draft.wires.iter().map(|wire| (wire.stage, wire.span)).chain(draft.after.iter().copied()).collect())
        .collect();
    let mut marks = vec![Mark::New; drafts.len()];
    let mut in_cycle = vec![false; drafts.len()];
    let mut order = Vec::with_capacity(drafts.len());
    for root in 0..drafts.len() {
        if marks[root] != Mark::New {
            continue;
        }
        // A path of open stages, each with the number of its next need; recursion would overflow on a long chain.
        let mut path: Vec<(usize, usize)> = vec![(root, 0)];
        marks[root] = Mark::Open;
        while let Some((stage, next)) = path.last_mut() {
            let stage = *stage;
            let Some((need, _)) = needs[stage].get(*next).copied() else {
                marks[stage] = Mark::Done;
                order.push(stage);
                path.pop();
                continue;
            };
            *next += 1;
            match marks[need] {
                Mark::New => {
                    marks[need] = Mark::Open;
                    path.push((need, 0));
                }
                Mark::Open => {
                    let begin = path.iter().position(|(stage, _)| *stage == need).unwrap_or_default();
                    // The last need that each stage on the path followed leads to the next one, and that of the last one to the first.
                    let cycle: Vec<(usize, Span)> = path[begin..].iter().map(|(stage, next)| (*stage, needs[*stage][next - 1].1)).collect();
                    if !cycle.iter().all(|(stage, _)| in_cycle[*stage]) {
                        cycle.iter().for_each(|(stage, _)| in_cycle[*stage] = true);
                        found.push(cycle_diagnostic(drafts, cycle));
                    }
                }
                Mark::Done => {}
            }
        }
    }
    order
}

fn cycle_diagnostic(drafts: &[Draft<'_>], mut cycle: Vec<(usize, Span)>) -> Diagnostic {
    const SHOWN: usize = 20;
    let first = (0..cycle.len()).min_by_key(|at| cycle[*at].0).unwrap_or_default();
    cycle.rotate_left(first);
    let name = |stage: usize| &*drafts[stage].declaration.name;
    let mut names: Vec<&str> = cycle.iter().map(|(stage, _)| name(*stage)).collect();
    names.push(names[0]);
    if names.len() > 1000 {
        names.splice(SHOWN..names.len() - SHOWN, ["..."]);
    }
    let verb = if cycle.len() == 1 { "stage needs itself" } else { "stages need each other" };
    let mut diagnostic = Diagnostic::new("cycle", format!("{verb}: `{}`", names.join(" -> "))).at(cycle[0].1);
    for at in 1..cycle.len().min(SHOWN) {
        let next = cycle[(at + 1) % cycle.len()].0;
        diagnostic = diagnostic.label(cycle[at].1, format!("`{}` needs `{}`", name(cycle[at].0), name(next)));
    }
    diagnostic.help("take out one of these wires, or wire it to another stage")
}
