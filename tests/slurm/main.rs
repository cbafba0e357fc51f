//! The executor for clusters against a real Slurm: one host as three nodes, started by the test as root. Without Slurm's programs it says that
//! it was skipped, and fails if `PIPELINE_TEST_REQUIRE_SLURM` is set.

#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod common;

mod cluster;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use cluster::Cluster;
use common::mini::{EVENTS, MINI};
use common::{Folder, files_below, names};

const SWEEP: &str = r#"extends = "mini.toml"
[sweep]
method = "grid"
seeds = 2
objective = "max evaluate.ner.span_f1"
[sweep.over]
train.learning_rate = [1e-3, 3e-3]
"#;

/// Trains for a while: some seconds on a busy machine.
const LONG: &str = "extends = \"mini.toml\"\n[stage.train]\nepochs = 400\ncheckpoint_every = 50\n";

const SETTINGS: &str = r#"[profile.slurm]
executor = "slurm"
cpus = 1
memory = "500MB"
time = "1h"
device = "cpu"

[profile.nowhere]
inherits = "slurm"
partition = "nowhere"
"#;

/// The longest that something of seconds may take on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(240);

struct Project<'a> {
    folder: Folder,
    cluster: &'a Cluster,
}

impl<'a> Project<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        let folder = Folder::new();
        for (name, text) in [
            ("pipeline.toml", SETTINGS),
            ("data/events.toml", EVENTS),
            ("mini.toml", MINI),
            ("sweep.toml", SWEEP),
            ("long.toml", LONG),
        ] {
            folder.write(name, text);
        }
        Self { folder, cluster }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = common::program(self.folder.root(), self.folder.root(), arguments);
        self.cluster.enter(&mut command);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program starts")
    }

    /// Runs to the end, which has to be a good one.
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", said(&output));
        said(&output)
    }

    /// What was published, but for what holds clocks and names the run.
    fn results(&self, name: &str) -> BTreeMap<String, Vec<u8>> {
        let mut files = files_below(&self.folder.path("outputs").join(name));
        let tells_of_the_run =
            ["timing.csv", "published.json", "report.html", "README.md", "trials.csv"];
        files.retain(|name, _| !tells_of_the_run.iter().any(|end| name.ends_with(end)));
        files
    }

    fn submissions(&self) -> Vec<String> {
        names(&self.folder.path("outputs/slurm"))
    }

    /// Waits until a file of a submission has something in it.
    fn wait_for(&self, what: &str, is_there: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !is_there(self) {
            assert!(begun.elapsed() < PATIENCE, "{what}: {}", self.cluster.state());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The output of the first task of the last submission.
    fn log(&self) -> PathBuf {
        let last = self.submissions().pop().unwrap_or_default();
        self.folder.path("outputs/slurm").join(last).join("0.out")
    }

    fn has_saved_a_state(&self) -> bool {
        let states = self.folder.path("outputs/checkpoints");
        names(&states).iter().any(|state| !names(&states.join(state)).is_empty())
    }
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

fn local(file: &str) -> BTreeMap<String, Vec<u8>> {
    let project = Folder::new();
    for (name, text) in [
        ("data/events.toml", EVENTS),
        ("mini.toml", MINI),
        ("sweep.toml", SWEEP),
        ("long.toml", LONG),
    ] {
        project.write(name, text);
    }
    let arguments = ["run", file, "--device", "cpu", "--threads", "1"];
    let output =
        common::program(project.root(), project.root(), arguments).output().expect("it starts");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let mut files = files_below(&project.path("outputs").join(Path::new(file).with_extension("")));
    let tells_of_the_run =
        ["timing.csv", "published.json", "report.html", "README.md", "trials.csv"];
    files.retain(|name, _| !tells_of_the_run.iter().any(|end| name.ends_with(end)));
    files
}

fn assert_same(found: &BTreeMap<String, Vec<u8>>, expected: &BTreeMap<String, Vec<u8>>) {
    let differ: Vec<&String> = expected
        .iter()
        .filter(|(name, bytes)| found.get(*name) != Some(bytes))
        .map(|(name, _)| name)
        .collect();
    assert!(differ.is_empty() && found.len() == expected.len(), "{differ:?} differ");
    assert!(expected.keys().any(|name| name.ends_with("model.safetensors")));
}

/// One test, since all of it needs one cluster.
#[test]
fn runs_through_slurm_are_what_they_are_without_it() {
    let Some(cluster) = Cluster::start() else { return };
    a_sweep_is_two_submissions_and_has_the_bytes_of_a_local_run(&cluster);
    who_is_killed_and_comes_back_finds_the_jobs_and_submits_nothing_twice(&cluster);
    a_task_whose_time_is_over_goes_on_by_itself_to_the_same_bytes(&cluster);
    a_cancelled_run_ends_and_goes_on_when_it_is_run_again(&cluster);
    what_slurm_refuses_and_what_fails_in_a_job_is_said(&cluster);
}

fn a_sweep_is_two_submissions_and_has_the_bytes_of_a_local_run(cluster: &Cluster) {
    let project = Project::new(cluster);
    let described = project.done(&["doctor", "--offline"]);
    assert!(described.contains("cluster    slurm") && described.contains("tasks"), "{described}");
    project.done(&["run", "sweep.toml", "--profile", "slurm"]);
    assert_eq!(project.submissions().len(), 2, "what trials share, and the trials");
    assert_same(&project.results("sweep"), &local("sweep.toml"));
    let again = project.done(&["run", "sweep.toml", "--profile", "slurm"]);
    assert_eq!(project.submissions().len(), 2, "nothing is left to do: {again}");
}

fn who_is_killed_and_comes_back_finds_the_jobs_and_submits_nothing_twice(cluster: &Cluster) {
    let project = Project::new(cluster);
    let detached = project.done(&["run", "long.toml", "--profile", "slurm", "--detach"]);
    assert!(detached.contains("is with Slurm"), "{detached}");
    let mut caller = project
        .command(&["run", "long.toml", "--profile", "slurm"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    project.wait_for("a state that was saved", Project::has_saved_a_state);
    caller.kill().expect("it runs");
    caller.wait().expect("it ends");
    let told = project.done(&["run", "long.toml", "--profile", "slurm"]);
    assert!(told.contains("of an earlier run"), "{told}");
    assert_eq!(project.submissions().len(), 1);
    assert_same(&project.results("long"), &local("long.toml"));
}

fn a_task_whose_time_is_over_goes_on_by_itself_to_the_same_bytes(cluster: &Cluster) {
    let project = Project::new(cluster);
    project.done(&["run", "long.toml", "--profile", "slurm", "--detach"]);
    project.wait_for("a state that was saved", Project::has_saved_a_state);
    cluster.command("scancel", &["--signal=USR1", "--batch", "--me"]);
    let stopped = |project: &Project| {
        std::fs::read_to_string(project.log()).is_ok_and(|log| log.contains("stage_cancelled"))
    };
    project.wait_for("the end of the first attempt", stopped);
    project.done(&["run", "long.toml", "--profile", "slurm"]);
    assert_eq!(project.submissions().len(), 1, "the task put itself back into the queue");
    let log = std::fs::read_to_string(project.log()).expect("a log");
    assert_eq!(log.matches("\"run_started\"").count(), 2, "{log}");
    assert_same(&project.results("long"), &local("long.toml"));
}

fn a_cancelled_run_ends_and_goes_on_when_it_is_run_again(cluster: &Cluster) {
    let project = Project::new(cluster);
    project.done(&["run", "long.toml", "--profile", "slurm", "--detach"]);
    project.wait_for("a state that was saved", Project::has_saved_a_state);
    let told = project.done(&["cancel", "long.toml"]);
    assert!(told.contains("one task was ended"), "{told}");
    project.wait_for("an empty queue", |project| project.cluster.is_idle());
    let told = project.done(&["cancel"]);
    assert!(told.contains("no job"), "{told}");
    project.done(&["run", "long.toml", "--profile", "slurm"]);
    assert_eq!(project.submissions().len(), 2);
    assert_same(&project.results("long"), &local("long.toml"));
}

fn what_slurm_refuses_and_what_fails_in_a_job_is_said(cluster: &Cluster) {
    let project = Project::new(cluster);
    let refused = project.run(&["run", "mini.toml", "--profile", "nowhere"]);
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains("invalid partition"), "{}", said(&refused));
    let command = "extends = \"mini.toml\"\n[stage.bad]\nkind = \"command\"\nrun = [\"sh\", \"-c\", \"echo none is there >&2; exit 3\"]\noutput = \"files\"\n";
    project.folder.write("bad.toml", command);
    let failed = project.run(&["run", "bad.toml", "--profile", "slurm"]);
    assert_eq!(failed.status.code(), Some(1), "{}", said(&failed));
    assert!(said(&failed).contains("none is there"), "{}", said(&failed));

    let project = Project::new(cluster);
    let mut caller = project.command(&["run", "long.toml", "--profile", "slurm"]);
    let caller = caller.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    project.wait_for("a state that was saved", Project::has_saved_a_state);
    cluster.command("scancel", &["--signal=KILL", "--batch", "--me"]);
    let failed = caller.wait_with_output().expect("it ends");
    assert_eq!(failed.status.code(), Some(1), "{}", said(&failed));
    let told = said(&failed);
    assert!(told.contains("_0 failed") && told.contains(".err`"), "{told}");
}
