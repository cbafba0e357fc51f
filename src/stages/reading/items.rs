//! What of texts decides where they go, found out on all threads.

use rayon::prelude::*;

use crate::text::{Division, Example, Item, SplitError};

/// How many texts wait for each other, and how large they are together.
const WAITING: usize = 1 << 12;
const WAITING_BYTES: usize = 2 << 20;

pub(super) struct Items<'d> {
    division: &'d Division,
    items: Vec<Item>,
    waiting: Vec<Example>,
    waiting_bytes: usize,
    /// The first text that cannot be divided, by its file. What is wrong with lines goes before what they lack to be divided.
    failed: Option<(u16, SplitError)>,
}

impl<'d> Items<'d> {
    pub(super) fn new(division: &'d Division) -> Self {
        Self { division, items: Vec::new(), waiting: Vec::new(), waiting_bytes: 0, failed: None }
    }

    pub(super) fn push(&mut self, example: Example) {
        self.waiting_bytes += example.text.len();
        self.waiting.push(example);
        if self.waiting.len() >= WAITING || self.waiting_bytes >= WAITING_BYTES {
            self.take();
        }
    }

    fn take(&mut self) {
        self.waiting_bytes = 0;
        let division = self.division;
        let item =
            |example: Example| division.item(&example).map_err(|error| (example.file, error));
        let found: Vec<_> =
            std::mem::take(&mut self.waiting).into_par_iter().with_min_len(16).map(item).collect();
        for item in found {
            match item {
                Ok(item) => self.items.push(item),
                Err(error) => drop(self.failed.get_or_insert(error)),
            }
        }
    }

    /// All of them.
    ///
    /// # Errors
    /// The first text that cannot be divided, and the number of its file.
    pub(super) fn finish(mut self) -> Result<Vec<Item>, (u16, SplitError)> {
        self.take();
        match self.failed {
            Some(failed) => Err(failed),
            None => Ok(self.items),
        }
    }
}
