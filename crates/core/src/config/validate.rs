//! Checks that the types cannot make.

use gatewright_domain::{account::Email, sealed::MasterKey, server::assertion_origin_of};
use lettre::message::Mailbox;

use super::{Config, SmtpSecurity, acme, log_level, master_key, problem::Problem, public_url, tls};
use crate::webhook_secret::WebhookSecret;

/// Less than this would keep hours instead of days.
const MIN_ACTIVITY_MB: u64 = 16;
/// An audit trail that is deleted sooner shows nothing of a break-in that is found late.
const MIN_RETENTION_DAYS: u32 = 30;
/// A token for `/metrics` shorter than this could be guessed.
const MIN_BEARER_CHARACTERS: usize = 16;
/// The largest list of one server is 16 MB.
const MIN_LIST_MEMORY_MB: u32 = 32;

/// Brings the configuration into its normal form and lists what is wrong; `place` says where a key was set.
pub(super) fn check(config: &mut Config, place: impl Fn(&str) -> String) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut refuse = |path: &str, message: String| {
        let place = place(path);
        // A key that is set nowhere is its own place.
        let message = if place == path {
            message
        } else {
            format!("{path}: {message}")
        };
        problems.push(Problem::new(place, message));
    };
    match public_url::normalize(&config.server.public_url) {
        Ok(url) => config.server.public_url = url,
        Err(message) => refuse("server.public_url", message),
    }
    if config.server.max_connections == 0 {
        refuse(
            "server.max_connections",
            "no client could connect. Write at least 1".into(),
        );
    }
    if !(1..=60).contains(&config.sign_in.minutes_at_provider) {
        refuse("sign_in.minutes_at_provider", "it must be from 1 to 60".into());
    }
    if config.database.max_connections == 0 {
        refuse(
            "database.max_connections",
            "the database could not be used. Write at least 1".into(),
        );
    }
    if let Some(url) = &config.database.url {
        let known = ["postgres://", "postgresql://"];
        if !known.iter().any(|scheme| url.expose().starts_with(scheme)) {
            refuse(
                "database.url",
                "it must begin with postgres://. Leave the key out to use SQLite in database.data_dir".into(),
            );
        }
        if config.keys.master.is_empty() {
            refuse(
                "keys.master",
                "with PostgreSQL a master key is required, because all replicas need the same one. Create one with: \
                 openssl rand -base64 32"
                    .into(),
            );
        }
    }
    for (index, key) in config.keys.master.iter().enumerate() {
        if key.expose().starts_with(master_key::FILE_PREFIX) {
            continue;
        }
        if let Err(error) = MasterKey::parse(key) {
            refuse("keys.master", format!("entry {}: {error}", index + 1));
        }
    }
    if let Some(bearer) = &config.metrics.bearer
        && bearer.expose().len() < MIN_BEARER_CHARACTERS
    {
        refuse(
            "metrics.bearer",
            "it is too short to be secret. Create one with: openssl rand -hex 24".into(),
        );
    }
    for listed in &mut config.servers.shared_assertion_origins {
        let url = url::Url::parse(listed).ok();
        let is_origin =
            |url: &url::Url| url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        match url.filter(is_origin).and_then(|url| assertion_origin_of(&url)) {
            Some(origin) => *listed = origin,
            None => refuse(
                "servers.shared_assertion_origins",
                format!("`{listed}` is not an origin. Write one like https://mcp.example.com"),
            ),
        }
    }
    if (1..MIN_RETENTION_DAYS).contains(&config.audit.retention_days) {
        refuse(
            "audit.retention_days",
            format!(
                "an audit trail is kept for at least {MIN_RETENTION_DAYS} days. Write a larger number, or 0 to keep it forever"
            ),
        );
    }
    tls::check(config, &mut refuse);
    acme::check(config, &mut refuse);
    check_activity(config, &mut refuse);
    check_limits(config, &mut refuse);
    check_notifications(config, &mut refuse);
    check_administrators(config, &mut refuse);
    config.otlp.check(&mut refuse);
    if log_level::parse(&config.log.level).is_none() {
        refuse(
            "log.level",
            "it is not a log level. Write error, warn, info, debug or trace, and add levels of single parts, like \
             info,gatewright::fetch=debug"
                .into(),
        );
    }
    problems
}

fn check_activity(config: &Config, refuse: &mut impl FnMut(&str, String)) {
    if config.activity.max_size_mb < MIN_ACTIVITY_MB {
        refuse(
            "activity.max_size_mb",
            format!(
                "requests need some room. Write at least {MIN_ACTIVITY_MB}, or `activity.enabled = false` to record none"
            ),
        );
    }
    if config.activity.max_arguments_mb < MIN_ACTIVITY_MB {
        refuse(
            "activity.max_arguments_mb",
            format!(
                "recorded arguments need some room. Write at least {MIN_ACTIVITY_MB}; gateways record none unless you turn it on for them"
            ),
        );
    }
}

fn check_limits(config: &Config, refuse: &mut impl FnMut(&str, String)) {
    let limits = &config.limits;
    if limits.running_per_person == 0 {
        refuse(
            "limits.running_per_person",
            "no request could run. Write at least 1".into(),
        );
    }
    for (key, percent) in [
        ("limits.project_share_percent", limits.project_share_percent),
        ("limits.list_share_percent", limits.list_share_percent),
    ] {
        if !(1..=100).contains(&percent) {
            refuse(key, "it is a percentage. Write a number from 1 to 100".into());
        }
    }
    if limits.list_memory_mb < MIN_LIST_MEMORY_MB {
        refuse(
            "limits.list_memory_mb",
            format!("the lists of a few servers would not fit. Write at least {MIN_LIST_MEMORY_MB}"),
        );
    }
}

/// Whether a text is the address of a sender, with or without a name.
fn is_mailbox(text: &str) -> bool {
    text.parse::<Mailbox>().is_ok()
}

fn check_notifications(config: &Config, refuse: &mut impl FnMut(&str, String)) {
    let (told, smtp) = (&config.notifications, &config.smtp);
    if let Some(url) = &told.webhook_url {
        let url = url::Url::parse(url).ok();
        if !url.is_some_and(|url| matches!(url.scheme(), "https" | "http") && url.has_host()) {
            refuse(
                "notifications.webhook_url",
                "it is not a URL. Write one like https://hooks.example.com/gatewright".into(),
            );
        }
        if told.webhook_secret.is_none() {
            refuse(
                "notifications.webhook_secret",
                "it is missing: without it, the receiver cannot verify that a message is from Gatewright"
                    .into(),
            );
        }
    }
    if let Some(secret) = &told.webhook_secret
        && let Err(error) = WebhookSecret::parse(secret)
    {
        refuse("notifications.webhook_secret", error.to_string());
    }
    for address in &told.email {
        if Email::check("", address).is_err() {
            refuse(
                "notifications.email",
                format!("`{address}` is not an e-mail address"),
            );
        }
    }
    if !told.email.is_empty() && smtp.host.is_none() {
        refuse(
            "smtp.host",
            "it is missing: notifications.email needs a mail server".into(),
        );
    }
    if smtp.host.is_some() && !smtp.from.as_deref().is_some_and(is_mailbox) {
        refuse(
            "smtp.from",
            "it must be the sender's address, like Gatewright <gatewright@example.com>".into(),
        );
    }
    if smtp.username.is_some() != smtp.password.is_some() {
        refuse(
            "smtp.password",
            "smtp.username and smtp.password belong together. Set both or none".into(),
        );
    }
    if smtp.password.is_some() && smtp.security == SmtpSecurity::None {
        refuse(
            "smtp.security",
            "a password is not sent in clear text. Write starttls or tls".into(),
        );
    }
}

fn check_administrators(config: &Config, refuse: &mut impl FnMut(&str, String)) {
    let administrators = &config.administrators;
    let keys = [
        ("administrators.oidc_issuer", administrators.oidc_issuer.is_some()),
        (
            "administrators.oidc_client_id",
            administrators.oidc_client_id.is_some(),
        ),
        (
            "administrators.oidc_client_secret",
            administrators.oidc_client_secret.is_some(),
        ),
    ];
    let is_begun = keys.iter().any(|(_, is_set)| *is_set);
    for (key, _) in keys.iter().filter(|(_, is_set)| is_begun && !is_set) {
        refuse(
            key,
            "it is missing: an identity provider for administrators needs issuer, client ID and client secret".into(),
        );
    }
    if !administrators.password_sign_in && administrators.provider().is_none() {
        refuse(
            "administrators.password_sign_in",
            "no one could sign in: configure an identity provider for administrators, or leave passwords on"
                .into(),
        );
    }
    if let Some(issuer) = &administrators.oidc_issuer {
        let url = url::Url::parse(issuer).ok();
        let is_https = url.as_ref().is_some_and(|url| url.scheme() == "https");
        let is_loopback =
            public_url::is_loopback(issuer) && public_url::is_loopback(&config.server.public_url);
        if !is_https && !is_loopback {
            refuse(
                "administrators.oidc_issuer",
                "it must be the https URL that the provider's discovery document has as `issuer`".into(),
            );
        }
    }
    for needed in ["openid", "email"] {
        if !administrators.oidc_scopes.iter().any(|scope| scope == needed) {
            refuse(
                "administrators.oidc_scopes",
                format!("`{needed}` is missing, and without it no one can be recognised. Add it"),
            );
        }
    }
    for domain in &administrators.oidc_domains {
        // What is not the domain of any address opens no account, and might look like one that does.
        let is_domain = Email::check("", &format!("someone@{domain}")).is_ok();
        if !is_domain || domain.contains(['@', '*', ' ', '/']) {
            refuse(
                "administrators.oidc_domains",
                format!("`{domain}` is not a domain. Write one like example.com"),
            );
        }
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// A configuration with an https URL, changed and checked, and the places of what is wrong with it.
    pub(in crate::config) fn checked(change: impl FnOnce(&mut Config)) -> (Config, Vec<String>) {
        let mut config = Config::default();
        config.server.public_url = "https://Gateway.example.com".to_owned();
        change(&mut config);
        let problems = check(&mut config, str::to_owned);
        let places = problems.into_iter().map(|problem| problem.place).collect();
        (config, places)
    }

    /// Only the places.
    pub(in crate::config) fn problems(change: impl FnOnce(&mut Config)) -> Vec<String> {
        checked(change).1
    }
}

#[cfg(test)]
mod tests {
    use gatewright_domain::secret::Secret;

    use super::*;

    /// The keys that are refused.
    fn refused(change: impl FnOnce(&mut Config)) -> Vec<String> {
        let mut config = Config::default();
        change(&mut config);
        let problems = check(&mut config, str::to_owned);
        problems.into_iter().map(|problem| problem.place).collect()
    }

    #[test]
    fn what_messages_about_incidents_need_is_asked_for() {
        let secret = || Some(Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
        let whole = |config: &mut Config| {
            config.notifications.webhook_url = Some("https://hooks.example.com".to_owned());
            config.notifications.webhook_secret = secret();
            config.notifications.email = vec!["ada@example.com".to_owned()];
            config.smtp.host = Some("smtp.example.com".to_owned());
            config.smtp.from = Some("Gatewright <gatewright@example.com>".to_owned());
            config.smtp.username = Some("gatewright".to_owned());
            config.smtp.password = Some(Secret::new("password"));
        };
        assert_eq!(refused(whole), [] as [&str; 0]);
        for (key, change) in [
            (
                "notifications.webhook_url",
                (|config| config.notifications.webhook_url = Some("hooks".to_owned())) as fn(&mut Config),
            ),
            ("notifications.webhook_secret", |config| {
                config.notifications.webhook_secret = None;
            }),
            ("notifications.webhook_secret", |config| {
                config.notifications.webhook_secret = Some(Secret::new("short"));
            }),
            ("notifications.email", |config| {
                config.notifications.email.push("grace".to_owned());
            }),
            ("smtp.host", |config| config.smtp.host = None),
            ("smtp.from", |config| {
                config.smtp.from = Some("Gatewright".to_owned());
            }),
            ("smtp.password", |config| config.smtp.password = None),
            ("smtp.security", |config| {
                config.smtp.security = SmtpSecurity::None;
            }),
        ] {
            let with = |config: &mut Config| {
                whole(config);
                change(config);
            };
            assert_eq!(refused(with), [key]);
        }
    }
}
