//! `/healthz`: the process is alive. `/readyz`: it can answer requests, because the database answers and takes writes, and
//! the directory is fresh. Writing is tried by a job and not here, so that a readiness check writes nothing.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::Serialize;

use crate::Core;

/// A database that takes longer is not ready for anyone.
const DATABASE_DEADLINE: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    database: &'static str,
    writes: &'static str,
    directory: &'static str,
    /// Only if the listener answers HTTPS. It decides nothing: another process would be no better.
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<&'static str>,
}

/// `GET /healthz`.
pub(super) async fn alive() -> impl IntoResponse {
    Json(Health { status: "ok" })
}

/// `GET /readyz`; 503 while it should get no requests, also from the moment it begins to stop.
pub(super) async fn ready(State(core): State<Arc<Core>>) -> Response {
    let database = tokio::time::timeout(DATABASE_DEADLINE, database_answers(&core))
        .await
        .unwrap_or(false);
    let directory = core.directory.current().is_ok();
    let stopping = core.stopping.is_cancelled();
    let writes = core.telemetry.condition.takes_writes();
    let word = |good| if good { "ok" } else { "failing" };
    let ready = database && writes && directory && !stopping;
    let body = Readiness {
        status: if stopping { "stopping" } else { word(ready) },
        database: word(database),
        writes: word(writes),
        directory: word(directory),
        certificate: core.tls.standing().map(|tls| word(tls.is_good(core.now()))),
    };
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(body)).into_response()
}

async fn database_answers(core: &Core) -> bool {
    let Ok(mut tx) = core.store.read().await else {
        return false;
    };
    gatewright_store::revision::read(&mut tx).await.is_ok()
}
