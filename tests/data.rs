//! Corpora as they are shipped and as they come: the recipe's templates, and real files where `PIPELINE_TEST_DATA` names their folder.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use pipeline::base::rng::Rng;
use pipeline::text::{
    By, Division, Entity, EqualTexts, Example, Fractions, LabelSet, Split, Templates,
    TextTokenizer, Windowing, readers, spans, split, train_tokenizer,
};

/// A fifth of the texts for validation.
fn fifth(by: By, equal_texts: EqualTexts) -> Division {
    let fractions = Fractions { train: 0.8, validation: 0.2, test: 0.0 };
    Division { fractions, by, order: None, fold: None, equal_texts, seed: 42 }
}

fn recipe() -> Templates {
    Templates::read(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/data/security_events.toml"),
    )
    .unwrap()
}

fn trained(examples: &[Example]) -> TextTokenizer {
    train_tokenizer(examples.iter().map(|example| example.text.as_str()), 4096, &|| false).unwrap()
}

/// The entities read back from the labels that alignment gave, and how many were not what they had been.
fn lost(
    examples: &[Example],
    tokenizer: &TextTokenizer,
    set: &LabelSet,
) -> Vec<(usize, Vec<Entity>)> {
    let (encoded, _) = tokenizer.encode_split(examples, set, &[], 512).unwrap();
    let read = |row: usize| {
        let range = encoded.range(row);
        let found = spans::read(
            &encoded.labels[range.clone()],
            &encoded.starts[range.clone()],
            &encoded.ends[range],
            set,
        );
        found.into_iter().map(|span| span.entity(set)).collect::<Vec<_>>()
    };
    (0..examples.len())
        .map(|row| (row, read(row)))
        .filter(|(row, entities)| entities != examples[*row].entities())
        .collect()
}

#[test]
fn the_recipe_has_46_entity_types_93_labels_and_uses_every_placeholder() {
    let templates = recipe();
    let labels = LabelSet::of(templates.entity_labels());
    assert_eq!((labels.types().len(), labels.len()), (46, 93));
    assert_eq!(templates.unused(), Vec::<&str>::new());
    let (normal, anomaly) = templates.counts();
    assert!(normal >= 24 && anomaly >= 24);
}

#[test]
fn the_recipes_sentences_have_12_to_34_tokens() {
    let examples = recipe().generate(5000, 0.3, Rng::new(42)).unwrap();
    let tokenizer = trained(&examples);
    let (_, statistics) = tokenizer
        .encode_split(&examples, &LabelSet::of(recipe().entity_labels()), &[], 128)
        .unwrap();
    assert!(statistics.length_min >= 12 && statistics.length_max <= 34, "{statistics:?}");
    assert_eq!(
        (statistics.truncated, statistics.entities_cut, statistics.misfits.count()),
        (0, 0, 0)
    );
}

#[test]
fn entities_of_the_recipe_survive_tokens_and_labels() {
    let examples = recipe().generate(3000, 0.3, Rng::new(42)).unwrap();
    let labels = LabelSet::of(recipe().entity_labels());
    assert_eq!(lost(&examples, &trained(&examples), &labels), []);
}

#[test]
fn a_split_by_template_leaves_no_template_on_both_sides() {
    let examples = recipe().generate(2000, 0.3, Rng::new(42)).unwrap();
    let (corpus, _) =
        split(examples, &fifth(By::Field("template".to_owned()), EqualTexts::Together)).unwrap();
    let templates = |split| {
        let mut names: Vec<String> = corpus
            .get(split)
            .iter()
            .map(|example: &Example| example.fields["template"].clone())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    let (train, validation) = (templates(Split::Train), templates(Split::Validation));
    assert!(
        validation.len() > 4 && validation.iter().all(|name| !train.contains(name)),
        "{validation:?}"
    );
    assert!((300..500).contains(&corpus.validation.len()), "{}", corpus.validation.len());
    assert!(corpus.validation.iter().any(|example| example.classes["anomaly"] == "anomaly"));
}

/// `windows/windows.json` says how it was made.
#[test]
fn windows_are_those_of_transformers() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/windows");
    let tokenizer = TextTokenizer::load(&folder.join("tokenizer.json")).unwrap();
    let fixture = std::fs::read_to_string(folder.join("windows.json")).unwrap();
    let fixture: serde_json::Value = serde_json::from_str(&fixture).unwrap();
    let example = |text: &serde_json::Value| Example {
        text: text.as_str().unwrap().to_owned(),
        ..Example::default()
    };
    let examples: Vec<Example> = fixture["texts"].as_array().unwrap().iter().map(example).collect();
    for case in fixture["cases"].as_array().unwrap() {
        let number = |name: &str| case[name].as_u64().unwrap() as usize;
        let windowing = Windowing { max_length: number("max_length"), overlap: number("overlap") };
        let (split, _) =
            tokenizer.encode_split(&examples, &LabelSet::of([]), &[], windowing).unwrap();
        let mut found = vec![Vec::new(); examples.len()];
        for row in 0..split.sequences() {
            found[split.text_of(row)].push(split.gather(&split.ids, &[row as u32]));
        }
        assert_eq!(serde_json::json!(found), case["windows"], "{windowing:?}");
    }
}

/// `tokenizers/make_fixtures.py` says how they were made.
#[test]
fn every_model_of_a_tokenizer_gives_the_tokens_of_its_library_whatever_the_file_says_of_padding() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tokenizers");
    let fixture = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    let fixture: serde_json::Value = serde_json::from_str(&fixture).unwrap();
    let texts: Vec<&str> =
        fixture["texts"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    for (kind, cases) in fixture["cases"].as_object().unwrap() {
        let tokenizer = TextTokenizer::load(&folder.join(kind).with_extension("json")).unwrap();
        for (text, case) in texts.iter().zip(cases.as_array().unwrap()) {
            let found = tokenizer.encode(text, 512).unwrap();
            assert_eq!(serde_json::json!(found.ids), case["ids"], "{kind}: {text}");
            let ids = &found.ids;
            assert_eq!((found.special[0], found.special[ids.len() - 1]), (true, true), "{kind}");
            let cut = tokenizer.encode(text, 4).unwrap();
            let kept: Vec<u32> = ids[..ids.len() - 1].iter().copied().take(3).collect();
            assert_eq!(cut.ids[..cut.ids.len() - 1], kept, "{kind}: {text}");
            assert_eq!(cut.ids.last(), ids.last(), "{kind}: {text}");
            if text.is_ascii() {
                let shown = found.starts.iter().zip(&found.ends).zip(&found.special);
                let shown = shown.filter(|(_, special)| !**special);
                let shown = shown.map(|((start, end), _)| &text[*start as usize..*end as usize]);
                let number = |value: &serde_json::Value| value.as_u64().unwrap() as usize;
                let theirs = case["offsets"].as_array().unwrap().iter();
                let theirs = theirs.map(|pair| text[number(&pair[0])..number(&pair[1])].trim());
                assert!(shown.eq(theirs), "{kind}: {text}");
            }
        }
    }
}

fn real_data(file: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("PIPELINE_TEST_DATA") else {
        #[expect(clippy::print_stderr, reason = "a skipped test says so")]
        {
            eprintln!("skipped: PIPELINE_TEST_DATA does not name the folder of `{file}`");
        }
        return None;
    };
    Some(Path::new(&folder).join(file))
}

#[test]
fn the_real_log_reads_without_an_error_and_its_entities_survive() {
    let Some(path) = real_data("bgl/bgl.jsonl") else { return };
    let mut examples = Vec::new();
    readers::read(&path, None, &readers::Options::default(), &mut |found| {
        examples.push(found.expect("a good line"));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(
        (
            examples.len(),
            examples.iter().filter(|example| example.classes["anomaly"] == "anomaly").count()
        ),
        (2000, 143)
    );
    assert!(examples.iter().all(|example| example.fields.contains_key("event")));
    let (together, _) = split(examples.clone(), &fifth(By::Nothing, EqualTexts::Together)).unwrap();
    assert!(!together.duplicates().any());
    let (corpus, _) = split(examples, &fifth(By::Nothing, EqualTexts::Keep)).unwrap();
    assert!(corpus.duplicates().any());
    let labels = LabelSet::of(corpus.entity_labels());
    let tokenizer = trained(&corpus.train);
    // An entity whose first character shares a token with the one before it, as in `(/p/bg1`, begins at the next token.
    for (row, entities) in lost(&corpus.train, &tokenizer, &labels) {
        let example = &corpus.train[row];
        assert_eq!(entities.len(), example.entities().len(), "{}", example.text);
        for (found, expected) in entities.iter().zip(example.entities()) {
            let inside = found.start >= expected.start
                && found.end >= expected.end
                && found.start < expected.end;
            assert!(
                found.label == expected.label && inside,
                "{found:?} {expected:?} in {}",
                example.text
            );
        }
    }
}

#[test]
fn real_tweets_in_columns_are_read_whole() {
    let Some(folder) = real_data("btc") else { return };
    let (mut texts, mut entities, mut words) = (0, 0, 0);
    for name in ["a", "b", "e", "f", "g", "h"] {
        let path = folder.join(format!("{name}.conll"));
        let read = readers::read(&path, None, &readers::Options::default(), &mut |found| {
            let example = found.expect("a good sentence");
            texts += 1;
            entities += example.entities().len();
            words += example.text.split(' ').count();
            ControlFlow::Continue(())
        });
        let (guess, findings) = read.unwrap();
        assert_eq!(guess.format, readers::Format::Conll);
        assert_eq!(findings.scheme(None), Some((readers::Scheme::Iob2, 0)));
    }
    // As `grep` counts lines with a word, four of which have a space inside, and `B-`.
    assert_eq!((texts, entities, words), (9339, 14_885, 150_387 + 4));
}
