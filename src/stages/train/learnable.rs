//! What of a corpus's tasks there is to learn, and what is said where there is nothing.

use crate::base::IGNORE;
use crate::engine::stage::{Caveat, StageError};
use crate::stages::watched;
use crate::tasks::Contents;
use crate::text::{CorpusTasks, EncodedSplit, LabelSet};
use crate::training::Recipe;

/// The tasks that a training can learn. Where all texts are said to have no entities, a tagging head would have nothing to tell apart: the classes are
/// learnt without it, if there are any to learn.
///
/// * `has_types`: whether there is a type of entity
pub(super) fn to_learn(recipe: &Recipe, tasks: &CorpusTasks, has_types: bool) -> CorpusTasks {
    let learns_classes = !recipe.trained(tasks).heads.is_empty();
    CorpusTasks { tagging: tasks.tagging && (has_types || !learns_classes), ..tasks.clone() }
}

/// What is to be known of a model that has no tagging head for that reason.
///
/// * `tasks`: those of the corpus
/// * `to_learn`: those of them that [`to_learn`] leaves
/// * `texts`: how many there are to train on
pub(super) fn without_entities(
    recipe: &Recipe,
    tasks: &CorpusTasks,
    to_learn: &CorpusTasks,
    texts: usize,
) -> Option<Caveat> {
    let is_left_out = recipe.trained(tasks).tagging && !to_learn.tagging;
    let message = format!(
        "none of the {texts} train texts has an entity, so that the model has no head `ner` and learns classes alone"
    );
    is_left_out.then(|| Caveat::new("no_entities", texts, message))
}

/// What is trained must have labels that count, in texts that are trained on.
pub(super) fn refuse_unlearnable(
    recipe: &Recipe,
    train: &EncodedSplit,
    labels: &LabelSet,
    tasks: &CorpusTasks,
) -> Result<(), StageError> {
    let trained = recipe.trained(tasks);
    let counts =
        |label: &u32| *label != IGNORE && !(recipe.ignore_outside && *label == labels.outside());
    if trained.tagging && labels.types().is_empty() {
        return Err(no_tags(NO_ENTITIES, recipe, tasks));
    }
    if trained.tagging && !train.labels.iter().any(counts) {
        let why = "no token of the training split has a label that counts";
        return Err(no_tags(why, recipe, tasks));
    }
    let types: Vec<&str> = labels.types().iter().map(String::as_str).collect();
    watched::refuse(&recipe.misnamed_tokens(&types))?;
    for head in &trained.heads {
        let classes = train.classes.get(&head.name);
        if classes.is_none_or(|classes| classes.iter().all(|class| *class == IGNORE)) {
            return Err(no_classes(&head.name));
        }
    }
    Ok(())
}

/// The same of texts that are not yet tokens.
pub(super) fn refuse_unlearnable_texts(
    recipe: &Recipe,
    train: &Contents,
    has_types: bool,
) -> Result<(), StageError> {
    let trained = recipe.trained(&train.tasks);
    if trained.tagging && !has_types {
        return Err(no_tags(NO_ENTITIES, recipe, &train.tasks));
    }
    let mut heads = train.tasks.heads.iter().zip(&train.classes);
    let is_unlabelled = |counts: &[u64]| train.texts > 0 && counts.iter().all(|count| *count == 0);
    match heads.find(|(head, counts)| trained.head(&head.name).is_some() && is_unlabelled(counts)) {
        Some((head, _)) => Err(no_classes(&head.name)),
        None => Ok(()),
    }
}

const NO_ENTITIES: &str = "the corpus has no entities";

fn no_tags(why: &str, recipe: &Recipe, tasks: &CorpusTasks) -> StageError {
    let help = match (recipe.trained(tasks).heads.first(), tasks.heads.first()) {
        (Some(_), _) => {
            "set `ner_weight = 0` to learn classes alone, or see that the corpus has its entities"
                .to_owned()
        }
        (None, Some(head)) => format!(
            "see that the corpus has its entities, or give `{}` a value to learn classes",
            Recipe::weight_parameter(&head.name).1
        ),
        (None, None) => {
            "see that the corpus has its entities, or name fields to learn classes of: `classes = [\"...\"]` of `read_corpus`"
                .to_owned()
        }
    };
    StageError::new(format!("{why}, so there are no tags to learn")).with_help(help)
}

fn no_classes(head: &str) -> StageError {
    let parameter = Recipe::weight_parameter(head).1;
    StageError::new(format!("no text of the training split is labelled for `{head}`")).with_help(
        format!("set `{parameter} = 0` to learn the other tasks alone, or give the training split such labels"),
    )
}
