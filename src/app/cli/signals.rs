//! Signals that ask a run to stop: Ctrl-C, SIGTERM, and SIGHUP, which comes when the terminal is closed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

use super::{Failure, terminal};
use crate::engine::exec::Cancel;
use crate::view::Console;

/// What was asked for since [`Signals::watch`].
pub struct Signals {
    pub cancel: Cancel,
    asked: Arc<AtomicBool>,
    /// Whether it was asked for by a signal of a cluster, which gives notice of the end of a job's time or place.
    noticed: Arc<AtomicBool>,
    /// Something is under way that the first signal asks to end, rather than the program.
    busy: Arc<AtomicBool>,
    console: Arc<OnceLock<Arc<Console>>>,
}

impl Signals {
    /// From here on a signal ends the program with its exit code, for nothing has begun; while it is [busy](Self::begin), the first signal asks
    /// the run to stop in order, and the second ends the program at once. All are safe: a kill loses nothing that is complete.
    ///
    /// SIGHUP stays ignored where it is, as `nohup` has it. It never counts as the second: shell and terminal may each send one.
    pub fn watch() -> Result<Self, Failure> {
        Self::watch_also(&[])
    }

    /// The same in a job of a cluster, of which SIGUSR1 says that its time will soon be over, and SIGTERM that it has to give way.
    pub fn watch_in_job() -> Result<Self, Failure> {
        Self::watch_also(&[SIGUSR1])
    }

    /// Whether any signal came.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// Whether a signal of a cluster was the first.
    pub fn is_noticed(&self) -> bool {
        self.noticed.load(Ordering::SeqCst)
    }

    fn watch_also(more: &[i32]) -> Result<Self, Failure> {
        let is_job = !more.is_empty();
        let (cancel, console) = (Cancel::new(), Arc::<OnceLock<Arc<Console>>>::default());
        let hangup = (!ignores_hangup()).then_some(SIGHUP);
        let mut signals = signal_hook::iterator::Signals::new(
            [SIGINT, SIGTERM].iter().chain(&hangup).chain(more),
        )
        .map_err(|error| Failure::failed(format!("signals cannot be handled: {error}")))?;
        let (busy, noticed) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let (stop, speaker, works) = (cancel.clone(), Arc::clone(&console), Arc::clone(&busy));
        let asked = Arc::<AtomicBool>::default();
        let (notice, any) = (Arc::clone(&noticed), Arc::clone(&asked));
        let listen = move || {
            for signal in signals.forever() {
                let typed = signal == SIGINT;
                if any.swap(true, Ordering::SeqCst) || stop.is_cancelled() {
                    // What follows a notice is no impatience: the job is killed in time, and until then it saves what it has.
                    if signal == SIGHUP || notice.load(Ordering::SeqCst) && !typed {
                        continue;
                    }
                    if let Some(console) = speaker.get() {
                        console.clear(typed);
                    }
                    std::process::exit(130);
                }
                if !works.load(Ordering::SeqCst) {
                    terminal::complain("interrupted before anything ran\n");
                    std::process::exit(130);
                }
                notice.store(is_job && !typed, Ordering::SeqCst);
                stop.cancel();
                // What runs, and whether it has anything to save, is not known here.
                let text =
                    "stopping in order: the same command continues (Ctrl-C again stops at once)";
                match speaker.get() {
                    Some(console) => console.interrupt(text, typed),
                    None => terminal::complain(&format!("{text}\n")),
                }
            }
        };
        std::thread::Builder::new()
            .spawn(listen)
            .map_err(|error| Failure::failed(format!("a thread cannot be started: {error}")))?;
        Ok(Self { cancel, asked, noticed, busy, console })
    }

    /// Something begins that ends in order.
    pub fn begin(&self) {
        self.busy.store(true, Ordering::SeqCst);
    }

    /// It has ended, and nothing else has begun.
    pub fn pause(&self) {
        self.busy.store(false, Ordering::SeqCst);
    }

    /// Where a signal is answered, once there are live lines that the answer must not disturb.
    pub fn answer_on(&self, console: &Arc<Console>) {
        let _ = self.console.set(Arc::clone(console));
    }
}

/// Whether whoever started this program has it ignore SIGHUP.
pub fn ignores_hangup() -> bool {
    use std::io::IsTerminal as _;
    let status =
        crate::base::disk::regular::read_to_string(std::path::Path::new("/proc/self/status"));
    match status.ok().as_deref().and_then(ignored) {
        Some(mask) => mask & (1 << (SIGHUP - 1)) != 0,
        // Where the system does not tell, a program without a terminal is left as it was started.
        None => !std::io::stdout().is_terminal() && !std::io::stderr().is_terminal(),
    }
}

/// The mask of ignored signals in what Linux says of a process.
fn ignored(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_is_read_as_linux_writes_it() {
        assert_eq!(ignored("SigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n"), Some(0x1001));
        assert_eq!(ignored("Name:\tpipeline\n"), None);
    }
}
