//! A stage before it is resolved.

use std::sync::Arc;

use super::schema::Schema;
use crate::base::diagnostics::Span;
use crate::engine::spec::{Parameter, StageDeclaration};
use crate::engine::stage::{ParameterProblem, Port, StageKind};

/// A stage as far as its own table tells.
pub(super) struct Draft<'a> {
    pub(super) declaration: &'a StageDeclaration,
    /// `None` when there is no such kind.
    pub(super) kind: Option<(&'static StageKind, Arc<Schema>)>,
    /// In the order of the kind's ports.
    pub(super) wires: Vec<Wire>,
    pub(super) after: Vec<(usize, Span)>,
    /// Those that the kind knows.
    pub(super) parameters: Vec<&'a Parameter>,
    /// What misspelled names most likely meant; that it is missing is then no mistake of its own.
    pub(super) meant: Vec<String>,
}

impl Draft<'_> {
    /// The stages that must come before, each with where it is named.
    pub(super) fn needs(&self) -> impl Iterator<Item = (usize, Span)> {
        self.wires.iter().map(|wire| (wire.stage, wire.span)).chain(self.after.iter().copied())
    }

    /// Where a parameter was written, or what to point at where none was.
    pub(super) fn place(&self, parameter: &str) -> Span {
        let mut parameters = self.parameters.iter();
        let declared = parameters.find(|declared| *declared.name == *parameter);
        declared.map_or(self.declaration.name_span, |declared| declared.value.span)
    }

    /// Whether a sweep's `seeds` replicate it.
    pub(super) fn is_replicated(&self) -> bool {
        self.kind.as_ref().is_some_and(|(kind, _)| kind.replicated)
    }

    /// Whether a problem is most likely but a consequence of a misspelled name.
    pub(super) fn explains(&self, problem: &ParameterProblem) -> bool {
        self.meant.iter().any(|name| problem.place.contains(&name.as_str()))
    }
}

/// An input and the stage whose output it takes.
pub(super) struct Wire {
    /// That of its port, with a number where the port takes several, or one of the stage's own.
    pub(super) name: Arc<str>,
    /// `None` for an input beside the kind's ports, which takes anything.
    pub(super) port: Option<&'static Port>,
    /// The number of the draft.
    pub(super) stage: usize,
    pub(super) span: Span,
}
