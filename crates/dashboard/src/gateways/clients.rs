//! `/projects/{project}/gateways/{gateway}/clients`: the OAuth clients of a gateway, those that are kept out, and those that
//! were registered beforehand.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{
    client_use::{ClientBlock, ClientUse},
    gateway::{Gateway, GatewaySettings},
    id::{ClientBlockId, ClientId, GatewayId},
    preregistered_client::PreregisteredClient,
    secret::Secret,
};
use gatewright_store::PageRequest;

use crate::{
    Admin,
    counted::counted,
    error::PageError,
    flash::Flash,
    form::{Asked, Form, Posted},
    moment::Moment,
    page::{self, Frame, ProjectLink, Section},
    service::{
        IfMatch, ServiceError,
        clients::{self as service, NewClientBlock},
        gateways,
        preregistered_clients::{self as preregistered, NewPreregisteredClient, SecretRotation, WithSecret},
    },
    session::InProject,
};

/// Clients on a page. Few gateways have more.
const ON_A_PAGE: u32 = 50;
/// The number of blocked and registered clients shown; the API has all of them.
const OTHERS: u32 = 200;

/// How a client proves who it is: the name in the API, and what it says.
const METHODS: [(&str, &str, &str); 3] = [
    (
        "none",
        "Public",
        "A program on people’s own machines, which cannot keep a secret.",
    ),
    (
        "client_secret_basic",
        "Confidential, secret in a header",
        "A program on a server. It gets a secret, shown once.",
    ),
    (
        "client_secret_post",
        "Confidential, secret in the form",
        "The same, for programs that send the secret in the body.",
    ),
];

struct ClientRow {
    id: String,
    name: String,
    kind: &'static str,
    grants: String,
    last_used: Moment,
    question: String,
}

struct BlockedRow {
    client_id: String,
    name: String,
    since: Moment,
    unblock: String,
}

struct RegisteredRow {
    id: String,
    name: String,
    redirect_uris: Vec<String>,
    method: &'static str,
    created: Moment,
    secret_changed: Option<Moment>,
    path: String,
}

/// A client that was just registered, or got a new secret.
struct Made {
    name: String,
    id: String,
    secret: Option<String>,
}

#[derive(Template)]
#[template(path = "dashboard/gateways/clients.html")]
struct ClientsPage {
    frame: Frame,
    project: ProjectLink,
    path: String,
    name: String,
    settings: GatewaySettings,
    is_oauth: bool,
    may_change: bool,
    made: Option<Made>,
    action_form: Form,
    clients: Vec<ClientRow>,
    /// Where the API has all of them.
    export: String,
    first: Option<String>,
    next: Option<String>,
    blocked: Vec<BlockedRow>,
    registered: Vec<RegisteredRow>,
    form: Form,
    methods: &'static [(&'static str, &'static str, &'static str)],
}

/// What a page shows in addition to the lists.
#[derive(Default)]
struct Extras {
    cursor: Option<String>,
    made: Option<Made>,
    action_form: Form,
    form: Option<Form>,
}

/// GET `/projects/{project}/gateways/{gateway}/clients`.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    let extras = Extras {
        cursor: asked.text("cursor").map(str::to_owned),
        ..Extras::default()
    };
    render(&app, &place, extras).await
}

/// POST `…/clients/block`.
pub(super) async fn block(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    let id: GatewayId = place.id("gateway", "gateway")?;
    let new = NewClientBlock {
        client_id: posted.text("client_id").to_owned(),
    };
    let (authority, project) = (&place.visit.authority, place.project.id);
    match service::block(&app, authority, project, id, new).await {
        Ok(_) => Ok(done(&place, id, Flash::ClientBlocked)),
        Err(error) => refused(&app, &place, &posted, error).await,
    }
}

/// POST `…/blocked-clients/{block}/unblock`.
pub(super) async fn unblock(State(app): State<Arc<Admin>>, place: InProject) -> Result<Response, PageError> {
    let id: GatewayId = place.id("gateway", "gateway")?;
    let block: ClientBlockId = place.id("block", "blocked client")?;
    service::unblock(&app, &place.visit.authority, place.project.id, id, block).await?;
    Ok(done(&place, id, Flash::ClientUnblocked))
}

/// POST `…/clients`: registers a client beforehand. The answer is the page itself: the secret exists in it alone, and
/// nowhere from where another page could show it.
pub(super) async fn register(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    let id: GatewayId = place.id("gateway", "gateway")?;
    let uris = posted.text("redirect_uris").lines().map(str::trim);
    let new = NewPreregisteredClient {
        name: posted.text("name").to_owned(),
        redirect_uris: uris.filter(|uri| !uri.is_empty()).map(str::to_owned).collect(),
        token_endpoint_auth_method: posted.text("token_endpoint_auth_method").to_owned(),
        jwks: None,
    };
    let (authority, project) = (&place.visit.authority, place.project.id);
    let extras = match preregistered::create(&app, authority, project, id, new).await {
        Ok(made) => Extras {
            made: Some(shown_once(made)),
            ..Extras::default()
        },
        Err(error) => {
            let fields = ["name", "redirect_uris", "token_endpoint_auth_method"];
            Extras {
                form: Some(Form::refused(&posted, &fields, &[], error)?),
                ..Extras::default()
            }
        }
    };
    render(&app, &place, extras).await
}

/// POST `…/registered-clients/{client}/secret`: a new secret; the old one keeps working for a day.
pub(super) async fn rotate(State(app): State<Arc<Admin>>, place: InProject) -> Result<Response, PageError> {
    let (id, client) = client_in(&place)?;
    let (authority, project) = (&place.visit.authority, place.project.id);
    let rotation = SecretRotation::default();
    let made =
        preregistered::rotate_secret(&app, authority, project, id, client, rotation, &IfMatch::Any).await?;
    let extras = Extras {
        made: Some(shown_once(made)),
        ..Extras::default()
    };
    render(&app, &place, extras).await
}

/// POST `…/registered-clients/{client}/delete`.
pub(super) async fn delete(State(app): State<Arc<Admin>>, place: InProject) -> Result<Response, PageError> {
    let (id, client) = client_in(&place)?;
    let (authority, project) = (&place.visit.authority, place.project.id);
    preregistered::delete(&app, authority, project, id, client, &IfMatch::Any).await?;
    Ok(done(&place, id, Flash::ClientDeleted))
}

fn client_in(place: &InProject) -> Result<(GatewayId, ClientId), PageError> {
    Ok((place.id("gateway", "gateway")?, place.id("client", "client")?))
}

fn done(place: &InProject, id: GatewayId, flash: Flash) -> Response {
    page::done(&place.path(&format!("/gateways/{id}/clients")), flash)
}

fn shown_once(made: WithSecret) -> Made {
    Made {
        name: made.client.name,
        id: made.client.id.to_string(),
        secret: made
            .secret
            .as_ref()
            .map(|secret: &Secret| secret.expose().to_owned()),
    }
}

/// The page again, saying why a client was not blocked.
async fn refused(
    app: &Admin,
    place: &InProject,
    posted: &Posted,
    error: ServiceError,
) -> Result<Response, PageError> {
    let extras = Extras {
        action_form: Form::refused(posted, &[], &[], error)?,
        ..Extras::default()
    };
    render(app, place, extras).await
}

async fn render(app: &Admin, place: &InProject, extras: Extras) -> Result<Response, PageError> {
    let id: GatewayId = place.id("gateway", "gateway")?;
    let (authority, project) = (&place.visit.authority, place.project.id);
    let page_of = |after, limit| PageRequest { after, limit };
    let gateway: Gateway = gateways::find(app, authority, project, id).await?;
    let request = page_of(extras.cursor.clone(), ON_A_PAGE);
    let clients = service::list(app, authority, project, id, &request).await?;
    let blocked = service::list_blocked(app, authority, project, id, &page_of(None, OTHERS)).await?;
    let registered = preregistered::list(app, authority, project, id, &page_of(None, OTHERS)).await?;
    let now = app.now();
    let path = place.path(&format!("/gateways/{id}"));
    let form = extras
        .form
        .unwrap_or_else(|| Form::with([("token_endpoint_auth_method", "none")]));
    let status = if extras.action_form.is_refused() {
        extras.action_form.status()
    } else {
        form.status()
    };
    let blocked_row = |block: ClientBlock| BlockedRow {
        since: Moment::new(block.created_at, now),
        unblock: format!("{path}/blocked-clients/{}/unblock", block.id),
        client_id: block.client_id,
        name: block.client_name,
    };
    let registered_row = |client: PreregisteredClient| registered_row(&path, &client, now);
    Ok(page::show_with(
        status,
        &ClientsPage {
            frame: place.frame(Section::Gateways),
            project: place.project.clone(),
            name: gateway.name,
            settings: gateway.settings,
            is_oauth: gateway.authentication.is_oauth(),
            may_change: place.may_change(),
            made: extras.made,
            action_form: extras.action_form,
            clients: clients
                .items
                .into_iter()
                .map(|client| client_row(client, now))
                .collect(),
            export: format!("/api/v1{path}/clients?"),
            first: extras.cursor.map(|_| format!("{path}/clients")),
            next: clients.next.map(|next| format!("{path}/clients?cursor={next}")),
            blocked: blocked.items.into_iter().map(blocked_row).collect(),
            registered: registered.items.into_iter().map(registered_row).collect(),
            form,
            methods: &METHODS,
            path,
        },
    ))
}

fn client_row(client: ClientUse, now: gatewright_domain::Timestamp) -> ClientRow {
    let grants = counted(client.grants, "session");
    let ends = if client.grants == 1 { "ends" } else { "end" };
    ClientRow {
        kind: client.kind.label(),
        last_used: Moment::new(client.last_used_at, now),
        question: format!(
            "Its {grants} {ends} with the next request, and no one can sign in with it until you unblock it."
        ),
        grants,
        id: client.client_id,
        name: client.client_name,
    }
}

fn registered_row(
    path: &str,
    client: &PreregisteredClient,
    now: gatewright_domain::Timestamp,
) -> RegisteredRow {
    let method = client.proof.method().as_str();
    let known = METHODS.iter().find(|(value, _, _)| *value == method);
    let hashes = client.proof.hashes();
    RegisteredRow {
        id: client.id.to_string(),
        name: client.name.clone(),
        redirect_uris: client
            .redirect_uri_texts()
            .into_iter()
            .map(str::to_owned)
            .collect(),
        method: known.map_or("Signs with its own key", |(_, label, _)| {
            label.split(',').next().unwrap_or(label)
        }),
        created: Moment::new(client.created_at, now),
        secret_changed: hashes.map(|hashes| Moment::new(hashes.changed_at, now)),
        path: format!("{path}/registered-clients/{}", client.id),
    }
}
