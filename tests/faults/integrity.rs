//! Damaged files, and the whole program's answer.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::*;

/// Changes one bit of a file, read-only or not.
pub fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("readable");
    let at = at % bytes.len();
    bytes[at] ^= 1 << (at % 8);
    // Written as a new file: results may be hard links to it.
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("ours");
    fs::write(path, bytes).expect("writable");
    fs::set_permissions(path, fs::Permissions::from_mode(0o444)).expect("ours");
}

/// The stage that opens another stage's entry; what people look at is opened to be published.
fn reader_of(stage: &str) -> Option<&'static str> {
    match stage {
        "corpus" => Some("init_model"),
        "init_model" => Some("tokenize"),
        "tokenize" => Some("train"),
        _ => None,
    }
}

/// Stage by key.
fn stages(project: &Project) -> BTreeMap<String, String> {
    let finished = |event: &&serde_json::Value| event["event"] == "stage_finished";
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    project
        .events()
        .iter()
        .filter(finished)
        .map(|event| (text(&event["key"]), text(&event["stage"])))
        .collect()
}

#[test]
fn one_flipped_bit_in_any_file_of_any_entry_is_found_and_repaired() {
    let project = Project::new();
    project.run("small.toml");
    let stages = stages(&project);
    let files = project.entry_files();
    let mut draw = Draw(seed());
    let mut flipped = 0;
    for name in &files {
        let path = project.outputs().join("store").join(name);
        let bytes = fs::read(&path).expect("readable");
        let stage = &stages[name.split('/').nth(1).expect("a key")];
        if bytes.is_empty() {
            continue;
        }
        flipped += 1;
        let what = format!("{stage}: {name}");
        flip(&path, draw.below(bytes.len() as u64) as usize);
        let before = files_below(&project.outputs());
        let ended = project.pipeline(&["verify"]);
        assert_eq!(ended.code, Some(1), "{what}: {ended:#?}");
        assert!(ended.stdout.contains(name.as_str()), "{what}: {ended:#?}");
        assert!(files_below(&project.outputs()) == before, "{what}: verify changed something");

        fs::remove_dir_all(project.outputs().join("small")).expect("published");
        let mut arguments = vec!["run", "small.toml"];
        arguments.extend(reader_of(stage).into_iter().flat_map(|stage| ["--rerun", stage]));
        let ended = project.pipeline(&arguments);
        assert_eq!(ended.code, Some(0), "{what}: {ended:#?}");
        assert!(ended.stderr.contains("damaged"), "{what}: it does not say so: {ended:#?}");
        assert_same(&project.results("small"), undisturbed("small.toml"), &what);
        project.assert_verifies(&what);
    }
    eprintln!("{flipped} of {} files were damaged and repaired", files.len());
    // A split without texts is an empty file.
    assert!(flipped >= files.len() - 2, "{flipped}");
    assert!(
        project.litter().iter().all(|name| name.starts_with("tmp/damaged-")),
        "{:?}",
        project.litter()
    );
}

#[test]
fn a_run_with_nothing_to_do_and_nothing_to_publish_reads_no_contents() {
    let project = Project::new();
    project.run("small.toml");
    let name = project
        .entry_files()
        .into_iter()
        .find(|name| name.ends_with("roc.png"))
        .expect("a picture");
    flip(&project.outputs().join("store").join(name), 100);
    let ended = project.run("small.toml");
    assert!(!ended.stderr.contains("damaged"), "{ended:#?}");
}

#[test]
fn damaged_or_missing_indexes_cost_only_time() {
    let project = Project::new();
    project.run("small.toml");
    let mut draw = Draw(seed());
    let cache = project.outputs().join("cache");
    let files = files_below(&cache);
    assert!(files.len() >= 3, "{:?}", files.keys());
    for (name, bytes) in files {
        for way in 0..3 {
            let path = cache.join(&name);
            match way {
                0 => flip(&path, draw.below(bytes.len() as u64) as usize),
                1 => fs::write(&path, b"").expect("writable"),
                _ => fs::remove_file(&path).expect("writable"),
            }
            project.run("small.toml");
            let ended = project.pipeline(&["plan", "small.toml", "--check"]);
            assert_eq!(ended.code, Some(0), "{name}: {ended:#?}");
            fs::create_dir_all(path.parent().expect("inside")).expect("writable");
            if path.exists() {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("ours");
            }
            fs::write(&path, &bytes).expect("writable");
        }
    }
    fs::remove_dir_all(&cache).expect("there");
    project.run("small.toml");
    assert_same(&project.results("small"), undisturbed("small.toml"), "without indexes");
}

#[test]
fn damaged_records_of_runs_disturb_no_later_run() {
    let project = Project::new();
    project.run("small.toml");
    let runs = project.outputs().join("runs");
    for content in [&b""[..], b"{", b"[[[[", b"\xff\xfe", b"null"] {
        for name in files_below(&runs).into_keys() {
            fs::write(runs.join(name), content).expect("writable");
        }
        let _ = fs::remove_dir_all(project.outputs().join("cache"));
        project.run("small.toml");
    }
    assert_same(&project.results("small"), undisturbed("small.toml"), "damaged records");
}

#[test]
fn records_that_were_cut_anywhere_disturb_no_command() {
    let project = Project::new();
    project.run("small.toml");
    project.run("small.toml");
    let runs = project.outputs().join("runs");
    let mut draw = Draw(seed());
    for (name, bytes) in files_below(&runs) {
        let length = draw.below(bytes.len() as u64) as usize;
        fs::write(runs.join(&name), &bytes[..length]).expect("writable");
    }
    let _ = fs::remove_dir_all(project.outputs().join("cache"));
    for arguments in [
        &["plan", "small.toml", "--check"][..],
        &["explain", "small.toml", "train"],
        &["graph", "small.toml"],
        &["verify"],
        &["show", "small.toml"],
        &["gc"],
        &["gc", "--json"],
        &["run", "small.toml"],
    ] {
        let ended = project.pipeline(arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:#?}");
    }
}

/// What a run says of its scores and results.
fn summary(ended: &Ended) -> Vec<String> {
    ended.stdout.lines().skip(2).map(str::to_owned).collect()
}

#[test]
fn a_damaged_or_removed_record_of_what_was_published_is_made_again_and_changes_no_score() {
    for file in ["small.toml", "sweep.toml"] {
        let project = Project::new();
        let first = summary(&project.run(file));
        let name = file.trim_end_matches(".toml");
        let record = project.outputs().join(name).join("published.json");
        let text = fs::read_to_string(&record).expect("a record");
        let mut wrong: Vec<String> = ["{", "", "null", "[[[["].map(str::to_owned).to_vec();
        // Other scores, another best trial, another experiment, and other keys.
        for (old, new) in [
            ("0.", "1."),
            ("learning_rate=1e-3", "learning_rate=3e-3"),
            (".toml", ".tomm"),
            ("a", "b"),
        ] {
            wrong.push(text.replace(old, new));
        }
        for wrong in wrong.iter().map(Some).chain([None]) {
            match wrong {
                Some(text) => fs::write(&record, text).expect("writable"),
                None => fs::remove_file(&record).expect("ours"),
            }
            let ended = project.run(file);
            assert_eq!(summary(&ended), first, "{wrong:?}");
            assert!(
                !names(&project.outputs().join(name)).iter().any(|name| name.contains(".kept"))
            );
            let again: serde_json::Value =
                serde_json::from_slice(&fs::read(&record).expect("made again")).expect("JSON");
            let mut expected: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            expected["run"] = again["run"].clone();
            assert!(again == expected, "{wrong:?}");
        }
        assert_same(&project.results(name), undisturbed(file), "a damaged record");
    }
}

#[test]
fn a_record_that_lies_takes_nobodys_file() {
    let project = Project::new();
    project.run("small.toml");
    let results = project.outputs().join("small");
    fs::write(results.join("notes.txt"), "mine").expect("writable");
    let record = results.join("published.json");
    let text = fs::read_to_string(&record).expect("a record");
    fs::write(&record, text.replace("\"metrics.json\"", "\"notes.txt\"")).expect("writable");
    fs::remove_file(results.join("metrics.json")).expect("published");
    project.run("small.toml");
    assert_eq!(fs::read_to_string(results.join("notes.txt")).ok().as_deref(), Some("mine"));
}

#[test]
fn results_outlive_the_removal_of_all_records_of_runs() {
    let project = Project::new();
    project.run("small.toml");
    fs::remove_dir_all(project.outputs().join("runs")).expect("ours");
    fs::write(project.outputs().join("small/notes.txt"), "mine").expect("writable");
    fs::write(
        project.root().join("small.toml"),
        fs::read_to_string(project.root().join("small.toml"))
            .expect("ours")
            .replace("samples = 60", "samples = 50"),
    )
    .expect("ours");
    project.run("small.toml");
    let mut found = project.results("small");
    assert_eq!(found.remove("notes.txt").as_deref(), Some(&b"mine"[..]));
    assert_same(&found, undisturbed("changed.toml"), "without records of runs");
}

#[test]
fn a_score_that_was_damaged_in_the_store_is_built_again_before_it_is_said() {
    let project = Project::new();
    let first = summary(&project.run("small.toml"));
    let name = project
        .entry_files()
        .into_iter()
        .find(|name| name.ends_with("metrics.json"))
        .expect("an evaluation");
    let path = project.outputs().join("store").join(name);
    let text = fs::read_to_string(&path).expect("readable");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("ours");
    // Of the same length, so that only the content tells.
    fs::write(&path, text.replace("0.", "1.")).expect("writable");
    let ended = project.run("small.toml");
    assert!(ended.stderr.contains("damaged"), "{ended:#?}");
    assert_eq!(summary(&ended), first);
}

/// A way to change a result behind the program's back.
type Change = fn(&Path) -> std::io::Result<()>;

/// Moves a file or folder out of the results and puts a link in its place.
fn link_to_itself(path: &Path) -> std::io::Result<()> {
    let moved = path
        .ancestors()
        .nth(3)
        .expect("in a project")
        .join(format!("moved-{}", path.file_name().expect("a name").display()));
    fs::rename(path, &moved)?;
    std::os::unix::fs::symlink(moved, path)
}

#[test]
fn a_result_that_was_touched_or_copied_is_as_it_was_published() {
    let project = Project::new();
    project.run("small.toml");
    let results = project.outputs().join("small");
    fs::File::options()
        .append(true)
        .open(results.join("metrics.json"))
        .expect("there")
        .set_modified(std::time::UNIX_EPOCH)
        .expect("ours");
    fs::copy(results.join("predictions.csv"), results.join("copy")).expect("there");
    fs::rename(results.join("copy"), results.join("predictions.csv")).expect("ours");
    let ended = project.run("small.toml");
    assert!(!ended.stderr.contains("not as published before"), "{ended:#?}");
}

#[test]
fn what_somebody_put_among_the_results_outlives_publishing() {
    let project = Project::new();
    project.run("small.toml");
    let results = project.outputs().join("small");
    fs::remove_file(results.join("metrics.json")).expect("published");
    for name in [
        "model/notes.txt",
        "model/deep/notes.txt",
        "metrics.json/notes.txt",
        "metrics.json.kept",
        "own/notes.txt",
    ] {
        fs::create_dir_all(results.join(name).parent().expect("inside")).expect("writable");
        fs::write(results.join(name), name).expect("writable");
    }
    project.run("small.toml");
    let mut found = project.results("small");
    for (name, content) in [
        ("model/notes.txt", "model/notes.txt"),
        ("model/deep/notes.txt", "model/deep/notes.txt"),
        ("metrics.json.kept", "metrics.json.kept"),
        ("metrics.json.kept-2/notes.txt", "metrics.json/notes.txt"),
        ("own/notes.txt", "own/notes.txt"),
    ] {
        assert_eq!(
            found.remove(name).as_deref(),
            Some(content.as_bytes()),
            "{name}: {:?}",
            found.keys()
        );
    }
    assert_same(&found, undisturbed("small.toml"), "among files of somebody else");
    // A file in the place of a folder of results.
    fs::rename(results.join("model"), project.root().join("model")).expect("ours");
    fs::write(results.join("model"), "mine").expect("writable");
    project.run("small.toml");
    assert_eq!(fs::read_to_string(results.join("model.kept")).ok().as_deref(), Some("mine"));
    assert!(results.join("model/config.json").exists());
}

#[test]
fn a_result_that_was_changed_or_removed_is_published_again_and_said_so() {
    let changes: [(&str, Change); 8] = [
        ("metrics.json", |path| fs::remove_file(path)),
        // The same length, so that only the time tells.
        ("metrics.json", |path| {
            fs::read(path).and_then(|bytes| fs::write(path, vec![b' '; bytes.len()]))
        }),
        ("model/config.json", |path| fs::OpenOptions::new().write(true).open(path)?.set_len(3)),
        // The same time, so that only the length tells.
        ("history.csv", |path| {
            let modified = path.metadata()?.modified()?;
            fs::write(path, "step\n")?;
            fs::OpenOptions::new().append(true).open(path)?.set_modified(modified)
        }),
        ("model", |path| fs::remove_dir_all(path)),
        // Older, and of the same length.
        ("predictions.csv", |path| {
            let (bytes, other) = (fs::read(path)?, path.with_file_name("other"));
            fs::write(&other, vec![b' '; bytes.len()])?;
            fs::File::options()
                .append(true)
                .open(&other)?
                .set_modified(std::time::SystemTime::UNIX_EPOCH)?;
            fs::rename(other, path)
        }),
        // The same content, but somebody else's to change.
        ("metrics.json", |path| link_to_itself(path)),
        ("model", |path| link_to_itself(path)),
    ];
    let project = Project::new();
    project.run("small.toml");
    for (name, change) in changes {
        // File systems tell the time in ticks of a few milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(20));
        change(&project.outputs().join("small").join(name)).expect("published");
        let few = project.pipeline(&["run", "small.toml", "train"]);
        assert!(
            few.stderr.contains(&format!("`{name}`")) && few.stderr.contains("a run of all stages"),
            "{few:#?}"
        );
        let ended = project.run("small.toml");
        let notices: Vec<&str> =
            ended.stderr.lines().filter(|line| line.contains("not as published before")).collect();
        let [notice] = notices[..] else { panic!("{name}: {ended:#?}") };
        assert!(
            notice.starts_with(&format!("`{name}` in `")) && notice.ends_with("published again"),
            "{notice}"
        );
        // The link was somebody else's.
        let _ = fs::remove_file(project.outputs().join("small/model.kept"));
        assert_same(&project.results("small"), undisturbed("small.toml"), name);
        let ended = project.run("small.toml");
        assert!(!ended.stderr.contains("not as published before"), "{name}: {ended:#?}");
    }
}

#[test]
fn results_that_are_moved_with_their_times_are_as_they_were_published() {
    let project = Project::new();
    project.run("sweep.toml");
    let (outputs, moved) = (project.outputs(), project.root().join("moved"));
    assert!(
        std::process::Command::new("cp")
            .arg("-a")
            .args([&outputs, &moved])
            .status()
            .expect("cp")
            .success()
    );
    fs::remove_dir_all(&outputs).expect("ours");
    fs::rename(&moved, &outputs).expect("ours");
    let ended = project.run("sweep.toml");
    assert!(!ended.stderr.contains("not as published before"), "{ended:#?}");
}

/// Writes a number that is none into the tensor `name` of a model, and returns the file.
fn spoil(folder: &Path, name: &str) -> std::path::PathBuf {
    let path = folder.join("model.safetensors");
    let mut bytes = fs::read(&path).expect("a model");
    let header = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    let tensors: serde_json::Value =
        serde_json::from_slice(&bytes[8..8 + header]).expect("a header");
    let start = 8 + header + tensors[name]["data_offsets"][0].as_u64().expect("a tensor") as usize;
    bytes[start..start + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::remove_file(&path).expect("it may be a link");
    let digest = blake3::hash(&bytes).to_hex().to_string();
    fs::write(&path, bytes).expect("writable");
    // As if these weights had been trained: the folder's digests are theirs.
    let seal = folder.join("digests.json");
    if let Ok(text) = fs::read_to_string(&seal) {
        let mut digests: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        digests["blake3"]["model.safetensors"] = digest.into();
        fs::remove_file(&seal).expect("it may be a link");
        fs::write(&seal, digests.to_string()).expect("writable");
    }
    path
}

#[test]
fn a_model_with_a_weight_that_is_not_finite_is_refused_by_who_reads_it() {
    let project = Project::new();
    project.run("small.toml");
    let model = project.root().join("spoilt");
    fs::rename(project.outputs().join("small/model"), &model).expect("published");
    let path = spoil(&model, "layers.1.attn.Wqkv.weight");
    project.write("fetch.toml", "version = 1\n[stage.fetch_model]\npath = \"spoilt\"\n");
    project.write("text.txt", "Backup of printer finished at noon.\n");
    for (arguments, code) in
        [(["run", "fetch.toml"].as_slice(), 1), (&["predict", "spoilt", "text.txt"], 2)]
    {
        let ended = project.pipeline(arguments);
        assert_eq!(ended.code, Some(code), "{ended:#?}");
        let file = path.file_name().and_then(|name| name.to_str()).expect("a name");
        for part in [
            "`layers.1.attn.Wqkv.weight` has numbers that are infinite or not a number",
            file,
            "help: such weights give no",
        ] {
            assert!(ended.stderr.contains(part), "{part}: {ended:#?}");
        }
    }
}

#[test]
fn a_plan_says_that_a_training_continues_only_where_a_state_can_be_read_and_counts_the_steps_that_are_left()
 {
    let project = Project::new();
    let constant = ["--set", "stage.train.schedule=constant", "--set"];
    let run = |arguments: &[&str], epochs: &str| {
        let all: Vec<&str> = arguments.iter().chain(&constant).chain(&[epochs]).copied().collect();
        let ended = project.pipeline(&all);
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        ended.stdout
    };
    run(&["run", "small.toml"], "stage.train.epochs=3");
    let plan = || run(&["plan", "small.toml"], "stage.train.epochs=5");
    assert!(
        plan().contains("continues what is finished")
            && plan().contains("(24 steps that are left of"),
        "{}",
        plan()
    );
    let checkpoints = project.outputs().join("checkpoints");
    for damage in [
        // A byte of the magic.
        |path: &Path| flip(path, 2),
        |path: &Path| {
            drop(
                fs::OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(20_000)),
            )
        },
    ] {
        let files = files_below(&checkpoints);
        for name in files.keys().filter(|name| name.ends_with(".checkpoint")) {
            fs::set_permissions(checkpoints.join(name), fs::Permissions::from_mode(0o644))
                .expect("ours");
            damage(&checkpoints.join(name));
        }
        assert!(
            plan().contains("gone or damaged") && plan().contains("(60 steps of"),
            "{}",
            plan()
        );
        for (name, bytes) in files {
            fs::set_permissions(checkpoints.join(&name), fs::Permissions::from_mode(0o644))
                .expect("ours");
            fs::write(checkpoints.join(name), bytes).expect("ours");
        }
    }
    assert!(plan().contains("continues what is finished"), "{}", plan());
}

#[test]
fn a_plan_counts_no_state_that_goes_further_than_the_training() {
    let project = Project::new();
    let with = |command: &str, epochs: u32| {
        let epochs = format!("stage.train.epochs={epochs}");
        let ended = project.pipeline(&[
            command,
            "small.toml",
            "--set",
            "stage.train.schedule=constant",
            "--set",
            &epochs,
        ]);
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        ended
    };
    for epochs in [3, 6, 4] {
        with("run", epochs);
    }
    // The states after 72 and 48 steps are there.
    let plan = with("plan", 5).stdout;
    assert!(
        plan.contains("continues what is finished") && plan.contains("(12 steps that are left of"),
        "{plan}"
    );
    let plan = with("plan", 2).stdout;
    assert!(plan.contains("(24 steps of"), "{plan}");
    let ended = with("run", 5);
    assert!(ended.stderr.contains("48 of 60 steps are made"), "{ended:#?}");
}

#[test]
fn a_plan_counts_the_steps_that_an_interrupted_training_has_left() {
    let project = Project::new();
    project.run("small.toml");
    let mut child = start(&mut project.command(&["run", "long.toml", "--json"]));
    assert!(until(&mut child, trained(40)), "the training was not seen");
    child.kill().expect("ours");
    finish(child);
    let ended = project.pipeline(&["plan", "long.toml"]);
    let steps = ended
        .stdout
        .split_once(" steps that are left of")
        .and_then(|(before, _)| before.rsplit_once('('));
    let steps: u64 =
        steps.and_then(|(_, steps)| steps.parse().ok()).unwrap_or_else(|| panic!("{ended:#?}"));
    assert!((1..=480 - 36).contains(&steps), "{ended:#?}");
}
