//! What a corpus says of the entities of a split, in characters: what predictions are held against, whatever the tokens can say.

use super::bounds;
use super::spans::Span;

/// Whether the tokens of a text can say that an entity is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// Labels of whole tokens give exactly what the corpus says.
    Exact,
    /// Truncation took some of its characters, or no window has all of its tokens.
    Cut,
    /// No labels give it: it begins or ends inside a token, or with white space.
    InsideTokens,
}

impl Fit {
    const ALL: [Self; 3] = [Self::Exact, Self::Cut, Self::InsideTokens];

    /// As files spell it.
    fn number(self) -> u32 {
        match self {
            Self::Exact => 0,
            Self::Cut => 1,
            Self::InsideTokens => 2,
        }
    }
}

/// The true entities of all sequences of a split, those among them that no tokens can express: they cannot be found, and count as missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityTruth {
    /// Where each sequence's entities begin, and where the last one's end: `(sequences + 1,)`.
    pub bounds: Vec<u32>,
    /// First characters: `(entities,)`.
    pub starts: Vec<u32>,
    /// The characters after the last ones: `(entities,)`.
    pub ends: Vec<u32>,
    /// Numbers in [`LabelSet::types`](super::LabelSet::types): `(entities,)`.
    pub kinds: Vec<u32>,
    /// A [`Fit`] for each, as a number: `(entities,)`.
    pub fits: Vec<u32>,
}

impl Default for EntityTruth {
    fn default() -> Self {
        Self {
            bounds: vec![0],
            starts: Vec::new(),
            ends: Vec::new(),
            kinds: Vec::new(),
            fits: Vec::new(),
        }
    }
}

impl EntityTruth {
    /// What [`vectors`](Self::vectors) are called.
    pub(super) const NAMES: [&str; 5] =
        ["entity_bounds", "entity_starts", "entity_ends", "entity_kinds", "entity_fits"];

    /// Adds the next sequence.
    ///
    /// # Panics
    /// When a split has 2^32 entities, which it never has: it has fewer characters.
    pub fn push(&mut self, entities: impl IntoIterator<Item = (Span, Fit)>) {
        for (span, fit) in entities {
            self.starts.push(span.start);
            self.ends.push(span.end);
            self.kinds.push(span.kind);
            self.fits.push(fit.number());
        }
        self.bounds.push(u32::try_from(self.starts.len()).expect("fewer than 2^32 entities"));
    }

    /// Adds those of more sequences.
    pub(super) fn append(&mut self, more: &Self) {
        bounds::extend(&mut self.bounds, &more.bounds);
        self.starts.extend_from_slice(&more.starts);
        self.ends.extend_from_slice(&more.ends);
        self.kinds.extend_from_slice(&more.kinds);
        self.fits.extend_from_slice(&more.fits);
    }

    /// The entities of each sequence, in their order.
    #[must_use]
    pub fn spans(&self) -> Vec<Vec<Span>> {
        let span =
            |at: usize| Span { start: self.starts[at], end: self.ends[at], kind: self.kinds[at] };
        self.bounds
            .windows(2)
            .map(|pair| (pair[0] as usize..pair[1] as usize).map(span).collect())
            .collect()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// How many entities fit in this way.
    #[must_use]
    pub fn count(&self, fit: Fit) -> usize {
        self.fits.iter().filter(|number| **number == fit.number()).count()
    }

    /// Says what is wrong with what was read from a file.
    pub(super) fn check(&self, sequences: usize) -> Result<(), String> {
        let entities = self.starts.len();
        for (name, values) in [("ends", &self.ends), ("kinds", &self.kinds), ("fits", &self.fits)] {
            if values.len() != entities {
                let found = values.len();
                return Err(format!("`entity_{name}` has {found} values for {entities} entities"));
            }
        }
        let ascends = self.bounds.windows(2).all(|pair| pair[0] <= pair[1]);
        if self.bounds.len() != sequences + 1
            || self.bounds[0] != 0
            || self.bounds.last().map(|last| *last as usize) != Some(entities)
            || !ascends
        {
            return Err("`entity_bounds` does not ascend from 0 to the number of entities".into());
        }
        if self.fits.iter().any(|number| Fit::ALL.iter().all(|fit| fit.number() != *number)) {
            return Err("`entity_fits` holds an unknown number".into());
        }
        Ok(())
    }

    pub(super) fn vectors(&self) -> impl Iterator<Item = (&'static str, &Vec<u32>)> {
        let vectors = [&self.bounds, &self.starts, &self.ends, &self.kinds, &self.fits];
        Self::NAMES.into_iter().zip(vectors)
    }
}
