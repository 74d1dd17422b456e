//! Messages about incidents, to a webhook and by e-mail: one when they begin and one when they are over. All that changes within a minute is
//! in one message. A message is written in the transaction that marks its incidents as told, and sent from there by one
//! replica, so it is neither lost nor, as long as its receiver answers in time, sent twice.

mod text;

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use gatewright_core::{
    config::Config,
    mail::{Mail, Mailer},
    webhook::{ATTEMPTS, Message, Webhook, WebhookSecret, retry_after},
};
use gatewright_domain::{
    Timestamp,
    id::{NotificationId, ProjectId},
    incident::Incident,
};
use gatewright_store::{
    StoreError, Tx, incident,
    notification::{self, Notification},
    project,
};
use serde::{Deserialize, Serialize};

use super::watch;
use crate::Admin;

/// Incidents in one message, of those that begin and of those that are over. Others wait for the next.
const IN_ONE: u32 = 100;
/// Messages that wait for one receiver. While it is away for days, what begins is not written down for it any more.
const WAITING_MAX: i64 = 200;
/// Messages sent in one round, and how long no other replica tries them.
const AT_ONCE: u32 = 10;
const CLAIM: Duration = Duration::from_mins(10);

/// The recipients of notifications.
#[derive(Debug)]
pub struct Notifier {
    webhook: Option<Webhook>,
    mailer: Option<Mailer>,
}

impl Notifier {
    /// Of a configuration that was checked. Reads `outbound.extra_ca`.
    ///
    /// # Errors
    ///
    /// If a file of that cannot be read.
    pub(crate) fn of(config: &Config) -> anyhow::Result<Self> {
        let told = &config.notifications;
        let webhook = match (&told.webhook_url, &told.webhook_secret) {
            (Some(url), Some(secret)) => Some(Webhook {
                url: url.parse()?,
                secret: WebhookSecret::parse(secret)?,
            }),
            _ => None,
        };
        Ok(Self {
            webhook,
            mailer: Mailer::of(config)?,
        })
    }
}

/// A way to tell someone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Channel {
    Webhook,
    Email,
}

impl Channel {
    const ALL: [Self; 2] = [Self::Webhook, Self::Email];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Email => "email",
        }
    }

    fn is_configured(self, app: &Admin) -> bool {
        match self {
            Self::Webhook => app.notifier.webhook.is_some(),
            Self::Email => app.notifier.mailer.is_some() && !app.config.notifications.email.is_empty(),
        }
    }
}

/// What is sent to a webhook, and what an e-mail is written from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Payload {
    #[serde(rename = "type")]
    kind: String,
    timestamp: String,
    data: Told,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    begun: Vec<ToldIncident>,
    recovered: Vec<ToldIncident>,
}

/// An incident in a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ToldIncident {
    id: String,
    kind: String,
    /// Whether people are refused because of it.
    is_grave: bool,
    /// The project; null if it concerns the instance.
    project: Option<Named>,
    /// The server, User Source, gateway or key.
    subject: Named,
    what: String,
    remedy: String,
    began_at: String,
    recovered_at: Option<String>,
    /// Where the dashboard shows it.
    url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Named {
    id: String,
    name: String,
}

/// Writes a message for each receiver about what has begun and is over since the last one.
pub(super) async fn write(app: &Admin, tx: &mut Tx) -> Result<(), StoreError> {
    let (now, config) = (app.now(), &app.config.notifications);
    let (begun, over) = (now.minus(config.wait()), now.minus(config.settle()));
    let (begun, recovered) = incident::take_untold(tx, now, begun, over, IN_ONE).await?;
    if begun.is_empty() && recovered.is_empty() {
        return Ok(());
    }
    let names = names(tx, begun.iter().chain(&recovered)).await?;
    let told = |incidents: Vec<Incident>| {
        incidents
            .into_iter()
            .map(|incident| told(app, &names, incident))
            .collect()
    };
    let payload = Payload {
        kind: "incidents".to_owned(),
        timestamp: now.to_rfc3339(),
        data: Told {
            begun: told(begun),
            recovered: told(recovered),
        },
    };
    let body = serde_json::to_string(&payload).unwrap_or_default();
    for channel in Channel::ALL
        .into_iter()
        .filter(|channel| channel.is_configured(app))
    {
        if notification::count(tx, channel.as_str()).await? >= WAITING_MAX {
            tracing::error!(
                channel = channel.as_str(),
                "too many notifications wait; this one is left out"
            );
            continue;
        }
        let message = Notification {
            id: NotificationId::generate(&*app.clock, &*app.entropy),
            channel: channel.as_str().to_owned(),
            body: body.clone(),
            created_at: now,
            failed: 0,
        };
        notification::insert(tx, &message).await?;
    }
    Ok(())
}

/// The names of the projects of incidents.
async fn names(
    tx: &mut Tx,
    incidents: impl Iterator<Item = &Incident>,
) -> Result<HashMap<ProjectId, String>, StoreError> {
    let mut names = HashMap::new();
    for id in incidents.filter_map(|incident| incident.project_id) {
        if !names.contains_key(&id)
            && let Some(project) = project::find(tx, id).await?
        {
            names.insert(id, project.name);
        }
    }
    Ok(names)
}

fn told(app: &Admin, names: &HashMap<ProjectId, String>, incident: Incident) -> ToldIncident {
    let project = incident.project_id.map(|id| Named {
        id: id.to_string(),
        name: names.get(&id).cloned().unwrap_or_default(),
    });
    ToldIncident {
        url: incident.project_id.map(|project| {
            format!(
                "{}/projects/{project}/incidents/{}",
                app.config.public_url(),
                incident.id
            )
        }),
        id: incident.id.to_string(),
        kind: incident.kind.as_str().to_owned(),
        is_grave: incident.kind.is_grave(),
        project,
        subject: Named {
            id: incident.subject_id,
            name: incident.subject_name,
        },
        what: incident.what,
        remedy: incident.remedy,
        began_at: incident.began_at.to_rfc3339(),
        recovered_at: incident.recovered_at.map(Timestamp::to_rfc3339),
    }
}

/// Sends the messages whose time has come.
pub async fn send(app: &Admin) -> Result<(), StoreError> {
    if Channel::ALL
        .into_iter()
        .all(|channel| !channel.is_configured(app))
    {
        return Ok(());
    }
    let authority = watch::ourselves();
    let Some((reading, writing)) = watch::permits(&authority) else {
        return Ok(());
    };
    let now = app.now();
    // A look that writes nothing, because nearly always there is none.
    let mut tx = app.store.read(reading).await?;
    let is_any_due = notification::is_any_due(&mut tx, now).await?;
    drop(tx);
    if !is_any_due {
        return Ok(());
    }
    let mut tx = app.store.write(writing).await?;
    let messages = notification::claim(&mut tx, now, CLAIM, AT_ONCE).await?;
    tx.commit().await?;
    for message in messages {
        let sent = attempt(app, &message).await;
        let mut tx = app.store.write(writing).await?;
        settle(app, &mut tx, &message, sent).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Why a message was not sent, in words, and how long its receiver asks to wait.
struct Failure {
    why: String,
    pause: Option<Duration>,
}

async fn attempt(app: &Admin, message: &Notification) -> Result<(), Failure> {
    let id = message.id.to_string();
    match (
        message.channel.as_str(),
        &app.notifier.webhook,
        &app.notifier.mailer,
    ) {
        ("webhook", Some(webhook), _) => {
            let sent = Message {
                id: &id,
                content_type: "application/json",
                body: Bytes::from(message.body.clone()),
            };
            let delivered = webhook.deliver(&app.fetch, None, &sent, app.now()).await;
            delivered.map_err(|error| Failure {
                why: error.to_string(),
                pause: error.pause(),
            })
        }
        ("email", _, Some(mailer)) => {
            let Ok(payload) = serde_json::from_str::<Payload>(&message.body) else {
                return Ok(());
            };
            let (subject, text) = text::of(&payload.data, app.config.public_url());
            let mail = Mail {
                id: &id,
                to: &app.config.notifications.email,
                subject: &subject,
                text: &text,
            };
            mailer.send(&app.fetch, mail).await.map_err(|error| Failure {
                why: error.to_string(),
                pause: None,
            })
        }
        // It is not configured any more.
        _ => Ok(()),
    }
}

async fn settle(
    app: &Admin,
    tx: &mut Tx,
    message: &Notification,
    sent: Result<(), Failure>,
) -> Result<(), StoreError> {
    let Err(failure) = sent else {
        return notification::delete(tx, message.id).await;
    };
    let failed = message.failed + 1;
    let mut spread = [0; 4];
    app.entropy.fill(&mut spread);
    let (id, channel, why) = (message.id, &message.channel, &failure.why);
    if let Some(pause) = retry_after(failed, u32::from_be_bytes(spread)) {
        let pause = failure.pause.map_or(pause, |asked| pause.max(asked));
        tracing::warn!(message = %id, channel, failed, why, again_in = ?pause, "a notification was not sent");
        notification::postpone(tx, id, why, app.now().plus(pause)).await
    } else {
        tracing::error!(message = %id, channel, why, "a notification was given up after {ATTEMPTS} attempts");
        notification::delete(tx, id).await
    }
}
