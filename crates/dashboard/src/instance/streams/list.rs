//! `/instance/streams`: all streams.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{
    stream::{STREAMS_MAX, StreamKind},
    words::Worded as _,
};
use gatewright_store::PageRequest;

use super::{super::Administrator, Shown};
use crate::{
    Admin,
    error::PageError,
    page::{self, Frame, Section},
    service::streams as service,
};

#[derive(Template)]
#[template(path = "dashboard/instance/streams/list.html")]
struct StreamsPage {
    frame: Frame,
    streams: Vec<Shown>,
    kinds: Vec<(&'static str, &'static str)>,
}

/// GET `/instance/streams`.
pub(in crate::instance) async fn show(
    State(app): State<Arc<Admin>>,
    Administrator(visit): Administrator,
) -> Result<Response, PageError> {
    let all = PageRequest::first(u32::try_from(STREAMS_MAX).unwrap_or(u32::MAX));
    let read = service::list(&app, &visit.authority, &all).await?;
    let now = app.now();
    Ok(page::show(&StreamsPage {
        frame: visit.frame(Section::InstanceStreams),
        streams: read
            .items
            .iter()
            .map(|standing| Shown::new(standing, now))
            .collect(),
        kinds: StreamKind::choices(),
    }))
}
