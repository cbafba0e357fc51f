//! One trial of a sweep as an experiment of its own.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::experiment::{Axis, Experiment, Parameter};
use super::names::{FOLD, SEED};
use super::path::AxisTarget;
use super::rules;
use super::value::{Data, Value};

impl Experiment {
    /// What the file gives what an axis varies, without the sweep; `None` where it leaves that to a default.
    #[must_use]
    pub fn given(&self, target: &AxisTarget) -> Option<Value> {
        rules::given(target, &self.stages, &self.params)
    }

    /// The experiment of one trial, without a sweep: each axis has its value where it varies one, and each stage that was replicated its seed.
    ///
    /// * `values`: of each axis, by its name
    /// * `seeds`: by stage
    /// * `rung`: on which it is, from 0
    /// * `fold`: of a sweep with folds, the stage that it divides, and which of how many it is
    #[must_use]
    pub fn at<'a>(
        &self,
        values: impl IntoIterator<Item = (&'a str, &'a Value)>,
        rung: usize,
        seeds: &[(&str, u64)],
        fold: Option<(&str, [usize; 2])>,
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
        for (target, _, value) in
            sweep.rungs.get(rung).into_iter().flat_map(|rung| &rung.parameters)
        {
            if let AxisTarget::Stage { stage, parameter } = target {
                one.put(stage, parameter, value.clone());
            }
        }
        let folder: Arc<Path> = PathBuf::new().as_path().into();
        let value = |data| Value { data, span: sweep.span, folder: Arc::clone(&folder) };
        for (stage, seed) in seeds {
            let Ok(seed) = i64::try_from(*seed) else { continue };
            one.put(stage, SEED, value(Data::Integer(seed)));
        }
        if let Some((stage, [index, of])) = fold {
            let member = |name: &str, number| {
                let number = i64::try_from(number).expect("there are few folds");
                (name.into(), sweep.span, value(Data::Integer(number)))
            };
            let table = vec![member("index", index), member("of", of)];
            one.put(stage, FOLD, value(Data::Table(table)));
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
