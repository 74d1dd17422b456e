//! Numbers of sixteen bytes in the database: 32 hexadecimal digits.

/// The digits of a number.
pub(crate) fn hex(bytes: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// The number of these digits; nothing where they are none.
pub(crate) fn unhex(text: &str) -> Option<[u8; 16]> {
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}
