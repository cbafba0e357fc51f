//! One question and its answer over HTTP, interruptible at any time.
//!
//! Every request runs on a thread of its own that hands the answer over in pieces, so that the caller can look at the observer while the server
//! is silent. When the caller gives up, the [`Session`] is dropped and its connections are shut, which ends the thread.

use std::io::Read;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header, response::Parts,
};
use ureq::tls::{PemItem, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Timeout};

use super::address::{Endpoint, join, same_origin};
use super::secrets::Secrets;
use super::{HubError, Observer, Options, Proxy};

use crate::base::disk::regular;

const MAX_REDIRECTS: usize = 10;
/// How often the observer is asked while nothing arrives.
const TICK: Duration = Duration::from_millis(50);
const CHUNK: usize = 256 << 10;
/// A silence of this length is said.
const SILENCE: Duration = Duration::from_secs(5);
/// Bytes a second, below which nobody waits for a file's end.
const SLOWEST: f64 = 1024.0;

/// The connections of one operation.
pub(super) struct Session {
    agent: Agent,
    endpoint: Endpoint,
    token: Option<HeaderValue>,
    secrets: Secrets,
    patience: Duration,
    proxy: Option<ureq::Proxy>,
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
    /// Its address, as it may stand in a message.
    shown: String,
    /// True if no redirect has led to another server.
    pub(super) from_hub: bool,
    pieces: Pieces,
}

/// What arrives from one server.
struct Pieces {
    pieces: Receiver<Piece>,
    host: String,
    /// The proxy between here and there.
    proxy: Option<String>,
    secrets: Secrets,
    patience: Duration,
    /// How long was waited for so many bytes, since it was last found to be fast enough.
    waited: Duration,
    bytes: u64,
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
        if let Proxy::Malformed(variable) = options.proxy {
            return Err(HubError::InvalidProxy { variable });
        }
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(options.proxy.address().cloned())
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
        let secrets = Secrets::new(token.as_ref(), &endpoint, options.proxy.address());
        Ok(Self {
            agent: Agent::with_parts(config.build(), DefaultConnector::default(), Names::default()),
            endpoint,
            token,
            secrets,
            patience: options.patience,
            proxy: options.proxy.address().cloned(),
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
                    url: self.shown(&uri),
                    problem: "it redirects without saying where to".to_owned(),
                })?;
            let next = join(&uri, location).ok_or_else(|| HubError::UnexpectedAnswer {
                url: self.shown(&uri),
                problem: "it redirects to something that is no address".to_owned(),
            })?;
            let stays = same_origin(&next, self.endpoint.base());
            if follow == Follow::WithinHub && !stays {
                return Ok(answer);
            }
            from_hub &= stays;
            uri = next;
        }
        Err(HubError::TooManyRedirects { url: self.shown(&start) })
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
        let (sender, receiver) = sync_channel(4);
        let mut pieces = Pieces {
            pieces: receiver,
            proxy: self.proxy_to(uri),
            host: host.clone(),
            secrets: self.secrets.clone(),
            patience: self.patience,
            waited: Duration::ZERO,
            bytes: 0,
        };
        let request = request.body(()).map_err(|error| pieces.failure(ureq::Error::Http(error)))?;
        let agent = self.agent.clone();
        thread::Builder::new()
            .name("hub".to_owned())
            .spawn(move || exchange(&agent, request, &sender))
            .map_err(|error| HubError::Broken { host, reason: error.to_string() })?;

        let head = match pieces.next(observer)? {
            Piece::Head(head) => head.map_err(|error| pieces.failure(error))?,
            _ => unreachable!("the head comes first"),
        };
        pieces.waited = Duration::ZERO;
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            shown: self.shown(uri),
            from_hub,
            pieces,
        })
    }

    /// An address as it may stand in a message.
    fn shown(&self, uri: &Uri) -> String {
        self.secrets.hide(&self.endpoint.display(uri))
    }

    /// The proxy that stands between here and `uri`, as messages name it.
    fn proxy_to(&self, uri: &Uri) -> Option<String> {
        let proxy = self.proxy.as_ref().filter(|proxy| !proxy.is_no_proxy(uri))?;
        Some(super::names::shown(&format!("{}:{}", proxy.host(), proxy.port())))
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
        self.shown.clone()
    }

    pub(super) fn secrets(&self) -> &Secrets {
        &self.pieces.secrets
    }

    /// How long the server asks to be left alone: seconds, or a moment.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let Some(text) = self.header(&header::RETRY_AFTER).map(str::trim) else {
            // As the Hugging Face hub says it: `"api";r=0;t=55`.
            let (_, seconds) = self.named("ratelimit")?.rsplit_once(";t=")?;
            return seconds.trim().parse().ok().map(Duration::from_secs);
        };
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let moment = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        let wait = moment.duration_since(jiff::Timestamp::now());
        Some(Duration::try_from(wait).unwrap_or_default())
    }

    /// Something that the server said, as it may stand in a message.
    pub(super) fn shown(&self, text: &str) -> String {
        self.pieces.secrets.hide(text)
    }

    /// The next piece of the body, `None` at its end.
    pub(super) fn read(
        &mut self,
        observer: &mut dyn Observer,
    ) -> Result<Option<Vec<u8>>, HubError> {
        match self.pieces.next(observer)? {
            Piece::Chunk(bytes) => self.pieces.count(bytes.len()).map(|()| Some(bytes)),
            Piece::End => Ok(None),
            Piece::Failed(error) => Err(self.pieces.failure(error)),
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

impl Pieces {
    fn next(&mut self, observer: &mut dyn Observer) -> Result<Piece, HubError> {
        let begun = Instant::now();
        let mut said = false;
        let piece = loop {
            if observer.cancelled() {
                return Err(HubError::Cancelled);
            }
            match self.pieces.recv_timeout(TICK) {
                Ok(piece) => break piece,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(HubError::Broken {
                        host: self.host.clone(),
                        reason: "the transfer stopped".to_owned(),
                    });
                }
            }
            if !said && begun.elapsed() >= SILENCE.min(self.patience / 2) {
                said = true;
                observer.waiting(format!("`{}` sends nothing; waiting for it", self.host));
            }
        };
        self.waited += begun.elapsed();
        Ok(piece)
    }

    /// Gives up on a server that sends a byte now and then, which is never silent for long.
    fn count(&mut self, bytes: usize) -> Result<(), HubError> {
        self.bytes += bytes as u64;
        if self.waited < self.patience {
            return Ok(());
        }
        let (bytes, waited) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.waited));
        if bytes as f64 >= SLOWEST * waited.as_secs_f64() {
            return Ok(());
        }
        Err(HubError::TooSlow { host: self.host.clone(), bytes, seconds: waited.as_secs() })
    }

    /// What a failure of the transport means to the user.
    fn failure(&self, error: ureq::Error) -> HubError {
        let host = self.host.clone();
        match cause(error) {
            Cause::Way(reason) => {
                let reason = self.secrets.hide(&reason);
                match self.proxy.clone() {
                    Some(proxy) => HubError::ProxyFailed { host, proxy, reason },
                    None => HubError::NoNetwork { host, reason },
                }
            }
            Cause::Silence => HubError::Stalled { host, seconds: self.patience.as_secs() },
            Cause::Break(reason) => {
                HubError::Broken { host, reason: self.secrets.hide(&reason).to_lowercase() }
            }
            Cause::Tls(reason) => HubError::Tls { host, reason: self.secrets.hide(&reason) },
            Cause::Nonsense(problem) => {
                HubError::UnexpectedAnswer { url: host, problem: self.secrets.hide(&problem) }
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
    let text = regular::read(path).map_err(|error| wrong(regular::reason(&error)))?;
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

/// Looks up names as ureq does, and tells one that has no address by its variant: the standard library's error has no kind for it.
#[derive(Debug, Default)]
struct Names(DefaultResolver);

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        self.0.resolve(uri, config, timeout).map_err(|error| match error {
            ureq::Error::Io(_) => ureq::Error::HostNotFound,
            other => other,
        })
    }
}

/// What went wrong on the way.
enum Cause {
    /// There was no connection to who was to be asked, or to the proxy.
    Way(String),
    Silence,
    Break(String),
    Tls(String),
    Nonsense(String),
}

fn cause(error: ureq::Error) -> Cause {
    use std::io::ErrorKind;

    match error {
        ureq::Error::HostNotFound => Cause::Way("its name has no address".to_owned()),
        ureq::Error::ConnectionFailed => Cause::Way("no connection".to_owned()),
        ureq::Error::InvalidProxyUrl | ureq::Error::ConnectProxyFailed(_) => {
            Cause::Way(error.to_string())
        }
        ureq::Error::Timeout(Timeout::Resolve) => {
            Cause::Way("looking up its name takes too long".to_owned())
        }
        ureq::Error::Timeout(Timeout::Connect) => {
            Cause::Way("connecting takes too long".to_owned())
        }
        ureq::Error::Timeout(_) => Cause::Silence,
        ureq::Error::Io(error) => match error.kind() {
            ErrorKind::ConnectionRefused
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::AddrNotAvailable
            | ErrorKind::NotFound => Cause::Way(error.kind().to_string()),
            // Only a secure connection calls the bytes of its peer invalid.
            ErrorKind::InvalidData => Cause::Tls(error.to_string()),
            _ => Cause::Break(error.to_string()),
        },
        ureq::Error::Tls(_)
        | ureq::Error::Pem(_)
        | ureq::Error::Rustls(_)
        | ureq::Error::TlsRequired => Cause::Tls(error.to_string()),
        _ => Cause::Nonsense(error.to_string()),
    }
}
