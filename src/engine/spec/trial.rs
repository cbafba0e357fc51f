//! One trial of a sweep as an experiment of its own.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::experiment::{Axis, Experiment, Parameter};
use super::path::AxisTarget;
use super::value::{Data, Value};

impl Experiment {
    /// The experiment of one trial, without a sweep: each axis has its value where it varies one, and each stage that was replicated its seed.
    ///
    /// * `values`: of each axis, by its name
    /// * `seeds`: by stage
    #[must_use]
    pub fn at<'a>(
        &self,
        values: impl IntoIterator<Item = (&'a str, &'a Value)>,
        seeds: &[(&str, u64)],
    ) -> Self {
        let mut one = self.without_sweep();
        let Some(sweep) = &self.sweep else { return one };
        let axes: HashMap<String, &Axis> =
            sweep.axes.iter().map(|axis| (axis.target.to_string(), axis)).collect();
        for (name, value) in values {
            let Some(axis) = axes.get(name) else { continue };
            let value = value.clone();
            match &axis.target {
                AxisTarget::Params(param) => drop(one.params.insert(param.to_string(), value)),
                AxisTarget::Stage { stage, parameter } => one.put(stage, parameter, value),
            }
        }
        for (stage, seed) in seeds {
            let Ok(seed) = i64::try_from(*seed) else { continue };
            let folder = PathBuf::new().as_path().into();
            one.put(stage, "seed", Value { data: Data::Integer(seed), span: sweep.span, folder });
        }
        one
    }

    /// A sweep may list many values, and each trial has one of each axis.
    fn without_sweep(&self) -> Self {
        Self {
            file: self.file.clone(),
            name: self.name.clone(),
            about: self.about.clone(),
            seed: self.seed,
            params: self.params.clone(),
            stages: self.stages.clone(),
            sweep: None,
            sources: Arc::clone(&self.sources),
            pins: self.pins.clone(),
            chain: self.chain.clone(),
        }
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
