//! Curves of a training as a terminal draws them.

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::{Constraint, Layout, Rect};
use ratatui_core::style::{Color, Style};
use ratatui_core::symbols::Marker;
use ratatui_core::text::{Line, Span};
use ratatui_core::widgets::Widget;
use ratatui_widgets::chart::{Axis, Chart, Dataset, GraphType};

use super::super::format;
use super::super::words::Tone;
use super::curves::{Curve, Curves, LOSS, find};
use super::look::Look;
use super::paint::{put, style};
use super::state::Watched;

/// Beside each other there are two charts from this width on.
const TWO: u16 = 64;

/// The curves of a run's trainings.
pub(super) struct Charts<'a> {
    pub(super) watched: &'a Watched,
    pub(super) color: bool,
}

/// A curve in a chart.
struct Drawn<'a> {
    name: &'a str,
    curve: &'a Curve,
    color: Color,
    /// Its points are few.
    is_dotted: bool,
}

impl Charts<'_> {
    /// The loss of the training that is looked at, and one of its scores where there is room.
    pub(super) fn draw(&self, look: &Look, area: Rect, buffer: &mut Buffer) {
        let Some(training) = self.watched.trainings.get(look.shown(self.watched)) else { return };
        if area.height < 3 {
            return;
        }
        let score = self.score(look, training);
        let areas = match score {
            Some(_) if area.width >= TWO => {
                Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)])
                    .spacing(2)
                    .split(area)
            }
            _ => Layout::horizontal([Constraint::Fill(1)]).split(area),
        };
        let both = [
            (find(&training.on_the_way, LOSS), "training", Color::Cyan, false),
            (find(&training.evaluated, LOSS), "validation", Color::Yellow, true),
        ];
        let drawn: Vec<Drawn<'_>> = both
            .into_iter()
            .filter_map(|(curve, name, color, is_dotted)| {
                let curve = curve.filter(|curve| !curve.points.is_empty())?;
                Some(Drawn { name, curve, color, is_dotted })
            })
            .collect();
        self.chart(LOSS, &drawn, training, areas[0], buffer);
        if let (Some((name, curve)), Some(area)) = (score, areas.get(1)) {
            let drawn =
                [Drawn { name: "validation", curve, color: Color::Yellow, is_dotted: true }];
            self.chart(name, &drawn, training, *area, buffer);
        }
    }

    /// The score that is asked for, else that by which points are judged, else the first.
    fn score<'t>(&self, look: &Look, training: &'t Curves) -> Option<&'t (String, Curve)> {
        let scores: Vec<&(String, Curve)> =
            training.scores().filter(|(_, curve)| !curve.points.is_empty()).collect();
        if let Some(asked) = look.score {
            return scores.get(asked % scores.len().max(1)).copied();
        }
        let objective = self.watched.run.asked.objective.as_ref();
        // `evaluate.ner.span_f1` is `ner.span_f1` of a training.
        let of_objective = |(name, _): &&&(String, Curve)| {
            objective.is_some_and(|objective| objective.metric.ends_with(&format!(".{name}")))
        };
        scores.iter().find(of_objective).or(scores.first()).copied()
    }

    fn chart(
        &self,
        title: &str,
        drawn: &[Drawn<'_>],
        training: &Curves,
        area: Rect,
        buffer: &mut Buffer,
    ) {
        let paint = |color| if self.color { Style::new().fg(color) } else { Style::new() };
        let quiet = style(Tone::Quiet, self.color);
        let mut head = vec![Span::styled(format!("─ {title}  "), quiet)];
        for Drawn { name, curve, color, is_dotted } in drawn {
            let last = curve.points.last().map_or(f64::NAN, |(_, value)| *value);
            let mark = if *is_dotted { "•" } else { "⠒" };
            let text = format!("{mark} {name} {}  ", format::number(last));
            head.push(Span::styled(text, paint(*color)));
        }
        // What is long comes last.
        head.push(Span::styled(training.title.as_str(), quiet));
        put(Line::from(head), area, 0, buffer);
        let points = || drawn.iter().flat_map(|drawn| &drawn.curve.points);
        let Some((low, high)) = range(points().map(|(_, value)| *value)) else { return };
        let last = points().map(|(step, _)| *step).fold(training.total as f64, f64::max).max(1.0);
        let datasets = drawn.iter().flat_map(|drawn| {
            let data = || Dataset::default().style(paint(drawn.color)).data(&drawn.curve.points);
            let line = data().marker(Marker::Braille).graph_type(GraphType::Line);
            let dots = data().marker(Marker::Dot).graph_type(GraphType::Scatter);
            if drawn.is_dotted { vec![line, dots] } else { vec![line] }
        });
        let axis = |bounds: [f64; 2], labels: [String; 2]| {
            Axis::default().style(quiet).bounds(bounds).labels(labels)
        };
        let steps = ["0".to_owned(), format!("{} steps", format::grouped(last as u64))];
        let margin = (high - low).max(high.abs() * 1e-3).max(1e-9) * 0.05;
        let chart = Chart::new(datasets.collect())
            .legend_position(None)
            .x_axis(axis([0.0, last], steps))
            .y_axis(axis([low - margin, high + margin], [low, high].map(format::number)));
        chart.render(Rect { y: area.y + 1, height: area.height - 1, ..area }, buffer);
    }
}

/// The least and the greatest value.
fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |range, value| {
        let (low, high) = range.unwrap_or((value, value));
        Some((value.min(low), value.max(high)))
    })
}
