//! How much single classes and labels count in the loss of their head.

use super::Recipe;
use crate::base::IGNORE;
use crate::tasks::{Kind, Task};
use crate::text::{ClassHead, LabelSet};
use crate::training::class_weights::{ClassWeights, Weights};
use crate::training::inputs::Data;

impl Recipe {
    /// A weight for each output of a task's head; `None` where they count the same.
    pub(super) fn weights_of(&self, task: &Task, data: Data<'_>) -> Option<Vec<f32>> {
        match &task.kind {
            Kind::Tagging(tagging) => {
                let weights = self.token_class_weights.as_ref()?;
                let (labels, ignored) = (data.labels, tagging.ignored);
                let (names, of_label) = token_classes(labels);
                let mut counts = vec![0; names.len()];
                let counted = |label: &&u32| **label != IGNORE && Some(**label) != ignored;
                for label in data.train.labels.iter().filter(counted) {
                    counts[of_label[*label as usize]] += 1;
                }
                let weights = weights.of(&names, &counts);
                Some(of_label.iter().map(|class| weights[*class]).collect())
            }
            Kind::Classification(classes) => {
                let weights = self.class_weights.as_ref()?;
                let mut counts = vec![0; classes.len()];
                let truth = data.train.classes.get(&task.name).into_iter().flatten();
                truth
                    .filter(|class| **class != IGNORE)
                    .for_each(|class| counts[*class as usize] += 1);
                let head = ClassHead { name: task.name.clone(), classes: classes.clone() };
                weights.of(&head, &counts)
            }
        }
    }

    /// All weights of classes and labels that the recipe names, each with its parameter.
    pub(super) fn given_weights(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let classes = self.class_weights.iter().flat_map(ClassWeights::given);
        let tokens = self.token_class_weights.iter().flat_map(Weights::given);
        let heads = self.head_weights.values().map(|weight| ("head_weights", *weight));
        classes
            .map(|weight| ("class_weights", weight))
            .chain(tokens.map(|(_, weight)| ("token_class_weights", weight)))
            .chain(heads)
    }
}

/// What tokens of no entity are called.
pub(super) const OUTSIDE: &str = "O";

/// What tokens are labelled as, begun or gone on: the types of entities and `O`; and which of these each label is.
fn token_classes(labels: &LabelSet) -> (Vec<String>, Vec<usize>) {
    let mut names = labels.types().to_vec();
    let outside = names.len();
    names.push(OUTSIDE.to_owned());
    let class = |label: &String| {
        let kind = label.split_once('-').map(|(_, kind)| kind);
        kind.and_then(|kind| names.iter().position(|name| name == kind)).unwrap_or(outside)
    };
    let of_label = labels.names().iter().map(class).collect();
    (names, of_label)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::text::{CorpusTasks, EncodedSplit};

    fn recipe(parameters: serde_json::Value) -> Recipe {
        serde_json::from_value(parameters).expect("a recipe")
    }

    /// The weights of the outputs of each head, of a corpus with tokens B-X, I-X, O, O, O and four texts.
    fn weights(parameters: serde_json::Value) -> Vec<Option<Vec<f32>>> {
        let labels = LabelSet::of(["X", "Y"]);
        let number = |name: &str| labels.index(name).expect("a label");
        let severity = ["low", "mid", "high", "never"].map(str::to_owned).to_vec();
        let heads = vec![
            ClassHead::anomaly(),
            ClassHead { name: "severity".to_owned(), classes: severity },
        ];
        let train = EncodedSplit {
            labels: ["B-X", "I-X", "O", "O", "O"].map(number).into_iter().chain([IGNORE]).collect(),
            classes: BTreeMap::from([
                ("anomaly".to_owned(), vec![0, 0, 0, 1]),
                ("severity".to_owned(), vec![0, 1, IGNORE, 2]),
            ]),
            ..EncodedSplit::default()
        };
        let tasks = CorpusTasks { tagging: true, heads };
        let data = Data { train: &train, validation: None, labels: &labels, tasks: &tasks };
        let tasks = recipe(parameters).tasks(data);
        tasks.into_iter().map(|task| task.class_weights).collect()
    }

    #[test]
    fn balanced_weights_are_scikit_learns() {
        let found = weights(serde_json::json!({
            "class_weights": {"anomaly": "balanced", "severity": "balanced"},
            "token_class_weights": "balanced",
        }));
        // compute_class_weight("balanced", classes=[0, 1], y=[0, 0, 0, 1]), and so on; `B-X`, `B-Y`, `I-X`, `I-Y`, `O`
        let tokens = vec![1.25, 1.0, 1.25, 1.0, 5.0 / 6.0];
        let severity = vec![1.0, 1.0, 1.0, 1.0];
        assert_eq!(found, [Some(tokens), Some(vec![4.0 / 6.0, 2.0]), Some(severity)]);
        let all = weights(serde_json::json!({"class_weights": "balanced"}));
        assert_eq!(all[1..], found[1..]);
    }

    #[test]
    fn two_numbers_are_of_the_head_anomaly_and_what_is_not_named_counts_once() {
        assert_eq!(
            weights(serde_json::json!({"class_weights": [0.5, 2.0]})),
            [None, Some(vec![0.5, 2.0]), None]
        );
        let found = weights(serde_json::json!({
            "class_weights": {"severity": {"high": 3.0}}, "token_class_weights": {"X": 2.0, "O": 0.5},
        }));
        let tokens = vec![2.0, 1.0, 2.0, 1.0, 0.5];
        assert_eq!(found, [Some(tokens), None, Some(vec![1.0, 1.0, 3.0, 1.0])]);
    }
}
