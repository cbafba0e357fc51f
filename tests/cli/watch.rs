//! `watch`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::world::{Running, World};

const FILE: &str = "experiments/mini.toml";

/// Waits until `is_true`; no computer is slower than that.
fn wait(what: &str, mut is_true: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_true() {
        assert!(begun.elapsed() < Duration::from_secs(300), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A run that goes on until somebody ends it, whose training has told something.
fn long_run(world: &World) -> Running {
    let child = Running::start(
        world
            .process(["run", FILE, "--quiet", "--set", "stage.train.epochs=99999"])
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    );
    wait("a training", || {
        let runs = world.path("outputs/runs");
        let is_there = runs.is_dir() && !world.names("outputs/runs").is_empty();
        let events = |id: &String| world.read_if_there(&format!("outputs/runs/{id}/events.jsonl"));
        is_there
            && world.names("outputs/runs").iter().any(|id| events(id).contains("stage_progress"))
    });
    child
}

#[test]
fn without_a_terminal_the_newest_run_is_told_in_lines_as_the_run_told_them() {
    let world = World::new();
    let ran = world.pipeline(["run", FILE]);
    let watched = world.pipeline(["watch"]);
    assert_eq!(watched.code, Some(0), "{watched}");
    let told = |text: &str| -> Vec<String> {
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        text.lines().map(words).filter(|line| line.contains(" done ")).collect()
    };
    assert_eq!(told(&watched.stdout), told(&ran.stderr), "{watched}");
    assert_eq!(told(&watched.stdout).len(), 6);
    assert!(watched.stderr.contains("-mini: done in "), "{watched}");
    let id = world.latest_run();
    for of in [&*id, FILE, "mini", &format!("outputs/runs/{id}"), "outputs/mini"] {
        assert_eq!(world.pipeline(["watch", of]).stdout, watched.stdout, "{of}");
    }
    let events = world.pipeline(["watch", "--json"]);
    assert_eq!(events.stdout, world.read(&format!("outputs/runs/{id}/events.jsonl")));
}

#[test]
fn a_run_that_ends_while_it_is_watched_ends_the_lines_and_decides_the_exit_code() {
    let world = World::new();
    let mut run = long_run(&world);
    let watch = world
        .process(["watch", "mini"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    run.kill().expect("ours");
    run.wait().expect("it ends");
    let output = watch.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("died after"), "{said}");
    assert!(said.contains("the same command continues: pipeline run"), "{said}");
}

#[test]
fn what_cannot_be_watched_is_said_with_a_remedy() {
    let empty = World::new().pipeline(["watch"]);
    assert_eq!(empty.code, Some(4), "{empty}");
    assert!(empty.stderr.contains("`pipeline run FILE` makes one"), "{empty}");
    let world = World::trained();
    let mistyped = world.latest_run().replace("mini", "mimi");
    let unknown = world.pipeline(["watch", &mistyped]);
    assert_eq!(unknown.code, Some(4), "{unknown}");
    assert!(unknown.stderr.contains("did you mean"), "{unknown}");
}

#[test]
fn a_record_that_is_cut_or_spoilt_is_told_as_far_as_it_goes() {
    let world = World::trained();
    let path = format!("outputs/runs/{}/events.jsonl", world.latest_run());
    let whole = world.read(&path);
    let half = &whole[..whole.len() / 2];
    world.write(&path, format!("no event\n{{\"at_ms\":1,\"event\":\"danced\"}}\n{half}"));
    let watched = world.pipeline(["watch"]);
    assert_eq!(watched.code, Some(0), "{watched}");
    assert!(watched.stdout.contains("corpus"), "{watched}");
    std::fs::remove_file(world.path(&path)).expect("removed");
    assert_eq!(world.pipeline(["watch"]).code, Some(0));
}

/// What a terminal was sent, and how a watch in it ended.
struct Ended {
    sent: String,
    code: String,
    /// The modes of the terminal, before and after.
    modes: [String; 2],
}

/// Watches in a terminal of its own (`script` of util-linux makes it), and does something to the watch once it shows the run.
///
/// * `then`: with the process, and its terminal's keyboard
fn in_a_terminal(world: &World, then: impl FnOnce(&str, &mut dyn std::io::Write)) -> Option<Ended> {
    if !Path::new("/usr/bin/script").exists() {
        #[expect(clippy::print_stderr, reason = "a skipped test says so")]
        {
            eprintln!("SKIPPED: there is no `script` (util-linux) to make a terminal with");
        }
        return None;
    }
    let watch = world.process(["watch"]);
    let program = watch.get_program().to_str().expect("a plain path");
    let inner = format!(
        "stty cols 100 rows 30; stty -g > before; sh -c 'echo $$ > pid; exec {program} watch'; echo $? > code; stty -g > after"
    );
    let mut script = Command::new("script");
    script.args(["--quiet", "--flush", "--command", &inner, "sent"]);
    script.current_dir(watch.get_current_dir().expect("given"));
    script.env("TERM", "xterm-256color").env("SHELL", "/bin/sh");
    let mut child = script
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("`script` starts");
    let sent = || {
        String::from_utf8_lossy(&std::fs::read(world.path("sent")).unwrap_or_default()).into_owned()
    };
    wait("the screen", || sent().contains("tokenize"));
    let mut keyboard = child.stdin.take().expect("piped");
    then(world.read("pid").trim(), &mut keyboard);
    wait("the end of the watch", || !world.read_if_there("after").is_empty());
    drop(keyboard);
    child.wait().expect("it ends");
    let read = |name: &str| world.read(name).trim().to_owned();
    Some(Ended { sent: sent(), code: read("code"), modes: ["before", "after"].map(read) })
}

/// Removes what a watch in a terminal left.
fn forget(world: &World) {
    for name in ["before", "after", "pid", "code", "sent"] {
        let _ = std::fs::remove_file(world.path(name));
    }
}

/// The terminal shows what it showed before, takes lines again, and has its cursor.
fn is_as_it_was(ended: &Ended, code: &str) {
    let Ended { sent, code: ended_with, modes: [before, after] } = ended;
    assert_eq!((&**ended_with, before), (code, after));
    let last = |text: &str| sent.rfind(text).unwrap_or_else(|| panic!("no {text:?} in {sent:?}"));
    assert!(last("\x1b[?1049h") < last("\x1b[?1049l"), "the other screen is left");
    assert!(last("\x1b[?25l") < last("\x1b[?25h"), "the cursor shows");
}

#[test]
fn a_watch_that_is_quit_gives_the_terminal_back_and_has_the_exit_code_of_the_run() {
    let world = World::trained();
    let quit = in_a_terminal(&world, |_, keyboard| {
        // Keys that scroll, then the one that quits.
        keyboard.write_all(b"\x1b[A\x1b[B\tm\x1b[D\x1b[Cq").expect("typed");
    });
    quit.iter().for_each(|ended| is_as_it_was(ended, "0"));
    forget(&world);
    let interrupted = in_a_terminal(&world, |_, keyboard| {
        keyboard.write_all(b"\x03").expect("typed");
    });
    interrupted.iter().for_each(|ended| is_as_it_was(ended, "130"));
}

#[test]
fn a_watch_that_is_killed_gives_the_terminal_back() {
    let world = World::new();
    let _run = long_run(&world);
    for signal in ["TERM", "HUP", "INT"] {
        let ended = in_a_terminal(&world, |process, _| {
            let sent = Command::new("kill").args(["-s", signal, process]).status();
            assert!(sent.expect("`kill` starts").success());
        });
        forget(&world);
        ended.iter().for_each(|ended| is_as_it_was(ended, "130"));
    }
}
