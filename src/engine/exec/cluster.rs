//! What a profile says of a cluster: where jobs go, and what they ask for. Nothing of it enters a key.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::base::units;
use crate::engine::stage::Resources;

/// How a run's work is divided into jobs of a cluster.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cluster {
    /// What every job asks for.
    pub job: Request,
    /// What jobs with a stage of this kind ask for instead.
    pub kinds: BTreeMap<String, Request>,
    /// What jobs with the stage of this name ask for instead.
    pub stages: BTreeMap<String, Request>,
    /// Lines of the job's script before the program starts, such as `module load cuda`.
    pub prologue: Vec<String>,
    /// Tasks that may wait or run at the same time, of this run.
    pub max_jobs: Option<usize>,
    /// Tasks of one array that may run at the same time.
    pub array_limit: Option<usize>,
    /// Whether the run ends as soon as all is submitted.
    pub detach: bool,
}

/// What a job asks for, in the words of `sbatch`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    pub partition: Option<String>,
    pub account: Option<String>,
    pub qos: Option<String>,
    pub constraint: Option<String>,
    pub gres: Option<String>,
    pub cpus: Option<u32>,
    /// In bytes, of each node.
    #[serde(default, deserialize_with = "Request::size")]
    pub memory: Option<u64>,
    pub gpus: Option<u32>,
    #[serde(default, deserialize_with = "Request::duration")]
    pub time: Option<Duration>,
    /// Further options of `sbatch`, after these.
    #[serde(default)]
    pub options: Vec<String>,
}

impl Request {
    /// A size as people write it: `20GB`.
    ///
    /// # Errors
    /// When it is none.
    pub fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
        let size = units::size(&String::deserialize(deserializer)?).filter(|size| *size > 0);
        size.map(Some).ok_or_else(|| D::Error::custom(format!("expected a size: {}", units::SIZE)))
    }

    /// A duration as people write it: `2h`.
    ///
    /// # Errors
    /// When it is none.
    pub fn duration<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let duration = units::duration(&String::deserialize(deserializer)?);
        let wrong = || D::Error::custom(format!("expected a duration: {}", units::DURATION));
        duration.map(Some).ok_or_else(wrong)
    }

    /// This, with what `other` says in place of what this says.
    #[must_use]
    pub fn overridden_by(&self, other: &Self) -> Self {
        let text = |own: &Option<String>, other: &Option<String>| other.clone().or(own.clone());
        Self {
            partition: text(&self.partition, &other.partition),
            account: text(&self.account, &other.account),
            qos: text(&self.qos, &other.qos),
            constraint: text(&self.constraint, &other.constraint),
            gres: text(&self.gres, &other.gres),
            cpus: other.cpus.or(self.cpus),
            memory: other.memory.or(self.memory),
            gpus: other.gpus.or(self.gpus),
            time: other.time.or(self.time),
            options: self.options.iter().chain(&other.options).cloned().collect(),
        }
    }

    /// What one job asks for that does this work and then that: the larger of each size, and the first of each name.
    #[must_use]
    fn together_with(&self, other: &Self) -> Self {
        let mut both = other.overridden_by(self);
        both.cpus = self.cpus.max(other.cpus);
        both.memory = self.memory.max(other.memory);
        both.gpus = self.gpus.max(other.gpus);
        both.time = self.time.max(other.time);
        both.options = self.options.clone();
        both.options.extend(other.options.iter().filter(|it| !self.options.contains(it)).cloned());
        both
    }

    /// How long before the end of its time a job is told to save what it has: two minutes, or a quarter of a short time.
    fn notice(&self) -> Duration {
        let most = Duration::from_secs(120);
        self.time.map_or(most, |time| (time / 4).clamp(Duration::from_secs(10), most))
    }

    /// The options of `sbatch`.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        let mut add = |name: &str, value: Option<String>| {
            arguments.extend(value.map(|value| format!("--{name}={value}")));
        };
        add("partition", self.partition.clone());
        add("account", self.account.clone());
        add("qos", self.qos.clone());
        add("constraint", self.constraint.clone());
        add("gres", self.gres.clone());
        add("cpus-per-task", self.cpus.map(|cpus| cpus.to_string()));
        add("mem", self.memory.map(|bytes| format!("{}K", bytes.div_ceil(1024))));
        add("gpus-per-node", self.gpus.map(|gpus| gpus.to_string()));
        add("time", self.time.map(clock));
        add("signal", Some(format!("B:USR1@{}", self.notice().as_secs())));
        arguments.extend(self.options.iter().cloned());
        arguments
    }
}

impl Cluster {
    /// What a job asks for that does the work of these stages.
    ///
    /// * `stages`: the kind and the name of each, and what the experiment's file says that it takes
    pub(super) fn request<'a>(
        &self,
        stages: impl Iterator<Item = (&'a str, &'a str, Resources)>,
    ) -> Request {
        let of_stage = |(kind, stage, resources): (&str, &str, Resources)| {
            let mut request = self.job.overridden_by(&Request {
                cpus: resources.cpus,
                memory: resources.memory,
                gpus: resources.gpus,
                time: resources.time,
                ..Request::default()
            });
            for more in [self.kinds.get(kind), self.stages.get(stage)].into_iter().flatten() {
                request = request.overridden_by(more);
            }
            request
        };
        stages
            .map(of_stage)
            .reduce(|all, next| all.together_with(&next))
            .unwrap_or_else(|| self.job.clone())
    }
}

/// A duration as Slurm reads it: days, hours, minutes and seconds, rounded up to the minute in which it counts.
fn clock(duration: Duration) -> String {
    let minutes = duration.as_secs().div_ceil(60);
    format!("{}-{:02}:{:02}:00", minutes / 1440, minutes / 60 % 24, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_comes_before_its_kind_and_a_kind_before_the_rest() {
        let cpus = |cpus| Request { cpus: Some(cpus), ..Request::default() };
        let mut cluster = Cluster { job: cpus(1), ..Cluster::default() };
        cluster.job.partition = Some("main".to_owned());
        cluster.kinds.insert("train".to_owned(), cpus(8));
        cluster.stages.insert("long".to_owned(), cpus(16));
        let asked = |stages: &[(&str, &str)]| {
            let none = Resources::default();
            cluster.request(stages.iter().map(|(kind, stage)| (*kind, *stage, none))).arguments()
        };
        let with = |cpus: &str| ["--partition=main", cpus, "--signal=B:USR1@120"].map(String::from);
        assert_eq!(asked(&[("plot", "plot")]), with("--cpus-per-task=1"));
        assert_eq!(asked(&[("train", "short"), ("plot", "plot")]), with("--cpus-per-task=8"));
        assert_eq!(asked(&[("plot", "plot"), ("train", "long")]), with("--cpus-per-task=16"));
    }

    #[test]
    fn what_a_stage_asks_for_itself_comes_before_what_all_jobs_ask_for() {
        let job = Request { memory: Some(1 << 30), cpus: Some(2), ..Request::default() };
        let cluster = Cluster { job, ..Cluster::default() };
        let own = Resources {
            memory: Some(2_000_000_000),
            time: Some(Duration::from_secs(3 * 60 + 1)),
            ..Resources::default()
        };
        let stages = [("train", "train", own), ("plot", "plot", Resources::default())];
        assert_eq!(
            cluster.request(stages.into_iter()).arguments(),
            ["--cpus-per-task=2", "--mem=1953125K", "--time=0-00:04:00", "--signal=B:USR1@45"]
        );
    }
}
