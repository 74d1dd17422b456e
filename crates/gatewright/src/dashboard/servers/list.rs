//! The list of servers.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use gatewright_domain::server::{IdentityForwarding, Server};

use crate::{
    app::App,
    dashboard::{
        error::PageError,
        form::Asked,
        icon::Icon,
        list::{self, ObjectRow, Words},
        page::Section,
        session::InProject,
    },
    service::servers as service,
};

const WORDS: Words = Words {
    path: "/servers",
    section: Section::Servers,
    title: "Servers",
    lead: "The MCP servers whose tools gateways offer.",
    icon: Icon::Server,
    empty_title: "No server yet",
    empty_text: "A server is an MCP endpoint reached by Streamable HTTP. Gateways offer its tools to your users.",
    detail_head: "Told about the user",
    has_status: false,
};

/// GET `/projects/{project}/servers`.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    let request = list::request(&asked);
    let read = service::list(&app, &place.visit.authority, place.project.id, &request).await?;
    let row = |server: Server| ObjectRow {
        name: server.name,
        place: server.url,
        detail: match server.identity {
            IdentityForwarding::None => "Nothing",
            IdentityForwarding::Assertion => "A signed assertion",
        }
        .to_owned(),
        badges: Vec::new(),
    };
    Ok(list::render(&place, &WORDS, &request, read, row, None))
}
