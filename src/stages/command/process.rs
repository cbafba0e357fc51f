//! A program that runs beside this one: in a process group of its own, so that all it starts ends with it.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
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
        let status = child.wait()?;
        Ok(told.is_none().then_some(status))
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
