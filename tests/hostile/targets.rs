//! Everything that reads what the program did not write, as functions of bytes: for the fuzzer, and for the tests that replay its corpus.
//!
//! A target may refuse whatever it gets. It may not panic, hang, or take more memory than a small multiple of its input.

use std::cell::RefCell;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use pipeline::base::rng::Rng;
use pipeline::engine::plan::{CacheKey, Digests, FileDigest, Plan, Points};
use pipeline::engine::spec::Experiment;
use pipeline::engine::store::{State, Store, verify};
use pipeline::nn::{EncoderSpec, HeadSpec, JointModel};
use pipeline::stages;
use pipeline::tasks;
use pipeline::text::readers::{self, Encoding, Format};
use pipeline::text::{CorpusTasks, EncodedSplit, Example, Templates, TextTokenizer, stored};
use pipeline::training::VerifiedState;

pub type Target = fn(&[u8]);

/// Name, which is also that of its folder in the corpus, and function.
pub const TARGETS: &[(&str, Target)] = &[
    ("experiment", experiment),
    ("jsonl", lines),
    ("json", json),
    ("conll", conll),
    ("table", table),
    ("label_studio", label_studio),
    ("log", log),
    #[cfg(feature = "parquet")]
    ("parquet", parquet),
    ("guessed", guessed),
    ("templates", templates),
    ("weights", weights),
    ("encoded", encoded),
    ("config", config),
    ("tokenizer", tokenizer),
    ("manifest", manifest),
    ("checkpoint", checkpoint),
];

/// Source files that are all the same and never read.
struct Nowhere;

impl Digests for Nowhere {
    fn file(&self, _: &Path) -> std::io::Result<FileDigest> {
        Ok(FileDigest { digest: "0".repeat(64), size: 0 })
    }

    fn content(&self, _: &Path) -> std::io::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn names(&self, _: &Path) -> std::io::Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// An experiment file: read, and planned if it can be.
pub fn experiment(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Experiment::parse(Path::new("/nowhere/experiment.toml"), text) {
        Ok(experiment) => {
            let _ = experiment.to_toml();
            match Plan::build(&experiment, stages::ALL, &Points::of(&experiment), &Nowhere, &[]) {
                Ok(_) => {}
                Err(error) => drop(error.to_string()),
            }
        }
        Err(diagnostics) => drop(diagnostics.render(true)),
    }
}

/// The texts that a reader finds, and nothing said of what it does not.
fn texts(format: Format, bytes: &[u8], options: &readers::Options) -> Vec<Example> {
    let mut examples = Vec::new();
    let read = readers::read_as(format, &mut &bytes[..], options, &mut |found| {
        match found {
            Ok(example) => examples.push(example),
            Err(problem) => drop(problem.message),
        }
        ControlFlow::Continue(())
    });
    match read {
        Ok(findings) => findings.notes.iter().for_each(|(note, count)| drop(note.said(*count))),
        Err(error) => drop(error.to_string()),
    }
    examples
}

/// A corpus of JSON lines; what could be read is written and read again.
pub fn lines(bytes: &[u8]) {
    let examples = texts(Format::Jsonl, bytes, &readers::Options::default());
    let mut written = Vec::new();
    stored::write(&examples, &CorpusTasks::default(), &mut written)
        .expect("memory takes everything");
    let again = texts(Format::Jsonl, &written, &readers::Options::default());
    assert_eq!(again.len(), examples.len());
}

/// Options under which readers do all that they can.
fn all_options() -> readers::Options {
    readers::Options {
        nested: readers::Nested::Longest,
        label_names: ["O", "B-A", "I-A"].map(str::to_owned).to_vec(),
        ..readers::Options::default()
    }
}

/// Options under which lines say labels of texts that are elsewhere.
fn corrections() -> readers::Options {
    let fields = readers::Fields { text: Some("t".to_owned()), ..readers::Fields::default() };
    readers::Options { purpose: readers::Purpose::Corrections(fields), ..all_options() }
}

/// Options under which nothing counts that is said of texts.
fn unlabelled() -> readers::Options {
    readers::Options { purpose: readers::Purpose::Unlabelled, ..all_options() }
}

/// The same in an array, and whatever else is JSON.
pub fn json(bytes: &[u8]) {
    texts(Format::Json, bytes, &all_options());
    texts(Format::Json, bytes, &corrections());
    texts(Format::Json, bytes, &unlabelled());
}

/// Words and tags.
pub fn conll(bytes: &[u8]) {
    texts(Format::Conll, bytes, &all_options());
    let scheme = Some(readers::Scheme::Brackets);
    texts(Format::Conll, bytes, &readers::Options { scheme, ..all_options() });
}

/// Tables, and marks in their texts.
pub fn table(bytes: &[u8]) {
    texts(Format::Csv, bytes, &all_options());
    texts(Format::Tsv, bytes, &readers::Options { markup: true, ..all_options() });
    texts(Format::Csv, bytes, &corrections());
}

/// Exports of Label Studio.
pub fn label_studio(bytes: &[u8]) {
    texts(Format::LabelStudio, bytes, &all_options());
    texts(Format::LabelStudio, bytes, &unlabelled());
}

/// Raw lines and the rules that come with the program; and rules of somebody else.
pub fn log(bytes: &[u8]) {
    texts(Format::Lines, bytes, &readers::Options { markup: true, ..all_options() });
    // Their patterns take longer to compile than an input to read.
    static SHIPPED: LazyLock<[readers::Rules; 2]> = LazyLock::new(|| {
        [readers::Shipped::Syslog, readers::Shipped::Apache].map(readers::Rules::shipped)
    });
    for rules in &*SHIPPED {
        let rules = Some(rules.clone());
        texts(Format::Lines, bytes, &readers::Options { rules, ..all_options() });
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match readers::Rules::parse(text) {
        Ok(rules) => {
            let rules = Some(rules);
            texts(Format::Lines, bytes, &readers::Options { rules, ..all_options() });
        }
        Err(error) => drop(error.to_string()),
    }
}

/// Columns, which are read where the end of the file says that they are.
#[cfg(feature = "parquet")]
pub fn parquet(bytes: &[u8]) {
    with_file(bytes, |path| {
        let read = readers::read(path, Some(Format::Parquet), &all_options(), &mut |_| {
            ControlFlow::Continue(())
        });
        read.map(drop).unwrap_or_else(|error| drop(error.to_string()));
    });
}

/// Any file whose format is guessed, packed and encoded in any way.
pub fn guessed(bytes: &[u8]) {
    with_file(bytes, |path| {
        for encoding in [Encoding::Utf8, Encoding::Utf16] {
            let options = readers::Options { encoding, ..all_options() };
            let read = readers::read(path, None, &options, &mut |_| ControlFlow::Continue(()));
            read.map(drop).unwrap_or_else(|error| drop(error.to_string()));
        }
    });
}

/// Templates, and a few sentences from them.
pub fn templates(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Templates::parse(text, Path::new("templates.toml")) {
        Ok(templates) => drop(templates.generate(8, 0.5, Rng::new(1))),
        Err(error) => drop(error.to_string()),
    }
}

/// The configuration of the smallest model, whose weights lie in the corpus.
fn smallest() -> EncoderSpec {
    let text = r#"{"model_type": "modernbert", "vocab_size": 8, "hidden_size": 4, "intermediate_size": 4, "num_hidden_layers": 1,
        "num_attention_heads": 1, "max_position_embeddings": 16, "local_attention": 4, "pad_token_id": 0, "bos_token_id": 1,
        "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}"#;
    EncoderSpec::from_json(text).expect("a good configuration")
}

fn heads() -> Vec<HeadSpec> {
    tasks::heads(&tasks::joint(5))
}

/// `model.safetensors`
pub fn weights(bytes: &[u8]) {
    with_file(bytes, |path| {
        for read in [
            JointModel::load(path, smallest(), &heads(), &Rng::new(1)),
            JointModel::load_trained(path, smallest(), &heads()),
        ] {
            read.map(drop).unwrap_or_else(|error| drop(error.to_string()));
        }
    });
}

/// The tensors of an encoded split.
pub fn encoded(bytes: &[u8]) {
    with_file(bytes, |path| match EncodedSplit::load(path) {
        Ok(split) => {
            let rows: Vec<u32> = (0..split.sequences().min(8) as u32).collect();
            let _ = tasks::batch(&tasks::joint(5), &split, &rows);
        }
        Err(error) => drop(error.to_string()),
    });
}

/// `config.json`, and a model of these sizes asked of a file that holds another.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match EncoderSpec::from_json(text) {
        Ok(config) => {
            assert_eq!(
                EncoderSpec::from_json(&config.to_json()).expect("what was written can be read"),
                config
            );
            with_file(&WEIGHTS, |path| {
                drop(JointModel::load(path, config, &heads(), &Rng::new(1)))
            });
        }
        Err(error) => drop(error.to_string()),
    }
}

/// A safetensors file without tensors.
const WEIGHTS: [u8; 10] = *b"\x02\0\0\0\0\0\0\0{}";

/// `tokenizer.json`, and a text put through it.
pub fn tokenizer(bytes: &[u8]) {
    match TextTokenizer::from_bytes(bytes, Path::new("tokenizer.json")) {
        Ok(tokenizer) => {
            drop(tokenizer.encode("Disk sda of Grace Hopper failed: \u{1f4a5} e\u{301}", 16))
        }
        Err(error) => drop(error.to_string()),
    }
}

/// A store with this manifest at the place of the key that it names, with its own digest and with the right one.
pub fn manifest(bytes: &[u8]) {
    let named = bytes
        .windows(8)
        .position(|part| part == b"\"key\": \"")
        .and_then(|at| bytes.get(at + 8..at + 72));
    let named = named.and_then(|text| std::str::from_utf8(text).ok()?.parse::<CacheKey>().ok());
    let key = named.unwrap_or_else(|| "ab".repeat(32).parse().expect("a key"));
    let mut whole = bytes.to_vec();
    let end =
        whole.windows(14).rposition(|part| part == b",\n  \"digest\": ").unwrap_or(whole.len());
    whole.truncate(end);
    let seal = format!(",\n  \"digest\": \"{}\"\n}}\n", blake3::hash(&whole).to_hex());
    whole.extend(seal.as_bytes());
    with_folder(|folder| {
        let text = key.to_string();
        let entry = folder.join("store").join(&text[..2]).join(&text);
        fs::create_dir_all(&entry).expect("writable");
        for content in [bytes, &whole] {
            fs::write(entry.join("manifest.json"), content).expect("writable");
            let store = Store::open(folder).expect("a folder");
            if let Ok(State::Present(entry)) = store.state(&key) {
                let leaves =
                    |path: &str| path.starts_with('/') || path.split('/').any(|part| part == "..");
                assert!(
                    !entry.manifest().files.iter().any(|file| leaves(&file.path)),
                    "a name leaves the entry"
                );
            }
            for finding in verify(&store, &|_| {}).expect("readable").findings {
                let _ = finding.to_string();
            }
        }
        fs::remove_dir_all(folder.join("store")).expect("ours");
    });
}

/// A training's checkpoint, with its own digest and with the right one.
pub fn checkpoint(bytes: &[u8]) {
    let mut whole = bytes[..bytes.len().saturating_sub(32)].to_vec();
    whole.extend(*blake3::hash(&whole).as_bytes());
    for content in [bytes, &whole] {
        with_file(content, |path| match VerifiedState::open(path) {
            Ok(mut checkpoint) => {
                let _ = checkpoint.history();
                let _ = checkpoint.parameters();
            }
            Err(error) => drop(error.to_string()),
        });
    }
}

/// Calls `work` with a folder of this thread, in memory where there is a place for that.
fn with_folder(work: impl FnOnce(&Path)) {
    thread_local! {
        static FOLDER: RefCell<Option<tempfile::TempDir>> = const { RefCell::new(None) };
    }
    FOLDER.with_borrow_mut(|folder| {
        let make = || {
            tempfile::tempdir_in("/dev/shm")
                .or_else(|_| tempfile::tempdir())
                .expect("a temporary folder")
        };
        work(folder.get_or_insert_with(make).path());
    });
}

fn with_file(bytes: &[u8], work: impl FnOnce(&PathBuf)) {
    with_folder(|folder| {
        let path = folder.join("file");
        fs::write(&path, bytes).expect("writable");
        work(&path);
    });
}
