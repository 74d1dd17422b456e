//! How many connections fit into what the system lets this process open. Running out of descriptors would stop everyone
//! at once: connections that cannot be accepted, a database that cannot be opened, providers that cannot be reached. So
//! the soft limit is raised at start, and connections of clients and to MCP servers get a share that leaves the rest room.

use anyhow::bail;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;

/// Connections to identity providers that may be open in any case. If there are places to spare, they get more.
const PROVIDERS_MIN: u64 = 48;
/// Connections to identity providers that are of use at most, so that those that hang leave some to the others.
const PROVIDERS_MAX: u64 = 1_024;
/// Connections that may be open for fetches of URLs that strangers sent: as many as the gates let through at once.
pub(crate) const STRANGERS: u64 = 96;
/// Descriptors kept for everything that is not a connection of a client or to an MCP server: standard streams, the
/// listener, event queues, addresses that are tried beside one another, and what is fetched from elsewhere.
const RESERVE: u64 = 96 + PROVIDERS_MIN + STRANGERS;
/// Files of SQLite: database, log and index of four connections, the same of three for the activity, and some that come and go.
const OF_SQLITE: u64 = 28;
/// Connections that are open at `tls.http_listen`.
pub const REDIRECTS: usize = 256;
/// An instance that could accept fewer connections than this would be useless.
const CONNECTIONS_MIN: u64 = 16;
/// Connections to MCP servers that may be open however few clients may connect: idle ones count too.
const UPSTREAM_MIN: u64 = 1_024;
/// Where the hard limit is "unlimited", some systems refuse a soft limit above this.
const RAISED_TO: u64 = 10_240;

/// What fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// Descriptors this process may open; `None` means without limit.
    pub limit: Option<u64>,
    /// Connections of clients that are accepted at once.
    pub connections: u32,
    /// Connections to MCP servers that are open at once, idle ones included.
    pub upstream: u32,
    /// Connections to identity providers that are open at once, idle ones included.
    pub providers: u32,
    /// `server.max_connections`.
    configured: u32,
    /// What the database and the second address may open.
    of_rest: u64,
}

impl Fit {
    /// What fits into a limit.
    pub fn of(config: &Config, limit: Option<u64>) -> Self {
        let configured = config.server.max_connections;
        let wanted = u64::from(configured);
        let of_store = if config.is_postgres() {
            u64::from(config.database.max_connections)
        } else {
            OF_SQLITE
        };
        let of_redirects = config.tls.http_listen.map_or(0, |_| REDIRECTS as u64);
        let of_rest = of_store + of_redirects;
        let room = limit.map_or(u64::MAX, |limit| limit.saturating_sub(RESERVE + of_rest));
        // A call needs a connection on either side.
        let connections = wanted.min(room / 2);
        let upstream = (room - connections).min(wanted.max(UPSTREAM_MIN));
        let to_spare = room - connections - upstream;
        let providers = to_spare.saturating_add(PROVIDERS_MIN).min(PROVIDERS_MAX);
        let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            limit,
            connections: narrow(connections),
            upstream: narrow(upstream),
            providers: narrow(providers),
            configured,
            of_rest,
        }
    }

    /// What fits into the limit of this process.
    pub fn here(config: &Config) -> Self {
        Self::of(config, getrlimit(Resource::Nofile).current)
    }

    /// What is wrong and what to do, if not everything that is configured fits.
    pub fn warning(&self) -> Option<String> {
        let limit = self.limit.filter(|_| self.connections < self.configured)?;
        Some(format!(
            "server.max_connections is {}, but this process may open only {limit} files and connections, so it accepts \
             {} connections at once. Raise the limit (systemd: LimitNOFILE=, Docker: --ulimit nofile=, a shell: \
             ulimit -n) to at least {}, or lower server.max_connections",
            self.configured,
            self.connections,
            2 * u64::from(self.configured) + RESERVE + self.of_rest,
        ))
    }

    /// Refuses a limit in which the instance could not work at all.
    pub fn check(&self) -> anyhow::Result<()> {
        let least = CONNECTIONS_MIN.min(self.configured.into());
        if u64::from(self.connections) < least {
            bail!(
                "this process may open only {} files and connections, which is too few to serve anyone. Raise the limit \
                 (systemd: LimitNOFILE=, Docker: --ulimit nofile=, a shell: ulimit -n)",
                self.limit.unwrap_or_default()
            );
        }
        Ok(())
    }

    /// The requests of one project that may run at once: its share of the connections.
    pub fn of_project(&self, config: &Config) -> u32 {
        let share = u64::from(self.connections) * u64::from(config.limits.project_share_percent) / 100;
        u32::try_from(share).unwrap_or(u32::MAX).max(1)
    }
}

/// Raises the soft limit of descriptors to the hard one, as far as the system lets it.
pub fn raise() {
    let limit = getrlimit(Resource::Nofile);
    let raise_to = |current| {
        let raised = Rlimit {
            current,
            maximum: limit.maximum,
        };
        setrlimit(Resource::Nofile, raised)
    };
    if limit.current == limit.maximum {
        return;
    }
    if let Err(error) = raise_to(limit.maximum) {
        let lower = limit.maximum.map_or(RAISED_TO, |maximum| maximum.min(RAISED_TO));
        if limit.current.is_none_or(|current| lower <= current) || raise_to(Some(lower)).is_err() {
            tracing::debug!(%error, "the limit of open files could not be raised");
        }
    }
}

#[cfg(test)]
mod tests {
    use gatewright_domain::secret::Secret;

    use super::*;

    fn fit(max_connections: u32, limit: Option<u64>) -> Fit {
        let mut config = Config::default();
        config.server.max_connections = max_connections;
        Fit::of(&config, limit)
    }

    #[test]
    fn clients_servers_and_the_reserve_together_stay_within_the_limit() {
        for limit in [0, 100, 112, 150, 256, 1_024, 4_096, 33_000, 1_048_576] {
            for max_connections in [1, 100, 16_384, u32::MAX] {
                let fit = fit(max_connections, Some(limit));
                let more = u64::from(fit.providers) - PROVIDERS_MIN;
                let open = u64::from(fit.connections) + u64::from(fit.upstream) + more;
                assert!(open == 0 || open + RESERVE + OF_SQLITE <= limit, "{fit:?}");
                assert!(
                    fit.connections <= max_connections && fit.connections <= fit.upstream,
                    "{fit:?}"
                );
            }
        }
        let unlimited = fit(16_384, None);
        assert_eq!((unlimited.connections, unlimited.upstream), (16_384, 16_384));
        assert_eq!(u64::from(unlimited.providers), PROVIDERS_MAX);
        assert_eq!(u64::from(fit(16_384, Some(1_024)).providers), PROVIDERS_MIN);
    }

    #[test]
    fn what_does_not_fit_is_reported_with_both_numbers_and_the_remedy() {
        let small = fit(16_384, Some(1_024));
        assert!(small.check().is_ok());
        let warning = small.warning().unwrap();
        for part in [
            "16384",
            "1024",
            "378 connections",
            "LimitNOFILE",
            "at least 33036",
        ] {
            assert!(warning.contains(part), "{part} is missing: {warning}");
        }
        assert_eq!(fit(16_384, Some(33_036)).warning(), None);
        assert_eq!(fit(100, Some(1_024)).warning(), None);
        assert!(
            fit(16_384, Some(128))
                .check()
                .unwrap_err()
                .to_string()
                .contains("only 128 files")
        );
    }

    #[test]
    fn what_is_advised_for_postgresql_is_enough() {
        let mut config = Config::default();
        config.server.max_connections = 16_384;
        config.database.url = Some(Secret::new("postgres://localhost/gatewright"));
        config.database.max_connections = 200;
        let advised = 2 * 16_384 + RESERVE + 200;
        let short = Fit::of(&config, Some(advised - 1)).warning().unwrap();
        assert!(short.contains(&format!("at least {advised}")), "{short}");
        assert_eq!(Fit::of(&config, Some(advised)).warning(), None);
    }

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_one() {
        raise();
        let limit = getrlimit(Resource::Nofile);
        assert!(
            limit.current == limit.maximum || limit.current >= Some(RAISED_TO),
            "{limit:?}"
        );
    }
}
