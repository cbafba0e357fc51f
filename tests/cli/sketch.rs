//! `init --data` on files as people have them: what it finds by itself, and what it says of that.

use crate::world::{Shot, World};

/// A folder with a file of these lines, for which `init` wrote an experiment that reads it without a mistake.
struct Sketched {
    world: World,
    shot: Shot,
    text: String,
}

/// What `init` says of a file, with these further arguments.
fn init(world: &World, file: &str, arguments: &[&str]) -> Shot {
    world.pipeline(["init", "--data", file].into_iter().chain(arguments.iter().copied()))
}

fn sketched(file: &str, lines: &[String], arguments: &[&str]) -> Sketched {
    let world = World::empty();
    world.write(file, lines.join("\n") + "\n");
    let shot = init(&world, file, arguments);
    assert_eq!(shot.code, Some(0), "{shot}");
    let stem = file.split('.').next().expect("a name");
    let experiment = format!("experiments/{stem}.toml");
    let checked = world.pipeline(["check", "--data", &experiment]);
    assert_eq!(checked.code, Some(0), "{shot}{checked}");
    let text = world.read(&experiment);
    Sketched { world, shot, text }
}

fn lines(line: impl Fn(usize) -> String) -> Vec<String> {
    (0..60).map(line).collect()
}

fn class(n: usize) -> &'static str {
    if n.is_multiple_of(2) { "low" } else { "high" }
}

/// How much of a unit a text has.
type Count = fn(&str) -> usize;

/// A text with characters of several bytes and units before its entities, whose offsets are counted so.
fn counted(count: Count) -> Vec<String> {
    lines(|n| {
        let text = format!("🚚 Zoë wrote letter {n} to Köln");
        let at = |word: &str| count(&text[..text.find(word).expect("there")]);
        let entity = |word: &str, label: &str| {
            let start = at(word);
            format!(r#"{{"start": {start}, "end": {}, "label": "{label}"}}"#, start + count(word))
        };
        let entities = [entity("Zoë", "PER"), entity("Köln", "LOC")].join(", ");
        format!(r#"{{"text": "{text}", "entities": [{entities}]}}"#)
    })
}

#[test]
fn the_unit_of_offsets_is_found_and_said() {
    let units: [(Count, Option<&str>); 3] = [
        (|text| text.chars().count(), None),
        (str::len, Some("bytes")),
        (|text| text.encode_utf16().count(), Some("utf16")),
    ];
    for (count, unit) in units {
        let Sketched { world, shot, text } = sketched("letters.jsonl", &counted(count), &[]);
        let found = unit.map(|unit| format!("\noffsets = \"{unit}\""));
        assert_eq!(text.contains("\noffsets"), found.is_some(), "{text}");
        assert!(found.is_none_or(|found| text.contains(&found)), "{text}");
        assert_eq!(shot.stdout.contains("offsets of entities count"), unit.is_some(), "{shot}");
        assert!(!text.contains("encoding"), "{text}");
        let data = world.pipeline(["data", "experiments/letters.toml", "--json"]);
        assert!(data.stdout.contains("\"Zoë\"") && data.stdout.contains("\"Köln\""), "{data}");
    }
}

#[test]
fn what_a_reader_leaves_out_or_repairs_is_said() {
    let answered = lines(|n| {
        let answer = ["accept", "accept", "reject"][n % 3];
        format!(
            r#"{{"text": "Ada wrote {n}", "_task_hash": {n}, "spans": [{{"start": 0, "end": 3, "label": "PER"}}], "answer": "{answer}"}}"#
        )
    });
    let said = sketched("answered.jsonl", &answered, &[]).shot;
    assert!(said.stdout.contains("20 texts were left out, whose `answer` is `reject`"), "{said}");
    let nested = lines(|n| {
        let inner = if n % 4 == 0 { r#", [14, 18, "LOC"]"# } else { "" };
        format!(r#"{{"text": "University of York {n}", "entities": [[0, 18, "ORG"]{inner}]}}"#)
    });
    let Sketched { shot, text, .. } = sketched("nested.jsonl", &nested, &[]);
    assert!(shot.stdout.contains("15 entities were left out, which overlap"), "{shot}");
    assert!(text.contains("\nnested = \"outermost\"") && text.contains("left out (15)"), "{text}");
    let tagged = lines(|n| {
        let tag = if n % 3 == 0 { "I" } else { "B" };
        format!("Ada {tag}-PER\nwrote{n} O\nRome B-LOC\n")
    });
    let said = sketched("tagged.conll", &tagged, &[]).shot;
    assert!(said.stdout.contains("tags: `iob2`; 20 sequences of tags are none of it"), "{said}");
    let blank = lines(|n| {
        format!(
            r#"{{"text": "{}", "label": "{}"}}"#,
            ["", "a text"][n % 2].repeat(n + 1),
            class(n / 2)
        )
    });
    let said = sketched("blank.jsonl", &blank, &[]).shot;
    assert!(said.stdout.contains("without a word: 30 texts"), "{said}");
}

/// Rows of a table with a column of 60 classes.
fn many() -> Vec<String> {
    let row = |n: usize| format!("please do number {n},{n},intent {:02},{}", n % 60, class(n));
    ["query,id,bucket,language".to_owned()].into_iter().chain((0..360).map(row)).collect()
}

#[test]
fn a_column_of_many_classes_is_a_head_where_it_is_called_as_one_or_named() {
    let called: Vec<String> =
        many().iter().map(|row| row.replace("bucket", "intent").replace("query", "text")).collect();
    let Sketched { shot, text, .. } = sketched("intents.csv", &called, &[]);
    assert!(shot.stdout.contains("classes of `intent`: intent 00, "), "{shot}");
    assert!(shot.stdout.contains(" and 40 more"), "{shot}");
    assert!(text.contains("\nclasses = { intent = [] }\n"), "{text}");
    let others = sketched("queries.csv", &many(), &[]);
    assert!(
        others.text.contains("classes = { language = [\"high\", \"low\"] }"),
        "{}",
        others.text
    );
    assert!(others.text.contains("could be classes too: `bucket` (60 values)"), "{}", others.text);
    let named = sketched("queries.csv", &many(), &["--classes", "bucket, language"]);
    let both = "classes = { bucket = [], language = [\"high\", \"low\"] }";
    assert!(named.text.contains(both), "{}", named.text);
    let run = named.world.pipeline([
        "run",
        "experiments/queries.toml",
        "--set",
        "stage.train.epochs=1",
        "--set",
        "stage.model.hidden_size=32",
        "--set",
        "stage.model.num_hidden_layers=1",
    ]);
    assert_eq!(run.code, Some(0), "{run}");
}

#[test]
fn what_is_no_class_is_said_with_its_reason() {
    let world = World::empty();
    world.write("queries.csv", many().join("\n") + "\n");
    for (asked, reason) in [
        ("bucke", "has no field `bucke`"),
        ("id", "`id` has 360 values in 360 texts, fewer than 5 texts for each"),
    ] {
        let shot = init(&world, "queries.csv", &["--classes", asked]);
        let is_warned = shot.stdout.contains(reason) && shot.code == Some(0);
        assert!(is_warned || shot.stderr.contains(reason), "{shot}");
    }
    world.write(
        "one.csv",
        "text,label\n".to_owned() + &(0..40).map(|n| format!("text {n},x\n")).collect::<String>(),
    );
    let one = init(&world, "one.csv", &[]);
    assert!(one.stderr.contains("`label` is `x` in all texts"), "{one}");
    world.write(
        "words.conll",
        (0..40).map(|n| format!("Ada B-PER\nw{n} O\n\n")).collect::<String>(),
    );
    let words = init(&world, "words.conll", &["--classes", "label"]);
    assert!(words.code == Some(2) && words.stderr.contains("leave out `--classes`"), "{words}");
}

#[test]
fn the_log_of_an_application_is_taken_apart_and_ordered_by_its_times() {
    let line = |n: usize| {
        let level = ["INFO", "WARN", "ERROR"][n % 3];
        format!("2026-03-01T08:{n:02}:00Z {level} db.pool: connection {n} refused")
    };
    let Sketched { shot, text, .. } = sketched("app.log", &lines(line), &[]);
    assert!(text.contains("rules  = \"application\"") && text.contains("order  = \"timestamp\""));
    assert!(text.contains("classes = { level = [\"ERROR\", \"INFO\", \"WARN\"] }"), "{shot}{text}");
    // What an exception leaves behind has no time.
    let traced = lines(|n| match n % 4 {
        3 => format!("\tat com.acme.Db.connect(Db.java:{n})"),
        _ => line(n),
    });
    let Sketched { shot, text, .. } = sketched("app.log", &traced, &[]);
    assert!(text.contains("order  = \"timestamp\"") && text.contains("on_error = \"skip\""));
    assert!(shot.stdout.contains("left out, since they have no `timestamp`: 15 lines"), "{shot}");
}

#[test]
fn a_field_that_stands_in_its_own_text_is_no_head() {
    let line = |n: usize| {
        let status = [200, 404, 500][n % 3];
        format!(
            r#"10.0.0.{n} - - [10/Oct/2000:13:{n:02}:36 +0000] "GET /a/{n} HTTP/1.1" {status} 23"#
        )
    };
    let Sketched { shot, text, .. } = sketched("access.log", &lines(line), &[]);
    assert!(
        shot.stdout.contains("no head: `status` stands in the text itself (60 of 60)"),
        "{shot}"
    );
    assert!(!text.contains("\nclasses") && text.contains("order  = \"timestamp\""), "{text}");
    let asked = sketched("access.log", &lines(line), &["--classes", "status"]);
    assert!(asked.shot.stdout.contains("think again: `status` stands in"), "{}", asked.shot);
    assert!(asked.text.contains("\nclasses = { status ="), "{}", asked.text);
}

#[test]
fn lines_without_a_time_that_orders_them_are_divided_at_random_and_that_is_said() {
    let said = sketched("plain.log", &lines(|n| format!("ERROR:db:connection {n} refused")), &[]);
    assert!(said.text.contains("no field says when a line was written"), "{}", said.text);
    let dated = lines(|n| {
        format!(
            r#"{{"text": "text {n}", "label": "{}", "date": "{}/3/2026"}}"#,
            class(n),
            n % 28 + 1
        )
    });
    let said = sketched("dated.jsonl", &dated, &[]);
    assert!(said.text.contains("`date` would say when, but as it is written"), "{}", said.text);
}

#[test]
fn files_of_other_programs_are_refused_by_what_they_are() {
    let world = World::empty();
    let zipped = |name: &str| [b"PK\x03\x04\x14\0\0\0\x08\0", name.as_bytes(), &[0; 40]].concat();
    let mut files = vec![
        ("x.zip", zipped("lines.csv"), "it is a ZIP archive", "unpack it"),
        ("x.xlsx", zipped("xl/workbook.xml"), "it is a spreadsheet of Excel", "as CSV"),
        ("x.docx", zipped("word/document.xml"), "it is a document of Word", "CSV or JSON lines"),
        ("x.pdf", b"%PDF-1.7\n\xe2\xe3\n".to_vec(), "it is a PDF document", "CSV or JSON lines"),
        ("x.html", b"<!DOCTYPE html>\n<p>a\n".to_vec(), "it is a page of HTML", "CSV"),
    ];
    if cfg!(not(feature = "parquet")) {
        let parquet = [b"PAR1", &[0; 40][..], b"PAR1"].concat();
        files.push(("x.parquet", parquet, "is a Parquet file", "--features parquet"));
    }
    for (name, bytes, what, remedy) in files {
        world.write(name, bytes);
        let shot = init(&world, name, &[]);
        assert_eq!(shot.code, Some(2), "{shot}");
        assert!(shot.stderr.contains(what) && shot.stderr.contains(remedy), "{shot}");
    }
}

#[test]
fn a_mark_that_nothing_closes_is_a_mistake_at_its_place() {
    let marked = |wrong: usize| {
        lines(|n| match n % wrong {
            1 => format!("[Ada](PER wrote {n} to [Rome](LOC)"),
            _ => format!("[Ada](PER) wrote {n} to [Rome](LOC)"),
        })
    };
    let few = sketched("few.txt", &marked(50), &[]);
    assert!(few.text.contains("entities: LOC 58, PER 58"), "{}", few.text);
    assert!(few.text.contains("few.txt:2:1: `[Ada](` opens a mark that no label"), "{}", few.text);
    let world = World::empty();
    world.write("many.txt", marked(5).join("\n") + "\n");
    let many = init(&world, "many.txt", &[]);
    let says = many.stderr.contains("many.txt:2:1: `[Ada](` opens a mark");
    assert!(many.code == Some(2) && says && many.stderr.contains("`\\[` is a bracket"), "{many}");
}
