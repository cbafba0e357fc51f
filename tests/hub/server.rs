//! A hub and its content server on two ports of this machine, with faults to order.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use sha1::Sha1;
use sha2::{Digest, Sha256};

pub const REPO: &str = "answerdotai/ModernBERT-base";
pub const COMMIT: &str = "8949b909ec900327062f0ebf497f51aef5e6f0c8";
pub const TOKEN: &str = "hf_secret";

/// What goes wrong with the next request for a file's content.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The connection ends after so many bytes of the body.
    Cut(usize),
    /// The same, and nobody announced the length.
    CutWithoutLength(usize),
    /// The byte at this place is another.
    Flip(usize),
    /// The file ends here, as if it were whole.
    Short(usize),
    /// There is more than announced.
    Long,
    Status(u16),
    IgnoreRange,
    /// A partial answer that begins somewhere else.
    WrongRange,
    /// So many bytes, then silence.
    Stall(usize),
    /// A byte every now and then.
    Trickle,
    Page,
    RedirectLoop,
    Redirect(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Public,
    /// The account of the token has not accepted the terms.
    Gated,
    /// The only token that counts.
    Private(&'static str),
    /// The hub knows no such token.
    RefusesTokens,
    /// The hub is overloaded by us.
    Limited,
    /// Refuses everything with this status, and repeats what it was sent wherever it can.
    Echoes(u16),
}

#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub on_content_server: bool,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

#[derive(Debug, Clone)]
struct Stored {
    content: Vec<u8>,
    /// Lies on the content server, and its tag is the sha256.
    large: bool,
}

pub struct Settings {
    pub access: Access,
    /// As mirrors do: no codes beside the status.
    pub without_codes: bool,
    /// No interface, files only.
    pub without_api: bool,
    pub without_head: bool,
    /// Small files are answered through a relative redirect.
    pub relative_redirect: bool,
    /// Instead of the right one.
    pub etag: Option<String>,
    pub commits: Vec<String>,
    /// Every file is said to be of this commit.
    pub answers_for: Option<String>,
    pub faults: BTreeMap<String, VecDeque<Fault>>,
    pub head_faults: VecDeque<u16>,
    /// Status and `Retry-After` of the next answers of the hub.
    pub busy: VecDeque<(u16, String)>,
    /// Between pieces of 64 KiB.
    pub pace: Option<Duration>,
    files: BTreeMap<String, Stored>,
    log: Vec<Request>,
}

pub struct Hub {
    pub url: String,
    settings: Arc<Mutex<Settings>>,
}

impl Hub {
    pub fn start() -> Self {
        let hub = TcpListener::bind("127.0.0.1:0").expect("a port");
        let content = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", hub.local_addr().expect("an address"));
        let content_url = format!("http://{}", content.local_addr().expect("an address"));
        let settings = Arc::new(Mutex::new(Settings {
            access: Access::Public,
            without_codes: false,
            without_api: false,
            without_head: false,
            relative_redirect: false,
            etag: None,
            commits: vec![COMMIT.to_owned()],
            answers_for: None,
            faults: BTreeMap::new(),
            head_faults: VecDeque::new(),
            busy: VecDeque::new(),
            pace: None,
            files: BTreeMap::new(),
            log: Vec::new(),
        }));
        for (listener, on_content_server) in [(hub, false), (content, true)] {
            let settings = settings.clone();
            let content_url = content_url.clone();
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let settings = settings.clone();
                    let content_url = content_url.clone();
                    thread::spawn(move || {
                        serve(stream, &settings, &content_url, on_content_server)
                    });
                }
            });
        }
        Self { url, settings }
    }

    pub fn set(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().expect("no test panics while it holds this")
    }

    pub fn add(&self, name: &str, content: &[u8], large: bool) {
        self.set().files.insert(name.to_owned(), Stored { content: content.to_vec(), large });
    }

    pub fn fault(&self, file: &str, faults: &[Fault]) {
        self.set().faults.insert(file.to_owned(), faults.iter().cloned().collect());
    }

    pub fn log(&self) -> Vec<Request> {
        self.set().log.clone()
    }

    /// The requests for a file's bytes: redirects to them do not count.
    pub fn downloads(&self, file: &str) -> Vec<Request> {
        let large = self.set().files.get(file).is_some_and(|stored| stored.large);
        let wanted = |request: &Request| {
            request.method == "GET"
                && request.path.ends_with(&format!("/{file}"))
                && request.on_content_server == large
        };
        self.log().into_iter().filter(wanted).collect()
    }
}

pub fn sha256(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

pub fn git_blob(content: &[u8]) -> String {
    let mut hasher = Sha1::new();
    hasher.update(format!("blob {}\0", content.len()));
    hasher.update(content);
    hex(&hasher.finalize())
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Send so much of the body, then end the connection.
    cut: Option<usize>,
    /// Send so much of the body, then nothing.
    stall: Option<usize>,
    trickle: bool,
    announce: bool,
}

impl Reply {
    fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            cut: None,
            stall: None,
            trickle: false,
            announce: true,
        }
    }

    fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    fn refusal(settings: &Settings, status: u16, code: &str, message: &str) -> Self {
        let reply = Self::new(status)
            .header("Content-Type", "text/html")
            .body(format!("<html>{message}</html>"));
        if settings.without_codes {
            reply
        } else {
            reply.header("X-Error-Code", code).header("X-Error-Message", message)
        }
    }
}

fn serve(
    mut stream: TcpStream,
    settings: &Mutex<Settings>,
    content_url: &str,
    on_content_server: bool,
) {
    let Some(request) = read_request(&stream, on_content_server) else { return };
    let (reply, pace) = {
        let mut settings = settings.lock().expect("no test panics while it holds this");
        settings.log.push(request.clone());
        let reply = if on_content_server {
            content(&mut settings, &request)
        } else {
            hub(&mut settings, &request, content_url)
        };
        (reply, settings.pace)
    };
    // The client may hang up at any time.
    let _ = send(&mut stream, &request, &reply, pace);
}

fn read_request(stream: &TcpStream, on_content_server: bool) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    for line in lines {
        let line = line.ok()?;
        let Some((name, value)) = line.split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    Some(Request { method, path, headers, on_content_server })
}

fn send(
    stream: &mut TcpStream,
    request: &Request,
    reply: &Reply,
    pace: Option<Duration>,
) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} .\r\nConnection: close\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if reply.announce {
        head.push_str(&format!("Content-Length: {}\r\n", reply.body.len()));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    if request.method == "HEAD" {
        return Ok(());
    }
    if reply.trickle {
        for byte in &reply.body {
            stream.write_all(&[*byte])?;
            thread::sleep(Duration::from_millis(20));
        }
    }
    let end = reply.cut.or(reply.stall).unwrap_or(reply.body.len()).min(reply.body.len());
    for piece in reply.body[..end].chunks(64 << 10) {
        stream.write_all(piece)?;
        if let Some(pace) = pace {
            thread::sleep(pace);
        }
    }
    if reply.stall.is_some() {
        thread::sleep(Duration::from_secs(20));
    }
    Ok(())
}

fn hub(settings: &mut Settings, request: &Request, content_url: &str) -> Reply {
    if settings.without_head && request.method == "HEAD" {
        return Reply::new(501);
    }
    if request.method == "HEAD"
        && let Some(status) = settings.head_faults.pop_front()
    {
        return Reply::new(status);
    }
    if let Some((status, wait)) = settings.busy.pop_front() {
        return Reply::new(status).header("Retry-After", wait);
    }
    let token = request.header("authorization");
    match settings.access {
        Access::RefusesTokens if token.is_some() => {
            return Reply::refusal(
                settings,
                401,
                "",
                "Invalid credentials in Authorization header",
            );
        }
        Access::Limited => return Reply::new(429),
        Access::Echoes(status) => {
            let sent =
                format!("you sent {:?} to {}", request.headers, request.path).replace('"', "'");
            let reply = Reply::new(status)
                .header("X-Error-Message", &sent)
                .header("ETag", &sent)
                .header("Content-Type", "application/json");
            let secret = token.unwrap_or_default().replace(' ', "-");
            return reply
                .header("Location", format!("/elsewhere/{secret}?{secret}"))
                .body(format!("{{\"error\": \"{sent}\"}}"));
        }
        Access::Private(wanted) if token != Some(&format!("Bearer {wanted}")) => {
            return Reply::refusal(settings, 401, "RepoNotFound", "Invalid username or password.");
        }
        _ => {}
    }
    let parts: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
    let (repo, revision, file) = match parts.as_slice() {
        ["api", "models", owner, name] if !settings.without_api => {
            (format!("{owner}/{name}"), "main", None)
        }
        ["api", "models", owner, name, "revision", revision] if !settings.without_api => {
            (format!("{owner}/{name}"), *revision, None)
        }
        [owner, name, "resolve", revision, file @ ..] => {
            (format!("{owner}/{name}"), *revision, Some(file.join("/")))
        }
        ["resolve-cache", file @ ..] => (REPO.to_owned(), COMMIT, Some(file.join("/"))),
        _ => return Reply::new(404),
    };
    if repo != REPO {
        return Reply::refusal(
            settings,
            if token.is_some() { 404 } else { 401 },
            "RepoNotFound",
            "Repository not found",
        );
    }
    let commit = match revision {
        "main" | "refs%2Fpr%2F1" => settings.commits.last().expect("a commit").clone(),
        commit if settings.commits.iter().any(|known| known == commit) => commit.to_owned(),
        _ => return Reply::refusal(settings, 404, "RevisionNotFound", "Invalid rev id"),
    };
    let Some(file) = file else {
        return Reply::new(200)
            .header("Content-Type", "application/json")
            .body(format!(r#"{{"id": "{REPO}", "sha": "{commit}"}}"#));
    };
    let commit = settings.answers_for.clone().unwrap_or(commit);
    if settings.access == Access::Gated {
        return Reply::refusal(settings, 403, "GatedRepo", "Access to this model is restricted");
    }
    let Some(stored) = settings.files.get(&file).cloned() else {
        return Reply::refusal(settings, 404, "EntryNotFound", "Entry not found");
    };
    if stored.large {
        let etag = settings.etag.clone().unwrap_or_else(|| sha256(&stored.content));
        return Reply::new(302)
            .header("Location", format!("{content_url}/signed/{file}"))
            .header("X-Repo-Commit", commit)
            .header("X-Linked-Etag", format!("\"{etag}\""))
            .header("X-Linked-Size", stored.content.len());
    }
    if settings.relative_redirect && parts[0] != "resolve-cache" {
        return Reply::new(307)
            .header("Location", format!("/resolve-cache/{file}"))
            .header("X-Repo-Commit", commit);
    }
    let etag = settings.etag.clone().unwrap_or_else(|| git_blob(&stored.content));
    deliver(settings, request, &file, &stored.content, &format!("\"{etag}\""))
        .header("X-Repo-Commit", commit)
}

fn content(settings: &mut Settings, request: &Request) -> Reply {
    let file = request.path.trim_start_matches("/signed/").to_owned();
    match settings.files.get(&file).cloned() {
        Some(stored) => deliver(
            settings,
            request,
            &file,
            &stored.content,
            "\"a tag of the content server's own\"",
        ),
        None => Reply::new(404),
    }
}

fn deliver(
    settings: &mut Settings,
    request: &Request,
    file: &str,
    content: &[u8],
    etag: &str,
) -> Reply {
    let fault = if request.method == "GET" {
        settings.faults.get_mut(file).and_then(VecDeque::pop_front)
    } else {
        None
    };
    let mut content = content.to_vec();
    match fault {
        Some(Fault::Status(status)) => {
            return Reply::new(status).header("Content-Type", "text/html").body("<html>no</html>");
        }
        Some(Fault::Page) => {
            return Reply::new(200)
                .header("Content-Type", "text/html; charset=utf-8")
                .body("<html>log in</html>");
        }
        Some(Fault::RedirectLoop) => {
            // Its own queue is empty now, and the loop must not end.
            settings.faults.entry(file.to_owned()).or_default().push_front(Fault::RedirectLoop);
            return Reply::new(302).header("Location", &request.path);
        }
        Some(Fault::Redirect(to)) => return Reply::new(302).header("Location", to),
        Some(Fault::Flip(at)) => content[at] ^= 1,
        Some(Fault::Short(length)) => content.truncate(length),
        Some(Fault::Long) => content.push(0),
        _ => {}
    }
    let asked = request
        .header("range")
        .and_then(|range| range.strip_prefix("bytes=")?.split_once('-')?.0.parse::<usize>().ok());
    let fits = request.header("if-range").is_none_or(|tag| tag == etag);
    let mut reply = match asked {
        Some(from) if fits && !matches!(fault, Some(Fault::IgnoreRange)) => {
            if from >= content.len() {
                return Reply::new(416)
                    .header("Content-Range", format!("bytes */{}", content.len()));
            }
            let from = if matches!(fault, Some(Fault::WrongRange)) { from / 2 } else { from };
            let range = format!("bytes {from}-{}/{}", content.len() - 1, content.len());
            Reply::new(206).header("Content-Range", range).body(&content[from..])
        }
        _ => Reply::new(200).body(content),
    };
    match fault {
        Some(Fault::Cut(after)) => reply.cut = Some(after),
        Some(Fault::CutWithoutLength(after)) => {
            reply.cut = Some(after);
            reply.announce = false;
        }
        Some(Fault::Stall(after)) => reply.stall = Some(after),
        Some(Fault::Trickle) => reply.trickle = true,
        _ => {}
    }
    reply.header("ETag", etag).header("Content-Type", "application/octet-stream")
}
