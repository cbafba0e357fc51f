//! `resources = { cpus = 8, memory = "20GB", gpus = 1, time = "2h" }`: what a job of a cluster asks for that does a stage's work. Part of no key.

use std::time::Duration;

use super::reader::{Reader, mismatch};
use super::syntax::{Entry, Node, NodeData};
use crate::base::diagnostics::{Diagnostic, Span, quoted, suggest};
use crate::base::units;

const KEYS: [&str; 4] = ["cpus", "memory", "gpus", "time"];
const EXAMPLE: &str = "write `resources = { cpus = 8, memory = \"20GB\", gpus = 1, time = \"2h\" }`, or some of these";

/// What a stage takes of a machine, as far as its experiment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Demand {
    pub cpus: Option<u32>,
    /// In bytes.
    pub memory: Option<u64>,
    pub gpus: Option<u32>,
    pub time: Option<Duration>,
}

impl Demand {
    /// As it stands in a file.
    pub(super) fn to_toml(self) -> String {
        let parts = [
            self.cpus.map(|cpus| format!("cpus = {cpus}")),
            self.memory.map(|bytes| format!("memory = \"{bytes}B\"")),
            self.gpus.map(|gpus| format!("gpus = {gpus}")),
            self.time.map(|time| format!("time = \"{}\"", units::duration_text(time))),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        format!("{{ {} }}", parts.join(", "))
    }
}

impl Reader<'_> {
    pub(super) fn demand(&mut self, node: Node) -> Option<(Demand, Span)> {
        let span = node.span;
        let table = match node.data {
            NodeData::Table(table) => table,
            NodeData::Invalid => return None,
            _ => {
                self.problems.push(mismatch("`resources`", "a table", &node).help(EXAMPLE));
                return None;
            }
        };
        let mut demand = Demand::default();
        for Entry { name, name_span, node } in table.entries {
            match &*name {
                "cpus" => demand.cpus = self.number("cpus", &node),
                "gpus" => demand.gpus = self.number("gpus", &node),
                "memory" => {
                    demand.memory = self.quantity("memory", &node, units::SIZE, |text| {
                        units::size(text).filter(|bytes| *bytes > 0)
                    });
                }
                "time" => {
                    demand.time = self.quantity("time", &node, units::DURATION, units::duration);
                }
                _ => {
                    let message = format!("`resources` has no `{name}`");
                    let diagnostic = Diagnostic::new("unknown-key", message).at(name_span);
                    self.problems.push(diagnostic.help(match suggest(&name, KEYS) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => EXAMPLE.to_owned(),
                    }));
                }
            }
        }
        Some((demand, span))
    }

    fn number(&mut self, name: &'static str, node: &Node) -> Option<u32> {
        let what = format!("`{name}` of `resources`");
        match &node.data {
            NodeData::Integer(number) => {
                let number =
                    u32::try_from(*number).ok().filter(|number| (1..=1024).contains(number));
                if number.is_none() {
                    let message = format!("{what} must be from 1 to 1024");
                    self.problems.push(Diagnostic::new("out-of-range", message).at(node.span));
                }
                number
            }
            NodeData::Invalid => None,
            _ => {
                self.problems.push(mismatch(&what, "an integer", node).help(EXAMPLE));
                None
            }
        }
    }

    fn quantity<T>(
        &mut self,
        name: &'static str,
        node: &Node,
        form: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let what = format!("`{name}` of `resources`");
        let diagnostic = match &node.data {
            NodeData::String(text) => match parse(text) {
                Some(parsed) => return Some(parsed),
                None => {
                    let message = format!("{what} cannot be {}", quoted(text));
                    Diagnostic::new("bad-quantity", message).at(node.span)
                }
            },
            NodeData::Invalid => return None,
            _ => mismatch(&what, "a string", node),
        };
        self.problems.push(diagnostic.help(format!("write {form}")));
        None
    }
}
