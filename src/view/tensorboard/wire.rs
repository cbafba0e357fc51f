//! As much of protocol buffers as events need, and the frame around each record of an event file.
//!
//! Reference: <https://protobuf.dev/programming-guides/encoding/>, and `tensorflow/core/lib/io/record_writer.h` for the frame.

/// A message in the making. Fields are given in the order of their numbers, in which the reference implementation writes them.
#[derive(Debug, Default, Clone)]
pub(super) struct Message(Vec<u8>);

const VARINT: u32 = 0;
const EIGHT_BYTES: u32 = 1;
const BYTES: u32 = 2;
const FOUR_BYTES: u32 = 5;

impl Message {
    pub(super) fn new() -> Self {
        Self::default()
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn key(&mut self, field: u32, wire_type: u32) {
        self.varint(u64::from(field << 3 | wire_type));
    }

    /// A number; zero is the value of a field that is not there.
    pub(super) fn number(mut self, field: u32, value: u64) -> Self {
        if value != 0 {
            self.key(field, VARINT);
            self.varint(value);
        }
        self
    }

    /// One of the alternatives of a `oneof`, which is there whatever its value.
    pub(super) fn boolean(mut self, field: u32, value: bool) -> Self {
        self.key(field, VARINT);
        self.varint(value.into());
        self
    }

    pub(super) fn double(mut self, field: u32, value: f64) -> Self {
        self.key(field, EIGHT_BYTES);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(super) fn float(mut self, field: u32, value: f32) -> Self {
        self.key(field, FOUR_BYTES);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(super) fn bytes(mut self, field: u32, value: &[u8]) -> Self {
        self.key(field, BYTES);
        self.varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    pub(super) fn text(self, field: u32, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    pub(super) fn message(self, field: u32, value: &Self) -> Self {
        self.bytes(field, &value.0)
    }

    pub(super) fn messages<'a>(
        self,
        field: u32,
        values: impl IntoIterator<Item = &'a Self>,
    ) -> Self {
        values.into_iter().fold(self, |message, value| message.message(field, value))
    }

    /// The message as a record of an event file: its length and the length's checksum, itself and its own.
    pub(super) fn record(&self) -> Vec<u8> {
        let length = (self.0.len() as u64).to_le_bytes();
        let mut record = length.to_vec();
        record.extend(checksum(&length).to_le_bytes());
        record.extend(&self.0);
        record.extend(checksum(&self.0).to_le_bytes());
        record
    }
}

/// The CRC as records have it: turned and shifted, since one over bytes that hold one is no good check.
fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_that_everybody_knows() {
        // RFC 3720, appendix B.4, turned and shifted as `record_writer.h` says.
        let masked = |crc: u32| crc.rotate_right(15).wrapping_add(0xa282_ead8);
        assert_eq!(checksum(&[0; 32]), masked(0x8a91_36aa));
        assert_eq!(checksum(&[0xff; 32]), masked(0x62a8_ab43));
        assert_eq!(checksum(b"123456789"), masked(0xe306_9283));
    }

    #[test]
    fn numbers_take_seven_bits_a_byte_and_zero_takes_none() {
        let message = Message::new().number(1, 150).number(2, 0).number(16, 1);
        assert_eq!(message.0, [0x08, 0x96, 0x01, 0x80, 0x01, 0x01]);
    }
}
