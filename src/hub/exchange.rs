//! One question and its answer over HTTP, interruptible at any time.
//!
//! Every request runs on a thread of its own that hands the answer over in pieces, so that the caller can look at the observer while the server
//! is silent. When the caller gives up, the [`Session`] is dropped and its connections are shut, which ends the thread.

use std::io::Read;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use ureq::http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header, response::Parts,
};
use ureq::tls::{PemItem, RootCerts, TlsConfig};
use ureq::{Agent, Timeout};

use super::address::{Endpoint, display, join, same_origin};
use super::secrets::Secrets;
use super::{HubError, Observer, Options};

const MAX_REDIRECTS: usize = 10;
/// How often the observer is asked while nothing arrives.
const TICK: Duration = Duration::from_millis(50);
const CHUNK: usize = 256 << 10;

/// The connections of one operation.
pub(super) struct Session {
    agent: Agent,
    endpoint: Endpoint,
    token: Option<HeaderValue>,
    secrets: Secrets,
    patience: Duration,
}

/// How far redirects are followed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    /// To the end.
    Everywhere,
    /// Only on the hub itself: the answer that points elsewhere is the one that describes the file.
    WithinHub,
}

/// What a server said. The body arrives while it is read.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) uri: Uri,
    /// True if no redirect has led to another server.
    pub(super) from_hub: bool,
    host: String,
    secrets: Secrets,
    patience: Duration,
    pieces: Receiver<Piece>,
}

enum Piece {
    Head(Box<Result<Parts, ureq::Error>>),
    Chunk(Vec<u8>),
    End,
    Failed(ureq::Error),
}

impl Session {
    pub(super) fn new(
        endpoint: Endpoint,
        token: Option<HeaderValue>,
        options: &Options,
    ) -> Result<Self, HubError> {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(options.proxy.clone())
            .user_agent(concat!("pipeline/", env!("CARGO_PKG_VERSION")))
            // A compressed answer could neither be resumed nor be held against its length.
            .accept_encoding("identity")
            .timeout_resolve(Some(options.patience.min(Duration::from_secs(10))))
            .timeout_connect(Some(options.patience.min(Duration::from_secs(10))))
            .timeout_send_request(Some(options.patience))
            .timeout_recv_response(Some(options.patience))
            .timeout_per_read(Some(options.patience));
        if let Some(path) = &options.certificates
            && endpoint.is_secure()
        {
            config =
                config.tls_config(TlsConfig::builder().root_certs(certificates(path)?).build());
        }
        let secrets = Secrets::new(token.as_ref(), &endpoint, options.proxy.as_ref());
        Ok(Self {
            agent: config.build().new_agent(),
            endpoint,
            token,
            secrets,
            patience: options.patience,
        })
    }

    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Asks the hub for `path`, following redirects by hand: the token goes to the hub only, and never again once another server had a say.
    pub(super) fn ask(
        &self,
        method: &Method,
        path: &str,
        headers: &[(HeaderName, HeaderValue)],
        follow: Follow,
        observer: &mut dyn Observer,
    ) -> Result<Answer, HubError> {
        let start = self.endpoint.uri(path)?;
        let mut uri = start.clone();
        let mut from_hub = true;
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.send(method, &uri, headers, from_hub, observer)?;
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let location =
                answer.header(&header::LOCATION).ok_or_else(|| HubError::UnexpectedAnswer {
                    url: self.secrets.hide(&display(&uri)),
                    problem: "it redirects without saying where to".to_owned(),
                })?;
            let next = join(&uri, location).ok_or_else(|| HubError::UnexpectedAnswer {
                url: self.secrets.hide(&display(&uri)),
                problem: "it redirects to something that is no address".to_owned(),
            })?;
            let stays = same_origin(&next, self.endpoint.base());
            if follow == Follow::WithinHub && !stays {
                return Ok(answer);
            }
            from_hub &= stays;
            uri = next;
        }
        Err(HubError::TooManyRedirects { url: self.secrets.hide(&display(&start)) })
    }

    fn send(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &[(HeaderName, HeaderValue)],
        from_hub: bool,
        observer: &mut dyn Observer,
    ) -> Result<Answer, HubError> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(token) = self.token.as_ref().filter(|_| from_hub) {
            request = request.header(header::AUTHORIZATION, token);
        }
        let host = uri.host().unwrap_or_default().to_owned();
        let request = request.body(()).map_err(|error| {
            failure(ureq::Error::Http(error), &host, self.patience, &self.secrets)
        })?;

        let (sender, pieces) = sync_channel(4);
        let agent = self.agent.clone();
        thread::Builder::new()
            .name("hub".to_owned())
            .spawn(move || exchange(&agent, request, &sender))
            .map_err(|error| HubError::Broken { host: host.clone(), reason: error.to_string() })?;

        let head = match receive(&pieces, &host, observer)? {
            Piece::Head(head) => {
                head.map_err(|error| failure(error, &host, self.patience, &self.secrets))?
            }
            _ => unreachable!("the head comes first"),
        };
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            uri: uri.clone(),
            from_hub,
            host,
            secrets: self.secrets.clone(),
            patience: self.patience,
            pieces,
        })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.agent.clone().shutdown();
    }
}

impl Answer {
    pub(super) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn named(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn content_length(&self) -> Option<u64> {
        self.header(&header::CONTENT_LENGTH)?.trim().parse().ok()
    }

    /// Offset of the first byte and length of the whole file, of a partial answer.
    pub(super) fn content_range(&self) -> Option<(u64, Option<u64>)> {
        let (range, total) =
            self.header(&header::CONTENT_RANGE)?.trim().strip_prefix("bytes ")?.split_once('/')?;
        Some((range.split_once('-')?.0.trim().parse().ok()?, total.trim().parse().ok()))
    }

    pub(super) fn is_web_page(&self) -> bool {
        self.header(&header::CONTENT_TYPE)
            .is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"))
    }

    pub(super) fn url(&self) -> String {
        self.shown(&display(&self.uri))
    }

    pub(super) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Something that the server said, as it may stand in a message.
    pub(super) fn shown(&self, text: &str) -> String {
        self.secrets.hide(text)
    }

    /// The next piece of the body, `None` at its end.
    pub(super) fn read(
        &mut self,
        observer: &mut dyn Observer,
    ) -> Result<Option<Vec<u8>>, HubError> {
        match receive(&self.pieces, &self.host, observer)? {
            Piece::Chunk(bytes) => Ok(Some(bytes)),
            Piece::End => Ok(None),
            Piece::Failed(error) => Err(failure(error, &self.host, self.patience, &self.secrets)),
            Piece::Head(_) => unreachable!("the head comes once"),
        }
    }

    /// The whole body; `None` if it is longer than `limit`.
    pub(super) fn read_all(
        mut self,
        limit: usize,
        observer: &mut dyn Observer,
    ) -> Result<Option<Vec<u8>>, HubError> {
        let mut body = Vec::new();
        while let Some(bytes) = self.read(observer)? {
            if body.len() + bytes.len() > limit {
                return Ok(None);
            }
            body.extend_from_slice(&bytes);
        }
        Ok(Some(body))
    }
}

/// Waits, a tick at a time.
pub(super) fn wait(duration: Duration, observer: &mut dyn Observer) -> Result<(), HubError> {
    let until = Instant::now() + duration;
    loop {
        if observer.cancelled() {
            return Err(HubError::Cancelled);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(TICK));
    }
}

fn receive(
    pieces: &Receiver<Piece>,
    host: &str,
    observer: &mut dyn Observer,
) -> Result<Piece, HubError> {
    loop {
        if observer.cancelled() {
            return Err(HubError::Cancelled);
        }
        match pieces.recv_timeout(TICK) {
            Ok(piece) => return Ok(piece),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(HubError::Broken {
                    host: host.to_owned(),
                    reason: "the transfer stopped".to_owned(),
                });
            }
        }
    }
}

/// The thread's work. A failed send means that nobody listens any more.
fn exchange(agent: &Agent, request: Request<()>, sender: &SyncSender<Piece>) {
    let body = match agent.run(request) {
        Ok(response) => {
            let (head, body) = response.into_parts();
            if sender.send(Piece::Head(Box::new(Ok(head)))).is_err() {
                return;
            }
            body
        }
        Err(error) => {
            let _ = sender.send(Piece::Head(Box::new(Err(error))));
            return;
        }
    };
    let mut reader = body.into_reader();
    let mut buffer = vec![0; CHUNK];
    loop {
        let piece = match reader.read(&mut buffer) {
            Ok(0) => Piece::End,
            Ok(count) => Piece::Chunk(buffer[..count].to_vec()),
            Err(error) => Piece::Failed(ureq::Error::from(error)),
        };
        let last = !matches!(piece, Piece::Chunk(_));
        if sender.send(piece).is_err() || last {
            return;
        }
    }
}

fn certificates(path: &std::path::Path) -> Result<RootCerts, HubError> {
    let wrong = |problem: String| HubError::Certificates { path: path.to_path_buf(), problem };
    let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let mut list = Vec::new();
    for item in ureq::tls::parse_pem(&text) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| wrong(error.to_string()))? {
            list.push(certificate);
        }
    }
    if list.is_empty() {
        return Err(wrong("there is none in it".to_owned()));
    }
    Ok(RootCerts::Specific(Arc::new(list)))
}

/// What a failure of the transport means to the user.
fn failure(error: ureq::Error, host: &str, patience: Duration, secrets: &Secrets) -> HubError {
    use std::io::ErrorKind;

    let host = host.to_owned();
    let unreachable =
        |host, reason: String| HubError::NoNetwork { host, reason: secrets.hide(&reason) };
    match error {
        ureq::Error::HostNotFound => unreachable(host, "its name has no address".to_owned()),
        ureq::Error::ConnectionFailed => unreachable(host, "no connection".to_owned()),
        ureq::Error::InvalidProxyUrl | ureq::Error::ConnectProxyFailed(_) => {
            unreachable(host, format!("proxy: {error}"))
        }
        ureq::Error::Timeout(Timeout::Resolve) => {
            unreachable(host, "looking up its name takes too long".to_owned())
        }
        ureq::Error::Timeout(Timeout::Connect) => {
            unreachable(host, "connecting takes too long".to_owned())
        }
        ureq::Error::Timeout(_) => HubError::Stalled { host, seconds: patience.as_secs() },
        ureq::Error::Io(error) => match error.kind() {
            ErrorKind::ConnectionRefused
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::AddrNotAvailable
            | ErrorKind::NotFound => unreachable(host, error.to_string().to_lowercase()),
            // The standard library has no kind for it.
            _ if error.to_string().starts_with("failed to lookup address") => {
                unreachable(host, "its name has no address".to_owned())
            }
            // Only a secure connection calls the bytes of its peer invalid.
            ErrorKind::InvalidData => {
                HubError::Tls { host, reason: secrets.hide(&error.to_string()) }
            }
            _ => HubError::Broken { host, reason: secrets.hide(&error.to_string()).to_lowercase() },
        },
        ureq::Error::Tls(_)
        | ureq::Error::Pem(_)
        | ureq::Error::Rustls(_)
        | ureq::Error::TlsRequired => {
            HubError::Tls { host, reason: secrets.hide(&error.to_string()) }
        }
        _ => HubError::UnexpectedAnswer { url: host, problem: secrets.hide(&error.to_string()) },
    }
}
