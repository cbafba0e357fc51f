//! Named points at which a test can have the process die.
//!
//! `PIPELINE_CRASH_AT=name` kills the process when it first reaches the point `name`, `PIPELINE_CRASH_AT=name:3` when it reaches it for the
//! third time: with SIGKILL where there is one, so that no destructor and no handler runs. Unset, a point costs one load of a static.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

struct Planned {
    name: String,
    left: AtomicU32,
}

/// Ends the process here if the environment asks for it.
pub fn crash_point(name: &str) {
    static PLANNED: OnceLock<Option<Planned>> = OnceLock::new();
    let planned = PLANNED.get_or_init(|| {
        let text = std::env::var("PIPELINE_CRASH_AT").ok()?;
        let (name, count) = text
            .rsplit_once(':')
            .map_or((text.as_str(), 1), |(name, count)| (name, count.parse().unwrap_or(1)));
        Some(Planned { name: name.to_owned(), left: AtomicU32::new(count) })
    });
    if let Some(planned) = planned
        && planned.name == name
        && planned.left.fetch_sub(1, Ordering::Relaxed) == 1
    {
        die();
    }
}

fn die() -> ! {
    #[cfg(unix)]
    {
        use rustix::process::{Signal, getpid, kill_process};
        // The signal may take a moment to arrive; nothing may happen until it has.
        while kill_process(getpid(), Signal::KILL).is_ok() {
            std::thread::park();
        }
    }
    std::process::abort()
}
