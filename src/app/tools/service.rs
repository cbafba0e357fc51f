//! A model at work: texts come from many sides, are read in batches, and each is answered by itself.
//!
//! 1. [`Service::prepare`] answers what needs no model (blank texts, what was answered before, what cannot be read) and takes the others apart into tokens;
//! 2. [`Service::ask`] lets these wait, the same text once ([`queue`]);
//! 3. threads take them in batches within a budget of tokens ([`batcher`]), several at a time on one pool, so that no core waits for another's batch;
//! 4. each answer goes to who asked, as soon as its batch was read.
//!
//! What a text is answered does not depend on what is read with it, but for the last digits of scores. There is no file and no line here: `predict`
//! brings those.

mod batcher;
mod memory;
mod queue;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::ThreadPool;
use rayon::prelude::*;

use self::batcher::Batcher;
pub use self::batcher::{Full, Limits};
use self::memory::Memory;
use super::predict::{Prediction, Predictor};
use crate::base::problem::Problem;
use crate::nn::Workspace;
use crate::text::TokenizedText;

/// What a text is answered.
pub type Answer = Result<Arc<Prediction>, Problem<()>>;

/// Who asks: hears each answer once, from any thread, and is dropped when no more will come.
pub trait Asker: Send + Sync {
    /// * `place`: of the text among those that were asked
    fn hear(&self, place: usize, answer: Answer);

    /// Whether nobody waits any more. What the model has not begun with is passed over then, so that it is free for who does wait.
    fn has_left(&self) -> bool {
        false
    }
}

/// A model, the threads that ask it, and what it has said.
pub struct Service {
    predictor: Arc<Predictor>,
    pool: Arc<ThreadPool>,
    memory: Arc<Mutex<Memory<Arc<Prediction>>>>,
    counts: Arc<Counts>,
    batcher: Batcher<Unknown>,
}

/// What was done so far.
#[derive(Debug, Default)]
pub struct Counts {
    /// That were asked for.
    pub texts: AtomicU64,
    /// Of these, those that had been answered before, or came twice at once.
    pub repeated: AtomicU64,
    /// That were read.
    pub batches: AtomicU64,
    /// Of these.
    pub batch_tokens: AtomicU64,
}

/// Texts as they are before a model reads them.
pub struct Prepared {
    known: Vec<(usize, Answer)>,
    unknown: Vec<Unknown>,
}

/// A text that waits for the model.
struct Unknown {
    text: String,
    tokens: TokenizedText,
    /// Where it is among those that were asked.
    places: Vec<usize>,
    asker: Option<Arc<dyn Asker>>,
}

impl Prepared {
    /// How many tokens the model has to read.
    pub fn tokens(&self) -> usize {
        self.unknown.iter().map(|unknown| unknown.tokens.ids.len()).sum()
    }
}

impl Service {
    /// * `memory`: bytes of what is remembered
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(
        predictor: Predictor,
        pool: Arc<ThreadPool>,
        limits: Limits,
        memory: usize,
    ) -> std::io::Result<Self> {
        let predictor = Arc::new(predictor);
        let memory = Arc::new(Mutex::new(Memory::new(memory)));
        let counts = Arc::<Counts>::default();
        let work = {
            let (predictor, pool) = (Arc::clone(&predictor), Arc::clone(&pool));
            let (memory, counts) = (Arc::clone(&memory), Arc::clone(&counts));
            move |workspace: &mut Workspace, batch: Vec<Unknown>| {
                let batch: Vec<Unknown> =
                    batch.into_iter().filter(|unknown| !unknown.is_left()).collect();
                if batch.is_empty() {
                    return;
                }
                let texts: Vec<_> =
                    batch.iter().map(|unknown| (&*unknown.text, &unknown.tokens)).collect();
                let answers =
                    pool.install(|| predictor.answer(&texts, limits.batch_tokens, workspace));
                let tokens: usize = texts.iter().map(|(_, tokens)| tokens.ids.len()).sum();
                counts.batches.fetch_add(1, Ordering::Relaxed);
                counts.batch_tokens.fetch_add(tokens as u64, Ordering::Relaxed);
                for (unknown, answer) in batch.into_iter().zip(answers) {
                    let answer = answer.map(Arc::new);
                    if let Ok(prediction) = &answer {
                        let bytes = unknown.text.len() + prediction.bytes();
                        lock(&memory).put(&unknown.text, bytes, Arc::clone(prediction));
                    }
                    unknown.answer(&answer);
                }
            }
        };
        let batcher = Batcher::start(limits, work)?;
        Ok(Self { predictor, pool, memory, counts, batcher })
    }

    pub fn predictor(&self) -> &Predictor {
        &self.predictor
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How many texts had been answered before, or came twice at once.
    pub fn repeated(&self) -> u64 {
        self.counts.repeated.load(Ordering::Relaxed)
    }

    /// How many texts and tokens wait.
    pub fn waiting(&self) -> (usize, usize) {
        self.batcher.waiting()
    }

    /// Takes texts apart, on all threads of the pool.
    pub fn prepare(&self, texts: Vec<String>) -> Prepared {
        self.counts.texts.fetch_add(texts.len() as u64, Ordering::Relaxed);
        let mut known = Vec::new();
        let mut places: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, text) in texts.into_iter().enumerate() {
            if text.trim().is_empty() {
                known.push((place, Ok(Arc::new(self.predictor.of_blank()))));
                continue;
            }
            let answered = lock(&self.memory).get(&text);
            if let Some(prediction) = answered {
                self.counts.repeated.fetch_add(1, Ordering::Relaxed);
                known.push((place, Ok(prediction)));
                continue;
            }
            match places.entry(text) {
                Entry::Vacant(vacant) => drop(vacant.insert(vec![place])),
                Entry::Occupied(mut occupied) => {
                    self.counts.repeated.fetch_add(1, Ordering::Relaxed);
                    occupied.get_mut().push(place);
                }
            }
        }
        let read = |(text, places): (String, Vec<usize>)| match self.predictor.read(&text) {
            Ok(tokens) => Ok(Unknown { text, tokens, places, asker: None }),
            Err(error) => Err((places, error)),
        };
        // A single text is sooner read than handed over.
        let read: Vec<Result<Unknown, _>> = match places.len() {
            0 | 1 => places.into_iter().map(read).collect(),
            _ => self.pool.install(|| places.into_par_iter().map(read).collect()),
        };
        let mut unknown = Vec::with_capacity(read.len());
        for read in read {
            match read {
                Ok(text) => unknown.push(text),
                Err((places, error)) => {
                    known.extend(places.into_iter().map(|place| (place, Err(error.clone()))));
                }
            }
        }
        unknown.sort_unstable_by_key(|unknown| unknown.places[0]);
        Prepared { known, unknown }
    }

    /// Answers texts; waits until there is room for them.
    pub fn ask(&self, texts: Prepared, asker: &Arc<dyn Asker>) {
        let waiting = texts.known_to(asker);
        if !waiting.is_empty() {
            self.batcher.submit(waiting);
        }
    }

    /// The same where there is room now; else nothing is answered.
    ///
    /// # Errors
    /// [`Full`]
    pub fn try_ask(&self, mut texts: Prepared, asker: &Arc<dyn Asker>) -> Result<(), Full> {
        let known = std::mem::take(&mut texts.known);
        let waiting = texts.known_to(asker);
        if !waiting.is_empty() {
            self.batcher.try_submit(waiting)?;
        }
        known.into_iter().for_each(|(place, answer)| asker.hear(place, answer));
        Ok(())
    }
}

impl Prepared {
    /// Answers what is known, and returns the others with what they cost.
    fn known_to(self, asker: &Arc<dyn Asker>) -> Vec<(usize, Unknown)> {
        self.known.into_iter().for_each(|(place, answer)| asker.hear(place, answer));
        let waits = |unknown: Unknown| {
            let tokens = unknown.tokens.ids.len();
            (tokens, Unknown { asker: Some(Arc::clone(asker)), ..unknown })
        };
        self.unknown.into_iter().map(waits).collect()
    }
}

impl Unknown {
    fn answer(self, answer: &Answer) {
        if let Some(asker) = self.asker {
            self.places.into_iter().for_each(|place| asker.hear(place, answer.clone()));
        }
    }

    fn is_left(&self) -> bool {
        self.asker.as_ref().is_some_and(|asker| asker.has_left())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
