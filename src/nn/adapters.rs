//! LoRA: matrices of low rank beside those of the layers, which are learned in their place.
//!
//! 1. [`JointModel::with_adapters`] places them behind all other parameters, under the names that PEFT gives them;
//! 2. both paths add what they say wherever the layer's own matrix is computed with ([`Layout::adapters_of`]);
//! 3. [`JointModel::save_adapters`] writes them as PEFT does, and [`JointModel::merged`] adds them to the matrices, after which nothing is left of them.

use std::ops::Range;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::adapter::Adapter;
use super::{
    Affine, CheckpointError, EncoderSpec, JointModel, LayerLayout, Layout, Names, NoMemory,
    Parameter, Role, Section, zeros,
};
use crate::base::rng::Rng;

/// Matrices of low rank that are trained beside the encoder's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Lora {
    /// Rows of A and columns of B.
    #[schemars(range(min = 1, max = 65_536))]
    pub rank: usize,
    /// What B · A is multiplied by, times `rank`.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub alpha: f64,
    /// The matrices of every layer beside which they stand: `"attention"`, `"mlp"`, or how their names end in the model's file, such as `"query"` or `"Wqkv"`, as `target_modules` of PEFT has it.
    #[schemars(length(min = 1))]
    pub targets: Vec<String>,
}

impl Default for Lora {
    fn default() -> Self {
        let targets = [ATTENTION, MLP].map(str::to_owned).to_vec();
        Self { rank: 16, alpha: 32.0, targets }
    }
}

/// Both matrices of the attention.
const ATTENTION: &str = "attention";
/// Both matrices of the MLP.
const MLP: &str = "mlp";

/// How PEFT calls the two matrices behind the name of the module that they stand beside, and what stands before it.
const DOWN: &str = "lora_A";
const UP: &str = "lora_B";
const PREFIX: &str = "base_model.model.";

impl Lora {
    /// Whether it stands beside the matrix of a layer that is called `module`.
    ///
    /// * `attends`: it is the attention's, else the MLP's
    fn is_beside(&self, module: &str, attends: bool) -> bool {
        self.targets.iter().any(|target| match target.as_str() {
            ATTENTION => attends,
            MLP => !attends,
            suffix => is_end_of(suffix, module),
        })
    }

    /// The targets that are the end of no matrix's name in such an encoder, and the names that there are within a layer.
    #[must_use]
    pub fn unknown_targets(&self, spec: &EncoderSpec) -> (Vec<&str>, Vec<&'static str>) {
        let there = matrices(spec.names);
        let is_known = |target: &str| {
            let within = |name: &&str| {
                let module = |layer| format!("{}.{layer}.{name}", spec.names.layers);
                (0..spec.layers.len()).any(|layer| is_end_of(target, &module(layer)))
            };
            [ATTENTION, MLP].contains(&target) || there.iter().any(within)
        };
        let targets = self.targets.iter().map(String::as_str);
        (targets.filter(|target| !is_known(target)).collect(), there)
    }
}

/// The matrices of a layer, as they are called within it.
fn matrices(names: &Names) -> Vec<&'static str> {
    let attention = names.queries_keys_values.iter().copied();
    attention.chain([names.attention_output, names.mlp_input, names.mlp_output]).collect()
}

/// Whether a module's name is `suffix`, or ends in it behind a dot.
fn is_end_of(suffix: &str, module: &str) -> bool {
    module.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

impl Layout {
    /// The adapters beside the matrix at this place, or beside parts of it.
    pub(super) fn adapters_of(&self, matrix: &Range<usize>) -> &[Adapter] {
        let first = self.adapters.partition_point(|it| it.matrix.start < matrix.start);
        let end = self.adapters.partition_point(|it| it.matrix.start < matrix.end);
        &self.adapters[first..end]
    }

    /// Places adapters behind all other parameters.
    fn place_adapters(&mut self, lora: &Lora) {
        let scale = (lora.alpha / lora.rank as f64) as f32;
        for parameter in self.parameters().to_vec() {
            let Section::Layer(layer) = parameter.section else { continue };
            if !matches!(parameter.role, Role::QueriesKeysValues | Role::Matrix | Role::IntoStream)
            {
                continue;
            }
            let &[outputs, inputs] = parameter.shape.as_slice() else { continue };
            let LayerLayout { wqkv, attn_wo, .. } = &self.layers[layer];
            let holds = |matrix: &Affine| matrix.weight.contains(&parameter.range.start);
            let (module, attends) = (parameter.module(), holds(wqkv) || holds(attn_wo));
            if !lora.is_beside(module, attends) {
                continue;
            }
            let rank = lora.rank;
            let mut place = |which: &str, role, shape: &[usize]| {
                let name = format!("{module}.{which}.weight");
                self.place(&name, role, shape, parameter.section)
            };
            let down = place(DOWN, Role::AdapterDown, &[rank, inputs]);
            let up = place(UP, Role::AdapterUp, &[outputs, rank]);
            let (module, matrix) = (module.to_owned(), parameter.range.clone());
            self.adapters.push(Adapter { module, matrix, inputs, down, up, rank, scale });
        }
    }
}

impl JointModel {
    /// The same model with new adapters: A as PEFT draws it, and B of zeros, so that at first nothing changes.
    ///
    /// # Errors
    /// [`NoMemory`]
    pub fn with_adapters(mut self, lora: &Lora, rng: &Rng) -> Result<Self, NoMemory> {
        let first = self.layout.parameters().len();
        self.layout.place_adapters(lora);
        let base = std::mem::replace(
            &mut self.parameters,
            zeros(self.layout.len(), "its weights and adapters")?,
        );
        self.parameters[..base.len()].copy_from_slice(&base);
        let parameters = self.layout.parameters()[first..].to_vec();
        parameters.iter().for_each(|parameter| self.draw(parameter, rng));
        Ok(self)
    }

    /// The same model without adapters: what they say is part of the matrices that they stood beside.
    #[must_use]
    pub fn merged(mut self) -> Self {
        let base = Layout::new(&self.spec, &self.heads().cloned().collect::<Vec<_>>());
        let (weights, adapters) = self.parameters.split_at_mut(base.len());
        for adapter in &self.layout.adapters {
            let moved = |range: &Range<usize>| range.start - base.len()..range.end - base.len();
            let (down, up) = (moved(&adapter.down), moved(&adapter.up));
            let beside = Adapter { down, up, ..adapter.clone() };
            beside.within(&adapter.matrix, adapters).merge(&mut weights[adapter.matrix.clone()]);
        }
        self.parameters.truncate(base.len());
        self.layout = base;
        self.weights_changed();
        self
    }

    /// The modules beside which there are adapters, by their names in the encoder's own class.
    #[must_use]
    pub fn adapted_modules(&self) -> Vec<&str> {
        self.layout.adapters.iter().map(|adapter| adapter.module.as_str()).collect()
    }

    /// Writes the adapters as PEFT names them.
    ///
    /// # Errors
    /// As [`JointModel::save`].
    pub fn save_adapters(&self, path: &Path) -> Result<(), CheckpointError> {
        let is_adapter = |it: &&Parameter| matches!(it.role, Role::AdapterDown | Role::AdapterUp);
        let named = self.layout.parameters().iter().filter(is_adapter);
        let named: Vec<Parameter> = named
            .map(|it| Parameter { name: format!("{PREFIX}{}", it.name), ..it.clone() })
            .collect();
        self.write(path, &named.iter().collect::<Vec<_>>())
    }
}
