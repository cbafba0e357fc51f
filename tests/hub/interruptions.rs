//! Downloads that are interrupted, and servers that keep one waiting.

use std::fs;
use std::net::TcpListener;
use std::time::Duration;
use std::time::Instant;

use crate::server::{Fault, REPO, sha256};
use crate::world::{CONFIG, WEIGHTS, Watcher, commit, fetch, weights, world};
use pipeline::hub::{Client, HubError, Options, Proxy, Silent};

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
