//! What parameters do not go together with what will flow in: the kinds say what they know of their outputs before anything runs, and hold their
//! parameters against what is known of their inputs.
//!
//! 1. Nodes come in the plan's order, so that what is known of a node's inputs is there.
//! 2. Each mistake is shown once, at the parameter, or at the swept value that makes it.

use std::collections::HashSet;

use super::NodeId;
use super::node::Node;
use super::sources::{Contents, problem_diagnostic};
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
    /// Looks at the next node, one of stage `number`.
    ///
    /// * `place`: where a parameter of it was written
    pub(super) fn look(
        &mut self,
        node: &Node,
        number: usize,
        place: &dyn Fn(&str) -> Span,
        contents: &Contents,
    ) {
        let inputs = inputs_of(&self.facts, node);
        let inputs = InputFacts(&inputs);
        for problem in node.instance.check_inputs(inputs) {
            if self.said.insert((number, problem.message.clone())) {
                let place = place(problem.place.first().copied().unwrap_or_default());
                self.found.push(problem_diagnostic(&node.stage, &problem).at(place));
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

    /// The metrics that a node which was looked at never defines.
    pub(super) fn undefined(&self, node: &Node) -> Vec<UndefinedMetrics> {
        node.instance.undefined_metrics(InputFacts(&inputs_of(&self.facts, node)))
    }
}

/// What is known of what flows into a node.
fn inputs_of<'a>(facts: &'a [Facts], node: &Node) -> Vec<(&'static str, &'a Facts)> {
    let of = |(port, input): &(&'static str, NodeId)| (*port, &facts[input.index()]);
    node.inputs.iter().map(of).collect()
}
