//! The metrics by which `train` compares its evaluations, held against what there is to evaluate.

use super::facts;
use crate::engine::stage::{Caveat, Context, ParameterProblem, StageError};
use crate::tasks::metrics::{Metric, NoSubject};
use crate::tasks::{self, Contents};
use crate::text::CorpusTasks;
use crate::training::{Recipe, RowSplit, Trained};

/// A parameter that compares evaluations, and its metric.
pub(super) type Watched = (&'static str, Metric);

/// What is wrong with the parameters in view of the weights: a metric of a head that is not trained, and so not there, compares nothing.
pub(super) fn untrained(recipe: &Recipe) -> Vec<ParameterProblem> {
    let problem = |(parameter, metric): Watched| {
        let task = metric.task().filter(|task| recipe.weight_of(task) == 0.0)?;
        let (weight, written) = Recipe::weight_parameter(task);
        let message = format!(
            "`{parameter}` cannot go by `{}`: with `{written} = 0` that head is not trained",
            metric.name()
        );
        let help = format!("choose another metric, such as `loss`, or give `{written}` a value");
        Some(ParameterProblem::new([parameter, weight], message).help(help))
    };
    recipe.comparing().into_iter().filter_map(problem).collect()
}

/// What is wrong with the parameters in view of what the texts are labelled for: names of heads that are not there, and nothing to learn.
pub(super) fn unlabelled(recipe: &Recipe, tasks: &CorpusTasks) -> Vec<ParameterProblem> {
    let there = facts::heads_text(&tasks::names(tasks));
    let trained = recipe.trained(tasks);
    let mut problems = Vec::new();
    if tasks::names(&trained).is_empty() {
        let weights: Vec<(&'static str, String)> =
            tasks::names(tasks).iter().map(|task| Recipe::weight_parameter(task)).collect();
        let written: Vec<String> = weights.iter().map(|weight| format!("`{}`", weight.1)).collect();
        let message = match written.as_slice() {
            [] => "the texts have no labels, which leaves nothing to learn".to_owned(),
            [only] => format!("{only} is 0, which leaves nothing to learn"),
            [one, other] => format!("{one} and {other} are both 0, which leaves nothing to learn"),
            all => format!("{} are all 0, which leaves nothing to learn", all.join(", ")),
        };
        let about: Vec<&'static str> = weights.iter().map(|weight| weight.0).collect();
        problems.push(ParameterProblem::new(about, message).help(match written.is_empty() {
            true => "give the corpus entities or classes",
            false => "give one of them a weight",
        }));
    }
    problems.extend(incomparable(recipe, tasks, &format!("has {there}")));
    problems.extend(recipe.misnamed(tasks));
    problems
}

/// What is wrong with the parameters whatever of these tasks the texts are labelled for.
pub(super) fn impossible(recipe: &Recipe, tasks: &CorpusTasks) -> Vec<ParameterProblem> {
    let there = facts::heads_text(&tasks::names(tasks));
    let mut problems = incomparable(recipe, tasks, &format!("can have {there}"));
    problems.extend(recipe.misnamed(tasks));
    problems
}

/// Metrics of heads that are not there.
///
/// * `has`: what of the corpus is known, such as "has the head `ner` alone"
fn incomparable(recipe: &Recipe, tasks: &CorpusTasks, has: &str) -> Vec<ParameterProblem> {
    let mut problems = Vec::new();
    for (parameter, metric) in recipe.comparing().into_iter().filter(|(_, it)| it.exists()) {
        let name = metric.name();
        let task = metric.task().unwrap_or_default();
        let (message, help) = match metric.check(tasks) {
            // Nobody knows yet how many classes such a head has.
            Ok(()) | Err(NoSubject::Classes(0)) => continue,
            Err(NoSubject::Task) => {
                let message = format!(
                    "`{parameter}` cannot go by `{name}`: the corpus {has}, and none `{task}`"
                );
                (message, format!("metrics are {}", metrics_text(tasks)))
            }
            Err(NoSubject::Classes(classes)) => {
                let message = format!(
                    "`{parameter}` cannot go by `{name}`: `{task}` has {classes} classes, and that is for two"
                );
                (message, format!("`{task}.macro_f1` is for any number of classes"))
            }
        };
        problems.push(ParameterProblem::new([parameter], message).help(help));
    }
    problems
}

fn metrics_text(tasks: &CorpusTasks) -> String {
    let names: Vec<String> =
        Metric::of_tasks(tasks).iter().map(|metric| format!("`{}`", metric.name())).collect();
    names.join(", ")
}

/// What is wrong with a parameter that compares or chooses, where there is nothing to do it by.
pub(super) fn without_validation(parameter: &'static str) -> ParameterProblem {
    let message = format!("`{parameter}` needs a validation split, and it is empty");
    let help = format!("give the corpus stage a `validation` split, or leave `{parameter}` out");
    ParameterProblem::new([parameter], message).help(help)
}

/// The same before the first step.
pub(super) fn refuse_unlabelled(recipe: &Recipe, tasks: &CorpusTasks) -> Result<(), StageError> {
    refuse(&unlabelled(recipe, tasks))
}

/// What is wrong with the parameters where this is what the validation split holds: a metric that these texts leave undefined compares nothing.
fn undefined_in(watched: &[Watched], validation: &Contents) -> Vec<ParameterProblem> {
    let problem = |(parameter, metric): &Watched| {
        let lack = validation.lacks(metric)?;
        let message = format!(
            "`{parameter}` cannot go by `{}`, which is undefined in the validation split: it {lack}",
            metric.name()
        );
        let help = format!(
            "choose a metric that is defined there, such as `loss`, leave `{parameter}` out, or give the validation split such texts"
        );
        Some(ParameterProblem::new([*parameter], message).help(help))
    };
    watched.iter().filter_map(problem).collect()
}

/// The same before the first step, from the texts themselves.
///
/// * `validation`: reads the texts, which takes time that nobody needs where nothing is compared
pub(super) fn refuse_undefined(
    watched: &[Watched],
    validation: impl FnOnce() -> Result<Contents, StageError>,
) -> Result<(), StageError> {
    if watched.is_empty() {
        return Ok(());
    }
    refuse(&undefined_in(watched, &validation()?))
}

/// The same as the error of a stage, at the first of them.
pub(super) fn refuse(problems: &[ParameterProblem]) -> Result<(), StageError> {
    let Some(first) = problems.first() else { return Ok(()) };
    let messages: Vec<&str> = problems.iter().map(|problem| &*problem.message).collect();
    let mut error = StageError::new(messages.join("; "));
    if let Some(parameter) = first.place.first() {
        error = error.in_file_of(parameter);
    }
    Err(match &first.help {
        Some(help) => error.with_help(help.clone()),
        None => error,
    })
}

/// Says what compared nothing, since no evaluation defined its metric.
pub(super) fn tell_never_defined(
    trained: &Trained,
    context: &Context<'_>,
    caveats: &mut Vec<Caveat>,
) {
    let evaluations =
        trained.history.rows.iter().filter(|row| row.split == RowSplit::Validation).count();
    for (parameter, metric) in &trained.never_defined {
        let message = format!(
            "`{parameter}` compared nothing: `{}` was undefined in each of {evaluations} evaluations",
            metric.name()
        );
        context.caveat(caveats, Caveat::new("never_defined", evaluations, message));
    }
}
