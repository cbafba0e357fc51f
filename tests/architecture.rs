//! Holds the house of `src/ARCHITECTURE.md`: which module may use which, and which crates stay behind which door.
//!
//! Reads every `crate::module` path and every outer crate's name in the sources, tests at a file's end apart.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Module -> the modules that it may use.
const HOUSE: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    (
        "cli",
        &[
            "experiment",
            "plan",
            "exec",
            "store",
            "report",
            "kinds",
            "tools",
            "hub",
            "diagnostics",
            "stage",
            "units",
        ],
    ),
    ("experiment", &["diagnostics", "units"]),
    ("plan", &["experiment", "stage", "diagnostics"]),
    ("store", &["plan"]),
    ("exec", &["plan", "stage", "store", "units"]),
    ("report", &["exec", "plan", "store", "plots", "stage"]),
    ("diagnostics", &[]),
    ("stage", &[]),
    (
        "kinds",
        &[
            "stage",
            "artifacts",
            "data",
            "models",
            "training",
            "metrics",
            "plots",
            "hub",
            "rng",
            "units",
        ],
    ),
    ("tools", &["artifacts", "data", "models", "training", "metrics", "rng"]),
    ("artifacts", &["stage", "data", "models", "training", "metrics"]),
    ("hub", &[]),
    ("rng", &[]),
    ("units", &[]),
    ("data", &["rng"]),
    ("models", &["rng"]),
    ("training", &["models", "data", "metrics", "rng"]),
    ("metrics", &[]),
    ("plots", &[]),
    ("allocator", &[]),
    ("crash", &[]),
    ("digest", &[]),
    ("durable", &[]),
    ("locks", &[]),
    ("no_room", &[]),
    ("regular", &[]),
    ("visible", &[]),
];

/// Points at which a test may end the process, refusals of memory, digests, names that outlive a power loss, waiting for a lock, what a full disk says, what is a file, and
/// what a terminal is shown: everywhere the same.
const EVERYWHERE: &[&str] =
    &["allocator", "crash", "digest", "durable", "locks", "no_room", "regular", "visible"];

/// Crate -> the modules that may name it.
const DOORS: &[(&str, &[&str])] = &[
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("plotters", &["plots"]),
    ("plotters_backend", &["plots"]),
    ("ab_glyph", &["plots"]),
    ("hf_hub", &["hub"]),
    ("ureq", &["hub"]),
    ("candle_core", &["models", "training", "artifacts", "kinds", "tools"]),
    ("candle_nn", &["models", "training", "artifacts", "kinds", "tools"]),
    ("gemm", &["models"]),
    ("tokenizers", &["data"]),
    ("indicatif", &["report"]),
    ("annotate_snippets", &["diagnostics"]),
];

struct SourceFile {
    path: PathBuf,
    module: String,
    code: String,
}

/// Every source file with its comments and its closing test module left out.
fn sources() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)
            .expect("src is readable")
            .map(|entry| entry.expect("src is readable").path())
        {
            if entry.is_dir() {
                folders.push(entry);
                continue;
            }
            let inside = entry.strip_prefix(&root).expect("found below src").with_extension("");
            let module = inside
                .components()
                .next()
                .expect("a file has a name")
                .as_os_str()
                .to_string_lossy()
                .into_owned();
            let is_test = inside
                .components()
                .any(|part| part.as_os_str() == "tests" || part.as_os_str() == "test_support");
            if entry.extension().is_some_and(|extension| extension == "rs")
                && !is_test
                && module != "lib"
            {
                let text = std::fs::read_to_string(&entry).expect("a source file is UTF-8");
                let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
                let code = text
                    .lines()
                    .filter(|line| !line.trim_start().starts_with("//"))
                    .collect::<Vec<_>>()
                    .join("\n");
                files.push(SourceFile { path: entry, module, code });
            }
        }
    }
    files
}

/// The identifiers that follow each occurrence of `prefix`; a brace group gives each of its first words.
fn names_after(code: &str, prefix: &str) -> BTreeSet<String> {
    let word = |text: &str| {
        text.trim_start()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<String>()
    };
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(group) => {
                let mut depth = 0;
                let mut start = 0;
                for (index, character) in group.char_indices() {
                    match character {
                        '{' => depth += 1,
                        '}' if depth == 0 => {
                            names.insert(word(&group[start..index]));
                            break;
                        }
                        '}' => depth -= 1,
                        ',' if depth == 0 => {
                            names.insert(word(&group[start..index]));
                            start = index + 1;
                        }
                        _ => {}
                    }
                }
            }
            None => drop(names.insert(word(rest))),
        }
    }
    names.remove("");
    names
}

#[test]
fn every_module_uses_only_what_the_house_allows() {
    let house: BTreeMap<_, BTreeSet<_>> =
        HOUSE.iter().map(|(module, uses)| (*module, uses.iter().copied().collect())).collect();
    let mut wrong = Vec::new();
    for file in sources() {
        let Some(allowed) = house.get(file.module.as_str()) else {
            wrong.push(format!(
                "{}: module `{}` is not in the house",
                file.path.display(),
                file.module
            ));
            continue;
        };
        let prefix = if file.module == "main" { "pipeline::" } else { "crate::" };
        for used in names_after(&file.code, prefix) {
            if used != file.module
                && house.contains_key(used.as_str())
                && !allowed.contains(used.as_str())
                && !EVERYWHERE.contains(&used.as_str())
            {
                wrong.push(format!(
                    "{}: `{}` may not use `{used}`",
                    file.path.display(),
                    file.module
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn outer_crates_stay_behind_their_doors() {
    let mut wrong = Vec::new();
    for file in sources() {
        for (name, modules) in DOORS {
            let named = file.code.match_indices(&format!("{name}::")).any(|(at, _)| {
                !file.code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
            });
            if named && !modules.contains(&file.module.as_str()) {
                wrong.push(format!(
                    "{}: only {} may use `{name}`",
                    file.path.display(),
                    modules.join(", ")
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_store_takes_nothing_from_the_plan_but_keys_fingerprints_and_its_questions() {
    for file in sources().iter().filter(|file| file.module == "store") {
        for used in names_after(&file.code, "crate::plan::") {
            let allowed =
                ["CacheKey", "Fingerprint", "Digests", "FileDigest", "Lookup", "Presence"]
                    .contains(&used.as_str());
            assert!(allowed, "{}: `crate::plan::{used}`", file.path.display());
        }
    }
}

#[test]
fn names_that_outlive_a_power_loss_are_given_in_one_place() {
    const GIVERS: &[&str] = &["fs::rename(", "renameat", ".persist(", ".sync_all(", ".sync_data("];
    for file in sources().iter().filter(|file| file.module != "durable") {
        for giver in GIVERS {
            assert!(
                !file.code.contains(giver),
                "{}: `{giver}` belongs into `durable`",
                file.path.display()
            );
        }
    }
}

#[test]
fn what_is_read_by_name_is_opened_where_only_files_are() {
    const OPENERS: &[&str] =
        &["File::open(", "fs::read(", "fs::read_to_string(", "Reader::from_path("];
    // `durable` opens folders, and the input of `predict` may be a pipe.
    let may_open = |file: &SourceFile| {
        matches!(file.module.as_str(), "regular" | "durable")
            || file.path.ends_with("cli/predict.rs")
    };
    for file in sources().iter().filter(|file| !may_open(file)) {
        for opener in OPENERS {
            let inside = file.code.match_indices(opener).any(|(at, _)| {
                !file.code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
            });
            assert!(!inside, "{}: `{opener}` belongs into `regular`", file.path.display());
        }
    }
}
