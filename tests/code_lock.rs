//! Fails when a file on which a stage's results depend has changed and nobody has decided whether its code version must be raised.
//!
//! Hashing the sources into keys would retrain on a comment; trusting memory would serve stale results. So a person decides, once for each
//! change: raise the version in `src/stages/versions.rs` if results may differ, or not, and then record the decision with
//!
//!     UPDATE_CODE_LOCK=1 cargo test --test code_lock

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use pipeline::stages::versions;

/// Code part -> the files and folders of `src` behind it.
const BEHIND: &[(&str, &[&str])] = &[
    (
        "alignment",
        &[
            "text/align.rs",
            "text/encoded.rs",
            "text/encoded",
            "text/bounds.rs",
            "text/labels.rs",
            "text/pieces.rs",
            "text/tokenize.rs",
            "text/tokenize",
            "text/windows.rs",
            "stages/tokenize.rs",
        ],
    ),
    ("augment", &["text/augment", "text/stored.rs", "base/rng.rs", "stages/augment.rs"]),
    ("baseline", &["tasks/baselines", "text/masked.rs", "text/words.rs", "stages/baseline.rs"]),
    ("caveats", &["stages/corpus_caveats.rs"]),
    ("command", &["stages/command.rs", "stages/command", "stages/artifacts/foreign_scores.rs"]),
    (
        "evaluation",
        &[
            "tasks/classification.rs",
            "tasks/predicted.rs",
            "tasks/operating.rs",
            "tasks/reading.rs",
            "stages/artifacts/evaluation.rs",
            "stages/operating.rs",
            "stages/beside.rs",
            "stages/groups.rs",
            "stages/scoring.rs",
        ],
    ),
    ("initial_weights", &["nn/initialise.rs", "base/rng.rs", "stages/init_model.rs"]),
    (
        "jsonl",
        &[
            "text/corpus_tasks.rs",
            "text/readers",
            "text/stored.rs",
            "stages/corrections.rs",
            "stages/reading.rs",
            "stages/reading",
            "stages/read_corpus.rs",
            "stages/read_corpus",
        ],
    ),
    (
        "metrics",
        &[
            "tasks",
            "text/spans.rs",
            "text/words.rs",
            "training/predict.rs",
            "training/merge.rs",
            "stages/evaluate.rs",
        ],
    ),
    ("model", &["nn", "kernels"]),
    ("plots", &["view/figures", "text/description.rs", "stages/plot.rs"]),
    ("pretraining", &["training/goal.rs", "training/masking.rs", "stages/pretrain.rs"]),
    (
        "split",
        &[
            "text/split.rs",
            "text/split",
            "stages/splits.rs",
            "stages/shared.rs",
            "text/leaks.rs",
            "text/leaks",
            "text/place.rs",
        ],
    ),
    (
        "templates",
        &[
            "text/templates.rs",
            "text/templates",
            "base/toml.rs",
            "base/rng.rs",
            "stages/generate_corpus.rs",
        ],
    ),
    ("tokenizer_training", &["text/train_tokenizer.rs", "text/train_tokenizer", "text/pieces.rs"]),
    (
        "training",
        &[
            "training",
            "kernels/adamw.rs",
            "kernels/adamw",
            "kernels/average.rs",
            "tasks/task.rs",
            "tasks/tagging.rs",
            "tasks/classification.rs",
            "base/rng.rs",
            "stages/train.rs",
            "stages/train/choosing.rs",
            "stages/train/learnable.rs",
            "stages/pretrain.rs",
        ],
    ),
];

/// The code of a file: without comments, tests and layout.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).expect("a source file is UTF-8");
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

fn files(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).expect("src is readable") {
            files(&entry.expect("src is readable").path(), found);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs")
        && !path.components().any(|part| part.as_os_str() == "tests")
    {
        found.push(path.to_owned());
    }
}

fn digest(parts: &[&str]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    parts.iter().for_each(|part| files(&root.join(part), &mut found));
    found.retain(|path| !path.ends_with("tests.rs"));
    found.sort();
    let mut hasher = blake3::Hasher::new();
    for path in found {
        let name =
            path.strip_prefix(&root).expect("found below src").to_string_lossy().replace('\\', "/");
        hasher.update(name.as_bytes()).update(&[0]).update(code(&path).as_bytes()).update(&[0]);
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

#[test]
fn every_change_behind_a_code_version_was_decided_upon() {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/code.lock");
    let known: BTreeMap<String, String> = std::fs::read_to_string(&lock)
        .unwrap_or_default()
        .lines()
        .filter_map(|line| {
            line.split_once(' ').map(|(part, rest)| (part.to_owned(), rest.to_owned()))
        })
        .collect();
    let mut wrong = Vec::new();
    let mut text = String::new();
    for version in versions::ALL {
        let (_, parts) = BEHIND
            .iter()
            .find(|(part, _)| *part == version.part)
            .expect("every part has files behind it");
        let now = format!("version {} code {}", version.version, digest(parts));
        writeln!(text, "{} {now}", version.part).expect("a string");
        if known.get(version.part) != Some(&now) {
            wrong.push(format!(
                "`{}`: {} is locked, {now} found",
                version.part,
                known.get(version.part).map_or("nothing", String::as_str)
            ));
        }
    }
    if std::env::var_os("UPDATE_CODE_LOCK").is_some() {
        std::fs::write(&lock, text).expect("tests/code.lock can be written");
        return;
    }
    assert!(
        wrong.is_empty(),
        "{}\n\nIf results may differ, raise the version in src/stages/versions.rs. Then run: UPDATE_CODE_LOCK=1 cargo test --test code_lock",
        wrong.join("\n")
    );
}

#[test]
fn every_kind_names_only_versions_that_are_watched() {
    for kind in pipeline::stages::ALL {
        for version in kind.code {
            assert!(versions::ALL.contains(version), "`{}` names `{}`", kind.name, version.part);
        }
    }
}
