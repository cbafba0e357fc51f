//! Durations and sizes as people write them in files and on the command line: `90s`, `1h30m`, `30d`; `500MB`, `1.5 GiB`.

use std::time::Duration;

/// What a duration looks like, for messages.
pub const DURATION: &str = "numbers with `d`, `h`, `m`, `s` or `ms`, such as \"30m\" or \"1h30m\"";
/// What a size looks like, for messages.
pub const SIZE: &str =
    "a number with `kB`, `MB`, `GB`, `TB`, `KiB`, `MiB`, `GiB` or `TiB`, such as 20GB";

/// Milliseconds in a unit, the largest first.
const TIMES: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

const SIZES: [(&str, u64); 10] = [
    ("b", 1),
    ("", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];

/// A duration above zero: numbers with units, added up. `None` when the text is none.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut milliseconds = 0.0;
    while !rest.is_empty() {
        let (number, unit, after) = quantity(rest)?;
        let (_, size) = TIMES.iter().find(|(name, _)| *name == unit)?;
        milliseconds += number * *size as f64;
        rest = after;
    }
    // A thousand years: beyond that, moments cannot be told apart from mistakes.
    (1.0..3.2e13)
        .contains(&milliseconds)
        .then(|| Duration::from_millis(milliseconds.round() as u64))
}

/// A duration in a form that [`duration`] reads: `1h30m`.
#[must_use]
pub fn duration_text(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (name, size) in TIMES {
        if rest >= size {
            text += &format!("{}{name}", rest / size);
            rest %= size;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// A size in bytes; a number alone counts bytes. `None` when the text is none.
#[must_use]
pub fn size(text: &str) -> Option<u64> {
    let (number, unit, after) = quantity(text.trim())?;
    let unit = unit.to_ascii_lowercase();
    let (_, bytes) = SIZES.iter().find(|(name, _)| *name == unit)?;
    let bytes = number * *bytes as f64;
    (after.is_empty() && bytes < 9e18).then_some(bytes.round() as u64)
}

/// A number, the letters behind it, and what is left.
fn quantity(text: &str) -> Option<(f64, &str, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..digits].parse().ok()?;
    let rest = text[digits..].trim_start();
    let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    Some((number, &rest[..letters], rest[letters..].trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units_added_up() {
        let seconds = |text| duration(text).map(|duration| duration.as_secs_f64());
        assert_eq!(
            ["90s", "30m", "1h30m", "1h 30m", "2d", "0.5h", "250ms"].map(seconds),
            [90.0, 1800.0, 5400.0, 5400.0, 172_800.0, 1800.0, 0.25].map(Some)
        );
    }

    #[test]
    fn what_is_no_duration_is_none() {
        for text in [
            "",
            "30",
            "m",
            "30 minutes",
            "-5s",
            "1e3s",
            "0s",
            "5s,",
            "99999999999999d",
            "1.2.3s",
            "5S",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn a_duration_reads_back_from_its_text() {
        for text in ["1h30m", "2d", "90ms", "1m40s"] {
            assert_eq!(duration_text(duration(text).expect("a duration")), text);
        }
    }

    #[test]
    fn sizes_are_decimal_or_binary() {
        assert_eq!(
            ["20GB", "1.5 GiB", "500", "3kb"].map(size),
            [20_000_000_000, 1_610_612_736, 500, 3_000].map(Some)
        );
        for text in ["", "GB", "-1GB", "3 apples", "1GB2"] {
            assert_eq!(size(text), None, "{text}");
        }
    }
}
