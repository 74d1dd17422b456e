//! What is read of certificates: from when and until when they are valid.

use gatewright_domain::Timestamp;
use time::{Date, Month, PrimitiveDateTime, Time};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// From when and until when a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// From when.
    pub not_before: Timestamp,
    /// When it expires.
    pub not_after: Timestamp,
}

impl Validity {
    /// Whether it is valid at a time.
    pub fn contains(&self, now: Timestamp) -> bool {
        self.not_before <= now && self.not_after > now
    }
}

/// The validity of a certificate in DER form (RFC 5280 section 4.1.2.5); `None` if it is not well-formed.
pub fn validity(certificate: &[u8]) -> Option<Validity> {
    let (certificate, _) = expect(SEQUENCE, certificate)?;
    let (mut fields, _) = expect(SEQUENCE, certificate)?;
    if let Some((_, rest)) = expect(VERSION, fields) {
        fields = rest;
    }
    // The serial number, the algorithm of the signature, and the issuer.
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        fields = expect(tag, fields)?.1;
    }
    let (validity, _) = expect(SEQUENCE, fields)?;
    let (tag, begin, end) = element(validity)?;
    let not_before = time(tag, std::str::from_utf8(begin).ok()?)?;
    let (tag, end, _) = element(end)?;
    let not_after = time(tag, std::str::from_utf8(end).ok()?)?;
    Some(Validity {
        not_before,
        not_after,
    })
}

/// The content of the first element, which has this tag, and what follows it.
fn expect(tag: u8, input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = element(input)?;
    (found == tag).then_some((content, rest))
}

/// The first element of DER: its tag, its content, and what follows it.
fn element(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = input.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f).min(4))?;
        (
            bytes
                .iter()
                .fold(0, |length, byte| (length << 8) | usize::from(*byte)),
            rest,
        )
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// `YYMMDDHHMMSSZ`, of which years from 50 are of the last century, or with a year of four digits.
fn time(tag: u8, text: &str) -> Option<Timestamp> {
    let (year, rest) = match tag {
        UTC_TIME => {
            let year: i32 = text.get(..2)?.parse().ok()?;
            (
                if year < 50 { 2_000 + year } else { 1_900 + year },
                text.get(2..)?,
            )
        }
        GENERALIZED_TIME => (text.get(..4)?.parse().ok()?, text.get(4..)?),
        _ => return None,
    };
    let number = |at: usize| rest.get(at..at + 2)?.parse::<u8>().ok();
    let date = Date::from_calendar_date(year, Month::try_from(number(0)?).ok()?, number(2)?).ok()?;
    let time = Time::from_hms(number(4)?, number(6)?, number(8)?).ok()?;
    let at = PrimitiveDateTime::new(date, time).assume_utc();
    Some(Timestamp::from_seconds(at.unix_timestamp()))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_read_whatever_its_form() {
        // From 2050 on, it has a year of four digits.
        for year in [2031, 2049, 2051] {
            let mut params = CertificateParams::new(vec!["mcp.example.com".to_owned()]).unwrap();
            params.not_before = date_time_ymd(2021, 3, 4);
            params.not_after = date_time_ymd(year, 12, 1);
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            let validity = validity(certificate.der()).unwrap();
            assert_eq!(validity.not_before.to_rfc3339(), "2021-03-04T00:00:00Z");
            assert_eq!(validity.not_after.to_rfc3339(), format!("{year}-12-01T00:00:00Z"));
        }
    }

    #[test]
    fn what_is_not_a_certificate_has_no_expiry() {
        let certificate = CertificateParams::new(vec!["mcp.example.com".to_owned()]).unwrap();
        let certificate = certificate.self_signed(&KeyPair::generate().unwrap()).unwrap();
        for length in 0..120 {
            assert_eq!(validity(&certificate.der()[..length]), None);
        }
        assert_eq!(validity(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
