//! What a recipe names that a corpus has not: heads, classes and types of entities.

use super::Recipe;
use super::weights::OUTSIDE;
use crate::base::problem::Problem;
use crate::text::{ANOMALY, ClassHead, CorpusTasks};
use crate::training::class_weights::{ClassWeights, Weights};

/// Something wrong with a parameter.
type Found = Problem<Vec<&'static str>>;

impl Recipe {
    /// What names heads or classes that a corpus for these tasks has not.
    ///
    /// * `tasks`: all that the corpus can have; of a head without classes nobody knows yet which there are
    #[must_use]
    pub fn misnamed(&self, tasks: &CorpusTasks) -> Vec<Found> {
        let mut found = Vec::new();
        let is_unknown = |head: &&String| tasks.head(head).is_none();
        let unknown = |parameter, head: &String| {
            let message = format!(
                "`{parameter}` names `{head}`, which is no head over whole texts that the corpus has classes for"
            );
            Found::new([parameter], message).help(there(tasks))
        };
        let weights = self.head_weights.keys().filter(is_unknown);
        found.extend(weights.map(|head| unknown("head_weights", head)));
        let thresholds = self.thresholds.keys().filter(is_unknown);
        found.extend(thresholds.map(|head| unknown("thresholds", head)));
        if let Some(ClassWeights::ByHead(weights)) = &self.class_weights {
            found.extend(
                weights.keys().filter(is_unknown).map(|head| unknown("class_weights", head)),
            );
            found.extend(tasks.heads.iter().flat_map(|head| misnamed_classes(weights, head)));
        }
        found.extend(self.without_anomaly(tasks));
        for head in tasks.heads.iter().filter(|head| self.thresholds.contains_key(&head.name)) {
            if head.classes.len() > 2 {
                let message = format!(
                    "`thresholds` names `{}`, which has {} classes: a threshold decides between two",
                    head.name,
                    head.classes.len()
                );
                let help =
                    "leave it out: of more than two classes the most likely one is the answer";
                found.push(Found::new(["thresholds"], message).help(help));
            }
        }
        found
    }

    /// What is for the head `anomaly` where there is none, or one of other classes.
    fn without_anomaly(&self, tasks: &CorpusTasks) -> Vec<Found> {
        let head = tasks.head(ANOMALY);
        let mut found = Vec::new();
        if head.is_none() && self.anomaly_weight != 0.0 && self.anomaly_weight != 1.0 {
            let message = format!(
                "`anomaly_weight` is that of the head `{ANOMALY}`, and the corpus has no such classes"
            );
            let help = format!("{}; `head_weights = {{ NAME = 0.5 }}` weighs others", there(tasks));
            found.push(Found::new(["anomaly_weight"], message).help(help));
        }
        let is_of_two = head.is_some_and(|head| [0, 2].contains(&head.classes.len()));
        if matches!(self.class_weights, Some(ClassWeights::OfAnomaly(_))) && !is_of_two {
            let message = match head {
                Some(head) => format!(
                    "`class_weights` has two numbers, and `{ANOMALY}` {} classes",
                    head.classes.len()
                ),
                None => format!(
                    "two numbers of `class_weights` are those of the head `{ANOMALY}`, and the corpus has no such classes"
                ),
            };
            let help = format!(
                "{}; `class_weights = {{ HEAD = {{ CLASS = 2.0 }} }}` names any",
                there(tasks)
            );
            found.push(Found::new(["class_weights"], message).help(help));
        }
        found
    }

    /// What `token_class_weights` names that tokens are not labelled as.
    ///
    /// * `types`: of all entities that the corpus has
    #[must_use]
    pub fn misnamed_tokens(&self, types: &[&str]) -> Vec<Found> {
        let given = self.token_class_weights.iter().flat_map(Weights::given);
        let unknown = given.filter(|(name, _)| *name != OUTSIDE && !types.contains(&name.as_str()));
        let problem = |(name, _): (&String, f64)| {
            let message = format!(
                "`token_class_weights` names `{name}`, which is no type of entity that the corpus has"
            );
            let help = match types {
                [] => "it has none, and all tokens are `O`".to_owned(),
                types => {
                    format!("it has `{}`, and tokens of no entity are `O`", types.join("`, `"))
                }
            };
            Found::new(["token_class_weights"], message).help(help)
        };
        unknown.map(problem).collect()
    }
}

fn misnamed_classes<'a>(
    weights: &'a std::collections::BTreeMap<String, Weights>,
    head: &'a ClassHead,
) -> impl Iterator<Item = Found> + 'a {
    let named = weights.get(&head.name).into_iter().flat_map(Weights::given);
    let is_unknown =
        |(class, _): &(&String, f64)| !head.classes.is_empty() && head.index(class).is_none();
    named.filter(is_unknown).map(|(class, _)| {
        let message =
            format!("`class_weights` names `{class}`, which is no class of `{}`", head.name);
        let help = format!("it has `{}`", head.classes.join("`, `"));
        Found::new(["class_weights"], message).help(help)
    })
}

/// Which heads there are instead.
fn there(tasks: &CorpusTasks) -> String {
    let heads: Vec<String> = tasks.heads.iter().map(|head| format!("`{}`", head.name)).collect();
    match heads.as_slice() {
        [] => "it has none".to_owned(),
        heads => format!("it has {}", heads.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(parameters: serde_json::Value) -> Recipe {
        serde_json::from_value(parameters).expect("a recipe")
    }

    /// The parameters that name what is not there.
    fn misnamed(parameters: serde_json::Value, tasks: &CorpusTasks) -> Vec<&'static str> {
        recipe(parameters).misnamed(tasks).iter().map(|problem| problem.place[0]).collect()
    }

    fn severity(classes: &[&str]) -> CorpusTasks {
        let classes = classes.iter().map(|class| (*class).to_owned()).collect();
        CorpusTasks { tagging: true, heads: vec![ClassHead { name: "severity".into(), classes }] }
    }

    #[test]
    fn names_that_the_corpus_does_not_have_are_refused() {
        let parameters = serde_json::json!({
            "head_weights": {"severty": 0.5}, "class_weights": {"anomaly": {"bad": 2.0}, "x": "balanced"},
            "token_class_weights": {"Z": 2.0, "O": 0.5}, "thresholds": {"topic": "f1", "anomaly": 0.5},
        });
        assert_eq!(
            misnamed(parameters.clone(), &CorpusTasks::default()),
            ["head_weights", "thresholds", "class_weights", "class_weights"]
        );
        let tokens = recipe(parameters).misnamed_tokens(&["X"]);
        let message =
            "`token_class_weights` names `Z`, which is no type of entity that the corpus has";
        assert_eq!(tokens.len(), 1);
        assert_eq!(tokens[0].message, message);
    }

    #[test]
    fn what_is_for_anomaly_needs_that_head() {
        let tasks = severity(&["low", "high"]);
        let pair = serde_json::json!({"class_weights": [1.0, 2.0], "anomaly_weight": 0.5});
        assert_eq!(misnamed(pair.clone(), &tasks), ["anomaly_weight", "class_weights"]);
        assert!(misnamed(pair, &CorpusTasks::default()).is_empty());
        assert!(misnamed(serde_json::json!({"anomaly_weight": 0.0}), &tasks).is_empty());
    }

    #[test]
    fn a_threshold_is_of_two_classes_as_far_as_they_are_known() {
        let parameters = serde_json::json!({"thresholds": {"severity": "f1"}});
        let of = |classes: &[&str]| misnamed(parameters.clone(), &severity(classes)).len();
        assert_eq!((of(&["low", "mid", "high"]), of(&["low", "high"]), of(&[])), (1, 0, 0));
    }
}
