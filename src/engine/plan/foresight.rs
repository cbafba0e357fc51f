//! What parameters do not go together with what will flow in: the kinds say what they know of their outputs before anything runs, and hold their
//! parameters against what is known of their inputs.
//!
//! 1. Nodes come in the plan's order, so that what is known of a node's inputs is there.
//! 2. Each mistake is shown once, at the parameter, or at the swept value that makes it.

use std::collections::HashSet;

use super::NodeId;
use super::grid::Grid;
use super::node::Node;
use super::sources::{Contents, problem_diagnostic};
use super::sweep::Dimensions;
use super::wires::Draft;
use crate::base::diagnostics::{Diagnostic, Span};
use crate::engine::stage::{Facts, InputFacts, UndefinedMetrics};

#[derive(Default)]
pub(super) struct Foresight {
    /// By node.
    facts: Vec<Facts>,
    said: HashSet<(usize, String)>,
    pub(super) found: Vec<Diagnostic>,
}

impl Foresight {
    /// Looks at the next node: one of stage `number`, which stands in `row` of that stage's `grid`.
    pub(super) fn look(
        &mut self,
        node: &Node,
        number: usize,
        draft: &Draft<'_>,
        (dimensions, grid, row): (&Dimensions<'_>, &Grid, usize),
        contents: &Contents,
    ) {
        let inputs = inputs_of(&self.facts, node);
        let inputs = InputFacts(&inputs);
        for problem in node.instance.check_inputs(inputs) {
            if self.said.insert((number, problem.message.clone())) {
                let span = span(number, draft, dimensions, (grid, row), problem.parameter);
                self.found.push(problem_diagnostic(&node.stage, &problem).at(span));
            }
        }
        let mut facts = node.instance.facts(inputs);
        for source in node.instance.sources() {
            if let Some(content) = contents.get(node.kind.name, &source) {
                facts.extend(node.instance.facts_of_content(&**content));
            }
        }
        self.facts.push(facts);
    }

    /// Why a node that was looked at never defines `metric`; `None` where it may.
    pub(super) fn never_defines(&self, node: &Node, metric: &str) -> Option<UndefinedMetrics> {
        let inputs = inputs_of(&self.facts, node);
        let undefined = node.instance.undefined_metrics(InputFacts(&inputs));
        undefined.into_iter().find(|undefined| metric.starts_with(undefined.prefix))
    }
}

/// What is known of what flows into a node.
fn inputs_of<'a>(facts: &'a [Facts], node: &Node) -> Vec<(&'static str, &'a Facts)> {
    let of = |(port, input): &(&'static str, NodeId)| (*port, &facts[input.index()]);
    node.inputs.iter().map(of).collect()
}

fn span(
    number: usize,
    draft: &Draft<'_>,
    dimensions: &Dimensions<'_>,
    (grid, row): (&Grid, usize),
    parameter: &str,
) -> Span {
    if let Some(axis) = dimensions.of_parameter(number, parameter) {
        return dimensions.axes[axis].axis.values[grid.coordinate(row, axis)].span;
    }
    let declared = draft.parameters.iter().find(|declared| *declared.name == *parameter);
    declared.map_or(draft.declaration.name_span, |declared| declared.value.span)
}
