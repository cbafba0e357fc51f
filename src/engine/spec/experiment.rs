//! What an experiment file says, read and merged.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::demand::Demand;
use super::objective::Objective;
use super::path::AxisTarget;
use super::pins::Pins;
use super::value::Value;
use crate::base::diagnostics::{Diagnostics, Sources, Span};

/// What an experiment file says, after `extends`, `unset` and the command line; references are not yet replaced.
#[derive(Debug, Clone)]
pub struct Experiment {
    /// The file that was asked for.
    pub file: PathBuf,
    /// `name`, else the file's stem: safe as the name of a folder.
    pub name: String,
    pub about: Option<String>,
    pub seed: Option<(u64, Span)>,
    pub params: BTreeMap<String, Value>,
    /// In the order of the file, those of the root of the chain first.
    pub stages: Vec<StageDeclaration>,
    pub sweep: Option<Sweep>,
    pub sources: Arc<Sources>,
    /// From `<file>.lock`.
    pub pins: Pins,
    /// The files that were read, the child first.
    pub chain: Vec<PathBuf>,
}

/// A `[stage.name]` table.
#[derive(Debug, Clone)]
pub struct StageDeclaration {
    pub name: Arc<str>,
    pub name_span: Span,
    pub kind: Arc<str>,
    /// The value of `kind`, or the name where there is none.
    pub kind_span: Span,
    pub after: Vec<(Arc<str>, Span)>,
    /// Where it says `at = "best"`: it runs for the best point of a sweep alone.
    pub at_best: Option<Span>,
    /// How often it is tried again when it fails.
    pub retry: Option<(u32, Span)>,
    /// How long one attempt may take.
    pub timeout: Option<(Duration, Span)>,
    /// What a job of a cluster asks for that does its work.
    pub resources: Option<(Demand, Span)>,
    /// In the order of the file.
    pub parameters: Vec<Parameter>,
}

impl StageDeclaration {
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| &*parameter.name == name)
    }
}

/// A parameter or a port; which one is for the kind to say.
#[derive(Debug, Clone)]
pub struct Parameter {
    pub name: Arc<str>,
    pub name_span: Span,
    pub value: Value,
}

/// What could be read of a file with mistakes in it, so that the plan can look for more.
#[derive(Debug)]
pub struct Reading {
    /// Missing where so much is unreadable that whatever else were found would be a consequence.
    pub experiment: Option<Experiment>,
    pub diagnostics: Diagnostics,
}

/// What varies between the trials of one file.
#[derive(Debug, Clone)]
pub struct Sweep {
    pub method: Option<(Method, Span)>,
    pub objective: Option<(Objective, Span)>,
    pub seeds: Option<Seeds>,
    pub folds: Option<Folds>,
    /// How many points a method chooses; of every one but a grid.
    pub points: Option<Count>,
    /// How many points are under way at a time; of every method but a grid.
    pub parallel: Option<Count>,
    /// Which of the points is the best.
    pub choose: Option<(Choose, Span)>,
    /// How many of the best points are trained again with fresh seeds, from which alone the best and its score come.
    pub finalists: Option<Count>,
    /// With how many seeds each of them is; as many as its last trials had where it is left out.
    pub fresh_seeds: Option<Count>,
    /// What is tried one after the other, the cheap first; none where every point is tried once. The last one is the whole thing.
    pub rungs: Vec<Rung>,
    /// In the order of the file, those of the root of the chain first; after them those that move together.
    pub axes: Vec<Axis>,
    /// Points that are left out: those that meet every condition of one.
    pub skip: Vec<Skip>,
    /// Where the sweep is declared.
    pub span: Span,
    /// Whether no file has a sweep: its results must not take the place of those that the file has without one.
    pub from_command_line: bool,
}

/// How points are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Every combination of the axes' values.
    Grid,
    /// At random.
    Random,
    /// By densities of good and of other points.
    Tpe,
    /// By a Gaussian process.
    Gp,
    /// [`Gp`](Self::Gp) where every axis is ordered, [`Tpe`](Self::Tpe) where one is a choice.
    Auto,
}

impl Method {
    pub const ALL: [Self; 5] = [Self::Grid, Self::Random, Self::Tpe, Self::Gp, Self::Auto];

    /// As experiment files spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Grid => "grid",
            Self::Random => "random",
            Self::Tpe => "tpe",
            Self::Gp => "gp",
            Self::Auto => "auto",
        }
    }
}

/// Which point of a sweep is the best.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choose {
    /// The one with the best mean, the first of equals.
    #[default]
    Mean,
    /// Of the points within one standard error of the best mean, the one nearest to the file's own values.
    OneStandardError,
}

impl Choose {
    pub const ALL: [Self; 2] = [Self::Mean, Self::OneStandardError];

    /// As experiment files spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::OneStandardError => "one-standard-error",
        }
    }
}

impl Sweep {
    /// How points are chosen.
    #[must_use]
    pub fn method(&self) -> Method {
        self.method.map_or(Method::Grid, |(method, _)| method)
    }

    /// Which point is the best.
    #[must_use]
    pub fn choice(&self) -> Choose {
        self.choose.map_or(Choose::default(), |(choose, _)| choose)
    }

    /// Where replicates are asked for, which add to the seeds of trainings.
    #[must_use]
    pub fn replicates(&self) -> Option<Span> {
        let of_rungs = self.rungs.iter().filter_map(|rung| rung.seeds.as_ref());
        let seeds = self.seeds.iter().chain(of_rungs).map(|seeds| seeds.span).next();
        seeds.or(self.finalists.map(|finalists| finalists.span))
    }

    /// What is added to the seeds of the trials on each rung, of which there is one at least; nothing where there are no replicates.
    #[must_use]
    pub fn addends(&self) -> Vec<Vec<u64>> {
        let single = if self.replicates().is_some() { vec![0] } else { Vec::new() };
        let default = self.seeds.as_ref().map_or(single, |seeds| seeds.addends.clone());
        let own = |rung: &Rung| rung.seeds.as_ref().map(|seeds| seeds.addends.clone());
        let of = |rung: &Rung| own(rung).unwrap_or_else(|| default.clone());
        if self.rungs.is_empty() { vec![default] } else { self.rungs.iter().map(of).collect() }
    }

    /// What is added to the seeds of finalists: what follows the largest that is used anywhere else.
    #[must_use]
    pub fn fresh_addends(&self) -> Vec<u64> {
        if self.finalists.is_none() {
            return Vec::new();
        }
        let addends = self.addends();
        let first = addends.iter().flatten().max().map_or(0, |largest| largest + 1);
        let as_before = addends.last().map_or(1, Vec::len);
        let count = self.fresh_seeds.map_or(as_before, |fresh| fresh.count);
        (first..).take(count).collect()
    }

    /// How many trials the score of the best point is of.
    #[must_use]
    pub fn deciding(&self) -> usize {
        let fresh = self.fresh_addends().len();
        let last = self.addends().last().map_or(0, Vec::len);
        let seeds = if self.finalists.is_some() { fresh } else { last };
        seeds.max(1) * self.folds.map_or(1, |folds| folds.count)
    }

    /// The numbers of the axes that move as one, in the order of the first of each.
    #[must_use]
    pub fn dimensions(&self) -> Vec<Vec<usize>> {
        dimensions(&self.axes)
    }
}

/// The numbers of the axes that move as one, in the order of the first of each.
#[must_use]
pub fn dimensions(axes: &[Axis]) -> Vec<Vec<usize>> {
    let mut all: Vec<Vec<usize>> = Vec::new();
    for (number, axis) in axes.iter().enumerate() {
        let moves_with = |of: &&mut Vec<usize>| axes[of[0]].together == axis.together;
        match axis.together.and_then(|_| all.iter_mut().find(moves_with)) {
            Some(of) => of.push(number),
            None => all.push(vec![number]),
        }
    }
    all
}

/// A whole number from 1, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    pub count: usize,
    pub span: Span,
}

/// One of the rungs of a sweep: what all of its points are tried with, and how many go on to the next.
#[derive(Debug, Clone)]
pub struct Rung {
    /// What parameters of stages have on it, in place of what they have otherwise.
    pub parameters: Vec<(AxisTarget, Span, Value)>,
    pub seeds: Option<Seeds>,
    /// The share of the points that goes on, above 0 and at most 1; of all rungs but the last.
    pub keep: Option<(f64, Span)>,
    pub span: Span,
}

/// Replicates of every point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seeds {
    /// What each adds to the seed of the stages that are replicated; distinct, and at least one.
    pub addends: Vec<u64>,
    pub span: Span,
}

/// Replicates of every point, in each of which another part of the corpus validates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Folds {
    /// At least two.
    pub count: usize,
    pub span: Span,
}

/// A region of points that is left out.
#[derive(Debug, Clone)]
pub struct Skip {
    /// At least one, each along another axis.
    pub conditions: Vec<(AxisTarget, Condition)>,
    pub span: Span,
}

/// What a point's value along an axis must be to be left out.
#[derive(Debug, Clone)]
pub struct Condition {
    pub what: What,
    /// The name of the axis, where it was written.
    pub span: Span,
}

#[derive(Debug, Clone)]
pub enum What {
    /// One of these.
    Among(Vec<Value>),
    /// A number between these, bounds included.
    Between { min: Option<f64>, max: Option<f64> },
}

impl What {
    #[must_use]
    pub fn holds(&self, value: &Value) -> bool {
        match self {
            Self::Among(values) => values.iter().any(|known| known.is_same(value)),
            Self::Between { min, max } => value.number().is_some_and(|number| {
                min.is_none_or(|min| min <= number) && max.is_none_or(|max| number <= max)
            }),
        }
    }
}

/// One thing that varies.
#[derive(Debug, Clone)]
pub struct Axis {
    pub target: AxisTarget,
    /// The name, where it was written.
    pub span: Span,
    pub along: Along,
    /// At least one; of a range its two bounds, the lower one first. Distinct, but for an axis that moves together with others.
    pub values: Vec<Value>,
    /// Which `[[sweep.together]]` it is of: the axes of one have as many values each, and move from entry to entry as one.
    pub together: Option<usize>,
}

/// What an axis takes its values from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Along {
    /// A list; one of numbers has their order.
    List,
    /// A list of which no value is nearer to one than to another.
    Choice,
    /// A range.
    Uniform,
    /// A range that is even in the logarithm.
    Log,
    /// A range of whole numbers.
    Int,
}

impl Along {
    /// The ways that a table spells, by its only key.
    pub const NAMED: [Self; 4] = [Self::Choice, Self::Uniform, Self::Log, Self::Int];

    /// As experiment files spell it; a list has no name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::List => "",
            Self::Choice => "choice",
            Self::Uniform => "uniform",
            Self::Log => "log",
            Self::Int => "int",
        }
    }

    #[must_use]
    pub fn is_range(self) -> bool {
        matches!(self, Self::Uniform | Self::Log | Self::Int)
    }
}
