//! Commits and the cache.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::server::{COMMIT, REPO, git_blob, sha256};
use crate::world::{CONFIG, CONFIG_TEXT, WEIGHTS, Watcher, commit, fetch, weights, world};
use pipeline::hub::{Client, Commit, HubError, Options, Silent};

#[test]
fn a_branch_is_resolved_to_its_commit_and_remembered_for_offline_use() {
    let world = world();
    for revision in ["main", "refs/pr/1"] {
        assert!(matches!(
            world.offline().resolve(REPO, revision, &mut Silent),
            Err(HubError::OfflineRevision { .. })
        ));
        assert_eq!(
            world.client().resolve(REPO, revision, &mut Silent).expect("the hub knows it"),
            commit()
        );
        assert_eq!(
            world.offline().resolve(REPO, revision, &mut Silent).expect("remembered"),
            commit()
        );
        assert_eq!(
            fs::read_to_string(world.repo().join("refs").join(revision)).expect("a file"),
            COMMIT
        );
    }
}

#[test]
fn a_commit_needs_no_resolving() {
    let world = world();
    assert_eq!(world.offline().resolve(REPO, COMMIT, &mut Silent).expect("it is one"), commit());
    assert!(world.hub.log().is_empty());
}

#[test]
fn a_file_of_another_commit_is_refused() {
    let world = world();
    world.hub.set().answers_for = Some("0".repeat(40));
    let error = fetch(&world.client(), CONFIG).expect_err("refused");
    assert!(error.to_string().contains("it answers for another commit"), "{error}");
    assert_eq!(world.blobs(), [""; 0]);
}

#[test]
fn a_mirror_without_an_interface_names_the_commit_with_a_file() {
    let world = world();
    world.hub.set().without_api = true;
    assert_eq!(world.client().resolve(REPO, "main", &mut Silent).expect("by the header"), commit());
}

// The cache

#[test]
fn files_lie_as_python_puts_them() {
    let world = world();
    let folder =
        world.client().fetch(REPO, &commit(), &[CONFIG, WEIGHTS], &mut Silent).expect("fetched");
    assert_eq!(folder, world.repo().join("snapshots").join(COMMIT));
    let (config, weights) = (git_blob(CONFIG_TEXT), sha256(&weights()));
    assert_eq!(
        fs::read_link(folder.join(CONFIG)).expect("a link"),
        Path::new("../../blobs").join(config)
    );
    assert_eq!(
        fs::read_link(folder.join(WEIGHTS)).expect("a link"),
        Path::new("../../blobs").join(weights)
    );
    assert_eq!(world.blobs().len(), 2);
}

#[test]
fn a_file_in_a_subfolder_links_to_its_blob() {
    let world = world();
    world.hub.add("onnx/a b/model.bin", b"content", true);
    assert_eq!(
        fetch(&world.client(), "onnx/a b/model.bin").ok(),
        None,
        "the server decodes no names"
    );
    world.hub.add("onnx/a/model.bin", b"content", true);
    assert_eq!(fetch(&world.client(), "onnx/a/model.bin").expect("fetched"), b"content");
}

#[test]
fn what_is_in_the_cache_is_used_without_the_network() {
    let world = world();
    fetch(&world.client(), WEIGHTS).expect("fetched");
    let before = world.hub.log().len();
    fetch(&world.client(), WEIGHTS).expect("cached");
    fetch(&world.offline(), WEIGHTS).expect("cached");
    assert_eq!(world.hub.log().len(), before);
}

#[test]
fn a_plain_file_in_a_snapshot_is_used_as_it_is() {
    let world = world();
    let folder = world.repo().join("snapshots").join(COMMIT);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(CONFIG), "{}").expect("written");
    assert_eq!(fetch(&world.offline(), CONFIG).expect("cached"), b"{}");
}

#[test]
fn a_damaged_file_in_the_cache_is_downloaded_again() {
    let world = world();
    fetch(&world.client(), WEIGHTS).expect("fetched");
    let blob = world.blob(&sha256(&weights()));
    let mut bytes = weights();
    bytes[1_000_000] ^= 1;
    fs::write(&blob, &bytes).expect("written");

    let error = fetch(&world.offline(), WEIGHTS).expect_err("damaged");
    assert!(
        matches!(&error, HubError::DigestMismatch { cached: Some(path), .. } if *path == blob),
        "{error}"
    );
    let mut watcher = Watcher::default();
    world.client().fetch(REPO, &commit(), &[WEIGHTS], &mut watcher).expect("downloaded again");
    assert_eq!(fs::read(&blob).expect("the blob"), weights());
    assert_eq!(
        watcher.messages,
        ["`model.safetensors` in the cache is damaged; downloading it again"]
    );
}

#[test]
fn the_same_content_under_another_commit_is_not_downloaded_again() {
    let world = world();
    let other = "45bb4654a4d5aaff24dd11d4781fa46d39bf8c13";
    world.hub.set().commits.push(other.to_owned());
    fetch(&world.client(), WEIGHTS).expect("fetched");
    let other = Commit::parse(other).expect("a commit");
    world.client().fetch(REPO, &other, &[WEIGHTS], &mut Silent).expect("linked");
    assert_eq!(world.hub.downloads(WEIGHTS).len(), 1);
}

#[test]
fn offline_names_the_first_file_that_the_cache_lacks() {
    let world = world();
    fetch(&world.client(), CONFIG).expect("fetched");
    let error = world
        .offline()
        .fetch(REPO, &commit(), &[CONFIG, WEIGHTS], &mut Silent)
        .expect_err("not cached");
    assert!(matches!(&error, HubError::OfflineFile { file, .. } if file == WEIGHTS), "{error}");
}

#[test]
fn two_at_once_download_once() {
    let world = world();
    world.hub.set().pace = Some(Duration::from_millis(10));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope
                .spawn(|| assert_eq!(fetch(&world.client(), WEIGHTS).expect("fetched"), weights()));
        }
    });
    assert_eq!(world.hub.downloads(WEIGHTS).len(), 1);
}

#[test]
fn a_cache_that_cannot_be_written_is_said_with_its_path() {
    let world = world();
    let file = world.cache.path().join("file");
    fs::write(&file, "").expect("written");
    let client = Client::new(Options { cache: Some(file.clone()), ..world.options() })
        .expect("good options");
    let error = fetch(&client, CONFIG).expect_err("no folder can be made");
    assert!(matches!(&error, HubError::Io { path, .. } if path.starts_with(&file)), "{error}");
}
