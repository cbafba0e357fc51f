//! SIGKILL at random moments of a training in a process of its own.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use pipeline::training::{Cadence, Observer, Progress, Recipe, Storage};

use crate::toy::{Toy, metric, recipe, run, undisturbed};

/// How the child learns its folder.
const FOLDER: &str = "TRAINING_TEST_FOLDER";

fn killed_recipe() -> Recipe {
    Recipe { keep_best: Some(metric("loss")), evaluate_every: Some(2), ..recipe() }
}

fn storage(folder: &Path) -> Storage<'_> {
    Storage { saved: Some(folder), warm_start: None, cadence: Cadence::every(1) }
}

/// Slow enough to be hit by a kill.
struct Slow;

impl Observer for Slow {
    fn progress(&self, _: &Progress) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
#[ignore = "the process that the next test starts and kills"]
fn a_training_that_waits_to_be_killed_ends_when_it_is_not() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        run(&mut Toy::new(), &killed_recipe(), storage(Path::new(&folder)), &Slow)
            .expect("it trains");
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
        let mut toy = Toy::new();
        let trained =
            run(&mut toy, &killed_recipe(), storage(folder.path()), &()).expect("it continues");
        assert_eq!(toy.parameters, expected.parameters);
        assert_eq!(trained.history, whole.history);
        let left = std::fs::read_dir(folder.path()).expect("the folder").flatten();
        assert!(
            left.into_iter().all(|entry| !entry.file_name().to_string_lossy().starts_with('.')),
            "something is left half written"
        );
    }
}
