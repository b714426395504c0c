//! The daemon's side of the API: requests that change something go to the one thread that owns the gateway; what only looks
//! is answered beside it, so that neither waits for the other.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    sync::{Arc, Mutex, PoisonError, mpsc::Sender},
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, State, rejection::JsonRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tokio::{net::UnixListener, sync::oneshot};

use super::{Stop, openapi};
use crate::{
    daemon::{Event, Health},
    error::Error,
    gateway,
    metrics::{self, Reloads},
    place::Place,
    request::{Apply, Block, Refusal, Reply, Request, SetEdit},
    stats::Stats,
    view::View,
};

/// A request on its way to the gateway.
pub struct Job {
    pub request: Request,
    pub answer: oneshot::Sender<Result<Reply, Refusal>>,
}

/// What handlers need.
#[derive(Clone)]
pub struct Server {
    pub events: Sender<Event>,
    pub place: Place,
    pub health: Arc<Health>,
    pub sight: Arc<Sight>,
}

/// What only looks at the counters: one look at a time, beside whatever is being changed.
pub struct Sight {
    place: Place,
    view: Mutex<Option<View>>,
}

impl Sight {
    pub fn new(place: &Place) -> Self {
        Self { place: place.clone(), view: Mutex::default() }
    }

    pub fn stats(&self) -> Result<Stats, Error> {
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        let mut open = match view.take() {
            Some(open) => open,
            None => View::open(&self.place)?,
        };
        let stats = open.read()?;
        // One that failed is not kept.
        *view = Some(open);
        Ok(stats)
    }
}

type Answer = Result<Response, Denied>;

/// A refusal on its way out.
struct Denied(StatusCode, Refusal);

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        (self.0, Json(self.1)).into_response()
    }
}

impl Server {
    /// Listens on the gateway's socket until the runtime ends.
    pub fn listen(self) -> Result<impl Future<Output = std::io::Result<()>>, Error> {
        let socket = self.place.socket();
        let failed = || Error::io(format!("listen on {}", socket.display()));
        // The lock is ours: what is there is a killed daemon's.
        match fs::remove_file(&socket) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed()(error)),
            _ => {}
        }
        let listener = UnixListener::bind(&socket).map_err(failed())?;
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o660)).map_err(failed())?;
        Ok(axum::serve(listener, self.router()).into_future())
    }

    fn router(self) -> Router {
        Router::new()
            .route("/v1/openapi.json", get(|| async { Json(openapi()) }))
            .route("/v1/status", get(status))
            .route("/v1/stats", get(stats))
            .route("/v1/metrics", get(metrics))
            .route("/v1/apply", post(apply))
            .route("/v1/rollback", post(rollback))
            .route("/v1/confirm", post(confirm))
            .route("/v1/sets/{name}", get(set).post(edit_set))
            .route("/v1/blocks", get(blocks).post(block))
            .route("/v1/unblock", post(unblock))
            .route("/v1/stop", post(stop))
            .fallback(|| async {
                Denied(StatusCode::NOT_FOUND, Refusal::usage("no such path; GET /v1/openapi.json has all"))
            })
            .with_state(self)
    }

    async fn perform(&self, request: Request) -> Answer {
        let (answer, answered) = oneshot::channel();
        let gone = || Denied(StatusCode::SERVICE_UNAVAILABLE, Refusal::usage("the daemon is ending"));
        self.events.send(Event::Job(Job { request, answer })).map_err(|_| gone())?;
        match answered.await {
            Ok(Ok(reply)) => Ok(Json(reply).into_response()),
            Ok(Err(refused)) => Err(Denied(StatusCode::UNPROCESSABLE_ENTITY, refused)),
            Err(_) => Err(gone()),
        }
    }

    /// Something that only looks, on a thread that may block.
    async fn look<T: IntoResponse + Send + 'static>(
        &self,
        look: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Answer {
        let this = self.clone();
        match tokio::task::spawn_blocking(move || look(&this)).await {
            Ok(Ok(answer)) => Ok(answer.into_response()),
            Ok(Err(error)) => Err(Denied(StatusCode::UNPROCESSABLE_ENTITY, error.into())),
            Err(_) => Err(Denied(StatusCode::INTERNAL_SERVER_ERROR, Refusal::usage("the look failed"))),
        }
    }
}

/// A body that is not what it must be is refused as everything else is.
type Checked<T> = Result<Json<T>, JsonRejection>;

fn body<T>(checked: Checked<T>) -> Result<T, Denied> {
    checked.map(|Json(body)| body).map_err(|rejection| {
        Denied(
            StatusCode::BAD_REQUEST,
            Refusal::usage(format!("the body cannot be read: {}", rejection.body_text())),
        )
    })
}

async fn apply(State(server): State<Server>, checked: Checked<Apply>) -> Answer {
    server.perform(Request::Apply(body(checked)?)).await
}

async fn rollback(State(server): State<Server>) -> Answer {
    server.perform(Request::Rollback).await
}

async fn confirm(State(server): State<Server>) -> Answer {
    server.perform(Request::Confirm).await
}

async fn edit_set(
    State(server): State<Server>,
    Path(name): Path<String>,
    checked: Checked<SetEdit>,
) -> Answer {
    server.perform(Request::EditSet(name, body(checked)?)).await
}

async fn block(State(server): State<Server>, checked: Checked<Block>) -> Answer {
    server.perform(Request::Block(body(checked)?)).await
}

async fn unblock(State(server): State<Server>, checked: Checked<Vec<String>>) -> Answer {
    server.perform(Request::Unblock(body(checked)?)).await
}

async fn stop(State(server): State<Server>, checked: Checked<Stop>) -> Answer {
    let stop = body(checked)?;
    let reply = if stop.detach {
        server.perform(Request::Detach).await?
    } else {
        Json(Reply::Detached { interfaces: Vec::new() }).into_response()
    };
    // Nobody listens any more when it is ending already.
    let _ = server.events.send(Event::Stop);
    Ok(reply)
}

async fn set(State(server): State<Server>, Path(name): Path<String>) -> Answer {
    let list = move |server: &Server| {
        let set = gateway::look_at_set(&server.place, &name)?;
        let mut text = String::with_capacity(set.len() * 16);
        for prefix in set.iter() {
            text += &prefix.to_string();
            text.push('\n');
        }
        Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], Body::from(text)))
    };
    server.look(list).await
}

async fn blocks(State(server): State<Server>) -> Answer {
    server.look(|server| Ok(Json(gateway::look_at_edits(&server.place)?.rows()))).await
}

async fn status(State(server): State<Server>) -> Answer {
    server.look(|server| Ok(Json(server.health.get()))).await
}

async fn stats(State(server): State<Server>) -> Answer {
    server.look(|server| Ok(Json(server.sight.stats()?))).await
}

pub async fn metrics(State(server): State<Server>) -> Response {
    let text = server.look(|server| {
        let reloads = Reloads { last_failed: server.health.get().reload_error.is_some() };
        let text = metrics::text(&server.sight.stats()?, &reloads);
        Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text))
    });
    text.await.into_response()
}
