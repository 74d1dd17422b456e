//! Generated projects. Everything comes from a number, so that a failure can be repeated.

use gatewright_domain::{
    Timestamp,
    api_key::KeyRole,
    gateway::{
        GatewaySettings, GatewayStatus, Mode, OfferedKinds, PrefixMode, RecordArguments, TrustedClient,
    },
    member::Role,
    registration::AuthenticationChoice,
    server::{CustomHeader, IdentityForwarding, ProtocolChoice},
    user_source::{Callback, UserSourceStatus},
};
use serde_json::json;

use crate::declared::model::{
    AllowedPrompt, AllowedResource, AllowedTool, Client, Gateway, Key, Member, Project, SecretReference,
    Server, StoredSecret, UserSource, VERSION,
};

const TEXTS: [&str; 6] = [
    "",
    "Plain.",
    "With: colon # and \"quotes\"",
    "Two\nlines\n",
    "  spaces  \n\n\ttab",
    "no",
];

/// Numbers that look random (SplitMix64).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut next = self.0;
        next = (next ^ (next >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        next = (next ^ (next >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (next ^ (next >> 31)) % end
    }

    /// True once in so many times.
    pub(super) const fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub(super) fn one_of<T: Clone>(&mut self, items: &[T]) -> T {
        let index = usize::try_from(self.below(items.len() as u64)).unwrap_or_default();
        items[index].clone()
    }

    fn some_of<T: Clone>(&mut self, items: &[T]) -> Vec<T> {
        items.iter().filter(|_| self.once_in(2)).cloned().collect()
    }

    fn text(&mut self) -> String {
        self.one_of(&TEXTS).to_owned()
    }
}

/// A project of this name. `mark` is in the slugs of its gateways, which are unique in an instance.
pub(super) fn project(dice: &mut Dice, name: &str, mark: &str) -> Project {
    // Of two projects of an instance, only one can send assertions to an origin.
    let origins = ["a", "b", "c"].map(|host| format!("https://{host}.{mark}.example"));
    let names = |prefix: &str, count: u64| {
        (0..count)
            .map(|number| format!("{prefix}{number}"))
            .collect::<Vec<_>>()
    };
    let secrets: Vec<_> = dice
        .some_of(&names("SECRET_", 3))
        .into_iter()
        .map(|name| secret(dice, name, &origins))
        .collect();
    let sources: Vec<_> = dice
        .some_of(&names("Source ", 3))
        .into_iter()
        .map(|name| source(dice, name))
        .collect();
    let servers = dice.some_of(&names("server-", 4));
    let servers: Vec<_> = servers
        .into_iter()
        .map(|slug| server(dice, slug, &origins, &secrets))
        .collect();
    let gateways = dice.some_of(&names(&format!("{mark}-gateway_"), 3));
    let gateways: Vec<_> = gateways
        .into_iter()
        .map(|slug| gateway(dice, slug, &sources, &servers))
        .collect();
    let members = dice.some_of(&names("person", 3)).into_iter().map(|name| Member {
        email: format!("{name}@example.com"),
        role: dice.one_of(&[Role::Viewer, Role::Admin, Role::Owner]),
    });
    let members = members.collect();
    let keys = dice
        .some_of(&names("Key ", 3))
        .into_iter()
        .map(|name| key(dice, name, &gateways));
    let keys = keys.collect();
    Project {
        version: VERSION,
        project: name.to_owned(),
        secrets: Some(secrets),
        user_sources: Some(sources),
        servers: Some(servers),
        gateways: Some(gateways),
        members: Some(members),
        keys: Some(keys),
    }
}

fn secret(dice: &mut Dice, name: String, all: &[String]) -> StoredSecret {
    let mut origins = dice.some_of(all);
    if origins.is_empty() {
        origins.push(all[0].clone());
    }
    let value = SecretReference::Env(dice.one_of(&["ONE", "TWO"]).to_owned());
    StoredSecret { name, value, origins }
}

fn source(dice: &mut Dice, name: String) -> UserSource {
    UserSource {
        name,
        description: dice.text(),
        issuer: dice
            .one_of(&[
                "https://login.example.com",
                "https://login.example.com/two",
                "https://id.example.org",
            ])
            .to_owned(),
        client_id: dice.one_of(&["client-1", "0123", "client 2"]).to_owned(),
        client_secret: SecretReference::Env(dice.one_of(&["THREE", "FOUR"]).to_owned()),
        client_secret_expires_at: dice.once_in(3).then(|| Timestamp::from_seconds(1_900_000_000)),
        client_authentication: dice.one_of(&[AuthenticationChoice::Automatic, AuthenticationChoice::Post]),
        scopes: dice.one_of(&[vec![], vec!["openid".to_owned(), "groups".to_owned()]]),
        subject_claim: dice.one_of(&[None, Some("sub".to_owned()), Some("oid".to_owned())]),
        callback: dice.one_of(&[Callback::Shared, Callback::Own]),
        status: if dice.once_in(4) {
            UserSourceStatus::Inactive
        } else {
            UserSourceStatus::Active
        },
    }
}

fn server(dice: &mut Dice, slug: String, origins: &[String], secrets: &[StoredSecret]) -> Server {
    let origin = dice.one_of(origins);
    let mut headers = Vec::new();
    let usable = secrets.iter().filter(|secret| secret.origins.contains(&origin));
    for secret in usable {
        if dice.once_in(2) {
            headers.push(CustomHeader {
                name: format!("X-{}", secret.name.replace('_', "-")),
                value: format!("Bearer ${{secret:{}}}", secret.name),
            });
        }
    }
    if dice.once_in(3) {
        headers.push(CustomHeader {
            name: "X-Tenant".to_owned(),
            value: dice.one_of(&["acme", "no", "1"]).to_owned(),
        });
    }
    Server {
        name: dice.one_of(&[String::new(), "A server".to_owned(), slug.clone()]),
        prefix: if dice.once_in(4) {
            slug.replace("server", "p")
        } else {
            String::new()
        },
        url: format!("{origin}/{}", dice.one_of(&["mcp", "v2?x=1"])),
        timeout_ms: dice.one_of(&[None, Some(60_000), Some(500)]),
        retries: dice.one_of(&[None, Some(0), Some(5)]),
        headers,
        identity: dice.one_of(&[
            IdentityForwarding::None,
            IdentityForwarding::None,
            IdentityForwarding::Assertion,
        ]),
        protocol: dice.one_of(&[ProtocolChoice::Automatic, ProtocolChoice::SessionsOnly]),
        slug,
    }
}

fn gateway(dice: &mut Dice, slug: String, sources: &[UserSource], servers: &[Server]) -> Gateway {
    let source = (!sources.is_empty()).then(|| dice.one_of(sources));
    let source = source.filter(|_| !dice.once_in(3));
    let is_usable = source
        .as_ref()
        .is_none_or(|it| it.status == UserSourceStatus::Active);
    let all: Vec<_> = servers.iter().map(|server| server.slug.clone()).collect();
    let chosen = dice.some_of(&all);
    let offered = if chosen.is_empty() { all } else { chosen.clone() };
    let mut settings = GatewaySettings::default();
    if dice.once_in(2) {
        settings.access_token_seconds = 900;
        settings.dynamic_registration = false;
    }
    Gateway {
        name: dice.one_of(&["Agents", "Two: words", "été"]).to_owned(),
        description: dice.text(),
        instructions: dice.text(),
        server_instructions: dice.once_in(3),
        authentication_mode: match &source {
            Some(_) => Mode::UserSource,
            None => dice.one_of(&[Mode::Headers, Mode::ProjectMembers]),
        },
        user_source: source.map(|source| source.name),
        servers: chosen,
        prefix_mode: dice.one_of(&[PrefixMode::WhenSeveral, PrefixMode::Always, PrefixMode::Never]),
        offers: OfferedKinds {
            prompts: dice.once_in(2),
            ..OfferedKinds::default()
        },
        allowed_tools: some(dice, &offered, |server| AllowedTool {
            server,
            tool: "search: all".to_owned(),
        }),
        allowed_prompts: some(dice, &offered, |server| AllowedPrompt {
            server,
            prompt: "ask".to_owned(),
        }),
        allowed_resources: some(dice, &offered, |server| AllowedResource {
            server,
            uri: "file:///{path}".to_owned(),
        }),
        trusted_clients: if dice.once_in(3) {
            vec![TrustedClient {
                url: "https://app.example/client".to_owned(),
                allow_loopback: dice.once_in(2),
            }]
        } else {
            Vec::new()
        },
        status: if is_usable && !dice.once_in(4) {
            GatewayStatus::Active
        } else {
            GatewayStatus::Inactive
        },
        settings,
        record_arguments: dice.once_in(4).then(|| RecordArguments {
            redact: vec!["/a".to_owned()],
            retention_days: 3,
        }),
        clients: Some(clients(dice)),
        slug,
    }
}

fn some<T>(dice: &mut Dice, servers: &[String], make: impl Fn(String) -> T) -> Vec<T> {
    if dice.once_in(2) {
        return Vec::new();
    }
    dice.some_of(servers).into_iter().map(make).collect()
}

fn clients(dice: &mut Dice) -> Vec<Client> {
    // How a client proves itself never changes.
    let kinds = [
        ("Public", "none"),
        ("Basic", "client_secret_basic"),
        ("Signing", "private_key_jwt"),
    ];
    let kinds = dice.some_of(&kinds).into_iter();
    kinds
        .map(|(name, method)| Client {
            name: name.to_owned(),
            redirect_uris: dice.one_of(&[
                vec!["https://app.example/cb".to_owned()],
                vec!["http://127.0.0.1/cb".to_owned(), "https://app.example/cb?x=1".to_owned()],
            ]),
            token_endpoint_auth_method: method.to_owned(),
            jwks: (method == "private_key_jwt").then(|| {
                json!({"keys": [{
                    "kty": "EC", "crv": "P-256", "kid": dice.one_of(&["1", "2"]), "alg": "ES256", "use": "sig",
                    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
                }]})
            }),
        })
        .collect()
}

fn key(dice: &mut Dice, name: String, gateways: &[Gateway]) -> Key {
    let gateway = (!gateways.is_empty() && dice.once_in(2)).then(|| dice.one_of(gateways).slug);
    Key {
        name,
        role: if gateway.is_some() {
            KeyRole::Gateway
        } else {
            dice.one_of(&[KeyRole::Viewer, KeyRole::Admin, KeyRole::Owner])
        },
        gateway,
        expires_at: dice.once_in(3).then(|| Timestamp::from_seconds(1_950_000_000)),
    }
}

/// A project after an edit: each thing is the one that it was, or another, or is gone.
pub(super) fn edited(dice: &mut Dice, before: &Project, mark: &str) -> Project {
    let mut after = project(dice, &before.project, mark);
    keep(dice, &mut after.secrets, before.secrets.as_ref(), |it| {
        it.name.clone()
    });
    keep(
        dice,
        &mut after.user_sources,
        before.user_sources.as_ref(),
        |it| it.name.clone(),
    );
    keep(dice, &mut after.servers, before.servers.as_ref(), |it| {
        it.slug.clone()
    });
    keep(dice, &mut after.gateways, before.gateways.as_ref(), |it| {
        it.slug.clone()
    });
    keep(dice, &mut after.members, before.members.as_ref(), |it| {
        it.email.clone()
    });
    keep(dice, &mut after.keys, before.keys.as_ref(), |it| it.name.clone());
    after
}

/// Most things stay as they were.
fn keep<T: Clone>(
    dice: &mut Dice,
    after: &mut Option<Vec<T>>,
    before: Option<&Vec<T>>,
    name: impl Fn(&T) -> String,
) {
    if dice.once_in(8) {
        *after = None;
        return;
    }
    let (Some(after), Some(before)) = (after, before) else {
        return;
    };
    for old in before {
        let place = after.iter().position(|new| name(new) == name(old));
        match place {
            Some(place) if !dice.once_in(4) => after[place] = old.clone(),
            None if !dice.once_in(4) => after.push(old.clone()),
            Some(_) | None => {}
        }
    }
}
