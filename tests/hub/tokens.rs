//! Who gets the token.

use crate::server::{Access, Fault, REPO, TOKEN};
use crate::world::{CONFIG, CONFIG_TEXT, WEIGHTS, commit, fetch, weights, world};
use pipeline::base::problem::Help;
use pipeline::hub::{Client, HubError, Options, Silent, Token};

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
