//! Protocol buffers on the wire: the few forms that an ONNX file has.
//!
//! Reference: <https://protobuf.dev/programming-guides/encoding/>

/// The fields of a message, in the order in which they were added.
#[derive(Debug, Default, Clone)]
pub(super) struct Message {
    bytes: Vec<u8>,
}

/// How a field's value is laid out.
#[derive(Clone, Copy)]
enum Form {
    Varint = 0,
    /// Bytes behind their number.
    Counted = 2,
    Fixed32 = 5,
}

impl Message {
    #[must_use]
    pub fn integer(mut self, field: u32, value: u64) -> Self {
        self.tag(field, Form::Varint);
        self.varint(value);
        self
    }

    #[must_use]
    pub fn float(mut self, field: u32, value: f32) -> Self {
        self.tag(field, Form::Fixed32);
        self.bytes.extend(value.to_le_bytes());
        self
    }

    #[must_use]
    pub fn text(self, field: u32, text: &str) -> Self {
        let mut begun = self.counted(field, text.len() as u64);
        begun.bytes.extend(text.as_bytes());
        begun
    }

    #[must_use]
    pub fn message(self, field: u32, message: &Self) -> Self {
        let mut begun = self.counted(field, message.bytes.len() as u64);
        begun.bytes.extend(&message.bytes);
        begun
    }

    /// Begins a field of so many bytes, which the caller writes behind this.
    #[must_use]
    pub fn counted(mut self, field: u32, length: u64) -> Self {
        self.tag(field, Form::Counted);
        self.varint(length);
        self
    }

    /// Adds the fields of another message.
    pub fn append(&mut self, fields: &Self) {
        self.bytes.extend(&fields.bytes);
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn tag(&mut self, field: u32, form: Form) {
        self.varint(u64::from(field << 3 | form as u32));
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the reference.
    #[test]
    fn fields_are_laid_out_as_the_reference_says() {
        assert_eq!(Message::default().integer(1, 150).bytes(), [0x08, 0x96, 0x01]);
        let testing = Message::default().text(2, "testing");
        assert_eq!(testing.bytes(), [&[0x12, 0x07], &b"testing"[..]].concat());
        let inner = Message::default().integer(1, 150);
        assert_eq!(Message::default().message(3, &inner).bytes(), [0x1a, 3, 0x08, 0x96, 0x01]);
        assert_eq!(Message::default().float(2, 1.0).bytes(), [0x15, 0, 0, 0x80, 0x3f]);
    }
}
