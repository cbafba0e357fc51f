//! A checkpoint is either what was written or not used.

use std::fs;
use std::path::{Path, PathBuf};

use pipeline::text::{CorpusTasks, LabelSet};
use pipeline::training::{
    Cadence, Data, Engine as _, Notice, Recipe, SavedStates, Storage, TrainError, train,
};

use crate::toy::{Toy, Watcher, metric, recipe, run, undisturbed};

fn storage(folder: &Path) -> Storage<'_> {
    Storage { saved: Some(folder), cadence: Cadence::every(2), ..Storage::default() }
}

/// A folder with the checkpoints after steps 8 and 10 of a training, newest first.
fn interrupted() -> (tempfile::TempDir, [PathBuf; 2]) {
    let folder = tempfile::tempdir().expect("a folder");
    run(
        &mut Toy::new(),
        &Recipe { epochs: 3, ..recipe() },
        storage(folder.path()),
        &Watcher::cancelling_at(13),
    )
    .expect_err("it is interrupted");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder.path())
        .expect("the folder")
        .flatten()
        .map(|entry| entry.path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "checkpoint"));
    paths.sort();
    paths.reverse();
    let paths = paths.try_into().expect("two checkpoints");
    (folder, paths)
}

/// Continues, and returns the step from which, and what was passed over.
fn continued(folder: &Path) -> (Option<u64>, Vec<PathBuf>) {
    let (mut toy, watcher) = (Toy::new(), Watcher::default());
    let trained = run(&mut toy, &recipe(), storage(folder), &watcher).expect("it trains");
    assert_eq!(toy.bits(), undisturbed(&recipe()).0.bits());
    let unusable = watcher.notices.into_inner().into_iter().filter_map(|notice| match notice {
        Notice::UnusableState { path, .. } => Some(path),
        _ => None,
    });
    (trained.resumed_from, unusable.collect())
}

fn step(path: &Path) -> u64 {
    let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
    name.strip_prefix("step-").expect("a step").parse().expect("a number")
}

#[test]
fn a_damaged_newest_saved_state_falls_back_to_the_one_before_and_says_so() {
    let (folder, [newest, before]) = interrupted();
    let mut bytes = fs::read(&newest).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&newest, bytes).expect("a file");
    assert_eq!(continued(folder.path()), (Some(step(&before)), vec![newest]));
}

#[test]
fn without_a_whole_saved_state_the_training_begins_anew() {
    let (folder, [newest, before]) = interrupted();
    fs::write(&newest, b"").expect("a file");
    fs::write(&before, b"pltrain\0 and then something else that is long enough to be looked at")
        .expect("a file");
    assert_eq!(continued(folder.path()), (None, vec![newest, before]));
}

#[test]
fn a_saved_state_whose_best_weights_are_damaged_is_not_used() {
    let recipe = Recipe { keep_best: Some(metric("anomaly.f1")), ..recipe() };
    let folder = tempfile::tempdir().expect("a folder");
    run(&mut Toy::new(), &recipe, storage(folder.path()), &Watcher::cancelling_at(20))
        .expect_err("it is interrupted");
    let best = fs::read_dir(folder.path()).expect("the folder").flatten().map(|entry| entry.path());
    for path in best.filter(|path| path.extension().is_some_and(|extension| extension == "weights"))
    {
        let mut bytes = fs::read(&path).expect("a file");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).expect("a file");
    }
    let (mut toy, watcher) = (Toy::new(), Watcher::default());
    run(&mut toy, &recipe, storage(folder.path()), &watcher).expect("it trains");
    assert!(matches!(watcher.notices.borrow()[0], Notice::UnusableState { .. }));
    assert_eq!(toy.bits(), undisturbed(&recipe).0.bits());
}

#[test]
fn a_flipped_bit_in_any_byte_is_found() {
    let (folder, [newest, before]) = interrupted();
    fs::remove_file(&before).expect("a file");
    let bytes = fs::read(&newest).expect("a file");
    for place in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[place] ^= 1 << (place % 8);
        fs::write(&newest, flipped).expect("a file");
        assert!(opens(&newest).is_err(), "byte {place}");
    }
    fs::write(&newest, bytes).expect("a file");
    assert!(opens(&newest).is_ok());
    drop(folder);
}

#[test]
fn a_saved_state_cut_off_anywhere_is_found() {
    let (_folder, [newest, _]) = interrupted();
    let bytes = fs::read(&newest).expect("a file");
    for length in (0..bytes.len()).step_by(13) {
        fs::write(&newest, &bytes[..length]).expect("a file");
        assert!(opens(&newest).is_err(), "{length} bytes");
    }
}

#[test]
fn a_header_that_claims_terabytes_is_refused_before_anything_is_allocated() {
    let (_folder, [newest, _]) = interrupted();
    let bytes = fs::read(&newest).expect("a file");
    let mut long_header = bytes.clone();
    long_header[12..20].copy_from_slice(&(1_u64 << 42).to_le_bytes());
    let mut huge = br#"{"rows":0,"tasks":0,"lengths":[1000000000000,1000000000000],"pending_decay":1.0,"state":null}"#.to_vec();
    let mut many = b"pltrain\0\x03\0\0\0".to_vec();
    many.extend((huge.len() as u64).to_le_bytes());
    many.append(&mut huge);
    many.extend(*blake3::hash(&many).as_bytes());
    for content in [long_header, many] {
        fs::write(&newest, content).expect("a file");
        assert!(opens(&newest).is_err());
    }
}

#[test]
fn a_saved_state_under_another_steps_name_is_not_used() {
    let (folder, [newest, before]) = interrupted();
    fs::rename(&newest, newest.with_file_name("step-000000000015.checkpoint")).expect("a file");
    assert_eq!(
        continued(folder.path()),
        (Some(step(&before)), vec![newest.with_file_name("step-000000000015.checkpoint")])
    );
}

fn opens(path: &Path) -> Result<(), pipeline::training::SaveError> {
    pipeline::training::VerifiedState::open(path).map(drop)
}

#[test]
fn a_named_pipe_in_the_place_of_a_saved_state_is_not_waited_for() {
    let (folder, [newest, before]) = interrupted();
    fs::remove_file(&newest).expect("a file");
    assert!(std::process::Command::new("mkfifo").arg(&newest).status().expect("mkfifo").success());
    assert_eq!(continued(folder.path()), (Some(step(&before)), vec![newest]));
}

#[test]
fn the_saved_state_of_another_recipe_is_not_used() {
    let (folder, paths) = interrupted();
    let other = Recipe { learning_rate: 0.01, ..recipe() };
    let (mut toy, watcher) = (Toy::new(), Watcher::default());
    let trained = run(&mut toy, &other, storage(folder.path()), &watcher).expect("it trains");
    assert_eq!(trained.resumed_from, None);
    let notices = watcher.notices.borrow();
    assert_eq!((notices.len(), notices.last()), (paths.len() + 1, Some(&Notice::BeginsAnew)));
    assert_eq!(toy.bits(), undisturbed(&other).0.bits());
}

#[test]
fn the_saved_state_of_other_data_is_not_used() {
    let labels = crate::toy::labels();
    let (renamed, tasks) = (LabelSet::of(["Y"]), &CorpusTasks::default());
    let (sentences, others) = (crate::toy::split(11, 0), crate::toy::split(11, 1));
    let (validation, fewer) = (crate::toy::split(5, 3), crate::toy::split(5, 4));
    let other_data = [
        Data { train: &others, validation: Some(&validation), labels: &labels, tasks },
        Data { train: &sentences, validation: Some(&fewer), labels: &labels, tasks },
        Data { train: &sentences, validation: None, labels: &labels, tasks },
        Data { train: &sentences, validation: Some(&validation), labels: &renamed, tasks },
    ];
    for data in other_data {
        let (folder, _) = interrupted();
        let watcher = Watcher::cancelling_at(0);
        let error = train(&mut Toy::new(), data, &recipe(), storage(folder.path()), &watcher)
            .expect_err("it is interrupted");
        assert!(
            matches!(error, TrainError::Cancelled { step: 0, .. }),
            "it went on from other data: {error}"
        );
    }
    let (folder, _) = interrupted();
    let same = Data { train: &sentences, validation: Some(&validation), labels: &labels, tasks };
    let error =
        train(&mut Toy::new(), same, &recipe(), storage(folder.path()), &Watcher::cancelling_at(0))
            .expect_err("it is interrupted");
    assert!(matches!(error, TrainError::Cancelled { step: 1.., .. }), "{error}");
}

/// Removes the folder of a training at its fifth step, and counts what could not be written from then on.
struct Removing<'a> {
    folder: &'a Path,
    /// Whether a file takes the folder's place, so that nobody can make it again.
    for_good: bool,
    refused: std::cell::Cell<usize>,
}

impl pipeline::training::Observer for Removing<'_> {
    fn progress(&self, progress: &pipeline::training::Progress<'_>) {
        if progress.step == 5 {
            fs::remove_dir_all(self.folder).expect("a folder");
            if self.for_good {
                fs::write(self.folder, "").expect("a file");
            }
        }
    }

    fn notice(&self, notice: &Notice) {
        self.refused
            .set(self.refused.get() + usize::from(matches!(notice, Notice::NotSaved { .. })));
    }
}

/// A training may look at its validation split a hundred thousand times, and its header has an upper bound.
#[test]
fn an_evaluation_adds_a_row_to_a_saved_state_and_nothing_else() {
    let size = |evaluate_every| {
        let folder = tempfile::tempdir().expect("a folder");
        let storage = Storage { cadence: Cadence::every(1), ..storage(folder.path()) };
        run(&mut Toy::new(), &Recipe { evaluate_every, ..recipe() }, storage, &())
            .expect("it trains");
        let newest = ending(folder.path(), ".checkpoint").pop().expect("a checkpoint");
        fs::metadata(newest).expect("a file").len()
    };
    let (seldom, often) = (size(Some(17)), size(Some(1)));
    assert!(often > seldom && often - seldom <= 17 * 66, "{seldom} {often}");
}

#[test]
fn a_folder_that_is_lost_for_good_costs_a_warning_and_no_training() {
    let folder = tempfile::tempdir().expect("a folder");
    let inner = folder.path().join("inner");
    let observer = Removing { folder: &inner, for_good: true, refused: std::cell::Cell::new(0) };
    let mut toy = Toy::new();
    run(&mut toy, &recipe(), storage(&inner), &observer).expect("it trains");
    // Six checkpoints could not be written, each in a file of another name: one warning says it.
    assert_eq!(observer.refused.get(), 1);
    assert_eq!(toy.bits(), undisturbed(&recipe()).0.bits());
}

/// Puts a file in the place of the folder at steps 3 and 9, and takes it away at step 6.
struct Flickering<'a> {
    folder: &'a Path,
    refused: std::cell::Cell<usize>,
}

impl pipeline::training::Observer for Flickering<'_> {
    fn progress(&self, progress: &pipeline::training::Progress<'_>) {
        match progress.step {
            3 | 9 => {
                fs::remove_dir_all(self.folder).expect("a folder");
                fs::write(self.folder, "").expect("a file");
            }
            6 => fs::remove_file(self.folder).expect("a file"),
            _ => {}
        }
    }

    fn notice(&self, notice: &Notice) {
        self.refused
            .set(self.refused.get() + usize::from(matches!(notice, Notice::NotSaved { .. })));
    }
}

#[test]
fn a_disk_that_refuses_again_after_it_took_something_is_said_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let inner = folder.path().join("inner");
    let observer = Flickering { folder: &inner, refused: std::cell::Cell::new(0) };
    let storage = Storage { cadence: Cadence::every(1), ..storage(&inner) };
    run(&mut Toy::new(), &recipe(), storage, &observer).expect("it trains");
    assert_eq!(observer.refused.get(), 2);
}

/// A recipe whose best evaluation is not the last, and a storage that nothing makes write a checkpoint before the end.
fn going_back() -> Recipe {
    let recipe = Recipe {
        learning_rate: 3.0,
        keep_best: Some(metric("loss")),
        evaluate_every: Some(1),
        ..recipe()
    };
    Recipe { schedule: pipeline::training::Schedule::Constant, ..recipe }
}

#[test]
fn a_training_that_goes_back_to_its_best_weights_leaves_a_saved_state_of_its_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let storage = Storage { cadence: Cadence::every(1000), ..storage(folder.path()) };
    let (mut first, mut second) = (Toy::new(), Toy::new());
    let trained = run(&mut first, &going_back(), storage, &()).expect("it trains");
    assert!(
        trained.best.is_some_and(|best| best.step < trained.steps),
        "the best is the last: this shows nothing"
    );
    let again = run(&mut second, &going_back(), storage, &()).expect("it trains");
    assert_eq!((again.resumed_from, again.history), (Some(trained.steps), trained.history));
    assert_eq!(second.parameters, first.parameters);
}

#[test]
fn a_result_that_could_not_be_stored_can_be_left_as_a_saved_state_of_the_end() {
    for recipe in [
        recipe(),
        going_back(),
        Recipe { keep_best: Some(metric("loss")), learning_rate: 0.01, ..recipe() },
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let storage = Storage { cadence: Cadence::every(1000), ..storage(folder.path()) };
        let (mut first, mut second) = (Toy::new(), Toy::new());
        let trained = run(&mut first, &recipe, storage, &()).expect("it trains");
        trained.save(&first, storage).expect("the disk takes it");
        let again = run(&mut second, &recipe, storage, &()).expect("it trains");
        assert_eq!((again.resumed_from, again.history), (Some(trained.steps), trained.history));
        assert_eq!(second.parameters, first.parameters);
    }
}

#[test]
fn a_folder_that_vanishes_is_made_again_by_the_next_saved_state() {
    let folder = tempfile::tempdir().expect("a folder");
    let inner = folder.path().join("inner");
    let observer = Removing { folder: &inner, for_good: false, refused: std::cell::Cell::new(0) };
    let storage = Storage { cadence: Cadence::every(1), ..storage(&inner) };
    run(&mut Toy::new(), &recipe(), storage, &observer).expect("it trains");
    assert_eq!(observer.refused.get(), 0);
    let mut toy = Toy::new();
    let again = run(&mut toy, &recipe(), storage, &()).expect("it goes on");
    assert!(again.resumed_from.is_some_and(|step| step > 5), "{:?}", again.resumed_from);
    assert_eq!(toy.bits(), undisturbed(&recipe()).0.bits());
}

/// A recipe whose first evaluation stays the best: the others are not better.
fn best_at_once() -> Recipe {
    Recipe {
        learning_rate: 1e-4,
        keep_best: Some(metric("anomaly.f1")),
        evaluate_every: Some(1),
        ..recipe()
    }
}

#[test]
fn best_weights_outlive_the_removal_of_their_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let inner = folder.path().join("inner");
    let observer = Removing { folder: &inner, for_good: false, refused: std::cell::Cell::new(0) };
    let storage = Storage { cadence: Cadence::every(1), ..storage(&inner) };
    let (mut first, mut second) = (Toy::new(), Toy::new());
    let trained = run(&mut first, &best_at_once(), storage, &observer).expect("it trains");
    assert_eq!(trained.best.map(|best| best.step), Some(1));
    assert_eq!((observer.refused.get(), first.bits()), (0, undisturbed(&best_at_once()).0.bits()));
    let again = run(&mut second, &best_at_once(), storage, &()).expect("it goes on");
    assert_eq!((again.resumed_from, second.parameters), (Some(trained.steps), first.parameters));
}

/// Takes away at step 6 what is in the way of the first best weights, and cancels at step 9.
struct Clearing<'a>(&'a Path, std::cell::Cell<bool>);

impl pipeline::training::Observer for Clearing<'_> {
    fn progress(&self, progress: &pipeline::training::Progress<'_>) {
        if progress.step == 6 {
            fs::remove_dir(self.0).expect("a folder");
        }
        self.1.set(progress.step == 9);
    }

    fn cancelled(&self) -> bool {
        self.1.get()
    }
}

#[test]
fn best_weights_that_could_not_be_written_are_written_by_the_next_saved_state() {
    let folder = tempfile::tempdir().expect("a folder");
    let obstacle = folder.path().join("best-000000000001.weights");
    fs::create_dir(&obstacle).expect("a folder");
    let storage = Storage { cadence: Cadence::every(1), ..storage(folder.path()) };
    let error = run(&mut Toy::new(), &best_at_once(), storage, &Clearing(&obstacle, false.into()))
        .expect_err("it is interrupted");
    assert!(matches!(error, TrainError::Cancelled { step: 9, saved: true }), "{error}");
    let mut toy = Toy::new();
    let trained = run(&mut toy, &best_at_once(), storage, &()).expect("it goes on");
    assert_eq!((trained.resumed_from, trained.best.map(|best| best.step)), (Some(9), Some(1)));
    assert_eq!(toy.bits(), undisturbed(&best_at_once()).0.bits());
}

#[test]
fn best_weights_wait_in_memory_when_writing_would_cost_too_much() {
    // Every evaluation is better than the one before. Only the first is written, since nobody knows yet what that costs.
    let recipe = Recipe {
        keep_best: Some(metric("loss")),
        evaluate_every: Some(1),
        learning_rate: 0.01,
        ..recipe()
    };
    let folder = tempfile::tempdir().expect("a folder");
    let cadence =
        Cadence { steps: None, time: std::time::Duration::from_secs(3600), budget: 1e-12 };
    let storage = Storage { cadence, ..storage(folder.path()) };
    let (mut toy, mut second) = (Toy::new(), Toy::new());
    let trained = run(&mut toy, &recipe, storage, &()).expect("it trains");
    assert_eq!(
        ending(folder.path(), ".weights"),
        [folder.path().join("best-000000000001.weights")]
    );
    assert_eq!(toy.bits(), undisturbed(&recipe).0.bits());
    trained.save(&toy, storage).expect("the disk takes it");
    let again = run(&mut second, &recipe, storage, &()).expect("it trains");
    assert_eq!((again.resumed_from, second.parameters), (Some(trained.steps), toy.parameters));
}

#[test]
fn best_weights_that_no_saved_state_names_go_when_better_ones_come() {
    // Every evaluation is better than the one before, and none comes too soon.
    let recipe = Recipe {
        keep_best: Some(metric("loss")),
        evaluate_every: Some(1),
        learning_rate: 0.01,
        ..recipe()
    };
    let folder = tempfile::tempdir().expect("a folder");
    let cadence =
        Cadence { steps: None, time: std::time::Duration::from_secs(3600), budget: f64::INFINITY };
    let trained = run(&mut Toy::new(), &recipe, Storage { cadence, ..storage(folder.path()) }, &())
        .expect("it trains");
    let best = trained.best.expect("the last evaluation").step;
    assert_eq!(
        ending(folder.path(), ".weights"),
        [folder.path().join(format!("best-{best:012}.weights"))]
    );
}

#[test]
fn best_weights_that_the_disk_does_not_take_stay_in_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let inner = folder.path().join("inner");
    let recipe = Recipe { keep_best: Some(metric("loss")), ..recipe() };
    let observer = Removing { folder: &inner, for_good: true, refused: std::cell::Cell::new(0) };
    let mut toy = Toy::new();
    run(&mut toy, &recipe, storage(&inner), &observer).expect("it trains");
    assert!(observer.refused.get() > 0);
    assert_eq!(toy.bits(), undisturbed(&recipe).0.bits());
}

/// Files in a folder whose names end in `ending`, by name.
fn ending(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).expect("the folder").flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(ending));
    paths.sort();
    paths
}

#[test]
fn a_state_counts_only_while_the_best_weights_that_it_names_are_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let storage = Storage { cadence: Cadence::every(1), ..storage(folder.path()) };
    run(&mut Toy::new(), &best_at_once(), storage, &Watcher::cancelling_at(9))
        .expect_err("it is interrupted");
    let checkpoints = SavedStates::read_only(folder.path());
    assert!(checkpoints.newest_readable(100).is_some());
    let best = folder.path().join("best-000000000001.weights");
    let length = fs::metadata(&best).expect("a file").len();
    fs::File::options()
        .write(true)
        .open(&best)
        .and_then(|file| file.set_len(length - 1))
        .expect("a file");
    assert_eq!(checkpoints.newest_readable(100), None);
}

#[test]
fn a_full_disk_is_said_once_although_the_best_weights_are_there() {
    let folder = tempfile::tempdir().expect("a folder");
    // Every checkpoint but the first fails: something is in its way.
    (2..18).for_each(|step| {
        fs::create_dir(folder.path().join(format!("step-{step:012}.checkpoint"))).expect("a folder")
    });
    let storage = Storage { cadence: Cadence::every(1), ..storage(folder.path()) };
    let watcher = Watcher::default();
    run(&mut Toy::new(), &best_at_once(), storage, &watcher).expect("it trains");
    let notices = watcher.notices.borrow();
    assert_eq!(
        notices.iter().filter(|notice| matches!(notice, Notice::NotSaved { .. })).count(),
        1
    );
}

#[test]
fn whole_weights_that_are_not_the_recorded_best_are_not_used() {
    let recipe = Recipe { keep_best: Some(metric("loss")), ..recipe() };
    let (folder, other) =
        (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    run(&mut Toy::new(), &recipe, storage(folder.path()), &Watcher::cancelling_at(13))
        .expect_err("it is interrupted");
    let faster = Recipe { learning_rate: 0.06, ..recipe.clone() };
    run(&mut Toy::new(), &faster, storage(other.path()), &Watcher::cancelling_at(13))
        .expect_err("it is interrupted");
    let ([best], [theirs]) =
        (&ending(folder.path(), ".weights")[..], &ending(other.path(), ".weights")[..])
    else {
        panic!("one each")
    };
    fs::copy(theirs, best).expect("a file");
    let (mut toy, watcher) = (Toy::new(), Watcher::default());
    run(&mut toy, &recipe, storage(folder.path()), &watcher).expect("it trains");
    assert!(matches!(watcher.notices.borrow()[0], Notice::UnusableState { .. }));
    assert_eq!(toy.bits(), undisturbed(&recipe).0.bits());
}

#[test]
fn the_saved_state_before_the_newest_keeps_its_best_weights() {
    // Every evaluation is better than the one before.
    let recipe = Recipe {
        keep_best: Some(metric("loss")),
        evaluate_every: Some(1),
        learning_rate: 0.01,
        ..recipe()
    };
    let folder = tempfile::tempdir().expect("a folder");
    let storage = Storage { cadence: Cadence::every(1), ..storage(folder.path()) };
    run(&mut Toy::new(), &recipe, storage, &Watcher::cancelling_at(20))
        .expect_err("it is interrupted");
    let [before, newest] = &ending(folder.path(), ".checkpoint")[..] else {
        panic!("two checkpoints")
    };
    fs::write(newest, "damaged").expect("a file");
    let trained = run(&mut Toy::new(), &recipe, storage, &()).expect("it trains");
    assert_eq!(trained.resumed_from, Some(step(before)));
}

#[test]
fn a_damaged_newest_saved_state_takes_the_place_of_no_whole_one() {
    let (folder, [newest, before]) = interrupted();
    fs::write(&newest, "damaged").expect("a file");
    let storage = Storage { cadence: Cadence::every(1), ..storage(folder.path()) };
    run(&mut Toy::new(), &recipe(), storage, &Watcher::cancelling_at(1))
        .expect_err("it is interrupted");
    let steps: Vec<u64> =
        ending(folder.path(), ".checkpoint").iter().map(|path| step(path)).collect();
    assert_eq!(steps, [step(&before), step(&before) + 1]);
}

#[test]
fn while_only_memory_has_the_best_weights_the_last_saved_state_stays() {
    let recipe = Recipe { keep_best: Some(metric("loss")), evaluate_every: Some(4), ..recipe() };
    let folder = tempfile::tempdir().expect("a folder");
    // The disk does not take the best weights: something is in their way.
    fs::create_dir(folder.path().join("best-000000000004.weights")).expect("a folder");
    let storage = Storage { cadence: Cadence::every(1), ..storage(folder.path()) };
    let error = run(&mut Toy::new(), &recipe, storage, &Watcher::cancelling_at(7))
        .expect_err("it is interrupted");
    assert!(matches!(error, TrainError::Cancelled { step: 6, saved: false }), "{error}");
    let mut toy = Toy::new();
    let trained = run(&mut toy, &recipe, storage, &()).expect("it trains");
    assert_eq!(trained.resumed_from, Some(3));
    assert_eq!(toy.parameters, undisturbed(&recipe).0.parameters);
}

#[test]
fn a_file_with_another_number_of_vectors_is_not_loaded() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut toy = Toy::new();
    let elements: usize = toy.parameters().iter().map(|parameter| parameter.range.len()).sum();
    for vectors in [0, 2, 4] {
        let lengths = vec![elements; vectors];
        let header = format!(
            r#"{{"rows":0,"tasks":0,"lengths":{lengths:?},"pending_decay":1.0,"state":null}}"#
        );
        let mut content = b"pltrain\0\x03\0\0\0".to_vec();
        content.extend((header.len() as u64).to_le_bytes());
        content.extend(header.as_bytes());
        content.resize(content.len() + vectors * elements * 4, 0);
        content.extend(*blake3::hash(&content).as_bytes());
        let path = folder.path().join("step-000000000001.checkpoint");
        fs::write(&path, content).expect("a file");
        let mut whole = pipeline::training::VerifiedState::open(&path).expect("it is whole");
        assert!(whole.load(&mut toy).is_err(), "{vectors}");
    }
}
