//! The typed parameters of each stage, once for every combination of what sweeps it.
//!
//! 1. Each parameter is resolved and held against its shape once for every value that it takes: a swept value is checked alone, however many
//!    trials use it.
//! 2. Each combination is read by the kind, which fills in defaults and checks what no single parameter shows.
//! 3. Digests of source files and commits complete what a stage's own parameters give to its key.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use serde_json::{Map, Value as Json};

use super::Digests;
use super::grid::Grid;
use super::key::{own_digest, parameters_digest};
use super::node::{Commit, Own};
use super::schema::{Property, Schema};
use super::sources::{Owner, SourceFiles, problem_diagnostic};
use super::sweep::{Dimensions, REPLICATED_KIND, Target, two_seeds};
use super::validate::{Validator, names_text};
use super::wires::Draft;
use crate::base::diagnostics::{Diagnostic, Span};
use crate::engine::spec::{Data, Experiment, Value};
use crate::engine::stage::{AnyStage, HubCommit, ParameterProblem, SourceFile, StageKind};

/// A stage's parameters along the dimensions that sweep it directly.
pub(super) struct Instances {
    pub(super) grid: Grid,
    /// By row of the grid.
    pub(super) rows: Vec<Instance>,
}

#[derive(Clone)]
pub(super) struct Instance {
    pub(super) stage: Arc<dyn AnyStage>,
    /// Tells parameters as read apart, paths among them.
    pub(super) typed: [u8; 32],
    pub(super) own: Arc<Own>,
}

/// What all stages share while they are read.
pub(super) struct Reader<'a> {
    pub(super) experiment: &'a Experiment,
    pub(super) dimensions: &'a Dimensions<'a>,
    pub(super) files: SourceFiles<'a>,
    /// The axes whose values some stage uses.
    pub(super) used: BTreeSet<usize>,
    /// The axes of one value with which some stage is not what it would be without them.
    pub(super) telling: BTreeSet<usize>,
    pub(super) found: &'a mut Vec<Diagnostic>,
}

/// A parameter along the dimensions that sweep it.
struct Column<'a> {
    property: &'a Property,
    grid: Grid,
    /// By row of the grid.
    cells: Vec<Cell>,
    /// For each axis of one value what the parameter would be without it; nothing where it would not be given.
    unswept: Vec<(usize, Option<Cell>)>,
}

#[derive(Clone)]
struct Cell {
    /// `None` when it is wrong, which has been said.
    json: Option<Json>,
    span: Span,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        experiment: &'a Experiment,
        dimensions: &'a Dimensions<'a>,
        digests: &'a dyn Digests,
        found: &'a mut Vec<Diagnostic>,
    ) -> Self {
        let files = SourceFiles::new(digests, Arc::clone(&experiment.sources));
        Self {
            experiment,
            dimensions,
            files,
            used: BTreeSet::new(),
            telling: BTreeSet::new(),
            found,
        }
    }

    /// `None` when something is wrong with the stage, which has been said.
    pub(super) fn read(&mut self, number: usize, draft: &Draft<'_>) -> Option<Instances> {
        let (kind, schema) = draft.kind.as_ref()?;
        let columns = self.columns(number, draft, schema);
        let missing = self.missing(draft, schema, &columns);
        if !self.dimensions.bounded {
            return None;
        }
        if !missing.is_empty() || columns.iter().any(Column::is_wrong) {
            self.look_further(draft, kind, schema, &columns, &missing);
            return None;
        }
        let seed = schema
            .property("seed")
            .filter(|_| *draft.declaration.kind == *REPLICATED_KIND)
            .and(self.dimensions.seed_dimension());
        let grid = self.dimensions.grid(
            columns
                .iter()
                .flat_map(|column| column.grid.dimensions.iter().copied())
                .chain(seed)
                .collect(),
        );
        let parsed = self.parse(draft, kind, schema, &columns, &grid)?;
        self.compare_unswept(kind, schema, &columns);
        self.complete(draft, kind, schema, &columns, grid, parsed)
    }

    /// Finds what else is wrong with a stage some of whose parameters are: files that are missing, and parameters that do not go together, as
    /// far as they have nothing to do with the wrong ones. Those are left at their defaults, or where there is none at some value of their shape.
    fn look_further(
        &mut self,
        draft: &Draft<'_>,
        kind: &'static StageKind,
        schema: &Schema,
        columns: &[Column<'_>],
        missing: &[&Property],
    ) {
        let sound = |column: &Column<'_>| column.cells.iter().position(|cell| cell.json.is_some());
        let guessed: Vec<&Property> = columns
            .iter()
            .filter(|column| sound(column).is_none())
            .map(|column| column.property)
            .chain(missing.iter().copied())
            .collect();
        let mut base = Map::new();
        for property in guessed.iter().filter(|property| property.required) {
            let Some(value) = property.shape.example() else { return };
            base.insert(property.name.clone(), value);
        }
        let first: Vec<(&Column<'_>, usize)> =
            columns.iter().filter_map(|column| Some((column, sound(column)?))).collect();
        for (column, cell) in &first {
            base.insert(
                column.property.name.clone(),
                column.cells[*cell].json.clone().unwrap_or_default(),
            );
        }
        self.look_at(draft, kind, schema, base.clone(), &guessed, &|name| {
            first
                .iter()
                .find(|(column, _)| column.property.name == name)
                .map(|(column, cell)| column.cells[*cell].span)
        });
        // Each further value of an axis beside the first ones of all others.
        for (column, cell) in &first {
            for cell in column.cells.iter().skip(cell + 1) {
                let Some(json) = &cell.json else { continue };
                let mut parameters = base.clone();
                parameters.insert(column.property.name.clone(), json.clone());
                self.look_at(draft, kind, schema, parameters, &guessed, &|name| {
                    (name == column.property.name).then_some(cell.span)
                });
            }
        }
    }

    /// Says what is wrong with one combination, where `span` knows a place for it.
    fn look_at(
        &mut self,
        draft: &Draft<'_>,
        kind: &'static StageKind,
        schema: &Schema,
        parameters: Map<String, Json>,
        guessed: &[&Property],
        span: &dyn Fn(&str) -> Option<Span>,
    ) {
        let Ok(parsed) = Parsed::of(kind, schema, parameters) else { return };
        let follows = |text: &str| {
            draft.explains(text)
                || guessed.iter().any(|property| text.contains(&format!("`{}`", property.name)))
        };
        for problem in &parsed.problems {
            if let (Some(span), false) = (span(problem.parameter), follows(&problem.message)) {
                self.found.push(problem_diagnostic(&draft.declaration.name, problem).at(span));
            }
        }
        let owner = Owner { name: &draft.declaration.name, kind: kind.name, stage: &*parsed.stage };
        let mut more = Vec::new();
        self.files.read(&owner, &parsed.sources, span, &mut more);
        let follows = |diagnostic: &Diagnostic| {
            follows(&diagnostic.message) || diagnostic.help.iter().any(|help| follows(help))
        };
        self.found.extend(
            more.into_iter().filter(|diagnostic| {
                diagnostic.code != "invalid-parameter" || !follows(diagnostic)
            }),
        );
    }

    /// Notes the axes of one value that make a difference to this stage.
    fn compare_unswept(&mut self, kind: &StageKind, schema: &Schema, columns: &[Column<'_>]) {
        let axes: BTreeSet<usize> = columns
            .iter()
            .flat_map(|column| column.unswept.iter().map(|(axis, _)| *axis))
            .collect();
        let digest = |without: Option<usize>| {
            let mut parameters = Map::new();
            for column in columns {
                let unswept = column.unswept.iter().find(|(axis, _)| Some(*axis) == without);
                let cell = unswept.map_or(Some(&column.cells[0]), |(_, cell)| cell.as_ref());
                if let Some(cell) = cell {
                    parameters.insert(column.property.name.clone(), cell.json.clone()?);
                }
            }
            Parsed::of(kind, schema, parameters).ok().map(|parsed| parsed.typed)
        };
        let swept = digest(None);
        self.telling.extend(axes.into_iter().filter(|axis| digest(Some(*axis)) != swept));
    }

    /// Every parameter that the file, an axis or the experiment's seed gives.
    fn columns<'s>(
        &mut self,
        number: usize,
        draft: &Draft<'_>,
        schema: &'s Schema,
    ) -> Vec<Column<'s>> {
        let mut columns = Vec::new();
        for property in &schema.properties {
            if let Some(axis) = self.dimensions.of_parameter(number, &property.name) {
                self.used.insert(axis);
                let hidden = self.hidden(draft, property);
                let grid = self.dimensions.grid(vec![axis]);
                let values = &self.dimensions.axes[axis].axis.values;
                let cells: Vec<Cell> =
                    values.iter().map(|value| self.cell(draft, property, value)).collect();
                let unswept = if cells.len() == 1 { vec![(axis, hidden)] } else { Vec::new() };
                columns.push(Column { property, grid, cells, unswept });
            } else if let Some(parameter) =
                draft.parameters.iter().find(|parameter| *parameter.name == *property.name)
            {
                columns.push(self.declared(draft, property, &parameter.value));
            } else if let Some(seed) = self.experiment_seed(property) {
                let cells = vec![self.cell(draft, property, &seed)];
                columns.push(Column {
                    property,
                    grid: self.dimensions.grid(Vec::new()),
                    cells,
                    unswept: Vec::new(),
                });
            }
        }
        columns
    }

    /// The seed of the experiment, which fills a stage's own.
    fn experiment_seed(&self, property: &Property) -> Option<Value> {
        let (seed, span) = self.experiment.seed.filter(|_| property.name == "seed")?;
        let data = i64::try_from(seed).map_or(Data::Invalid, Data::Integer);
        Some(Value { data, span, folder: Path::new("").into() })
    }

    /// The value of a parameter that an axis hides. If it is wrong it is wrong all the same, and runs once the sweep is gone.
    fn hidden(&mut self, draft: &Draft<'_>, property: &Property) -> Option<Cell> {
        let Some(parameter) =
            draft.parameters.iter().find(|parameter| *parameter.name == *property.name)
        else {
            return self.experiment_seed(property).map(|seed| self.cell(draft, property, &seed));
        };
        let mut roots = BTreeSet::new();
        references(&parameter.value, &mut roots);
        if roots.is_empty() {
            return Some(self.cell(draft, property, &parameter.value));
        }
        Some(self.without_sweep(draft, property, &parameter.value, &self.experiment.params))
    }

    /// A value as it would be with other params, about which nothing is said.
    fn without_sweep(
        &self,
        draft: &Draft<'_>,
        property: &Property,
        value: &Value,
        params: &BTreeMap<String, Value>,
    ) -> Cell {
        let mut unsaid = Vec::new();
        let mut validator = Validator { stage: &draft.declaration.name, found: &mut unsaid };
        let json = value
            .resolve(params)
            .ok()
            .and_then(|value| validator.value(&property.name, &property.shape, &value));
        Cell { json, span: value.span }
    }

    /// A parameter as the file declares it, with its references replaced, once for every combination of the axes that it refers to.
    fn declared<'s>(
        &mut self,
        draft: &Draft<'_>,
        property: &'s Property,
        value: &Value,
    ) -> Column<'s> {
        let mut roots = BTreeSet::new();
        references(value, &mut roots);
        let axes: Vec<usize> =
            roots.iter().filter_map(|root| self.dimensions.of_param(root)).collect();
        self.used.extend(&axes);
        if let (Some(seeds), "seed", Some(axis)) =
            (self.dimensions.seeds, property.name.as_str(), axes.first())
            && *draft.declaration.kind == *REPLICATED_KIND
        {
            let dimension = &self.dimensions.axes[*axis];
            self.found.push(two_seeds(&dimension.name, dimension.axis.span, seeds));
        }
        let grid = self.dimensions.grid(axes);
        if roots.is_empty() {
            return Column {
                property,
                grid,
                cells: vec![self.cell(draft, property, value)],
                unswept: Vec::new(),
            };
        }
        if !self.dimensions.bounded && grid.dimensions.len() > 1 {
            // Their combinations may be without number.
            let cells = vec![Cell { json: None, span: value.span }];
            return Column {
                property,
                grid: self.dimensions.grid(Vec::new()),
                cells,
                unswept: Vec::new(),
            };
        }
        // Only what is referred to, so that a row costs no copy of all params.
        let mut params: BTreeMap<String, Value> = match axes_cover(&roots, &grid) {
            true => BTreeMap::new(),
            false => {
                let all = &self.experiment.params;
                let known = |root: &String| Some((root.clone(), all.get(root)?.clone()));
                roots.iter().filter_map(known).collect()
            }
        };
        let mut cells = Vec::with_capacity(grid.rows);
        for row in 0..grid.rows {
            for axis in &grid.dimensions {
                let dimension = &self.dimensions.axes[*axis];
                if let Target::Params(name) = &dimension.target {
                    params.insert(
                        name.to_string(),
                        dimension.axis.values[grid.coordinate(row, *axis)].clone(),
                    );
                }
            }
            cells.push(match value.resolve(&params) {
                Ok(value) => self.cell(draft, property, &value),
                Err(diagnostic) => {
                    let swept = grid.dimensions.iter().map(|axis| {
                        &self.dimensions.axes[*axis].axis.values[grid.coordinate(row, *axis)]
                    });
                    self.found.push(swept.fold(diagnostic, |diagnostic, value| {
                        diagnostic.label(value.span, "where it has this value")
                    }));
                    Cell { json: None, span: value.span }
                }
            });
        }
        // The first row's params, and for one axis the param as the file has it.
        let mut unswept = Vec::new();
        for axis in &grid.dimensions {
            let dimension = &self.dimensions.axes[*axis];
            if let Target::Params(name) = &dimension.target {
                params.insert(name.to_string(), dimension.axis.values[0].clone());
            }
        }
        for axis in &grid.dimensions {
            let dimension = &self.dimensions.axes[*axis];
            if let (Target::Params(name), [_]) =
                (&dimension.target, dimension.axis.values.as_slice())
                && let Some(param) = self.experiment.params.get(&**name)
            {
                let swept = params.insert(name.to_string(), param.clone());
                unswept.push((*axis, Some(self.without_sweep(draft, property, value, &params))));
                params.extend(swept.map(|swept| (name.to_string(), swept)));
            }
        }
        Column { property, grid, cells, unswept }
    }

    fn cell(&mut self, draft: &Draft<'_>, property: &Property, value: &Value) -> Cell {
        let json = Validator { stage: &draft.declaration.name, found: self.found }.value(
            &property.name,
            &property.shape,
            value,
        );
        Cell { json, span: value.span }
    }

    /// The parameters without which there is no stage, and which nobody gives.
    fn missing<'s>(
        &mut self,
        draft: &Draft<'_>,
        schema: &'s Schema,
        columns: &[Column<'_>],
    ) -> Vec<&'s Property> {
        let given = |name: &str| columns.iter().any(|column| column.property.name == name);
        let absent: Vec<&Property> =
            schema.properties.iter().filter(|it| it.required && !given(&it.name)).collect();
        let missing: Vec<&Property> =
            absent.iter().copied().filter(|it| !draft.meant.contains(&it.name)).collect();
        if missing.is_empty() {
            return absent;
        }
        let names = names_text(missing.iter().map(|property| property.name.as_str()));
        let plural = if missing.len() == 1 { "" } else { "s" };
        let message =
            format!("stage `{}` lacks its parameter{plural} {names}", draft.declaration.name);
        let mut diagnostic =
            Diagnostic::new("missing-parameter", message).at(draft.declaration.name_span);
        for property in missing {
            diagnostic = match &property.about {
                Some(about) => diagnostic.help(format!(
                    "`{}`, {}: {about}",
                    property.name,
                    property.shape.noun()
                )),
                None => {
                    diagnostic.help(format!("`{}` is {}", property.name, property.shape.noun()))
                }
            };
        }
        self.found.push(diagnostic);
        absent
    }

    /// Lets the kind read every combination.
    fn parse(
        &mut self,
        draft: &Draft<'_>,
        kind: &'static StageKind,
        schema: &Schema,
        columns: &[Column<'_>],
        grid: &Grid,
    ) -> Option<Vec<Parsed>> {
        /// Below this a pool of threads costs more than it saves.
        const PARALLEL_ROWS: usize = 512;
        let seeds = self.dimensions.seeds.filter(|_| {
            *draft.declaration.kind == *REPLICATED_KIND && schema.property("seed").is_some()
        });
        let seed_dimension = self.dimensions.axes.len();
        let projections: Vec<_> = columns.iter().map(|column| grid.onto(&column.grid)).collect();
        let one = |row: usize| {
            let mut parameters = Map::with_capacity(columns.len() + 1);
            for (column, projection) in columns.iter().zip(&projections) {
                parameters.insert(
                    column.property.name.clone(),
                    column.cells[projection.row(row)].json.clone().unwrap_or_default(),
                );
            }
            if let Some(seeds) = seeds {
                let addend = seeds.addends[grid.coordinate(row, seed_dimension)];
                let base = match parameters.get("seed") {
                    Some(seed) => seed.as_u64(),
                    None => schema
                        .property("seed")
                        .and_then(|seed| seed.default.as_ref())
                        .map_or(Some(0), Json::as_u64),
                };
                let seed =
                    base.and_then(|base| base.checked_add(addend)).ok_or(Failure::Seed(addend))?;
                parameters.insert("seed".to_owned(), seed.into());
            }
            Parsed::of(kind, schema, parameters)
                .map_err(|error| Failure::Unreadable(error.to_string()))
        };
        let parsed: Result<Vec<Parsed>, Failure> = if grid.rows < PARALLEL_ROWS {
            (0..grid.rows).map(one).collect()
        } else {
            (0..grid.rows).into_par_iter().map(one).collect()
        };
        match parsed {
            Ok(parsed) => Some(parsed),
            Err(failure) => {
                let name = &draft.declaration.name;
                self.found.push(match (failure, seeds) {
                    (Failure::Seed(addend), Some(seeds)) => {
                        let message =
                            format!("{addend} added to the seed of stage `{name}` is out of range");
                        Diagnostic::new("out-of-range", message).at(seeds.span)
                    }
                    (Failure::Seed(_), None) => Diagnostic::new(
                        "out-of-range",
                        format!("the seed of stage `{name}` is out of range"),
                    ),
                    (Failure::Unreadable(reason), _) => {
                        let message = format!(
                            "the parameters of stage `{name}` do not fit its kind `{}`: {reason}",
                            kind.name
                        );
                        Diagnostic::new("invalid-parameters", message)
                            .at(draft.declaration.name_span)
                    }
                });
                None
            }
        }
    }

    /// Adds digests and commits, and asks the kind for what is wrong beyond single parameters.
    fn complete(
        &mut self,
        draft: &Draft<'_>,
        kind: &'static StageKind,
        schema: &Arc<Schema>,
        columns: &[Column<'_>],
        grid: Grid,
        parsed: Vec<Parsed>,
    ) -> Option<Instances> {
        let mut code: Vec<(&str, u32)> =
            kind.code.iter().map(|code| (code.part, code.version)).collect();
        code.sort_unstable();
        let span = |row: usize, parameter: &str| {
            columns
                .iter()
                .find(|column| column.property.name == parameter)
                .map_or(draft.declaration.name_span, |column| {
                    column.cells[grid.onto(&column.grid).row(row)].span
                })
        };
        let mut sound = true;
        let mut owns: HashMap<[u8; 32], Arc<Own>> = HashMap::new();
        let mut rows = Vec::with_capacity(parsed.len());
        for (row, parsed) in parsed.into_iter().enumerate() {
            let owner =
                Owner { name: &draft.declaration.name, kind: kind.name, stage: &*parsed.stage };
            for problem in
                parsed.problems.iter().filter(|problem| !draft.explains(&problem.message))
            {
                sound = false;
                let place = span(row, problem.parameter);
                let diagnostic = problem_diagnostic(owner.name, problem).at(place);
                let swept = self
                    .swept_values(columns, &grid, row, problem)
                    .into_iter()
                    .filter(|value| *value != place);
                let labelled = swept.fold(diagnostic, |diagnostic, value| {
                    diagnostic.label(value, "where it has this value")
                });
                self.found.push(labelled);
            }
            let Some(sources) = self.files.read(
                &owner,
                &parsed.sources,
                &|parameter| Some(span(row, parameter)),
                self.found,
            ) else {
                sound = false;
                continue;
            };
            let commit = self.commit(parsed.commit);
            let own = own(kind, &code, &parsed.stripped, sources, commit, schema);
            let own = Arc::clone(owns.entry(own.digest).or_insert_with(|| Arc::new(own)));
            rows.push(Instance { stage: parsed.stage, typed: parsed.typed, own });
        }
        sound.then_some(Instances { grid, rows })
    }

    /// The values of axes with which one combination has a problem: those of the parameters that the problem speaks of.
    fn swept_values(
        &self,
        columns: &[Column<'_>],
        grid: &Grid,
        row: usize,
        problem: &ParameterProblem,
    ) -> BTreeSet<Span> {
        let is_meant = |name: &str| {
            name == problem.parameter || problem.message.contains(&format!("`{name}`"))
        };
        let axes = columns
            .iter()
            .filter(|column| is_meant(&column.property.name))
            .flat_map(|column| &column.grid.dimensions);
        axes.map(|axis| self.dimensions.axes[*axis].axis.values[grid.coordinate(row, *axis)].span)
            .collect()
    }

    fn commit(&self, revision: Option<HubCommit>) -> Commit {
        let Some(revision) = revision else { return Commit::None };
        if revision.revision.len() == 40
            && revision.revision.bytes().all(|byte| byte.is_ascii_hexdigit())
        {
            return Commit::Known(revision.revision.to_ascii_lowercase());
        }
        match self.experiment.pins.lookup(&revision.repo, &revision.revision) {
            Some(commit) => Commit::Known(commit.to_owned()),
            None => Commit::Unknown(Arc::new(revision)),
        }
    }
}

/// The first words of the `@params` references in a value.
fn references(value: &Value, roots: &mut BTreeSet<String>) {
    match &value.data {
        Data::Param(path) => {
            roots.insert(path.split('.').next().unwrap_or_default().to_owned());
        }
        Data::Array(items) => items.iter().for_each(|item| references(item, roots)),
        Data::Table(entries) => entries.iter().for_each(|(_, _, value)| references(value, roots)),
        _ => {}
    }
}

/// True when each of the params that are referred to is swept.
fn axes_cover(roots: &BTreeSet<String>, grid: &Grid) -> bool {
    roots.len() == grid.dimensions.len()
}

enum Failure {
    /// This addend leaves the range of seeds.
    Seed(u64),
    /// The kind's own words.
    Unreadable(String),
}

impl Column<'_> {
    fn is_wrong(&self) -> bool {
        self.cells.iter().any(|cell| cell.json.is_none())
    }
}

/// One combination, as its kind reads it.
struct Parsed {
    stage: Arc<dyn AnyStage>,
    problems: Vec<ParameterProblem>,
    sources: Vec<SourceFile>,
    commit: Option<HubCommit>,
    typed: [u8; 32],
    /// The digest of what enters the key.
    stripped: [u8; 32],
}

impl Parsed {
    fn of(
        kind: &StageKind,
        schema: &Schema,
        parameters: Map<String, Json>,
    ) -> Result<Self, serde_json::Error> {
        let stage = kind.parse(Json::Object(parameters))?;
        let mut parameters = match stage.parameters() {
            Json::Object(parameters) => parameters,
            _ => Map::new(),
        };
        let typed = parameters_digest(&parameters);
        let stripped = if schema.strips() {
            schema.strip(&mut parameters);
            parameters_digest(&parameters)
        } else {
            typed
        };
        Ok(Self {
            problems: stage.check(),
            sources: stage.sources(),
            commit: stage.hub_commit(),
            stage,
            typed,
            stripped,
        })
    }
}

fn own(
    kind: &StageKind,
    code: &[(&str, u32)],
    parameters: &[u8; 32],
    sources: BTreeMap<String, String>,
    commit: Commit,
    schema: &Arc<Schema>,
) -> Own {
    // A digest with an unknown commit never becomes a key; it only tells such stages apart.
    let text = match &commit {
        Commit::None => None,
        Commit::Known(commit) => Some(commit.clone()),
        Commit::Unknown(revision) => {
            Some(format!("unknown {} {}", revision.repo, revision.revision))
        }
    };
    let digest = own_digest(
        kind.name,
        kind.output.format,
        code.iter().copied(),
        parameters,
        &sources,
        text.as_deref(),
    );
    Own { schema: Arc::clone(schema), sources, commit, digest }
}
