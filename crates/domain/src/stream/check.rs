//! Checks of what administrators enter for a stream.

use crate::Invalid;

/// Characters of a file name.
const FILE_NAME_MAX: usize = 100;
/// Characters of a host name (RFC 1035 section 2.3.4).
const HOST_MAX: usize = 253;
/// Bytes of certificates.
const AUTHORITIES_MAX: usize = 64 * 1024;

/// Checks the name of a file: it has no path and is not hidden.
pub fn check_file_name(pointer: &str, name: &str) -> Result<(), Invalid> {
    let is_plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    if name.is_empty() || name.len() > FILE_NAME_MAX || !is_plain || name.starts_with('.') {
        return Err(Invalid::one(
            pointer,
            "Enter a file name of 1 to 100 letters, digits, `.`, `_` and `-` that does not begin with a dot, like \
             `audit.jsonl`. The folder is `streams.directory` in the configuration.",
        ));
    }
    // Older files get a number behind the name.
    if name
        .rsplit('.')
        .next()
        .is_some_and(|end| !end.is_empty() && end.bytes().all(|byte| byte.is_ascii_digit()))
    {
        return Err(Invalid::one(
            pointer,
            "The name must not have a number behind its last dot: the files before it have one. Enter a name like `audit.jsonl`.",
        ));
    }
    Ok(())
}

/// Checks a size in MB and the number of files that are kept.
pub fn check_size(max_size_mb: u32, max_files: u32) -> Result<(), Invalid> {
    let mut invalid = Invalid::default();
    if !(1..=10_240).contains(&max_size_mb) {
        invalid.add("/max_size_mb", "Enter a size from 1 to 10240 MB.");
    }
    if !(1..=100).contains(&max_files) {
        invalid.add("/max_files", "Enter how many files are kept, from 1 to 100.");
    }
    invalid.into_result()
}

/// Checks a host name or address. Which addresses are allowed is decided when it is dialled.
pub fn check_host(pointer: &str, host: &str) -> Result<(), Invalid> {
    let is_host = !host.is_empty() && host.len() <= HOST_MAX && url::Host::parse(host).is_ok();
    if is_host {
        Ok(())
    } else {
        Err(Invalid::one(
            pointer,
            "Enter the host name or address of the receiver, without a scheme or port, like `syslog.example.com`.",
        ))
    }
}

/// Checks the size and the form of certificates; whether they can be used is found when the first connection is made with them.
pub fn check_authorities(pointer: &str, pem: &str) -> Result<(), Invalid> {
    if pem.len() > AUTHORITIES_MAX {
        return Err(Invalid::one(
            pointer,
            "The certificates have more than 64 kB: enter those of the authorities of this receiver only.",
        ));
    }
    if !pem.contains("-----BEGIN CERTIFICATE-----") || pem.contains("PRIVATE KEY") {
        return Err(Invalid::one(
            pointer,
            "Enter certificates in PEM form, each between `-----BEGIN CERTIFICATE-----` and `-----END CERTIFICATE-----`, and no \
             private key.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_leads_to_no_other_folder_and_to_no_older_file() {
        for name in ["audit.jsonl", "a", "A-b_c.log", "audit.2026q1"] {
            check_file_name("/file_name", name).unwrap();
        }
        for name in [
            "",
            ".",
            "..",
            ".hidden",
            "a/b",
            "../a",
            "a\\b",
            "a b",
            "audit.jsonl.1",
            "a.7",
            "é",
            "a\0",
            &"x".repeat(101),
        ] {
            check_file_name("/file_name", name).unwrap_err();
        }
    }

    #[test]
    fn a_host_has_no_scheme_and_no_port() {
        for host in ["syslog.example.com", "127.0.0.1", "[::1]"] {
            check_host("/host", host).unwrap();
        }
        for host in ["", "syslog.example.com:514", "tcp://syslog", "a b", "a/b"] {
            check_host("/host", host).unwrap_err();
        }
    }

    #[test]
    fn a_private_key_is_not_a_certificate() {
        let begin = "-----BEGIN CERTIFICATE-----";
        check_authorities("/authorities", begin).unwrap();
        for pem in [
            "",
            "nothing",
            &format!("{begin}\n-----BEGIN PRIVATE KEY-----"),
            &begin.repeat(3_000),
        ] {
            check_authorities("/authorities", pem).unwrap_err();
        }
    }

    #[test]
    fn sizes_are_bounded() {
        check_size(100, 5).unwrap();
        check_size(0, 5).unwrap_err();
        check_size(1, 101).unwrap_err();
    }
}
