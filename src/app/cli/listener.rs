//! Who hears of a run's events: its record, the console or standard output, and event files.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::cost;
use super::output::Output;
use super::rounds::Told;
use crate::engine::exec::{Event, NodeName, PointEnded, Reporter};
use crate::engine::plan::{NodeId, Plan};
use crate::engine::runs::RunRecord;
use crate::engine::store::Store;
use crate::view::{Again, Background, Standings, TensorBoard};

/// Tells everyone who listens: the record, and either the console or standard output as NDJSON.
pub struct Listener<'a> {
    pub record: &'a RunRecord<'a>,
    pub output: &'a Output,
    pub board: Option<&'a TensorBoard>,
    pub plan: &'a Plan,
    pub store: &'a Store,
    pub on_cpu: bool,
    pub again: &'a Again<'a>,
    pub background: &'a Background,
    pub told: &'a Told,
    /// How the points of a sweep stand, where there are several to compare.
    pub standings: &'a Mutex<Option<Standings>>,
    pub is_first_round: bool,
}

impl Listener<'_> {
    /// Says what is carried out from now on.
    ///
    /// * `asked`: of a search, how many points there are to be
    pub fn begin(&self, asked: Option<usize>) {
        match &mut *self.standings.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(standings) => standings.plan(self.plan),
            none => *none = Standings::of(self.plan, asked, Instant::now()),
        }
        if let Some(board) = self.board {
            board.plan(self.plan);
        }
    }

    /// Shows how the points of a sweep stand after an event, and says which have come to their end by it.
    fn stand(&self, event: &Event) -> Vec<PointEnded> {
        let mut standings = self.standings.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(standings) = standings.as_mut() else { return Vec::new() };
        if !standings.event(event, self.plan, self.store) {
            return Vec::new();
        }
        if let Some(console) = self.output.console() {
            console.stand(standings);
        }
        standings.news(Instant::now())
    }

    /// Foresees that a stage will not have enough memory, now that what it begins from is there.
    fn foresee(&self, name: &NodeName) {
        let id = NodeId(u32::try_from(name.node).expect("a plan numbers its nodes in 32 bits"));
        if let Some(text) = cost::warning(self.plan, id, self.store) {
            self.event(&Event::StageMessage { name: name.clone(), warning: true, text });
        }
    }
}

impl Reporter for Listener<'_> {
    fn event(&self, event: &Event) {
        if !self.told.is_news(event, self.is_first_round) {
            return;
        }
        self.output.tell(event, |line| self.record.event(line));
        self.stand(event).into_iter().for_each(|point| self.event(&Event::PointEnded(point)));
        let unwritten = self.board.and_then(|board| board.event(event, self.plan, self.store));
        unwritten.into_iter().for_each(|text| self.event(&Event::Warning { text }));
        if let Event::StageStarted { name, .. } = event
            && self.on_cpu
        {
            self.foresee(name);
        }
    }
}
