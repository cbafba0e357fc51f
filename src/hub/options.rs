//! Where the hub is, where its files are kept, and as whom to ask.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::HubError;

use crate::base::disk::regular;

/// The secret that names the user to the hub. It can be sent, but not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// `None` if nothing but white space is in `text`.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// The value of the `Authorization` header, marked so that nobody logs it.
    pub(super) fn header(&self) -> Result<ureq::http::HeaderValue, HubError> {
        let mut value = ureq::http::HeaderValue::from_str(&format!("Bearer {}", self.0))
            .map_err(|_| HubError::MalformedToken)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(***)")
    }
}

/// The way to the hub.
#[derive(Debug, Clone, Default)]
pub enum Proxy {
    #[default]
    None,
    Through(ureq::Proxy),
    /// This variable names one, but is no address. Its value is not kept: there may be a password in it.
    Malformed(&'static str),
}

impl Proxy {
    /// What the first of the variables says that is set, as other programs read them; NO_PROXY is part of it.
    fn from_environment() -> Self {
        const VARIABLES: [&str; 6] =
            ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let wrong = |name: &str| std::env::var(name).map_or(true, |value| !is_proxy(&value));
        match VARIABLES.into_iter().find(|name| is_set(name)) {
            Some(name) if wrong(name) => Self::Malformed(name),
            _ => ureq::Proxy::try_from_env().map_or(Self::None, Self::Through),
        }
    }

    pub(super) fn address(&self) -> Option<&ureq::Proxy> {
        match self {
            Self::Through(proxy) => Some(proxy),
            Self::None | Self::Malformed(_) => None,
        }
    }
}

/// Everything that a [`Client`](super::Client) depends on.
#[derive(Debug, Clone)]
pub struct Options {
    /// `None` is `https://huggingface.co`.
    pub endpoint: Option<String>,
    /// The folder that holds `models--owner--name`. `None` is an error of [`Client::new`](super::Client::new).
    pub cache: Option<PathBuf>,
    pub token: Option<Token>,
    /// Use the cache only.
    pub offline: bool,
    pub proxy: Proxy,
    /// A PEM file of certificates to trust instead of the ones compiled in.
    pub certificates: Option<PathBuf>,
    /// How long a server may stay silent.
    pub patience: Duration,
    /// How often a transient failure is tried again without any progress in between.
    pub retries: u32,
    /// The wait before the first retry; it doubles.
    pub retry_wait: Duration,
}

impl Default for Options {
    /// What holds without any environment.
    fn default() -> Self {
        Self {
            endpoint: None,
            cache: None,
            token: None,
            offline: false,
            proxy: Proxy::None,
            certificates: None,
            patience: Duration::from_secs(30),
            retries: 3,
            retry_wait: Duration::from_millis(500),
        }
    }
}

impl Options {
    /// What the environment says, read as Python's `huggingface_hub` reads it. Nothing else in this module looks at the environment.
    #[must_use]
    pub fn from_environment() -> Self {
        let mut options = Self::from_variables(|name| std::env::var_os(name), std::env::home_dir());
        options.proxy = Proxy::from_environment();
        options
    }

    /// [`Options::from_environment`] for the given variables and home folder; it reads the file that holds the token.
    #[must_use]
    pub fn from_variables(
        variable: impl Fn(&str) -> Option<OsString>,
        home: Option<PathBuf>,
    ) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let text = |name: &str| set(name).and_then(|value| value.into_string().ok());
        let path =
            |name: &str| set(name).map(|value| expand_home(PathBuf::from(value), home.as_deref()));
        let flag = |name: &str| {
            text(name).is_some_and(|value| {
                matches!(value.to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE")
            })
        };

        let hugging_face = path("HF_HOME")
            .or_else(|| path("XDG_CACHE_HOME").map(|folder| folder.join("huggingface")))
            .or_else(|| home.as_ref().map(|home| home.join(".cache/huggingface")));
        let cache = path("HF_HUB_CACHE")
            .or_else(|| path("HUGGINGFACE_HUB_CACHE"))
            .or_else(|| hugging_face.as_ref().map(|folder| folder.join("hub")));
        let token = if flag("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
            None
        } else {
            ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]
                .into_iter()
                .find_map(|name| Token::new(&text(name)?))
                .or_else(|| {
                    match path("HF_TOKEN_PATH") {
                        Some(file) => Token::new(&regular::read_to_string(&file).ok()?),
                        // hf-hub looks for the token beside the cache, which is where `hf auth login` puts it.
                        None => {
                            let cache = hf_hub::Cache::new(hugging_face?.join("hub"));
                            Token::new(&regular::read_to_string(&cache.token_path()).ok()?)
                        }
                    }
                })
        };
        Self {
            endpoint: text("HF_ENDPOINT"),
            cache,
            token,
            offline: flag("HF_HUB_OFFLINE"),
            certificates: ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"]
                .into_iter()
                .find_map(path),
            ..Self::default()
        }
    }
}

/// Whether the transport can go through it as it is written: one with a port that is none it would look for at the usual port.
fn is_proxy(value: &str) -> bool {
    ureq::Proxy::new(value).is_ok_and(|proxy| {
        !proxy.host().is_empty() && super::address::has_port_or_none(proxy.uri())
    })
}

fn expand_home(path: PathBuf, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)], home: &Path) -> Options {
        let find = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        };
        Options::from_variables(find, Some(home.to_path_buf()))
    }

    #[test]
    fn the_cache_is_where_python_keeps_it() {
        let home = Path::new("/home/ada");
        let cache =
            |variables: &[(&str, &str)]| read(variables, home).cache.expect("there is a home");
        assert_eq!(cache(&[]), Path::new("/home/ada/.cache/huggingface/hub"));
        assert_eq!(cache(&[("XDG_CACHE_HOME", "/x")]), Path::new("/x/huggingface/hub"));
        assert_eq!(
            cache(&[("HF_HOME", "~/hf"), ("XDG_CACHE_HOME", "/x")]),
            Path::new("/home/ada/hf/hub")
        );
        assert_eq!(cache(&[("HF_HOME", "/hf"), ("HF_HUB_CACHE", "/c")]), Path::new("/c"));
        assert_eq!(cache(&[("HF_HOME", "")]), Path::new("/home/ada/.cache/huggingface/hub"));
    }

    #[test]
    fn the_token_comes_from_the_first_place_that_has_one() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let folder = home.path().join(".cache/huggingface");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("token"), "from_file\n").expect("a file");
        let elsewhere = home.path().join("elsewhere");
        std::fs::write(&elsewhere, "from_path").expect("a file");
        let token =
            |variables: &[(&str, &str)]| read(variables, home.path()).token.map(|token| token.0);
        assert_eq!(token(&[]).as_deref(), Some("from_file"));
        assert_eq!(
            token(&[("HF_TOKEN_PATH", elsewhere.to_str().expect("UTF-8"))]).as_deref(),
            Some("from_path")
        );
        assert_eq!(token(&[("HUGGING_FACE_HUB_TOKEN", " old ")]).as_deref(), Some("old"));
        assert_eq!(
            token(&[("HUGGING_FACE_HUB_TOKEN", "old"), ("HF_TOKEN", "new")]).as_deref(),
            Some("new")
        );
        assert_eq!(token(&[("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]), None);
    }

    #[test]
    fn offline_is_what_python_takes_for_true() {
        let home = Path::new("/home/ada");
        for (value, offline) in
            [("1", true), ("on", true), ("True", true), ("0", false), ("", false), ("no", false)]
        {
            assert_eq!(read(&[("HF_HUB_OFFLINE", value)], home).offline, offline, "{value:?}");
        }
    }

    #[test]
    fn a_proxy_has_a_host_and_a_port_that_is_one() {
        for value in ["http://127.0.0.1:3128", "proxy:80", "http://ada:engine@proxy", "[::1]:80"] {
            assert!(is_proxy(value), "{value:?}");
        }
        for value in [
            "http://127.0.0.1:abc",
            "http://127.0.0.1:80a",
            "http://127.0.0.1:99999",
            "http://127.0.0.1:",
            "http://127.0.0.1:0",
            "http://bob:pw",
            "bob:pw",
            "http://:8080",
            "http://[::1",
            "http://[::1]:x",
            "gopher://proxy",
        ] {
            assert!(!is_proxy(value), "{value:?}");
        }
    }

    #[test]
    fn a_token_does_not_show_in_debug_output() {
        let options = Options { token: Token::new("hf_secret"), ..Options::default() };
        assert!(!format!("{options:?}").contains("secret"));
    }
}
