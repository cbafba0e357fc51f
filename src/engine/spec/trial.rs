//! One trial of a sweep as an experiment of its own.

use std::path::PathBuf;
use std::sync::Arc;

use super::{AxisTarget, Data, Experiment, Parameter, Value};

impl Experiment {
    /// The experiment of one trial, without a sweep: each axis has its value where it varies one, and each stage that was replicated its seed.
    ///
    /// * `values`: by the name of the axis
    /// * `seeds`: by stage
    #[must_use]
    pub fn at(&self, values: &[(Arc<str>, serde_json::Value)], seeds: &[(&str, u64)]) -> Self {
        let mut one = self.clone();
        let Some(sweep) = one.sweep.take() else { return one };
        for axis in sweep.axes {
            let name = axis.target.to_string();
            let Some((_, wanted)) = values.iter().find(|(axis, _)| **axis == *name) else {
                continue;
            };
            let Some(value) = axis.values.into_iter().find(|value| value.to_json() == *wanted)
            else {
                continue;
            };
            match axis.target {
                AxisTarget::Params(param) => drop(one.params.insert(param.to_string(), value)),
                AxisTarget::Stage { stage, parameter } => one.put(&stage, &parameter, value),
            }
        }
        for (stage, seed) in seeds {
            let Ok(seed) = i64::try_from(*seed) else { continue };
            let folder = PathBuf::new().as_path().into();
            one.put(stage, "seed", Value { data: Data::Integer(seed), span: sweep.span, folder });
        }
        one
    }

    fn put(&mut self, stage: &str, name: &str, value: Value) {
        let Some(stage) = self.stages.iter_mut().find(|known| *known.name == *stage) else {
            return;
        };
        match stage.parameters.iter_mut().find(|parameter| *parameter.name == *name) {
            Some(parameter) => parameter.value = value,
            None => {
                let name_span = value.span;
                stage.parameters.push(Parameter { name: name.into(), name_span, value });
            }
        }
    }
}
