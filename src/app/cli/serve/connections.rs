//! Connections: how they are taken, how long they live, and how they end.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::routes::App;

/// Who has been here for so long connects again: a client that takes its answers without end, or not at all, holds nothing for ever.
const OLDEST: Duration = Duration::from_secs(600);

/// How long to wait after a connection could not be taken, because too many are open.
const PAUSE: Duration = Duration::from_millis(50);

/// Takes connections until `stop` says so, and returns when all requests that had begun are answered, or their time is over.
///
/// * `patience`: for the head of a request to come, also of the next one on the same connection; for its body; and for its answer
pub async fn serve(
    listener: TcpListener,
    app: &Arc<App>,
    router: &Router,
    mut stop: watch::Receiver<bool>,
    patience: Duration,
) {
    // Each connection keeps a sender, so that nothing more can come once all have ended.
    let (open, mut all_ended) = mpsc::channel::<()>(1);
    loop {
        let taken = tokio::select! {
            taken = listener.accept() => taken,
            _ = stop.wait_for(|stops| *stops) => break,
        };
        let Ok((stream, _)) = taken else {
            sleep(PAUSE).await;
            continue;
        };
        let (router, stop, open, app) =
            (router.clone(), stop.clone(), open.clone(), Arc::clone(app));
        tokio::spawn(async move {
            app.metrics.connections.fetch_add(1, Ordering::Relaxed);
            connection(stream, router, stop, patience).await;
            app.metrics.connections.fetch_sub(1, Ordering::Relaxed);
            drop(open);
        });
    }
    drop((listener, open));
    let _ = timeout(ending(patience), all_ended.recv()).await;
}

/// Serves a connection until either side ends it.
async fn connection(
    stream: TcpStream,
    router: Router,
    mut stop: watch::Receiver<bool>,
    patience: Duration,
) {
    let _ = stream.set_nodelay(true);
    let mut builder = Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(patience).max_buf_size(64 << 10);
    let service = TowerToHyperService::new(router);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // What a client did wrong is its own affair.
        _ = connection.as_mut() => return,
        _ = stop.wait_for(|stops| *stops) => {}
        () = sleep(OLDEST) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(ending(patience), connection).await;
}

/// For a request that has begun: the rest of it, its answer, and a moment to take it.
fn ending(patience: Duration) -> Duration {
    2 * patience + Duration::from_secs(1)
}
