//! Words with their tags as a text with entities.

use super::brackets;
use super::entities::{NESTED, apart};
use super::findings::Findings;
use super::labels::label;
use super::look::Look;
use super::options::Options;
use super::tags::{Chunk, Tag, chunks};
use crate::base::problem::Problem;
use crate::base::visible;
use crate::text::Entity;

/// Words with a tag each.
pub(super) struct Sentence<'s> {
    pub(super) words: &'s [String],
    pub(super) tags: &'s [String],
    /// The text that the words are from, where it is known.
    pub(super) text: Option<String>,
}

impl<'s> Sentence<'s> {
    /// The text, which is the words joined where nobody has it, and its entities.
    ///
    /// # Errors
    /// The first word whose tag is none, or which the text does not have, by its number.
    pub(super) fn read(
        self,
        options: &Options,
        findings: &mut Findings,
    ) -> Result<(String, Option<Vec<Entity>>), Problem<usize>> {
        let asked = options.scheme.map(Look::of_scheme);
        findings.look = asked.or(findings.look).or_else(|| Look::of_tags(self.tags));
        let chunks = self.chunks(asked, findings)?;
        findings.has_entities = true;
        findings.tagged += self.tags.len();
        let (text, places) = match self.text {
            None => joined(self.words, options.join()),
            Some(text) => {
                let places = found(&text, self.words)?;
                (text, places)
            }
        };
        let mut entities = Vec::with_capacity(chunks.len());
        for Chunk { first, past, kind } in chunks {
            let label = label(kind.to_owned(), &options.labels, findings).map_err(|problem| {
                Problem::new(first, format!("the label of a tag {problem}"))
                    .help("`labels = { \"FROM\" = \"TO\" }` calls it otherwise")
            })?;
            let (start, end) = (places[first].0, places[past - 1].1);
            // A word without a character has no place in a text.
            if start < end {
                entities.push((first, Entity { start, end, label }));
            }
        }
        let (firsts, mut entities): (Vec<usize>, Vec<Entity>) = entities.into_iter().unzip();
        if findings.look == Some(Look::Brackets) {
            entities = apart(entities, options.nested, findings)
                .map_err(|(index, message)| Problem::new(firsts[index], message).help(NESTED))?;
        }
        Ok((text, Some(entities)))
    }

    /// The entities that the tags say, in words.
    fn chunks(
        &self,
        asked: Option<Look>,
        findings: &mut Findings,
    ) -> Result<Vec<Chunk<'s>>, Problem<usize>> {
        let tags = self.tags;
        // Where nothing shows it, all tags are outside of entities, however that is written.
        let look = findings.look.unwrap_or(Look::Plain);
        if look == Look::Brackets {
            findings.outside += tags.iter().filter(|tag| *tag == "*").count();
            return brackets::chunks(tags).map_err(|(at, message)| Problem::new(at, message));
        }
        let mut read = Vec::with_capacity(tags.len());
        for (at, text) in tags.iter().enumerate() {
            let shown = || visible::line(text);
            let tag = match look {
                Look::Plain if asked.is_none() && brackets::is_one(text) => {
                    let message = format!("`{}` is a bracket among tags that are none", shown());
                    return Err(Problem::new(at, message)
                        .help("`scheme = \"brackets\"` reads all tags as brackets around words"));
                }
                Look::Plain => Tag::plain(text),
                Look::Prefixed | Look::Brackets => Tag::prefixed(text).ok_or_else(|| {
                    Problem::new(at, format!("`{}` is no tag such as `B-PER`, `I-PER` or `O`", shown()))
                        .help("`columns` says where a line has its tag, and `scheme` how tags are written; `on_error = \"skip\"` leaves such texts out")
                })?,
            };
            findings.outside += usize::from(tag.is_outside());
            read.push(tag);
        }
        Ok(chunks(read, &mut findings.evidence))
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
fn found(text: &str, words: &[String]) -> Result<Vec<(usize, usize)>, Problem<usize>> {
    let (mut byte, mut at) = (0, 0);
    let place = |(number, word): (usize, &String)| {
        let skipped = text[byte..].find(word.as_str()).ok_or_else(|| {
            let word = visible::line(word);
            Problem::new(
                number,
                format!("the text does not have the word `{word}` after the ones before it"),
            )
        })?;
        at += text[byte..byte + skipped].chars().count();
        byte += skipped + word.len();
        let start = at;
        at += word.chars().count();
        Ok((start, at))
    };
    words.iter().enumerate().map(place).collect()
}
