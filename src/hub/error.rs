//! What can go wrong between a repository's name and its files on disk.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::disk::no_room::NoRoom;
use crate::base::problem::Help;

/// A failure to resolve, download or verify.
///
/// The message says what happened; [`HubError::help`] says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    #[error("`{endpoint}` has no model `{repo}`, or the model is private")]
    MissingRepo { repo: String, endpoint: String, token: bool },
    #[error("model `{repo}` has no revision `{revision}`")]
    MissingRevision { repo: String, revision: String },
    #[error("model `{repo}` has no file `{file}` at revision `{revision}`")]
    MissingFile { repo: String, revision: String, file: String },
    #[error("access to model `{repo}` is gated")]
    GatedRepo { repo: String, endpoint: String, token: bool },
    #[error("`{endpoint}` does not accept the token")]
    InvalidToken { endpoint: String },
    #[error("the token contains characters that no token has")]
    MalformedToken,
    #[error("`{url}` is forbidden{}", detail(.message))]
    Forbidden { url: String, message: Option<String>, token: bool },
    #[error("`{endpoint}` allows no more requests for now{}", asked_wait(.wait))]
    RateLimited { endpoint: String, token: bool, wait: Option<Duration> },
    #[error("`{url}` was refused with status {status}{}", detail(.message))]
    Refused { url: String, status: u16, message: Option<String> },
    #[error("the server failed with status {status} at `{url}`")]
    ServerFailed { url: String, status: u16, wait: Option<Duration> },
    #[error("cannot reach `{host}`: {reason}")]
    NoNetwork { host: String, reason: String },
    #[error("the connection to `{host}` broke: {reason}")]
    Broken { host: String, reason: String },
    #[error("`{host}` has sent nothing for {seconds} s")]
    Stalled { host: String, seconds: u64 },
    #[error("`{host}` has sent {bytes} bytes in {seconds} s")]
    TooSlow { host: String, bytes: u64, seconds: u64 },
    #[error("no secure connection to `{host}`: {reason}")]
    Tls { host: String, reason: String },
    #[error("`{file}` of model `{repo}` at {commit} is not in the cache `{}`, and the network must not be used", .cache.display())]
    OfflineFile { repo: String, commit: String, file: String, cache: PathBuf },
    #[error("the cache `{}` does not know which commit `{revision}` of model `{repo}` is, and the network must not be used", .cache.display())]
    OfflineRevision { repo: String, revision: String, cache: PathBuf },
    #[error("`{file}` is truncated: {found} of {expected} bytes")]
    Truncated { file: String, expected: u64, found: u64 },
    #[error("`{file}` is too long: {found} bytes where {expected} were announced")]
    Oversized { file: String, expected: u64, found: u64 },
    #[error("`{file}` is damaged: its digest is {found}, but must be {expected}")]
    DigestMismatch { file: String, expected: String, found: String, cached: Option<PathBuf> },
    #[error("`{url}` does not say which digest the file has{}", detail(.etag))]
    NoDigest { url: String, etag: Option<String> },
    #[error("`{url}` answers with a web page where a file was expected")]
    WebPage { url: String },
    #[error("`{url}` does not answer like a hub: {problem}")]
    UnexpectedAnswer { url: String, problem: String },
    #[error("`{url}` redirects without end")]
    TooManyRedirects { url: String },
    #[error("`{file}` is not a whole safetensors file: {problem}")]
    Safetensors { file: String, problem: String },
    #[error("{}", .why.message(.path))]
    DiskFull { path: PathBuf, why: NoRoom },
    #[error("cannot {doing} `{}`: {source}", .path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("`{name}` is no {what}: {problem}")]
    InvalidName { what: &'static str, name: String, problem: &'static str },
    /// Of the variable only a host is known here: anything else in it may be a secret.
    #[error("HF_ENDPOINT{} cannot be the address of a hub: {problem}", of_host(.host))]
    InvalidEndpoint { host: Option<String>, problem: &'static str },
    #[error("{variable} is no address of a proxy")]
    InvalidProxy { variable: &'static str },
    #[error("cannot reach `{host}` through the proxy `{proxy}`: {reason}")]
    ProxyFailed { host: String, proxy: String, reason: String },
    #[error("cannot use the certificates in `{}`: {problem}", .path.display())]
    Certificates { path: PathBuf, problem: String },
    #[error("there is no home folder to keep downloads in")]
    NoCacheFolder,
    #[error("interrupted")]
    Cancelled,
}

const OTHER_WAYS: &str = "a local folder in Hugging Face layout works without the hub (`path = \"...\"`), and experiments/tiny.toml needs no download at all";

impl HubError {
    /// An input or output error, told apart where the remedy differs.
    pub(super) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match NoRoom::of(&source, &path) {
            Some(why) => Self::DiskFull { path, why },
            None => Self::Io { doing, path, source },
        }
    }

    /// True for what may be gone a moment later. A refusal is never transient, unless it says itself when it ends.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::ServerFailed { .. }
            | Self::Broken { .. }
            | Self::Stalled { .. }
            | Self::TooSlow { .. } => true,
            Self::RateLimited { wait, .. } => wait.is_some(),
            _ => false,
        }
    }

    /// True where nothing is wrong but that this repository, or this revision of it, is not to be had here: another one may be.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(
            self,
            Self::MissingRepo { .. }
                | Self::MissingRevision { .. }
                | Self::GatedRepo { .. }
                | Self::Forbidden { .. }
                | Self::NoNetwork { .. }
                | Self::OfflineFile { .. }
                | Self::OfflineRevision { .. }
        )
    }

    /// How long the server asks to be left alone.
    pub(super) fn asked_wait(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { wait, .. } | Self::ServerFailed { wait, .. } => *wait,
            _ => None,
        }
    }
}

impl Help for HubError {
    fn help(&self) -> Option<Cow<'_, str>> {
        let help = match self {
            Self::MissingRepo { token: false, .. } => {
                "check the spelling of `repo`; if it is private, set HF_TOKEN to a token that may read it".to_owned()
            }
            Self::MissingRepo { token: true, .. } => "check the spelling of `repo`, and whether the token may read it".to_owned(),
            Self::MissingRevision { repo, .. } => {
                format!("`revision` is a branch, a tag or a full commit of 40 hexadecimal digits; `main` is the newest commit of `{repo}`")
            }
            Self::MissingFile { repo, file, .. } if file == "tokenizer.json" => tokenizer_remedy(repo),
            Self::MissingFile { .. } => "choose a repository and revision that hold it, or a local folder with `path = \"...\"`".to_owned(),
            Self::GatedRepo { repo, endpoint, token: false } => {
                format!("accept the terms at {endpoint}/{repo}, then set HF_TOKEN to a token of the account that accepted them")
            }
            Self::GatedRepo { repo, endpoint, token: true } => {
                format!(
                    "accept the terms at {endpoint}/{repo} with the account that the token belongs to; the token must be allowed to read gated repositories"
                )
            }
            Self::InvalidToken { endpoint } => {
                format!("make a new token at {endpoint}/settings/tokens and set HF_TOKEN to it, or unset it: public models need none")
            }
            Self::MalformedToken => "HF_TOKEN, or the file with the token, must hold the token alone, on one line".to_owned(),
            Self::Forbidden { token: true, .. } => "the token must be allowed to read this repository".to_owned(),
            Self::Forbidden { token: false, .. } => "set HF_TOKEN to a token that may read it".to_owned(),
            Self::RateLimited { token: true, .. } => "wait a few minutes and run the same command again".to_owned(),
            Self::RateLimited { token: false, .. } => {
                "wait a few minutes and run the same command again, or set HF_TOKEN: the limits are higher with a token".to_owned()
            }
            Self::ServerFailed { .. }
            | Self::Broken { .. }
            | Self::Stalled { .. }
            | Self::TooSlow { .. } => {
                "run the same command again later: what has arrived is kept, and the download goes on from there".to_owned()
            }
            Self::InvalidProxy { variable } => {
                format!("write `{variable}=http://host:port`, or unset it")
            }
            Self::ProxyFailed { .. } => {
                "HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names it: correct it, unset it, or leave the hub out of it with NO_PROXY"
                    .to_owned()
            }
            Self::NoNetwork { .. } => format!("with `--offline` only what is in the cache is used; {OTHER_WAYS}"),
            Self::Tls { .. } => {
                "behind a proxy that opens secure connections, set SSL_CERT_FILE to a PEM file with its certificate".to_owned()
            }
            Self::OfflineFile { .. } | Self::OfflineRevision { .. } => {
                format!("run once without `--offline` and without HF_HUB_OFFLINE; {OTHER_WAYS}")
            }
            Self::Truncated { .. } | Self::Oversized { .. } => {
                "nothing of it is used; run the same command again, and if it comes back, use another HF_ENDPOINT".to_owned()
            }
            Self::DigestMismatch { cached: Some(path), .. } => {
                format!("delete `{}`, or run without `--offline` to download it again", path.display())
            }
            Self::DigestMismatch { cached: None, .. } => {
                "nothing of it is used; run the same command again, and if it comes back, use another HF_ENDPOINT".to_owned()
            }
            Self::NoDigest { .. } => {
                format!("HF_ENDPOINT must point at a hub that passes on the digest (`X-Linked-Etag` or `ETag`); {OTHER_WAYS}")
            }
            Self::WebPage { .. } => {
                "log in to the network if it asks for that in a browser, and check HF_ENDPOINT and the proxy".to_owned()
            }
            Self::UnexpectedAnswer { .. } | Self::TooManyRedirects { .. } | Self::InvalidEndpoint { .. } => {
                "check HF_ENDPOINT; without it, https://huggingface.co is used".to_owned()
            }
            Self::Safetensors { .. } => "the file in the repository is broken: choose another revision".to_owned(),
            Self::DiskFull { .. } => {
                "make room, or set HF_HOME to a folder on another disk; what has arrived is kept, and the download goes on from there"
                    .to_owned()
            }
            Self::Io { .. } => "the cache must be readable and writable; HF_HOME puts it elsewhere".to_owned(),
            Self::NoCacheFolder => "set HF_HOME to the folder to use".to_owned(),
            Self::Certificates { .. } => "SSL_CERT_FILE must name a PEM file with at least one certificate".to_owned(),
            Self::Refused { .. } | Self::InvalidName { .. } | Self::Cancelled => return None,
        };
        Some(help.into())
    }
}

fn of_host(host: &Option<String>) -> String {
    host.as_ref().map(|host| format!(" (host `{host}`)")).unwrap_or_default()
}

fn asked_wait(wait: &Option<Duration>) -> String {
    wait.map(|wait| format!(": it asks to wait {} s", wait.as_secs())).unwrap_or_default()
}

fn detail(message: &Option<String>) -> String {
    message.as_ref().map(|message| format!(": {message}")).unwrap_or_default()
}

/// How to come by a `tokenizer.json` where a model has another form of it, such as `spm.model` or `vocab.txt` alone.
///
/// * `model`: a repository or folder
pub fn tokenizer_remedy(model: &dyn std::fmt::Display) -> String {
    format!(
        "transformers converts `spm.model` and the like: `AutoTokenizer.from_pretrained(\"{model}\").save_pretrained(\"FOLDER\")`; put `config.json` and the weights beside what it writes, and name the folder with `path`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_apart_from_other_failures() {
        for kind in
            [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::FileTooLarge]
        {
            assert!(matches!(
                HubError::io("write", Path::new("x"), kind.into()),
                HubError::DiskFull { .. }
            ));
        }
        assert!(matches!(
            HubError::io("write", Path::new("x"), io::ErrorKind::PermissionDenied.into()),
            HubError::Io { .. }
        ));
    }

    #[test]
    fn messages_say_what_and_help_says_what_to_do() {
        let repo = || "ada/engine".to_owned();
        let endpoint = || "https://huggingface.co".to_owned();
        for (error, message, help) in [
            (
                HubError::GatedRepo { repo: repo(), endpoint: endpoint(), token: false },
                "access to model `ada/engine` is gated",
                "accept the terms at https://huggingface.co/ada/engine, then set HF_TOKEN to a token of the account that accepted them",
            ),
            (
                HubError::MissingRevision { repo: repo(), revision: "mian".to_owned() },
                "model `ada/engine` has no revision `mian`",
                "`revision` is a branch, a tag or a full commit of 40 hexadecimal digits; `main` is the newest commit of `ada/engine`",
            ),
            (
                HubError::NoNetwork {
                    host: "huggingface.co".to_owned(),
                    reason: "its name has no address".to_owned(),
                },
                "cannot reach `huggingface.co`: its name has no address",
                "with `--offline` only what is in the cache is used; a local folder in Hugging Face layout works without the hub (`path = \"...\"`), \
                 and experiments/tiny.toml needs no download at all",
            ),
            (
                HubError::Truncated {
                    file: "model.safetensors".to_owned(),
                    expected: 10,
                    found: 7,
                },
                "`model.safetensors` is truncated: 7 of 10 bytes",
                "nothing of it is used; run the same command again, and if it comes back, use another HF_ENDPOINT",
            ),
        ] {
            assert_eq!(error.to_string(), message);
            assert_eq!(error.help().as_deref(), Some(help));
        }
    }
}
