use super::*;

fn sources(text: &str) -> (Arc<Sources>, SourceId) {
    let mut sources = Sources::new();
    let id = sources.add("experiments/small.toml".to_owned(), text.to_owned());
    (Arc::new(sources), id)
}

fn span_of(text: &str, word: &str, id: SourceId) -> Span {
    let start = text.find(word).expect("the word is in the text");
    Span::new(id, start..start + word.len())
}

fn render(text: &str, make: impl FnOnce(SourceId) -> Diagnostic) -> String {
    let (sources, id) = sources(text);
    Diagnostics::new(sources, vec![make(id)]).render(false)
}

#[test]
fn a_mistake_is_drawn_with_its_line_carets_and_help() {
    let text = "[stage.train]\ndata = \"@corpus\"\nepochs = 3\n";
    let message = "stage `train` input `data` expects `encoded`, but `corpus` produces `corpus`";
    let make = |id| {
        Diagnostic::new("wire-type", message)
            .at(span_of(text, "\"@corpus\"", id))
            .help("`tokenize` produces `encoded`")
    };
    insta::assert_snapshot!(render(text, make), @r#"
    error: stage `train` input `data` expects `encoded`, but `corpus` produces `corpus`
     --> experiments/small.toml:2:8
      |
    2 | data = "@corpus"
      |        ^^^^^^^^^
    help: `tokenize` produces `encoded`
    "#);
}

#[test]
fn labels_show_the_other_places_even_in_other_files() {
    let mut sources = Sources::new();
    let (one, other) = ("a = 1\nb = 2\nc = 3\n", "x = 9\n");
    let first = sources.add("a.toml".to_owned(), one.to_owned());
    let second = sources.add("b.toml".to_owned(), other.to_owned());
    let diagnostic = Diagnostic::new("duplicate-key", "key `c` is written twice")
        .at(span_of(one, "c", first))
        .label(span_of(one, "a", first), "first written here")
        .label(span_of(other, "9", second), "and read here");
    insta::assert_snapshot!(Diagnostics::new(Arc::new(sources), vec![diagnostic]).render(false), @"
    error: key `c` is written twice
     --> a.toml:3:1
      |
    1 | a = 1
      | - first written here
    2 | b = 2
    3 | c = 3
      | ^
      |
     ::: b.toml:1:5
      |
    1 | x = 9
      |     - and read here
    ");
}

#[test]
fn a_mistake_without_a_place_is_only_its_message_and_help() {
    let rendered = render("", |_| {
        Diagnostic::new("missing-file", "cannot read `smal.toml`")
            .help("did you mean `small.toml`?")
    });
    insta::assert_snapshot!(rendered, @"
    error: cannot read `smal.toml`
    help: did you mean `small.toml`?
    ");
}

#[test]
fn columns_count_characters_and_tabs_as_one() {
    let text = "äöü\t= x\r\n";
    let (sources, id) = sources(text);
    let span = span_of(text, "x", id);
    assert_eq!(sources.location(span), (1, 7));
    let rendered =
        Diagnostics::new(sources, vec![Diagnostic::new("x", "m").at(span)]).render(false);
    assert!(rendered.contains("small.toml:1:7\n"), "{rendered}");
}

#[test]
fn a_line_of_megabytes_is_shown_in_part_with_its_true_column() {
    let text = format!("a = \"{}\" stray {}\n", "ä".repeat(2_000_000), "b".repeat(2_000_000));
    let rendered = render(&text, |id| Diagnostic::new("x", "m").at(span_of(&text, "stray", id)));
    assert!(rendered.len() < 1000, "{} bytes", rendered.len());
    assert!(rendered.contains("small.toml:1:2000008\n"), "{rendered}");
}

#[test]
fn spans_outside_the_text_or_inside_a_character_are_drawn_anyway() {
    for (start, end) in [(1, 2), (0, 900), (700, 900), (5, 3)] {
        render("ä = 1\nb", |id| Diagnostic::new("x", "m").at(Span { source: id, start, end }));
    }
}

#[test]
fn terminal_escapes_of_a_file_do_not_reach_the_terminal() {
    let text = "a = \u{1b}[31mred\n";
    let rendered =
        render(text, |id| Diagnostic::new("x", "bad \u{1b}[31m").at(span_of(text, "red", id)));
    assert!(!rendered.contains('\u{1b}'), "{rendered:?}");
}

#[test]
fn however_much_is_wrong_a_person_gets_no_more_than_can_be_read() {
    let line = format!("a = \"{}\"\n", "x".repeat(4000));
    let (sources, id) = sources(&line.repeat(1000));
    let long = "y".repeat(300_000);
    let list = (0..1000).map(|index| {
        let start = index * line.len();
        Diagnostic::new("x", long.as_str()).at(Span::new(id, start..start + 1)).help(long.as_str())
    });
    let all = Diagnostics::new(sources, list.collect());
    let rendered = all.render(false);
    assert!(rendered.len() < 600_000, "{}", rendered.len());
    assert!(rendered.contains("(298000 characters more)"));
    assert_eq!(all.list().len(), 1000);
}

#[test]
fn mistakes_come_in_the_order_of_the_file_and_each_once() {
    let (sources, id) = sources("a\nb\nc\n");
    let at =
        |start| Diagnostic::new("x", format!("at {start}")).at(Span::new(id, start..start + 1));
    let all = Diagnostics::new(sources, vec![at(4), at(0), at(4), at(2)]);
    let messages: Vec<&str> =
        all.list().iter().map(|diagnostic| diagnostic.message.as_str()).collect();
    assert_eq!(messages, ["at 0", "at 2", "at 4"]);
}

#[test]
fn more_mistakes_than_anybody_reads_are_counted() {
    let (sources, id) = sources(&"a\n".repeat(5000));
    let list = (0..5000)
        .map(|line| Diagnostic::new("x", "m").at(Span::new(id, line * 2..line * 2 + 1)))
        .collect();
    assert!(Diagnostics::new(sources, list).render(false).ends_with("\n... and 4950 more\n"));
}

#[test]
fn colour_adds_styles_and_changes_no_word() {
    let (sources, id) = sources("a = 1\n");
    let all = Diagnostics::new(
        sources,
        vec![Diagnostic::new("x", "m").at(Span::new(id, 0..1)).help("h")],
    );
    let coloured = all.render(true);
    assert!(coloured.contains("\u{1b}["));
    let mut plain = String::new();
    let mut inside = false;
    for character in coloured.chars() {
        match character {
            '\u{1b}' => inside = true,
            'm' if inside => inside = false,
            _ if !inside => plain.push(character),
            _ => {}
        }
    }
    let trimmed = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    assert_eq!(trimmed(&plain), trimmed(&all.render(false)));
}

#[test]
fn json_names_code_place_and_help() {
    let (sources, id) = sources("a = 1\nb = 2\n");
    let all = Diagnostics::new(
        sources,
        vec![Diagnostic::new("unknown-key", "m").at(Span::new(id, 6..7)).help("h")],
    );
    let expected = json!([{
        "code": "unknown-key",
        "message": "m",
        "file": "experiments/small.toml",
        "line": 2,
        "column": 1,
        "place": { "file": "experiments/small.toml", "line": 2, "column": 1, "start": 6, "end": 7 },
        "labels": [],
        "help": ["h"],
    }]);
    assert_eq!(all.to_json(), expected);
}

#[test]
fn what_was_typed_on_the_command_line_has_no_lines() {
    let mut sources = Sources::new();
    let id = sources.add_typed("--seeds 2".to_owned(), "2".to_owned());
    let other = sources.add_typed("--sweep train.seed=1".to_owned(), "train.seed=1".to_owned());
    let diagnostic =
        Diagnostic::new("x", "m").at(Span::new(other, 6..10)).label(Span::new(id, 0..1), "here");
    let all = Diagnostics::new(Arc::new(sources), vec![diagnostic]);
    insta::assert_snapshot!(all.render(false), @"
    error: m
     --> --sweep train.seed=1
      |
    1 | train.seed=1
      |       ^^^^
      |
     ::: --seeds 2
      |
    1 | 2
      | - here
    ");
    assert_eq!(all.to_json()[0]["place"]["column"], 7);
}

#[test]
fn a_file_is_suggested_for_its_name_and_not_for_its_ending() {
    let files = ["base.toml", "bin.toml", "events.jsonl"].map(str::to_owned);
    assert_eq!(
        ["bases.toml", "none.toml", "events.toml", "x"].map(|name| suggest_file(name, &files)),
        [Some("base.toml"), None, Some("events.jsonl"), None]
    );
}

#[test]
fn suggestions_are_what_was_probably_meant() {
    let names = ["learning_rate", "epochs", "batch_size", "seed", "data"];
    for (word, expected) in [
        ("learnign_rate", Some("learning_rate")),
        ("epoch", Some("epochs")),
        ("Epochs", Some("epochs")),
        ("rate", Some("learning_rate")),
        ("lr", Some("learning_rate")),
        ("bs", Some("batch_size")),
        ("epoching", Some("epochs")),
        ("xyz", None),
        ("", None),
        ("data", None),
    ] {
        assert_eq!(suggest(word, names), expected, "{word}");
    }
}

#[test]
fn of_equally_near_words_the_one_whose_letters_are_all_right_is_suggested() {
    let commands = ["run", "plan", "pin", "unpin", "predict", "gc"];
    assert_eq!(
        ["pln", "pn", "rnu", "pim"].map(|word| suggest(word, commands)),
        [Some("plan"), Some("pin"), Some("run"), Some("pin")]
    );
}

#[test]
fn quoting_keeps_messages_on_one_line_and_short() {
    assert_eq!(quoted("a\nb"), "`a\\u000ab`");
    assert!(quoted(&"x".repeat(1_000_000)).len() < 100);
}
