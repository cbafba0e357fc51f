//! Lines that are asked about as they are read.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError};

use super::super::lines::{Line, Lines, Unreadable};
use crate::app::tools::{Answer, Asker, Service};
use crate::base::problem::Problem;

/// Parts that are read ahead of those that are written, so that memory is bounded where one text takes long.
const AHEAD: usize = 4;

/// Lines that were read together.
pub struct Part {
    pub lines: Vec<Line>,
    /// To those of them that have a text, in order.
    pub answers: Answers,
    /// How far the input is read with them.
    pub bytes: u64,
}

/// Answers that come in any order.
pub struct Answers {
    coming: Receiver<(usize, Answer)>,
    /// Those that came before their turn.
    early: BTreeMap<usize, Answer>,
    next: usize,
}

impl Answers {
    fn new(coming: Receiver<(usize, Answer)>) -> Self {
        Self { coming, early: BTreeMap::new(), next: 0 }
    }

    /// Whether there is no need to wait for the next one.
    pub fn is_next_there(&mut self) -> bool {
        loop {
            if self.early.contains_key(&self.next) {
                return true;
            }
            match self.coming.try_recv() {
                Ok((place, answer)) => drop(self.early.insert(place, answer)),
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => return true,
            }
        }
    }

    /// The next one, once it is there.
    pub fn next(&mut self) -> Answer {
        let place = self.next;
        self.next += 1;
        loop {
            if let Some(answer) = self.early.remove(&place) {
                return answer;
            }
            match self.coming.recv() {
                Ok((place, answer)) => drop(self.early.insert(place, answer)),
                // Its batch was lost by a mistake of ours.
                Err(_) => return Err(Problem::of("internal error: the model gave no answer")),
            }
        }
    }
}

/// Who writes the answers.
struct Channel(mpsc::Sender<(usize, Answer)>);

impl Asker for Channel {
    fn hear(&self, place: usize, answer: Answer) {
        // Who no longer listens needs no answer.
        let _ = self.0.send((place, answer));
    }
}

/// Reads lines on a thread of its own, as far as [`AHEAD`] allows.
///
/// # Errors
/// When the thread cannot be started.
pub fn start(
    mut lines: Lines<Box<dyn Read + Send>>,
    service: Arc<Service>,
) -> std::io::Result<Receiver<Result<Part, Unreadable>>> {
    let (parts, found) = mpsc::sync_channel(AHEAD);
    let read = move || {
        loop {
            let is_over = match lines.chunk() {
                Ok(chunk) if chunk.is_empty() => true,
                Ok(chunk) => !ask(chunk, lines.bytes, &service, &parts),
                Err(error) => {
                    let _ = parts.send(Err(error));
                    true
                }
            };
            if is_over {
                return;
            }
        }
    };
    std::thread::Builder::new().spawn(read)?;
    Ok(found)
}

/// Asks about lines and hands them on; returns whether anybody took them.
fn ask(
    lines: Vec<Line>,
    bytes: u64,
    service: &Service,
    parts: &SyncSender<Result<Part, Unreadable>>,
) -> bool {
    let texts: Vec<String> = lines.iter().filter_map(|line| line.text.clone().ok()).collect();
    let (answer, coming) = mpsc::channel();
    let asker: Arc<dyn Asker> = Arc::new(Channel(answer));
    let part = Part { lines, answers: Answers::new(coming), bytes };
    if parts.send(Ok(part)).is_err() {
        return false;
    }
    service.ask(service.prepare(texts), &asker);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_in_order_and_those_that_never_come_are_errors() {
        let (answer, coming) = mpsc::channel();
        let mut answers = Answers::new(coming);
        let said = |place: usize| Err(Problem::of(place));
        answer.send((1, said(1))).expect("it listens");
        assert!(!answers.is_next_there());
        answer.send((0, said(0))).expect("it listens");
        assert!(answers.is_next_there());
        assert_eq!((answers.next(), answers.next()), (said(0), said(1)));
        assert!(!answers.is_next_there());
        drop(answer);
        assert!(answers.is_next_there() && answers.next().is_err());
    }
}
