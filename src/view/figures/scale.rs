//! From values to positions, and which values to mark: linear and logarithmic axes.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Linear,
    Log,
}

/// Maps a closed interval of values onto 0 to 1.
#[derive(Debug, Clone)]
pub(super) struct Scale {
    pub(super) kind: Kind,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// The marks of one axis.
#[derive(Debug, Clone, Default)]
pub(super) struct Ticks {
    /// Values with their labels, ascending.
    pub(super) major: Vec<(f64, String)>,
    pub(super) minor: Vec<f64>,
    /// Labels are to be multiplied by this power of ten, which belongs into the axis label.
    pub(super) exponent: i32,
}

impl Scale {
    pub(super) fn linear(low: f64, high: f64) -> Self {
        Self { kind: Kind::Linear, low, high }
    }

    /// A linear scale over `values` with a little room at both ends. It starts at zero where the values reach down towards it.
    pub(super) fn fit_linear(values: impl Iterator<Item = f64>) -> Self {
        let Some((low, high)) = extent(values) else { return Self::linear(0.0, 1.0) };
        let size = low.abs().max(high.abs());
        if high - low <= 1e-6 * size || size < SMALLEST {
            return if size < SMALLEST {
                Self::linear(0.0, 1.0)
            } else {
                Self::linear(low - 0.1 * size, high + 0.1 * size)
            };
        }
        let room = 0.05 * (high - low);
        let near_zero = low >= 0.0 && low <= 0.6 * high;
        Self::linear(if near_zero { 0.0 } else { low - room }, high + room)
    }

    /// A logarithmic scale from `low` to `high`, which are positive, with a share of its length as room at both ends.
    pub(super) fn log(low: f64, high: f64, room: f64) -> Self {
        let (low, high) = (low.log10(), high.log10());
        let room = (room * (high - low)).max(0.05);
        let end = |power: f64| 10f64.powf(power).clamp(f64::MIN_POSITIVE, f64::MAX);
        Self { kind: Kind::Log, low: end(low - room), high: end(high + room) }
    }

    /// A logarithmic scale over the positive ones of `values`.
    pub(super) fn fit_log(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = extent(values.filter(|&value| value > SMALLEST)).unwrap_or((1.0, 10.0));
        Self::log(low, high, 0.05)
    }

    /// Logarithmic where the positive values spread over a factor of `spread` and none is negative; else linear.
    pub(super) fn fit(values: &[f64], spread: f64) -> Self {
        let all = || values.iter().copied();
        if spreads(values, spread) { Self::fit_log(all()) } else { Self::fit_linear(all()) }
    }

    /// The position of a value, 0 at the low end. On a logarithmic scale, what is not positive lies at the low end.
    pub(super) fn position(&self, value: f64) -> f64 {
        match self.kind {
            Kind::Linear => (value - self.low) / (self.high - self.low),
            Kind::Log if value <= self.low => 0.0,
            Kind::Log => (value / self.low).log10() / (self.high / self.low).log10(),
        }
    }

    /// Marks at round values, about `wanted` of them.
    pub(super) fn ticks(&self, wanted: usize) -> Ticks {
        match self.kind {
            Kind::Linear => self.linear_ticks(wanted.max(1) as f64, 1e-300),
            Kind::Log => self.log_ticks(wanted.max(2)),
        }
    }

    /// Marks at whole numbers only.
    pub(super) fn whole_ticks(&self, wanted: usize) -> Ticks {
        self.linear_ticks(wanted.max(1) as f64, 1.0)
    }

    fn linear_ticks(&self, wanted: f64, smallest_step: f64) -> Ticks {
        let raw = (self.high - self.low) / wanted;
        if raw.is_nan() || raw <= 0.0 {
            return Ticks { major: vec![(self.low, number(self.low, 0))], ..Ticks::default() };
        }
        let power = 10f64.powf(raw.log10().floor());
        let factor = [1.0, 2.0, 2.5, 5.0]
            .into_iter()
            .find(|factor| factor * power >= raw * 0.999)
            .unwrap_or(10.0);
        let mut step = factor * power;
        if smallest_step >= 1.0 {
            step = if factor == 2.5 && power < 10.0 { 5.0 * power } else { step }.max(1.0);
        }
        let slack = 1e-9 * (self.high - self.low);
        let (first, last) =
            (((self.low - slack) / step).ceil(), ((self.high + slack) / step).floor());
        let size = self.low.abs().max(self.high.abs());
        let exponent = if !(1e-2..1e6).contains(&size) { size.log10().floor() as i32 } else { 0 };
        let shown_step = step / 10f64.powi(exponent);
        let decimals = (0..9).find(|&d| is_whole(shown_step * 10f64.powi(d))).unwrap_or(9) as usize;
        let count = (last - first).clamp(-1.0, 100.0) as i64 + 1;
        let value = |index: i64| (first + index as f64) * step;
        let major = (0..count)
            .map(|index| (value(index), number(value(index) / 10f64.powi(exponent), decimals)))
            .collect();
        Ticks { major, minor: Vec::new(), exponent }
    }

    fn log_ticks(&self, wanted: usize) -> Ticks {
        let (low, high) = (self.low.log10(), self.high.log10());
        let inside = |value: f64| value >= self.low * 0.999_999 && value <= self.high * 1.000_001;
        let decades = (high.floor() - low.ceil()).max(0.0) as usize + 1;
        let multiples: &[f64] = match high - low {
            span if span < 1.1 => &[1.0, 2.0, 3.0, 5.0, 7.0],
            span if span < 2.1 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let stride = decades.div_ceil(wanted).max(1) as i32;
        let powers = low.floor() as i32..=high.floor() as i32;
        let plain = low >= -3.1 && high <= 5.1;
        let mut ticks = Ticks::default();
        for power in powers {
            for digit in 1..=9 {
                let value = f64::from(digit) * 10f64.powi(power);
                if !inside(value) {
                    continue;
                }
                if multiples.contains(&f64::from(digit)) && power.rem_euclid(stride) == 0 {
                    ticks.major.push((
                        value,
                        if plain {
                            plain_number(value)
                        } else {
                            scientific(f64::from(digit), power)
                        },
                    ));
                } else if digit == 1 || stride == 1 {
                    ticks.minor.push(value);
                }
            }
        }
        ticks
    }
}

/// Values of larger size (no `f32` reaches it) count as not finite: ranges would overflow.
const LARGEST: f64 = 1e100;
/// Values of smaller size count as zero.
const SMALLEST: f64 = 1e-100;

/// Whether a value has a place on an axis.
pub(super) fn is_shown(value: f64) -> bool {
    value.abs() <= LARGEST
}

/// Whether the positive ones of `values` spread over a factor of at least `factor`, and none is negative.
pub(super) fn spreads(values: &[f64], factor: f64) -> bool {
    let positive = extent(values.iter().copied().filter(|&value| value > SMALLEST));
    let smallest = extent(values.iter().copied()).map_or(0.0, |(low, _)| low);
    smallest >= 0.0 && positive.is_some_and(|(low, high)| high / low >= factor)
}

/// The smallest and the largest value that is shown.
pub(super) fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|&value| is_shown(value)).fold(None, |range, value| {
        let (low, high) = range.unwrap_or((value, value));
        Some((low.min(value), high.max(value)))
    })
}

fn is_whole(value: f64) -> bool {
    (value - value.round()).abs() < 1e-6 * value.abs().max(1e-6)
}

/// A number with a fixed count of decimals, commas between thousands, and a true minus sign.
pub(super) fn number(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text
        .split_once('.')
        .map_or((text.as_str(), None), |(whole, fraction)| (whole, Some(fraction)));
    let mut out = String::new();
    if value < 0.0 && text.chars().any(|c| c.is_ascii_digit() && c != '0') {
        out.push('−');
    }
    out.push_str(&group(whole));
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// A count with commas between thousands.
pub(super) fn count(value: impl Into<u128>) -> String {
    group(&value.into().to_string())
}

fn group(digits: &str) -> String {
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Three significant digits, scientific where a plain number would be long.
pub(super) fn significant(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let power = value.abs().log10().floor() as i32;
    if (-3..5).contains(&power) {
        number(value, (2 - power).max(0) as usize)
    } else {
        let digits = value / 10f64.powi(power);
        format!("{}×10{}", number(digits, 2), superscript(power))
    }
}

fn plain_number(value: f64) -> String {
    number(value, (0..6).find(|&d| is_whole(value * 10f64.powi(d))).unwrap_or(6) as usize)
}

fn scientific(digit: f64, power: i32) -> String {
    if digit == 1.0 {
        format!("10{}", superscript(power))
    } else {
        format!("{}×10{}", number(digit, 0), superscript(power))
    }
}

/// A power of ten's exponent, raised.
pub(super) fn superscript(power: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    power
        .to_string()
        .chars()
        .map(|c| c.to_digit(10).map_or('⁻', |digit| DIGITS[digit as usize]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &Ticks) -> Vec<&str> {
        ticks.major.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn linear_ticks_are_round_and_equally_precise() {
        assert_eq!(
            labels(&Scale::linear(0.0, 1.02).ticks(5)),
            ["0.00", "0.25", "0.50", "0.75", "1.00"]
        );
    }

    #[test]
    fn a_tiny_range_moves_its_power_of_ten_into_the_axis_label() {
        let ticks = Scale::linear(0.0, 2.1e-5).ticks(4);
        assert_eq!((labels(&ticks), ticks.exponent), (vec!["0", "1", "2"], -5));
    }

    #[test]
    fn steps_are_marked_at_whole_numbers() {
        assert_eq!(labels(&Scale::linear(1.0, 3.0).whole_ticks(8)), ["1", "2", "3"]);
    }

    #[test]
    fn many_decades_are_thinned() {
        let ticks = Scale::fit_log([1e-12, 1.0].into_iter()).ticks(5);
        assert!(ticks.major.len() <= 6, "{ticks:?}");
    }

    #[test]
    fn values_over_decades_get_a_logarithmic_scale_and_negative_ones_never() {
        assert_eq!(Scale::fit(&[1e-3, 1.0], 20.0).kind, Kind::Log);
        assert_eq!(Scale::fit(&[-1e-3, 1.0], 20.0).kind, Kind::Linear);
    }

    #[test]
    fn a_constant_still_has_a_range() {
        let scale = Scale::fit_linear([0.5, 0.5].into_iter());
        assert!(scale.low < 0.5 && scale.high > 0.5);
    }

    #[test]
    fn numbers_read_as_in_print() {
        assert_eq!(number(-1_234_567.891, 1), "−1,234,567.9");
        assert_eq!(number(-0.001, 1), "0.0");
        assert_eq!(significant(0.000_534), "5.34×10⁻⁴");
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
    }
}
