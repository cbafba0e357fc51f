//! A hub on this machine with a small model, an experiment that downloads it, and a token that is nobody else's business.

use std::fs;
use std::process::Command;
use std::sync::OnceLock;

use crate::server::{Access, Hub, REPO};
use crate::support::*;

const TOKEN: &str = "hf_ThisTokenIsASecretOfTheTest";

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
        command.env("HF_ENDPOINT", &self.url).env("HF_TOKEN", TOKEN).env("HF_HOME", self.project.root().join("hf"));
        command
    }
}

fn assert_secret(place: &Place, ended: &Ended) {
    let mut texts = files_below(place.project.root());
    texts.insert("standard output".into(), ended.stdout.clone().into_bytes());
    texts.insert("standard error".into(), ended.stderr.clone().into_bytes());
    let secret = &TOKEN.as_bytes()[3..];
    let telling: Vec<&String> =
        texts.iter().filter(|(_, bytes)| bytes.windows(secret.len()).any(|part| part == secret)).map(|(name, _)| name).collect();
    assert_eq!(telling, [""; 0], "the token is in there");
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
    let authorised = downloads.hub.log().iter().any(|request| request.header("authorization").is_some_and(|text| text.contains(TOKEN)));
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
fn a_model_file_changed_on_its_way_is_refused_and_nothing_is_kept() {
    use crate::server::Fault;
    let downloads = Downloads::new();
    let place = downloads.place();
    let (name, bytes) = downloads.files.iter().find(|(name, _)| name.ends_with(".safetensors")).expect("a model has weights");
    downloads.hub.fault(name, &[Fault::Flip(bytes.len() / 2)]);
    let ended = finish(start(&mut place.command(&["run", "hub.toml"])));
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let ended = finish(start(&mut place.command(&["run", "hub.toml"])));
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_same(&place.project.results("hub"), downloads.undisturbed(), "after a damaged download");
}
