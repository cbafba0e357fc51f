//! What the README shows of files of one's own is read as it stands there.

use std::path::Path;

use crate::world::World;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/readers");

/// The examples of a corpus under a heading of the README.
fn examples(heading: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = std::fs::read_to_string(path).expect("README.md is there");
    let (_, section) = text.split_once(&format!("\n### {heading}\n")).expect("the heading");
    let section = section.split_once("\n### ").map_or(section, |(section, _)| section);
    let blocks = section.split("```toml\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap_or_default());
    let is_of_files = |block: &&str| block.lines().any(|line| line.starts_with("path"));
    blocks.filter(is_of_files).map(str::to_owned).collect()
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(FIXTURES).join(name)).expect("a fixture")
}

fn rows(row: impl Fn(usize) -> String) -> Vec<u8> {
    (0..10).map(row).collect::<String>().into_bytes()
}

/// A name and what is in it.
type File = (&'static str, Vec<u8>);

/// Files as an example names them, and their formats.
fn files(path: &str) -> Option<(&'static [&'static str], Vec<File>)> {
    Some(match path {
        "\"data/lines.jsonl\"" => (
            &["jsonl"],
            vec![(
                "lines.jsonl",
                rows(|number| {
                    format!(
                        "{{\"text\": \"node{number} lost power\", \"entities\": [{{\"start\": 0, \"end\": 5, \"label\": \"NODE\"}}], \"anomaly\": 1}}\n"
                    )
                }),
            )],
        ),
        "\"data/*.conll\"" => (&["conll"], vec![("a.conll", fixture("iob2.conll"))]),
        "[\"data/tickets.csv\", \"data/older.tsv\"]" => {
            let table = |between: &str| {
                let header = ["message", "ticket", "Part of it", "severity"].join(between);
                let row = |number: usize| {
                    let classes =
                        if number.is_multiple_of(2) { ["disk", "low"] } else { ["net", "high"] };
                    let [number, text] =
                        [format!("{between}{number}"), format!("it is {between:?} {number}")];
                    format!(
                        "\"{}\"{number}{between}{}\n",
                        text.replace('"', ""),
                        classes.join(between)
                    )
                };
                [format!("{header}\n").into_bytes(), rows(row)].concat()
            };
            (&["csv", "tsv"], vec![("tickets.csv", table(",")), ("older.tsv", table("\t"))])
        }
        "\"data/conll2003.jsonl\"" => {
            (&["jsonl"], vec![("conll2003.jsonl", fixture("datasets.jsonl"))])
        }
        "\"data/conll2003-*.parquet\"" => {
            (&["parquet"], vec![("conll2003-0.parquet", fixture("datasets.parquet"))])
        }
        "[\"data/export.jsonl\", \"data/old.json\"]" => {
            let old =
                String::from_utf8(fixture("spacy.json")).expect("UTF-8").replace("Ada", "Eva");
            (
                &["jsonl", "json"],
                vec![("export.jsonl", fixture("spacy.jsonl")), ("old.json", old.into_bytes())],
            )
        }
        "\"data/project-1.json\"" => {
            let export = String::from_utf8(fixture("label_studio.json")).expect("UTF-8");
            (
                &["label_studio"],
                vec![("project-1.json", export.replace("severity", "sentiment").into_bytes())],
            )
        }
        "\"data/auth.log*\"" => (
            &["lines"],
            vec![(
                "auth.log",
                rows(|number| {
                    format!(
                        "Jun  9 06:06:2{number} combo sshd[19{number}]: session opened for user u{number}\n"
                    )
                }),
            )],
        ),
        "\"data/marked.csv\"" => (
            &["csv"],
            vec![(
                "marked.csv",
                [
                    b"text\n".to_vec(),
                    rows(|number| format!("[Ada](PER) wrote {number} to [Rome](LOC)\n")),
                ]
                .concat(),
            )],
        ),
        _ => return None,
    })
}

#[test]
fn every_format_is_read_as_the_readme_shows_it() {
    let mut formats: Vec<&str> = Vec::new();
    for example in examples("Your own texts") {
        let example = example.replace("/var/log/", "data/");
        let path = example.lines().find_map(|line| line.strip_prefix("path")).expect("a path");
        let path =
            path.trim_start_matches([' ', '=']).split(" #").next().unwrap_or_default().trim();
        let (read, files) = files(path).unwrap_or_else(|| panic!("no files for {path}"));
        formats.extend(read);
        if read == ["parquet"] && !cfg!(feature = "parquet") {
            continue;
        }
        let world = World::new();
        for (name, content) in files {
            world.write(format!("experiments/data/{name}"), content);
        }
        let stage = "[stage.corpus]\nkind = \"read_corpus\"\n";
        let example = example.trim_start_matches("[stage.corpus]\nkind  = \"read_corpus\"\n");
        let split = if example.contains("\nsplit") {
            ""
        } else {
            "split = { train = 0.5, validation = 0.5 }\n"
        };
        world.child("shown", &format!("{stage}{split}{example}"));
        let checked = world.pipeline(["check", "--data", "experiments/shown.toml"]);
        assert_eq!(checked.code, Some(0), "{example}{checked}");
    }
    formats.sort_unstable();
    formats.dedup();
    assert_eq!(
        formats,
        ["conll", "csv", "json", "jsonl", "label_studio", "lines", "parquet", "tsv"]
    );
}
