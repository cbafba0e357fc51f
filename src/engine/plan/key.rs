//! Keys and what they are made of.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::canonical::{Canonical, Numbers};

/// The name of an artifact: a BLAKE3 digest of everything on which its content depends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CacheKey([u8; 32]);

impl CacheKey {
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first ten digits, enough for a person.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string()[..10].to_owned()
    }
}

impl fmt::Display for CacheKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
    }
}

impl fmt::Debug for CacheKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CacheKey({})", self.short())
    }
}

/// A text that is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no key: expected 64 lower-case hexadecimal digits")]
pub struct KeyError {
    pub text: String,
}

impl FromStr for CacheKey {
    type Err = KeyError;

    /// # Errors
    /// [`KeyError`] unless `text` is 64 lower-case hexadecimal digits: a key has one spelling, since it is also a folder's name.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let error = || KeyError { text: text.chars().take(80).collect() };
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(error());
        }
        blake3::Hash::from_hex(text).map(|hash| Self(*hash.as_bytes())).map_err(|_| error())
    }
}

impl Serialize for CacheKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CacheKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The parts of a key, kept beside the artifact so that a later miss can say what changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    pub kind: String,
    /// Version of the output's layout.
    pub format: u32,
    /// Version of each part of the code on which the output depends.
    pub code: BTreeMap<String, u32>,
    /// After defaults, without paths and revisions.
    pub parameters: Map<String, Value>,
    /// BLAKE3 of each source file, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The key at each wired port.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, CacheKey>,
}

impl Fingerprint {
    #[must_use]
    pub fn key(&self) -> CacheKey {
        key_of(&self.own_digest(), self.inputs.iter().map(|(port, key)| (port.as_str(), *key)))
    }

    /// The key of the second index, through which a stage whose inputs were rebuilt with the same content finds its old result.
    ///
    /// * `contents`: the content digest of the artifact at each wired port
    #[must_use]
    pub fn content_key<'a>(
        &self,
        contents: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> CacheKey {
        let mut inputs: Vec<_> = contents.into_iter().collect();
        inputs.sort_unstable();
        let mut canonical = Canonical::new("content key 1", Numbers::Typed);
        canonical.raw(&self.own_digest()).length(inputs.len());
        for (port, digest) in inputs {
            canonical.text(port).text(digest);
        }
        CacheKey(canonical.digest())
    }

    /// The name of everything that differs from this only in `parameters`.
    pub(super) fn warm_start(mut self, parameters: &[&str]) -> CacheKey {
        for parameter in parameters {
            self.parameters.shift_remove(*parameter);
        }
        // The word and the one parameter of earlier versions: they are in the names of folders that are there.
        let mut canonical = Canonical::new("lineage 1", Numbers::Typed);
        let first = parameters.first().copied().unwrap_or_default();
        CacheKey(canonical.text(first).raw(self.key().as_bytes()).digest())
    }

    /// The digest of everything except the inputs.
    pub(super) fn own_digest(&self) -> [u8; 32] {
        self.digest_with(&parameters_digest(&self.parameters))
    }

    /// The digest of everything except the inputs, whose parameters have the given one.
    pub(super) fn digest_with(&self, parameters: &[u8; 32]) -> [u8; 32] {
        let mut canonical = Canonical::new("stage 1", Numbers::Typed);
        canonical.text(&self.kind).integer(u64::from(self.format)).length(self.code.len());
        for (part, version) in &self.code {
            canonical.text(part).integer(u64::from(*version));
        }
        canonical.raw(parameters).length(self.sources.len());
        for (name, digest) in &self.sources {
            canonical.text(name).text(digest);
        }
        match &self.commit {
            None => canonical.length(0),
            Some(commit) => canonical.length(1).text(commit),
        };
        canonical.digest()
    }
}

pub(super) fn parameters_digest(parameters: &Map<String, Value>) -> [u8; 32] {
    Canonical::new("parameters 1", Numbers::Typed).map(parameters).digest()
}

/// The key of a stage whose inputs have the given keys, sorted by port.
pub(super) fn key_of<'a>(
    own: &[u8; 32],
    inputs: impl ExactSizeIterator<Item = (&'a str, CacheKey)>,
) -> CacheKey {
    let mut canonical = Canonical::new("key 1", Numbers::Typed);
    canonical.raw(own).length(inputs.len());
    for (port, key) in inputs {
        canonical.text(port).raw(key.as_bytes());
    }
    CacheKey(canonical.digest())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fingerprint() -> Fingerprint {
        Fingerprint {
            kind: "train".into(),
            format: 1,
            code: BTreeMap::from([("loop".into(), 1)]),
            parameters: json!({"epochs": 3, "learning_rate": 2e-5})
                .as_object()
                .cloned()
                .expect("an object"),
            sources: BTreeMap::new(),
            commit: None,
            inputs: BTreeMap::from([("data".into(), CacheKey::from_bytes([7; 32]))]),
        }
    }

    #[test]
    fn a_key_reads_back_from_its_text() {
        let key = fingerprint().key();
        assert_eq!(key.to_string().parse(), Ok(key));
    }

    #[test]
    fn a_key_has_one_spelling() {
        assert!(fingerprint().key().to_string().to_uppercase().parse::<CacheKey>().is_err());
    }

    /// Entries on disk outlive the program: when this fails, every user rebuilds everything.
    #[test]
    fn the_canonical_form_has_not_changed() {
        assert_eq!(
            fingerprint().key().to_string(),
            "c607546055ee9779e567e3a7751d4762ac31c257106f3566b17a5179af2b090e"
        );
    }

    #[test]
    fn a_fingerprint_survives_json_with_the_same_key() {
        let text = serde_json::to_string(&fingerprint()).expect("plain data");
        let back: Fingerprint = serde_json::from_str(&text).expect("what was written");
        assert_eq!(back.key(), fingerprint().key());
    }

    #[test]
    fn every_part_enters_the_key() {
        let changes: [fn(&mut Fingerprint); 7] = [
            |it| it.kind = "tune".into(),
            |it| it.format = 2,
            |it| it.code = BTreeMap::from([("loop".into(), 2)]),
            |it| drop(it.parameters.insert("epochs".into(), json!(4))),
            |it| drop(it.sources.insert("templates".into(), "00".into())),
            |it| it.commit = Some("00".into()),
            |it| it.inputs = BTreeMap::from([("data".into(), CacheKey::from_bytes([8; 32]))]),
        ];
        for change in changes {
            let mut other = fingerprint();
            change(&mut other);
            assert_ne!(other.key(), fingerprint().key());
        }
    }

    #[test]
    fn a_warm_start_has_one_name_for_every_value_of_its_parameters_and_that_is_no_key() {
        let name = |it: &Fingerprint| it.clone().warm_start(&["epochs", "stop_after"]);
        let mut longer = fingerprint();
        longer.parameters.insert("epochs".into(), json!(10));
        assert_eq!(name(&longer), name(&fingerprint()));
        longer.parameters.insert("stop_after".into(), json!(2.5));
        assert_eq!(name(&longer), name(&fingerprint()));
        longer.parameters.insert("learning_rate".into(), json!(1e-5));
        assert_ne!(name(&longer), name(&fingerprint()));
        longer.parameters.retain(|parameter, _| parameter == "learning_rate");
        assert_ne!(longer.key(), name(&longer));
    }

    /// States on disk outlive the program, too.
    #[test]
    fn the_name_of_a_warm_start_has_not_changed() {
        let name = fingerprint().warm_start(&["epochs", "stop_after"]);
        assert_eq!(
            name.to_string(),
            "1a6324166a302795242a16061ee5eeef445998e3de53dc41426628911746d41f"
        );
    }

    #[test]
    fn the_content_key_does_not_depend_on_input_keys() {
        let mut other = fingerprint();
        other.inputs.insert("data".into(), CacheKey::from_bytes([8; 32]));
        assert_eq!(
            other.content_key([("data", "ab")]),
            fingerprint().content_key([("data", "ab")])
        );
        assert_ne!(
            other.content_key([("data", "ab")]),
            fingerprint().content_key([("data", "ac")])
        );
    }
}
