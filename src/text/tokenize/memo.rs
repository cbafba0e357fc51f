//! What a tokenizer makes of each word, remembered: texts repeat their words, and to look one up takes a hundredth of the time that the library
//! needs for it.
//!
//! 1. [`Memo::of`] knows tokenizers that take a text apart into words of which each becomes tokens by itself: those of GPT-2 and ModernBERT, which
//!    see bytes, and BERT's.
//! 2. [`Memo::encode`] tells the words of a text apart, and asks the library for those that it has not seen. It has no answer for texts in which more
//!    than that might happen: characters that a normalizer composes with others, or a token that was added to the vocabulary.
//!
//! What a word becomes says the library alone, so that a text has the same tokens with and without this.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use regex::Regex;
use serde_json::Value;
use tokenizers::Tokenizer;

use super::tokens::{TokenizedText, encode, whole_characters};
use crate::text::align::visible;
use crate::text::pieces::LONGEST;

/// No character before this one is composed with another or decomposed into several that others reorder, and each is by itself what a reader sees.
const COMBINING: char = '\u{300}';

/// How many words are remembered by each thread, before it begins anew: numbers that occur once would fill any memory.
const MOST_WORDS: usize = 1 << 15;

/// The longest word that is remembered, in bytes.
const LONGEST_WORD: usize = 64;

/// Threads that remember their own words; more share them.
const THREADS: usize = 64;

#[derive(Debug)]
pub(super) struct Memo {
    words: Words,
    /// The first character that a text must not have.
    beyond: char,
    /// What a text must not have.
    added: Option<Regex>,
    /// Special tokens before a text, and behind it.
    around: [Vec<u32>; 2],
    /// By thread.
    known: Box<[Mutex<Known>]>,
}

type Known = HashMap<Box<str>, Box<[Token]>>;

/// A token of a word, and which of its characters it shows.
#[derive(Debug, Clone, Copy)]
struct Token {
    id: u32,
    start: u16,
    end: u16,
}

/// How words are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Words {
    /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
    ByteLevel,
    /// White space stands between words, and every punctuation character is one.
    Bert,
}

impl Memo {
    /// * `around`: how many special tokens the tokenizer puts before a text, and behind it
    pub(super) fn of(tokenizer: &Tokenizer, around: (usize, usize)) -> Option<Self> {
        let value = |part: Result<Value, serde_json::Error>| part.unwrap_or_default();
        let normalizer = value(serde_json::to_value(tokenizer.get_normalizer()));
        let splitter = value(serde_json::to_value(tokenizer.get_pre_tokenizer()));
        let processor = value(serde_json::to_value(tokenizer.get_post_processor()));
        let kind = |part: &Value| part["type"].as_str().map(str::to_owned);
        let added: Vec<_> = tokenizer.get_added_tokens_decoder().into_values().collect();
        let is_plain = normalizer.is_null() || kind(&normalizer).as_deref() == Some("NFC");
        let (words, beyond) = match kind(&splitter).as_deref() {
            Some("ByteLevel")
                if is_plain
                    && splitter["add_prefix_space"] == false
                    && splitter["use_regex"] != false =>
            {
                (Words::ByteLevel, COMBINING)
            }
            Some("BertPreTokenizer")
                if is_plain || kind(&normalizer).as_deref() == Some("BertNormalizer") =>
            {
                // Of a letter without its accent an added token may be made, which the text has not.
                let is_found_late = added.iter().any(|token| token.normalized);
                (Words::Bert, if is_found_late { '\u{80}' } else { COMBINING })
            }
            _ => return None,
        };
        if !matches!(kind(&processor).as_deref(), Some("TemplateProcessing" | "BertProcessing")) {
            return None; // it may also move offsets
        }
        let around = {
            let encoding = encode(tokenizer, "a").ok()?;
            let ids = encoding.get_ids();
            [ids[..around.0].to_vec(), ids[ids.len() - around.1..].to_vec()]
        };
        let contents: Vec<_> = added.iter().map(|token| regex::escape(&token.content)).collect();
        let added = match contents.is_empty() {
            true => None,
            // Without regard to case: a normalizer may make small letters of all.
            false => Some(Regex::new(&format!("(?i){}", contents.join("|"))).ok()?),
        };
        let known = (0..THREADS).map(|_| Mutex::default()).collect();
        Some(Self { words, beyond, added, around, known })
    }

    fn is_for(&self, text: &str) -> bool {
        let is_known = |character: char| {
            character < self.beyond
                && match self.words {
                    Words::ByteLevel => true,
                    // What shows nothing is taken out of a text before words are looked for.
                    Words::Bert => {
                        matches!(character, '\t' | '\n' | '\r')
                            || !(character.is_control() || character == '\u{ad}')
                    }
                }
        };
        text.len() <= LONGEST
            && text.chars().all(is_known)
            && !self.added.as_ref().is_some_and(|added| added.is_match(text))
    }

    /// The tokens of a text, as [`TextTokenizer::encode`](super::TextTokenizer::encode) gives them; nothing where the library has to be asked for the
    /// whole.
    ///
    /// * `room`: how many tokens it may have, without special ones
    pub(super) fn encode(
        &self,
        tokenizer: &Tokenizer,
        text: &str,
        mut room: usize,
    ) -> Option<TokenizedText> {
        if !self.is_for(text) {
            return None;
        }
        let thread = rayon::current_thread_index().unwrap_or_default();
        let mut known = self.known[thread % THREADS].lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_WORDS {
            known.clear();
        }
        let mut tokens = TokenizedText::default();
        let [before, behind] = &self.around;
        before.iter().for_each(|id| tokens.push(*id, (0, 0), true));
        let (mut rest, mut begin) = (text, 0_u32);
        'text: while !rest.is_empty() {
            let (length, is_word) = self.words.next(rest);
            let word;
            (word, rest) = rest.split_at(length);
            let once;
            let found: &[Token] = match known.get(word) {
                _ if !is_word => &[],
                Some(found) => found,
                None => {
                    once = self.ask(tokenizer, word)?;
                    if word.len() <= LONGEST_WORD {
                        known.insert(word.into(), once.clone());
                    }
                    &once
                }
            };
            for token in found {
                let (start, end) = (begin + u32::from(token.start), begin + u32::from(token.end));
                if room == 0 {
                    tokens.truncated = true;
                    let mut dropped = text.chars().enumerate().skip(start as usize);
                    let shown = dropped.find(|(_, character)| !character.is_whitespace());
                    tokens.cut_at = shown.map(|(place, _)| place);
                    break 'text;
                }
                room -= 1;
                tokens.push(token.id, (start, end), false);
            }
            begin += count(word) as u32;
        }
        behind.iter().for_each(|id| tokens.push(*id, (0, 0), true));
        Some(tokens)
    }

    /// What the library makes of a word.
    fn ask(&self, tokenizer: &Tokenizer, word: &str) -> Option<Box<[Token]>> {
        let encoding = encode(tokenizer, word).ok()?;
        let characters: Vec<char> = word.chars().collect();
        let offsets = whole_characters(word, &characters, encoding.get_offsets());
        let [before, behind] = self.around.each_ref().map(Vec::len);
        let inner = before..encoding.len().checked_sub(behind).filter(|end| *end >= before)?;
        let token = |(id, offsets): (&u32, &(usize, usize))| {
            let (start, end) = visible(&characters, *offsets);
            let narrow = |place: usize| u16::try_from(place).ok();
            Some(Token { id: *id, start: narrow(start)?, end: narrow(end)? })
        };
        encoding.get_ids()[inner.clone()].iter().zip(&offsets[inner]).map(token).collect()
    }
}

fn count(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Space,
    Letter,
    Number,
    Other,
}

impl Class {
    /// Of a character before [`COMBINING`].
    fn of(character: char) -> Self {
        match character {
            'a'..='z' | 'A'..='Z' => Self::Letter,
            '0'..='9' => Self::Number,
            _ if character.is_whitespace() => Self::Space,
            _ if character.is_alphabetic() => Self::Letter,
            _ if character.is_numeric() => Self::Number,
            _ => Self::Other,
        }
    }
}

/// How many bytes from the first on have characters for which this holds.
fn run(text: &str, is_of_it: impl Fn(char) -> bool) -> usize {
    text.find(|character| !is_of_it(character)).unwrap_or(text.len())
}

impl Words {
    /// How many bytes the first word of a text has, or what stands before it: whether it is one.
    fn next(self, text: &str) -> (usize, bool) {
        match self {
            Self::ByteLevel => (byte_level(text), true),
            Self::Bert => bert(text),
        }
    }
}

fn byte_level(text: &str) -> usize {
    if let Some(behind) = text.strip_prefix('\'') {
        let endings = ["s", "t", "re", "ve", "m", "ll", "d"];
        if let Some(ending) = endings.iter().find(|ending| behind.starts_with(**ending)) {
            return 1 + ending.len();
        }
    }
    let word = text.strip_prefix(' ').unwrap_or(text);
    match word.chars().next().map(Class::of) {
        Some(class) if class != Class::Space => {
            text.len() - word.len() + run(word, |character| Class::of(character) == class)
        }
        _ => {
            let space = run(text, char::is_whitespace);
            let last = text[..space].chars().next_back().map_or(0, char::len_utf8);
            // The last one goes with the word behind it, unless it is the only one.
            if space == text.len() || space == last { space } else { space - last }
        }
    }
}

fn bert(text: &str) -> (usize, bool) {
    let is_mark =
        |character: char| character.is_ascii_punctuation() || "¡§«¶·»¿".contains(character);
    let is_of_word = |character: char| !(character.is_whitespace() || is_mark(character));
    match text.chars().next() {
        Some(mark) if is_mark(mark) => (mark.len_utf8(), true),
        Some(space) if space.is_whitespace() => (run(text, char::is_whitespace), false),
        _ => (run(text, is_of_word), true),
    }
}
