//! `init`.

use crate::world::{World, snapshot};

#[test]
fn init_in_an_empty_folder_writes_an_experiment_that_passes_and_refuses_to_write_it_twice() {
    let world = World::empty();
    snapshot!(
        world.pipeline(["init"]),
        world.pipeline(["init"]),
        world.pipeline(["check", "experiments/starter.toml"]),
        world.pipeline(["init", "new folder"]),
    );
}

#[test]
fn init_takes_a_folder_and_makes_none_that_is_called_as_a_file() {
    let world = World::empty();
    world.write("notes", "mine");
    for name in ["x.toml", "notes"] {
        let shot = world.pipeline(["init", name]);
        assert!(shot.code == Some(2) && shot.stderr.contains("`init` takes a folder"), "{shot}");
    }
    assert!(!world.path("x.toml").exists() && world.read("notes") == "mine");
}

#[test]
fn the_starter_runs_as_it_is() {
    let world = World::empty();
    world.pipeline(["init"]);
    let small = [
        "stage.corpus.samples=60",
        "stage.train.epochs=1",
        "stage.init_model.hidden_size=32",
        "stage.init_model.num_hidden_layers=2",
    ];
    let shot = world.pipeline(
        ["run", "experiments/starter.toml"]
            .into_iter()
            .chain(small.iter().flat_map(|value| ["--set", value])),
    );
    assert!(shot.code == Some(0) && world.path("outputs/starter/loss.png").is_file(), "{shot}");
}

/// Swaps which of the blocks that begin with this line are commented out; a block ends at an empty line.
fn swapped(text: &str, header: &str) -> String {
    let (mut swapped, mut inside) = (String::new(), false);
    for line in text.lines() {
        let bare = line.strip_prefix("# ").unwrap_or(line);
        inside = (inside || bare.starts_with(header)) && !line.is_empty();
        swapped += &match line.strip_prefix("# ") {
            Some(bare) if inside => format!("{bare}\n"),
            None if inside => format!("# {line}\n"),
            _ => format!("{line}\n"),
        };
    }
    swapped
}

#[test]
fn your_own_texts_work_by_swapping_comments_in_the_starter() {
    let world = World::empty();
    world.pipeline(["init"]);
    let text = world.read("experiments/starter.toml");
    let own = swapped(&text, "[stage.corpus]");
    assert!(own.contains("\n# kind          = \"generate_corpus\"") && own.contains("\npath  ="));
    world.write("experiments/own.toml", &own);
    let check = world.pipeline(["check", "experiments/own.toml"]);
    assert_eq!(check.code, Some(0), "{check}");
    let run = world.pipeline(["run", "experiments/own.toml", "tokenize"]);
    assert_eq!(run.code, Some(0), "{run}");
    let note = "texts: 42 train (70.0 %), 9 validation (15.0 %), 9 test (15.0 %)";
    assert!(run.stderr.contains(note), "{run}");
    // Its few lines are alike, which is said; nothing else is.
    let mut warnings = run.stderr.lines().filter(|line| line.contains("warning"));
    assert!(warnings.all(|line| line.contains("in train")), "{run}");
}

#[test]
fn the_sweep_and_the_hub_model_of_the_starter_are_right_once_they_are_no_comments() {
    let world = World::empty();
    world.pipeline(["init"]);
    let text = world.read("experiments/starter.toml");
    let at = text.find("# [sweep]").expect("the starter shows a sweep");
    world.write(
        "experiments/swept.toml",
        format!("{}{}", &text[..at], text[at..].replace("# ", "")),
    );
    world.write("experiments/hub.toml", swapped(&text, "[stage.init_model]"));
    snapshot!(world.pipeline(["check", "experiments/swept.toml", "experiments/hub.toml"]));
}

#[test]
fn a_file_in_the_way_is_not_overwritten() {
    let world = World::empty();
    world.write("experiments/starter_events.toml", "mine");
    let shot = world.pipeline(["init"]);
    assert!(shot.code == Some(2) && !world.path("experiments/starter.toml").exists(), "{shot}");
    assert_eq!(world.read("experiments/starter_events.toml"), "mine");
}

/// Whether the experiment for a file reads its texts with these entities.
fn is_read(world: &World, file: &str, entities: &[&str]) {
    let shot = world.pipeline(["init", "--data", file]);
    assert_eq!(shot.code, Some(0), "{shot}");
    let name = file.split('.').next().expect("a name");
    let data = world.pipeline(["data", &format!("experiments/{name}.toml"), "--json"]);
    assert_eq!(data.code, Some(0), "{data}");
    for entity in entities {
        assert!(data.stdout.contains(entity), "{entity}: {data}");
    }
}

#[test]
fn tags_that_are_numbers_are_read_by_the_names_in_the_info_of_their_data_set() {
    let world = World::empty();
    let line = |number| {
        format!("{{\"tokens\": [\"Ada\", \"wrote\", \"{number}\"], \"ner_tags\": [1, 0, 0]}}\n")
    };
    world.write("data.jsonl", (0..20).map(line).collect::<String>());
    let refused = world.pipeline(["init", "--data", "data.jsonl"]);
    assert_eq!(refused.code, Some(2), "{refused}");
    assert!(
        refused.stderr.contains("`dataset_info.json` or `README.md` beside the file"),
        "{refused}"
    );
    let tags = |names: &str| {
        format!(
            "{{\"feature\": {{\"names\": [{names}], \"_type\": \"ClassLabel\"}}, \"_type\": \"List\"}}"
        )
    };
    let features = [("pos_tags", "\"NN\", \"VB\""), ("ner_tags", "\"O\", \"B-PER\", \"I-PER\"")];
    let features = features.map(|(name, names)| format!("\"{name}\": {}", tags(names)));
    world.write("dataset_info.json", format!("{{\"features\": {{{}}}}}", features.join(", ")));
    is_read(&world, "data.jsonl", &["PER"]);
    let text = world.read("experiments/data.toml");
    assert!(text.contains("label_names = [\"O\", \"B-PER\", \"I-PER\"]"), "{text}");
}

#[test]
fn brackets_around_words_are_read_in_the_last_column_and_in_that_of_conll_2012() {
    let world = World::empty();
    let two = |number| format!("Ada (PER*\nLovelace *)\nwrote *\n{number} (DATE)\n\n");
    world.write("two.txt", (0..20).map(two).collect::<String>());
    is_read(&world, "two.txt", &["PER", "DATE"]);
    let row = |word: &str, name: &str| format!("bc/x 0 0 {word} NN (TOP* - - - Ada {name} * -\n");
    let many = |number: usize| {
        row("Ada", "(PERSON*") + &row("Lovelace", "*)") + &row(&number.to_string(), "*") + "\n"
    };
    let sentences: String = (0..20).map(many).collect();
    let begin = "#begin document (bc/x); part 000\n";
    world.write("many.conll", format!("{begin}{sentences}#end document\n"));
    is_read(&world, "many.conll", &["PERSON"]);
}

/// Small enough to train in a moment.
const SMALL: [&str; 6] = [
    "--set",
    "stage.train.epochs=1",
    "--set",
    "stage.model.hidden_size=32",
    "--set",
    "stage.model.num_hidden_layers=1",
];

#[test]
fn every_template_runs_as_it_is() {
    for template in ["ner", "classify", "demo"] {
        let world = World::empty();
        let shot = world.pipeline(["init", "--template", template]);
        assert_eq!(shot.code, Some(0), "{shot}");
        let file = format!("experiments/{template}.toml");
        let shot = world.pipeline(["run", &file].into_iter().chain(SMALL));
        assert_eq!(shot.code, Some(0), "{shot}");
    }
}

/// Lines of a few templates, of which each has a number of its own.
fn tickets(count: usize) -> String {
    let line = |number: usize| {
        let (text, label) = match number % 3 {
            0 => (format!("disk {number} is full"), "high"),
            1 => (format!("fan {number} is noisy"), "high"),
            _ => (format!("page {number} has a typo"), "low"),
        };
        let start = text.find(char::is_numeric).expect("a number");
        let end = start + number.to_string().len();
        format!(
            "{{\"text\": \"{text}\", \"entities\": [[{start}, {end}, \"NUM\"]], \"severity\": \"{label}\", \"source\": \"s{}\", \"room\": \"r{}\"}}\n",
            number % 12,
            number % 4
        )
    };
    (0..count).map(line).collect()
}

#[test]
fn a_file_of_texts_gets_an_experiment_that_says_why_and_runs_as_it_is() {
    let world = World::empty();
    world.write("data/tickets of may.jsonl", tickets(60));
    let shot = world.pipeline(["init", "--data", "data/tickets of may.jsonl"]);
    let written = world.read("experiments/tickets_of_may.toml");
    let run = ["run", "experiments/tickets_of_may.toml", "--quiet"].into_iter().chain(SMALL);
    assert_eq!(world.pipeline(run).code, Some(0));
    assert!(world.path("outputs/tickets_of_may/severity_confusion.png").is_file());
    snapshot!(shot, written);
}

#[test]
fn a_file_elsewhere_is_named_by_its_whole_path_and_ordered_by_its_time() {
    let (world, elsewhere) = (World::empty(), World::empty());
    let line = |day: usize| {
        format!(
            "{{\"text\": \"all well on {day}\", \"label\": \"{}\", \"time\": \"2026-05-{day:02}\"}}\n",
            day % 2
        )
    };
    elsewhere.write("days.jsonl", (1..=30).map(line).collect::<String>());
    let path = elsewhere.path("days.jsonl");
    let path = path.to_str().expect("plain");
    assert_eq!(world.pipeline(["init", "--data", path]).code, Some(0));
    let written = world.read("experiments/days.toml");
    assert!(written.contains(&format!("path   = \"{path}\"")), "{written}");
    assert!(written.contains("order  = \"time\"") && !written.contains("\nby "), "{written}");
    assert!(written.contains("classes = { label = [\"0\", \"1\"] }"), "{written}");
    let shot = world.pipeline(["check", "--data", "experiments/days.toml"]);
    assert_eq!(shot.code, Some(0), "{shot}");
}

#[test]
fn a_file_without_labels_or_with_mistakes_or_none_at_all_is_refused() {
    let world = World::empty();
    let line = |n: usize| format!("{{\"text\": \"a {n}\", \"n\": {n}}}\n");
    world.write("plain.jsonl", (0..12).map(line).collect::<String>());
    world.write("few.jsonl", (0..3).map(line).collect::<String>());
    world.write("plain.txt", (0..12).map(|n| format!("text {n}\n")).collect::<String>());
    world.write("fast.txt", (0..12).map(|n| format!("__label__a text {n}\n")).collect::<String>());
    world.write("bad.jsonl", "{\"text\": 3}\n");
    snapshot!(
        world.pipeline(["init", "--data", "plain.jsonl"]),
        world.pipeline(["init", "--data", "bad.jsonl"]),
        world.pipeline(["init", "--data", "none.jsonl"]),
        world.pipeline(["init", "--data", "few.jsonl"]),
        world.pipeline(["init", "--data", "plain.txt"]),
        world.pipeline(["init", "--data", "fast.txt"]),
        world.pipeline(["init", "--data", "plain.jsonl", "--template", "ner"]),
    );
    assert!(!world.path("experiments").exists());
}

/// What `init` writes for lines, which are read without a mistake.
fn written(file: &str, line: impl Fn(usize) -> String) -> String {
    let world = World::empty();
    world.write(file, (0..40).map(|n| line(n) + "\n").collect::<String>());
    let shot = world.pipeline(["init", "--data", file]);
    assert_eq!(shot.code, Some(0), "{shot}");
    let stem = file.split('.').next().expect("a name");
    let experiment = format!("experiments/{stem}.toml");
    let shot = world.pipeline(["check", "--data", &experiment]);
    assert_eq!(shot.code, Some(0), "{shot}");
    world.read(&experiment)
}

fn class(n: usize) -> &'static str {
    if n.is_multiple_of(2) { "low" } else { "high" }
}

#[test]
fn a_line_in_forty_that_cannot_be_read_is_left_out() {
    let line = |n: usize| match n {
        7 => "{\"text\": \"cut o".to_owned(),
        _ => format!("{{\"text\": \"text {n}\", \"label\": \"{}\"}}", class(n)),
    };
    let written = written("lines.jsonl", line);
    assert!(
        written.contains("left out, since they cannot be read: 1 text, the first: lines.jsonl:8:")
    );
    assert!(written.contains("\non_error = \"skip\""), "{written}");
}

#[test]
fn a_file_in_latin_1_is_read_as_that_and_one_that_is_damaged_is_not() {
    for (other, is_latin) in [("a text", true), ("\u{fc}ber einen Text", false)] {
        let world = World::empty();
        let line = |n: usize| match n {
            7 => b"\xfcber 7,low\n".to_vec(),
            _ => format!("{other} {n},{}\n", class(n)).into_bytes(),
        };
        let text = [b"text,label\n".to_vec()].into_iter().chain((0..40).map(line));
        world.write("texts.csv", text.flatten().collect::<Vec<u8>>());
        let shot = world.pipeline(["init", "--data", "texts.csv"]);
        let written = world.read("experiments/texts.toml");
        assert_eq!(written.contains("encoding = \"latin-1\""), is_latin, "{shot}{written}");
        assert_eq!(written.contains("on_error = \"skip\""), !is_latin, "{shot}{written}");
        let shot = world.pipeline(["check", "--data", "experiments/texts.toml"]);
        assert_eq!(shot.code, Some(0), "{shot}");
    }
}

#[test]
fn a_column_that_is_no_name_for_a_head_gets_one() {
    let line = |n: usize| match n {
        0 => "text,How bad?".to_owned(),
        _ => format!("text {n},{}", class(n)),
    };
    let written = written("tickets.csv", line);
    assert!(written.contains("classes = { How_bad = [\"high\", \"low\"] }"), "{written}");
    assert!(written.contains("fields = { How_bad = \"How bad?\" }"), "{written}");
}

#[test]
fn lines_of_a_log_are_ordered_by_their_times_though_many_have_the_same() {
    let line = |n: usize| format!("Jun  9 06:{:02}:20 combo sshd[{n}]: session {n} opened", n / 3);
    let written = written("auth.log", line);
    assert!(written.contains("order  = \"timestamp\""), "{written}");
}

#[test]
fn classes_in_lists_of_one_are_classes_and_lists_of_several_are_none() {
    let text = written("listed.jsonl", |n| {
        let several = if n.is_multiple_of(2) { "[\"a\", \"b\"]" } else { "[\"a\"]" };
        format!(r#"{{"text": "t {n}", "label": ["{}"], "type": {several}}}"#, class(n))
    });
    assert!(text.contains(r#"classes = { label = ["high", "low"] }"#), "{text}");
    let text = written("scored.jsonl", |n| {
        let score = n % 2;
        format!(r#"{{"text": "t {n}", "cats": {{"low": {score}.0, "high": {}.0}}}}"#, 1 - score)
    });
    assert!(text.contains(r#"classes = { cats = ["high", "low"] }"#), "{text}");
    let text = written("rated.csv", |n| match n {
        0 => "text,label,type,level".to_owned(),
        _ => format!("t {n},{}.0,{},{}", n % 2, ["inf", "nan"][n % 2], [2, 10][n % 2]),
    });
    assert!(text.contains(r#"label = ["0.0", "1.0"], level = ["2", "10"]"#), "{text}");
    assert!(text.contains(r#"type = ["inf", "nan"]"#), "{text}");
}

#[test]
fn a_class_is_chosen_where_no_text_has_an_entity_and_measures_are_none() {
    let text = written("moods.jsonl", |n| {
        let half = 0.5 * (n % 2) as f64;
        format!(
            r#"{{"text": "t {n}", "entities": [], "a": {half}, "type": {half}, "mood": "{}"}}"#,
            class(n)
        )
    });
    assert!(text.contains(r#"classes = { mood = ["high", "low"] }"#), "{text}");
    assert!(!text.contains("could be classes") && text.contains("\nner_weight    = 0 "), "{text}");
    let mut tasks = Vec::new();
    for n in 0..40 {
        tasks.push(format!(
            r#"{{"id": {n}, "data": {{"text": "t {n}"}}, "annotations": [{{"result": [{{"type": "choices", "from_name": "mood", "to_name": "text", "value": {{"choices": ["{}"]}}}}]}}]}}"#,
            class(n)
        ));
    }
    let world = World::empty();
    world.write("studio.json", format!("[{}]", tasks.join(", ")));
    assert_eq!(world.pipeline(["init", "--data", "studio.json"]).code, Some(0));
    let text = world.read("experiments/studio.toml");
    assert!(text.contains(r#"classes = { mood = ["high", "low"] }"#), "{text}");
}

#[test]
fn only_what_reads_as_times_or_numbers_orders_texts() {
    let dated = |date: fn(usize) -> String| {
        written("dates.jsonl", move |n| {
            format!(r#"{{"text": "t {n}", "entities": [[0, 1, "T"]], "date": "{}"}}"#, date(n))
        })
    };
    let text = dated(|n| format!("{}/{}/2024", n % 12 + 1, n % 28 + 1));
    assert!(!text.contains("order  =") && !text.contains("classes alike"), "{text}");
    let text = dated(|n| format!("2024-{:02}-{:02}", n % 12 + 1, n % 28 + 1));
    assert!(text.contains("order  = \"date\""), "{text}");
}

#[test]
fn entities_in_the_text_and_entities_that_overlap_are_read_and_links_are_none() {
    let text = written("marked.jsonl", |n| {
        format!(r#"{{"text": "[Ada](person_1) wrote {n}", "label": "{}"}}"#, class(n))
    });
    assert!(text.contains("\nmarkup = true ") && text.contains("entities: person_1 40"), "{text}");
    let text = written("linked.jsonl", |n| {
        format!(r#"{{"text": "see [x {n}](http://x.org/)", "label": "{}"}}"#, class(n))
    });
    assert!(!text.contains("markup"), "{text}");
    let text = written("nested.jsonl", |n| {
        format!(
            r#"{{"text": "University of York {n}", "entities": [[0, 18, "ORG"], [14, 18, "LOC"]]}}"#
        )
    });
    assert!(text.contains("\nnested = \"outermost\" ") && text.contains("ORG 40"), "{text}");
}

#[test]
fn long_texts_are_read_in_windows() {
    let text = written("long.jsonl", |n| {
        let text = format!("all is well on day {n}, ").repeat(150);
        format!(r#"{{"text": "{text}", "label": "{}"}}"#, class(n))
    });
    assert!(text.contains("\nmax_length = 512 ") && text.contains("\noverlap    = 64 "), "{text}");
    let text = written("short.jsonl", |n| {
        let long = if n == 0 { "all is well, ".repeat(300) } else { String::new() };
        format!(r#"{{"text": "{long}day {n}", "label": "{}"}}"#, class(n))
    });
    assert!(!text.contains("overlap"), "most texts are short: {text}");
}

#[test]
fn texts_of_identifiers_are_not_cut() {
    let text = written("named.jsonl", |n| {
        format!(r#"{{"text": "R02-M1-N0-C:J12-U{n:030}", "label": "{}"}}"#, class(n))
    });
    assert!(text.contains("max_length = 32 ") && text.contains("[stage.evaluate_test]"), "{text}");
    let text = written("longer.jsonl", |n| {
        format!(r#"{{"text": "R02-M1-N0-C:J12-U{n:090}", "label": "{}"}}"#, class(n))
    });
    assert!(text.contains("max_length = 64 "), "{text}");
}

#[test]
fn a_model_for_entities_that_are_parts_of_words_reads_tokens() {
    let parts = written("texts.jsonl", |n| {
        format!(
            r#"{{"text": "see ab{n:04}cd there", "entities": [{{"start": 6, "end": 10, "label": "CODE"}}]}}"#
        )
    });
    assert!(parts.contains("decode        = \"tokens\"    # 40 of 40 entities"), "{parts}");
    let whole = written("texts.jsonl", |n| {
        format!(
            r#"{{"text": "see {n:04} there", "entities": [{{"start": 4, "end": 8, "label": "CODE"}}]}}"#
        )
    });
    assert!(!whole.contains("decode"), "{whole}");
}

#[test]
fn words_that_are_numbered_are_read_and_what_has_no_tags_or_no_two_texts_is_refused() {
    let numbered = written("words.conll", |n| format!("1\tAda\tB-PER\n2\tat{n}\tO\n"));
    assert!(numbered.contains("columns = { token = 1 }"), "{numbered}");
    assert!(numbered.contains("entities: PER 40"), "{numbered}");
    let world = World::empty();
    let word = |n: usize| format!("1\tAda{n}\tada\tNOUN\t_\t_\t0\troot\t_\tSpaceAfter=No\n\n");
    world.write("bank.conllu", (0..40).map(word).collect::<String>());
    let rows = |n: usize| format!("the same,{}\n", class(n));
    world.write("same.csv", "text,label\n".to_owned() + &(0..40).map(rows).collect::<String>());
    for (file, reason) in [
        ("bank.conllu", "numbers its words, and its last column holds no tags"),
        ("same.csv", "has 1 different text, which is too few"),
    ] {
        let shot = world.pipeline(["init", "--data", file]);
        assert!(shot.code == Some(2) && shot.stderr.contains(reason), "{shot}");
    }
}

#[test]
fn a_file_whose_text_has_another_name_is_read_by_its_longest_strings_or_as_it_is_told() {
    let row = |n: usize| match n {
        0 => "id,subject,narrative,label".to_owned(),
        _ => format!("{n},note {n},the disk {n} of the host is full,{}", class(n)),
    };
    let text = written("notes.csv", row);
    assert!(text.contains("\nfields = { text = \"narrative\" }"), "{text}");
    assert!(text.contains("the text: `narrative`, whose strings are the longest"), "{text}");
    let world = World::empty();
    world.write("notes.csv", (0..40).map(|n| row(n) + "\n").collect::<String>());
    let shot = world.pipeline(["init", "--data", "notes.csv", "--text", "subject"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    assert!(world.read("experiments/notes.toml").contains("\nfields = { text = \"subject\" }"));
    let absent = world.pipeline(["init", "--data", "notes.csv", "--text", "body", "other"]);
    assert!(absent.code == Some(2) && absent.stderr.contains("no column `body`"), "{absent}");
}

#[test]
fn a_bracket_that_nothing_closes_leaves_out_its_sentence_and_not_the_scheme() {
    let world = World::empty();
    let sentence = |n: usize| format!("Ada (PER*\nLovelace *)\nwrote{n} *\n\n");
    let sentences: String = (0..40).map(sentence).collect();
    world.write("tags.conll", format!("{sentences}Ada (PER*\nwrote *\n\n"));
    is_read(&world, "tags.conll", &["PER"]);
    let text = world.read("experiments/tags.toml");
    assert!(text.contains("entities: PER 40") && text.contains("on_error = \"skip\""), "{text}");
}

#[test]
fn tags_in_a_column_before_the_last_are_found_and_parts_of_speech_are_no_entities() {
    let text = written("middle.conll", |n| format!("Ada\t(PER*\tNN\nL{n}\t*)\tNN\nran\t*\tVB\n"));
    assert!(text.contains("\ncolumns = { token = 0, tag = 1 }"), "{text}");
    let world = World::empty();
    let words = |n: usize| format!("Ada NN\nran{n} VB\n\n");
    world.write("speech.conll", (0..40).map(words).collect::<String>());
    let shot = world.pipeline(["init", "--data", "speech.conll"]);
    assert!(shot.code == Some(2) && shot.stderr.contains("each of its 80 words"), "{shot}");
}

#[test]
fn numbers_of_classes_and_labels_get_names_from_the_data_set_or_ones_to_replace() {
    let world = World::empty();
    let line = |n: usize| format!("{{\"text\": \"text {n}\", \"label\": {}}}\n", n % 2);
    world.write("set/train.jsonl", (0..40).map(line).collect::<String>());
    let features = r#"{"features": {"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}}}"#;
    world.write("set/dataset_info.json", features);
    assert_eq!(world.pipeline(["init", "--data", "set/train.jsonl"]).code, Some(0));
    let text = world.read("experiments/train.toml");
    assert!(text.contains(r#"classes = { label = ["neg", "pos"] }"#), "{text}");
    let text = written("numbered.jsonl", |n| {
        format!(
            r#"{{"text": "Ada wrote {n}", "annotations": [{{"label": 3, "start_offset": 0, "end_offset": 3, "user": 1}}]}}"#
        )
    });
    assert!(text.contains("\nlabels = { \"3\" = \"LABEL_3\" } "), "{text}");
}

#[test]
fn marks_with_spaces_marked_lines_and_json_in_a_log_are_read() {
    let text = written("marked.csv", |n| match n {
        0 => "text".to_owned(),
        _ => format!("[Ada](First Name) wrote {n}"),
    });
    assert!(text.contains("entities: First_Name 39"), "{text}");
    let text = written("marked.txt", |n| format!("[Ada](PER) wrote {n}"));
    assert!(
        text.contains("format = \"lines\"\nmarkup = true") && text.contains("PER 40"),
        "{text}"
    );
    let text =
        written("json.log", |n| format!(r#"{{"text": "disk {n}", "level": "{}"}}"#, class(n)));
    assert!(text.contains("format = \"jsonl\""), "{text}");
}

#[test]
fn utf_16_without_a_mark_is_told_and_refused_with_its_remedy_where_it_is_not() {
    let world = World::empty();
    let lines: String = (0..40).map(|n| format!("text {n},{}\n", class(n))).collect();
    let bytes = format!("text,label\n{lines}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect::<Vec<u8>>();
    world.write("wide.csv", bytes);
    assert_eq!(world.pipeline(["init", "--data", "wide.csv"]).code, Some(0));
    let text = world.read("experiments/wide.toml");
    assert!(text.contains("\nencoding = \"utf-16\""), "{text}");
    world.write("experiments/narrow.toml", text.replace("encoding = \"utf-16\"", ""));
    let wide = world.pipeline(["check", "--data", "experiments/wide.toml"]);
    let narrow = world.pipeline(["check", "--data", "experiments/narrow.toml"]);
    assert_eq!((wide.code, narrow.code), (Some(0), Some(2)), "{wide}{narrow}");
    assert!(narrow.stderr.contains("help: `encoding = \"utf-16\"` reads it"), "{narrow}");
}

#[test]
fn several_labels_for_a_text_are_no_class_and_that_is_said() {
    let world = World::empty();
    let line = |n: usize| format!("{{\"text\": \"text {n}\", \"labels\": [\"a\", \"b\"]}}\n");
    world.write("many.jsonl", (0..40).map(line).collect::<String>());
    let shot = world.pipeline(["init", "--data", "many.jsonl"]);
    assert!(
        shot.code == Some(2) && shot.stderr.contains("`labels` holds lists of several"),
        "{shot}"
    );
}
