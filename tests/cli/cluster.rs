//! Profiles of a cluster, as far as they show without one: `tests/slurm` has the rest.

use crate::world::World;

const FILE: &str = "experiments/mini.toml";
const SLURM: &str = "[profile.slurm]\nexecutor = \"slurm\"\n";

#[test]
fn a_machine_without_slurm_and_what_cannot_be_meant_are_refused_before_anything_runs() {
    let world = World::new();
    world.write("pipeline.toml", SLURM);
    let mut command = world.command(["run", FILE, "--profile", "slurm"]);
    let shot = world.shot("run", command.env("PATH", world.path("experiments")));
    assert_eq!(shot.code, Some(2), "{shot}");
    assert!(shot.stderr.contains("there is no `squeue` on this machine"), "{shot}");

    let shot = world.pipeline(["run", FILE, "--detach"]);
    assert_eq!(shot.code, Some(2), "{shot}");
    assert!(shot.stderr.contains("executor = \"slurm\""), "{shot}");
    assert!(world.names("outputs/runs").is_empty(), "nothing has begun");
}

#[test]
fn a_profile_inherits_another_and_a_circle_is_told() {
    let world = World::new();
    world.write("pipeline.toml", "[profile.a]\ninherits = \"b\"\n[profile.b]\nthreads = 1\n");
    let shot = world.pipeline(["run", FILE, "--profile", "a"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    assert!(shot.stderr.contains("on the CPU with 1 thread"), "{shot}");

    world.write("pipeline.toml", "[profile.a]\ninherits = \"b\"\n[profile.b]\ninherits = \"a\"\n");
    let shot = world.pipeline(["run", FILE, "--profile", "a"]);
    assert_eq!(shot.code, Some(2), "{shot}");
    assert!(shot.stderr.contains("`a` inherits `b` inherits `a`"), "{shot}");

    world.write("pipeline.toml", "[profile.a]\ninherits = \"bee\"\n[profile.be]\n");
    let shot = world.pipeline(["run", FILE, "--profile", "a"]);
    assert!(shot.stderr.contains("there is no profile `bee`"), "{shot}");
    assert!(shot.stderr.contains("did you mean `be`?"), "{shot}");
}

#[test]
fn what_a_stage_takes_of_a_machine_changes_no_key_and_its_mistakes_have_their_places() {
    let world = World::trained();
    world.child(
        "more",
        "[stage.train]\nresources = { cpus = 8, memory = \"20GB\", time = \"2h\" }\n",
    );
    let shot = world.pipeline(["plan", "experiments/more.toml", "--check"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    let shot = world.pipeline(["show", "experiments/more.toml"]);
    assert!(
        shot.stdout.contains("resources = { cpus = 8, memory = \"20000000000B\", time = \"2h\" }"),
        "{shot}"
    );

    world.child(
        "wrong",
        "[stage.train]\nresources = { cpu = 8, memory = 20, gpus = 0, time = \"2\" }\n",
    );
    let shot = world.pipeline(["check", "experiments/wrong.toml"]);
    assert_eq!(shot.code, Some(2), "{shot}");
    for part in [
        "`resources` has no `cpu`",
        "did you mean `cpus`?",
        "`memory` of `resources` expects a string",
        "`gpus` of `resources` must be from 1 to 1024",
        "`time` of `resources` cannot be `2`",
        "wrong.toml:3:",
    ] {
        assert!(shot.stderr.contains(part) || shot.stdout.contains(part), "{part}: {shot}");
    }
}
