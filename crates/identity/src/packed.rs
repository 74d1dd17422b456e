//! A short form for what a browser carries: it keeps several cookies, and proxies limit the head of a request. Identifiers and
//! random values are bytes, and nothing has a name. The first byte is the version of the form.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gatewright_domain::Timestamp;

/// Bytes that grow.
#[derive(Debug)]
pub struct Packer(Vec<u8>);

impl Packer {
    /// Begins a form with its version.
    pub fn new(version: u8) -> Self {
        Self(vec![version])
    }

    /// The bytes.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    /// A number, seven bits a byte, the lowest first.
    pub fn number(&mut self, number: u64) {
        let mut rest = number;
        loop {
            let [low, ..] = (rest & 0x7f).to_le_bytes();
            rest >>= 7;
            if rest == 0 {
                self.0.push(low);
                return;
            }
            self.0.push(low | 0x80);
        }
    }

    /// An identifier.
    pub fn id(&mut self, number: u128) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    /// A moment, in milliseconds.
    pub fn time(&mut self, at: Timestamp) {
        self.number(at.as_millis().cast_unsigned());
    }

    /// A text. Random values are base64url: their bytes are a quarter shorter, and return the same text.
    pub fn text(&mut self, text: &str) {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let (kind, bytes) = match &bytes {
            Some(bytes) if URL_SAFE_NO_PAD.encode(bytes) == text => (1, bytes.as_slice()),
            _ => (0, text.as_bytes()),
        };
        self.number(bytes.len() as u64 * 2 + kind);
        self.0.extend_from_slice(bytes);
    }

    /// What may be missing.
    pub fn option<T>(&mut self, value: Option<T>, pack: impl FnOnce(&mut Self, T)) {
        self.number(u64::from(value.is_some()));
        if let Some(value) = value {
            pack(self, value);
        }
    }
}

/// Bytes that are read from the front. Each reading is `None` if they are not what is expected.
#[derive(Debug)]
pub struct Unpacker<'a>(&'a [u8]);

impl<'a> Unpacker<'a> {
    /// Reads a form of this version.
    pub fn new(packed: &'a [u8], version: u8) -> Option<Self> {
        let (found, rest) = packed.split_first()?;
        (*found == version).then_some(Self(rest))
    }

    /// Whether everything was read.
    pub fn is_finished(&self) -> bool {
        self.0.is_empty()
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    /// A number.
    pub fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let [byte] = *self.bytes(1)? else { return None };
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// An identifier.
    pub fn id(&mut self) -> Option<u128> {
        let bytes = self.bytes(size_of::<u128>())?;
        Some(u128::from_be_bytes(bytes.try_into().ok()?))
    }

    /// A moment.
    pub fn time(&mut self) -> Option<Timestamp> {
        Some(Timestamp::from_millis(self.number()?.cast_signed()))
    }

    /// A text.
    pub fn text(&mut self) -> Option<String> {
        let head = self.number()?;
        let bytes = self.bytes(usize::try_from(head / 2).ok()?)?;
        if head % 2 == 1 {
            return Some(URL_SAFE_NO_PAD.encode(bytes));
        }
        String::from_utf8(bytes.to_vec()).ok()
    }

    /// What may be missing. The outer `None` is a form that cannot be read.
    pub fn option<T>(&mut self, unpack: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.number()? {
            0 => Some(None),
            1 => unpack(self).map(Some),
            _ => None,
        }
    }
}
