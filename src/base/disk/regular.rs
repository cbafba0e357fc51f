//! Opening files, and nothing else: a named pipe may never answer, a device may never end, and reading a terminal waits for a person.
//!
//! Whatever is read by name is opened here, but for the input of `predict`, which may be a pipe; `tests/architecture.rs` watches over it.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Error, ErrorKind, Read as _};
use std::path::Path;

/// What to do where permission to read is denied.
pub const TO_READ: &str = "change its permissions, or run as a user who may read it";

/// Opens the file at `path`, or where its links lead, for reading.
///
/// # Errors
/// As [`File::open`]; [`ErrorKind::IsADirectory`] for a folder, and [`ErrorKind::InvalidInput`] for a pipe, a socket or a device.
pub fn open(path: &Path) -> io::Result<File> {
    opened(OpenOptions::new().read(true), path, false).map(|(file, _)| file)
}

/// The same under other options. A file that `options` are to create need not be there.
///
/// # Errors
/// As [`open`].
pub fn open_with(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    opened(options, path, true).map(|(file, _)| file)
}

fn opened(
    options: &mut OpenOptions,
    path: &Path,
    may_create: bool,
) -> io::Result<(File, Metadata)> {
    // Before it is opened, which is an act where it is a device; and after, when it can be nothing else any more.
    match path.metadata() {
        Ok(metadata) => check(&metadata)?,
        Err(error) if error.kind() == ErrorKind::NotFound && may_create => {}
        Err(error) => return Err(error),
    }
    // So that a pipe that has taken the file's place in between does not wait for its other end. Files do not know the flag.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        options,
        rustix::fs::OFlags::NONBLOCK.bits().cast_signed(),
    );
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    check(&metadata)?;
    Ok((file, metadata))
}

/// As [`std::fs::read`].
///
/// # Errors
/// As [`open`], and when it cannot be read.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The first bytes of a file, `most` at most.
///
/// # Errors
/// As [`read`].
pub fn read_at_most(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let (file, metadata) = opened(OpenOptions::new().read(true), path, false)?;
    let mut bytes = Vec::new();
    // A limited reader does not know how much there is, and begins with a few bytes at a time.
    bytes.try_reserve(usize::try_from(metadata.len().min(most)).unwrap_or(0))?;
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// As [`std::fs::read_to_string`].
///
/// # Errors
/// As [`read`], and [`ErrorKind::InvalidData`] where it is not UTF-8.
pub fn read_to_string(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|error| {
        Error::new(ErrorKind::InvalidData, format!("it is not UTF-8: {}", error.utf8_error()))
    })
}

/// What an error on a file says, without the system's number.
pub fn reason(error: &Error) -> String {
    match (error.get_ref(), error.kind()) {
        (Some(said), _) => said.to_string(),
        (None, ErrorKind::NotFound) => "there is no such file".to_owned(),
        (None, kind) => kind.to_string(),
    }
}

/// Refuses what is no file, for who has asked for its metadata already.
///
/// # Errors
/// As [`open`].
pub fn check(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    if metadata.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    Err(Error::new(ErrorKind::InvalidInput, format!("it is {}, not a file", name_of(metadata))))
}

#[cfg(unix)]
fn name_of(metadata: &Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt as _;
    let kind = metadata.file_type();
    if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(not(unix))]
fn name_of(_: &Metadata) -> &'static str {
    "something else"
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn pipe(folder: &Path) -> std::path::PathBuf {
        let path = folder.join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.expect("mkfifo").success());
        path
    }

    #[test]
    fn a_pipe_a_device_a_socket_and_a_folder_are_refused_and_do_not_wait() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
        let why = |path: &Path| reason(&read(path).expect_err("no file"));
        assert_eq!(why(&pipe(folder.path())), "it is a named pipe, not a file");
        assert_eq!(why(&socket), "it is a socket, not a file");
        assert_eq!(why(Path::new("/dev/zero")), "it is a device, not a file");
        assert_eq!(why(folder.path()), "is a directory");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/zero", &link).expect("linked");
        assert_eq!(why(&link), "it is a device, not a file");
    }

    #[test]
    fn a_pipe_is_not_written_into_either() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let failed = open_with(File::options().append(true).create(true), &pipe(folder.path()));
        assert_eq!(failed.expect_err("no file").kind(), ErrorKind::InvalidInput);
        let new = folder.path().join("new");
        assert!(open_with(File::options().append(true).create(true), &new).is_ok());
    }

    #[test]
    fn a_file_is_read_whole_through_a_link() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("file"), "text").expect("written");
        std::os::unix::fs::symlink("file", folder.path().join("link")).expect("linked");
        assert_eq!(read_to_string(&folder.path().join("link")).expect("readable"), "text");
        assert_eq!(read_at_most(&folder.path().join("link"), 3).expect("readable"), b"tex");
        assert_eq!(read_at_most(&folder.path().join("link"), 9).expect("readable"), b"text");
        assert_eq!(
            reason(&read(&folder.path().join("none")).expect_err("none")),
            "there is no such file"
        );
    }
}
