//! Texts to tokens, and with their entities to labelled ones.

mod labelled;
mod memo;
mod tokens;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tokenizers::{
    Encoding, ModelWrapper, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer as _,
    Tokenizer,
};

use super::align::visible;
use super::pieces::Breaks;
use super::{EncodedSplit, Windowing, Windows};
use crate::base::disk::regular;

use self::memo::Memo;
use self::tokens::{encode, whole_characters};

pub use labelled::{Labelling, Statistics};
pub use tokens::TokenizedText;

/// The largest `tokenizer.json` that is read.
const LIMIT_BYTES: u64 = 256 << 20;

/// How many times as long a normalizer may make a text: published ones replace a character by three or so, once.
const LIMIT_GROWTH: f64 = 1000.0;

/// A tokenizer that puts a `[CLS]` token before every text.
///
/// What its file says of padding and truncation is overridden: there is no padding, and the length is an argument.
#[derive(Debug, Clone)]
pub struct TextTokenizer {
    inner: Tokenizer,
    /// Special tokens before the text, and behind it.
    around: (usize, usize),
    /// Where its pre-tokenizer breaks a text.
    breaks: Breaks,
    /// Where it works word by word.
    memo: Option<Arc<Memo>>,
}

/// Why there is no tokenizer, or no tokens.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    #[error("cannot {doing} `{}`: {error}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        error: std::io::Error,
    },
    #[error("`{}` has {size} bytes, more than the {LIMIT_BYTES} that are read", path.display())]
    TooLarge { path: PathBuf, size: u64 },
    #[error("`{}` is no tokenizer: {reason}", path.display())]
    Malformed { path: PathBuf, reason: String },
    #[error("the normalizer of `{}` can make a text more than {LIMIT_GROWTH} times as long", path.display())]
    Growth { path: PathBuf },
    #[error("the tokenizer in `{}` puts no special token before a text, but a head over whole texts reads a `[CLS]` there: its `post_processor` is to add one", path.display())]
    NoClassToken { path: PathBuf },
    #[error("a length of {max_length} tokens leaves none for the text: {special} are special, so expected at least {}", special + 1)]
    MaxLength { max_length: usize, special: usize },
    #[error(
        "an overlap of {overlap} tokens leaves a window of {max_length} none of its own: {special} are special, so expected at most {most}"
    )]
    Overlap { overlap: usize, max_length: usize, special: usize, most: usize },
    #[error("cannot tokenize line {line}: {reason}")]
    Text { line: usize, reason: String },
    #[error("more than 2^32 tokens in one split")]
    TooManyTokens,
}

/// Where the pre-tokenizer breaks a text, tried out.
fn breaks_of(tokenizer: &Tokenizer) -> Breaks {
    const PROBE: &str = "aa11--aa aa";
    let split = || {
        let mut text = PreTokenizedString::from(PROBE);
        tokenizer.get_pre_tokenizer()?.pre_tokenize(&mut text).ok()?;
        let splits = text.get_splits(OffsetReferential::Original, OffsetType::Byte);
        Some(splits.iter().map(|(_, (begin, _), _)| *begin).collect::<Vec<usize>>())
    };
    let begins = catch_unwind(AssertUnwindSafe(split)).ok().flatten().unwrap_or_default();
    let is_broken = |places: &[usize]| places.iter().any(|place| begins.contains(place));
    let at_space = is_broken(&[8, 9]);
    match at_space && [2, 4, 6].iter().all(|place| is_broken(&[*place])) {
        true => Breaks::Classes,
        false if at_space => Breaks::Spaces,
        false => Breaks::Nowhere,
    }
}

/// How many times as long a normalizer, as a file has it, makes a text at most. Replacements one after the other multiply.
fn growth(normalizer: &Value) -> f64 {
    let characters = |text: &Value| text.as_str().map_or(0, |text| text.chars().count()) as f64;
    match normalizer["type"].as_str() {
        Some("Sequence") => normalizer["normalizers"]
            .as_array()
            .map_or(1.0, |steps| steps.iter().map(growth).product()),
        // A regular expression may match between any two characters, as nothing does.
        Some("Replace") => match characters(&normalizer["pattern"]["String"]) {
            0.0 => 1.0 + characters(&normalizer["content"]),
            pattern => (characters(&normalizer["content"]) / pattern).max(1.0),
        },
        Some("Prepend") => 1.0 + characters(&normalizer["prepend"]),
        _ => 1.0,
    }
}

impl TextTokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// [`TokenizerError`] when the file cannot be read, is too large, is no tokenizer, multiplies texts, or puts no `[CLS]` before them.
    pub fn load(path: &Path) -> Result<Self, TokenizerError> {
        let io = |error| TokenizerError::Io { doing: "read", path: path.into(), error };
        let size = std::fs::metadata(path).map_err(io)?.len();
        if size > LIMIT_BYTES {
            return Err(TokenizerError::TooLarge { path: path.into(), size });
        }
        let bytes = regular::read(path).map_err(io)?;
        Self::from_bytes(&bytes, path)
    }

    /// Reads the content of a `tokenizer.json`; `path` is what messages call it.
    ///
    /// # Errors
    /// As [`TextTokenizer::load`].
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, TokenizerError> {
        // The library trusts the lengths of merges, and panics on some that lie.
        let parsed = catch_unwind(|| Tokenizer::from_bytes(bytes));
        let malformed = |reason| TokenizerError::Malformed { path: path.into(), reason };
        match parsed {
            Ok(Ok(inner)) => Self::new(inner, path),
            Ok(Err(error)) => Err(malformed(error.to_string())),
            Err(_) => Err(malformed("its parts contradict each other".into())),
        }
    }

    pub(super) fn new(mut inner: Tokenizer, path: &Path) -> Result<Self, TokenizerError> {
        let malformed = |error: tokenizers::Error| TokenizerError::Malformed {
            path: path.into(),
            reason: error.to_string(),
        };
        let normalizer = serde_json::to_value(inner.get_normalizer())
            .map_err(|error| malformed(error.into()))?;
        if growth(&normalizer) > LIMIT_GROWTH {
            return Err(TokenizerError::Growth { path: path.into() });
        }
        inner.with_padding(None);
        inner.with_truncation(None).map_err(malformed)?;
        if let ModelWrapper::BPE(model) = inner.get_model()
            && model.dropout.is_some()
        {
            // Merges dropped by chance would make the same text different tokens each time.
            let mut model = model.clone();
            model.dropout = None;
            inner.with_model(model);
        }
        let encoding = match encode(&inner, "a") {
            Ok(encoding) => encoding,
            Err(reason) => return Err(TokenizerError::Malformed { path: path.into(), reason }),
        };
        let mask = encoding.get_special_tokens_mask();
        let before = mask.iter().take_while(|special| **special == 1).count();
        let behind = mask.iter().rev().take_while(|special| **special == 1).count();
        if before == 0 || before == mask.len() {
            return Err(TokenizerError::NoClassToken { path: path.into() });
        }
        let (breaks, around) = (breaks_of(&inner), (before, behind));
        let memo = Memo::of(&inner, around).map(Arc::new);
        Ok(Self { inner, around, breaks, memo })
    }

    /// Writes a `tokenizer.json`.
    ///
    /// # Errors
    /// [`TokenizerError::Io`] when the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), TokenizerError> {
        let io = |error| TokenizerError::Io { doing: "write", path: path.into(), error };
        let text = self
            .inner
            .to_string(true)
            .map_err(|error| io(std::io::Error::other(error.to_string())))?;
        std::fs::write(path, text).map_err(io)
    }

    /// One more than the largest id: how many rows an embedding needs.
    #[must_use]
    pub fn vocabulary_size(&self) -> usize {
        self.inner.get_vocab(true).values().max().map_or(0, |largest| *largest as usize + 1)
    }

    /// The number of a token such as `[PAD]`.
    #[must_use]
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The token with number `id`, as the vocabulary spells it.
    #[must_use]
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// How many special tokens stand around a text.
    #[must_use]
    pub fn special_tokens(&self) -> usize {
        self.around.0 + self.around.1
    }

    /// The largest number of a token, with its spelling where the vocabulary has one: the vocabulary's, or that of a special token around a text.
    #[must_use]
    pub fn largest_id(&self) -> (u32, Option<String>) {
        let around = encode(&self.inner, "a").map(|encoding| encoding.get_ids().to_vec());
        let known = self.inner.get_vocab(true).into_values();
        let largest = known.chain(around.unwrap_or_default()).max().unwrap_or(0);
        (largest, self.token(largest))
    }

    /// Tokenizes one text. Where it is read in windows, all of its tokens are kept, with special ones around them once. Else its first tokens and the
    /// special ones around them are, `max_length` in all; of a long text it looks at little more than these.
    ///
    /// # Errors
    /// [`TokenizerError::MaxLength`] and [`TokenizerError::Overlap`] when a window has nothing of the text, or nothing of its own;
    /// [`TokenizerError::Text`], with line 0, when the tokenizer fails.
    pub fn encode(
        &self,
        text: &str,
        windowing: impl Into<Windowing>,
    ) -> Result<TokenizedText, TokenizerError> {
        self.encode_line(text, windowing.into(), 0)
    }

    /// A split without texts, to be filled with what this tokenizer makes of them.
    #[must_use]
    pub fn split(&self, windowing: Windowing) -> EncodedSplit {
        let windows = (!windowing.cuts()).then(|| Windows::new(self.around));
        EncodedSplit { windows, ..EncodedSplit::default() }
    }

    /// The windows of a text, each of them tokens that are counted without special ones.
    #[must_use]
    pub fn windows(&self, text: &TokenizedText, windowing: Windowing) -> Vec<Range<usize>> {
        let special = self.special_tokens();
        windowing.of(text.ids.len() - special, special)
    }

    fn check(&self, windowing: Windowing) -> Result<(), TokenizerError> {
        let (Windowing { max_length, overlap }, special) = (windowing, self.special_tokens());
        match max_length.checked_sub(special + 1) {
            None => Err(TokenizerError::MaxLength { max_length, special }),
            Some(most) if overlap > most => {
                Err(TokenizerError::Overlap { overlap, max_length, special, most })
            }
            Some(_) => Ok(()),
        }
    }

    fn encode_line(
        &self,
        text: &str,
        windowing: Windowing,
        line: usize,
    ) -> Result<TokenizedText, TokenizerError> {
        self.check(windowing)?;
        let special = self.special_tokens();
        let failed = |reason: String| TokenizerError::Text { line, reason };
        let mut room = if windowing.cuts() { windowing.max_length - special } else { usize::MAX };
        let remembered = self.memo.as_ref().and_then(|memo| memo.encode(&self.inner, text, room));
        if let Some(tokens) = remembered {
            return Ok(tokens);
        }
        let mut tokens = TokenizedText::default();
        let mut behind = Vec::new(); // ids of the special tokens there
        let mut begin = 0; // of the piece, in characters
        for piece in self.breaks.pieces(text) {
            let (piece, encoding) = self.encode_piece(piece, room).map_err(failed)?;
            let characters: Vec<char> = piece.chars().collect();
            let offsets = whole_characters(piece, &characters, encoding.get_offsets());
            let ids = encoding.get_ids();
            let inner = ids
                .len()
                .checked_sub(special)
                .ok_or_else(|| failed("its special tokens are missing".into()))?;
            let first = self.around.0;
            if begin == 0 {
                ids[..first].iter().for_each(|id| tokens.push(*id, (0, 0), true));
                behind = ids[first + inner..].to_vec();
            }
            let kept = inner.min(room);
            for index in first..first + kept {
                let position = |offset: usize| {
                    u32::try_from(begin + offset)
                        .map_err(|_| failed("it is longer than 2^32 characters".into()))
                };
                let (start, end) = visible(&characters, offsets[index]);
                tokens.push(ids[index], (position(start)?, position(end)?), false);
            }
            room -= kept;
            if kept < inner {
                tokens.truncated = true;
                let dropped = begin + offsets[first + kept].0;
                let mut rest = text.chars().enumerate().skip(dropped);
                tokens.cut_at = rest.find(|(_, c)| !c.is_whitespace()).map(|(place, _)| place);
                break;
            }
            begin += characters.len();
        }
        behind.into_iter().for_each(|id| tokens.push(id, (0, 0), true));
        Ok(tokens)
    }

    /// Tokenizes as much of a piece of text as gives `room` tokens and what comes behind them, special tokens around it; returns the part that it
    /// looked at. The rest of a line of megabytes would cost seconds and gigabytes.
    ///
    /// The last word of a part may have become another by the cut, so the tokens count only where they end before it.
    fn encode_piece<'a>(&self, piece: &'a str, room: usize) -> Result<(&'a str, Encoding), String> {
        // Few texts have longer tokens on average.
        const BYTES_PER_TOKEN: usize = 64;
        let (before, behind) = self.around;
        let most = room.saturating_add(before + behind);
        let mut bytes = BYTES_PER_TOKEN.saturating_mul(most);
        loop {
            let head = &piece[..piece.floor_char_boundary(bytes)];
            if head.len() == piece.len() {
                return Ok((piece, encode(&self.inner, piece)?));
            }
            let encoding = encode(&self.inner, head)?;
            let safe = head[..self.breaks.last_word(head)].chars().count();
            let mut kept = encoding.get_offsets().iter().skip(before).take(room);
            let is_full = encoding.len() > most;
            if is_full && kept.all(|(_, end)| *end < safe) {
                return Ok((head, encoding));
            }
            bytes = bytes.saturating_mul(8);
        }
    }
}

#[cfg(test)]
mod tests;
