//! The wire format of Protocol Buffers, as far as OTLP needs it (<https://protobuf.dev/programming-guides/encoding>).

/// A message that is being written. Fields with the default value of their type are left out, as the format has it.
#[derive(Debug, Default, Clone)]
pub(super) struct Message(Vec<u8>);

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LENGTH: u32 = 2;
const FIXED32: u32 = 5;

impl Message {
    /// The message as bytes.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// A field of a type `uint32`, `uint64`, `bool` or an enum.
    pub(super) fn number(&mut self, field: u32, number: u64) {
        if number != 0 {
            self.tag(field, VARINT);
            self.varint(number);
        }
    }

    /// A field of the type `fixed64`.
    pub(super) fn fixed64(&mut self, field: u32, number: u64) {
        if number != 0 {
            self.tag(field, FIXED64);
            self.0.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// A field of the type `fixed32`.
    pub(super) fn fixed32(&mut self, field: u32, number: u32) {
        if number != 0 {
            self.tag(field, FIXED32);
            self.0.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// A field of the type `double` that is one of several of which exactly one is there, or that is optional: zero counts.
    pub(super) fn set_double(&mut self, field: u32, number: f64) {
        self.tag(field, FIXED64);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// The same for the type `sfixed64`.
    pub(super) fn set_sfixed64(&mut self, field: u32, number: i64) {
        self.tag(field, FIXED64);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// A field of the type `string` or `bytes`.
    pub(super) fn bytes(&mut self, field: u32, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.set_bytes(field, bytes);
        }
    }

    /// A message within this one.
    pub(super) fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.set_bytes(field, &inner.0);
    }

    /// A message within this one that was written before.
    pub(super) fn written(&mut self, field: u32, message: &Self) {
        self.set_bytes(field, &message.0);
    }

    /// A repeated field of the type `fixed64` or `double`, packed.
    pub(super) fn packed(&mut self, field: u32, numbers: impl ExactSizeIterator<Item = [u8; 8]>) {
        if numbers.len() > 0 {
            self.tag(field, LENGTH);
            self.varint(8 * numbers.len() as u64);
            numbers.for_each(|number| self.0.extend_from_slice(&number));
        }
    }

    /// A `KeyValue` with a text.
    pub(super) fn text(&mut self, field: u32, key: &str, value: &str) {
        self.attribute(field, key, |any| any.set_bytes(1, value.as_bytes()));
    }

    /// A `KeyValue` with an integer.
    pub(super) fn integer(&mut self, field: u32, key: &str, value: i64) {
        self.attribute(field, key, |any| {
            any.tag(3, VARINT);
            // Negative numbers have ten bytes, as two's complement.
            any.varint(value.cast_unsigned());
        });
    }

    /// A `KeyValue` with a number.
    pub(super) fn double(&mut self, field: u32, key: &str, value: f64) {
        self.attribute(field, key, |any| any.set_double(4, value));
    }

    /// A `KeyValue` with a truth value.
    pub(super) fn boolean(&mut self, field: u32, key: &str, value: bool) {
        self.attribute(field, key, |any| {
            any.tag(2, VARINT);
            any.varint(value.into());
        });
    }

    fn attribute(&mut self, field: u32, key: &str, value: impl FnOnce(&mut Self)) {
        self.message(field, |pair| {
            pair.bytes(1, key.as_bytes());
            pair.message(2, value);
        });
    }

    fn set_bytes(&mut self, field: u32, bytes: &[u8]) {
        self.tag(field, LENGTH);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn tag(&mut self, field: u32, kind: u32) {
        self.varint(u64::from(field << 3 | kind));
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.0.push(number.to_le_bytes()[0]);
    }
}

/// The number in a field of a message, or in a field of a message in a field; nothing where it is not there.
pub(super) fn number_in(mut message: &[u8], path: &[u32]) -> Option<u64> {
    let (wanted, deeper) = path.split_first()?;
    while !message.is_empty() {
        let tag = read_varint(&mut message)?;
        let (field, kind) = (u32::try_from(tag >> 3).ok()?, u32::try_from(tag & 7).ok()?);
        let skip = |message: &mut &[u8], length: usize| message.split_off(..length).map(|_| ());
        match kind {
            VARINT => {
                let number = read_varint(&mut message)?;
                if field == *wanted && deeper.is_empty() {
                    return Some(number);
                }
            }
            LENGTH => {
                let length = usize::try_from(read_varint(&mut message)?).ok()?;
                let inner = message.split_off(..length)?;
                if field == *wanted && !deeper.is_empty() {
                    return number_in(inner, deeper);
                }
            }
            FIXED64 => skip(&mut message, 8)?,
            FIXED32 => skip(&mut message, 4)?,
            _ => return None,
        }
    }
    None
}

fn read_varint(message: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = *message.split_off_first()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Message)) -> Vec<u8> {
        let mut message = Message::default();
        write(&mut message);
        message.into_bytes()
    }

    #[test]
    fn fields_are_written_as_the_format_has_them() {
        // The examples of the format's own description.
        assert_eq!(written(|message| message.number(1, 150)), [0x08, 0x96, 0x01]);
        let testing = [0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67];
        assert_eq!(written(|message| message.bytes(2, b"testing")), testing);
        let inner = written(|message| message.message(3, |inner| inner.number(1, 150)));
        assert_eq!(inner, [0x1a, 0x03, 0x08, 0x96, 0x01]);
        assert_eq!(written(|message| message.fixed32(1, 1)), [0x0d, 1, 0, 0, 0]);
        assert_eq!(
            written(|message| message.fixed64(1, 1)),
            [0x09, 1, 0, 0, 0, 0, 0, 0, 0]
        );
        let two = written(|message| message.packed(6, [1_u64, 2].map(u64::to_le_bytes).into_iter()));
        assert_eq!(two[..3], [0x32, 16, 1]);
    }

    #[test]
    fn defaults_are_left_out_but_values_that_were_chosen_are_not() {
        let left_out = written(|message| {
            message.number(1, 0);
            message.fixed64(2, 0);
            message.fixed32(3, 0);
            message.bytes(4, b"");
            message.packed(5, std::iter::empty());
        });
        assert!(left_out.is_empty(), "{left_out:?}");
        let negative = written(|message| message.integer(1, "a", -1));
        assert_eq!(negative[..9], [0x0a, 16, 0x0a, 1, b'a', 0x12, 11, 0x18, 0xff]);
        assert_eq!(
            written(|message| message.text(1, "a", "")),
            [0x0a, 7, 0x0a, 1, b'a', 0x12, 2, 0x0a, 0]
        );
        assert_eq!(
            written(|message| message.boolean(1, "a", false)),
            [0x0a, 7, 0x0a, 1, b'a', 0x12, 2, 0x10, 0]
        );
    }

    #[test]
    fn a_number_is_found_in_a_message_and_a_broken_message_is_nothing() {
        let answer = written(|message| {
            message.fixed64(7, 1);
            message.fixed32(8, 1);
            message.bytes(2, b"text");
            message.message(1, |partial| {
                partial.bytes(2, b"why");
                partial.number(1, 300);
            });
        });
        assert_eq!(number_in(&answer, &[1, 1]), Some(300));
        assert_eq!(number_in(&answer, &[1, 3]), None);
        assert_eq!(number_in(&answer, &[3]), None);
        assert_eq!(number_in(b"", &[1]), None);
        for end in 1..answer.len() {
            let _ = number_in(&answer[..end], &[1, 1]);
        }
        assert_eq!(number_in(&[0x08, 0xff, 0xff], &[1]), None);
        assert_eq!(number_in(&[0x12, 0xff, 0xff, 0x7f, 1], &[1]), None);
    }
}
