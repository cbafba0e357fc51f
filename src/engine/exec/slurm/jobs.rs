//! What was handed to Slurm, and what is still to be.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::super::cluster::Cluster;
use super::super::options::Setting;
use super::super::order::{Existing, WorkOrder};
use super::batch::Batch;
use super::client::{self, ClusterError, QueuedTask};
use super::ending::{is_alive, is_waiting};
use super::log::Told;
use super::submission::{self, Submission};
use crate::base::disk::regular;
use crate::base::outputs;
use crate::engine::exec::event::Event;
use crate::engine::plan::CacheKey;
use crate::engine::store::State;

/// Between two questions to the controller, for the whole run.
const QUEUE_POLL: Duration = Duration::from_secs(30);
/// The first pause when it does not answer; then twice as long, up to [`QUEUE_POLL`] twice.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// A task that is in no list for this long is gone.
const GONE_AFTER: Duration = Duration::from_secs(45);
/// How often jobs are submitted that the controller has lost.
const MOST_TRIES: u32 = 3;

/// How a task ended that has left no result so far.
pub(super) enum Fate {
    Ended {
        task: QueuedTask,
        since: Instant,
        stderr: PathBuf,
    },
    /// Slurm says nothing of it.
    Vanished {
        job: Option<u64>,
        index: usize,
        stderr: PathBuf,
    },
}

/// A submission with what it takes to submit it again.
struct Handed {
    submission: Submission,
    request: Vec<String>,
    after: Vec<String>,
    tries: u32,
    /// In how many lists in a row it was not.
    missed: u32,
    was_seen: bool,
}

pub(super) struct Jobs<'a> {
    setting: Setting<'a>,
    cluster: &'a Cluster,
    waiting: Vec<Batch>,
    waiting_keys: HashSet<CacheKey>,
    handed: Vec<Handed>,
    /// Which task makes what: the submission, and the number of the task.
    places: HashMap<CacheKey, (usize, usize)>,
    /// As the last list has them.
    queue: HashMap<(usize, usize), QueuedTask>,
    /// Since when tasks have ended, or are in no list.
    ended: HashMap<(usize, usize), Instant>,
    next_poll: Instant,
    /// How often in a row the controller has not answered; `None` before it was asked.
    away: Option<u32>,
    refusal: Option<ClusterError>,
    largest_array: Option<usize>,
    handed_over: Arc<Mutex<HashSet<CacheKey>>>,
    news: VecDeque<String>,
    told_counts: String,
}

impl<'a> Jobs<'a> {
    pub(super) fn new(
        setting: Setting<'a>,
        cluster: &'a Cluster,
        waiting: Vec<Batch>,
        handed_over: Arc<Mutex<HashSet<CacheKey>>>,
    ) -> Self {
        Self {
            setting,
            cluster,
            waiting_keys: waiting.iter().flat_map(Batch::keys).collect(),
            waiting,
            handed: Vec::new(),
            places: HashMap::new(),
            queue: HashMap::new(),
            ended: HashMap::new(),
            next_poll: Instant::now(),
            away: None,
            refusal: None,
            largest_array: None,
            handed_over,
            news: VecDeque::new(),
            told_counts: String::new(),
        }
    }

    /// Sees to it that some task makes what an order asks for.
    pub(super) fn cover(&mut self, order: &WorkOrder) {
        let is_done = order.existing != Existing::Good && self.told(&order.key).is_some();
        if is_done && let Some((submission, index)) = self.places.remove(&order.key) {
            self.handed[submission].submission.logs[index].told.remove(&order.key);
        }
        if !self.places.contains_key(&order.key) && self.waiting_keys.insert(order.key) {
            self.waiting.push(Batch::new(vec![order.clone()], self.cluster));
        }
    }

    /// Asks the controller when it is time to, and submits what can begin.
    ///
    /// # Errors
    /// When Slurm refuses, or does not answer.
    pub(super) fn advance(&mut self) -> Result<(), ClusterError> {
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        let advanced = self.try_to_advance();
        match &advanced {
            Err(ClusterError::Away) => {}
            Err(error) => self.refusal = Some(error.clone()),
            Ok(()) => {}
        }
        advanced
    }

    fn try_to_advance(&mut self) -> Result<(), ClusterError> {
        if self.next_poll <= Instant::now() {
            match client::queue() {
                Ok(tasks) => self.listed(tasks)?,
                Err(ClusterError::Away) => {
                    self.is_away();
                    return Err(ClusterError::Away);
                }
                Err(error) => return Err(error),
            }
        }
        if self.away != Some(0) {
            return Err(ClusterError::Away);
        }
        self.submit_again()?;
        self.submit()
    }

    fn is_away(&mut self) {
        let times = self.away.unwrap_or(0) + 1;
        self.away = Some(times);
        self.next_poll =
            Instant::now() + (FIRST_PAUSE * 2_u32.pow(times.min(6) - 1)).min(2 * QUEUE_POLL);
    }

    /// Takes what Slurm knows of all tasks.
    fn listed(&mut self, tasks: Vec<QueuedTask>) -> Result<(), ClusterError> {
        if self.largest_array.is_none() {
            self.largest_array = Some(client::largest_array()?);
            self.attach(&tasks);
            submission::clean(self.setting.store, |token| {
                tasks.iter().any(|task| task.token == token)
            });
        }
        self.away = Some(0);
        self.next_poll = Instant::now() + QUEUE_POLL;
        let tokens: HashMap<String, usize> = (0..self.handed.len())
            .map(|index| (self.handed[index].submission.token.clone(), index))
            .collect();
        let now = Instant::now();
        self.queue.clear();
        for task in tasks {
            if let Some(number) = tokens.get(&task.token) {
                self.handed[*number].submission.job.get_or_insert(task.job);
                self.queue.insert((*number, task.index), task);
            }
        }
        let listed: HashSet<usize> = self.queue.keys().map(|(number, _)| *number).collect();
        for (number, handed) in self.handed.iter_mut().enumerate() {
            handed.was_seen |= listed.contains(&number);
            handed.missed = if listed.contains(&number) { 0 } else { handed.missed + 1 };
        }
        for place in self.places.values() {
            if self.queue.get(place).is_some_and(|task| is_alive(&task.state)) {
                self.ended.remove(place);
            } else {
                self.ended.entry(*place).or_insert(now);
            }
        }
        self.count();
        Ok(())
    }

    /// Takes over the tasks that an earlier run, or another one, has submitted and that have not ended.
    fn attach(&mut self, tasks: &[QueuedTask]) {
        let alive: HashSet<(&str, usize)> = tasks
            .iter()
            .filter(|task| is_alive(&task.state))
            .map(|task| (task.token.as_str(), task.index))
            .collect();
        let mut count = 0;
        for submission in submission::list(self.setting.store) {
            let number = self.handed.len();
            let indexes: Vec<usize> = (0..submission.task_count())
                .filter(|index| alive.contains(&(submission.token.as_str(), *index)))
                .collect();
            if indexes.is_empty() || submission.is_cancelled() {
                continue;
            }
            let mut is_ours = false;
            for index in indexes {
                let keys: Vec<CacheKey> = submission.keys(index).collect();
                if keys.iter().any(|key| self.waiting_keys.contains(key)) {
                    is_ours = true;
                    count += 1;
                    self.places.extend(keys.iter().map(|key| (*key, (number, index))));
                    self.hand_over(&keys);
                }
            }
            if is_ours {
                self.handed.push(Handed {
                    submission,
                    request: Vec::new(),
                    after: Vec::new(),
                    tries: MOST_TRIES,
                    missed: 0,
                    was_seen: true,
                });
            }
        }
        for batch in &mut self.waiting {
            batch.orders.retain(|order| !self.places.contains_key(&order.key));
        }
        self.waiting.retain(|batch| !batch.orders.is_empty());
        self.waiting_keys.retain(|key| !self.places.contains_key(key));
        if count > 0 {
            self.news.push_back(format!(
                "{count} tasks of an earlier run are with Slurm: this one waits for them"
            ));
        }
    }

    fn hand_over(&self, keys: &[CacheKey]) {
        self.handed_over.lock().unwrap_or_else(PoisonError::into_inner).extend(keys);
    }

    /// Submits again what the controller did not take, or has lost: one that is killed forgets what came in its last seconds.
    fn submit_again(&mut self) -> Result<(), ClusterError> {
        for number in 0..self.handed.len() {
            let handed = &mut self.handed[number];
            let is_lost = handed.submission.job.is_none() && handed.missed > 0
                || !handed.was_seen && handed.missed > 1;
            if !is_lost || handed.tries >= MOST_TRIES {
                continue;
            }
            handed.missed = 0;
            self.hand_to_slurm(number)?;
        }
        Ok(())
    }

    fn hand_to_slurm(&mut self, number: usize) -> Result<(), ClusterError> {
        let handed = &mut self.handed[number];
        handed.tries += 1;
        let (request, after) = (handed.request.clone(), handed.after.clone());
        let (cluster, options) = (self.cluster, self.setting.options);
        match handed.submission.submit(&request, &after, cluster, options) {
            Ok(()) => {
                let (job, tasks) =
                    (handed.submission.job.unwrap_or(0), handed.submission.task_count());
                let tasks =
                    if tasks == 1 { "one task".to_owned() } else { format!("{tasks} tasks") };
                let place = handed.submission.folder.display();
                self.news.push_back(format!("job {job} of {tasks} is with Slurm (`{place}`)"));
                Ok(())
            }
            Err(ClusterError::Away) => {
                // Whether it has the job shows its next list.
                self.is_away();
                Err(ClusterError::Away)
            }
            Err(error) => Err(error),
        }
    }

    /// Submits what has all that it needs, or will have when jobs have ended that were submitted before.
    fn submit(&mut self) -> Result<(), ClusterError> {
        while let Some(group) = self.next_group() {
            let Group { request, after, mut batches } = group;
            batches.truncate(self.room());
            if batches.is_empty() {
                return Ok(());
            }
            let chosen: HashSet<usize> = batches.into_iter().collect();
            let (now, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.waiting)
                .into_iter()
                .enumerate()
                .partition(|(index, _)| chosen.contains(index));
            self.waiting = later.into_iter().map(|(_, batch)| batch).collect();
            let now: Vec<Batch> = now.into_iter().map(|(_, batch)| batch).collect();
            let number = self.handed.len();
            let run = self.setting.options.logs.as_deref().and_then(std::path::Path::file_name);
            let run = run.map(|run| run.to_string_lossy().into_owned()).unwrap_or_default();
            // A later round may hand over the same work again, and reads its own logs.
            let since =
                SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let nonce = format!("{run} {} {}", std::process::id(), since.as_nanos());
            let submission =
                Submission::write(self.setting.store, &now, &nonce).map_err(|error| {
                    ClusterError::Unwritten {
                        path: self.setting.store.outputs().join(outputs::SLURM),
                        reason: regular::reason(&error),
                    }
                })?;
            for (index, batch) in now.iter().enumerate() {
                let keys: Vec<CacheKey> = batch.keys().collect();
                for key in &keys {
                    self.waiting_keys.remove(key);
                    self.places.insert(*key, (number, index));
                }
                self.hand_over(&keys);
            }
            let (tries, missed, was_seen) = (0, 0, false);
            self.handed.push(Handed { submission, request, after, tries, missed, was_seen });
            self.hand_to_slurm(number)?;
        }
        Ok(())
    }

    /// How many more tasks may be submitted in one go.
    fn room(&self) -> usize {
        let array = self.largest_array.unwrap_or(1);
        let Some(most) = self.cluster.max_jobs else { return array };
        let unfinished = self.handed.iter().enumerate().flat_map(|(number, handed)| {
            (0..handed.submission.task_count()).map(move |index| (number, index))
        });
        let unfinished = unfinished.filter(|place| !self.ended.contains_key(place)).count();
        array.min(most.saturating_sub(unfinished))
    }

    /// Batches that can be submitted together.
    fn next_group(&self) -> Option<Group> {
        // Of most batches the needs are the same.
        let mut there: HashMap<CacheKey, Option<Vec<String>>> = HashMap::new();
        let mut groups: BTreeMap<(Vec<String>, Vec<String>), Vec<usize>> = BTreeMap::new();
        for (index, batch) in self.waiting.iter().enumerate() {
            let mut after: Option<Vec<String>> = Some(Vec::new());
            for need in batch.needs() {
                let waits_for = there.entry(need).or_insert_with(|| self.waits_for(&need));
                match (&mut after, waits_for) {
                    (Some(after), Some(jobs)) => after.extend(jobs.iter().cloned()),
                    _ => after = None,
                }
            }
            let Some(mut after) = after else { continue };
            after.sort_unstable();
            after.dedup();
            groups.entry((after, batch.request.arguments())).or_default().push(index);
        }
        let ((after, request), batches) = groups.into_iter().next()?;
        Some(Group { request, after, batches })
    }

    /// The jobs that must end before a key's entry is there: none where it is there, `None` where nobody makes it yet.
    fn waits_for(&self, key: &CacheKey) -> Option<Vec<String>> {
        if matches!(self.setting.store.state(key), Ok(State::Present(_))) {
            return Some(Vec::new());
        }
        let place = self.places.get(key)?;
        if self.ended.contains_key(place) {
            return None;
        }
        let job = self.handed[place.0].submission.job?;
        Some(vec![format!("{job}_{}", place.1)])
    }

    pub(super) fn is_all_submitted(&self) -> bool {
        self.away == Some(0)
            && self.waiting.is_empty()
            && self.handed.iter().all(|handed| handed.submission.job.is_some())
    }

    /// The events of the tasks that make these keys, since the last call.
    pub(super) fn follow(&mut self, keys: &[CacheKey]) -> Vec<Event> {
        let places: HashSet<(usize, usize)> =
            keys.iter().filter_map(|key| self.places.get(key)).copied().collect();
        let mut events = Vec::new();
        for (number, index) in places {
            events.extend(self.handed[number].submission.logs[index].follow());
        }
        events
    }

    /// What the task that makes a key has said of how that ended.
    pub(super) fn told(&self, key: &CacheKey) -> Option<&Told> {
        let (number, index) = self.places.get(key)?;
        self.handed[*number].submission.logs[*index].told.get(key)
    }

    /// How the task ended that was to make a key; `None` where it has not, as far as is known.
    pub(super) fn fate(&self, key: &CacheKey) -> Option<Fate> {
        let place = self.places.get(key)?;
        let since = *self.ended.get(place)?;
        let submission = &self.handed[place.0].submission;
        let stderr = submission.stderr(place.1);
        match self.queue.get(place) {
            Some(task) => Some(Fate::Ended { task: task.clone(), since, stderr }),
            None if self.handed[place.0].tries < MOST_TRIES && !self.handed[place.0].was_seen => {
                None
            }
            None if since.elapsed() < GONE_AFTER => None,
            None => Some(Fate::Vanished { job: submission.job, index: place.1, stderr }),
        }
    }

    /// Notes how many tasks wait and run, where that is other than before.
    fn count(&mut self) {
        let alive = || self.queue.values().filter(|task| is_alive(&task.state));
        let waiting = alive().filter(|task| is_waiting(&task.state)).count();
        let running = alive().count() - waiting;
        let mut reasons: Vec<&str> = alive()
            .filter(|task| is_waiting(&task.state) && task.reason != "None")
            .map(|task| task.reason.as_str())
            .collect();
        reasons.sort_unstable();
        reasons.dedup();
        let reasons =
            if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
        let text = format!("with Slurm: {running} tasks run, {waiting} wait{reasons}");
        if waiting + running > 0 && text != self.told_counts {
            self.told_counts.clone_from(&text);
            self.news.push_back(text);
        }
    }

    /// What a person is told, oldest first.
    pub(super) fn news(&mut self) -> Option<String> {
        self.news.pop_front()
    }
}

/// Batches that ask for the same and wait for the same.
struct Group {
    request: Vec<String>,
    after: Vec<String>,
    /// In the list of those that wait.
    batches: Vec<usize>,
}
