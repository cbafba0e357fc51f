//! JSON files that carry their own digest, so that one flipped bit anywhere is found.
//!
//! The last field of the object is `digest`, the BLAKE3 of all bytes before it; what follows those bytes is fixed by the digest.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes of `,\n  "digest": "..."\n}\n`.
const SEAL_BYTES: usize = 1 + 1 + 2 + 8 + 2 + 1 + 64 + 1 + 1 + 1 + 1;

/// Why a sealed file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::engine) enum SealError {
    #[error("its bytes do not have the digest that it carries")]
    Broken,
    #[error("{0}")]
    Malformed(String),
}

fn seal_of(body: &[u8]) -> String {
    format!(",\n  \"digest\": \"{}\"\n}}\n", blake3::hash(body).to_hex())
}

/// * `value`: serialises to an object with at least one field, none of them called `digest`
pub(in crate::engine) fn seal(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("records are plain data");
    assert!(bytes.ends_with(b"\n}"), "records are objects with fields");
    bytes.truncate(bytes.len() - 2);
    let seal = seal_of(&bytes);
    bytes.extend_from_slice(seal.as_bytes());
    bytes
}

pub(in crate::engine) fn open<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, SealError> {
    let body =
        bytes.len().checked_sub(SEAL_BYTES).map(|end| &bytes[..end]).ok_or(SealError::Broken)?;
    if seal_of(body).as_bytes() != &bytes[body.len()..] {
        return Err(SealError::Broken);
    }
    let mut object = body.to_vec();
    object.extend_from_slice(b"\n}");
    serde_json::from_slice(&object).map_err(|error| SealError::Malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_sealed_record_opens_to_what_it_was() {
        let record = BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]);
        assert_eq!(open(&seal(&record)), Ok(record));
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let bytes = seal(&BTreeMap::from([("name", "value")]));
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                assert_eq!(
                    open::<BTreeMap<String, String>>(&flipped),
                    Err(SealError::Broken),
                    "byte {at}, bit {bit}"
                );
            }
        }
    }

    #[test]
    fn every_cut_is_found() {
        let bytes = seal(&BTreeMap::from([("name", "value")]));
        for length in 0..bytes.len() {
            assert_eq!(
                open::<BTreeMap<String, String>>(&bytes[..length]),
                Err(SealError::Broken),
                "{length} bytes"
            );
        }
    }

    #[test]
    fn a_sealed_record_is_json() {
        let bytes = seal(&BTreeMap::from([("name", "value")]));
        let value: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!(value["name"], "value");
    }
}
