use proptest::prelude::*;

use super::*;
use crate::text::{CorpusTasks, stored};

fn problems(text: impl AsRef<[u8]>) -> Vec<(usize, String)> {
    match read_from(text.as_ref(), Path::new("x.jsonl"), Offsets::Characters) {
        Err(ReadError::Malformed { problems, .. }) => {
            problems.into_iter().map(|problem| (problem.place.line, problem.message)).collect()
        }
        other => panic!("expected malformed lines, got {other:?}"),
    }
}

fn problem(line: &str) -> String {
    let mut found = problems(line);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0).1
}

fn with_entities(entities: &str) -> String {
    problem(&format!(r#"{{"text": "añb cd", "entities": {entities}, "anomaly": 0}}"#))
}

#[test]
fn extra_fields_are_kept_as_text_but_for_nulls() {
    let text = "\u{feff}{\"id\": 7, \"text\": \"a b\", \"anomaly\": 1, \"entities\": [{\"start\": 2, \"end\": 3, \"label\": \"X\"}], \"ok\": true, \"tag\": \"-\", \"no\": null, \"deep\": [1, {}]}\r\n\n";
    let examples = read_from(text.as_bytes(), Path::new("x"), Offsets::Characters).unwrap();
    let fields = [("deep", "[1, {}]"), ("id", "7"), ("ok", "true"), ("tag", "-")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let entities = vec![Entity { start: 2, end: 3, label: "X".into() }];
    assert_eq!(
        examples,
        [Example {
            text: "a b".into(),
            entities: Some(entities),
            classes: anomaly(true),
            fields,
            line: 1
        }]
    );
}

#[test]
fn every_malformed_line_is_reported_with_its_number() {
    let good = r#"{"text": "a", "entities": [], "anomaly": 0}"#;
    let text =
        format!("{good}\n{{\n\n{good}\n[]\n{{\"text\": 3, \"entities\": [], \"anomaly\": 0}}");
    let expected = [
        (2, "not a JSON object: EOF while parsing an object at byte 1"),
        (5, "not a JSON object: invalid type: sequence, expected an object at byte 0"),
        (6, "`text` is `3`, expected a string"),
    ];
    let found = problems(text);
    assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 5, 6]);
    assert_eq!(found[0].1, expected[0].1);
    assert_eq!(found[2].1, expected[2].1);
}

#[test]
fn of_many_malformed_lines_the_rest_is_counted() {
    let error = read_from("{\n".repeat(30).as_bytes(), Path::new("x.jsonl"), Offsets::Characters)
        .unwrap_err();
    assert!(
        matches!(&error, ReadError::Malformed { problems, more: 10, .. } if problems.len() == REPORTED)
    );
    assert!(error.to_string().ends_with("and 10 more malformed lines"));
}

#[test]
fn what_helps_depends_on_what_is_wrong() {
    let example = r#"{"text": "a", "entities": [], "anomaly": 0}"#;
    let long = format!("{example}{}\n", " ".repeat(LINE_LIMIT_BYTES));
    let help = |text: &str| {
        let error = read_from(text.as_bytes(), Path::new("x"), Offsets::Characters).unwrap_err();
        error.help().expect("a remedy").into_owned()
    };
    assert!(help(&long).contains("a line of its own"), "{}", help(&long));
    assert!(
        [format!("{long}{{\n"), "{\n".to_owned(), String::new()]
            .iter()
            .all(|text| help(text).starts_with("a line is `{\"text\""))
    );
    let of = |kind: io::ErrorKind| {
        let error = ReadError::Io { path: "x".into(), error: kind.into() };
        error.help().expect("a remedy").into_owned()
    };
    let helps = [
        of(io::ErrorKind::NotFound),
        of(io::ErrorKind::PermissionDenied),
        of(io::ErrorKind::Other),
    ];
    assert!(
        helps.iter().all(|help| !help.contains('{'))
            && helps[0] != helps[1]
            && helps[1] != helps[2],
        "{helps:?}"
    );
}

#[test]
fn a_file_without_lines_is_empty() {
    for text in ["", "\n  \n"] {
        assert!(matches!(
            read_from(text.as_bytes(), Path::new("x"), Offsets::Characters),
            Err(ReadError::Empty { .. })
        ));
    }
}

#[test]
fn missing_fields_are_named() {
    assert_eq!(problem(r#"{"entities": [], "anomaly": 0}"#), "`text` is missing");
    assert_eq!(
        problem(r#"{"text": "", "anomaly": 0}"#),
        "`entities` is missing; write `[]` where there are none"
    );
    assert_eq!(
        problem(r#"{"text": "", "entities": []}"#),
        "`anomaly` is missing; expected 0 (normal) or 1 (anomaly)"
    );
}

#[test]
fn anything_but_0_and_1_is_no_anomaly() {
    for value in ["2", "-1", "0.0", "true", "null", "\"1\""] {
        let message = problem(&format!(r#"{{"text": "", "entities": [], "anomaly": {value}}}"#));
        let shown = if value == "null" { "null".to_owned() } else { format!("`{value}`") };
        assert_eq!(message, format!("`anomaly` is {shown}, expected 0 (normal) or 1 (anomaly)"));
    }
}

#[test]
fn offsets_count_characters_and_stay_inside_the_text() {
    assert!(
        parse_example(
            r#"{"text": "añb", "entities": [{"start": 1, "end": 3, "label": "X"}], "anomaly": 0}"#,
            1,
            Offsets::Characters
        )
        .is_ok()
    );
    assert_eq!(
        with_entities(r#"[{"start": 1, "end": 7, "label": "X"}]"#),
        "entity 1 of the line ends at 7, but the text has 6 characters; it would lie inside with `offsets` = \"bytes\""
    );
    assert_eq!(
        with_entities(r#"[{"start": 2, "end": 2, "label": "X"}]"#),
        "entity 1 of the line starts at 2 and ends at 2, expected `start` < `end`"
    );
}

#[test]
fn offsets_that_are_no_whole_numbers_are_refused() {
    for value in ["-1", "1.0", "1e400", "99999999999999999999", "\"1\"", "null"] {
        let message = problem(&format!(
            r#"{{"text": "abc", "entities": [{{"start": 0, "end": {value}, "label": "X"}}], "anomaly": 0}}"#
        ));
        assert!(
            message.contains("expected a whole number of characters from 0")
                || message.contains("number out of range"),
            "{message}"
        );
    }
}

#[test]
fn overlapping_entities_are_refused_whatever_their_order() {
    assert_eq!(
        with_entities(
            r#"[{"start": 2, "end": 4, "label": "X"}, {"start": 0, "end": 3, "label": "Y"}]"#
        ),
        "entities `Y` at 0..3 and `X` at 2..4 overlap"
    );
}

#[test]
fn labels_that_are_no_names_are_refused() {
    assert_eq!(
        with_entities(r#"[{"start": 0, "end": 1, "label": ""}]"#),
        "`label` of entity 1 of the line is empty"
    );
    assert_eq!(
        with_entities(r#"[{"start": 0, "end": 1, "label": "A B"}]"#),
        "`label` of entity 1 of the line holds ' ': labels have neither white space nor control characters"
    );
    assert_eq!(with_entities(r#"[{"start": 0, "end": 1}]"#), "entity 1 of the line has no `label`");
    assert_eq!(
        with_entities("[7]"),
        "entity 1 of the line is `7`, expected an object with `start`, `end` and `label`"
    );
}

#[test]
fn a_repeated_field_is_refused() {
    assert_eq!(
        problem(r#"{"text": "a", "text": "b", "entities": [], "anomaly": 0}"#),
        "`text` stands twice"
    );
    let twice = with_entities(
        r#"[{"start": 0, "end": 1, "label": "A", "start": 1, "end": 2, "label": "B"}]"#,
    );
    assert_eq!(twice, "entity 1 of the line has `start` twice");
}

#[test]
fn numbers_are_kept_as_they_are_written_however_large() {
    let numbers = ["123456789012345678901", "123456789012345678902", "1e400", "-0.10"];
    for number in numbers {
        let example = parse_example(
            &format!(r#"{{"text": "a", "entities": [], "anomaly": 0, "event": {number}}}"#),
            1,
            Offsets::Characters,
        )
        .unwrap();
        assert_eq!(example.fields["event"], number);
    }
}

#[test]
fn a_mistake_inside_a_value_is_located_in_the_line() {
    let line =
        r#"{"text": "a", "entities": [{"start": 1e400, "end": 1, "label": "A"}], "anomaly": 0}"#;
    let at = line.find("1e400").unwrap() + 5;
    assert_eq!(problem(line), format!("not a JSON object: number out of range at byte {at}"));
}

#[test]
fn invalid_utf_8_is_located() {
    assert_eq!(problems(b"{\"text\": \"\xff\"}"), [(1, "byte 11 is not UTF-8".to_owned())]);
}

#[test]
fn a_mistake_is_at_the_column_of_the_value_that_is_wrong() {
    let column = |line: &str| {
        let error = read_from(line.as_bytes(), Path::new("x"), Offsets::Characters).unwrap_err();
        let ReadError::Malformed { problems, .. } = error else { panic!("{error}") };
        problems[0].place.column
    };
    let at = |line: &str, value: &str| {
        let before = &line[..line.find(value).expect("it is there")];
        (column(line), before.chars().count() + 1)
    };
    for (line, value) in [
        (r#"{"text": "ñ", "entities": [], "anomaly": 7}"#, "7"),
        (r#"{"anomaly": 0, "entities": [], "text": 5}"#, "5"),
        (r#"{"text": "ñ", "entities": {}, "anomaly": 0}"#, "{}"),
        (
            r#"{"text": "ab", "entities": [{"start": 0, "end": 1, "label": "A"}, {"start": 1}], "anomaly": 0}"#,
            "{\"start\": 1}",
        ),
        (r#"{"text": "ñ" "entities": []}"#, "\"entities"),
    ] {
        let (found, expected) = at(line, value);
        assert_eq!(found, expected, "{line}");
    }
    assert_eq!(column(r#"{"text": "ñ", "entities": []}"#), 1);
}

#[test]
fn a_nul_is_refused() {
    assert_eq!(
        problem(r#"{"text": "a\u0000", "entities": [], "anomaly": 0}"#),
        "`text` holds a NUL at character 1"
    );
}

#[test]
fn a_line_over_the_limit_is_passed_over_and_reported() {
    let text = format!("{}\n{{}}", "x".repeat(100));
    let reader = io::BufReader::with_capacity(7, text.as_bytes());
    let limits = Limits { bytes: 50, offsets: Offsets::Characters };
    let error = read_limited(reader, Path::new("x"), limits, &mut |_| ()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "x:1:1: the line is longer than 50 bytes\nx:2:1: `text` is missing"
    );
}

#[test]
fn deep_nesting_is_an_error_where_it_is_read() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    assert!(with_entities(&deep).contains("recursion limit exceeded"));
    assert!(
        parse_example(
            &format!(r#"{{"text": "", "entities": [], "anomaly": 0, "deep": {deep}}}"#),
            1,
            Offsets::Characters
        )
        .is_ok()
    );
}

#[test]
fn what_was_written_reads_the_same() {
    let text = r#"{"text": "a \"ñ\" b", "entities": [{"start": 2, "end": 5, "label": "X"}], "anomaly": 1, "n": 1.5}"#;
    let examples = read_from(text.as_bytes(), Path::new("x"), Offsets::Characters).unwrap();
    let mut written = Vec::new();
    stored::write(&examples, &CorpusTasks::default(), &mut written).unwrap();
    assert_eq!(
        read_from(written.as_slice(), Path::new("x"), Offsets::Characters).unwrap(),
        examples
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_from(bytes.as_slice(), Path::new("x"), Offsets::Characters);
    }

    #[test]
    fn damaged_lines_never_panic_and_good_ones_keep_offsets_inside(
        at in 0_usize..100, byte in any::<u8>(), end in any::<u64>(), start in any::<u64>(),
    ) {
        let line = format!(r#"{{"text": "añb cd", "entities": [{{"start": {}, "end": {}, "label": "X"}}], "anomaly": 0}}"#, start % 8, end % 8);
        let mut bytes = line.into_bytes();
        let index = at % bytes.len();
        bytes[index] = byte;
        if let Ok(examples) = read_from(bytes.as_slice(), Path::new("x"), Offsets::Characters) {
            for example in examples {
                let length = example.text.chars().count();
                prop_assert!(example.entities().iter().all(|entity| entity.start < entity.end && entity.end <= length));
            }
        }
    }
}

#[test]
fn offsets_in_bytes_and_utf16_units_lead_to_the_same_characters() {
    let entity = |start: usize, end: usize, offsets: Offsets| {
        let line = format!(
            r#"{{"text": "é🚚 Zürich.", "entities": [{{"start": {start}, "end": {end}, "label": "PLACE"}}], "anomaly": 0}}"#
        );
        parse_example(&line, 1, offsets)
            .map(|example| example.entities.unwrap_or_default())
            .map_err(|problem| problem.message)
    };
    let expected = vec![Entity { start: 3, end: 9, label: "PLACE".into() }];
    assert_eq!(entity(3, 9, Offsets::Characters).as_ref(), Ok(&expected));
    assert_eq!(entity(4, 10, Offsets::Utf16).as_ref(), Ok(&expected));
    assert_eq!(entity(7, 14, Offsets::Bytes).as_ref(), Ok(&expected));
    assert_eq!(
        entity(1, 14, Offsets::Bytes).unwrap_err(),
        "`start` of entity 1 of the line is 1, which is inside a character where bytes are counted"
    );
    assert_eq!(
        entity(7, 13, Offsets::Characters).unwrap_err(),
        "entity 1 of the line ends at 13, but the text has 10 characters; it would lie inside with `offsets` = \"bytes\""
    );
}
