//! Words with their tags as a text with entities.

use std::borrow::Cow;

use super::brackets;
use super::findings::Findings;
use super::labels::label;
use super::options::Options;
use super::tags::{Chunk, Scheme, Tag, chunks};
use crate::base::visible;
use crate::text::Entity;

/// Words with a tag each.
pub(super) struct Sentence<'s> {
    pub(super) words: &'s [String],
    pub(super) tags: &'s [String],
    /// The text that the words are from, where it is known.
    pub(super) text: Option<String>,
}

impl Sentence<'_> {
    /// The text, which is the words joined where nobody has it, and its entities.
    ///
    /// # Errors
    /// The first tag that is none, or a word that the text does not have.
    pub(super) fn read(
        self,
        options: &Options,
        findings: &mut Findings,
    ) -> Result<(String, Option<Vec<Entity>>), String> {
        let plain = options.scheme.map(|scheme| scheme == Scheme::Plain);
        let said: Cow<'_, [String]> = match options.scheme {
            Some(Scheme::Brackets) => brackets::to_iob2(self.tags)?.into(),
            _ => self.tags.into(),
        };
        let mut tags = Vec::with_capacity(said.len());
        for text in &*said {
            let prefixed = Tag::prefixed(text);
            // `O` alone does not say whether tags have prefixes.
            let decides = prefixed.is_none_or(|tag| !tag.is_outside());
            let is_plain = match plain {
                Some(plain) => plain,
                None if !decides => findings.is_plain.unwrap_or(false),
                None => *findings.is_plain.get_or_insert(prefixed.is_none()),
            };
            tags.push(match prefixed {
                _ if is_plain => Tag::plain(text),
                Some(tag) => tag,
                None => {
                    let text = visible::line(text);
                    return Err(format!("`{text}` is no tag such as `B-PER`, `I-PER` or `O`"));
                }
            });
        }
        if findings.is_plain.is_none() {
            findings.is_plain = plain;
        }
        findings.has_entities = true;
        let (text, places) = match self.text {
            None => joined(self.words, options.join()),
            Some(text) => {
                let places = found(&text, self.words)?;
                (text, places)
            }
        };
        let mut entities = Vec::new();
        for Chunk { first, past, kind } in chunks(tags, &mut findings.evidence) {
            let label = label(kind.to_owned(), &options.labels, findings)
                .map_err(|problem| format!("the label of a tag {problem}"))?;
            let (start, end) = (places[first].0, places[past - 1].1);
            // A word without a character has no place in a text.
            if start < end {
                entities.push(Entity { start, end, label });
            }
        }
        Ok((text, Some(entities)))
    }
}

/// Words with `join` between them, and the characters of each.
fn joined(words: &[String], join: &str) -> (String, Vec<(usize, usize)>) {
    let between = join.chars().count();
    let (mut text, mut at, mut places) = (String::new(), 0, Vec::with_capacity(words.len()));
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            text.push_str(join);
            at += between;
        }
        let start = at;
        text.push_str(word);
        at += word.chars().count();
        places.push((start, at));
    }
    (text, places)
}

/// Where words stand in a text, one after the other.
fn found(text: &str, words: &[String]) -> Result<Vec<(usize, usize)>, String> {
    let (mut byte, mut at) = (0, 0);
    words
        .iter()
        .map(|word| {
            let skipped = text[byte..].find(word.as_str()).ok_or_else(|| {
                let word = visible::line(word);
                format!("the text does not have the word `{word}` after the ones before it")
            })?;
            at += text[byte..byte + skipped].chars().count();
            byte += skipped + word.len();
            let start = at;
            at += word.chars().count();
            Ok((start, at))
        })
        .collect()
}
