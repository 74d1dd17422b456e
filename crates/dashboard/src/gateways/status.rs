//! POST `/projects/{project}/gateways/{gateway}/status`: activate and deactivate.

use axum::response::Response;
use gatewright_domain::{gateway::GatewayStatus, id::GatewayId};

use super::{delete::Gateways, detail};
use crate::{
    Admin,
    error::PageError,
    flash::Flash,
    form::Form,
    service::{
        IfMatch, Patch, ServiceError,
        effects::Run,
        gateways::{self as service, GatewayPatch},
    },
    session::InProject,
    switching::Switchable,
};

impl Switchable for Gateways {
    type Status = GatewayStatus;

    const INACTIVE: GatewayStatus = GatewayStatus::Inactive;
    const ACTIVATED: Flash = Flash::GatewayActivated;
    const DEACTIVATED: Flash = Flash::GatewayDeactivated;

    async fn set(
        app: &Admin,
        place: &InProject,
        id: GatewayId,
        status: GatewayStatus,
    ) -> Result<(), ServiceError> {
        let patch = GatewayPatch {
            status: Patch::Set(status),
            ..GatewayPatch::default()
        };
        let (authority, project) = (&place.visit.authority, place.project.id);
        let done = service::update(app, authority, project, id, patch, &IfMatch::Any, Run::Change).await;
        done.map(|_| ())
    }

    async fn render(
        app: &Admin,
        place: &InProject,
        id: GatewayId,
        form: Form,
    ) -> Result<Response, PageError> {
        detail::render(app, place, id, form).await
    }
}
