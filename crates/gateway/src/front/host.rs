//! The one host that a request names.

use http::{Request, Version, header};

/// Whether a request names exactly one host. HTTP/2 has `:authority` for it, and HTTP/1.0, which some health checks speak,
/// needs none.
pub(super) fn names_one_host<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next(), request.version()) {
        (Some(host), None, _) => is_host(host.as_bytes()),
        (None, _, Version::HTTP_09 | Version::HTTP_10) => true,
        (None, _, Version::HTTP_11) | (Some(_), Some(_), _) => false,
        (None, _, _) => request.uri().authority().is_some(),
    }
}

/// Whether this could be a host with or without port (RFC 3986 section 3.2): nothing that ends it, and no user.
fn is_host(bytes: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=:[]".contains(byte);
    !bytes.is_empty() && bytes.iter().all(fits)
}
