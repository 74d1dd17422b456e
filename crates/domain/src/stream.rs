//! Streams: audit events and requests of gateways, sent as they happen to where security people look. They belong to the
//! instance.

mod check;

use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    id::{ProjectId, StreamId},
    stored_secret::SealedText,
    words::worded,
};

pub use check::{check_authorities, check_file_name, check_host, check_size};

/// How many streams an instance can have: each keeps a batch in memory.
pub const STREAMS_MAX: usize = 20;

worded! {
    /// Whether a stream sends.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    pub enum StreamStatus {
        /// It sends.
        Active = "active", "Active";
        /// It keeps its place and sends nothing.
        Inactive = "inactive", "Inactive";
    }
}

worded! {
    /// How a record is written.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    pub enum StreamFormat {
        /// As the API shows it.
        Json = "json", "JSON, as in the API";
        /// As the Open Cybersecurity Schema Framework defines it.
        Ocsf = "ocsf", "OCSF";
    }
}

worded! {
    /// The kind of place a stream sends to.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    pub enum StreamKind {
        /// A URL.
        Webhook = "webhook", "Webhook";
        /// A file on the machine of the instance.
        File = "file", "File";
        /// A syslog receiver.
        Syslog = "syslog", "Syslog";
    }
}

worded! {
    /// How the records of a batch are put into the body of a request.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
    pub enum Batching {
        /// A JSON array.
        #[default]
        Array = "array", "JSON array";
        /// One record on each line.
        Lines = "lines", "JSON Lines";
    }
}

worded! {
    /// How messages reach a syslog receiver.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
    pub enum SyslogTransport {
        /// TLS (RFC 5425).
        #[default]
        Tls = "tls", "TLS";
        /// TCP with octet counting (RFC 6587 section 3.4.1), without encryption.
        Tcp = "tcp", "TCP, without encryption";
    }
}

/// Where a stream sends to. What is secret of it is [`Stream::secret`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum StreamTarget {
    /// A URL, to which batches are sent by POST.
    Webhook {
        /// The URL.
        url: String,
        /// How a batch becomes a body.
        batching: Batching,
    },
    /// A file in the folder that the configuration names.
    File {
        /// Its name, without a path.
        file_name: String,
        /// It is replaced by a new one before it is larger than this.
        max_size_mb: u32,
        /// Files that are kept, the present one included.
        max_files: u32,
    },
    /// A syslog receiver.
    Syslog {
        /// Its host name or address.
        host: String,
        /// Its port.
        port: u16,
        /// How messages reach it.
        transport: SyslogTransport,
        /// The certificates (PEM) of the authorities that vouch for it, instead of the public ones.
        authorities: Option<String>,
    },
}

impl StreamTarget {
    /// Its kind.
    pub const fn kind(&self) -> StreamKind {
        match self {
            Self::Webhook { .. } => StreamKind::Webhook,
            Self::File { .. } => StreamKind::File,
            Self::Syslog { .. } => StreamKind::Syslog,
        }
    }

    /// Where it leads, in a few words: the host of a URL, because the rest may be a secret of the receiver.
    pub fn place(&self) -> String {
        match self {
            Self::Webhook { url, .. } => {
                let host = url::Url::parse(url).ok();
                let host = host.and_then(|url| url.host_str().map(str::to_owned));
                host.unwrap_or_else(|| "webhook".to_owned())
            }
            Self::File { file_name, .. } => file_name.clone(),
            Self::Syslog { host, port, .. } => format!("{host}:{port}"),
        }
    }
}

/// A stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Its ID.
    pub id: StreamId,
    /// What people call it.
    pub name: String,
    /// Whether it sends.
    pub status: StreamStatus,
    /// Whether audit events are sent.
    pub audit: bool,
    /// Whether requests of gateways are sent.
    pub activity: bool,
    /// The only project whose events and requests are sent; `None` for those of all projects and of the instance.
    pub project_id: Option<ProjectId>,
    /// How a record is written.
    pub format: StreamFormat,
    /// Where it sends to.
    pub target: StreamTarget,
    /// The secret that a webhook checks signatures with, sealed under [`Stream::context`].
    pub secret: Option<SealedText>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Stream {
    /// The context its secret is sealed under: table, column and row.
    pub fn context(id: StreamId) -> String {
        format!("streams/secret/{id}")
    }
}

/// How a stream stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamState {
    /// Records that arrived.
    pub delivered: i64,
    /// When the last of them arrived.
    pub last_delivered_at: Option<Timestamp>,
    /// Attempts that failed since then.
    pub failed: u32,
    /// Since when attempts fail.
    pub failing_since: Option<Timestamp>,
    /// When the next attempt is made, if one failed.
    pub next_attempt_at: Timestamp,
    /// Why the last attempt failed, in words; nothing once one succeeded.
    pub last_error: Option<String>,
    /// Records that were deleted because of their age or the size of the activity before they could be sent. Of the activity, this is
    /// the number of rows at most.
    pub lost: i64,
    /// When that was last found.
    pub lost_at: Option<Timestamp>,
}

/// How far a stream is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamLag {
    /// Records that wait, at most: of the activity, rows of other projects count too.
    pub events: i64,
    /// When the oldest of them happened.
    pub oldest_at: Option<Timestamp>,
}
