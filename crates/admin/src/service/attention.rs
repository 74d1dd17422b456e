//! What in a project needs attention, the most serious first.

use std::{borrow::Cow, collections::HashMap, time::Duration};

use gatewright_domain::{
    Timestamp,
    id::{ApiKeyId, GatewayId, ProjectId, ServerId, UserSourceId},
    incident::{Incident, IncidentKind, IncidentStatus},
    sign_in_attempt::Progress,
    user_source::UserSource,
};
use gatewright_store::{
    PageRequest, assertion_origin, attention as rows,
    incident::{self, IncidentFilter},
    names::{self, Kind},
    server, user_source,
};

use super::{
    Authority, ServiceError,
    server_checks::{self, Known},
};
use crate::{Admin, relying_party::check::Finding};

/// The number of matters of one kind that are shown. Once these are fixed, the next are shown.
const OF_A_SORT: u32 = 5;
/// The number of servers whose state is looked up, in memory.
const SERVERS: u32 = 200;
/// Sign-ins that failed longer ago are history.
pub(super) const LATELY: Duration = Duration::from_hours(24);
/// From this many failures at a gateway on, it is not an accident.
const MANY_FAILURES: usize = 3;
/// After as many sign-ins in a row that went well, it works again.
const MENDED: usize = 3;
/// A key that ends within this time should have a successor by now.
pub(super) const SOON: Duration = Duration::from_hours(14 * 24);

/// A client secret that expires within this time should be replaced: an administrator of the provider has to be asked for another.
pub(super) const SECRET_SOON: Duration = Duration::from_hours(30 * 24);
/// When it is sent again.
pub(super) const SECRET_VERY_SOON: Duration = Duration::from_hours(7 * 24);
/// What to do about one.
pub(super) const RENEW_SECRET: &str = "Create another secret at the provider and enter it with its expiry. The old one remains a fallback until the new one has worked.";

/// Something that needs attention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matter {
    /// The provider refuses the client secret of a source.
    SecretRefused {
        /// The source.
        source: (UserSourceId, String),
        /// Since when.
        since: Timestamp,
    },
    /// Many sign-ins at a gateway failed within a day: as many as went well, or more.
    SignInsFail {
        /// The gateway.
        gateway: (GatewayId, String),
        /// How many failed.
        failed: usize,
        /// Of how many that ended.
        of: usize,
    },
    /// A server cannot be used.
    ServerFails {
        /// The server.
        server: (ServerId, String),
        /// Since when.
        at: Timestamp,
        /// What happened, and what to do.
        why: Finding,
    },
    /// The client secret of a source expires soon, or has expired.
    SecretEnds {
        /// The source.
        source: (UserSourceId, String),
        /// When.
        at: Timestamp,
        /// Whether it has.
        is_over: bool,
    },
    /// The certificate of a server or provider expires soon.
    CertificateEnds(Incident),
    /// Another project identifies its users to the same server, and the operator has not allowed that.
    SharedOrigin {
        /// The server.
        server: (ServerId, String),
        /// Its origin.
        origin: String,
    },
    /// An active gateway has no server to get tools from.
    NoServers {
        /// The gateway.
        gateway: (GatewayId, String),
    },
    /// It was not checked whether sign-ins through a source can work.
    Unverified {
        /// The source.
        source: (UserSourceId, String),
    },
    /// A new client secret has not succeeded yet.
    SecretAwaited {
        /// The source.
        source: (UserSourceId, String),
        /// When it was entered.
        since: Timestamp,
    },
    /// A key expires soon and has no successor.
    KeyEnds {
        /// The key.
        key: (ApiKeyId, String),
        /// When.
        at: Timestamp,
    },
}

/// A matter in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What kind of matter it is, in the API.
    pub kind: &'static str,
    /// The ID of what it is about.
    pub subject_id: String,
    /// Its name.
    pub subject_name: String,
    /// What is the matter, without a full stop.
    pub what: String,
    /// Since when, or when something expires.
    pub at: Option<Timestamp>,
    /// What to do.
    pub remedy: Cow<'static, str>,
    /// Whether people are refused because of it.
    pub is_grave: bool,
}

impl Matter {
    /// The matter in words.
    pub fn told(self) -> Told {
        let kind = self.kind();
        let told = |(subject_id, subject_name): (String, String), what: &str, remedy: &'static str| Told {
            kind,
            subject_id,
            subject_name,
            what: what.to_owned(),
            at: None,
            remedy: remedy.into(),
            is_grave: false,
        };
        match self {
            Self::SecretRefused { source, since } => Told {
                at: Some(since),
                is_grave: true,
                ..told(
                    text(source),
                    "The provider refuses the client secret",
                    "Look up the secret at the provider and enter it again. Until then, sign-ins use the previous one if it works.",
                )
            },
            Self::SignInsFail { gateway, failed, of } => Told {
                is_grave: true,
                ..told(
                    text(gateway),
                    &format!("{failed} of the last {of} sign-ins failed"),
                    "Open one of them: it says why, and what to do.",
                )
            },
            Self::ServerFails { server, at, why } => Told {
                at: Some(at),
                remedy: why.remedy.into(),
                is_grave: true,
                ..told(text(server), why.found.trim_end_matches('.'), "")
            },
            Self::SecretEnds { source, at, is_over } => Told {
                at: Some(at),
                ..told(
                    text(source),
                    if is_over {
                        "The client secret has expired"
                    } else {
                        "The client secret expires soon"
                    },
                    RENEW_SECRET,
                )
            },
            Self::CertificateEnds(incident) => Told {
                remedy: incident.remedy.into(),
                ..told(
                    (incident.subject_id, incident.subject_name),
                    incident.what.trim_end_matches('.'),
                    "",
                )
            },
            Self::SharedOrigin { server, origin } => told(
                text(server),
                &format!("Another project also identifies its users to {origin}"),
                "Make sure that this server checks the claim project of each assertion. Then ask the people who run the instance to add its origin to servers.shared_assertion_origins.",
            ),
            Self::NoServers { gateway } => Told {
                is_grave: true,
                ..told(
                    text(gateway),
                    "The gateway has no tools",
                    "This project has no server yet. Register one, and its tools appear immediately.",
                )
            },
            Self::Unverified { source } => told(
                text(source),
                "Saved without checking",
                "Sign-ins may or may not work. Test the connection, or save it again with checks.",
            ),
            Self::SecretAwaited { source, since } => Told {
                at: Some(since),
                ..told(
                    text(source),
                    "A new client secret has not been used yet",
                    "The previous one remains a fallback until the new one has succeeded once. A test sign-in is enough.",
                )
            },
            Self::KeyEnds { key, at } => Told {
                at: Some(at),
                ..told(
                    text(key),
                    "The API key expires soon",
                    "Rotate it, and put the new key where this one is used.",
                )
            },
        }
    }

    /// The word for its kind: that of the incident, if it is one.
    const fn kind(&self) -> &'static str {
        match self {
            Self::SecretRefused { .. } => IncidentKind::ClientSecretRefused.as_str(),
            Self::SignInsFail { .. } => IncidentKind::SignInsFail.as_str(),
            Self::ServerFails { .. } => IncidentKind::ServerUnavailable.as_str(),
            Self::SecretEnds { .. } => IncidentKind::ClientSecretExpires.as_str(),
            Self::CertificateEnds(_) => IncidentKind::CertificateExpires.as_str(),
            Self::KeyEnds { .. } => IncidentKind::ApiKeyExpires.as_str(),
            Self::SharedOrigin { .. } => "shared_origin",
            Self::NoServers { .. } => "no_servers",
            Self::Unverified { .. } => "unverified",
            Self::SecretAwaited { .. } => "secret_awaited",
        }
    }
}

fn text<Id: ToString>((id, name): (Id, String)) -> (String, String) {
    (id.to_string(), name)
}

/// All that is known about a project.
pub async fn of(app: &Admin, authority: &Authority, project: ProjectId) -> Result<Vec<Matter>, ServiceError> {
    let now = app.now();
    let permit = authority.read(project)?;
    let mut tx = app.store.read(permit).await?;
    let sources = user_source::list_in_need(&mut tx, project, 2 * OF_A_SORT).await?;
    let lately = rows::sign_ins_since(&mut tx, project, now.minus(LATELY)).await?;
    let failing = failing(lately);
    let ids: Vec<_> = failing.iter().map(|(id, ..)| id.to_string()).collect();
    let names = names::of(&mut tx, project, Kind::Gateway, &ids).await?;
    let bare = rows::gateways_without_servers(&mut tx, project, OF_A_SORT).await?;
    let keys = rows::keys_ending(&mut tx, project, now, now.plus(SOON), OF_A_SORT).await?;
    let expiring =
        user_source::list_expiring(&mut tx, Some(project), now.plus(SECRET_SOON), OF_A_SORT).await?;
    let first = PageRequest::first(SERVERS);
    let shared = assertion_origin::list_shared(&mut tx, project, OF_A_SORT).await?;
    let servers = server::list(&mut tx, project, &first).await?.items;
    let open = IncidentFilter {
        status: Some(IncidentStatus::Open),
        ..IncidentFilter::default()
    };
    let incidents = incident::list(&mut tx, project, &open, &first).await?.items;
    drop(tx);
    // What this process has just seen may not be an incident yet.
    let failing_servers = servers.into_iter().filter_map(|server| {
        let id = server.id.to_string();
        let known = incidents
            .iter()
            .find(|incident| incident.kind == IncidentKind::ServerUnavailable && incident.subject_id == id);
        let (at, why) = match (known, server_checks::known_with(app, permit, &server)) {
            (Some(incident), Known::Fails { why, .. }) => (incident.began_at, why),
            (Some(incident), _) => (incident.began_at, finding(incident)),
            (None, Known::Fails { at, why }) => (at, why),
            (None, _) => return None,
        };
        Some(Matter::ServerFails {
            server: (server.id, server.name),
            at,
            why,
        })
    });
    let mut matters: Vec<_> = sources.into_iter().map(of_source).collect();
    matters.extend(failing.into_iter().filter_map(|(id, failed, of)| {
        let name = names.get(&id.to_string())?.clone();
        Some(Matter::SignInsFail {
            gateway: (id, name),
            failed,
            of,
        })
    }));
    matters.extend(failing_servers.take(OF_A_SORT as usize));
    matters.extend(expiring.into_iter().map(|(_, id, name, at)| Matter::SecretEnds {
        source: (id, name),
        at,
        is_over: at <= now,
    }));
    let certificates = incidents
        .iter()
        .filter(|incident| incident.kind == IncidentKind::CertificateExpires);
    matters.extend(
        certificates
            .take(OF_A_SORT as usize)
            .cloned()
            .map(Matter::CertificateEnds),
    );
    matters.extend(
        shared
            .into_iter()
            .filter(|(_, _, origin)| !app.config.servers.may_share(origin))
            .map(|(id, name, origin)| Matter::SharedOrigin {
                server: (id, name),
                origin,
            }),
    );
    matters.extend(bare.into_iter().map(|gateway| Matter::NoServers { gateway }));
    matters.extend(
        keys.into_iter()
            .map(|(id, name, at)| Matter::KeyEnds { key: (id, name), at }),
    );
    matters.sort_by_key(gravity);
    Ok(matters)
}

/// What an incident says about a server.
fn finding(incident: &Incident) -> Finding {
    Finding {
        pointer: "/url".to_owned(),
        found: incident.what.clone(),
        remedy: incident.remedy.clone(),
    }
}

fn of_source(source: UserSource) -> Matter {
    let UserSource {
        id,
        name,
        client_secret,
        verified_at,
        ..
    } = source;
    let source = (id, name);
    match client_secret.refused_at {
        Some(since) => Matter::SecretRefused { source, since },
        None if verified_at.is_none() => Matter::Unverified { source },
        None => Matter::SecretAwaited {
            source,
            since: client_secret.changed_at,
        },
    }
}

/// Gateways at which many sign-ins failed, most first: how many of how many.
pub(super) fn failing(lately: Vec<(GatewayId, Progress)>) -> Vec<(GatewayId, usize, usize)> {
    let mut counts: HashMap<GatewayId, (usize, usize, usize)> = HashMap::new();
    for (gateway, progress) in lately {
        let (failed, ended, latest_good) = counts.entry(gateway).or_default();
        match progress {
            Progress::InProgress => {}
            Progress::Failed => {
                *failed += 1;
                *ended += 1;
            }
            Progress::Succeeded => {
                *ended += 1;
                *latest_good += usize::from(*failed == 0);
            }
        }
    }
    let mut failing: Vec<_> = counts
        .into_iter()
        .filter(|(_, (failed, ended, latest_good))| {
            *failed >= MANY_FAILURES && failed * 2 >= *ended && *latest_good < MENDED
        })
        .map(|(gateway, (failed, ended, _))| (gateway, failed, ended))
        .collect();
    failing.sort_by_key(|(gateway, failed, _)| (std::cmp::Reverse(*failed), *gateway));
    failing.truncate(OF_A_SORT as usize);
    failing
}

const fn gravity(matter: &Matter) -> u8 {
    match matter {
        Matter::SecretRefused { .. } => 0,
        Matter::SignInsFail { .. } => 1,
        Matter::ServerFails { .. } => 2,
        Matter::SecretEnds { .. } => 3,
        Matter::CertificateEnds(_) => 4,
        Matter::SharedOrigin { .. } => 5,
        Matter::NoServers { .. } => 6,
        Matter::Unverified { .. } => 7,
        Matter::SecretAwaited { .. } => 8,
        Matter::KeyEnds { .. } => 9,
    }
}

#[cfg(test)]
mod tests {
    use gatewright_domain::{clock::FixedClock, entropy::SystemEntropy};

    use super::*;

    #[test]
    fn a_gateway_fails_when_most_of_its_sign_ins_do_and_not_by_accident() {
        let clock = FixedClock::at_seconds(1);
        let [bad, good, quiet] = [(); 3].map(|()| GatewayId::generate(&clock, &SystemEntropy));
        let mut lately = vec![(bad, Progress::Failed); 4];
        lately.extend([(bad, Progress::Succeeded), (bad, Progress::InProgress)]);
        lately.extend(vec![(good, Progress::Failed); 3]);
        lately.extend(vec![(good, Progress::Succeeded); 4]);
        lately.extend(vec![(quiet, Progress::Failed); MANY_FAILURES - 1]);
        assert_eq!(failing(lately), [(bad, 4, 5)]);
    }

    #[test]
    fn a_gateway_at_which_the_latest_sign_ins_went_well_works_again() {
        let gateway = GatewayId::generate(&FixedClock::at_seconds(1), &SystemEntropy);
        let lately = |good: usize| {
            let mut lately = vec![(gateway, Progress::Succeeded); good];
            lately.extend(vec![(gateway, Progress::Failed); 9]);
            lately.push((gateway, Progress::Succeeded));
            lately
        };
        assert_eq!(failing(lately(MENDED - 1)), [(gateway, 9, 9 + MENDED)]);
        assert_eq!(failing(lately(MENDED)), []);
    }
}
