//! A joint model as an ONNX file: the encoder with its heads, for texts of any number and length.
//!
//! 1. Texts come padded: `input_ids` and `attention_mask`, `(texts, tokens)` each. Padding stands behind a text, since its first token is the first
//!    of the row.
//! 2. The operators follow [`EncoderSpec`](crate::nn::EncoderSpec) part by part, as `encoder.rs` computes it; what a family differs in is asked where it
//!    matters. Windows of attention and padding become one bias on its scores.
//! 3. Each head gives `<name>_logits`: `(texts, tokens, outputs)` or `(texts, outputs)`. Temperatures are in its matrix.
//!
//! Matrices lie transposed in the file, as operators read them. What does not fit into one file lies in a second one beside it.

mod graph;
mod wire;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use self::graph::{Attribute, Graph, LARGEST, Numbers, Side, Value};
use super::temperature::divided;
use crate::nn::checkpoint::CheckpointError;
use crate::nn::kernels::rotary::Rotary;
use crate::nn::layout::{Affine, HeadLayout, LayerLayout};
use crate::nn::{Activation, DenseActivation, JointModel, LayerSpec, Mlp, Norm, Over, Positions};

/// A head that is written, and what its logits are divided by.
#[derive(Debug, Clone, Copy)]
pub struct OnnxHead {
    /// Its place among the model's heads.
    pub number: usize,
    pub temperature: f64,
}

/// Added to the score of what a token does not look at.
const UNSEEN: f32 = -1e9;

const TEXTS: Side = Side::Any("texts");
const TOKENS: Side = Side::Any("tokens");

impl JointModel {
    /// Writes an ONNX file.
    ///
    /// * `data`: the file beside it that has the numbers where they do not fit into one, 2 GiB
    ///
    /// # Errors
    /// [`CheckpointError::Io`]
    ///
    /// # Panics
    /// When the model has no such head, or its layers tell distances: a file without them would answer something else.
    pub fn write_onnx(
        &self,
        heads: &[OnnxHead],
        path: &Path,
        data: &Path,
    ) -> Result<(), CheckpointError> {
        assert!(self.spec.distances().is_none(), "attention by distances has no operators here");
        let graph = Builder::of(self, heads);
        graph.write(path, data, LARGEST).map_err(|source| CheckpointError::Io {
            action: "write",
            path: path.to_owned(),
            source,
        })
    }
}

/// Writes a model operator by operator.
struct Builder<'m> {
    model: &'m JointModel,
    graph: Graph<'m>,
    /// `(tokens,)`, counted from 0.
    positions: Value,
    /// `(texts, tokens)`: true where there is no padding.
    is_token: Value,
    /// By width, none for the whole text: `(texts, 1, 1 or tokens, tokens)`.
    biases: BTreeMap<Option<usize>, Value>,
    /// By the bits of the base of their frequencies: cosines and sines, `(tokens, head_dim / 2)` each.
    rotations: BTreeMap<u64, [Value; 2]>,
}

impl<'m> Builder<'m> {
    fn of(model: &'m JointModel, heads: &[OnnxHead]) -> Graph<'m> {
        let mut graph = Graph::default();
        let ids = graph.input("input_ids", &[TEXTS, TOKENS]);
        let mask = graph.input("attention_mask", &[TEXTS, TOKENS]);
        let (zero, one) = (graph.integers(&[], &[0]), graph.integers(&[], &[1]));
        let shape = graph.add("Shape", &[&ids], &[]);
        let length = graph.add("Gather", &[&shape, &one], &[]);
        let positions = graph.add("Range", &[&zero, &length, &one], &[]); // (tokens,)
        let is_token = graph.add("Greater", &[&mask, &zero], &[]); // (texts, tokens)
        let (biases, rotations) = Default::default();
        let mut builder = Self { model, graph, positions, is_token, biases, rotations };
        let mut stream = builder.embed(&ids);
        for (spec, layout) in model.spec.layers.iter().zip(&model.layout.layers) {
            stream = builder.layer(spec, layout, &stream);
        }
        if let Some(norm) = &model.layout.final_norm {
            stream = builder.norm(&stream, norm, model.spec.epsilon());
        }
        heads.iter().for_each(|head| builder.head(*head, &stream));
        builder.graph
    }

    /// What the first layer reads: `(texts, tokens, hidden)`.
    fn embed(&mut self, ids: &Value) -> Value {
        let (spec, layout) = (&self.model.spec, &self.model.layout.embeddings);
        let width = spec.embeddings.width;
        let table = self.table(&layout.tokens, width);
        let mut rows = self.graph.add("Gather", &[&table, ids], &[]); // (texts, tokens, width)
        if let Some((range, table)) = layout.positions.as_ref().zip(spec.embeddings.positions) {
            let first = self.graph.integers(&[], &[table.first as i64]);
            let positions = self.positions.clone();
            let places = self.graph.add("Add", &[&positions, &first], &[]);
            let table = self.table(range, width);
            let of_places = self.graph.add("Gather", &[&table, &places], &[]); // (tokens, width)
            rows = self.graph.add("Add", &[&rows, &of_places], &[]);
        }
        if let Some(types) = &layout.types {
            // All texts here are of the first part.
            let first = self.graph.floats(&[width], &self.model.parameters[types.clone()][..width]);
            rows = self.graph.add("Add", &[&rows, &first], &[]);
        }
        let normed = self.norm(&rows, &layout.norm, spec.epsilon());
        match &layout.projection {
            None => normed,
            Some(projection) => self.linear(&normed, projection, width),
        }
    }

    /// * `stream`: `(texts, tokens, hidden)`, like what it gives
    fn layer(&mut self, spec: &LayerSpec, layout: &LayerLayout, stream: &Value) -> Value {
        let model = self.model;
        let (hidden, epsilon) = (model.spec.hidden_size, model.spec.epsilon());
        let input = match &layout.input_norm {
            None => stream.clone(),
            Some(norm) => self.norm(stream, norm, epsilon),
        };
        let attended = self.attention(spec, layout, &input);
        let attended = self.linear(&attended, &layout.attn_wo, hidden);
        let middle = self.graph.add("Add", &[stream, &attended], &[]);
        let normed = self.norm(&middle, &layout.middle_norm, epsilon);
        let expanded = self.linear(&normed, &layout.wi, hidden); // (texts, tokens, expanded)
        let activated = match model.spec.mlp {
            Mlp::Plain(Activation::Gelu) => self.gelu(&expanded),
            Mlp::Gated(Activation::Gelu) => {
                let last = [("axis", Attribute::Integer(-1))];
                let [first, gate] = self.graph.add_several("Split", &[&expanded], &last);
                let first = self.gelu(&first);
                self.graph.add("Mul", &[&first, &gate], &[])
            }
        }; // (texts, tokens, intermediate)
        let added = self.linear(&activated, &layout.mlp_wo, model.spec.intermediate_size);
        match (model.spec.norm, &layout.output_norm) {
            (Norm::After { .. }, Some(norm)) => {
                let sum = self.graph.add("Add", &[&normed, &added], &[]);
                self.norm(&sum, norm, epsilon)
            }
            _ => self.graph.add("Add", &[&middle, &added], &[]),
        }
    }

    /// What each token sees, before the matrix that brings it into the stream.
    fn attention(&mut self, spec: &LayerSpec, layout: &LayerLayout, input: &Value) -> Value {
        let (hidden, heads) = (self.model.spec.hidden_size, self.model.spec.num_attention_heads);
        let head_dim = self.model.spec.head_dim();
        let attended = self.linear(input, &layout.wqkv, hidden); // (texts, tokens, 3 * hidden)
        let shape = self.graph.integers(&[5], &[0, 0, 3, heads as i64, head_dim as i64]);
        let parts = self.graph.add("Reshape", &[&attended, &shape], &[]);
        let order = [("perm", Attribute::Integers(&[2, 0, 3, 1, 4]))];
        let parts = self.graph.add("Transpose", &[&parts], &order); // (3, texts, heads, tokens, head_dim)
        let [queries, keys, values] = [0, 1, 2].map(|part| {
            let part = self.graph.integers(&[], &[part]);
            self.graph.add("Gather", &[&parts, &part], &[])
        }); // (texts, heads, tokens, head_dim)
        let [queries, keys] = match spec.positions {
            Positions::Embedded | Positions::Relative(_) => [queries, keys],
            Positions::Rotary { theta } => [queries, keys].map(|it| self.turn(&it, theta)),
        };
        let scale = self.graph.floats(&[], vec![(head_dim as f32).sqrt().recip()]);
        let queries = self.graph.add("Mul", &[&queries, &scale], &[]);
        let across = [("perm", Attribute::Integers(&[0, 1, 3, 2]))];
        let keys = self.graph.add("Transpose", &[&keys], &across);
        let scores = self.graph.add("MatMul", &[&queries, &keys], &[]); // (texts, heads, tokens, tokens)
        let bias = self.bias(spec.window);
        let scores = self.graph.add("Add", &[&scores, &bias], &[]);
        let weights = self.graph.add("Softmax", &[&scores], &[("axis", Attribute::Integer(-1))]);
        let seen = self.graph.add("MatMul", &[&weights, &values], &[]);
        let order = [("perm", Attribute::Integers(&[0, 2, 1, 3]))];
        let seen = self.graph.add("Transpose", &[&seen], &order); // (texts, tokens, heads, head_dim)
        let shape = self.graph.integers(&[3], &[0, 0, hidden as i64]);
        self.graph.add("Reshape", &[&seen, &shape], &[])
    }

    /// What is added to the scores of attention: nothing where a token sees another one.
    fn bias(&mut self, window: Option<usize>) -> Value {
        if let Some(known) = self.biases.get(&window) {
            return known.clone();
        }
        let graph = &mut self.graph;
        let axes = graph.integers(&[2], &[1, 2]);
        let mut seen = graph.add("Unsqueeze", &[&self.is_token, &axes], &[]); // (texts, 1, 1, tokens)
        if let Some(window) = window {
            let (row, column) = (graph.integers(&[1], &[0]), graph.integers(&[1], &[1]));
            let rows = graph.add("Unsqueeze", &[&self.positions, &row], &[]); // (1, tokens)
            let columns = graph.add("Unsqueeze", &[&self.positions, &column], &[]); // (tokens, 1)
            let distance = graph.add("Sub", &[&rows, &columns], &[]);
            let distance = graph.add("Abs", &[&distance], &[]); // (tokens, tokens)
            let most = graph.integers(&[], &[window as i64]);
            let is_near = graph.add("LessOrEqual", &[&distance, &most], &[]);
            seen = graph.add("And", &[&seen, &is_near], &[]); // (texts, 1, tokens, tokens)
        }
        let [nothing, unseen] = [0.0, UNSEEN].map(|value| graph.floats(&[], vec![value]));
        let bias = graph.add("Where", &[&seen, &nothing, &unseen], &[]);
        self.biases.insert(window, bias.clone());
        bias
    }

    /// Turns the pairs of features of each head by their angles.
    ///
    /// * `input`: `(texts, heads, tokens, head_dim)`, like what it gives
    fn turn(&mut self, input: &Value, theta: f64) -> Value {
        let [cosines, sines] = self.rotation(theta);
        let last = [("axis", Attribute::Integer(-1))];
        let graph = &mut self.graph;
        let [first, second] = graph.add_several("Split", &[input], &last);
        let [first_cosine, second_sine, second_cosine, first_sine] =
            [(&first, &cosines), (&second, &sines), (&second, &cosines), (&first, &sines)]
                .map(|(half, factor)| graph.add("Mul", &[half, factor], &[]));
        let turned_first = graph.add("Sub", &[&first_cosine, &second_sine], &[]);
        let turned_second = graph.add("Add", &[&second_cosine, &first_sine], &[]);
        graph.add("Concat", &[&turned_first, &turned_second], &last)
    }

    fn rotation(&mut self, theta: f64) -> [Value; 2] {
        if let Some(known) = self.rotations.get(&theta.to_bits()) {
            return known.clone();
        }
        let rotary = Rotary::new(theta, self.model.spec.head_dim());
        let frequencies = rotary.inverse_frequencies();
        let graph = &mut self.graph;
        let frequencies = graph.floats(&[1, frequencies.len()], frequencies.to_vec());
        let column = graph.integers(&[1], &[1]);
        let places = graph.add("Cast", &[&self.positions], &[("to", Attribute::Integer(1))]);
        let places = graph.add("Unsqueeze", &[&places, &column], &[]); // (tokens, 1)
        let angles = graph.add("Mul", &[&places, &frequencies], &[]); // (tokens, head_dim / 2)
        let rotation = ["Cos", "Sin"].map(|function| graph.add(function, &[&angles], &[]));
        self.rotations.insert(theta.to_bits(), rotation.clone());
        rotation
    }

    fn head(&mut self, head: OnnxHead, hidden_states: &Value) {
        let layout = &self.model.layout.heads[head.number];
        let width = self.model.spec.hidden_size;
        let input = match layout.spec.over {
            Over::Tokens | Over::Masked => hidden_states.clone(),
            Over::FirstToken => {
                let first = self.graph.integers(&[], &[0]);
                let token = [("axis", Attribute::Integer(1))];
                self.graph.add("Gather", &[hidden_states, &first], &token) // (texts, hidden)
            }
        };
        let input = self.dense(layout, &input);
        let model = self.model;
        let weight = divided(&model.parameters[layout.weight.clone()], head.temperature);
        let bias = divided(&model.parameters[layout.bias.clone()], head.temperature);
        let outputs = layout.spec.outputs;
        let matrix = Numbers::Transposed { values: weight, columns: width };
        let matrix = self.graph.numbers(&[width, outputs], matrix);
        let bias = self.graph.floats(&[outputs], bias);
        let product = self.graph.add("MatMul", &[&input, &matrix], &[]);
        let logits = self.graph.add("Add", &[&product, &bias], &[]);
        let shape: &[Side] = match layout.spec.over {
            Over::Tokens | Over::Masked => &[TEXTS, TOKENS, Side::Of(outputs)],
            Over::FirstToken => &[TEXTS, Side::Of(outputs)],
        };
        self.graph.output(&format!("{}_logits", layout.spec.name), &logits, shape);
    }

    /// What the matrix of a head reads.
    fn dense(&mut self, layout: &HeadLayout, input: &Value) -> Value {
        let Some(dense) = &layout.dense else { return input.clone() };
        let before = self.linear(input, &dense.matrix, self.model.spec.hidden_size);
        let activated = match dense.dense.activation {
            DenseActivation::Gelu => self.gelu(&before),
            DenseActivation::Tanh => self.graph.add("Tanh", &[&before], &[]),
            DenseActivation::Relu => self.graph.add("Relu", &[&before], &[]),
        };
        match &dense.norm {
            None => activated,
            Some(norm) => self.norm(&activated, norm, dense.epsilon),
        }
    }

    /// `x / 2 * (1 + erf(x / sqrt(2)))`
    fn gelu(&mut self, input: &Value) -> Value {
        let graph = &mut self.graph;
        let [half, one, root] =
            [0.5, 1.0, std::f32::consts::SQRT_2].map(|constant| graph.floats(&[], vec![constant]));
        let scaled = graph.add("Div", &[input, &root], &[]);
        let erf = graph.add("Erf", &[&scaled], &[]);
        let share = graph.add("Add", &[&erf, &one], &[]);
        let product = graph.add("Mul", &[input, &share], &[]);
        graph.add("Mul", &[&product, &half], &[])
    }

    /// Layer norm of the last side.
    fn norm(&mut self, input: &Value, affine: &Affine, epsilon: f64) -> Value {
        let factors = self.vector(&affine.weight);
        let mut inputs = vec![input.clone(), factors];
        inputs.extend(affine.bias.as_ref().map(|bias| self.vector(bias)));
        let attributes =
            [("axis", Attribute::Integer(-1)), ("epsilon", Attribute::Float(epsilon as f32))];
        let inputs: Vec<&Value> = inputs.iter().collect();
        self.graph.add("LayerNormalization", &inputs, &attributes)
    }

    /// `input · weightᵀ + bias`
    ///
    /// * `inputs`: the columns of the weight
    fn linear(&mut self, input: &Value, affine: &Affine, inputs: usize) -> Value {
        let values = &self.model.parameters[affine.weight.clone()];
        let matrix = Numbers::Transposed { values: values.into(), columns: inputs };
        let matrix = self.graph.numbers(&[inputs, values.len() / inputs], matrix);
        let product = self.graph.add("MatMul", &[input, &matrix], &[]);
        match &affine.bias {
            None => product,
            Some(bias) => {
                let bias = self.vector(bias);
                self.graph.add("Add", &[&product, &bias], &[])
            }
        }
    }

    fn vector(&mut self, range: &Range<usize>) -> Value {
        self.graph.floats(&[range.len()], &self.model.parameters[range.clone()])
    }

    /// Rows of `width`.
    fn table(&mut self, range: &Range<usize>, width: usize) -> Value {
        let values = &self.model.parameters[range.clone()];
        self.graph.floats(&[values.len() / width, width], values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use crate::nn::{EncoderSpec, HeadSpec};

    #[test]
    fn numbers_that_do_not_fit_lie_in_a_file_beside() {
        let config = r#"{"vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 6}"#;
        let spec = EncoderSpec::from_json(config).expect("a configuration");
        let model =
            JointModel::new_random(spec, &HeadSpec::joint(3), &Rng::new(5)).expect("memory");
        let graph = Builder::of(&model, &[OnnxHead { number: 0, temperature: 1.0 }]);
        let folder = tempfile::tempdir().expect("a folder");
        let [whole, parted, data] =
            ["whole.onnx", "parted.onnx", "parted.onnx.data"].map(|name| folder.path().join(name));
        let size = |path: &Path| path.metadata().map(|file| file.len()).ok();
        graph.write(&whole, &folder.path().join("none"), LARGEST).expect("written");
        assert_eq!(size(&folder.path().join("none")), None);
        graph.write(&parted, &data, 100).expect("written");
        let [whole, parted, data] = [whole, parted, data].map(|path| size(&path).expect("there"));
        assert!(whole > data && parted < whole, "{whole} {parted} {data}");
        let trained: usize = model.layout.parameters().iter().map(|it| it.range.len()).sum();
        assert!(data >= 4 * (trained as u64 - 8 * 2 - 2), "{data} bytes");
    }
}
