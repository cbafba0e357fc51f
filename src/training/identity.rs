//! Which training a saved state belongs to.

use super::goal::Goal;
use super::inputs::Data;
use super::recipe::Recipe;
use crate::nn;
use crate::text::{CorpusTasks, Windows};

/// A digest over the recipe, the goal, the data and the shapes of the parameters. Where it stops does not count, and the epochs only where they
/// change the first steps, so that a longer training knows the state of a shorter one. The initial weights are not part of it: reading them all would cost every start, and
/// the folder belongs to one model.
pub(super) fn of_training(
    parameters: &[nn::Parameter],
    data: Data<'_>,
    goal: &Goal<'_>,
    recipe: &Recipe,
) -> String {
    // What decides nothing of the result may change on the way.
    let mut recipe =
        Recipe { checkpoint_every: None, activation_checkpointing: false, ..recipe.clone() };
    recipe.stop_after = None;
    if recipe.horizon_parameter().is_none() {
        recipe.epochs = 0;
    }
    let shapes: Vec<(&str, usize)> = parameters
        .iter()
        .map(|parameter| (parameter.name.as_str(), parameter.range.len()))
        .collect();
    let described = serde_json::to_vec(&(recipe, shapes, data.labels.names()));
    let mut hasher = blake3::Hasher::new_derive_key("pipeline 2026-11 training");
    hasher.update(&described.expect("plain data"));
    hasher.update(&goal.identity());
    if *data.tasks != CorpusTasks::default() {
        // Weights are given by the names of classes.
        hasher.update(&serde_json::to_vec(data.tasks).expect("plain data"));
    }
    for split in [Some(data.train), data.validation].into_iter().flatten() {
        let tokens = [&split.ids, &split.bounds, &split.labels, &split.starts, &split.ends];
        let truth = &split.truth;
        let said = [&truth.bounds, &truth.starts, &truth.ends, &truth.kinds];
        let windows = split.windows.iter().flat_map(Windows::vectors);
        let classes = split.classes.values();
        for words in tokens.into_iter().chain(classes).chain(said).chain(windows) {
            hasher.update(&(words.len() as u64).to_le_bytes());
            let mut staged = Vec::with_capacity(1 << 16);
            for words in words.chunks(1 << 14) {
                staged.clear();
                staged.extend(words.iter().flat_map(|word| word.to_le_bytes()));
                hasher.update(&staged);
            }
        }
    }
    hasher.finalize().to_hex().to_string()
}
