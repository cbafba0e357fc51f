//! Files made to hurt: no panic, no overflow, and time that grows with the file and not with its square.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::super::source::LARGEST;
use super::{Reading, read};

/// Far above what linear work needs on a slow machine, far below what quadratic work would take.
const PATIENCE: Duration = Duration::from_secs(20);

fn quickly(files: &[(&str, &str)]) -> Reading {
    let start = Instant::now();
    let reading = read(files);
    let _ = reading.diagnostics.render(true);
    let _ = reading.diagnostics.to_json();
    if let Some(experiment) = &reading.experiment {
        let _ = experiment.to_toml();
        let _ = experiment.origins();
    }
    let elapsed = start.elapsed();
    assert!(
        elapsed < PATIENCE,
        "{elapsed:?} for {:?}...",
        files[0].1.chars().take(40).collect::<String>()
    );
    reading
}

/// Enough for the square of it to be noticed, and a quarter of what may come, since these tests share the machine with others.
const MUCH: usize = LARGEST as usize / 4;

/// `piece` over and over.
fn filled(head: &str, piece: &str) -> String {
    format!("{head}{}", piece.repeat((MUCH - head.len()) / piece.len()))
}

/// Numbered lines until the text is long.
fn numbered(head: &str, line: impl Fn(usize) -> String) -> String {
    let mut text = head.to_owned();
    for number in 0.. {
        let line = line(number);
        if text.len() + line.len() > MUCH {
            break;
        }
        text.push_str(&line);
    }
    text
}

#[test]
fn a_file_full_of_one_piece_is_refused_quickly() {
    for piece in [
        "[",
        "]",
        "{",
        "}",
        "[[",
        "a.",
        "a=",
        "=",
        ".",
        ",",
        "\"",
        "'",
        "\"\"\"",
        "'''",
        "#",
        "\\",
        "\n",
        "\r",
        "@",
        "é",
        "a\n",
        "a=\n",
        "a=b\n",
        "[a]\n",
        "[a.",
        "[[a]]\n",
        "a={",
        "a=[",
        "[\n",
        "x = {a.b=",
        "\u{0}",
        "-",
        "a . ",
        "\"a\" . ",
    ] {
        let reading = quickly(&[("x.toml", &filled("version = 1\n[stage.train]\n", piece))]);
        assert!(
            !reading.diagnostics.is_empty() || ["#", "\n"].contains(&piece),
            "{piece:?} is no mistake?"
        );
    }
}

#[test]
fn nesting_is_bounded() {
    for (open, close) in [("[", "]"), ("{ a = ", " }")] {
        for depth in [60, 70, 100_000] {
            let text = format!(
                "version = 1\n[stage.train]\nx = {}1{}\n",
                open.repeat(depth),
                close.repeat(depth)
            );
            assert_eq!(
                quickly(&[("x.toml", &text)]).diagnostics.is_empty(),
                depth == 60,
                "{open:?} {depth}"
            );
        }
    }
    for depth in [30, 70, 100_000] {
        let key = vec!["a"; depth].join(".");
        let text = format!("version = 1\n[stage.train]\n{key} = 1\n");
        assert_eq!(
            quickly(&[("x.toml", &text)]).diagnostics.is_empty(),
            depth == 30,
            "key {depth}"
        );
        quickly(&[(
            "x.toml",
            &format!("version = 1\n[{key}]\n{key} = {{ {key} = {} }}\n", "[".repeat(depth)),
        )]);
    }
}

#[test]
fn hundreds_of_thousands_of_stages_are_read() {
    let text = numbered("version = 1\n", |number| format!("[stage.s{number}]\n"));
    let reading =
        quickly(&[("b.toml", "extends = \"a.toml\"\n[stage.s7]\nx = 1\n"), ("a.toml", &text)]);
    assert!(reading.experiment.is_some_and(|experiment| experiment.stages.len() > 100_000));
}

#[test]
fn a_stage_of_hundreds_of_thousands_of_parameters_is_merged_and_unset() {
    let parent = numbered("version = 1\n[stage.train]\n", |number| format!("p{number} = 1\n"));
    quickly(&[
        ("b.toml", &format!("extends = \"a.toml\"\n{}", parent.replace("version = 1\n", ""))),
        ("a.toml", &parent),
    ]);
    let unset = numbered("extends = \"a.toml\"\nunset = [", |number| {
        format!("\"stage.train.p{number}\",\n")
    }) + "]\n";
    quickly(&[("b.toml", &unset), ("a.toml", &parent)]);
}

#[test]
fn hundreds_of_thousands_of_references_into_one_table_are_checked() {
    let mut text = "version = 1\n[params.t]\n".to_owned();
    for number in 0..50_000 {
        let _ = writeln!(text, "k{number} = 1");
    }
    text.push_str("[stage.train]\n");
    let text =
        numbered(&text, |number| format!("p{number} = \"@params.t.k{}\"\n", number % 50_000));
    let reading = quickly(&[("x.toml", &text)]);
    assert!(reading.experiment.is_some());
}

#[test]
fn a_mistake_in_every_line_is_counted() {
    for line in
        ["x{} = three\n", "x{} 3\n", "[sweep.over.a{}]\nb = [1]\n", "[s{}]\n", "[stage.{}x]\n"]
    {
        let text = numbered("version = 1\n", |number| line.replace("{}", &number.to_string()));
        assert!(
            quickly(&[("x.toml", &text)]).diagnostics.render(false).contains("... and "),
            "{line}"
        );
    }
    let references = numbered("version = 1\n[stage.train]\n", |number| {
        format!("x{number} = \"@params.{number}\"\n")
    });
    quickly(&[("x.toml", &references)]);
    let axes = numbered("version = 1\n[stage.train]\n[sweep.over]\n", |number| {
        format!("train.x{number} = [1]\n")
    });
    assert!(quickly(&[("x.toml", &axes)]).diagnostics.is_empty());
}

#[test]
fn one_line_of_megabytes_is_read_and_shown_in_part() {
    let long = "x".repeat(LARGEST as usize - 100);
    assert!(
        quickly(&[("x.toml", &format!("version = 1\n[stage.train]\nx = \"{long}\"\n"))])
            .diagnostics
            .is_empty()
    );
    for text in [
        format!("version = 1\n[stage.train]\nx = \"@{long}!\"\n"),
        format!("version = 1\n[stage.train]\nx = {long}\n"),
        format!("version = 1\n[stage.train]\n{long}\n"),
        format!("version = 1\n[stage.{long}]\nx = 3 4\n"),
        format!("version = 1\n{long} = 1\n"),
        format!("version = 1\nname = \"{long}\"\n[stage.train]\n"),
    ] {
        let rendered = quickly(&[("x.toml", &text)]).diagnostics.render(false);
        assert!(!rendered.is_empty() && rendered.len() < 2000, "{} bytes", rendered.len());
    }
}

#[test]
fn an_array_of_millions_of_values_is_read() {
    let text =
        format!("{}]\n", filled("version = 1\n[stage.train]\nx = [", "1,").trim_end_matches("1,"));
    assert!(quickly(&[("x.toml", &text[..])]).experiment.is_some());
}
