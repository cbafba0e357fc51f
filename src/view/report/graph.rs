//! The stages of a run: how they hang together, what became of each, and what it took.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use super::chart::at;
use super::html::{Section, brief, number, table, text};
use super::material::Material;
use crate::engine::runs::{NodeStatus, Step};
use crate::view::format;

const BOX: [f64; 2] = [164.0, 46.0];
const GAP: [f64; 2] = [14.0, 30.0];
/// How far a wire swings out that goes around a box.
const AROUND: f64 = 130.0;
/// The most lines of what went wrong; all of them are in the run's log.
const ERROR_LINES: usize = 12;
/// Room for such wires.
const SIDE: f64 = 18.0;

pub fn section(material: &Material<'_>) -> Option<Section> {
    let steps = &material.steps;
    if steps.is_empty() {
        return None;
    }
    let head = [("stage", false), ("kind", false), ("what became of it", false), ("time", true)];
    let head = head.map(|(name, is_number)| (name.to_owned(), is_number));
    let row = |step: &Step| {
        let elapsed = step.elapsed_ms.map(Duration::from_millis);
        let earlier = Earlier::of(step);
        let mut shown: Vec<String> = elapsed.map(format::duration).into_iter().collect();
        shown.extend(earlier.as_ref().map(Earlier::told));
        let shown = if shown.is_empty() { "\u{2013}".to_owned() } else { shown.join("<br>") };
        let whole = elapsed.unwrap_or_default() + earlier.map_or(Duration::ZERO, |it| it.elapsed);
        let whole = (!whole.is_zero()).then_some(whole.as_secs_f64());
        let error = step.error.as_ref().map_or_else(String::new, |error| {
            let lines: Vec<String> =
                error.lines().take(ERROR_LINES).map(|line| brief(line, 300)).collect();
            format!("<br><span class=bad>{}</span>", lines.join("<br>"))
        });
        format!(
            "<tr><td><code>{}</code><td>{}<td>{}{error}{}",
            text(&step.name),
            text(&step.kind),
            ends(step),
            number(whole, &shown)
        )
    };
    let rows: String = steps.iter().map(row).collect();
    let total = material.run.elapsed_ms.map(Duration::from_millis);
    let total = total.map_or_else(String::new, |total| {
        format!(" The whole run took {}.", format::duration(total))
    });
    let before: Duration = steps.iter().filter_map(Earlier::of).map(|it| it.elapsed).sum();
    let total = if before.is_zero() {
        total
    } else {
        format!("{total} What it found took {} to make.", format::duration(before))
    };
    let html = format!(
        "<p>As of the run that put these results here: what was <b>built</b>, and what was <b>cached</b> by earlier ones.{total} A later run that finds all of it changes nothing on this page.</p><div class=beside>{}{}</div>",
        picture(steps),
        table("", "", &head, &rows)
    );
    Some(Section { id: "stages", title: "Stages", html })
}

/// The making of what a run found of a stage, as far as it is known.
struct Earlier<'a> {
    elapsed: Duration,
    runs: BTreeSet<&'a str>,
}

impl<'a> Earlier<'a> {
    fn of(step: &'a Step) -> Option<Self> {
        let built = || step.found.values();
        let elapsed = built().map(|built| Duration::from_millis(built.elapsed_ms)).sum();
        let runs = built().map(|built| built.run.as_str()).collect();
        (!step.found.is_empty()).then_some(Self { elapsed, runs })
    }

    /// Such as `made in 4:47 min by 20261130-163210-search`.
    fn told(&self) -> String {
        let last = self.runs.last().map_or_else(String::new, |run| text(run));
        let others = match self.runs.len() {
            1 => String::new(),
            count => format!("{count} runs, the last "),
        };
        format!(
            "made in {} <span class=unit>by {others}<code>{last}</code></span>",
            format::duration(self.elapsed)
        )
    }
}

/// `3 built`, or the word alone of a single node.
fn ends(step: &Step) -> String {
    let is_one = step.ends.iter().map(|(_, count)| count).sum::<usize>() == 1;
    let end = |(end, count): &(NodeStatus, usize)| {
        let name = format!("<span class=\"end {}\">{}</span>", class(*end), end.name());
        if is_one { name } else { format!("{count} {name}") }
    };
    step.ends.iter().map(end).collect::<Vec<_>>().join(", ")
}

fn class(end: NodeStatus) -> &'static str {
    match end {
        NodeStatus::Built => "built",
        NodeStatus::Cached | NodeStatus::Reused => "cached",
        NodeStatus::Failed => "failed",
        NodeStatus::Cancelled | NodeStatus::NotRun => "lacking",
    }
}

/// What a stage's box is drawn as: the worst that became of its nodes.
fn worst(step: &Step) -> NodeStatus {
    let order = [
        NodeStatus::Failed,
        NodeStatus::Cancelled,
        NodeStatus::NotRun,
        NodeStatus::Built,
        NodeStatus::Reused,
    ];
    let has = |end: &NodeStatus| step.ends.iter().any(|(of, _)| of == end);
    order.into_iter().find(has).unwrap_or(NodeStatus::Cached)
}

/// Each stage in a row below all that it takes something from.
fn layers(steps: &[Step]) -> Vec<Vec<usize>> {
    let mut depth = vec![0; steps.len()];
    for (place, step) in steps.iter().enumerate() {
        let above =
            step.inputs.iter().filter(|input| **input < place).map(|input| depth[*input] + 1);
        depth[place] = above.max().unwrap_or(0);
    }
    let mut layers = vec![Vec::new(); depth.iter().max().map_or(0, |deepest| deepest + 1)];
    depth.iter().enumerate().for_each(|(place, depth)| layers[*depth].push(place));
    layers
}

fn picture(steps: &[Step]) -> String {
    let layers = layers(steps);
    let widest = layers.iter().map(Vec::len).max().unwrap_or(1) as f64;
    let width = widest * (BOX[0] + GAP[0]) - GAP[0] + SIDE * 2.0;
    let height = layers.len() as f64 * (BOX[1] + GAP[1]) - GAP[1] + 4.0;
    let mut places = vec![[0.0; 2]; steps.len()];
    for (row, layer) in layers.iter().enumerate() {
        let own = layer.len() as f64 * (BOX[0] + GAP[0]) - GAP[0];
        for (column, step) in layer.iter().enumerate() {
            let left = (width - own) / 2.0 + column as f64 * (BOX[0] + GAP[0]);
            places[*step] = [left, 2.0 + row as f64 * (BOX[1] + GAP[1])];
        }
    }
    let mut out = String::new();
    for (place, step) in steps.iter().enumerate() {
        for input in step.inputs.iter().filter(|input| **input < place) {
            let [from, to] = [places[*input], places[place]];
            let (x, y) = (from[0] + BOX[0] / 2.0, from[1] + BOX[1]);
            let (to_x, to_y) = (to[0] + BOX[0] / 2.0, to[1]);
            let bend = (to_y - y) / 2.0;
            // What is further down than the next row goes around what stands between.
            let is_far = to_y - y > BOX[1] + GAP[1] && (x - to_x).abs() < BOX[0];
            let aside = if is_far { AROUND } else { 0.0 };
            write!(
                out,
                "<path class=wire d=\"M{} {}C{} {} {} {} {} {}\"/>",
                at(x),
                at(y),
                at(x + aside),
                at(y + bend),
                at(to_x + aside),
                at(to_y - bend),
                at(to_x),
                at(to_y)
            )
            .expect("a string");
        }
    }
    for (step, [left, top]) in steps.iter().zip(&places) {
        let count = step.ends.iter().map(|(_, count)| count).sum::<usize>();
        let worst = worst(step);
        let time = step
            .elapsed_ms
            .map(|it| format!(" \u{b7} {}", format::duration(Duration::from_millis(it))))
            .unwrap_or_default();
        let times = if count > 1 { format!(" \u{d7}{count}") } else { String::new() };
        let name: String = step.name.chars().take(20).collect();
        let middle = at(left + BOX[0] / 2.0);
        write!(
            out,
            "<g class=\"node {}\"><rect x={} y={} width={} height={} rx=6 /><text class=name x={middle} y={} text-anchor=middle>{}{times}</text><text class=tick x={middle} y={} text-anchor=middle>{}{time}</text></g>",
            class(worst),
            at(*left),
            at(*top),
            BOX[0],
            BOX[1],
            at(top + 19.0),
            text(&name),
            at(top + 35.0),
            worst.name()
        )
        .expect("a string");
    }
    format!(
        "<div class=\"wide graph\" tabindex=0><svg viewBox=\"0 0 {} {}\" width={} role=img aria-label=\"The stages, each below those that it takes something from; the table has the same in words\">{out}</svg></div>",
        at(width),
        at(height),
        at(width)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str, inputs: &[usize]) -> Step {
        Step {
            name: name.to_owned(),
            kind: name.to_owned(),
            inputs: inputs.to_vec(),
            ends: vec![(NodeStatus::Built, 1), (NodeStatus::Failed, 1)],
            elapsed_ms: None,
            found: std::collections::BTreeMap::new(),
            error: None,
            keys: Vec::new(),
            parameters: serde_json::Map::new(),
            commit: None,
        }
    }

    #[test]
    fn a_stage_stands_below_all_that_it_takes_something_from() {
        let steps = [
            step("corpus", &[]),
            step("model", &[0]),
            step("tokens", &[0, 1]),
            step("other", &[0]),
        ];
        assert_eq!(layers(&steps), [vec![0], vec![1, 3], vec![2]]);
    }

    #[test]
    fn a_stage_is_drawn_as_the_worst_that_became_of_it() {
        assert_eq!(worst(&step("x", &[])), NodeStatus::Failed);
        assert!(picture(&[step("<b>", &[])]).contains("&lt;b&gt; \u{d7}2"));
    }
}
