//! The hub before anything runs: its address, the way to it, and who has waited enough.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::process::Stdio;

use crate::world::World;

const FILE: &str = "experiments/branch.toml";

fn world() -> World {
    let world = World::empty();
    world.write(FILE, "version = 1\n[stage.fetch_model]\nrepo = \"ada/engine\"\n");
    world
}

#[test]
fn of_settings_that_are_no_address_nothing_shows_that_may_be_secret() {
    let world = world();
    for (variable, value) in [
        ("HF_ENDPOINT", "bob:secret@hub.invalid"),
        ("HF_ENDPOINT", "https:/bob:secret@hub.invalid"),
        ("HF_ENDPOINT", "hub.invalid/?token=secret"),
        ("HF_ENDPOINT", "ftp://bob:secret@hub.invalid/secret"),
        ("HTTPS_PROXY", "http://bob:secret@pro xy"),
        ("all_proxy", "gopher://bob:secret@proxy"),
        // The host was forgotten.
        ("HF_ENDPOINT", "https://bob:secret"),
        ("HF_ENDPOINT", "https://bob:secret/api"),
        ("HF_ENDPOINT", "https://bob:99999"),
        ("HTTPS_PROXY", "http://bob:secret"),
        ("HTTPS_PROXY", "http://bob:99999"),
        ("HTTPS_PROXY", "http://:8080"),
        ("HF_TOKEN", "hf_secret\nhf_other"),
    ] {
        let mut command = assert_cmd::Command::from_std(world.process(["run", FILE]));
        let shot = world.shot("run", command.env(variable, value));
        let said = shot.to_string();
        assert!(!said.contains("secret") && !said.contains("bob"), "{value}: {said}");
        assert!(shot.code == Some(2) && said.contains(variable), "{value}: {said}");
    }
}

#[test]
fn who_waits_for_the_hub_sees_it_and_ends_it_with_130() {
    let world = world();
    // It accepts, and says nothing.
    let hub = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut child = world
        .process(["run", FILE])
        .env("HF_ENDPOINT", format!("http://{}", hub.local_addr().expect("an address")))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
    let mut line = String::new();
    stderr.read_line(&mut line).expect("readable");
    assert!(line.starts_with("asking `http://127.0.0.1:"), "{line}");
    let sent = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(sent.expect("kill").success());
    let status = child.wait().expect("it ends");
    stderr.read_to_string(&mut line).expect("readable");
    assert_eq!(status.code(), Some(130), "{line}");
    assert!(!world.path("experiments/branch.toml.lock").exists());
}

#[test]
fn a_name_without_an_address_is_called_that() {
    let world = world();
    let mut command = assert_cmd::Command::from_std(world.process(["run", FILE]));
    let shot = world.shot("run", command.env("HF_ENDPOINT", "http://hub.invalid"));
    let said = "cannot reach `hub.invalid`: its name has no address";
    assert!(shot.code == Some(1) && shot.stderr.contains(said), "{shot}");
}
