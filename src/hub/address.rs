//! Addresses: the hub's own, and those that it redirects to.

use ureq::http::Uri;

use super::HubError;

/// The address below which the hub answers.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    base: Uri,
    /// Without a slash at its end.
    text: String,
}

impl Endpoint {
    pub(super) fn parse(text: &str) -> Result<Self, HubError> {
        let wrong = |problem| HubError::InvalidEndpoint {
            endpoint: super::names::shown(&without_secrets(text)),
            problem,
        };
        let text = text.trim().trim_end_matches('/');
        let base: Uri = text.parse().map_err(|_| wrong("it is no URL"))?;
        if !matches!(base.scheme_str(), Some("http" | "https")) {
            return Err(wrong("it does not start with `https://` or `http://`"));
        }
        if base.host().is_none_or(str::is_empty) {
            return Err(wrong("it names no host"));
        }
        if base.query().is_some() {
            return Err(wrong("it has a query"));
        }
        Ok(Self { base, text: text.to_owned() })
    }

    pub(super) fn base(&self) -> &Uri {
        &self.base
    }

    pub(super) fn is_secure(&self) -> bool {
        self.base.scheme_str() == Some("https")
    }

    /// `path` is percent-encoded already.
    pub(super) fn uri(&self, path: &str) -> Result<Uri, HubError> {
        format!("{}/{path}", self.text).parse().map_err(|_| HubError::InvalidEndpoint {
            endpoint: display(&self.base),
            problem: "it makes no URL with a path",
        })
    }

    pub(super) fn shown(&self) -> String {
        display(&self.base).trim_end_matches('/').to_owned()
    }
}

/// The address without user, password and query: a signed address is a secret.
pub(super) fn display(uri: &Uri) -> String {
    let scheme = uri.scheme_str().map(|scheme| format!("{scheme}://")).unwrap_or_default();
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    super::names::shown(&format!("{scheme}{host}{}", uri.path()))
}

fn without_secrets(text: &str) -> String {
    match text.split_once("://") {
        Some((scheme, rest)) => {
            format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, host)| host))
        }
        None => text.to_owned(),
    }
}

/// True if both are the same server under the same protocol.
pub(super) fn same_origin(left: &Uri, right: &Uri) -> bool {
    let host = |uri: &Uri| uri.host().map(str::to_ascii_lowercase);
    left.scheme() == right.scheme() && host(left) == host(right) && port(left) == port(right)
}

fn port(uri: &Uri) -> Option<u16> {
    uri.port_u16().or(match uri.scheme_str() {
        Some("https") => Some(443),
        Some("http") => Some(80),
        _ => None,
    })
}

/// The address that the `Location` header of an answer from `base` means. `None` if it is none, or of another protocol than HTTP.
pub(super) fn join(base: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next()?.trim();
    if location.is_empty() {
        return None;
    }
    let scheme = base.scheme_str()?;
    let authority = base.authority()?.as_str();
    let text = if location.contains("://") && !location.starts_with(['/', '?']) {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else if location.starts_with('?') {
        format!("{scheme}://{authority}{}{location}", base.path())
    } else {
        let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{location}")
    };
    let uri: Uri = text.parse().ok()?;
    (matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.host().is_some_and(|host| !host.is_empty()))
    .then_some(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_is_read_as_a_browser_reads_it() {
        let base: Uri =
            "https://hub.example/a/resolve/main/x.json?download=true".parse().expect("a URL");
        for (location, expected) in [
            ("https://cdn.example/blob?Signature=s", "https://cdn.example/blob?Signature=s"),
            (
                "/api/resolve-cache/x?y=https://z",
                "https://hub.example/api/resolve-cache/x?y=https://z",
            ),
            ("//cdn.example/blob", "https://cdn.example/blob"),
            ("y.json", "https://hub.example/a/resolve/main/y.json"),
            ("?z", "https://hub.example/a/resolve/main/x.json?z"),
            ("/x#fragment", "https://hub.example/x"),
        ] {
            assert_eq!(
                join(&base, location).map(|uri| uri.to_string()).as_deref(),
                Some(expected),
                "{location}"
            );
        }
        for location in ["", "#", "file:///etc/passwd", "ftp://x/y", "https://", "https:// x"] {
            assert_eq!(join(&base, location), None, "{location}");
        }
    }

    #[test]
    fn an_origin_is_protocol_host_and_port() {
        let same = |left: &str, right: &str| {
            same_origin(&left.parse().expect("a URL"), &right.parse().expect("a URL"))
        };
        assert!(same("https://hub.example/a", "https://HUB.example:443/b"));
        assert!(!same("https://hub.example", "http://hub.example"));
        assert!(!same("https://hub.example", "https://hub.example:444"));
        assert!(!same("https://hub.example", "https://hub.example.evil"));
    }

    #[test]
    fn a_shown_address_has_no_secrets() {
        let uri: Uri = "https://user:secret@cdn.example:8080/blob?X-Amz-Signature=secret"
            .parse()
            .expect("a URL");
        assert_eq!(display(&uri), "https://cdn.example:8080/blob");
        let error = Endpoint::parse("ftp://user:secret@hub.example").expect_err("not HTTP");
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn an_endpoint_is_an_http_address() {
        assert_eq!(
            Endpoint::parse("http://localhost:80/hub//").expect("fine").uri("a/b").expect("fine"),
            "http://localhost:80/hub/a/b"
        );
        for text in
            ["", "localhost:8080", "/tmp", "ftp://x", "https://", "https://x?y", "https://x y"]
        {
            assert!(Endpoint::parse(text).is_err(), "{text:?}");
        }
    }
}
