//! Whether a folder is a disk of its own, or another folder made to stand in its place: nothing can take that place.

use std::path::Path;

use crate::base::disk::regular;

/// Whether something is mounted at `folder`, be it a folder of the same disk.
#[cfg(unix)]
pub fn is_mount_point(folder: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::MetadataExt as _;

    let above = folder.parent().unwrap_or(Path::new("."));
    // A link to another disk is a link: that can be exchanged.
    if let (Ok(here), Ok(around)) = (folder.symlink_metadata(), above.metadata())
        && here.dev() != around.dev()
    {
        return true;
    }
    let (Ok(mounts), Ok(above), Some(name)) = (
        regular::read(Path::new("/proc/self/mountinfo")),
        above.canonicalize(),
        folder.file_name(),
    ) else {
        return false;
    };
    let place = above.join(name);
    // The fifth word of a line is the place. One with a space in it is written otherwise there, and found above if at all.
    let is_it =
        |line: &[u8]| line.split(|byte| *byte == b' ').nth(4) == Some(place.as_os_str().as_bytes());
    mounts.split(|byte| *byte == b'\n').any(is_it)
}

#[cfg(not(unix))]
pub fn is_mount_point(_folder: &Path) -> bool {
    false
}
