//! What must not show, whoever says it.
//!
//! We print no secret ourselves, but servers do: an error page may repeat the headers of the request, and a redirect may carry the token in its
//! address. Everything that a server or the transport says goes through here before it becomes part of a message.

use std::sync::Arc;

use ureq::http::HeaderValue;

use super::address::Endpoint;
use super::names::shown;

const HIDDEN: &str = "***";

/// The texts that are secret in one client's requests.
#[derive(Clone, Default)]
pub(super) struct Secrets(Arc<[String]>);

impl Secrets {
    pub(super) fn new(
        token: Option<&HeaderValue>,
        endpoint: &Endpoint,
        proxy: Option<&ureq::Proxy>,
    ) -> Self {
        let mut texts = Vec::new();
        texts.extend(
            token.and_then(|token| token.to_str().ok()?.strip_prefix("Bearer ").map(str::to_owned)),
        );
        if let Some((user, _)) =
            endpoint.base().authority().and_then(|authority| authority.as_str().rsplit_once('@'))
        {
            texts.push(user.to_owned());
            texts.extend(user.split_once(':').map(|(_, password)| password.to_owned()));
        }
        texts.extend(proxy.and_then(|proxy| proxy.password()).map(str::to_owned));
        texts.extend(
            proxy
                .and_then(|proxy| proxy.uri().authority()?.as_str().rsplit_once('@'))
                .map(|(user, _)| user.to_owned()),
        );
        // A short one is a name such as `hf`, and no token.
        texts.extend(
            Some(endpoint.base().path().trim_matches('/'))
                .filter(|path| path.len() >= 12)
                .map(str::to_owned),
        );
        texts.retain(|text| !text.is_empty());
        Self(texts.into())
    }

    /// `text` as it may stand in a message: without these secrets, without anything that is called a credential or looks like a hub's token,
    /// and [`shown`].
    pub(super) fn hide(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &*self.0 {
            text = text.replace(secret, HIDDEN);
        }
        for mark in ["bearer ", "basic "] {
            text = hide_word_after(&text, mark, 0);
        }
        shown(&hide_word_after(&text, "hf_", 20))
    }
}

/// Hides the word that follows each `mark`, in whatever case, if it has more than `longest` characters.
fn hide_word_after(text: &str, mark: &str, longest: usize) -> String {
    // The same length in bytes: only ASCII letters change.
    let lower = text.to_ascii_lowercase();
    let (mut hidden, mut rest) = (String::with_capacity(text.len()), 0);
    for (at, _) in lower.match_indices(mark) {
        let begin = at + mark.len();
        let in_word =
            |character: char| character.is_ascii_alphanumeric() || "-._~+/=".contains(character);
        let length =
            text[begin..].find(|character| !in_word(character)).unwrap_or(text.len() - begin);
        if at >= rest && length > longest {
            hidden += &text[rest..begin];
            hidden += HIDDEN;
            rest = begin + length;
        }
    }
    hidden + &text[rest..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        let endpoint =
            Endpoint::parse("https://ada:engine@hub.example/some/long/path/").expect("an address");
        Secrets::new(Some(&HeaderValue::from_static("Bearer some-token")), &endpoint, None)
    }

    #[test]
    fn what_is_secret_does_not_show_wherever_it_stands() {
        for (text, expected) in [
            ("header some-token refused", "header *** refused"),
            ("http://ada:engine@hub.example/x", "http://***@hub.example/x"),
            ("https://hub.example/some/long/path/x", "https://hub.example/***/x"),
            ("the password is engine", "the password is ***"),
            ("Authorization: Basic YWRhOmVuZ2luZQ== was sent", "Authorization: Basic *** was sent"),
            ("BEARER abc.def, twice: bearer x", "BEARER ***, twice: bearer ***"),
            ("hf_ABCDEFGHIJKLMNOPQRSTUVWXYZ of somebody else", "hf_*** of somebody else"),
            ("hf_checkpoints and \u{e9}t\u{e9} stay", "hf_checkpoints and \u{e9}t\u{e9} stay"),
        ] {
            assert_eq!(secrets().hide(text), expected);
        }
    }
}
