//! Limits on memory.
#![cfg(target_os = "linux")]

use std::process::Command;

use crate::world::World;

/// Runs the program with no more than so many KiB of addresses.
fn limited(world: &World, kib: u32, arguments: &[&str]) -> (Option<i32>, String) {
    let program = world.process(arguments);
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("ulimit -v {kib}; exec \"$0\" \"$@\"")])
        .arg(program.get_program())
        .args(program.get_args())
        .current_dir(program.get_current_dir().expect("it has one"));
    let output = command.output().expect("a shell");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn memory_that_is_refused_is_a_failure_with_a_message_and_no_abort() {
    let world = World::new();
    world.child("wide", "[stage.init_model]\nhidden_size = 512\nnum_hidden_layers = 8\n");
    let mut refused = 0;
    for kib in [70_000, 100_000, 130_000, 160_000, 200_000] {
        let (code, said) = limited(&world, kib, &["run", "experiments/wide.toml", "train"]);
        assert!(matches!(code, Some(0 | 1)), "{kib} KiB: {code:?} {said}");
        if code == Some(1) {
            let is_told = said.contains("no memory is left") || said.contains("thread");
            assert!(is_told && said.contains("help: "), "{kib} KiB: {said}");
            refused += 1;
        }
    }
    assert!(refused > 0, "a limit is reached");
}
