//! Charts as SVG, which needs no script: lines and bands over axes. Colours and strokes are classes of the page's style.

use std::fmt::Write as _;

use super::html::text;
use super::scale::{Scale, tick_text};
use crate::engine::stage::{Line, LineStyle};

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 34.0;

/// A line, and how far those that it stands for go.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    pub name: String,
    pub style: LineStyle,
    /// Its number among the colours.
    pub colour: usize,
    pub points: Vec<[f64; 2]>,
    /// The lowest and the highest at each point; empty where the line is the only one.
    pub band: Vec<[f64; 2]>,
}

/// A chart: what it is called, its axes and its lines.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    pub title: String,
    pub x: String,
    pub y: String,
    pub is_of_shares: bool,
    pub curves: Vec<Curve>,
}

/// A place in a picture, to a tenth of a pixel.
#[must_use]
pub fn at(value: f64) -> String {
    let rounded = format!("{value:.1}");
    rounded.strip_suffix(".0").map_or(rounded.clone(), str::to_owned)
}

/// `M0 1L2 3...`, broken where a value is no number.
#[must_use]
pub fn path(points: impl IntoIterator<Item = [f64; 2]>) -> String {
    let (mut out, mut is_broken) = (String::new(), true);
    for [x, y] in points {
        if x.is_finite() && y.is_finite() {
            let command = if is_broken { 'M' } else { 'L' };
            write!(out, "{command}{} {}", at(x), at(y)).expect("a string");
        }
        is_broken = !(x.is_finite() && y.is_finite());
    }
    out
}

/// The frame that a chart's curves are drawn into.
struct Frame {
    x: Scale,
    y: Scale,
}

impl Frame {
    fn x(&self, value: f64) -> f64 {
        LEFT + self.x.place(value) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.place(value) * (HEIGHT - TOP - BOTTOM)
    }

    fn axes(&self, chart: &Chart) -> String {
        let mut out = String::new();
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for tick in &self.y.ticks {
            let y = self.y(*tick);
            let (line, base) = (at(y), at(y + 3.5));
            write!(
                out,
                "<path class=grid d=\"M{LEFT} {line}H{right}\"/><text class=tick x={} y={base} text-anchor=end>{}</text>",
                LEFT - 5.0,
                tick_text(*tick)
            )
            .expect("a string");
        }
        for tick in &self.x.ticks {
            let x = at(self.x(*tick));
            write!(
                out,
                "<path class=grid d=\"M{x} {bottom}v4\"/><text class=tick x={x} y={} text-anchor=middle>{}</text>",
                bottom + 15.0,
                tick_text(*tick)
            )
            .expect("a string");
        }
        let middle = at(f64::midpoint(LEFT, right));
        write!(
            out,
            "<path class=axis d=\"M{LEFT} {bottom}H{right}\"/><text class=name x={middle} y={} text-anchor=middle>{}</text>",
            HEIGHT - 4.0,
            text(&chart.x)
        )
        .expect("a string");
        out
    }

    fn curve(&self, curve: &Curve) -> String {
        let place = |[x, y]: [f64; 2]| [self.x(x), self.y(y)];
        let (points, colour) = (curve.points.iter().copied(), curve.colour);
        let mut out = String::new();
        if !curve.band.is_empty() {
            let ends = |end: usize| {
                curve.points.iter().zip(&curve.band).map(move |(at, ends)| [at[0], ends[end]])
            };
            let lower = ends(0).rev().map(place);
            let around = path(ends(1).map(place).chain(lower));
            write!(out, "<path class=\"band c{colour}\" d=\"{around}Z\"/>").expect("a string");
        }
        let style = match curve.style {
            LineStyle::Guide => "line guide".to_owned(),
            _ => format!("line c{colour}"),
        };
        write!(out, "<path class=\"{style}\" d=\"{}\"/>", path(points.clone().map(place)))
            .expect("a string");
        if curve.style == LineStyle::Dots {
            for [x, y] in points.map(place).filter(|it| it[0].is_finite() && it[1].is_finite()) {
                write!(out, "<circle class=\"dot c{colour}\" cx={} cy={} r=2.6 />", at(x), at(y))
                    .expect("a string");
            }
        }
        out
    }
}

impl Chart {
    /// The chart with its title and what its lines are.
    ///
    /// * `number`: of its data for the script; none where it stays a picture
    #[must_use]
    pub fn figure(&self, number: Option<usize>) -> String {
        let live = number.map_or_else(String::new, |number| format!(" data-chart={number}"));
        format!(
            "<figure class=chart{live}><figcaption><b>{}</b>{}</figcaption>{}</figure>\n",
            text(&self.title),
            self.legend(),
            self.svg()
        )
    }

    fn legend(&self) -> String {
        let one = |curve: &Curve| {
            let class = match curve.style {
                LineStyle::Guide => "line guide".to_owned(),
                _ => format!("line c{}", curve.colour),
            };
            let dot = match curve.style {
                LineStyle::Dots => {
                    format!("<circle class=\"dot c{}\" cx=10 cy=5 r=2.6 />", curve.colour)
                }
                _ => String::new(),
            };
            format!(
                "<span class=key><svg width=20 height=10 aria-hidden=true><path class=\"{class}\" d=\"M0 5H20\"/>{dot}</svg>{}</span>",
                text(&curve.name)
            )
        };
        let y = if self.y.is_empty() {
            String::new()
        } else {
            format!("<span class=unit>{}</span>", text(&self.y))
        };
        format!("{y}{}", self.curves.iter().map(one).collect::<String>())
    }

    fn svg(&self) -> String {
        let points = || self.curves.iter().flat_map(|curve| curve.points.iter());
        let heights = || {
            let bands = self.curves.iter().flat_map(|curve| curve.band.iter().flatten().copied());
            points().map(|point| point[1]).chain(bands)
        };
        let (x, y) = if self.is_of_shares {
            (Scale::of_shares(), Scale::of_shares())
        } else {
            (Scale::of(points().map(|point| point[0]), false), Scale::of(heights(), true))
        };
        let frame = Frame { x, y };
        let curves: String = self.curves.iter().map(|curve| frame.curve(curve)).collect();
        format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=img aria-label=\"{}\">{}{curves}</svg>",
            text(&self.told()),
            frame.axes(self)
        )
    }

    /// The chart in words, for who does not see it.
    fn told(&self) -> String {
        let line = |curve: &Curve| {
            let (first, last) = (curve.points.first()?, curve.points.last()?);
            let [first, last] =
                [first, last].map(|point| tick_text(super::html::rounded(point[1])));
            (curve.style != LineStyle::Guide)
                .then(|| format!("{} from {first} to {last}", curve.name))
        };
        let lines: Vec<String> = self.curves.iter().filter_map(line).collect();
        format!("{} over {}: {}", self.title, self.x, lines.join("; "))
    }
}

/// No more points than anybody sees: means of neighbours.
#[must_use]
pub fn thinned(points: &[[f64; 2]], most: usize) -> Vec<[f64; 2]> {
    if points.len() <= most || most == 0 {
        return points.to_vec();
    }
    let each = points.len().div_ceil(most);
    let mean = |chunk: &[[f64; 2]]| {
        let sum = |part: usize| chunk.iter().map(|point| point[part]).sum::<f64>();
        [0, 1].map(|part| sum(part) / chunk.len() as f64)
    };
    points.chunks(each).map(mean).collect()
}

/// One line for those of several trainings: their mean, and how far they go.
#[must_use]
pub fn joined(lines: &[&Line], colour: usize, most: usize) -> Curve {
    let Some(first) = lines.first() else {
        return Curve {
            name: String::new(),
            style: LineStyle::Line,
            colour,
            points: Vec::new(),
            band: Vec::new(),
        };
    };
    // Trainings of one length have the same steps. Others are shown as far as all of them go.
    let shortest = lines.iter().map(|line| line.points.len()).min().unwrap_or(0);
    let thin: Vec<Vec<[f64; 2]>> =
        lines.iter().map(|line| thinned(&line.points[..shortest], most)).collect();
    let count = thin.len() as f64;
    let mut curve = Curve {
        name: first.name.clone(),
        style: first.style,
        colour,
        points: Vec::new(),
        band: Vec::new(),
    };
    for at in 0..thin[0].len() {
        let values: Vec<f64> = thin.iter().map(|line| line[at][1]).collect();
        curve.points.push([thin[0][at][0], values.iter().sum::<f64>() / count]);
        if values.len() > 1 {
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            curve.band.push([low, values.iter().copied().fold(f64::NEG_INFINITY, f64::max)]);
        }
    }
    curve
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(points: &[[f64; 2]]) -> Line {
        Line { name: "training".to_owned(), style: LineStyle::Line, points: points.to_vec() }
    }

    #[test]
    fn a_path_is_broken_where_a_value_is_no_number() {
        let points = [[0.0, 1.04], [1.0, f64::NAN], [2.0, 2.0], [3.0, 2.5]];
        assert_eq!(path(points), "M0 1M2 2L3 2.5");
    }

    #[test]
    fn several_trainings_are_one_line_with_a_band_as_far_as_all_go() {
        let (one, other) =
            (line(&[[1.0, 1.0], [2.0, 2.0], [3.0, 9.0]]), line(&[[1.0, 3.0], [2.0, 2.0]]));
        let joined = joined(&[&one, &other], 0, 10);
        assert_eq!(joined.points, [[1.0, 2.0], [2.0, 2.0]]);
        assert_eq!(joined.band, [[1.0, 3.0], [2.0, 2.0]]);
    }

    #[test]
    fn many_points_are_thinned_to_the_means_of_neighbours() {
        let points: Vec<[f64; 2]> =
            (0..1000).map(|it| [f64::from(it), f64::from(it % 2)]).collect();
        let thin = thinned(&points, 100);
        assert_eq!((thin.len(), thin[0]), (100, [4.5, 0.5]));
    }

    #[test]
    fn a_chart_is_told_in_words_and_names_are_escaped() {
        let mut curve = joined(&[&line(&[[1.0, 4.0], [2.0, 0.5]])], 0, 10);
        curve.name = "</svg>".to_owned();
        let chart = Chart {
            title: "Loss".to_owned(),
            x: "step".to_owned(),
            y: "nats".to_owned(),
            is_of_shares: false,
            curves: vec![curve],
        };
        let figure = chart.figure(Some(3));
        assert!(
            figure.contains("aria-label=\"Loss over step: &lt;/svg&gt; from 4 to 0.5\""),
            "{figure}"
        );
        assert!(
            figure.contains("data-chart=3") && figure.matches("</svg>").count() == 2,
            "{figure}"
        );
    }
}
