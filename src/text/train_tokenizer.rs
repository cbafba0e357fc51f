//! A byte-level BPE tokenizer trained on a corpus, in the form of ModernBERT's.
//!
//! 1. [`WordCounts::add`] counts the words of some texts, as often as there are more: texts need not be in memory, distinct words are;
//! 2. [`WordCounts::train`] learns from them which pairs of tokens become one.

mod bpe;

use std::collections::HashMap;
use std::path::Path;

use rayon::prelude::*;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{
    AddedToken, NormalizedString, Normalizer as _, OffsetReferential, OffsetType,
    PreTokenizedString, PreTokenizer as _, Tokenizer,
};

use super::pieces::Breaks;
use super::{TextTokenizer, TokenizerError};
use bpe::Learned;

/// ModernBERT's special tokens, which get the numbers 0 to 4.
const SPECIAL: [&str; 5] = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"];

/// Every byte is a token, so that no text is unknown.
const BYTES: usize = 256;

/// Why no tokenizer was trained.
#[derive(Debug, thiserror::Error)]
pub enum TrainTokenizerError {
    #[error("a vocabulary of {vocabulary_size} tokens is too small: expected at least {}, for the bytes and special tokens", BYTES + SPECIAL.len())]
    VocabularyTooSmall { vocabulary_size: usize },
    #[error("cannot train a tokenizer: {reason}")]
    Training { reason: String },
    #[error("interrupted")]
    Cancelled,
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

/// How often each word occurs, in the characters that stand for bytes.
#[derive(Debug, Default)]
pub struct WordCounts {
    counts: HashMap<String, u64>,
}

/// Trains a tokenizer on texts that are in memory, as [`WordCounts::train`] does.
///
/// # Errors
/// As [`WordCounts::train`].
pub fn train_tokenizer<'a>(
    texts: impl Iterator<Item = &'a str>,
    vocabulary_size: usize,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<TextTokenizer, TrainTokenizerError> {
    let mut words = WordCounts::default();
    words.add(texts.collect(), cancelled)?;
    words.train(vocabulary_size, cancelled)
}

impl WordCounts {
    /// Counts the words of more texts, on all threads of the current pool. It ends as soon as `cancelled` says so. Runs without a break of more than
    /// [`super::pieces::LONGEST`] characters are cut.
    ///
    /// # Errors
    /// [`TrainTokenizerError::Training`] when the library fails, [`TrainTokenizerError::Cancelled`].
    pub fn add(
        &mut self,
        texts: Vec<&str>,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<(), TrainTokenizerError> {
        let add = |mut counts: HashMap<String, u64>, text: &str| {
            count(text, &mut counts, cancelled)?;
            Ok(counts)
        };
        let counts = texts.into_par_iter().try_fold(HashMap::new, add);
        let counts = counts
            .try_reduce(HashMap::new, |one, other| Ok::<_, TrainTokenizerError>(sum(one, other)))?;
        self.counts = sum(std::mem::take(&mut self.counts), counts);
        Ok(())
    }

    /// Trains a tokenizer of at most `vocabulary_size` tokens, fewer where the words give no more pairs that occur twice. It ends as soon as `cancelled`
    /// says so.
    ///
    /// The result is a function of the texts as a multiset: merges are chosen by count, then by the numbers of the two tokens, and neither the
    /// order of the texts nor the number of threads enters.
    ///
    /// # Errors
    /// [`TrainTokenizerError::VocabularyTooSmall`] for fewer than 261 tokens, [`TrainTokenizerError::Training`] when the library fails,
    /// [`TrainTokenizerError::Cancelled`].
    pub fn train(
        self,
        vocabulary_size: usize,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<TextTokenizer, TrainTokenizerError> {
        if vocabulary_size < BYTES + SPECIAL.len() {
            return Err(TrainTokenizerError::VocabularyTooSmall { vocabulary_size });
        }
        let mut alphabet: Vec<char> = ByteLevel::alphabet().into_iter().collect();
        alphabet.sort_unstable();
        let initial =
            SPECIAL.map(str::to_owned).into_iter().chain(alphabet.into_iter().map(String::from));
        let learned = bpe::learn(&self.counts, initial.collect(), vocabulary_size, cancelled);
        assembled(learned.ok_or(TrainTokenizerError::Cancelled)?)
    }
}

fn failed(error: tokenizers::Error) -> TrainTokenizerError {
    TrainTokenizerError::Training { reason: error.to_string() }
}

/// The tokenizer of what was learned.
fn assembled(learned: Learned) -> Result<TextTokenizer, TrainTokenizerError> {
    let Learned { vocabulary, merges } = learned;
    let id =
        |token: &str| vocabulary.iter().position(|other| other == token).unwrap_or_default() as u32;
    let processor = TemplateProcessing::builder()
        .try_single("[CLS]:0 $A:0 [SEP]:0")
        .and_then(|builder| builder.try_pair("[CLS]:0 $A:0 [SEP]:0 $B:0 [SEP]:0"))
        .map_err(|reason| TrainTokenizerError::Training { reason })?
        .special_tokens(vec![("[CLS]", id("[CLS]")), ("[SEP]", id("[SEP]"))])
        .build()
        .map_err(|error| TrainTokenizerError::Training { reason: error.to_string() })?;
    let numbered: Vocab = vocabulary.into_iter().zip(0..).collect();
    let model = BPE::builder().vocab_and_merges(numbered, merges).build().map_err(failed)?;
    let mut whole = Tokenizer::new(model);
    whole.with_normalizer(Some(NFC)).map_err(failed)?;
    whole
        .with_pre_tokenizer(Some(byte_level()))
        .with_decoder(Some(byte_level()))
        .with_post_processor(Some(processor));
    whole
        .add_special_tokens(
            SPECIAL.map(|token| AddedToken::from(token, true).lstrip(token == "[MASK]")),
        )
        .map_err(failed)?;
    Ok(TextTokenizer::new(whole, Path::new("tokenizer.json"))?)
}

/// How texts are broken into words, and their bytes written as characters.
fn byte_level() -> ByteLevel {
    ByteLevel::new(false, true, true)
}

/// Adds the words of a text.
fn count(
    text: &str,
    counts: &mut HashMap<String, u64>,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<(), TrainTokenizerError> {
    for piece in Breaks::Classes.pieces(text) {
        if cancelled() {
            return Err(TrainTokenizerError::Cancelled);
        }
        let mut normalized = NormalizedString::from(piece);
        NFC.normalize(&mut normalized).map_err(failed)?;
        let mut words = PreTokenizedString::from(normalized);
        byte_level().pre_tokenize(&mut words).map_err(failed)?;
        for (word, _, _) in words.get_splits(OffsetReferential::Original, OffsetType::None) {
            match counts.get_mut(word) {
                Some(count) => *count += 1,
                None => drop(counts.insert(word.to_owned(), 1)),
            }
        }
    }
    Ok(())
}

/// The counts of both, the smaller ones added to the others.
fn sum(one: HashMap<String, u64>, other: HashMap<String, u64>) -> HashMap<String, u64> {
    let (mut more, fewer) = if one.len() < other.len() { (other, one) } else { (one, other) };
    fewer.into_iter().for_each(|(word, count)| *more.entry(word).or_default() += count);
    more
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokenizers::TokenizerBuilder;
    use tokenizers::models::bpe::BpeTrainer;

    fn train<'a>(
        texts: impl Iterator<Item = &'a str>,
        size: usize,
    ) -> Result<TextTokenizer, TrainTokenizerError> {
        train_tokenizer(texts, size, &|| false)
    }

    /// The library's own trainer on the same texts.
    fn oracle(texts: &[String], size: usize) -> Vec<String> {
        let special = SPECIAL.map(|token| AddedToken::from(token, true));
        let mut trainer = BpeTrainer::builder()
            .show_progress(false)
            .vocab_size(size)
            .min_frequency(2)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .special_tokens(special.into())
            .build();
        let byte_level = ByteLevel::new(false, true, true);
        let mut tokenizer = TokenizerBuilder::new()
            .with_model(BPE::default())
            .with_normalizer(Some(NFC))
            .with_pre_tokenizer(Some(byte_level))
            .with_post_processor(Some(byte_level))
            .with_decoder(Some(byte_level))
            .build()
            .unwrap();
        tokenizer.train(&mut trainer, texts.iter().map(String::as_str)).unwrap();
        (0..tokenizer.get_vocab_size(true) as u32)
            .map(|id| tokenizer.id_to_token(id).unwrap())
            .collect()
    }

    #[test]
    fn the_vocabulary_is_that_of_the_librarys_own_trainer() {
        let found = train(texts().iter().map(String::as_str), 400).unwrap();
        let tokens: Vec<String> =
            (0..found.vocabulary_size() as u32).map(|id| found.token(id).unwrap()).collect();
        assert_eq!(tokens, oracle(&texts(), 400));
    }

    #[test]
    fn hundreds_of_thousands_of_letters_without_a_break_take_a_moment() {
        // The library's trainer takes minutes for these.
        let letters: String = (0..300_000_u32)
            .map(|i| char::from(b'a' + (i.wrapping_mul(2_654_435_761) >> 28) as u8))
            .collect();
        let begun = std::time::Instant::now();
        train([letters.as_str()].into_iter(), 600).unwrap();
        assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    }

    #[test]
    fn it_ends_when_it_is_told() {
        let stopped = train_tokenizer(["a b a b"].into_iter(), 300, &|| true);
        assert!(matches!(stopped, Err(TrainTokenizerError::Cancelled)));
    }

    fn texts() -> Vec<String> {
        (0..300)
            .map(|index| {
                format!(
                    "Disk sd{} of host-{:02} failed at {}:00 — naïve retry",
                    index % 7,
                    index % 23,
                    index % 24
                )
            })
            .collect()
    }

    fn saved(threads: usize, texts: &[String]) -> String {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let tokenizer = pool.install(|| train(texts.iter().map(String::as_str), 400)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        tokenizer.save(&folder.path().join("tokenizer.json")).unwrap();
        std::fs::read_to_string(folder.path().join("tokenizer.json")).unwrap()
    }

    #[test]
    fn neither_threads_nor_order_change_the_tokenizer() {
        let first = saved(1, &texts());
        for threads in [1, 2, 3, 8] {
            assert!(saved(threads, &texts()) == first, "{threads} threads");
        }
        let mut reversed = texts();
        reversed.reverse();
        assert!(saved(2, &reversed) == first);
    }

    #[test]
    fn words_that_are_counted_some_texts_at_a_time_give_the_same_tokenizer() {
        let all = texts();
        let mut words = WordCounts::default();
        for texts in all.chunks(7) {
            words.add(texts.iter().map(String::as_str).collect(), &|| false).unwrap();
        }
        let (folder, tokenizer) = (tempfile::tempdir().unwrap(), words.train(400, &|| false));
        tokenizer.unwrap().save(&folder.path().join("tokenizer.json")).unwrap();
        let text = std::fs::read_to_string(folder.path().join("tokenizer.json")).unwrap();
        assert!(text == saved(1, &all));
    }

    #[test]
    fn special_tokens_have_the_first_numbers_and_stand_around_a_text() {
        let tokenizer = train(["a b a b"].into_iter(), 300).unwrap();
        assert_eq!(
            SPECIAL.map(|token| tokenizer.id(token)),
            [Some(0), Some(1), Some(2), Some(3), Some(4)]
        );
        let tokens = tokenizer.encode("a b", 16).unwrap();
        assert_eq!(
            (
                tokens.ids[0],
                tokens.ids[tokens.ids.len() - 1],
                tokens.special.iter().filter(|special| **special).count()
            ),
            (1, 2, 2)
        );
    }

    #[test]
    fn no_text_is_unknown() {
        let tokenizer = train(["a"].into_iter(), 261).unwrap();
        let tokens = tokenizer.encode("🦀 é \u{7f} 漢", 64).unwrap();
        assert!(!tokens.ids.contains(&0));
        assert_eq!(tokenizer.vocabulary_size(), 261);
    }

    #[test]
    fn a_vocabulary_without_room_for_all_bytes_is_refused() {
        assert!(matches!(
            train(["a"].into_iter(), 260),
            Err(TrainTokenizerError::VocabularyTooSmall { .. })
        ));
    }
}
