//! The fields that an administrator enters for a gateway, and their rules.

use std::time::Duration;

use url::{Host, Url};

use super::{Authentication, Gateway, GatewaySettings, Mode, offer};
use crate::{
    Entropy, Invalid, entropy,
    id::UserSourceId,
    project::{check_name, check_text, check_text_up_to},
};

/// Instructions are sent to every client at every start and fill the model's context.
const MAX_INSTRUCTIONS: usize = 16_000;
const MAX_SLUG: usize = 64;
const MAX_TRUSTED_CLIENTS: usize = 50;
const MAX_CLIENT_URL: usize = 500;
const MAX_SERVERS: usize = 200;
/// Longest lifetime of an access token, in seconds.
const MAX_ACCESS_TOKEN_SECONDS: u32 = 86_400;
/// A revocation is kept until the last access token it must stop has expired, plus this time because the clocks of
/// replicas differ.
pub const REVOCATION_LEEWAY: Duration = Duration::from_mins(2);
const MIN_ACCESS_TOKEN_SECONDS: u32 = 60;
const MIN_GRANT_SECONDS: u32 = 3_600;
const MAX_GRANT_SECONDS: u32 = 366 * 86_400;

impl GatewaySettings {
    fn check(&self, pointer: &str) -> Result<(), Invalid> {
        let mut invalid = Invalid::default();
        if !(MIN_ACCESS_TOKEN_SECONDS..=MAX_ACCESS_TOKEN_SECONDS).contains(&self.access_token_seconds) {
            invalid.add(
                format!("{pointer}/access_token_seconds"),
                format!("Enter {MIN_ACCESS_TOKEN_SECONDS} to {MAX_ACCESS_TOKEN_SECONDS} seconds."),
            );
        }
        for (field, seconds) in [
            ("grant_idle_seconds", self.grant_idle_seconds),
            ("grant_max_seconds", self.grant_max_seconds),
        ] {
            if !(MIN_GRANT_SECONDS..=MAX_GRANT_SECONDS).contains(&seconds) {
                invalid.add(
                    format!("{pointer}/{field}"),
                    format!("Enter {MIN_GRANT_SECONDS} to {MAX_GRANT_SECONDS} seconds."),
                );
            }
        }
        invalid.into_result()
    }
}

impl Gateway {
    /// Checks every field that an administrator enters and reports everything that is wrong. Returns the gateway with its name
    /// trimmed, for the users that this mode and source name. Its slug is never empty here, see [`mint_slug`].
    pub fn check(
        mut self,
        mode: Option<Mode>,
        user_source_id: Option<UserSourceId>,
    ) -> Result<Self, Invalid> {
        let mut invalid = Invalid::default();
        self.name = invalid.take(check_name("/name", &self.name)).unwrap_or_default();
        invalid.take(check_text("/description", &self.description));
        invalid.take(check_text_up_to(
            "/instructions",
            &self.instructions,
            MAX_INSTRUCTIONS,
        ));
        invalid.take(check_slug("/slug", &self.slug));
        let authentication = invalid.take(check_authentication(mode, user_source_id));
        invalid.take(self.check_trusted_clients());
        invalid.take(self.check_selection());
        invalid.take(self.settings.check("/settings"));
        if let Some(recording) = &self.record_arguments {
            invalid.take(recording.check("/record_arguments"));
        }
        invalid.into_result()?;
        self.authentication = authentication.expect("a mode without violations was read");
        Ok(self)
    }

    fn check_trusted_clients(&self) -> Result<(), Invalid> {
        let mut invalid = Invalid::default();
        if self.trusted_clients.len() > MAX_TRUSTED_CLIENTS {
            invalid.add(
                "/trusted_clients",
                format!("Keep at most {MAX_TRUSTED_CLIENTS} trusted clients."),
            );
        }
        for (index, client) in self.trusted_clients.iter().enumerate() {
            let pointer = format!("/trusted_clients/{index}/url");
            if self.trusted_clients[..index]
                .iter()
                .any(|earlier| earlier.url == client.url)
            {
                invalid.add(pointer, "This client is listed twice: keep one of the entries.");
            } else if !is_metadata_document_url(&client.url) {
                invalid.add(
                    pointer,
                    "Enter the URL of a Client ID Metadata Document exactly as the client uses it, like \
                     `https://claude.ai/oauth/mcp-oauth-client-metadata`: https, a path, no fragment. A dynamically \
                     registered client id cannot be trusted, because it is different for every installation.",
                );
            }
        }
        invalid.into_result()
    }

    fn check_selection(&self) -> Result<(), Invalid> {
        let mut invalid = Invalid::default();
        if self.servers.len() > MAX_SERVERS {
            invalid.add("/servers", format!("Choose at most {MAX_SERVERS} servers."));
        }
        for (index, server) in self.servers.iter().enumerate() {
            if self.servers[..index].contains(server) {
                invalid.add(
                    format!("/servers/{index}"),
                    "This server is chosen twice: remove one of them.",
                );
            }
        }
        invalid.take(offer::check(&self.allowed_tools, &self.servers));
        invalid.take(offer::check(&self.allowed_prompts, &self.servers));
        invalid.take(offer::check(&self.allowed_resources, &self.servers));
        invalid.into_result()
    }
}

/// Who the users are, if mode and source go together.
fn check_authentication(
    mode: Option<Mode>,
    user_source_id: Option<UserSourceId>,
) -> Result<Authentication, Invalid> {
    match (mode, user_source_id) {
        (None, _) => Err(Invalid::one(
            "/authentication_mode",
            "Choose who the users of this gateway are: `user_source` for the people at your identity provider, \
             `project_members` for the members of the project, or `headers` for clients that cannot run a browser.",
        )),
        (Some(Mode::UserSource), Some(id)) => Ok(Authentication::UserSource(id)),
        (Some(Mode::UserSource), None) => Err(Invalid::one(
            "/user_source_id",
            "This mode needs a User Source: enter the ID of one in this project, like `src_…`.",
        )),
        (Some(Mode::ProjectMembers), None) => Ok(Authentication::ProjectMembers),
        (Some(Mode::Headers), None) => Ok(Authentication::Headers),
        (Some(mode @ (Mode::ProjectMembers | Mode::Headers)), Some(_)) => Err(Invalid::one(
            "/user_source_id",
            format!(
                "A gateway in `{}` mode has no User Source: leave this out or set it to null.",
                mode.as_str()
            ),
        )),
    }
}

/// Checks a slug: `[A-Za-z0-9_-]{1,64}`.
pub fn check_slug(pointer: &str, slug: &str) -> Result<(), Invalid> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if slug.is_empty() || slug.len() > MAX_SLUG || !slug.bytes().all(allowed) {
        return Err(Invalid::one(
            pointer,
            format!("Enter 1 to {MAX_SLUG} letters, digits, `_` and `-`, or leave it empty to generate one."),
        ));
    }
    Ok(())
}

/// Generates a slug for a gateway that has none: from its name, with random characters that make it unique.
pub fn mint_slug(name: &str, entropy: &dyn Entropy) -> String {
    // Without vowels, so that no words appear, and without look-alikes.
    const ALPHABET: &[u8; 16] = b"bcdfghjkmnpqrstz";
    let mut slug = String::new();
    for character in name.chars().take(40) {
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    if !slug.is_empty() && !slug.ends_with('-') {
        slug.push('-');
    }
    let random = entropy::bytes::<8>(entropy);
    slug.extend(
        random
            .iter()
            .map(|byte| char::from(ALPHABET[usize::from(byte & 15)])),
    );
    slug
}

/// Whether a text can be the URL of a Client ID Metadata Document: https, a path, no fragment, no user, no dot segments.
fn is_metadata_document_url(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    // The parser resolves dot segments and other spellings; clients never send a URL that it would change.
    text.len() <= MAX_CLIENT_URL
        && url.as_str() == text
        && url.scheme() == "https"
        && matches!(url.host(), Some(Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_)))
        && url.path() != "/"
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Timestamp,
        clock::FixedClock,
        entropy::SeededEntropy,
        gateway::{AllowedTool, TrustedClient},
        id::{GatewayId, ProjectId, ServerId},
    };

    fn entered() -> Gateway {
        let (clock, entropy) = (FixedClock::at_seconds(1), SeededEntropy::new(1));
        let (id, project) = (
            GatewayId::generate(&clock, &entropy),
            ProjectId::generate(&clock, &entropy),
        );
        Gateway {
            name: "Agents".to_owned(),
            slug: "agents".to_owned(),
            ..Gateway::blank(id, project, Timestamp::default())
        }
    }

    fn check(gateway: Gateway) -> Result<Gateway, Invalid> {
        gateway.check(Some(Mode::Headers), None)
    }

    fn pointers(checked: Result<Gateway, Invalid>) -> Vec<String> {
        let invalid = checked.unwrap_err();
        invalid.violations().iter().map(|v| v.pointer.clone()).collect()
    }

    #[test]
    fn mode_and_source_go_together() {
        let (clock, entropy) = (FixedClock::at_seconds(1), SeededEntropy::new(1));
        let source = UserSourceId::generate(&clock, &entropy);
        let with = |mode, user_source_id| entered().check(mode, user_source_id);
        let accepted = |checked: Result<Gateway, Invalid>| checked.unwrap().authentication;
        assert_eq!(accepted(with(Some(Mode::Headers), None)), Authentication::Headers);
        assert_eq!(
            accepted(with(Some(Mode::UserSource), Some(source))),
            Authentication::UserSource(source)
        );
        assert_eq!(pointers(with(None, None)), ["/authentication_mode"]);
        assert_eq!(
            accepted(with(Some(Mode::ProjectMembers), None)),
            Authentication::ProjectMembers
        );
        assert_eq!(
            pointers(with(Some(Mode::ProjectMembers), Some(source))),
            ["/user_source_id"]
        );
        assert_eq!(pointers(with(Some(Mode::UserSource), None)), ["/user_source_id"]);
        assert_eq!(
            pointers(with(Some(Mode::Headers), Some(source))),
            ["/user_source_id"]
        );
    }

    #[test]
    fn slugs_are_letters_digits_and_two_signs() {
        for slug in ["a", "My_Gateway-1", &"x".repeat(64)] {
            assert!(check_slug("/slug", slug).is_ok(), "{slug}");
        }
        for slug in ["", "a.b", "a/b", "ä", "a b", &"x".repeat(65)] {
            assert!(check_slug("/slug", slug).is_err(), "{slug}");
        }
    }

    #[test]
    fn tools_belong_to_chosen_servers() {
        let (clock, entropy) = (FixedClock::at_seconds(1), SeededEntropy::new(1));
        let (one, two) = (
            ServerId::generate(&clock, &entropy),
            ServerId::generate(&clock, &entropy),
        );
        let tool = |server| AllowedTool {
            server,
            tool: "search".to_owned(),
        };
        let mut chosen = entered();
        chosen.servers = vec![one, one];
        chosen.allowed_tools = vec![tool(one), tool(two), tool(one)];
        assert_eq!(
            pointers(check(chosen.clone())),
            ["/servers/1", "/allowed_tools/1/server", "/allowed_tools/2"]
        );
        chosen.servers = vec![one];
        chosen.allowed_tools = vec![tool(one)];
        assert!(check(chosen.clone()).is_ok());
        chosen.servers.clear();
        chosen.allowed_tools = vec![tool(one), tool(two)];
        assert!(check(chosen).is_ok());
    }

    #[test]
    fn trusted_clients_are_metadata_documents() {
        let trusting = |url: &str| {
            check(Gateway {
                trusted_clients: vec![TrustedClient {
                    url: url.to_owned(),
                    allow_loopback: false,
                }],
                ..entered()
            })
        };
        assert!(trusting("https://claude.ai/oauth/claude-code-client-metadata").is_ok());
        for url in [
            "dcr_abc",
            "http://claude.ai/x",
            "https://claude.ai",
            "https://claude.ai/a/../b",
            "https://claude.ai/x#y",
            "https://u@claude.ai/x",
        ] {
            assert_eq!(pointers(trusting(url)), ["/trusted_clients/0/url"], "{url}");
        }
    }

    #[test]
    fn lifetimes_have_bounds() {
        let mut gateway = entered();
        gateway.settings.access_token_seconds = 0;
        gateway.settings.grant_max_seconds = u32::MAX;
        assert_eq!(
            pointers(check(gateway)),
            ["/settings/access_token_seconds", "/settings/grant_max_seconds"]
        );
    }

    proptest::proptest! {
        #[test]
        fn a_minted_slug_is_a_slug(name in ".{0,100}", seed: u64) {
            let slug = mint_slug(&name, &SeededEntropy::new(seed));
            proptest::prop_assert!(check_slug("/slug", &slug).is_ok(), "{}", slug);
        }
    }
}
