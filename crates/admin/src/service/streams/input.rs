//! What the API takes for a stream.

use gatewright_core::{fetch::Policy, webhook::WebhookSecret};
use gatewright_domain::{
    Invalid, Timestamp,
    id::{ProjectId, StreamId},
    project::check_name,
    secret::Secret,
    stream::{
        Batching, Stream, StreamFormat, StreamKind, StreamStatus, StreamTarget, SyslogTransport,
        check_authorities, check_file_name, check_host, check_size,
    },
};
use serde::Deserialize;
use url::Url;
use utoipa::ToSchema;

use crate::{
    Admin, schema,
    service::{Patch, ServiceError},
};

/// Characters of a URL.
const URL_MAX: usize = 2_000;
/// The port of syslog over TLS (RFC 5425 section 4.1).
const SYSLOG_PORT: u16 = 6514;

/// A stream to create. What is not of its kind is left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewStream {
    /// 1-80 characters, unique in the instance.
    #[schema(required = true, min_length = 1, max_length = 80)]
    #[serde(default)]
    pub name: String,
    /// `active` when left out.
    #[schema(schema_with = schema::status_or_null)]
    #[serde(default)]
    pub status: Option<StreamStatus>,
    /// Send audit events; yes when left out.
    #[serde(default)]
    pub audit: Option<bool>,
    /// Send requests of gateways; no when left out.
    #[serde(default)]
    pub activity: Option<bool>,
    /// Only of this project; of all and of the instance when left out.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub project_id: Option<ProjectId>,
    /// How records are written: `json` (default), as the API shows them, or `ocsf`.
    #[schema(schema_with = schema::stream_format_or_null)]
    #[serde(default)]
    pub format: Option<StreamFormat>,
    /// Where they are sent: `webhook`, `file` or `syslog`. It never changes.
    #[schema(required = true, schema_with = schema::stream_kind)]
    #[serde(default)]
    pub kind: Option<StreamKind>,
    /// Of a webhook: the URL. The rules of `outbound` apply.
    #[schema(format = "uri")]
    #[serde(default)]
    pub url: Option<String>,
    /// Of a webhook: the secret that signs messages: `whsec_` and 24 to 64 random bytes in base64. No response contains it.
    #[schema(value_type = Option<String>, write_only, format = Password)]
    #[serde(default)]
    pub secret: Option<Secret>,
    /// Of a webhook: how a batch becomes a body: `array` (default) or `lines`.
    #[schema(schema_with = schema::batching_or_null)]
    #[serde(default)]
    pub batching: Option<Batching>,
    /// Of a file: its name, in the folder `streams.directory` of the configuration.
    #[schema(pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$")]
    #[serde(default)]
    pub file_name: Option<String>,
    /// Of a file: a new one is begun before it is larger than this; 100 when left out.
    #[schema(minimum = 1, maximum = 10_240)]
    #[serde(default)]
    pub max_size_mb: Option<u32>,
    /// Of a file: how many are kept, the present one included; 5 when left out.
    #[schema(minimum = 1, maximum = 100)]
    #[serde(default)]
    pub max_files: Option<u32>,
    /// Of syslog: the host name or address of the receiver. The rules of `outbound` apply.
    #[serde(default)]
    pub host: Option<String>,
    /// Of syslog: the port; 6514 when left out.
    #[schema(minimum = 1, maximum = 65_535)]
    #[serde(default)]
    pub port: Option<u16>,
    /// Of syslog: `tls` (default) or `tcp`, which is not encrypted.
    #[schema(schema_with = schema::syslog_transport_or_null)]
    #[serde(default)]
    pub transport: Option<SyslogTransport>,
    /// Of syslog with TLS: certificates (PEM) of the authorities that vouch for the receiver, instead of the public ones and
    /// those of `outbound.extra_ca`.
    #[serde(default)]
    pub authorities: Option<String>,
}

/// A change of a stream. What is left out stays; what is not of its kind is left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamPatch {
    /// 1-80 characters, unique in the instance.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub name: Patch<String>,
    /// An inactive stream keeps its place, and goes on from there.
    #[schema(schema_with = schema::status_or_null)]
    #[serde(default)]
    pub status: Patch<StreamStatus>,
    /// Send audit events. A stream that did not before begins with those from now on.
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    pub audit: Patch<bool>,
    /// Send requests of gateways. A stream that did not before begins with those from now on.
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    pub activity: Patch<bool>,
    /// Only of this project; null for all and for the instance. A stream with another project begins from now on.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub project_id: Patch<ProjectId>,
    /// How records are written.
    #[schema(schema_with = schema::stream_format_or_null)]
    #[serde(default)]
    pub format: Patch<StreamFormat>,
    /// Of a webhook: the URL.
    #[schema(value_type = Option<String>, format = "uri")]
    #[serde(default)]
    pub url: Patch<String>,
    /// Of a webhook: a new secret.
    #[schema(value_type = Option<String>, write_only, format = Password)]
    #[serde(default)]
    pub secret: Patch<Secret>,
    /// Of a webhook: how a batch becomes a body.
    #[schema(schema_with = schema::batching_or_null)]
    #[serde(default)]
    pub batching: Patch<Batching>,
    /// Of a file: its name.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub file_name: Patch<String>,
    /// Of a file: its largest size.
    #[schema(value_type = Option<u32>)]
    #[serde(default)]
    pub max_size_mb: Patch<u32>,
    /// Of a file: how many are kept.
    #[schema(value_type = Option<u32>)]
    #[serde(default)]
    pub max_files: Patch<u32>,
    /// Of syslog: the host name or address of the receiver.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub host: Patch<String>,
    /// Of syslog: the port.
    #[schema(value_type = Option<u16>)]
    #[serde(default)]
    pub port: Patch<u16>,
    /// Of syslog: TLS or TCP.
    #[schema(schema_with = schema::syslog_transport_or_null)]
    #[serde(default)]
    pub transport: Patch<SyslogTransport>,
    /// Of syslog with TLS: certificates of authorities; null for the public ones.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub authorities: Patch<String>,
}

impl NewStream {
    /// Checks all of it: the stream without its secret, and the secret.
    pub(super) fn check(
        self,
        app: &Admin,
        id: StreamId,
        now: Timestamp,
    ) -> Result<(Stream, Option<Secret>), ServiceError> {
        let Some(kind) = self.kind else {
            return Err(
                Invalid::one("/kind", "Choose where to send to: `webhook`, `file` or `syslog`.").into(),
            );
        };
        let blank = blank(id, kind, now);
        let patch = StreamPatch {
            name: Patch::Set(self.name),
            status: self.status.into(),
            audit: self.audit.into(),
            activity: self.activity.into(),
            project_id: self.project_id.into(),
            format: self.format.into(),
            url: self.url.into(),
            secret: self.secret.into(),
            batching: self.batching.into(),
            file_name: self.file_name.into(),
            max_size_mb: self.max_size_mb.into(),
            max_files: self.max_files.into(),
            host: self.host.into(),
            port: self.port.into(),
            transport: self.transport.into(),
            authorities: self.authorities.into(),
        };
        patch.over(app, &blank)
    }
}

/// A stream of a kind with the defaults.
fn blank(id: StreamId, kind: StreamKind, now: Timestamp) -> Stream {
    let target = match kind {
        StreamKind::Webhook => StreamTarget::Webhook {
            url: String::new(),
            batching: Batching::default(),
        },
        StreamKind::File => StreamTarget::File {
            file_name: String::new(),
            max_size_mb: 100,
            max_files: 5,
        },
        StreamKind::Syslog => StreamTarget::Syslog {
            host: String::new(),
            port: SYSLOG_PORT,
            transport: SyslogTransport::default(),
            authorities: None,
        },
    };
    Stream {
        id,
        name: String::new(),
        status: StreamStatus::Active,
        audit: true,
        activity: false,
        project_id: None,
        format: StreamFormat::Json,
        target,
        secret: None,
        created_at: now,
        updated_at: now,
    }
}

impl StreamPatch {
    /// A stream after the change, with the secret it had, and the new secret if there is one.
    pub(super) fn over(
        mut self,
        app: &Admin,
        current: &Stream,
    ) -> Result<(Stream, Option<Secret>), ServiceError> {
        let mut invalid = Invalid::default();
        let kind = current.target.kind();
        self.refuse_others(kind, &mut invalid);
        let name = std::mem::take(&mut self.name).over(&current.name);
        let name = invalid.take(check_name("/name", &name)).unwrap_or_default();
        let secret = self.secret(kind, current.secret.is_some(), &mut invalid);
        let project_id = match self.project_id {
            Patch::Keep => current.project_id,
            Patch::Clear => None,
            Patch::Set(id) => Some(id),
        };
        let status = self.status.over_or(&current.status, StreamStatus::Active);
        // What was allowed when it was set does not keep a stream from being deactivated or renamed.
        let begins = status == StreamStatus::Active && current.status != StreamStatus::Active;
        let next = Stream {
            name,
            status,
            audit: self.audit.over_or(&current.audit, true),
            activity: self.activity.over_or(&current.activity, false),
            project_id,
            format: self.format.over_or(&current.format, StreamFormat::Json),
            target: match current.target.clone() {
                StreamTarget::Webhook { url, batching } => {
                    let next = self.url.over(&url);
                    StreamTarget::Webhook {
                        url: if begins || next != url || url.is_empty() {
                            checked_url(app, &next, &mut invalid)
                        } else {
                            url
                        },
                        batching: self.batching.over(&batching),
                    }
                }
                StreamTarget::File {
                    file_name,
                    max_size_mb,
                    max_files,
                } => {
                    let before = file_name;
                    let file_name = self.file_name.over(&before);
                    invalid.take(check_file_name("/file_name", &file_name));
                    let max_size_mb = self.max_size_mb.over_or(&max_size_mb, 100);
                    let max_files = self.max_files.over_or(&max_files, 5);
                    invalid.take(check_size(max_size_mb, max_files));
                    if app.config.streams.directory.is_none()
                        && (begins || file_name != before || before.is_empty())
                    {
                        invalid.add(
                            "/kind",
                            "Streams to files need a folder: set `streams.directory` in the configuration and start again.",
                        );
                    }
                    StreamTarget::File {
                        file_name,
                        max_size_mb,
                        max_files,
                    }
                }
                StreamTarget::Syslog {
                    host,
                    port,
                    transport,
                    authorities,
                } => {
                    let host = self.host.over(&host).trim().to_owned();
                    invalid.take(check_host("/host", &host));
                    let port = self.port.over_or(&port, SYSLOG_PORT);
                    if port == 0 {
                        invalid.add("/port", "Enter a port from 1 to 65535.");
                    }
                    let authorities = match self.authorities {
                        Patch::Keep => authorities,
                        Patch::Clear => None,
                        Patch::Set(pem) => Some(pem.trim().to_owned()).filter(|pem| !pem.is_empty()),
                    };
                    if let Some(pem) = &authorities {
                        invalid.take(check_authorities("/authorities", pem));
                    }
                    StreamTarget::Syslog {
                        host,
                        port,
                        transport: self.transport.over(&transport),
                        authorities,
                    }
                }
            },
            ..current.clone()
        };
        if !next.audit && !next.activity {
            invalid.add(
                "/audit",
                "Choose what to send: audit events, requests of gateways, or both.",
            );
        }
        invalid.into_result()?;
        Ok((next, secret))
    }

    /// Adds a violation for each member of another kind.
    fn refuse_others(&self, kind: StreamKind, invalid: &mut Invalid) {
        let members = [
            ("url", self.url.is_keep(), StreamKind::Webhook),
            ("secret", self.secret.is_keep(), StreamKind::Webhook),
            ("batching", self.batching.is_keep(), StreamKind::Webhook),
            ("file_name", self.file_name.is_keep(), StreamKind::File),
            ("max_size_mb", self.max_size_mb.is_keep(), StreamKind::File),
            ("max_files", self.max_files.is_keep(), StreamKind::File),
            ("host", self.host.is_keep(), StreamKind::Syslog),
            ("port", self.port.is_keep(), StreamKind::Syslog),
            ("transport", self.transport.is_keep(), StreamKind::Syslog),
            ("authorities", self.authorities.is_keep(), StreamKind::Syslog),
        ];
        for (name, is_left_out, of) in members {
            if !is_left_out && of != kind {
                invalid.add(
                    format!("/{name}"),
                    format!(
                        "A stream of kind `{}` has no `{name}`: leave it out.",
                        kind.as_str()
                    ),
                );
            }
        }
    }

    /// The new secret, if there is one. A webhook needs one.
    fn secret(&mut self, kind: StreamKind, has_one: bool, invalid: &mut Invalid) -> Option<Secret> {
        let check = |pointer: &str, secret: &Secret| {
            let parsed = WebhookSecret::parse(secret).map(drop);
            parsed.map_err(|error| Invalid::one(pointer, format!("The secret cannot be used: {error}")))
        };
        let needed = "Messages are signed: enter the secret that the receiver checks them with. Create one with: echo \
                      whsec_$(openssl rand -base64 32)";
        if kind != StreamKind::Webhook {
            return None;
        }
        if self.secret.is_keep() && !has_one {
            invalid.add("/secret", needed);
        }
        std::mem::take(&mut self.secret).required_secret(invalid, "/secret", needed, check)
    }
}

fn checked_url(app: &Admin, text: &str, invalid: &mut Invalid) -> String {
    let text = text.trim();
    let parsed = Url::parse(text).ok().filter(|_| text.len() <= URL_MAX);
    match parsed {
        None => invalid.add(
            "/url",
            "Enter a URL of at most 2000 characters, like `https://siem.example.com/gatewright`.",
        ),
        Some(url) => {
            if let Err(error) = app.fetch.check_url(Policy::Operator, &url) {
                invalid.add("/url", format!("This URL cannot be used: {error}."));
            }
        }
    }
    text.to_owned()
}
