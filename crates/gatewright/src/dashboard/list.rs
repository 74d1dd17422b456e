//! What lists of things in a project share: rows with a state, page by page.

use askama::Template;
use axum::response::Response;
use gatewright_store::{Page, PageRequest};

use super::{
    form::Asked,
    icon::Icon,
    page::{self, Frame, ProjectLink, Section},
    session::InProject,
};

/// Rows on a page of a list.
const ON_A_PAGE: u32 = 50;

/// A word about the state of a thing.
pub(super) struct Badge {
    pub(super) look: &'static str,
    pub(super) text: &'static str,
}

/// Something that works.
pub(super) const ACTIVE: Badge = Badge {
    look: "good",
    text: "Active",
};
/// Something that is switched off.
pub(super) const INACTIVE: Badge = Badge {
    look: "",
    text: "Inactive",
};

/// A thing in the list.
pub(super) struct ObjectRow {
    pub(super) name: String,
    pub(super) place: String,
    pub(super) detail: String,
    pub(super) badges: Vec<Badge>,
}

/// What a list says of itself.
pub(super) struct Words {
    pub(super) path: &'static str,
    pub(super) section: Section,
    pub(super) title: &'static str,
    pub(super) lead: &'static str,
    pub(super) icon: Icon,
    pub(super) empty_title: &'static str,
    pub(super) empty_text: &'static str,
    pub(super) detail_head: &'static str,
    pub(super) has_status: bool,
}

#[derive(Template)]
#[template(path = "dashboard/objects.html")]
struct ObjectsPage {
    frame: Frame,
    project: ProjectLink,
    words: &'static Words,
    objects: Vec<ObjectRow>,
    first: Option<String>,
    next: Option<String>,
    /// The redirect URL to register at every provider, on the page of User Sources.
    callback: Option<String>,
}

/// The page of a list that an address asks for.
pub(super) fn request(asked: &Asked) -> PageRequest {
    PageRequest {
        after: asked.text("cursor").map(str::to_owned),
        limit: ON_A_PAGE,
    }
}

/// Shows a page of a list.
pub(super) fn render<T>(
    place: &InProject,
    words: &'static Words,
    request: &PageRequest,
    read: Page<T>,
    row: impl FnMut(T) -> ObjectRow,
    callback: Option<String>,
) -> Response {
    let path = place.path(words.path);
    page::show(&ObjectsPage {
        frame: place.frame(words.section),
        project: place.project.clone(),
        words,
        objects: read.items.into_iter().map(row).collect(),
        first: request.after.as_ref().map(|_| path.clone()),
        next: read.next.map(|next| format!("{path}?cursor={next}")),
        callback,
    })
}
