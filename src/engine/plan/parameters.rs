//! The parameters of a stage, each resolved and held against its shape once for every value that the trials give it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value as Json;

use super::draft::Draft;
use super::schema::{Property, Schema};
use super::sweep::{Axes, Effects, two_seeds};
use super::trials::{Classes, Trials};
use super::validate::{Validator, names_text};
use crate::base::diagnostics::{Diagnostic, Span};
use crate::engine::spec::{Data, Experiment, SEED, Value};

/// A parameter along the axes that vary it.
pub(super) struct Column<'a> {
    pub(super) property: &'a Property,
    pub(super) classes: Classes,
    /// By class.
    cells: Vec<Cell>,
}

pub(super) struct Cell {
    pub(super) given: Given,
    pub(super) span: Span,
}

/// What a trial gives a parameter.
pub(super) enum Given {
    Value(Json),
    /// The kind's default is its own.
    Nothing,
    /// It is wrong, which has been said.
    Wrong,
}

impl Cell {
    fn json(&self) -> Option<&Json> {
        match &self.given {
            Given::Value(json) => Some(json),
            Given::Nothing | Given::Wrong => None,
        }
    }
}

impl Column<'_> {
    pub(super) fn cell(&self, trial: usize) -> &Cell {
        &self.cells[self.classes.of(trial)]
    }
}

/// Resolves the parameters of all stages.
pub(super) struct Resolver<'a> {
    pub(super) experiment: &'a Experiment,
    pub(super) axes: &'a Axes<'a>,
    pub(super) trials: &'a Trials<'a>,
    pub(super) effects: Effects,
}

impl Resolver<'_> {
    /// Every parameter that the file, an axis or the experiment's seed gives; `None` where one is missing without which there is no stage.
    pub(super) fn columns<'s>(
        &mut self,
        number: usize,
        draft: &Draft<'_>,
        schema: &'s Schema,
        found: &mut Vec<Diagnostic>,
    ) -> Option<Vec<Column<'s>>> {
        let mut columns = Vec::new();
        for property in &schema.properties {
            let of_rungs = self.axes.of_rungs(number, &property.name);
            let given = self.given(draft, property);
            if let Some(axis) = self.axes.of_parameter(number, &property.name) {
                columns.push(self.swept(draft, property, axis, found));
            } else if given.is_some() || of_rungs.is_some() && !property.required {
                let of_rungs = of_rungs.unwrap_or_default();
                columns.push(self.declared(draft, property, given.as_deref(), of_rungs, found));
            }
        }
        lacks_nothing(draft, schema, &columns, found).then_some(columns)
    }

    /// What the file gives a parameter: its value, or the experiment's seed in place of a stage's own.
    fn given<'d>(&self, draft: &Draft<'d>, property: &Property) -> Option<Cow<'d, Value>> {
        let mut parameters = draft.parameters.iter();
        if let Some(parameter) = parameters.find(|parameter| *parameter.name == *property.name) {
            return Some(Cow::Borrowed(&parameter.value));
        }
        let (seed, span) = self.experiment.seed.filter(|_| property.name == SEED)?;
        let data = i64::try_from(seed).map_or(Data::Invalid, Data::Integer);
        Some(Cow::Owned(Value { data, span, folder: Path::new("").into() }))
    }

    /// A parameter that is an axis.
    fn swept<'s>(
        &mut self,
        draft: &Draft<'_>,
        property: &'s Property,
        axis: usize,
        found: &mut Vec<Diagnostic>,
    ) -> Column<'s> {
        let trials = self.trials;
        let column = self.column(draft, property, vec![axis], found, |trial| {
            Ok(Some(Cow::Borrowed(trials.value(trial, axis))))
        });
        // What the axis hides runs once the sweep is gone: if it is wrong, it is wrong all the same.
        let hidden = self.given(draft, property);
        let without = match &hidden {
            Some(value) if self.references(value).1.is_empty() => {
                let hidden = self.declared(draft, property, Some(value), &[], found);
                hidden.cells.first().and_then(Cell::json).cloned()
            }
            Some(_) => None,
            None => property.default.clone(),
        };
        if let [cell] = &column.cells[..]
            && without.is_some()
            && without.as_ref() == cell.json()
        {
            self.effects.is_idle(axis);
        }
        column
    }

    /// A parameter as the file declares it, with its references replaced, or as a rung sets it.
    ///
    /// * `value`: none where the file leaves it to a default
    /// * `of_rungs`: what each rung sets it to; nothing where none does
    fn declared<'s>(
        &mut self,
        draft: &Draft<'_>,
        property: &'s Property,
        value: Option<&Value>,
        of_rungs: &[Option<&Value>],
        found: &mut Vec<Diagnostic>,
    ) -> Column<'s> {
        let (roots, swept) = value.map(|value| self.references(value)).unwrap_or_default();
        if let (Some(seeds), SEED, Some((axis, _))) =
            (self.seeds(), property.name.as_str(), swept.first())
            && draft.is_replicated()
        {
            let axis = self.axes.list[*axis].0;
            found.push(two_seeds(&axis.target, axis.span, seeds));
        }
        if roots.is_empty() && of_rungs.is_empty() {
            let value = value.map(Cow::Borrowed);
            return self.column(draft, property, Vec::new(), found, |_| Ok(value.clone()));
        }
        // Only what is referred to, so that a class costs no copy of all params.
        let all = &self.experiment.params;
        let known = |root: &String| Some((root.clone(), all.get(root)?.clone()));
        let mut params: BTreeMap<String, Value> = roots.iter().filter_map(known).collect();
        let trials = self.trials;
        let rungs = trials.rungs().filter(|_| !of_rungs.is_empty());
        let dimensions = swept.iter().map(|(axis, _)| *axis).chain(rungs).collect();
        self.column(draft, property, dimensions, found, |trial| {
            if let Some(set) = of_rungs.get(trials.rung(trial)).copied().flatten() {
                return Ok(Some(Cow::Borrowed(set)));
            }
            let Some(value) = value else { return Ok(None) };
            for (axis, param) in &swept {
                params.insert(param.clone(), trials.value(trial, *axis).clone());
            }
            let labelled = |diagnostic: Diagnostic, (axis, _): &(usize, String)| {
                diagnostic.label(trials.value(trial, *axis).span, "where it has this value")
            };
            let resolved = value.resolve(&params).map(|value| Some(Cow::Owned(value)));
            resolved.map_err(|diagnostic| swept.iter().fold(diagnostic, labelled))
        })
    }

    /// The params to which a value refers, and those of them that are swept, each with its axis.
    fn references(&self, value: &Value) -> (BTreeSet<String>, Vec<(usize, String)>) {
        let mut roots = BTreeSet::new();
        references(value, &mut roots);
        let of = |root: &String| Some((self.axes.of_param(root)?, root.clone()));
        let swept = roots.iter().filter_map(of).collect();
        (roots, swept)
    }

    /// Where replicates are asked for.
    fn seeds(&self) -> Option<Span> {
        self.experiment.sweep.as_ref()?.replicates()
    }

    /// Resolves a parameter for every class of the trials along some axes.
    ///
    /// * `resolve`: the value in a trial; none where it has the kind's default
    fn column<'s, 'v>(
        &mut self,
        draft: &Draft<'_>,
        property: &'s Property,
        axes: Vec<usize>,
        found: &mut Vec<Diagnostic>,
        mut resolve: impl FnMut(usize) -> Result<Option<Cow<'v, Value>>, Diagnostic>,
    ) -> Column<'s> {
        let classes = self.trials.classes(axes);
        let mut cells = Vec::with_capacity(classes.firsts.len());
        for trial in &classes.firsts {
            cells.push(match resolve(*trial) {
                Ok(Some(value)) => {
                    let mut validator = Validator { stage: &draft.declaration.name, found };
                    let json = validator.value(&property.name, &property.shape, &value);
                    Cell { given: json.map_or(Given::Wrong, Given::Value), span: value.span }
                }
                Ok(None) => Cell { given: Given::Nothing, span: draft.declaration.name_span },
                Err(diagnostic) => {
                    let span = diagnostic.span.unwrap_or(draft.declaration.name_span);
                    found.push(diagnostic);
                    Cell { given: Given::Wrong, span }
                }
            });
        }
        let axis_count = self.trials.points.axis_count();
        for axis in classes.dimensions.iter().filter(|axis| **axis < axis_count) {
            let effects = self.effects.uses(*axis, self.trials.points);
            for (trial, cell) in classes.firsts.iter().zip(&cells) {
                let text = cell.json().map(Json::to_string).unwrap_or_default();
                effects[self.trials.at(*trial, *axis)].extend([&*text, "\n"]);
            }
        }
        Column { property, classes, cells }
    }
}

/// Whether each parameter is given without which there is no stage.
fn lacks_nothing(
    draft: &Draft<'_>,
    schema: &Schema,
    columns: &[Column<'_>],
    found: &mut Vec<Diagnostic>,
) -> bool {
    let given = |name: &str| columns.iter().any(|column| column.property.name == name);
    let absent: Vec<&Property> =
        schema.properties.iter().filter(|it| it.required && !given(&it.name)).collect();
    let missing: Vec<&Property> =
        absent.iter().copied().filter(|it| !draft.meant.contains(&it.name)).collect();
    if missing.is_empty() {
        return absent.is_empty();
    }
    let names = names_text(missing.iter().map(|property| property.name.as_str()));
    let plural = if missing.len() == 1 { "" } else { "s" };
    let message = format!("stage `{}` lacks its parameter{plural} {names}", draft.declaration.name);
    let mut diagnostic =
        Diagnostic::new("missing-parameter", message).at(draft.declaration.name_span);
    for property in missing {
        let is = format!("`{}`, {}", property.name, property.shape.noun());
        diagnostic = diagnostic.help(match &property.about {
            Some(about) => format!("{is}: {about}"),
            None => format!("`{}` is {}", property.name, property.shape.noun()),
        });
    }
    found.push(diagnostic);
    false
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
