use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::base::IGNORE;
use crate::text::{Entity, Example, Fit, LabelSet, anomaly, train_tokenizer};

fn tokenizer() -> TextTokenizer {
    let texts = [
        "the user Ann Lee logged in from 192.0.2.1 at noon",
        "the disk of Ann failed at noon from noon",
        "Ann Lee Ann Lee user disk",
    ];
    train_tokenizer(texts.iter().copied().cycle().take(12), 400, &|| false).unwrap()
}

fn example(text: &str, entities: &[(usize, usize, &str)]) -> Example {
    let entities = entities
        .iter()
        .map(|(start, end, label)| Entity { start: *start, end: *end, label: (*label).into() })
        .collect();
    let entities = Some(entities);
    Example {
        text: text.into(),
        entities,
        classes: anomaly(false),
        fields: BTreeMap::new(),
        file: 0,
        line: 1,
    }
}

fn labelled(
    tokenizer: &TextTokenizer,
    example: &Example,
    max_length: usize,
) -> Vec<(String, String)> {
    let set = LabelSet::of(example.entities().iter().map(|entity| entity.label.as_str()));
    let (split, _) =
        tokenizer.encode_split(std::slice::from_ref(example), &set, &[], max_length).unwrap();
    let name = |label: u32| set.names().get(label as usize).map_or("-", String::as_str).to_owned();
    split
        .ids
        .iter()
        .zip(&split.labels)
        .map(|(id, label)| (tokenizer.token(*id).unwrap(), name(*label)))
        .collect()
}

fn pairs(list: &[(String, String)]) -> Vec<(&str, &str)> {
    list.iter().map(|(token, label)| (token.as_str(), label.as_str())).collect()
}

#[test]
fn the_token_with_the_leading_space_begins_the_entity() {
    let found =
        labelled(&tokenizer(), &example("the user Ann Lee logged in", &[(9, 16, "PER")]), 64);
    let expected = [
        ("[CLS]", "-"),
        ("the", "O"),
        ("Ġuser", "O"),
        ("ĠAnn", "B-PER"),
        ("ĠLee", "I-PER"),
        ("Ġlogged", "O"),
        ("Ġin", "O"),
        ("[SEP]", "-"),
    ];
    assert_eq!(pairs(&found), expected);
}

#[test]
fn truncation_keeps_the_special_tokens_and_never_half_an_entity() {
    let example = example("the user Ann Lee logged in", &[(4, 8, "X"), (9, 16, "PER")]);
    let tokenizer = tokenizer();
    let expected = [("[CLS]", "-"), ("the", "O"), ("Ġuser", "B-X"), ("ĠAnn", "O"), ("[SEP]", "-")];
    assert_eq!(pairs(&labelled(&tokenizer, &example, 5)), expected);
    let set = LabelSet::of(["PER", "X"]);
    let (_, statistics) = tokenizer.encode_split(&[example], &set, &[], 5).unwrap();
    assert_eq!(
        (
            statistics.truncated,
            statistics.entities,
            statistics.entities_cut,
            statistics.misfits.count()
        ),
        (1, 2, 1, 0)
    );
}

/// The labels of each window of a text as its loss counts them, with the split and its statistics.
fn windowed(
    example: &Example,
    windowing: Windowing,
) -> (Vec<Vec<String>>, EncodedSplit, Statistics) {
    let set = LabelSet::of(["PER", "X"]);
    let examples = std::slice::from_ref(example);
    let (split, statistics) = tokenizer().encode_split(examples, &set, &[], windowing).unwrap();
    let name = |label: &u32| set.names().get(*label as usize).map_or("-", String::as_str);
    let of_window = |row: usize| {
        split.labels_of(&[row as u32]).iter().map(|label| name(label).to_owned()).collect()
    };
    ((0..split.sequences()).map(of_window).collect(), split, statistics)
}

#[test]
fn tokens_of_an_entity_count_only_in_windows_that_have_it_whole() {
    let example = example("the user Ann Lee logged in at noon", &[(9, 16, "PER"), (30, 34, "X")]);
    let (labels, split, statistics) = windowed(&example, Windowing { max_length: 5, overlap: 2 });
    // [the user Ann] [user Ann Lee] [Ann Lee logged] [Lee logged in] [logged in at] [in at noon]
    let expected = [
        ["-", "O", "O", "-", "-"],
        ["-", "O", "B-PER", "I-PER", "-"],
        ["-", "B-PER", "I-PER", "O", "-"],
        ["-", "-", "O", "O", "-"],
        ["-", "O", "O", "O", "-"],
        ["-", "O", "O", "B-X", "-"],
    ];
    assert_eq!(labels, expected);
    // Of the text there are all tokens, once, and all entities.
    assert_eq!((split.len(), split.sequences(), split.tokens()), (1, 6, 10));
    assert_eq!((split.truth.count(Fit::Exact), statistics.entities_cut), (2, 0));
    assert_eq!((statistics.sequences, statistics.truncated), (1, 0));
    assert_eq!((statistics.read_at_once(), statistics.length_read()), (6, 5.0));
}

#[test]
fn an_entity_that_is_whole_in_no_window_counts_as_cut_and_is_learnt_in_none() {
    let example = example("the user Ann Lee logged in at noon", &[(4, 23, "X")]);
    let (labels, split, statistics) = windowed(&example, Windowing { max_length: 5, overlap: 1 });
    // [the user Ann] [Ann Lee logged] [logged in at] [at noon]
    let expected: [&[&str]; 4] = [
        &["-", "O", "-", "-", "-"],
        &["-", "-", "-", "-", "-"],
        &["-", "-", "O", "O", "-"],
        &["-", "O", "O", "-"],
    ];
    assert_eq!(labels, expected);
    assert_eq!((split.truth.count(Fit::Cut), statistics.entities_cut), (1, 1));
    // What the corpus says of its tokens is what predictions are held against.
    let set = LabelSet::of(["PER", "X"]);
    assert_eq!(split.spans(&split.labels, &set), split.truth.spans());
}

#[test]
fn a_text_without_known_entities_has_windows_without_labels() {
    let example = Example { entities: None, ..example("the user Ann Lee logged in", &[]) };
    let (labels, split, _) = windowed(&example, Windowing { max_length: 5, overlap: 1 });
    assert_eq!(labels.concat(), vec!["-"; split.gather(&split.ids, &[0, 1, 2]).len()]);
    assert!(split.labels.iter().all(|label| *label == IGNORE));
}

#[test]
fn an_overlap_that_leaves_a_window_nothing_of_its_own_is_refused() {
    let error = tokenizer().encode("a", Windowing { max_length: 8, overlap: 6 }).unwrap_err();
    assert_eq!(
        error.to_string(),
        "an overlap of 6 tokens leaves a window of 8 none of its own: 2 are special, so expected at most 5"
    );
}

#[test]
fn offsets_count_the_characters_that_a_token_shows_also_where_one_is_several_tokens() {
    let tokens = tokenizer().encode("é🦀 Ann", 64).unwrap();
    let spans: Vec<(u32, u32)> =
        tokens.starts.iter().copied().zip(tokens.ends.iter().copied()).collect();
    assert_eq!(spans, [(0, 0), (0, 1), (0, 1), (1, 2), (1, 2), (1, 2), (1, 2), (3, 6), (0, 0)]);
}

#[test]
fn a_character_cut_by_truncation_cuts_its_entity() {
    let tokens = tokenizer().encode("é🦀 Ann", 6).unwrap();
    assert_eq!((tokens.ids.len(), tokens.cut_at), (6, Some(1)));
}

#[test]
fn statistics_describe_lengths_and_labels() {
    let examples = [example("the user Ann Lee", &[(9, 16, "PER")]), example("", &[])];
    let (split, statistics) =
        tokenizer().encode_split(&examples, &LabelSet::of(["PER"]), &[], 64).unwrap();
    assert_eq!(split.bounds, [0, 6, 8]);
    assert_eq!(
        (statistics.length_min, statistics.length_max, statistics.length_mean, statistics.tokens),
        (2, 6, 4.0, 8)
    );
    assert_eq!(
        statistics.label_counts,
        [("B-PER", 1), ("I-PER", 1), ("O", 2)].map(|(name, count)| (name.to_owned(), count)).into()
    );
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let examples: Vec<Example> = (0..200)
        .map(|index| example(&format!("the user Ann Lee {index}"), &[(9, 16, "PER")]))
        .collect();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            tokenizer().encode_split(&examples, &LabelSet::of(["PER"]), &[], 8).unwrap()
        })
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn a_length_without_room_for_the_text_is_refused() {
    let error = tokenizer().encode("a", 2).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a length of 2 tokens leaves none for the text: 2 are special, so expected at least 3"
    );
}

#[test]
fn padding_and_truncation_of_the_file_are_overridden() {
    let mut inner = tokenizer().inner;
    inner.with_padding(Some(tokenizers::PaddingParams {
        strategy: tokenizers::PaddingStrategy::Fixed(64),
        ..Default::default()
    }));
    inner
        .with_truncation(Some(tokenizers::TruncationParams { max_length: 4, ..Default::default() }))
        .unwrap();
    let bytes = inner.to_string(false).unwrap().into_bytes();
    let loaded = TextTokenizer::from_bytes(&bytes, Path::new("t")).unwrap();
    assert_eq!(loaded.encode("the user Ann Lee", 64).unwrap().ids.len(), 6);
}

#[test]
fn a_tokenizer_that_adds_no_class_token_is_refused() {
    let mut value: serde_json::Value =
        serde_json::from_str(&tokenizer().inner.to_string(false).unwrap()).unwrap();
    value["post_processor"] = serde_json::Value::Null;
    let error =
        TextTokenizer::from_bytes(value.to_string().as_bytes(), Path::new("t.json")).unwrap_err();
    assert!(matches!(error, TokenizerError::NoClassToken { .. }), "{error}");
}

#[test]
fn a_file_that_is_no_tokenizer_is_refused() {
    let value: serde_json::Value =
        serde_json::from_str(&tokenizer().inner.to_string(false).unwrap()).unwrap();
    let mut lying = value.clone();
    lying["model"]["merges"] = serde_json::json!([["a".repeat(500), "b"]]);
    let mut longest = value;
    longest["model"]["merges"] = serde_json::json!([["Ġlogged", "Ġlogged"]]);
    for text in ["", "{}", "[]", &lying.to_string(), &longest.to_string()] {
        let found = TextTokenizer::from_bytes(text.as_bytes(), Path::new("t.json"));
        assert!(matches!(found, Err(TokenizerError::Malformed { .. })), "{text:.60}");
    }
}

#[test]
fn merges_dropped_by_chance_are_switched_off() {
    let mut value: serde_json::Value =
        serde_json::from_str(&tokenizer().inner.to_string(false).unwrap()).unwrap();
    value["model"]["dropout"] = 0.9.into();
    let loaded = TextTokenizer::from_bytes(value.to_string().as_bytes(), Path::new("t")).unwrap();
    assert_eq!(loaded.encode("the user Ann Lee", 64).unwrap().ids.len(), 6);
}

#[test]
fn a_saved_tokenizer_gives_the_same_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    let tokenizer = tokenizer();
    tokenizer.save(&path).unwrap();
    let text = "the user, é Ann [MASK] at noon";
    assert_eq!(
        TextTokenizer::load(&path).unwrap().encode(text, 64).unwrap(),
        tokenizer.encode(text, 64).unwrap()
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn any_text_has_ascending_offsets_inside_it(text in "\\PC{0,40}", max_length in 3_usize..40) {
        thread_local!(static TOKENIZER: TextTokenizer = tokenizer());
        let tokens = TOKENIZER.with(|tokenizer| tokenizer.encode(&text, max_length)).unwrap();
        let length = text.chars().count();
        prop_assert!(tokens.ids.len() <= max_length);
        let inner: Vec<_> = (1..tokens.ids.len() - 1).map(|index| (tokens.starts[index] as usize, tokens.ends[index] as usize)).collect();
        prop_assert!(inner.iter().all(|(start, end)| start <= end && *end <= length), "{inner:?} of {length}");
        prop_assert!(inner.is_sorted_by_key(|(start, _)| *start), "{inner:?}");
    }
}

#[test]
fn a_normalizer_that_multiplies_texts_is_refused_and_one_that_lengthens_them_is_not() {
    let mut file: serde_json::Value =
        serde_json::from_str(&tokenizer().inner.to_string(false).unwrap()).unwrap();
    let mut load = |replacements: usize, content: &str| {
        let replace =
            serde_json::json!({"type": "Replace", "pattern": {"String": "a"}, "content": content});
        file["normalizer"] =
            serde_json::json!({"type": "Sequence", "normalizers": vec![replace; replacements]});
        TextTokenizer::from_bytes(file.to_string().as_bytes(), Path::new("tokenizer.json"))
    };
    assert!(load(1, "aaa").is_ok());
    let error = load(7, &"a".repeat(16)).unwrap_err().to_string();
    assert_eq!(
        error,
        "the normalizer of `tokenizer.json` can make a text more than 1000 times as long"
    );
}

#[test]
fn a_token_ends_behind_the_whole_of_its_last_character() {
    let places = |text: &str, offsets: &[(usize, usize)]| {
        whole_characters(text, &text.chars().collect::<Vec<_>>(), offsets).into_owned()
    };
    // `e` and an accent of its own; syllables of three parts; an accent that has a token.
    assert_eq!(places("Jose\u{301} in", &[(0, 4), (6, 8)]), [(0, 5), (6, 8)]);
    assert_eq!(places("\u{1112}\u{1161}\u{11ab} x", &[(0, 1), (4, 5)]), [(0, 3), (4, 5)]);
    assert_eq!(places("e\u{301}", &[(0, 1), (1, 2)]), [(0, 1), (1, 2)]);
    // Pieces of one character share its place, special tokens have none, and what a tokenizer leaves out stays out.
    assert_eq!(
        places("é\u{316} €", &[(0, 0), (0, 1), (0, 1), (0, 0)]),
        [(0, 0), (0, 2), (0, 2), (0, 0)]
    );
}

#[test]
fn entities_of_decomposed_text_end_where_it_says() {
    let tokenizer = train_tokenizer(
        ["the user Jos\u{e9} logged in"].into_iter().cycle().take(12),
        400,
        &|| false,
    )
    .unwrap();
    let text = "user Jose\u{301} logged in";
    let found = tokenizer.encode(text, 64).unwrap();
    assert!(found.ends.contains(&10) && !found.ends.contains(&9), "{found:?}");
}

#[test]
fn a_run_without_a_break_is_cut_and_every_offset_stays() {
    let tokenizer = tokenizer();
    let text = format!("Ann {} Lee logged in", "é".repeat(25_000));
    let found = tokenizer.encode(&text, 1 << 20).unwrap();
    assert!(!found.truncated);
    let places: Vec<_> = found.starts.iter().zip(&found.ends).collect();
    let inner = &places[1..places.len() - 1];
    assert!(inner.windows(2).all(|pair| pair[0].1 <= pair[1].0 || pair[0] == pair[1]));
    assert_eq!((inner[0].0, inner[inner.len() - 1].1), (&0, &(text.chars().count() as u32)));
    // Of the last word, as if it stood alone.
    let alone = tokenizer.encode(" logged in", 64).unwrap();
    let last = |tokens: &TokenizedText| tokens.ids[tokens.ids.len() - 3..].to_vec();
    assert_eq!(last(&found), last(&alone));
    let example = example(&text, &[(25_005, 25_008, "PER")]);
    let set = LabelSet::of(["PER"]);
    let (split, statistics) = tokenizer.encode_split(&[example], &set, &[], 1 << 20).unwrap();
    assert_eq!((statistics.long_runs, statistics.misfits.count()), (1, 0));
    let begin = split.labels.iter().position(|label| *label == set.index("B-PER").unwrap());
    assert_eq!(begin.map(|token| split.ends[token]), Some(25_008));
}

proptest! {
    /// Only the beginning of a long text is looked at; the whole says the same.
    #[test]
    fn how_much_follows_changes_no_token(
        words in prop::collection::vec("Ann|Lee|user| |1|-|é|e\u{301}|'s|漢", 1..400),
        max_length in 3_usize..12,
    ) {
        let tokenizer = tokenizer();
        let text = words.join("").repeat(20);
        let whole = tokenizer.encode(&text, 1 << 20).unwrap();
        let found = tokenizer.encode(&text, max_length).unwrap();
        let kept = found.ids.len() - 1;
        prop_assert_eq!(&found.ids[..kept], &whole.ids[..kept]);
        prop_assert_eq!(&found.starts[..kept], &whole.starts[..kept]);
        prop_assert_eq!(&found.ends[..kept], &whole.ends[..kept]);
        prop_assert_eq!(found.truncated, whole.ids.len() > max_length);
        let dropped = whole.starts[kept..whole.starts.len() - 1].first();
        let rest = dropped.and_then(|start| {
            let mut rest = text.chars().enumerate().skip(*start as usize);
            rest.find(|(_, c)| !c.is_whitespace()).map(|(place, _)| place)
        });
        prop_assert_eq!(found.cut_at, rest);
    }
}

#[test]
fn the_places_at_which_a_pre_tokenizer_breaks_are_found_out() {
    use tokenizers::pre_tokenizers::whitespace::WhitespaceSplit;
    assert_eq!(tokenizer().breaks, Breaks::Classes);
    let mut other = tokenizer().inner;
    other.with_pre_tokenizer(Some(WhitespaceSplit));
    assert_eq!(breaks_of(&other), Breaks::Spaces);
    other.with_pre_tokenizer(None::<WhitespaceSplit>);
    assert_eq!(breaks_of(&other), Breaks::Nowhere);
}

/// Tokenizers that take words one by one: ours, and BERT's with small letters and accents stripped.
fn word_by_word() -> [TextTokenizer; 2] {
    let marks = "!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~¡§«¶·»¿";
    let letters = "abcdefghijklmnopqrstuvwxyz0123456789ßøđ";
    let whole = ["the", "disk", "user"].map(str::to_owned);
    let alone = marks.chars().chain(letters.chars()).map(String::from);
    let inner = letters.chars().map(|letter| format!("##{letter}"));
    let special = ["[UNK]", "[CLS]", "[SEP]"].map(str::to_owned);
    let vocabulary: BTreeMap<String, usize> =
        special.into_iter().chain(whole).chain(alone).chain(inner).zip(0..).collect();
    let added = |id: usize, content: &str| serde_json::json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true});
    let special_token =
        |token: &str, id: u32| serde_json::json!({"id": token, "ids": [id], "tokens": [token]});
    let around = |token: &str| serde_json::json!({"SpecialToken": {"id": token, "type_id": 0}});
    let text = serde_json::json!({"Sequence": {"id": "A", "type_id": 0}});
    let bert = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [added(0, "[UNK]"), added(1, "[CLS]"), added(2, "[SEP]")],
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing", "single": [around("[CLS]"), text, around("[SEP]")], "pair": [], "special_tokens": {"[CLS]": special_token("[CLS]", 1), "[SEP]": special_token("[SEP]", 2)}},
        "decoder": null,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 20, "vocab": vocabulary},
    });
    let path = Path::new("tokenizer.json");
    [tokenizer(), TextTokenizer::from_bytes(bert.to_string().as_bytes(), path).unwrap()]
}

proptest! {
    #[test]
    fn remembered_words_have_the_tokens_of_the_library(
        texts in prop::collection::vec(
            "(the |disk|user's|[a-zA-Z0-9]{1,5}|[ \t\n\r'.,:\\[\\]-]{1,3}|[\u{1}-\u{17f}]{1,3}|\\PC| \\[sep\\]){0,8}",
            1..6,
        ),
        max_length in 3_usize..30,
    ) {
        for tokenizer in word_by_word() {
            prop_assert!(tokenizer.memo.is_some());
            let library = TextTokenizer { memo: None, ..tokenizer.clone() };
            for text in texts.iter().chain(&texts) {
                prop_assert_eq!(
                    tokenizer.encode(text, max_length).unwrap(),
                    library.encode(text, max_length).unwrap(),
                    "{:?}", text
                );
            }
        }
    }
}

#[test]
fn what_a_word_becomes_does_not_depend_on_how_many_are_remembered() {
    let tokenizer = tokenizer();
    let library = TextTokenizer { memo: None, ..tokenizer.clone() };
    for number in 0..40_000 {
        let text = format!("disk x{number}");
        if number % 1000 == 0 {
            assert_eq!(tokenizer.encode(&text, 16).unwrap(), library.encode(&text, 16).unwrap());
        } else {
            tokenizer.encode(&text, 16).unwrap();
        }
    }
}
