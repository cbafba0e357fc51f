//! What is wrong with a recipe by itself.

use super::Recipe;
use crate::base::diagnostics::suggest;
use crate::base::problem::Problem;
use crate::base::{units, visible};
use crate::tasks::metrics::{self, Metric};
use crate::tasks::tagging;
use crate::text::{ANOMALY, check_head_name};
use crate::training::thresholds::Threshold;

/// Something wrong with parameters, first the one at which a message points.
type Found = Problem<Vec<&'static str>>;

impl Recipe {
    /// Everything that makes the recipe unusable whatever it is trained on. It says the bounds of single parameters, too, for callers who have
    /// held them against no schema.
    #[must_use]
    pub fn check(&self) -> Vec<Found> {
        let mut found = self.beyond_bounds();
        if self.warmup_steps.is_some() && self.warmup_ratio.is_some() {
            let message = "`warmup_steps` and `warmup_ratio` exclude each other";
            let about = ["warmup_ratio", "warmup_steps"];
            found.push(Found::new(about, message).help("remove one of them"));
        }
        found.extend(self.stop_beyond_the_end());
        found.extend(
            self.comparing().into_iter().filter_map(|(name, metric)| unknown(name, &metric)),
        );
        found.extend(self.beyond_single_precision());
        found.extend(self.misnamed_parts(None));
        if self.lora.is_some() && !self.freeze.is_empty() {
            let message =
                "`lora` trains no weight of the encoder, so that there is nothing to `freeze`";
            found.push(Found::new(["freeze", "lora"], message).help("remove one of them"));
        }
        found.extend(self.thresholds_untrained());
        if self.cadence().is_none() {
            let message = "`checkpoint_every` is neither a number of steps nor a time";
            let help = format!("a number of steps, or {}", units::DURATION);
            found.push(Found::new(["checkpoint_every"], message).help(help));
        }
        found
    }

    fn beyond_bounds(&self) -> Vec<Found> {
        let at_least_zero = |value: f64| value.is_finite() && value >= 0.0;
        let beta = |value: &f64| (0.0..1.0).contains(value);
        let ratio = |ratio: &f64| (0.0..=1.0).contains(ratio);
        let stopping = self.early_stopping.as_ref();
        let is_positive = |parameter: &str| {
            self.given_weights().all(|(of, weight)| of != parameter || weight > 0.0)
        };
        let rules = [
            ("epochs", self.epochs > 0, "must be at least 1"),
            ("stop_after", self.stop_after.is_none_or(|it| it > 0.0), "must be above 0"),
            ("batch_size", self.batch_size > 0, "must be at least 1"),
            ("gradient_accumulation", self.gradient_accumulation > 0, "must be at least 1"),
            ("learning_rate", at_least_zero(self.learning_rate), "must be a number of at least 0"),
            ("weight_decay", at_least_zero(self.weight_decay), "must be a number of at least 0"),
            ("betas", self.betas.iter().all(beta), "must lie in [0, 1)"),
            ("eps", self.eps > 0.0, "must be above 0"),
            ("max_grad_norm", at_least_zero(self.max_grad_norm), "must be a number of at least 0"),
            ("warmup_ratio", self.warmup_ratio.iter().all(ratio), "must lie in [0, 1]"),
            ("ner_weight", at_least_zero(self.ner_weight), "must be a number of at least 0"),
            (
                "anomaly_weight",
                at_least_zero(self.anomaly_weight),
                "must be a number of at least 0",
            ),
            ("class_weights", is_positive("class_weights"), "must be above 0"),
            ("token_class_weights", is_positive("token_class_weights"), "must be above 0"),
            (
                "head_weights",
                self.head_weights.values().all(|weight| at_least_zero(*weight)),
                "must be numbers of at least 0",
            ),
            (
                "head_weights",
                !self.head_weights.contains_key(tagging::NAME),
                "is of heads over whole texts; `ner_weight` is that of the tags",
            ),
            (
                "thresholds",
                self.thresholds.values().all(Threshold::is_possible),
                "must be within 0 and 1, a precision above 0 and a number of alerts above 0",
            ),
            (
                "thresholds",
                !self.thresholds.contains_key(tagging::NAME),
                "is of heads over whole texts; `predict --threshold ner=0.5` leaves entities out",
            ),
            ("focal_gamma", at_least_zero(self.focal_gamma), "must be a number of at least 0"),
            (
                "viterbi",
                self.ner_weight > 0.0 || !self.viterbi,
                "is of tags, which `ner_weight = 0` leaves out",
            ),
            ("evaluate_every", self.evaluate_every != Some(0), "must be at least 1 step"),
            (
                "early_stopping",
                stopping.is_none_or(|it| it.patience > 0 && at_least_zero(it.min_delta)),
                "needs a `patience` of at least 1, and a `min_delta` of at least 0",
            ),
        ];
        let broken = rules.into_iter().chain(self.rules_of_tuning()).filter(|(_, holds, _)| !holds);
        broken.map(|(name, _, rule)| Found::new([name], format!("`{name}` {rule}"))).collect()
    }

    /// The same of how parts of the model are trained: what is bounded, whether it holds, and the bound.
    fn rules_of_tuning(&self) -> [(&'static str, bool, &'static str); 5] {
        [
            (
                "dropout",
                self.dropout.is_none_or(|share| (0.0..1.0).contains(&share)),
                "must lie in [0, 1)",
            ),
            (
                "lora",
                self.lora.as_ref().is_none_or(|lora| {
                    lora.rank > 0
                        && lora.alpha > 0.0
                        && is_single(lora.alpha)
                        && !lora.targets.is_empty()
                }),
                "needs a `rank` of at least 1, an `alpha` above 0, and `targets`",
            ),
            ("ema", self.ema.is_none_or(|decay| decay > 0.0 && decay < 1.0), "must lie in (0, 1)"),
            (
                "head_learning_rate",
                self.head_learning_rate.is_none_or(|rate| rate > 0.0 && self.learning_rate > 0.0),
                "must be above 0, and so must `learning_rate`",
            ),
            (
                "layer_decay",
                self.layer_decay.is_none_or(|decay| decay > 0.0 && decay <= 1.0),
                "must lie in (0, 1]",
            ),
        ]
    }

    fn stop_beyond_the_end(&self) -> Option<Found> {
        let (stop, epochs) = (self.stop_after?, self.epochs);
        let message =
            format!("`stop_after = {stop}` is more than all `epochs`, which are {epochs}");
        let help = format!(
            "at most {epochs}, where the learning rate has run its course; leave it out to train to the end, or raise `epochs`"
        );
        (stop > epochs as f64).then(|| Found::new(["stop_after", "epochs"], message).help(help))
    }

    /// Thresholds of heads that the model will not have.
    fn thresholds_untrained(&self) -> impl Iterator<Item = Found> {
        let untrained = |head: &&String| *head != tagging::NAME && self.weight_of(head) == 0.0;
        self.thresholds.keys().filter(untrained).map(|head| {
            let (weight, written) = Self::weight_parameter(head);
            let message = format!(
                "`thresholds` names `{head}`: with `{written} = 0` that head is not trained"
            );
            let help = format!("leave it out, or give `{written}` a value");
            Found::new(["thresholds", weight], message).help(help)
        })
    }

    /// Numbers that would be lost: moments below the normal range count as zero, so that an `eps` there could divide zero by zero.
    fn beyond_single_precision(&self) -> impl Iterator<Item = Found> {
        let singles = [
            ("learning_rate", self.learning_rate),
            ("eps", self.eps),
            ("max_grad_norm", self.max_grad_norm),
            ("ner_weight", self.ner_weight),
            ("anomaly_weight", self.anomaly_weight),
            ("focal_gamma", self.focal_gamma),
        ];
        let lost = singles.into_iter().filter(|(_, value)| !is_single(*value));
        let weight = self.given_weights().filter(|(_, weight)| !is_single(*weight)).take(1);
        lost.chain(weight).map(|(name, value)| {
            let message = format!("`{name}` = {value:e} is beyond what training computes with");
            Found::new([name], message)
                .help("training computes in single precision: from 1.2e-38 to 3.4e38")
        })
    }
}

/// A name that no metric has, of whatever head.
fn unknown(parameter: &'static str, metric: &Metric) -> Option<Found> {
    if metric.exists() {
        return None;
    }
    let head = metric.task().filter(|task| check_head_name(task).is_ok()).unwrap_or(ANOMALY);
    let names = metrics::NAMES.map(|name| name.replace('*', head));
    let message =
        format!("`{parameter}` names no metric: there is no `{}`", visible::line(metric.name()));
    let found = Found::new([parameter], message);
    Some(match suggest(metric.name(), names.iter().map(String::as_str)) {
        Some(near) => found.help(format!("did you mean `{near}`?")),
        None => found.help(format!(
            "there are `{}`, where `*` is a head over whole texts, such as `anomaly`",
            metrics::NAMES.join("`, `")
        )),
    })
}

/// Whether a number is still itself, up to rounding, in the single precision that training computes in: neither lost nor infinite.
fn is_single(value: f64) -> bool {
    value == 0.0 || (value as f32).is_normal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_recipe_has_no_problem_and_a_broken_one_shows_all() {
        assert_eq!(Recipe::default().check(), []);
        let broken = Recipe { epochs: 0, betas: [1.0, 0.9], eps: 0.0, ..Recipe::default() };
        assert_eq!(broken.check().len(), 3);
        let stopped = |epochs| Recipe { stop_after: Some(epochs), ..Recipe::default() };
        let stops = [0.0, -1.0, f64::NAN, f64::INFINITY, 3.1, 3.0, 0.1];
        let problems = stops.map(|epochs| stopped(epochs).check().len());
        assert_eq!(problems, [1, 1, 1, 1, 1, 0, 0]);
        let untagged = Recipe { ner_weight: 0.0, viterbi: true, ..Recipe::default() };
        assert_eq!(untagged.check().len(), 1);
    }
}
