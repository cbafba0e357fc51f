//! A program that runs beside this one: in a process group of its own, so that all it starts ends with it.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::base::disk::regular;

/// Between two looks at a program that runs.
const LOOK: Duration = Duration::from_millis(20);

/// How long a program that is told to end may take before it is made to.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is started, and where.
pub(super) struct Program<'a> {
    /// The program itself first.
    pub arguments: &'a [OsString],
    /// The current folder.
    pub folder: &'a Path,
    /// All of it: nothing else is inherited.
    pub environment: Vec<(String, OsString)>,
    /// Where all goes that it prints.
    pub log: &'a Path,
}

impl Program<'_> {
    /// Runs it to its end; `None` where it was stopped.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn run(&self, is_cancelled: &dyn Fn() -> bool) -> io::Result<Option<ExitStatus>> {
        // An attempt after one that failed goes on behind what that printed.
        let log = File::options().append(true).create(true).open(self.log)?;
        let mut child = Command::new(&self.arguments[0])
            .args(&self.arguments[1..])
            .current_dir(self.folder)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()?;
        let group = Pid::from_child(&child);
        let guard = Guard::of(group);
        let mut told = None;
        while !has_ended(group)? {
            match told {
                None if is_cancelled() => {
                    let _ = kill_process_group(group, Signal::TERM);
                    told = Some(Instant::now());
                }
                Some(told) if told.elapsed() >= PATIENCE => break,
                _ => {}
            }
            std::thread::sleep(LOOK);
        }
        // What the program has started may go on, and would write into a result that is there already. The group bears the number of its first
        // process, which is not given to another before that was waited for.
        let _ = kill_process_group(group, Signal::KILL);
        // Before its number may be another's.
        guard.dismiss();
        let status = child.wait()?;
        Ok(told.is_none().then_some(status))
    }
}

/// A shell that waits for this process to end, and then ends the group, however that came about: no process can do anything once it is killed. It has
/// a group of its own, so that what is typed at a terminal does not reach it. Where there is no shell, there is no guard.
struct Guard(Option<Child>);

impl Guard {
    /// Reads what never comes while this process lives, but for the word that it is not needed any more.
    const SCRIPT: &str = "read -r word || kill -s KILL -- \"-$0\"";

    fn of(group: Pid) -> Self {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", Self::SCRIPT]).arg(group.as_raw_nonzero().to_string());
        shell.env_clear().current_dir("/").stdin(Stdio::piped());
        shell.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        Self(shell.spawn().ok())
    }

    fn dismiss(self) {
        let Some(mut shell) = self.0 else { return };
        if let Some(mut word) = shell.stdin.take() {
            let _ = word.write_all(b"done\n");
        }
        let _ = shell.wait();
    }
}

/// Whether a process has ended; it stays to be waited for.
fn has_ended(process: Pid) -> io::Result<bool> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match waitid(WaitId::Pid(process), options) {
        Ok(status) => Ok(status.is_some()),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The last lines of what a program has printed, for a message.
pub(super) fn last_lines(log: &Path) -> Vec<String> {
    const SHOWN: usize = 12;
    let mut last = VecDeque::with_capacity(SHOWN + 1);
    let Ok(file) = regular::open(log) else { return Vec::new() };
    for line in BufReader::new(file).split(b'\n').map_while(Result::ok) {
        last.push_back(String::from_utf8_lossy(&line).trim_end().to_owned());
        if last.len() > SHOWN {
            last.pop_front();
        }
    }
    last.into()
}
