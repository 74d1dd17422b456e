//! The instance itself: its first key.

use gatewright_domain::{api_key::KeyScope, audit::Origin, secret::Secret};

use super::{
    Authority, ServiceError,
    api_keys::{NewInstanceKey, create_for_instance, insert, is_live, make},
    change::{Change, every},
};
use crate::app::App;

/// What to tell the person whose `init` made nothing.
pub const ALREADY_INITIALISED: &str = "This instance has a key already, so no other was made. With that key, make another by \
     POST /api/v1/api-keys; if it is lost, run `gatewright admin new-key`.";

/// Makes the first key of the instance and gives its text, once; `None` when there is a live one already. Two that run at
/// the same moment make one key between them.
pub async fn init(app: &App) -> Result<Option<Secret>, ServiceError> {
    let authority = Authority::operator(Origin::Cli);
    let mut change = Change::begin(app, &authority, None).await?;
    let now = change.now;
    let keys = every!(page => gatewright_store::api_key::list(&mut change.tx, None, &page));
    if keys.iter().any(|key| is_live(key, now)) {
        return Ok(None);
    }
    let made = make(
        app,
        &change,
        KeyScope::Instance,
        "First instance key".to_owned(),
        None,
    );
    Ok(Some(insert(change, made).await?.text))
}

/// Makes another key of the instance for somebody with a shell on the machine, such as one who lost the first.
pub async fn new_key(app: &App, name: &str) -> Result<Secret, ServiceError> {
    let authority = Authority::operator(Origin::Cli);
    let new = NewInstanceKey {
        name: name.to_owned(),
        expires_at: None,
    };
    Ok(create_for_instance(app, &authority, new).await?.text)
}
