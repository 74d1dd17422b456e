//! The way into the dashboard without a password: a link that only the terminal of the demo shows. It is a route of the demo's
//! own router, so `serve` has none.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Extension, Router,
    extract::{Path, State},
    response::Response,
    routing::get,
};
use gatewright_domain::{
    entropy,
    id::{AccountId, ProjectId},
    token_hash::TokenHash,
};
use http::HeaderMap;

use gatewright_admin::{Admin, Visitor};

use crate::{
    operator::{ServiceError, demo},
    request::RequestContext,
};

/// The path that the token follows.
const PATH: &str = "/demo";
/// What the page of a link that does not work says.
const ADVICE: &str = "Each start of the demo prints a new link, and the one that your browser was opened with works once. Look at the end of what \
                      the demo printed in its terminal.";

/// Links to the dashboard, and where they lead. They are created again at each start and known only to this process.
pub(super) struct Door {
    account: AccountId,
    project: ProjectId,
    /// Of the link to print: it works for as long as the demo runs.
    printed: TokenHash,
    /// Of the link to open a browser with, which other users of the machine may see in the list of processes: it works once.
    opened: Mutex<Option<TokenHash>>,
}

/// The two links of a door.
pub(super) struct Links {
    /// To print.
    pub(super) printed: String,
    /// To open a browser with.
    pub(super) opened: String,
}

impl Door {
    /// A door for an account into a project, with its links.
    pub(super) fn new(app: &Admin, account: AccountId, project: ProjectId) -> (Self, Links) {
        let [printed, opened] = [(); 2].map(|()| entropy::token(app.entropy.as_ref()));
        let link = |token: &str| format!("{}{PATH}/{token}", app.config.public_url());
        let links = Links {
            printed: link(&printed),
            opened: link(&opened),
        };
        let door = Self {
            account,
            project,
            printed: TokenHash::of(&printed),
            opened: Mutex::new(Some(TokenHash::of(&opened))),
        };
        (door, links)
    }

    fn opens_to(&self, token: &str) -> bool {
        let token = TokenHash::of(token);
        if token == self.printed {
            return true;
        }
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.take_if(|hash| *hash == token).is_some()
    }
}

/// The route of the door.
pub(super) fn routes(door: Door) -> Router<Arc<Admin>> {
    Router::new()
        .route(&format!("{PATH}/{{token}}"), get(enter))
        .layer(Extension(Arc::new(door)))
}

/// GET `/demo/{token}`: signs in and leads to the demo's project. The only GET that acts: a person with the link may be
/// signed in by it as often as they like.
async fn enter(
    State(app): State<Arc<Admin>>,
    Extension(context): Extension<RequestContext>,
    Extension(door): Extension<Arc<Door>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response {
    if !door.opens_to(&token) {
        return gatewright_dashboard::dead_link(&context, ADVICE);
    }
    let visitor = Visitor::of(&context, &headers, app.config.public_url());
    let begun = demo::sign_in(&app, &visitor, door.account).await;
    let begun = begun.and_then(|begun| {
        begun.ok_or_else(|| ServiceError::Forbidden("The account of the demo was disabled.".to_owned()))
    });
    gatewright_dashboard::signed_in(&app, &context, begun, &format!("/projects/{}", door.project))
}
