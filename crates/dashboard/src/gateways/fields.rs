//! The fields of the form of a gateway, and how they become what the service takes.

use std::collections::BTreeSet;

use gatewright_domain::{
    gateway::{
        Allowed, Gateway, GatewaySettings, Mode, OfferedKinds, PrefixMode, RecordArguments, TrustedClient,
    },
    id::{ServerId, UserSourceId},
    words::Worded as _,
};

use super::{
    kind::{Kind, Names},
    selection::Selection,
    words::MODES,
};
use gatewright_gateway::known_clients::KNOWN_CLIENTS;

use crate::{
    form::{Form, Posted},
    service::{
        Patch,
        gateways::{GatewayPatch, NewGateway},
    },
};

/// The value of a choice that leaves nothing out.
pub(super) const ALL: &str = "all";
/// The value of a choice that depends on what is ticked.
pub(super) const CHOSEN: &str = "chosen";

/// The value of a box that is ticked.
const YES: &str = "yes";
/// The value of a choice that offers nothing of a kind.
pub(super) const NONE: &str = "none";

const TOOLS: &Names = Kind::Tools.names();
const PROMPTS: &Names = Kind::Prompts.names();
const RESOURCES: &Names = Kind::Resources.names();

/// Fields that are shown again as they were typed.
pub(super) const SHOWN: [&str; 39] = [
    "name",
    "description",
    "instructions",
    "server_instructions",
    "slug",
    "authentication_mode",
    "user_source_id",
    "which_servers",
    "servers",
    "prefix_mode",
    TOOLS.which,
    TOOLS.tick,
    TOOLS.carried,
    TOOLS.kept,
    TOOLS.open,
    TOOLS.filter,
    PROMPTS.which,
    PROMPTS.tick,
    PROMPTS.carried,
    PROMPTS.kept,
    PROMPTS.open,
    PROMPTS.filter,
    RESOURCES.which,
    RESOURCES.tick,
    RESOURCES.carried,
    RESOURCES.kept,
    RESOURCES.open,
    RESOURCES.filter,
    "trusted",
    "trusted_loopback",
    "own_client",
    "own_loopback",
    "registration",
    "access_token_seconds",
    "grant_idle_seconds",
    "grant_max_seconds",
    "record_arguments",
    "redact",
    "retention_days",
];

/// Fields that say who skips the question for consent. They are entered in the form, and never come from an address.
pub(super) const TRUST: [&str; 4] = ["trusted", "trusted_loopback", "own_client", "own_loopback"];

/// The service's names of the fields that several of ours make up.
pub(super) const HIDDEN: [&str; 6] = [
    "trusted_clients",
    Kind::Tools.list(),
    Kind::Prompts.list(),
    Kind::Resources.list(),
    "settings",
    "record_arguments",
];

/// The ways a client may introduce itself, each with its switch.
pub(super) const REGISTRATION: [(&str, &str, &str); 3] = [
    (
        "metadata_documents",
        "Client ID metadata documents",
        "The client ID is the URL of a document about the client. Newer clients work this way, and only these can be trusted by name.",
    ),
    (
        "dynamic_registration",
        "Dynamic registration",
        "A client registers itself, under any name it chooses. Most current clients still need this.",
    ),
    (
        "preregistered_clients",
        "Registered beforehand",
        "Clients that you register on the page of the gateway.",
    ),
];

/// When names begin with the prefix of their server, each with what it means.
pub(super) const PREFIX_MODES: [(&str, &str, &str); 3] = [
    (
        PrefixMode::WhenSeveral.as_str(),
        PrefixMode::WhenSeveral.label(),
        "With one server, names stay as they are. A second server renames the tools of the first.",
    ),
    (
        PrefixMode::Always.as_str(),
        PrefixMode::Always.label(),
        "Names stay the same when you add a server later.",
    ),
    (
        PrefixMode::Never.as_str(),
        PrefixMode::Never.label(),
        "If several servers have the same name, the first in the gateway’s order serves it. The page of the gateway shows these names.",
    ),
];

/// A form for a new gateway.
pub(super) fn fresh(only_source: Option<UserSourceId>) -> Form {
    let settings = GatewaySettings::default();
    let mut values = vec![
        ("authentication_mode", Mode::UserSource.as_str().to_owned()),
        ("which_servers", ALL.to_owned()),
        ("prefix_mode", PrefixMode::default().as_str().to_owned()),
    ];
    values.extend(Kind::ALL.map(|kind| (kind.names().which, ALL.to_owned())));
    values.extend(only_source.map(|id| ("user_source_id", id.to_string())));
    values.extend(values_of(&settings));
    values.extend(recording_values(None));
    Form::of(values)
}

/// A form with what a gateway has.
pub(super) fn of_gateway(gateway: &Gateway) -> Form {
    let mut values = vec![
        ("name", gateway.name.clone()),
        ("description", gateway.description.clone()),
        ("instructions", gateway.instructions.clone()),
        (
            "server_instructions",
            if gateway.server_instructions { YES } else { "" }.to_owned(),
        ),
        ("slug", gateway.slug.clone()),
        (
            "authentication_mode",
            gateway.authentication.mode().as_str().to_owned(),
        ),
        (
            "which_servers",
            if gateway.servers.is_empty() { ALL } else { CHOSEN }.to_owned(),
        ),
        ("prefix_mode", gateway.prefix_mode.as_str().to_owned()),
    ];
    let source = gateway.authentication.user_source();
    values.extend(source.map(|id| ("user_source_id", id.to_string())));
    values.extend(gateway.servers.iter().map(|id| ("servers", id.to_string())));
    for kind in Kind::ALL {
        let (chosen, names) = (kind.named(gateway), kind.names());
        let which = match (kind.is_offered(gateway), chosen.is_empty()) {
            (false, _) => NONE,
            (true, true) => ALL,
            (true, false) => CHOSEN,
        };
        values.push((names.which, which.to_owned()));
        let kept: BTreeSet<ServerId> = chosen.into_iter().map(|(server, _)| server).collect();
        values.extend(kept.into_iter().map(|id| (names.kept, id.to_string())));
    }
    let mut own = 0;
    for client in &gateway.trusted_clients {
        if KNOWN_CLIENTS.iter().any(|known| known.url == client.url) {
            values.push(("trusted", client.url.clone()));
            values.extend(
                client
                    .allow_loopback
                    .then(|| ("trusted_loopback", client.url.clone())),
            );
        } else {
            values.push(("own_client", client.url.clone()));
            values.extend(client.allow_loopback.then(|| ("own_loopback", own.to_string())));
            own += 1;
        }
    }
    values.extend(values_of(&gateway.settings));
    values.extend(recording_values(gateway.record_arguments.as_ref()));
    Form::of(values)
}

/// How arguments are recorded, or would be.
fn recording_values(recording: Option<&RecordArguments>) -> [(&'static str, String); 3] {
    let default = RecordArguments::default();
    let shown = recording.unwrap_or(&default);
    [
        (
            "record_arguments",
            if recording.is_some() { YES } else { "" }.to_owned(),
        ),
        ("redact", shown.redact.join("\n")),
        ("retention_days", shown.retention_days.to_string()),
    ]
}

/// How arguments are to be recorded, if they are.
fn recording(posted: &Posted) -> Option<RecordArguments> {
    let lines = posted.text("redact").lines().map(str::trim);
    (posted.text("record_arguments") == YES).then(|| RecordArguments {
        redact: lines.filter(|line| !line.is_empty()).map(str::to_owned).collect(),
        // What is no number is below every bound, and refused as such.
        retention_days: posted.text("retention_days").parse().unwrap_or(0),
    })
}

fn values_of(settings: &GatewaySettings) -> Vec<(&'static str, String)> {
    let switches = [
        settings.metadata_documents,
        settings.dynamic_registration,
        settings.preregistered_clients,
    ];
    let on = REGISTRATION.iter().zip(switches).filter(|(_, is_on)| *is_on);
    let mut values: Vec<_> = on
        .map(|((value, _, _), _)| ("registration", (*value).to_owned()))
        .collect();
    values.extend([
        ("access_token_seconds", settings.access_token_seconds.to_string()),
        ("grant_idle_seconds", settings.grant_idle_seconds.to_string()),
        ("grant_max_seconds", settings.grant_max_seconds.to_string()),
    ]);
    values
}

/// A gateway to create.
pub(super) fn new_gateway(posted: &Posted) -> NewGateway {
    entered(posted, None)
}

/// A change of a gateway to what the form says. What it leaves unsaid of the mode is refused, and of the prefix stays.
pub(super) fn patch(posted: &Posted, gateway: &Gateway) -> GatewayPatch {
    let mode = mode(posted);
    GatewayPatch {
        authentication_mode: mode.map_or(Patch::Clear, Patch::Set),
        user_source_id: source(posted, mode).map_or(Patch::Clear, Patch::Set),
        prefix_mode: prefix_mode(posted).into(),
        record_arguments: recording(posted).map_or(Patch::Clear, Patch::Set),
        ..entered(posted, Some(gateway)).into()
    }
}

/// What the form says, made from that of a gateway or a new one.
fn entered(posted: &Posted, gateway: Option<&Gateway>) -> NewGateway {
    let mode = mode(posted);
    let (tools, allowed_tools) = offered(posted, gateway, Kind::Tools, |it| &it.allowed_tools);
    let (prompts, allowed_prompts) = offered(posted, gateway, Kind::Prompts, |it| &it.allowed_prompts);
    let (resources, allowed_resources) =
        offered(posted, gateway, Kind::Resources, |it| &it.allowed_resources);
    NewGateway {
        name: posted.text("name").to_owned(),
        description: posted.text("description").to_owned(),
        instructions: posted.text("instructions").to_owned(),
        server_instructions: posted.text("server_instructions") == YES,
        slug: posted.text("slug").to_owned(),
        authentication_mode: mode,
        user_source_id: source(posted, mode),
        trusted_clients: trusted_clients(posted),
        servers: servers(posted),
        prefix_mode: prefix_mode(posted).unwrap_or_default(),
        offers: OfferedKinds {
            tools,
            prompts,
            resources,
        },
        allowed_tools,
        allowed_prompts,
        allowed_resources,
        status: None,
        settings: settings(posted),
        record_arguments: recording(posted),
    }
}

/// The mode that was chosen.
pub(super) fn mode(posted: &Posted) -> Option<Mode> {
    let chosen = posted.text("authentication_mode");
    let mode = MODES.iter().find(|mode| mode.value == chosen);
    mode.map(|mode| mode.mode)
}

/// The source, if the mode has one: the picker stays in the form when another mode is chosen.
fn source(posted: &Posted, mode: Option<Mode>) -> Option<UserSourceId> {
    let chosen = posted.text("user_source_id").parse().ok();
    chosen.filter(|_| mode == Some(Mode::UserSource))
}

/// The servers that were ticked; none if all are meant.
pub(super) fn servers(posted: &Posted) -> Vec<ServerId> {
    if posted.text("which_servers") != CHOSEN {
        return Vec::new();
    }
    posted.all("servers").filter_map(|id| id.parse().ok()).collect()
}

/// When names begin with a prefix; `None` if an address does not say.
fn prefix_mode(posted: &Posted) -> Option<PrefixMode> {
    PrefixMode::of_word(posted.text("prefix_mode"))
}

/// Whether a kind is offered, and which of it were ticked, at the servers that were ticked; the list is empty where all are
/// meant. `present` are those that a gateway has.
fn offered<A: Allowed>(
    posted: &Posted,
    gateway: Option<&Gateway>,
    kind: Kind,
    present: fn(&Gateway) -> &[A],
) -> (bool, Vec<A>) {
    let which = posted.text(kind.names().which);
    if which != CHOSEN && which != NONE {
        return (true, Vec::new());
    }
    let servers = servers(posted);
    let mut selection = Selection::of(posted, gateway, kind);
    if !servers.is_empty() {
        selection.keep_servers(&servers);
    }
    let allowed = selection.into_allowed(gateway.map(present).unwrap_or_default());
    // An empty list means all, so if nothing was ticked the kind is turned off.
    (which == CHOSEN && !allowed.is_empty(), allowed)
}

fn trusted_clients(posted: &Posted) -> Vec<TrustedClient> {
    let holds = |name: &str, value: &str| posted.all(name).any(|held| held == value);
    let known = posted.all("trusted").map(|url| TrustedClient {
        url: url.to_owned(),
        allow_loopback: holds("trusted_loopback", url),
    });
    let own = posted.all("own_client").enumerate();
    let own = own
        .filter(|(_, url)| !url.is_empty())
        .map(|(index, url)| TrustedClient {
            url: url.to_owned(),
            allow_loopback: holds("own_loopback", &index.to_string()),
        });
    known.chain(own).collect()
}

fn settings(posted: &Posted) -> GatewaySettings {
    let is_on = |name: &str| posted.all("registration").any(|held| held == name);
    // A value that is not a number is below every bound, and refused as such.
    let seconds = |name: &str| posted.text(name).parse().unwrap_or(0);
    GatewaySettings {
        access_token_seconds: seconds("access_token_seconds"),
        grant_idle_seconds: seconds("grant_idle_seconds"),
        grant_max_seconds: seconds("grant_max_seconds"),
        dynamic_registration: is_on("dynamic_registration"),
        metadata_documents: is_on("metadata_documents"),
        preregistered_clients: is_on("preregistered_clients"),
    }
}
