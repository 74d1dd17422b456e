//! Streams of audit events and requests: who sends what where. What is sent when is in `delivery`.

mod batch;
mod delivery;
mod input;
mod places;

use gatewright_core::streams::{Fact, Sink, SinkError, TestRecord, record};
use gatewright_domain::{
    Invalid,
    audit::FieldChange,
    id::{EventId, ProjectId, StreamId},
    sealed::Purpose,
    secret::Secret,
    stream::{STREAMS_MAX, Stream, StreamLag, StreamState, StreamStatus, StreamTarget},
};
use gatewright_store::{
    Page, PageRequest, StoreError, Tx, activity::Place, project, stream as rows, stream_state,
};

use super::{
    Authority, IfMatch, ServiceError,
    change::{Change, Fields, field, secret_changed},
    entity::{Entity, Stored, Written, dated},
    sealing::seal,
};
use crate::Admin;

pub use delivery::{Runner, Streams, release};
pub use input::{NewStream, StreamPatch};
use places::{activity_end, add_activity, begin, standing};

/// A stream, and how it stands.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The stream.
    pub stream: Stream,
    /// What has arrived and what failed.
    pub state: StreamState,
    /// What waits.
    pub lag: StreamLag,
}

/// Creates a stream, which begins with what happens from now on.
pub async fn create(app: &Admin, authority: &Authority, new: NewStream) -> Result<Standing, ServiceError> {
    let permit = authority.instance()?;
    let end = activity_end(app, authority).await?;
    let mut change = Change::begin(app, permit).await?;
    let created = create_in(&mut change, new, end).await;
    let stream = change.finish(created).await?;
    find(app, authority, stream.id).await
}

async fn create_in(change: &mut Change<'_>, new: NewStream, end: Place) -> Result<Stream, ServiceError> {
    let (app, now) = (change.app(), change.now);
    let others = rows::list(&mut change.tx).await?;
    if others.len() >= STREAMS_MAX {
        return Err(ServiceError::conflict(format!(
            "An instance can have {STREAMS_MAX} streams, and has as many: delete one first."
        )));
    }
    let id = StreamId::generate(app.clock.as_ref(), app.entropy.as_ref());
    let (mut stream, secret) = new.check(app, id, now)?;
    check_beside(&mut change.tx, &stream, None, &others).await?;
    stream.secret = secret.map(|secret| seal(app, &Stream::context(id), &secret));
    let more: Vec<_> = stream.secret.iter().map(|_| secret_changed("secret")).collect();
    change.create(&stream, more).await?;
    begin(&mut change.tx, &stream, None, end, change.now).await?;
    tell_project(change, "created", &stream).await?;
    Ok(stream)
}

/// Streams, oldest first.
pub async fn list(
    app: &Admin,
    authority: &Authority,
    page: &PageRequest,
) -> Result<Page<Standing>, ServiceError> {
    let mut tx = app.store.read(authority.read_instance()?).await?;
    let after = page.after.clone().unwrap_or_default();
    let mut streams = rows::list(&mut tx).await?;
    streams.retain(|stream| stream.id.to_string() > after);
    let shown = page.limit.max(1) as usize;
    let more = streams.len() > shown;
    streams.truncate(shown);
    let next = streams.last().filter(|_| more).map(|last| last.id.to_string());
    let mut standings = Vec::with_capacity(streams.len());
    for stream in streams {
        standings.push(standing(&mut tx, stream).await?);
    }
    drop(tx);
    for standing in &mut standings {
        add_activity(app, authority, standing).await?;
    }
    Ok(Page {
        items: standings,
        next,
    })
}

/// One stream.
pub async fn find(app: &Admin, authority: &Authority, id: StreamId) -> Result<Standing, ServiceError> {
    let mut tx = app.store.read(authority.read_instance()?).await?;
    let stream = Stream::found(rows::find(&mut tx, id).await?)?;
    let mut standing = standing(&mut tx, stream).await?;
    drop(tx);
    add_activity(app, authority, &mut standing).await?;
    Ok(standing)
}

/// Changes a stream. What it sends from then on starts again from where it has not been sent.
pub async fn update(
    app: &Admin,
    authority: &Authority,
    id: StreamId,
    patch: StreamPatch,
    if_match: &IfMatch,
) -> Result<Standing, ServiceError> {
    let permit = authority.instance()?;
    let end = activity_end(app, authority).await?;
    let mut change = Change::begin(app, permit).await?;
    let updated = update_in(&mut change, id, patch, if_match, end).await;
    change.finish(updated).await?;
    find(app, authority, id).await
}

async fn update_in(
    change: &mut Change<'_>,
    id: StreamId,
    patch: StreamPatch,
    if_match: &IfMatch,
    end: Place,
) -> Result<(), ServiceError> {
    let current = Stream::found(rows::find_and_hold(&mut change.tx, id).await?)?;
    if_match.holds(current.updated_at)?;
    let (mut next, secret) = patch.over(change.app(), &current)?;
    let others = rows::list(&mut change.tx).await?;
    check_beside(&mut change.tx, &next, Some(&current), &others).await?;
    let mut more = hidden_changes(&current, &next);
    if let Some(secret) = secret {
        next.secret = Some(seal(change.app(), &Stream::context(id), &secret));
        more.push(secret_changed("secret"));
    }
    let saved = change.save(current.clone(), next, more).await?;
    if saved == current {
        return Ok(());
    }
    begin(&mut change.tx, &saved, Some(&current), end, change.now).await?;
    stream_state::retry_now(&mut change.tx, id).await?;
    tell_project(change, "updated", &saved).await?;
    tell_former_project(change, &current, &saved).await
}

/// Deletes a stream. What it has not sent is not sent.
pub async fn delete(
    app: &Admin,
    authority: &Authority,
    id: StreamId,
    if_match: &IfMatch,
) -> Result<(), ServiceError> {
    let mut change = Change::begin(app, authority.instance()?).await?;
    let deleted = async {
        let stream = Stream::found(rows::find(&mut change.tx, id).await?)?;
        if_match.holds(stream.updated_at)?;
        change.delete(&stream, Vec::new()).await?;
        tell_project(&mut change, "deleted", &stream).await
    };
    let deleted = deleted.await;
    change.finish(deleted).await
}

/// Sends a test event now, beside what waits; why it did not arrive otherwise, in words.
pub async fn send_test(
    app: &Admin,
    authority: &Authority,
    id: StreamId,
) -> Result<Result<(), String>, ServiceError> {
    let mut change = Change::begin(app, authority.instance()?).await?;
    let tested = async {
        let stream = Stream::found(rows::find(&mut change.tx, id).await?)?;
        change.record("tested", stream.object(), Vec::new()).await?;
        Ok::<_, ServiceError>(stream)
    };
    let tested = tested.await;
    let stream: Stream = change.finish(tested).await?;
    let test = TestRecord {
        id: EventId::generate(app.clock.as_ref(), app.entropy.as_ref()).to_string(),
        stream_id: id,
        stream_name: stream.name.clone(),
        at: app.now(),
    };
    let records = [record(Fact::Test(&test), stream.format)];
    let sent = async { sink(app, &stream)?.deliver(&app.fetch, &records, app.now()).await };
    Ok(sent.await.map_err(|error: SinkError| error.to_string()))
}

/// The way to the place of a stream.
fn sink(app: &Admin, stream: &Stream) -> Result<Sink, SinkError> {
    let secret = match &stream.secret {
        Some(sealed) => Some(open(app, stream.id, sealed)?),
        None => None,
    };
    Sink::of(&stream.target, secret.as_ref(), &app.config)
}

fn open(
    app: &Admin,
    id: StreamId,
    sealed: &gatewright_domain::stored_secret::SealedText,
) -> Result<Secret, SinkError> {
    let opened = app
        .keyring
        .open_secret(Purpose::StoredSecret, &Stream::context(id), sealed);
    opened.map_err(|_| {
        SinkError::Unusable(
            "the secret cannot be decrypted with the master keys of the configuration; enter it again"
                .to_owned(),
        )
    })
}

/// Fails if a stream names what does not exist, or a file of another one. One that named it before can still be deactivated.
async fn check_beside(
    tx: &mut Tx,
    stream: &Stream,
    before: Option<&Stream>,
    others: &[Stream],
) -> Result<(), ServiceError> {
    let mut invalid = Invalid::default();
    let is_checked = before.is_none_or(|before| {
        before.project_id != stream.project_id || !is_active(before) && is_active(stream)
    });
    if let Some(project) = stream.project_id
        && is_checked
        && project::find(tx, project).await?.is_none()
    {
        invalid.add(
            "/project_id",
            "There is no project with this ID. It may have been deleted: choose another.",
        );
    }
    let is_same_file = |other: &Stream| match (&other.target, &stream.target) {
        (StreamTarget::File { file_name: other, .. }, StreamTarget::File { file_name, .. }) => {
            other == file_name
        }
        _ => false,
    };
    let beside = others.iter().filter(|other| other.id != stream.id);
    if let Some(other) = beside.into_iter().find(|other| is_same_file(other)) {
        invalid.add(
            "/file_name",
            format!(
                "The stream `{}` writes to this file: enter another name.",
                other.name
            ),
        );
    }
    Ok(invalid.into_result()?)
}

/// What differs and is not shown in the audit trail, because the rest of a URL may be a secret of its receiver.
fn hidden_changes(current: &Stream, next: &Stream) -> Vec<FieldChange> {
    match (&current.target, &next.target) {
        (StreamTarget::Webhook { url: before, .. }, StreamTarget::Webhook { url: after, .. })
            if before != after && current.target.place() == next.target.place() =>
        {
            vec![secret_changed("url")]
        }
        _ => Vec::new(),
    }
}

/// Notes in the trail of the only project of a stream that its events leave the instance, so that its owners see it.
async fn tell_project(change: &mut Change<'_>, verb: &str, stream: &Stream) -> Result<(), ServiceError> {
    let Some(project) = stream.project_id else {
        return Ok(());
    };
    let shown = super::change::created(stream.audited());
    change
        .record_in(Some(project), verb, stream.object(), shown)
        .await
}

/// Notes in the trail of the project whose events a stream sent alone what happened to it: a stream of all projects still sends them, one of
/// another project does not, and that other project is not named.
async fn tell_former_project(
    change: &mut Change<'_>,
    current: &Stream,
    saved: &Stream,
) -> Result<(), ServiceError> {
    let former = current
        .project_id
        .filter(|_| current.project_id != saved.project_id);
    let Some(former) = former else {
        return Ok(());
    };
    // A project that was deleted has no one to tell.
    if project::find(&mut change.tx, former).await?.is_none() {
        return Ok(());
    }
    let (verb, shown) = match saved.project_id {
        Some(_) => ("deleted", Vec::new()),
        None => ("updated", super::change::created(saved.audited())),
    };
    let object = current.object();
    change.record_in(Some(former), verb, object, shown).await
}

/// The projects to choose from, as far as they fit on a page.
pub async fn projects(app: &Admin, authority: &Authority) -> Result<Vec<(ProjectId, String)>, ServiceError> {
    let mut tx = app.store.read(authority.read_instance()?).await?;
    let page = project::list(&mut tx, &PageRequest::first(200)).await?;
    Ok(page
        .items
        .into_iter()
        .map(|project| (project.id, project.name))
        .collect())
}

impl Entity for Stream {
    const KIND: &'static str = "stream";
    const NOUN: &'static str = "stream";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn audited(&self) -> Fields {
        let mut fields = vec![
            field("name", &self.name),
            field("status", self.status),
            field("audit", self.audit),
            field("activity", self.activity),
            field("project_id", self.project_id),
            field("format", self.format),
            field("kind", self.target.kind()),
            field("to", self.target.place()),
        ];
        match &self.target {
            StreamTarget::Webhook { batching, .. } => fields.push(field("batching", batching)),
            StreamTarget::File {
                max_size_mb,
                max_files,
                ..
            } => {
                fields.push(field("max_size_mb", max_size_mb));
                fields.push(field("max_files", max_files));
            }
            StreamTarget::Syslog {
                transport,
                authorities,
                ..
            } => {
                fields.push(field("transport", transport));
                fields.push(field("authorities", authorities));
            }
        }
        fields
    }
}

dated!(Stream);

impl Stored for Stream {
    async fn insert(&self, tx: &mut Tx) -> Result<(), ServiceError> {
        rows::insert(tx, self).await.map_err(taken)
    }

    async fn replace(&self, tx: &mut Tx, before: &Self) -> Result<Written, ServiceError> {
        Written::unless_stale(rows::update(tx, self, before).await.map_err(taken)?)
    }

    async fn remove(&self, tx: &mut Tx) -> Result<Written, ServiceError> {
        Written::unless_missing::<Self>(rows::delete(tx, self.id).await?)
    }
}

fn taken(error: StoreError) -> ServiceError {
    match error {
        StoreError::Taken { field } => Invalid::one(
            format!("/{field}"),
            format!("Another stream has this {field} already: choose another."),
        )
        .into(),
        other => other.into(),
    }
}

/// Whether a stream sends anything now.
const fn is_active(stream: &Stream) -> bool {
    matches!(stream.status, StreamStatus::Active)
}
