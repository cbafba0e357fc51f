//! The routes of a server, and what keeps any one client from harming the others.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http_body_util::BodyExt as _;
use serde_json::json;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::metrics::Metrics;
use super::pages;
use super::requests::{Limits, Question};
use crate::app::cli::Failure;
use crate::app::cli::predict::Shape;
use crate::app::cli::predict::model::Opener;
use crate::app::tools::{Answer, Asker, Full, Service};

/// Of a body that is too large, so many times as much as is allowed is read and left: a client that is cut off while it sends never reads why.
const READ_AND_LEFT: usize = 8;

/// Everything that requests share.
pub struct App {
    opener: Opener,
    serving: RwLock<Arc<Serving>>,
    /// The digest of what who asks has to know.
    token: Option<blake3::Hash>,
    /// The page of another site that may ask.
    origin: Option<HeaderValue>,
    limits: Limits,
    /// Bytes of bodies that may be in memory while they come: clients that begin to send and never end fill no more.
    coming: Semaphore,
    taken: Semaphore,
    reloads: Semaphore,
    pub metrics: Metrics,
    pub stopping: AtomicBool,
}

/// A model at work. A request keeps the one that it has begun with.
struct Serving {
    service: Service,
    shape: Shape,
}

impl Serving {
    fn of(service: Service) -> Arc<Self> {
        let shape = Shape::of(None, service.predictor());
        Arc::new(Self { service, shape })
    }
}

/// Why a request is not answered as it wishes.
#[derive(Debug)]
enum Refusal {
    Malformed(String),
    Unauthorized,
    Forbidden,
    NoHead {
        head: String,
        heads: Vec<String>,
    },
    /// The body did not come, or not in time.
    NoBody,
    TooLarge(String),
    Full,
    TooSlow,
    Unusable(Failure),
    /// A mistake of ours.
    Lost,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Self::Malformed(error) => (StatusCode::BAD_REQUEST, error),
            Self::Unauthorized => {
                let expected =
                    "expected `Authorization: Bearer TOKEN` with the token of this server";
                (StatusCode::UNAUTHORIZED, expected.to_owned())
            }
            Self::Forbidden => {
                let error =
                    "a model is reloaded only where `serve` has a `--token` or `--token-file`";
                (StatusCode::FORBIDDEN, error.to_owned())
            }
            Self::NoHead { head, heads } => {
                let error =
                    format!("the model has no head `{head}`, it has `{}`", heads.join("`, `"));
                (StatusCode::NOT_FOUND, error)
            }
            Self::NoBody => {
                (StatusCode::REQUEST_TIMEOUT, "the body did not come in time".to_owned())
            }
            Self::TooLarge(error) => (StatusCode::PAYLOAD_TOO_LARGE, error),
            Self::Full => {
                (StatusCode::SERVICE_UNAVAILABLE, "too much waits: ask again later".to_owned())
            }
            Self::TooSlow => {
                (StatusCode::GATEWAY_TIMEOUT, "there was no answer in time".to_owned())
            }
            Self::Unusable(failure) => (StatusCode::CONFLICT, failure.message()),
            Self::Lost => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal error: the model gave no answer".to_owned(),
            ),
        };
        let mut response = (status, json_of(json!({ "error": error }).to_string())).into_response();
        let headers = response.headers_mut();
        match status {
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response
    }
}

fn json_of(text: String) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], text)
}

impl App {
    pub fn new(
        opener: Opener,
        token: Option<&str>,
        origin: Option<HeaderValue>,
        limits: Limits,
    ) -> Result<Self, Failure> {
        let serving = RwLock::new(Serving::of(opener.open()?));
        Ok(Self {
            opener,
            serving,
            token: token.map(|token| blake3::hash(token.as_bytes())),
            origin,
            limits,
            coming: Semaphore::new(limits.requests * limits.body_bytes),
            taken: Semaphore::new(limits.requests),
            reloads: Semaphore::new(1),
            metrics: Metrics::default(),
            stopping: AtomicBool::new(false),
        })
    }

    fn serving(&self) -> Arc<Serving> {
        Arc::clone(&self.serving.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks the model, and waits for all answers.
    async fn ask(
        &self,
        serving: &Arc<Serving>,
        question: &Question,
    ) -> Result<Vec<Answer>, Refusal> {
        let Limits { texts: most, tokens: most_tokens, time, .. } = self.limits;
        let texts = question.texts();
        let count = texts.len();
        if count > most {
            return Err(Refusal::TooLarge(format!(
                "{count} texts, at most {most} are taken at once"
            )));
        }
        let _permit = self.taken.try_acquire().map_err(|_| Refusal::Full)?;
        let begun = Instant::now();
        let (answer, mut coming) = mpsc::unbounded_channel();
        let asked = Arc::clone(serving);
        let ask = move || {
            let texts = asked.service.prepare(texts);
            let tokens = texts.tokens();
            if tokens > most_tokens {
                let error =
                    format!("{tokens} tokens, at most {most_tokens} are read for a request");
                return Err(Refusal::TooLarge(error));
            }
            let asker: Arc<dyn Asker> = Arc::new(Channel(answer));
            asked.service.try_ask(texts, &asker).map_err(|Full| Refusal::Full)
        };
        let wait = async {
            spawn_blocking(ask).await.map_err(|_| Refusal::Lost)??;
            let mut answers = vec![None; count];
            while let Some((place, answer)) = coming.recv().await {
                answers[place] = Some(answer);
            }
            answers.into_iter().collect::<Option<Vec<Answer>>>().ok_or(Refusal::Lost)
        };
        let answers = timeout(time, wait).await.map_err(|_| Refusal::TooSlow)??;
        self.metrics.latency(begun.elapsed());
        Ok(answers)
    }

    async fn body(&self, body: Body) -> Result<Vec<u8>, Refusal> {
        timeout(self.limits.time, self.read(body)).await.map_err(|_| Refusal::NoBody)?
    }

    async fn read(&self, mut body: Body) -> Result<Vec<u8>, Refusal> {
        let most = self.limits.body_bytes;
        let (mut bytes, mut held, mut length) = (Vec::new(), None::<SemaphorePermit<'_>>, 0);
        while let Some(frame) = body.frame().await {
            let Ok(part) = frame.map_err(|_| Refusal::NoBody)?.into_data() else { continue };
            length += part.len();
            if length > most {
                (bytes, held) = (Vec::new(), None);
                if length > READ_AND_LEFT * most {
                    break;
                }
                continue;
            }
            let count = u32::try_from(part.len()).map_err(|_| Refusal::Full)?;
            let more = self.coming.try_acquire_many(count).map_err(|_| Refusal::Full)?;
            match &mut held {
                Some(held) => held.merge(more),
                None => held = Some(more),
            }
            bytes.extend_from_slice(&part);
        }
        match length > most {
            true => Err(Refusal::TooLarge(format!("a body of more than {most} bytes"))),
            false => Ok(bytes),
        }
    }

    fn may_ask(&self, headers: &HeaderMap) -> bool {
        let Some(token) = self.token else { return true };
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.split_once(' '));
        let given = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        // Digests are compared in constant time.
        given.is_some_and(|(_, given)| blake3::hash(given.trim().as_bytes()) == token)
    }
}

/// A request that waits for its answers.
struct Channel(mpsc::UnboundedSender<(usize, Answer)>);

impl Asker for Channel {
    fn hear(&self, place: usize, answer: Answer) {
        // Who has gone away needs no answer.
        let _ = self.0.send((place, answer));
    }

    fn has_left(&self) -> bool {
        self.0.is_closed()
    }
}

type Shared = State<Arc<App>>;

/// All routes.
pub fn router(app: &Arc<App>) -> Router {
    let asking = Router::new()
        .route("/predict", post(predict))
        .route("/hf/{head}", post(hugging_face))
        .route("/reload", post(reload))
        .route("/metrics", get(metrics))
        .route_layer(middleware::from_fn_with_state(Arc::clone(app), authorize));
    Router::new()
        .route("/", get(page))
        .route("/openapi.json", get(openapi))
        .route("/health", get(|| async { "ok\n" }))
        .route("/ready", get(ready))
        .merge(asking)
        .fallback(|| async {
            (
                StatusCode::NOT_FOUND,
                json_of(json!({ "error": "there is no such path" }).to_string()),
            )
        })
        .layer(middleware::from_fn_with_state(Arc::clone(app), around))
        .with_state(Arc::clone(app))
}

/// Counts every request, and lets the pages of one other site ask where that was wished.
async fn around(State(app): Shared, request: Request, next: Next) -> Response {
    const ROUTES: [&str; 8] = [
        "/",
        "/predict",
        "/hf/{head}",
        "/reload",
        "/metrics",
        "/openapi.json",
        "/health",
        "/ready",
    ];
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let path = ROUTES.into_iter().find(|route| path.as_deref() == Some(route)).unwrap_or("other");
    let is_preflight = request.method() == Method::OPTIONS && app.origin.is_some();
    let mut response = match is_preflight {
        true => StatusCode::NO_CONTENT.into_response(),
        false => next.run(request).await,
    };
    if let Some(origin) = &app.origin {
        let mut say =
            |name: HeaderName, value: HeaderValue| response.headers_mut().insert(name, value);
        say(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        say(header::VARY, HeaderValue::from_static("origin"));
        if is_preflight {
            let headers = HeaderValue::from_static("authorization, content-type");
            say(header::ACCESS_CONTROL_ALLOW_HEADERS, headers);
        }
    }
    app.metrics.request(path, response.status().as_u16());
    response
}

async fn authorize(State(app): Shared, request: Request, next: Next) -> Response {
    match app.may_ask(request.headers()) {
        true => next.run(request).await,
        false => Refusal::Unauthorized.into_response(),
    }
}

async fn predict(State(app): Shared, body: Body) -> Result<Response, Refusal> {
    let body = app.body(body).await?;
    let question = Question::of_predict(&body).map_err(Refusal::Malformed)?;
    let serving = app.serving();
    let answers = app.ask(&serving, &question).await?;
    Ok(json_of(question.answer(answers, &serving.shape)).into_response())
}

async fn hugging_face(
    State(app): Shared,
    Path(name): Path<String>,
    body: Body,
) -> Result<Response, Refusal> {
    let serving = app.serving();
    let predictor = serving.service.predictor();
    let head = predictor.class_heads().iter().find(|head| head.name == name);
    if head.is_none() && !predictor.is_tagging(&name) {
        let heads = predictor.heads().map(|(head, _)| head.to_owned()).collect();
        return Err(Refusal::NoHead { head: name, heads });
    }
    let body = app.body(body).await?;
    let question = Question::of_hugging_face(&body).map_err(Refusal::Malformed)?;
    let answers = app.ask(&serving, &question).await?;
    let answer = question.answer_hugging_face(answers, head).map_err(Refusal::Malformed)?;
    Ok(json_of(answer.to_string()).into_response())
}

/// Opens the model's folder anew. Requests that have begun are answered by the model that they have begun with; one that cannot be opened changes nothing.
async fn reload(State(app): Shared) -> Result<Response, Refusal> {
    if app.token.is_none() {
        return Err(Refusal::Forbidden);
    }
    let _alone = app.reloads.try_acquire().map_err(|_| Refusal::Full)?;
    let opened = {
        let app = Arc::clone(&app);
        spawn_blocking(move || app.opener.open()).await.map_err(|_| Refusal::Lost)?
    };
    let serving = Serving::of(opened.map_err(Refusal::Unusable)?);
    *app.serving.write().unwrap_or_else(PoisonError::into_inner) = serving;
    Ok(json_of(json!({ "reloaded": true }).to_string()).into_response())
}

async fn metrics(State(app): Shared) -> Response {
    let text = app.metrics.to_text(&app.serving().service);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

async fn page(State(app): Shared) -> Response {
    let page = pages::page(&app.opener.name(), &app.serving().shape);
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, page).into_response()
}

async fn openapi(State(app): Shared) -> Response {
    json_of(pages::openapi(app.serving().service.predictor(), &app.limits).to_string())
        .into_response()
}

async fn ready(State(app): Shared) -> Response {
    match app.stopping.load(Ordering::SeqCst) {
        false => "ready\n".into_response(),
        true => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response(),
    }
}
