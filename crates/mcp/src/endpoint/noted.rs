//! Notes about sessions on their way between replicas: written where a client asks for something, acted on where its session is
//! in use.

use std::sync::Arc;

use gatewright_domain::id::{GatewayId, ProjectId};

use super::{
    service::Endpoint,
    session::{Note, Session},
};
use crate::peer::transport::Transport;

impl<T: Transport> Endpoint<T> {
    /// Writes what a client asked for in its session, so that it holds at all replicas, and after a restart.
    pub(super) async fn write(&self, project: ProjectId, session: &Session, note: &Note) {
        // As many at the same time as letters; a client that asks for more is heard by this replica alone.
        let place = self.mailbox.letter_places.take(project, session.caller_key());
        if let (Some(replicas), Some(_place)) = (self.replicas.get(), place) {
            let now = self.mailbox.seals.now();
            replicas.write(session.write(note, now)).await;
        }
    }

    /// The same for what only another replica can act on.
    pub(super) async fn write_to_others(&self, project: ProjectId, session: &Session, note: &Note) {
        if self
            .replicas
            .get()
            .is_some_and(|replicas| replicas.are_possible())
        {
            self.write(project, session, note).await;
        }
    }

    /// Acts on notes that were written elsewhere, opened, each with its session, the oldest first. `project_of` knows the project
    /// of a gateway. Sessions that are not in use here are left out.
    pub fn act_on(&self, notes: &[([u8; 16], Vec<u8>)], project_of: impl Fn(GatewayId) -> Option<ProjectId>) {
        let wanted: Vec<_> = notes.iter().map(|(session, _)| *session).collect();
        let sessions = self.sessions.opened(&wanted);
        for (id, note) in notes {
            let Some(session) = sessions.get(id) else {
                continue;
            };
            match serde_json::from_slice::<Note>(note) {
                Ok(note) => session.act_on(&note, |session, uri| {
                    if let Some(project) = project_of(session.gateway_id()) {
                        self.subscribe_here(project, session, uri);
                    }
                }),
                // A newer version may write what this one does not know.
                Err(error) => tracing::debug!(%error, "a note about a session cannot be read"),
            }
        }
    }

    /// Notes that the client of a session wants the changes of a resource. Its streams here find out where that leads.
    fn subscribe_here(&self, project: ProjectId, session: &Session, uri: &str) {
        let (client, uri) = (&session.wishes.subscribed, Arc::from(uri));
        let is_new = !client.uris().contains(&uri);
        let added = (self.federation).want_resource(project, session.caller_key(), client, &uri);
        if is_new && added.is_ok() {
            client.note_unsettled();
        }
    }
}
