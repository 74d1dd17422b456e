//! `/projects/{project}/user-sources/{source}/delete`: what is deleted with a source.

use gatewright_domain::id::UserSourceId;

use super::detail;
use crate::{
    Admin,
    deleting::{Deletable, Going, InTheWay, Told, Touched},
    error::PageError,
    flash::Flash,
    page::Section,
    service::{IfMatch, ServiceError, effects::Run, user_sources as service},
    session::InProject,
};

/// User Sources.
pub(super) struct Sources;

impl Deletable for Sources {
    type Id = UserSourceId;

    const PARAMETER: &'static str = "source";
    const NOUN: &'static str = "User Source";
    const LIST: &'static str = "/user-sources";
    const SECTION: Section = Section::UserSources;
    const DELETED: Flash = Flash::SourceDeleted;

    async fn told(
        app: &Admin,
        place: &InProject,
        id: UserSourceId,
        is_refused: bool,
    ) -> Result<Told, PageError> {
        let (authority, project) = (&place.visit.authority, place.project.id);
        let source = service::find(app, authority, project, id).await?;
        let usage = service::usage(app, authority, project, id).await?;
        let active = detail::count_active(&usage.gateways);
        let sessions = usage.live_grants + usage.sleeping_grants;
        let mut goes = vec![Going::of(usage.users, "user", "")];
        if usage.former_users > 0 {
            goes.push(Going {
                count: usage.former_users,
                label: if usage.former_users == 1 {
                    "former identity".to_owned()
                } else {
                    "former identities".to_owned()
                },
            });
        }
        goes.push(Going::sessions(sessions, usage.sleeping_grants));
        goes.push(Going::of(1, "client secret", ""));
        let gateways = detail::links(place, &usage.gateways);
        Ok(Told {
            confirm: source.name.clone(),
            name: source.name,
            means: "Permanent. The audit log stays.",
            in_the_way: (active > 0 && !is_refused).then(|| in_the_way(active)),
            goes,
            touched: (!gateways.is_empty()).then(|| Touched {
                title: "Gateways that lose it".to_owned(),
                more: usage.gateways.len() - gateways.len(),
                gateways,
            }),
            note: None,
        })
    }

    async fn delete(app: &Admin, place: &InProject, id: UserSourceId) -> Result<(), ServiceError> {
        let (authority, project) = (&place.visit.authority, place.project.id);
        let done = service::delete(app, authority, project, id, &IfMatch::Any, Run::Change).await;
        done.map(|_| ())
    }
}

fn in_the_way(active: usize) -> InTheWay {
    let (title, them) = if active == 1 {
        (
            "An active gateway uses it".to_owned(),
            "that gateway, or choose another User Source for it",
        )
    } else {
        (
            format!("{active} active gateways use it"),
            "them, or choose another User Source for them",
        )
    };
    InTheWay {
        title,
        way_out: format!("It cannot be deleted until you deactivate or delete {them}."),
        gateways: Vec::new(),
    }
}
