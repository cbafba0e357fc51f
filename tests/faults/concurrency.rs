//! Several processes on one store.

use std::collections::BTreeMap;

use pipeline::engine::spec::{Pin, Pins};

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
fn results_with_a_large_model_are_published_by_several_processes_at_once() {
    let project = Project::new();
    // Large enough for a hard link to the store's file, which changes the stamps of what others are reading.
    project.write(
        "large.toml",
        "extends = \"small.toml\"\n[stage.init_model]\nhidden_size = 64\nintermediate_size = 16000\n\
         [stage.train]\nepochs = 1\n",
    );
    project.run("large.toml");
    let whole = project.results("large");
    assert!(whole["model/model.safetensors"].len() > 10 << 20);
    for round in 0..10 {
        std::fs::remove_dir_all(project.outputs().join("large")).expect("published");
        let children: Vec<_> =
            (0..8).map(|_| start(&mut project.command(&["run", "large.toml"]))).collect();
        for child in children {
            let ended = finish(child);
            assert_eq!(ended.code, Some(0), "round {round}: {ended:#?}");
        }
        assert_same(&project.results("large"), &whole, "published at once");
    }
    assert_eq!(project.litter(), [""; 0]);
}

#[test]
fn results_of_two_runs_of_one_name_with_other_files_are_never_taken_for_a_persons() {
    let project = Project::new();
    project.run("small.toml");
    for round in 0..6 {
        if round % 2 == 0 {
            std::fs::remove_dir_all(project.outputs().join("small")).expect("published");
        }
        let runs: [&[&str]; 4] = [
            &["run", "small.toml"],
            &["run", "small.toml", "train", "--set", "stage.train.epochs=1"],
            &["run", "small.toml", "--set", "stage.train.epochs=2"],
            &["run", "small.toml", "evaluate"],
        ];
        let children: Vec<_> =
            runs.iter().map(|arguments| start(&mut project.command(arguments))).collect();
        for child in children {
            let ended = finish(child);
            assert_eq!(ended.code, Some(0), "round {round}: {ended:#?}");
        }
        let kept: Vec<String> = files_below(&project.outputs())
            .into_keys()
            .filter(|name| name.contains(".kept"))
            .collect();
        assert_eq!(kept, [""; 0], "round {round}");
    }
    project.run("small.toml");
    assert_same(&project.results("small"), undisturbed("small.toml"), "after others");
}

#[test]
fn files_that_a_person_writes_while_results_are_published_are_all_there() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let project = Project::new();
    project.run("small.toml");
    let folder = project.outputs().join("small");
    let done = AtomicBool::new(false);
    let written = std::thread::scope(|scope| {
        let person = scope.spawn(|| {
            let mut written = 0;
            while !done.load(Ordering::Relaxed) {
                let name = folder.join(format!("note-{written}.txt"));
                // On a disk without an exchange of names the folder may be away for a moment.
                if std::fs::write(&name, written.to_string()).is_ok() {
                    written += 1;
                }
                std::thread::sleep(std::time::Duration::from_millis(3));
            }
            written
        });
        for epochs in [1, 2, 1, 2, 1, 2, 1, 2] {
            let epochs = format!("stage.train.epochs={epochs}");
            let ended = project.pipeline(&["run", "small.toml", "--set", &epochs]);
            assert_eq!(ended.code, Some(0), "{ended:#?}");
        }
        done.store(true, Ordering::Relaxed);
        person.join().expect("no panic")
    });
    let lost: Vec<u32> = (0..written)
        .filter(|number| {
            std::fs::read_to_string(folder.join(format!("note-{number}.txt"))).ok()
                != Some(number.to_string())
        })
        .collect();
    assert!(written > 30 && lost.is_empty(), "{lost:?} of {written} are lost");
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
                        Pins::from_iter([Pin {
                            repo,
                            revision: "main".into(),
                            commit: commit.into(),
                        }]),
                    )
                    .expect("writable");
                }
            });
        }
    });
    let pins = Pins::write(&path, Pins::default()).expect("readable");
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
