//! What the fields of files are called, by the tools that are known; the most likely first.

/// What texts are called where no field is `text`.
pub(super) const TEXTS: [&str; 9] =
    ["text", "data", "sentence", "content", "message", "review", "body", "tweet", "comment"];
/// What entities are called.
pub(super) const ENTITIES: [&str; 5] = ["entities", "spans", "labels", "label", "annotations"];
/// What words are called.
pub(super) const TOKENS: [&str; 2] = ["tokens", "words"];
/// What their tags are called.
pub(super) const TAGS: [&str; 3] = ["ner_tags", "tags", "labels"];
