//! From the command line to a server, and to its end.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::HeaderValue;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGINT, SIGTERM};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::connections;
use super::requests::Limits;
use super::routes::{App, router};
use crate::app::cli::args::Serve;
use crate::app::cli::predict::model::Opener;
use crate::app::cli::{Failure, Outcome, terminal};
use crate::base::disk::regular;

/// Threads that take texts apart, or open a model.
const BLOCKING_THREADS: usize = 16;

pub fn run(arguments: &Serve) -> Result<Outcome, Failure> {
    let token = token(arguments)?;
    let origin = arguments.allow_origin.as_deref().map(origin).transpose()?;
    let limits = Limits {
        body_bytes: (arguments.max_body as usize) << 10,
        texts: arguments.max_texts as usize,
        tokens: arguments.max_tokens as usize,
        requests: arguments.max_requests as usize,
        time: Duration::from_secs(arguments.timeout.into()),
    };
    let address = address(&arguments.host, arguments.port)?;
    let queue_tokens = arguments.queue_tokens as usize;
    let opener = Opener::new(&arguments.model, &arguments.options, queue_tokens)?;
    let app = Arc::new(App::new(opener, token.as_deref(), origin, limits)?);
    raise_open_files();
    let (stop, stops) = watch::channel(false);
    listen_for_signals(Arc::clone(&app), stop)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .map_err(failed("the server cannot be started"))?;
    let outcome = runtime.block_on(async {
        let listener = TcpListener::bind(address).await.map_err(|error| {
            let message = format!("cannot listen on {address}: {}", error.kind());
            Failure::usage(message).with_help("`--port 0` takes one that is free")
        })?;
        let address = listener.local_addr().map_err(failed("the address is not known"))?;
        terminal::complain(&format!(
            "`{}` on http://{address} (Ctrl-C ends it)\n",
            arguments.model.display()
        ));
        let router = router(&app);
        connections::serve(listener, &app, &router, stops, limits.time).await;
        Ok(Outcome::Done)
    });
    // What somebody gave up waiting for keeps nobody else.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

fn failed(what: &'static str) -> impl Fn(std::io::Error) -> Failure {
    move |error| Failure::failed(format!("{what}: {}", error.kind()))
}

fn token(arguments: &Serve) -> Result<Option<String>, Failure> {
    let token = match (&arguments.token, &arguments.token_file) {
        (Some(token), _) => Some(token.clone()),
        (None, Some(file)) => Some(token_in(file)?),
        (None, None) => None,
    };
    if token.as_deref().is_some_and(|token| token.trim().is_empty()) {
        return Err(Failure::usage("the token is empty, so that anybody would know it"));
    }
    Ok(token.map(|token| token.trim().to_owned()))
}

fn token_in(file: &Path) -> Result<String, Failure> {
    regular::read_to_string(file).map_err(|error| {
        Failure::usage(format!("cannot read the token in `{}`: {}", file.display(), error.kind()))
    })
}

fn origin(origin: &str) -> Result<HeaderValue, Failure> {
    let is_one = origin == "*" || origin.contains("://") && !origin.ends_with('/');
    let value = HeaderValue::from_str(origin).ok().filter(|_| is_one);
    value.ok_or_else(|| {
        Failure::usage(format!("`{origin}` is no origin"))
            .with_help("an origin is a scheme and a host, such as `https://example.org`, or `*`")
    })
}

fn address(host: &str, port: u16) -> Result<SocketAddr, Failure> {
    let addresses = (host, port).to_socket_addrs();
    addresses.ok().and_then(|mut addresses| addresses.next()).ok_or_else(|| {
        Failure::usage(format!("`{host}` is no host of this machine"))
            .with_help("`--host 127.0.0.1` is for this machine alone, `--host 0.0.0.0` for all")
    })
}

/// Lets as many connections be open as the system allows, so that idle ones keep nobody out.
fn raise_open_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // What cannot be raised stays as it is.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// The first signal ends the server in order, the second at once.
fn listen_for_signals(app: Arc<App>, stop: watch::Sender<bool>) -> Result<(), Failure> {
    let failed = failed("signals cannot be handled");
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).map_err(&failed)?;
    let listen = move || {
        for _ in signals.forever() {
            if app.stopping.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
            terminal::complain(
                "stopping: what was asked is answered (Ctrl-C again stops at once)\n",
            );
            let _ = stop.send(true);
        }
    };
    std::thread::Builder::new().spawn(listen).map_err(&failed)?;
    Ok(())
}
