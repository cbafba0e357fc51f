//! The typed parameters of each stage, once for all trials that give it the same.
//!
//! 1. Each parameter is [resolved](super::parameters) and held against its shape once for every value that it takes: a swept value is checked
//!    alone, however many trials use it.
//! 2. Where all values of a trial are sound, the kind reads them, fills in defaults and checks what no single parameter shows.
//! 3. Digests of source files and commits complete what a stage's own parameters give to its key.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use serde_json::{Map, Value as Json, json};

use super::Digests;
use super::draft::Draft;
use super::key::parameters_digest;
use super::node::{Commit, Own};
use super::parameters::{Column, Given, Resolver};
use super::portable::parameters_in_key;
use super::schema::Schema;
use super::sources::{Owner, SourceFiles, problem_diagnostic};
use super::sweep::{Axes, Effects};
use super::trials::{Classes, Trials};
use super::warning::Warning;
use crate::base::diagnostics::{Diagnostic, Span};
use crate::engine::spec::{Experiment, FOLD, PinnedSource, Pins, SEED, StageDeclaration, Sweep};
use crate::engine::stage::{
    AnyStage, HubCommit, ParameterProblem, Source, SourceFile, StageKind, Unresolved,
};

/// A stage's parameters along the dimensions that vary it directly.
pub(super) struct Instances {
    pub(super) classes: Classes,
    /// By class.
    rows: Vec<Instance>,
}

impl Instances {
    pub(super) fn of(&self, trial: usize) -> &Instance {
        &self.rows[self.classes.of(trial)]
    }
}

pub(super) struct Instance {
    pub(super) stage: Arc<dyn AnyStage>,
    pub(super) own: Arc<Own>,
}

/// What all stages share while they are read.
pub(super) struct Reader<'a> {
    resolver: Resolver<'a>,
    files: SourceFiles<'a>,
    /// The number of the stage that is divided into folds.
    folded: Option<usize>,
    found: &'a mut Vec<Diagnostic>,
    /// What is to be said of sources that were chosen.
    choices: Vec<Warning>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        experiment: &'a Experiment,
        axes: &'a Axes<'a>,
        trials: &'a Trials<'a>,
        digests: &'a dyn Digests,
        folded: Option<usize>,
        found: &'a mut Vec<Diagnostic>,
    ) -> Self {
        let resolver = Resolver { experiment, axes, trials, effects: Effects::default() };
        let files = SourceFiles::new(digests, Arc::clone(&experiment.sources));
        Self { resolver, files, folded, found, choices: Vec::new() }
    }

    /// What the values of the axes come to, what was seen of source files, and what is to be said of sources that were chosen.
    pub(super) fn finish(self) -> (Effects, SourceFiles<'a>, Vec<Warning>) {
        (self.resolver.effects, self.files, self.choices)
    }

    /// `None` when something is wrong with the stage, which has been said.
    pub(super) fn read(&mut self, number: usize, draft: &Draft<'_>) -> Option<Instances> {
        /// Below this a pool of threads costs more than it saves.
        const PARALLEL_ROWS: usize = 512;
        let (kind, schema) = draft.kind.as_ref()?;
        let columns = self.resolver.columns(number, draft, schema, self.found)?;
        let trials = self.resolver.trials;
        let is_replicated = draft.is_replicated() && schema.property(SEED).is_some();
        let along = columns.iter().flat_map(|column| column.classes.dimensions.iter().copied());
        let is_folded = trials.folds().is_some() && self.folded == Some(number);
        let along = along.chain(trials.folds().filter(|_| is_folded));
        let classes = trials.classes(along.chain(trials.seeds().filter(|_| is_replicated)));
        let reading = Reading { draft, kind, schema, columns };
        let read = |trial: &usize| {
            let addend = trials.addend(*trial).filter(|_| is_replicated);
            reading.row(*trial, addend, trials.fold(*trial).filter(|_| is_folded))
        };
        let rows: Vec<Row> = if classes.firsts.len() < PARALLEL_ROWS {
            classes.firsts.iter().map(read).collect()
        } else {
            classes.firsts.par_iter().map(read).collect()
        };
        self.complete(&reading, classes, rows)
    }

    /// Says what the kind says of each row, and adds digests and commits.
    fn complete(
        &mut self,
        reading: &Reading<'_>,
        classes: Classes,
        parsed: Vec<Row>,
    ) -> Option<Instances> {
        let Reading { draft, kind, schema, .. } = reading;
        let name = &*draft.declaration.name;
        let mut has_failed = false;
        let mut owns: HashMap<[u8; 32], Arc<Own>> = HashMap::new();
        let mut rows = Vec::with_capacity(parsed.len());
        let folder = match self.resolver.experiment.file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        for (trial, row) in classes.firsts.iter().copied().zip(parsed) {
            let mut parsed = match row {
                Row::Read(parsed) => *parsed,
                Row::Wrong => continue,
                Row::Failed(failure) => {
                    // Most likely all do, for one reason.
                    if !has_failed {
                        self.found.push(self.failed(draft, kind, failure));
                    }
                    has_failed = true;
                    continue;
                }
            };
            let mut sound = true;
            let beside = parsed.stage.check_beside(folder);
            let problems = std::mem::take(&mut parsed.problems).into_iter().chain(beside);
            for problem in problems.filter(|problem| !draft.explains(problem)) {
                sound = false;
                self.found.push(self.problem(reading, trial, &problem));
            }
            let (parsed, commit, choice) = self.resolve(schema, parsed);
            let owner = Owner { name, kind: kind.name, stage: &*parsed.stage };
            let is_other = choice.as_ref().is_some_and(|[first, chosen]| first != chosen);
            let span = |parameter: &str| {
                // The parameters are of the source that is liked best.
                let other = is_other.then_some(draft.declaration.name_span);
                Some(other.unwrap_or_else(|| reading.span(trial, parameter)))
            };
            let before = self.found.len();
            let sources = self.files.read(&owner, &parsed.sources, &span, self.found);
            if let Some(choice) = choice {
                self.say_chosen(draft, choice, before);
            }
            let (Some(sources), true) = (sources, sound) else { continue };
            let own = Own::new(kind, schema, &parsed.in_key, sources, commit);
            let own = Arc::clone(owns.entry(own.digest).or_insert_with(|| Arc::new(own)));
            rows.push(Instance { stage: parsed.stage, own });
        }
        (rows.len() == classes.firsts.len()).then_some(Instances { classes, rows })
    }

    /// Says where a stage is not made from the source that is liked best, and how a choice is undone where something is wrong with what was chosen.
    ///
    /// * `before`: how much was found before that source was looked at
    fn say_chosen(&mut self, draft: &Draft<'_>, [first, chosen]: [Source; 2], before: usize) {
        let lock = Pins::path_for(&self.resolver.experiment.file);
        let help = format!("to choose again, remove its `[[choice]]` from `{}`", lock.display());
        let of_source = self.found.split_off(before);
        self.found.extend(of_source.into_iter().map(|diagnostic| diagnostic.help(&help)));
        if first == chosen {
            return;
        }
        let stage = Arc::clone(&draft.declaration.name);
        let warning = Warning::OtherSource { stage, first, chosen, lock };
        if !self.choices.contains(&warning) {
            self.choices.push(warning);
        }
    }

    /// What the kind says of a row, at the first of the parameters that it is about, with the swept values of the others.
    fn problem(
        &self,
        reading: &Reading<'_>,
        trial: usize,
        problem: &ParameterProblem,
    ) -> Diagnostic {
        let columns =
            reading.columns.iter().filter(|it| problem.place.contains(&it.property.name.as_str()));
        let axis_count = self.resolver.trials.points.axis_count();
        let axes = columns.flat_map(|column| &column.classes.dimensions);
        let axes = axes.filter(|axis| **axis < axis_count);
        let swept: BTreeSet<Span> =
            axes.map(|axis| self.resolver.trials.value(trial, *axis).span).collect();
        let place = problem.place.first().map(|parameter| reading.span(trial, parameter));
        let place = place.unwrap_or(reading.draft.declaration.name_span);
        let diagnostic = problem_diagnostic(&reading.draft.declaration.name, problem).at(place);
        let sweep = self.resolver.experiment.sweep.as_ref();
        let folds = sweep.and_then(|sweep| sweep.folds).filter(|_| problem.place.contains(&FOLD));
        let diagnostic = match folds {
            Some(folds) => diagnostic.label(folds.span, "`fold` is set by `folds`"),
            None => diagnostic,
        };
        swept.into_iter().filter(|value| *value != place).fold(diagnostic, |diagnostic, value| {
            diagnostic.label(value, "where it has this value")
        })
    }

    fn failed(&self, draft: &Draft<'_>, kind: &StageKind, failure: Failure) -> Diagnostic {
        let StageDeclaration { name, name_span, .. } = draft.declaration;
        match failure {
            Failure::Seed(addend) => {
                let message =
                    format!("{addend} added to the seed of stage `{name}` is out of range");
                let sweep = self.resolver.experiment.sweep.as_ref();
                let seeds = sweep.and_then(Sweep::replicates);
                Diagnostic::new("out-of-range", message).at(seeds.unwrap_or(*name_span))
            }
            Failure::Unreadable(reason) => {
                let message = format!(
                    "the parameters of stage `{name}` do not fit its kind `{}`: {reason}",
                    kind.name
                );
                Diagnostic::new("invalid-parameters", message).at(*name_span)
            }
        }
    }

    /// A stage that can be made from several things as the one that it was chosen to be made from, with its commit; and the source that is liked best with
    /// the chosen one.
    fn resolve(&self, schema: &Schema, parsed: Parsed) -> (Parsed, Commit, Option<[Source; 2]>) {
        let alternatives = parsed.stage.alternatives();
        let sources: Vec<Source> = alternatives.iter().map(|(source, _)| source.clone()).collect();
        let Some(first) = sources.first().cloned() else {
            let commit = self.commit(parsed.commit.clone());
            return (parsed, commit, None);
        };
        let pinned: Vec<PinnedSource> = sources.iter().map(pinned_source).collect();
        let Some(number) = self.resolver.experiment.pins.chosen(&pinned) else {
            let unresolved = Arc::new(Unresolved::Source(sources));
            return (parsed, Commit::Unknown(unresolved), None);
        };
        let (chosen, stage) = alternatives.into_iter().nth(number).expect("one of the sources");
        let parsed = Parsed::of_stage(stage, schema);
        let commit = self.commit(parsed.commit.clone());
        (parsed, commit, Some([first, chosen]))
    }

    fn commit(&self, revision: Option<HubCommit>) -> Commit {
        let Some(revision) = revision else { return Commit::None };
        if revision.revision.len() == 40
            && revision.revision.bytes().all(|byte| byte.is_ascii_hexdigit())
        {
            return Commit::Known(revision.revision.to_ascii_lowercase());
        }
        let pins = &self.resolver.experiment.pins;
        match pins.lookup(&revision.repo, &revision.revision) {
            Some(commit) => Commit::Known(commit.to_owned()),
            None => Commit::Unknown(Arc::new(Unresolved::Commit(revision))),
        }
    }
}

/// A stage whose parameters are resolved.
struct Reading<'a> {
    draft: &'a Draft<'a>,
    kind: &'static StageKind,
    schema: &'a Arc<Schema>,
    columns: Vec<Column<'a>>,
}

impl Reading<'_> {
    /// Where the value stands that a parameter has in a trial.
    fn span(&self, trial: usize, parameter: &str) -> Span {
        let mut columns = self.columns.iter();
        let column = columns.find(|column| column.property.name == parameter);
        column.map_or(self.draft.declaration.name_span, |column| column.cell(trial).span)
    }

    /// Lets the kind read the parameters of a trial.
    ///
    /// * `addend`: for the seed of a replicated stage
    /// * `fold`: for the stage that is divided into folds, which of how many
    fn row(&self, trial: usize, addend: Option<u64>, fold: Option<[usize; 2]>) -> Row {
        let mut parameters = Map::with_capacity(self.columns.len() + 1);
        for column in &self.columns {
            match &column.cell(trial).given {
                Given::Value(json) => {
                    parameters.insert(column.property.name.clone(), json.clone());
                }
                Given::Nothing => {}
                Given::Wrong => return Row::Wrong,
            }
        }
        if let Some([index, of]) = fold {
            parameters.insert(FOLD.to_owned(), json!({"index": index, "of": of}));
        }
        if let Some(addend) = addend {
            let seed = match parameters.get(SEED) {
                Some(seed) => seed.as_u64(),
                None => {
                    let property = self.schema.property(SEED);
                    let default = property.and_then(|seed| seed.default.as_ref());
                    default.map_or(Some(0), Json::as_u64)
                }
            };
            match seed.and_then(|seed| seed.checked_add(addend)) {
                Some(seed) => drop(parameters.insert(SEED.to_owned(), seed.into())),
                None => return Row::Failed(Failure::Seed(addend)),
            }
        }
        match Parsed::of(self.kind, self.schema, parameters) {
            Ok(parsed) => Row::Read(Box::new(parsed)),
            Err(error) => Row::Failed(Failure::Unreadable(error.to_string())),
        }
    }
}

/// What became of the parameters of one trial.
enum Row {
    Read(Box<Parsed>),
    /// Some value is, which has been said.
    Wrong,
    Failed(Failure),
}

enum Failure {
    /// This addend leaves the range of seeds.
    Seed(u64),
    /// The kind's own words.
    Unreadable(String),
}

/// One combination, as its kind reads it.
struct Parsed {
    stage: Arc<dyn AnyStage>,
    problems: Vec<ParameterProblem>,
    sources: Vec<SourceFile>,
    commit: Option<HubCommit>,
    /// The digest of what the parameters give to the key.
    in_key: [u8; 32],
}

impl Parsed {
    fn of(
        kind: &StageKind,
        schema: &Schema,
        parameters: Map<String, Json>,
    ) -> Result<Self, serde_json::Error> {
        Ok(Self::of_stage(kind.parse(Json::Object(parameters))?, schema))
    }

    fn of_stage(stage: Arc<dyn AnyStage>, schema: &Schema) -> Self {
        Self {
            problems: stage.check(),
            sources: stage.sources(),
            commit: stage.hub_commit(),
            in_key: parameters_digest(&parameters_in_key(&*stage, schema)),
            stage,
        }
    }
}

/// A source as pins have it.
#[must_use]
pub fn pinned_source(source: &Source) -> PinnedSource {
    match source.clone() {
        Source::Hub(HubCommit { repo, revision }) => PinnedSource::Hub { repo, revision },
        Source::Folder(path) => PinnedSource::Folder(path),
    }
}
