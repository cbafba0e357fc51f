//! Broken downloads.

use std::fs;

use crate::server::{Fault, REPO, git_blob, sha256};
use crate::world::{CONFIG, CONFIG_TEXT, WEIGHTS, Watcher, commit, fetch, weights, world};
use pipeline::hub::HubError;

#[test]
fn a_cut_download_goes_on_where_it_stopped() {
    let world = world();
    world.hub.fault(WEIGHTS, &[Fault::Cut(1_000_000), Fault::CutWithoutLength(1_000_000)]);
    let mut watcher = Watcher::default();
    world
        .client()
        .fetch(REPO, &commit(), &[WEIGHTS], &mut watcher)
        .expect("the third request brings the rest");
    assert_eq!(fs::read(world.blob(&sha256(&weights()))).expect("the blob"), weights());
    let ranges: Vec<_> = world
        .hub
        .downloads(WEIGHTS)
        .iter()
        .map(|request| request.header("range").map(str::to_owned))
        .collect();
    assert_eq!(
        ranges,
        [None, Some("bytes=1000000-".to_owned()), Some("bytes=2000000-".to_owned())]
    );
    let total = weights().len() as u64;
    assert_eq!(watcher.seen.last(), Some(&(WEIGHTS.to_owned(), total, total)));
    assert!(watcher.seen.is_sorted_by_key(|(_, done, _)| *done), "progress never goes back");
}

#[test]
fn a_download_goes_on_in_the_next_run() {
    let world = world();
    world.hub.fault(WEIGHTS, &[Fault::Cut(1_234_567)]);
    let error = fetch(&world.without_retries(), WEIGHTS).expect_err("cut");
    assert!(matches!(error, HubError::Broken { .. }), "{error}");
    assert_eq!(fs::metadata(world.incomplete()).expect("the part").len(), 1_234_567);
    assert_eq!(fetch(&world.client(), WEIGHTS).expect("fetched"), weights());
    assert_eq!(world.hub.downloads(WEIGHTS)[1].header("range"), Some("bytes=1234567-"));
    assert_eq!(world.blobs(), [sha256(&weights())]);
}

#[test]
fn a_part_of_a_file_on_the_hub_itself_is_resumed_under_its_tag() {
    let world = world();
    let content = weights();
    world.hub.add("tokenizer.json", &content, false);
    world.hub.fault("tokenizer.json", &[Fault::Cut(500_000)]);
    assert_eq!(fetch(&world.client(), "tokenizer.json").expect("fetched"), content);
    let second = &world.hub.downloads("tokenizer.json")[1];
    assert_eq!(second.header("range"), Some("bytes=500000-"));
    assert_eq!(second.header("if-range"), Some(format!("\"{}\"", git_blob(&content)).as_str()));
}

#[test]
fn a_server_without_ranges_sends_everything_again() {
    for (fault, downloads) in [(Fault::IgnoreRange, 2), (Fault::WrongRange, 3)] {
        let world = world();
        world.hub.fault(WEIGHTS, &[Fault::Cut(1_000_000), fault]);
        let mut watcher = Watcher::default();
        world.client().fetch(REPO, &commit(), &[WEIGHTS], &mut watcher).expect("fetched");
        assert_eq!(fs::read(world.blob(&sha256(&weights()))).expect("the blob"), weights());
        assert_eq!(world.hub.downloads(WEIGHTS).len(), downloads);
        // Nothing was put where it does not belong, to be found out by the digest only.
        assert_eq!(watcher.messages, [""; 0]);
    }
}

#[test]
fn a_part_of_something_else_is_dropped() {
    let right = weights();
    let longer: Vec<u8> = right.iter().chain(b"more").copied().collect();
    let mut flipped = right[..2_000_000].to_vec();
    flipped[0] ^= 1;
    let mut wrong = right.clone();
    wrong[0] ^= 1;
    for (part, downloads) in [(longer, 1), (flipped, 2), (wrong, 1), (right.clone(), 0)] {
        let world = world();
        fs::create_dir_all(world.repo().join("blobs")).expect("a folder");
        fs::write(world.incomplete(), &part).expect("written");
        assert_eq!(fetch(&world.client(), WEIGHTS).expect("fetched"), right);
        assert_eq!(world.hub.downloads(WEIGHTS).len(), downloads);
        assert_eq!(world.blobs(), [sha256(&right)]);
    }
}

#[test]
fn a_truncated_file_is_not_used() {
    let world = world();
    world.hub.fault(WEIGHTS, &[Fault::Short(1_000_000)]);
    let error = fetch(&world.client(), WEIGHTS).expect_err("too short");
    let whole = weights().len() as u64;
    assert!(
        matches!(error, HubError::Truncated { expected, found: 1_000_000, .. } if expected == whole),
        "{error}"
    );
    assert_eq!(world.hub.downloads(WEIGHTS).len(), 1);
    assert!(world.blobs().is_empty());
}

#[test]
fn a_file_that_is_too_long_is_not_used() {
    let world = world();
    world.hub.fault(WEIGHTS, &[Fault::Long]);
    assert!(matches!(fetch(&world.client(), WEIGHTS), Err(HubError::Oversized { .. })));
    assert!(world.blobs().is_empty());
}

#[test]
fn a_flipped_byte_is_found() {
    for at in [0, 1_500_000, weights().len() - 1] {
        let world = world();
        world.hub.fault(WEIGHTS, &[Fault::Flip(at)]);
        let error = fetch(&world.client(), WEIGHTS).expect_err("damaged");
        assert!(matches!(error, HubError::DigestMismatch { cached: None, .. }), "{error}");
        assert!(world.blobs().is_empty());
        assert!(!world.repo().join("snapshots").exists());
    }
}

#[test]
fn a_flipped_byte_in_a_small_file_is_found() {
    let world = world();
    world.hub.fault(CONFIG, &[Fault::Flip(3)]);
    assert!(matches!(fetch(&world.client(), CONFIG), Err(HubError::DigestMismatch { .. })));
}

#[test]
fn a_failing_server_is_asked_again_and_a_refusing_one_is_not() {
    let world = world();
    world.hub.fault(WEIGHTS, &[Fault::Status(500), Fault::Status(503)]);
    world.hub.set().head_faults = [502, 504].into();
    assert_eq!(fetch(&world.client(), WEIGHTS).expect("the third time"), weights());

    for (file, status) in [
        (WEIGHTS, 403),
        (WEIGHTS, 401),
        (WEIGHTS, 404),
        (CONFIG, 403),
        (CONFIG, 401),
        (CONFIG, 404),
        (CONFIG, 410),
    ] {
        let world = self::world();
        world.hub.fault(file, &[Fault::Status(status)]);
        let error = fetch(&world.client(), file).expect_err("refused");
        assert!(!matches!(error, HubError::ServerFailed { .. }), "{error}");
        assert_eq!(world.hub.downloads(file).len(), 1, "{status}");
        assert!(world.blobs().is_empty(), "the page was kept");
    }
}

#[test]
fn a_server_that_keeps_failing_is_an_error_that_leaves_no_page() {
    let world = world();
    world.hub.fault(WEIGHTS, &[Fault::Status(500), Fault::Status(500), Fault::Status(500)]);
    let error = fetch(&world.client(), WEIGHTS).expect_err("it fails");
    assert!(matches!(error, HubError::ServerFailed { status: 500, .. }), "{error}");
    assert_eq!(world.hub.downloads(WEIGHTS).len(), 3);
    assert!(world.blobs().is_empty());
}

#[test]
fn a_page_is_no_file() {
    for file in [CONFIG, WEIGHTS] {
        let world = world();
        world.hub.fault(file, &[Fault::Page]);
        let error = fetch(&world.client(), file).expect_err("a page");
        assert!(matches!(error, HubError::WebPage { .. }), "{error}");
        assert!(world.blobs().is_empty());
    }
}

#[test]
fn redirects_that_go_round_end() {
    let world = world();
    world.hub.fault(WEIGHTS, &[Fault::RedirectLoop]);
    let error = fetch(&world.client(), WEIGHTS).expect_err("a loop");
    assert!(matches!(error, HubError::TooManyRedirects { .. }), "{error}");
}

#[test]
fn a_tag_that_is_no_digest_is_refused() {
    let world = world();
    for etag in ["abc", "../../../escape", ""] {
        world.hub.set().etag = Some(etag.to_owned());
        for file in [CONFIG, WEIGHTS] {
            let error = fetch(&world.client(), file).expect_err("nothing to check it against");
            assert!(matches!(error, HubError::NoDigest { .. }), "{error}");
        }
    }
    assert!(world.blobs().is_empty());
}

#[test]
fn a_hub_without_head_is_asked_for_one_byte() {
    let world = world();
    world.hub.set().without_head = true;
    assert_eq!(fetch(&world.client(), CONFIG).expect("fetched"), CONFIG_TEXT);
    assert_eq!(fetch(&world.client(), WEIGHTS).expect("fetched"), weights());
}

#[test]
fn a_safetensors_file_that_is_broken_at_its_source_is_said() {
    let world = world();
    let broken = &weights()[..1_000_000];
    world.hub.add(WEIGHTS, broken, true);
    for client in [world.client(), world.offline()] {
        let error = fetch(&client, WEIGHTS).expect_err("its tensors do not fit");
        assert!(matches!(error, HubError::Safetensors { .. }), "{error}");
    }
}
