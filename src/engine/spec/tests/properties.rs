//! What holds for every file.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::super::problems::Problems;
use super::super::syntax::{self, Node, NodeData};
use super::super::unsafe_name;
use super::{Experiment, Memory, Overrides, Path, chain, good, meaning};
use crate::base::diagnostics::Sources;

/// A value as TOML.
fn value() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        "[a-z@ .\"\\\\\n\u{e9}]{0,8}",
        Just("@@x".to_owned()),
        Just("@params.length".to_owned())
    ];
    let scalar = prop_oneof![
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        any::<f64>()
            .prop_filter("finite", |value| value.is_finite())
            .prop_map(|value| format!("{value:?}")),
        text.prop_map(|text| {
            // Any `@` but a known reference is escaped.
            let text =
                if text.starts_with('@') && !text.starts_with("@@") && text != "@params.length" {
                    format!("@{text}")
                } else {
                    text
                };
            syntax::quote(&text)
        }),
    ];
    scalar.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::btree_map("[a-z]{1,3}", inner, 0..4).prop_map(|entries| {
                let entries: Vec<String> =
                    entries.iter().map(|(name, value)| format!("{name} = {value}")).collect();
                format!("{{ {} }}", entries.join(", "))
            }),
        ]
    })
}

/// Sections of a file, each a header and its lines.
fn sections() -> impl Strategy<Value = Vec<(String, Vec<String>)>> {
    let lines = || prop::collection::btree_map("[a-j]{1,2}", value(), 0..5);
    let stages = prop::collection::btree_map("[a-z][a-z0-9_-]{0,4}", lines(), 1..5);
    (stages, any::<bool>(), prop::option::of(0..i64::MAX)).prop_map(|(stages, sweep, seed)| {
        let mut sections = vec![(
            "params".to_owned(),
            vec!["length = 3".to_owned(), "other = { a = [1] }".to_owned()],
        )];
        let mut over = Vec::new();
        for (name, lines) in &stages {
            if name == "params" {
                continue;
            }
            sections.push((
                format!("stage.{name}"),
                lines.iter().map(|(key, value)| format!("{key} = {value}")).collect(),
            ));
            over.push(format!("{name}.zz = [1, 2.5, \"x\", [1], {{ b = 1, a = 2 }}]"));
        }
        if sweep && !over.is_empty() {
            sections.push((
                "sweep".to_owned(),
                vec!["seeds = 2".to_owned(), "method = \"grid\"".to_owned()],
            ));
            sections.push(("sweep.over".to_owned(), over));
        }
        let mut top = vec!["version = 1".to_owned(), "about = \"a\"".to_owned()];
        top.extend(seed.map(|seed| format!("seed = {seed}")));
        sections.insert(0, (String::new(), top));
        sections
    })
}

fn text(sections: &[(String, Vec<String>)]) -> String {
    let mut out = String::new();
    for (header, lines) in sections {
        if !header.is_empty() {
            let _ = writeln!(out, "[{header}]");
        }
        for line in lines {
            let _ = writeln!(out, "{line}");
        }
    }
    out
}

/// The value as the `toml` crate would have it; nothing where we take less.
fn plain(node: &Node) -> Option<toml::Value> {
    Some(match &node.data {
        NodeData::Bool(value) => (*value).into(),
        NodeData::Integer(value) => (*value).into(),
        NodeData::Float(value) => (*value).into(),
        NodeData::String(text) => text.as_str().into(),
        NodeData::Array { items, .. } => {
            toml::Value::Array(items.iter().map(plain).collect::<Option<_>>()?)
        }
        NodeData::Table(table) => plain_table(table)?.into(),
        NodeData::Invalid => return None,
    })
}

fn plain_table(table: &syntax::Table) -> Option<toml::Table> {
    table.entries.iter().map(|entry| Some((entry.name.to_string(), plain(&entry.node)?))).collect()
}

/// Holds our reading of a text against that of the `toml` crate.
fn reads_as_the_toml_crate(text: &str) -> Result<(), TestCaseError> {
    let mut sources = Sources::new();
    let id = sources.add("x.toml".to_owned(), text.to_owned());
    let mut problems = Problems::default();
    let document = syntax::document(text, id, &mut problems);
    let diagnostics = problems.finish(sources.into());
    let theirs = text.parse::<toml::Table>();
    // Dates and numbers out of range are mistakes to us alone.
    let real = diagnostics
        .list()
        .iter()
        .any(|diagnostic| !["number-range", "date"].contains(&diagnostic.code));
    match theirs {
        Ok(theirs) => {
            prop_assert!(!real, "{text:?}: the crate takes it, we say\n{diagnostics}");
            if diagnostics.is_empty() {
                prop_assert_eq!(plain_table(&document.root), Some(theirs));
            }
        }
        Err(error) => {
            prop_assert!(!diagnostics.is_empty(), "{text:?}: we take it, the crate says {error}")
        }
    }
    let _ = diagnostics.render(false);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_sections_and_lines_does_not_matter(sections in sections(), seed in any::<u64>()) {
        let one = good(&[("x.toml", &text(&sections))]);
        let mut shuffled = sections;
        let mut state = seed;
        let mut next = |bound: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % bound.max(1)
        };
        for (_, lines) in &mut shuffled {
            for at in (1..lines.len()).rev() {
                lines.swap(at, next(at + 1));
            }
        }
        for at in (2..shuffled.len()).rev() {
            let other = 1 + next(at);
            shuffled.swap(at, other);
        }
        let other = good(&[("x.toml", &text(&shuffled))]);
        prop_assert_eq!(meaning(&one), meaning(&other));
    }

    #[test]
    fn an_experiment_survives_being_written_and_read(sections in sections()) {
        let one = good(&[("x.toml", &text(&sections))]);
        let written = one.to_toml();
        let other = good(&[("resolved.toml", &written)]);
        prop_assert_eq!(meaning(&one), meaning(&other));
        prop_assert_eq!(written, other.to_toml());
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let files = Memory([("x.toml".into(), bytes)].into());
        let _ = chain::read(&files, Path::new("x.toml"), &Overrides::default()).diagnostics.render(true);
    }

    #[test]
    fn no_text_on_the_command_line_makes_the_reader_panic(texts in prop::collection::vec("[a-z.=,\\[\\]{}\"'@ 0-9\u{e9}\\\\-]{0,24}", 3)) {
        let overrides = Overrides {
            set: vec![texts[0].clone(), format!("stage.train.x={}", texts[0])],
            sweep: vec![texts[1].clone(), format!("train.x={}", texts[1])],
            seeds: Some(texts[2].clone()),
            objective: Some(texts[2].clone()),
            folder: "here".into(),
        };
        let files = Memory::of(&[("x.toml", "version = 1\n[stage.train]\n")]);
        let _ = chain::read(&files, Path::new("x.toml"), &overrides).diagnostics.render(true);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn text_is_read_as_the_toml_crate_reads_it(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..14)) {
        reads_as_the_toml_crate(&pieces.concat())?;
    }

    #[test]
    fn tables_are_extended_as_the_toml_crate_extends_them(lines in prop::collection::vec(prop::sample::select(LINES), 0..6)) {
        reads_as_the_toml_crate(&lines.concat())?;
    }

    #[test]
    fn pieces_of_experiments_never_panic(pieces in prop::collection::vec(prop::sample::select(FRAGMENTS), 0..20)) {
        let text = format!("version = 1\n{}", pieces.concat());
        let reading = super::read(&[("x.toml", &text)]);
        let _ = reading.diagnostics.render(false);
        if let Some(experiment) = reading.experiment {
            let _ = experiment.origins();
            if reading.diagnostics.is_empty() {
                prop_assert!(unsafe_name(&experiment.name).is_none());
                let again = Experiment::parse(Path::new("x.toml"), &experiment.to_toml());
                prop_assert_eq!(meaning(&again.map_err(|error| TestCaseError::fail(error.to_string()))?), meaning(&experiment));
            }
        }
    }
}

const PIECES: &[&str] = &[
    "a",
    "b",
    "c",
    "a.b",
    "a.b.c",
    "\"a\"",
    "'b'",
    "=",
    " = ",
    "=1\n",
    " = 2\n",
    "\n",
    "\r\n",
    "\r",
    " ",
    ".",
    ",",
    "[",
    "]",
    "[[",
    "]]",
    "[a]\n",
    "[b]\n",
    "[a.b]\n",
    "[a.b.c]\n",
    "[[a]]\n",
    "[[a.b]]\n",
    "{",
    "}",
    "{ a = 1 }",
    "{ a.b = 1, a.c = 2 }",
    "[1, 2]",
    "[ ]",
    "{}",
    "# x",
    "\"x",
    "'''y",
    "\"\"\"z",
    "1",
    "-0",
    "0x1f",
    "1_0",
    "1e3",
    "1.5",
    "true",
    "\u{e9}",
    "\\",
    "\t",
    "1979-05-27",
];

const LINES: &[&str] = &[
    "a = 1\n",
    "b = 1\n",
    "c = 1\n",
    "a.b = 1\n",
    "a.c = 1\n",
    "b.c = 1\n",
    "a.b.c = 1\n",
    "a.b.d = 1\n",
    "a = {}\n",
    "a = { b = 1 }\n",
    "a = { b.c = 1 }\n",
    "a = [{ b = 1 }]\n",
    "b = { a.b = 1, a.c = [\n1,\n2] }\n",
    "[a]\n",
    "[b]\n",
    "[a.b]\n",
    "[a.c]\n",
    "[a.b.c]\n",
    "[b.c]\n",
    "[[a]]\n",
    "[[b]]\n",
    "[[a.b]]\n",
    "[[a.b.c]]\n",
    "d = 2\n",
    "e = 'x'\n",
    "d.e = 3\n",
    "[d]\n",
    "[e.f]\n",
];

const FRAGMENTS: &[&str] = &[
    "[stage.train]\n",
    "[stage.eval]\n",
    "[stage]\n",
    "[params]\n",
    "[sweep]\n",
    "[sweep.over]\n",
    "[[stage.train]]\n",
    "kind = \"x\"\n",
    "kind = 3\n",
    "after = [\"train\"]\n",
    "after = []\n",
    "retry = 2\n",
    "timeout = \"1h30m\"\n",
    "a = \"@train\"\n",
    "b = \"@params.a\"\n",
    "a = 1\n",
    "b = { c = \"@params.a\" }\n",
    "train.a = [1, 2]\n",
    "params.a = [\"x\"]\n",
    "seeds = 2\n",
    "method = \"grid\"\n",
    "objective = \"max train.f1\"\n",
    "seed = 3\n",
    "name = \"y\"\n",
    "about = \"@@z\"\n",
    "unset = []\n",
    "c = [\n",
    "]\n",
    "}\n",
    "\"\n",
    "d = \"@@\"\n",
    "e = [[1.0], {}]\n",
    "\"q r\" = '\\'\n",
    "train.b = { choice = [1] }\n",
    "x 3\n",
    "y = 1979-05-27\n",
];
