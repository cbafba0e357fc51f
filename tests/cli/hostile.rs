//! Files and folders that are not what one would wish.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::world::{MINI, World, snapshot};

#[test]
fn a_file_that_is_no_experiment_says_what_it_is() {
    let world = World::new();
    world.write("empty.toml", "");
    world.write("binary.toml", b"\x00\x81\xfe\x10version = 1");
    world.write("utf16.toml", b"\xff\xfev\x00e\x00r\x00");
    world.write("other.toml", "[package]\nname = \"other\"\n");
    let check = |file: &str| world.pipeline(["check", file]);
    snapshot!(
        check("none.toml"),
        check("experiments"),
        check("experiments/mini.tomll"),
        check("empty.toml"),
        check("binary.toml"),
        check("utf16.toml"),
        check("other.toml"),
        check("experiments/mini.toml/x"),
        check(""),
    );
}

#[test]
fn a_data_file_that_is_not_what_it_should_be_is_said_with_its_path() {
    let world = World::new();
    let run = |content: &[u8]| {
        world.write("experiments/data/events.toml", content);
        world.pipeline(["run", "experiments/mini.toml"])
    };
    let shots = [
        run(b""),
        run(b"\x00\x01\xff"),
        run(b"[templates]\nnormal = [\"{nobody} came\"]\nanomaly = [\"x\"]\n"),
    ];
    std::fs::remove_file(world.path("experiments/data/events.toml")).expect("removed");
    let gone = world.pipeline(["run", "experiments/mini.toml"]);
    std::fs::create_dir(world.path("experiments/data/events.toml")).expect("created");
    let folder = world.pipeline(["run", "experiments/mini.toml"]);
    let [empty, binary, unknown] = shots;
    snapshot!(empty, binary, unknown, gone, folder);
}

#[test]
fn a_path_with_spaces_and_letters_of_any_kind_is_a_path_like_any_other() {
    let world = World::new();
    let events = world.read("experiments/data/events.toml");
    world.write("my experiments é/data/events.toml", events);
    world.write("my experiments é/größe 1.toml", MINI);
    let shot = world.pipeline(["run", "my experiments é/größe 1.toml"]);
    assert!(
        shot.code == Some(0) && world.path("my experiments é/outputs/größe 1/loss.png").is_file(),
        "{shot}"
    );
}

#[test]
fn a_file_whose_name_is_not_utf8_can_be_checked_planned_and_shown() {
    let world = World::new();
    let file = Path::new("experiments").join(OsStr::from_bytes(b"b\xffd.toml"));
    world.write(&file, format!("name = \"bad\"\n{MINI}"));
    for command in [
        &["check"][..],
        &["check", "--json"],
        &["plan"],
        &["plan", "--json"],
        &["show"],
        &["show", "--json"],
        &["run"],
        &["run"],
    ] {
        let shot = world.pipeline(command.iter().map(OsStr::new).chain([file.as_os_str()]));
        assert_eq!(shot.code, Some(0), "{shot}");
    }
    world.pipeline(["show", &world.latest_run()]);
}

#[test]
fn a_folder_whose_name_is_not_utf8_gets_a_message_and_no_panic() {
    let world = World::new();
    let folder = Path::new(OsStr::from_bytes(b"b\xffd"));
    world.write(folder.join("mini.toml"), MINI);
    world.write(folder.join("data/events.toml"), world.read("experiments/data/events.toml"));
    let shot = world.pipeline([OsStr::new("run"), folder.join("mini.toml").as_os_str()]);
    assert!(shot.code == Some(2) && shot.stderr.contains("is not UTF-8"), "{shot}");
}

#[test]
fn an_experiment_may_lie_anywhere_and_be_a_link() {
    let world = World::new();
    symlink("mini.toml", world.path("experiments/link.toml")).expect("linked");
    let linked = world.pipeline(["run", "experiments/link.toml"]);
    assert!(linked.code == Some(0) && world.path("outputs/link").is_dir(), "{linked}");
    let world = world.inside("elsewhere");
    let outside = world.pipeline(["run", &world.path("experiments/mini.toml").to_string_lossy()]);
    assert!(outside.code == Some(0) && world.path("outputs/mini/loss.png").is_file(), "{outside}");
    assert!(!world.path("elsewhere/outputs").exists(), "{outside}");
}

#[test]
fn a_results_folder_behind_a_link_is_used() {
    let world = World::new();
    std::fs::create_dir(world.path("disk")).expect("created");
    symlink("disk", world.path("outputs")).expect("linked");
    let shot = world.pipeline(["run", "experiments/mini.toml"]);
    assert!(shot.code == Some(0) && world.path("disk/mini/loss.png").is_file(), "{shot}");
}

#[test]
fn outputs_that_is_a_file_is_refused_before_anything_runs() {
    let world = World::new();
    world.write("outputs", "mine");
    snapshot!(world.pipeline(["run", "experiments/mini.toml"]));
}

/// Whether permissions bind whoever runs the tests; they do not bind root.
fn permissions_bind(world: &World) -> bool {
    world.write("probe/x", "");
    std::fs::set_permissions(world.path("probe"), PermissionsExt::from_mode(0o555)).expect("set");
    std::fs::write(world.path("probe/y"), "").is_err()
}

#[test]
fn in_a_folder_that_cannot_be_written_looking_works_and_running_is_refused() {
    let world = World::new();
    if !permissions_bind(&world) {
        return;
    }
    std::fs::set_permissions(world.path(""), PermissionsExt::from_mode(0o555)).expect("set");
    let shots = ["check", "plan", "show", "run"]
        .map(|command| world.pipeline([command, "experiments/mini.toml"]));
    std::fs::set_permissions(world.path(""), PermissionsExt::from_mode(0o755)).expect("set");
    assert_eq!(shots.each_ref().map(|shot| shot.code), [Some(0), Some(0), Some(0), Some(2)]);
    assert!(shots[3].stderr.contains("help: run from a folder that you may write"), "{}", shots[3]);
}

#[test]
fn a_current_folder_that_was_removed_is_said() {
    let world = World::new().inside("gone");
    let program = env!("CARGO_BIN_EXE_pipeline");
    let output = std::process::Command::new("sh")
        .arg("-c")
        .arg(format!("rmdir ../gone; exec '{program}' plan ../experiments/mini.toml"))
        .current_dir(world.path("gone"))
        .output()
        .expect("a shell");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.code() == Some(2)
            && stderr.starts_with("error: the current folder cannot be used"),
        "{stderr}"
    );
}

#[test]
fn an_experiment_named_like_a_part_of_the_store_is_refused() {
    let world = World::new();
    world.write("experiments/store.toml", MINI);
    snapshot!(world.pipeline(["run", "experiments/store.toml"]));
}
