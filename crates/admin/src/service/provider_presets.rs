//! What to register and enter where, for each kind of identity provider that people have. The facts are in
//! `provider_presets.toml`.

use std::sync::LazyLock;

use gatewright_domain::registration::AuthenticationChoice;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Admin, schema};

/// The placeholder for the redirect URL in the steps.
const REDIRECT_URL: &str = "{redirect_url}";

/// A kind of identity provider, and how to connect it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderPreset {
    /// A word for it, like `entra_id`.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The issuer, with `{placeholders}` for what is one's own.
    pub issuer_pattern: String,
    /// An issuer as it may look.
    pub issuer_example: String,
    /// Whether the issuer ends with a slash; null if that varies.
    #[schema(required = true)]
    pub issuer_ends_with_slash: Option<bool>,
    /// The scopes to ask for.
    pub scopes: Vec<String>,
    /// The ID-token claim to identify people by.
    pub subject_claim: String,
    /// How to present the client secret: the one way that applications have there when they are made, or `automatic` where
    /// the provider takes both.
    #[schema(schema_with = schema::client_authentication)]
    pub client_authentication: AuthenticationChoice,
    /// What to do at the provider, in order.
    pub steps: Vec<String>,
    /// What is particular about it.
    pub quirks: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Presets {
    presets: Vec<ProviderPreset>,
}

static PRESETS: LazyLock<Vec<ProviderPreset>> = LazyLock::new(|| {
    toml::from_str::<Presets>(include_str!("provider_presets.toml"))
        .expect("the presets are part of the program, and a test reads them")
        .presets
});

/// All of them, with the redirect URL of this instance in their steps. They are not secret: any key with access to the API
/// may read them, so no authority is asked.
pub fn list(app: &Admin) -> Vec<ProviderPreset> {
    let redirect_url = app.config.callback_url();
    let mut presets = PRESETS.clone();
    for step in presets.iter_mut().flat_map(|preset| &mut preset.steps) {
        *step = step.replace(REDIRECT_URL, &redirect_url);
    }
    presets
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use gatewright_domain::{
        Timestamp, clock::FixedClock, entropy::SeededEntropy, id::ProjectId, testing, user_source::UserSource,
    };

    use super::*;

    #[test]
    fn every_provider_people_have_is_there_once() {
        let ids: Vec<_> = PRESETS.iter().map(|preset| preset.id.as_str()).collect();
        assert_eq!(
            ids,
            [
                "entra_id", "okta", "auth0", "clerk", "stytch", "google", "keycloak", "generic"
            ]
        );
        let names: HashSet<_> = PRESETS.iter().map(|preset| &preset.name).collect();
        assert_eq!(names.len(), ids.len());
    }

    #[test]
    fn each_one_makes_a_user_source_that_is_valid() {
        let project = ProjectId::generate(&FixedClock::at_seconds(1), &SeededEntropy::new(1));
        for preset in PRESETS.iter() {
            let source = UserSource {
                name: preset.name.clone(),
                scopes: preset.scopes.clone(),
                subject_claim: preset.subject_claim.clone(),
                ..testing::user_source(project, Timestamp::default(), &preset.issuer_example)
            };
            let checked = source.check().unwrap();
            assert_eq!(checked.issuer, preset.issuer_example, "nothing had to be mended");
            assert_eq!(checked.scopes, preset.scopes);
        }
    }

    #[test]
    fn the_steps_name_the_way_to_send_the_secret_where_there_is_one() {
        for preset in PRESETS.iter() {
            let named = match preset.client_authentication {
                AuthenticationChoice::Automatic => None,
                AuthenticationChoice::Basic => Some("client_secret_basic"),
                AuthenticationChoice::Post => Some("client_secret_post"),
            };
            for method in ["client_secret_basic", "client_secret_post"] {
                let is_named = preset.steps.iter().any(|step| step.contains(method));
                let is_either = preset.id == "generic";
                assert_eq!(
                    is_named,
                    named == Some(method) || is_either,
                    "{}: {method}",
                    preset.id
                );
            }
        }
        let fixed = PRESETS
            .iter()
            .filter(|preset| preset.client_authentication.fixed().is_some());
        let fixed: Vec<_> = fixed.map(|preset| preset.id.as_str()).collect();
        assert_eq!(fixed, ["okta", "auth0"]);
    }

    #[test]
    fn what_is_said_of_the_slash_is_true_of_pattern_and_example() {
        for preset in PRESETS.iter() {
            let Some(slash) = preset.issuer_ends_with_slash else {
                continue;
            };
            assert_eq!(preset.issuer_pattern.ends_with('/'), slash, "{}", preset.id);
            assert_eq!(preset.issuer_example.ends_with('/'), slash, "{}", preset.id);
        }
        let with_slash: Vec<_> = PRESETS
            .iter()
            .filter(|preset| preset.issuer_ends_with_slash == Some(true))
            .map(|preset| preset.id.as_str())
            .collect();
        assert_eq!(with_slash, ["auth0"]);
    }

    #[test]
    fn the_steps_name_the_redirect_url_once_and_everything_is_a_sentence() {
        for preset in PRESETS.iter() {
            let naming = preset.steps.iter().filter(|step| step.contains(REDIRECT_URL));
            assert_eq!(naming.count(), 1, "{}", preset.id);
            let naming = preset.steps.iter().filter(|step| step.contains("PKCE"));
            assert_eq!(
                naming.count(),
                1,
                "{}: PKCE is a step, or said to need none",
                preset.id
            );
            for sentence in preset.steps.iter().chain(&preset.quirks) {
                assert!(sentence.ends_with('.'), "{sentence}");
            }
        }
    }
}
