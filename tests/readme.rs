//! What the README says is so: its reference of stage kinds is the table's, word for word, and its leads run as they stand.

#[path = "common/mod.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use common::Folder;

const BEGIN: &str = "<!-- kinds -->\n";
const END: &str = "<!-- /kinds -->";

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    std::fs::read_to_string(&path).expect("README.md is there")
}

/// `UPDATE_README=1 cargo test --test readme` writes it.
#[test]
fn the_reference_in_the_readme_is_that_of_the_table_of_kinds() {
    let text = readme();
    let (before, rest) = text.split_once(BEGIN).expect("README.md has the line `<!-- kinds -->`");
    let (found, after) = rest.split_once(END).expect("README.md has the line `<!-- /kinds -->`");
    let wanted = format!("\n{}\n\n", pipeline::app::cli::kinds_markdown().trim());
    if std::env::var_os("UPDATE_README").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        std::fs::write(&path, format!("{before}{BEGIN}{wanted}{END}{after}"))
            .expect("README.md can be written");
        return;
    }
    assert!(
        found == wanted,
        "the reference is not up to date; run: UPDATE_README=1 cargo test --test readme"
    );
}

/// The commands of a lead of "From what you have", of which there are ten at most.
///
/// * `what`: one has, as the lead begins
fn lead(what: &str) -> String {
    let text = readme();
    let (_, leads) = text.split_once("\n## From what you have\n").expect("the section");
    let (leads, _) = leads.split_once("\n## ").expect("another section");
    let (_, lead) = leads.split_once(&format!("\n**{what}**")).expect("the lead");
    let (_, commands) = lead.split_once("\n```sh\n").expect("commands");
    let (commands, _) = commands.split_once("\n```\n").expect("an end");
    assert!(commands.lines().count() <= 10, "{commands}");
    commands.to_owned()
}

/// Types commands into a shell that knows `pipeline`, Slurm's commands as they are in the folder `slurm`, and no network; all of them have to succeed. What they print.
fn typed(folder: &Folder, commands: &str) -> String {
    let program = assert_cmd::cargo::cargo_bin!("pipeline").parent().expect("a folder").display();
    let path = format!("{program}:{}:/usr/bin:/bin", folder.path("slurm").display());
    let output = Command::new("sh")
        .args(["-ec", commands])
        .env_clear()
        .envs([("PATH", path.as_str()), ("HF_HUB_OFFLINE", "1")])
        .env("HOME", folder.root())
        .current_dir(folder.root())
        .stdin(Stdio::null())
        .output()
        .expect("there is a shell");
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{commands}\n{out}\n{err}");
    out.into_owned()
}

fn lines(line: impl Fn(usize) -> String) -> String {
    (0..60).map(|number| line(number) + "\n").collect()
}

/// Slurm's commands, as far as `run --detach` and `cancel` ask: what was submitted waits.
fn slurm(folder: &Folder) {
    let sbatch = r#"for argument; do
    case "$argument" in --comment=*) echo "7|0|PENDING|Priority|${argument#--comment=}" >> "$HOME/queue" ;; esac
    if [ -f "$argument" ]; then cat "$argument"; else echo "$argument"; fi >> "$HOME/submitted"
done
echo 7"#;
    for (name, script) in [
        ("sbatch", sbatch),
        ("squeue", r#"if [ -f "$HOME/queue" ]; then cat "$HOME/queue"; fi"#),
        ("scancel", r#"echo "$@" > "$HOME/cancelled"; rm "$HOME/queue""#),
        ("scontrol", "echo MaxArraySize = 1001"),
    ] {
        let name = format!("slurm/{name}");
        let version = r#"if [ "$1" = --version ]; then echo slurm 23.11.4; exit; fi"#;
        folder.write(&name, format!("#!/bin/sh\n{version}\n{script}\n"));
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(&name), executable).expect("our own file");
    }
}

/// Texts about a node each, in one of two classes.
fn tickets() -> String {
    lines(|number| {
        let (severity, what) = [("low", "is loud"), ("high", "lost power")][number % 2];
        let node = format!("node{}", number % 7);
        let entity = format!(r#"{{"start": 0, "end": {}, "label": "NODE"}}"#, node.len());
        format!(
            r#"{{"text": "{node} {what} on day {number}", "entities": [{entity}], "severity": "{severity}"}}"#
        )
    })
}

/// The model of the first lead is that of the last two.
#[test]
fn labelled_json_lines_become_a_model_that_is_used_and_trained_on_a_cluster_as_the_readme_says() {
    let folder = Folder::new();
    folder.write("tickets.jsonl", tickets());
    let answered = typed(&folder, &lead("Labelled JSON lines"));
    let last = answered.lines().last().expect("an answer");
    let answer: serde_json::Value = serde_json::from_str(last).expect("JSON");
    assert!(answer["entities"].is_array() && answer["severity"].is_string(), "{answer}");

    folder.write("new.jsonl", lines(|number| format!(r#"{{"text": "node{number} is warm"}}"#)));
    typed(&folder, &lead("A trained model"));
    let text = |name: &str| String::from_utf8(folder.read(name)).expect("text");
    assert_eq!(text("answers.jsonl").lines().count(), 60);
    assert!(text("new.html").contains("node59 is warm"));
    assert!(!text("next.jsonl").is_empty());
    assert!(folder.path("fixes.jsonl").is_file() && folder.path("tickets.onnx").is_file());
    assert!(folder.path("tickets-hf/ner/model.safetensors").is_file());

    slurm(&folder);
    typed(&folder, &lead("A cluster"));
    let submitted = text("submitted");
    assert!(submitted.contains("--partition=gpu"), "{submitted}");
    assert_eq!(text("cancelled").trim(), "7");
}

/// A folder takes the place of the hub, as the lead says: the model that its first experiment trained.
#[test]
fn words_with_tags_train_a_small_encoder_and_a_pretrained_one_as_the_readme_says() {
    const HUB: &str = r#"repo = "answerdotai/ModernBERT-base", revision = "main""#;

    let folder = Folder::new();
    let cities = ["Rome", "Delft", "London"];
    folder.write(
        "people.conll",
        lines(|number| {
            let (city, year) = (cities[number % 3], 1900 + number);
            format!("Ada B-PER\nwent O\nto O\n{city} B-LOC\nin O\n{year} O\n")
        }),
    );
    let commands = lead("CoNLL");
    assert_eq!(commands.matches(HUB).count(), 1, "{commands}");
    typed(&folder, &commands.replace(HUB, r#"path = "../outputs/people/model""#));
    assert!(folder.path("outputs/people-base/model/config.json").is_file());
}

#[test]
fn lines_of_a_log_become_a_model_that_tags_them_as_the_readme_says() {
    let folder = Folder::new();
    folder.write(
        "app.log",
        lines(|number| {
            let (level, what) =
                [("INFO", "stored"), ("ERROR", "lost")][usize::from(number % 4 == 3)];
            format!("2024-05-01T10:00:{number:02} {level} storage: {what} block blk_{number}")
        }),
    );
    let answered = typed(&folder, &lead("Lines of a log"));
    let answer = answered.lines().last().expect("an answer");
    let answer: serde_json::Value = serde_json::from_str(answer).expect("JSON");
    assert!(answer["level"].is_string() && answer["component"] == "storage", "{answer}");
}
