//! Dividing by time: the past trains, the future validates, and what is later still tests.
//!
//! 1. The values of the field are read on one scale: as times where every one is a date or a time of ISO 8601, else as numbers, such as seconds
//!    since an epoch, else as text in natural order, in which digits that stand together are one number.
//!    Of text, the first value that is neither is kept, to be said, and days before years in digits are refused: their order as text is none.
//! 2. Texts of one value are one unit, in the order of the scale. They are laid in a row, which is cut at the fractions, and a unit goes where
//!    its middle lies: so no moment is in two parts.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::division::{Division, Item};
use super::fractions::Fractions;
use super::membership::{Membership, Ordered, Scale};
use super::{Split, SplitError};

impl Scale {
    /// What these values are compared as.
    #[must_use]
    pub fn of<'a>(values: impl Iterator<Item = &'a str> + Clone) -> Self {
        Key::of_all(values).0
    }
}

/// Gives each item of `left` its part by the value of `field`.
pub(super) fn divide(
    division: &Division,
    field: &str,
    items: &[Item],
    left: &[usize],
    membership: &mut Membership,
) -> Result<(), SplitError> {
    let value = |index: &usize| items[*index].order.as_deref().unwrap_or_default();
    let mut units: HashMap<&str, Vec<usize>> = HashMap::new();
    left.iter().for_each(|index| units.entry(value(index)).or_default().push(*index));
    let (scale, keys) = Key::of_all(units.keys().copied());
    let odd = match scale {
        Scale::Text => left.iter().map(value).find(is_odd(left.first().map_or("", value))),
        Scale::Times | Scale::Numbers => None,
    };
    if scale == Scale::Text
        && let Some(value) = left.iter().map(value).find(|value| is_day_first(value))
    {
        return Err(SplitError::DayFirst { field: field.to_owned(), value: value.to_owned() });
    }
    let is_back = |pair: &[usize]| keys[value(&pair[1])].cmp(&keys[value(&pair[0])]).is_lt();
    let back = left.windows(2).filter(|pair| is_back(pair)).map(|pair| pair[1]).collect();
    let mut units: Vec<(Key, &str, Vec<usize>)> =
        units.into_iter().map(|(value, members)| (keys[value].clone(), value, members)).collect();
    units.sort_unstable_by(|one, other| one.0.cmp(&other.0).then(one.1.cmp(other.1)));
    // Two spellings of one moment are one unit.
    units.dedup_by(|later, kept| {
        let is_same = later.0 == kept.0;
        if is_same {
            kept.2.append(&mut later.2);
        }
        is_same
    });
    let sizes: Vec<usize> = units.iter().map(|(_, _, members)| members.len()).collect();
    let splits = cut(division.fractions, &sizes);
    let mut spans: Vec<(Split, String, String)> = Vec::new();
    for ((_, value, members), split) in units.iter().zip(splits) {
        members.iter().for_each(|index| membership.parts[*index] = Some(split));
        match spans.last_mut().filter(|(last, ..)| *last == split) {
            Some((_, _, last)) => (*value).clone_into(last),
            None => spans.push((split, (*value).to_owned(), (*value).to_owned())),
        }
    }
    let is_empty = |split: &Split| !spans.iter().any(|(other, ..)| other == split);
    let wanted = |split: &Split| division.fractions.get(*split) > 0.0;
    if let Some(split) = Split::ALL.into_iter().filter(wanted).find(is_empty) {
        let (field, groups) = (field.to_owned(), units.len());
        return Err(SplitError::TooFewGroups { split, field, groups });
    }
    membership.ordered = Some(Ordered { scale, spans, odd: odd.map(str::to_owned), back });
    Ok(())
}

/// The part of each unit in a row: where its middle lies. Of a few large units the middles may all lie in others than a part that is wanted; the cuts
/// then go where units end nearest to the fractions, so that every part has one.
///
/// * `sizes`: how many texts each unit has
fn cut(fractions: Fractions, sizes: &[usize]) -> Vec<Split> {
    let ends = fractions.class_ends(0, sizes.iter().sum());
    let mut start = 0;
    let by_middle = sizes.iter().map(|size| {
        let middle = 2 * start + size;
        start += size;
        Split::ALL[ends.iter().position(|end| middle <= 2 * end).unwrap_or(2)]
    });
    let mut splits: Vec<Split> = by_middle.collect();
    let wanted: Vec<usize> =
        (0..Split::ALL.len()).filter(|at| fractions.get(Split::ALL[*at]) > 0.0).collect();
    if sizes.len() < wanted.len() || wanted.iter().all(|at| splits.contains(&Split::ALL[*at])) {
        return splits;
    }
    let (mut unit, mut before) = (0, 0);
    for (number, at) in wanted.iter().enumerate() {
        let left = wanted.len() - number - 1;
        let begin = unit;
        // It takes a unit, and more as long as that brings its end nearer to where it should be.
        while unit < sizes.len() - left
            && (unit == begin
                || left == 0
                || (before + sizes[unit]).abs_diff(ends[*at]) < before.abs_diff(ends[*at]))
        {
            splits[unit] = Split::ALL[*at];
            before += sizes[unit];
            unit += 1;
        }
    }
    splits
}

/// Whether a value is neither a time nor a number, or not what `first` is.
fn is_odd<'v>(first: &'v str) -> impl Fn(&&'v str) -> bool {
    let kind = |value: &str| (time(value.trim()).is_some(), number(value.trim()).is_some());
    let known = kind(first);
    move |value| {
        let kind = kind(value);
        kind == (false, false) || kind != known
    }
}

/// Whether a value is a date whose day or month stands before its year, such as `31.12.2024`, `12/31/24` or `31/Dec/2024:10:00`.
fn is_day_first(value: &str) -> bool {
    let mut rest = value.trim();
    let mut take = |is_part: fn(char) -> bool| {
        let end = rest.find(|character| !is_part(character)).unwrap_or(rest.len());
        let (part, more) = rest.split_at(end);
        let mark = more.chars().next();
        rest = &more[mark.map_or(0, char::len_utf8)..];
        (part, mark)
    };
    let (day, mark) = take(|character| character.is_ascii_digit());
    let (month, same) = take(|character| character.is_ascii_alphanumeric());
    let (year, after) = take(|character| character.is_ascii_digit());
    let is_number = |part: &str| part.parse::<u32>().is_ok_and(|number| number <= 31);
    let is_month = is_number(month)
        || month.len() >= 3 && month.chars().all(|character| character.is_ascii_alphabetic());
    let is_year = year.len() == 4 || year.len() == 2 && (mark == Some('/') || month.len() == 2);
    matches!(mark, Some('/' | '.' | '-'))
        && same == mark
        && after != mark
        && (1..=2).contains(&day.len())
        && is_number(day)
        && is_month
        && is_year
}

/// Whether `one` lies after `other`.
#[must_use]
pub fn is_later(one: &str, other: &str) -> bool {
    let (_, keys) = Key::of_all([one, other].into_iter());
    keys[one].cmp(&keys[other]).is_gt()
}

/// How many days lie between the first and the last of these values, where they are times: of ISO 8601, or since 1970 in seconds, or in thousandths,
/// millionths or billionths of one. Of numbers those are told by lying between 1980 and 2100, so that others are no times.
#[must_use]
pub fn days<'a>(values: impl Iterator<Item = &'a str> + Clone) -> Option<f64> {
    const DAY: f64 = 86_400.0;
    const SINCE_1970: [f64; 2] = [10.0 * 365.0 * DAY, 130.0 * 366.0 * DAY];
    let (_, keys) = Key::of_all(values);
    let mut units = vec![1e9];
    let mut ends: Option<[f64; 2]> = None;
    for key in keys.values() {
        let number = match key {
            Key::Time(number) => *number as f64,
            Key::Whole(number) => {
                units = vec![1.0, 1e3, 1e6, 1e9];
                *number as f64
            }
            Key::Number(number) => {
                units = vec![1.0, 1e3, 1e6, 1e9];
                *number
            }
            Key::Text(_) => return None,
        };
        let [first, last] = ends.unwrap_or([number; 2]);
        ends = Some([first.min(number), last.max(number)]);
    }
    let [first, last] = ends?;
    let is_of = |unit: &&f64| {
        let [least, most] = SINCE_1970.map(|seconds| seconds * **unit);
        units.len() == 1 || least <= first && last <= most
    };
    units.iter().find(is_of).map(|unit| (last - first) / unit / DAY)
}

/// A value as it is compared. All keys of one comparison are of one variant.
#[derive(Debug, Clone, PartialEq)]
enum Key {
    /// In nanoseconds.
    Time(i128),
    Whole(i128),
    Number(f64),
    Text(String),
}

impl Key {
    /// The keys of all values, and what these are compared as.
    fn of_all<'a>(
        values: impl Iterator<Item = &'a str> + Clone,
    ) -> (Scale, HashMap<&'a str, Self>) {
        let read = |key: fn(&str) -> Option<Self>| -> Option<HashMap<&'a str, Self>> {
            values.clone().map(|value| Some((value, key(value.trim())?))).collect()
        };
        if let Some(keys) = read(time) {
            return (Scale::Times, keys);
        }
        let whole = |value: &str| value.parse().ok().map(Self::Whole);
        // Beyond 2^53, such as nanoseconds since an epoch, floats would make one of two.
        if let Some(keys) = read(whole).or_else(|| read(number)) {
            return (Scale::Numbers, keys);
        }
        let text = |value: &'a str| (value, Self::Text(value.to_owned()));
        (Scale::Text, values.map(text).collect())
    }

    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Time(one), Self::Time(other)) | (Self::Whole(one), Self::Whole(other)) => {
                one.cmp(other)
            }
            (Self::Number(one), Self::Number(other)) => one.total_cmp(other),
            (Self::Text(one), Self::Text(other)) => natural(one, other),
            _ => Ordering::Equal,
        }
    }
}

/// A date or a time of ISO 8601; one without an offset is taken for UTC.
fn time(value: &str) -> Option<Key> {
    // `20240102` is a date by the letter, but a number to whoever wrote it.
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let civil = |value: &str| {
        let civil: jiff::civil::DateTime = value.parse().ok()?;
        jiff::tz::TimeZone::UTC.to_timestamp(civil).ok()
    };
    let moment = value.parse::<jiff::Timestamp>().ok().or_else(|| civil(value))?;
    Some(Key::Time(moment.as_nanosecond()))
}

fn number(value: &str) -> Option<Key> {
    value.parse::<f64>().ok().filter(|number| number.is_finite()).map(Key::Number)
}

/// `run-9` before `run-10`: digits that stand together are one number, everything else is compared by character.
fn natural(one: &str, other: &str) -> Ordering {
    let (mut left, mut right) = (one, other);
    loop {
        let (digits, more) = (digits(left), digits(right));
        let order = if digits.is_empty() || more.is_empty() {
            match (left.chars().next(), right.chars().next()) {
                (None, None) => return one.cmp(other),
                (first, second) if first == second => {
                    let width = first.map_or(0, char::len_utf8);
                    (left, right) = (&left[width..], &right[width..]);
                    continue;
                }
                (first, second) => first.cmp(&second),
            }
        } else {
            (left, right) = (&left[digits.len()..], &right[more.len()..]);
            let [digits, more] = [digits, more].map(|digits| digits.trim_start_matches('0'));
            digits.len().cmp(&more.len()).then(digits.cmp(more))
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Those that a text begins with.
fn digits(text: &str) -> &str {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values in their order.
    fn sorted<'a>(values: &[&'a str]) -> (Scale, Vec<&'a str>) {
        let (scale, keys) = Key::of_all(values.iter().copied());
        let mut values = values.to_vec();
        values.sort_by(|one, other| keys[one].cmp(&keys[other]));
        (scale, values)
    }

    #[test]
    fn of_a_few_large_units_each_part_has_one() {
        use Split::{Test, Train, Validation};

        let cut = |train, validation, sizes: &[usize]| {
            cut(Fractions { train, validation, test: 1.0 - train - validation }, sizes)
        };
        assert_eq!(cut(0.8, 0.2, &[20, 20]), [Train, Validation]);
        assert_eq!(cut(0.5, 0.25, &[30, 30, 30]), [Train, Validation, Test]);
        assert_eq!(cut(0.5, 0.25, &[1, 1, 90, 1, 1]), [Train, Train, Validation, Test, Test]);
        // Too few for one each.
        assert_eq!(cut(0.8, 0.2, &[40]), [Train]);
    }

    #[test]
    fn dates_and_times_are_compared_as_moments() {
        let values = [
            "2024-05-02T00:30:00+02:00",
            "2024-05-01 23:00:00,250",
            "2024-05-01T22:00Z",
            "2024-05-01",
        ];
        let order = [
            "2024-05-01",
            "2024-05-01T22:00Z",
            "2024-05-02T00:30:00+02:00",
            "2024-05-01 23:00:00,250",
        ];
        assert_eq!(sorted(&values), (Scale::Times, order.to_vec()));
    }

    #[test]
    fn days_before_years_are_known_from_versions_addresses_and_years_before_days() {
        for value in
            ["31.12.2024", "1.2.2024 10:00", "12/31/24", "31-12-2024", "01/Nov/2024:10:00:00 +0000"]
        {
            assert!(is_day_first(value), "{value}");
        }
        for value in ["1.2.3", "10.0.0.1", "2024/12/31", "2005-06-03-15.42.50", "run-10", "", "é"]
        {
            assert!(!is_day_first(value), "{value}");
        }
    }

    #[test]
    fn numbers_are_compared_as_numbers_and_large_ones_exactly() {
        assert_eq!(sorted(&["10", "9.5", "-1e3"]), (Scale::Numbers, vec!["-1e3", "9.5", "10"]));
        let (late, early) = ("1700000000000000001", "1700000000000000000");
        assert_eq!(sorted(&[late, early]), (Scale::Numbers, vec![early, late]));
    }

    #[test]
    fn days_are_those_between_times_and_numbers_that_are_none_have_none() {
        let days = |values: &[&str]| days(values.iter().copied());
        assert_eq!(days(&["2024-05-02T12:00Z", "2024-05-01", "2024-05-01T08:00"]), Some(1.5));
        assert_eq!(days(&["1714600800", "1714557600"]), Some(0.5));
        assert_eq!(days(&["1714600800000.5", "1714514400000.5"]), Some(1.0));
        assert_eq!(days(&["1714600800"]), Some(0.0));
        for values in [&["0", "1", "5000"][..], &["run-1", "run-2"], &["1714600800", "5"], &[]] {
            assert_eq!(days(values), None, "{values:?}");
        }
    }

    #[test]
    fn anything_else_is_compared_in_natural_order() {
        let order = ["2005-06-03-15.42.9", "2005-06-03-15.42.50", "run-10"];
        let values = [order[2], order[1], order[0]];
        assert_eq!(sorted(&values), (Scale::Text, order.to_vec()));
        assert_eq!(natural("run-9", "run-09"), "run-9".cmp("run-09"));
        assert_eq!(natural("a", "ab"), Ordering::Less);
    }
}
