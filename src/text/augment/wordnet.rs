//! The words of WordNet with those of one meaning, from the files that Debian calls `wordnet-base`.
//!
//! `index.noun` says of each word its meanings, the most frequent first, each as a place in `data.noun`, where all words of that meaning stand; so
//! do the files of verbs, adjectives and adverbs. Format: `wndb(5WN)`, <https://wordnet.princeton.edu/documentation/wndb5wn>.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use crate::base::disk::regular;
use crate::base::problem::Help;
use crate::base::visible;

/// For each word, the others of its first meaning, as the part of speech that it most often is.
#[derive(Debug)]
pub struct WordNet(HashMap<String, Meaning>);

#[derive(Debug)]
struct Meaning {
    /// How many meanings of the word, as that part of speech, occur in the texts that were counted: of its frequency these files say no more.
    counted: usize,
    synonyms: Vec<String>,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum WordNetError {
    #[error("cannot read `{}`: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("line {line} of `{}` is none of WordNet's: `{excerpt}`", path.display())]
    Malformed { path: PathBuf, line: usize, excerpt: String },
}

impl Help for WordNetError {
    fn help(&self) -> Option<Cow<'_, str>> {
        Some("the files are those of the package `wordnet-base`, or of WordNet 3.0's `dict`".into())
    }
}

impl WordNet {
    /// Where Debian has it.
    pub const FOLDER: &str = "/usr/share/wordnet";

    pub const FILES: [&str; 8] = [
        "index.noun",
        "data.noun",
        "index.verb",
        "data.verb",
        "index.adj",
        "data.adj",
        "index.adv",
        "data.adv",
    ];

    /// # Errors
    /// When a file cannot be read, or is none of WordNet's.
    pub fn read(folder: &Path) -> Result<Self, WordNetError> {
        let mut words: HashMap<String, Meaning> = HashMap::new();
        let mut verbs: HashSet<String> = HashSet::new();
        for pair in Self::FILES.chunks(2) {
            let [index, data] = pair else { continue };
            let mut meanings: HashMap<u32, Vec<String>> = HashMap::new();
            each_line(&folder.join(data), &mut |line| {
                let (place, words) = meaning(line)?;
                meanings.insert(place, words);
                Some(())
            })?;
            // A noun may be of several words, but a verb of several takes its object elsewhere.
            let [is_noun, is_verb] = ["index.noun", "index.verb"].map(|name| *index == name);
            each_line(&folder.join(index), &mut |line| {
                let (word, counted, first) = first_meaning(line)?;
                let others = meanings.get(&first)?;
                if is_verb {
                    verbs.insert(word.to_owned());
                }
                let is_other = |other: &&String| {
                    *other != word && is_plain(other) && (is_noun || !other.contains(' '))
                };
                let is_more_frequent =
                    || words.get(word).is_none_or(|known| known.counted < counted);
                if is_plain(word) && is_more_frequent() {
                    let synonyms = others.iter().filter(is_other).cloned().collect();
                    words.insert(word.to_owned(), Meaning { counted, synonyms });
                }
                Some(())
            })?;
        }
        // `moved` is known as an adjective (touched), and is more often a form of `move`.
        words.retain(|word, _| verbs.contains(word) || !is_form_of(word, &verbs));
        Ok(Self(words))
    }

    /// Those for a word in small letters; none where it is not known, or not in its basic form.
    #[must_use]
    pub fn synonyms(&self, word: &str) -> &[String] {
        self.0.get(word).map_or(&[], |meaning| &meaning.synonyms)
    }
}

/// Whether it is the past or the participle of one of the verbs, by the rules of WordNet's `morphy`, and with a doubled last letter.
fn is_form_of(word: &str, verbs: &HashSet<String>) -> bool {
    let Some(stem) = ["ed", "ing"].iter().find_map(|ending| word.strip_suffix(ending)) else {
        return false;
    };
    let undoubled = stem.strip_suffix(|last: char| stem[..stem.len() - 1].ends_with(last));
    verbs.contains(stem)
        || verbs.contains(&format!("{stem}e"))
        || undoubled.is_some_and(|verb| verbs.contains(verb))
}

/// Names and abbreviations are no synonyms of words.
fn is_plain(word: &str) -> bool {
    word.chars().all(|letter| letter.is_ascii_lowercase() || " -'".contains(letter))
}

/// * `each`: nothing for a line that is malformed
fn each_line(path: &Path, each: &mut dyn FnMut(&str) -> Option<()>) -> Result<(), WordNetError> {
    let io = |error| WordNetError::Io { path: path.to_owned(), error };
    let file = BufReader::new(regular::open(path).map_err(io)?);
    for (number, line) in file.lines().enumerate() {
        let line = line.map_err(io)?;
        // So begins each line of the licence.
        if line.starts_with("  ") {
            continue;
        }
        each(&line).ok_or_else(|| WordNetError::Malformed {
            path: path.to_owned(),
            line: number + 1,
            excerpt: visible::line(&line.chars().take(60).collect::<String>()).into(),
        })?;
    }
    Ok(())
}

/// `attack n 9 5 @ ~ #p %p + 9 6 00972621 00572186 ...`: a word, how many meanings and kinds of pointers there are, the pointers, how many meanings
/// there are once more, how many of them were counted in texts, and their places.
fn first_meaning(line: &str) -> Option<(&str, usize, u32)> {
    let mut fields = line.split_ascii_whitespace();
    let word = fields.next()?;
    let pointers: usize = fields.nth(2)?.parse().ok()?;
    let counted = fields.nth(pointers + 1)?.parse().ok()?;
    Some((word, counted, fields.next()?.parse().ok()?))
}

/// `00972621 04 n 02 attack 0 onslaught 0 005 @ ...`: a place, the kind of the meaning, how many words it has (in hexadecimal digits), and each
/// with a number.
fn meaning(line: &str) -> Option<(u32, Vec<String>)> {
    let mut fields = line.split_ascii_whitespace();
    let place = fields.next()?.parse().ok()?;
    let count = usize::from_str_radix(fields.nth(2)?, 16).ok()?;
    let mut words = Vec::with_capacity(count);
    for _ in 0..count {
        // Where an adjective may stand is written behind it: `afraid(p)`.
        let word = fields.next()?.split('(').next()?;
        fields.next()?;
        words.push(word.replace('_', " "));
    }
    Some((place, words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::augment::tests::wordnet_folder;

    #[test]
    fn synonyms_are_the_plain_words_of_the_first_meaning_of_the_most_frequent_part_of_speech() {
        let wordnet = WordNet::read(wordnet_folder().path()).expect("sound");
        assert_eq!(wordnet.synonyms("attack"), ["onslaught", "surprise attack"]);
        assert_eq!(wordnet.synonyms("onslaught"), ["attack", "assail"]);
        for form in ["attacked", "setting", "striking"] {
            assert!(wordnet.synonyms(form).is_empty(), "{form}");
        }
        assert_eq!(wordnet.synonyms("afraid"), ["frightened"]);
        assert!(wordnet.synonyms("host").is_empty() && wordnet.synonyms("attacks").is_empty());
    }

    #[test]
    fn a_line_of_another_kind_and_a_file_that_is_missing_are_named() {
        let folder = wordnet_folder();
        let path = folder.path().join("data.adv");
        std::fs::write(&path, "  licence\nsome prose\n").expect("written");
        let error = WordNet::read(folder.path()).expect_err("it is no WordNet").to_string();
        assert!(error.contains("line 2 of") && error.contains("`some prose`"), "{error}");
        std::fs::remove_file(&path).expect("there");
        assert!(matches!(WordNet::read(folder.path()), Err(WordNetError::Io { .. })));
    }

    #[test]
    fn debians_files_are_read() {
        let folder = Path::new(WordNet::FOLDER);
        if !folder.is_dir() {
            #[expect(clippy::print_stderr, reason = "a test that was skipped has to say so")]
            {
                eprintln!("SKIPPED: {} is not there (package `wordnet-base`)", folder.display());
            }
            return;
        }
        let wordnet = WordNet::read(folder).expect("sound");
        assert!(wordnet.synonyms("attack").iter().any(|word| word == "onslaught"));
        assert!(wordnet.0.len() > 30_000, "{}", wordnet.0.len());
    }
}
