//! Words with their tags as a text with entities.

use super::brackets;
use super::entities::{NESTED, apart};
use super::findings::{Findings, Note};
use super::labels::label;
use super::look::Look;
use super::options::Options;
use super::tags::{Chunk, Scheme, Tag, chunks};
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
        findings.look = findings.look.or_else(|| Look::of_tags(self.tags, options.scheme));
        let chunks = self.chunks(options.scheme, findings)?;
        if findings.look == Some(Look::Suffixed) && !chunks.is_empty() {
            findings.note(Note::TypeFirst);
        }
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
        asked: Option<Scheme>,
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
            let tag = match look {
                Look::Plain if asked.is_none() && brackets::is_one(text) => {
                    let shown = visible::line(text);
                    let message = format!("`{shown}` is a bracket among tags that are none");
                    return Err(Problem::new(at, message)
                        .help("`scheme = \"brackets\"` reads all tags as brackets around words"));
                }
                Look::Plain => Tag::plain(text),
                Look::Prefixed | Look::Brackets => Tag::prefixed(text)
                    .ok_or_else(|| no_tag(at, text, "`B-PER`, `I-PER` or `O`"))?,
                Look::Suffixed => Tag::suffixed(text)
                    .ok_or_else(|| no_tag(at, text, "`PER-B`, `PER-I` or `O`"))?,
            };
            findings.outside += usize::from(tag.is_outside());
            read.push(tag);
        }
        Ok(chunks(read, &mut findings.evidence))
    }
}

/// What to say of a tag that is none.
///
/// * `expected`: some that are
fn no_tag(at: usize, text: &str, expected: &str) -> Problem<usize> {
    let message = format!("`{}` is no tag such as {expected}", visible::line(text));
    Problem::new(at, message).help("`columns` says where a line has its tag, and `scheme` how tags are written; `on_error = \"skip\"` leaves such texts out")
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The labels of sentences whose words are numbers, each with its words.
    fn labels(sentences: &[&[&str]], scheme: Option<Scheme>) -> (Vec<String>, Findings) {
        let options = Options { scheme, ..Options::default() };
        let (mut found, mut findings) = (Vec::new(), Findings::default());
        for tags in sentences {
            let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
            let words: Vec<String> = (0..tags.len()).map(|number| number.to_string()).collect();
            let sentence = Sentence { words: &words, tags: &tags, text: None };
            let (text, entities) = sentence.read(&options, &mut findings).expect("it is one");
            let shown = |it: Entity| format!("{} {}", it.label, &text[it.start..it.end]);
            found.extend(entities.into_iter().flatten().map(shown));
        }
        (found, findings)
    }

    #[test]
    fn tags_with_their_type_first_are_read_as_the_others_and_said_so() {
        let sentences: [&[&str]; 3] =
            [&["PER-B", "PER-I", "O", "LOC-S"], &["O"], &["A-TEAM_B", "O"]];
        for (asked, scheme) in [(None, Scheme::Iobes), (Some(Scheme::Iob2), Scheme::Iob2)] {
            let (found, findings) = labels(&sentences, asked);
            assert_eq!(found, ["PER 0 1", "LOC 3", "A-TEAM 0"]);
            assert_eq!(findings.scheme(asked).map(|(scheme, _)| scheme), Some(scheme));
            assert_eq!(findings.notes.get(&Note::TypeFirst), Some(&2));
        }
    }

    #[test]
    fn types_that_end_in_a_letter_are_types_where_others_do_not_or_somebody_says_so() {
        assert_eq!(labels(&[&["PLAN-B", "PLAN-X"]], None).0, ["PLAN-B 0", "PLAN-X 1"]);
        assert_eq!(labels(&[&["PLAN-B"]], Some(Scheme::Plain)).0, ["PLAN-B 0"]);
        assert_eq!(labels(&[&["B-PLAN-B"]], None).0, ["PLAN-B 0"]);
    }
}
