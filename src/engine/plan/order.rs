//! The order in which stages can be done, and the cycles that leave none.

use super::draft::Draft;
use crate::base::diagnostics::{Diagnostic, Span};

/// Cycles beyond these are not looked at: whoever has so many will check again.
const CYCLES: usize = 100;

/// Sorts topologically, and names each cycle whole.
///
/// Without recursion, which a long chain would overflow.
pub(super) fn order(drafts: &[Draft<'_>], found: &mut Vec<Diagnostic>) -> Vec<usize> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let needs: Vec<Vec<(usize, Span)>> =
        drafts.iter().map(|draft| draft.needs().collect()).collect();
    let mut marks = vec![Mark::New; drafts.len()];
    let mut in_cycle = vec![false; drafts.len()];
    let mut cycles = 0;
    // Where each open stage stands on the path.
    let mut places = vec![0; drafts.len()];
    let mut order = Vec::with_capacity(drafts.len());
    for root in 0..drafts.len() {
        if marks[root] != Mark::New {
            continue;
        }
        // Open stages, each with the number of its next need.
        let mut path: Vec<(usize, usize)> = vec![(root, 0)];
        marks[root] = Mark::Open;
        places[root] = 0;
        while let Some((stage, next)) = path.last_mut() {
            let stage = *stage;
            let Some((need, _)) = needs[stage].get(*next).copied() else {
                marks[stage] = Mark::Done;
                order.push(stage);
                path.pop();
                continue;
            };
            *next += 1;
            match marks[need] {
                Mark::New => {
                    marks[need] = Mark::Open;
                    places[need] = path.len();
                    path.push((need, 0));
                }
                Mark::Open if cycles < CYCLES => {
                    // The need that each stage on the path followed last leads to the next one, and that of the last one to the first.
                    let cycle: Vec<(usize, Span)> = path[places[need]..]
                        .iter()
                        .map(|(stage, next)| (*stage, needs[*stage][next - 1].1))
                        .collect();
                    if cycle.len() == 1 || !cycle.iter().all(|(stage, _)| in_cycle[*stage]) {
                        cycle.iter().for_each(|(stage, _)| in_cycle[*stage] = true);
                        found.push(cycle_diagnostic(drafts, cycle));
                    }
                    cycles += 1;
                }
                Mark::Open => {}
                Mark::Done => {}
            }
        }
    }
    order
}

fn cycle_diagnostic(drafts: &[Draft<'_>], mut cycle: Vec<(usize, Span)>) -> Diagnostic {
    const SHOWN: usize = 20;
    let first = (0..cycle.len()).min_by_key(|at| cycle[*at].0).unwrap_or_default();
    cycle.rotate_left(first);
    let name = |stage: usize| &*drafts[stage].declaration.name;
    let mut names: Vec<&str> = cycle.iter().map(|(stage, _)| name(*stage)).collect();
    names.push(names[0]);
    if names.len() > 1000 {
        names.splice(SHOWN..names.len() - SHOWN, ["..."]);
    }
    let verb = if cycle.len() == 1 { "stage needs itself" } else { "stages need each other" };
    let mut diagnostic =
        Diagnostic::new("cycle", format!("{verb}: `{}`", names.join(" -> "))).at(cycle[0].1);
    for at in 1..cycle.len().min(SHOWN) {
        let next = cycle[(at + 1) % cycle.len()].0;
        diagnostic = diagnostic
            .label(cycle[at].1, format!("`{}` needs `{}`", name(cycle[at].0), name(next)));
    }
    diagnostic.help("take out one of these wires, or wire it to another stage")
}
