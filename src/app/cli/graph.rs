//! `pipeline graph`: the stages and their wires, in Mermaid or DOT.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::json;

use super::args::{Graph, GraphFormat};
use super::project::Project;
use super::{Failure, terminal};
use crate::engine::plan::Plan;

pub fn run(arguments: &Graph) -> Result<(), Failure> {
    let (_, plan) = Project::plan(&arguments.file, &arguments.place, &arguments.changes, &[])?;
    let edges = edges(&plan);
    if arguments.json {
        let stages: Vec<_> = stages(&plan)
            .map(|(stage, kind, nodes)| json!({"stage": stage, "kind": kind, "nodes": nodes}))
            .collect();
        let edges: Vec<_> = edges
            .iter()
            .map(|edge| json!({"from": edge.from, "to": edge.to, "port": edge.port}))
            .collect();
        return terminal::json(&json!({"experiment": plan.name, "stages": stages, "edges": edges}));
    }
    terminal::print(&match arguments.format {
        GraphFormat::Mermaid => mermaid(&plan, &edges),
        GraphFormat::Dot => dot(&plan, &edges),
    })
}

/// A wire, or an order without data where there is no port.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Edge<'a> {
    from: &'a str,
    to: &'a str,
    port: Option<&'a str>,
}

fn edges(plan: &Plan) -> BTreeSet<Edge<'_>> {
    let mut edges = BTreeSet::new();
    for node in &plan.nodes {
        edges.extend(node.inputs.iter().map(|(port, input)| Edge {
            from: &plan.node(*input).stage,
            to: &node.stage,
            port: Some(port),
        }));
        edges.extend(node.after.iter().map(|other| Edge {
            from: &plan.node(*other).stage,
            to: &node.stage,
            port: None,
        }));
    }
    edges
}

/// Each stage with its kind, and how many nodes a sweep makes of it.
fn stages(plan: &Plan) -> impl Iterator<Item = (&str, &'static str, usize)> {
    plan.by_stage().into_iter().map(|(stage, nodes)| {
        let kind = nodes.first().map_or("", |id| plan.node(*id).kind.name);
        (&**stage, kind, nodes.len())
    })
}

fn caption(stage: &str, kind: &str, nodes: usize, newline: &str) -> String {
    let times = if nodes > 1 { format!(" ×{nodes}") } else { String::new() };
    if stage == kind { format!("{stage}{times}") } else { format!("{stage}{times}{newline}{kind}") }
}

fn mermaid(plan: &Plan, edges: &BTreeSet<Edge<'_>>) -> String {
    // A prefix keeps a stage called `end`, which Mermaid reserves, from breaking the drawing.
    let mut text = String::from("flowchart LR\n");
    for (stage, kind, nodes) in stages(plan) {
        writeln!(text, "    s_{stage}[\"{}\"]", caption(stage, kind, nodes, "<br>"))
            .expect("a string");
    }
    for edge in edges {
        match edge.port {
            Some(port) => {
                writeln!(text, "    s_{} -->|{port}| s_{}", edge.from, edge.to).expect("a string")
            }
            None => writeln!(text, "    s_{} -.-> s_{}", edge.from, edge.to).expect("a string"),
        }
    }
    text
}

fn dot(plan: &Plan, edges: &BTreeSet<Edge<'_>>) -> String {
    let mut text = format!(
        "digraph \"{}\" {{\n    rankdir = LR;\n    node [shape = box, style = rounded, fontname = sans];\n",
        plan.name
    );
    for (stage, kind, nodes) in stages(plan) {
        writeln!(text, "    \"{stage}\" [label = \"{}\"];", caption(stage, kind, nodes, "\\n"))
            .expect("a string");
    }
    for edge in edges {
        match edge.port {
            Some(port) => {
                writeln!(text, "    \"{}\" -> \"{}\" [label = \"{port}\"];", edge.from, edge.to)
                    .expect("a string")
            }
            None => writeln!(text, "    \"{}\" -> \"{}\" [style = dashed];", edge.from, edge.to)
                .expect("a string"),
        }
    }
    text + "}\n"
}
