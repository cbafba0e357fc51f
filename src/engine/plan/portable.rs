//! A stage apart from any plan: all of its parameters, in values that mean the same in every folder, and its key made of them again.

use std::collections::BTreeMap;
use std::io;

use serde_json::{Map, Value};

use super::schema::Schema;
use super::{CacheKey, Fingerprint};
use crate::engine::stage::{AnyStage, StageKind};

/// All parameters of a stage, those that change no result among them: from these [`StageKind::parse`] makes the same stage again, wherever that is
/// done.
///
/// # Errors
/// When the current folder, from which relative paths count, is gone.
pub fn portable_parameters(
    kind: &StageKind,
    instance: &dyn AnyStage,
) -> io::Result<Map<String, Value>> {
    let mut parameters = parameters_of(instance);
    parameters.retain(|_, value| !value.is_null());
    Schema::of(kind).make_absolute(&mut parameters)?;
    Ok(parameters)
}

/// The parameters of a stage after defaults, by name; a kind without any has none.
pub(super) fn parameters_of(instance: &dyn AnyStage) -> Map<String, Value> {
    match instance.parameters() {
        Value::Object(parameters) => parameters,
        _ => Map::new(),
    }
}

/// The parameters that enter the key of a stage.
pub(super) fn parameters_in_key(instance: &dyn AnyStage, schema: &Schema) -> Map<String, Value> {
    let mut parameters = parameters_of(instance);
    schema.strip(&mut parameters);
    parameters.retain(|_, value| !value.is_null());
    parameters.sort_keys();
    parameters
}

impl Fingerprint {
    /// The parts of the key of a stage, from all that they are made of.
    ///
    /// * `sources`: the digest of each of its source files, by [`SourceFile::name`](crate::engine::stage::SourceFile)
    /// * `inputs`: the key at each wired port
    #[must_use]
    pub fn of(
        kind: &StageKind,
        instance: &dyn AnyStage,
        sources: BTreeMap<String, String>,
        commit: Option<String>,
        inputs: BTreeMap<String, CacheKey>,
    ) -> Self {
        let parameters = parameters_in_key(instance, &Schema::of(kind));
        Self { parameters, sources, commit, inputs, ..Self::of_kind(kind) }
    }

    /// The parts that the kind gives.
    pub(super) fn of_kind(kind: &StageKind) -> Self {
        Self {
            kind: kind.name.to_owned(),
            format: kind.output.format,
            code: kind.code.iter().map(|code| (code.part.to_owned(), code.version)).collect(),
            parameters: Map::new(),
            sources: BTreeMap::new(),
            commit: None,
            inputs: BTreeMap::new(),
        }
    }

    /// The name that the stage shares with those that differ from it only in how far they go, for kinds that say how far.
    #[must_use]
    pub fn warm_start_of(&self, instance: &dyn AnyStage) -> Option<CacheKey> {
        Some(self.clone().warm_start(instance.extension()?.parameters))
    }
}
