//! Every format as its own library reads it, what others write that have none, and what is wrong.

use proptest::prelude::*;
use serde_json::Value;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use super::*;
use crate::text::{Entity, Example};

/// What was found in a text, in the format that it is guessed to have.
struct Found {
    format: Format,
    records: Vec<Example>,
    problems: Vec<String>,
    findings: Findings,
}

fn found(name: &str, text: impl AsRef<[u8]>, options: &Options) -> Found {
    let format = guess(Path::new(name), text.as_ref()).format;
    let (mut records, mut problems) = (Vec::new(), Vec::new());
    let findings = read_as(format, &mut text.as_ref(), options, &mut |found| {
        match found {
            Ok(record) => records.push(record),
            Err(problem) => {
                problems.push(format!("{}: {}", problem.place.position, problem.message))
            }
        }
        ControlFlow::Continue(())
    });
    Found { format, records, problems, findings: findings.expect("memory") }
}

fn records(name: &str, text: &str) -> Vec<Example> {
    let found = found(name, text, &Options::default());
    assert_eq!(found.problems, [""; 0]);
    found.records
}

/// Texts with the entities in them, as text and label.
fn said(records: &[Example]) -> Vec<(&str, Vec<(String, &str)>)> {
    let of = |text: &str, entity: &Entity| -> String {
        text.chars().skip(entity.start).take(entity.end - entity.start).collect()
    };
    let entities = |record: &'_ Example| -> Vec<(String, String)> {
        let listed = record.entities.iter().flatten();
        listed.map(|entity| (of(&record.text, entity), entity.label.clone())).collect()
    };
    records
        .iter()
        .map(|record| {
            let labels = record.entities.iter().flatten().map(|entity| entity.label.as_str());
            let texts = entities(record).into_iter().map(|(text, _)| text);
            (record.text.as_str(), texts.zip(labels).collect())
        })
        .collect()
}

fn notes(found: &Found) -> Vec<String> {
    found.findings.notes.iter().map(|(note, count)| note.said(*count)).collect()
}

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers").join(name)
}

#[test]
fn what_others_wrote_reads_as_their_own_libraries_read_it() {
    let expected: BTreeMap<String, Vec<BTreeMap<String, Value>>> =
        serde_json::from_slice(&std::fs::read(fixture("expected.json")).unwrap()).unwrap();
    let label_names =
        ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"].map(str::to_owned).to_vec();
    let heads = Heads::of(Some(&Classes::Fields(vec!["severity".to_owned()])));
    let options = Options { label_names, heads, ..Options::default() };
    assert!(expected.len() >= 10);
    for (name, texts) in expected {
        if name.ends_with(".parquet") && cfg!(not(feature = "parquet")) {
            continue;
        }
        let (mut records, path) = (Vec::new(), fixture(&name));
        let read = read(&path, None, &options, &mut |found| {
            records.push(found.unwrap_or_else(|problem| panic!("{name}: {problem:?}")));
            ControlFlow::Continue(())
        });
        read.unwrap();
        assert_eq!(records.len(), texts.len(), "{name}");
        for (record, text) in records.iter().zip(texts) {
            for (member, value) in text {
                let is = match member.as_str() {
                    "text" => Value::from(record.text.as_str()),
                    "entities" => {
                        let entities = record.entities.as_deref().unwrap_or_default();
                        let entity = |it: &Entity| serde_json::json!([it.start, it.end, it.label]);
                        entities.iter().map(entity).collect()
                    }
                    "severity" => record.classes.get("severity").cloned().into(),
                    field => record.fields.get(field).cloned().into(),
                };
                assert_eq!(is, value, "{name}: `{member}` of `{}`", record.text);
            }
        }
    }
}

#[test]
fn a_cell_with_entities_is_found_as_label_studio_writes_it() {
    let text = "id,label,text\n1,\"[{\"\"start\"\":0,\"\"end\"\":3,\"\"text\"\":\"\"Ada\"\",\"\"labels\"\":[\"\"PER\"\"]}]\",Ada wrote\n2,,nobody\n";
    let read = records("x.csv", text);
    assert_eq!(said(&read), [("Ada wrote", vec![("Ada".to_owned(), "PER")]), ("nobody", vec![])]);
    assert_eq!((&read[0].fields["id"], read[1].entities.is_none()), (&"1".to_owned(), true));
}

#[test]
fn a_quote_that_takes_other_rows_with_it_is_an_error() {
    let text = "text\tx\nfine\t1\n\"Odd start\t2\nlost\t3\n\"Again\" and\t4\nfine too\t5\n";
    let found = found("x.tsv", text, &Options::default());
    assert_eq!(
        found.problems,
        ["3:1: the quote that opens here closes in line 5 only, where text follows it"]
    );
    let texts: Vec<&str> = found.records.iter().map(|record| &*record.text).collect();
    assert_eq!(texts, ["fine", "fine too"]);
    let unclosed = "text,x\nfine,1\n\"Odd,2\nlost,3\n";
    let found = self::found("x.csv", unclosed, &Options::default());
    assert_eq!(found.problems, ["3:1: the quote that opens here is never closed"]);
}

#[test]
fn a_label_that_prodigy_was_told_to_be_wrong_is_a_class_and_a_span_is_none() {
    let line = |more: &str, answer: &str| {
        format!(
            "{{\"text\": \"a\", \"label\": \"SPAM\", \"_input_hash\": 1, {more}\"answer\": \"{answer}\"}}\n"
        )
    };
    let text = line("", "accept") + &line("", "reject") + &line("\"spans\": [], ", "reject");
    let heads = Heads::of(Some(&Classes::Fields(vec!["label".to_owned()])));
    let found = found("x.jsonl", text, &Options { heads, ..Options::default() });
    let classes: Vec<&str> = found.records.iter().map(|it| it.classes["label"].as_str()).collect();
    assert_eq!(classes, ["SPAM", "not SPAM"]);
}

#[test]
fn a_head_is_called_otherwise_than_the_field_of_its_classes() {
    let fields = Fields {
        heads: BTreeMap::from([("severity".to_owned(), "How bad?".to_owned())]),
        ..Fields::default()
    };
    let heads = Heads::of(Some(&Classes::Fields(vec!["severity".to_owned()])));
    let options = Options { fields, heads, ..Options::default() };
    let found = found("x.csv", "text,How bad?,severity\na,low,3\n", &options);
    let record = &found.records[0];
    assert_eq!(record.classes["severity"], "low");
    assert_eq!(record.fields, BTreeMap::from([("input_severity".to_owned(), "3".to_owned())]));
}

#[test]
fn doccano_of_both_generations_and_prodigy_need_no_mapping() {
    let texts = [
        r#"{"id": 1, "data": "Ada wrote", "label": [[0, 3, "PER"]], "Comments": []}"#,
        r#"{"id": 2, "text": "Ada wrote", "labels": [[0, 3, "PER"]]}"#,
        r#"{"id": 3, "text": "Ada wrote", "entities": [{"id": 9, "label": "PER", "start_offset": 0, "end_offset": 3}], "relations": []}"#,
        r#"{"text": "Ada wrote", "_task_hash": 1, "tokens": [{"text": "Ada", "start": 0, "end": 3, "id": 0}], "spans": [{"start": 0, "end": 3, "token_start": 0, "token_end": 0, "label": "PER"}], "answer": "accept"}"#,
        r#"{"text": "Ada", "_task_hash": 2, "spans": [], "answer": "reject"}"#,
        r#"{"text": "Ada", "_task_hash": 3, "spans": [], "answer": "ignore"}"#,
    ];
    let found = found("x.jsonl", texts.join("\n"), &Options::default());
    assert_eq!(found.problems, [""; 0]);
    let one = ("Ada wrote", vec![("Ada".to_owned(), "PER")]);
    assert_eq!(said(&found.records), [one.clone(), one.clone(), one.clone(), one]);
    assert!(!found.records[3].fields.contains_key("tokens"));
    assert_eq!(
        notes(&found),
        [
            "the text of 1 text is the field `data`",
            "the entities of 1 text are the field `label`",
            "the entities of 1 text are the field `labels`",
            "the entities of 1 text are the field `spans`",
            "1 text was left out, whose `answer` is `ignore`: nothing says what would be right",
            "1 text was left out, whose `answer` is `reject`: nothing says what would be right",
        ]
    );
}

#[test]
fn labels_that_are_numbers_take_their_names_from_labels() {
    let line = r#"{"text": "Ada wrote", "annotations": [{"label": 1, "start_offset": 0, "end_offset": 3, "user": 1}]}"#;
    let wrong = found("x.jsonl", line, &Options::default());
    assert_eq!(wrong.problems, ["1:39: `label` of entity 1 is the number 1"]);
    let labels = BTreeMap::from([("1".to_owned(), "PER".to_owned())]);
    let right = found("x.jsonl", line, &Options { labels, ..Options::default() });
    assert_eq!(said(&right.records), [("Ada wrote", vec![("Ada".to_owned(), "PER")])]);
}

#[test]
fn a_list_of_classes_is_no_list_of_entities() {
    let records = records("x.jsonl", r#"{"text": "a", "label": ["good"]}"#);
    assert_eq!((&records[0].entities, records[0].fields["label"].as_str()), (&None, "[\"good\"]"));
}

#[test]
fn fields_say_what_is_called_otherwise() {
    let fields = Fields {
        text: Some("body".into()),
        entities: Some("marks".into()),
        id: Some("ticket".into()),
        ..Fields::default()
    };
    let options = Options { fields, ..Options::default() };
    let line = r#"{"text": "no", "body": "Ada", "marks": [[0, 3, "PER"]], "ticket": 7, "id": 1}"#;
    let found = found("x.jsonl", line, &options);
    assert_eq!(said(&found.records), [("Ada", vec![("Ada".to_owned(), "PER")])]);
    let fields =
        [("id", "7"), ("input_text", "no")].map(|(name, value)| (name.into(), value.into()));
    assert_eq!(found.records[0].fields, fields.into());
    assert_eq!(notes(&found), [""; 0]);
}

#[test]
fn a_text_without_labels_says_nothing_of_them_and_a_null_neither() {
    let found = found(
        "x.jsonl",
        "{\"text\": \"a\"}\n{\"text\": \"b\", \"entities\": null, \"anomaly\": null}\n{\"text\": \"c\", \"anomaly\": true}\n",
        &Options::default(),
    );
    assert_eq!(found.problems, [""; 0]);
    let labels =
        |record: &Example| (record.entities.is_none(), record.classes.get("anomaly").cloned());
    assert_eq!(
        found.records.iter().map(labels).collect::<Vec<_>>(),
        [(true, None), (true, None), (true, Some("anomaly".to_owned()))]
    );
    assert!(!found.findings.has_entities);
}

#[test]
fn labels_that_bio_does_not_allow_are_renamed_and_that_is_said() {
    let options =
        Options { labels: [("Last".into(), "LAST_NAME".into())].into(), ..Options::default() };
    let line = r#"{"text": "Ada Lovelace", "entities": [[0, 3, "First Name"], [4, 12, "Last"]]}"#;
    let found = found("x.jsonl", line, &options);
    assert_eq!(
        said(&found.records)[0].1,
        [("Ada".to_owned(), "First_Name"), ("Lovelace".to_owned(), "LAST_NAME")]
    );
    assert_eq!(
        notes(&found),
        [
            "the label `First Name` is called `First_Name` (1 entity)",
            "the label `Last` is called `LAST_NAME` (1 entity)"
        ]
    );
}

#[test]
fn tokens_lie_in_the_text_that_stands_beside_them_or_are_joined() {
    let line = r#"{"text": "Ada, Köln.", "tokens": ["Ada", ",", "Köln", "."], "ner_tags": ["B-PER", "O", "B-LOC", "O"]}"#;
    let expected = vec![("Ada".to_owned(), "PER"), ("Köln".to_owned(), "LOC")];
    assert_eq!(said(&records("x.jsonl", line)), [("Ada, Köln.", expected.clone())]);
    let joined = line.replace("\"text\": \"Ada, Köln.\", ", "");
    assert_eq!(said(&records("x.jsonl", &joined)), [("Ada , Köln .", expected)]);
    let numbers = joined.replace("\"O\"", "7");
    let found = found("x.jsonl", &numbers, &Options::default());
    assert_eq!(found.problems, ["1:51: `ner_tags` holds 7, and nothing says what it is called"]);
}

#[test]
fn spans_in_words_beside_tags_are_no_entities() {
    let line = r#"{"tokens": ["Ada", "wrote"], "ner_tags": ["B-PER", "O"], "spans": ["PER: Ada"]}"#;
    let expected = [("Ada wrote", vec![("Ada".to_owned(), "PER")])];
    assert_eq!(said(&records("x.jsonl", line)), expected);
    let none = line.replace("\"PER: Ada\"", "").replace("B-PER", "O");
    assert_eq!(said(&records("x.jsonl", &none)), [("Ada wrote", vec![])]);
}

#[test]
fn the_label_of_a_span_that_looks_like_a_tag_is_said() {
    let line = r#"{"text": "Ada wrote", "spans": [[0, 3, "B-PER"]]}"#;
    let said = notes(&found("x.jsonl", line, &Options::default()));
    assert!(
        said.iter().any(|note| note.contains("`labels = { \"B-PER\" = \"PER\" }`")),
        "{said:?}"
    );
}

#[test]
fn markup_in_texts_and_cells_is_read_where_it_is_asked_for_and_else_said() {
    let options = Options { markup: true, ..Options::default() };
    let lines = found("x.txt", "[Ada](First Name) wrote\nshe did\n", &options);
    let expected = vec![("Ada".to_owned(), "First_Name")];
    assert_eq!(said(&lines.records), [("Ada wrote", expected), ("she did", vec![])]);
    let table = "text,anomaly\n\"[Ada](PER), wrote\",1\n";
    let found_table = found("x.csv", table, &options);
    assert_eq!(found_table.problems, [""; 0]);
    assert_eq!(said(&found_table.records), [("Ada, wrote", vec![("Ada".to_owned(), "PER")])]);
    assert_eq!(found_table.records[0].classes["anomaly"], "anomaly");
    let plain = found("x.csv", table, &Options::default());
    assert!(notes(&plain)[0].contains("`markup = true` reads them"), "{:?}", notes(&plain));
}

#[test]
fn tables_have_entities_in_a_cell_semicolons_and_rows_of_several_lines() {
    let text = "message;entities;note\nAda wrote;\"[[0, 3, \"\"PER\"\"]]\";\"two\nlines\"\nno;;\n";
    let found = found("x.csv", text, &Options::default());
    assert_eq!(found.problems, [""; 0]);
    assert_eq!(said(&found.records)[0], ("Ada wrote", vec![("Ada".to_owned(), "PER")]));
    assert_eq!(found.records[0].fields["note"], "two\nlines");
    assert_eq!((found.records[1].line, &found.records[1].entities), (4, &None));
    assert_eq!(notes(&found)[1], "cells are divided by `;`");
}

#[test]
fn a_row_that_is_wrong_is_named_and_the_others_are_read() {
    let found = found("x.csv", "text,anomaly\na,0,1\nb,7\nc,1\n", &Options::default());
    assert_eq!(
        found.problems,
        [
            "2:1: the row has 3 cells, and the header 2",
            "3:1: `anomaly` is `7`, expected 0 (normal) or 1 (anomaly)"
        ]
    );
    assert_eq!(said(&found.records), [("c", vec![])]);
}

#[test]
fn documents_and_comments_of_conll_are_fields_and_a_hashtag_is_a_word() {
    let text = "-DOCSTART- O\n\n# source = x y\n# by hand\n#ada\tB-PER\n#\tO\n\nyes\tO\n";
    let found = found("x.conll", text, &Options::default());
    assert_eq!(found.problems, [""; 0]);
    assert_eq!(
        said(&found.records),
        [("#ada #", vec![("#ada".to_owned(), "PER")]), ("yes", vec![])]
    );
    let fields =
        [("document", "1"), ("source", "x y")].map(|(name, value)| (name.into(), value.into()));
    assert_eq!(found.records[0].fields, fields.into());
    assert_eq!((found.records[0].line, found.records[1].line), (5, 8));
}

#[test]
fn a_comment_of_as_many_cells_as_a_word_is_one() {
    let text =
        "# id 7\tdomain=en\nAda _ _ B-PER\n# _ _ O\n\n# id 8\tdomain=de\n# _ _ O\nda _ _ O\n";
    let read = found("x.conll", text, &Options::default());
    assert_eq!(read.problems, [""; 0]);
    assert_eq!(said(&read.records), [("Ada #", vec![("Ada".into(), "PER")]), ("# da", vec![])]);
    assert_eq!(read.records[1].fields["domain"], "de");
    let text = "#\thttp://x [2014]\n1\tAda\tB-PER\tO\n\n#\thttp://y\n1\tda\tO\tO\n";
    let columns = Columns { token: 1, tag: 2 };
    let read = found("x.conll", text, &Options { columns, ..Options::default() });
    assert_eq!((read.problems, read.records.len()), (vec![], 2));
}

#[test]
fn the_scheme_of_tags_is_found_and_what_is_none_of_it_is_repaired_and_counted() {
    let tags = |name: &str, text: &str, scheme: Option<Scheme>| {
        let options = Options { scheme, ..Options::default() };
        let found = found(name, text, &options);
        assert_eq!(found.problems, [""; 0]);
        let entities = said(&found.records).into_iter().flat_map(|(_, entities)| entities);
        let entities: Vec<String> =
            entities.map(|(text, label)| format!("{text}/{label}")).collect();
        (entities, found.findings.scheme(scheme))
    };
    assert_eq!(
        tags("x.conll", "a I-PER\nb B-PER\n\nc O\nd I-LOC\n", None),
        (vec!["a/PER".into(), "b/PER".into(), "d/LOC".into()], Some((Scheme::Iob1, 0)))
    );
    assert_eq!(
        tags("x.conll", "a O\nb I-PER\n\nc B-LOC\n", Some(Scheme::Iob2)),
        (vec!["b/PER".into(), "c/LOC".into()], Some((Scheme::Iob2, 1)))
    );
    assert_eq!(
        tags("x.conll", "a O\n\nb PER\nc PER\nd LOC\n", None),
        (vec!["b c/PER".into(), "d/LOC".into()], Some((Scheme::Plain, 0)))
    );
    assert_eq!(
        tags("x.conll", "a (PER*\nb *)\nc *\n\nd (LOC)\n", Some(Scheme::Brackets)),
        (vec!["a b/PER".into(), "d/LOC".into()], Some((Scheme::Brackets, 0)))
    );
}

#[test]
fn documents_of_conll_2012_are_read_by_their_columns() {
    let row = |word: &str, tag: &str, rest: &str| {
        format!("bc/x 0 0 {word} NN (TOP* - - - Ada {tag} {rest} -\n")
    };
    let text = format!(
        "#begin document (bc/x); part 000\n{}{}\n{}#end document\n",
        row("Ada", "(PERSON)", "*"),
        row("wrote", "*", "(V*)"),
        row("Paris", "(GPE)", "* *"),
    );
    let columns = Columns { token: 3, tag: 10 };
    let options = Options { scheme: Some(Scheme::Brackets), columns, ..Options::default() };
    let found = found("x.conll", &text, &options);
    assert_eq!(found.problems, [""; 0]);
    let one = |text: &str, label| (text.to_owned(), label);
    assert_eq!(
        said(&found.records),
        [("Ada wrote", vec![one("Ada", "PERSON")]), ("Paris", vec![one("Paris", "GPE")])]
    );
    assert_eq!(found.records[1].fields["document"], "1");
}

#[test]
fn brackets_are_known_by_sight_and_one_that_is_wrong_leaves_out_its_sentence() {
    let read = |text| found("x.conll", text, &Options::default());
    let found = read("Ada (PER*\nL *)\n\nx (PER*\n\nKöln (LOC)\n\n");
    assert_eq!(found.problems, ["4:1: `(PER*` is open at the end of the sentence"]);
    let one = |text: &str, label| vec![(text.to_owned(), label)];
    assert_eq!(
        said(&found.records),
        [("Ada L", one("Ada L", "PER")), ("Köln", one("Köln", "LOC"))]
    );
    assert_eq!(found.findings.scheme(None), Some((Scheme::Brackets, 0)));
    let mixed = read("a PER\n\nb (PER)\n\n");
    assert_eq!(mixed.problems, ["3:1: `(PER)` is a bracket among tags that are none"]);
}

#[test]
fn of_brackets_in_brackets_stays_what_nested_says() {
    let text = "New (ORG(LOC*\nYork *)\nUniversity *)\n\n";
    let kept = |nested| {
        let found = found("x.conll", text, &Options { nested, ..Options::default() });
        let entities = said(&found.records).into_iter().flat_map(|(_, entities)| entities);
        (entities.map(|(text, _)| text).collect::<Vec<_>>(), found.problems)
    };
    assert_eq!(kept(Nested::Outermost), (vec!["New York University".to_owned()], vec![]));
    assert_eq!(kept(Nested::Longest), (vec!["New York University".to_owned()], vec![]));
    let refused = "1:1: entities `ORG` at 0..19 and `LOC` at 0..8 overlap";
    assert_eq!(kept(Nested::Refuse).1, [refused]);
}

#[test]
fn a_line_of_conll_that_is_wrong_is_named_and_its_sentence_left_out() {
    let found =
        found("x.conll", "a O\nb B-PER\n\nc\nd O\n\ne O\nf PER\n\ng O\r\n", &Options::default());
    assert_eq!(
        found.problems,
        [
            "4:1: the line has a single column between spaces, and no tag",
            "8:1: `PER` is no tag such as `B-PER`, `I-PER` or `O`"
        ]
    );
    assert_eq!(said(&found.records).len(), 2);
}

#[test]
fn label_studio_skips_what_was_cancelled_and_sees_offsets_that_count_characters() {
    let task = |start: usize, more: &str| {
        format!(
            r#"{{"id": 1, "data": {{"text": "🚚 Ada", "source": "x"}}, "annotations": [{more}{{"result": [{{"type": "labels", "from_name": "l", "value": {{"start": {start}, "end": {}, "text": "Ada", "labels": ["PER"]}}}}, {{"type": "relation"}}]}}]}}"#,
            start + 3
        )
    };
    let text = format!(
        "[{}, {}, {{\"id\": 2, \"data\": {{\"text\": \"b\"}}, \"annotations\": []}}]",
        task(3, "{\"was_cancelled\": true, \"result\": []}, "),
        task(2, ""),
    );
    let found = found("x.json", &text, &Options::default());
    assert_eq!(
        (found.format, found.problems.len()),
        (Format::LabelStudio, 0),
        "{:?}",
        found.problems
    );
    let one = ("🚚 Ada", vec![("Ada".to_owned(), "PER")]);
    assert_eq!(said(&found.records), [one.clone(), one]);
    assert_eq!(found.records[0].fields["source"], "x");
    assert_eq!(
        notes(&found),
        [
            "1 task was left out, which has no annotation that was not cancelled",
            "the offsets of 1 task count characters, as the texts beside them show",
            "2 annotations of type `relation` left out"
        ]
    );
}

#[test]
fn a_nul_a_mark_at_the_start_and_line_ends_are_no_reason_to_refuse() {
    let text = "\0\0{\"text\": \"a\\u0000b\"}\0\r\n\r\n{\"text\": \"c\"}\r\n";
    let found = found("x.jsonl", text, &Options::default());
    assert_eq!(found.problems, [""; 0]);
    assert_eq!(said(&found.records), [("a\u{fffd}b", vec![]), ("c", vec![])]);
    assert_eq!(found.records[1].line, 3);
    assert_eq!(notes(&found), ["1 text holds a NUL, which is read as U+FFFD"]);
}

#[test]
fn a_mistake_in_a_value_of_several_lines_is_at_its_own_line() {
    let text = "[\n  {\n    \"text\": \"a\",\n    \"entities\": 7\n  },\n  {\"text\": \"b\"}\n]";
    let found = found("x.json", text, &Options::default());
    assert_eq!(found.problems, ["4:17: `entities` is `7`, expected an array"]);
    assert_eq!((said(&found.records), found.records[0].line), (vec![("b", vec![])], 2));
}

#[test]
fn a_region_with_other_labels_or_another_text_is_counted() {
    let labels = r#"[{"id": 1, "data": {"text": "Ada wrote"}, "annotations": [{"result": [
        {"type": "labels", "value": {"start": 0, "end": 3, "text": "Ada", "labels": ["PER", "ORG"]}},
        {"type": "labels", "value": {"start": 4, "end": 9, "text": "spoke", "labels": ["VERB"]}}]}]}]"#;
    let found_in_tasks = found("x.json", labels, &Options::default());
    let said = notes(&found_in_tasks);
    for text in ["1 further label was left out", "1 entity says another text than stands there"] {
        assert!(said.iter().any(|note| note.contains(text)), "{text} {said:?}");
    }
    let lines = "{\"text\": \"Ada wrote\", \"entities\": [{\"start\": 0, \"end\": 3, \"label\": \"PER\", \"text\": \"Bob\"}, {\"start\": 4, \"end\": 9, \"label\": \"VERB\", \"text\": \"wrote\"}]}\n";
    let said = notes(&found("x.jsonl", lines, &Options::default()));
    assert!(said.iter().any(|note| note.contains("1 entity says another text")), "{said:?}");
}

#[test]
fn a_nul_byte_within_json_is_read_and_said() {
    let line = "{\"text\":\0 \"A\0da \\\"x\\\" \0wrote\", \"entities\": []}\n";
    let found = found("x.jsonl", line, &Options::default());
    assert_eq!(found.problems, [""; 0]);
    assert_eq!(found.records[0].text, "A\u{fffd}da \"x\" \u{fffd}wrote");
    assert!(notes(&found).iter().any(|note| note.contains("a NUL")));
}

#[test]
fn rows_that_end_with_both_marks_are_at_their_line() {
    for end in ["\n", "\r\n"] {
        let table = ["text,label", "a,b", "c", "d,e"].join(end);
        let found = found("x.csv", table, &Options::default());
        assert!(found.problems[0].starts_with("3:1: "), "{end:?} {:?}", found.problems);
        assert_eq!(found.records.iter().map(|it| it.line).collect::<Vec<_>>(), [2, 4], "{end:?}");
    }
}

#[test]
fn conll_knows_small_prefixes_spaces_within_words_and_says_numbers_for_words() {
    let small = found("x.conll", "Ada b-per\nL i-per\nwrote o\n", &Options::default());
    assert_eq!(said(&small.records), [("Ada L wrote", vec![("Ada L".to_owned(), "per")])]);
    let word = records("x.conll", "10\u{a0}000 B-NUM\n\n");
    assert_eq!(said(&word), [("10\u{a0}000", vec![("10\u{a0}000".to_owned(), "NUM")])]);
    let numbered = found("x.conll", "1\tAda\tB-PER\n2\twrote\tO\n\n", &Options::default());
    let said = notes(&numbered);
    assert!(said.iter().any(|note| note.contains("`columns = { token = 1 }`")), "{said:?}");
}

#[test]
fn what_was_left_out_of_nested_entities_is_counted() {
    let line = r#"{"text": "New York Times", "entities": [[0, 14, "ORG"], [0, 8, "LOC"]]}"#;
    let kept = |nested| {
        let found = found("x.jsonl", line, &Options { nested, ..Options::default() });
        let entities = said(&found.records).into_iter().flat_map(|(_, entities)| entities);
        (entities.map(|(text, _)| text).collect::<Vec<_>>(), notes(&found), found.problems)
    };
    let note = "1 entity was left out, which overlaps another (`nested = \"outermost\"`)";
    assert_eq!(
        kept(Nested::Outermost),
        (vec!["New York Times".to_owned()], vec![note.to_owned()], vec![])
    );
    assert_eq!(kept(Nested::Refuse).2, ["1:57: entities `ORG` at 0..14 and `LOC` at 0..8 overlap"]);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for format in Format::ALL {
            let _ = read_as(format, &mut bytes.as_slice(), &Options::default(), &mut |_| ControlFlow::Continue(()));
        }
    }

    #[test]
    fn damaged_files_never_panic_and_keep_entities_inside(
        file in 0_usize..6, at in 0_usize..4000, byte in any::<u8>(),
    ) {
        let (name, format) = [
            ("datasets.jsonl", Format::Jsonl),
            ("spacy.json", Format::Json),
            ("iob2.conll", Format::Conll),
            ("datasets.csv", Format::Csv),
            ("label_studio.json", Format::LabelStudio),
            ("label_studio_min.json", Format::LabelStudio),
        ][file];
        let mut bytes = std::fs::read(fixture(name)).expect("a fixture");
        let at = at % bytes.len();
        bytes[at] = byte;
        let options = Options { nested: Nested::Longest, markup: byte % 2 == 0, ..Options::default() };
        let mut records = Vec::new();
        read_as(format, &mut bytes.as_slice(), &options, &mut |found| {
            records.extend(found);
            ControlFlow::Continue(())
        }).expect("memory");
        for record in records {
            let length = record.text.chars().count();
            let mut past = 0;
            for entity in record.entities.iter().flatten() {
                prop_assert!(past <= entity.start && entity.start < entity.end && entity.end <= length);
                past = entity.end;
            }
        }
    }
}
