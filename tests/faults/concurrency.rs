//! Several processes on one store.

use std::collections::BTreeMap;

use pipeline::experiment::{Pin, Pins};

use crate::support::*;

#[test]
fn eight_processes_on_one_store_build_each_entry_once_and_all_end_right() {
    let project = Project::new();
    let files = [
        "small.toml",
        "sweep.toml",
        "small.toml",
        "long.toml",
        "sweep.toml",
        "small.toml",
        "long.toml",
        "sweep.toml",
    ];
    let children: Vec<_> =
        files.iter().map(|file| start(&mut project.command(&["run", file]))).collect();
    for child in children {
        let ended = finish(child);
        assert_eq!(ended.code, Some(0), "{ended:#?}");
    }
    let mut built: BTreeMap<String, u32> = BTreeMap::new();
    for event in project.events().iter().filter(|event| event["event"] == "stage_finished") {
        *built.entry(event["key"].as_str().expect("a key").to_owned()).or_default() += 1;
    }
    // 6 of the small one; training, evaluation and pictures of the sweep's second trial and of the long one.
    assert_eq!((built.len(), built.values().max()), (12, Some(&1)), "{built:?}");
    for (file, name) in [("small.toml", "small"), ("sweep.toml", "sweep"), ("long.toml", "long")] {
        assert_same(&project.results(name), undisturbed(file), file);
    }
    assert_eq!(project.litter(), [""; 0]);
    project.assert_verifies("eight processes");
}

#[test]
fn one_of_eight_that_is_killed_costs_the_others_nothing_but_what_it_was_building() {
    for round in 0..3 {
        let project = Project::new();
        let files = [
            "small.toml",
            "sweep.toml",
            "small.toml",
            "long.toml",
            "sweep.toml",
            "small.toml",
            "long.toml",
            "sweep.toml",
        ];
        let mut children: Vec<_> =
            files.iter().map(|file| start(&mut project.command(&["run", file]))).collect();
        let mut draw = Draw(seed() + round);
        let mut victim = children.remove(draw.below(8) as usize);
        std::thread::sleep(std::time::Duration::from_micros(draw.below(800_000)));
        victim.kill().expect("ours");
        let killed = finish(victim).signal == Some(9);
        for child in children {
            let ended = finish(child);
            assert_eq!(ended.code, Some(0), "{ended:#?}");
        }
        let mut built: BTreeMap<String, u32> = BTreeMap::new();
        for event in project.events().iter().filter(|event| event["event"] == "stage_finished") {
            *built.entry(event["key"].as_str().expect("a key").to_owned()).or_default() += 1;
        }
        // Every entry was built by somebody; what the victim had put in place and had not said yet, nobody has said.
        assert!(
            built.values().all(|times| *times == 1) && built.len() >= 11,
            "killed: {killed}: {built:?}"
        );
        let started =
            project.events().iter().filter(|event| event["event"] == "stage_started").count();
        assert!(started <= 13, "more was begun twice than one process can have been at: {started}");
        for (file, name) in
            [("small.toml", "small"), ("sweep.toml", "sweep"), ("long.toml", "long")]
        {
            assert_same(&project.results(name), undisturbed(file), file);
        }
        assert_recovers(&project, "small.toml", "small", "seven of eight");
    }
}

#[test]
fn results_published_by_several_processes_at_once_are_whole() {
    let project = Project::new();
    project.run("small.toml");
    for round in 0..3 {
        std::fs::remove_dir_all(project.outputs().join("small")).expect("published");
        let children: Vec<_> =
            (0..6).map(|_| start(&mut project.command(&["run", "small.toml"]))).collect();
        for child in children {
            let ended = finish(child);
            assert_eq!(ended.code, Some(0), "round {round}: {ended:#?}");
        }
        assert_same(&project.results("small"), undisturbed("small.toml"), "published at once");
        assert_eq!(project.litter(), [""; 0]);
    }
}

#[test]
fn pins_added_by_several_at_once_are_all_kept() {
    let project = Project::new();
    let path = project.root().join("hub.toml.lock");
    let commit = "0123456789abcdef0123456789abcdef01234567";
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let path = &path;
            scope.spawn(move || {
                for number in 0..25 {
                    let repo = format!("owner/model-{}", 25 * thread + number);
                    Pins::write(
                        path,
                        [Pin { repo, revision: "main".into(), commit: commit.into() }],
                    )
                    .expect("writable");
                }
            });
        }
    });
    let pins = Pins::write(&path, []).expect("readable");
    assert!(
        (0..200)
            .all(|number| pins.lookup(&format!("owner/model-{number}"), "main") == Some(commit))
    );
    assert_eq!(project.litter(), [""; 0]);
}

#[test]
fn what_a_killed_process_was_building_another_one_builds() {
    let project = Project::new();
    let mut first = start(&mut project.command(&["run", "long.toml", "--json"]));
    assert!(until(&mut first, trained(1)), "the training was not seen");
    let mut second = start(&mut project.command(&["run", "long.toml", "--json"]));
    assert!(until(&mut second, |event| event["event"] == "stage_waiting"), "nobody waits");
    first.kill().expect("ours");
    finish(first);
    let ended = finish(second);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_recovers(&project, "long.toml", "long", "taken over");
}
