//! Where each parameter lies: the one definition of names, shapes and order, used by every path through the model.

use std::ops::Range;

use super::EncoderSpec;
use super::kernels::Group;

/// A linear classifier on top of the encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadSpec {
    /// In checkpoints it is followed by `_classifier`.
    pub name: String,
    /// How many classes it tells apart.
    pub outputs: usize,
    pub over: Over,
}

/// What a head looks at, and answers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Every token, by its last hidden state.
    Tokens,
    /// The whole sequence, by the last hidden state of its first token.
    FirstToken,
}

/// Every parameter begins on a multiple of this many floats, one cache line.
const ALIGNMENT: usize = 16;

/// What a parameter does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A row for each token.
    Embedding,
    /// The factors of a norm.
    Norm,
    /// The matrix of queries, keys and values: a third of the rows each.
    QueriesKeysValues,
    /// A matrix whose products are added to the residual stream.
    IntoStream,
    /// Any other matrix.
    Matrix,
    Bias,
}

impl HeadSpec {
    const SUFFIX: &'static str = "_classifier";

    /// Whether a parameter of this name belongs to a head, of whatever name.
    pub(super) fn owns(parameter: &str) -> bool {
        parameter.split_once('.').is_some_and(|(head, _)| head.ends_with(Self::SUFFIX))
    }

    /// A head over tokens and one over whole sequences.
    #[cfg(test)]
    pub(super) fn joint(labels: usize) -> Vec<Self> {
        let head = |name: &str, outputs, over| Self { name: name.to_owned(), outputs, over };
        vec![head("ner", labels, Over::Tokens), head("anomaly", 2, Over::FirstToken)]
    }
}

/// One named parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// As in checkpoints, such as `layers.3.attn.Wqkv.weight`.
    pub name: String,
    /// Row-major; a linear layer's weight is `(out, in)`.
    pub shape: Vec<usize>,
    /// Its place in the flat buffer.
    pub range: Range<usize>,
    pub role: Role,
    /// The number of the head that it belongs to; none if it is the encoder's.
    pub head: Option<usize>,
    pub group: Group,
}

/// The parameters of an encoder with its heads, as ranges of one flat buffer.
///
/// The token embedding comes first, and after it everything else in the order of the computation. Between parameters there may be a few
/// floats of padding, which are zero and stay so.
#[derive(Debug, Clone)]
pub struct Layout {
    parameters: Vec<Parameter>,
    len: usize,
    pub(super) embedding: Range<usize>,
    pub(super) embedding_norm: Range<usize>,
    pub(super) layers: Vec<LayerLayout>,
    pub(super) final_norm: Range<usize>,
    pub(super) heads: Vec<HeadLayout>,
}

/// The places of one encoder layer's parameters.
#[derive(Debug, Clone)]
pub struct LayerLayout {
    /// `(hidden,)`; none where another norm stands directly before the layer.
    pub attn_norm: Option<Range<usize>>,
    /// `(3 * hidden, hidden)`: the rows of queries, keys and values, heads in order within each.
    pub wqkv: Range<usize>,
    /// `(hidden, hidden)`
    pub attn_wo: Range<usize>,
    /// `(hidden,)`
    pub mlp_norm: Range<usize>,
    /// `(expanded, hidden)`: the rows that go through the activation, then those of the gate.
    pub wi: Range<usize>,
    /// `(hidden, intermediate)`
    pub mlp_wo: Range<usize>,
}

/// The places of a head's parameters.
#[derive(Debug, Clone)]
pub(super) struct HeadLayout {
    pub spec: HeadSpec,
    /// `(classes, hidden)`
    pub weight: Range<usize>,
    /// `(classes,)`
    pub bias: Range<usize>,
}

impl Layout {
    /// The layout of an encoder with these heads.
    #[must_use]
    pub fn new(spec: &EncoderSpec, heads: &[HeadSpec]) -> Self {
        let (names, hidden) = (spec.names, spec.hidden_size);
        let (expanded, intermediate) = (spec.expanded_size(), spec.intermediate_size);
        let mut builder = Builder::default();
        let embedding =
            builder.place(names.token_embedding, Role::Embedding, &[spec.vocab_size, hidden]);
        let embedding_norm = builder.place(names.embedding_norm, Role::Norm, &[hidden]);
        let layers = spec.layers.iter().enumerate().map(|(index, layer)| {
            let mut place = |name: &str, role: Role, shape: &[usize]| {
                builder.place(&format!("{}.{index}.{name}", names.layers), role, shape)
            };
            let norm = layer.attention_norm;
            LayerLayout {
                attn_norm: norm.then(|| place(names.attention_norm, Role::Norm, &[hidden])),
                wqkv: place(
                    names.queries_keys_values,
                    Role::QueriesKeysValues,
                    &[3 * hidden, hidden],
                ),
                attn_wo: place(names.attention_output, Role::IntoStream, &[hidden, hidden]),
                mlp_norm: place(names.mlp_norm, Role::Norm, &[hidden]),
                wi: place(names.mlp_input, Role::Matrix, &[expanded, hidden]),
                mlp_wo: place(names.mlp_output, Role::IntoStream, &[hidden, intermediate]),
            }
        });
        let layers = layers.collect();
        let final_norm = builder.place(names.final_norm, Role::Norm, &[hidden]);
        let heads = heads.iter().enumerate().map(|(number, head)| {
            builder.head = Some(number);
            let name = format!("{}{}", head.name, HeadSpec::SUFFIX);
            let weight = [head.outputs, hidden];
            HeadLayout {
                spec: head.clone(),
                weight: builder.place(&format!("{name}.weight"), Role::Matrix, &weight),
                bias: builder.place(&format!("{name}.bias"), Role::Bias, &[head.outputs]),
            }
        });
        let heads = heads.collect();
        let Builder { parameters, len, .. } = builder;
        Self { parameters, len, embedding, embedding_norm, layers, final_norm, heads }
    }

    /// All parameters, in the order of their ranges.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Puts every parameter into the group that `group` says.
    pub fn regroup(&mut self, group: impl Fn(&Parameter) -> Group) {
        self.parameters.iter_mut().for_each(|parameter| parameter.group = group(parameter));
    }

    /// [`dense`](Self::dense) in as few pieces as it takes for each to be of one group.
    #[must_use]
    pub fn dense_groups(&self) -> Vec<(Group, Range<usize>)> {
        let mut pieces: Vec<(Group, Range<usize>)> = Vec::new();
        for parameter in &self.parameters[1..] {
            match pieces.last_mut() {
                Some((group, _)) if *group == parameter.group => {}
                Some((_, before)) => {
                    before.end = parameter.range.start;
                    pieces.push((parameter.group, parameter.range.start..self.len));
                }
                None => pieces.push((parameter.group, parameter.range.start..self.len)),
            }
        }
        pieces
    }

    /// The length of the flat buffer in floats, padding included.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no model is without parameters")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The token embedding `(vocabulary, hidden)`, whose gradient is sparse.
    #[must_use]
    pub fn embedding(&self) -> Range<usize> {
        self.embedding.clone()
    }

    /// Everything but the token embedding.
    #[must_use]
    pub fn dense(&self) -> Range<usize> {
        self.embedding_norm.start..self.len
    }

    pub fn heads(&self) -> impl ExactSizeIterator<Item = &HeadSpec> {
        self.heads.iter().map(|head| &head.spec)
    }

    /// The weights of the encoder's linear layers, by place: their outputs and inputs.
    pub(super) fn linear_layers(&self) -> impl Iterator<Item = (Range<usize>, usize, usize)> {
        let matrices = self.layers.iter().flat_map(|layer| {
            [&layer.wqkv, &layer.attn_wo, &layer.wi, &layer.mlp_wo].map(|range| range.start)
        });
        matrices.map(|start| {
            let place =
                self.parameters.binary_search_by_key(&start, |parameter| parameter.range.start);
            let parameter = &self.parameters[place.expect("a layer's matrix is a parameter")];
            (parameter.range.clone(), parameter.shape[0], parameter.shape[1])
        })
    }

    /// How many numbers the model learns.
    #[must_use]
    pub fn trainable(&self) -> usize {
        self.parameters.iter().map(|parameter| parameter.range.len()).sum()
    }
}

#[derive(Default)]
struct Builder {
    parameters: Vec<Parameter>,
    len: usize,
    /// The number of the head that is being placed.
    head: Option<usize>,
}

impl Builder {
    fn place(&mut self, name: &str, role: Role, shape: &[usize]) -> Range<usize> {
        let range = self.len..self.len + shape.iter().product::<usize>();
        self.len = range.end.next_multiple_of(ALIGNMENT);
        self.parameters.push(Parameter {
            name: name.to_owned(),
            shape: shape.to_vec(),
            range: range.clone(),
            role,
            head: self.head,
            group: Group::default(),
        });
        range
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_sizes_have_the_published_numbers_of_parameters() {
        let encoder = |name: &str| {
            let spec = EncoderSpec::published(name).unwrap();
            let heads = (93 + 1 + 2) * spec.hidden_size + 93 + 2 - spec.hidden_size;
            Layout::new(&spec, &HeadSpec::joint(93)).trainable() - heads
        };
        assert_eq!(encoder("base"), 149_014_272);
        assert_eq!(encoder("large"), 394_781_696);
    }

    #[test]
    fn parameters_are_aligned_and_do_not_overlap() {
        let sizes = r#"{"hidden_size": 24, "num_attention_heads": 2}"#;
        let layout = Layout::new(&EncoderSpec::from_json(sizes).unwrap(), &HeadSpec::joint(5));
        let mut end = 0;
        for parameter in layout.parameters() {
            assert!(
                parameter.range.start % ALIGNMENT == 0 && parameter.range.start >= end,
                "{}",
                parameter.name
            );
            assert_eq!(parameter.range.len(), parameter.shape.iter().product::<usize>());
            end = parameter.range.end;
        }
        assert!(layout.len() >= end);
        assert_eq!(layout.dense().start, layout.parameters()[1].range.start);
    }

    #[test]
    fn groups_tile_everything_but_the_embedding() {
        let mut layout = Layout::new(&EncoderSpec::published("base").unwrap(), &HeadSpec::joint(5));
        assert_eq!(layout.dense_groups(), [(Group::default(), layout.dense())]);
        layout.regroup(|parameter| Group {
            decays: parameter.role != Role::Bias,
            trainable: parameter.head != Some(0),
            rate: if parameter.head.is_some() { 10.0 } else { 1.0 },
        });
        let groups = layout.dense_groups();
        let said = |(group, range): &(Group, Range<usize>)| {
            let of = |parameter: &&Parameter| range.contains(&parameter.range.start);
            let count = layout.parameters().iter().filter(of).count();
            (count, group.trainable, group.decays, group.rate)
        };
        let encoder = layout.parameters().len() - 5;
        assert_eq!(
            groups.iter().map(said).collect::<Vec<_>>(),
            [
                (encoder, true, true, 1.0),
                (1, false, true, 10.0),
                (1, false, false, 10.0),
                (1, true, true, 10.0),
                (1, true, false, 10.0)
            ]
        );
        assert_eq!((groups[0].1.start, groups[4].1.end), (layout.dense().start, layout.len()));
        assert!(groups.windows(2).all(|pair| pair[0].1.end == pair[1].1.start));
    }

    #[test]
    fn the_first_layer_has_no_attention_norm() {
        let layout = Layout::new(&EncoderSpec::published("base").unwrap(), &HeadSpec::joint(5));
        let has = |name: &str| layout.parameters().iter().any(|parameter| parameter.name == name);
        assert!(!has("layers.0.attn_norm.weight"));
        assert!(has("layers.1.attn_norm.weight"));
    }
}
