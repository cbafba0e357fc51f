//! Names of fields and columns that are none: what is said of them, where, and what there is instead.

use crate::world::World;

const FILE: &str = "experiments/names.toml";

/// What `check` says of a corpus whose texts are rows of a table, with these parameters.
fn said(parameters: &str, command: &[&str]) -> String {
    let world = World::new();
    let row = |number: usize| {
        let severity = if number.is_multiple_of(3) { "high" } else { "low" };
        format!("{number},text {number},{severity},e{}\n", number % 7)
    };
    let rows: String = (0..40).map(row).collect();
    world.write("experiments/data/t.csv", format!("ticket,message,severity,event\n{rows}"));
    let line = |number: usize| {
        format!("{{\"text\": \"text {number}\", \"event\": \"e{}\", \"anomaly\": 0}}\n", number % 7)
    };
    world.write("experiments/data/t.jsonl", (0..40).map(line).collect::<String>());
    world.child("names", &format!("[stage.corpus]\nkind = \"read_corpus\"\n{parameters}"));
    let checked = world.pipeline(command.iter().copied().chain([FILE]));
    assert_eq!(checked.code, Some(2), "{parameters}{checked}");
    checked.stderr
}

const CSV: &str = "path = \"data/t.csv\"\nclasses = [\"severity\"]\n";
const JSON: &str = "path = \"data/t.jsonl\"\n";

#[test]
fn what_divides_texts_is_a_field_as_texts_have_it_when_they_are_read() {
    let as_id = "fields = { id = \"ticket\", text = \"message\" }\n";
    for (parameters, message, help) in [
        (
            "by = \"severity\"\n",
            "`by` names `severity`, which is a head",
            "its share of every class",
        ),
        (
            "by = { test = \"anomaly\" }\nsplit = { train = 0.8, validation = 0.1, test = 0.1 }\n",
            "`by` names `anomaly`, which is a head",
            "",
        ),
        ("order = \"severity\"\n", "`order` names `severity`, which is a head", "such as a time"),
        ("group = \"severity\"\nby = \"event\"\n", "`group` names `severity`, which is a head", ""),
        (
            &format!("{as_id}by = \"ticket\"\n"),
            "`by` names `ticket`, which `fields` calls `id`",
            "write `id`",
        ),
        (
            &format!("{as_id}by = \"message\"\n"),
            "`by` names `message`, which `fields` calls the text",
            "write `text`",
        ),
        ("by = \"entities\"\n", "`by` names `entities`, which says where entities are", ""),
    ] {
        let said = said(&format!("{CSV}{parameters}"), &["check"]);
        assert!(said.contains(message) && said.contains(help), "{parameters}{said}");
    }
    let renamed = "path = \"data/t.csv\"\nclasses = [\"level\"]\nfields = { level = \"severity\" }\nby = \"severity\"\n";
    let said = said(renamed, &["check"]);
    assert!(said.contains("which says the classes of the head `level`"), "{said}");
}

#[test]
fn a_name_that_no_text_has_is_told_with_those_that_there_are() {
    for (parameters, place, message, help) in [
        (
            format!("{CSV}by = \"evnt\"\n"),
            "evnt",
            "has no field `evnt` to split by; it has `event`, `ticket`",
            "did you mean `event`?",
        ),
        (
            format!("{CSV}by = \"message\"\n"),
            "message",
            "`by` names `message`, which is read as the text",
            "write `text`",
        ),
        (
            format!("{CSV}group = \"host\"\nby = \"host\"\n"),
            "host",
            "to group by; it has `event`, `ticket`",
            "",
        ),
        (
            format!("{CSV}fields = {{ text = \"body\" }}\n"),
            "data/t.csv",
            "there is no column `body`, but `ticket`, `message`",
            "says which field the text is",
        ),
        (
            format!("{CSV}fields = {{ entities = \"spans\" }}\n"),
            "data/t.csv",
            "there is no column `spans`, but `ticket`",
            "says which column the entities are",
        ),
        (
            format!("{CSV}fields = {{ id = \"tikcet\" }}\n"),
            "tikcet",
            "no text has a field `tikcet`, which `fields` calls `id`",
            "did you mean `ticket`?",
        ),
        (
            "path = \"data/t.csv\"\nclasses = [\"sevrity\"]\n".to_owned(),
            "sevrity",
            "no text has a class in its field `sevrity`",
            "did you mean `severity`?",
        ),
        (
            "path = \"data/t.csv\"\nclasses = [\"level\"]\nfields = { level = \"urgent\" }\n"
                .to_owned(),
            "urgent",
            "no text has a class in its field `urgent`, which `fields` calls `level`",
            "there are `event`, `severity`, `ticket`",
        ),
        (
            "path = \"data/t.csv\"\n".to_owned(),
            "data/t.csv",
            "so that nothing can be learnt",
            "there are `event`, `severity`, `ticket`",
        ),
        (
            format!("{JSON}fields = {{ entities = \"spans\" }}\n"),
            "spans",
            "no text has a field `spans`, which `fields` calls `entities`",
            "there are `event`",
        ),
    ] {
        let said = said(&parameters, &["check", "--data"]);
        let shown = said.lines().find(|line| line.contains(" | ")).unwrap_or_default();
        assert!(shown.contains(place), "{parameters}{said}");
        assert!(said.contains(message) && said.contains(help), "{parameters}{said}");
    }
}
