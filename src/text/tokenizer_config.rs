//! What a `tokenizer_config.json` says of a tokenizer beside its `tokenizer.json`, put into the latter.
//!
//! transformers builds a tokenizer from both files, and where they differ the first one decides: models are published whose `tokenizer.json` leaves
//! case alone and whose `tokenizer_config.json` lowers it. What a class of transformers knows without either file is not looked at.

use serde_json::Value;

/// The keys that are looked at, and what a `BertNormalizer` calls the first ones.
const OF_NORMALIZER: [(&str, &str); 3] = [
    ("do_lower_case", "lowercase"),
    ("strip_accents", "strip_accents"),
    ("tokenize_chinese_chars", "handle_chinese_chars"),
];
const PREFIX_SPACE: &str = "add_prefix_space";

/// A `tokenizer.json` that does what a `tokenizer_config.json` says; `None` where it does already.
///
/// # Errors
/// When one of the two is no JSON.
pub fn with_tokenizer_config(
    tokenizer: &[u8],
    config: &[u8],
) -> Result<Option<Vec<u8>>, serde_json::Error> {
    let config: Value = serde_json::from_slice(config)?;
    let keys = OF_NORMALIZER.iter().map(|(key, _)| *key).chain([PREFIX_SPACE]);
    // A tokenizer.json has megabytes, and most have nothing to be held against.
    if keys.into_iter().all(|key| config[key].is_null()) {
        return Ok(None);
    }
    let mut tokenizer: Value = serde_json::from_slice(tokenizer)?;
    let before = [&tokenizer["normalizer"], &tokenizer["pre_tokenizer"]].map(Value::clone);
    each(&mut tokenizer["normalizer"], "normalizers", &mut |normalizer| {
        if normalizer["type"] == "BertNormalizer" {
            for (key, name) in OF_NORMALIZER {
                set(normalizer, name, &config[key]);
            }
        }
    });
    each(&mut tokenizer["pre_tokenizer"], "pretokenizers", &mut |pre_tokenizer| {
        match (pre_tokenizer["type"].as_str(), config[PREFIX_SPACE].as_bool()) {
            (Some("ByteLevel"), Some(_)) => {
                set(pre_tokenizer, PREFIX_SPACE, &config[PREFIX_SPACE]);
            }
            (Some("Metaspace"), Some(adds)) => {
                // `first` adds it to the first piece only, which is a way of adding it.
                let does = pre_tokenizer["prepend_scheme"] != "never";
                if adds != does {
                    pre_tokenizer["prepend_scheme"] = if adds { "always" } else { "never" }.into();
                }
            }
            _ => {}
        }
    });
    if [&tokenizer["normalizer"], &tokenizer["pre_tokenizer"]] == [&before[0], &before[1]] {
        return Ok(None);
    }
    serde_json::to_vec(&tokenizer).map(Some)
}

/// Calls `change` with a part of a tokenizer, or with each of a sequence of them.
fn each(part: &mut Value, of_sequence: &str, change: &mut dyn FnMut(&mut Value)) {
    if part["type"] == "Sequence" {
        let parts = part[of_sequence].as_array_mut();
        parts.into_iter().flatten().for_each(|part| each(part, of_sequence, change));
    } else if part.is_object() {
        change(part);
    }
}

fn set(part: &mut Value, key: &str, value: &Value) {
    if !value.is_null() && part[key] != *value {
        part[key] = value.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn changed(tokenizer: &Value, config: &Value) -> Option<Value> {
        let bytes = |value: &Value| serde_json::to_vec(value).unwrap();
        let changed = with_tokenizer_config(&bytes(tokenizer), &bytes(config)).unwrap();
        changed.map(|bytes| serde_json::from_slice(&bytes).unwrap())
    }

    #[test]
    fn case_and_accents_are_those_of_the_configuration() {
        let normalizer =
            json!({"type": "BertNormalizer", "lowercase": false, "strip_accents": null});
        let tokenizer = json!({"normalizer": normalizer, "pre_tokenizer": null});
        let lower = changed(&tokenizer, &json!({"do_lower_case": true})).unwrap();
        assert_eq!(lower["normalizer"]["lowercase"], true);
        assert_eq!(changed(&tokenizer, &json!({"do_lower_case": false})), None);
        assert_eq!(changed(&tokenizer, &json!({"strip_accents": null})), None);
        let among = json!({"normalizer": {"type": "Sequence", "normalizers": [normalizer]}, "pre_tokenizer": null});
        let lower = changed(&among, &json!({"do_lower_case": true})).unwrap();
        assert_eq!(lower["normalizer"]["normalizers"][0]["lowercase"], true);
    }

    #[test]
    fn a_space_before_the_text_is_added_where_the_configuration_says_so() {
        let bytes = json!({"normalizer": null, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}});
        let spaced = changed(&bytes, &json!({"add_prefix_space": true})).unwrap();
        assert_eq!(spaced["pre_tokenizer"]["add_prefix_space"], true);
        let pieces = json!({"normalizer": null, "pre_tokenizer": {"type": "Metaspace", "prepend_scheme": "always"}});
        let unspaced = changed(&pieces, &json!({"add_prefix_space": false})).unwrap();
        assert_eq!(unspaced["pre_tokenizer"]["prepend_scheme"], "never");
        assert_eq!(changed(&pieces, &json!({"add_prefix_space": true})), None);
    }

    #[test]
    fn what_says_nothing_of_these_changes_nothing() {
        let tokenizer = json!({"normalizer": null, "pre_tokenizer": null});
        assert_eq!(changed(&tokenizer, &json!({"model_max_length": 512})), None);
        assert_eq!(changed(&tokenizer, &json!({"do_lower_case": true})), None);
        assert!(with_tokenizer_config(b"{}", b"no").is_err());
    }
}
