//! `predict`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::world::{MINI, Shot, World, snapshot};

/// A world whose model has learned enough to find something; trained once for all tests here.
fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let world = World::new();
        let longer = MINI
            .replace("epochs = 1", "epochs = 6")
            .replace("1e-3", "5e-3")
            .replace("samples = 80", "samples = 300");
        world.write("experiments/mini.toml", longer);
        assert_eq!(world.pipeline(["run", "experiments/mini.toml"]).code, Some(0));
        world
    })
}

fn predict(input: impl Into<Vec<u8>>) -> Shot {
    let world = world();
    world
        .shot("predict outputs/mini", world.command(["predict", "outputs/mini"]).write_stdin(input))
}

fn predictions(shot: &Shot) -> Vec<Value> {
    shot.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn line_n_of_the_output_is_about_line_n_of_the_input() {
    let found = predictions(&predict(
        "db-07 crashed at 02:15\r\n\n  \nbackup of web-12 finished at 04:40\n",
    ));
    let texts: Vec<_> =
        found.iter().map(|prediction| prediction["text"].as_str().expect("a text")).collect();
    assert_eq!(texts, ["db-07 crashed at 02:15", "", "  ", "backup of web-12 finished at 04:40"]);
    let keys: Vec<_> = found[0].as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["text", "entities", "anomaly", "anomaly_score"]);
    assert_eq!(
        found[1],
        json!({"text": "", "entities": [], "anomaly": null, "anomaly_score": null})
    );
}

#[test]
fn blank_lines_change_no_other_prediction() {
    let text = "db-07 crashed at 02:15";
    assert_eq!(predictions(&predict(format!("\n{text}\n\n")))[1], predictions(&predict(text))[0]);
}

#[test]
fn json_lines_give_their_text() {
    let found = predictions(&predict(
        "{\"text\": \"db-07 crashed\", \"id\": 1}\n{\"text\": \"all is well\"}\n",
    ));
    assert_eq!(
        [found[0]["text"].clone(), found[1]["text"].clone()],
        ["db-07 crashed", "all is well"]
    );
}

fn with(options: &[&str], input: impl Into<Vec<u8>>) -> Shot {
    let arguments: Vec<&str> = ["predict", "outputs/mini"].iter().chain(options).copied().collect();
    world().shot(&arguments.join(" "), world().command(&arguments).write_stdin(input))
}

#[test]
fn what_else_a_json_line_holds_is_kept_as_it_is_written() {
    let line = r#"{"id": 12345678901234567890123, "text": "db-07 crashed", "tags": ["a", {"b": 1.50}], "anomaly": 1}"#;
    let answer = predict(line).stdout;
    let kept = r#"{"id":12345678901234567890123,"text":"db-07 crashed","tags":["a", {"b": 1.50}],"input_anomaly":1,"entities":["#;
    assert!(answer.starts_with(kept), "{answer}");
    let found = &predictions(&predict(line))[0];
    assert!(found["anomaly_score"].is_number(), "{found}");
}

#[test]
fn a_field_that_is_called_as_one_of_an_answer_is_not_taken_for_one() {
    let line = r#"{"text": "db-07 crashed", "error": "E1", "line": 9, "input_line": 8}"#;
    let found = &predictions(&predict(line))[0];
    let (kept, all) = (&found["input_error"], found.as_object().expect("an object"));
    assert_eq!((kept, all.get("error"), all.get("line")), (&json!("E1"), None, None));
    assert_eq!((&found["input_line"], &found["input_input_line"]), (&json!(8), &json!(9)));
    let bad = r#"{"text": 5, "error": "E1", "anomaly": 1}"#;
    let found = &predictions(&with(&["--field", "text"], bad))[0];
    assert_eq!(
        found,
        &json!({
            "text": 5, "input_error": "E1", "input_anomaly": 1,
            "error": "the object has no `text` that is a string", "line": 1,
        })
    );
    let blank = &predictions(&with(&["--field", "error"], "{\"error\": \"a\"}\n\n"))[1];
    assert_eq!((&blank["input_error"], blank.get("error")), (&json!(""), None));
}

#[test]
fn a_model_that_may_not_be_read_or_is_no_file_is_said_to_be_so() {
    let world = World::trained();
    let model = |part: &str| world.path("outputs/mini/model").join(part);
    let heads = std::fs::read(model("heads.json")).expect("readable");
    std::fs::remove_file(model("heads.json")).expect("removed");
    let made = std::process::Command::new("mkfifo").arg(model("heads.json")).status();
    assert!(made.expect("mkfifo").success());
    let shot = world.pipeline(["predict", "outputs/mini"]);
    assert!(shot.code == Some(2) && shot.stderr.contains("a named pipe, not a file"), "{shot}");
    std::fs::remove_file(model("heads.json")).expect("removed");
    std::fs::write(model("heads.json"), heads).expect("written");
    let set = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))
            .expect("set");
    };
    for (path, closed, open) in [(model("heads.json"), 0, 0o644), (model(""), 0o600, 0o755)] {
        set(&path, closed);
        // Permissions do not bind root.
        if std::fs::read(model("heads.json")).is_err() {
            let shot = world.pipeline(["predict", "outputs/mini"]);
            assert!(
                shot.code == Some(2)
                    && shot.stderr.to_lowercase().contains("permission denied")
                    && shot.stderr.contains("help: change its permissions")
                    && !shot.stderr.contains("os error"),
                "{shot}"
            );
        }
        set(&path, open);
    }
}

#[test]
fn a_line_that_cannot_be_tagged_keeps_its_fields_too() {
    let found = predictions(&predict("{\"text\": \"a\"}\n{\"id\": 7, \"txt\": \"b\"}\n"));
    assert_eq!(
        found[1],
        json!({"id": 7, "txt": "b", "error": "the object has no `text` that is a string", "line": 2})
    );
}

#[test]
fn a_field_can_be_named_that_holds_the_text() {
    let line = "{\"message\": \"db-07 crashed at 02:15\", \"text\": \"other\"}";
    let found = predictions(&with(&["--field", "message"], line)).remove(0);
    let plain = predictions(&predict("db-07 crashed at 02:15")).remove(0);
    assert_eq!(
        (&found["entities"], &found["message"], &found["text"]),
        (&plain["entities"], &plain["text"], &json!("other"))
    );
}

#[test]
fn every_entity_has_a_score_and_a_threshold_leaves_out_what_is_below() {
    let text = "db-07 crashed at 02:15";
    let scores = |found: &Value| -> Vec<f64> {
        let entities = found["entities"].as_array().expect("a list");
        entities.iter().map(|entity| entity["score"].as_f64().expect("a number")).collect()
    };
    let all = predictions(&predict(text)).remove(0);
    let highest = scores(&all).into_iter().fold(0.0, f64::max);
    assert!(highest > 0.0 && highest <= 1.0, "{all}");
    let ner = |least: f64| with(&["--threshold", &format!("ner={least}")], text);
    let of_highest = predictions(&ner(highest)).remove(0);
    assert_eq!(scores(&of_highest).iter().filter(|score| **score < highest).count(), 0);
    assert!(!scores(&of_highest).is_empty());
    assert_eq!(of_highest["anomaly"], all["anomaly"]);
    let none = predictions(&with(&["--threshold", "1"], text)).remove(0);
    assert_eq!((scores(&none).len(), &none["anomaly"]), (0, &json!(0)));
    let both = with(&["--threshold", "1", "--threshold", "anomaly=0"], text);
    assert_eq!(predictions(&both)[0]["anomaly"], 1);
}

#[test]
fn what_is_not_one_object_a_line_is_refused_with_a_remedy() {
    world().write("array.json", "[{\"text\": \"a\"},\n{\"text\": \"b\"}]");
    snapshot!(
        with(&[], "[\"a\", \"b\"]"),
        with(&["array.json"], ""),
        with(&[], "{\n  \"text\": \"a\"\n}\n"),
    );
}

#[test]
fn thresholds_that_are_none_say_what_is_expected() {
    snapshot!(
        with(&["--threshold", "2"], ""),
        with(&["--threshold", "topic=0.5"], ""),
        with(&["--threshold", "ner=0.5", "--threshold", "ner=0.6"], ""),
    );
}

#[test]
fn a_line_of_one_letter_without_end_is_read_as_far_as_the_model_reads() {
    // What the whole of it would take is measured in seconds and gigabytes.
    let found = predictions(&predict(vec![b'x'; 15 << 20]));
    assert_eq!(found[0]["truncated"], true);
}

#[test]
fn offsets_count_characters_whatever_their_bytes() {
    let text = "ünïcödé 😀 db-07 crashed at 02:15";
    let found = predictions(&predict(text));
    let entities = found[0]["entities"].as_array().expect("a list");
    assert!(!entities.is_empty(), "the model finds something: {}", found[0]);
    let characters = text.chars().count() as u64;
    for entity in entities {
        let (start, end) = (
            entity["start"].as_u64().expect("a number"),
            entity["end"].as_u64().expect("a number"),
        );
        assert!(start < end && end <= characters, "{entity} lies in {characters} characters");
    }
}

#[test]
fn the_found_entity_is_the_one_that_the_offsets_cut_out() {
    let text = "é😀é db-07 crashed at 02:15";
    let found = predictions(&predict(text));
    let cut = |entity: &Value| -> String {
        let (start, end) = (
            entity["start"].as_u64().expect("a number") as usize,
            entity["end"].as_u64().expect("a number") as usize,
        );
        text.chars().skip(start).take(end - start).collect()
    };
    let cuts: Vec<String> =
        found[0]["entities"].as_array().expect("a list").iter().map(cut).collect();
    assert!(cuts.iter().any(|cut| cut == "02:15"), "{cuts:?}");
}

#[test]
fn a_line_of_a_stream_is_tagged_before_the_next_one_comes() {
    let mut child = world()
        .process(["predict", "outputs/mini"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let (mut input, mut output) =
        (child.stdin.take().expect("piped"), BufReader::new(child.stdout.take().expect("piped")));
    for line in ["db-07 crashed at 02:15", "all is well"] {
        writeln!(input, "{line}").expect("written");
        let mut answer = String::new();
        output.read_line(&mut answer).expect("readable");
        assert!(answer.contains(line), "{answer}");
    }
    drop(input);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn many_bad_lines_are_counted_and_a_few_are_named() {
    let shot = predict(format!("{{\"text\": \"\"}}\n{}", "nonsense\n".repeat(3000)));
    assert_eq!((shot.code, predictions(&shot).len()), (Some(1), 3001));
    assert!(
        shot.stderr.starts_with(
            "error: 3000 of 3001 lines could not be tagged: 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ...\n"
        ),
        "{}",
        shot.stderr
    );
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let mut child = world()
        .process(["predict", "outputs/mini"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = child.stdin.take().expect("piped");
    let writer =
        std::thread::spawn(move || while input.write_all(b"db-07 crashed at 02:15\n").is_ok() {});
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("readable");
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("the pipe breaks");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn no_input_is_no_output() {
    let shot = predict("");
    assert_eq!((shot.code, shot.stdout.as_str(), shot.stderr.as_str()), (Some(0), "", ""));
}

#[test]
fn a_text_beyond_the_length_that_the_model_reads_says_so() {
    let found = predictions(&predict("db-07 crashed at 02:15 ".repeat(100)));
    assert_eq!(found[0]["truncated"], true);
}

#[test]
fn how_much_follows_behind_what_the_model_reads_makes_no_difference() {
    let answer = |times: usize| {
        let mut prediction =
            predictions(&predict("db-07 crashed at 02:15 ".repeat(times))).remove(0);
        prediction["text"].take();
        prediction
    };
    assert_eq!(answer(50_000), answer(100));
    // Without a space there is no place at which to stop reading.
    assert_eq!(predictions(&predict("x".repeat(1 << 17)))[0]["truncated"], true);
}

#[test]
fn what_cannot_be_read_is_answered_in_its_place_and_the_rest_is_tagged() {
    snapshot!(
        predict("{\"text\": \"\"}\nnot json\n{\"txt\": \"b\"}\n\n"),
        predict(b" \n\xff\xfe\n".to_vec()),
    );
}

#[test]
fn a_model_or_a_file_that_is_not_there_says_what_was_expected() {
    let world = world();
    snapshot!(
        world.pipeline(["predict", "outputs/none"]),
        world.pipeline(["predict", "outputs"]),
        world.pipeline(["predict", "experiments/mini.toml"]),
        world.pipeline(["predict", "outputs/mini", "none.txt"]),
        world.pipeline(["predict", "outputs/mini", "experiments"]),
    );
}

/// A copy of the model's folder, somewhere else.
fn copied(name: &str) -> PathBuf {
    let world = world();
    let folder = world.path(name);
    std::fs::create_dir_all(&folder).expect("created");
    for file in world.names("outputs/mini/model") {
        let from = world.path(format!("outputs/mini/model/{file}"));
        std::fs::write(folder.join(&file), std::fs::read(from).expect("readable"))
            .expect("written");
    }
    folder
}

#[test]
fn the_configuration_is_that_of_the_encoder_and_what_the_heads_mean_lies_beside_it() {
    let world = world();
    let read = |name: &str| -> Value {
        serde_json::from_str(&world.read(&format!("outputs/mini/model/{name}"))).expect("JSON")
    };
    let config = read("config.json");
    assert_eq!(config["architectures"], json!(["ModernBertModel"]));
    for of_heads in ["id2label", "label2id", "anomaly_labels"] {
        assert_eq!(config.get(of_heads), None, "{of_heads}");
    }
    // With labels of its own a class of transformers would answer by a head that it has drawn by chance.
    assert_eq!(config["num_labels"], 0);
    let heads = read("heads.json");
    assert_eq!(
        heads["heads"][0],
        json!({"name": "ner", "task": "tagging", "labels": ["B-HOST", "B-TIME", "I-HOST", "I-TIME", "O"], "threshold": null, "temperature": 1.0})
    );
    assert_eq!((&heads["max_length"], &heads["decoding"]), (&json!(128), &json!("words")));
    let digests = read("digests.json");
    // The card is for people, who may write into it.
    let is_model = |name: &&String| *name != "digests.json" && *name != "README.md";
    for file in world.names("outputs/mini/model").iter().filter(is_model) {
        let content = std::fs::read(world.path(format!("outputs/mini/model/{file}")));
        let digest = blake3::hash(&content.expect("readable")).to_hex().to_string();
        assert_eq!(digests["blake3"][file], digest, "{file}");
    }
}

#[test]
fn a_copied_folder_answers_as_the_first_and_a_damaged_file_of_it_is_named() {
    let folder = copied("copied");
    let answer = || {
        world().shot(
            "predict copied",
            world().command(["predict", "copied"]).write_stdin("db-07 crashed"),
        )
    };
    assert_eq!(answer().stdout, predict("db-07 crashed").stdout);
    let weights = folder.join("model.safetensors");
    let mut bytes = std::fs::read(&weights).expect("readable");
    let last = bytes.len() - 2;
    bytes[last] ^= 1; // a bit of a number, which stays one
    std::fs::write(&weights, &bytes).expect("written");
    let damaged = answer();
    std::fs::remove_file(&weights).expect("removed");
    snapshot!(damaged, answer());
}

#[test]
fn a_model_of_an_earlier_version_says_what_to_run_again() {
    let folder = copied("outputs/earlier/model");
    for file in ["heads.json", "digests.json"] {
        std::fs::remove_file(folder.join(file)).expect("removed");
    }
    let config = "{\"model_type\": \"modernbert\", \"id2label\": {\"0\": \"O\"}, \"anomaly_labels\": [\"normal\", \"anomaly\"]}";
    std::fs::write(folder.join("config.json"), config).expect("written");
    let answer = || world().pipeline(["predict", "outputs/earlier"]);
    let nameless = answer();
    world().write("outputs/earlier/published.json", "{\"experiment\": \"experiments/mine.toml\"}");
    snapshot!(nameless, answer());
}

#[test]
fn a_file_and_a_model_folder_are_as_good_as_a_stream_and_a_results_folder() {
    let world = world();
    world.write("texts.txt", "db-07 crashed at 02:15\n");
    let file = world.pipeline(["predict", "outputs/mini/model", "texts.txt", "--threads", "1"]);
    assert_eq!(file.stdout, predict("db-07 crashed at 02:15").stdout);
}

/// Predictions with scores as far as sums in another order leave them.
fn rounded(mut found: Vec<Value>) -> Vec<Value> {
    fn round(value: &mut Value) {
        match value {
            Value::Number(number) if number.is_f64() => {
                *value = json!(format!("{:.6}", number.as_f64().expect("a number")));
            }
            Value::Array(items) => items.iter_mut().for_each(round),
            Value::Object(members) => members.values_mut().for_each(round),
            _ => {}
        }
    }
    found.iter_mut().for_each(round);
    found
}

#[test]
fn a_prediction_does_not_depend_on_what_is_read_with_its_text() {
    let lines = "db-07 crashed at 02:15\nroutine check of web-12 at 09:30\nmail-2 was restarted at 04:40 as planned\ndb-07 crashed at 02:15\n";
    let alone: Vec<Value> =
        lines.lines().flat_map(|line| rounded(predictions(&predict(line)))).collect();
    for options in [["--batch-tokens", "1"], ["--batch-tokens", "4096"], ["--cache", "0"]] {
        assert_eq!(rounded(predictions(&with(&options, lines))), alone, "{options:?}");
    }
    let many = with(&["--batch-tokens", "20", "--threads", "3", "--cache", "0"], lines.repeat(500));
    let expected: Vec<Value> = std::iter::repeat_n(alone, 500).flatten().collect();
    assert_eq!(rounded(predictions(&many)), expected);
}

#[test]
fn a_line_is_answered_while_those_behind_it_are_still_being_read() {
    let mut child = world()
        .process(["predict", "outputs/mini", "--cache", "0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = child.stdin.take().expect("piped");
    let mut output = BufReader::new(child.stdout.take().expect("piped"));
    // As `tail -f` writes them: many at once, the last of them not yet whole.
    let whole = "db-07 crashed at 02:15\n".repeat(5000);
    input.write_all(format!("{whole}all is").as_bytes()).expect("written");
    let mut answer = String::new();
    for _ in 0..5000 {
        output.read_line(&mut answer).expect("readable");
    }
    assert_eq!(answer.lines().count(), 5000);
    input.write_all(b" well\n").expect("written");
    answer.clear();
    output.read_line(&mut answer).expect("readable");
    assert!(answer.starts_with("{\"text\":\"all is well\""), "{answer}");
    drop(input);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

const MIXED: &str = r#"{"id": 7, "text": "db-07 crashed, \"hard\", at 02:15", "anomaly": [1]}
{"text": " "}
{"txt": "x"}
{"text": "all is well", "more": true}
"#;

#[test]
fn csv_has_a_row_for_each_line_and_loses_none_of_its_members() {
    let shot = with(&["--format", "csv"], MIXED);
    let mut rows = csv::Reader::from_reader(shot.stdout.as_bytes());
    let header: Vec<String> = rows.headers().expect("a header").iter().map(str::to_owned).collect();
    assert_eq!(
        header,
        [
            "id",
            "text",
            "input_anomaly",
            "entities",
            "anomaly",
            "anomaly_score",
            "truncated",
            "error",
            "other"
        ]
    );
    let rows: Vec<Vec<String>> =
        rows.records().map(|row| row.expect("a row").iter().map(str::to_owned).collect()).collect();
    assert_eq!(rows[0][..3], ["7", "db-07 crashed, \"hard\", at 02:15", "[1]"]);
    let as_json = &predictions(&predict(MIXED))[0];
    assert_eq!(serde_json::from_str::<Value>(&rows[0][3]).expect("JSON"), as_json["entities"]);
    assert_eq!(rows[0][5], as_json["anomaly_score"].to_string());
    assert_eq!(rows[1], ["", " ", "", "[]", "", "", "", "", ""]);
    assert_eq!(rows[2][7..], ["the object has no `text` that is a string", r#"{"txt":"x"}"#]);
    assert_eq!((rows[3][8].as_str(), rows.len(), shot.code), (r#"{"more":true}"#, 4, Some(1)));
    let lines = with(&["--format", "csv"], "db-07 crashed\n");
    assert!(
        lines.stdout.starts_with(
            "text,entities,anomaly,anomaly_score,truncated,error,other\ndb-07 crashed,"
        ),
        "{lines}"
    );
}

#[test]
fn conll_is_read_again_with_the_entities_that_were_found() {
    let shot = with(&["--format", "conll"], MIXED.replace("\"txt\"", "\"text\""));
    let world = world();
    world.write("again.conll", &shot.stdout);
    world.write(
        "experiments/again.toml",
        "version = 1\n[stage.corpus]\nkind = \"read_corpus\"\ntrain = \"../again.conll\"\nvalidation = \"../again.conll\"\n",
    );
    let data = world.pipeline(["check", "--data", "experiments/again.toml"]);
    assert_eq!(data.code, Some(0), "{data}\n{}", shot.stdout);
    let tags = |text: &str| text.lines().filter(|line| line.contains("\tB-")).count();
    let found = predictions(&predict(MIXED))
        .iter()
        .filter_map(|it| it["entities"].as_array().map(Vec::len))
        .sum::<usize>();
    assert!(found > 0 && tags(&shot.stdout) >= found, "{}", shot.stdout);
    assert!(
        shot.stdout.starts_with("# id = 7\n# input_anomaly = [1]\n# anomaly = "),
        "{}",
        shot.stdout
    );
}

#[test]
fn spans_are_marked_by_brackets_where_there_are_no_colours() {
    let text = "db-07 crashed \u{1b}[31mat 02:15\n";
    let plain = with(&["--format", "spans-in-colour", "--color", "never"], text);
    assert!(plain.stdout.contains("](HOST)") && plain.stdout.contains("  anomaly "), "{plain}");
    assert!(!plain.stdout.contains('\u{1b}'), "{plain}");
    let coloured = with(&["--format", "spans-in-colour", "--color", "always"], text);
    assert!(coloured.stdout.contains("\u{1b}[30;48;5;"), "{coloured}");
    assert!(!coloured.stdout.contains("\u{1b}[31m"), "{coloured}");
}

#[test]
fn a_page_has_the_answers_and_nothing_in_a_text_ends_its_script() {
    let world = world();
    world.write("texts.txt", "db-07 crashed at 02:15\n</script><script>alert(1)</script>\n");
    let shot = world.pipeline(["predict", "outputs/mini", "texts.txt", "--html", "page.html"]);
    assert_eq!((shot.code, shot.stdout.as_str(), shot.stderr.as_str()), (Some(0), "", ""));
    let page = world.read("page.html");
    let data = page.split("id=answers>").nth(1).and_then(|rest| rest.split("</script>").next());
    let data: Value = serde_json::from_str(data.expect("answers")).expect("JSON");
    let answer = &predictions(&predict(world.read("texts.txt")))[0];
    assert_eq!(data["answers"][0]["entities"], answer["entities"]);
    assert_eq!(data["answers"][1]["text"], "</script><script>alert(1)</script>");
    let both = world.pipeline([
        "predict",
        "outputs/mini",
        "texts.txt",
        "--html",
        "page.html",
        "--format",
        "jsonl",
    ]);
    assert_eq!(both.stdout.lines().count(), 2);
    let nowhere =
        world.pipeline(["predict", "outputs/mini", "texts.txt", "--html", "none/page.html"]);
    assert_eq!(nowhere.code, Some(2), "{nowhere}");
}

#[test]
fn without_the_feature_serve_says_how_to_get_it() {
    if cfg!(feature = "serve") {
        return;
    }
    let shot = world().pipeline(["serve", "outputs/mini"]);
    assert_eq!(shot.code, Some(2));
    assert!(shot.stderr.contains("--features serve"), "{shot}");
}
