//! Windows: how a text that is longer than what a model reads at once is read whole.
//!
//! A window holds as many tokens of a text as a model reads at once, beside the special ones around them, and shares some with the one before:
//! these are the sequences that `transformers` makes with `return_overflowing_tokens=True`, whose `stride` is the overlap. A split keeps each text
//! whole, once, and beside it where its windows lie: all that is counted and scored is of texts, and only a model sees windows.

use std::ops::Range;

use super::bounds;

/// How much of a text is read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windowing {
    /// Tokens of a window, special ones included.
    pub max_length: usize,
    /// Tokens of a text that neighbouring windows share; 0 where a text has one window, and what is beyond is cut off.
    pub overlap: usize,
}

impl From<usize> for Windowing {
    /// Texts of more than so many tokens are cut.
    fn from(max_length: usize) -> Self {
        Self { max_length, overlap: 0 }
    }
}

impl Windowing {
    /// Whether what is beyond the first window is cut off.
    #[must_use]
    pub fn cuts(self) -> bool {
        self.overlap == 0
    }

    /// The largest overlap that is worth its price: with it every token is read about four times.
    #[must_use]
    pub fn largest_overlap(max_length: usize) -> usize {
        (max_length / 4 * 3).min(max_length.saturating_sub(3))
    }

    /// The windows of a text, ascending; one where there are no tokens.
    ///
    /// * `tokens`: how many it has, without special ones
    /// * `special`: how many of these stand around a window
    ///
    /// # Panics
    /// When a window would bring nothing new: [`TextTokenizer`](super::TextTokenizer) refuses such ones.
    pub(super) fn of(self, tokens: usize, special: usize) -> Vec<Range<usize>> {
        let room = self.max_length.checked_sub(special).filter(|room| *room > self.overlap);
        let room = room.expect("a window with room for more than the overlap");
        let (mut windows, mut next) = (Vec::new(), 0..tokens.min(room));
        while !self.cuts() && next.end < tokens {
            let begin = next.end - self.overlap;
            windows.push(next);
            next = begin..tokens.min(begin + room);
        }
        windows.push(next);
        windows
    }
}

/// A window of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Its tokens, counted within the text and without special ones.
    pub tokens: Range<usize>,
    /// How many of the first ones belong to an entity that begins before the window, and how many of the last ones to one that ends behind it.
    pub cut: (usize, usize),
}

/// The windows of all texts of a split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Windows {
    /// Special tokens before a text, and behind it: `(2,)`.
    around: Vec<u32>,
    /// Where each text's windows begin, and where the last one's end: `(texts + 1,)`.
    bounds: Vec<u32>,
    /// As in [`Window`]: `(windows,)` each.
    begins: Vec<u32>,
    ends: Vec<u32>,
    cut_before: Vec<u32>,
    cut_behind: Vec<u32>,
}

impl Windows {
    /// What the vectors are called in a file. No head is called so: its name has no dot.
    pub(super) const NAMES: [&str; 6] = [
        "windows.around",
        "windows.bounds",
        "windows.begins",
        "windows.ends",
        "windows.cut_before",
        "windows.cut_behind",
    ];

    /// * `around`: how many special tokens stand before a text, and behind it
    #[must_use]
    pub fn new((before, behind): (usize, usize)) -> Self {
        Self {
            around: vec![number(before), number(behind)],
            bounds: vec![0],
            begins: Vec::new(),
            ends: Vec::new(),
            cut_before: Vec::new(),
            cut_behind: Vec::new(),
        }
    }

    /// Adds those of the next text.
    pub fn push(&mut self, windows: impl IntoIterator<Item = Window>) {
        for window in windows {
            self.begins.push(number(window.tokens.start));
            self.ends.push(number(window.tokens.end));
            self.cut_before.push(number(window.cut.0));
            self.cut_behind.push(number(window.cut.1));
        }
        self.bounds.push(number(self.begins.len()));
    }

    /// Adds those of more texts.
    pub(super) fn append(&mut self, more: &Self) {
        bounds::extend(&mut self.bounds, &more.bounds);
        self.begins.extend_from_slice(&more.begins);
        self.ends.extend_from_slice(&more.ends);
        self.cut_before.extend_from_slice(&more.cut_before);
        self.cut_behind.extend_from_slice(&more.cut_behind);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.begins.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.begins.is_empty()
    }

    /// How many special tokens stand before a text, and behind it.
    #[must_use]
    pub fn around(&self) -> (usize, usize) {
        (self.around[0] as usize, self.around[1] as usize)
    }

    /// # Panics
    /// When there is no such window.
    #[must_use]
    pub fn get(&self, window: usize) -> Window {
        Window {
            tokens: self.begins[window] as usize..self.ends[window] as usize,
            cut: (self.cut_before[window] as usize, self.cut_behind[window] as usize),
        }
    }

    /// The numbers of a text's windows.
    ///
    /// # Panics
    /// When there is no such text.
    #[must_use]
    pub fn of_text(&self, text: usize) -> Range<usize> {
        self.bounds[text] as usize..self.bounds[text + 1] as usize
    }

    /// Whose window it is.
    #[must_use]
    pub fn text_of(&self, window: usize) -> usize {
        self.bounds.partition_point(|bound| *bound as usize <= window) - 1
    }

    /// All that there is to say of them.
    #[must_use]
    pub fn vectors(&self) -> [&Vec<u32>; 6] {
        let Self { around, bounds, begins, ends, cut_before, cut_behind } = self;
        [around, bounds, begins, ends, cut_before, cut_behind]
    }

    /// What was read from a file.
    ///
    /// * `vectors`: in the order of [`NAMES`](Self::NAMES)
    /// * `lengths`: the tokens of each text, special ones included
    pub(super) fn read(
        vectors: [Vec<u32>; 6],
        lengths: impl ExactSizeIterator<Item = usize>,
    ) -> Result<Self, String> {
        let [around, bounds, begins, ends, cut_before, cut_behind] = vectors;
        let windows = Self { around, bounds, begins, ends, cut_before, cut_behind };
        let count = windows.len();
        let are_counted = windows.vectors()[3..].iter().all(|vector| vector.len() == count);
        let ascends = windows.bounds.windows(2).all(|pair| pair[0] < pair[1]);
        if windows.around.len() != 2
            || windows.bounds.len() != lengths.len() + 1
            || windows.bounds[0] != 0
            || windows.bounds.last().map(|last| *last as usize) != Some(count)
            || !are_counted
            || !ascends
        {
            return Err("the vectors of `windows` do not fit each other and the texts".into());
        }
        let (before, behind) = windows.around();
        for (text, length) in lengths.enumerate() {
            let tokens = length.checked_sub(before + behind);
            if tokens.is_none_or(|tokens| !windows.cover(text, tokens)) {
                return Err(format!("the `windows` of text {text} do not cover it"));
            }
        }
        Ok(windows)
    }

    /// Whether a text's windows go on from each other, from its first token to its last one.
    fn cover(&self, text: usize, tokens: usize) -> bool {
        let windows: Vec<Window> = self.of_text(text).map(|window| self.get(window)).collect();
        let is_sound = |window: &Window| {
            let Range { start, end } = window.tokens;
            start <= end && window.cut.0 <= end - start && window.cut.1 <= end - start
        };
        let goes_on = |pair: &[Window]| {
            let [one, next] = [&pair[0].tokens, &pair[1].tokens];
            one.start < next.start && next.start <= one.end && one.end < next.end
        };
        windows.first().is_some_and(|first| first.tokens.start == 0)
            && windows.last().is_some_and(|last| last.tokens.end == tokens)
            && windows.iter().all(is_sound)
            && windows.windows(2).all(goes_on)
    }
}

/// A count of tokens within one split.
fn number(count: usize) -> u32 {
    u32::try_from(count).expect("a split has fewer than 2^32 tokens and windows")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn windows_share_the_overlap_and_the_last_one_ends_with_the_text() {
        let windowing = Windowing { max_length: 7, overlap: 2 };
        assert_eq!(windowing.of(12, 2), [0..5, 3..8, 6..11, 9..12]);
        assert_eq!(windowing.of(11, 2), [0..5, 3..8, 6..11]);
        let only = |tokens| (windowing.of(tokens, 2).len(), windowing.of(tokens, 2)[0].clone());
        assert_eq!((only(5), only(0)), ((1, 0..5), (1, 0..0)));
    }

    #[test]
    fn without_an_overlap_a_text_is_cut() {
        let only = |tokens| {
            let windows = Windowing::from(7).of(tokens, 2);
            (windows.len(), windows[0].clone())
        };
        assert_eq!((only(12), only(3)), ((1, 0..5), (1, 0..3)));
    }

    proptest! {
        /// The promise on which `cut` rests: see [`Fit::Cut`](crate::text::Fit::Cut).
        #[test]
        fn what_is_no_longer_than_the_overlap_is_whole_in_some_window(
            tokens in 1_usize..300, room in 2_usize..40, overlap in 1_usize..40, begin in 0_usize..300, length in 1_usize..40,
        ) {
            let overlap = overlap.min(room - 1);
            let windows = Windowing { max_length: room + 2, overlap }.of(tokens, 2);
            let (begin, end) = (begin % tokens, (begin % tokens + length.min(overlap)).min(tokens));
            prop_assert!(windows.iter().any(|window| window.start <= begin && end <= window.end), "{windows:?}");
        }
    }

    fn windows() -> Windows {
        let mut windows = Windows::new((1, 1));
        windows.push([Window { tokens: 0..3, cut: (0, 1) }, Window { tokens: 2..5, cut: (1, 0) }]);
        windows.push([Window { tokens: 0..0, cut: (0, 0) }]);
        windows
    }

    #[test]
    fn windows_know_their_texts() {
        let windows = windows();
        assert_eq!([0, 1, 2].map(|window| windows.text_of(window)), [0, 0, 1]);
        assert_eq!((windows.of_text(0), windows.of_text(1)), (0..2, 2..3));
    }

    #[test]
    fn windows_that_do_not_cover_their_texts_are_refused() {
        type Vectors = [Vec<u32>; 6];
        let read = |change: &dyn Fn(&mut Vectors)| {
            let mut vectors = windows().vectors().map(Vec::clone);
            change(&mut vectors);
            Windows::read(vectors, [7, 2].into_iter())
        };
        assert_eq!(read(&|_| ()), Ok(windows()));
        let damages: [&dyn Fn(&mut Vectors); 10] = [
            &|it| it[0][0] = 9,
            &|it| it[0].clear(),
            &|it| it[1].clear(),
            &|it| it[1][1] = 3,
            &|it| it[2][0] = 1,
            &|it| it[2][1] = 4,
            &|it| it[3][1] = 4,
            &|it| it[3][0] = 5,
            &|it| it[4][0] = 4,
            &|it| it[5].clear(),
        ];
        for (number, damage) in damages.into_iter().enumerate() {
            assert!(read(damage).is_err(), "{number}");
        }
    }
}
