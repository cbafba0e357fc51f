//! What `predict` makes of lines of a log, and how it says what it cannot answer.

use std::io::Write as _;

use serde_json::Value;

use crate::world::{Shot, World, snapshot};

fn predict(world: &World, options: &[&str], input: &str) -> Shot {
    let arguments: Vec<&str> = ["predict", "outputs/mini"].iter().chain(options).copied().collect();
    world.shot(&arguments.join(" "), world.command(&arguments).write_stdin(input))
}

fn answers(shot: &Shot) -> Vec<Value> {
    shot.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn of_lines_of_a_log_rules_say_what_is_the_text_and_the_rest_is_kept() {
    let world = World::trained();
    let text = "db-07 crashed at 02:15";
    let log = format!("Jun  9 06:06:20 combo sshd[19]: {text}\n\n{text} and this is no log\n");
    let found = answers(&predict(&world, &["--rules", "syslog"], &log));
    let alone = &answers(&predict(&world, &[], text))[0];
    assert_eq!(found.len(), 3);
    for member in ["text", "entities", "anomaly", "anomaly_score"] {
        assert_eq!(found[0][member], alone[member], "{member}");
    }
    let [host, component, time] = ["host", "component", "timestamp"].map(|name| &found[0][name]);
    assert_eq!((host.as_str(), component.as_str()), (Some("combo"), Some("sshd")));
    assert_eq!(time, "2000-06-09T06:06:20");
    assert_eq!((&found[1]["text"], &found[1]["anomaly"]), (&"".into(), &Value::Null));
    assert_eq!(found[2]["text"], format!("{text} and this is no log"));
    // What rules say of classes is the input's, and no answer.
    world.write(
        "rules.toml",
        "extends = \"syslog\"\n[[class]]\nhead = \"anomaly\"\nclass = \"anomaly\"\n",
    );
    let found = answers(&predict(&world, &["--rules", "rules.toml"], &log));
    assert_eq!(found[0]["input_anomaly"], "anomaly");
    assert_eq!(found[0]["anomaly"], alone["anomaly"]);
    snapshot!(
        predict(&world, &["--rules", "none.toml"], ""),
        world.pipeline(["review", "outputs/mini/model", "--unlabelled", "none.log"]),
        world.pipeline(["review", "outputs/mini/model", "--unlabelled", "outputs"]),
        world.pipeline([
            "review",
            "outputs/mini/model",
            "--unlabelled",
            "rules.toml",
            "--rules",
            "none.toml",
        ]),
    );
}

#[test]
fn a_stream_is_read_as_it_is_written() {
    let world = World::trained();
    let text = "db-07 crashed at 02:15, déjà vu 🚚";
    let alone = answers(&predict(&world, &[], text));
    let utf16 = |mark: &str| -> Vec<u8> {
        format!("{mark}{text}\n").encode_utf16().flat_map(u16::to_le_bytes).collect()
    };
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).expect("in memory");
    for (options, bytes) in [
        (&["--encoding", "utf-16"][..], utf16("")),
        (&[], utf16("\u{feff}")),
        (&[], gzip.finish().expect("in memory")),
    ] {
        let arguments = ["predict", "outputs/mini"].iter().chain(options);
        let shot = world.shot("predict", world.command(arguments).write_stdin(bytes));
        assert_eq!(answers(&shot), alone, "{options:?}: {shot}");
    }
    let of_bytes = |options: &[&str], bytes: &[u8]| {
        let arguments = ["predict", "outputs/mini"].iter().chain(options);
        world.shot("predict", world.command(arguments).write_stdin(bytes))
    };
    let latin = of_bytes(&["--encoding", "latin-1"], b"d\xe9j\xe0 vu\n");
    assert_eq!(answers(&latin)[0]["text"], "déjà vu", "{latin}");
    let unsaid = of_bytes(&[], b"d\xe9j\xe0 vu\n");
    assert!(unsaid.code == Some(1) && unsaid.stderr.contains("`--encoding latin-1`"), "{unsaid}");
    let unsaid = of_bytes(&[], &utf16(""));
    assert!(unsaid.code == Some(1) && unsaid.stderr.contains("`--encoding utf-16`"), "{unsaid}");
    // Marks say where entities are, which is asked of the model.
    let marked = text.replace("db-07", "[db-07](HOST)");
    let json = format!("{}\n", serde_json::json!({"id": 7, "text": marked}));
    assert_eq!(answers(&predict(&world, &["--markup"], &marked)), alone);
    let found = &answers(&predict(&world, &["--markup"], &json))[0];
    assert_eq!((&found["text"], &found["entities"]), (&alone[0]["text"], &alone[0]["entities"]));
}

#[test]
fn what_has_no_answer_is_said_as_its_format_says_it() {
    let world = World::trained();
    let lines = "{\"text\": \"db-07 crashed\"}\n{\"text\": 5}\n";
    let help = |options: &[&str]| {
        let shot = predict(&world, options, lines);
        assert_eq!(shot.code, Some(1), "{shot}");
        let help = shot.stderr.lines().find(|line| line.starts_with("help: ")).map(str::to_owned);
        help.expect("a help")
    };
    assert!(help(&[]).contains("an object with `error`"));
    assert!(help(&["--format", "csv"]).contains("the column `error`"));
    assert!(help(&["--format", "conll"]).contains("the comments `# error"));
    assert!(help(&["--format", "spans-in-colour"]).contains("stands its number"));
    assert!(help(&["--html", "page.html"]).contains("the page says why"));
}

#[test]
fn people_read_the_names_of_classes_and_programs_what_files_write() {
    let world = World::trained();
    let text = "db-07 crashed at 02:15";
    let class = answers(&predict(&world, &[], text))[0]["anomaly"].as_u64().expect("a number");
    let name = ["normal", "anomaly"][usize::try_from(class).expect("0 or 1")];
    let marked = predict(&world, &["--format", "spans-in-colour"], text).stdout;
    assert!(marked.contains(&format!("  anomaly {name} (")), "{marked}");
    predict(&world, &["--html", "page.html"], text);
    assert!(world.read("page.html").contains(&format!("\"anomaly\":\"{name}\"")));
}
