//! A file of labelled texts as lines of UTF-8, whatever it was packed and encoded in.
//!
//! gzip and zstd are known by their first bytes; a byte order mark decides between UTF-8 and UTF-16 and outweighs what was told. Line ends of
//! `\r\n` and NUL bytes are no reason to refuse: the first are line ends, the second are kept out of texts by the readers. Files of other programs are
//! refused by what they are.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::foreign::Foreign;
use crate::base::disk::regular;

/// What is read, on any thread.
type Bytes = Box<dyn BufRead + Send>;

/// How a file's bytes spell characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Encoding {
    /// UTF-8
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// ISO 8859-1: every byte is a character
    #[serde(rename = "latin-1")]
    Latin1,
    /// UTF-16; without a byte order mark in the order that its first characters show, else little-endian
    #[serde(rename = "utf-16")]
    Utf16,
}

/// The longest line that is read, in bytes of UTF-8.
pub const LINE_LIMIT_BYTES: usize = 16 << 20;

/// How a Parquet file begins, which is in no encoding.
pub(super) const PARQUET: &[u8] = b"PAR1";

/// Opens the file at `path`, unpacks and decodes it.
///
/// # Errors
/// As [`regular::open`] and [`of`].
pub fn open(path: &Path, encoding: Encoding) -> io::Result<Bytes> {
    of(regular::open(path)?, encoding)
}

/// Whether the file at `path` is UTF-8 once it is unpacked.
///
/// # Errors
/// As [`open`], and those of reading to its end.
pub fn is_utf8(path: &Path) -> io::Result<bool> {
    let mut source = open(path, Encoding::Utf8)?;
    // What a chunk ends within begins the next one.
    let mut rest = Vec::new();
    loop {
        let chunk = source.fill_buf()?;
        let count = chunk.len();
        if count == 0 {
            return Ok(rest.is_empty());
        }
        rest.extend_from_slice(chunk);
        source.consume(count);
        rest = match std::str::from_utf8(&rest) {
            Ok(_) => Vec::new(),
            Err(error) if error.error_len().is_none() => rest.split_off(error.valid_up_to()),
            Err(_) => return Ok(false),
        };
    }
}

/// Unpacks and decodes `file`.
///
/// # Errors
/// Those of `file`, also from the reader that is returned; what is packed wrongly or of another program is [`io::ErrorKind::InvalidData`].
pub fn of(file: impl Read + Send + 'static, encoding: Encoding) -> io::Result<Bytes> {
    let mut packed = BufReader::with_capacity(1 << 16, file);
    while let Err(error) = packed.fill_buf() {
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    let first = packed.fill_buf()?;
    let unpacked: Bytes = if first.starts_with(&[0x1f, 0x8b]) {
        let unpacking = flate2::bufread::MultiGzDecoder::new(packed);
        Box::new(BufReader::with_capacity(1 << 16, unpacking))
    } else if first.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let unpacking = Frames(Frame::Ended(Box::new(packed)));
        Box::new(BufReader::with_capacity(1 << 16, unpacking))
    } else {
        Box::new(packed)
    };
    decode(unpacked, encoding)
}

/// The same of a stream that may have nothing to read yet: it is not looked at before somebody reads.
pub fn decoded(stream: impl Read + Send + 'static, encoding: Encoding) -> impl Read + Send {
    Decoding::Unseen(Box::new(stream), encoding)
}

enum Decoding {
    Unseen(Box<dyn Read + Send>, Encoding),
    Open(Bytes),
    /// After an error nothing follows.
    Broken,
}

impl Read for Decoding {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match std::mem::replace(self, Self::Broken) {
            Self::Broken => return Ok(0),
            Self::Unseen(stream, encoding) => *self = Self::Open(of(stream, encoding)?),
            open @ Self::Open(_) => *self = open,
        }
        match self {
            Self::Open(bytes) => bytes.read(buffer),
            Self::Unseen(..) | Self::Broken => Ok(0),
        }
    }
}

/// The frames of a zstd file, one after the other.
struct Frames(Frame);

enum Frame {
    Open(Box<StreamingDecoder<Bytes, FrameDecoder>>),
    Ended(Bytes),
    /// After an error nothing follows.
    Broken,
}

impl Read for Frames {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(&mut self.0, Frame::Broken) {
                Frame::Broken => return Ok(0),
                Frame::Ended(mut packed) => {
                    if packed.fill_buf()?.is_empty() {
                        return Ok(0);
                    }
                    let open = StreamingDecoder::new(packed).map_err(|error| damaged(&error))?;
                    self.0 = Frame::Open(Box::new(open));
                }
                Frame::Open(mut open) => match open.read(buffer)? {
                    0 => self.0 = Frame::Ended(open.into_inner()),
                    count => {
                        self.0 = Frame::Open(open);
                        return Ok(count);
                    }
                },
            }
        }
    }
}

fn damaged(error: &dyn std::error::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("it is no whole zstd file: {error}"))
}

/// The file is UTF-16 and has no mark that says it.
#[derive(Debug, thiserror::Error)]
#[error("it is UTF-16 without a byte order mark")]
struct Unmarked;

/// Whether a file could not be read because it is UTF-16 and nothing says so.
#[must_use]
pub fn is_unmarked_utf16(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|it| it.is::<Unmarked>())
}

/// Makes a unit of UTF-16 of two bytes.
type Order = fn([u8; 2]) -> u16;

/// The order of bytes in what begins with ASCII as UTF-16 spells it: every other byte is NUL.
fn without_mark(first: &[u8]) -> Option<Order> {
    let pairs = first.as_chunks::<2>().0.get(..8).unwrap_or(first.as_chunks::<2>().0);
    let all = |fits: fn(&[u8; 2]) -> bool| pairs.len() > 1 && pairs.iter().all(fits);
    if all(|[low, high]| *low != 0 && *high == 0) {
        return Some(u16::from_le_bytes);
    }
    all(|[high, low]| *high == 0 && *low != 0).then_some(u16::from_be_bytes)
}

fn decode(mut bytes: Bytes, encoding: Encoding) -> io::Result<Bytes> {
    let first = bytes.fill_buf()?;
    if let Some(foreign) = Foreign::of(first) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, foreign));
    }
    if first.starts_with(PARQUET) {
        return Ok(bytes);
    }
    let unmarked = without_mark(first);
    let (mark, order) = match first {
        [0xef, 0xbb, 0xbf, ..] => (3, None),
        [0xff, 0xfe, ..] => (2, Some(u16::from_le_bytes as Order)),
        [0xfe, 0xff, ..] => (2, Some(u16::from_be_bytes as Order)),
        _ => (0, None),
    };
    bytes.consume(mark);
    match (order, encoding, mark) {
        (Some(order), ..) => Ok(buffered(Utf16 { bytes, order, odd: None, high: None })),
        (None, Encoding::Utf16, 0) => {
            let order = unmarked.unwrap_or(u16::from_le_bytes);
            Ok(buffered(Utf16 { bytes, order, odd: None, high: None }))
        }
        (None, _, 0) if unmarked.is_some() => {
            Err(io::Error::new(io::ErrorKind::InvalidData, Unmarked))
        }
        (None, Encoding::Latin1, 0) => Ok(buffered(Latin1 { bytes })),
        _ => Ok(bytes),
    }
}

fn buffered(reader: impl Decode + Send + 'static) -> Bytes {
    Box::new(BufReader::with_capacity(1 << 16, Decoded { reader, ready: Vec::new(), given: 0 }))
}

/// Something that gives characters.
trait Decode {
    /// Adds some more to `text`; none when there are no more.
    fn more(&mut self, text: &mut Vec<u8>) -> io::Result<()>;
}

struct Decoded<D> {
    reader: D,
    ready: Vec<u8>,
    given: usize,
}

impl<D: Decode> Read for Decoded<D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.ready.len() {
            self.ready.clear();
            self.given = 0;
            self.reader.more(&mut self.ready)?;
        }
        let count = buffer.len().min(self.ready.len() - self.given);
        buffer[..count].copy_from_slice(&self.ready[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

struct Latin1 {
    bytes: Bytes,
}

impl Decode for Latin1 {
    fn more(&mut self, text: &mut Vec<u8>) -> io::Result<()> {
        let available = self.bytes.fill_buf()?;
        let mut buffer = [0; 4];
        for byte in available {
            text.extend_from_slice(char::from(*byte).encode_utf8(&mut buffer).as_bytes());
        }
        let count = available.len();
        self.bytes.consume(count);
        Ok(())
    }
}

struct Utf16 {
    bytes: Bytes,
    order: Order,
    /// The first byte of a unit whose second has not come yet.
    odd: Option<u8>,
    /// The first half of a pair whose second has not come yet.
    high: Option<u16>,
}

impl Decode for Utf16 {
    fn more(&mut self, text: &mut Vec<u8>) -> io::Result<()> {
        while text.is_empty() {
            let available = self.bytes.fill_buf()?;
            let is_over = available.is_empty();
            if is_over && self.odd.take().is_some() {
                let message = "it ends within a character of UTF-16";
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            let bytes: Vec<u8> =
                self.odd.take().into_iter().chain(available.iter().copied()).collect();
            let count = available.len();
            let (pairs, rest) = bytes.as_chunks::<2>();
            let mut units: Vec<u16> = self.high.take().into_iter().collect();
            units.extend(pairs.iter().map(|pair| (self.order)(*pair)));
            self.odd = rest.first().copied();
            self.bytes.consume(count);
            let is_open = units.last().is_some_and(|unit| (0xd800..0xdc00).contains(unit));
            if is_open && !is_over {
                self.high = units.pop();
            }
            let mut buffer = [0; 4];
            for character in char::decode_utf16(units) {
                let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
                text.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
            }
            if is_over {
                break;
            }
        }
        Ok(())
    }
}

/// The next line without its end; `Some(None)` when it is longer than `limit` bytes, which then is passed over.
#[expect(clippy::option_option, reason = "the end of the file and a line that is too long differ")]
pub(super) fn read_line(
    reader: &mut dyn BufRead,
    limit: usize,
) -> io::Result<Option<Option<Vec<u8>>>> {
    let mut line = Vec::new();
    let with_its_end = (limit as u64).saturating_add(1);
    if (&mut *reader).take(with_its_end).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() > limit {
        reader.skip_until(b'\n')?;
        return Ok(Some(None));
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(Some(Some(line)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn text(bytes: Vec<u8>, encoding: Encoding) -> io::Result<String> {
        let mut text = String::new();
        of(io::Cursor::new(bytes), encoding)?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn a_byte_order_mark_outweighs_what_was_told() {
        let utf16 = |text: &str, mark: &[u8], order: fn(u16) -> [u8; 2]| {
            mark.iter().copied().chain(text.encode_utf16().flat_map(order)).collect::<Vec<u8>>()
        };
        let little = utf16("née 🦀", &[0xff, 0xfe], u16::to_le_bytes);
        let big = utf16("née 🦀", &[0xfe, 0xff], u16::to_be_bytes);
        for (bytes, encoding) in [
            (little, Encoding::Utf8),
            (big, Encoding::Latin1),
            (utf16("née 🦀", &[], u16::to_le_bytes), Encoding::Utf16),
            ("\u{feff}née 🦀".into(), Encoding::Utf16),
            ("née 🦀".into(), Encoding::Utf8),
        ] {
            assert_eq!(text(bytes, encoding).unwrap(), "née 🦀");
        }
        assert_eq!(text(b"n\xe9e".to_vec(), Encoding::Latin1).unwrap(), "née");
    }

    #[test]
    fn utf16_without_a_mark_is_read_in_either_order_once_it_is_said_to_be_that() {
        for order in [u16::to_le_bytes, u16::to_be_bytes] {
            let bytes: Vec<u8> = "text,né".encode_utf16().flat_map(order).collect();
            assert_eq!(text(bytes.clone(), Encoding::Utf16).unwrap(), "text,né");
            let error = text(bytes, Encoding::Utf8).unwrap_err();
            assert!(error.get_ref().is_some_and(|error| error.is::<Unmarked>()));
        }
    }

    #[test]
    fn a_pair_of_utf16_survives_the_end_of_a_block() {
        let long = format!("{}🦀🦀", "a".repeat((1 << 13) - 1));
        let bytes = long.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(text(bytes, Encoding::Utf16).unwrap(), long);
    }

    #[test]
    fn a_file_is_utf8_wherever_its_characters_are_divided() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("text");
        let is_utf8 = |bytes: &[u8]| {
            std::fs::write(&path, bytes).expect("written");
            is_utf8(&path).expect("readable")
        };
        let long = format!("a{}", "é🦀".repeat(50_000)).into_bytes();
        assert!(is_utf8(&long) && is_utf8(b""));
        assert!(!is_utf8(&long[..long.len() - 1]) && !is_utf8(b"n\xe9e"));
    }

    #[test]
    fn what_is_packed_is_unpacked_and_what_was_cut_off_is_an_error() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all("one\ntwo\n".repeat(100).as_bytes()).unwrap();
        let gzip = gzip.finish().unwrap();
        // Two frames, as `zstd` wrote each.
        let frame =
            b"\x28\xb5\x2f\xfd\x04\x48\x41\x00\x00\x6f\x6e\x65\x0a\x74\x77\x6f\x0a\xe6\xa6\x0e\x40";
        let zstd = [&frame[..], frame].concat();
        assert_eq!(text(gzip.clone(), Encoding::Utf8).unwrap().len(), 800);
        assert_eq!(text(zstd, Encoding::Utf8).unwrap(), "one\ntwo\none\ntwo\n");
        assert!(text(gzip[..gzip.len() - 4].to_vec(), Encoding::Utf8).is_err());
    }
}
