//! Upstream MCP servers.

mod protocol;

use serde::{Deserialize, Serialize};

use url::Url;

use crate::{
    Invalid, Timestamp,
    header_template::{self, check_headers},
    id::{ProjectId, ServerId},
    project::check_name,
    stored_secret::{StoredSecret, origin_of},
    words::worded,
};

pub use crate::header_template::CustomHeader;
pub use protocol::ProtocolChoice;

/// The default time limit of a request: tools that search or compile need time.
pub const DEFAULT_TIMEOUT_MS: u32 = 60_000;
/// The default number of retries; only for requests that were certainly not processed.
pub const DEFAULT_RETRIES: u8 = 1;
const TIMEOUT_MS: std::ops::RangeInclusive<u32> = 100..=600_000;
const MAX_RETRIES: u8 = 5;
const MAX_URL: usize = 2_000;
const MAX_SLUG: usize = 40;
const MAX_PREFIX: usize = 20;

/// An upstream MCP server as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its id.
    pub id: ServerId,
    /// The project it belongs to.
    pub project_id: ProjectId,
    /// `[a-z0-9-]{1,40}`, unique in the project.
    pub slug: String,
    /// `[a-z0-9-]{1,20}`: what the names of its tools begin with, if not its slug. See [`Server::tool_prefix`].
    pub prefix: Option<String>,
    /// Its name.
    pub name: String,
    /// Its Streamable HTTP endpoint.
    pub url: String,
    /// The time limit of a request, in milliseconds.
    pub timeout_ms: u32,
    /// How often a request that was certainly not processed is retried.
    pub retries: u8,
    /// Headers sent with every request.
    pub headers: Vec<CustomHeader>,
    /// What it learns about the user.
    pub identity: IdentityForwarding,
    /// Which revisions of MCP are tried with it.
    pub protocol: ProtocolChoice,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

worded! {
    /// What a server learns about the user of a request.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
    pub enum IdentityForwarding {
        /// Nothing.
        #[default]
        None = "none", "Nothing";
        /// The header `Gatewright-Assertion` with a signed identity assertion.
        Assertion = "assertion", "A signed assertion";
    }
}

impl Server {
    /// A server about which nothing is entered yet, with the defaults of the rest. It has to be [checked](Server::check) before
    /// it is stored.
    pub fn blank(id: ServerId, project_id: ProjectId, at: Timestamp) -> Self {
        Self {
            id,
            project_id,
            slug: String::new(),
            prefix: None,
            name: String::new(),
            url: String::new(),
            timeout_ms: DEFAULT_TIMEOUT_MS,
            retries: DEFAULT_RETRIES,
            headers: Vec::new(),
            identity: IdentityForwarding::default(),
            protocol: ProtocolChoice::default(),
            created_at: at,
            updated_at: at,
        }
    }

    /// Checks every field that an administrator enters and reports everything that is wrong. An empty prefix becomes none, an
    /// empty name the slug. Also returns the parsed URL.
    pub fn check(mut self) -> Result<(Self, Url), Invalid> {
        let mut invalid = Invalid::default();
        invalid.take(check_slug("/slug", &self.slug));
        self.prefix = self.prefix.filter(|prefix| !prefix.is_empty());
        if let Some(prefix) = &self.prefix {
            invalid.take(check_prefix("/prefix", prefix));
        }
        if self.name.trim().is_empty() {
            self.name.clone_from(&self.slug);
        }
        if !self.name.is_empty() {
            self.name = invalid.take(check_name("/name", &self.name)).unwrap_or_default();
        }
        let url = invalid.take(check_url("/url", &self.url));
        if !TIMEOUT_MS.contains(&self.timeout_ms) {
            invalid.add(
                "/timeout_ms",
                format!(
                    "Enter {} to {} milliseconds, which is a tenth of a second to ten minutes.",
                    TIMEOUT_MS.start(),
                    TIMEOUT_MS.end()
                ),
            );
        }
        if self.retries > MAX_RETRIES {
            invalid.add("/retries", format!("Enter 0 to {MAX_RETRIES}."));
        }
        invalid.take(check_headers("/headers", &self.headers));
        invalid.into_result()?;
        let url = url.expect("a URL without violations was read");
        Ok((self, url))
    }

    /// What the names of its tools and prompts begin with at gateways that add a prefix: its own prefix, or else its slug. No
    /// two servers of a project have the same.
    pub fn tool_prefix(&self) -> &str {
        self.prefix.as_deref().unwrap_or(&self.slug)
    }

    /// Checks that every secret named in the headers exists and can be sent to the server's origin.
    pub fn check_secrets(&self, url: &Url, secrets: &[StoredSecret]) -> Result<(), Invalid> {
        let mut invalid = Invalid::default();
        let origin = origin_of(url).unwrap_or_default();
        for (index, header) in self.headers.iter().enumerate() {
            for name in header_template::secrets(header) {
                let pointer = format!("/headers/{index}/value");
                match secrets.iter().find(|secret| secret.name == name) {
                    None => invalid.add(
                        pointer,
                        format!("There is no secret `{name}` in this project: create it first, or correct its name."),
                    ),
                    Some(secret) if !secret.origins.contains(&origin) => invalid.add(
                        pointer,
                        format!(
                            "The secret `{name}` may not be sent to `{origin}`: add that origin to the secret, entering its \
                             value again, or correct the URL."
                        ),
                    ),
                    Some(_) => {}
                }
            }
        }
        invalid.into_result()
    }

    /// The secrets named in its headers, each once.
    pub fn secrets(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.headers.iter().flat_map(header_template::secrets).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The origin that learns who the users are; `None` if identity is not forwarded.
    pub fn assertion_origin(&self) -> Option<String> {
        match self.identity {
            IdentityForwarding::None => None,
            IdentityForwarding::Assertion => Url::parse(&self.url)
                .ok()
                .and_then(|url| assertion_origin_of(&url)),
        }
    }

    /// The origin of its URL; `None` if the URL cannot be parsed.
    pub fn origin(&self) -> Option<String> {
        Url::parse(&self.url).ok().and_then(|url| origin_of(&url))
    }
}

/// The origin of a server that learns who the users are. A dot at the end of the host leads to the same server, so it is
/// the same origin here.
pub fn assertion_origin_of(url: &Url) -> Option<String> {
    let origin = origin_of(url)?;
    let host = url.host_str().unwrap_or_default();
    Some(origin.replacen(host, host.trim_end_matches('.'), 1))
}

/// Whether a text has 1 to `max` of the characters that names of tools can begin with. An underscore ends the prefix.
fn is_prefix(text: &str, max: usize) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= max && text.bytes().all(allowed)
}

fn check_prefix(pointer: &str, prefix: &str) -> Result<(), Invalid> {
    if !is_prefix(prefix, MAX_PREFIX) {
        return Err(Invalid::one(
            pointer,
            format!(
                "Enter 1 to {MAX_PREFIX} lowercase letters, digits and dashes, like `gh`, or leave it empty to use the ID."
            ),
        ));
    }
    Ok(())
}

fn check_slug(pointer: &str, slug: &str) -> Result<(), Invalid> {
    if !is_prefix(slug, MAX_SLUG) {
        return Err(Invalid::one(
            pointer,
            format!(
                "Enter 1 to {MAX_SLUG} lowercase letters, digits and dashes, like `github`: the names of its tools begin with it."
            ),
        ));
    }
    Ok(())
}

fn check_url(pointer: &str, text: &str) -> Result<Url, Invalid> {
    let wrong = |detail: &str| Err(Invalid::one(pointer, detail));
    if text.is_empty() {
        return wrong(
            "A URL is required: enter the server's MCP endpoint, like `https://mcp.example.com/mcp`.",
        );
    }
    if text.len() > MAX_URL || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return wrong("The URL is too long, or contains a space or line break: check what you pasted.");
    }
    let Ok(url) = Url::parse(text) else {
        return wrong("This is not a URL: enter it in full, like `https://mcp.example.com/mcp`.");
    };
    if origin_of(&url).is_none() {
        return wrong(
            "The URL must begin with `https://` or `http://`: Gatewright connects to servers over Streamable HTTP.",
        );
    }
    if !url.username().is_empty() || url.password().is_some() {
        return wrong(
            "The URL contains a user name or password: remove it, and send a header with a secret instead.",
        );
    }
    if url.fragment().is_some() {
        return wrong("The URL has a fragment, which is never sent: remove everything from `#`.");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::FixedClock, entropy::SeededEntropy, testing};

    fn entered() -> Server {
        let (clock, entropy) = (FixedClock::at_seconds(1), SeededEntropy::new(1));
        let (id, project) = (
            ServerId::generate(&clock, &entropy),
            ProjectId::generate(&clock, &entropy),
        );
        Server {
            slug: "github".to_owned(),
            url: "https://mcp.example.com/mcp".to_owned(),
            ..Server::blank(id, project, Timestamp::default())
        }
    }

    fn secret(name: &str, origin: &str) -> StoredSecret {
        let project = ProjectId::generate(&FixedClock::at_seconds(1), &SeededEntropy::new(1));
        StoredSecret {
            origins: vec![origin.to_owned()],
            ..testing::stored_secret(project, Timestamp::default(), name)
        }
    }

    #[test]
    fn a_server_without_a_name_is_called_by_its_slug() {
        let (checked, url) = entered().check().unwrap();
        assert_eq!(checked.name, "github");
        assert_eq!(url.path(), "/mcp");
    }

    #[test]
    fn a_prefix_is_short_and_an_empty_one_is_none() {
        let with = |prefix: &str| Server {
            prefix: Some(prefix.to_owned()),
            ..entered()
        };
        assert_eq!(with("").check().unwrap().0.prefix, None);
        for prefix in ["g", "gh-2", &"x".repeat(20)] {
            assert_eq!(with(prefix).check().unwrap().0.prefix.as_deref(), Some(prefix));
        }
        for prefix in ["git_hub", "GH", "g.h", " ", &"x".repeat(21)] {
            assert!(with(prefix).check().is_err(), "{prefix}");
        }
    }

    #[test]
    fn everything_wrong_is_reported_together() {
        let invalid = Server {
            slug: "GitHub".to_owned(),
            prefix: Some("git_hub".to_owned()),
            name: "x".repeat(81),
            url: "stdio://server".to_owned(),
            timeout_ms: 0,
            retries: 200,
            headers: vec![CustomHeader {
                name: "Host".to_owned(),
                value: "x".to_owned(),
            }],
            identity: IdentityForwarding::Assertion,
            ..entered()
        }
        .check()
        .unwrap_err();
        let pointers: Vec<_> = invalid.violations().iter().map(|v| v.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            [
                "/slug",
                "/prefix",
                "/name",
                "/url",
                "/timeout_ms",
                "/retries",
                "/headers/0/name"
            ]
        );
    }

    #[test]
    fn urls_that_hide_or_lose_something_are_refused() {
        for url in [
            "",
            "mcp.example.com",
            "https://me:pw@mcp.example.com",
            "https://mcp.example.com/#x",
            "file:///etc/passwd",
        ] {
            assert!(check_url("/url", url).is_err(), "{url}");
        }
        assert!(check_url("/url", "http://10.0.0.5:8000/mcp?tenant=1").is_ok());
    }

    #[test]
    fn an_origin_is_one_however_it_is_written() {
        let origin = |url| assertion_origin_of(&Url::parse(url).unwrap()).unwrap();
        for url in [
            "https://mcp.example.com/mcp",
            "https://MCP.example.com:443/other?x",
            "https://mcp.example.com./mcp",
        ] {
            assert_eq!(origin(url), "https://mcp.example.com", "{url}");
        }
        assert_eq!(origin("http://mcp.example.com.:81"), "http://mcp.example.com:81");
    }

    #[test]
    fn a_secret_goes_to_its_own_origins_only() {
        let mut server = entered();
        server.headers = vec![CustomHeader {
            name: "Authorization".to_owned(),
            value: "Bearer ${secret:TOKEN}".to_owned(),
        }];
        let (server, url) = server.check().unwrap();
        let good = [secret("TOKEN", "https://mcp.example.com")];
        assert!(server.check_secrets(&url, &good).is_ok());
        let elsewhere = [secret("TOKEN", "https://other.example.com")];
        let told = server.check_secrets(&url, &elsewhere).unwrap_err().to_string();
        assert!(
            told.contains("`TOKEN`") && told.contains("`https://mcp.example.com`"),
            "{told}"
        );
        assert!(server.check_secrets(&url, &[]).is_err());
    }
}
