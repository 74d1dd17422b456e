//! `/projects/{project}/gateways/{gateway}/delete`: what is deleted with a gateway.

use gatewright_domain::id::GatewayId;

use crate::{
    Admin,
    deleting::{Deletable, Going, Told},
    error::PageError,
    flash::Flash,
    page::Section,
    service::{
        IfMatch, ServiceError,
        effects::{Done, Effects, Run},
        gateways as service,
    },
    session::InProject,
};

/// Gateways.
pub(super) struct Gateways;

impl Deletable for Gateways {
    type Id = GatewayId;

    const PARAMETER: &'static str = "gateway";
    const NOUN: &'static str = "gateway";
    const LIST: &'static str = "/gateways";
    const SECTION: Section = Section::Gateways;
    const DELETED: Flash = Flash::GatewayDeleted;

    async fn told(app: &Admin, place: &InProject, id: GatewayId, _: bool) -> Result<Told, PageError> {
        let (authority, project) = (&place.visit.authority, place.project.id);
        let gateway = service::find(app, authority, project, id).await?;
        let rehearsed = service::delete(app, authority, project, id, &IfMatch::Any, Run::Rehearsal).await?;
        let effects = match rehearsed {
            Done::WouldTouch(effects) => effects,
            Done::Changed(()) => Effects::default(),
        };
        let contents = service::contents(app, authority, project, id).await?;
        let who = if effects.users == 1 {
            " who is signed out"
        } else {
            " who are signed out"
        };
        let opens = if contents.api_keys == 1 {
            " that opens nothing else"
        } else {
            " that open nothing else"
        };
        let mut goes = vec![
            Going::sessions(effects.sessions(), effects.sleeping_grants),
            Going::of(effects.users, "user", who),
        ];
        if contents.registered_clients > 0 {
            goes.push(Going::of(contents.registered_clients, "registered client", ""));
        }
        if contents.api_keys > 0 {
            goes.push(Going::of(contents.api_keys, "API key", opens));
        }
        goes.push(Going::of(1, "URL", ""));
        Ok(Told {
            confirm: gateway.name.clone(),
            name: gateway.name,
            means: "Permanent. The audit log stays. To stop it for a while, deactivate it instead.",
            in_the_way: None,
            goes,
            touched: None,
            note: Some(format!(
                "Clients that call `{}` get “not found” from the next request. Only this project can use that URL again.",
                app.config.gateway_url(&gateway.slug)
            )),
        })
    }

    async fn delete(app: &Admin, place: &InProject, id: GatewayId) -> Result<(), ServiceError> {
        let (authority, project) = (&place.visit.authority, place.project.id);
        let done = service::delete(app, authority, project, id, &IfMatch::Any, Run::Change).await;
        done.map(|_| ())
    }
}
