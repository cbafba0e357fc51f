//! Colours, pipes that break, streams that are closed, signals.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::world::{Running, World, snapshot};

const FILE: &str = "experiments/mini.toml";

#[test]
fn colours_come_when_asked_for_and_never_into_a_pipe_by_themselves() {
    let world = World::new();
    world.child("wrong", "[stage.train]\nepochs = 0\n");
    snapshot!(
        world.pipeline(["check", "experiments/wrong.toml", "--color", "always"]),
        world.pipeline(["run", FILE, "corpus", "--color", "always"]),
        world.pipeline(["run", "none.toml", "--color", "always"]),
    );
    let plain = world.pipeline(["run", FILE, "corpus"]);
    assert!(!plain.to_string().contains('\x1b'), "{plain}");
}

#[test]
fn no_color_is_honoured_and_the_option_outweighs_it() {
    let world = World::new();
    let stderr = |option: &str| {
        world
            .shot(
                "run",
                world.command(["run", "none.toml", "--color", option]).env("NO_COLOR", "1"),
            )
            .stderr
    };
    assert!(!stderr("auto").contains('\x1b'));
    assert!(stderr("always").contains('\x1b'));
}

#[test]
fn a_reader_that_goes_away_ends_the_program_quietly() {
    let world = World::trained();
    for arguments in [
        &["schema"][..],
        &["kinds", "train"],
        &["completions", "zsh"],
        &["show", FILE, "--origins"],
        &["run", FILE, "--json"],
        &["plan", FILE],
    ] {
        let mut child = world
            .process(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(
            (output.status.code(), output.stderr.as_slice()),
            (Some(0), &b""[..]),
            "{arguments:?}"
        );
    }
}

#[test]
fn a_reader_that_goes_away_hides_no_failure() {
    let world = World::new();
    world.child("bad", "[stage.train]\nlearning_rate = 10.0\nweight_decay = 10.0\nepochs = 40\n");
    for (arguments, code) in
        [(&["plan", FILE, "--check"][..], 3), (&["run", "experiments/bad.toml"], 1)]
    {
        let mut child = world
            .process(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn a_run_goes_on_when_nobody_reads_it_any_more() {
    let world = World::new();
    let mut child = world
        .process(["run", FILE, "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert!(world.path("outputs/mini/loss.png").is_file());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_standard_output_is_a_failure_that_is_said() {
    let world = World::trained();
    let full = || {
        Stdio::from(std::fs::File::options().write(true).open("/dev/full").expect("a Linux device"))
    };
    let output = world.process(["run", FILE]).stdout(full()).output().expect("the program starts");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.code() == Some(1)
            && stderr.contains("error: cannot write to standard output: no storage space")
            && stderr.contains("help: "),
        "{stderr}"
    );
    let events =
        world.process(["run", FILE, "--json"]).stdout(full()).output().expect("the program starts");
    assert_eq!(events.status.code(), Some(1), "events that are lost are a failure");
    let silent = world.process(["run", FILE]).stderr(full()).output().expect("the program starts");
    assert_eq!(silent.status.code(), Some(0), "progress that nobody can read is no failure");
}

#[test]
fn closed_streams_are_no_reason_to_fail() {
    let world = World::new();
    let program = env!("CARGO_BIN_EXE_pipeline");
    let status = std::process::Command::new("sh")
        .arg("-c")
        .arg(format!("exec '{program}' run {FILE} <&- >&- 2>&-"))
        .current_dir(world.path(""))
        .status()
        .expect("a shell");
    assert_eq!(status.code(), Some(0));
    assert!(world.path("outputs/mini/loss.png").is_file());
}

/// A training of minutes, and a reader that waits for it to begin.
fn long_run(world: &World) -> (Running, BufReader<std::process::ChildStderr>) {
    let slow = ["run", FILE, "--set", "stage.train.epochs=100000"];
    let mut child =
        Running::start(world.process(slow).stdout(Stdio::piped()).stderr(Stdio::piped()));
    let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
    let mut line = String::new();
    while !line.starts_with("train ") {
        line.clear();
        assert!(stderr.read_line(&mut line).expect("readable") > 0, "the training begins");
    }
    (child, stderr)
}

#[test]
fn a_terminal_that_is_closed_may_send_several_signals() {
    let world = World::new();
    let (mut child, mut stderr) = long_run(&world);
    signal(&child, "HUP");
    signal(&child, "HUP");
    let mut said = String::new();
    stderr.read_to_string(&mut said).expect("readable");
    assert_eq!(child.wait().expect("it ends").code(), Some(130), "{said}");
    assert!(said.contains("stopped  the same command continues"), "{said}");
}

#[test]
fn a_run_under_nohup_outlives_its_terminal() {
    let world = World::new();
    let program = env!("CARGO_BIN_EXE_pipeline");
    let mut child = std::process::Command::new("sh")
        .arg("-c")
        .arg(format!(
            "trap '' HUP; exec '{program}' run {FILE} --set stage.train.epochs=100000 2>said"
        ))
        .current_dir(world.path(""))
        .stdout(Stdio::null())
        .spawn()
        .expect("a shell");
    let begun = Instant::now();
    while !world.read_if_there("said").contains("train ") {
        assert!(begun.elapsed() < Duration::from_secs(300), "the training begins");
        std::thread::sleep(Duration::from_millis(50));
    }
    signal(&child, "HUP");
    std::thread::sleep(Duration::from_secs(1));
    assert!(child.try_wait().expect("there").is_none(), "{}", world.read("said"));
    signal(&child, "TERM");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert!(world.read("said").contains("stopped  the same command continues"));
}

/// What the program says on a terminal of this kind, and how it ends.
#[cfg(target_os = "linux")]
fn on_a_terminal(world: &World, term: &str, arguments: &str) -> Option<(String, Option<i32>)> {
    let program = env!("CARGO_BIN_EXE_pipeline");
    let output = std::process::Command::new("script")
        .args(["-qefc", &format!("'{program}' {arguments}"), "/dev/null"])
        .env("TERM", term)
        .env_remove("NO_COLOR")
        .current_dir(world.path(""))
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) => {
            Some((String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code()))
        }
        Err(_) => {
            let _ = writeln!(
                std::io::stderr(),
                "skipped: there is no `script`, which makes a terminal"
            );
            None
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_that_can_do_nothing_is_told_everything_in_plain_lines() {
    let world = World::new();
    world.child("bad", "[stage.train]\nlearning_rate = 10.0\nweight_decay = 10.0\nepochs = 40\n");
    let Some((said, code)) = on_a_terminal(&world, "dumb", "run experiments/bad.toml") else {
        return;
    };
    assert_eq!(code, Some(1), "{said}");
    for wanted in ["corpus ", "done", "train ", "failed", "not run"] {
        assert!(said.contains(wanted), "no `{wanted}` in {said}");
    }
    assert!(!said.contains('\x1b'), "{said:?}");
}

#[test]
fn nothing_that_a_person_or_a_file_says_acts_on_the_terminal() {
    let world = World::new();
    world.write("experiments/\u{202e}lmot.\x1b[2Jtoml", "version = 2\n");
    world.child(
        "points",
        "about = \"\\u001b]0;title\\u0007 \\u202e\"\n[params]\nrun = \"\\u001b[2Ja\"\n[stage.train]\nretry = 0\n[stage.\"x\\u009b\"]\nkind = \"\\u001b[2J\"\n",
    );
    world.child(
        "sweep",
        "[sweep]\nmethod = \"gr\\u001b[2Jid\"\n[sweep.over]\n\"tr\\u202e.x\" = [1]\n",
    );
    let acts = |character: char| {
        (character.is_control() && !"\n\t".contains(character))
            || ('\u{202a}'..='\u{202e}').contains(&character)
    };
    for arguments in [
        &["check", "experiments/\u{202e}lmot.\x1b[2Jtoml"][..],
        &["check", "experiments/none\x1b[2J.toml"],
        &["run", FILE, "--set", "stage.\x1b]0;x\x07.y=1"],
        &["run", FILE, "--set", "stage.train.epochs=\"\u{202e}\x1b[2J\""],
        &["run", FILE, "st\x1b[2Jage"],
        &["run", FILE, "--\x1b[2Jx"],
        &["\x1b[2Jrun"],
        &["show", "\u{9b}2J"],
        &["check", "experiments/points.toml"],
        &["show", "experiments/points.toml"],
        &["show", "experiments/points.toml", "--json"],
        &["check", "experiments/points.toml", "--json"],
        &["check", "experiments/sweep.toml"],
        &["predict", "mo\x1b[2Jdel"],
    ] {
        let shot = world.pipeline(arguments);
        let said = format!("{}{}", shot.stdout, shot.stderr);
        assert!(!said.contains(acts), "{arguments:?}: {said:?}");
    }
}

#[test]
fn a_line_break_in_a_name_makes_no_second_line_of_a_message() {
    let world = World::new();
    world.write(
        "experiments/lines.jsonl",
        "{\"text\": \"a b\", \"entities\": [], \"anomaly\": 0, \"ho\\nst\": \"x\"}\n",
    );
    world.write(
        "experiments/read.toml",
        "version = 1\n[stage.corpus]\nkind = \"read_corpus\"\npath = \"lines.jsonl\"\nby = \"site\"\nsplit = { train = 0.8, validation = 0.2 }\n",
    );
    for (arguments, shown) in [
        (&["pl\nan"][..], "there is no command `pl\\u000aan`"),
        (&["run", FILE, "--rerun", "tr\nain"], "has no stage `tr\\u000aain`"),
        (&["show", "a\nb"], "a\\u000ab"),
        (&["gc", "--keep", "a\nb"], "there is no run `a\\u000ab`"),
        (&["run", "experiments/read.toml"], "; it has `ho\\u000ast`"),
    ] {
        let shot = world.pipeline(arguments);
        assert!(shot.stderr.contains(shown), "{shot}");
    }
}

fn signal(child: &std::process::Child, name: &str) {
    let status = std::process::Command::new("kill")
        .args([format!("-{name}"), child.id().to_string()])
        .status();
    assert!(status.expect("kill").success());
}

#[test]
fn an_interrupted_run_exits_with_130_and_the_same_command_continues() {
    for name in ["INT", "TERM", "HUP"] {
        let world = World::new();
        let (mut child, mut stderr) = long_run(&world);
        signal(&child, name);
        let mut said = String::new();
        stderr.read_to_string(&mut said).expect("readable");
        assert_eq!(child.wait().expect("it ends").code(), Some(130), "{said}");
        assert!(
            said.contains("stopping in order: the same command continues")
                && said.contains("stopped  the same command continues"),
            "{said}"
        );
        assert!(
            !world.path("outputs/mini").exists(),
            "half of the results is not published, since the rest will come"
        );
        drop(long_run(&world));
        let plan = world.pipeline(["plan", FILE, "--set", "stage.train.epochs=100000"]);
        assert!(plan.stdout.contains("tokenize    cached"), "{plan}");
    }
}

#[test]
fn a_second_signal_ends_the_program_at_once() {
    let world = World::new();
    let (mut child, mut stderr) = long_run(&world);
    signal(&child, "INT");
    signal(&child, "INT");
    let begun = Instant::now();
    let mut said = String::new();
    stderr.read_to_string(&mut said).expect("readable");
    assert_eq!(child.wait().expect("it ends").code(), Some(130), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

/// Waits until the program has told the system that it wants to hear of SIGTERM.
#[cfg(target_os = "linux")]
fn until_it_listens(child: &std::process::Child) {
    let begun = Instant::now();
    let caught = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
        let mask = status
            .expect("it lives")
            .lines()
            .find_map(|line| u64::from_str_radix(line.strip_prefix("SigCgt:")?.trim(), 16).ok());
        mask.is_some_and(|mask| mask & (1 << 14) != 0)
    };
    while !caught() {
        assert!(begun.elapsed() < Duration::from_secs(300), "it never listens");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_before_anything_runs_ends_the_program_at_once() {
    let world = World::new();
    let values = |from: u32, to: u32| {
        (from..to).map(|value| value.to_string()).collect::<Vec<_>>().join(", ")
    };
    let (sizes, seeds) = (values(1, 251), values(1, 401));
    world.child(
        "many",
        &format!("[sweep.over]\ntrain.batch_size = [{sizes}]\ntrain.seed = [{seeds}]\n"),
    );
    for name in ["INT", "TERM"] {
        let mut child = world
            .process(["run", "experiments/many.toml"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        until_it_listens(&child);
        signal(&child, name);
        let mut said = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut said).expect("readable");
        assert_eq!(child.wait().expect("it ends").code(), Some(130), "{said}");
        assert_eq!(said, "interrupted before anything ran\n");
        assert!(!world.path("outputs/runs").exists());
    }
}
