//! Who is told how far the hub has come.

/// Whoever waits for the hub.
pub trait Observer {
    /// `done` of `total` bytes of `file` are on disk; `total` is 0 if nobody knows it.
    fn progress(&mut self, file: &str, done: u64, total: u64);
    /// Asked several times a second; after `true` the call returns [`HubError::Cancelled`](super::HubError::Cancelled), and what has arrived is kept.
    fn cancelled(&self) -> bool;
    /// Something worth reading once, such as a wait for another process.
    fn message(&mut self, _text: String) {}
    /// What is being waited for: an answer, or the next attempt. Told when it begins and when it lasts.
    fn waiting(&mut self, _text: String) {}
}

/// An observer that neither looks nor interrupts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn progress(&mut self, _file: &str, _done: u64, _total: u64) {}

    fn cancelled(&self) -> bool {
        false
    }
}
