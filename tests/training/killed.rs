//! SIGKILL at random moments of a training in a process of its own.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use pipeline::training::{Cadence, Observer, Progress, Recipe, Storage, Trained};

use crate::toy::{Toy, metric, recipe, run, undisturbed};

/// How the child learns its folder.
const FOLDER: &str = "TRAINING_TEST_FOLDER";

fn killed_recipe() -> Recipe {
    Recipe { keep_best: Some(metric("loss")), evaluate_every: Some(2), ..recipe() }
}

/// The same, ended on its way.
fn stopped_recipe() -> Recipe {
    Recipe { stop_after: Some(1.5), ..killed_recipe() }
}

/// Trains to the stop, and then goes on from there to the end.
fn train_in_two(folder: &Path, observer: &dyn Observer) -> (Toy, Trained) {
    let [stopped, whole, shared] = ["stopped", "whole", "shared"].map(|name| folder.join(name));
    let cadence = Cadence::every(1);
    let warm_start = Some(shared.as_path());
    let storage = |folder| Storage { saved: Some(folder), warm_start, cadence };
    run(&mut Toy::new(), &stopped_recipe(), storage(&stopped), observer).expect("it trains");
    let mut toy = Toy::new();
    let trained = run(&mut toy, &killed_recipe(), storage(&whole), observer).expect("it goes on");
    (toy, trained)
}

/// Slow enough to be hit by a kill.
struct Slow;

impl Observer for Slow {
    fn progress(&self, _: &Progress<'_>) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
#[ignore = "the process that the next test starts and kills"]
fn a_training_that_waits_to_be_killed_ends_when_it_is_not() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        train_in_two(Path::new(&folder), &Slow);
    }
}

#[test]
fn a_training_killed_again_and_again_ends_in_the_bits_of_one_that_was_not() {
    let (expected, whole) = undisturbed(&killed_recipe());
    for round in 0..12_u64 {
        let folder = tempfile::tempdir().expect("a folder");
        for kill in 0..1 + round % 3 {
            let mut child = Command::new(std::env::current_exe().expect("this program"))
                .args([
                    "--exact",
                    "--ignored",
                    "killed::a_training_that_waits_to_be_killed_ends_when_it_is_not",
                ])
                .env(FOLDER, folder.path())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("a child");
            std::thread::sleep(Duration::from_micros(3000 + (round * 1700 + kill * 900) % 12_000));
            child.kill().expect("a kill");
            child.wait().expect("an end");
        }
        let (toy, trained) = train_in_two(folder.path(), &());
        assert_eq!(toy.parameters, expected.parameters);
        assert_eq!(trained.history, whole.history);
        let left = ["stopped", "whole", "shared"].map(|name| folder.path().join(name));
        let left = left.iter().flat_map(|folder| std::fs::read_dir(folder).expect("a folder"));
        assert!(
            left.flatten().all(|entry| !entry.file_name().to_string_lossy().starts_with('.')),
            "something is left half written"
        );
    }
}
