//! One user: who they are, where they are signed in, and how their last sign-ins went.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{
    grant::Grant,
    id::UserId,
    user::{User, UserStatus},
};
use gatewright_store::{PageRequest, held_grants::HeldGrants, sign_in_attempt::AttemptFilter};

use super::list::called;
use crate::{
    Admin,
    activity::{self, Tiles},
    counted::counted,
    error::PageError,
    form::Asked,
    list,
    moment::Moment,
    page::{self, Frame, ProjectLink, Section, initial},
    service::{
        names::{self, Kind},
        sign_in_attempts,
        traffic::Subject,
        users as service,
    },
    session::InProject,
    sign_ins::{self, AttemptRow},
};

/// Sign-ins shown here; the list of all is one click away.
const SIGN_INS: u32 = 5;

struct SessionRow {
    client: String,
    client_id: String,
    gateway: String,
    gateway_path: String,
    since: Moment,
    last_used: Moment,
    ends: Moment,
    /// Where the form that ends it goes.
    end: String,
    /// What that form asks.
    question: String,
}

#[derive(Template)]
#[template(path = "dashboard/users/detail.html")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each decides about a part of the page of its own"
)]
struct UserPage {
    frame: Frame,
    project: ProjectLink,
    user: User,
    name: String,
    initial: String,
    source: String,
    is_blocked: bool,
    /// Whether the source has another issuer or subject claim now.
    is_former: bool,
    first_seen: Moment,
    last_seen: Moment,
    /// How much ends when they are blocked, in words.
    holds: String,
    /// What the form asks that ends all sessions.
    question: String,
    /// Where it goes.
    end_all: String,
    /// Whether there is a session to end, awake or asleep.
    is_signed_in: bool,
    /// "2 sessions" that sleep; they are in no list.
    asleep: Option<String>,
    sessions: Vec<SessionRow>,
    first: Option<String>,
    next: Option<String>,
    attempts: Vec<AttemptRow>,
    day: Tiles,
    may_manage: bool,
    path: String,
}

/// GET `/projects/{project}/users/{user}`.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    let id: UserId = place.id("user", "user")?;
    let request = list::request(&asked);
    let (authority, project) = (&place.visit.authority, place.project.id);
    let user = service::find(&app, authority, project, id).await?;
    let former = service::former(&app, authority, project, std::slice::from_ref(&user)).await?;
    let held = service::held(&app, authority, project, id).await?;
    let read = service::grants(&app, authority, project, id, &request).await?;
    let gateways = read.items.iter().map(|grant| grant.gateway_id.to_string());
    let gateways = names::of(&app, authority, project, Kind::Gateway, gateways).await?;
    let source = user.key.user_source_id.to_string();
    let sources = names::of(&app, authority, project, Kind::UserSource, [source.clone()]).await?;
    let filter = AttemptFilter {
        user_id: Some(id),
        ..AttemptFilter::default()
    };
    let last = PageRequest::first(SIGN_INS);
    let attempts = sign_in_attempts::list(&app, authority, project, &filter, &last).await?;
    let person = Subject::Person(id.to_string());
    let day = activity::tiles_of(&app, &place, &person, &format!("person={id}")).await?;
    let now = app.now();
    let path = place.path(&format!("/users/{id}"));
    let row = |grant: Grant| {
        let gateway = gateways.get(&grant.gateway_id.to_string());
        let gateway = gateway.cloned().unwrap_or_else(|| grant.gateway_id.to_string());
        SessionRow {
            question: format!(
                "{} at {gateway} is refused from its next request on. The person can sign in again there.",
                grant.client_name
            ),
            end: format!("{path}/sessions/{}/end", grant.id),
            client: grant.client_name,
            client_id: grant.client_id,
            gateway,
            gateway_path: place.path(&format!("/gateways/{}", grant.gateway_id)),
            since: Moment::new(grant.created_at, now),
            last_used: Moment::new(grant.last_used_at, now),
            ends: Moment::new(grant.ends_at, now),
        }
    };
    let (name, _) = called(&user);
    Ok(page::show(&UserPage {
        frame: place.frame(Section::Users),
        project: place.project.clone(),
        initial: initial(&name),
        name,
        source: sources.get(&source).cloned().unwrap_or(source),
        is_blocked: user.status == UserStatus::Blocked,
        is_former: former.contains(&user.id),
        first_seen: Moment::new(user.first_sign_in_at, now),
        last_seen: Moment::new(user.last_sign_in_at, now),
        question: format!("This ends {}. The person can sign in again.", in_words(held)),
        end_all: format!("{path}/sessions/end"),
        holds: in_words(held),
        is_signed_in: held.all() > 0,
        asleep: (held.asleep > 0).then(|| counted(held.asleep, "session")),
        sessions: read.items.into_iter().map(row).collect(),
        first: request.after.is_some().then(|| path.clone()),
        next: read.next.map(|next| format!("{path}?cursor={next}")),
        attempts: sign_ins::rows(&app, &place, attempts.items).await?,
        day,
        may_manage: place.may_change(),
        path,
        user,
    }))
}

/// "3 sessions at 2 gateways".
fn in_words(held: HeldGrants) -> String {
    let sessions = counted(held.all(), "session");
    let words = format!("{sessions} at {}", counted(held.gateways, "gateway"));
    match held.asleep {
        0 => words,
        asleep => format!("{words} ({asleep} paused)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_is_shown_in_numbers() {
        let held = |live, asleep, gateways| {
            in_words(HeldGrants {
                live,
                asleep,
                gateways,
                users: 1,
            })
        };
        assert_eq!(held(1, 0, 1), "1 session at 1 gateway");
        assert_eq!(held(3, 0, 2), "3 sessions at 2 gateways");
        assert_eq!(held(1, 2, 2), "3 sessions at 2 gateways (2 paused)");
        assert_eq!(held(0, 0, 0), "0 sessions at 0 gateways");
    }
}
