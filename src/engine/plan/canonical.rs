//! The byte form of typed values under every key.
//!
//! Each value is a tag and a fixed-width or length-prefixed body, so two different values never have the same bytes. Objects are written with
//! sorted keys. An integer and a float differ even where they are numerically equal; `-0.0` is `0.0`. A null in an object is as good as absent,
//! so that a kind may gain an optional parameter without making old entries stale.

use serde_json::{Map, Number, Value};

/// How numbers are told apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbers {
    /// 1 and 1.0 differ: the values are typed.
    Typed,
    /// 1 and 1.0 are one value: a person wrote them.
    AsWritten,
}

/// Collects canonical bytes.
pub(super) struct Canonical {
    bytes: Vec<u8>,
    numbers: Numbers,
}

impl Canonical {
    /// * `domain`: what the bytes describe, so that digests of different things never meet
    pub(super) fn new(domain: &str, numbers: Numbers) -> Self {
        let mut canonical = Self { bytes: Vec::with_capacity(512), numbers };
        canonical.text(domain);
        canonical
    }

    /// BLAKE3 of everything so far.
    pub(super) fn digest(&self) -> [u8; 32] {
        *blake3::hash(&self.bytes).as_bytes()
    }

    /// Seven bits to a byte, the low ones first: lengths are short, and every byte costs time in a sweep of thousands.
    pub(super) fn length(&mut self, mut length: usize) -> &mut Self {
        #[expect(clippy::cast_possible_truncation, reason = "seven bits are kept")]
        while length >= 0x80 {
            self.bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        self.bytes.push(u8::try_from(length).expect("less than 0x80 is left"));
        self
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.bytes.push(b's');
        self.length(text.len());
        self.bytes.extend_from_slice(text.as_bytes());
        self
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub(super) fn integer(&mut self, number: u64) -> &mut Self {
        self.bytes.push(b'u');
        self.bytes.extend_from_slice(&number.to_le_bytes());
        self
    }

    fn float(&mut self, number: f64) -> &mut Self {
        let number = if number == 0.0 { 0.0 } else { number };
        self.bytes.push(b'f');
        self.bytes.extend_from_slice(&number.to_bits().to_le_bytes());
        self
    }

    fn number(&mut self, number: &Number) -> &mut Self {
        if self.numbers == Numbers::AsWritten && number.is_f64() {
            // A float that is an integer is written as one; 2^53 bounds where that is exact.
            let float = number.as_f64().unwrap_or_default();
            if float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0 {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "the bound above makes it exact"
                )]
                return self.signed(float as i64);
            }
        }
        if let Some(number) = number.as_u64() {
            self.integer(number)
        } else if let Some(number) = number.as_i64() {
            self.signed(number)
        } else {
            self.float(number.as_f64().unwrap_or_default())
        }
    }

    fn signed(&mut self, number: i64) -> &mut Self {
        if let Ok(number) = u64::try_from(number) {
            return self.integer(number);
        }
        self.bytes.push(b'i');
        self.bytes.extend_from_slice(&number.to_le_bytes());
        self
    }

    pub(super) fn value(&mut self, value: &Value) -> &mut Self {
        match value {
            Value::Null => self.bytes.push(b'0'),
            Value::Bool(value) => self.bytes.extend_from_slice(&[b'b', u8::from(*value)]),
            Value::Number(number) => {
                self.number(number);
            }
            Value::String(text) => {
                self.text(text);
            }
            Value::Array(items) => {
                self.bytes.push(b'a');
                self.length(items.len());
                for item in items {
                    self.value(item);
                }
            }
            Value::Object(map) => {
                self.map(map);
            }
        }
        self
    }

    pub(super) fn map(&mut self, map: &Map<String, Value>) -> &mut Self {
        let mut entries: Vec<(&str, &Value)> = map
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.as_str(), value))
            .collect();
        entries.sort_unstable_by_key(|(name, _)| *name);
        self.bytes.push(b'o');
        self.length(entries.len());
        for (name, value) in entries {
            self.text(name).value(value);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn bytes(value: &Value, numbers: Numbers) -> Vec<u8> {
        Canonical::new("test", numbers).value(value).bytes.clone()
    }

    #[test]
    fn typed_values_tell_an_integer_from_a_float() {
        assert_ne!(bytes(&json!(1), Numbers::Typed), bytes(&json!(1.0), Numbers::Typed));
    }

    #[test]
    fn written_values_take_an_integer_for_a_float() {
        assert_eq!(
            bytes(&json!([1, -3]), Numbers::AsWritten),
            bytes(&json!([1.0, -3.0]), Numbers::AsWritten)
        );
    }

    #[test]
    fn negative_zero_is_zero() {
        assert_eq!(bytes(&json!(-0.0), Numbers::Typed), bytes(&json!(0.0), Numbers::Typed));
    }

    #[test]
    fn the_order_of_keys_and_nulls_do_not_matter() {
        assert_eq!(
            bytes(&json!({"a": 1, "b": 2, "c": null}), Numbers::Typed),
            bytes(&json!({"b": 2, "a": 1}), Numbers::Typed)
        );
    }

    #[test]
    fn where_one_text_ends_and_the_next_begins_matters() {
        assert_ne!(
            bytes(&json!(["ab", "c"]), Numbers::Typed),
            bytes(&json!(["a", "bc"]), Numbers::Typed)
        );
        assert_ne!(
            bytes(&json!([["a"], "b"]), Numbers::Typed),
            bytes(&json!([["a", "b"]]), Numbers::Typed)
        );
    }
}
