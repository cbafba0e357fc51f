//! Folders of orders that jobs work off: `outputs/slurm/<token>/`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::cluster::Cluster;
use super::super::options::Options;
use super::batch::Batch;
use super::client::{self, ClusterError};
use super::ending::is_alive;
use super::log::Log;
use crate::base::disk::{durable, regular};
use crate::base::{outputs, shell};
use crate::engine::plan::CacheKey;
use crate::engine::stage::Device;
use crate::engine::store::Store;

/// The version of [`Written`].
const FORMAT: u32 = 1;
const TASKS: &str = "tasks.json";
/// How long the orders and logs of ended jobs are kept for whoever wants to read them.
const KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The mark of who ends jobs: a task that is told to stop does not put itself back into the queue.
pub const CANCELLED: &str = "cancelled";

/// What is known of a submission by whoever finds it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Written {
    format: u32,
    experiment: String,
    file: PathBuf,
    /// By the number of the task, what it makes.
    tasks: Vec<Vec<Made>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Made {
    key: CacheKey,
    stage: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    label: String,
}

/// Orders in a folder, and the job that works them off.
#[derive(Debug)]
pub(super) struct Submission {
    pub(super) token: String,
    pub(super) folder: PathBuf,
    written: Written,
    /// Known once Slurm has answered.
    pub(super) job: Option<u64>,
    pub(super) logs: Vec<Log>,
}

impl Submission {
    /// Writes the orders of batches, one file for each.
    ///
    /// * `nonce`: what tells this run's submissions from those of others
    ///
    /// # Errors
    /// When the folder cannot be written, or a path is not UTF-8.
    pub(super) fn write(store: &Store, batches: &[Batch], nonce: &str) -> io::Result<Self> {
        let made = |batch: &Batch| -> Vec<Made> {
            let made = batch.orders.iter().map(|order| Made {
                key: order.key,
                stage: order.name.stage.to_string(),
                label: order.name.label.to_string(),
            });
            made.collect()
        };
        let first = batches.first().and_then(|batch| batch.orders.first());
        let written = Written {
            format: FORMAT,
            experiment: first.map(|order| order.experiment.clone()).unwrap_or_default(),
            file: first.map(|order| real(&order.file)).unwrap_or_default(),
            tasks: batches.iter().map(made).collect(),
        };
        let mut hasher = blake3::Hasher::new();
        hasher.update(nonce.as_bytes());
        for key in batches.iter().flat_map(Batch::keys) {
            hasher.update(key.as_bytes());
        }
        let token = hasher.finalize().to_hex()[..20].to_owned();
        let folder = std::path::absolute(place(store).join(&token))?;
        std::fs::create_dir_all(&folder)?;
        for (index, batch) in batches.iter().enumerate() {
            let mut lines = String::new();
            for order in &batch.orders {
                let _ = writeln!(lines, "{}", order.to_line()?);
            }
            std::fs::write(folder.join(format!("{index}.jsonl")), lines)?;
        }
        // Last: a folder with it is whole.
        std::fs::write(folder.join(TASKS), serde_json::to_vec(&written)?)?;
        durable::sync_below(&folder)?;
        Ok(Self::new(token, folder, written))
    }

    fn new(token: String, folder: PathBuf, written: Written) -> Self {
        let log = |(index, made): (usize, &Vec<Made>)| {
            let keys: HashMap<(String, String), CacheKey> = made
                .iter()
                .map(|made| ((made.stage.clone(), made.label.clone()), made.key))
                .collect();
            Log::new(folder.join(format!("{index}.out")), keys)
        };
        let logs = written.tasks.iter().enumerate().map(log).collect();
        Self { token, folder, written, job: None, logs }
    }

    /// The submission in a folder. One of another version, or one that is not whole, is none.
    fn read(folder: PathBuf) -> Option<Self> {
        let written: Written =
            serde_json::from_slice(&regular::read(&folder.join(TASKS)).ok()?).ok()?;
        let token = folder.file_name()?.to_str()?.to_owned();
        (written.format == FORMAT).then(|| Self::new(token, folder, written))
    }

    /// Whether somebody has ended its jobs.
    pub(super) fn is_cancelled(&self) -> bool {
        self.folder.join(CANCELLED).exists()
    }

    pub(super) fn task_count(&self) -> usize {
        self.written.tasks.len()
    }

    /// What a task makes.
    pub(super) fn keys(&self, index: usize) -> impl Iterator<Item = CacheKey> {
        self.written.tasks.get(index).into_iter().flatten().map(|made| made.key)
    }

    pub(super) fn stderr(&self, index: usize) -> PathBuf {
        self.folder.join(format!("{index}.err"))
    }

    /// Submits it, after what it waits for.
    ///
    /// * `request`: the options of `sbatch` that say what its tasks ask for
    /// * `after`: jobs, as `afterok` takes them
    ///
    /// # Errors
    /// When Slurm refuses it, or does not answer, in which case the jobs may be there nevertheless.
    pub(super) fn submit(
        &mut self,
        request: &[String],
        after: &[String],
        cluster: &Cluster,
        options: &Options,
    ) -> Result<(), ClusterError> {
        let script = self.folder.join("job.sh");
        let write = std::fs::write(&script, self.script(cluster, options));
        write.map_err(|error| ClusterError::Unwritten {
            path: script.clone(),
            reason: regular::reason(&error),
        })?;
        let last = self.task_count().saturating_sub(1);
        let limit = cluster.array_limit.map(|limit| format!("%{limit}")).unwrap_or_default();
        // What stands after a percent sign is a pattern of Slurm's.
        let file = |extension: &str| {
            self.folder.display().to_string().replace('%', "%%") + "/%a." + extension
        };
        let mut arguments = vec![
            format!("--job-name=pipeline-{}", self.written.experiment),
            format!("--array=0-{last}{limit}"),
            format!("--output={}", file("out")),
            format!("--error={}", file("err")),
            // What is put back into the queue goes on writing behind what it wrote.
            "--open-mode=append".to_owned(),
            "--requeue".to_owned(),
        ];
        if !after.is_empty() {
            arguments.push(format!("--dependency=afterok:{}", after.join(":")));
            arguments.push("--kill-on-invalid-dep=yes".to_owned());
        }
        arguments.extend_from_slice(request);
        self.job = Some(client::submit(&script, &self.token, &arguments, &self.folder)?);
        Ok(())
    }

    /// The batch script. It becomes the program, which thereby gets the signals that Slurm sends to the script.
    fn script(&self, cluster: &Cluster, options: &Options) -> String {
        let program = std::env::current_exe().unwrap_or_else(|_| "pipeline".into());
        let mut script = String::from("#!/bin/bash\n");
        for line in &cluster.prologue {
            script += line;
            script.push('\n');
        }
        let orders = self.folder.join("");
        let _ = write!(
            script,
            "exec {} stage run {}\"$SLURM_ARRAY_TASK_ID\".jsonl --json --keep-going",
            shell::word(&program.display().to_string()),
            shell::word(&orders.display().to_string())
        );
        script += " --threads \"${SLURM_CPUS_PER_TASK:-$(nproc)}\"";
        let device = match options.device {
            Device::Auto => None,
            Device::Cpu => Some("cpu".to_owned()),
            Device::Cuda(number) => Some(format!("cuda:{number}")),
            Device::Metal(number) => Some(format!("metal:{number}")),
        };
        if let Some(device) = device {
            let _ = write!(script, " --device {device}");
        }
        if options.offline {
            script += " --offline";
        }
        script.push('\n');
        script
    }
}

fn place(store: &Store) -> PathBuf {
    store.outputs().join(outputs::SLURM)
}

/// A path by which files are compared.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// The submissions of a store, in no order.
pub(super) fn list(store: &Store) -> Vec<Submission> {
    let Ok(folders) = std::fs::read_dir(place(store)) else { return Vec::new() };
    folders.flatten().filter_map(|folder| Submission::read(folder.path())).collect()
}

/// Removes what is left of submissions of long ago.
///
/// * `is_known`: whether Slurm still knows jobs of a token
pub(super) fn clean(store: &Store, is_known: impl Fn(&str) -> bool) {
    for submission in list(store).iter().filter(|submission| !is_known(&submission.token)) {
        let age = std::fs::metadata(submission.folder.join(TASKS))
            .and_then(|tasks| tasks.modified())
            .ok()
            .and_then(|written| written.elapsed().ok());
        if age.is_some_and(|age| age > KEPT_FOR) {
            // Another run may be at it; what stays costs a little space.
            let _ = std::fs::remove_dir_all(&submission.folder);
        }
    }
}

/// What was ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cancelled {
    pub jobs: usize,
    pub tasks: usize,
}

/// Ends the jobs that make results for a store.
///
/// * `file`: only those of this experiment file
///
/// # Errors
/// When Slurm does not answer, or the mark that keeps tasks from going on cannot be written.
pub fn cancel(store: &Store, file: Option<&Path>) -> Result<Cancelled, ClusterError> {
    let file = file.map(real);
    let queue = client::queue()?;
    let mut cancelled = Cancelled::default();
    let mut jobs = Vec::new();
    for submission in list(store) {
        if file.as_ref().is_some_and(|file| submission.written.file != *file) {
            continue;
        }
        let mut of_it: Vec<u64> = queue
            .iter()
            .filter(|task| task.token == submission.token && is_alive(&task.state))
            .map(|task| task.job)
            .collect();
        cancelled.tasks += of_it.len();
        of_it.sort_unstable();
        of_it.dedup();
        if !of_it.is_empty() {
            let mark = submission.folder.join(CANCELLED);
            std::fs::write(&mark, "").map_err(|error| ClusterError::Unwritten {
                path: mark.clone(),
                reason: regular::reason(&error),
            })?;
            jobs.extend(of_it);
        }
    }
    cancelled.jobs = jobs.len();
    if !jobs.is_empty() {
        client::cancel(&jobs)?;
    }
    Ok(cancelled)
}
