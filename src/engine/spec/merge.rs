//! Laying the files of a chain and the command line on each other.
//!
//! What a child inherits is merged down to single parameters, axes and params; the value of each is replaced whole. `about` and `name` describe one
//! file and are not inherited: two files of one name would publish into one folder.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::command_line::{CommandLine, Member};
use super::experiment::{Axis, Experiment, Parameter, Seeds, StageDeclaration, Sweep};
use super::layer::{Layer, StageLayer, SweepLayer, Unread, Unset};
use super::names::{SAFE_NAME, listed, unsafe_name};
use super::path::{self, AxisTarget, Named, ValuePath, Word};
use super::pins::Pins;
use super::problems::Problems;
use super::value::{Data, Value, insert, lookup};
use super::{rules, sweep};
use crate::base::diagnostics::{Diagnostic, Span, quoted};

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
    unread: Unread,
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
            unread: Unread::default(),
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
        stage.at_best = layer.at_best.or(stage.at_best);
        stage.retry = layer.retry.or(stage.retry);
        stage.timeout = layer.timeout.or(stage.timeout);
        stage.resources = layer.resources.or(stage.resources);
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
        self.unread.objective |= layer.unread.objective;
        self.unread.axes.extend(layer.unread.axes);
        let sweep = self.sweep.get_or_insert_with(|| empty_sweep(layer.span));
        sweep.span = layer.span;
        sweep.method = layer.method.or(sweep.method);
        sweep.objective = layer.objective.or(sweep.objective.take());
        sweep.seeds = layer.seeds.or(sweep.seeds.take());
        sweep.folds = layer.folds.or(sweep.folds);
        sweep.points = layer.points.or(sweep.points);
        sweep.parallel = layer.parallel.or(sweep.parallel);
        sweep.choose = layer.choose.or(sweep.choose);
        sweep.finalists = layer.finalists.or(sweep.finalists);
        sweep.fresh_seeds = layer.fresh_seeds.or(sweep.fresh_seeds);
        sweep.rungs = layer.rungs.unwrap_or(std::mem::take(&mut sweep.rungs));
        if let Some(skip) = layer.skip {
            sweep.skip = skip;
        }
        let inherited = std::mem::take(&mut sweep.axes);
        let (together, mut over): (Vec<Axis>, _) =
            inherited.into_iter().partition(|axis| axis.together.is_some());
        let mut index: HashMap<AxisTarget, usize> =
            over.iter().enumerate().map(|(at, axis)| (axis.target.clone(), at)).collect();
        for axis in layer.axes {
            match index.get(&axis.target) {
                Some(position) => over[*position] = axis,
                None => {
                    index.insert(axis.target.clone(), over.len());
                    over.push(axis);
                }
            }
        }
        over.extend(layer.together.unwrap_or(together));
        sweep.axes = over;
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
        // A file may name a thing and a part of it: the part goes first, while it is there.
        let mut named: Vec<(&Unset, Option<Named<'_>>)> =
            paths.iter().map(|path| (path, path::named(&path.words))).collect();
        named.sort_by_key(|(_, named)| named.as_ref().map(extent));
        let mut seen = HashSet::new();
        let mut left = Left::new();
        for (path, named) in named {
            if seen.insert(path::text(&path.words))
                && !named.as_ref().is_some_and(|named| self.remove(named, &mut left))
            {
                let problem = self.absent(path, named.as_ref());
                self.problems.push(problem);
            }
        }
        self.stages.retain(|stage| self.index.contains_key(&stage.name));
        for stage in &mut self.stages {
            if let Some(left) = left.get(&stage.name) {
                stage.parameters.retain(|parameter| left.contains(&parameter.name));
            }
        }
        let names = self.stages.iter().enumerate();
        self.index = names.map(|(position, stage)| (stage.name.clone(), position)).collect();
    }

    /// Removes what a path names; false where that is not inherited. Stages go from the index, and parameters from `left`.
    fn remove(&mut self, named: &Named<'_>, left: &mut Left) -> bool {
        match named {
            Named::Seed => self.seed.take().is_some(),
            Named::Stage((name, _)) => self.index.remove(name).is_some(),
            // A value is inherited whole.
            Named::Value(ValuePath { members: [_, ..], .. }) => false,
            Named::Value(ValuePath { stage: None, name: (name, _), .. }) => {
                self.params.remove(&**name).is_some()
            }
            Named::Value(ValuePath { stage: Some((stage, _)), name: (name, _), .. }) => {
                let Some(position) = self.index.get(stage) else { return false };
                let stage = &mut self.stages[*position];
                match &**name {
                    "after" if !stage.after.is_empty() => {
                        stage.after.clear();
                        true
                    }
                    "at" => stage.at_best.take().is_some(),
                    "retry" => stage.retry.take().is_some(),
                    "timeout" => stage.timeout.take().is_some(),
                    "resources" => stage.resources.take().is_some(),
                    _ => {
                        let all = || stage.parameters.iter().map(|it| it.name.clone()).collect();
                        left.entry(stage.name.clone()).or_insert_with(all).remove(name)
                    }
                }
            }
            Named::Sweep([]) => self.sweep.take().is_some(),
            Named::Sweep([(key, _), axis @ ..]) => {
                self.sweep.as_mut().is_some_and(|sweep| remove_from(sweep, key, axis))
            }
        }
    }

    /// What is wrong with an `unset` of what is not there.
    fn absent(&self, path: &Unset, named: Option<&Named<'_>>) -> Diagnostic {
        let diagnostic = |what: &str, why: &str| {
            Diagnostic::new("unset", format!("{} {why}", quoted(what))).at(path.span)
        };
        let absent = diagnostic(&path::text(&path.words), "is not inherited");
        match named {
            Some(Named::Seed) => absent,
            Some(Named::Value(ValuePath { members: [_, ..], .. })) => {
                absent.help("a value is inherited or unset whole")
            }
            Some(Named::Value(ValuePath { stage: Some((stage, _)), name: (name, _), .. }))
                if self.index.contains_key(stage) =>
            {
                let what = format!("stage.{stage}.{name}");
                if &**name == "kind" {
                    let problem = diagnostic(&what, "cannot be unset: a stage has a kind");
                    return problem.help(format!(
                        "write another `kind` under `[stage.{stage}]`, which starts it empty"
                    ));
                }
                let parameters = &self.stages[self.index[stage]].parameters;
                let names = parameters.iter().map(|parameter| &*parameter.name);
                self.problems.with_suggestion(diagnostic(&what, "is not inherited"), name, names)
            }
            Some(
                Named::Stage((name, _)) | Named::Value(ValuePath { stage: Some((name, _)), .. }),
            ) => {
                let names = self.stages.iter().map(|stage| &*stage.name);
                self.problems.with_suggestion(absent, name, names)
            }
            Some(Named::Value(ValuePath { name: (name, _), .. })) => {
                let names = self.params.keys().map(String::as_str);
                self.problems.with_suggestion(absent, name, names)
            }
            Some(Named::Sweep(_)) => {
                let keys = sweep::KEYS.map(|key| format!("sweep.{key}"));
                let mut known = vec!["sweep", "sweep.over.stage.parameter"];
                known.extend(keys.iter().map(String::as_str));
                absent.help(format!("of a sweep, `unset` takes {}", listed(&known)))
            }
            None => absent.help(format!(
                "`unset` takes {}",
                listed(&["stage.x.y", "stage.x", "params.x", "seed", "sweep"])
            )),
        }
    }

    /// Lays the command line on everything.
    pub fn command_line(&mut self, line: CommandLine) {
        let CommandLine { layer, members, axes, seeds } = line;
        self.broken |= layer.broken;
        self.seed = layer.seed.or(self.seed);
        for Parameter { name, name_span, value } in layer.params {
            if self.params.contains_key(&*name) {
                self.params.insert(name.to_string(), value);
            } else {
                self.unknown_param(&name, name_span);
            }
        }
        for stage in layer.stages {
            if self.index.contains_key(&stage.name) {
                self.stage(stage);
            } else {
                self.unknown_stage(&stage.name, stage.name_span);
            }
        }
        for member in members {
            self.set_member(member);
        }
        let span = layer.sweep.as_ref().map(|sweep| sweep.span);
        let span = span.or(axes.first().map(|axis| axis.span));
        let Some(span) = span.or(seeds.as_ref().map(|seeds: &Seeds| seeds.span)) else { return };
        let from_command_line = self.sweep.is_none();
        if let Some(sweep) = layer.sweep {
            self.sweep(sweep);
        }
        let sweep = self.sweep.get_or_insert_with(|| empty_sweep(span));
        sweep.from_command_line = from_command_line;
        if !axes.is_empty() {
            sweep.axes = axes;
            sweep.method = None;
            (sweep.points, sweep.parallel) = (None, None);
            (sweep.finalists, sweep.fresh_seeds) = (None, None);
            sweep.rungs.clear();
            sweep.skip.clear();
        }
        sweep.seeds = seeds.or(sweep.seeds.take());
    }

    /// Puts a value into the table of a parameter or a param; the table of a parameter need not be there.
    fn set_member(&mut self, Member { words, value }: Member) {
        let Some(Named::Value(path)) = path::named(&words) else { return };
        let (name, name_span) = path.name;
        let whole = match path.stage {
            None => match self.params.get_mut(&**name) {
                Some(whole) => whole,
                None => return self.unknown_param(name, *name_span),
            },
            Some((stage, stage_span)) => {
                let Some(position) = self.index.get(stage) else {
                    return self.unknown_stage(stage, *stage_span);
                };
                let parameters = &mut self.stages[*position].parameters;
                let at = parameters.iter().position(|parameter| parameter.name == *name);
                let at = at.unwrap_or_else(|| {
                    let value = Value { data: Data::Table(Vec::new()), ..value.clone() };
                    let (name, name_span) = (name.clone(), *name_span);
                    parameters.push(Parameter { name, name_span, value });
                    parameters.len() - 1
                });
                &mut parameters[at].value
            }
        };
        if let Err(problem) =
            insert(whole, &words[..words.len() - path.members.len()], path.members, value)
        {
            self.problems.push(problem);
        }
    }

    fn unknown_param(&mut self, name: &str, span: Span) {
        let message = format!("`[params]` has no {}", quoted(name));
        let diagnostic = Diagnostic::new("unknown-param", message).at(span);
        let names = self.params.keys().map(String::as_str);
        self.problems.push(self.problems.with_suggestion(diagnostic, name, names));
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
        let Some(mut sweep) = self.sweep.take() else { return };
        let is_empty = sweep.axes.is_empty() && sweep.seeds.is_none() && sweep.folds.is_none();
        if is_empty && self.problems.is_empty() {
            let diagnostic =
                Diagnostic::new("empty-sweep", "`[sweep]` varies nothing").at(sweep.span);
            self.problems.push(diagnostic.help("add an axis under `[sweep.over]`, or `seeds = 3`"));
        }
        sweep.axes = sweep::once_each(std::mem::take(&mut sweep.axes), self.problems);
        for axis in &sweep.axes {
            self.check_target(&axis.target, axis.span);
        }
        for (target, span, _) in sweep.rungs.iter().flat_map(|rung| &rung.parameters) {
            self.check_target(target, *span);
        }
        rules::check(&sweep, &self.unread, &self.stages, &self.params, self.problems);
        if let Some((objective, span)) = &sweep.objective
            && !self.index.contains_key(objective.path().0)
        {
            self.unknown_stage(objective.path().0, *span);
        }
        self.sweep = Some(sweep);
    }

    /// What an axis varies, or a rung sets, is there.
    fn check_target(&mut self, target: &AxisTarget, span: Span) {
        match target {
            AxisTarget::Params(name) if !self.params.contains_key(&**name) => {
                let diagnostic =
                    Diagnostic::new("unknown-param", format!("`[params]` has no {}", quoted(name)))
                        .at(span);
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
            AxisTarget::Stage { stage, .. } if !self.index.contains_key(stage) => {
                self.unknown_stage(stage, span)
            }
            AxisTarget::Params(_) | AxisTarget::Stage { .. } => {}
        }
    }
}

/// The names of the parameters that stay, by stage: of hundreds of thousands, all that go do so at once.
type Left = HashMap<Arc<str>, HashSet<Arc<str>>>;

/// How much of an experiment a path names: a part has less than the whole that it belongs to.
fn extent(named: &Named<'_>) -> usize {
    match named {
        Named::Seed | Named::Value(_) | Named::Sweep([_, _, ..]) => 0,
        Named::Stage(_) | Named::Sweep([_]) => 1,
        Named::Sweep([]) => 2,
    }
}

/// Removes what a key of a sweep says, or one of its axes; false where it says nothing.
fn remove_from(sweep: &mut Sweep, key: &str, axis: &[Word]) -> bool {
    let mut drop_axes = |goes: &dyn Fn(&Axis) -> bool| {
        let before = sweep.axes.len();
        sweep.axes.retain(|axis| !goes(axis));
        sweep.axes.len() < before
    };
    match (key, axis) {
        ("over", []) => drop_axes(&|axis| axis.together.is_none()),
        ("over", axis) => match path::named(axis) {
            Some(Named::Value(value)) if value.members.is_empty() => {
                let target = value.target();
                drop_axes(&|axis| axis.together.is_none() && axis.target == target)
            }
            _ => false,
        },
        ("together", []) => drop_axes(&|axis| axis.together.is_some()),
        ("objective", []) => sweep.objective.take().is_some(),
        ("seeds", []) => sweep.seeds.take().is_some(),
        ("folds", []) => sweep.folds.take().is_some(),
        ("points", []) => sweep.points.take().is_some(),
        ("parallel", []) => sweep.parallel.take().is_some(),
        ("choose", []) => sweep.choose.take().is_some(),
        ("finalists", []) => sweep.finalists.take().is_some(),
        ("fresh_seeds", []) => sweep.fresh_seeds.take().is_some(),
        ("rung", []) => !std::mem::take(&mut sweep.rungs).is_empty(),
        ("skip", []) => !std::mem::take(&mut sweep.skip).is_empty(),
        ("method", []) => sweep.method.take().is_some(),
        _ => false,
    }
}

fn empty_sweep(span: Span) -> Sweep {
    Sweep {
        method: None,
        objective: None,
        seeds: None,
        folds: None,
        points: None,
        parallel: None,
        choose: None,
        finalists: None,
        fresh_seeds: None,
        rungs: Vec::new(),
        axes: Vec::new(),
        skip: Vec::new(),
        span,
        from_command_line: false,
    }
}

/// A stage that is nowhere yet.
fn declaration(layer: StageLayer) -> StageDeclaration {
    let StageLayer { name, name_span, kind, after, at_best, .. } = layer;
    let StageLayer { retry, timeout, resources, parameters, .. } = layer;
    let (kind, kind_span) = kind.unwrap_or_else(|| (name.clone(), name_span));
    StageDeclaration {
        name,
        name_span,
        kind,
        kind_span,
        after: after.unwrap_or_default(),
        at_best,
        retry,
        timeout,
        resources,
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
