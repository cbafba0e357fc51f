//! Which parameters are trained, and how fast each.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Recipe;
use crate::base::problem::Problem;
use crate::base::rng::Rng;
use crate::base::visible;
use crate::nn::{EncoderSpec, Group, JointModel, NoMemory, Parameter, Role, Section};

/// Parameters that may be left out of weight decay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Undecayed {
    /// the factors of norms
    Norm,
    /// all biases, those of norms too
    Bias,
}

/// A part of the encoder that is not trained.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Frozen {
    Embeddings,
    /// Half-open.
    Layers(Range<usize>),
    Encoder,
}

impl Frozen {
    const HELP: &str = "`embeddings`, `layers.0`, `layers.0..6` (the first six) or `encoder`";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "embeddings" => Some(Self::Embeddings),
            "encoder" => Some(Self::Encoder),
            _ => {
                let layers = text.strip_prefix("layers.")?;
                let range = match layers.split_once("..") {
                    Some((from, to)) => from.parse().ok()?..to.parse().ok()?,
                    None => {
                        let layer: usize = layers.parse().ok()?;
                        layer..layer.checked_add(1)?
                    }
                };
                (range.start < range.end).then_some(Self::Layers(range))
            }
        }
    }

    fn holds(&self, section: Section) -> bool {
        match (self, section) {
            (_, Section::Head(_)) => false,
            (Self::Encoder, _) | (Self::Embeddings, Section::Embeddings) => true,
            (Self::Layers(layers), Section::Layer(layer)) => layers.contains(&layer),
            (Self::Embeddings | Self::Layers(_), _) => false,
        }
    }
}

impl Recipe {
    /// An encoder with the heads and the dropout of this recipe.
    #[must_use]
    pub fn encoder(&self, encoder: EncoderSpec) -> EncoderSpec {
        let encoder = encoder.with_heads(self.head);
        match self.dropout {
            None => encoder,
            Some(share) => encoder.with_dropout(share),
        }
    }

    /// A model that learns what this recipe trains: its adapters, what it does not freeze, each at its rate.
    ///
    /// # Errors
    /// [`NoMemory`], for the adapters
    pub fn tuned(&self, mut joint: JointModel, rng: &Rng) -> Result<JointModel, NoMemory> {
        let layers = joint.spec.layers.len();
        if let Some(lora) = &self.lora {
            joint = joint.with_adapters(lora, rng)?;
        }
        joint.layout.regroup(|parameter| self.group(parameter, layers));
        Ok(joint)
    }

    /// How the optimiser treats a parameter of an encoder with so many layers.
    #[must_use]
    pub fn group(&self, parameter: &Parameter, layers: usize) -> Group {
        let decay = |steps: usize| {
            self.layer_decay
                .map_or(1.0, |decay| decay.powi(i32::try_from(steps).unwrap_or(i32::MAX)))
        };
        let rate = match parameter.section {
            Section::Embeddings => decay(layers),
            Section::Layer(layer) => decay(layers - 1 - layer),
            Section::Last => 1.0,
            Section::Head(_) => {
                self.head_learning_rate.map_or(1.0, |rate| rate / self.learning_rate)
            }
        };
        let frozen = self.freeze.iter().filter_map(|text| Frozen::parse(text));
        let undecayed = match parameter.role {
            Role::Norm => self.no_decay.contains(&Undecayed::Norm),
            Role::Bias => self.no_decay.contains(&Undecayed::Bias),
            _ => false,
        };
        let is_adapter = matches!(parameter.role, Role::AdapterDown | Role::AdapterUp);
        let in_encoder = parameter.head().is_none();
        let is_frozen = { frozen }.any(|frozen| frozen.holds(parameter.section))
            || self.lora.is_some() && in_encoder && !is_adapter;
        Group { trainable: !is_frozen, decays: !undecayed, rate }
    }

    /// Whether every parameter is trained.
    #[must_use]
    pub fn trains_everything(&self) -> bool {
        self.freeze.is_empty() && self.lora.is_none()
    }

    /// Whether no weight of the encoder is trained, and nothing beside them.
    #[must_use]
    pub fn freezes_encoder(&self) -> bool {
        self.freeze.iter().any(|text| Frozen::parse(text) == Some(Frozen::Encoder))
    }

    /// What is wrong with the parts that are not to be trained, of an encoder with so many layers where that is known.
    #[must_use]
    pub fn misnamed_parts(&self, layers: Option<usize>) -> Vec<Problem<Vec<&'static str>>> {
        let problem = |text: &String| {
            let name = visible::line(text);
            let message = match (Frozen::parse(text), layers) {
                (None, None) => format!("`freeze` names no part of an encoder: `{name}`"),
                (Some(Frozen::Layers(range)), Some(layers)) if range.end > layers => {
                    format!("`freeze` names `{name}`, but the encoder has {layers} layers, from 0")
                }
                _ => return None,
            };
            Some(Problem::new(vec!["freeze"], message).help(Frozen::HELP))
        };
        self.freeze.iter().filter_map(problem).collect()
    }

    /// What is wrong with the matrices beside which others are to be trained, in this encoder.
    #[must_use]
    pub fn misnamed_targets(&self, encoder: &EncoderSpec) -> Vec<Problem<Vec<&'static str>>> {
        let Some(lora) = &self.lora else { return Vec::new() };
        let (unknown, there) = lora.unknown_targets(encoder);
        let problem = |target: &str| {
            let message = format!(
                "`lora` names no matrix of a layer of {}: `{}`",
                encoder.names.family,
                visible::line(target)
            );
            let help = format!("`attention`, `mlp`, or the end of `{}`", there.join("`, `"));
            Problem::new(vec!["lora"], message).help(help)
        };
        unknown.into_iter().map(problem).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use crate::nn::{HeadSpec, JointModel, Layout, Lora, Over};

    fn groups(recipe: &Recipe) -> Vec<(String, Group)> {
        let sizes = r#"{"model_type": "bert", "vocab_size": 10, "hidden_size": 4, "num_hidden_layers": 3, "num_attention_heads": 1, "intermediate_size": 4, "max_position_embeddings": 8}"#;
        let head = HeadSpec { name: "ner".to_owned(), outputs: 3, over: Over::Tokens };
        let layout = Layout::new(&EncoderSpec::from_json(sizes).expect("good sizes"), &[head]);
        let parameters = layout.parameters().iter();
        parameters.map(|parameter| (parameter.name.clone(), recipe.group(parameter, 3))).collect()
    }

    fn of(groups: &[(String, Group)], name: &str) -> Group {
        groups.iter().find(|(found, _)| found == name).expect("a parameter").1
    }

    #[test]
    fn the_default_trains_and_decays_everything_alike() {
        let groups = groups(&Recipe::default());
        assert!(groups.iter().all(|(_, group)| *group == Group::default()));
    }

    #[test]
    fn frozen_parts_are_not_trained_and_heads_always_are() {
        let freeze = |parts: &[&str]| Recipe {
            freeze: parts.iter().map(|part| (*part).to_owned()).collect(),
            ..Recipe::default()
        };
        let trained = |recipe: &Recipe| -> Vec<bool> {
            let groups = groups(recipe);
            [
                "embeddings.position_embeddings.weight",
                "encoder.layer.0.output.dense.bias",
                "encoder.layer.1.output.dense.bias",
                "encoder.layer.2.output.dense.bias",
                "ner_classifier.weight",
            ]
            .map(|name| of(&groups, name).trainable)
            .to_vec()
        };
        assert_eq!(trained(&freeze(&["embeddings"])), [false, true, true, true, true]);
        assert_eq!(trained(&freeze(&["layers.0..2"])), [true, false, false, true, true]);
        assert_eq!(trained(&freeze(&["layers.1"])), [true, true, false, true, true]);
        assert_eq!(trained(&freeze(&["encoder"])), [false, false, false, false, true]);
    }

    #[test]
    fn adapters_and_heads_are_trained_and_nothing_else() {
        let sizes = r#"{"model_type": "bert", "vocab_size": 10, "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 4, "max_position_embeddings": 8}"#;
        let spec = EncoderSpec::from_json(sizes).expect("good sizes");
        let heads = [HeadSpec { name: "ner".to_owned(), outputs: 3, over: Over::Tokens }];
        let lora =
            Lora { rank: 2, alpha: 4.0, targets: vec!["query".to_owned(), "mlp".to_owned()] };
        let recipe = Recipe { lora: Some(lora.clone()), ..Recipe::default() };
        let rng = Rng::new(1);
        let model = JointModel::new_random(spec.clone(), &heads, &rng).expect("room");
        let model = model.with_adapters(&lora, &rng).expect("room");
        let parameters = model.layout.parameters().iter();
        let trained = parameters.filter(|parameter| recipe.group(parameter, 1).trainable);
        let names: Vec<&str> = trained.map(|parameter| parameter.name.as_str()).collect();
        let of_layer = ["attention.self.query", "intermediate.dense", "output.dense"];
        let adapters = of_layer.iter().flat_map(|module| {
            ["lora_A", "lora_B"].map(|matrix| format!("encoder.layer.0.{module}.{matrix}.weight"))
        });
        let heads = ["weight", "bias"].map(|end| format!("ner_classifier.{end}"));
        assert_eq!(names, heads.into_iter().chain(adapters).collect::<Vec<_>>());

        let lora = Lora { targets: vec!["Wqkv".to_owned()], ..lora };
        let recipe = Recipe { lora: Some(lora), ..Recipe::default() };
        assert_eq!(recipe.misnamed_targets(&spec).len(), 1);
    }

    #[test]
    fn rates_fall_from_the_last_layer_down() {
        let recipe = Recipe {
            learning_rate: 1e-4,
            layer_decay: Some(0.5),
            head_learning_rate: Some(1e-3),
            ..Recipe::default()
        };
        let groups = groups(&recipe);
        let rate = |name: &str| of(&groups, name).rate;
        assert_eq!(rate("encoder.layer.2.output.dense.weight"), 1.0);
        assert_eq!(rate("encoder.layer.0.output.dense.weight"), 0.25);
        assert_eq!(rate("embeddings.word_embeddings.weight"), 0.125);
        assert!((rate("ner_classifier.bias") - 10.0).abs() < 1e-12);
    }

    #[test]
    fn what_does_not_decay_is_named() {
        let recipe =
            Recipe { no_decay: vec![Undecayed::Norm, Undecayed::Bias], ..Recipe::default() };
        for (name, group) in groups(&recipe) {
            let is_matrix = name.ends_with("weight") && !name.contains("LayerNorm");
            assert_eq!(group.decays, is_matrix, "{name}");
        }
    }

    #[test]
    fn parts_that_there_are_not_are_refused() {
        for (part, layers, wrong) in [
            ("layers.0..6", None, false),
            ("layers.0..6", Some(6), false),
            ("layers.0..7", Some(6), true),
            ("layers.6", Some(6), true),
            ("layers.3..3", None, true),
            ("layer.0", None, true),
            ("heads", None, true),
        ] {
            let recipe = Recipe { freeze: vec![part.to_owned()], ..Recipe::default() };
            assert_eq!(recipe.misnamed_parts(layers).len(), usize::from(wrong), "{part}");
        }
    }
}
