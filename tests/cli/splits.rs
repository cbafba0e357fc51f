//! How corpora are divided, and what is said of it.

use std::fmt::Write as _;

use crate::world::{World, snapshot};

const FILE: &str = "experiments/lines.toml";

/// A world with `lines.jsonl`, every third line an anomaly, and an experiment that divides it.
fn world(lines: &str, parameters: &str) -> World {
    let world = World::new();
    world.write("experiments/data/lines.jsonl", lines);
    world.child(
        "lines",
        &format!(
            "[stage.corpus]\nkind = \"read_corpus\"\npath = \"data/lines.jsonl\"\n{parameters}"
        ),
    );
    world
}

fn lines(numbers: impl Iterator<Item = usize>, source: impl Fn(usize) -> usize) -> String {
    let mut text = String::new();
    for number in numbers {
        let (anomaly, source) = (u32::from(number % 3 == 0), source(number));
        writeln!(
            text,
            r#"{{"text": "host {number} is up", "entities": [], "anomaly": {anomaly}, "source": "s{source}"}}"#
        )
        .expect("a string");
    }
    text
}

const THREE: &str = "split = { train = 0.7, validation = 0.15, test = 0.15 }\n";

/// What the corpus stage said, one line each, without its name, the format of its file and that its texts differ in numbers only.
fn said(world: &World) -> Vec<String> {
    let shot = world.pipeline(["run", FILE, "corpus"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    let said = shot.stderr.lines().filter_map(|line| {
        let rest = line.strip_prefix("corpus")?.trim();
        let (tone, text) = rest.split_once("  ")?;
        let is_told = ["note", "warning"].contains(&tone)
            && !text.contains("but for their numbers")
            && !text.contains("read as `format");
        is_told.then(|| format!("{tone}: {}", text.trim()))
    });
    said.collect()
}

/// The files of every corpus in the store.
fn corpus(world: &World) -> String {
    let mut found = Vec::new();
    for shard in world.names("outputs/store").into_iter().filter(|name| name.len() == 2) {
        for key in world.names(&format!("outputs/store/{shard}")) {
            let folder = format!("outputs/store/{shard}/{key}");
            if world.path(&folder).join("train.jsonl").is_file() {
                let files = ["train", "validation", "test"]
                    .map(|split| world.read(&format!("{folder}/{split}.jsonl")));
                found.push(files.join("---\n"));
            }
        }
    }
    found.sort();
    found.join("===\n")
}

/// How many texts are said to have moved.
fn moved(difference: &str) -> usize {
    let parts = difference.split(", ").filter(|part| part.contains("moved"));
    parts.filter_map(|part| part.split(' ').next()?.parse::<usize>().ok()).sum()
}

#[test]
fn a_corrected_file_says_how_its_split_differs_and_has_the_content_it_would_have_alone() {
    let before = lines(1..201, |_| 0);
    let after = before.replacen(
        r#""host 8 is up", "entities": [], "anomaly": 0"#,
        r#""host 8 is up", "entities": [], "anomaly": 1"#,
        1,
    ) + &lines(201..204, |_| 0);
    let world = self::world(&before, THREE);
    assert_eq!(
        said(&world),
        ["note: texts: 140 train (70.0 %), 30 validation (15.0 %), 30 test (15.0 %)"]
    );
    world.write("experiments/data/lines.jsonl", &after);
    let notes = said(&world);
    let difference =
        notes[1].strip_prefix("note: compared with the corpus before: ").expect("said");
    assert!(difference.starts_with("3 texts new, 1 changed"), "{difference}");
    let moved = moved(difference);
    assert!(moved <= 8, "{difference}");
    let alone = self::world(&after, THREE);
    said(&alone);
    assert!(corpus(&world).contains(&corpus(&alone)));
}

#[test]
fn a_corpus_that_is_cached_or_swept_says_how_it_differs_too() {
    let before = lines(1..201, |_| 0);
    let world = self::world(&before, THREE);
    said(&world);
    world.write("experiments/data/lines.jsonl", lines(1..204, |_| 0));
    said(&world);
    assert_eq!(said(&world).len(), 0, "it is the corpus of the run before");
    world.write("experiments/data/lines.jsonl", &before);
    let notes = said(&world);
    assert!(
        notes[0].starts_with("note: compared with the corpus before: 3 texts gone"),
        "{notes:?}"
    );
    let sweep = |lines: &str| -> Vec<usize> {
        world.write("experiments/data/lines.jsonl", lines);
        let shot = world.pipeline(["run", FILE, "corpus", "--sweep", "corpus.seed=1,2"]);
        assert_eq!(shot.code, Some(0), "{shot}");
        let said = shot.stderr.lines().filter(|line| line.contains("the corpus before"));
        said.map(moved).collect()
    };
    sweep(&before);
    let more = format!("{before}{}", lines(300..302, |_| 0));
    let moved = sweep(&more);
    assert!(moved.len() == 2 && moved.iter().all(|moved| *moved <= 8), "{moved:?}");
    assert_eq!(sweep(&more).len(), 0);
}

#[test]
fn a_corpus_before_that_is_gone_or_damaged_breaks_nothing() {
    let world = self::world(&lines(1..61, |_| 0), THREE);
    said(&world);
    for shard in world.names("outputs/store").into_iter().filter(|name| name.len() == 2) {
        std::fs::remove_dir_all(world.path(format!("outputs/store/{shard}"))).expect("ours");
    }
    world.write("experiments/data/lines.jsonl", lines(1..62, |_| 0));
    assert_eq!(said(&world).len(), 1);
}

#[test]
fn groups_that_do_not_meet_their_fractions_are_said_with_what_came_out() {
    let world = self::world(
        &lines(1..101, |number| number % 3),
        "split = { train = 0.7, validation = 0.3 }\nby = \"source\"\n",
    );
    let said = said(&world);
    assert_eq!(said[1], "note: values of `source`: 2 train, 1 validation");
    assert!(said[2].starts_with("warning: the split is train 6"), "{said:?}");
    assert!(said[2].ends_with("the groups of `source` do not divide finer"), "{said:?}");
}

#[test]
fn equal_texts_are_dropped_or_kept_as_the_file_says() {
    let twice = lines(1..41, |_| 0).repeat(2);
    let of = |parameters: &str| said(&world(&twice, &format!("{THREE}{parameters}")));
    assert_eq!(of("").len(), 1);
    assert_eq!(of("by = \"text\"\n")[1], "note: values of `text`: 28 train, 6 validation, 6 test");
    let dropped = of("duplicates = \"drop\"\n");
    assert_eq!(dropped[1], "note: 40 lines were dropped, whose text stands in another line");
    let kept = of("duplicates = \"keep\"\n");
    assert!(kept[1].contains("texts are also in train, such as line "), "{kept:?}");
}

#[test]
fn the_rounding_of_few_texts_is_no_caveat_and_ties_are_said_only_where_there_are_some() {
    let few = said(&world(&lines(1..13, |_| 0), THREE));
    assert_eq!(few.len(), 1, "{few:?}");
    let tied = lines(1..2, |_| 0).repeat(30) + &lines(2..13, |_| 0);
    let said = said(&world(&tied, "split = { train = 0.5, validation = 0.5 }\n"));
    assert!(said[1].ends_with("equal texts stay together"), "{said:?}");
}

#[test]
fn classes_that_divide_badly_are_the_reason_that_is_said_where_no_texts_are_equal() {
    // Texts of two heads with many classes, each text another one.
    let line = |row: usize| {
        format!(
            "{{\"text\": \"text number {row}\", \"one\": \"a{}\", \"two\": \"b{}\"}}\n",
            row * row / 3 % 5,
            row * row / 7 % 17
        )
    };
    let lines: String = (0..60).map(line).collect();
    let more =
        "classes = [\"one\", \"two\"]\nsplit = { train = 0.6, validation = 0.2, test = 0.2 }\n";
    let said = said(&world(&lines, more));
    let missed = said.iter().find(|line| line.contains(" instead of "));
    assert!(missed.is_some_and(|line| line.contains("divided by themselves")), "{said:?}");
}

#[test]
fn a_drop_among_contradicting_labels_is_a_caveat_that_says_which_stays() {
    let before = lines(1..41, |_| 0);
    let flipped = before
        .lines()
        .next()
        .expect("a line")
        .replace(":0,", ":1,")
        .replace("\"anomaly\": 0", "\"anomaly\": 1");
    let text = format!("{before}{flipped}\n");
    let parameters = format!("{THREE}duplicates = \"drop\"\n");
    let world = world(&text, &parameters);
    let said = said(&world);
    let caveat = "warning: 2 texts had equals with other labels (1 distinct, the first in lines 1 and 41) and one of each was kept: \
                  the first line with the labels of most, on a tie the first of all";
    assert!(said.contains(&caveat.to_owned()), "{said:?}");
    let checked = world.pipeline(["check", "--data", FILE]);
    assert!(checked.stdout.contains("2 texts had equals with other labels"), "{checked}");
}

#[test]
fn an_id_that_several_lines_share_is_warned_of_with_an_example() {
    let shared = lines(1..41, |_| 0).replace("{\"text\"", "{\"id\": \"same\", \"text\"");
    let world = world(&shared, "split = { train = 0.5, validation = 0.5 }\n");
    let text = "warning: 39 texts have an `id` that an earlier one has, such as `same` in line 1 (";
    let warned = said(&world);
    assert!(warned.iter().any(|line| line.starts_with(text)), "{warned:?}");
    let fewer: String = shared.split_inclusive('\n').skip(1).collect();
    world.write("experiments/data/lines.jsonl", fewer);
    let difference = said(&world).into_iter().find(|line| line.contains("the corpus before"));
    let difference = difference.expect("said");
    assert!(
        difference.contains(": 1 text gone") && !difference.contains("changed"),
        "{difference}"
    );
}

#[test]
fn what_divides_nothing_is_found_before_anything_runs() {
    let world = World::new();
    let corpus = |name: &str, text: &str| world.child(name, &format!("[stage.corpus]\n{text}"));
    corpus("none", "by = {}\n");
    corpus("part", "by = { test = \"template\" }\n");
    corpus("train", "by = { train = \"template\" }\n");
    corpus("field", "by = { validation = \"source\" }\n");
    corpus("file", "kind = \"read_corpus\"\ntrain = \"data/events.toml\"\nduplicates = \"drop\"\n");
    corpus("word", "duplicates = \"merge\"\n");
    snapshot!(world.pipeline([
        "check",
        "experiments/none.toml",
        "experiments/part.toml",
        "experiments/train.toml",
        "experiments/field.toml",
        "experiments/file.toml",
        "experiments/word.toml",
    ]));
}

#[test]
fn with_an_order_the_past_trains_and_it_is_said_how_the_field_was_read() {
    let mut text = String::new();
    for hour in (0..10).rev() {
        let line = format!(
            r#"{{"text": "host {hour} is up", "entities": [], "anomaly": {}, "at": "2024-05-0{}T0{hour}:00Z"}}"#,
            hour % 2,
            1 + hour / 5
        );
        writeln!(text, "{line}").expect("a string");
    }
    let world = world(&text, &format!("{THREE}order = \"at\"\n"));
    let said = said(&world);
    let note = "note: ordered by `at`, read as times: train `2024-05-01T00:00Z` to `2024-05-02T06:00Z`, \
                validation `2024-05-02T07:00Z` to `2024-05-02T08:00Z`, test `2024-05-02T09:00Z` to `2024-05-02T09:00Z`";
    assert!(said.iter().any(|line| line == note), "{said:?}");
}

#[test]
fn what_an_order_or_folds_exclude_is_refused_before_anything_runs() {
    let refused = |parameters: &str, rest: &str, expected: &str| {
        let world = world(&lines(0..20, |_| 0), &format!("{parameters}\n{rest}"));
        let shot = world.pipeline(["check", FILE]);
        assert!(shot.code == Some(2) && shot.stderr.contains(expected), "{shot}");
    };
    refused("order = \"at\"\nby = \"source\"", "", "`order` and `by` exclude each other");
    let folds = "[sweep]\nfolds = 3";
    refused("order = \"at\"", folds, "`order` and `fold` exclude each other");
    refused("order = \"at\"", folds, "`fold` is set by `folds`");
    refused(
        "fold = { index = 2, of = 2 }",
        "",
        "`fold` has no part 2: 2 parts are numbered from 0",
    );
    let world = world(&lines(0..20, |_| 0), "");
    let files = "kind = \"read_corpus\"\ntrain = \"data/lines.jsonl\"";
    world.child("files", &format!("[stage.corpus]\n{files}\n{folds}\n"));
    let shot = world.pipeline(["check", "experiments/files.toml"]);
    let expected = "`fold` divides the file of `path`, and there is none";
    assert!(shot.code == Some(2) && shot.stderr.contains(expected), "{shot}");
}

#[test]
fn leaks_between_splits_are_counted_with_an_example_and_stay_with_the_scores() {
    let world = world(&lines(1..41, |_| 0), "");
    let backup = |word: &str| {
        format!(
            "the nightly backup of the billing database on the first host has ended without any {word} at all"
        )
    };
    let line = |text: &str| {
        format!("{}\n", serde_json::json!({"text": text, "entities": [], "anomaly": 0}))
    };
    let train = [&backup("error"), "disk 3 is full", "the door is open"].map(line).concat();
    let rest = [&backup("warning"), "disk 7 is full", "the door is open", "quite another text"]
        .map(line)
        .concat();
    let other = |text: &str| {
        format!("{}\n", serde_json::json!({"text": text, "entities": [], "anomaly": 1}))
    };
    let named = line("db-07 is slow").replace("[]", r#"[{"start": 0, "end": 5, "label": "HOST"}]"#);
    let train = train + &named + &other("nobody has seen this before");
    world.write("experiments/data/train.jsonl", train);
    world.write("experiments/data/rest.jsonl", rest + &other("and nobody knows that one either"));
    let files = "train = \"data/train.jsonl\"\nvalidation = \"data/rest.jsonl\"\n";
    world.child("lines", &format!("[stage.corpus]\nkind = \"read_corpus\"\n{files}"));
    let shot = world.pipeline(["run", FILE]);
    assert_eq!(shot.code, Some(0), "{shot}");
    let metrics: serde_json::Value =
        serde_json::from_str(&world.read("outputs/lines/metrics.json")).expect("JSON");
    let caveats = metrics["caveats"].as_array().expect("a list").iter();
    let leaks: Vec<&str> = caveats
        .filter(|caveat| caveat["code"].as_str().is_some_and(|code| code.ends_with("two_splits")))
        .map(|caveat| caveat["message"].as_str().expect("a text"))
        .collect();
    let said = [
        "1 of 5 validation texts are also in train, such as line 3 (validation) and line 3 (train)",
        "1 of 5 validation texts are but for their numbers in train, such as line 2 (validation)",
        "1 of 5 validation texts are nearly in train, such as line 1 (validation) and line 1 (train)",
    ];
    assert_eq!(leaks.len(), 3, "{leaks:?}");
    for (leak, said) in leaks.iter().zip(said) {
        assert!(leak.starts_with(said), "{leak}");
    }
}

#[test]
fn texts_of_an_array_are_called_elements_wherever_they_begin() {
    let world = world(&lines(1..41, |_| 0), "");
    let text = |number: usize| serde_json::json!({"text": format!("the door {number} is open"), "anomaly": number % 2});
    let all: Vec<_> = (0..20).map(text).collect();
    world.write("experiments/data/all.json", serde_json::to_string_pretty(&all).expect("plain"));
    let corpus = "[stage.corpus]\nkind = \"read_corpus\"\npath = \"data/all.json\"\n";
    world.child("lines", corpus);
    let shot = world.pipeline(["check", "--data", FILE]);
    let leak = shot.stdout.split("such as ").nth(1).unwrap_or_default();
    assert!(leak.starts_with("element ") && leak.contains(" (train)"), "{shot}");
    let lacking = format!("{corpus}by = \"session\"\n");
    world.child("lines", &lacking);
    let shot = world.pipeline(["check", "--data", FILE]);
    assert!(shot.stderr.contains("element 1 has no field `session`"), "{shot}");
}
