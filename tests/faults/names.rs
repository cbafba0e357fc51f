//! Links that lead out of `outputs`: nothing that we publish, repair or remove follows them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::support::*;

/// A folder of somebody else's beside the project, and what is in it.
fn elsewhere() -> (tempfile::TempDir, Files) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(folder.path().join("deep")).expect("ours");
    for name in ["mine.txt", "deep/also.txt", "model.safetensors"] {
        fs::write(folder.path().join(name), name).expect("ours");
    }
    let files = files_below(folder.path());
    (folder, files)
}

fn assert_untouched(folder: &Path, files: &Files, what: &str) {
    assert!(files_below(folder) == *files, "{what}: something was written or removed outside");
    for name in files.keys() {
        let mode = folder.join(name).metadata().expect("there").permissions().mode();
        assert_eq!(mode & 0o222, 0o200, "{what}: {name} has another mode");
    }
}

/// Runs with other texts, so that everything is built and published again.
fn run_changed(project: &Project) -> Ended {
    let text = fs::read_to_string(project.root().join("small.toml")).expect("ours");
    let (from, to) = if text.contains("samples = 60") {
        ("samples = 60", "samples = 50")
    } else {
        ("samples = 50", "samples = 60")
    };
    project.write("small.toml", &text.replace(from, to));
    project.run("small.toml")
}

#[test]
fn links_that_somebody_put_beside_results_stay_links_and_are_not_followed() {
    let (other, files) = elsewhere();
    let project = Project::new();
    project.run("small.toml");
    let results = project.outputs().join("small");
    let links = [
        ("folder", other.path().to_owned()),
        ("file", other.path().join("mine.txt")),
        ("gone", PathBuf::from("/nowhere/at/all")),
    ];
    for (name, target) in &links {
        symlink(target, results.join(name)).expect("writable");
    }
    fs::create_dir(results.join("notes")).expect("writable");
    symlink(other.path(), results.join("notes/inside")).expect("writable");
    fs::write(results.join("notes/text"), "kept").expect("writable");
    run_changed(&project);
    for (name, target) in &links {
        assert_eq!(fs::read_link(results.join(name)).ok().as_ref(), Some(target), "{name}");
    }
    assert_eq!(fs::read_link(results.join("notes/inside")).ok().as_deref(), Some(other.path()));
    assert_eq!(fs::read_to_string(results.join("notes/text")).expect("there"), "kept");
    assert_eq!(project.pipeline(&["gc", "--apply"]).code, Some(0));
    assert_untouched(other.path(), &files, "beside results");
}

#[test]
fn results_whose_folder_is_a_link_are_replaced_where_it_leads_to_and_it_stays_a_link() {
    let project = Project::new();
    project.run("small.toml");
    let other = tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("a temporary folder");
    let (results, moved) = (project.outputs().join("small"), other.path().join("moved"));
    fs::rename(&results, &moved).expect("one disk");
    let before = files_below(&moved);
    symlink(&moved, &results).expect("writable");
    run_changed(&project);
    let after = files_below(&moved);
    assert!(after != before && after.contains_key("metrics.json"), "{:?}", after.keys());
    assert!(results.symlink_metadata().expect("there").is_symlink());
    assert_eq!(fs::read_link(&results).expect("a link"), moved);
}

#[test]
fn links_inside_an_entry_are_damage_and_what_they_lead_to_is_left_alone() {
    let (other, files) = elsewhere();
    let project = Project::new();
    project.run("small.toml");
    let store = project.outputs().join("store");
    let weights = project
        .entry_files()
        .into_iter()
        .find(|name| name.ends_with("model.safetensors"))
        .expect("a model");
    let entry = store.join(&weights).parent().expect("inside").to_owned();
    // The same bytes, so that nothing but its being a link is wrong with it.
    let taken = project.root().join("taken");
    fs::rename(store.join(&weights), &taken).expect("one disk");
    symlink(&taken, store.join(&weights)).expect("writable");
    let bytes = fs::read(&taken).expect("readable");
    symlink(other.path(), entry.join("folder")).expect("writable");
    let ended = project.pipeline(&["verify"]);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(
        ended.stdout.contains("model.safetensors: unreadable: it is not a file")
            && ended.stdout.contains("folder"),
        "{ended:#?}"
    );
    // The run sets it aside and builds it again; `gc` then removes it.
    fs::remove_dir_all(project.outputs().join("small")).expect("ours");
    project.run("small.toml");
    assert!(store.join(&weights).symlink_metadata().expect("built again").is_file());
    assert_same(&project.results("small"), undisturbed("small.toml"), "links in an entry");
    assert_eq!(project.pipeline(&["gc", "--apply"]).code, Some(0));
    assert_eq!(names(&store.join("tmp")), [""; 0]);
    assert_untouched(other.path(), &files, "in an entry");
    assert!(fs::read(&taken).is_ok_and(|left| left == bytes));
}

#[test]
fn an_entry_that_is_itself_a_link_is_removed_without_what_it_leads_to() {
    let (other, files) = elsewhere();
    let project = Project::new();
    project.run("small.toml");
    let key = "ab".repeat(32);
    let (entries, checkpoints) =
        (project.outputs().join("store/ab"), project.outputs().join("checkpoints"));
    fs::create_dir_all(&entries).expect("writable");
    fs::create_dir_all(&checkpoints).expect("writable");
    symlink(other.path(), entries.join(&key)).expect("writable");
    symlink(other.path(), checkpoints.join(&key)).expect("writable");
    let ended = project.pipeline(&["gc", "--apply"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_untouched(other.path(), &files, "an entry");
    assert!(
        entries.join(&key).symlink_metadata().is_err()
            && checkpoints.join(&key).symlink_metadata().is_err()
    );
}

#[test]
fn a_run_that_is_asked_for_by_a_path_is_none() {
    let project = Project::new();
    project.run("small.toml");
    let outside = tempfile::tempdir().expect("a temporary folder");
    fs::write(outside.path().join("run.json"), "{}").expect("ours");
    for name in
        [outside.path().to_str().expect("UTF-8"), "../runs", "..", ".", "../../outputs/runs"]
    {
        let ended = project.pipeline(&["show", name]);
        assert_ne!(ended.code, Some(0), "{name}: {ended:#?}");
        let ended = project.pipeline(&["gc", "--keep", name]);
        assert_ne!(ended.code, Some(0), "{name}: {ended:#?}");
    }
}
