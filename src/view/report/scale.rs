//! Axes: from values to places between 0 and 1, with round ticks.

use super::html::short;

/// Positive values that spread over more than this factor are shown by their order of magnitude.
const LOG_SPREAD: f64 = 30.0;

#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    low: f64,
    high: f64,
    pub is_log: bool,
    pub ticks: Vec<f64>,
}

impl Scale {
    /// From 0 to 1.
    #[must_use]
    pub fn of_shares() -> Self {
        let ticks = vec![0.0, 0.2, 0.4, 0.6, 0.8, 1.0];
        Self { low: 0.0, high: 1.0, is_log: false, ticks }
    }

    /// One that holds all finite values.
    ///
    /// * `may_be_log`: whether orders of magnitude may be shown
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>, may_be_log: bool) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.into_iter().filter(|value| value.is_finite()) {
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if may_be_log && low > 0.0 && high / low > LOG_SPREAD {
            return Self::log(low, high);
        }
        if low == high {
            let around = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
            (low, high) = (low - around, high + around);
        }
        let step = round_step((high - low) / 5.0);
        let (first, last) = ((low / step).floor(), (high / step).ceil());
        // Both ends are ticks, so that no value lies on the frame unnamed.
        let ticks = (0..=(last - first) as usize).map(|at| clean((first + at as f64) * step, step));
        Self {
            low: clean(first * step, step),
            high: clean(last * step, step),
            is_log: false,
            ticks: ticks.collect(),
        }
    }

    /// One that holds all finite values, even in their logarithms where there are any.
    #[must_use]
    pub fn logarithmic(values: impl IntoIterator<Item = f64> + Clone) -> Self {
        let finite = values.clone().into_iter().filter(|value| value.is_finite());
        let [low, high] = finite.fold([f64::INFINITY, 0.0], |[low, high], value| {
            [f64::min(low, value), f64::max(high, value)]
        });
        if low > 0.0 && high > low { Self::log(low, high) } else { Self::of(values, false) }
    }

    fn log(low: f64, high: f64) -> Self {
        let [first, last] = [low.log10().floor(), high.log10().ceil()].map(|it| it as i32);
        let step = usize::try_from(last - first).unwrap_or(1).div_ceil(6).max(1);
        // What is left free between the data and the next power of ten is not shown.
        let (from, to) = (low * 0.9, high * 1.1);
        let within = |ticks: Vec<f64>| -> Vec<f64> {
            ticks.into_iter().filter(|tick| (from..=to).contains(tick)).collect()
        };
        let mut ticks = within((first..=last).step_by(step).map(power_of_ten).collect());
        if ticks.len() < 2 {
            let parts = |exponent| [1.0, 2.0, 5.0].map(|times| times * power_of_ten(exponent));
            ticks = within((first..=last).flat_map(parts).collect());
        }
        if ticks.len() < 2 {
            ticks = vec![low, high];
        }
        Self { low: from, high: to, is_log: true, ticks }
    }

    /// The place of a value between the ends, 0 to 1; outside of them for a value that is.
    #[must_use]
    pub fn place(&self, value: f64) -> f64 {
        if self.is_log {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }
}

/// A tick as its axis names it.
#[must_use]
pub fn tick_text(value: f64) -> String {
    let size = value.abs();
    if (1e4..1e6).contains(&size) && (value / 1e3).fract() == 0.0 {
        return format!("{}k", value / 1e3);
    }
    short(value).replace('-', "\u{2212}")
}

fn power_of_ten(exponent: i32) -> f64 {
    format!("1e{exponent}").parse().expect("a number")
}

/// 1, 2 or 5 times a power of ten, at least as large.
fn round_step(step: f64) -> f64 {
    let text = format!("{step:e}");
    let exponent = text.split_once('e').and_then(|(_, it)| it.parse().ok()).unwrap_or(0);
    let power = power_of_ten(exponent);
    let times = [1.0, 2.0, 5.0].into_iter().find(|times| times * power >= step * (1.0 - 1e-9));
    times.unwrap_or(10.0) * power
}

/// A multiple of a step without what rounding has added.
fn clean(value: f64, step: f64) -> f64 {
    let text = format!("{step:e}");
    let exponent: i32 = text.split_once('e').and_then(|(_, it)| it.parse().ok()).unwrap_or(0);
    let decimals = usize::try_from(-exponent).unwrap_or(0);
    format!("{value:.decimals$}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_hold_all_values() {
        let scale = Scale::of([0.13, 0.87, f64::NAN], false);
        assert_eq!(scale.ticks, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert_eq!((scale.place(0.0), scale.place(1.0)), (0.0, 1.0));
        let scale = Scale::of([3.0, 813.0], false);
        assert_eq!(scale.ticks, [0.0, 200.0, 400.0, 600.0, 800.0, 1000.0]);
    }

    #[test]
    fn one_value_and_none_have_a_scale_too() {
        for values in [&[][..], &[0.0], &[5.0, 5.0], &[-2.0], &[f64::INFINITY]] {
            let scale = Scale::of(values.iter().copied(), true);
            assert!(scale.ticks.len() > 1 && scale.place(0.5).is_finite(), "{values:?} {scale:?}");
        }
    }

    #[test]
    fn what_spreads_over_orders_of_magnitude_is_shown_by_them() {
        let scale = Scale::of([1e-5, 1e-2], true);
        assert_eq!((scale.is_log, &*scale.ticks), (true, &[1e-5, 1e-4, 1e-3, 1e-2][..]));
        assert!(
            (scale.place(1e-3) - scale.place(1e-4) - (scale.place(1e-4) - scale.place(1e-5))).abs()
                < 1e-9
        );
        assert!(!Scale::of([0.0, 1e4], true).is_log);
    }

    #[test]
    fn a_logarithmic_axis_has_ticks_where_no_power_of_ten_lies() {
        let scale = Scale::logarithmic([2e-3, 8e-3]);
        assert_eq!((scale.is_log, &*scale.ticks), (true, &[2e-3, 5e-3][..]));
        let scale = Scale::logarithmic([3e-3, 4e-3]);
        assert_eq!((scale.is_log, &*scale.ticks), (true, &[3e-3, 4e-3][..]));
        assert!(!Scale::logarithmic([1.0, 1.0]).is_log && !Scale::logarithmic([0.0, 1.0]).is_log);
    }

    #[test]
    fn ticks_are_named_briefly() {
        assert_eq!(
            [0.0, 0.25, 20_000.0, -5.0, 1e-5].map(tick_text),
            ["0", "0.25", "20k", "\u{2212}5", "1e\u{2212}5"]
        );
    }
}
