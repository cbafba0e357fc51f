//! Confusion matrices: two classes with their numbers, or a hundred labels as a map.

use std::path::Path;

use plotters::style::RGBColor;

use super::PlotError;
use super::canvas::PAPER;
use super::grid::{ANNOTATED, Bar, Cell, Grid};
use super::ramp::{self, BLUES};
use super::scale::count;

/// A label's row holds no true example.
const EMPTY: RGBColor = RGBColor(238, 238, 238);
/// What a cell with any example in it shows at least.
const FAINTEST: f64 = 0.04;
/// More labels than this would make a picture that no viewer opens.
const MOST_LABELS: usize = 300;

/// What was taken for what.
#[derive(Debug, Clone)]
pub struct Confusion<'a> {
    pub title: &'a str,
    /// What the rows and columns are, such as `label`.
    pub class: &'a str,
    /// What is counted, such as `tokens`.
    pub noun: &'a str,
    /// In any order; those of a prefix (`B-`, `I-`) that lie together are set apart from the others, and `O` comes last.
    pub labels: &'a [String],
    /// `labels x labels`, row by row; rows are the truth.
    pub counts: &'a [u64],
}

/// Draws a confusion matrix, each row as shares of what truly has its label.
///
/// # Errors
/// [`PlotError::Shape`] when `counts` is not the square of `labels`; [`PlotError::NoData`] without labels; [`PlotError::TooManyLabels`];
/// [`PlotError::Write`].
pub fn confusion(matrix: &Confusion<'_>, path: &Path) -> Result<(), PlotError> {
    let Confusion { title, class, noun, labels, counts } = *matrix;
    draw(title, class, noun, labels, counts, path)
}

fn draw(
    title: &str,
    class: &str,
    noun: &str,
    labels: &[String],
    counts: &[u64],
    path: &Path,
) -> Result<(), PlotError> {
    let size = labels.len();
    check(size, counts)?;
    // `O` has most of the tokens and no place in the alphabet of the entities.
    let mut order: Vec<usize> = (0..size).collect();
    order.sort_by_key(|&index| labels[index] == "O");
    let names: Vec<_> = order.iter().map(|&index| labels[index].clone()).collect();

    // Sums of counts may exceed 64 bits.
    let total = |row: usize| {
        counts[row * size..(row + 1) * size].iter().map(|&n| u128::from(n)).sum::<u128>()
    };
    let large = size > ANNOTATED;
    let mut cells = Vec::with_capacity(size * size);
    let mut empty_rows = 0;
    for &row in &order {
        let total = total(row);
        empty_rows += usize::from(total == 0);
        for &column in &order {
            let n = counts[row * size + column];
            let share = n as f64 / total as f64;
            let color = match (total == 0, n) {
                (true, _) => EMPTY,
                (false, 0) => PAPER,
                _ => ramp::color(BLUES, brightness(share, large).max(FAINTEST)),
            };
            let text = match n {
                _ if large => Vec::new(),
                // Noughts with percentages would drown the confusions that there are.
                0 if size > 2 || total == 0 => vec![count(0u64)],
                _ => vec![count(n), percentage(n, total)],
            };
            cells.push(Cell { color, text });
        }
    }
    let everything = count((0..size).map(total).sum::<u128>());
    let mut subtitle = format!("{everything} {noun}");
    if large {
        subtitle = format!("{size} labels, {subtitle}");
    }
    if empty_rows > 0 {
        let rows = if empty_rows == 1 { "1 row".to_owned() } else { format!("{empty_rows} rows") };
        subtitle += &format!("; {rows} in grey: no true {noun}");
    }
    let separators = if large {
        (1..size).filter(|&index| prefix(&names[index]) != prefix(&names[index - 1])).collect()
    } else {
        Vec::new()
    };
    let (x_title, y_title) = (&format!("Predicted {class}"), &format!("True {class}"));
    let (columns, rows) = (names.clone(), names);
    Grid {
        title,
        subtitle,
        x_title,
        y_title,
        columns,
        rows,
        cells,
        bar: bar(class, large),
        diagonal: true,
        separators: few(separators),
    }
    .draw(path)
}

fn check(size: usize, counts: &[u64]) -> Result<(), PlotError> {
    let figure = "confusion matrix";
    if size == 0 {
        return Err(PlotError::NoData { figure, expected: "at least one label" });
    }
    if size > MOST_LABELS {
        return Err(PlotError::TooManyLabels { found: size, most: MOST_LABELS });
    }
    if counts.len() != size * size {
        return Err(PlotError::Shape { figure, expected: size * size, found: counts.len() });
    }
    Ok(())
}

/// On a large map a share of one per cent must be seen beside one of a hundred.
fn brightness(share: f64, large: bool) -> f64 {
    if large { share.sqrt() } else { share }
}

fn bar(class: &str, large: bool) -> Bar<'static> {
    let ticks: &[u32] = if large { &[0, 1, 5, 10, 25, 50, 75, 100] } else { &[0, 25, 50, 75, 100] };
    let tick =
        |&percent: &u32| (brightness(f64::from(percent) / 100.0, large), format!("{percent}"));
    let ticks = ticks.iter().map(tick).collect();
    Bar { ramp: BLUES, label: format!("Share of true {class} (%)"), ticks }
}

/// Labels in an order that mixes prefixes are not set apart at all: a line beside every row says nothing.
fn few(separators: Vec<usize>) -> Vec<usize> {
    if separators.len() > 4 { Vec::new() } else { separators }
}

fn prefix(label: &str) -> &str {
    label.split_once('-').map_or(label, |(prefix, _)| prefix)
}

/// One decimal, and never 0 or 100 for what is only close to it.
fn percentage(n: u64, total: u128) -> String {
    let percent = n as f64 / total as f64 * 100.0;
    if n > 0 && percent < 0.05 {
        "<0.1 %".to_owned()
    } else if u128::from(n) < total && percent >= 99.95 {
        ">99.9 %".to_owned()
    } else {
        format!("{percent:.1} %")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_never_rounded_to_none_or_all() {
        assert_eq!(
            [
                percentage(0, 10),
                percentage(1, 100_000),
                percentage(99_999, 100_000),
                percentage(7, 7)
            ],
            ["0.0 %", "<0.1 %", ">99.9 %", "100.0 %"]
        );
    }

    #[test]
    fn mixed_prefixes_are_not_set_apart() {
        assert!(few((1..40).collect()).is_empty());
    }
}
