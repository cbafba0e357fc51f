//! A hub with a model, a cache, and clients of both.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use crate::server::{COMMIT, Hub, REPO, TOKEN, sha256};
use pipeline::hub::{Client, Commit, HubError, Observer, Options, Silent, Token};

pub const WEIGHTS: &str = "model.safetensors";
pub const CONFIG: &str = "config.json";
pub const CONFIG_TEXT: &[u8] = br#"{"model_type": "modernbert"}"#;

/// A safetensors file of 3 MiB whose bytes do not repeat.
pub fn weights() -> Vec<u8> {
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

pub struct World {
    pub hub: Hub,
    pub cache: tempfile::TempDir,
}

pub fn world() -> World {
    let hub = Hub::start();
    hub.add(CONFIG, CONFIG_TEXT, false);
    hub.add(WEIGHTS, &weights(), true);
    World { hub, cache: tempfile::tempdir().expect("a temporary folder") }
}

impl World {
    pub fn options(&self) -> Options {
        Options {
            endpoint: Some(self.hub.url.clone()),
            cache: Some(self.cache.path().to_path_buf()),
            patience: Duration::from_secs(10),
            retries: 2,
            retry_wait: Duration::from_millis(5),
            ..Options::default()
        }
    }

    pub fn client(&self) -> Client {
        Client::new(self.options()).expect("good options")
    }

    pub fn with_token(&self) -> Client {
        Client::new(Options { token: Token::new(TOKEN), ..self.options() }).expect("good options")
    }

    pub fn offline(&self) -> Client {
        Client::new(Options { offline: true, ..self.options() }).expect("good options")
    }

    pub fn without_retries(&self) -> Client {
        Client::new(Options { retries: 0, ..self.options() }).expect("good options")
    }

    pub fn repo(&self) -> PathBuf {
        self.cache.path().join("models--answerdotai--ModernBERT-base")
    }

    pub fn blob(&self, digest: &str) -> PathBuf {
        self.repo().join("blobs").join(digest)
    }

    pub fn incomplete(&self) -> PathBuf {
        self.blob(&format!("{}.incomplete", sha256(&weights())))
    }

    pub fn blobs(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.repo().join("blobs")) else { return Vec::new() };
        entries
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
            .collect()
    }
}

pub fn commit() -> Commit {
    Commit::parse(COMMIT).expect("a commit")
}

pub fn fetch(client: &Client, file: &str) -> Result<Vec<u8>, HubError> {
    client
        .fetch(REPO, &commit(), &[file], &mut Silent)
        .map(|folder| fs::read(folder.join(file)).expect("the file is there"))
}

/// Remembers what it is told and interrupts after so many bytes.
#[derive(Default)]
pub struct Watcher {
    pub seen: Vec<(String, u64, u64)>,
    pub messages: Vec<String>,
    pub waits: Vec<String>,
    pub stop_after: Option<u64>,
    pub stop_at: Option<Instant>,
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
