//! Digests of files that users own, remembered by path and stamps so that an unchanged file is not read again.
//!
//! A memo is believed only while size, modification time, change time, inode and device are the same, and only if both times lie clearly
//! before the moment at which the file was read: a file that was written in the same tick as it was read may have changed since without
//! showing it (git calls such an entry racy). Change times cannot be set back by a program, so restoring a modification time hides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::disk::Disk;
use super::sealed;
use crate::base::disk::digest;
use crate::base::disk::regular;
use crate::engine::plan::{Digests, FileDigest};

/// The coarsest clock of a file system in use.
const TICK_NS: i128 = 2_000_000_000;

/// Past this many, what this process did not ask for is forgotten.
const MANY: usize = 10_000;

/// How often a file is read that changes while it is read.
const ATTEMPTS: usize = 3;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stamps {
    size: u64,
    modified_ns: i128,
    changed_ns: i128,
    inode: u64,
    device: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Memo {
    stamps: Stamps,
    /// When reading began.
    read_ns: i128,
    digest: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Records {
    files: BTreeMap<String, Memo>,
}

#[derive(Default)]
struct State {
    records: Records,
    used: BTreeSet<String>,
    changed: bool,
}

/// Digests of files with a memory in `outputs/cache/`, which is read once and written when this is dropped. Who only looks at a project
/// refreshes a memory that is there, and creates none.
pub struct DigestMemo {
    path: PathBuf,
    disk: Disk,
    clock: fn() -> SystemTime,
    state: Mutex<State>,
    /// The memory may be made where there is none.
    creates: AtomicBool,
}

impl Stamps {
    fn of(metadata: &Metadata) -> Self {
        let ns = |seconds: i64, nanoseconds: i64| {
            i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
        };
        Self {
            size: metadata.len(),
            modified_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
            device: metadata.dev(),
        }
    }

    fn clearly_before(&self, moment_ns: i128) -> bool {
        self.modified_ns + TICK_NS < moment_ns && self.changed_ns + TICK_NS < moment_ns
    }
}

impl Digests for DigestMemo {
    fn file(&self, path: &Path) -> Result<FileDigest> {
        let metadata = fs::metadata(path)?;
        regular::check(&metadata)?;
        let name = std::path::absolute(path)?.into_os_string().into_string().ok();
        if let Some(name) = &name {
            let mut state = self.state.lock().expect("no panic while it is held");
            if let Some(memo) = state.records.files.get(name)
                && memo.stamps == Stamps::of(&metadata)
                && memo.stamps.clearly_before(memo.read_ns)
            {
                let found = FileDigest { digest: memo.digest.clone(), size: memo.stamps.size };
                state.used.insert(name.clone());
                return Ok(found);
            }
        }
        let memo = self.read(path)?;
        let found = FileDigest { digest: memo.digest.clone(), size: memo.stamps.size };
        if let Some(name) = name {
            let mut state = self.state.lock().expect("no panic while it is held");
            state.records.files.insert(name.clone(), memo);
            state.used.insert(name);
            state.changed = true;
        }
        Ok(found)
    }

    fn content(&self, path: &Path) -> Result<Vec<u8>> {
        regular::read(path)
    }

    fn names(&self, path: &Path) -> Result<Vec<String>> {
        const LISTED: usize = 1000;
        let folder = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        Ok(fs::read_dir(folder)?
            .take(LISTED)
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect())
    }
}

impl DigestMemo {
    /// The digests of what lies in the results folder `name`. They have a memory of their own, since there may be many.
    ///
    /// * `cache`: the folder of rebuildable files
    pub(super) fn of_results(cache: &Path, disk: Disk, name: &str) -> Self {
        let digest = blake3::hash(name.as_bytes()).to_hex();
        let path = cache.join("results").join(format!("{}.json", &digest[..32]));
        let memo = Self::at(path, disk, SystemTime::now);
        memo.creates.store(true, Ordering::Relaxed);
        memo
    }

    /// The digests of source files.
    ///
    /// * `cache`: the folder of rebuildable files
    pub(super) fn of_sources(cache: &Path, disk: Disk, clock: fn() -> SystemTime) -> Self {
        Self::at(cache.join("digests.json"), disk, clock)
    }

    fn at(path: PathBuf, disk: Disk, clock: fn() -> SystemTime) -> Self {
        let records = regular::read(&path)
            .ok()
            .and_then(|bytes| sealed::open(&bytes).ok())
            .unwrap_or_default();
        Self {
            path,
            disk,
            clock,
            state: Mutex::new(State { records, ..State::default() }),
            creates: AtomicBool::new(false),
        }
    }

    /// Remembers the digest of a file that this process has just put there, so that it need not be read.
    pub fn remember(&self, path: &Path, digest: String) {
        let Ok(stamps) = fs::symlink_metadata(path).map(|metadata| Stamps::of(&metadata)) else {
            return;
        };
        let Some(name) = std::path::absolute(path)
            .ok()
            .and_then(|path| path.into_os_string().into_string().ok())
        else {
            return;
        };
        let read_ns = stamps.modified_ns.max(stamps.changed_ns) + TICK_NS + 1;
        let mut state = self.state.lock().expect("no panic while it is held");
        state.records.files.insert(name.clone(), Memo { stamps, read_ns, digest });
        state.used.insert(name);
        state.changed = true;
    }

    fn read(&self, path: &Path) -> Result<Memo> {
        let mut earlier = None;
        for _ in 0..ATTEMPTS {
            let now = (self.clock)()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| i128::try_from(since.as_nanos()).unwrap_or(i128::MAX));
            let file = regular::open(path)?;
            let before = file.metadata()?;
            let digest = digest::of_file(&file, before.len());
            let after = Stamps::of(&fs::metadata(path)?);
            let is_still = Stamps::of(&before) == after;
            match digest {
                // Another name for the file changes its stamps and nothing in it: two readings that agree are as good.
                Ok(digest) if is_still || earlier == Some(digest) => {
                    let digest = digest.to_hex().to_string();
                    return Ok(Memo { stamps: after, read_ns: now, digest });
                }
                Err(error) if is_still => return Err(error),
                digest => earlier = digest.ok(),
            }
        }
        Err(Error::new(ErrorKind::ResourceBusy, "it changes while it is read"))
    }

    /// Writes what was learned so far, and from now on makes the memory where there is none: something is being built.
    pub(in crate::engine) fn keep(&self) {
        self.creates.store(true, Ordering::Relaxed);
        self.save();
    }

    /// Failing costs only time later, so it is silent.
    fn save(&self) {
        let Ok(mut state) = self.state.lock() else { return };
        let state = &mut *state;
        let outputs = self.disk.temporary.ancestors().nth(2);
        let may_write = outputs.is_some_and(Path::is_dir)
            && (self.creates.load(Ordering::Relaxed)
                || (self.path.is_file() && self.disk.temporary.is_dir()));
        if !std::mem::take(&mut state.changed) || !may_write {
            return;
        }
        if state.records.files.len() > MANY {
            let used = &state.used;
            state.records.files.retain(|name, _| used.contains(name));
        }
        let _ = self.disk.replace_index(&self.path, &sealed::seal(&state.records));
    }
}

impl Drop for DigestMemo {
    fn drop(&mut self) {
        self.save();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::store::Store;
    use std::fs::File;
    use std::time::Duration;

    fn later() -> SystemTime {
        SystemTime::now() + Duration::from_secs(3600)
    }

    struct Case {
        folder: tempfile::TempDir,
        store: Store,
    }

    impl Case {
        fn new(content: &str) -> Self {
            let folder = tempfile::tempdir().expect("a temporary folder");
            fs::write(folder.path().join("file"), content).expect("written");
            let outputs = folder.path().join("outputs");
            fs::create_dir(&outputs).expect("created");
            let store = Store::open(&outputs).expect("opens");
            Self { folder, store }
        }

        fn file(&self) -> PathBuf {
            self.folder.path().join("file")
        }

        fn memo(&self, clock: fn() -> SystemTime) -> DigestMemo {
            DigestMemo::of_sources(&self.store.cache(), self.store.disk.clone(), clock)
        }

        fn digest(&self, clock: fn() -> SystemTime) -> String {
            let digests = self.memo(clock);
            digests.keep();
            digests.file(&self.file()).expect("readable").digest
        }

        /// Puts a wrong digest in the memory, so that it shows whether the file was read.
        fn forge(&self) {
            self.forge_stamps(|_| {});
        }

        /// And other stamps, as those of another file.
        fn forge_stamps(&self, change: fn(&mut Stamps)) {
            let path = self.store.cache().join("digests.json");
            let mut records: Records =
                sealed::open(&fs::read(&path).expect("saved")).expect("sealed");
            for memo in records.files.values_mut() {
                memo.digest = "forged".into();
                change(&mut memo.stamps);
            }
            fs::write(&path, sealed::seal(&records)).expect("written");
        }
    }

    fn true_digest(content: &str) -> String {
        blake3::hash(content.as_bytes()).to_hex().to_string()
    }

    #[test]
    fn an_unchanged_file_is_not_read_again() {
        let case = Case::new("one");
        case.digest(later);
        case.forge();
        assert_eq!(case.digest(later), "forged");
    }

    #[test]
    fn who_only_looks_creates_no_memory_and_refreshes_one_that_is_there() {
        let case = Case::new("one");
        let look = || case.memo(later).file(&case.file()).expect("readable").digest;
        look();
        assert_eq!(fs::read_dir(case.store.outputs()).expect("there").count(), 0);
        fs::create_dir_all(case.store.temporary()).expect("created");
        fs::create_dir(case.store.cache()).expect("created");
        fs::write(case.store.cache().join("digests.json"), "").expect("written");
        look();
        case.forge();
        assert_eq!(look(), "forged");
    }

    #[test]
    fn a_file_that_differs_in_one_stamp_is_read_again() {
        let changes: [fn(&mut Stamps); 5] = [
            |stamps| stamps.size += 1,
            |stamps| stamps.modified_ns -= 1,
            |stamps| stamps.changed_ns -= 1,
            |stamps| stamps.inode += 1,
            |stamps| stamps.device += 1,
        ];
        for change in changes {
            let case = Case::new("one");
            case.digest(later);
            case.forge_stamps(change);
            assert_eq!(case.digest(later), true_digest("one"));
        }
    }

    #[test]
    fn a_file_written_in_the_tick_in_which_it_was_read_is_read_again() {
        let case = Case::new("one");
        case.digest(SystemTime::now);
        case.forge();
        assert_eq!(case.digest(SystemTime::now), true_digest("one"));
    }

    #[test]
    fn restoring_the_modification_time_hides_no_change() {
        let case = Case::new("one");
        case.digest(later);
        let modified = fs::metadata(case.file()).expect("there").modified().expect("known");
        fs::write(case.file(), "two").expect("written");
        File::options()
            .append(true)
            .open(case.file())
            .and_then(|file| file.set_modified(modified))
            .expect("set");
        assert_eq!(case.digest(later), true_digest("two"));
    }

    #[test]
    fn a_damaged_memory_starts_empty() {
        let case = Case::new("one");
        case.digest(later);
        case.forge();
        let path = case.store.cache().join("digests.json");
        let mut bytes = fs::read(&path).expect("saved");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).expect("written");
        assert_eq!(case.digest(later), true_digest("one"));
    }

    #[test]
    fn a_file_that_changes_while_it_is_read_has_no_digest_until_it_stays() {
        let case = Case::new("");
        File::options()
            .write(true)
            .open(case.file())
            .and_then(|file| file.set_len(64 << 20))
            .expect("set");
        let done = std::sync::atomic::AtomicBool::new(false);
        let changing = std::thread::scope(|scope| {
            scope.spawn(|| {
                let file = File::options().write(true).open(case.file()).expect("there");
                for more in 0_u64.. {
                    file.set_len((64 << 20) + more).expect("set");
                    if done.load(std::sync::atomic::Ordering::Relaxed) {
                        return;
                    }
                }
            });
            // A machine with more to do may let the other thread wait through a whole reading, and another.
            let mut readings =
                (0..100).map(|_| case.store.digests().file(&case.file()).map(|found| found.digest));
            let found = readings.find(Result::is_err);
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            found
        });
        assert_eq!(
            changing.map(|found| found.map_err(|error| error.to_string())),
            Some(Err("it changes while it is read".to_owned()))
        );
        fs::write(case.file(), "one").expect("written");
        assert_eq!(case.digest(SystemTime::now), true_digest("one"));
    }

    #[test]
    fn a_file_that_others_link_to_while_it_is_read_has_its_digest() {
        let case = Case::new("");
        let content = vec![7; 8 << 20];
        fs::write(case.file(), &content).expect("written");
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let link = case.folder.path().join("link");
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    fs::hard_link(case.file(), &link).expect("linked");
                    fs::remove_file(&link).expect("removed");
                }
            });
            let digest = blake3::hash(&content).to_hex().to_string();
            let readings: Vec<_> = (0..10)
                .map(|_| case.store.digests().file(&case.file()).map(|found| found.digest).ok())
                .collect();
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            assert_eq!(readings, vec![Some(digest); 10]);
        });
    }

    #[test]
    fn a_missing_file_is_an_error() {
        let case = Case::new("one");
        assert_eq!(
            case.store
                .digests()
                .file(&case.folder.path().join("none"))
                .map(|_| ())
                .map_err(|error| error.kind()),
            Err(ErrorKind::NotFound)
        );
    }

    #[test]
    fn a_folder_is_an_error() {
        let case = Case::new("one");
        assert!(case.store.digests().file(case.folder.path()).is_err());
    }

    #[test]
    fn a_named_pipe_is_refused_and_not_waited_for() {
        let case = Case::new("");
        fs::remove_file(case.file()).expect("a file");
        assert!(
            std::process::Command::new("mkfifo")
                .arg(case.file())
                .status()
                .expect("mkfifo")
                .success()
        );
        let digests = case.store.digests();
        let errors = [
            digests.file(&case.file()).map(drop).unwrap_err(),
            digests.content(&case.file()).map(drop).unwrap_err(),
        ];
        assert_eq!(errors.map(|error| error.to_string()), ["it is a named pipe, not a file"; 2]);
    }
}
