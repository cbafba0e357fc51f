//! Random weights, as transformers draws those of a new encoder and PyTorch those of a new `Linear`.

use rand::Rng as _;
use rayon::prelude::*;

use super::linear::Arithmetic;
use super::{
    EncoderSpec, HeadSpec, Initial, JointModel, Layout, NoMemory, Over, Parameter, Role, zeros,
};
use crate::base::rng::Rng;

/// Numbers that are drawn from one stream, so that a parameter's blocks are drawn side by side and do not depend on the threads.
const BLOCK: usize = 1 << 16;

/// The distribution of a parameter's first values.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Distribution {
    /// All the same: 1 for the weight of a norm, 0 for a bias.
    Constant(f32),
    /// Normal about 0, cut off at `cutoff` standard deviations on either side.
    TruncatedNormal { deviation: f64, cutoff: f64 },
    /// Uniform between `-bound` and `bound`.
    Uniform { bound: f64 },
}

impl JointModel {
    /// A model with random weights: what transformers draws for the encoder, and `torch.nn.Linear` for the
    /// heads. Every parameter has its own streams, by name, so none of its values depends on another parameter or on threads.
    ///
    /// # Errors
    /// [`NoMemory`]
    pub fn new_random(spec: EncoderSpec, heads: &[HeadSpec], rng: &Rng) -> Result<Self, NoMemory> {
        let layout = Layout::new(&spec, heads);
        let parameters = zeros(layout.len(), "the weights")?;
        let mut model = Self { parameters, layout, spec, arithmetic: Arithmetic::F32 };
        let parameters = model.layout.parameters().to_vec();
        parameters.iter().for_each(|parameter| model.draw(parameter, rng));
        Ok(model)
    }

    /// Gives the heads new random weights.
    pub(super) fn draw_heads(&mut self, rng: &Rng) {
        let parameters = self.layout.parameters().to_vec();
        parameters
            .iter()
            .filter(|parameter| parameter.head().is_some())
            .for_each(|parameter| self.draw(parameter, rng));
    }

    pub(super) fn draw(&mut self, parameter: &Parameter, rng: &Rng) {
        // The head that tells masked tokens is drawn as the encoder is, whose own it is.
        let head = parameter.head().map(|number| self.layout.heads[number].spec.over);
        let is_new = head.is_some_and(|over| over != Over::Masked);
        let distribution = distribution(parameter, is_new, &self.spec);
        let values = &mut self.parameters[parameter.range.clone()];
        values.par_chunks_mut(BLOCK).enumerate().for_each(|(block, values)| {
            let mut stream =
                rng.numbered_stream(&format!("initial weights/{}", parameter.name), block as u64);
            distribution.fill(values, &mut || (stream.next_u64() >> 11) as f64 * (0.5f64).powi(53));
        });
    }
}

/// Reference of the heads: `torch.nn.Linear.reset_parameters`; of adapters: PEFT's `reset_lora_parameters`.
fn distribution(parameter: &Parameter, is_new: bool, spec: &EncoderSpec) -> Distribution {
    let Initial { deviation, deviation_into_stream, cutoff } = spec.initial;
    match parameter.role {
        Role::Norm => Distribution::Constant(1.0),
        Role::AdapterDown => {
            Distribution::Uniform { bound: 1.0 / (parameter.shape[1] as f64).sqrt() }
        }
        Role::AdapterUp => Distribution::Constant(0.0),
        _ if is_new => Distribution::Uniform { bound: 1.0 / (spec.hidden_size as f64).sqrt() },
        Role::Bias => Distribution::Constant(0.0),
        Role::IntoStream => {
            Distribution::TruncatedNormal { deviation: deviation_into_stream, cutoff }
        }
        _ => Distribution::TruncatedNormal { deviation, cutoff },
    }
}

impl Distribution {
    /// Fills `values` from numbers that are uniform in `0..1`.
    fn fill(self, values: &mut [f32], uniform: &mut impl FnMut() -> f64) {
        match self {
            Self::Constant(value) => values.fill(value),
            Self::Uniform { bound } => values
                .iter_mut()
                .for_each(|value| *value = ((2.0 * uniform() - 1.0) * bound) as f32),
            Self::TruncatedNormal { deviation, cutoff } => {
                let mut spare = None;
                for value in values {
                    let standard = loop {
                        let drawn = spare.take().unwrap_or_else(|| {
                            let (one, other) = two_normals(uniform);
                            spare = Some(other);
                            one
                        });
                        if drawn.abs() <= cutoff {
                            break drawn;
                        }
                    };
                    *value = (standard * deviation) as f32;
                }
            }
        }
    }
}

/// Two independent standard normal numbers, by the method of Box and Muller.
fn two_normals(uniform: &mut impl FnMut() -> f64) -> (f64, f64) {
    let radius = (-2.0 * (1.0 - uniform()).ln()).sqrt();
    let (sine, cosine) = (2.0 * std::f64::consts::PI * uniform()).sin_cos();
    (radius * cosine, radius * sine)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> EncoderSpec {
        let sizes = r#"{"vocab_size": 300, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4, "num_attention_heads": 4}"#;
        EncoderSpec::from_json(sizes).unwrap()
    }

    fn deviation_and_most(model: &JointModel, name: &str) -> (f64, f64) {
        let parameter =
            model.layout.parameters().iter().find(|parameter| parameter.name == name).unwrap();
        let values =
            model.parameters[parameter.range.clone()].iter().map(|&value| f64::from(value));
        let most = values.clone().fold(0.0f64, |most, value| most.max(value.abs()));
        (
            (values.clone().map(|value| value * value).sum::<f64>() / values.count() as f64).sqrt(),
            most,
        )
    }

    #[test]
    fn weights_have_the_deviations_of_transformers() {
        let model = JointModel::new_random(spec(), &HeadSpec::joint(5), &Rng::new(1)).unwrap();
        // A normal cut off at two deviations has 0.8796 of its deviation left.
        for (name, scale) in [
            ("embeddings.tok_embeddings.weight", 0.02),
            ("layers.1.attn.Wqkv.weight", 0.02),
            ("layers.2.mlp.Wi.weight", 0.02),
            ("layers.1.attn.Wo.weight", 0.02 / 8f64.sqrt()),
            ("layers.3.mlp.Wo.weight", 0.02 / 8f64.sqrt()),
        ] {
            let (deviation, most) = deviation_and_most(&model, name);
            assert!((deviation / (0.8796 * scale) - 1.0).abs() < 0.03, "{name}: {deviation}");
            assert!(most <= 2.0 * scale * 1.000_001 && most > 1.9 * scale, "{name}: {most}");
        }
        assert_eq!(deviation_and_most(&model, "layers.1.attn_norm.weight"), (1.0, 1.0));
        let (deviation, most) = deviation_and_most(&model, "ner_classifier.weight");
        assert!(
            (deviation - 0.125 / 3f64.sqrt()).abs() < 0.005 && most <= 0.125,
            "{deviation} {most}"
        );
    }

    #[test]
    fn weights_depend_on_the_seed_and_not_on_the_threads() {
        let draw = |seed: u64, threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                JointModel::new_random(spec(), &HeadSpec::joint(5), &Rng::new(seed))
                    .unwrap()
                    .parameters
            })
        };
        assert!(draw(1, 1) == draw(1, 3));
        assert!(draw(1, 1) != draw(2, 1));
    }

    #[test]
    fn another_number_of_labels_moves_no_weight_of_the_encoder() {
        let few = JointModel::new_random(spec(), &HeadSpec::joint(5), &Rng::new(1)).unwrap();
        let many = JointModel::new_random(spec(), &HeadSpec::joint(50), &Rng::new(1)).unwrap();
        let encoder = few.layout.heads[0].weight.start;
        assert!(few.parameters[..encoder] == many.parameters[..encoder]);
    }
}
