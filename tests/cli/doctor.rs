//! `pipeline doctor`.

use crate::world::World;

#[test]
fn doctor_says_where_the_program_runs_and_no_secret() {
    let world = World::empty();
    let shot = world.shot(
        "doctor",
        world.command(["doctor", "--offline"]).env("HF_TOKEN", "hf_sesame").env("PATH", ""),
    );
    assert_eq!(shot.code, Some(0), "{shot}");
    let names =
        ["program", "system", "processor", "cores", "memory", "gpu", "outputs", "cluster", "hub"];
    for name in names {
        let said = shot.stdout.lines().any(|line| line.starts_with(&format!("{name:<11}")));
        assert!(said, "{name}: {shot}");
    }
    assert!(shot.stdout.contains("none: there is no `squeue` on this machine"), "{shot}");
    assert!(!shot.stdout.contains("sesame") && !shot.stderr.contains("sesame"), "{shot}");
}

#[test]
fn a_hub_that_cannot_be_reached_is_a_finding_and_no_failure() {
    let world = World::empty();
    let mut command = world.command(["doctor", "--json"]);
    let asked = command
        .env_remove("HF_HUB_OFFLINE")
        .env("HF_ENDPOINT", "http://127.0.0.1:9")
        .env("HF_TOKEN", "hf_sesame");
    let shot = world.shot("doctor --json", asked);
    let hub = shot.json()["hub"].as_str().expect("a finding").to_owned();
    assert!(shot.code == Some(0) && hub.contains("is of no use, with a token"), "{shot}");
    assert!(!hub.contains("sesame"), "{shot}");
    assert!(world.names("").is_empty(), "nothing is left behind");
}
