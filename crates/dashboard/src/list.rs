//! What lists of things in a project share: states in a word, and pages.

use gatewright_domain::{gateway::GatewayStatus, id::GatewayId};
use gatewright_store::PageRequest;

use super::{form::Asked, session::InProject};

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

/// A gateway that something else is about.
pub(super) struct GatewayLink {
    pub(super) href: String,
    pub(super) name: String,
    pub(super) is_active: bool,
    /// An additional word about it; can be empty.
    pub(super) more: &'static str,
}

impl GatewayLink {
    pub(super) fn new(place: &InProject, id: GatewayId, name: String, status: GatewayStatus) -> Self {
        Self {
            href: place.path(&format!("/gateways/{id}")),
            name,
            is_active: status == GatewayStatus::Active,
            more: "",
        }
    }
}

/// The page of a list that an address asks for.
pub(super) fn request(asked: &Asked) -> PageRequest {
    PageRequest {
        after: asked.text("cursor").map(str::to_owned),
        limit: ON_A_PAGE,
    }
}
