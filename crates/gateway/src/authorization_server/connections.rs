//! The connections page of a gateway: a person sees the clients that act for them here, and signs one out. They prove who they are
//! by signing in, at the identity provider or as a member, and see and end nothing but their own.

use std::sync::Arc;

use axum::response::Response;
use gatewright_domain::{
    Timestamp,
    account::Account,
    audit::{Actor, ActorKind, AuditEvent, FieldChange, Origin, chain::Stamp},
    gateway::Authentication,
    grant::{Grant, RevocationReason},
    id::GrantId,
    token_hash::TokenHash,
    user::User,
    user_source::UserSource,
};
use gatewright_store::{
    StoreError, Tx, Urgency, audit, connection_session,
    grant::{self as grants, Holder},
};
use http::HeaderMap;
use serde::Serialize;
use url::form_urlencoded;

use super::{
    AuthorizationServer,
    answer::redirect,
    authorize::{gateway_page, limited_page, unavailable_page},
    departure::no_departure_page,
    gateway::{self, GatewayError},
    limits::{Action, Limited},
    members::{self, AtBrowser, MemberError},
    token::announce_revocation,
};
use crate::{
    directory::GatewayEntry,
    page::{self, ConnectedApp, ConnectionsPage, ErrorPage, SignInBy},
    request::RequestContext,
    same_origin::is_same_origin,
    user_session,
};

/// A person has at most so many live grants at a gateway (`grant::make_room`), so that the page needs no second one.
const SHOWN: u32 = 100;

/// Why the page cannot be shown, or a click on it was not acted upon.
#[derive(Debug, thiserror::Error)]
enum ConnectionsError {
    /// No such gateway, or it does not sign people in.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// Too many requests.
    #[error(transparent)]
    Limited(#[from] Limited),
    /// The form was posted from another site.
    #[error("the form was posted from another site")]
    CrossSite,
    /// There is no identity provider to sign in at: members sign in with their account.
    #[error("the gateway has no active User Source")]
    NoSource,
    /// The account at the browser is not a member.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ConnectionsError {
    fn into_response(self, context: &RequestContext) -> Response {
        let reference = context.id.reference();
        match self {
            Self::Gateway(error) => gateway_page(error, reference),
            Self::Limited(limited) => limited_page(limited, reference),
            Self::CrossSite => {
                tracing::info!(request = %context.id, reason = %self, "a click on the connections page was refused");
                page::error(&ErrorPage {
                    status: http::StatusCode::FORBIDDEN,
                    title: "We did not accept this click".to_owned(),
                    explanation: "It did not come from a page of ours, or your browser does not say where it came from. Nothing was changed.".to_owned(),
                    advice: "Open the page of your connected apps again and click there.".to_owned(),
                    reference,
                })
            }
            Self::NoSource => no_departure_page(false, reference),
            Self::Member(error) => error.into_response(context, reference),
            Self::Store(error) => {
                tracing::error!(request = %context.id, error = &error as &dyn std::error::Error, "the connections page could not be served");
                unavailable_page(reference)
            }
        }
    }
}

/// Who is at the browser, by a session of this gateway or of their account.
enum Viewer {
    User(User),
    Member(Account),
    NoOne,
}

impl Viewer {
    /// Whose grants are shown.
    const fn holder(&self) -> Option<Holder> {
        match self {
            Self::User(user) => Some(Holder::User(user.id)),
            Self::Member(account) => Some(Holder::Member(account.id)),
            Self::NoOne => None,
        }
    }

    /// What they are called.
    fn name(&self) -> Option<&str> {
        match self {
            Self::User(user) => {
                let name = user.display_name.as_deref().or(user.email.as_deref());
                Some(name.unwrap_or(&user.key.subject))
            }
            Self::Member(account) => Some(&account.name),
            Self::NoOne => None,
        }
    }
}

/// GET of the page. `signed_out` says that a client was signed out just now.
pub(crate) async fn show(
    app: &AuthorizationServer,
    slug: &str,
    signed_out: bool,
    context: &RequestContext,
    headers: &HeaderMap,
) -> Response {
    let shown = async {
        let entry = enter(app, slug, context)?;
        let _place = app
            .admission
            .enter(Urgency::Person)
            .await
            .map_err(Limited::from)?;
        let viewer = viewer(app, &entry, headers).await?;
        let held = match viewer.holder() {
            Some(holder) => list(app, &entry, holder).await?,
            None => Vec::new(),
        };
        Ok::<_, ConnectionsError>(rendered(&entry, &viewer, &held, signed_out))
    };
    shown.await.unwrap_or_else(|error| error.into_response(context))
}

/// POST, the click on *Sign in*: the gateway and the source at which the sign-in begins, or the answer if none does.
pub(crate) fn begin(
    app: &AuthorizationServer,
    slug: &str,
    context: &RequestContext,
    headers: &HeaderMap,
) -> Result<(Arc<GatewayEntry>, Arc<UserSource>), Box<Response>> {
    let begun = || -> Result<_, ConnectionsError> {
        let entry = gateway::by_slug(app, context, slug)?;
        app.limits
            .check(Action::BeginSignIn, context, Some(entry.gateway.id))?;
        if !is_same_origin(headers, app.config.public_url()) {
            return Err(ConnectionsError::CrossSite);
        }
        let source = entry.source.clone().ok_or(ConnectionsError::NoSource)?;
        Ok((entry, source))
    };
    begun().map_err(|error| Box::new(error.into_response(context)))
}

/// POST, the click on *Sign out this app*. A grant that is not the viewer's own, or has ended, is left as it is: the list that
/// follows shows what there is.
pub(crate) async fn sign_out(
    app: &AuthorizationServer,
    slug: &str,
    grant: Option<GrantId>,
    context: &RequestContext,
    headers: &HeaderMap,
) -> Response {
    let done = async {
        let entry = enter(app, slug, context)?;
        if !is_same_origin(headers, app.config.public_url()) {
            return Err(ConnectionsError::CrossSite);
        }
        let _place = app
            .admission
            .enter(Urgency::Person)
            .await
            .map_err(Limited::from)?;
        let viewer = viewer(app, &entry, headers).await?;
        let ended = match (viewer.holder(), grant) {
            (Some(holder), Some(id)) => end(app, &entry, holder, id, context).await?,
            (None, _) | (_, None) => false,
        };
        let query = if ended { "?signed_out=1" } else { "" };
        Ok::<_, ConnectionsError>(redirect(&format!("{}{query}", path(&entry)), Vec::new()))
    };
    done.await.unwrap_or_else(|error| error.into_response(context))
}

/// POST, the click on *Close this page*: ends the session of a user. Members sign out in the dashboard.
pub(crate) async fn leave(
    app: &AuthorizationServer,
    slug: &str,
    context: &RequestContext,
    headers: &HeaderMap,
) -> Response {
    let left = async {
        let entry = enter(app, slug, context)?;
        let public_url = app.config.public_url();
        if !is_same_origin(headers, public_url) {
            return Err(ConnectionsError::CrossSite);
        }
        let (project, gateway) = (entry.gateway.project_id, entry.gateway.id);
        if let Some(token) = user_session::read(headers, public_url, gateway) {
            let hash = TokenHash::of(token.expose());
            let ended: Result<_, StoreError> = app
                .store
                .transact(Urgency::Person, move |tx| {
                    Box::pin(connection_session::end(tx, project, gateway, hash))
                })
                .await;
            ended?;
        }
        Ok::<_, ConnectionsError>(redirect(
            &path(&entry),
            vec![user_session::clear(public_url, gateway)],
        ))
    };
    left.await.unwrap_or_else(|error| error.into_response(context))
}

/// The gateway of a request for the page.
fn enter(
    app: &AuthorizationServer,
    slug: &str,
    context: &RequestContext,
) -> Result<Arc<GatewayEntry>, ConnectionsError> {
    let entry = gateway::by_slug(app, context, slug)?;
    app.limits
        .check(Action::Authorize, context, Some(entry.gateway.id))?;
    Ok(entry)
}

async fn viewer(
    app: &AuthorizationServer,
    entry: &GatewayEntry,
    headers: &HeaderMap,
) -> Result<Viewer, ConnectionsError> {
    match entry.gateway.authentication {
        Authentication::UserSource(_) => {
            let found = user_session::find(app, &entry.gateway, headers).await?;
            Ok(found.map_or(Viewer::NoOne, Viewer::User))
        }
        Authentication::ProjectMembers => match members::at_browser(app, entry, headers).await? {
            AtBrowser::Member(account) => Ok(Viewer::Member(account)),
            AtBrowser::Stranger(account) => Err(members::stranger(app, entry, &account).await?.into()),
            AtBrowser::NoOne => Ok(Viewer::NoOne),
        },
        Authentication::Headers => Err(GatewayError::NotFound.into()),
    }
}

async fn list(
    app: &AuthorizationServer,
    entry: &GatewayEntry,
    holder: Holder,
) -> Result<Vec<Grant>, StoreError> {
    let (project, gateway, now) = (entry.gateway.project_id, entry.gateway.id, app.now());
    app.store
        .look(move |tx| Box::pin(grants::list_at(tx, project, gateway, holder, now, SHOWN)))
        .await
}

/// Ends a grant of a person at this gateway, and writes its audit event; `false` if there is none or it has ended.
async fn end(
    app: &AuthorizationServer,
    entry: &GatewayEntry,
    holder: Holder,
    id: GrantId,
    context: &RequestContext,
) -> Result<bool, StoreError> {
    let (project, gateway, now) = (entry.gateway.project_id, entry.gateway.id, app.now());
    let stamp = Stamp::generate(app.clock.as_ref(), app.entropy.as_ref());
    let actor = Actor {
        kind: match holder {
            Holder::User(id) => ActorKind::User(id),
            Holder::Member(id) => ActorKind::Account(id),
        },
        address: Some(context.address.to_string()),
        origin: Origin::Gateway,
    };
    let ended: Result<_, StoreError> = app
        .store
        .transact(Urgency::Person, move |tx| {
            Box::pin(async move {
                let found = grants::find_unrevoked(tx, project, holder, id).await?;
                let Some(found) = found.filter(|found| found.gateway_id == gateway) else {
                    return Ok(false);
                };
                if !grants::revoke(tx, project, id, RevocationReason::Person, now).await? {
                    return Ok(false);
                }
                tell(tx, &found, stamp, actor, now).await?;
                Ok(true)
            })
        })
        .await;
    let ended = ended?;
    if ended {
        tracing::info!(grant = %id, %gateway, "a person signed out a client of theirs");
        announce_revocation(app, id).await;
    }
    Ok(ended)
}

/// Writes the audit event, in the transaction that ended the grant.
async fn tell(
    tx: &mut Tx,
    grant: &Grant,
    stamp: Stamp,
    actor: Actor,
    at: Timestamp,
) -> Result<(), StoreError> {
    let field = match grant.person.user_id() {
        Some(_) => "user_id",
        None => "account_id",
    };
    let event = AuditEvent {
        id: stamp.id,
        project_id: Some(grant.project_id),
        at,
        actor,
        action: "grant.ended".to_owned(),
        object_type: "grant".to_owned(),
        object_id: grant.id.to_string(),
        object_name: grant.client_name.clone(),
        changes: vec![
            told(field, grant.person.to_string()),
            told("gateway_id", grant.gateway_id),
        ],
        occurrences: 1,
        last_at: at,
        proofs: Some(stamp.proofs),
        seal: None,
    };
    audit::insert(tx, &event).await
}

fn told(field: &str, value: impl Serialize) -> FieldChange {
    FieldChange {
        field: field.to_owned(),
        before: None,
        after: Some(serde_json::to_value(value).expect("IDs are plain texts")),
    }
}

fn path(entry: &GatewayEntry) -> String {
    format!("/mcp/{}/connections", entry.gateway.slug)
}

fn rendered(entry: &GatewayEntry, viewer: &Viewer, held: &[Grant], signed_out: bool) -> Response {
    let path = path(entry);
    let sign_in = match entry.gateway.authentication {
        Authentication::UserSource(_) | Authentication::Headers => SignInBy::Form(format!("{path}/sign-in")),
        Authentication::ProjectMembers => {
            let next = form_urlencoded::Serializer::new(String::new())
                .append_pair("next", &path)
                .finish();
            SignInBy::Link(format!("/sign-in?{next}"))
        }
    };
    page::connections(&ConnectionsPage {
        gateway_name: &entry.gateway.name,
        viewer: viewer.name(),
        sign_in,
        leave: match viewer {
            Viewer::User(_) => Some(format!("{path}/leave")),
            Viewer::Member(_) | Viewer::NoOne => None,
        },
        signed_out,
        apps: held.iter().map(|grant| connected(grant, &path)).collect(),
    })
}

fn connected<'a>(grant: &'a Grant, path: &str) -> ConnectedApp<'a> {
    ConnectedApp {
        name: Some(grant.client_name.as_str()).filter(|name| !name.is_empty()),
        destination: grant.destination.as_deref(),
        offline_access: grant
            .scope
            .split(' ')
            .any(|scope| scope == gatewright_oauth::scope::OFFLINE_ACCESS),
        scope: &grant.scope,
        since: grant.created_at,
        last_used: grant.last_used_at,
        action: format!("{path}/{}/sign-out", grant.id),
    }
}
