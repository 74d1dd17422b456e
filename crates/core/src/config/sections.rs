//! The sections of the configuration. Their doc comments are the documentation that users read: in
//! `gatewright config example` and in `docs/gatewright.example.toml`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use gatewright_domain::secret::Secret;
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

/// Where it listens and how it is reached.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// The address and port to listen on. In a container this is usually 0.0.0.0:8080.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// The URL under which clients and browsers reach this instance: scheme, host and, if it is not the default, port;
    /// no path. It is part of every gateway's URL and of every token, so changing it makes all clients sign in
    /// again. Anything but loopback must be https; a reverse proxy in front terminates TLS, or this instance itself
    /// (sections tls and acme). If it is not set, it is http://127.0.0.1 with the port of listen, which works only on this
    /// machine.
    pub public_url: String,
    /// Whether the public URL was not set, and is derived from `listen`.
    #[serde(skip)]
    pub is_public_url_assumed: bool,
    /// Networks of reverse proxies whose X-Forwarded-For header is trusted. The headers of others are ignored.
    #[schemars(with = "Vec<String>", example = ["10.0.0.0/8"])]
    pub trusted_proxies: Vec<IpNet>,
    /// How many connections may be open at once. Further ones wait until one closes.
    pub max_connections: u32,
    /// How long connections are still accepted after SIGTERM or SIGQUIT, in seconds, while /readyz already says stopping:
    /// time for load balancers that check it to go elsewhere. Ctrl-C skips this.
    pub drain_seconds: u32,
    /// How long a stop waits for running requests after that, in seconds.
    pub shutdown_grace_seconds: u32,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: "http://127.0.0.1:8080".to_owned(),
            is_public_url_assumed: false,
            trusted_proxies: Vec::new(),
            max_connections: 16_384,
            drain_seconds: 5,
            shutdown_grace_seconds: 20,
        }
    }
}

impl ServerConfig {
    /// Derives the public URL from the address that is listened on, because none is set.
    pub fn assume_public_url(&mut self, listen: SocketAddr) {
        self.public_url = super::public_url::following(listen);
        self.is_public_url_assumed = true;
    }
}

/// Where the data is stored.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// The folder of the SQLite file and of the generated master key. It is created if it is missing, and only its
    /// owner can read it.
    pub data_dir: PathBuf,
    /// A PostgreSQL database, for several replicas. Without it, the data is in SQLite in data_dir. It can contain
    /// a password: the environment variable GATEWRIGHT__DATABASE__URL keeps it out of files.
    #[serde(serialize_with = "hide", skip_serializing_if = "Option::is_none")]
    #[schemars(
        with = "Option<String>",
        example = "postgres://gatewright:password@db.internal/gatewright"
    )]
    pub url: Option<Secret>,
    /// How many connections to PostgreSQL this process opens at most.
    pub max_connections: u32,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("gatewright-data"),
            url: None,
            max_connections: 10,
        }
    }
}

/// The keys that encrypt stored secrets.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeysConfig {
    /// Master keys: each 32 random bytes in base64, or `file:` and the path of a file that contains one. The first
    /// encrypts, and all of them decrypt. A new key goes in second place first; once every replica has it, it goes in
    /// front, and `gatewright keys rotate` follows. Keep the old one in second place as long as people use apps that
    /// registered themselves with it: without it, they have to add these apps again. With SQLite it can stay empty: the
    /// first start creates a key in data_dir/master.key. With PostgreSQL it is required, because all replicas need the
    /// same one. If you lose it, you lose every stored secret: back it up.
    #[serde(serialize_with = "hide_each")]
    #[schemars(with = "Vec<String>", example = ["file:/etc/gatewright/master.key"])]
    pub master: Vec<Secret>,
}

/// What it can connect to.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OutboundConfig {
    /// Whether identity providers and MCP servers that administrators configure can be in private networks. Link-local
    /// and cloud metadata addresses are never allowed; loopback only while public_url is loopback, or if allow lists it.
    pub allow_private: bool,
    /// Networks that may also be reached: loopback or private ones for identity providers and MCP servers, and
    /// internal hosts of Client ID Metadata Documents, which otherwise must be public. Link-local and cloud metadata
    /// addresses are never reached, whatever is listed here.
    #[schemars(with = "Vec<String>", example = ["10.20.0.0/16"])]
    pub allow: Vec<IpNet>,
    /// Networks that are never reached, whatever allow and allow_private say: for example those of databases and of the
    /// machines that this process runs on.
    #[schemars(with = "Vec<String>", example = ["10.30.0.0/16"])]
    pub deny: Vec<IpNet>,
    /// Files of certificate authorities (PEM) to trust in addition to the public ones.
    #[schemars(example = ["/etc/gatewright/internal-ca.pem"])]
    pub extra_ca: Vec<PathBuf>,
}

impl Default for OutboundConfig {
    fn default() -> Self {
        Self {
            allow_private: true,
            allow: Vec::new(),
            deny: Vec::new(),
            extra_ca: Vec::new(),
        }
    }
}

/// Settings for the MCP servers of all projects.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServersConfig {
    /// Origins of MCP servers to which several projects can send identity assertions. For any other origin, only the first
    /// project can, and the others get 422: a server that does not check the claim `project` would take the users of one
    /// project for those of another. List an origin only if its server checks `project`.
    #[schemars(example = ["https://mcp.example.com"])]
    pub shared_assertion_origins: Vec<String>,
}

impl ServersConfig {
    /// Whether several projects may send identity assertions to an origin.
    pub fn may_share(&self, origin: &str) -> bool {
        self.shared_assertion_origins
            .iter()
            .any(|listed| listed == origin)
    }
}

/// How end users sign in at identity providers.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SignInConfig {
    /// How long a person can take at the identity provider, in minutes, from 1 to 60. Ten are enough for a password reset with
    /// a second factor. The same applies to administrators who use single sign-on. The sign-in trace shows someone who takes
    /// longer than eleven minutes as given up until they come back.
    pub minutes_at_provider: u32,
}

impl Default for SignInConfig {
    fn default() -> Self {
        Self {
            minutes_at_provider: 10,
        }
    }
}

impl SignInConfig {
    /// How long a person can take at the identity provider.
    pub fn at_provider(&self) -> Duration {
        Duration::from_mins(u64::from(self.minutes_at_provider))
    }
}

/// How administrators sign in to the dashboard. End users never do: they sign in at the User Source of their gateway. The
/// identity provider configured here is separate from all User Sources. Register this redirect URL there:
/// {public_url}/account/oidc/callback
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdministratorsConfig {
    /// Whether accounts sign in with e-mail address and password. If it is off, `gatewright admin reset-password` still lets
    /// you in when the identity provider fails.
    pub password_sign_in: bool,
    /// The issuer URL of the OpenID Connect provider where administrators sign in, exactly as in its discovery
    /// document. An account is linked at its first sign-in, by an address that the provider says it has verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "https://login.example.com")]
    pub oidc_issuer: Option<String>,
    /// The client ID registered there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "gatewright-administrators")]
    pub oidc_client_id: Option<String>,
    /// The client secret. The environment variable keeps it out of files.
    #[serde(serialize_with = "hide", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = "the client secret")]
    pub oidc_client_secret: Option<Secret>,
    /// The scopes to request; `openid` and `email` are required.
    pub oidc_scopes: Vec<String>,
    /// The text of the button.
    pub oidc_label: String,
    /// Domains of e-mail addresses: people with such an address get an account at their first sign-in. The account sees no
    /// project until it is invited to one. Everyone else needs an invitation first.
    #[schemars(example = ["example.com"])]
    pub oidc_domains: Vec<String>,
    /// An additional text on the sign-in page. It cannot be configured: the demo uses it to say where its link is.
    #[serde(skip)]
    pub hint: Option<&'static str>,
}

impl Default for AdministratorsConfig {
    fn default() -> Self {
        Self {
            password_sign_in: true,
            oidc_issuer: None,
            oidc_client_id: None,
            oidc_client_secret: None,
            oidc_scopes: ["openid", "email", "profile"].map(str::to_owned).to_vec(),
            oidc_label: "Sign in with single sign-on".to_owned(),
            oidc_domains: Vec::new(),
            hint: None,
        }
    }
}

/// The identity provider for administrators, with all that is required.
#[derive(Debug, Clone, Copy)]
pub struct AdministratorProvider<'a> {
    /// Its issuer.
    pub issuer: &'a str,
    /// Our client ID there.
    pub client_id: &'a str,
    /// Our client secret there.
    pub client_secret: &'a Secret,
    /// The scopes to request.
    pub scopes: &'a [String],
}

impl AdministratorsConfig {
    /// The identity provider for administrators, if one is configured.
    pub fn provider(&self) -> Option<AdministratorProvider<'_>> {
        Some(AdministratorProvider {
            issuer: self.oidc_issuer.as_deref()?,
            client_id: self.oidc_client_id.as_deref()?,
            client_secret: self.oidc_client_secret.as_ref()?,
            scopes: &self.oidc_scopes,
        })
    }
}

/// What Gatewright writes to standard error.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `human` for reading in a terminal, `json` for one object per line.
    #[schemars(with = "String")]
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug` or `trace`; also per part, like `info,gatewright::relying_party=debug`.
    pub level: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For reading.
    Human,
    /// One JSON object per line.
    Json,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: LogFormat::Human,
            level: "info".to_owned(),
        }
    }
}

/// Who can read `/metrics`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// Networks that can read /metrics without a token. Without this key, this machine (loopback) can, and only while
    /// public_url is loopback too; any other instance needs the token or this list. A request with a header of a proxy
    /// (X-Forwarded-*, Forwarded, X-Real-IP, CF-Connecting-IP and the like) counts only if the proxy is in
    /// server.trusted_proxies and sends X-Forwarded-For. If your proxy sends none of them, do not list its address here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<String>>", example = ["127.0.0.0/8", "::1/128"])]
    pub allow: Option<Vec<IpNet>>,
    /// A token that gives access to /metrics from anywhere, sent as `Authorization: Bearer`; at least 16 characters.
    #[serde(serialize_with = "hide", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = "a long random text")]
    pub bearer: Option<Secret>,
}

/// How long the audit trail is kept.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuditConfig {
    /// Days after which an event is deleted from the audit trail, of projects and of the instance; at least 30. Export
    /// what you have to keep for longer. 0 keeps every event forever: the database grows with it.
    pub retention_days: u32,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self { retention_days: 730 }
    }
}

/// What is recorded of the requests of gateways: who asked for what, when, and the outcome. Results are never recorded, and arguments
/// only of gateways for which an administrator turns that on.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ActivityConfig {
    /// Whether requests are recorded.
    pub enabled: bool,
    /// Days after which a request is deleted. 0 keeps requests until they take too much space.
    pub retention_days: u32,
    /// Megabytes that recorded requests can take; beyond that, the oldest are deleted. A million requests take about 70
    /// MB on SQLite and 200 MB on PostgreSQL. Counts for charts and recorded arguments are not part of it.
    pub max_size_mb: u64,
    /// Megabytes that recorded arguments of all gateways can take; beyond that, the oldest are deleted. Their requests stay.
    pub max_arguments_mb: u64,
}

impl Default for ActivityConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            retention_days: 30,
            max_size_mb: 2_048,
            max_arguments_mb: 1_024,
        }
    }
}

/// Where streams of audit events and requests may write files. Administrators of the instance define the streams.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StreamsConfig {
    /// The folder of the files that streams write to. It must exist. Without it, streams to files are refused: who administers the
    /// instance in a browser cannot choose where on this machine files are written.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = "/var/log/gatewright")]
    pub directory: Option<PathBuf>,
}

/// What `config check` shows instead of a secret.
pub(super) const HIDDEN: &str = "[set, not shown]";

// serde calls it with a reference to the field.
#[expect(clippy::ref_option)]
pub(super) fn hide<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(_) => serializer.serialize_str(HIDDEN),
        None => serializer.serialize_none(),
    }
}

fn hide_each<S: Serializer>(secrets: &[Secret], serializer: S) -> Result<S::Ok, S::Error> {
    // The path of a key file is not a secret and helps a person who looks for it.
    serializer.collect_seq(secrets.iter().map(|secret| {
        let text = secret.expose();
        if text.starts_with(super::master_key::FILE_PREFIX) {
            text
        } else {
            HIDDEN
        }
    }))
}
