//! The fields of a stream: what a form shows, and what it asks for.

use gatewright_domain::{
    id::ProjectId,
    stream::{Batching, Stream, StreamFormat, StreamKind, StreamTarget, SyslogTransport},
    words::Worded,
};

use crate::{
    form::{Form, Posted},
    service::{
        Patch,
        streams::{NewStream, StreamPatch},
    },
};

/// Fields that are shown again after a refusal.
pub(super) const SHOWN: &[&str] = &[
    "name",
    "audit",
    "activity",
    "project_id",
    "format",
    "url",
    "batching",
    "file_name",
    "max_size_mb",
    "max_files",
    "host",
    "port",
    "transport",
    "authorities",
];

/// A field that is never shown again.
pub(super) const HIDDEN: &[&str] = &["secret"];

/// A form for a new stream of a kind.
pub(super) fn of_kind(kind: StreamKind) -> Form {
    let common = [("audit", "yes"), ("format", "json")];
    let more: &[(&'static str, &str)] = match kind {
        StreamKind::Webhook => &[("batching", "array")],
        StreamKind::File => &[("max_size_mb", "100"), ("max_files", "5")],
        StreamKind::Syslog => &[("port", "6514"), ("transport", "tls")],
    };
    let values = common.iter().chain(more);
    Form::of(values.map(|(name, value)| (*name, (*value).to_owned())).collect())
}

/// A form with what a stream is.
pub(super) fn of_stream(stream: &Stream) -> Form {
    let mut values = vec![
        ("name", stream.name.clone()),
        ("format", stream.format.as_str().to_owned()),
    ];
    let ticks = [("audit", stream.audit), ("activity", stream.activity)];
    let ticked = ticks.into_iter().filter(|(_, is_on)| *is_on);
    values.extend(ticked.map(|(name, _)| (name, "yes".to_owned())));
    values.extend(stream.project_id.map(|id| ("project_id", id.to_string())));
    match &stream.target {
        StreamTarget::Webhook { url, batching } => {
            values.push(("url", url.clone()));
            values.push(("batching", batching.as_str().to_owned()));
        }
        StreamTarget::File {
            file_name,
            max_size_mb,
            max_files,
        } => {
            values.push(("file_name", file_name.clone()));
            values.push(("max_size_mb", max_size_mb.to_string()));
            values.push(("max_files", max_files.to_string()));
        }
        StreamTarget::Syslog {
            host,
            port,
            transport,
            authorities,
        } => {
            values.push(("host", host.clone()));
            values.push(("port", port.to_string()));
            values.push(("transport", transport.as_str().to_owned()));
            values.push(("authorities", authorities.clone().unwrap_or_default()));
        }
    }
    Form::of(values)
}

/// What a form asks for, of a stream of this kind. A number that is not one is 0, which is refused.
pub(super) fn patch(posted: &Posted, kind: StreamKind) -> StreamPatch {
    let text = |name: &str| Patch::Set(posted.text(name).to_owned());
    let number = |name: &str| Patch::Set(posted.text(name).parse().unwrap_or(0));
    let project: Option<ProjectId> = posted.text("project_id").parse().ok();
    let common = StreamPatch {
        name: text("name"),
        audit: Patch::Set(posted.text("audit") == "yes"),
        activity: Patch::Set(posted.text("activity") == "yes"),
        project_id: project.map_or(Patch::Clear, Patch::Set),
        format: word(posted, "format", StreamFormat::Json),
        ..StreamPatch::default()
    };
    match kind {
        StreamKind::Webhook => {
            let secret = posted.secret("secret");
            StreamPatch {
                url: text("url"),
                batching: word(posted, "batching", Batching::default()),
                secret: if secret.expose().is_empty() {
                    Patch::Keep
                } else {
                    Patch::Set(secret)
                },
                ..common
            }
        }
        StreamKind::File => StreamPatch {
            file_name: text("file_name"),
            max_size_mb: number("max_size_mb"),
            max_files: number("max_files"),
            ..common
        },
        StreamKind::Syslog => StreamPatch {
            host: text("host"),
            port: Patch::Set(posted.text("port").parse().unwrap_or(0)),
            transport: word(posted, "transport", SyslogTransport::default()),
            authorities: text("authorities"),
            ..common
        },
    }
}

/// The same for a new stream.
pub(super) fn new(posted: &Posted, kind: StreamKind) -> NewStream {
    let patch = patch(posted, kind);
    NewStream {
        name: posted.text("name").to_owned(),
        status: None,
        audit: set(patch.audit),
        activity: set(patch.activity),
        project_id: set(patch.project_id),
        format: set(patch.format),
        kind: Some(kind),
        url: set(patch.url),
        secret: set(patch.secret),
        batching: set(patch.batching),
        file_name: set(patch.file_name),
        max_size_mb: set(patch.max_size_mb),
        max_files: set(patch.max_files),
        host: set(patch.host),
        port: set(patch.port),
        transport: set(patch.transport),
        authorities: set(patch.authorities),
    }
}

fn word<T: Worded>(posted: &Posted, name: &str, default: T) -> Patch<T> {
    Patch::Set(T::of_word(posted.text(name)).unwrap_or(default))
}

fn set<T>(patch: Patch<T>) -> Option<T> {
    match patch {
        Patch::Set(value) => Some(value),
        Patch::Keep | Patch::Clear => None,
    }
}
