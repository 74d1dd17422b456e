//! Records: what a stream sends of one event or request.

use gatewright_domain::{
    Timestamp,
    activity::StoredActivity,
    audit::AuditEvent,
    id::{ProjectId, StreamId},
    stream::StreamFormat,
};

use super::{ascii, ocsf, plain};

/// Bytes of a record, at most. Of an audit event that would be longer, the changes are left out.
pub(super) const RECORD_MAX: usize = 64 * 1024;

/// Something to send.
#[derive(Debug, Clone, Copy)]
pub enum Fact<'a> {
    /// An audit event.
    Audit(&'a AuditEvent),
    /// A request of a gateway.
    Activity(&'a StoredActivity),
    /// Records that can no longer be sent.
    Lost(&'a LostRecords),
    /// A test that an administrator asked for.
    Test(&'a TestRecord),
}

/// Records that were deleted, or changed outside Gatewright, before they could be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostRecords {
    /// The stream.
    pub stream_id: StreamId,
    /// When it was found.
    pub at: Timestamp,
    /// What they were of: `audit` or `activity`.
    pub source: &'static str,
    /// The project whose audit events they were; nothing for the instance and for the activity.
    pub project_id: Option<ProjectId>,
    /// The number of the first.
    pub first: i64,
    /// The number of the last.
    pub last: i64,
    /// How many there were. Of the activity of one project this is the number at most, because rows of other projects are numbered with them.
    pub count: i64,
    /// Why.
    pub why: Loss,
}

/// Why records are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// They were deleted.
    Deleted,
    /// The numbers of requests began again.
    Again,
}

impl LostRecords {
    /// The ID of the record about it, which is the same in every attempt to send it.
    pub(super) fn id(&self) -> String {
        let project = self.project_id.map(|id| format!("-{id}")).unwrap_or_default();
        let again = match self.why {
            Loss::Deleted => "",
            Loss::Again => "-again",
        };
        format!(
            "{}-lost-{}{project}{again}-{}",
            self.stream_id, self.source, self.last
        )
    }

    /// What happened, in a sentence.
    pub fn message(&self) -> String {
        match (self.source, self.why) {
            ("activity", Loss::Deleted) => format!(
                "Up to {} requests were deleted, because of their age, the size of the activity or the end of their project, before \
                 this stream could send them.",
                self.count
            ),
            ("activity", Loss::Again) => "The numbers of requests began again, because the activity was restored from a backup or lost. \
                                          Requests of the time before may be missing, and the latest may arrive twice."
                .to_owned(),
            _ => format!(
                "{} audit events were deleted, or changed outside Gatewright, before this stream could send them.",
                self.count
            ),
        }
    }
}

/// A test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestRecord {
    /// Its ID.
    pub id: String,
    /// The stream.
    pub stream_id: StreamId,
    /// What people call the stream.
    pub stream_name: String,
    /// When it was sent.
    pub at: Timestamp,
}

/// One record as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What it is about: `audit`, `activity`, `lost` or `test`.
    pub kind: &'static str,
    /// Whether something was refused or failed.
    pub is_notable: bool,
    /// When it happened.
    pub at: Timestamp,
    /// A JSON object in one line of ASCII, without the end of the line.
    pub json: Vec<u8>,
}

/// The record of a fact.
pub fn record(fact: Fact<'_>, format: StreamFormat) -> Record {
    let (kind, at, is_notable) = match fact {
        Fact::Audit(event) => ("audit", event.last_at, is_refusal(&event.action)),
        Fact::Activity(row) => {
            let activity = &row.activity;
            (
                "activity",
                activity.at,
                activity.rule.is_some() || activity.outcome.is_failure(),
            )
        }
        Fact::Lost(lost) => ("lost", lost.at, true),
        Fact::Test(test) => ("test", test.at, false),
    };
    let write = |fact: Fact<'_>| match format {
        StreamFormat::Json => ascii::line(&plain::of(fact)),
        StreamFormat::Ocsf => ascii::line(&ocsf::of(fact)),
    };
    let mut json = write(fact);
    if let Fact::Audit(event) = fact
        && json.len() > RECORD_MAX
    {
        let cut = AuditEvent {
            changes: Vec::new(),
            ..event.clone()
        };
        let mut value = match format {
            StreamFormat::Json => plain::of(Fact::Audit(&cut)),
            StreamFormat::Ocsf => ocsf::of(Fact::Audit(&cut)),
        };
        match format {
            StreamFormat::Json => value["truncated"] = true.into(),
            StreamFormat::Ocsf => value["unmapped"]["truncated"] = true.into(),
        }
        json = ascii::line(&value);
    }
    Record {
        kind,
        is_notable,
        at,
        json,
    }
}

/// Whether an audit event tells that something was refused or failed.
pub(super) fn is_refusal(action: &str) -> bool {
    action.ends_with("_refused") || action.ends_with("_failed") || action.ends_with(".refused")
}
