//! What a run of very many stages tells: a line for each stage and the first things that went wrong, instead of a line for each node.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::format;
use crate::engine::exec::Counts;
use crate::engine::runs::NodeStatus;

/// What is said of single nodes, the first few of each kind for each stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Remark {
    Note,
    Warning,
    Failure,
    Other,
}

/// How many remarks of a kind are told for each stage.
const TOLD: usize = 5;

/// What there is to say of a stage when one of its nodes has ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Telling {
    Nothing,
    /// How far it is.
    Progress(String),
    /// All of it has ended; how most attention-worthy of it did, and in which numbers.
    End(NodeStatus, String),
}

/// The stages of a run.
pub(super) struct Tally {
    /// Between two lines about how far a stage is.
    interval: Duration,
    stages: HashMap<Arc<str>, Stage>,
}

struct Stage {
    total: usize,
    ended: Counts,
    remarks: HashMap<Remark, usize>,
    begun: Option<Instant>,
    last_line: Option<Instant>,
}

impl Tally {
    /// * `totals`: how many nodes each stage has
    pub(super) fn new(
        totals: impl IntoIterator<Item = (Arc<str>, usize)>,
        interval: Duration,
    ) -> Self {
        let stage = |total| Stage {
            total,
            ended: Counts::default(),
            remarks: HashMap::new(),
            begun: None,
            last_line: None,
        };
        let stages = totals.into_iter().map(|(name, total)| (name, stage(total))).collect();
        Self { interval, stages }
    }

    /// Whether another remark about a stage is told.
    pub(super) fn tells(&mut self, stage: &str, remark: Remark) -> bool {
        let Some(stage) = self.stages.get_mut(stage) else { return true };
        let count = stage.remarks.entry(remark).or_default();
        *count += 1;
        *count <= TOLD
    }

    /// Counts a node that has begun.
    pub(super) fn begun(&mut self, stage: &str, now: Instant) {
        if let Some(stage) = self.stages.get_mut(stage) {
            stage.begun.get_or_insert(now);
            stage.last_line.get_or_insert(now);
        }
    }

    /// Counts a node that has ended.
    pub(super) fn ended(&mut self, stage: &str, status: NodeStatus, now: Instant) -> Telling {
        let Some(stage) = self.stages.get_mut(stage) else { return Telling::Nothing };
        stage.begun.get_or_insert(now);
        *stage.ended.of(status) += 1;
        let ended: usize = stage.ended.told().map(|(_, count)| count).sum();
        if ended == stage.total {
            let worst =
                [NodeStatus::Failed, NodeStatus::Cancelled, NodeStatus::NotRun, NodeStatus::Built];
            let worst = worst.into_iter().find(|status| *stage.ended.of(*status) > 0);
            return Telling::End(worst.unwrap_or(NodeStatus::Cached), stage.text(now));
        }
        let last = *stage.last_line.get_or_insert(now);
        if ended < stage.total && now.duration_since(last) >= self.interval {
            stage.last_line = Some(now);
            let [done, total] = [ended, stage.total].map(|count| format::grouped(count as u64));
            return Telling::Progress(format!("{done}/{total}  {}", stage.text(now)));
        }
        Telling::Nothing
    }
}

impl Stage {
    fn text(&self, now: Instant) -> String {
        let number = |count| format::grouped(count as u64);
        let mut parts: Vec<String> = format::ends(self.ended, number);
        let beyond = |remark| {
            let count = self.remarks.get(&remark).copied().unwrap_or(0);
            (count > TOLD).then(|| count - TOLD)
        };
        parts.extend(beyond(Remark::Warning).map(|count| format!("{count} more warnings")));
        let elapsed = self.begun.map_or(Duration::ZERO, |begun| now.duration_since(begun));
        format!("{} in {}", parts.join(", "), format::duration(elapsed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(total: usize) -> Tally {
        Tally::new([("train".into(), total)], Duration::from_secs(10))
    }

    #[test]
    fn a_stage_is_told_of_when_its_last_node_has_ended() {
        let (mut tally, now) = (tally(3), Instant::now());
        tally.begun("train", now);
        let later = now + Duration::from_secs(2);
        assert_eq!(tally.ended("train", NodeStatus::Built, now), Telling::Nothing);
        assert_eq!(tally.ended("train", NodeStatus::Cached, now), Telling::Nothing);
        let text = "2 built, 1 cached in 2.0 s".to_owned();
        assert_eq!(
            tally.ended("train", NodeStatus::Built, later),
            Telling::End(NodeStatus::Built, text)
        );
    }

    #[test]
    fn what_went_wrong_decides_how_a_stage_ended() {
        let (mut tally, now) = (tally(3), Instant::now());
        tally.ended("train", NodeStatus::NotRun, now);
        tally.ended("train", NodeStatus::Failed, now);
        let told = tally.ended("train", NodeStatus::Built, now);
        assert!(matches!(told, Telling::End(NodeStatus::Failed, _)), "{told:?}");
    }

    #[test]
    fn progress_is_told_now_and_then() {
        let (mut tally, now) = (tally(2_000), Instant::now());
        assert_eq!(tally.ended("train", NodeStatus::Built, now), Telling::Nothing);
        let later = now + Duration::from_secs(10);
        let told = tally.ended("train", NodeStatus::Built, later);
        assert!(
            matches!(&told, Telling::Progress(text) if text.starts_with("2/2,000  2 built")),
            "{told:?}"
        );
        assert_eq!(tally.ended("train", NodeStatus::Built, later), Telling::Nothing);
    }

    #[test]
    fn the_first_warnings_are_told_and_the_others_are_counted() {
        let (mut tally, now) = (tally(1), Instant::now());
        let told = (0..TOLD + 7).filter(|_| tally.tells("train", Remark::Warning)).count();
        assert_eq!(told, TOLD);
        let Telling::End(_, text) = tally.ended("train", NodeStatus::Built, now) else {
            panic!("the only node has ended")
        };
        assert!(text.contains("1 built, 7 more warnings"), "{text}");
    }
}
