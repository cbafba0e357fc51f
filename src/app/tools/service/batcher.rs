//! Threads that take what waits, a batch at a time, and hand it to a function.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::queue::Queue;

/// How much is read at once, and how much may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Tokens of a batch; a text with more is one by itself.
    pub batch_tokens: usize,
    /// Tokens that may wait.
    pub queue_tokens: usize,
    /// Batches that are read at the same time.
    pub batches: usize,
}

/// There is no room for more that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// A queue and the threads that empty it.
///
/// Once this is dropped, the threads hand on what was taken in, and end. A batch over which the function panics is lost, and they go on.
#[derive(Debug)]
pub struct Batcher<T> {
    shared: Arc<Shared<T>>,
}

#[derive(Debug)]
struct Shared<T> {
    limits: Limits,
    state: Mutex<State<T>>,
    /// Something waits, or nothing more will come.
    more: Condvar,
    /// Something was taken.
    room: Condvar,
}

#[derive(Debug)]
struct State<T> {
    queue: Queue<T>,
    closed: bool,
}

impl<T: Send + 'static> Batcher<T> {
    /// * `work`: what is done with a batch; the first argument is for the thread to keep
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start<W: Default>(
        limits: Limits,
        work: impl Fn(&mut W, Vec<T>) + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let state = State { queue: Queue::new(), closed: false };
        let shared = Arc::new(Shared {
            limits,
            state: Mutex::new(state),
            more: Condvar::new(),
            room: Condvar::new(),
        });
        let batcher = Self { shared };
        let work = Arc::new(work);
        for _ in 0..limits.batches.max(1) {
            let (shared, work) = (Arc::clone(&batcher.shared), Arc::clone(&work));
            let work = move || {
                let mut kept = W::default();
                while let Some(batch) = shared.next() {
                    let worked = catch_unwind(AssertUnwindSafe(|| work(&mut kept, batch)));
                    if worked.is_err() {
                        kept = W::default();
                    }
                }
            };
            std::thread::Builder::new().spawn(work)?;
        }
        Ok(batcher)
    }

    /// Takes in what is to be read, each with its tokens; waits until there is room for it. What alone is more than may wait is let in when nothing else waits.
    pub fn submit(&self, texts: Vec<(usize, T)>) {
        let tokens = sum(&texts);
        let mut state = self.shared.lock();
        while !self.shared.has_room(&state, tokens) {
            state = self.shared.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        self.shared.push(state, texts);
    }

    /// The same where there is room now.
    ///
    /// # Errors
    /// [`Full`]
    pub fn try_submit(&self, texts: Vec<(usize, T)>) -> Result<(), Full> {
        let state = self.shared.lock();
        if !self.shared.has_room(&state, sum(&texts)) {
            return Err(Full);
        }
        self.shared.push(state, texts);
        Ok(())
    }

    /// How many texts and tokens wait.
    pub fn waiting(&self) -> (usize, usize) {
        let state = self.shared.lock();
        (state.queue.len(), state.queue.tokens())
    }
}

fn sum<T>(texts: &[(usize, T)]) -> usize {
    texts.iter().map(|(tokens, _)| tokens).sum()
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_room(&self, state: &State<T>, tokens: usize) -> bool {
        state.queue.is_empty() || state.queue.tokens() + tokens <= self.limits.queue_tokens
    }

    fn push(&self, mut state: MutexGuard<'_, State<T>>, texts: Vec<(usize, T)>) {
        texts.into_iter().for_each(|(tokens, text)| state.queue.push(tokens, text));
        drop(state);
        self.more.notify_all();
    }

    /// The next batch, once there is one; `None` when all was read and nothing more will come.
    fn next(&self) -> Option<Vec<T>> {
        let mut state = self.lock();
        loop {
            let batch = state.queue.take(self.limits.batch_tokens);
            if !batch.is_empty() {
                drop(state);
                self.room.notify_all();
                return Some(batch);
            }
            if state.closed {
                return None;
            }
            state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T> Drop for Batcher<T> {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.more.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    const LIMITS: Limits = Limits { batch_tokens: 30, queue_tokens: 50, batches: 1 };
    const SOON: Duration = Duration::from_secs(20);

    /// Hands every batch on, and waits before each for a leave.
    fn held() -> (Batcher<u32>, mpsc::Sender<()>, mpsc::Receiver<Vec<u32>>) {
        let ((leave, may), (batches, found)) = (mpsc::channel(), mpsc::channel());
        let may = Mutex::new(may);
        let work = move |(): &mut (), batch: Vec<u32>| {
            let _ = may.lock().expect("whole").recv();
            assert_ne!(batch, [13]);
            let _ = batches.send(batch);
        };
        (Batcher::start(LIMITS, work).expect("threads"), leave, found)
    }

    /// A batcher whose only thread is busy with a text that was taken.
    fn busy() -> (Batcher<u32>, mpsc::Sender<()>, mpsc::Receiver<Vec<u32>>) {
        let (batcher, leave, found) = held();
        batcher.submit(vec![(10, 0)]);
        while batcher.waiting() != (0, 0) {
            std::thread::yield_now();
        }
        (batcher, leave, found)
    }

    #[test]
    fn what_waits_together_is_read_together_up_to_the_budget() {
        let (batcher, leave, found) = busy();
        batcher.submit(vec![(10, 1), (10, 2)]);
        batcher.submit(vec![(10, 3), (10, 4)]);
        (0..3).for_each(|_| leave.send(()).expect("it goes on"));
        let batches: Vec<_> = (0..3).map(|_| found.recv_timeout(SOON).expect("read")).collect();
        assert_eq!(batches, [vec![0], vec![1, 2, 3], vec![4]]);
    }

    #[test]
    fn beyond_what_may_wait_nothing_is_let_in() {
        let (batcher, _leave, _found) = busy();
        assert_eq!(batcher.try_submit(vec![(40, 1)]), Ok(()));
        assert_eq!(batcher.try_submit(vec![(11, 2)]), Err(Full));
        assert_eq!(batcher.try_submit(vec![(10, 2)]), Ok(()));
        assert_eq!(batcher.waiting(), (2, 50));
    }

    #[test]
    fn who_submits_waits_for_room_and_what_is_too_large_for_an_empty_queue_too() {
        let (batcher, leave, found) = busy();
        batcher.submit(vec![(70, 1)]);
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| batcher.submit(vec![(1, 2)]));
            assert_eq!(batcher.waiting(), (1, 70));
            leave.send(()).expect("it goes on");
            waits.join().expect("there is room once the large one was taken");
        });
        drop(leave);
        let batches: Vec<_> = (0..3).map(|_| found.recv_timeout(SOON).expect("read")).collect();
        assert_eq!(batches, [[0], [1], [2]]);
    }

    #[test]
    fn all_that_was_taken_in_is_read_before_the_end() {
        let (batcher, leave, found) = busy();
        batcher.submit(vec![(30, 1), (20, 2)]);
        drop(leave);
        drop(batcher);
        assert_eq!(found.iter().collect::<Vec<_>>().concat(), [0, 2, 1]);
    }

    #[test]
    fn a_panic_loses_one_batch_and_no_thread() {
        let (batcher, leave, found) = busy();
        batcher.submit(vec![(20, 13)]);
        batcher.submit(vec![(30, 2)]);
        drop(leave);
        drop(batcher);
        assert_eq!(found.iter().collect::<Vec<_>>(), [[0], [2]]);
    }
}
