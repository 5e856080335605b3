//! What the server is compared with: the same work without a runner, each in a process of its own.

use std::convert::Infallible;
use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rusqlite::Connection;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::Result;
use crate::orders::{Counted, Order, count};

/// The names of the references.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    /// hyper: parse JSON, answer JSON.
    Hyper,
    /// axum: parse JSON, answer JSON.
    Axum,
    /// axum, and one synced SQLite commit for each request.
    AxumSqlite,
    /// axum, and one synced SQLite commit for all requests that wait.
    AxumGroup,
}

impl Reference {
    /// Returns the word on the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Hyper => "hyper",
            Self::Axum => "axum",
            Self::AxumSqlite => "axum-sqlite",
            Self::AxumGroup => "axum-group",
        }
    }
}

/// Serves a reference until the process is killed; its address is the first line on standard output.
pub(crate) fn serve(word: &str, folder: &Path, address: &str) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await?;
        println!("{}", listener.local_addr()?);
        match word {
            "hyper" => hyper(listener).await,
            "axum" => {
                let router = Router::new()
                    .route("/", post(answer))
                    .route("/healthz", get(|| async { "alive" }));
                Ok(axum::serve(listener, router).await?)
            }
            "axum-sqlite" => {
                let db = open(folder)?;
                let router = Router::new()
                    .route("/", post(answer_stored))
                    .with_state(Arc::new(Mutex::new(db)));
                Ok(axum::serve(listener, router).await?)
            }
            "axum-group" => {
                let router = Router::new()
                    .route("/", post(answer_grouped))
                    .with_state(start_writer(open(folder)?));
                Ok(axum::serve(listener, router).await?)
            }
            _ => Err(format!("there is no reference `{word}`").into()),
        }
    })
}

async fn answer(Json(order): Json<Order>) -> Json<Counted> {
    Json(count(order))
}

async fn answer_stored(
    State(db): State<Arc<Mutex<Connection>>>,
    body: Bytes,
) -> std::result::Result<Json<Counted>, StatusCode> {
    let stored = body.clone();
    let write = move || {
        let db = db.lock().unwrap_or_else(PoisonError::into_inner);
        db.prepare_cached("INSERT INTO execution (body) VALUES (?1)")?
            .execute([&stored[..]])
    };
    let written = tokio::task::spawn_blocking(write).await;
    if !matches!(written, Ok(Ok(1))) {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let order = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    Ok(Json(count(order)))
}

/// A body to store, and whom to tell that it is.
type Waiting = (Bytes, oneshot::Sender<()>);

/// Starts the thread that commits whatever waits.
fn start_writer(mut db: Connection) -> Sender<Waiting> {
    let (sender, waiting) = mpsc::channel::<Waiting>();
    std::thread::spawn(move || {
        while let Ok(first) = waiting.recv() {
            let batch: Vec<Waiting> = std::iter::once(first).chain(waiting.try_iter()).collect();
            // Who hears nothing answers 503.
            if insert(&mut db, &batch).is_ok() {
                for (_, stored) in batch {
                    let _ = stored.send(());
                }
            }
        }
    });
    sender
}

fn insert(db: &mut Connection, batch: &[Waiting]) -> rusqlite::Result<()> {
    let commit = db.transaction()?;
    for (body, _) in batch {
        commit
            .prepare_cached("INSERT INTO execution (body) VALUES (?1)")?
            .execute([&body[..]])?;
    }
    commit.commit()
}

async fn answer_grouped(
    State(writer): State<Sender<Waiting>>,
    body: Bytes,
) -> std::result::Result<Json<Counted>, StatusCode> {
    let (stored, waits) = oneshot::channel();
    let sent = writer.send((body.clone(), stored));
    if sent.is_err() || waits.await.is_err() {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let order = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    Ok(Json(count(order)))
}

fn open(folder: &Path) -> Result<Connection> {
    let db = Connection::open(folder.join("reference.db"))?;
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.execute_batch("CREATE TABLE IF NOT EXISTS execution (key INTEGER PRIMARY KEY, body BLOB)")?;
    Ok(db)
}

async fn hyper(listener: TcpListener) -> Result<()> {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let connection =
            http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(echo));
        connections.spawn(async move {
            // A caller that hangs up is no fault.
            let _ = connection.await;
        });
    }
}

async fn echo(
    request: Request<Incoming>,
) -> std::result::Result<Response<Full<Bytes>>, Infallible> {
    let counted = async {
        let body = request.into_body().collect().await.ok()?.to_bytes();
        let order: Order = serde_json::from_slice(&body).ok()?;
        serde_json::to_vec(&count(order)).ok()
    };
    let mut response = Response::new(Full::default());
    match counted.await {
        Some(body) => *response.body_mut() = Full::new(body.into()),
        None => *response.status_mut() = StatusCode::BAD_REQUEST,
    }
    Ok(response)
}
