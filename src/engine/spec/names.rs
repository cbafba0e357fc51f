//! What things may be called.

use crate::base::{outputs, visible};

/// Keys that every stage has, whatever its kind; none is a parameter.
pub const STAGE_KEYS: [&str; 6] = ["kind", "after", "at", "retry", "timeout", "resources"];
/// What a sweep replicates every point with: each is a parameter of the stages that it sets, and a part of the labels of their trials. The file's own
/// `seed` is for the same parameter.
pub const SEED: &str = "seed";
pub const FOLD: &str = "fold";
/// The part of a label that tells the rung.
pub const RUNG: &str = "rung";
pub(super) const NAME_RULE: &str =
    "a name is at most 100 letters, digits, `-` and `_`, and starts with a letter";
/// Names become folders.
pub const LONGEST_NAME: usize = 100;

pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.len() <= LONGEST_NAME
        && is_word(text)
}

pub(super) fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// `a`, `b` and `c`, in backticks.
pub(super) fn listed(words: &[&str]) -> String {
    let mut quoted = words.iter().map(|word| format!("`{word}`"));
    let last = quoted.next_back().unwrap_or_default();
    let first: Vec<String> = quoted.collect();
    if first.is_empty() { last } else { format!("{} and {last}", first.join(", ")) }
}

pub(super) const SAFE_NAME: &str = "results go to `outputs/<name>/`";

/// Why a text cannot be the name of a folder in `outputs/`.
#[must_use]
pub fn unsafe_name(name: &str) -> Option<&'static str> {
    if name.trim().is_empty() {
        Some("is empty")
    } else if outputs::ALL.contains(&name.to_lowercase().as_str()) {
        Some("is taken: `outputs/` holds a folder of that name already")
    } else if name.len() > LONGEST_NAME {
        Some("is longer than 100 bytes")
    } else if name.starts_with(['.', ' ']) || name.ends_with(['.', ' ']) {
        Some("starts or ends with a dot or a space")
    } else if name.starts_with('-') {
        Some("starts with a dash, as the options of commands do")
    } else if visible::line(name) != name {
        Some("has a character that cannot be seen")
    } else if name.contains(|character: char| "/\\:*?\"<>|".contains(character)) {
        Some("has a character that file names do not have everywhere")
    } else {
        None
    }
}
