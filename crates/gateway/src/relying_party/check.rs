//! Checking a User Source against its provider, at this instance.

use gatewright_domain::{id::ProjectId, registration::AuthenticationChoice, user_source::Callback};
use gatewright_identity::check as registrations;
use gatewright_store::project as projects;

pub use gatewright_identity::check::{
    CheckName, CheckResult, Finding, Outcome, into_result, verified_at, warnings,
};

use crate::Gateways;

/// The fields of a User Source that are checked against its provider.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The issuer.
    pub issuer: &'a str,
    /// Scopes to be asked for.
    pub scopes: &'a [String],
    /// The claim that identifies the user.
    pub subject_claim: &'a str,
    /// Where the provider sends people back to.
    pub callback: Callback,
    /// How the client secret is to be sent.
    pub client_authentication: AuthenticationChoice,
}

/// Checks a User Source against its provider, within some ten seconds. Fetches each time.
pub async fn check(app: &Gateways, candidate: Candidate<'_>) -> Vec<CheckResult> {
    check_for(app, None, candidate).await
}

/// The same at the expense of the project that asks.
pub async fn check_for(
    app: &Gateways,
    project: Option<ProjectId>,
    candidate: Candidate<'_>,
) -> Vec<CheckResult> {
    let unnamed = match candidate.callback {
        Callback::Shared => Some(unnamed(has_neighbours(app).await)),
        Callback::Own => None,
    };
    let candidate = registrations::Candidate {
        issuer: candidate.issuer,
        scopes: candidate.scopes,
        subject_claim: candidate.subject_claim,
        unnamed: unnamed.as_ref(),
        client_authentication: candidate.client_authentication,
    };
    registrations::check(&app.providers, project, candidate).await
}

/// The warning about a provider that does not name itself, if its source shares its redirect URL.
pub(crate) fn unnamed(has_neighbours: bool) -> Finding {
    let found = "The provider does not announce that it names itself when it sends people back (RFC 9207), and this User \
                 Source shares its redirect URL with others: a hostile provider that is connected to this instance too \
                 could be handed a code of this one.";
    let remedy = if has_neighbours {
        "This instance has several projects, so give this User Source its own redirect URL (`callback`: `own`): \
         register that one at the provider in place of the shared one."
    } else {
        "Nothing, as long as you trust all providers connected to this instance. Otherwise give this User Source \
         its own redirect URL (`callback`: `own`)."
    };
    Finding {
        pointer: "/callback".to_owned(),
        found: found.to_owned(),
        remedy: remedy.to_owned(),
    }
}

/// Whether the instance has several projects. If the store cannot tell, it is better to assume yes.
async fn has_neighbours(app: &Gateways) -> bool {
    let several = async { projects::are_several(&mut app.store.read().await?).await };
    several.await.unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::relying_party::testing::World;

    #[rstest]
    #[case::alone(Callback::Shared, false, Some("you trust all providers"))]
    #[case::among_others(Callback::Shared, true, Some("several projects"))]
    #[case::with_its_own(Callback::Own, true, None)]
    #[tokio::test]
    async fn an_own_redirect_url_is_recommended_if_it_helps(
        #[case] callback: Callback,
        #[case] has_neighbours: bool,
        #[case] remedy: Option<&str>,
    ) {
        let world = World::new().await;
        let _neighbour = if has_neighbours {
            Some(world.neighbour().await)
        } else {
            None
        };
        world.provider.script().discovery =
            serde_json::json!({"authorization_response_iss_parameter_supported": null});
        let candidate = Candidate {
            issuer: &world.source.issuer,
            scopes: &world.source.scopes,
            subject_claim: "sub",
            callback,
            client_authentication: AuthenticationChoice::Automatic,
        };
        let results = check(&world.app, candidate).await;
        let result = results
            .iter()
            .find(|result| result.name == CheckName::IssuerParameter);
        match (&result.unwrap().outcome, remedy) {
            (Outcome::Warning(finding), Some(remedy)) => {
                assert_eq!(finding.pointer, "/callback");
                assert!(finding.remedy.contains(remedy), "{finding:?}");
            }
            (outcome, remedy) => assert_eq!((outcome, remedy), (&Outcome::Passed, None)),
        }
    }
}
