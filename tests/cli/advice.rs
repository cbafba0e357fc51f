//! Advice that works when one follows it, and what is found before anything runs.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;
use std::process::Stdio;

use crate::world::{MINI, Shot, World};

const FILE: &str = "experiments/mini.toml";

fn check(world: &World, set: &str) -> Shot {
    world.pipeline(["check", FILE, "--set", set])
}

#[test]
fn a_number_is_advised_in_a_spelling_that_is_taken() {
    let world = World::new();
    for (given, advice) in [(".001", "0.001"), ("1.", "1.0"), ("'.5'", "0.5"), ("'2e-5'", "2e-5")] {
        let shot = check(&world, &format!("stage.train.learning_rate={given}"));
        assert!(
            shot.code == Some(2) && shot.stderr.contains(&format!("write `{advice}`")),
            "{shot}"
        );
        let followed = check(&world, &format!("stage.train.learning_rate={advice}"));
        assert_eq!(followed.code, Some(0), "{followed}");
    }
    let shot = check(&world, "stage.train.epochs='007'");
    assert!(shot.stderr.contains("write `7`, without quotes"), "{shot}");
}

#[test]
fn what_is_nearly_a_number_in_a_file_is_one_mistake_with_the_number_that_was_meant() {
    let world = World::new();
    for (given, advice) in [
        (".001", "write `0.001`"),
        ("1.", "write `1.0`"),
        ("-.5", "write `-0.5`"),
        ("1e-3;", "write `1e-3`: a line ends without `;`"),
        ("10%", "write `0.1`: there is no sign for percent"),
        ("0,001", "write `0.001`: decimals have a point"),
    ] {
        world.child("number", &format!("[stage.train]\nlearning_rate = {given}\n"));
        let shot = world.pipeline(["check", "experiments/number.toml"]);
        let mistakes = shot.stderr.matches("error").count();
        assert!(shot.code == Some(2) && mistakes == 1, "{shot}");
        assert!(shot.stderr.contains(advice) && !shot.stderr.contains("quotes"), "{shot}");
    }
}

#[test]
fn several_values_are_advised_as_what_takes_them() {
    let world = World::new();
    let shot = check(&world, "train.betas=0.9,0.99");
    assert!(shot.stderr.contains("where it takes an array, write `[0.9,0.99]`"), "{shot}");
    let shot = world.pipeline(["check", FILE, "--sweep", "seed=1,2"]);
    assert!(shot.code == Some(2) && shot.stderr.contains("`--seeds 2`"), "{shot}");
}

#[test]
fn brackets_are_advised_only_where_they_help() {
    let world = World::new();
    for given in ["balanced", "1.0", "true", "['balanced']"] {
        let shot = check(&world, &format!("stage.train.betas={given}"));
        assert!(shot.code == Some(2) && !shot.stderr.contains("write `["), "{shot}");
    }
    let shot = check(&world, "stage.train.betas=balanced");
    assert!(
        shot.stderr.contains("help: an array of 2 items, each a number: `[..., ...]`"),
        "{shot}"
    );
    let shot = check(&world, "stage.train.learning_rate=['fast']");
    assert!(shot.code == Some(2) && !shot.stderr.contains("without brackets"), "{shot}");
    let shot = check(&world, "stage.train.learning_rate=[0.1]");
    assert!(shot.stderr.contains("write `0.1`, without brackets"), "{shot}");
}

#[test]
fn a_path_is_advised_in_the_spelling_that_reaches_the_file() {
    let world = World::new();
    let help = |shot: Shot, help: &str| {
        assert!(shot.code == Some(2) && shot.stderr.contains(help), "no `{help}` in {shot}");
    };
    // Written as it lies from the current folder, in the file and in what a file extends.
    world.child("far", "[stage.corpus]\ntemplates = \"experiments/data/events.toml\"\n");
    help(
        world.pipeline(["check", "experiments/far.toml"]),
        "help: did you mean `data/events.toml`? a relative path starts at the folder of the file that wrote it",
    );
    world.write("experiments/child.toml", "extends = \"experiments/mini.toml\"\n");
    help(
        world.pipeline(["check", "experiments/child.toml"]),
        "help: did you mean `mini.toml`? `extends` starts at the folder of the file that wrote it",
    );
    world.write("data/events.toml", "");
    world.child("above", "[stage.corpus]\ntemplates = \"events.toml\"\n");
    help(
        world.pipeline(["check", "experiments/above.toml"]),
        "a relative path starts at the folder of the file that wrote it",
    );
    world.write("events.toml", "");
    help(world.pipeline(["check", "experiments/above.toml"]), "did you mean `../events.toml`?");
    // Written on the command line as it lies from the file.
    std::fs::remove_dir_all(world.path("data")).expect("removed");
    help(
        check(&world, "stage.corpus.templates=data/events.toml"),
        "help: did you mean `experiments/data/events.toml`? a relative path on the command line starts at the current folder",
    );
    help(
        check(&world, "stage.corpus.templates=none.toml"),
        "a relative path on the command line starts at the current folder",
    );
}

#[test]
fn what_stands_in_the_way_of_the_store_is_said_by_every_command() {
    let says = |world: &World, what: &str| {
        for arguments in [&["run", FILE][..], &["plan", FILE], &["verify"], &["gc"], &["show", "x"]]
        {
            let shot = world.pipeline(arguments);
            assert!(
                shot.code == Some(2)
                    && shot.stderr.contains(what)
                    && !shot.stderr.contains("os error"),
                "{shot}"
            );
        }
    };
    let world = World::new();
    symlink("nowhere", world.path("outputs")).expect("linked");
    says(&world, "it is a link to `nowhere`, which is not there");
    for part in ["store", "runs"] {
        let world = World::new();
        world.write(format!("outputs/{part}"), "a file");
        says(&world, &format!("cannot use `outputs/{part}`: it is not a folder"));
    }
}

#[test]
fn a_value_or_a_name_of_any_size_makes_no_message_that_nobody_reads() {
    let world = World::new();
    let long = "x".repeat(150_000);
    world.child("long", &format!("[stage.train]\nlearning_rate = \"{long}\"\n{long} = 1\n"));
    world.child("names", &format!("[stage.\"{long}\"]\nkind = \"{long}\"\n"));
    let many: String = (0..5000).map(|number| format!("key{number} = 1\n")).collect();
    world.child("many", &format!("[stage.train]\n{many}"));
    for name in ["long", "names", "many"] {
        let shot = world.pipeline(["check", &format!("experiments/{name}.toml")]);
        assert!(shot.code == Some(2) && shot.stderr.len() < 100_000, "{}", shot.stderr.len());
    }
}

#[test]
fn a_word_of_the_command_line_of_any_size_makes_no_message_that_nobody_reads() {
    let world = World::new();
    let long = "q".repeat(100_000);
    for option in [
        format!("--set={long}"),
        format!("--set={long}=1"),
        format!("--set=train.{long}=1"),
        format!("--set=train.keep_best={long}"),
        format!("--set=train.epochs='{long}'"),
        format!("--sweep={long}"),
        format!("--sweep=train.{long}=1,2"),
        format!("--objective={long}"),
        format!("--seeds={long}"),
        format!("--device={long}"),
        format!("--threads={long}"),
        format!("--{long}"),
        long.clone(),
    ] {
        for form in [&[][..], &["--json"]] {
            let arguments: Vec<&str> = ["run", FILE, &option].iter().chain(form).copied().collect();
            let shot = world.pipeline(arguments);
            let size = shot.stderr.len() + shot.stdout.len();
            assert!(shot.code != Some(0) && size < 8_000, "{}: {size}", &option[..12]);
        }
    }
    for form in [&[][..], &["--json"]] {
        let shot = world.pipeline(["check", &long].iter().chain(form));
        assert!(shot.code == Some(2) && shot.stderr.len() + shot.stdout.len() < 20_000);
    }
}

#[test]
fn a_path_that_is_set_twice_is_a_mistake() {
    let world = World::new();
    let shot = world.pipeline([
        "check",
        FILE,
        "--set",
        "stage.train.epochs=1",
        "--set",
        "stage.train.epochs=2",
    ]);
    assert!(
        shot.code == Some(2) && shot.stderr.contains("`stage.train.epochs` is set twice"),
        "{shot}"
    );
}

#[test]
fn a_name_that_commands_would_take_for_something_else_is_refused() {
    let world = World::new();
    for name in ["-rf", "ti\u{202e}ny"] {
        world.write(format!("experiments/{name}.toml"), MINI);
        let shot = world.pipeline(["check", &format!("experiments/{name}.toml")]);
        assert!(shot.code == Some(2) && shot.stderr.contains("name = "), "{shot}");
        world.write("experiments/named.toml", format!("name = \"{name}\"\n{MINI}"));
        let shot = world.pipeline(["check", "experiments/named.toml"]);
        assert_eq!(shot.code, Some(2), "{shot}");
    }
}

#[test]
fn a_model_that_loses_its_heads_is_said_to() {
    let world = World::trained();
    world.write(
        "experiments/again.toml",
        "version = 1\n[stage.fetch_model]\npath = \"../outputs/mini/model\"\n",
    );
    let shot = world.pipeline(["run", "experiments/again.toml"]);
    assert!(
        shot.code == Some(0)
            && shot.stderr.contains("its heads are left out: `anomaly_classifier.bias`")
            && !shot.stderr.contains("final_norm"),
        "{shot}"
    );
}

#[test]
fn a_lock_is_not_waited_for_in_silence_and_the_wait_can_be_ended() {
    let world = World::new();
    world.write("outputs/store/gc.lock", "");
    let gc = std::fs::File::open(world.path("outputs/store/gc.lock")).expect("there");
    gc.lock().expect("locks work");
    let mut child = world
        .process(["run", FILE])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut line = String::new();
    let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
    stderr.read_line(&mut line).expect("readable");
    assert_eq!(line, "waiting for another process, which holds `outputs/store/gc.lock`\n");
    let sent = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(sent.expect("kill").success());
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
}
