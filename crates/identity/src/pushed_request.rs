//! Pushed authorization requests (RFC 9126): a provider may demand that what a browser would carry is sent to it beforehand.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Map, Value};
use url::Url;

use crate::{
    client_auth::{self, Presented},
    endpoint_error::{EndpointError, ErrorKind},
    providers::{ProviderError, Resource},
    visit::Visit,
};

/// A person waits for it before they see the page of the provider.
const DEADLINE: Duration = Duration::from_secs(5);

/// The answer is a reference and a number.
const MAX_BODY: usize = 64 * 1024;

/// A reference is a URN of some hundred characters.
const MAX_REFERENCE: usize = 1_000;

impl Visit<'_> {
    /// Pushes a request and returns its reference (`request_uri`). The client authenticates as at the token endpoint, with
    /// each of its secrets and ways until one is accepted.
    pub(crate) async fn push(
        &self,
        endpoint: &Url,
        parameters: &[(&str, &str)],
    ) -> Result<String, ProviderError> {
        let mut refused = ProviderError::SecretUnreadable;
        for (secret, method) in self.registration.credentials(self.provider) {
            let presented = Presented {
                id: self.registration.client_id,
                secret,
                method,
            };
            let accepted = Resource::PushedRequest.accepted();
            let request = client_auth::request(endpoint, presented, parameters, accepted);
            let response = self
                .ask(request, DEADLINE, MAX_BODY)
                .await
                .map_err(|error| ProviderError::Fetch(Resource::PushedRequest, error))?;
            match read(&response) {
                Err(error @ ProviderError::Pushed { is_client: true, .. }) => refused = error,
                outcome => return outcome,
            }
        }
        Err(refused)
    }
}

fn read(response: &Response<Bytes>) -> Result<String, ProviderError> {
    let status = response.status();
    let body: Option<Map<String, Value>> = serde_json::from_slice(response.body()).ok();
    let error = body.as_ref().and_then(EndpointError::find);
    if status.is_success() && error.is_none() {
        let reference = body.as_ref().and_then(|body| body.get("request_uri")?.as_str());
        return reference
            .filter(|reference| !reference.is_empty() && reference.len() <= MAX_REFERENCE)
            .map(str::to_owned)
            .ok_or(ProviderError::NotJson(Resource::PushedRequest));
    }
    if error.is_none() && status.is_server_error() {
        return Err(ProviderError::Status(Resource::PushedRequest, status));
    }
    let is_about_client = error
        .as_ref()
        .is_some_and(|error| error.kind == ErrorKind::Client);
    Err(ProviderError::Pushed {
        status: status.as_u16(),
        is_client: is_about_client || status == StatusCode::UNAUTHORIZED,
        error: error.map_or_else(|| "no error code".to_owned(), |error| error.code),
    })
}
