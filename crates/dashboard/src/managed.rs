//! That a file declares what a page shows, so that a change here does not last.

use gatewright_domain::Timestamp;

use super::{error::PageError, moment::Moment, session::InProject};
use crate::{Admin, service::declared as service};

/// The file.
#[derive(Debug)]
pub(super) struct Managed {
    pub(super) file: String,
    pub(super) at: Moment,
    /// Whether the thing was changed since.
    pub(super) is_changed: bool,
}

impl Managed {
    /// The file that declares what has this ID, if one does. `updated_at` is when that was last changed; `None` for a project,
    /// of which only the name can change.
    pub(super) async fn of(
        app: &Admin,
        place: &InProject,
        id: impl ToString,
        updated_at: Option<Timestamp>,
    ) -> Result<Option<Self>, PageError> {
        let (authority, project) = (&place.visit.authority, place.project.id);
        let found = service::managed(app, authority, project, &id.to_string()).await?;
        Ok(found.map(|managed| Self {
            at: Moment::new(managed.applied_at, app.now()),
            is_changed: updated_at.is_some_and(|at| at != managed.object_updated_at),
            file: managed.file,
        }))
    }
}
