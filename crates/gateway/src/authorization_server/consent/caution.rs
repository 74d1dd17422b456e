//! What a person is warned of before they allow an app.

use gatewright_oauth::redirect_uri::Kind;

use crate::{authorization_server::client::ClientKind, page::Warning};

/// What to be careful about; the gravest first.
pub(super) const fn warning(client: ClientKind, is_known: bool, kind: Kind) -> Option<Warning> {
    Some(match (kind, client) {
        (Kind::PrivateHttp, _) => Warning {
            title: "The way back is not encrypted",
            text: "The answer goes to a machine on your network without encryption, where others may read it. Allow this only if you know that machine.",
        },
        (Kind::Loopback | Kind::CustomScheme, _) => Warning {
            title: "Any program on this computer could be asking",
            text: "We cannot tell which program receives the answer. Allow this only if you started this sign-in just now.",
        },
        (Kind::Https, ClientKind::Registered) => Warning {
            title: "We do not know this app",
            text: "Anyone can register an app under any name. Allow this only if you trust the website you will be sent to.",
        },
        (Kind::Https, ClientKind::Document) if !is_known => Warning {
            title: "We do not know this app",
            text: "Anyone can publish an app under any name. Allow this only if you trust the website that publishes it, and the one you will be sent to.",
        },
        (Kind::Https, ClientKind::Document | ClientKind::Preregistered) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_or_local_client_comes_with_a_warning() {
        assert!(warning(ClientKind::Document, true, Kind::Https).is_none());
        assert!(warning(ClientKind::Document, false, Kind::Https).is_some());
        assert!(warning(ClientKind::Registered, false, Kind::Https).is_some());
        assert!(warning(ClientKind::Preregistered, false, Kind::Https).is_none());
        for is_known in [true, false] {
            assert!(warning(ClientKind::Preregistered, is_known, Kind::Loopback).is_some());
            assert!(warning(ClientKind::Document, is_known, Kind::Loopback).is_some());
            assert!(warning(ClientKind::Document, is_known, Kind::CustomScheme).is_some());
        }
    }
}
