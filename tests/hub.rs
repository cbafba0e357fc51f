//! The hub client against a server on this machine.

#[path = "hub/server.rs"]
mod server;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pipeline::hub::{Client, Commit, HubError, Observer, Options, Proxy, Silent, Token};
use server::{Access, COMMIT, Fault, Hub, REPO, TOKEN, git_blob, sha256};

const WEIGHTS: &str = "model.safetensors";
const CONFIG: &str = "config.json";
const CONFIG_TEXT: &[u8] = br#"{"model_type": "modernbert"}"#;

/// A safetensors file of 3 MiB whose bytes do not repeat.
fn weights() -> Vec<u8> {
    let data = 3 << 20;
    let header = format!(r#"{{"w":{{"dtype":"U8","shape":[{data}],"data_offsets":[0,{data}]}}}}"#);
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    let mut state = 1_u32;
    bytes.extend((0..data).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    }));
    bytes
}

struct World {
    hub: Hub,
    cache: tempfile::TempDir,
}

fn world() -> World {
    let hub = Hub::start();
    hub.add(CONFIG, CONFIG_TEXT, false);
    hub.add(WEIGHTS, &weights(), true);
    World { hub, cache: tempfile::tempdir().expect("a temporary folder") }
}

impl World {
    fn options(&self) -> Options {
        Options {
            endpoint: Some(self.hub.url.clone()),
            cache: Some(self.cache.path().to_path_buf()),
            patience: Duration::from_secs(10),
            retries: 2,
            retry_wait: Duration::from_millis(5),
            ..Options::default()
        }
    }

    fn client(&self) -> Client {
        Client::new(self.options()).expect("good options")
    }

    fn with_token(&self) -> Client {
        Client::new(Options { token: Token::new(TOKEN), ..self.options() }).expect("good options")
    }

    fn offline(&self) -> Client {
        Client::new(Options { offline: true, ..self.options() }).expect("good options")
    }

    fn without_retries(&self) -> Client {
        Client::new(Options { retries: 0, ..self.options() }).expect("good options")
    }

    fn repo(&self) -> PathBuf {
        self.cache.path().join("models--answerdotai--ModernBERT-base")
    }

    fn blob(&self, digest: &str) -> PathBuf {
        self.repo().join("blobs").join(digest)
    }

    fn incomplete(&self) -> PathBuf {
        self.blob(&format!("{}.incomplete", sha256(&weights())))
    }

    fn blobs(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.repo().join("blobs")) else { return Vec::new() };
        entries
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
            .collect()
    }
}

fn commit() -> Commit {
    Commit::parse(COMMIT).expect("a commit")
}

fn fetch(client: &Client, file: &str) -> Result<Vec<u8>, HubError> {
    client
        .fetch(REPO, &commit(), &[file], &mut Silent)
        .map(|folder| fs::read(folder.join(file)).expect("the file is there"))
}

/// Remembers what it is told and interrupts after so many bytes.
#[derive(Default)]
struct Watcher {
    seen: Vec<(String, u64, u64)>,
    messages: Vec<String>,
    waits: Vec<String>,
    stop_after: Option<u64>,
    stop_at: Option<Instant>,
}

impl Observer for Watcher {
    fn progress(&mut self, file: &str, done: u64, total: u64) {
        self.seen.push((file.to_owned(), done, total));
    }

    fn cancelled(&self) -> bool {
        let far = self
            .seen
            .last()
            .is_some_and(|(_, done, _)| self.stop_after.is_some_and(|stop| *done >= stop));
        far || self.stop_at.is_some_and(|stop| Instant::now() >= stop)
    }

    fn message(&mut self, text: String) {
        self.messages.push(text);
    }

    fn waiting(&mut self, text: String) {
        self.waits.push(text);
    }
}

// Pinning

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

// The token

#[test]
fn the_token_goes_to_the_hub_and_nowhere_else() {
    let world = world();
    world.hub.set().access = Access::Private(TOKEN);
    world.with_token().fetch(REPO, &commit(), &[CONFIG, WEIGHTS], &mut Silent).expect("fetched");
    for request in world.hub.log() {
        let expected = (!request.on_content_server).then_some("Bearer hf_secret");
        assert_eq!(request.header("authorization"), expected, "{request:?}");
    }
    assert_eq!(world.hub.downloads(WEIGHTS).len(), 1);
}

#[test]
fn the_token_does_not_come_back_with_a_redirect_from_elsewhere() {
    let world = world();
    world
        .hub
        .fault(WEIGHTS, &[Fault::Redirect(format!("{}/resolve-cache/{WEIGHTS}", world.hub.url))]);
    assert_eq!(fetch(&world.with_token(), WEIGHTS).expect("fetched"), weights());
    let log = world.hub.log();
    let back = log
        .iter()
        .find(|request| request.path.starts_with("/resolve-cache/"))
        .expect("it was followed");
    assert_eq!((back.on_content_server, back.header("authorization")), (false, None));
}

#[test]
fn a_relative_redirect_stays_on_the_hub_with_the_token() {
    let world = world();
    world.hub.set().access = Access::Private(TOKEN);
    world.hub.set().relative_redirect = true;
    assert_eq!(fetch(&world.with_token(), CONFIG).expect("fetched"), CONFIG_TEXT);
    assert!(world.hub.log().iter().any(|request| request.path == "/resolve-cache/config.json"));
}

#[test]
fn a_token_shows_in_no_output() {
    let world = world();
    let client = world.with_token();
    assert!(!format!("{client:?}").contains("secret"));
    world.hub.set().access = Access::RefusesTokens;
    let error = fetch(&client, CONFIG).expect_err("refused");
    assert!(!format!("{error} {error:?} {:?}", error.help()).contains("secret"));
    let malformed =
        Client::new(Options { token: Token::new("hf_secret\nhf_other"), ..world.options() })
            .expect_err("two lines");
    assert!(matches!(malformed, HubError::MalformedToken));
}

// Broken downloads

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

// Interruption

#[test]
fn an_interrupted_download_stops_at_once_and_keeps_what_it_has() {
    let world = world();
    world.hub.fault(WEIGHTS, &[Fault::Stall(1_000_000)]);
    let mut watcher = Watcher { stop_after: Some(1_000_000), ..Watcher::default() };
    let start = Instant::now();
    let result = world.client().fetch(REPO, &commit(), &[WEIGHTS], &mut watcher);
    assert!(matches!(result, Err(HubError::Cancelled)));
    assert!(start.elapsed() < Duration::from_secs(2));
    assert_eq!(fs::metadata(world.incomplete()).expect("the part").len(), 1_000_000);
    assert_eq!(fetch(&world.client(), WEIGHTS).expect("fetched"), weights());
}

#[test]
fn a_silent_server_can_be_interrupted_before_it_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let world = world();
    let endpoint = Some(format!("http://{}", listener.local_addr().expect("an address")));
    let client = Client::new(Options { endpoint, ..world.options() }).expect("good options");
    let start = Instant::now();
    let mut watcher =
        Watcher { stop_at: Some(start + Duration::from_millis(200)), ..Watcher::default() };
    assert!(matches!(client.resolve(REPO, "main", &mut watcher), Err(HubError::Cancelled)));
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_server_that_falls_silent_is_given_up() {
    let world = world();
    world.hub.fault(WEIGHTS, &[Fault::Stall(1_000)]);
    let client =
        Client::new(Options { retries: 0, patience: Duration::from_secs(1), ..world.options() })
            .expect("good options");
    let error = fetch(&client, WEIGHTS).expect_err("silence");
    assert!(matches!(error, HubError::Stalled { seconds: 1, .. }), "{error}");
}

#[test]
fn a_server_that_sends_a_byte_now_and_then_is_given_up() {
    let world = world();
    world.hub.fault(WEIGHTS, &[Fault::Trickle]);
    let patience = Duration::from_millis(400);
    let options = Options { retries: 0, patience, ..world.options() };
    let error = fetch(&Client::new(options).expect("good options"), WEIGHTS).expect_err("slow");
    assert!(matches!(error, HubError::TooSlow { .. }), "{error}");
}

#[test]
fn a_hub_that_accepts_and_says_nothing_is_said_and_given_up() {
    let world = world();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let options = Options {
        endpoint: Some(format!("http://{address}")),
        patience: Duration::from_millis(400),
        retries: 20,
        ..world.options()
    };
    let begun = Instant::now();
    let mut watcher = Watcher::default();
    let error = Client::new(options)
        .expect("good options")
        .resolve(REPO, "main", &mut watcher)
        .expect_err("silence");
    assert!(matches!(error, HubError::Stalled { .. }), "{error}");
    // Three silences of the given length, and not twenty.
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(
        watcher.waits[..2],
        [
            format!("asking `http://{address}` which commit `main` of `{REPO}` is"),
            "`127.0.0.1` sends nothing; waiting for it".to_owned()
        ]
    );
    assert!(watcher.waits[2].contains("asking again in"), "{:?}", watcher.waits);
}

#[test]
fn a_hub_that_asks_for_a_moment_gets_it_and_one_that_asks_for_an_hour_does_not() {
    for status in [429, 503] {
        let world = world();
        world.hub.set().busy.push_back((status, "1".to_owned()));
        let begun = Instant::now();
        let mut watcher = Watcher::default();
        world.client().resolve(REPO, "main", &mut watcher).expect("resolved");
        assert!(begun.elapsed() >= Duration::from_secs(1), "{status}");
        assert!(watcher.waits.iter().any(|text| text.contains("asking again in 1 s")));
    }
    let world = world();
    world.hub.set().busy.push_back((429, "3600".to_owned()));
    let begun = Instant::now();
    let error = world.client().resolve(REPO, "main", &mut Silent).expect_err("an hour");
    assert!(matches!(error, HubError::RateLimited { wait: Some(_), .. }), "{error}");
    assert!(error.to_string().ends_with("it asks to wait 3600 s"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_moment_in_the_past_is_no_wait() {
    let world = world();
    let past = "Wed, 21 Oct 2015 07:28:00 GMT".to_owned();
    world.hub.set().busy.push_back((429, past));
    world.client().resolve(REPO, "main", &mut Silent).expect("resolved");
}

#[test]
fn a_dead_proxy_is_named_without_its_password() {
    let world = world();
    let closed = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port that is free again");
    let proxy = ureq::Proxy::new(&format!("http://bob:secret@{closed}")).expect("an address");
    let options = Options {
        endpoint: Some("http://hub.invalid".to_owned()),
        proxy: Proxy::Through(proxy),
        ..world.options()
    };
    let error = fetch(&Client::new(options).expect("good options"), CONFIG).expect_err("dead");
    let HubError::ProxyFailed { host, proxy, .. } = &error else { panic!("{error}") };
    assert_eq!((host.as_str(), proxy.as_str()), ("hub.invalid", closed.to_string().as_str()));
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
}

#[test]
fn a_proxy_that_is_no_address_is_an_error_once_the_network_is_needed() {
    let world = world();
    fetch(&world.client(), CONFIG).expect("fetched");
    let options = Options { proxy: Proxy::Malformed("HTTPS_PROXY"), ..world.options() };
    let client = Client::new(options).expect("good options");
    assert!(fetch(&client, CONFIG).is_ok(), "it is in the cache");
    let error = fetch(&client, WEIGHTS).expect_err("no way");
    assert!(matches!(error, HubError::InvalidProxy { variable: "HTTPS_PROXY" }), "{error}");
}

#[test]
fn waiting_for_another_process_can_be_interrupted() {
    let world = world();
    let locks = world.cache.path().join(".locks/models--answerdotai--ModernBERT-base");
    fs::create_dir_all(&locks).expect("a folder");
    let lock =
        fs::File::create(locks.join(format!("{}.lock", sha256(&weights())))).expect("a file");
    lock.lock().expect("locked");
    let mut watcher = Watcher {
        stop_at: Some(Instant::now() + Duration::from_millis(500)),
        ..Watcher::default()
    };
    let result = world.client().fetch(REPO, &commit(), &[WEIGHTS], &mut watcher);
    assert!(matches!(result, Err(HubError::Cancelled)));
    assert_eq!(watcher.messages.len(), 1);
    drop(lock);
    fetch(&world.client(), WEIGHTS).expect("fetched");
}

// What is missing, and who may have it

/// Every refusal with its message and its remedy.
#[test]
fn every_refusal_has_a_message_of_its_own() {
    let world = world();
    let (client, token) = (world.client(), world.with_token());
    let other = Commit::parse(&"0".repeat(40)).expect("a commit");
    let ask = |client: &Client, repo: &str, commit: &Commit, file: &str| {
        client.fetch(repo, commit, &[file], &mut Silent).expect_err("refused")
    };

    for without_codes in [false, true] {
        world.hub.set().without_codes = without_codes;
        for client in [&client, &token] {
            let repo = ask(client, "nobody/nothing", &commit(), CONFIG);
            assert!(
                matches!(&repo, HubError::MissingRepo { repo, .. } if repo == "nobody/nothing")
                    || without_codes,
                "{repo}"
            );
            let resolved =
                client.resolve("nobody/nothing", "main", &mut Silent).expect_err("refused");
            assert!(
                matches!(resolved, HubError::MissingRepo { .. }) || without_codes,
                "{resolved}"
            );
        }
        assert!(matches!(ask(&client, REPO, &other, CONFIG), HubError::MissingRevision { .. }));
        assert!(
            matches!(client.resolve(REPO, "mian", &mut Silent), Err(HubError::MissingRevision { revision, .. }) if revision == "mian")
        );
        assert!(
            matches!(ask(&client, REPO, &commit(), "vocab.txt"), HubError::MissingFile { file, .. } if file == "vocab.txt")
        );
    }
    world.hub.set().without_codes = false;

    world.hub.set().access = Access::Gated;
    assert!(matches!(
        ask(&client, REPO, &commit(), CONFIG),
        HubError::GatedRepo { token: false, .. }
    ));
    assert!(matches!(
        ask(&token, REPO, &commit(), CONFIG),
        HubError::GatedRepo { token: true, .. }
    ));
    world.hub.set().access = Access::Private("another");
    assert!(matches!(
        ask(&client, REPO, &commit(), CONFIG),
        HubError::MissingRepo { token: false, .. }
    ));
    world.hub.set().access = Access::RefusesTokens;
    assert!(matches!(ask(&token, REPO, &commit(), CONFIG), HubError::InvalidToken { .. }));
    assert!(matches!(token.resolve(REPO, "main", &mut Silent), Err(HubError::InvalidToken { .. })));
    world.hub.set().access = Access::Limited;
    assert!(matches!(ask(&client, REPO, &commit(), CONFIG), HubError::RateLimited { .. }));
}

#[test]
fn a_hub_that_cannot_be_reached_points_at_what_needs_none() {
    let world = world();
    let closed = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port that is free again");
    for endpoint in [format!("http://{closed}"), "http://hub.invalid".to_owned()] {
        let options = Options {
            endpoint: Some(endpoint),
            patience: Duration::from_secs(2),
            ..world.options()
        };
        let client = Client::new(options).expect("good options");
        let error = fetch(&client, CONFIG).expect_err("nobody there");
        assert!(matches!(error, HubError::NoNetwork { .. }), "{error}");
        let help = error.help().expect("a remedy");
        assert!(help.contains("path = ") && help.contains("experiments/tiny.toml"), "{help}");
        assert!(matches!(
            client.resolve(REPO, "main", &mut Silent),
            Err(HubError::NoNetwork { .. })
        ));
    }
}

#[test]
fn a_connection_that_is_not_secure_is_said() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("https://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .and_then(|()| stream.read(&mut [0; 1024]));
        }
    });
    let world = world();
    let options = Options { endpoint: Some(endpoint), ..world.options() };
    let error = fetch(&Client::new(options.clone()).expect("good options"), CONFIG)
        .expect_err("the server speaks no TLS");
    assert!(matches!(error, HubError::Tls { .. }), "{error}");

    for (name, text) in [
        ("absent", None),
        ("empty", Some("")),
        ("broken", Some("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n")),
    ] {
        let path = world.cache.path().join(name);
        if let Some(text) = text {
            fs::write(&path, text).expect("written");
        }
        let client = Client::new(Options { certificates: Some(path), ..options.clone() })
            .expect("good options");
        let error = fetch(&client, CONFIG).expect_err("no certificates");
        assert!(matches!(error, HubError::Certificates { .. }), "{error}");
    }
}

#[test]
fn names_are_checked_before_anything_is_asked() {
    let world = world();
    let client = world.client();
    for file in ["../../escape", "/etc/passwd", "a/../b", ""] {
        assert!(matches!(fetch(&client, file), Err(HubError::InvalidName { .. })), "{file}");
    }
    for repo in ["", "../x", "a/b/c", "a b"] {
        assert!(
            matches!(
                client.fetch(repo, &commit(), &[CONFIG], &mut Silent),
                Err(HubError::InvalidName { .. })
            ),
            "{repo}"
        );
        assert!(
            matches!(client.resolve(repo, "main", &mut Silent), Err(HubError::InvalidName { .. })),
            "{repo}"
        );
    }
    assert!(matches!(
        client.resolve(REPO, "../../x", &mut Silent),
        Err(HubError::InvalidName { .. })
    ));
    assert!(world.hub.log().is_empty());
}

/// A token of a mirror's own, which looks like nothing.
#[test]
fn what_a_server_repeats_of_the_request_is_not_repeated() {
    let world = world();
    let secret = "a-token-that-looks-like-nothing";
    let client = Client::new(Options { token: Token::new(secret), retries: 0, ..world.options() })
        .expect("good options");
    let commit = Commit::parse(COMMIT).expect("a commit");
    for status in [200, 302, 400, 401, 403, 404, 409, 418, 500, 503] {
        world.hub.set().access = Access::Echoes(status);
        let errors = [
            client.resolve(REPO, "main", &mut Silent).map(drop).expect_err("it refuses"),
            client.fetch(REPO, &commit, &[CONFIG], &mut Silent).map(drop).expect_err("it refuses"),
        ];
        for error in errors {
            let said = format!("{error} {error:?} {:?}", error.help());
            assert!(!said.contains(secret), "{status}: {said}");
        }
    }
    assert!(
        world.hub.log().iter().any(|request| request
            .header("authorization")
            .is_some_and(|sent| sent.contains(secret)))
    );
}
