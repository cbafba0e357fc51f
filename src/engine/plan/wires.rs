//! Stages, their kinds, and what is wired to what.
//!
//! A parameter of a stage is either a port of its kind or a parameter of it. Ports take the output of one stage; `after` orders without data.
//! Both must end somewhere, agree in type, and never come back to where they began.

use std::collections::HashMap;
use std::sync::Arc;

use super::draft::{Draft, Wire};
use super::order::order;
use super::schema::{Schema, Schemas};
use super::validate::names_text;
use crate::base::diagnostics::{Diagnostic, Span, quoted, suggest};
use crate::engine::spec::{Data, Experiment, Parameter, STAGE_KEYS, StageDeclaration, Value};
use crate::engine::stage::{Port, StageKind};

/// Every stage, connected.
pub(super) struct Graph<'a> {
    /// In the order of the file.
    pub(super) drafts: Vec<Draft<'a>>,
    /// Numbers of drafts, each after those that it needs; meaningless where there is a cycle.
    pub(super) order: Vec<usize>,
    /// All that there are.
    pub(super) kinds: &'static [StageKind],
    numbers: HashMap<&'a str, usize>,
}

impl<'a> Graph<'a> {
    pub(super) fn connect(
        experiment: &'a Experiment,
        kinds: &'static [StageKind],
        schemas: &mut Schemas,
        found: &mut Vec<Diagnostic>,
    ) -> Self {
        let names = Names::of(&experiment.stages, kinds);
        let mut drafts: Vec<Draft<'a>> = Vec::with_capacity(experiment.stages.len());
        for declaration in &experiment.stages {
            let mut connector = Connector { declaration, names: &names, found };
            let kind = connector.kind().map(|kind| (kind, schemas.of(kind)));
            drafts.push(connector.draft(kind));
        }
        check_types(&drafts, &names, found);
        let order = order(&drafts, found);
        Self { drafts, order, kinds, numbers: names.numbers }
    }

    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.numbers.get(name).copied()
    }

    /// How many stages and edges there are.
    pub(super) fn size(&self) -> usize {
        self.drafts.iter().map(|draft| 1 + draft.needs().count()).sum()
    }
}

/// What there is to refer to.
struct Names<'a> {
    stages: &'a [StageDeclaration],
    kinds: &'static [StageKind],
    numbers: HashMap<&'a str, usize>,
    /// The first few stages that produce each artifact.
    producers: HashMap<&'static str, Vec<&'a str>>,
}

impl<'a> Names<'a> {
    fn of(stages: &'a [StageDeclaration], kinds: &'static [StageKind]) -> Self {
        const NAMED: usize = 6;
        let numbers =
            stages.iter().enumerate().map(|(number, stage)| (&*stage.name, number)).collect();
        let mut names = Self { stages, kinds, numbers, producers: HashMap::new() };
        for stage in stages {
            if let Some(kind) = names.kind_of(stage) {
                let producers = names.producers.entry(kind.output.name).or_default();
                if producers.len() < NAMED {
                    producers.push(&stage.name);
                }
            }
        }
        names
    }

    fn kind(&self, name: &str) -> Option<&'static StageKind> {
        self.kinds.iter().find(|kind| kind.name == name)
    }

    /// The kind of a stage, as it is with the stage's output.
    fn kind_of(&self, stage: &StageDeclaration) -> Option<&'static StageKind> {
        let value = |parameter: &str| match &stage.parameter(parameter)?.value.data {
            Data::String(text) => Some(text.as_str()),
            _ => None,
        };
        Some(self.kind(&stage.kind)?.given(value))
    }

    fn producers(&self, artifact: &str) -> &[&'a str] {
        self.producers.get(artifact).map_or(&[], Vec::as_slice)
    }

    /// The only stage but `except` that produces an artifact, if there is just one.
    fn producer(&self, artifact: &str, except: &str) -> Option<&'a str> {
        let mut names = self.producers(artifact).iter().filter(|name| **name != except);
        names.next().filter(|_| names.next().is_none()).copied()
    }

    /// Who produces an artifact: stages of the file, else kinds.
    fn producers_text(&self, artifact: &str) -> String {
        let named = self.producers(artifact);
        if !named.is_empty() {
            let produce = if named.len() == 1 { "produces" } else { "produce" };
            return format!("{} {produce} `{artifact}`", names_text(named.iter().copied()));
        }
        let able: Vec<&str> = self
            .kinds
            .iter()
            .filter(|kind| kind.producing(artifact).is_some())
            .map(|kind| kind.name)
            .collect();
        match able.len() {
            0 => format!("no kind produces `{artifact}`"),
            1 => format!("a stage of kind `{}` produces `{artifact}`", able[0]),
            _ => format!("stages of the kinds {} produce `{artifact}`", names_text(able)),
        }
    }

    fn stages_text(&self) -> String {
        const SHOWN: usize = 12;
        let names = || self.stages.iter().map(|stage| &*stage.name);
        match self.stages.len() {
            0 => "the file declares no stage".to_owned(),
            count if count <= SHOWN => format!("stages are {}", names_text(names())),
            count => format!(
                "stages are {} and {} more",
                names().take(SHOWN).map(quoted).collect::<Vec<_>>().join(", "),
                count - SHOWN
            ),
        }
    }
}

/// Reads one stage.
struct Connector<'a, 'b> {
    declaration: &'a StageDeclaration,
    names: &'b Names<'a>,
    found: &'b mut Vec<Diagnostic>,
}

impl<'a> Connector<'a, '_> {
    fn kind(&mut self) -> Option<&'static StageKind> {
        let StageDeclaration { kind: name, kind_span, name_span, .. } = self.declaration;
        if name.is_empty() {
            // No name at all, of which the reader has complained.
            return None;
        }
        let kind = self.names.kind_of(self.declaration);
        if kind.is_none() {
            let kinds = || self.names.kinds.iter().map(|kind| kind.name);
            let named_after = "a stage without `kind` is of the kind that it is named after: write `kind = \"...\"` to name it otherwise";
            self.found.push(
                Diagnostic::new("unknown-kind", format!("unknown stage kind {}", quoted(name)))
                    .at(*kind_span)
                    .meant(suggest(name, kinds()), || format!("kinds are {}", names_text(kinds())))
                    .help_of((kind_span == name_span).then_some(named_after)),
            );
        }
        kind
    }

    fn draft(&mut self, kind: Option<(&'static StageKind, Arc<Schema>)>) -> Draft<'a> {
        let declaration = self.declaration;
        let after = declaration
            .after
            .iter()
            .filter_map(|(name, span)| Some((self.stage(name, *span)?, *span)))
            .collect();
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
                self.wire(port, parameter, &mut wires);
            } else if let (Data::Stage(name), true, None) =
                (&parameter.value.data, row.free, schema.property(&parameter.name))
            {
                let span = parameter.value.span;
                let wire = |stage| Wire { name: parameter.name.clone(), port: None, stage, span };
                wires.extend(self.stage(name, span).map(wire));
            } else if schema.property(&parameter.name).is_some() {
                parameters.push(parameter);
            } else {
                meant.extend(self.unknown_parameter(row, schema, parameter));
            }
        }
        self.missing_inputs(row, &meant);
        wires.sort_by_key(|wire| match wire.port {
            Some(wired) => row.ports.iter().position(|port| port == wired),
            None => Some(row.ports.len()),
        });
        Draft { declaration, kind, wires, after, parameters, meant }
    }

    /// Finds the stage to which something refers, or says that there is none.
    fn stage(&mut self, name: &str, span: Span) -> Option<usize> {
        /// Suggestions among thousands of stages cost time, and nobody reads more.
        const SUGGESTED: usize = 200;
        if let Some(number) = self.names.numbers.get(name) {
            return Some(*number);
        }
        let diagnostic =
            Diagnostic::new("unknown-stage", format!("there is no stage {}", quoted(name)))
                .at(span);
        let names = self.names.stages.iter().map(|stage| &*stage.name);
        let near = if self.found.len() < SUGGESTED { suggest(name, names) } else { None };
        self.found.push(diagnostic.meant(near, || self.names.stages_text()));
        None
    }

    /// Adds what is wired to a port, or says why nothing can be.
    fn wire(&mut self, port: &'static Port, parameter: &Parameter, wires: &mut Vec<Wire>) {
        let value = &parameter.value;
        let wire = |name: Arc<str>, stage, span| Wire { name, port: Some(port), stage, span };
        match &value.data {
            Data::Stage(name) if !port.several => {
                let stage = self.stage(name, value.span);
                wires.extend(stage.map(|stage| wire(port.name.into(), stage, value.span)));
                return;
            }
            Data::Array(items) if port.several => {
                for (number, item) in items.iter().enumerate() {
                    let Data::Stage(name) = &item.data else {
                        self.no_stage(port, item);
                        continue;
                    };
                    let stage = self.stage(name, item.span);
                    let name = format!("{}.{number}", port.name);
                    wires.extend(stage.map(|stage| wire(name.into(), stage, item.span)));
                }
                return;
            }
            _ => {}
        }
        self.no_stage(port, value);
    }

    /// Says that a value is nothing that the port takes.
    fn no_stage(&mut self, port: &'static Port, value: &Value) {
        if holds_invalid(&value.data) {
            return;
        }
        let takes = if port.several { "a list of stages" } else { "the output of a stage" };
        let message = format!(
            "stage `{}` input `{}` takes {takes}, but this is {}",
            self.declaration.name,
            port.name,
            value.data.describe()
        );
        let diagnostic = Diagnostic::new("value-for-wire", message).at(value.span);
        let written = |name: &str| match port.several {
            true => format!("write `[\"@{name}\"]`"),
            false => format!("write `\"@{name}\"`"),
        };
        let named = match &value.data {
            Data::Stage(name) => Some(&**name),
            Data::String(text) if self.names.numbers.contains_key(text.as_str()) => {
                Some(text.as_str())
            }
            _ => None,
        };
        self.found.push(
            match named.or_else(|| self.names.producer(port.artifact, &self.declaration.name)) {
                Some(name) => diagnostic.help(written(name)),
                None => diagnostic.help(self.names.producers_text(port.artifact)),
            },
        );
    }

    /// Returns the name that was most likely meant.
    fn unknown_parameter(
        &mut self,
        kind: &StageKind,
        schema: &Schema,
        parameter: &Parameter,
    ) -> Option<String> {
        let known = || {
            kind.ports
                .iter()
                .map(|port| port.name)
                .chain(schema.properties.iter().map(|property| property.name.as_str()))
        };
        let message = format!(
            "stage `{}` has no parameter or input {}",
            self.declaration.name,
            quoted(&parameter.name)
        );
        let diagnostic = Diagnostic::new("unknown-parameter", message).at(parameter.name_span);
        // A wire under a wrong name most likely belongs to the port of its type.
        let fitting = match &parameter.value.data {
            Data::Stage(name) => self.names.numbers.get(&**name).and_then(|number| {
                let output = self.names.kind_of(&self.names.stages[*number])?.output.name;
                kind.ports.iter().find(|port| {
                    port.artifact == output && self.declaration.parameter(port.name).is_none()
                })
            }),
            _ => None,
        };
        let near =
            suggest(&parameter.name, known().chain(STAGE_KEYS)).or(fitting.map(|port| port.name));
        self.found.push(
            diagnostic.meant(near, || format!("kind `{}` has {}", kind.name, names_text(known()))),
        );
        near.map(str::to_owned)
    }

    fn missing_inputs(&mut self, kind: &StageKind, meant: &[String]) {
        let given = |name: &str| {
            self.declaration.parameter(name).is_some() || meant.iter().any(|meant| meant == name)
        };
        let missing: Vec<&Port> =
            kind.ports.iter().filter(|port| port.required && !given(port.name)).collect();
        if missing.is_empty() {
            return;
        }
        let names = names_text(missing.iter().map(|port| port.name));
        let message = format!(
            "stage `{}` lacks its input{} {names}",
            self.declaration.name,
            if missing.len() == 1 { "" } else { "s" }
        );
        let mut diagnostic =
            Diagnostic::new("missing-input", message).at(self.declaration.name_span);
        for port in missing {
            diagnostic = match self.names.producer(port.artifact, &self.declaration.name) {
                Some(stage) => diagnostic.help(format!("add `{} = \"@{stage}\"`", port.name)),
                None => {
                    let producers = self.names.producers_text(port.artifact);
                    diagnostic
                        .help(format!("`{}` takes `{}`; {producers}", port.name, port.artifact))
                }
            };
        }
        self.found.push(diagnostic);
    }
}

/// Whether there is something of which the reader has complained.
fn holds_invalid(data: &Data) -> bool {
    match data {
        Data::Invalid => true,
        Data::Array(items) => items.iter().any(|item| holds_invalid(&item.data)),
        Data::Table(entries) => entries.iter().any(|(_, _, value)| holds_invalid(&value.data)),
        _ => false,
    }
}

fn check_types(drafts: &[Draft<'_>], names: &Names<'_>, found: &mut Vec<Diagnostic>) {
    for draft in drafts {
        for wire in &draft.wires {
            let Some((producer, _)) = &drafts[wire.stage].kind else { continue };
            let Some(port) = wire.port.filter(|port| port.artifact != producer.output.name) else {
                continue;
            };
            let message = format!(
                "stage `{}` input `{}` expects `{}`, but `{}` produces `{}`",
                draft.declaration.name,
                port.name,
                port.artifact,
                drafts[wire.stage].declaration.name,
                producer.output.name
            );
            found.push(
                Diagnostic::new("wrong-wire", message)
                    .at(wire.span)
                    .help(names.producers_text(port.artifact)),
            );
        }
    }
}
