//! `bench-growth <database file> <clients> <days> <refreshes a day>`: what clients that refresh all day leave in a SQLite
//! database. It calls the store as the token endpoint does, with a clock that jumps from refresh to refresh.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, ensure};
use gatewright_domain::{
    Clock as _,
    clock::FixedClock,
    entropy::{self, SystemEntropy},
    gateway::{Authentication, Gateway},
    grant::{Grant, Person, RefreshToken},
    id::{GatewayId, GrantId, ProjectId},
    stored_secret::SealedText,
    testing,
    token_hash::TokenHash,
    user::User,
    user_source::UserSource,
};
use gatewright_store::{
    Store, StoreConfig, gateway, grant, project,
    refresh_token::{self, Proposal, Rotation},
    user, user_source,
};

const IDLE: Duration = Duration::from_hours(30 * 24);
const HOUR: Duration = Duration::from_hours(1);
/// Refreshes in one transaction: this measures what stays in the database, not how fast it is written.
const AT_ONCE: usize = 500;

struct World {
    store: Store,
    clock: FixedClock,
    gateway: GatewayId,
    clients: Vec<Client>,
}

struct Client {
    grant: GrantId,
    token: String,
    generation: i64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, clients, days, refreshes] = arguments.as_slice() else {
        anyhow::bail!("usage: bench-growth <database file> <clients> <days> <refreshes a day>");
    };
    let (clients, days, refreshes): (u32, u32, u32) = (clients.parse()?, days.parse()?, refreshes.parse()?);
    let path = PathBuf::from(path);
    let config = StoreConfig::Sqlite { path: path.clone() };
    let store = Store::connect(&config).await?;
    store.migrate().await?;
    let empty = size(&path)?;
    let mut world = World::make(store, clients).await?;
    let begun = size(&path)?;
    println!("{clients} sign-ins: {:.2} MB", megabytes(begun - empty));
    for day in 1..=days {
        for _ in 0..refreshes {
            world.clock.advance(Duration::from_hours(24) / refreshes);
            world.refresh_all().await?;
        }
        if day == 1 || day % 10 == 0 || day == days {
            world.prune().await?;
            let grown = size(&path)?.saturating_sub(empty);
            println!(
                "day {day}: {:.2} MB, {:.0} bytes a client",
                megabytes(grown),
                per(grown, clients)
            );
        }
    }
    world.store.close().await;
    // Closing its last connection writes the log into the file.
    let whole = size(&path)?;
    println!(
        "closed: {:.2} MB with everything, {:.0} bytes a client",
        megabytes(whole),
        per(whole, clients)
    );
    Ok(())
}

impl World {
    async fn make(store: Store, count: u32) -> anyhow::Result<Self> {
        let clock = FixedClock::at_seconds(1_800_000_000);
        let at = clock.now();
        let project_id = ProjectId::generate(&clock, &SystemEntropy);
        let source = testing::user_source(project_id, at, "https://id.example.com/");
        let authentication = Authentication::UserSource(source.id);
        let gateway = testing::gateway(project_id, at, "tools", authentication);
        let row = testing::project(project_id, at);
        let mut tx = store.write().await?;
        project::insert(&mut tx, &row).await?;
        user_source::insert(&mut tx, &source).await?;
        gateway::insert(&mut tx, &gateway).await?;
        tx.commit().await?;
        let mut clients = Vec::new();
        for number in 0..count {
            clients.push(begin(&store, &source, &gateway, &clock, number).await?);
        }
        Ok(Self {
            store,
            clock,
            gateway: gateway.id,
            clients,
        })
    }

    async fn refresh_all(&mut self) -> anyhow::Result<()> {
        let now = self.clock.now();
        for some in self.clients.chunks_mut(AT_ONCE) {
            let mut tx = self.store.write().await?;
            for client in some {
                let next = token();
                // As long as the real ones: a successor sealed under its predecessor.
                let sealed = SealedText(format!("t1.{}.{next}", entropy::token(&SystemEntropy)));
                let proposal = Proposal {
                    hash: TokenHash::of(&next),
                    sealed: &sealed,
                    generation: client.generation + 1,
                    expires_at: now.plus(IDLE),
                    access_token_ends_at: now.plus(HOUR),
                    from: "192.0.2.0/24",
                };
                let hash = TokenHash::of(&client.token);
                let rotated =
                    refresh_token::rotate(&mut tx, self.gateway, "client", hash, &proposal, now).await?;
                ensure!(
                    matches!(rotated, Rotation::Rotated(_)),
                    "grant {} was not refreshed: {rotated:?}",
                    client.grant
                );
                client.token = next;
                client.generation += 1;
            }
            tx.commit().await?;
        }
        Ok(())
    }

    /// The work of the job that runs every minute.
    async fn prune(&self) -> anyhow::Result<()> {
        let mut tx = self.store.write().await?;
        while refresh_token::prune(&mut tx, self.clock.now(), 5_000).await? > 0 {}
        Ok(tx.commit().await?)
    }
}

async fn begin(
    store: &Store,
    source: &UserSource,
    gateway: &Gateway,
    clock: &FixedClock,
    number: u32,
) -> anyhow::Result<Client> {
    let now = clock.now();
    let subject = format!("auth0|5f7c8ec7c33c6c004bbafe{number:06}");
    let proposed = User {
        display_name: Some("Ada Lovelace".to_owned()),
        email: Some(format!("ada.lovelace{number}@example.com")),
        ..testing::user(source.project_id, source.id, now, &subject)
    };
    let mut tx = store.write().await?;
    let user = user::sign_in(&mut tx, &proposed).await?;
    let person = Person::User {
        user_id: user.id,
        user_source_id: source.id,
        identity_epoch: source.identity_epoch,
    };
    let begun = Grant {
        client_name: "Claude Code".to_owned(),
        scope: "mcp offline_access".to_owned(),
        ends_at: now.plus(Duration::from_hours(366 * 24)),
        ..testing::grant(source.project_id, gateway.id, now, person)
    };
    grant::insert(&mut tx, &begun).await?;
    let token = token();
    let row = RefreshToken {
        expires_at: now.plus(IDLE),
        ..testing::refresh_token(begun.id, now, &token)
    };
    refresh_token::insert(&mut tx, &row, now.plus(HOUR)).await?;
    tx.commit().await?;
    Ok(Client {
        grant: begun.id,
        token,
        generation: 1,
    })
}

/// As long as a real one.
fn token() -> String {
    let [one, two, three] = std::array::from_fn(|_| entropy::token(&SystemEntropy));
    format!("v1.{one}{two}{three}")
}

/// The database file; the contents of its log are written into it within minutes, and the log is reused.
fn size(path: &PathBuf) -> anyhow::Result<u64> {
    let file = std::fs::metadata(path).context("there is no database file")?;
    let log = std::fs::metadata(path.with_extension("db-wal")).map_or(0, |log| log.len());
    Ok(file.len() + log)
}

#[expect(clippy::cast_precision_loss, reason = "a size to be printed")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[expect(clippy::cast_precision_loss, reason = "a size to be printed")]
fn per(bytes: u64, clients: u32) -> f64 {
    bytes as f64 / f64::from(clients)
}
