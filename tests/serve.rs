//! `pipeline serve`: the real program on a port of its own, asked over plain sockets.
#![cfg(feature = "serve")]

#[path = "common/mod.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod common;
#[path = "cli/world.rs"]
#[allow(dead_code, unused_imports, unused_macros, reason = "shared with other tests")]
mod world;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use serde_json::{Value, json};

use world::World;

const PATIENCE: Duration = Duration::from_secs(30);

/// A world with a model, trained once for all tests here.
fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(World::trained)
}

struct Server {
    child: Child,
    port: u16,
}

struct Response {
    status: u16,
    head: String,
    body: String,
}

impl Response {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl Server {
    fn start(options: &[&str]) -> Self {
        Self::start_in(world(), "outputs/mini", options)
    }

    fn start_in(world: &World, model: &str, options: &[&str]) -> Self {
        let first = ["serve", model, "--port", "0"];
        let arguments = first.iter().chain(options);
        let mut child = world.process(arguments).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut errors = BufReader::new(child.stderr.take().expect("piped"));
        let mut line = String::new();
        errors.read_line(&mut line).expect("readable");
        let address =
            line.split("http://127.0.0.1:").nth(1).and_then(|rest| rest.split(' ').next());
        let port = address.and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("{line}"));
        std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
        Self { child, port }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream
    }

    fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Response {
        let mut stream = self.connect();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
        )
        .expect("written");
        response(stream)
    }

    fn get(&self, path: &str) -> Response {
        self.ask("GET", path, "", "")
    }

    fn post(&self, path: &str, body: &Value) -> Response {
        self.ask("POST", path, "", &body.to_string())
    }

    /// A value of `/metrics` that has no labels.
    fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").body;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{name}: {text}"))
    }

    fn wait_until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !is_so(self) {
            assert!(begun.elapsed() < PATIENCE, "{what} never came");
        }
    }

    /// Begins a request, whose answer is left to come.
    fn begin(&self, path: &str, body: &Value) -> TcpStream {
        let (mut stream, body) = (self.connect(), body.to_string());
        let length = body.len();
        write!(stream, "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}")
            .expect("written");
        stream
    }

    fn lives(&self) {
        let answer = self.post("/predict", &json!({ "text": "db-07 crashed" }));
        assert_eq!((answer.status, answer.json()["text"].as_str()), (200, Some("db-07 crashed")));
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn response(mut stream: TcpStream) -> Response {
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Response { status: status.expect("a status"), head: head.to_lowercase(), body: body.to_owned() }
}

#[test]
fn answers_are_those_of_predict() {
    let lines = "{\"id\": 7, \"text\": \"db-07 crashed at 02:15\", \"anomaly\": 1}\n{\"text\": \" \"}\n{\"text\": \"\u{1f600} attack on web-12\"}\n";
    let predicted =
        world().shot("predict", world().command(["predict", "outputs/mini"]).write_stdin(lines));
    let predicted: Vec<Value> =
        predicted.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let server = Server::start(&[]);
    for (line, predicted) in lines.lines().zip(&predicted) {
        assert_eq!(server.ask("POST", "/predict", "", line).json(), *predicted);
    }
    let texts: Vec<&Value> = predicted.iter().map(|answer| &answer["text"]).collect();
    let answers = server.post("/predict", &json!({ "texts": texts })).json();
    let entities =
        |answers: &[Value]| answers.iter().map(|it| it["entities"].clone()).collect::<Vec<_>>();
    assert_eq!(entities(answers.as_array().expect("a list")), entities(&predicted));
}

#[test]
fn the_forms_of_hugging_face_say_the_same() {
    let server = Server::start(&["--threshold", "ner=0"]);
    let text = "\u{e9} db-07 crashed at 02:15";
    let answer = server.post("/predict", &json!({ "text": text })).json();
    let found = server.post("/hf/ner", &json!({ "inputs": text, "parameters": {} })).json();
    let expected: Vec<Value> = answer["entities"].as_array().expect("entities").iter().map(|entity| {
        let place = |name: &str| entity[name].as_u64().expect("a place") as usize;
        let word: String = text.chars().skip(place("start")).take(place("end") - place("start")).collect();
        json!({"entity_group": entity["label"], "score": entity["score"], "word": word, "start": place("start"), "end": place("end")})
    }).collect();
    assert_eq!(found, json!(expected));
    assert_eq!(
        server.post("/hf/ner", &json!({ "inputs": [text, ""] })).json(),
        json!([expected, []])
    );
    let classes = server.post("/hf/anomaly", &json!({ "inputs": text })).json();
    let score = answer["anomaly_score"].as_f64().expect("a score");
    let of = |label: &str| {
        classes[0]
            .as_array()
            .expect("classes")
            .iter()
            .find(|class| class["label"] == label)
            .expect("there")["score"]
            .as_f64()
    };
    assert_eq!((of("anomaly"), of("normal")), (Some(score), Some(1.0 - score)));
    let likeliest = json!({ "inputs": text, "parameters": { "top_k": 1 } });
    assert_eq!(server.post("/hf/anomaly", &likeliest).json(), json!([[classes[0][0]]]));
    assert_eq!(server.post("/hf/other", &json!({ "inputs": text })).status, 404);
}

#[test]
fn the_server_describes_itself() {
    let server = Server::start(&[]);
    server.lives();
    assert_eq!((server.get("/health").status, server.get("/ready").status), (200, 200));
    let page = server.get("/");
    assert!(
        page.head.contains("text/html") && page.body.contains("<textarea id=text"),
        "{}",
        page.body
    );
    let paths = server.get("/openapi.json").json()["paths"].clone();
    let paths: Vec<&String> = paths.as_object().expect("paths").keys().collect();
    assert_eq!(
        paths,
        ["/predict", "/reload", "/health", "/ready", "/metrics", "/hf/ner", "/hf/anomaly"]
    );
    let metrics = server.get("/metrics").body;
    for line in [
        "pipeline_requests_total{path=\"/predict\",status=\"200\"} 1",
        "pipeline_texts_total 1",
        "pipeline_batches_total 1",
        "pipeline_queue_texts 0",
        "pipeline_request_seconds_bucket{le=\"+Inf\"} 1",
        "pipeline_request_seconds_count 1",
    ] {
        assert!(metrics.lines().any(|other| other == line), "{line}\n{metrics}");
    }
    assert!(!server.get("/").head.contains("access-control"), "no other site may ask");
}

#[test]
fn what_is_beyond_the_limits_or_no_question_is_refused() {
    let server = Server::start(&["--max-body", "4", "--max-texts", "3", "--max-tokens", "40"]);
    let refused = |body: &Value| {
        let answer = server.post("/predict", body);
        (answer.status, answer.json()["error"].as_str().expect("a reason").to_owned())
    };
    let words = |count: usize| "db-07 ".repeat(count);
    assert_eq!(
        refused(&json!({ "texts": ["", "", "", ""] })),
        (413, "4 texts, at most 3 are taken at once".to_owned())
    );
    let (status, error) = refused(&json!({ "texts": [words(20)] }));
    assert!(
        status == 413 && error.ends_with("tokens, at most 40 are read for a request"),
        "{error}"
    );
    for count in [900, 5000] {
        let too_long = refused(&json!({ "text": words(count) }));
        assert_eq!(too_long, (413, "a body of more than 4096 bytes".to_owned()));
    }
    assert_eq!(refused(&json!({ "txt": "" })).0, 400);
    assert_eq!(server.ask("POST", "/predict", "", "{").status, 400);
    assert_eq!((server.get("/predict").status, server.get("/none").status), (405, 404));
    server.lives();
}

#[test]
fn who_does_not_know_the_token_is_told_nothing() {
    world().write("token.txt", "sesame\n");
    let server = Server::start(&["--token-file", "token.txt"]);
    let body = r#"{"text": "a"}"#;
    let with = |token: &str| {
        server.ask("POST", "/predict", &format!("authorization: {token}\r\n"), body).status
    };
    assert_eq!(["Bearer sesame", "bearer  sesame"].map(with), [200; 2]);
    for wrong in ["Bearer sesam", "Bearer sesames", "Bearer ", "sesame", "Basic sesame"] {
        assert_eq!(with(wrong), 401, "{wrong}");
    }
    assert_eq!(server.ask("POST", "/predict", "", body).status, 401);
    assert_eq!(
        [server.get("/metrics").status, server.post("/reload", &json!({})).status],
        [401, 401]
    );
    assert_eq!(["/health", "/ready", "/"].map(|path| server.get(path).status), [200; 3]);
    let empty = world().pipeline(["serve", "outputs/mini", "--token", " "]);
    assert_eq!(empty.code, Some(2), "{empty}");
}

#[test]
fn a_model_is_reloaded_without_losing_a_request_and_a_damaged_one_is_refused() {
    let own = World::trained();
    let server = Server::start_in(&own, "outputs/mini/model", &["--token", "x", "--cache", "0"]);
    let token = "authorization: Bearer x\r\n";
    let ask = || server.ask("POST", "/predict", token, r#"{"text": "db-07 crashed"}"#);
    let before = ask().body;
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..20).map(|_| ask().status).collect::<Vec<_>>()))
            .collect();
        for _ in 0..3 {
            assert_eq!(server.ask("POST", "/reload", token, "").status, 200);
        }
        for asked in asking {
            assert_eq!(asked.join().expect("answers"), [200; 20]);
        }
    });
    let weights = own.path("outputs/mini/model/model.safetensors");
    let mut bytes = std::fs::read(&weights).expect("there");
    *bytes.last_mut().expect("bytes") ^= 1;
    std::fs::write(&weights, bytes).expect("writable");
    let refused = server.ask("POST", "/reload", token, "");
    assert!(
        refused.status == 409 && refused.body.contains("model.safetensors"),
        "{}",
        refused.body
    );
    assert_eq!(ask().body, before);
}

#[test]
fn without_a_token_nobody_reloads() {
    assert_eq!(Server::start(&[]).post("/reload", &json!({})).status, 403);
}

#[test]
fn one_site_may_ask_where_that_is_wished() {
    let server = Server::start(&["--allow-origin", "https://example.org", "--token", "x"]);
    let preflight = server.ask("OPTIONS", "/predict", "origin: https://example.org\r\n", "");
    assert_eq!(preflight.status, 204);
    for said in [
        "access-control-allow-origin: https://example.org",
        "access-control-allow-headers: authorization, content-type",
    ] {
        assert!(preflight.head.contains(said), "{}", preflight.head);
    }
    let wrong = world().pipeline(["serve", "outputs/mini", "--allow-origin", "example.org"]);
    assert_eq!(wrong.code, Some(2), "{wrong}");
}

#[test]
fn who_sends_slowly_or_half_or_garbage_harms_nobody_and_is_cut_off() {
    let server = Server::start(&["--timeout", "1"]);
    let mut half = server.connect();
    half.write_all(b"POST /predict HTTP/1.1\r\nhost:").expect("written");
    let mut stalled = server.connect();
    stalled.write_all(b"POST /predict HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 100\r\n\r\n{").expect("written");
    for garbage in [
        &b"\0\0\0\0\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &[0xff; 100_000],
    ] {
        // It may hang up before all is written.
        let _ = server.connect().write_all(garbage);
    }
    server.lives();
    assert_eq!(response(stalled).status, 408);
    let mut rest = Vec::new();
    half.read_to_end(&mut rest).expect("the server hangs up");
    server.lives();
}

/// As many as the system lets this process open, up to 10,000.
#[test]
fn ten_thousand_idle_connections_harm_nobody() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("up to the maximum");
    let count = maximum.map_or(10_000, |maximum| maximum.saturating_sub(500).min(10_000));
    let server = Server::start(&[]);
    let idle: Vec<TcpStream> = (0..count).map(|_| server.connect()).collect();
    server.wait_until("the last connection", |server| {
        server.metric("pipeline_connections") > count as f64
    });
    server.lives();
    drop(idle);
}

#[test]
fn bodies_that_never_end_fill_no_more_than_may_be_held() {
    let server = Server::start(&["--max-body", "4", "--max-requests", "1", "--timeout", "60"]);
    let mut stalled = server.connect();
    stalled
        .write_all(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 4096\r\n\r\n")
        .expect("written");
    stalled.write_all(&[b' '; 3000]).expect("written");
    server.wait_until("the stalled body", |server| {
        server.post("/predict", &json!({ "text": "a".repeat(3000) })).status == 503
    });
    server.lives();
    drop(stalled);
    server.wait_until("room", |server| {
        server.post("/predict", &json!({ "text": "a".repeat(3000) })).status == 200
    });
}

/// A request that takes the model a while.
fn heavy() -> Value {
    let texts: Vec<String> =
        (0..500).map(|number| format!("attack on web-{number} since 02:15 ").repeat(4)).collect();
    json!({ "texts": texts })
}

/// One small batch at a time, so that much waits.
const SLOWLY: [&str; 6] = ["--threads", "1", "--batch-tokens", "64", "--timeout", "120"];

fn has_texts_waiting(server: &Server) -> bool {
    server.metric("pipeline_queue_texts") > 0.0
}

#[test]
fn beyond_what_may_wait_requests_are_told_to_come_again() {
    for limit in [["--max-requests", "1"], ["--queue-tokens", "10"]] {
        let server = Server::start(&[&SLOWLY[..], &limit].concat());
        let taken = server.begin("/predict", &heavy());
        server.wait_until("the queue", has_texts_waiting);
        let refused = server.post("/predict", &json!({ "text": "db-08 crashed" }));
        assert_eq!(refused.status, 503, "{}", refused.body);
        assert!(refused.head.contains("retry-after: 1"), "{}", refused.head);
        drop(taken);
        server.wait_until("room", |server| !has_texts_waiting(server));
        server.lives();
    }
}

#[test]
fn a_short_text_does_not_wait_for_the_long_ones_of_a_stranger() {
    let server = Server::start(&SLOWLY);
    let _taken = server.begin("/predict", &heavy());
    server.wait_until("the queue", has_texts_waiting);
    server.lives();
    assert!(has_texts_waiting(&server), "the stranger's came first");
}

#[test]
fn what_nobody_waits_for_any_more_is_not_read() {
    let server = Server::start(&SLOWLY);
    let taken = server.begin("/predict", &heavy());
    server.wait_until("the queue", has_texts_waiting);
    drop(taken);
    server.wait_until("an empty queue", |server| !has_texts_waiting(server));
    let read = server.metric("pipeline_batch_tokens_total");
    assert!(read < 20_000.0, "{read} tokens were read");
}

#[test]
fn what_was_taken_is_answered_before_the_end() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Server::start(&SLOWLY);
        let taken = server.begin("/predict", &heavy());
        server.wait_until("the queue", has_texts_waiting);
        let _idle = server.connect();
        server.signal(signal);
        let answer = response(taken);
        assert_eq!((answer.status, answer.json().as_array().map(Vec::len)), (200, Some(500)));
        assert_eq!(server.child.wait().expect("it ends").code(), Some(0));
    }
}

#[test]
fn a_port_that_is_taken_and_a_host_that_is_none_are_said() {
    let server = Server::start(&[]);
    let taken = world().pipeline(["serve", "outputs/mini", "--port", &server.port.to_string()]);
    assert!(
        taken.code == Some(2) && taken.stderr.contains("cannot listen on 127.0.0.1"),
        "{taken}"
    );
    let nowhere = world().pipeline(["serve", "outputs/mini", "--host", "nowhere.invalid"]);
    assert_eq!(nowhere.code, Some(2), "{nowhere}");
}
