//! A hub on this machine with a small model, an experiment that downloads it, and a token that is nobody else's business.

use std::fs;
use std::process::Command;
use std::sync::OnceLock;

use crate::server::{Access, COMMIT, Hub, REPO};
use crate::support::*;

const TOKEN: &str = "hf_ThisTokenIsASecretOfTheTest";
const PASSWORD: &str = "ThisPasswordToo";
/// `user:ThisPasswordToo` in Base64.
const PASSWORD_SENT: &str = "dXNlcjpUaGlzUGFzc3dvcmRUb28=";

/// A private model behind a branch.
pub struct Downloads {
    hub: Hub,
    files: Vec<(String, Vec<u8>)>,
    undisturbed: OnceLock<Files>,
}

/// A project whose downloads lie in a folder of their own.
pub struct Place {
    pub project: Project,
    url: String,
}

impl Downloads {
    pub fn new() -> Self {
        let made = Project::new();
        let ended = made.pipeline(&["run", "small.toml", "init_model"]);
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        let hub = Hub::start();
        let mut files = Vec::new();
        for name in made.entry_files() {
            let path = made.outputs().join("store").join(&name);
            let file = name.rsplit('/').next().expect("a name").to_owned();
            // The entry of `init_model` is the one with weights.
            if path.with_file_name("model.safetensors").exists() && file != "manifest.json" {
                files.push((file, fs::read(path).expect("readable")));
            }
        }
        for (name, bytes) in &files {
            hub.add(name, bytes, name.ends_with(".safetensors"));
        }
        hub.set().access = Access::Private(TOKEN);
        Self { hub, files, undisturbed: OnceLock::new() }
    }

    pub fn place(&self) -> Place {
        let project = Project::new();
        let text = "extends = \"small.toml\"\nunset = [\"stage.init_model\", \"stage.tokenize.model\", \"stage.train.model\"]\n\
            [stage.fetch_model]\nrepo = \"REPO\"\nrevision = \"main\"\n\
            [stage.tokenize]\nmodel = \"@fetch_model\"\n[stage.train]\nmodel = \"@fetch_model\"\n";
        project.write("hub.toml", &text.replace("REPO", REPO));
        Place { project, url: self.hub.url.clone() }
    }

    pub fn undisturbed(&self) -> &Files {
        self.undisturbed.get_or_init(|| {
            let place = self.place();
            let ended = finish(start(&mut place.command(&["run", "hub.toml"])));
            assert_eq!(ended.code, Some(0), "{ended:#?}");
            place.project.results("hub")
        })
    }
}

impl Place {
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.project.command(arguments);
        command
            .env("HF_ENDPOINT", &self.url)
            .env("HF_TOKEN", TOKEN)
            .env("HF_HOME", self.project.root().join("hf"));
        command
    }
}

fn assert_secret(place: &Place, ended: &Ended) {
    assert_hidden(place, ended, &TOKEN[3..]);
}

fn assert_hidden(place: &Place, ended: &Ended, secret: &str) {
    let mut texts = files_below(place.project.root());
    texts.insert("standard output".into(), ended.stdout.clone().into_bytes());
    texts.insert("standard error".into(), ended.stderr.clone().into_bytes());
    let secret = secret.as_bytes();
    let telling: Vec<&String> = texts
        .iter()
        .filter(|(_, bytes)| bytes.windows(secret.len()).any(|part| part == secret))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(telling, [""; 0], "a secret is in there: {ended:#?}");
}

#[test]
fn the_token_is_used_and_shows_in_no_file_and_no_output() {
    let downloads = Downloads::new();
    for json in [&["run", "hub.toml"][..], &["run", "hub.toml", "--json"]] {
        let place = downloads.place();
        let ended = finish(start(&mut place.command(json)));
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        assert_secret(&place, &ended);
    }
    let authorised =
        downloads.hub.log().iter().any(|request| {
            request.header("authorization").is_some_and(|text| text.contains(TOKEN))
        });
    assert!(authorised, "the token was not used");
}

#[test]
fn the_token_shows_in_no_error() {
    let downloads = Downloads::new();
    for access in [Access::Gated, Access::RefusesTokens, Access::Limited] {
        downloads.hub.set().access = access;
        let place = downloads.place();
        let ended = finish(start(&mut place.command(&["run", "hub.toml"])));
        assert_eq!(ended.code, Some(1), "{ended:#?}");
        assert_secret(&place, &ended);
    }
}

#[test]
fn a_server_that_repeats_the_token_is_not_repeated() {
    let downloads = Downloads::new();
    for status in [200, 302, 400, 401, 403, 404, 418, 500] {
        downloads.hub.set().access = Access::Echoes(status);
        // With a commit no branch is resolved before the run, so that the stage itself meets the server.
        for revision in ["main", COMMIT] {
            let place = downloads.place();
            let text = fs::read_to_string(place.project.root().join("hub.toml")).expect("ours");
            place.project.write("hub.toml", &text.replace("\"main\"", &format!("\"{revision}\"")));
            for json in [&["run", "hub.toml"][..], &["run", "hub.toml", "--json"]] {
                let ended = finish(start(&mut place.command(json)));
                assert!(matches!(ended.code, Some(1 | 2)), "{status}: {ended:#?}");
                assert_secret(&place, &ended);
            }
        }
    }
    let sent = downloads
        .hub
        .log()
        .iter()
        .filter(|request| request.header("authorization").is_some())
        .count();
    assert!(sent > 10, "the token was not sent");
}

#[test]
fn a_password_in_an_address_shows_in_no_file_and_no_output() {
    let downloads = Downloads::new();
    let refuses = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|port| port.local_addr())
        .expect("a port that is free again");
    for access in [
        Access::Public,
        Access::Gated,
        Access::Limited,
        Access::Echoes(403),
        Access::Echoes(302),
        Access::Echoes(500),
    ] {
        downloads.hub.set().access = access;
        for (variable, address) in [
            (
                "HF_ENDPOINT",
                format!(
                    "http://user:{PASSWORD}@{}",
                    downloads.hub.url.trim_start_matches("http://")
                ),
            ),
            ("HF_ENDPOINT", format!("http://user:{PASSWORD}@{refuses}")),
            ("HF_ENDPOINT", format!("ftp://user:{PASSWORD}@hub.example")),
            ("HF_ENDPOINT", format!("http://user:{PASSWORD}@hub example/")),
            ("HTTP_PROXY", format!("http://user:{PASSWORD}@{refuses}")),
        ] {
            let place = downloads.place();
            // Without a token the password is what is sent.
            let ended = finish(start(
                place.command(&["run", "hub.toml"]).env_remove("HF_TOKEN").env(variable, &address),
            ));
            assert!(ended.code.is_some(), "{ended:#?}");
            assert_hidden(&place, &ended, PASSWORD);
            // The same in the form in which it is sent.
            assert_hidden(&place, &ended, PASSWORD_SENT);
        }
    }
}

#[test]
fn a_model_file_changed_on_its_way_is_refused_and_nothing_is_kept() {
    use crate::server::Fault;
    let downloads = Downloads::new();
    let place = downloads.place();
    let (name, bytes) = downloads
        .files
        .iter()
        .find(|(name, _)| name.ends_with(".safetensors"))
        .expect("a model has weights");
    downloads.hub.fault(name, &[Fault::Flip(bytes.len() / 2)]);
    let ended = finish(start(&mut place.command(&["run", "hub.toml"])));
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let ended = finish(start(&mut place.command(&["run", "hub.toml"])));
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_same(&place.project.results("hub"), downloads.undisturbed(), "after a damaged download");
}
