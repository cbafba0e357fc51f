//! Corpora as other tools write them: one experiment, of which only the corpus stage changes.

use std::path::Path;

use crate::world::{World, snapshot};

/// A world with the files that other tools wrote, and an experiment that reads as these parameters say.
fn reading(parameters: &str) -> World {
    let world = World::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers");
    for entry in std::fs::read_dir(fixtures).expect("fixtures") {
        let path = entry.expect("readable").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        std::fs::copy(&path, world.path(format!("experiments/data/{name}"))).expect("copied");
    }
    world.child("lines", &format!("[stage.corpus]\nkind = \"read_corpus\"\n{parameters}"));
    world
}

const FILE: &str = "experiments/lines.toml";

#[test]
fn what_was_guessed_and_repaired_is_said_by_check_and_run() {
    let world = reading(
        "path = [\"data/iob*.conll\", \"data/iobes.txt\"]\nsplit = { train = 0.5, validation = 0.5 }\nduplicates = \"keep\"\n",
    );
    let checked = world.pipeline(["check", "--data", FILE]);
    let ran = world.pipeline(["run", FILE, "corpus"]);
    for text in [
        "read as `format = \"conll\"`, by its name: ",
        "read as `format = \"conll\"`, by its content: ",
        "tags are read as `scheme = ",
        "2 sequences of tags are none of it",
    ] {
        assert!(
            checked.stdout.contains(text) && ran.stderr.contains(text),
            "{text}\n{checked}{ran}"
        );
    }
    snapshot!(checked);
}

#[test]
fn every_common_form_is_read_without_a_script() {
    for parameters in [
        "path = \"data/spacy.jsonl\"\n",
        "path = \"data/spacy.json\"\n",
        "path = \"data/iob2.conll.gz\"\n",
        "path = \"data/label_studio.json\"\nclasses = { severity = [\"low\", \"high\"] }\n",
        "path = \"data/label_studio_min.json\"\nclasses = [\"severity\"]\n",
        "path = \"data/datasets.csv\"\nclasses = [\"severity\"]\n",
        "path = \"data/datasets.jsonl\"\nlabel_names = [\"O\", \"B-PER\", \"I-PER\", \"B-LOC\", \"I-LOC\", \"B-ORG\", \"I-ORG\"]\n",
        "train = \"data/iob1.conll\"\nvalidation = [\"data/iob2.conll\"]\n",
    ] {
        let split = if parameters.starts_with("path") {
            "split = { train = 0.5, validation = 0.5 }\n"
        } else {
            ""
        };
        let world = reading(&format!("{parameters}{split}"));
        let ran = world.pipeline(["run", FILE, "corpus"]);
        assert_eq!(ran.code, Some(0), "{parameters}{ran}");
    }
}

#[test]
fn lines_that_cannot_be_read_stop_or_are_left_out_counted_and_listed() {
    let world = reading("path = \"data/bad.jsonl\"\nsplit = { train = 0.5, validation = 0.5 }\n");
    let good = "{\"text\": \"a\", \"entities\": []}\n{\"text\": \"b\", \"entities\": []}\n";
    world.write("experiments/data/bad.jsonl", format!("{good}{{\"text\": 7}}\nno JSON\n"));
    let stopped = world.pipeline(["run", FILE, "corpus"]);
    let skipped = world.pipeline(["run", FILE, "corpus", "--set", "corpus.on_error=skip"]);
    assert_eq!((stopped.code, skipped.code), (Some(1), Some(0)), "{stopped}{skipped}");
    let listed = crate::common::files_below(&world.path("outputs/store"));
    let is_list = |path: &&String| path.ends_with("skipped.jsonl");
    let listed = listed.keys().find(is_list).expect("a list of what was skipped");
    let listed = std::fs::read_to_string(world.path("outputs/store").join(listed)).expect("a text");
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert!(listed.starts_with("{\"file\":\"bad.jsonl\",\"line\":3,\"column\":10,"), "{listed}");
    snapshot!(stopped, skipped);
}

#[test]
fn files_without_labels_and_fields_without_classes_are_refused_with_a_remedy() {
    let world = reading("path = \"data/datasets.csv\"\n");
    let none = world.pipeline(["check", "--data", FILE]);
    let absent = world.pipeline(["check", "--data", FILE, "--set", "corpus.classes=[\"urgency\"]"]);
    let taken = world.pipeline(["check", FILE, "--set", "corpus.classes=[\"ner\"]"]);
    let missing = world.pipeline(["check", FILE, "--set", "corpus.path=experiments/data/*.xml"]);
    snapshot!(none, absent, taken, missing);
}

/// Lines of syslog of two hosts, one a minute; every seventh says that something failed.
fn log() -> String {
    let line = |number: usize| {
        let (hour, minute, host) = (number / 60, number % 60, number % 2);
        let what = if number % 7 == 6 { "failed" } else { "opened" };
        format!(
            "Jun  9 {hour:02}:{minute:02}:00 host{host} sshd[{number}]: session {what} for user u{number} from 10.0.0.{minute}\n"
        )
    };
    (0..90).map(line).collect()
}

const RULES: &str = "extends = \"syslog\"\n[[class]]\nhead = \"anomaly\"\nclass = \"anomaly\"\npattern = 'failed'\n[[class]]\nhead = \"anomaly\"\nclass = \"normal\"\n";

#[test]
fn a_log_is_read_by_rules_line_by_line_in_windows_and_in_groups() {
    let world = reading("path = \"data/auth.log\"\nrules = \"syslog\"\n");
    world.write("experiments/data/auth.log", log());
    world.write("experiments/data/rules.toml", RULES);
    let lines = world.pipeline(["check", "--data", FILE]);
    let set = |parameters: &[&str]| {
        let rules = ["check", "--data", FILE, "--set", "corpus.rules=experiments/data/rules.toml"];
        let set = parameters.iter().flat_map(|parameter| ["--set", parameter]);
        world.pipeline(rules.into_iter().chain(set))
    };
    let windows = "corpus.window={ lines = 10, step = 5 }";
    let ordered = set(&[windows, "corpus.order=timestamp"]);
    let random = set(&[windows]);
    let random_groups = set(&["corpus.group=pid"]);
    let remedy = "`by = \"pid\"` divides the values of `pid`";
    assert!(random_groups.stderr.contains(remedy), "{random_groups}");
    let hosts = set(&["corpus.group=pid", "corpus.by=pid"]);
    assert_eq!(
        (lines.code, ordered.code, hosts.code),
        (Some(0), Some(0), Some(0)),
        "{lines}{ordered}{hosts}"
    );
    assert!(ordered.stdout.contains("windows of lines: 14 train, 3 validation"), "{ordered}");
    assert!(random.stderr.contains("needs a split by `order`"), "{random}");
    snapshot!(lines, ordered, random);
}

#[test]
fn a_second_file_says_the_classes_of_sessions() {
    let world = reading(
        "path = \"data/auth.log\"\nrules = \"syslog\"\ngroup = \"component\"\nby = \"component\"\nlookup = { path = \"data/labels.csv\", key = \"component\" }\nsplit = { train = 0.5, validation = 0.5 }\n",
    );
    let line =
        |number: usize| format!("Jun  9 01:{number:02}:00 h c{}: opened {number}\n", number % 5);
    world.write("experiments/data/auth.log", (0..20).map(line).collect::<String>());
    world.write("experiments/data/labels.csv", "component,anomaly\nc0,0\nc1,1\nc2,0\nc3,1\n");
    let ran = world.pipeline(["run", FILE, "corpus"]);
    assert!(ran.stderr.contains("1 text has no row in the file of `lookup`"), "{ran}");
    let files = crate::common::files_below(&world.path("outputs/store"));
    let texts: Vec<_> = files.iter().filter(|(name, _)| name.ends_with("n.jsonl")).collect();
    let anomalies = texts
        .iter()
        .map(|(_, bytes)| String::from_utf8_lossy(bytes).matches("\"anomaly\":1").count());
    assert_eq!(anomalies.sum::<usize>(), 2, "{ran}");
}

/// What `check --data` says of `lines`, with more parameters of the corpus.
fn checked(lines: &str, parameters: &str) -> String {
    let world = reading(&format!("path = \"data/lines.jsonl\"\n{parameters}\n"));
    world.write("experiments/data/lines.jsonl", lines);
    world.write("experiments/data/more.jsonl", lines);
    world.write("experiments/data/rows.csv", "session,anomaly\nnone,1\nof,0\n");
    let checked = world.pipeline(["check", "--data", FILE]);
    format!("{}{}", checked.stdout, checked.stderr)
}

/// Lines of sessions; the first of them ends last.
fn sessions(level: impl Fn(usize) -> &'static str) -> String {
    let session = |number: usize| if number.is_multiple_of(12) { 0 } else { 1 + number / 4 };
    let line = |number: usize| {
        let (session, level) = (session(number), level(number));
        format!(
            "{{\"text\": \"line {number}\", \"session\": \"s{session}\", \"host\": \"h{}\", \"ts\": {number}, \"level\": \"{level}\"}}\n",
            number % 2
        )
    };
    (0..37).map(line).collect()
}

#[test]
fn a_group_is_where_its_last_line_is_and_has_one_value_of_by() {
    let levels = sessions(|number| if number % 3 == 0 { "low" } else { "high" });
    let classes = "group = \"session\"\nclasses = { level = [\"low\", \"high\"] }";
    let ordered = checked(&levels, &format!("{classes}\norder = \"ts\""));
    assert!(ordered.contains("train `3` to `31`, validation `35` to `36`"), "{ordered}");
    let by = checked(&levels, &format!("{classes}\nby = \"host\""));
    assert!(by.contains("the lines of `session` `s1` have several values of `host`"), "{by}");
}

#[test]
fn joined_lines_need_an_order_of_their_classes() {
    let levels = sessions(|number| ["low", "high", "middle"][number % 3]);
    for how in ["group = \"session\"\nby = \"session\"", "window = { lines = 4 }\norder = \"ts\""] {
        let said = checked(&levels, &format!("{how}\nclasses = [\"level\"]"));
        assert!(said.contains("nothing says the order of `level`"), "{how}\n{said}");
        let classes = "classes = { level = [\"low\", \"middle\", \"high\"] }";
        let said = checked(&levels, &format!("{how}\n{classes}"));
        assert!(!said.contains("nothing says"), "{how}\n{said}");
    }
    let numbers = sessions(|number| ["0", "1", "2"][number % 3]);
    let said = checked(&numbers, "group = \"session\"\nby = \"session\"\nclasses = [\"level\"]");
    assert!(!said.contains("nothing says"), "{said}");
}

#[test]
fn windows_end_with_their_file_and_lines_out_of_order_are_said() {
    let levels = sessions(|number| if number % 3 == 0 { "0" } else { "1" });
    let window = "window = { lines = 20 }\nclasses = [\"level\"]\n";
    let split = "split = { train = 0.5, validation = 0.5 }\nby = \"host\"\n";
    let one = checked(&levels, &format!("{window}{split}"));
    assert!(one.contains("windows of lines: 1 train, 1 validation"), "{one}");
    let world = reading(&format!("path = \"data/[lm]*e*.jsonl\"\n{window}{split}"));
    world.write("experiments/data/lines.jsonl", &levels);
    world.write("experiments/data/more.jsonl", &levels);
    let two = world.pipeline(["check", "--data", FILE]);
    assert!(two.stdout.contains("windows of lines: 2 train, 2 validation"), "{two}");
    let sorted = checked(&levels, &format!("{window}order = \"ts\""));
    assert!(!sorted.contains("an earlier `ts`"), "{sorted}");
    let turned: String = levels.lines().rev().map(|line| format!("{line}\n")).collect();
    let turned = checked(&turned, &format!("{window}order = \"ts\""));
    assert!(turned.contains("36 lines have an earlier `ts` than the line before"), "{turned}");
}

#[test]
fn a_second_file_without_a_row_or_the_key_is_refused_with_its_own_remedy() {
    let levels = sessions(|_| "low");
    let lookup = |key: &str| {
        checked(&levels, &format!("lookup = {{ path = \"data/rows.csv\", key = \"{key}\" }}"))
    };
    let none = lookup("session");
    assert!(none.contains("no text has a row in the file of `lookup`"), "{none}");
    let absent = lookup("host");
    assert!(absent.contains("`key` of `lookup` names a field of the texts"), "{absent}");
}

#[test]
fn lines_without_a_field_that_places_them_are_left_out_where_mistakes_are() {
    let mut levels = sessions(|number| if number % 2 == 0 { "low" } else { "high" });
    levels.push_str("{\"text\": \"at Main.java:7\", \"level\": \"low\"}\n");
    for how in ["order = \"ts\"", "by = \"session\"", "group = \"session\"\nby = \"session\""] {
        let classes = "classes = { level = [\"low\", \"high\"] }";
        let stopped = checked(&levels, &format!("{how}\n{classes}"));
        assert!(stopped.contains("`on_error = \"skip\"` leaves out "), "{stopped}");
        let skipped = checked(&levels, &format!("{how}\n{classes}\non_error = \"skip\""));
        assert!(skipped.contains("1 text is left out that cannot be read"), "{how}\n{skipped}");
    }
}

#[test]
fn labels_that_nobody_has_files_read_twice_and_rules_that_are_none_are_said() {
    let entity = "{\"text\": \"Ada wrote\", \"entities\": [{\"start\": 0, \"end\": 3, \"label\": \"PER\"}]}\n";
    let lines = format!("{entity}{}", entity.replace("Ada", "Bob"));
    let labels =
        "labels = { PER = \"PERSON\", Loc = \"LOC\" }\nsplit = { train = 0.5, validation = 0.5 }";
    let said = checked(&lines, labels);
    assert!(said.contains("no entity has the label `Loc` of `labels`"), "{said}");
    assert!(!said.contains("no entity has the label `PER`"), "{said}");
    assert!(!said.contains("more than once"), "{said}");
    let world = reading(
        "path = [\"data/lines.jsonl\", \"data/l*.jsonl\"]\nsplit = { train = 0.5, validation = 0.5 }\n",
    );
    world.write("experiments/data/lines.jsonl", &lines);
    let twice = world.pipeline(["check", "--data", FILE]);
    assert!(twice.stdout.contains("lines.jsonl is read more than once"), "{twice}");
    world.write("experiments/data/mine", RULES);
    let rules = |of: &str| {
        let of = format!("corpus.rules={of}");
        world.pipeline(["check", FILE, "--set", "corpus.format=lines", "--set", &of])
    };
    let none = rules("nginx");
    assert!(none.stderr.contains("`\"syslog\"`, `\"application\"` and"), "{none}");
    let mine = rules("experiments/data/mine");
    assert_eq!(mine.code, Some(0), "{mine}");
}

#[test]
fn the_help_for_json_lines_is_for_those_alone() {
    let world = reading("path = \"data/bad.conll\"\n");
    world.write("experiments/data/bad.conll", "Ada B-PER\nwrote\n\nBob B-PER\nspoke O\n");
    let conll = world.pipeline(["check", "--data", FILE]);
    assert!(conll.stderr.contains("leaves out what is wrong"), "{conll}");
    assert!(!conll.stderr.contains("a line is"), "{conll}");
}

#[test]
fn a_mistake_in_a_file_of_rules_is_shown_in_it() {
    let world = reading("path = \"data/auth.log\"\nrules = \"data/rules.toml\"\n");
    world.write("experiments/data/auth.log", log());
    world.write("experiments/data/rules.toml", "line = ['(']\n");
    let broken = world.pipeline(["check", FILE]);
    assert!(broken.stderr.contains("experiments/data/rules.toml:1:8"), "{broken}");
    snapshot!(broken);
}

#[test]
fn the_rules_that_come_with_the_program_are_part_of_the_key() {
    let world = reading("path = \"data/auth.log\"\nrules = \"syslog\"\n");
    world.write("experiments/data/auth.log", log());
    let key = |rules: &str| {
        let plan =
            world.pipeline(["plan", "--json", FILE, "--set", &format!("corpus.rules={rules}")]);
        let plan: serde_json::Value = serde_json::from_str(&plan.stdout).expect("JSON");
        plan["nodes"][0]["key"].to_string()
    };
    assert!(key("syslog").len() > 10);
    assert_ne!(key("syslog"), key("apache"));
}

#[test]
fn a_file_of_which_only_the_corpus_stage_changes_trains_on_every_form() {
    let world = reading("path = \"data/auth.log\"\n");
    world.write("experiments/data/auth.log", log());
    world.write("experiments/data/rules.toml", RULES);
    let halves = "split = { train = 0.5, validation = 0.5 }\n";
    for parameters in [
        format!("path = \"data/iob2.conll\"\n{halves}"),
        format!("path = \"data/datasets.csv\"\nclasses = {{ severity = [\"low\", \"high\"] }}\n{halves}"),
        format!("path = \"data/label_studio.json\"\nclasses = [\"severity\"]\n{halves}"),
        "path = \"data/auth.log\"\nrules = \"data/rules.toml\"\norder = \"timestamp\"\nwindow = { lines = 5, step = 3 }\n".to_owned(),
    ] {
        world.child("lines", &format!("[stage.corpus]\nkind = \"read_corpus\"\n{parameters}"));
        let ran = world.pipeline(["run", FILE]);
        assert_eq!(ran.code, Some(0), "{parameters}{ran}");
        assert!(world.names("outputs/lines").contains(&"metrics.json".to_owned()), "{ran}");
    }
}

#[test]
fn lines_of_several_files_are_told_with_their_file() {
    let world = reading("path = [\"data/a.jsonl\", \"data/b.jsonl\"]\norder = \"ts\"\n");
    let lines = |text: &str, from: usize| -> String {
        let line = |number: usize| {
            format!(
                "{{\"text\": \"{text} {}\", \"anomaly\": {}, \"ts\": {number}}}\n",
                number % 10,
                number % 2
            )
        };
        (from..from + 10).map(line).collect()
    };
    world.write("experiments/data/a.jsonl", lines("disk", 0));
    world.write("experiments/data/b.jsonl", lines("disk", 10));
    let said = world.pipeline(["check", "--data", FILE]).stdout;
    let places = "line 7 of `b.jsonl` (validation) and line 7 of `a.jsonl` (train)";
    assert!(said.contains(places), "{said}");
}

/// What `check --data` says of a corpus of ten texts with these corrections.
pub fn corrected(fixes: &str, parameters: &str) -> String {
    corrected_by("fixes.jsonl", fixes, parameters)
}

fn corrected_by(file: &str, fixes: &str, parameters: &str) -> String {
    let checked = correcting(file, fixes, parameters).pipeline(["check", "--data", FILE]);
    format!("{}{}", checked.stdout, checked.stderr)
}

/// A world with a corpus of ten texts, and these corrections.
fn correcting(file: &str, fixes: &str, parameters: &str) -> World {
    let line = |number: usize| {
        format!("{{\"id\": {number}, \"text\": \"line {number}\", \"anomaly\": {}}}\n", number % 2)
    };
    let world = reading(&format!(
        "path = \"data/lines.jsonl\"\ncorrections = \"data/{file}\"\n{parameters}\n"
    ));
    world.write("experiments/data/lines.jsonl", (0..10).map(line).collect::<String>());
    world.write(format!("experiments/data/{file}"), fixes);
    world
}

#[test]
fn corrections_fit_by_id_or_text_and_those_that_fit_nothing_are_listed() {
    let fixes = "{\"id\": 1, \"anomaly\": 0}\n{\"text\": \"line 3\", \"anomaly\": 0}\n{\"id\": 2, \"text\": \"line 2\", \"anomaly\": 0}\n\
                 {\"id\": 99, \"anomaly\": 1}\n{\"text\": \"nowhere\", \"anomaly\": 1}\n";
    let said = corrected(fixes, "");
    for text in [
        "3 texts were looked at again: 2 with another `anomaly` now",
        "2 of 5 corrections fit no text, by `id` or by text: ",
        "fixes.jsonl:4 (`id` `99`)",
        "fixes.jsonl:5",
    ] {
        assert!(said.contains(text), "{text}\n{said}");
    }
}

#[test]
fn corrections_that_a_tool_has_numbered_anew_fit_by_text() {
    // Two of the numbers are also those of texts.
    let fixes = "{\"id\": 1, \"text\": \"line 3\", \"anomaly\": 0}\n{\"id\": 2, \"text\": \"line 5\", \"anomaly\": 0}\n{\"id\": 12, \"text\": \"line 7\", \"anomaly\": 1}\n";
    let said = corrected(fixes, "");
    for text in [
        "3 texts were looked at again: 2 with another `anomaly` now",
        "3 texts are corrected by a line that has another `id` and the same text",
    ] {
        assert!(said.contains(text), "{text}\n{said}");
    }
}

#[test]
fn a_file_that_a_tool_has_numbered_anew_fits_by_text_beside_one_that_keeps_ids() {
    let world = reading(
        "path = \"data/lines.jsonl\"\ncorrections = [\"data/kept.jsonl\", \"data/counted.json\"]\n",
    );
    let line = |number: usize| {
        format!("{{\"id\": {number}, \"text\": \"line {number}\", \"anomaly\": {}}}\n", number % 2)
    };
    world.write("experiments/data/lines.jsonl", (0..10).map(line).collect::<String>());
    world.write(
        "experiments/data/kept.jsonl",
        "{\"id\": 9, \"text\": \"line 9\", \"anomaly\": 0}\n",
    );
    // As JSON_MIN counts tasks: the first has by chance the number that it had.
    let task = |id: usize, line: usize| {
        format!("{{\"id\": {id}, \"text\": \"line {line}\", \"anomaly\": 0}}")
    };
    let counted = format!("[{}, {}, {}]", task(1, 1), task(2, 3), task(3, 5));
    world.write("experiments/data/counted.json", counted);
    let checked = world.pipeline(["check", "--data", FILE]);
    let told = "4 texts were looked at again: 4 with another `anomaly` now";
    assert!(checked.stdout.contains(told), "{checked}");
}

#[test]
fn corrections_may_be_a_table_of_ids_and_classes() {
    let said = corrected_by("fixes.csv", "id,anomaly\n1,0\n2,normal\n3,anomaly\n", "");
    assert!(said.contains("3 texts were looked at again: 1 with another `anomaly` now"), "{said}");
    let said = corrected_by("fixes.csv", "id,entities\n1,[]\n", "");
    assert!(said.contains("there is no column `text`, but `id`, `entities`"), "{said}");
}

#[test]
fn mistakes_in_corrections_are_listed_with_their_lines_or_left_out_and_counted() {
    let fixes = "{\"id\": 1, \"anomaly\": 0}\n{\"id\": 1, \"anomaly\": 1}\n{\"id\": 2, \"anomaly\": \"maybe\"}\n{\"id\": 3, \"text\": \"line 4\", \"anomaly\": 0}\n\
                 {\"id\": 5, \"entities\": []}\nno JSON\n";
    let said = corrected(fixes, "");
    for text in [
        "fixes.jsonl:2:1: the text is corrected in ",
        "fixes.jsonl:3:22: `anomaly` is `maybe`, expected 0 (normal) or 1 (anomaly)",
        "fixes.jsonl:4:1: the text with this `id` is another one in the corpus",
        "fixes.jsonl:5:23: `entities` need the `text` in which they are counted",
        "fixes.jsonl:6:2: not a JSON object",
    ] {
        assert!(said.contains(text), "{text}\n{said}");
    }
    let said = corrected(fixes, "on_error = \"skip\"");
    assert!(said.contains("corrections: 5 lines are left out"), "{said}");
    assert!(said.contains("1 text was looked at again: 1 with another `anomaly` now"), "{said}");
    let said = corrected("{\"id\": 77, \"anomaly\": 0}\n", "");
    assert!(said.contains("no line of the corrections fits a text"), "{said}");
    let world = correcting("fixes.jsonl", fixes, "on_error = \"skip\"");
    assert_eq!(world.pipeline(["run", FILE, "corpus", "--quiet"]).code, Some(0));
    let files = crate::common::files_below(&world.path("outputs/store"));
    let skipped = files.iter().find(|(name, _)| name.ends_with("/skipped.jsonl")).expect("a list");
    assert_eq!(String::from_utf8_lossy(skipped.1).lines().count(), 5);
}

#[test]
fn tables_are_read_by_any_delimiter_with_capitals_in_the_header_and_lines_that_are_counted() {
    let rows = |delimiter: &str| -> String {
        let row = |number: usize| format!("line {number}{delimiter}c{}\n", number % 2);
        let rows: Vec<String> = (0..10).map(row).collect();
        format!("Text{delimiter}Label\n{}\n\n{}", rows[..5].concat(), rows[5..].concat())
    };
    for (delimiter, said_so) in [(",", ""), ("|", "divided by `|`"), ("\t", "divided by `\\t`")] {
        let world = reading("path = \"data/x.csv\"\nclasses = [\"Label\"]\n");
        world.write("experiments/data/x.csv", rows(delimiter));
        let checked = world.pipeline(["check", "--data", FILE]);
        assert_eq!(checked.code, Some(0), "{checked}");
        assert!(checked.stdout.contains(said_so), "{checked}");
        let broken = rows(delimiter).replace("line 7", &format!("line 7{delimiter}more"));
        for (text, end) in [(broken.clone(), "\n"), (broken.replace('\n', "\r\n"), "\r\n")] {
            world.write("experiments/data/x.csv", text);
            let wrong = world.pipeline(["check", "--data", FILE]);
            assert!(wrong.stderr.contains("x.csv:11:1: the row has 3 cells"), "{end:?} {wrong}");
        }
    }
}

#[test]
fn what_is_about_files_of_another_format_is_refused_whether_that_was_said_or_guessed() {
    let world = reading(
        "path = \"data/datasets.csv\"\ncolumns = { token = 1 }\nclasses = [\"severity\"]\n",
    );
    let guessed = world.pipeline(["check", "--data", FILE]);
    let said = world.pipeline(["check", FILE, "--set", "corpus.format=csv"]);
    snapshot!(guessed, said);
}

#[test]
fn corrections_may_call_fields_as_the_corpus_does() {
    let world = reading(
        "path = \"data/own.csv\"\nclasses = { bad = [\"no\", \"yes\"] }\nfields = { text = \"What\", bad = \"How bad?\", id = \"no\" }\ncorrections = \"data/fixes.csv\"\n",
    );
    let row = |n: usize| format!("{n},text {n},{}\n", ["no", "yes"][n % 2]);
    let header = "no,What,How bad?\n";
    let rows: String = (0..20).map(row).collect();
    world.write("experiments/data/own.csv", format!("{header}{rows}"));
    world.write("experiments/data/fixes.csv", format!("{header}2,text 2,yes\n"));
    let shot = world.pipeline(["check", "--data", FILE]);
    assert!(
        shot.code == Some(0)
            && shot.stdout.contains("1 text was looked at again: 1 with another `bad` now"),
        "{shot}"
    );
}

/// Parameters that are about some formats alone, with the files below that they are for.
const PARTICULAR: [(&str, &[&str]); 14] = [
    (
        "encoding=latin-1",
        &["a.jsonl", "a.json", "a.csv", "a.tsv", "a.conll", "a.txt", "tasks.json"],
    ),
    ("offsets=bytes", &["a.jsonl", "a.json", "a.csv", "a.tsv", "tasks.json"]),
    ("nested=outermost", &["a.jsonl", "a.json", "a.csv", "a.tsv", "a.conll", "tasks.json"]),
    ("columns={ token = 0, tag = 1 }", &["a.conll"]),
    ("scheme=iob2", &["a.conll"]),
    ("join=\"\"", &["a.conll"]),
    ("label_names=[\"O\"]", &[]),
    ("markup=true", &["a.jsonl", "a.json", "a.csv", "a.tsv", "a.txt"]),
    ("rules=syslog", &["a.txt"]),
    ("fields={ text = \"text\" }", &["a.jsonl", "a.json", "a.csv", "a.tsv", "tasks.json"]),
    ("fields={ entities = \"ents\" }", &["a.jsonl", "a.json", "a.csv", "a.tsv"]),
    ("fields={ id = \"key\" }", &["a.jsonl", "a.json", "a.csv", "a.tsv", "a.txt", "tasks.json"]),
    ("fields={ tokens = \"words\" }", &[]),
    ("fields={ tags = \"tags\" }", &[]),
];

#[test]
fn a_parameter_that_is_about_other_files_is_refused_for_every_format() {
    let world = World::empty();
    let read = "kind = \"read_corpus\"\npath = \"data/lines.jsonl\"\n";
    let halves = "split = { train = 0.5, validation = 0.5 }\n";
    world.write(FILE, format!("version = 1\n[stage.corpus]\n{read}{halves}"));
    let task = |n: usize| {
        format!(
            r#"{{"id": {n}, "data": {{"text": "Ada {n}"}}, "annotations": [{{"result": [{{"type": "labels", "value": {{"start": 0, "end": 3, "labels": ["PER"]}}}}]}}]}}"#
        )
    };
    let line = |n: usize| {
        format!(r#"{{"text": "Ada {n}", "ents": [[0, 3, "PER"]], "anomaly": {}}}"#, n % 2)
    };
    let all = |line: &dyn Fn(usize) -> String, between: &str| {
        (0..4).map(line).collect::<Vec<_>>().join(between)
    };
    let array = |line: &dyn Fn(usize) -> String| format!("[{}]", all(line, ","));
    let cells = |between: char| {
        let row = |n: usize| format!("Ada {n}{between}{}\n", n % 2);
        format!("text{between}anomaly\n{}", (0..4).map(row).collect::<String>())
    };
    let files = [
        ("a.jsonl", all(&line, "\n")),
        ("a.json", array(&line)),
        ("a.csv", cells(',')),
        ("a.tsv", cells('\t')),
        ("a.conll", all(&|n| format!("Ada B-PER\nran{n} O\n"), "\n")),
        ("a.txt", all(&|n| format!("Jun  9 06:06:2{n} h sshd: [Ada](PER) {n}"), "\n")),
        ("tasks.json", array(&task)),
    ];
    for (file, content) in files {
        world.write(format!("experiments/data/{file}"), content);
        for (parameter, fitting) in PARTICULAR {
            let path = format!("corpus.path=experiments/data/{file}");
            let parameter = format!("corpus.{parameter}");
            let set = ["--set", &path, "--set", &parameter];
            let shot = world.pipeline(["check", "--data", FILE].into_iter().chain(set));
            let is_refused = shot.stderr.contains("` is for `")
                || shot.stderr.contains("` of `fields` is for `")
                || shot.stderr.contains("is about words with tags");
            assert_eq!(is_refused, !fitting.contains(&file), "{shot}");
        }
    }
}

#[test]
fn rules_for_a_file_that_is_no_log_by_its_name_are_refused_before_it_is_read() {
    let world = reading("path = \"data/datasets.csv\"\nrules = \"syslog\"\n");
    let checked = world.pipeline(["check", FILE]);
    let remedy = checked.stderr.contains("say with `format` what the files are");
    assert!(checked.code == Some(2) && remedy, "{checked}");
    let raw = world.pipeline(["check", FILE, "--set", "corpus.format=lines"]);
    assert_eq!(raw.code, Some(0), "{raw}");
}

#[test]
fn json_lines_are_guessed_and_said_as_every_other_format_is() {
    let entity = "{\"text\": \"Ada wrote\", \"entities\": [{\"start\": 0, \"end\": 3, \"label\": \"PER\"}]}\n";
    let halves = "split = { train = 0.5, validation = 0.5 }";
    let said = checked(&format!("{entity}{}", entity.replace("Ada", "Bob")), halves);
    assert!(said.contains("read as `format = \"jsonl\"`, by its name: "), "{said}");
}
