//! `/projects/{project}/servers/{server}/delete`: which gateways would miss a server.

use gatewright_domain::id::ServerId;

use super::detail;
use crate::{
    Admin,
    deleting::{Deletable, InTheWay, Told, Touched},
    error::PageError,
    flash::Flash,
    page::Section,
    service::{IfMatch, ServiceError, servers as service},
    session::InProject,
};

/// Servers.
pub(super) struct Servers;

impl Deletable for Servers {
    type Id = ServerId;

    const PARAMETER: &'static str = "server";
    const NOUN: &'static str = "server";
    const LIST: &'static str = "/servers";
    const SECTION: Section = Section::Servers;
    const DELETED: Flash = Flash::ServerDeleted;
    const FIELD: &'static str = "confirm_slug";
    const ASKS_FOR: &'static str = "ID";

    async fn told(app: &Admin, place: &InProject, id: ServerId, is_refused: bool) -> Result<Told, PageError> {
        let (authority, project) = (&place.visit.authority, place.project.id);
        let server = service::find(app, authority, project, id).await?;
        let using = service::gateways_of(app, authority, project, id).await?;
        let (naming, offering): (Vec<_>, Vec<_>) = using.into_iter().partition(|gateway| gateway.names_it);
        let title = match naming.len() {
            1 => "A gateway names it".to_owned(),
            count => format!("{count} gateways name it"),
        };
        let in_the_way = (!naming.is_empty() && !is_refused).then(|| InTheWay {
            title,
            way_out: "You can delete it when their servers and allowed tools no longer include it."
                .to_owned(),
            gateways: detail::links(place, naming),
        });
        let (title, note) = match offering.len() {
            0 => (
                None,
                Some("No gateway that offers all servers of the project would lose its tools.".to_owned()),
            ),
            1 => (
                Some("This gateway offers all servers of the project and loses its tools".to_owned()),
                None,
            ),
            count => (
                Some(format!(
                    "These {count} gateways offer all servers of the project and lose its tools"
                )),
                None,
            ),
        };
        Ok(Told {
            name: server.name,
            confirm: server.slug,
            means: "Removes the server from this project. The server itself and the audit log stay.",
            in_the_way,
            goes: Vec::new(),
            touched: title.map(|title| Touched {
                title,
                gateways: detail::links(place, offering),
                more: 0,
            }),
            note,
        })
    }

    async fn delete(app: &Admin, place: &InProject, id: ServerId) -> Result<(), ServiceError> {
        let (authority, project) = (&place.visit.authority, place.project.id);
        service::delete(app, authority, project, id, &IfMatch::Any).await
    }
}
