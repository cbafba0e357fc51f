//! A head's temperature, for programs that know none.

use std::borrow::Cow;

/// The parameters of a head's matrix with its temperature in them.
pub(super) fn divided(values: &[f32], temperature: f64) -> Cow<'_, [f32]> {
    match temperature {
        1.0 => Cow::Borrowed(values),
        _ => values.iter().map(|value| (f64::from(*value) / temperature) as f32).collect(),
    }
}
