//! Whether the bytes on disk are the ones that the hub means.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::de::{self, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::names::{is_hex, shown};
use super::{HubError, Observer};

use crate::base::disk::regular;

/// The digest by which the hub names a file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Etag {
    /// 64 digits: the sha256 of the content, for files in large file storage.
    Sha256(String),
    /// 40 digits: the sha1 that git gives the content as a blob, for the others.
    GitBlob(String),
}

impl Etag {
    /// Reads the value of a header, quoted or not, weak or not.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix("W/").unwrap_or(text).trim_matches('"');
        if is_hex(text, 64) {
            Some(Self::Sha256(text.to_owned()))
        } else if is_hex(text, 40) {
            Some(Self::GitBlob(text.to_owned()))
        } else {
            None
        }
    }

    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Sha256(digits) | Self::GitBlob(digits) => digits,
        }
    }
}

/// Reads the whole file at `path` and holds it against `etag`.
///
/// `name` is what messages call the file. Returns the number of bytes.
pub(super) fn check_digest(
    path: &Path,
    name: &str,
    etag: &Etag,
    observer: &mut dyn Observer,
) -> Result<u64, HubError> {
    let cannot_read = |error| HubError::io("read", path, error);
    let mut file = regular::open(path).map_err(cannot_read)?;
    let size = file.metadata().map_err(cannot_read)?.len();
    let found = match etag {
        Etag::Sha256(_) => digest(Sha256::new(), &mut file, path, observer)?,
        Etag::GitBlob(_) => {
            let mut hasher = Sha1::new();
            hasher.update(format!("blob {size}\0"));
            digest(hasher, &mut file, path, observer)?
        }
    };
    if found != etag.as_str() {
        return Err(HubError::DigestMismatch {
            file: name.to_owned(),
            expected: etag.as_str().to_owned(),
            found,
            cached: None,
        });
    }
    Ok(size)
}

fn digest<D: Digest>(
    mut hasher: D,
    file: &mut File,
    path: &Path,
    observer: &mut dyn Observer,
) -> Result<String, HubError> {
    let mut buffer = vec![0; 1 << 20];
    loop {
        if observer.cancelled() {
            return Err(HubError::Cancelled);
        }
        let count = file.read(&mut buffer).map_err(|error| HubError::io("read", path, error))?;
        if count == 0 {
            return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        hasher.update(&buffer[..count]);
    }
}

/// Reads a header without keeping any of it, and says where the data of its last tensor ends.
struct Ends;

#[derive(Deserialize)]
struct Tensor {
    data_offsets: (u64, u64),
}

impl<'de> Visitor<'de> for Ends {
    type Value = u64;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a table of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<u64, A::Error> {
        let mut end = 0;
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            if name == "__metadata__" {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let (from, to) = map.next_value::<Tensor>()?.data_offsets;
            if from > to {
                return Err(de::Error::custom(format_args!(
                    "tensor `{}` ends before it begins",
                    shown(&name)
                )));
            }
            end = end.max(to);
        }
        Ok(end)
    }
}

/// The longest header that the safetensors format allows.
const LONGEST_HEADER: u64 = 100_000_000;

/// Holds the header of a safetensors file against the file's length, reading the header only.
pub(super) fn check_safetensors(path: &Path, name: &str) -> Result<(), HubError> {
    let mut file = regular::open(path).map_err(|error| HubError::io("read", path, error))?;
    let length = file.metadata().map_err(|error| HubError::io("read", path, error))?.len();
    let wrong = |problem: String| HubError::Safetensors { file: name.to_owned(), problem };

    let mut prefix = [0; 8];
    if length < 8 {
        return Err(wrong(format!("it has {length} bytes")));
    }
    file.read_exact(&mut prefix).map_err(|error| HubError::io("read", path, error))?;
    let header_length = u64::from_le_bytes(prefix);
    if header_length > LONGEST_HEADER || header_length > length - 8 {
        return Err(wrong(format!("its header claims {header_length} bytes of {length}")));
    }
    let mut header = vec![0; usize::try_from(header_length).expect("at most 100 MB")];
    file.read_exact(&mut header).map_err(|error| HubError::io("read", path, error))?;
    let mut parser = serde_json::Deserializer::from_slice(&header);
    let end = parser
        .deserialize_map(Ends)
        .and_then(|end| parser.end().map(|()| end))
        .map_err(|error| wrong(format!("its header: {}", shown(&error.to_string()))))?;
    let data = length - 8 - header_length;
    if end != data {
        return Err(wrong(format!("its tensors need {end} bytes and it has {data}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Silent;
    use super::*;

    fn file_of(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), bytes).expect("written");
        file
    }

    #[test]
    fn an_etag_is_read_quoted_and_weak() {
        let blob = "ce013625030ba8dba906f756967f9e9ca394464a";
        assert_eq!(Etag::parse(&format!("W/\"{blob}\"")), Some(Etag::GitBlob(blob.to_owned())));
        assert_eq!(
            Etag::parse(&format!("\"{}\"", "a".repeat(64))),
            Some(Etag::Sha256("a".repeat(64)))
        );
        for text in ["", "\"\"", "../../etc/passwd", "\"abc\"", &"A".repeat(64)] {
            assert_eq!(Etag::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn forty_digits_are_what_git_hash_object_prints() {
        let file = file_of(b"hello\n");
        let etag = Etag::parse("ce013625030ba8dba906f756967f9e9ca394464a").expect("an etag");
        assert_eq!(check_digest(file.path(), "x", &etag, &mut Silent).expect("the digest fits"), 6);
    }

    #[test]
    fn sixty_four_digits_are_what_sha256sum_prints() {
        let etag = Etag::parse("5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03")
            .expect("an etag");
        check_digest(file_of(b"hello\n").path(), "x", &etag, &mut Silent).expect("the digest fits");
        let error = check_digest(file_of(b"hellp\n").path(), "x", &etag, &mut Silent)
            .expect_err("one byte differs");
        assert!(matches!(error, HubError::DigestMismatch { .. }));
    }

    fn safetensors(header: &str, data: usize) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        bytes
    }

    #[test]
    fn a_safetensors_header_must_fit_the_file() {
        let header = r#"{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
        check_safetensors(file_of(&safetensors(header, 8)).path(), "m").expect("whole");
        for bytes in [
            Vec::new(),
            vec![0; 7],
            safetensors(header, 7),
            safetensors(header, 9),
            u64::MAX.to_le_bytes().to_vec(),
            (4_u64 << 40).to_le_bytes().to_vec(),
            safetensors("[]", 0),
            safetensors(r#"{"w":{"data_offsets":[8,0]}}"#, 0),
            safetensors(r#"{"w":{"data_offsets":[0,-8]}}"#, 8),
            safetensors(r#"{"w":1}"#, 0),
        ] {
            let error = check_safetensors(file_of(&bytes).path(), "m").expect_err("not whole");
            assert!(matches!(error, HubError::Safetensors { .. }), "{error}");
        }
    }
}
