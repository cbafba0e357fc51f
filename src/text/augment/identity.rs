//! What tells a text from others.

use crate::text::Example;

/// Its `id`, else what it says.
pub(super) fn identity(example: &Example) -> &str {
    example.fields.get("id").unwrap_or(&example.text)
}
