//! Who requests a page: the account of the session cookie, looked up for every request, so that the end of a session
//! and a new role act on the next page.

use std::{collections::HashMap, net::IpAddr, str::FromStr, sync::Arc};

use axum::extract::{FromRequestParts, OriginalUri, RawPathParams};
use gatewright_domain::{audit::Origin, id::ProjectId, member::Role};
use http::{HeaderMap, HeaderName, Method, request::Parts};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::{
    error::PageError,
    flash::Flash,
    page::{Frame, ProjectLink, Section},
};
use crate::{
    Admin,
    account::visitor::Visitor,
    request::RequestContext,
    service::{
        Authority,
        account_sessions::{self, Session},
        projects,
    },
    session_cookie as cookie,
};

/// Projects the switcher shows in addition to the present one. The list of all is one click away.
const SWITCHER: usize = 6;

/// The characters that a value of a query cannot contain unencoded.
const QUERY_VALUE: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'<')
    .add(b'=')
    .add(b'>');

/// The header with which htmx asks for a part of a page.
const PART: HeaderName = HeaderName::from_static("hx-request");

/// Someone who is signed in.
pub(super) struct Visit {
    /// The account, its session and its projects.
    pub(super) session: Session,
    /// What is open to it.
    pub(super) authority: Authority,
    done: Option<Flash>,
}

/// Someone who is signed in and a member of the project in the path.
pub(super) struct InProject {
    /// Who.
    pub(super) visit: Visit,
    /// Where.
    pub(super) project: ProjectLink,
    /// As what.
    pub(super) role: Role,
    parameters: HashMap<String, String>,
}

/// Someone, signed in or not.
pub(super) struct Guest(pub(super) Visitor);

/// The session of a request, if there is one.
pub(super) async fn find(app: &Admin, headers: &HeaderMap) -> Result<Option<Session>, PageError> {
    let Some(token) = cookie::read(headers, app.config.public_url()) else {
        return Ok(None);
    };
    Ok(account_sessions::find(app, &token).await?)
}

fn address(parts: &Parts) -> IpAddr {
    let context = parts.extensions.get::<RequestContext>();
    context.map_or(IpAddr::from([0, 0, 0, 0]), |context| context.address)
}

/// Leads to the sign-in page, and back to the page that was requested. A form is not sent again automatically.
fn sign_in_first(parts: &Parts) -> PageError {
    // Inside a project, the router passes on only the rest of the path; the whole one is kept separately.
    let whole = parts.extensions.get::<OriginalUri>();
    let asked = whole.map_or(&parts.uri, |OriginalUri(uri)| uri).path_and_query();
    let asked = asked.map(http::uri::PathAndQuery::as_str);
    let next = asked.filter(|next| parts.method == Method::GET && *next != "/");
    PageError::SignIn {
        next: next.map(|next| utf8_percent_encode(next, QUERY_VALUE).to_string()),
        is_part: parts.headers.contains_key(PART),
    }
}

impl FromRequestParts<Arc<Admin>> for Visit {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<Admin>) -> Result<Self, PageError> {
        let found = find(app, &parts.headers).await?;
        let session = found.ok_or_else(|| sign_in_first(parts))?;
        Ok(Self {
            authority: Authority::of_session(&session, address(parts), Origin::Dashboard),
            session,
            done: Flash::of(&parts.headers),
        })
    }
}

impl FromRequestParts<Arc<Admin>> for InProject {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<Admin>) -> Result<Self, PageError> {
        let visit = Visit::from_request_parts(parts, app).await?;
        let raw = RawPathParams::from_request_parts(parts, app).await;
        let parameters: HashMap<String, String> = raw
            .iter()
            .flatten()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let id: ProjectId = parse(&parameters, "project").ok_or(PageError::NotFound("project"))?;
        let memberships = &visit.session.memberships;
        let Some(membership) = memberships.iter().find(|one| one.project_id == id) else {
            // Administrators of the instance are asked to join; for all others the project is not there.
            projects::find(app, &visit.authority, id).await?;
            return Err(PageError::Forbidden(
                "You are not a member of this project. As an administrator of the instance you can add yourself in the list \
                 of projects; the audit log will say so."
                    .to_owned(),
            ));
        };
        Ok(Self {
            project: ProjectLink {
                id,
                name: membership.project_name.clone(),
            },
            role: membership.role,
            visit,
            parameters,
        })
    }
}

impl FromRequestParts<Arc<Admin>> for Guest {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<Admin>) -> Result<Self, PageError> {
        let Some(context) = parts.extensions.get::<RequestContext>() else {
            return Err(PageError::NotFound("page"));
        };
        let public_url = app.config.public_url();
        Ok(Self(Visitor::of(context, &parts.headers, public_url)))
    }
}

impl Visit {
    /// The frame of a page outside of any project.
    pub(super) fn frame(&self, section: Section) -> Frame {
        self.frame_in(None, section)
    }

    fn frame_in(&self, project: Option<&ProjectLink>, section: Section) -> Frame {
        let others = self.session.memberships.iter().map(|membership| ProjectLink {
            id: membership.project_id,
            name: membership.project_name.clone(),
        });
        Frame {
            name: self.session.account.name.clone(),
            email: self.session.account.email.as_str().to_owned(),
            others: others
                .filter(|other| project.is_none_or(|open| open.id != other.id))
                .take(SWITCHER)
                .collect(),
            project: project.cloned(),
            manages_instance: self.authority.manages_instance(),
            section,
            done: self.done,
        }
    }
}

impl InProject {
    /// The frame of a page of the project.
    pub(super) fn frame(&self, section: Section) -> Frame {
        self.visit.frame_in(Some(&self.project), section)
    }

    /// Whether the account is an owner of the project.
    pub(super) fn is_owner(&self) -> bool {
        self.role == Role::Owner
    }

    /// Whether the account may change what is in the project.
    pub(super) fn may_change(&self) -> bool {
        self.role >= Role::Admin
    }

    /// Refuses a page that is only a form to those who cannot send it.
    pub(super) fn only_for_admins(&self) -> Result<(), PageError> {
        if self.may_change() {
            return Ok(());
        }
        Err(PageError::Forbidden(
            "As a viewer you see everything in this project and change nothing.".to_owned(),
        ))
    }

    /// The path of a page of the project.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("/projects/{}{rest}", self.project.id)
    }

    /// The path of a list of the project at the API.
    pub(super) fn api(&self, rest: &str) -> String {
        format!("/api/v1/projects/{}{rest}", self.project.id)
    }

    /// An id in the path.
    pub(super) fn id<T: FromStr>(&self, name: &str, what: &'static str) -> Result<T, PageError> {
        parse(&self.parameters, name).ok_or(PageError::NotFound(what))
    }
}

fn parse<T: FromStr>(parameters: &HashMap<String, String>, name: &str) -> Option<T> {
    parameters.get(name)?.parse().ok()
}
