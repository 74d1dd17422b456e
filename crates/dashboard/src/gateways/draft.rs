//! The form of a gateway that is put aside while someone connects an identity provider. It travels in the address, so that
//! nothing is kept on the server, a page can be loaded again, and every replica can show the next one. There is nothing
//! secret in it. Anyone can write such an address, so the form says where its values came from, and whom the gateway trusts
//! does not travel.

use axum::response::Response;
use gatewright_domain::{
    Invalid,
    gateway::Gateway,
    id::{GatewayId, UserSourceId},
    user_source::UserSourceStatus,
};
use url::form_urlencoded;

use super::{editor, fields};
use crate::{
    Admin,
    error::PageError,
    flash::Flash,
    form::{Asked, Posted},
    page,
    service::{
        IfMatch, Patch,
        effects::Run,
        user_sources::{self, UserSourcePatch},
    },
    session::InProject,
};

/// What the names of its fields begin with in an address.
const PREFIX: &str = "gateway.";
/// The gateway that is being changed; a new one has no such field.
const ID: &str = "id";
/// Proxies take some 8 kB of request line. Only a form with hundreds of chosen tools is longer.
const MAX_BYTES: usize = 6_000;

/// A form that was put aside.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    /// The gateway it is made from.
    gateway: Option<GatewayId>,
    /// Its fields, encoded for an address.
    query: String,
}

impl Draft {
    /// The form as it was sent.
    fn of(posted: &Posted, gateway: Option<GatewayId>) -> Self {
        let id = gateway.map(|id| id.to_string());
        let id = id.iter().map(|id| (ID, id.as_str()));
        let travels = |name: &str| fields::SHOWN.contains(&name) && !fields::TRUST.contains(&name);
        let typed = posted.pairs().filter(|(name, _)| travels(name));
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(
                id.chain(typed)
                    .map(|(name, value)| (format!("{PREFIX}{name}"), value)),
            )
            .finish();
        Self { gateway, query }
    }

    /// The form an address carries, if it carries one.
    pub(crate) fn asked(asked: &Asked) -> Option<Self> {
        let posted = asked.below(PREFIX)?;
        let gateway = posted.text(ID).parse().ok();
        Some(Self::of(&posted, gateway))
    }

    /// What carries it along: to be put into an address after its `?` or `&`.
    pub(crate) fn query(&self) -> &str {
        &self.query
    }

    /// Where it is shown again, with this source chosen.
    pub(crate) fn form_with(&self, place: &InProject, source: Option<UserSourceId>) -> String {
        let form = match self.gateway {
            Some(id) => place.path(&format!("/gateways/{id}/edit")),
            None => place.path("/gateways/new"),
        };
        let source = source.map(|id| format!("&source={id}")).unwrap_or_default();
        format!("{form}?{}{source}", self.query)
    }
}

/// The form an address carries, as if it had just been sent, with the trusted clients the gateway has. A source that was made
/// or activated in the meantime is chosen.
pub(super) fn read(asked: &Asked, gateway: Option<&Gateway>) -> Option<Posted> {
    let mut posted = asked.below(PREFIX)?;
    let present = gateway.map(fields::of_gateway).unwrap_or_default();
    for name in fields::TRUST {
        posted.replace_all(name, present.all(name));
    }
    if let Some(source) = asked.text("source") {
        posted.replace("user_source_id", source);
    }
    Some(posted)
}

/// What a form asks for that puts it aside: to connect a provider, or to activate a source that is there.
pub(super) async fn put_aside(
    app: &Admin,
    place: &InProject,
    posted: &Posted,
    gateway: Option<&Gateway>,
) -> Result<Option<Response>, PageError> {
    let wants_provider = !posted.text("connect").is_empty();
    let wanted: Option<UserSourceId> = posted.text("activate").parse().ok();
    if !wants_provider && wanted.is_none() {
        return Ok(None);
    }
    let draft = Draft::of(posted, gateway.map(|gateway| gateway.id));
    if draft.query.len() > MAX_BYTES {
        let detail = "This form is too long to be kept while you do that. Save the gateway as it is first, for example with \
                      members of the project as its users.";
        let refused = Invalid::one("/user_source_id", detail).into();
        return editor::refused(app, place, posted, gateway, refused)
            .await
            .map(Some);
    }
    let Some(source) = wanted else {
        let path = place.path(&format!("/user-sources/new?{}", draft.query));
        return Ok(Some(page::go(&path, [])));
    };
    let patch = UserSourcePatch {
        status: Patch::Set(UserSourceStatus::Active),
        ..UserSourcePatch::default()
    };
    let (authority, project) = (&place.visit.authority, place.project.id);
    user_sources::update(app, authority, project, source, patch, &IfMatch::Any, Run::Change).await?;
    let form = draft.form_with(place, Some(source));
    Ok(Some(page::done(&form, Flash::SourceActivated)))
}
