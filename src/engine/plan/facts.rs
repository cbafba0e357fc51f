//! What parameters do not go together with what will flow in: the kinds say what they know of their outputs before anything runs, and hold their
//! parameters against what is known of their inputs.
//!
//! 1. Nodes come in the plan's order, so that what is known of a node's inputs is there.
//! 2. Each mistake is shown once, at the parameter, or at the swept value that makes it.

use std::collections::{HashMap, HashSet};
use std::ptr;
use std::sync::Arc;

use super::node::Node;
use super::sources::{Contents, problem_diagnostic};
use crate::base::diagnostics::{Diagnostic, Span};
use crate::engine::stage::{AnyStage, Facts, InputFacts, UndefinedMetrics};

#[derive(Default)]
pub(super) struct InputCheck {
    said: HashSet<(usize, String)>,
    pub(super) found: Vec<Diagnostic>,
    /// The node of each stage that was looked at last: of most trials the next one is the same in all that counts here.
    last: HashMap<usize, Looked>,
}

/// What a node was looked at for, and what is known of its output.
struct Looked {
    instance: Arc<dyn AnyStage>,
    inputs: Vec<Arc<Facts>>,
    facts: Arc<Facts>,
}

impl Looked {
    fn is_of(&self, node: &Node, nodes: &[Node]) -> bool {
        let inputs = node.inputs.iter().map(|(_, input)| &nodes[input.index()].facts);
        ptr::addr_eq(Arc::as_ptr(&self.instance), Arc::as_ptr(&node.instance))
            && self.inputs.len() == node.inputs.len()
            && self.inputs.iter().zip(inputs).all(|(known, facts)| Arc::ptr_eq(known, facts))
    }
}

impl InputCheck {
    /// Looks at the next node, one of stage `number`, and returns what is known of its output.
    ///
    /// * `nodes`: those before it
    /// * `place`: where a parameter of it was written
    pub(super) fn look(
        &mut self,
        node: &Node,
        nodes: &[Node],
        number: usize,
        place: &dyn Fn(&str) -> Span,
        contents: &Contents,
    ) -> Arc<Facts> {
        if let Some(last) = self.last.get(&number).filter(|last| last.is_of(node, nodes)) {
            return Arc::clone(&last.facts);
        }
        let inputs = inputs_of(node, nodes);
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
        let facts = match self.last.get(&number) {
            Some(last) if *last.facts == facts => Arc::clone(&last.facts),
            _ => Arc::new(facts),
        };
        let inputs = node.inputs.iter().map(|(_, input)| Arc::clone(&nodes[input.index()].facts));
        let (instance, inputs) = (Arc::clone(&node.instance), inputs.collect());
        self.last.insert(number, Looked { instance, inputs, facts: Arc::clone(&facts) });
        facts
    }
}

/// The metrics that a node never defines.
///
/// * `nodes`: those before it
pub(super) fn undefined(node: &Node, nodes: &[Node]) -> Vec<UndefinedMetrics> {
    node.instance.undefined_metrics(InputFacts(&inputs_of(node, nodes)))
}

/// What is known of what flows into a node.
fn inputs_of<'a>(node: &'a Node, nodes: &'a [Node]) -> Vec<(&'a str, &'a Facts)> {
    node.inputs.iter().map(|(port, input)| (&**port, &*nodes[input.index()].facts)).collect()
}
