//! What in a project needs attention, the most serious first.

use std::{collections::HashMap, time::Duration};

use gatewright_domain::{
    Timestamp,
    id::{ApiKeyId, GatewayId, ProjectId, ServerId, UserSourceId},
    sign_in_attempt::Progress,
    user_source::UserSource,
};
use gatewright_store::{
    PageRequest, assertion_origin, attention as rows,
    names::{self, Kind},
    server, user_source,
};

use super::{
    Authority, ServiceError,
    server_checks::{self, Known},
};
use crate::{Admin, relying_party::check::Finding};

/// Matters of one sort that are shown. After these are mended, the next are shown.
const OF_A_SORT: u32 = 5;
/// Servers of which it is looked up whether they answer: a look into memory for each.
const SERVERS: u32 = 200;
/// Sign-ins that failed longer ago are history.
const LATELY: Duration = Duration::from_hours(24);
/// This many failures at a gateway are no accident any more.
const MANY_FAILURES: usize = 3;
/// A key that ends within this time should have a successor by now.
const SOON: Duration = Duration::from_hours(14 * 24);

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
    /// A server could not be used when it was last asked.
    ServerFails {
        /// The server.
        server: (ServerId, String),
        /// When that was noticed.
        at: Timestamp,
        /// What happened, and what to do.
        why: Finding,
    },
    /// Another project tells the same server who its users are, and the operator has not allowed that.
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
    /// No one has checked whether sign-ins through a source can work.
    Unverified {
        /// The source.
        source: (UserSourceId, String),
    },
    /// A new client secret has not succeeded yet.
    SecretAwaited {
        /// The source.
        source: (UserSourceId, String),
        /// When it was typed.
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

/// All that is known of a project.
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
    let first = PageRequest::first(SERVERS);
    let shared = assertion_origin::list_shared(&mut tx, project, OF_A_SORT).await?;
    let servers = server::list(&mut tx, project, &first).await?.items;
    drop(tx);
    let failing_servers = servers.into_iter().filter_map(|server| {
        let Known::Fails { at, why } = server_checks::known_with(app, permit, &server) else {
            return None;
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
fn failing(lately: Vec<(GatewayId, Progress)>) -> Vec<(GatewayId, usize, usize)> {
    let mut counts: HashMap<GatewayId, (usize, usize)> = HashMap::new();
    for (gateway, progress) in lately {
        let (failed, ended) = counts.entry(gateway).or_default();
        match progress {
            Progress::InProgress => {}
            Progress::Failed => {
                *failed += 1;
                *ended += 1;
            }
            Progress::Succeeded => *ended += 1,
        }
    }
    let mut failing: Vec<_> = counts
        .into_iter()
        .filter(|(_, (failed, ended))| *failed >= MANY_FAILURES && failed * 2 >= *ended)
        .map(|(gateway, (failed, ended))| (gateway, failed, ended))
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
        Matter::SharedOrigin { .. } => 3,
        Matter::NoServers { .. } => 4,
        Matter::Unverified { .. } => 5,
        Matter::SecretAwaited { .. } => 6,
        Matter::KeyEnds { .. } => 7,
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
}
