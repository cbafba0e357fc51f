//! What Slurm says of a task.

use std::path::Path;

use super::client::QueuedTask;
use super::log::tail;
use crate::engine::stage::StageError;

/// Whether a task waits or runs. The words are those of `squeue`'s manual, "JOB STATE CODES".
pub(super) fn is_alive(state: &str) -> bool {
    !matches!(
        state,
        "BOOT_FAIL"
            | "CANCELLED"
            | "COMPLETED"
            | "DEADLINE"
            | "FAILED"
            | "NODE_FAIL"
            | "OUT_OF_MEMORY"
            | "PREEMPTED"
            | "REVOKED"
            | "TIMEOUT"
    )
}

pub(super) fn is_waiting(state: &str) -> bool {
    matches!(state, "PENDING" | "CONFIGURING" | "REQUEUED" | "REQUEUE_HOLD" | "REQUEUE_FED")
}

/// Why a task has left no result that was waited for. All but a failure of the program itself are of the moment: another time the work may
/// succeed.
///
/// * `stderr`: where it was written
pub(super) fn failure(task: &QueuedTask, stderr: &Path) -> StageError {
    let job = format!("{}_{}", task.job, task.index);
    let (what, help) = match task.state.as_str() {
        "OUT_OF_MEMORY" => (
            "ran out of memory",
            "ask for more in the profile (`memory`), or train with smaller batches",
        ),
        "TIMEOUT" | "DEADLINE" => (
            "reached its time limit",
            "the same command goes on from its saved state; `time` in the profile gives a job longer",
        ),
        "CANCELLED" => ("was cancelled", "the same command goes on from its saved state"),
        "NODE_FAIL" | "BOOT_FAIL" => {
            ("lost its node", "the same command goes on from its saved state")
        }
        "PREEMPTED" | "REVOKED" => {
            ("was preempted", "the same command goes on from its saved state")
        }
        "COMPLETED" => (
            "ended, and its result is not to be seen here",
            "are `outputs/` of this machine and of the nodes the same folder?",
        ),
        _ => ("failed", "its log says more"),
    };
    let tail = tail(stderr);
    let said = if tail.is_empty() { String::new() } else { format!(": {tail}") };
    StageError::new(format!("job {job} {what}{said}"))
        .with_help(format!("{help} (`{}`)", stderr.display()))
        .hindered()
}

/// The same of a task of which Slurm says nothing.
pub(super) fn vanished(job: Option<u64>, index: usize, stderr: &Path) -> StageError {
    let job = job.map_or_else(|| "a job".to_owned(), |job| format!("job {job}_{index}"));
    let tail = tail(stderr);
    let said = if tail.is_empty() { String::new() } else { format!(": {tail}") };
    StageError::new(format!("{job} is gone, and left no result{said}"))
        .with_help(format!("the same command submits it again (`{}`)", stderr.display()))
        .hindered()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Slurm 22.05 and 23.11 print them for jobs that ended in these ways on clusters with cgroups.
    #[test]
    fn every_end_is_told_in_words_with_what_helps() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let stderr = folder.path().join("3.err");
        std::fs::write(&stderr, "slurmstepd: error: Detected 1 oom_kill event\n")
            .expect("writable");
        let told = |state: &str| {
            let task = QueuedTask {
                token: String::new(),
                job: 12,
                index: 3,
                state: state.to_owned(),
                reason: String::new(),
            };
            failure(&task, &stderr).to_string()
        };
        assert_eq!(
            told("OUT_OF_MEMORY"),
            "job 12_3 ran out of memory: slurmstepd: error: Detected 1 oom_kill event"
        );
        for (state, word) in [
            ("TIMEOUT", "reached its time limit"),
            ("CANCELLED", "was cancelled"),
            ("NODE_FAIL", "lost its node"),
            ("PREEMPTED", "was preempted"),
            ("FAILED", "failed"),
            ("COMPLETED", "ended, and its result is not to be seen here"),
        ] {
            assert!(told(state).starts_with(&format!("job 12_3 {word}:")), "{}", told(state));
            assert!(!is_alive(state));
        }
        assert!(
            ["PENDING", "RUNNING", "COMPLETING", "REQUEUED", "SUSPENDED"].into_iter().all(is_alive)
        );
    }
}
