//! The tokens of a text as the library gives them, and which of its characters they show.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokenizers::{Encoding, Tokenizer};
use unicode_segmentation::UnicodeSegmentation as _;

/// The tokens of one text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenizedText {
    pub ids: Vec<u32>,
    /// First character that each token shows of the text, white space skipped; 0 at special tokens.
    pub starts: Vec<u32>,
    /// The character after the last one that it shows, the same as the first where it is white space; 0 at special tokens.
    pub ends: Vec<u32>,
    /// Which tokens the tokenizer put around the text.
    pub special: Vec<bool>,
    /// True when tokens were dropped.
    pub truncated: bool,
    /// The first character, white space skipped, from the first dropped token on.
    pub cut_at: Option<usize>,
}

impl TokenizedText {
    pub(super) fn push(&mut self, id: u32, (start, end): (u32, u32), special: bool) {
        self.ids.push(id);
        self.starts.push(start);
        self.ends.push(end);
        self.special.push(special);
    }
}

/// The library's encoding, with its panics as errors: it trusts a file's post-processor to name only tokens that there are.
pub(super) fn encode(tokenizer: &Tokenizer, text: &str) -> Result<Encoding, String> {
    match catch_unwind(AssertUnwindSafe(|| tokenizer.encode_char_offsets(text, true))) {
        Ok(Ok(encoding)) => Ok(encoding),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("its parts contradict each other".into()),
    }
}

/// Places of tokens in a text, with every end moved behind what belongs to the same character in the eyes of a reader and to no other token: a
/// normalizer that composes `e` and an accent leaves the token at `e`.
pub(super) fn whole_characters<'a>(
    text: &str,
    characters: &[char],
    offsets: &'a [(usize, usize)],
) -> Cow<'a, [(usize, usize)]> {
    if text.is_ascii() {
        return Cow::Borrowed(offsets);
    }
    let mut is_free = vec![true; characters.len()]; // to be taken by the token before
    let mut begin = 0;
    for grapheme in text.graphemes(true) {
        is_free[begin] = false;
        begin += grapheme.chars().count();
    }
    offsets.iter().for_each(|(start, end)| is_free[*start..*end].fill(false));
    let whole = |&(start, end): &(usize, usize)| {
        let more = is_free[end..].iter().take_while(|free| **free).count();
        (start, if end > start { end + more } else { end })
    };
    offsets.iter().map(whole).collect()
}
