//! The points of a sweep as far as they have ended, the best first.

use super::super::format;
use super::super::table;
use super::super::words::Tone;
use super::state::Watched;
use crate::base::visible;
use crate::engine::exec::PointEnded;

/// A row for each point, under their head: those with fresh seeds before others, and those of later rungs before earlier ones.
pub(super) fn rows(watched: &Watched) -> Vec<(Tone, String)> {
    let Some(PointEnded { metric, .. }) = watched.points.first() else { return Vec::new() };
    let objective = watched.run.asked.objective.as_ref();
    let sign = if objective.is_some_and(|objective| !objective.maximize) { -1.0 } else { 1.0 };
    let place = |point: &PointEnded| {
        let rung = point.rung.unwrap_or(if point.is_finalist { usize::MAX } else { 0 });
        (rung, point.mean.map_or(f64::NEG_INFINITY, |mean| sign * mean))
    };
    let mut points: Vec<&PointEnded> = Vec::new();
    for point in &watched.points {
        // Of a point only how far it has come.
        points.retain(|known| known.point != point.point);
        points.push(point);
    }
    points.sort_by(|one, other| {
        let ((rung, mean), (other_rung, other_mean)) = (place(one), place(other));
        other_rung.cmp(&rung).then(other_mean.total_cmp(&mean))
    });
    let has_rungs = points.iter().any(|point| point.rung.is_some() || point.is_finalist);
    let column = |head: &str, cell: &dyn Fn(&PointEnded) -> String| -> Vec<String> {
        std::iter::once(head.to_owned()).chain(points.iter().map(|point| cell(point))).collect()
    };
    let mut columns = vec![
        column("point", &|point| visible::line(&point.point).into_owned()),
        column(metric, &|point| match (point.mean, point.sd) {
            (Some(mean), Some(sd)) => format!("{} ± {}", format::number(mean), format::number(sd)),
            (Some(mean), None) => format::number(mean),
            (None, _) => "failed".to_owned(),
        }),
        column("n", &|point| point.n.to_string()),
    ];
    if has_rungs {
        columns.push(column("rung", &|point| match point.rung {
            _ if point.is_finalist => "fresh seeds".to_owned(),
            Some(rung) => rung.to_string(),
            None => String::new(),
        }));
    }
    let text = table::columns_text(&columns);
    let tone = |row: usize, has_mean: bool| match row {
        0 => Tone::Quiet,
        _ if !has_mean => Tone::Attention,
        1 => Tone::Good,
        _ => Tone::Plain,
    };
    let has_mean = |row: usize| row.checked_sub(1).is_none_or(|row| points[row].mean.is_some());
    let line = |(row, line): (usize, &str)| (tone(row, has_mean(row)), line.to_owned());
    text.lines().enumerate().map(line).collect()
}

/// How many have ended, and which is the best.
pub(super) fn told(watched: &Watched) -> String {
    let Some(last) = watched.points.last() else { return String::new() };
    let rung = match last.rung {
        _ if last.is_finalist => "finals: ".to_owned(),
        Some(rung) => format!("rung {rung}: "),
        None => String::new(),
    };
    format!("{rung}{} of {} ended", last.number, last.count)
}
