//! The list of users.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{
    user::{User, UserStatus},
    words::Worded,
};

use crate::{
    Admin,
    error::PageError,
    filters::{self, Filters},
    form::Asked,
    list,
    moment::Moment,
    page::{self, Frame, ProjectLink, Section, initial},
    service::{
        names::{self, Kind},
        users::{self as service, UserFilter},
    },
    session::InProject,
};

const FILTERS: &[&str] = &["search", "source", "status"];

/// A state to filter by that is not one of theirs: known under an earlier issuer or subject claim.
const FORMER: (&str, &str) = ("former", "Former identities");

struct UserRow {
    href: String,
    initial: String,
    name: String,
    /// The e-mail address, if that is not the name.
    also: Option<String>,
    /// Their subject, which distinguishes people with the same name and address.
    claim: String,
    subject: String,
    source: String,
    last_seen: Moment,
    is_blocked: bool,
    /// Whether the source has another issuer or subject claim now.
    is_former: bool,
}

#[derive(Template)]
#[template(path = "dashboard/users/list.html")]
struct UsersPage {
    frame: Frame,
    project: ProjectLink,
    filters: Filters,
    /// Where the API has all of it.
    export: String,
    sources: Vec<(String, String)>,
    states: Vec<(&'static str, &'static str)>,
    users: Vec<UserRow>,
    first: Option<String>,
    next: Option<String>,
}

/// GET `/projects/{project}/users`.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    let filters = Filters::read(&place, "/users", &asked, FILTERS);
    let request = list::request(&asked);
    let (authority, project) = (&place.visit.authority, place.project.id);
    let wanted = wanted(&filters);
    let read = match &wanted {
        Some(filter) => service::list(&app, authority, project, filter, &request).await?,
        None => gatewright_store::Page::default(),
    };
    let ids = read.items.iter().map(|user| user.key.user_source_id.to_string());
    let named = names::of(&app, authority, project, Kind::UserSource, ids).await?;
    let former = service::former(&app, authority, project, &read.items).await?;
    let now = app.now();
    let row = |user: User| {
        let (name, also) = called(&user);
        UserRow {
            href: place.path(&format!("/users/{}", user.id)),
            initial: initial(&name),
            name,
            also: also.filter(|also| *also != user.key.subject),
            source: named
                .get(&user.key.user_source_id.to_string())
                .cloned()
                .unwrap_or_default(),
            last_seen: Moment::new(user.last_sign_in_at, now),
            is_blocked: user.status == UserStatus::Blocked,
            is_former: former.contains(&user.id),
            claim: user.key.claim,
            subject: user.key.subject,
        }
    };
    Ok(page::show(&UsersPage {
        frame: place.frame(Section::Users),
        project: place.project.clone(),
        sources: filters::sources(&app, &place, filters.text("source")).await?,
        states: UserStatus::choices().into_iter().chain([FORMER]).collect(),
        users: read.items.into_iter().map(row).collect(),
        first: request.after.is_some().then(|| filters.address(None)),
        next: read.next.map(|next| filters.address(Some(&next))),
        export: filters.export(
            &place.api("/users"),
            &[("search", "search"), ("source", "user_source_id")],
        ),
        filters,
    }))
}

/// What the address asks for; `None` when it names a source that cannot be.
fn wanted(filters: &Filters) -> Option<UserFilter> {
    Some(UserFilter {
        user_source_id: filters.text("source").map(str::parse).transpose().ok()?,
        status: filters.text("status").and_then(UserStatus::of_word),
        former: (filters.text("status") == Some(FORMER.0)).then_some(true),
        search: filters.text("search").map(str::to_owned),
    })
}

/// The name of a user, and what else is known about them: name, address and subject, the first two that are there.
pub(super) fn called(user: &User) -> (String, Option<String>) {
    let mut known = [&user.display_name, &user.email, &Some(user.key.subject.clone())]
        .into_iter()
        .flatten()
        .filter(|text| !text.trim().is_empty())
        .cloned()
        .collect::<Vec<_>>()
        .into_iter();
    let name = known.next().unwrap_or_else(|| user.id.to_string());
    (name, known.next())
}
