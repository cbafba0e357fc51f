//! What was measured on the way, such as losses: a line for each split, with a band over the trials of the point.

use serde_json::{Value, json};

use super::chart::{Chart, Curve, joined};
use super::html::{Section, rounded, text};
use super::material::Material;
use crate::engine::runs::Of;
use crate::engine::stage::{Line, Plot};

/// Points of a line in a picture, and in what the script lets one zoom into.
const DRAWN: usize = 100;
const KEPT: usize = 240;

/// The section, and the data of its charts for the script.
pub fn section(material: &Material<'_>) -> Option<(Section, Vec<Value>)> {
    let mut charts = Vec::new();
    let mut html = String::new();
    let trials = material.trainings.iter().map(|of| of.it.len()).max()?;
    let whose = if material.compares() { " of the setting above" } else { "" };
    html += &match trials {
        1 => format!(
            "<p>What was measured in the training{whose}. Long histories are drawn as means of neighbouring steps.</p>"
        ),
        _ => format!(
            "<p>The {trials} trainings{whose}: line, their mean; band, from the lowest to the highest. Long histories are drawn as means of neighbouring steps.</p>"
        ),
    };
    for Of { stage, it } in &material.trainings {
        if material.trainings.len() > 1 {
            html += &format!("<h3><code>{}</code></h3>", text(stage));
        }
        html += "<div class=charts>";
        for plot in it.first()? {
            let twins: Vec<&Plot> = it
                .iter()
                .filter_map(|plots| plots.iter().find(|twin| twin.title == plot.title))
                .collect();
            html += &chart(plot, &twins, DRAWN).figure(Some(charts.len()));
            charts.push(data(&chart(plot, &twins, KEPT)));
        }
        html += "</div>";
    }
    Some((Section { id: "training", title: "Training", html }, charts))
}

fn chart(plot: &Plot, twins: &[&Plot], most: usize) -> Chart {
    let curve = |(number, line): (usize, &Line)| -> Curve {
        let of = |twin: &&Plot| twin.lines.iter().position(|other| other.name == line.name);
        let lines: Vec<&Line> =
            twins.iter().filter_map(|twin| Some(&twin.lines[of(twin)?])).collect();
        joined(&lines, number, most)
    };
    Chart {
        title: plot.title.clone(),
        x: plot.x.clone(),
        y: plot.y.clone(),
        is_of_shares: plot.is_of_shares,
        curves: plot.lines.iter().enumerate().map(curve).collect(),
    }
}

/// A chart for the script: x, y and the ends of the band of each line.
fn data(chart: &Chart) -> Value {
    let number =
        |value: f64| if value.is_finite() { Value::from(rounded(value)) } else { Value::Null };
    let line = |curve: &Curve| {
        let column =
            |part: usize| curve.points.iter().map(|point| number(point[part])).collect::<Vec<_>>();
        let end =
            |part: usize| curve.band.iter().map(|ends| number(ends[part])).collect::<Vec<_>>();
        json!({"n": curve.name, "c": curve.colour, "d": curve.style == crate::engine::stage::LineStyle::Dots, "x": column(0), "y": column(1), "lo": end(0), "hi": end(1)})
    };
    let lines: Vec<Value> = chart.curves.iter().map(line).collect();
    json!({"t": chart.title, "x": chart.x, "y": chart.y, "l": lines})
}
