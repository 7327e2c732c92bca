//! Clients' connections: so many and no more, and none that holds its place without using it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use nix::sys::socket::{setsockopt, sockopt::TcpUserTimeout};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::metrics::{Counters, Open};

/// Connections at once; more wait in the kernel until one ends. Leaves descriptors for peers and files out of the
/// usual 1024.
const CONNECTIONS_MAX: usize = 512;
/// Within this a request's head has come, counted from the end of the request before.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that does not take its answer for so long is cut off.
const UNREAD_MAX_MS: u32 = 10_000;
/// Bytes of a request's head, and of what is buffered of a body.
const BUFFER_BYTES_MAX: usize = 64 << 10;
/// After a failed accept (no descriptors left, most likely).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until it is dropped.
pub(crate) async fn serve(listener: TcpListener, router: Router, counters: Arc<Counters>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(serve_one(stream, router.clone(), Arc::clone(&counters)));
            }
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Serves one connection to its end. How it ends is the client's affair: every error here is a client gone or too slow.
async fn serve_one(stream: TcpStream, router: Router, counters: Arc<Counters>) {
    let _open = Open::new(&counters.clients_open);
    if stream.set_nodelay(true).is_err() || setsockopt(&stream, TcpUserTimeout, &UNREAD_MAX_MS).is_err() {
        return;
    }
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await;
}
