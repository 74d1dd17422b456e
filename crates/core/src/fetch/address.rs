//! Which addresses can be dialled. Special-purpose addresses are those of the IANA registries (RFC 6890); addresses that
//! carry an IPv4 address inside are judged by what they lead to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::{FetchError, Policy};
use crate::config::Config;

/// What an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// Public unicast.
    Public,
    /// A private network: RFC 1918, carrier-grade NAT (RFC 6598), unique local (RFC 4193) and the like.
    Private,
    /// This machine.
    Loopback,
    /// The link (RFC 3927, RFC 4291 section 2.5.6), where clouds keep their metadata services.
    LinkLocal,
    /// The metadata service of a cloud.
    Metadata,
    /// Never the address of a server: unspecified, multicast, broadcast, documentation, reserved.
    Unusable,
}

/// The rules, from the configuration.
#[derive(Debug)]
pub(crate) struct AddressRules {
    allow_private: bool,
    allow_loopback: bool,
    allow: Vec<IpNet>,
    deny: Vec<IpNet>,
}

impl AddressRules {
    /// The rules of an instance.
    pub(super) fn new(config: &Config) -> Self {
        Self {
            allow_private: config.outbound.allow_private,
            allow_loopback: config.is_loopback(),
            allow: config.outbound.allow.clone(),
            deny: config.outbound.deny.clone(),
        }
    }

    /// Whether an address can be dialled; the error names the host and the remedy, not the address, which a stranger
    /// could use to look into a network.
    pub(super) fn check(&self, policy: Policy, host: &str, address: IpAddr) -> Result<(), FetchError> {
        let reached = targets(address).into_iter().flatten().chain([address]);
        if reached.into_iter().any(|reached| self.denies(reached)) {
            return Err(FetchError::Refused(match policy {
                Policy::Operator | Policy::Configuration => {
                    format!("{host} is in a network that outbound.deny forbids")
                }
                Policy::Stranger => format!("{host} may not be reached from here"),
            }));
        }
        for target in targets(address).into_iter().flatten() {
            let class = classify(target);
            if !self.allows(policy, class, target) {
                return Err(FetchError::Refused(refusal(policy, host, class)));
            }
        }
        Ok(())
    }

    fn denies(&self, address: IpAddr) -> bool {
        self.deny.iter().any(|network| network.contains(&address))
    }

    fn allows(&self, policy: Policy, class: Class, address: IpAddr) -> bool {
        let named = || self.allow.iter().any(|network| network.contains(&address));
        match (policy, class) {
            (_, Class::LinkLocal | Class::Metadata | Class::Unusable) => false,
            (_, Class::Public) | (Policy::Configuration, Class::Private | Class::Loopback) => true,
            (Policy::Operator, Class::Private) => self.allow_private || named(),
            (Policy::Operator, Class::Loopback) => self.allow_loopback || named(),
            (Policy::Stranger, Class::Private | Class::Loopback) => named(),
        }
    }
}

fn refusal(policy: Policy, host: &str, class: Class) -> String {
    match (policy, class) {
        (Policy::Stranger, _)
        | (_, Class::Public)
        | (Policy::Configuration, Class::Private | Class::Loopback) => {
            format!("{host} is not on the public internet")
        }
        (Policy::Operator, Class::Private) => format!(
            "{host} is in a private network, which outbound.allow_private = false forbids. Name the network in \
             outbound.allow if it is meant"
        ),
        (Policy::Operator, Class::Loopback) => format!(
            "{host} is this machine itself, which is allowed only while server.public_url is loopback. Name the network \
             in outbound.allow if it is meant"
        ),
        (Policy::Operator | Policy::Configuration, Class::LinkLocal | Class::Metadata) => {
            format!("{host} is a link-local or cloud metadata address, which is never allowed")
        }
        (Policy::Operator | Policy::Configuration, Class::Unusable) => {
            format!("{host} leads to an address that no server can have")
        }
    }
}

/// What dialling an address may reach: itself, or the IPv4 addresses it carries.
fn targets(address: IpAddr) -> [Option<IpAddr>; 2] {
    let IpAddr::V6(v6) = address else {
        return [Some(address), None];
    };
    let segments = v6.segments();
    let pair = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Some(IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
    };
    match segments {
        // IPv4-mapped (RFC 4291 section 2.5.5.2), its translated form (RFC 2765), NAT64 (RFC 6052), 6to4 (RFC 3056).
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => [pair(high, low), None],
        // IPv4-compatible (RFC 4291 section 2.5.5.1); `::` and `::1` are themselves.
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => [pair(high, low), None],
        // Teredo (RFC 4380): the server, and the client with its bits turned.
        [0x2001, 0, high, low, _, _, client_high, client_low] => {
            [pair(high, low), pair(!client_high, !client_low)]
        }
        _ => [Some(address), None],
    }
}

fn classify(address: IpAddr) -> Class {
    match address {
        IpAddr::V4(v4) => classify_v4(v4),
        IpAddr::V6(v6) => classify_v6(v6),
    }
}

fn classify_v4(address: Ipv4Addr) -> Class {
    match address.octets() {
        // Most clouds; Alibaba; Azure; Oracle.
        [169, 254, 169, 254] | [100, 100, 100, 200] | [168, 63, 129, 16] | [192, 0, 0, 192] => {
            Class::Metadata
        }
        [127, ..] => Class::Loopback,
        [169, 254, ..] => Class::LinkLocal,
        // RFC 1918; carrier-grade NAT; protocol assignments; benchmarks (RFC 2544).
        [10, ..]
        | [172, 16..=31, ..]
        | [192, 168, ..]
        | [100, 64..=127, ..]
        | [192, 0, 0, _]
        | [198, 18..=19, ..] => Class::Private,
        // This network, documentation, the 6to4 anycast relay, multicast, reserved and broadcast.
        [0 | 224..=255, ..] | [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [192, 88, 99, _] => {
            Class::Unusable
        }
        _ => Class::Public,
    }
}

fn classify_v6(address: Ipv6Addr) -> Class {
    match address.segments() {
        // AWS, whose metadata, time and name services are in this network; Google Cloud.
        [0xfd00, 0xec2, ..] | [0xfd20, 0xce, ..] => Class::Metadata,
        [0, 0, 0, 0, 0, 0, 0, 1] => Class::Loopback,
        [0xfe80..=0xfebf, ..] => Class::LinkLocal,
        // Unique local, the former site-local, and NAT64 of a local network (RFC 8215), which may lead anywhere in it.
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] | [0x64, 0xff9b, 1, ..] => Class::Private,
        // Documentation (RFC 3849, RFC 9637), benchmarks (RFC 5180), ORCHID (RFC 4843, RFC 7343).
        [0x2001, 0xdb8 | 0x10..=0x2f, ..] | [0x2001, 2, 0, ..] | [0x3fff, 0..=0xfff, ..] => Class::Unusable,
        // Global unicast (RFC 4291 section 2.4); nothing else is assigned.
        [0x2000..=0x3fff, ..] => Class::Public,
        _ => Class::Unusable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(public_url: &str, allow_private: bool, allow: &[&str]) -> AddressRules {
        let mut config = Config::default();
        config.server.public_url = public_url.to_owned();
        config.outbound.allow_private = allow_private;
        config.outbound.allow = allow.iter().map(|network| network.parse().unwrap()).collect();
        AddressRules::new(&config)
    }

    fn allowed(rules: &AddressRules, policy: Policy, address: &str) -> bool {
        rules.check(policy, "host", address.parse().unwrap()).is_ok()
    }

    const PUBLIC: &[&str] = &[
        "1.1.1.1",
        "8.8.8.8",
        "172.15.255.255",
        "172.32.0.1",
        "100.63.255.255",
        "100.128.0.1",
        "169.253.0.1",
        "192.167.0.1",
        "2606:4700::1111",
        "2a00:1450:4001::1",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2002:808:808::1",
    ];
    const PRIVATE: &[&str] = &[
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "198.18.0.1",
        "fd12:3456::1",
        "fc00::1",
        "fec0::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "2002:a00:1::1",
        "::10.0.0.1",
        // Teredo: a public server and a private client (10.0.0.1 with its bits turned).
        "2001:0:808:808::f5ff:fffe",
    ];
    const LOOPBACK: &[&str] = &[
        "127.0.0.1",
        "127.255.0.3",
        "::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:0:7f00:1::f7f7:f7f7",
    ];
    const NEVER: &[&str] = &[
        "169.254.169.254",
        "169.254.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
        "64:ff9b::a83f:8110",
        "fe80::1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::",
        "2001:0:a9fe:a9fe::f7f7:f7f7",
        "0.0.0.0",
        "0.1.2.3",
        "::",
        "::ffff:0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "ff02::1",
        "192.0.2.1",
        "2001:db8::1",
        "4000::1",
    ];

    #[test]
    fn an_operator_reaches_public_and_private_but_not_loopback_from_a_public_instance() {
        let rules = rules("https://gateway.example", true, &[]);
        for address in PUBLIC.iter().chain(PRIVATE) {
            assert!(allowed(&rules, Policy::Operator, address), "{address}");
        }
        for address in LOOPBACK.iter().chain(NEVER) {
            assert!(!allowed(&rules, Policy::Operator, address), "{address}");
        }
    }

    #[test]
    fn an_operator_reaches_loopback_from_a_loopback_instance() {
        let rules = rules("http://127.0.0.1:8080", true, &[]);
        for address in LOOPBACK.iter().chain(PUBLIC) {
            assert!(allowed(&rules, Policy::Operator, address), "{address}");
        }
        for address in NEVER {
            assert!(!allowed(&rules, Policy::Operator, address), "{address}");
        }
    }

    #[test]
    fn private_networks_can_be_forbidden_and_single_ones_allowed_again() {
        let strict = rules("https://gateway.example", false, &["10.0.0.0/24", "127.0.0.1/32"]);
        assert!(allowed(&strict, Policy::Operator, "8.8.8.8"));
        assert!(allowed(&strict, Policy::Operator, "10.0.0.9"));
        assert!(allowed(&strict, Policy::Operator, "::ffff:10.0.0.9"));
        assert!(allowed(&strict, Policy::Operator, "127.0.0.1"));
        assert!(!allowed(&strict, Policy::Operator, "10.0.1.9"));
        assert!(!allowed(&strict, Policy::Operator, "192.168.1.1"));
        assert!(!allowed(&strict, Policy::Operator, "127.0.0.2"));
    }

    #[test]
    fn what_the_configuration_names_can_be_this_machine_but_not_metadata() {
        let rules = rules("https://gateway.example", false, &[]);
        for address in PUBLIC.iter().chain(PRIVATE).chain(LOOPBACK) {
            assert!(allowed(&rules, Policy::Configuration, address), "{address}");
        }
        for address in NEVER {
            assert!(!allowed(&rules, Policy::Configuration, address), "{address}");
        }
    }

    #[test]
    fn a_stranger_reaches_public_addresses_only_even_from_a_loopback_instance() {
        let rules = rules("http://127.0.0.1:8080", true, &[]);
        for address in PUBLIC {
            assert!(allowed(&rules, Policy::Stranger, address), "{address}");
        }
        for address in PRIVATE.iter().chain(LOOPBACK).chain(NEVER) {
            assert!(!allowed(&rules, Policy::Stranger, address), "{address}");
        }
    }

    #[test]
    fn allow_widens_both_policies_but_never_to_metadata() {
        let rules = rules("https://gateway.example", true, &["0.0.0.0/0", "::/0"]);
        for address in PRIVATE.iter().chain(LOOPBACK) {
            assert!(allowed(&rules, Policy::Stranger, address), "{address}");
            assert!(allowed(&rules, Policy::Operator, address), "{address}");
        }
        for address in NEVER {
            assert!(!allowed(&rules, Policy::Stranger, address), "{address}");
            assert!(!allowed(&rules, Policy::Operator, address), "{address}");
        }
    }

    #[test]
    fn what_is_denied_stays_out_of_reach_whatever_is_allowed() {
        let mut config = Config::default();
        config.server.public_url = "http://127.0.0.1:8080".to_owned();
        config.outbound.allow = vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()];
        config.outbound.deny = vec!["10.20.0.0/16".parse().unwrap(), "8.8.8.0/24".parse().unwrap()];
        let rules = AddressRules::new(&config);
        for policy in [Policy::Operator, Policy::Configuration, Policy::Stranger] {
            for address in ["10.20.0.1", "::ffff:10.20.0.1", "64:ff9b::a14:1", "8.8.8.8"] {
                assert!(!allowed(&rules, policy, address), "{address}");
            }
            for address in ["10.21.0.1", "8.8.4.4", "127.0.0.1"] {
                assert!(allowed(&rules, policy, address), "{address}");
            }
        }
        let error = rules.check(Policy::Operator, "idp.example", "10.20.0.1".parse().unwrap());
        assert!(error.unwrap_err().to_string().contains("outbound.deny"));
    }

    #[test]
    fn a_refusal_never_names_the_address() {
        let rules = rules("https://gateway.example", true, &[]);
        let error = rules
            .check(Policy::Stranger, "intranet.example", "10.1.2.3".parse().unwrap())
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "intranet.example is not on the public internet"
        );
    }
}
