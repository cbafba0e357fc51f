//! Small file systems of a test's own, mounted in a mount namespace of a process of its own.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const MOUNTED: &[u8] = b"+";
const REFUSED: &[u8] = b"-";

/// Set, what cannot be tested here has failed.
const ALL_WANTED: &str = "PIPELINE_TEST_REQUIRE_ROOT";

/// Runs one of this program's tests where it may mount things. Where that is not allowed, it says so.
pub fn in_a_namespace(test: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount"])
        .arg(std::env::current_exe().expect("known"))
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env("TEST_DISK", folder.path())
        .output();
    let report = fs::read(folder.path().join("report")).unwrap_or_default();
    match output {
        Ok(output) if output.status.success() && report == MOUNTED => {}
        Ok(output)
            if String::from_utf8_lossy(&output.stdout).contains("running 1 test")
                && report != REFUSED =>
        {
            panic!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            )
        }
        _ => skip(test, "needs `unshare` and the right to mount: run it as root"),
    }
}

/// A folder with a disk with these options in it; `None` where nothing may be mounted.
pub fn disk(options: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("TEST_DISK")?);
    let path = folder.join("disk");
    fs::create_dir_all(&path).expect("writable");
    let mounted = mount(options, &path);
    fs::write(folder.join("report"), if mounted { MOUNTED } else { REFUSED }).expect("writable");
    mounted.then_some(path)
}

pub fn mount(options: &str, path: &Path) -> bool {
    Command::new("mount")
        .args(["-t", "tmpfs", "-o", options, "none"])
        .arg(path)
        .status()
        .is_ok_and(|status| status.success())
}

/// Says that a test was not made, or fails where all are wanted. The harness hides what a test prints that passes, but not what goes to standard
/// error itself.
fn skip(test: &str, why: &str) {
    assert!(std::env::var_os(ALL_WANTED).is_none(), "{test} {why} ({ALL_WANTED} is set)");
    let _ = writeln!(std::io::stderr(), "\nSKIPPED: {test} {why}");
}
