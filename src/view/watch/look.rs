//! What somebody who watches a run looks at, and what their keys change of it.

use super::state::Watched;

/// A part of the screen that can be scrolled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pane {
    Stages,
    Points,
    Log,
}

impl Pane {
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Stages => "stages",
            Self::Points => "points, best first",
            Self::Log => "log",
        }
    }
}

/// What is looked at.
#[derive(Debug)]
pub(super) struct Look {
    /// What the arrows scroll.
    pub(super) focus: Pane,
    /// Rows above the first that is shown, of stages and of points; those below the last that is shown, of the log.
    pub(super) scrolled: [usize; 3],
    /// The training whose curves are shown; without one that which has told something last.
    pub(super) training: Option<usize>,
    /// The score whose curve is shown, among those of the training; without one that by which points are judged.
    pub(super) score: Option<usize>,
}

impl Default for Look {
    fn default() -> Self {
        Self { focus: Pane::Log, scrolled: [0; 3], training: None, score: None }
    }
}

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Quit,
    NextPane,
    /// Towards the beginning, by so many rows.
    Back(usize),
    Forth(usize),
    Begin,
    End,
    EarlierTraining,
    LaterTraining,
    NextScore,
}

impl Look {
    /// The training whose curves are shown.
    pub(super) fn shown(&self, watched: &Watched) -> usize {
        self.training.unwrap_or(watched.latest).min(watched.trainings.len().saturating_sub(1))
    }

    /// Carries out a wish; false where it is to end.
    pub(super) fn take(&mut self, wish: Wish, watched: &Watched) -> bool {
        // The log is counted from its end.
        let is_log = self.focus == Pane::Log;
        let row = &mut self.scrolled[self.focus as usize];
        match wish {
            Wish::Quit => return false,
            Wish::NextPane => {
                self.focus = match self.focus {
                    Pane::Log => Pane::Stages,
                    Pane::Stages if watched.points.is_empty() => Pane::Log,
                    Pane::Stages => Pane::Points,
                    Pane::Points => Pane::Log,
                };
            }
            Wish::Back(rows) if is_log => *row = row.saturating_add(rows),
            Wish::Back(rows) => *row = row.saturating_sub(rows),
            Wish::Forth(rows) if is_log => *row = row.saturating_sub(rows),
            Wish::Forth(rows) => *row = row.saturating_add(rows),
            Wish::Begin => *row = if is_log { usize::MAX } else { 0 },
            Wish::End => *row = if is_log { 0 } else { usize::MAX },
            Wish::EarlierTraining => self.training = Some(self.shown(watched).saturating_sub(1)),
            Wish::LaterTraining => {
                let next = self.shown(watched) + 1;
                // Behind the last one whichever tells something is shown.
                self.training = (next < watched.trainings.len()).then_some(next);
            }
            Wish::NextScore => self.score = Some(self.score.map_or(0, |score| score + 1)),
        }
        true
    }

    /// The first row to show of a part of the screen: what was scrolled further than there is anything goes back.
    pub(super) fn first(&mut self, pane: Pane, rows: usize, height: usize) -> usize {
        let most = rows.saturating_sub(height);
        let scrolled = &mut self.scrolled[pane as usize];
        *scrolled = (*scrolled).min(most);
        if pane == Pane::Log { most - *scrolled } else { *scrolled }
    }
}
