//! Who causes a fetch of a stranger's URL, so that one network cannot use up what is meant for all.

use std::net::IpAddr;

use gatewright_domain::id::ProjectId;

use crate::request::address_prefix;

/// The network of a request, at two widths: anyone who rents many small networks has them side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// /24 for IPv4, /56 for IPv6.
    pub(super) network: String,
    /// /16 for IPv4, /32 for IPv6.
    pub(super) wide: String,
}

impl Asker {
    /// The network of an address.
    pub fn of(address: IpAddr) -> Self {
        let wide = match address.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, ..] = v4.octets();
                format!("{a}.{b}.0.0/16")
            }
            IpAddr::V6(v6) => {
                let [a, b, ..] = v6.segments();
                format!("{a:x}:{b:x}::/32")
            }
        };
        Self {
            network: address_prefix(address),
            wide,
        }
    }
}

/// What a fetch of a stranger's URL is counted against.
#[derive(Debug, Clone, Copy)]
pub enum Standing<'a> {
    /// A client in this network named a URL that is unknown here.
    Unknown(&'a Asker),
    /// Someone has signed in to this project with the client that the URL belongs to.
    Known(ProjectId),
    /// An administrator of this project listed it.
    Listed(ProjectId),
}

impl Standing<'_> {
    /// The project that it is counted for, if any.
    pub const fn project(self) -> Option<ProjectId> {
        match self {
            Self::Unknown(_) => None,
            Self::Known(project) | Self::Listed(project) => Some(project),
        }
    }
}
