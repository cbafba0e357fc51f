//! Laying the files of a chain and the command line on each other.
//!
//! What a child inherits is merged down to single parameters, axes and params; the value of each is replaced whole. `about` and `name` describe one
//! file and are not inherited: two files of one name would publish into one folder.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::command_line::CommandLine;
use super::layer::{Layer, SAFE_NAME, StageLayer, Unset, listed, unsafe_name};
use super::problems::Problems;
use super::sweep::{Axis, AxisTarget, Method, Seeds, Sweep, SweepLayer};
use super::value::lookup;
use super::{Data, Experiment, Parameter, Pins, StageDeclaration, Value};
use crate::diagnostics::{Diagnostic, Span, quoted};

/// What the layers so far say together.
pub(super) struct Merge<'a> {
    problems: &'a mut Problems,
    /// True once a file has been laid down.
    inherits: bool,
    broken: bool,
    /// See [`Layer::misplaced`].
    misplaced: bool,
    name: Option<(String, Span)>,
    about: Option<String>,
    seed: Option<(u64, Span)>,
    params: BTreeMap<String, Value>,
    stages: Vec<StageDeclaration>,
    /// Position by name.
    index: HashMap<Arc<str>, usize>,
    sweep: Option<Sweep>,
}

impl<'a> Merge<'a> {
    pub fn new(problems: &'a mut Problems) -> Self {
        Self {
            problems,
            inherits: false,
            broken: false,
            misplaced: false,
            name: None,
            about: None,
            seed: None,
            params: BTreeMap::new(),
            stages: Vec::new(),
            index: HashMap::new(),
            sweep: None,
        }
    }

    /// Lays a file on what it extends. `start` is its first byte.
    pub fn file(&mut self, layer: Layer, start: Span) {
        if !self.inherits && layer.version.is_none() {
            let diagnostic =
                Diagnostic::new("missing-version", "the file does not say its version").at(start);
            self.problems.push(diagnostic.help("write `version = 1` at its top"));
        }
        self.misplaced |= layer.misplaced;
        self.unset(&layer.unset);
        (self.name, self.about) = (layer.name, layer.about);
        self.seed = layer.seed.or(self.seed);
        self.params
            .extend(layer.params.into_iter().map(|param| (param.name.to_string(), param.value)));
        for stage in layer.stages {
            self.stage(stage);
        }
        if let Some(sweep) = layer.sweep {
            self.sweep(sweep);
        }
        self.inherits = true;
    }

    fn stage(&mut self, layer: StageLayer) {
        let Some(&position) = self.index.get(&layer.name) else {
            self.index.insert(layer.name.clone(), self.stages.len());
            self.stages.push(declaration(layer));
            return;
        };
        let stage = &mut self.stages[position];
        if layer.kind.as_ref().is_some_and(|(kind, _)| *kind != stage.kind) {
            *stage = declaration(layer);
            return;
        }
        if let Some((_, span)) = layer.kind {
            stage.kind_span = span;
        }
        stage.after = layer.after.unwrap_or(std::mem::take(&mut stage.after));
        stage.retry = layer.retry.or(stage.retry);
        stage.timeout = layer.timeout.or(stage.timeout);
        let mut index: HashMap<Arc<str>, usize> = stage
            .parameters
            .iter()
            .enumerate()
            .map(|(position, parameter)| (parameter.name.clone(), position))
            .collect();
        for parameter in layer.parameters {
            match index.get(&parameter.name) {
                Some(position) => stage.parameters[*position] = parameter,
                None => {
                    index.insert(parameter.name.clone(), stage.parameters.len());
                    stage.parameters.push(parameter);
                }
            }
        }
    }

    fn sweep(&mut self, layer: SweepLayer) {
        let sweep = self.sweep.get_or_insert_with(|| empty_sweep(layer.span));
        sweep.span = layer.span;
        sweep.objective = layer.objective.or(sweep.objective.take());
        sweep.seeds = layer.seeds.or(sweep.seeds.take());
        let mut index: HashMap<AxisTarget, usize> = sweep
            .axes
            .iter()
            .enumerate()
            .map(|(position, axis)| (axis.target.clone(), position))
            .collect();
        for axis in layer.axes {
            match index.get(&axis.target) {
                Some(position) => sweep.axes[*position] = axis,
                None => {
                    index.insert(axis.target.clone(), sweep.axes.len());
                    sweep.axes.push(axis);
                }
            }
        }
    }

    /// Removes what a child does not want to inherit.
    fn unset(&mut self, paths: &[Unset]) {
        if !self.inherits {
            if let Some(first) = paths.first() {
                let diagnostic = Diagnostic::new("unset", "`unset` in a file that extends nothing")
                    .at(first.span);
                self.problems
                    .push(diagnostic.help("add `extends = \"other.toml\"`, or remove `unset`"));
            }
            return;
        }
        let mut stages: HashSet<Arc<str>> = HashSet::new();
        let mut parameters: HashMap<Arc<str>, Vec<(&str, Span)>> = HashMap::new();
        let mut params: HashSet<&str> = HashSet::new();
        let there: HashSet<AxisTarget> = self
            .sweep
            .iter()
            .flat_map(|sweep| &sweep.axes)
            .map(|axis| axis.target.clone())
            .collect();
        let mut axes: HashSet<AxisTarget> = HashSet::new();
        let (mut seed, mut whole_sweep, mut all_axes, mut objective, mut seeds) =
            (false, false, false, false, false);
        for path in paths {
            let words: Vec<&str> = path.words.iter().map(|word| &**word).collect();
            let found = match words[..] {
                ["seed"] => flag(&mut seed, self.seed.is_some()),
                ["stage", name] => self
                    .index
                    .get_key_value(name)
                    .map(|(name, _)| stages.insert(name.clone()))
                    .is_some(),
                ["stage", name, parameter] => match self.index.get_key_value(name) {
                    Some((name, _)) => {
                        parameters.entry(name.clone()).or_default().push((parameter, path.span));
                        true
                    }
                    None => false,
                },
                ["params", name] => {
                    params.insert(name);
                    self.params.contains_key(name)
                }
                ["sweep"] => flag(&mut whole_sweep, self.sweep.is_some()),
                ["sweep", "over"] => flag(
                    &mut all_axes,
                    self.sweep.as_ref().is_some_and(|sweep| !sweep.axes.is_empty()),
                ),
                ["sweep", "objective"] => flag(
                    &mut objective,
                    self.sweep.as_ref().is_some_and(|sweep| sweep.objective.is_some()),
                ),
                ["sweep", "seeds"] => {
                    flag(&mut seeds, self.sweep.as_ref().is_some_and(|sweep| sweep.seeds.is_some()))
                }
                ["sweep", "over", first, second] => {
                    let target = match first {
                        "params" => AxisTarget::Params(second.into()),
                        _ => AxisTarget::Stage { stage: first.into(), parameter: second.into() },
                    };
                    let found = there.contains(&target);
                    axes.insert(target);
                    found
                }
                _ => false,
            };
            if !found {
                self.absent(&words, path.span);
            }
        }
        for (name, unwanted) in parameters {
            self.unset_parameters(&name, &unwanted);
        }
        if !stages.is_empty() {
            self.stages.retain(|stage| !stages.contains(&stage.name));
            self.index = self
                .stages
                .iter()
                .enumerate()
                .map(|(position, stage)| (stage.name.clone(), position))
                .collect();
        }
        self.params.retain(|name, _| !params.contains(name.as_str()));
        self.seed = self.seed.filter(|_| !seed);
        if whole_sweep {
            self.sweep = None;
        }
        if let Some(sweep) = &mut self.sweep {
            sweep.axes.retain(|axis| !all_axes && !axes.contains(&axis.target));
            sweep.objective = sweep.objective.take().filter(|_| !objective);
            sweep.seeds = sweep.seeds.take().filter(|_| !seeds);
        }
    }

    fn unset_parameters(&mut self, name: &str, unwanted: &[(&str, Span)]) {
        let stage = &mut self.stages[self.index[name]];
        let there: HashSet<Arc<str>> =
            stage.parameters.iter().map(|parameter| parameter.name.clone()).collect();
        for (parameter, span) in unwanted {
            let path = format!("stage.{name}.{parameter}");
            if *parameter == "after" && !stage.after.is_empty() {
                stage.after.clear();
            } else if *parameter == "retry" && stage.retry.is_some() {
                stage.retry = None;
            } else if *parameter == "timeout" && stage.timeout.is_some() {
                stage.timeout = None;
            } else if *parameter == "kind" {
                let diagnostic = Diagnostic::new(
                    "unset",
                    format!("{} cannot be unset: a stage has a kind", quoted(&path)),
                )
                .at(*span);
                self.problems.push(diagnostic.help(format!(
                    "write another `kind` under `[stage.{name}]`, which starts it empty"
                )));
            } else if !there.contains(*parameter) {
                let diagnostic =
                    Diagnostic::new("unset", format!("{} is not inherited", quoted(&path)))
                        .at(*span);
                self.problems.push(self.problems.with_suggestion(
                    diagnostic,
                    parameter,
                    there.iter().map(|name| &**name),
                ));
            }
        }
        let unwanted: HashSet<&str> = unwanted.iter().map(|(parameter, _)| *parameter).collect();
        stage.parameters.retain(|parameter| !unwanted.contains(&*parameter.name));
    }

    /// Complains about an `unset` of what is not there.
    fn absent(&mut self, words: &[&str], span: Span) {
        let path = quoted(&words.join("."));
        let diagnostic = Diagnostic::new("unset", format!("{path} is not inherited")).at(span);
        let diagnostic = match words {
            ["stage", name, ..] if words.len() <= 3 && !self.index.contains_key(*name) => self
                .problems
                .with_suggestion(diagnostic, name, self.index.keys().map(|name| &**name)),
            ["params", name] => self.problems.with_suggestion(
                diagnostic,
                name,
                self.params.keys().map(String::as_str),
            ),
            ["sweep", ..] => diagnostic.help(format!(
                "of a sweep, `unset` takes {}",
                listed(&[
                    "sweep",
                    "sweep.over",
                    "sweep.over.stage.parameter",
                    "sweep.objective",
                    "sweep.seeds"
                ])
            )),
            ["seed"] => diagnostic,
            ["stage", _, _, ..] | ["params", _, ..] => {
                diagnostic.help("a value is inherited or unset whole")
            }
            _ => diagnostic.help(format!(
                "`unset` takes {}",
                listed(&["stage.x.y", "stage.x", "params.x", "seed", "sweep"])
            )),
        };
        self.problems.push(diagnostic);
    }

    /// Lays the command line on everything.
    pub fn command_line(&mut self, line: CommandLine) {
        let CommandLine { layer, axes, seeds } = line;
        self.broken |= layer.broken;
        self.seed = layer.seed.or(self.seed);
        for Parameter { name, name_span, value } in layer.params {
            if self.params.contains_key(&*name) {
                self.params.insert(name.to_string(), value);
            } else {
                let diagnostic = Diagnostic::new(
                    "unknown-param",
                    format!("`[params]` has no {}", quoted(&name)),
                )
                .at(name_span);
                self.problems.push(self.problems.with_suggestion(
                    diagnostic,
                    &name,
                    self.params.keys().map(String::as_str),
                ));
            }
        }
        for stage in layer.stages {
            if self.index.contains_key(&stage.name) {
                self.stage(stage);
            } else {
                self.unknown_stage(&stage.name, stage.name_span);
            }
        }
        if axes.is_empty() && seeds.is_none() {
            return;
        }
        let span =
            axes.first().map(|axis| axis.span).or(seeds.as_ref().map(|seeds: &Seeds| seeds.span));
        let sweep = self
            .sweep
            .get_or_insert_with(|| empty_sweep(span.expect("there is an axis or there are seeds")));
        if !axes.is_empty() {
            sweep.axes = axes;
        }
        sweep.seeds = seeds.or(sweep.seeds.take());
    }

    fn unknown_stage(&mut self, name: &str, span: Span) {
        let diagnostic =
            Diagnostic::new("unknown-stage", format!("there is no stage {}", quoted(name)))
                .at(span);
        let near = self.problems.near(name, self.stages.iter().map(|stage| &*stage.name));
        self.problems.push(match near {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None if self.stages.is_empty() || self.stages.len() > 20 => diagnostic,
            None => {
                let names: Vec<&str> = self.stages.iter().map(|stage| &*stage.name).collect();
                diagnostic.help(format!("the stages are {}", listed(&names)))
            }
        });
    }

    /// Holds the parts against each other. `start` is the first byte of the file that was asked for.
    pub fn finish(mut self, path: &Path, start: Span) -> Option<Experiment> {
        if self.stages.is_empty() && !self.misplaced {
            let diagnostic = Diagnostic::new("no-stages", "the experiment has no stages").at(start);
            self.problems.push(diagnostic.help("a stage is a table: `[stage.train]`"));
        }
        let name = self.name.take().map_or_else(|| self.stem(path, start), |(name, _)| name);
        self.check_references();
        self.check_sweep();
        if self.broken {
            return None;
        }
        Some(Experiment {
            file: path.to_owned(),
            name,
            about: self.about,
            seed: self.seed,
            params: self.params,
            stages: self.stages,
            sweep: self.sweep,
            sources: Arc::default(),
            pins: Pins::default(),
            chain: Vec::new(),
        })
    }

    /// The file's own name, where it does not say another.
    fn stem(&mut self, path: &Path, start: Span) -> String {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(problem) = unsafe_name(&stem) {
            let message = format!("the name {} of the file {problem}", quoted(&stem));
            let diagnostic = Diagnostic::new("unsafe-name", message).at(start);
            self.problems
                .push(diagnostic.help(format!("{SAFE_NAME}: write another with `name = \"...\"`")));
        }
        stem
    }

    fn check_references(&mut self) {
        for stage in &self.stages {
            for parameter in &stage.parameters {
                unresolved(&parameter.value, &self.params, self.problems);
            }
        }
    }

    fn check_sweep(&mut self) {
        let Some(sweep) = self.sweep.take() else { return };
        if sweep.axes.is_empty() && sweep.seeds.is_none() && self.problems.is_empty() {
            let diagnostic =
                Diagnostic::new("empty-sweep", "`[sweep]` varies nothing").at(sweep.span);
            self.problems.push(diagnostic.help("add an axis under `[sweep.over]`, or `seeds = 3`"));
        }
        for axis in &sweep.axes {
            self.check_axis(axis, sweep.seeds.as_ref());
        }
        if let Some(objective) = &sweep.objective
            && !self.index.contains_key(objective.stage())
        {
            self.unknown_stage(objective.stage(), objective.span);
        }
        self.sweep = Some(sweep);
    }

    fn check_axis(&mut self, axis: &Axis, seeds: Option<&Seeds>) {
        match &axis.target {
            AxisTarget::Params(name) if !self.params.contains_key(&**name) => {
                let diagnostic =
                    Diagnostic::new("unknown-param", format!("`[params]` has no {}", quoted(name)))
                        .at(axis.span);
                let diagnostic = self.problems.with_suggestion(
                    diagnostic,
                    name,
                    self.params.keys().map(String::as_str),
                );
                self.problems.push(
                    diagnostic
                        .help("an axis over a param needs a value for the time without a sweep"),
                );
            }
            AxisTarget::Params(_) => {}
            AxisTarget::Stage { stage, parameter } => {
                match (self.index.get(stage), seeds) {
                    (None, _) => self.unknown_stage(stage, axis.span),
                    (Some(position), Some(seeds))
                        if &**parameter == "seed" && &*self.stages[*position].kind == "train" =>
                    {
                        let message = format!(
                            "the axis `{stage}.seed` and `seeds` both set the seed of training"
                        );
                        let diagnostic = Diagnostic::new("two-seeds", message)
                            .at(axis.span)
                            .label(seeds.span, "replicates are asked for here");
                        self.problems.push(diagnostic.help(
                            "`seeds` makes replicates within every point; keep one of the two",
                        ));
                    }
                    _ => {}
                }
            }
        }
    }
}

fn flag(flag: &mut bool, there: bool) -> bool {
    *flag = true;
    there
}

fn empty_sweep(span: Span) -> Sweep {
    Sweep { method: Method::Grid, objective: None, seeds: None, axes: Vec::new(), span }
}

/// A stage that is nowhere yet.
fn declaration(layer: StageLayer) -> StageDeclaration {
    let StageLayer { name, name_span, kind, after, retry, timeout, parameters } = layer;
    let (kind, kind_span) = kind.unwrap_or_else(|| (name.clone(), name_span));
    StageDeclaration {
        name,
        name_span,
        kind,
        kind_span,
        after: after.unwrap_or_default(),
        retry,
        timeout,
        parameters,
    }
}

/// Complains of references to params that do not exist, at any depth.
fn unresolved(value: &Value, params: &BTreeMap<String, Value>, problems: &mut Problems) {
    match &value.data {
        Data::Param(path) => {
            if let Err(problem) = lookup(path, value.span, params, problems.suggesting()) {
                problems.push(problem);
            }
        }
        Data::Array(items) => items.iter().for_each(|item| unresolved(item, params, problems)),
        Data::Table(entries) => {
            entries.iter().for_each(|(_, _, value)| unresolved(value, params, problems))
        }
        _ => {}
    }
}
