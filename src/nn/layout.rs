//! Where each parameter lies: the one definition of names, shapes and order, used by every path through the model.

use std::ops::Range;

use super::adapter::Adapter;
use super::kernels::Group;
use super::{Dense, Dropout, Embeddings, EncoderSpec, HeadSpec, LayerSpec, Norm, Over};

/// Every parameter begins on a multiple of this many floats, one cache line, unless it is a later part of a matrix that is computed with as one.
pub(super) const ALIGNMENT: usize = 16;

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
    /// The matrix of low rank that reads what another matrix reads.
    AdapterDown,
    /// The one that adds to what another matrix gives.
    AdapterUp,
}

impl HeadSpec {
    const CLASSIFIER: &'static str = "_classifier";
    const DENSE: &'static str = "_dense";
    const NORM: &'static str = "_norm";

    /// Whether a parameter of this name belongs to a head, of whatever name.
    pub(super) fn owns(parameter: &str) -> bool {
        let ends = [Self::CLASSIFIER, Self::DENSE, Self::NORM];
        parameter
            .split_once('.')
            .is_some_and(|(head, _)| ends.iter().any(|end| head.ends_with(end)))
    }

    /// A head over tokens and one over whole sequences.
    #[cfg(test)]
    pub(super) fn joint(labels: usize) -> Vec<Self> {
        let head = |name: &str, outputs, over| Self { name: name.to_owned(), outputs, over };
        vec![head("ner", labels, Over::Tokens), head("anomaly", 2, Over::FirstToken)]
    }
}

/// Where in the model a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Section {
    #[default]
    Embeddings,
    /// The layer of this number.
    Layer(usize),
    /// Behind the last layer.
    Last,
    /// The head of this number.
    Head(usize),
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
    pub section: Section,
    pub group: Group,
}

impl Parameter {
    /// The module that it is of, as its name says: `layers.3.attn.Wqkv` for the weight and the bias of that.
    #[must_use]
    pub fn module(&self) -> &str {
        self.name.rsplit_once('.').map_or(&self.name, |(module, _)| module)
    }

    /// The number of the head that it belongs to; none if it is the encoder's.
    #[must_use]
    pub fn head(&self) -> Option<usize> {
        match self.section {
            Section::Head(number) => Some(number),
            _ => None,
        }
    }
}

/// The parameters of an encoder with its heads, as ranges of one flat buffer.
///
/// The token embedding comes first, and after it everything else in the order of the computation. Between parameters there may be a few
/// floats of padding, which are zero and stay so.
#[derive(Debug, Clone)]
pub struct Layout {
    parameters: Vec<Parameter>,
    len: usize,
    pub(super) embeddings: EmbeddingLayout,
    pub(super) layers: Vec<LayerLayout>,
    pub(super) final_norm: Option<Affine>,
    pub(super) heads: Vec<HeadLayout>,
    /// In the order of what they stand beside.
    pub(super) adapters: Vec<Adapter>,
}

/// The places of a matrix or of a norm's factors, and of the bias that is added behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affine {
    pub weight: Range<usize>,
    pub bias: Option<Range<usize>>,
}

/// The places of what the first layer reads.
#[derive(Debug, Clone)]
pub(super) struct EmbeddingLayout {
    /// `(vocabulary, width)`
    pub tokens: Range<usize>,
    /// `(rows, width)`
    pub positions: Option<Range<usize>>,
    /// `(types, width)`
    pub types: Option<Range<usize>>,
    /// `(width,)`
    pub norm: Affine,
    /// `(hidden, width)`
    pub projection: Option<Affine>,
    /// What layers read that tell distances.
    pub distances: Option<DistanceLayout>,
}

/// The places of the table of distances.
#[derive(Debug, Clone)]
pub(super) struct DistanceLayout {
    /// `(rows, hidden)`
    pub table: Range<usize>,
    /// `(hidden,)`
    pub norm: Affine,
}

/// The places of one encoder layer's parameters.
#[derive(Debug, Clone)]
pub struct LayerLayout {
    /// `(hidden,)`: of what the attention reads; none where another norm stands directly before the layer, and where norms stand after.
    pub input_norm: Option<Affine>,
    /// `(3 * hidden, hidden)`: the rows of queries, keys and values, heads in order within each. They may be three parameters, directly one after
    /// the other.
    pub wqkv: Affine,
    /// `(hidden, hidden)`
    pub attn_wo: Affine,
    /// `(hidden,)`: of what the MLP reads.
    pub middle_norm: Affine,
    /// `(expanded, hidden)`: the rows that go through the activation, then those of the gate.
    pub wi: Affine,
    /// `(hidden, intermediate)`
    pub mlp_wo: Affine,
    /// `(hidden,)`: of what the layer leaves, where norms stand after.
    pub output_norm: Option<Affine>,
}

/// The places of the dense layer before a head's own matrix.
#[derive(Debug, Clone)]
pub(super) struct DenseLayout {
    pub dense: Dense,
    /// Of what it gives; it reads hidden states.
    pub width: usize,
    /// `(width, hidden)`
    pub matrix: Affine,
    /// `(width,)`: behind the activation.
    pub norm: Option<Affine>,
    /// Of the norm.
    pub epsilon: f64,
}

/// The places of a head's parameters.
#[derive(Debug, Clone)]
pub(super) struct HeadLayout {
    pub spec: HeadSpec,
    pub dense: Option<DenseLayout>,
    /// `(classes, hidden)`, or the embedding, `(classes, width)`
    pub weight: Range<usize>,
    /// `(classes,)`
    pub bias: Range<usize>,
}

impl Layout {
    /// The layout of an encoder with these heads.
    #[must_use]
    pub fn new(spec: &EncoderSpec, heads: &[HeadSpec]) -> Self {
        let names = spec.names;
        let mut builder = Builder { biases: spec.biases, ..Builder::default() };
        let embeddings = builder.embeddings(spec);
        let layers = spec.layers.iter().enumerate();
        let layers = layers.map(|(index, layer)| builder.layer(index, layer, spec)).collect();
        builder.section = Section::Last;
        let final_norm = match spec.norm {
            Norm::Before { .. } => Some(builder.norm(names.final_norm, spec.hidden_size)),
            Norm::After { .. } => None,
        };
        let heads = heads.iter().enumerate().map(|(number, head)| {
            builder.section = Section::Head(number);
            builder.head(head, spec, &embeddings.tokens)
        });
        let heads = heads.collect();
        let Builder { parameters, len, .. } = builder;
        Self { parameters, len, embeddings, layers, final_norm, heads, adapters: Vec::new() }
    }

    /// All parameters, in the order of their ranges.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Places another parameter behind all others.
    pub(super) fn place(
        &mut self,
        name: &str,
        role: Role,
        shape: &[usize],
        section: Section,
    ) -> Range<usize> {
        let parameters = std::mem::take(&mut self.parameters);
        let mut builder = Builder { parameters, len: self.len, section, ..Builder::default() };
        let range = builder.place(name, role, shape);
        (self.parameters, self.len) = (builder.parameters, builder.len);
        range
    }

    /// Puts every parameter into the group that `group` says.
    pub fn regroup(&mut self, group: impl Fn(&Parameter) -> Group) {
        self.parameters.iter_mut().for_each(|parameter| parameter.group = group(parameter));
    }

    /// [`dense`](Self::dense) in as few pieces as it takes for each to be of one group.
    #[must_use]
    pub fn dense_groups(&self) -> Vec<(Group, Range<usize>)> {
        let mut pieces: Vec<(Group, Range<usize>)> = Vec::new();
        for parameter in self.dense_parameters() {
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

    /// The lowest part that is trained, of the embeddings, each layer, and what is behind the last one, in that order. Below it no gradient is needed.
    #[must_use]
    pub fn lowest_trained(&self) -> usize {
        let depth = |section| match section {
            Section::Embeddings => 0,
            Section::Layer(layer) => 1 + layer,
            Section::Last | Section::Head(_) => 1 + self.layers.len(),
        };
        let trained = self.parameters.iter().filter(|parameter| parameter.group.trainable);
        trained.map(|parameter| depth(parameter.section)).min().unwrap_or(1 + self.layers.len())
    }

    /// Whether any of the parameters at this place is trained.
    pub(super) fn trains(&self, place: &Range<usize>) -> bool {
        let first = self.parameters.partition_point(|it| it.range.start < place.start);
        let within = self.parameters[first..].iter().take_while(|it| it.range.start < place.end);
        within.into_iter().any(|parameter| parameter.group.trainable)
    }

    /// Whether no step of a training changes what the encoder leaves of a text: nothing of it is trained, and nothing is dropped in it.
    #[must_use]
    pub fn fixes_encoder(&self, spec: &EncoderSpec) -> bool {
        let drops = Dropout { heads: 0.0, ..spec.dropout } != Dropout::default();
        let is_moved = |it: &Parameter| it.group.trainable && it.head().is_none();
        !drops && !self.parameters.iter().any(is_moved)
    }

    /// How many numbers are trained.
    #[must_use]
    pub fn trained(&self) -> usize {
        let trained = self.parameters.iter().filter(|parameter| parameter.group.trainable);
        trained.map(|parameter| parameter.range.len()).sum()
    }

    /// The length of the flat buffer in floats, padding included.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no model is without parameters")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The token embedding `(vocabulary, hidden)`, whose gradient is sparse unless a head computes with it, too.
    #[must_use]
    pub fn embedding(&self) -> Range<usize> {
        self.embeddings.tokens.clone()
    }

    /// Whether the gradient of the token embedding is rows of tokens that occur.
    #[must_use]
    pub fn has_sparse_embedding(&self) -> bool {
        self.dense().start > self.embedding().start
    }

    /// Everything that has a dense gradient: all but the token embedding, where that is sparse.
    #[must_use]
    pub fn dense(&self) -> Range<usize> {
        self.dense_parameters()[0].range.start..self.len
    }

    /// The parameters in [`dense`](Self::dense).
    #[must_use]
    pub fn dense_parameters(&self) -> &[Parameter] {
        let is_tied = self.heads().any(|head| head.over == Over::Masked);
        &self.parameters[usize::from(!is_tied)..]
    }

    pub fn heads(&self) -> impl ExactSizeIterator<Item = &HeadSpec> {
        self.heads.iter().map(|head| &head.spec)
    }

    /// The weights of the encoder's linear layers, by place: their outputs and inputs.
    pub(super) fn linear_layers(&self) -> impl Iterator<Item = (Range<usize>, usize, usize)> {
        let matrices = self
            .layers
            .iter()
            .flat_map(|layer| [&layer.wqkv, &layer.attn_wo, &layer.wi, &layer.mlp_wo]);
        matrices.map(|Affine { weight, .. }| {
            // Of several parameters that are computed with as one, the first says how many inputs all have.
            let place = self
                .parameters
                .binary_search_by_key(&weight.start, |parameter| parameter.range.start);
            let inputs = self.parameters[place.expect("a layer's matrix is a parameter")].shape[1];
            (weight.clone(), weight.len() / inputs, inputs)
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
    /// Whether the encoder has them.
    biases: bool,
    /// What is being placed.
    section: Section,
}

impl Builder {
    fn embeddings(&mut self, spec: &EncoderSpec) -> EmbeddingLayout {
        let (names, hidden) = (spec.names, spec.hidden_size);
        let Embeddings { width, positions, token_types } = spec.embeddings;
        EmbeddingLayout {
            tokens: self.place(
                &weight(names.token_embedding),
                Role::Embedding,
                &[spec.vocab_size, width],
            ),
            positions: positions.map(|table| {
                let name = weight(names.position_embedding);
                self.place(&name, Role::Matrix, &[table.rows, width])
            }),
            types: (token_types > 0).then(|| {
                self.place(&weight(names.type_embedding), Role::Matrix, &[token_types, width])
            }),
            norm: self.norm(names.embedding_norm, width),
            projection: (width != hidden).then(|| {
                self.matrix(&[names.embedding_projection.to_owned()], Role::Matrix, [hidden, width])
            }),
            distances: spec.distances().map(|distances| DistanceLayout {
                table: self.place(
                    &weight(names.distance_embedding),
                    Role::Matrix,
                    &[distances.rows(), hidden],
                ),
                norm: self.norm(names.distance_norm, hidden),
            }),
        }
    }

    fn layer(&mut self, index: usize, layer: &LayerSpec, spec: &EncoderSpec) -> LayerLayout {
        self.section = Section::Layer(index);
        let (names, hidden) = (spec.names, spec.hidden_size);
        let (expanded, intermediate) = (spec.expanded_size(), spec.intermediate_size);
        let of_layer = |name: &str| format!("{}.{index}.{name}", names.layers);
        let [attention_norm, mlp_norm, attention_output, mlp_input, mlp_output] = [
            names.attention_norm,
            names.mlp_norm,
            names.attention_output,
            names.mlp_input,
            names.mlp_output,
        ]
        .map(of_layer);
        let attended: Vec<String> =
            names.queries_keys_values.iter().map(|name| of_layer(name)).collect();
        let of_attended = if attended.len() == 1 { Role::QueriesKeysValues } else { Role::Matrix };
        // In the order of the computation, which decides where a parameter lies.
        let before = matches!(spec.norm, Norm::Before { .. });
        let input_norm =
            (before && layer.attention_norm).then(|| self.norm(&attention_norm, hidden));
        let wqkv = self.matrix(&attended, of_attended, [3 * hidden, hidden]);
        let attn_wo = self.matrix(&[attention_output], Role::IntoStream, [hidden, hidden]);
        let middle_norm = self.norm(if before { &mlp_norm } else { &attention_norm }, hidden);
        let wi = self.matrix(&[mlp_input], Role::Matrix, [expanded, hidden]);
        let mlp_wo = self.matrix(&[mlp_output], Role::IntoStream, [hidden, intermediate]);
        let output_norm = (!before).then(|| self.norm(&mlp_norm, hidden));
        LayerLayout { input_norm, wqkv, attn_wo, middle_norm, wi, mlp_wo, output_norm }
    }

    /// * `tokens`: the place of the embedding
    fn head(&mut self, head: &HeadSpec, spec: &EncoderSpec, tokens: &Range<usize>) -> HeadLayout {
        let dense = spec.dense(head.over).map(|dense| self.dense(head, dense, spec));
        let outputs = head.outputs;
        let (weight, name) = match head.over {
            Over::Masked => (tokens.clone(), spec.names.masked_bias.to_owned()),
            Over::Tokens | Over::FirstToken => {
                let name = format!("{}{}", head.name, HeadSpec::CLASSIFIER);
                let matrix = [outputs, spec.hidden_size];
                (self.place(&weight(&name), Role::Matrix, &matrix), name)
            }
        };
        let bias = self.place(&bias(&name), Role::Bias, &[outputs]);
        HeadLayout { spec: head.clone(), dense, weight, bias }
    }

    fn dense(&mut self, head: &HeadSpec, dense: Dense, spec: &EncoderSpec) -> DenseLayout {
        let hidden = spec.hidden_size;
        let ours = |end: &str| format!("{}{end}", head.name);
        let (matrix, norm, width, role) = match head.over {
            // That of the family's own class, whose head it is.
            Over::Masked => {
                let norm = dense.norm.map(str::to_owned);
                (dense.name.to_owned(), norm, spec.embeddings.width, Role::IntoStream)
            }
            Over::Tokens | Over::FirstToken => {
                let norm = dense.norm.map(|_| ours(HeadSpec::NORM));
                (ours(HeadSpec::DENSE), norm, hidden, Role::Matrix)
            }
        };
        DenseLayout {
            dense,
            width,
            matrix: self.matrix(&[matrix], role, [width, hidden]),
            norm: norm.map(|name| self.norm(&name, width)),
            epsilon: spec.epsilon(),
        }
    }

    fn norm(&mut self, name: &str, width: usize) -> Affine {
        let weight = self.place(&weight(name), Role::Norm, &[width]);
        let bias = self.biases.then(|| self.place(&bias(name), Role::Bias, &[width]));
        Affine { weight, bias }
    }

    /// One matrix of these rows and columns, which may be of several names with as many rows each.
    fn matrix(&mut self, names: &[String], role: Role, [rows, columns]: [usize; 2]) -> Affine {
        let rows = rows / names.len();
        let weight = self.joined(names.iter().map(|name| weight(name)), role, &[rows, columns]);
        let bias = self
            .biases
            .then(|| self.joined(names.iter().map(|name| bias(name)), Role::Bias, &[rows]));
        Affine { weight, bias }
    }

    /// Parameters of the same shape with nothing between them.
    fn joined(
        &mut self,
        names: impl Iterator<Item = String>,
        role: Role,
        shape: &[usize],
    ) -> Range<usize> {
        let mut whole = self.len..self.len;
        for name in names {
            self.len = whole.end;
            whole.end = self.place(&name, role, shape).end;
        }
        whole
    }

    fn place(&mut self, name: &str, role: Role, shape: &[usize]) -> Range<usize> {
        let range = self.len..self.len + shape.iter().product::<usize>();
        self.len = range.end.next_multiple_of(ALIGNMENT);
        self.parameters.push(Parameter {
            name: name.to_owned(),
            shape: shape.to_vec(),
            range: range.clone(),
            role,
            section: self.section,
            group: Group::default(),
        });
        range
    }
}

fn weight(name: &str) -> String {
    format!("{name}.weight")
}

fn bias(name: &str) -> String {
    format!("{name}.bias")
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
            trainable: parameter.head() != Some(0),
            rate: if parameter.head().is_some() { 10.0 } else { 1.0 },
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
