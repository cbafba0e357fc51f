//! A head of a joint model with its encoder, as the class that transformers has for such a task: in its names, and with its arithmetic.
//!
//! 1. What the class computes from the last hidden states is the family's own head ([`Names::dense`](crate::nn::Names::dense), then a matrix). A head of
//!    [`HeadKind::Prediction`](crate::nn::HeadKind::Prediction) is just that; so is a linear one where the class has a matrix alone.
//! 2. Elsewhere a linear head fits if the class's dense layer can be made to do nothing. That of ModernBERT can: its activation is a matter of
//!    `config.json`, its matrix becomes the identity, and the norm behind it takes the place of the encoder's last one, whose factors become 1. What is
//!    normed twice differs by the norms' epsilon alone.
//! 3. Temperatures go into the matrix, since no class knows them.

use std::borrow::Cow;
use std::path::Path;

use serde_json::{Map, Value, json};
use thiserror::Error;

use super::temperature::divided;
use crate::nn::checkpoint::{CheckpointError, Tensor, write_tensors};
use crate::nn::layout::{Affine, HeadLayout};
use crate::nn::{Dense, DenseActivation, JointModel, Over};

/// What a head says, beside its parameters.
#[derive(Debug, Clone, Copy)]
pub struct StockHead<'a> {
    /// Its place among the model's heads.
    pub number: usize,
    /// In the order of its outputs.
    pub labels: &'a [String],
    /// What logits are divided by.
    pub temperature: f64,
}

/// An encoder with one head, as transformers keeps it.
#[derive(Debug)]
pub struct StockModel<'m> {
    /// Such as `ModernBertForTokenClassification`.
    pub class: String,
    config: Value,
    tensors: Vec<Tensor<'m>>,
}

/// A linear head where the class has something before its matrix that cannot be made to do nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "the head `{head}` is a matrix over the hidden states, but {class} has a dense layer and {activation} before its own"
)]
pub struct NoStockClass {
    pub head: String,
    pub class: String,
    pub activation: &'static str,
}

impl<'m> StockModel<'m> {
    /// # Errors
    /// [`NoStockClass`]
    ///
    /// # Panics
    /// When the model has no such head, or one with another number of outputs than labels.
    pub fn of(model: &'m JointModel, head: StockHead<'_>) -> Result<Self, NoStockClass> {
        let layout = &model.layout.heads[head.number];
        assert_eq!(head.labels.len(), layout.spec.outputs, "a label for each output");
        let over = layout.spec.over;
        let mut stock = Self {
            class: class(model, over),
            config: config(model, over, head.labels),
            tensors: Vec::new(),
        };
        stock.config["architectures"] = json!([stock.class]);
        stock.add_encoder(model);
        match (&layout.dense, model.spec.names.dense(over)) {
            (Some(dense), _) => stock.add_dense(model, layout, dense.dense),
            (None, None) => {}
            (None, Some(dense)) => stock.add_identity(model, layout, dense)?,
        }
        stock.add_classifier(model, layout, head.temperature);
        Ok(stock)
    }

    /// The content of its `config.json`.
    #[must_use]
    pub fn config(&self) -> String {
        format!("{:#}\n", self.config)
    }

    /// Writes its `model.safetensors`.
    ///
    /// # Errors
    /// As [`JointModel::save`].
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        write_tensors(path, &self.tensors)
    }

    fn add_encoder(&mut self, model: &'m JointModel) {
        let prefix = model.spec.names.prefixes[0];
        let of_encoder = model.layout.parameters().iter().filter(|it| it.head().is_none());
        self.tensors.extend(of_encoder.map(|parameter| Tensor {
            name: format!("{prefix}{}", parameter.name),
            shape: parameter.shape.clone(),
            values: Cow::Borrowed(&model.parameters[parameter.range.clone()]),
        }));
    }

    /// The dense layer that the head has.
    fn add_dense(&mut self, model: &'m JointModel, layout: &HeadLayout, dense: Dense) {
        let of_head = layout.dense.as_ref().expect("the head has such a layer");
        let width = model.spec.hidden_size;
        let norm = dense.norm.zip(of_head.norm.as_ref());
        let parts = [(dense.name, &of_head.matrix, vec![width, width])].into_iter();
        for (name, affine, shape) in parts.chain(norm.map(|(name, it)| (name, it, vec![width]))) {
            self.add(model, &format!("{}{name}", dense.prefix), affine, shape);
        }
    }

    /// The dense layer that the class has, made to do nothing.
    fn add_identity(
        &mut self,
        model: &'m JointModel,
        layout: &HeadLayout,
        dense: Dense,
    ) -> Result<(), NoStockClass> {
        let fits = dense.activation_key.zip(dense.norm).zip(model.layout.final_norm.as_ref());
        let Some(((activation, norm), last_norm)) = fits else {
            return Err(NoStockClass {
                head: layout.spec.name.clone(),
                class: self.class.clone(),
                activation: dense.activation.name(),
            });
        };
        self.config[activation] = "linear".into();
        let width = model.spec.hidden_size;
        let names = model.spec.names;
        let own_norm = format!("{}{}.weight", names.prefixes[0], names.final_norm);
        let own = self.tensors.iter_mut().find(|tensor| tensor.name == own_norm);
        own.expect("an encoder with a last norm has its factors").values =
            Cow::Owned(vec![1.0; width]);
        let mut identity = vec![0.0; width * width];
        identity.iter_mut().step_by(width + 1).for_each(|value| *value = 1.0);
        self.tensors.push(Tensor {
            name: format!("{}{}.weight", dense.prefix, dense.name),
            shape: vec![width, width],
            values: Cow::Owned(identity),
        });
        self.add(model, &format!("{}{norm}", dense.prefix), last_norm, vec![width]);
        Ok(())
    }

    fn add_classifier(&mut self, model: &'m JointModel, layout: &HeadLayout, temperature: f64) {
        let names = model.spec.names;
        let name = match layout.spec.over {
            Over::Tokens => names.token_classifier,
            Over::FirstToken => names.text_classifier,
            Over::Masked => unreachable!("a trained model has no head for masked tokens"),
        };
        let outputs = layout.spec.outputs;
        let parts = [
            ("weight", &layout.weight, vec![outputs, model.spec.hidden_size]),
            ("bias", &layout.bias, vec![outputs]),
        ];
        for (part, range, shape) in parts {
            let values = divided(&model.parameters[range.clone()], temperature);
            self.tensors.push(Tensor { name: format!("{name}.{part}"), shape, values });
        }
    }

    /// * `shape`: of the weight; a bias has its first side
    fn add(&mut self, model: &'m JointModel, name: &str, affine: &Affine, shape: Vec<usize>) {
        let bias = affine.bias.as_ref().map(|range| ("bias", range, vec![shape[0]]));
        for (part, range, shape) in [("weight", &affine.weight, shape)].into_iter().chain(bias) {
            let values = Cow::Borrowed(&model.parameters[range.clone()]);
            self.tensors.push(Tensor { name: format!("{name}.{part}"), shape, values });
        }
    }
}

impl DenseActivation {
    /// As people write it.
    fn name(self) -> &'static str {
        match self {
            Self::Gelu => "GELU",
            Self::Tanh => "tanh",
            Self::Relu => "ReLU",
        }
    }
}

/// What transformers calls the class.
fn class(model: &JointModel, over: Over) -> String {
    let encoder = model.spec.config["architectures"][0].as_str().unwrap_or_default();
    let family = encoder.strip_suffix("Model").unwrap_or(encoder);
    match over {
        Over::Tokens => format!("{family}ForTokenClassification"),
        Over::FirstToken => format!("{family}ForSequenceClassification"),
        Over::Masked => format!("{family}ForMaskedLM"),
    }
}

/// The encoder's configuration with the labels of a head.
fn config(model: &JointModel, over: Over, labels: &[String]) -> Value {
    let mut config = model.spec.config.clone();
    let numbered = labels.iter().enumerate();
    config["id2label"] = numbered
        .clone()
        .map(|(number, label)| (number.to_string(), json!(label)))
        .collect::<Map<_, _>>()
        .into();
    config["label2id"] = numbered
        .map(|(number, label)| (label.clone(), json!(number)))
        .collect::<Map<_, _>>()
        .into();
    if let (Over::FirstToken, Some((key, value))) = (over, model.spec.names.first_token) {
        config[key] = value.into();
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use crate::nn::{EncoderSpec, HeadKind, HeadSpec};

    fn model(config: &str, kind: HeadKind) -> JointModel {
        let spec = EncoderSpec::from_json(config).expect("a configuration").with_heads(kind);
        JointModel::new_random(spec, &HeadSpec::joint(3), &Rng::new(5)).expect("memory")
    }

    fn tiny(model_type: &str) -> String {
        format!(
            r#"{{"model_type": "{model_type}", "vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 6, "max_position_embeddings": 10, "pad_token_id": 0, "embedding_size": 8}}"#
        )
    }

    fn names(number: usize) -> Vec<String> {
        let labels: &[&str] = if number == 0 { &["B-X", "I-X", "O"] } else { &["no", "yes"] };
        labels.iter().map(|label| (*label).to_owned()).collect()
    }

    fn stock(
        model: &JointModel,
        number: usize,
        temperature: f64,
    ) -> Result<StockModel<'_>, NoStockClass> {
        StockModel::of(model, StockHead { number, labels: &names(number), temperature })
    }

    fn values<'s>(stock: &'s StockModel<'_>, name: &str) -> &'s [f32] {
        let tensor = stock.tensors.iter().find(|tensor| tensor.name == name);
        &tensor.unwrap_or_else(|| panic!("no {name}")).values
    }

    #[test]
    fn the_dense_layer_of_modernbert_does_nothing_for_a_linear_head() {
        let mut model = model(&tiny("modernbert"), HeadKind::Linear);
        let norm = model.layout.final_norm.clone().expect("it has one").weight;
        model.parameters[norm.clone()].iter_mut().zip(2..).for_each(|(it, to)| *it = to as f32);
        let stock = stock(&model, 0, 1.0).expect("it has a class");
        assert_eq!(values(&stock, "model.final_norm.weight"), [1.0; 8]);
        assert_eq!(values(&stock, "head.norm.weight"), &model.parameters[norm]);
        let identity = values(&stock, "head.dense.weight");
        let at = |row: usize, column: usize| identity[8 * row + column];
        assert!(
            (0..8)
                .all(|row| (0..8)
                    .all(|column| at(row, column) == f32::from(u8::from(row == column))))
        );
        assert_eq!(stock.config["classifier_activation"], "linear");
        assert!(stock.config.get("classifier_pooling").is_none());
    }

    #[test]
    fn heads_of_every_family_are_called_as_its_classes_call_them() {
        let of_text = |model_type: &str| {
            let model = model(&tiny(model_type), HeadKind::Prediction);
            let stock = stock(&model, 1, 1.0).expect("it has a class");
            let encoder = model.layout.parameters().iter().filter(|it| it.head().is_none()).count();
            let prefix = stock.tensors[0].name.split('.').next().unwrap_or_default().to_owned();
            let heads =
                stock.tensors[encoder..].iter().map(|it| it.name.clone()).collect::<Vec<_>>();
            (stock.class, prefix, heads.join(" "))
        };
        let expected = |class: &str, prefix: &str, dense: &str, classifier: &str| {
            let affine = |name: &str| format!("{name}.weight {name}.bias");
            let heads = format!("{} {}", affine(dense), affine(classifier));
            (format!("{class}ForSequenceClassification"), prefix.to_owned(), heads)
        };
        let (tanh, out) = ("classifier.dense", "classifier.out_proj");
        assert_eq!(of_text("bert"), expected("Bert", "bert", "bert.pooler.dense", "classifier"));
        assert_eq!(of_text("roberta"), expected("Roberta", "roberta", tanh, out));
        assert_eq!(of_text("xlm-roberta"), expected("XLMRoberta", "roberta", tanh, out));
        assert_eq!(of_text("camembert"), expected("Camembert", "roberta", tanh, out));
        assert_eq!(of_text("electra"), expected("Electra", "electra", tanh, out));
        assert_eq!(
            of_text("distilbert"),
            expected("DistilBert", "distilbert", "pre_classifier", "classifier")
        );
        let modernbert = "head.dense.weight head.norm.weight classifier.weight classifier.bias";
        assert_eq!(of_text("modernbert").2, modernbert);
    }

    #[test]
    fn a_linear_class_head_of_bert_has_no_class() {
        let model = model(&tiny("bert"), HeadKind::Linear);
        assert!(stock(&model, 0, 1.0).is_ok());
        let refused = stock(&model, 1, 1.0).expect_err("tanh stands before the matrix").to_string();
        assert_eq!(
            refused,
            "the head `anomaly` is a matrix over the hidden states, but BertForSequenceClassification has a dense layer and tanh before its own"
        );
    }

    #[test]
    fn the_temperature_is_in_the_classifier() {
        let model = model(&tiny("modernbert"), HeadKind::Linear);
        let [one, four] = [1.0, 4.0].map(|it| stock(&model, 1, it).expect("it has a class"));
        for part in ["weight", "bias"] {
            let [one, four] = [&one, &four].map(|it| values(it, &format!("classifier.{part}")));
            assert!(one.iter().zip(four).all(|(one, four)| one / 4.0 == *four));
        }
        assert_eq!(one.config["id2label"], json!({"0": "no", "1": "yes"}));
        assert_eq!(one.config["classifier_pooling"], "cls");
    }
}
