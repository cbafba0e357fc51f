//! Slurm's own commands.
//!
//! They wait for a controller that is away, so that each has a time limit. Whether a command was refused or nobody answered is not told apart by
//! what it prints, but by `scontrol ping`.

use std::borrow::Cow;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::base::problem::Help;

/// `squeue` and `sbatch` of Slurm 22.05 give up after 9 s without a controller; a busy one answers later than that.
const PATIENCE: Duration = Duration::from_secs(60);
/// What stands before the token in a job's comment.
const MARK: &str = "pipeline:";

/// What Slurm did not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    #[error("there is no `{command}` on this machine")]
    NoCommand { command: &'static str },
    #[error("Slurm's controller does not answer")]
    Away,
    #[error("`{command}` refused: {text}")]
    Refused { command: &'static str, text: String },
    #[error("cannot write `{}`: {reason}", path.display())]
    Unwritten { path: PathBuf, reason: String },
}

impl Help for ClusterError {
    fn help(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::NoCommand { .. } => {
                "a profile with `executor = \"slurm\"` is for machines from which jobs are submitted"
                    .into()
            }
            Self::Away => "run the same command again when `scontrol ping` says that it is up".into(),
            Self::Unwritten { .. } => "`outputs/` takes the orders and logs of jobs".into(),
            Self::Refused { .. } => {
                "partition, account, limits and `options` stand in the profile of `pipeline.toml`".into()
            }
        })
    }
}

/// One task of a job, as `squeue` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct QueuedTask {
    /// Of the submission.
    pub(super) token: String,
    /// Of the array.
    pub(super) job: u64,
    /// Its number in the array.
    pub(super) index: usize,
    /// Slurm's word.
    pub(super) state: String,
    /// Why it waits, or why it ended.
    pub(super) reason: String,
}

/// All tasks of ours that Slurm knows, ended ones for as long as it remembers them.
pub(super) fn queue() -> Result<Vec<QueuedTask>, ClusterError> {
    // Not `--states=all` alone: `-r` lists the tasks of an array that have not begun one by one.
    let arguments = ["--me", "-h", "-r", "-t", "all", "-o", "%F|%K|%T|%r|%k"];
    let listed = call("squeue", &arguments.map(String::from), None)?;
    Ok(listed.lines().filter_map(queued).collect())
}

/// A line of `squeue`. The jobs of others, which may have any comment, are none.
fn queued(line: &str) -> Option<QueuedTask> {
    let mut fields = line.splitn(5, '|');
    let mut next = || fields.next();
    let (job, index, state, reason) = (next()?, next()?, next()?, next()?);
    Some(QueuedTask {
        token: next()?.trim().strip_prefix(MARK)?.to_owned(),
        job: job.parse().ok()?,
        index: index.parse().ok()?,
        state: state.to_owned(),
        reason: reason.to_owned(),
    })
}

/// How many tasks an array may have.
pub(super) fn largest_array() -> Result<usize, ClusterError> {
    let settings = call("scontrol", &["show".to_owned(), "config".to_owned()], None)?;
    let value = settings.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == "MaxArraySize").then(|| value.trim().parse().ok())?
    });
    // Slurm's default, of a version that does not say.
    Ok(value.unwrap_or(1001))
}

/// Submits a script; the number of the job.
///
/// * `token`: of the submission
pub(super) fn submit(
    script: &Path,
    token: &str,
    arguments: &[String],
    folder: &Path,
) -> Result<u64, ClusterError> {
    let mut all = vec!["--parsable".to_owned(), format!("--comment={MARK}{token}")];
    all.extend_from_slice(arguments);
    all.push(script.display().to_string());
    let answer = call("sbatch", &all, Some(folder))?;
    // With the cluster's name behind it, where there are several.
    let number = answer.trim().split(';').next().and_then(|number| number.parse().ok());
    number.ok_or(ClusterError::Refused { command: "sbatch", text: answer })
}

/// Whether this machine submits jobs at all.
///
/// # Errors
/// When it has none of Slurm's commands.
pub fn check() -> Result<(), ClusterError> {
    for command in ["squeue", "sbatch"] {
        limited(command, &["--version".to_owned()], None)?;
    }
    Ok(())
}

/// The version of the Slurm that this machine submits jobs to, as `squeue` says it, and how many tasks an array may have.
///
/// # Errors
/// When it has none of Slurm's commands, or nobody answers them.
pub fn describe() -> Result<(String, usize), ClusterError> {
    check()?;
    let version = call("squeue", &["--version".to_owned()], None)?;
    Ok((version.trim().to_owned(), largest_array()?))
}

/// Ends jobs.
pub(super) fn cancel(jobs: &[u64]) -> Result<(), ClusterError> {
    let numbers: Vec<String> = jobs.iter().map(u64::to_string).collect();
    call("scancel", &numbers, None).map(drop)
}

/// Puts the job that this process belongs to back into the queue. Slurm ends this process meanwhile.
///
/// # Errors
/// When Slurm does not.
pub fn requeue(job: &str) -> Result<(), ClusterError> {
    call("scontrol", &["requeue".to_owned(), job.to_owned()], None).map(drop)
}

/// Whether Slurm counts the job as cancelled.
pub fn is_cancelled(job: &str) -> bool {
    let arguments = ["-h", "-t", "all", "-o", "%T", "-j", job].map(String::from);
    call("squeue", &arguments, None).is_ok_and(|state| state.trim().starts_with("CANCELLED"))
}

/// What a command prints, unless it fails.
///
/// * `folder`: where it is started
fn call(
    command: &'static str,
    arguments: &[String],
    folder: Option<&Path>,
) -> Result<String, ClusterError> {
    let output = limited(command, arguments, folder)?;
    match output {
        Some(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Some(output)
            if limited("scontrol", &["ping".to_owned()], None)?
                .is_some_and(|ping| ping.status.success()) =>
        {
            let text = String::from_utf8_lossy(&output.stderr);
            let text = text.trim().strip_prefix(&format!("{command}: ")).unwrap_or(text.trim());
            Err(ClusterError::Refused { command, text: text.replace('\n', "; ") })
        }
        _ => Err(ClusterError::Away),
    }
}

/// `None` when it takes too long.
fn limited(
    command: &'static str,
    arguments: &[String],
    folder: Option<&Path>,
) -> Result<Option<Output>, ClusterError> {
    let mut child = Command::new(command);
    child.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    child.current_dir(folder.unwrap_or(Path::new("/")));
    // Ctrl-C is for the run, which decides what becomes of its jobs.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut child, 0);
    let Ok(mut child) = child.spawn() else { return Err(ClusterError::NoCommand { command }) };
    let streams = (child.stdout.take(), child.stderr.take());
    let readers =
        (std::thread::spawn(|| whole(streams.0)), std::thread::spawn(|| whole(streams.1)));
    let begun = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if begun.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(10));
            }
            _ => break None,
        }
    };
    let Some(status) = status else {
        let _ = child.kill();
        let _ = child.wait();
        return Ok(None);
    };
    let (stdout, stderr) =
        (readers.0.join().unwrap_or_default(), readers.1.join().unwrap_or_default());
    Ok(Some(Output { status, stdout, stderr }))
}

fn whole(stream: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What cannot be read is missing in what is told; the exit status decides.
    let _ = stream.map(|mut stream| stream.read_to_end(&mut bytes));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_squeue_is_a_task_of_ours_or_none() {
        let task = queued("12|3|PENDING|Resources|pipeline:0badcafe\n").expect("a task");
        assert_eq!(
            (task.job, task.index, &*task.state, &*task.token),
            (12, 3, "PENDING", "0badcafe")
        );
        for others in [
            "12|N/A|RUNNING|None|(null)",
            "12|N/A|RUNNING|None|a|b|c",
            "",
            "12|3|RUNNING|None|mine",
        ] {
            assert_eq!(queued(others), None, "{others}");
        }
    }
}
