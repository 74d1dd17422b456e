//! POST `/projects/{project}/user-sources/{source}/status`: activate and deactivate.

use axum::response::Response;
use gatewright_domain::{id::UserSourceId, user_source::UserSourceStatus};

use super::{delete::Sources, detail};
use crate::{
    Admin,
    error::PageError,
    flash::Flash,
    form::Form,
    service::{
        IfMatch, Patch, ServiceError,
        effects::Run,
        user_sources::{self as service, UserSourcePatch},
    },
    session::InProject,
    switching::Switchable,
};

impl Switchable for Sources {
    type Status = UserSourceStatus;

    const INACTIVE: UserSourceStatus = UserSourceStatus::Inactive;
    const ACTIVATED: Flash = Flash::SourceActivated;
    const DEACTIVATED: Flash = Flash::SourceDeactivated;

    async fn set(
        app: &Admin,
        place: &InProject,
        id: UserSourceId,
        status: UserSourceStatus,
    ) -> Result<(), ServiceError> {
        let patch = UserSourcePatch {
            status: Patch::Set(status),
            ..UserSourcePatch::default()
        };
        let (authority, project) = (&place.visit.authority, place.project.id);
        let done = service::update(app, authority, project, id, patch, &IfMatch::Any, Run::Change).await;
        done.map(|_| ())
    }

    async fn render(
        app: &Admin,
        place: &InProject,
        id: UserSourceId,
        form: Form,
    ) -> Result<Response, PageError> {
        detail::render(app, place, id, form).await
    }
}
