//! Every advice to an administrator is reached, by a provider that behaves like one of those people have reported. The
//! texts are read from the source, so that a new one without such a provider fails here.

mod connections;
mod documents;
mod id_tokens;
mod returns;
mod token_answers;

use gatewright_domain::sign_in_attempt::StepFailure;
use http::StatusCode;

use crate::relying_party::testing::literals;
use crate::relying_party::testing::{Script, World};

/// What the provider of this issuer does, a word of the reason, and how the advice begins.
type Row = (fn(&mut Script, &str), &'static str, &'static str);

/// Signs someone in at a provider that does something wrong.
async fn refused(world: &World, does: fn(&mut Script, &str)) -> StepFailure {
    does(&mut world.provider.script(), world.provider.issuer());
    let seen = world.sign_in().await;
    world.assert_refused(&seen, StatusCode::BAD_REQUEST).await;
    world.refusal(seen.reference()).await.1
}

/// That each row leads to its reason and advice.
async fn assert_told(rows: &[Row]) {
    for (does, reason, advice) in rows {
        let world = World::new().await;
        let failure = refused(&world, *does).await;
        assert_is(&failure, reason, advice);
    }
}

fn assert_is(failure: &StepFailure, reason: &str, advice: &str) {
    let is_so = failure.reason.contains(reason) && failure.advice.starts_with(advice);
    assert!(is_so, "{reason:?}, {advice:?}: {failure:?}");
}

#[test]
fn sentences_are_found_in_a_source() {
    let source = r#"
        // "Not this one."
        fail("A sentence goes on \
              here.", format!("It has {a} and so it ends: {}", "lower case", "Word"));
    "#;
    assert_eq!(
        literals(source),
        ["A sentence goes on here.", " and so it ends: "]
    );
}

#[test]
fn every_advice_is_that_of_one_of_these_providers_or_browsers() {
    let texts = literals(include_str!("../failure/advice.rs"));
    assert!(texts.len() > 40, "they are found: {texts:?}");
    let rows = [
        id_tokens::ROWS.as_slice(),
        token_answers::ROWS.as_slice(),
        documents::ROWS.as_slice(),
    ]
    .concat();
    let advice: Vec<&str> = rows
        .iter()
        .map(|(_, _, advice)| *advice)
        .chain(id_tokens::MORE)
        .chain(token_answers::MORE)
        .chain(documents::MORE)
        .chain(returns::ADVICE)
        .collect();
    for text in &texts {
        let is_reached = advice.iter().any(|advice| text.starts_with(*advice));
        assert!(is_reached, "no test reaches {text:?}");
    }
    for advice in advice {
        let found = texts.iter().filter(|text| text.starts_with(advice)).count();
        assert_eq!(found, 1, "{advice:?} is the beginning of one advice");
    }
}
