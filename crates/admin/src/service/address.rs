//! Addresses that administrators enter, to which this process sends requests.

use gatewright_domain::Invalid;
use url::Url;

use crate::{Admin, fetch::Policy};

/// Fails with a violation of the member at `pointer` unless requests to the address of a `thing` are allowed.
pub(super) fn check_address(app: &Admin, pointer: &str, thing: &str, url: &Url) -> Result<(), Invalid> {
    app.fetch
        .check_url(Policy::Operator, url)
        .map_err(|refused| Invalid::one(pointer, format!("This {thing} cannot be used: {refused}.")))
}
