//! The years of times that say none, as those of syslog: a log is written in the order of time, so where a time lies far before the one before it,
//! a year has begun.

use jiff::civil::DateTime;

/// What stands for the year of a time that says none until its place in the file is known; a leap year, so that it takes every day.
pub(super) const UNKNOWN: i16 = 0;

/// The year of the first time: one with a 29th of February.
const FIRST: i16 = 2000;

/// A step back by more days than this is one into the next year.
const HALF_A_YEAR: f64 = 183.0;

/// How many days late a line may come.
const A_WEEK: f64 = 7.0;

/// The year in which the lines of a file have come to lie.
#[derive(Debug, Default)]
pub(super) struct Years {
    last: Option<DateTime>,
}

impl Years {
    /// The time with its year; any other value stays as it is.
    pub(super) fn place(&mut self, value: &mut String) {
        if !value.starts_with("0000-") {
            return;
        }
        let Ok(time) = value.parse::<DateTime>() else { return };
        let Some(last) = self.last else {
            self.last = in_year(time, FIRST);
            self.last.unwrap_or(time).to_string().clone_into(value);
            return;
        };
        let year = last.year();
        let apart = |year| in_year(time, year).map(|time| days(last, time));
        // Lines of several programs may come a little late, over New Year too.
        let year = if apart(year - 1).is_some_and(|days| (-A_WEEK..=0.0).contains(&days)) {
            year - 1
        } else if apart(year).is_some_and(|days| days < -HALF_A_YEAR) {
            year + 1
        } else {
            year
        };
        let Some(placed) = in_year(time, year) else { return };
        self.last = Some(last.max(placed));
        *value = placed.to_string();
    }
}

/// The time in another year, a 29th of February as the day after the 28th.
fn in_year(time: DateTime, year: i16) -> Option<DateTime> {
    let same = time.with().year(year).build().ok();
    same.or_else(|| time.with().year(year).month(3).day(1).build().ok())
}

/// How many days lie from one time to another, negative where that is before.
fn days(one: DateTime, other: DateTime) -> f64 {
    other.duration_since(one).as_secs_f64() / 86_400.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(times: &[&str]) -> Vec<String> {
        let mut years = Years::default();
        let place = |time: &&str| {
            let mut value = format!("0000-{time}T12:00:00");
            years.place(&mut value);
            value[..10].to_owned()
        };
        times.iter().map(place).collect()
    }

    #[test]
    fn a_step_far_back_begins_a_year_and_a_late_line_stays_in_its_own() {
        assert_eq!(
            placed(&["12-30", "12-31", "01-01", "12-31", "01-02", "07-01", "12-31", "01-01"]),
            [
                "2000-12-30",
                "2000-12-31",
                "2001-01-01",
                "2000-12-31",
                "2001-01-02",
                "2001-07-01",
                "2001-12-31",
                "2002-01-01"
            ]
        );
    }

    #[test]
    fn lines_that_go_back_a_little_begin_no_year() {
        assert_eq!(
            placed(&["06-09", "03-01", "06-10"]),
            ["2000-06-09", "2000-03-01", "2000-06-10"]
        );
    }

    #[test]
    fn a_leap_day_has_a_place_in_every_year() {
        assert_eq!(
            placed(&["02-29", "12-01", "02-29"]),
            ["2000-02-29", "2000-12-01", "2001-03-01"]
        );
    }

    #[test]
    fn a_time_with_a_year_stays() {
        let mut value = "2024-01-01T00:00:00".to_owned();
        Years::default().place(&mut value);
        assert_eq!(value, "2024-01-01T00:00:00");
    }
}
