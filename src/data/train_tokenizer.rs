//! A byte-level BPE tokenizer trained on a corpus, in the form of ModernBERT's.

use std::path::Path;

use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, Model as _, Tokenizer, TokenizerBuilder};

use super::{TextTokenizer, TokenizerError};

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
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

/// Trains a tokenizer of at most `vocabulary_size` tokens, fewer where the texts give no more pairs that occur twice.
///
/// The result is a function of the texts as a multiset: merges are chosen by count, then by the numbers of the two tokens, and neither the
/// order of the texts nor the number of threads enters.
///
/// # Errors
/// [`TrainTokenizerError::VocabularyTooSmall`] for fewer than 261 tokens, [`TrainTokenizerError::Training`] when the library fails.
pub fn train_tokenizer<'a>(
    texts: impl Iterator<Item = &'a str> + Send,
    vocabulary_size: usize,
) -> Result<TextTokenizer, TrainTokenizerError> {
    if vocabulary_size < BYTES + SPECIAL.len() {
        return Err(TrainTokenizerError::VocabularyTooSmall { vocabulary_size });
    }
    let failed =
        |error: tokenizers::Error| TrainTokenizerError::Training { reason: error.to_string() };
    let special = SPECIAL.map(|token| AddedToken::from(token, true).lstrip(token == "[MASK]"));
    let mut trainer = BpeTrainer::builder()
        .show_progress(false)
        .vocab_size(vocabulary_size)
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
        .map_err(failed)?;
    tokenizer.train(&mut trainer, texts).map_err(failed)?;
    let id = |token: &str| {
        tokenizer
            .get_model()
            .token_to_id(token)
            .ok_or_else(|| failed(format!("`{token}` is missing").into()))
    };
    let processor = TemplateProcessing::builder()
        .try_single("[CLS]:0 $A:0 [SEP]:0")
        .and_then(|builder| builder.try_pair("[CLS]:0 $A:0 [SEP]:0 $B:0 [SEP]:0"))
        .map_err(|reason| TrainTokenizerError::Training { reason })?
        .special_tokens(vec![("[CLS]", id("[CLS]")?), ("[SEP]", id("[SEP]")?)])
        .build()
        .map_err(|error| TrainTokenizerError::Training { reason: error.to_string() })?;
    let mut whole = Tokenizer::new(tokenizer.get_model().clone());
    whole.with_normalizer(Some(NFC)).map_err(failed)?;
    whole
        .with_pre_tokenizer(Some(byte_level))
        .with_decoder(Some(byte_level))
        .with_post_processor(Some(processor));
    whole
        .add_special_tokens(
            SPECIAL.map(|token| AddedToken::from(token, true).lstrip(token == "[MASK]")),
        )
        .map_err(failed)?;
    Ok(TextTokenizer::new(whole, Path::new("tokenizer.json"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let tokenizer =
            pool.install(|| train_tokenizer(texts.iter().map(String::as_str), 400)).unwrap();
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
    fn special_tokens_have_the_first_numbers_and_stand_around_a_text() {
        let tokenizer = train_tokenizer(["a b a b"].into_iter(), 300).unwrap();
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
        let tokenizer = train_tokenizer(["a"].into_iter(), 261).unwrap();
        let tokens = tokenizer.encode("🦀 é \u{7f} 漢", 64).unwrap();
        assert!(!tokens.ids.contains(&0));
        assert_eq!(tokenizer.vocabulary_size(), 261);
    }

    #[test]
    fn a_vocabulary_without_room_for_all_bytes_is_refused() {
        assert!(matches!(
            train_tokenizer(["a"].into_iter(), 260),
            Err(TrainTokenizerError::VocabularyTooSmall { .. })
        ));
    }
}
