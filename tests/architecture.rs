//! Holds the house of `src/ARCHITECTURE.md`: which room may use which, and which crates stay behind which door.
//!
//! Reads every `crate::` path and every outer crate's name in the sources, tests at a file's end apart.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Room -> the rooms that it may use, itself and `base` apart. A folder's innermost room counts: `engine` is none.
const HOUSE: &[(&str, &[&str])] = &[
    ("main", &["app/cli"]),
    ("base", &[]),
    ("engine/spec", &[]),
    ("engine/stage", &[]),
    ("engine/plan", &["engine/spec", "engine/stage"]),
    ("engine/store", &["engine/plan"]),
    ("engine/search", &["engine/spec", "engine/plan"]),
    ("engine/runs", &["engine/plan", "engine/search", "engine/stage", "engine/store"]),
    ("engine/exec", &["engine/plan", "engine/stage", "engine/store", "engine/runs"]),
    ("hub", &[]),
    ("kernels", &[]),
    ("text", &[]),
    ("nn", &[]),
    ("tasks", &["text", "nn"]),
    ("training", &["tasks", "text", "nn"]),
    ("view/figures", &[]),
    (
        "view",
        &[
            "engine/exec",
            "engine/plan",
            "engine/search",
            "engine/store",
            "engine/runs",
            "engine/stage",
            "view/figures",
        ],
    ),
    ("stages/artifacts", &["engine/stage", "text", "nn", "tasks", "training"]),
    (
        "stages",
        &[
            "stages/artifacts",
            "engine/stage",
            "text",
            "nn",
            "tasks",
            "training",
            "view/figures",
            "hub",
        ],
    ),
    ("app/tools", &["stages/artifacts", "text", "nn", "tasks", "training", "view"]),
    (
        "app/cli",
        &[
            "app/tools",
            "stages",
            "stages/artifacts",
            "view",
            "engine/spec",
            "engine/stage",
            "engine/plan",
            "engine/store",
            "engine/search",
            "engine/runs",
            "engine/exec",
            "hub",
        ],
    ),
];

/// Crate -> the rooms that may name it.
const DOORS: &[(&str, &[&str])] = &[
    ("clap", &["app/cli"]),
    ("clap_complete", &["app/cli"]),
    ("plotters", &["view/figures"]),
    ("plotters_backend", &["view/figures"]),
    ("ab_glyph", &["view/figures"]),
    ("tiny_skia", &["view/figures"]),
    ("hf_hub", &["hub"]),
    ("ureq", &["hub"]),
    ("percent_encoding", &["hub"]),
    ("candle_core", &["nn", "training", "stages/artifacts", "stages", "app/tools"]),
    ("candle_nn", &["nn", "training", "stages/artifacts", "stages", "app/tools"]),
    ("gemm", &["kernels"]),
    ("pulp", &["kernels"]),
    ("pipeline_kernels", &["base", "engine/search", "nn"]),
    ("ratatui_core", &["view"]),
    ("ratatui_termion", &["view"]),
    ("ratatui_widgets", &["view"]),
    ("tokenizers", &["text"]),
    ("indicatif", &["view"]),
    ("axum", &["app/cli"]),
    ("http_body_util", &["app/cli"]),
    ("hyper", &["app/cli"]),
    ("hyper_util", &["app/cli"]),
    ("tokio", &["app/cli"]),
    ("annotate_snippets", &["base"]),
];

/// The innermost room of a path such as `engine/plan/key`.
fn room_of(path: &str) -> Option<&'static str> {
    HOUSE
        .iter()
        .map(|(room, _)| *room)
        .filter(|room| path == *room || path.starts_with(&format!("{room}/")))
        .max_by_key(|room| room.len())
}

struct SourceFile {
    path: PathBuf,
    room: &'static str,
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
            let is_test = inside
                .components()
                .any(|part| part.as_os_str() == "tests" || part.as_os_str() == "test_support");
            let name = inside.to_string_lossy().replace('\\', "/");
            let holds_only_rooms = name == "lib"
                || name.ends_with("/mod") && room_of(name.trim_end_matches("/mod")).is_none();
            if entry.extension().is_some_and(|extension| extension == "rs")
                && !is_test
                && !holds_only_rooms
            {
                let room =
                    room_of(&name).unwrap_or_else(|| panic!("`{name}` is in no room of the house"));
                let text = std::fs::read_to_string(&entry).expect("a source file is UTF-8");
                let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
                let code = text
                    .lines()
                    .filter(|line| !line.trim_start().starts_with("//"))
                    .collect::<Vec<_>>()
                    .join("\n");
                files.push(SourceFile { path: entry, room, code });
            }
        }
    }
    files
}

/// The paths below `prefix`, with slashes: `crate::a::{b, c::D}` gives `a/b` and `a/c/D` for `crate::`.
fn paths_after(code: &str, prefix: &str) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        expand(&code[at + prefix.len()..], "", &mut paths);
    }
    paths
}

/// Adds the path or group of paths that `text` begins with; returns how much of `text` it takes.
fn expand(text: &str, above: &str, paths: &mut BTreeSet<String>) -> usize {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let length = text.find(|c| !is_path(c)).unwrap_or(text.len());
    let path = format!("{above}{}", text[..length].replace("::", "/"));
    if !(path.is_empty() || path.ends_with('/')) || !text[length..].starts_with('{') {
        paths.insert(path.trim_end_matches('/').to_owned());
        return length;
    }
    let mut at = length + 1;
    while at < text.len() {
        let rest = &text[at..];
        match rest.chars().next() {
            Some('}') => return at + 1,
            Some(c) if is_path(c) => at += expand(rest, &path, paths),
            Some(c) => at += c.len_utf8(),
            None => break,
        }
    }
    text.len()
}

#[test]
fn every_room_uses_only_what_the_house_allows() {
    let house: BTreeMap<_, _> = HOUSE.iter().copied().collect();
    let mut wrong = Vec::new();
    for file in sources() {
        let prefix = if file.room == "main" { "pipeline::" } else { "crate::" };
        for path in paths_after(&file.code, prefix) {
            let Some(used) = room_of(&path) else { continue };
            if used != file.room && used != "base" && !house[file.room].contains(&used) {
                wrong.push(format!(
                    "{}: `{}` may not use `{used}`",
                    file.path.display(),
                    file.room
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_for_readers_has_the_rooms_of_the_house_and_fits_two_screens() {
    let text = include_str!("../src/ARCHITECTURE.md");
    assert!(text.lines().count() <= 120, "two screens");
    let rows: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |").map(|(room, _)| room))
        .collect();
    let is_part = |room: &str, row: &str| room == row || room.starts_with(&format!("{row}/"));
    for (room, _) in HOUSE.iter().filter(|(room, _)| *room != "main") {
        assert!(rows.iter().any(|row| is_part(room, row)), "no row tells of `{room}`");
    }
    for row in &rows {
        assert!(HOUSE.iter().any(|(room, _)| is_part(room, row)), "`{row}` is no room");
    }
}

#[test]
fn outer_crates_stay_behind_their_doors() {
    let mut wrong = Vec::new();
    for file in sources() {
        for (name, rooms) in DOORS {
            let named = file.code.match_indices(&format!("{name}::")).any(|(at, _)| {
                !file.code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
            });
            if named && !rooms.contains(&file.room) {
                wrong.push(format!(
                    "{}: only {} may use `{name}`",
                    file.path.display(),
                    rooms.join(", ")
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_store_takes_nothing_from_the_plan_but_keys_fingerprints_and_digests() {
    for file in sources().iter().filter(|file| file.room == "engine/store") {
        for used in paths_after(&file.code, "crate::engine::plan::") {
            let allowed =
                ["CacheKey", "Fingerprint", "Digests", "FileDigest"].contains(&used.as_str());
            assert!(allowed, "{}: `crate::engine::plan::{used}`", file.path.display());
        }
    }
}

#[test]
fn names_that_outlive_a_power_loss_are_given_in_one_place() {
    const GIVERS: &[&str] = &["fs::rename(", "renameat", ".persist(", ".sync_all(", ".sync_data("];
    for file in sources().iter().filter(|file| !file.path.ends_with("base/disk/durable.rs")) {
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
        ["base/disk/regular.rs", "base/disk/durable.rs", "app/cli/predict.rs"]
            .iter()
            .any(|name| file.path.ends_with(name))
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

/// What each file re-exports: by the file and the name that it gives, the path below `src` of what is meant.
fn re_exports(sources: &[SourceFile]) -> BTreeMap<(String, String), String> {
    let mut found = BTreeMap::new();
    for file in sources {
        let above = name(file);
        let mut add = |given: &str, path: &str| {
            let path = match path.strip_prefix("crate/") {
                Some(path) => path.to_owned(),
                None => format!("{above}/{}", path.trim_start_matches("self/")),
            };
            found.insert((above.clone(), given.to_owned()), path);
        };
        // Those at the top: rustfmt indents all else.
        for statement in file.code.split("\npub").skip(1) {
            let Some((visibility, used)) = statement.split_once(" use ") else { continue };
            if !(visibility.is_empty() || visibility.starts_with('(') && visibility.ends_with(')'))
            {
                continue;
            }
            let used = used.split(';').next().unwrap_or_default();
            assert!(!used.contains('*'), "`{above}` re-exports what has no name here");
            let mut paths = BTreeSet::new();
            match used.split_once(" as ") {
                Some((path, given)) if !used.contains('{') => add(given, &path.replace("::", "/")),
                _ => _ = expand(used, "", &mut paths),
            }
            for path in &paths {
                add(path.rsplit('/').next().unwrap_or_default(), path);
            }
        }
    }
    found
}

/// The file in which lies what a path below `src` leads to, through whatever re-exports it.
fn file_of(
    path: &str,
    files: &BTreeSet<String>,
    re_exports: &BTreeMap<(String, String), String>,
) -> Option<String> {
    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
    let file = ends.rev().map(|end| &path[..end]).find(|path| files.contains(*path))?;
    let within = path[file.len()..].trim_start_matches('/').split('/').next().unwrap_or_default();
    let meant = re_exports.get(&(file.to_owned(), within.to_owned()));
    // What another crate gives lies in no file.
    let elsewhere = meant.filter(|meant| *meant != path);
    match elsewhere.and_then(|meant| file_of(meant, files, re_exports)) {
        Some(other) => Some(other),
        None => Some(file.to_owned()),
    }
}

/// The files that a file imports, by their paths without `.rs`; a folder's `mod.rs` is the folder. What is re-exported counts for the file that
/// defines it.
fn imports(
    file: &str,
    code: &str,
    files: &BTreeSet<String>,
    re_exports: &BTreeMap<(String, String), String>,
) -> BTreeSet<String> {
    let mut named = paths_after(code, "crate::");
    let parts: Vec<&str> = file.split('/').collect();
    for up in 1..parts.len() {
        let prefix = format!("use {}", "super::".repeat(up));
        let above = parts[..parts.len() - up].join("/");
        named.extend(paths_after(code, &prefix).iter().map(|path| format!("{above}/{path}")));
    }
    let found = named.iter().filter_map(|path| file_of(path, files, re_exports));
    found.filter(|other| other != file).collect()
}

/// The path of a source file below `src`, without `.rs`; a folder's `mod.rs` is the folder.
fn name(file: &SourceFile) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let inside = file.path.strip_prefix(root).expect("found below src").with_extension("");
    inside.to_string_lossy().replace('\\', "/").trim_end_matches("/mod").to_owned()
}

/// The names of what a file defines at its top: rustfmt indents all else.
fn defined(code: &str) -> BTreeSet<&str> {
    const DEFINING: &[&str] =
        &["const", "static", "fn", "struct", "enum", "union", "trait", "type", "macro_rules!"];
    let mut names = BTreeSet::new();
    for line in code.lines() {
        let mut words = line.split(' ').skip_while(|word| {
            word.starts_with("pub") || ["async", "unsafe", "in", "super)", "crate)"].contains(word)
        });
        let Some(keyword) = words.next().filter(|word| DEFINING.contains(word)) else { continue };
        let name = words.find(|word| !["fn", "mut", "unsafe", "async"].contains(word));
        let name = name.unwrap_or_default();
        let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
        assert!(end > 0, "`{keyword}` defines nothing in `{line}`");
        names.insert(&name[..end]);
    }
    names
}

/// The names that a file in a folder takes of the file above it: the folder's `mod.rs`, or `x.rs` of a folder `x`.
///
/// * `above`, `inside`: the two, by their names
fn taken(above: &str, inside: &str, code: &str) -> BTreeSet<String> {
    let mut named = paths_after(code, &format!("crate::{}::", above.replace('/', "::")));
    // `super` of a file in the folder, of one in a folder below it `super::super`, and so on; not the end of a longer row.
    let depth = inside[above.len() + 1..].split('/').count();
    let up = "super::".repeat(depth);
    for (at, _) in code.match_indices(&up) {
        if !code[..at].ends_with("super::") {
            expand(&code[at + up.len()..], "", &mut named);
        }
    }
    named.iter().map(|path| path.split('/').next().unwrap_or_default().to_owned()).collect()
}

/// Whether a file goes on with an `impl` of one of these types.
fn continues(code: &str, types: &BTreeSet<&str>) -> bool {
    let implemented = code.lines().filter_map(|line| line.strip_prefix("impl"));
    let mut words = implemented.flat_map(|line| line.split(|c: char| !c.is_alphanumeric()));
    words.any(|word| types.contains(word))
}

#[test]
fn a_folders_files_take_nothing_that_the_file_above_them_defines_unless_they_go_on_with_its_impl() {
    let sources = sources();
    let mut wrong = Vec::new();
    for above in &sources {
        let (folder, defined) = (name(above), defined(&above.code));
        for file in &sources {
            let inside = name(file);
            if !inside.starts_with(&format!("{folder}/"))
                || !above.path.ends_with("mod.rs") && continues(&file.code, &defined)
            {
                continue;
            }
            for taken in taken(&folder, &inside, &file.code) {
                if defined.contains(&*taken) {
                    wrong.push(format!("{inside}.rs takes `{taken}` of {folder}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "a file of its own for what they share:\n{}", wrong.join("\n"));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let sources = sources();
    let files: BTreeSet<String> = sources.iter().map(name).collect();
    let re_exports = re_exports(&sources);
    let imports = |file| imports(&name(file), &file.code, &files, &re_exports);
    let mut graph: BTreeMap<String, BTreeSet<String>> =
        sources.iter().map(|file| (name(file), imports(file))).collect();
    // Who imports nobody that is left is in no circle.
    while let Some(done) =
        graph.iter().find(|(_, imports)| imports.is_empty()).map(|(file, _)| file.clone())
    {
        graph.remove(&done);
        for imports in graph.values_mut() {
            imports.remove(&done);
        }
    }
    // And so is whom nobody that is left imports.
    let is_imported = |file: &String, graph: &BTreeMap<String, BTreeSet<String>>| {
        graph.values().any(|imports| imports.contains(file))
    };
    while let Some(first) = graph.keys().find(|file| !is_imported(file, &graph)).cloned() {
        graph.remove(&first);
    }
    let circle: Vec<&String> = graph.keys().collect();
    assert!(circle.is_empty(), "in circles, or between two: {circle:?}");
}

#[test]
fn files_and_functions_are_short_enough_to_be_read_at_once() {
    const FILE_LINES: usize = 600;
    const FUNCTION_LINES: usize = 80;
    let mut wrong = Vec::new();
    for SourceFile { path, .. } in sources() {
        let text = std::fs::read_to_string(&path).expect("a source file is UTF-8");
        let lines: Vec<&str> = text.lines().collect();
        if lines.len() > FILE_LINES {
            wrong.push(format!("{}: {} lines", path.display(), lines.len()));
        }
        for (number, line) in lines.iter().enumerate() {
            let code = line.trim_start();
            let words = code.split(' ').take_while(|word| {
                word.starts_with("pub") || ["const", "async", "unsafe", "fn"].contains(word)
            });
            if words.last() != Some("fn") || code.ends_with(';') {
                continue;
            }
            // rustfmt closes a function where it began, and so the head of one without a body.
            let indent = &line[..line.len() - code.len()];
            let is_end = |line: &&str| {
                line.strip_prefix(indent)
                    .is_some_and(|rest| rest == "}" || rest.starts_with(')') && rest.ends_with(';'))
            };
            let length = lines[number..].iter().position(is_end).map_or(0, |at| at + 1);
            let name = code.split_once("fn ").map_or("", |(_, rest)| rest);
            let name = name.split(['(', '<']).next().unwrap_or_default();
            if length > FUNCTION_LINES {
                wrong.push(format!("{}: `{name}` has {length} lines", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
