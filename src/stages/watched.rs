//! The metrics by which `train` compares its evaluations, held against what there is to evaluate.

use crate::engine::stage::{Caveat, Context, ParameterProblem, StageError};
use crate::tasks::metrics::Metric;
use crate::tasks::{Contents, Offered};
use crate::training::{Recipe, RowSplit, Trained};

/// A parameter that compares evaluations, and its metric.
pub(super) type Watched = (&'static str, Metric);

/// What is wrong with the parameters in view of the weights: a metric of a head that is not trained, and so not there, compares nothing.
pub(super) fn untrained(recipe: &Recipe) -> Vec<ParameterProblem> {
    let problem = |(parameter, metric): Watched| {
        let weight = Offered::named(metric.task()?)?.weight;
        let message = format!(
            "`{parameter}` cannot go by `{}`: with `{weight} = 0` that head is not trained",
            metric.name()
        );
        let help = format!("choose another metric, such as `loss`, or give `{weight}` a value");
        Some(ParameterProblem::new([parameter, weight], message).help(help))
    };
    let compared = recipe.comparing().into_iter();
    compared.filter(|(_, metric)| !recipe.trains(*metric)).filter_map(problem).collect()
}

/// What is wrong with the parameters where this is what the validation split holds: a metric that these texts leave undefined compares nothing.
fn undefined_in(watched: &[Watched], validation: &Contents) -> Vec<ParameterProblem> {
    let problem = |&(parameter, metric): &Watched| {
        let lack = validation.lacks(metric)?;
        let message = format!(
            "`{parameter}` cannot go by `{}`, which is undefined in the validation split: it {lack}",
            metric.name()
        );
        let help = format!(
            "choose a metric that is defined there, such as `loss`, leave `{parameter}` out, or give the validation split such texts"
        );
        Some(ParameterProblem::new([parameter], message).help(help))
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
    let problems = undefined_in(watched, &validation()?);
    let Some(first) = problems.first() else { return Ok(()) };
    let messages: Vec<&str> = problems.iter().map(|problem| &*problem.message).collect();
    let error = StageError::new(messages.join("; "));
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
        trained.history.iter().filter(|row| row.split == RowSplit::Validation).count();
    for (parameter, metric) in &trained.never_defined {
        let message = format!(
            "`{parameter}` compared nothing: `{}` was undefined in each of {evaluations} evaluations",
            metric.name()
        );
        context.caveat(caveats, Caveat::new("never_defined", evaluations, message));
    }
}
