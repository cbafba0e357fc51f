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
    world.write("plain.jsonl", "{\"text\": \"a\", \"n\": 1}\n{\"text\": \"b\", \"n\": 2}\n");
    world.write("bad.jsonl", "{\"text\": 3}\n");
    snapshot!(
        world.pipeline(["init", "--data", "plain.jsonl"]),
        world.pipeline(["init", "--data", "bad.jsonl"]),
        world.pipeline(["init", "--data", "none.jsonl"]),
        world.pipeline(["init", "--data", "plain.jsonl", "--template", "ner"]),
    );
    assert!(!world.path("experiments").exists());
}
