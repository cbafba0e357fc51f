//! Numbers and durations as people read them.

use std::time::Duration;

use crate::engine::exec::Counts;
use crate::engine::runs::NodeStatus;
use crate::engine::stage::Score;

/// `0.3 s`, `12 s`, `3:05 min`, `2:03 h`.
#[must_use]
pub fn duration(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64();
    let whole = elapsed.as_secs();
    if seconds < 0.0995 {
        format!("{:.0} ms", seconds * 1e3)
    } else if seconds < 9.95 {
        format!("{seconds:.1} s")
    } else if whole < 60 {
        format!("{seconds:.0} s")
    } else if whole < 3600 {
        format!("{}:{:02} min", whole / 60, whole % 60)
    } else {
        format!("{}:{:02} h", whole / 3600, whole % 3600 / 60)
    }
}

/// `12 B`, `3.4 MB`, `1.20 GB`, in powers of ten.
#[must_use]
pub fn bytes(count: u64) -> String {
    let value = count as f64;
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.0} kB", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", value / 1e6),
        _ => format!("{:.2} GB", value / 1e9),
    }
}

/// `12,345`.
#[must_use]
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many of something: `1 stage`, `2 stages`.
#[must_use]
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// How nodes ended: `2 built`, `1 stopped`.
///
/// * `number`: how many there are of each
#[must_use]
pub fn ends(counts: Counts, number: impl Fn(usize) -> String) -> Vec<String> {
    let name = |status| match status {
        NodeStatus::Cancelled => "stopped",
        status => status.name(),
    };
    counts.told().map(|(status, count)| format!("{} {}", number(count), name(status))).collect()
}

/// A score; counts are grouped by thousands.
#[must_use]
pub fn score(score: Score) -> String {
    match score {
        Score::Count(count) => grouped(count),
        Score::Measured(value) => number(value),
    }
}

/// Four significant digits; powers of ten where the number is small or large.
#[must_use]
pub fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if !value.is_finite() {
        value.to_string()
    } else if !(1e-3..1e5).contains(&size) {
        let text = format!("{value:.2e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        format!("{}e{exponent}", mantissa.trim_end_matches('0').trim_end_matches('.'))
    } else if size <= 1.0 {
        format!("{value:.4}")
    } else {
        let decimals = 3_usize.saturating_sub(size.log10() as usize);
        format!("{value:.decimals$}")
    }
}

/// [`number`] with its sign.
#[must_use]
pub fn signed(value: f64) -> String {
    let text = number(value);
    if value > 0.0 { format!("+{text}") } else { text }
}

/// Breaks `text` at spaces into lines of at most `width` columns, every line but the first behind `indent` columns, which count for the
/// first one too: it stands behind something of that width. What holds no space is not broken.
#[must_use]
pub fn fold(text: &str, indent: usize, width: usize) -> String {
    fold_parts(text.split_whitespace(), " ", indent, width)
}

/// [`fold`] for parts that stay whole.
#[must_use]
pub fn fold_parts<'a>(
    parts: impl IntoIterator<Item = &'a str>,
    separator: &str,
    indent: usize,
    width: usize,
) -> String {
    let mut text = String::new();
    let mut column = indent;
    for part in parts {
        let length = part.chars().count();
        if text.is_empty() {
            column += length;
        } else if column + separator.len() + length > width {
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', indent));
            column = indent + length;
        } else {
            text += separator;
            column += separator.len() + length;
        }
        text += part;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_change_their_unit_before_they_get_long() {
        let texts = [0.004, 0.34, 12.4, 185.0, 7_380.0]
            .map(|seconds| duration(Duration::from_secs_f64(seconds)));
        assert_eq!(texts, ["4 ms", "0.3 s", "12 s", "3:05 min", "2:03 h"]);
    }

    #[test]
    fn a_duration_just_below_a_unit_is_never_written_as_sixty() {
        assert_eq!(duration(Duration::from_secs_f64(59.7)), "60 s");
        assert_eq!(duration(Duration::from_secs_f64(9.96)), "10 s");
    }

    #[test]
    fn one_thing_has_no_plural() {
        assert_eq!(
            [0, 1, 2].map(|count| counted(count, "trial")),
            ["0 trials", "1 trial", "2 trials"]
        );
    }

    #[test]
    fn counts_are_grouped_by_thousands() {
        assert_eq!(
            [7, 1_234, 123_456, 1_000_000].map(grouped),
            ["7", "1,234", "123,456", "1,000,000"]
        );
    }

    #[test]
    fn folded_lines_keep_within_the_width_and_hang_behind_the_indent() {
        assert_eq!(fold("one two three four", 4, 12), "one two\n    three\n    four");
        assert_eq!(fold_parts(["a 1", "b 2"], "  ", 2, 9), "a 1\n  b 2");
    }

    #[test]
    fn numbers_keep_four_digits() {
        assert_eq!(
            [0.9713, 1.0, 2e-5, 1.5, 123.456, 0.0, 1e9].map(number),
            ["0.9713", "1.0000", "2e-5", "1.500", "123.5", "0", "1e9"]
        );
    }
}
