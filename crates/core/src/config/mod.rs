//! Configuration: `gatewright.toml`, then `GATEWRIGHT__SECTION__KEY`. Unknown keys are refused with the nearest known
//! one; `docs/gatewright.example.toml` is generated from the types of `sections`.

pub(crate) mod acme;
pub mod example;
mod known;
mod limits;
mod load;
pub(crate) mod log_level;
pub mod master_key;
mod notifications;
mod otlp;
mod problem;
mod public_url;
mod secret_file;
mod sections;
mod standard_variables;
mod tls;
mod toml_file;
mod validate;

use gatewright_domain::{id::UserSourceId, user_source::Callback};
use gatewright_store::StoreConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use acme::AcmeConfig;
pub use limits::{LimitsConfig, QuotasConfig};
pub use load::{Argument, ConfigSource, load};
pub use notifications::{NotificationsConfig, SmtpConfig, SmtpSecurity};
pub use otlp::{OtlpConfig, Signal};
pub use problem::{ConfigError, Problem};
pub use sections::{
    ActivityConfig, AdministratorProvider, AdministratorsConfig, AuditConfig, DatabaseConfig, KeysConfig,
    LogConfig, LogFormat, MetricsConfig, OutboundConfig, ServerConfig, ServersConfig, SignInConfig,
    StreamsConfig,
};
pub use tls::TlsConfig;

/// The name of the SQLite file in `database.data_dir`.
pub const SQLITE_FILE: &str = "gatewright.db";

/// The whole configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where it listens and how it is reached.
    pub server: ServerConfig,
    /// The certificate that server.listen presents, if no reverse proxy terminates TLS. Without one, and without the section
    /// acme, server.listen answers plain HTTP.
    pub tls: TlsConfig,
    /// Orders and renews the certificate of server.listen automatically (ACME, RFC 8555). To prove that a domain is yours,
    /// server.listen must be reachable at port 443 of the domain (TLS-ALPN-01), or tls.http_listen at port 80 (HTTP-01).
    pub acme: AcmeConfig,
    /// Where the data is stored.
    pub database: DatabaseConfig,
    /// The keys that encrypt stored secrets.
    pub keys: KeysConfig,
    /// What it can connect to.
    pub outbound: OutboundConfig,
    /// Settings for the MCP servers of all projects.
    pub servers: ServersConfig,
    /// How end users sign in at identity providers.
    pub sign_in: SignInConfig,
    /// How administrators sign in.
    pub administrators: AdministratorsConfig,
    /// What Gatewright writes to standard error.
    pub log: LogConfig,
    /// Who can read `/metrics`.
    pub metrics: MetricsConfig,
    /// Where traces, metrics and logs are sent.
    pub otlp: OtlpConfig,
    /// How long the audit trail is kept.
    pub audit: AuditConfig,
    /// What is recorded of the requests of gateways.
    pub activity: ActivityConfig,
    /// Where streams of audit events and requests may write files. Administrators of the instance define the streams.
    pub streams: StreamsConfig,
    /// Who is notified when something needs attention in any project, such as a server that cannot be used, failing sign-ins
    /// or a key about to expire. One message is sent when it begins and one when it is over.
    pub notifications: NotificationsConfig,
    /// The mail server that the instance sends e-mail through.
    pub smtp: SmtpConfig,
    /// How much can run and be in memory at the same time, so that one person or project cannot use up the instance.
    pub limits: LimitsConfig,
    /// How much one project can have. If you lower a quota, what exists keeps working, but nothing can be added until
    /// there is room again.
    pub quotas: QuotasConfig,
}

impl Config {
    /// The public URL without trailing slash, like `https://gateway.example.com`.
    pub fn public_url(&self) -> &str {
        &self.server.public_url
    }

    /// Whether the public URL is loopback: the development case that allows loopback providers and servers.
    pub fn is_loopback(&self) -> bool {
        public_url::is_loopback(&self.server.public_url)
    }

    /// Why the public URL cannot lead to this instance, as far as the configuration shows, and what to set.
    pub fn public_url_doubt(&self) -> Option<String> {
        public_url::doubt(&self.server, self.is_tls())
    }

    /// `{public_url}/mcp/{slug}`: a gateway's URL, issuer, resource and audience.
    pub fn gateway_url(&self, slug: &str) -> String {
        format!("{}/mcp/{slug}", self.server.public_url)
    }

    /// The redirect URL of all User Sources that do not have their own.
    pub fn callback_url(&self) -> String {
        format!("{}/oauth2/intermediate_callback", self.server.public_url)
    }

    /// The redirect URL of a User Source.
    pub fn redirect_url(&self, source: UserSourceId, callback: Callback) -> String {
        match callback {
            Callback::Shared => self.callback_url(),
            Callback::Own => format!("{}/{source}", self.callback_url()),
        }
    }

    /// The redirect URL at the identity provider for administrators.
    pub fn administrator_callback_url(&self) -> String {
        format!("{}/account/oidc/callback", self.server.public_url)
    }

    /// Whether the data is in PostgreSQL.
    pub fn is_postgres(&self) -> bool {
        self.database.url.is_some()
    }

    /// How to open the store.
    pub fn store(&self) -> StoreConfig {
        match &self.database.url {
            Some(url) => StoreConfig::Postgres {
                url: url.clone(),
                max_connections: self.database.max_connections,
            },
            None => StoreConfig::Sqlite {
                path: self.database.data_dir.join(SQLITE_FILE),
            },
        }
    }
}
