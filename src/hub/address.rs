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
        let text = text.trim().trim_end_matches('/');
        let parsed = text.parse::<Uri>();
        // Whatever else is in it may be a secret that slipped: a password, or a token in place of the address. Before a port that is none stands
        // a user's name where the `@host` was forgotten.
        let is_named = |uri: &&Uri| uri.scheme().is_some() && has_port_or_none(uri);
        let host = parsed.as_ref().ok().filter(is_named).and_then(Uri::host);
        let host = host.filter(|host| !host.is_empty()).map(super::names::shown);
        let wrong = |problem| HubError::InvalidEndpoint { host: host.clone(), problem };
        let base = parsed.map_err(|_| wrong("it is no URL"))?;
        if !matches!(base.scheme_str(), Some("http" | "https")) {
            return Err(wrong("it does not start with `https://` or `http://`"));
        }
        if base.host().is_none_or(str::is_empty) {
            return Err(wrong("it names no host"));
        }
        if !has_port_or_none(&base) {
            return Err(wrong("what stands behind the `:` is no port"));
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
            host: self.base.host().map(super::names::shown),
            problem: "it makes no URL with a path",
        })
    }

    /// The hub's server. A path that belongs to the address is left out, as [`Endpoint::display`] does.
    pub(super) fn shown(&self) -> String {
        origin(&self.base)
    }

    /// An address as it may stand in a message: on the hub with what was asked for, elsewhere the server alone. Paths that the user's
    /// settings or another server have chosen may hold a token.
    pub(super) fn display(&self, uri: &Uri) -> String {
        let own = self.base.path().trim_end_matches('/');
        match uri.path().strip_prefix(own) {
            Some(asked) if same_origin(uri, &self.base) => {
                let hidden = if own.is_empty() { "" } else { "/..." };
                super::names::shown(&format!("{}{hidden}{asked}", origin(uri)))
            }
            _ => origin(uri),
        }
    }
}

/// Protocol, host and port, each as it was understood: nothing else of an address shows.
fn origin(uri: &Uri) -> String {
    let scheme = uri.scheme_str().map(|scheme| format!("{scheme}://")).unwrap_or_default();
    let port = uri.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    super::names::shown(&format!("{scheme}{}{port}", uri.host().unwrap_or_default()))
}

/// False where something other than a port, a number from 1 to 65535, stands behind the host. The parser lets any text pass there, and whoever
/// asks it for the port hears that there is none.
pub(super) fn has_port_or_none(uri: &Uri) -> bool {
    let Some(authority) = uri.authority() else { return true };
    let host = authority.as_str().rsplit_once('@').map_or(authority.as_str(), |(_, host)| host);
    // An IPv6 address has colons of its own, and brackets around them.
    let behind = host.rsplit_once(']').map_or(host, |(_, behind)| behind);
    let is_port = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_digit())
            && text.parse::<u16>().is_ok_and(|port| port > 0)
    };
    behind.split_once(':').is_none_or(|(_, port)| is_port(port))
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
        && uri.host().is_some_and(|host| !host.is_empty())
        && has_port_or_none(&uri))
    .then_some(uri)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::problem::Help;

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
        for location in
            ["", "#", "file:///etc/passwd", "ftp://x/y", "https://", "https:// x", "//x:secret/y"]
        {
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
        let hub = Endpoint::parse("https://user:secret@hub.example/secret").expect("an address");
        for (address, shown) in [
            (
                "https://user:secret@cdn.example:8080/secret?X-Amz-Signature=secret",
                "https://cdn.example:8080",
            ),
            (
                "https://hub.example/secret/api/models/a/b?x",
                "https://hub.example/.../api/models/a/b",
            ),
        ] {
            assert_eq!(hub.display(&address.parse().expect("a URL")), shown);
        }
        assert_eq!(hub.shown(), "https://hub.example");
    }

    #[test]
    fn of_an_address_that_is_none_nothing_shows_but_a_host() {
        for (text, host) in [
            ("ftp://bob:secret@hub.example/secret", Some("hub.example")),
            ("https://bob:secret@hub.example?token=secret", Some("hub.example")),
            ("bob:secret@hub.example", None),
            ("https:/bob:secret@hub.example", None),
            ("hub.example/?token=secret", None),
            ("https://bob:sec ret@hub.example", None),
            ("https://bob:secret@", None),
            ("secret", None),
            ("//bob:secret@hub.example", None),
            ("https://bob:secret", None),
            ("https://bob:secret/api", None),
            ("ftp://bob:secret", None),
            ("http://bob:1secret?token=secret", None),
            ("http://bob:99999", None),
            ("http://bob:0", None),
            ("http://bob:", None),
            ("http://bob:+80", None),
            ("http://ada:engine@bob:secret", None),
        ] {
            let error = Endpoint::parse(text).expect_err(text);
            let said = format!("{error} {error:?} {:?}", error.help());
            assert!(!said.contains("secret") && !said.contains("bob"), "{text}: {said}");
            assert!(
                matches!(&error, HubError::InvalidEndpoint { host: found, .. } if found.as_deref() == host),
                "{text}: {error:?}"
            );
        }
    }

    #[test]
    fn an_endpoint_is_an_http_address() {
        assert_eq!(
            Endpoint::parse("http://localhost:80/hub//").expect("fine").uri("a/b").expect("fine"),
            "http://localhost:80/hub/a/b"
        );
        for text in ["http://[::1]", "http://[::1]:8080", "https://ada:engine@hub.example:65535/x"]
        {
            assert!(Endpoint::parse(text).is_ok(), "{text:?}");
        }
        for text in
            ["", "localhost:8080", "/tmp", "ftp://x", "https://", "https://x?y", "https://x y"]
        {
            assert!(Endpoint::parse(text).is_err(), "{text:?}");
        }
    }
}
