//! What is missing, who may have it, and what is said of it.

use std::fs;
use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::time::Duration;

use crate::server::{Access, COMMIT, REPO};
use crate::world::{CONFIG, commit, fetch, world};
use pipeline::base::problem::Help;
use pipeline::hub::{Client, Commit, HubError, Options, Silent, Token};

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
