//! The years of times that say none, as those of syslog: a log is written in the order of time, so where a time lies far before the one before it,
//! a year has begun. Of several files, such as those that a log was rotated into, each begins in the year in which it is nearest to the one before, be
//! that older or younger.

use jiff::civil::DateTime;

/// What stands for the year of a time that says none until its place in the file is known; a leap year, so that it takes every day.
pub(super) const UNKNOWN: i16 = 0;

/// The year of the first time: one with a 29th of February.
const FIRST: i16 = 2000;

/// A step back by more days than this is one into the next year.
const HALF_A_YEAR: f64 = 183.0;

/// How many days late a line may come.
const A_WEEK: f64 = 7.0;

/// The first and the latest time of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    first: DateTime,
    latest: DateTime,
}

impl Period {
    /// How many days lie between it and a time.
    fn from(self, time: DateTime) -> f64 {
        days(time, self.first).max(days(self.latest, time)).max(0.0)
    }
}

/// The year in which the lines of a file have come to lie.
#[derive(Debug, Default)]
pub(super) struct Years {
    before: Option<Period>,
    now: Option<Period>,
}

impl Years {
    /// * `before`: that of the file before this one
    pub(super) fn after(before: Option<Period>) -> Self {
        Self { before, now: None }
    }

    /// That of the file so far, where its times say no year; else that of the file before.
    pub(super) fn period(&self) -> Option<Period> {
        self.now.or(self.before)
    }

    /// The first time of the file, in its year.
    fn first(&self, time: DateTime) -> Option<DateTime> {
        let Some(before) = self.before else { return in_year(time, FIRST) };
        let years = before.first.year() - 1..=before.latest.year() + 1;
        let places = years.filter_map(|year| in_year(time, year));
        places.min_by(|one, other| before.from(*one).total_cmp(&before.from(*other)))
    }

    /// The time with its year; any other value stays as it is.
    pub(super) fn place(&mut self, value: &mut String) {
        if !value.starts_with("0000-") {
            return;
        }
        let Ok(time) = value.parse::<DateTime>() else { return };
        let Some(now) = self.now else {
            let first = self.first(time).unwrap_or(time);
            self.now = Some(Period { first, latest: first });
            *value = first.to_string();
            return;
        };
        let last = now.latest;
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
        self.now = Some(Period { latest: last.max(placed), ..now });
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
    fn files_of_a_rotated_log_lie_beside_each_other_whichever_is_read_first() {
        let begin = |before, times: [&str; 2]| {
            let mut years = Years::after(before);
            let placed = times.map(|time| {
                let mut value = format!("0000-{time}T12:00:00");
                years.place(&mut value);
                value[..10].to_owned()
            });
            (years.period(), placed)
        };
        let (january, _) = begin(None, ["01-02", "01-14"]);
        let (december, placed) = begin(january, ["12-05", "12-30"]);
        assert_eq!(placed, ["1999-12-05", "1999-12-30"]);
        let (_, placed) = begin(december, ["11-03", "12-04"]);
        assert_eq!(placed, ["1999-11-03", "1999-12-04"]);
        let (december, _) = begin(None, ["12-05", "12-30"]);
        assert_eq!(begin(december, ["12-31", "01-14"]).1, ["2000-12-31", "2001-01-14"]);
        assert_eq!(begin(december, ["01-02", "01-14"]).1, ["2001-01-02", "2001-01-14"]);
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
