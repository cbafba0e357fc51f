//! BLAKE3 of files, on all threads of the current pool.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use blake3::hazmat::{
    ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root,
};
use blake3::{Hash, Hasher};

/// What one thread reads and digests at a time: small enough for its cache.
const PIECE_BYTES: u64 = 1 << 20;

/// The digest of the first `size` bytes of `file`.
///
/// The pieces are read with positioned reads rather than mapped: a file that shrinks meanwhile, or a bad sector, is then an error instead of
/// the end of the process.
///
/// # Errors
/// When reading fails, or the file is shorter.
pub fn of_file(file: &File, size: u64) -> io::Result<Hash> {
    if size <= PIECE_BYTES {
        return with_piece(file, 0, size, blake3::hash);
    }
    let left = left_subtree_len(size);
    let (left, right) = rayon::join(|| subtree(file, 0, left), || subtree(file, left, size - left));
    Ok(merge_subtrees_root(&left?, &right?, Mode::Hash))
}

fn subtree(file: &File, offset: u64, size: u64) -> io::Result<ChainingValue> {
    if size <= PIECE_BYTES {
        return with_piece(file, offset, size, |bytes| {
            Hasher::new().set_input_offset(offset).update(bytes).finalize_non_root()
        });
    }
    let left = left_subtree_len(size);
    let (left, right) =
        rayon::join(|| subtree(file, offset, left), || subtree(file, offset + left, size - left));
    Ok(merge_subtrees_non_root(&left?, &right?, Mode::Hash))
}

/// Hands a piece of the file to `digest`, in a buffer that the thread keeps.
fn with_piece<T>(
    file: &File,
    offset: u64,
    size: u64,
    digest: impl FnOnce(&[u8]) -> T,
) -> io::Result<T> {
    thread_local! {
        static BUFFER: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    let size = usize::try_from(size).expect("a piece is small");
    BUFFER.with_borrow_mut(|buffer| {
        if buffer.len() < size {
            buffer.resize(size, 0);
        }
        file.read_exact_at(&mut buffer[..size], offset)?;
        Ok(digest(&buffer[..size]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn digest_of(bytes: &[u8]) -> Hash {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(bytes).expect("written");
        of_file(&file, bytes.len() as u64).expect("readable")
    }

    #[test]
    fn the_digest_is_that_of_the_bytes_whatever_the_size() {
        let bytes: Vec<u8> =
            (0..5_000_001_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for size in [
            0,
            1,
            1023,
            1024,
            1025,
            1 << 20,
            (1 << 20) + 1,
            2 << 20,
            (3 << 20) - 1,
            (3 << 20) + 1024,
            5_000_001,
        ] {
            assert_eq!(digest_of(&bytes[..size]), blake3::hash(&bytes[..size]), "{size} bytes");
        }
    }

    #[test]
    fn a_file_that_became_shorter_is_an_error() {
        let file = tempfile::tempfile().expect("a temporary file");
        file.set_len(3 << 20).expect("sparse");
        assert!(of_file(&file, 4 << 20).is_err());
    }
}
