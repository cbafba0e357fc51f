//! What runs again, and what does not.

use super::support::Project;

#[test]
fn the_second_run_executes_nothing_and_reads_no_artifact() {
    let project = Project::new();
    project.run(&["run", "experiments/quick.toml"]);
    // Contents that nobody reads may as well be unreadable: sizes stay, bytes change.
    let model = project.read("outputs/quick/model/model.safetensors");
    for entry in walk(&project.path("outputs/store")) {
        if entry.ends_with("model.safetensors") {
            let folder = entry.parent().expect("a folder");
            std::fs::rename(&entry, folder.join("gone")).expect("a writable folder");
            std::fs::write(
                &entry,
                vec![0; std::fs::metadata(folder.join("gone")).expect("a file").len() as usize],
            )
            .expect("a file");
            std::fs::remove_file(folder.join("gone")).expect("a file");
        }
    }
    let outcomes = project.outcomes(&["experiments/quick.toml"]);
    assert!(outcomes.keys().all(|(_, outcome)| outcome == "stage_cached"), "{outcomes:?}");
    assert_eq!(outcomes.len(), 6);
    assert_eq!(project.read("outputs/quick/model/model.safetensors"), model);
}

#[test]
fn a_changed_parameter_reruns_what_depends_on_it_and_plan_said_so() {
    let project = Project::new();
    project.run(&["run", "experiments/quick.toml"]);
    let change = ["experiments/quick.toml", "--set", "stage.train.learning_rate=2e-3"];
    let plan = project.run(&[&["plan", "--json"], change.as_slice()].concat());
    let plan: serde_json::Value = serde_json::from_slice(&plan.stdout).expect("JSON");
    let actions: Vec<_> = plan["nodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .map(|node| (node["stage"].as_str(), node["action"].as_str()))
        .collect();
    let expected = [
        ("corpus", "cached"),
        ("init_model", "cached"),
        ("tokenize", "cached"),
        ("train", "run"),
        ("evaluate", "maybe"),
        ("plot", "maybe"),
    ];
    assert_eq!(actions, expected.map(|(stage, action)| (Some(stage), Some(action))));
    let outcomes = project.outcomes(&change);
    let built: Vec<_> = outcomes
        .keys()
        .filter(|(_, outcome)| outcome == "stage_finished")
        .map(|(stage, _)| stage.as_str())
        .collect();
    assert_eq!(built, ["evaluate", "plot", "train"]);
}

#[test]
fn renaming_stages_and_the_file_executes_nothing() {
    let project = Project::new();
    project.run(&["run", "experiments/quick.toml"]);
    let renamed = super::support::QUICK
        .replace("[stage.train]", "[stage.fit]\nkind = \"train\"")
        .replace("\"@train\"", "\"@fit\"");
    project.write("experiments/renamed.toml", &renamed);
    let outcomes = project.outcomes(&["experiments/renamed.toml"]);
    assert!(outcomes.keys().all(|(_, outcome)| outcome == "stage_cached"), "{outcomes:?}");
}

#[test]
fn results_that_were_removed_are_published_again() {
    let project = Project::new();
    project.run(&["run", "experiments/quick.toml"]);
    let metrics = project.read("outputs/quick/metrics.json");
    std::fs::remove_dir_all(project.path("outputs/quick")).expect("a folder");
    project.run(&["run", "experiments/quick.toml"]);
    assert_eq!(project.read("outputs/quick/metrics.json"), metrics);
}

#[test]
fn a_damaged_result_is_not_published_but_built_again() {
    let project = Project::new();
    project.run(&["run", "experiments/quick.toml"]);
    let metrics = project.read("outputs/quick/metrics.json");
    let entry = walk(&project.path("outputs/store"))
        .into_iter()
        .find(|path| path.ends_with("metrics.json"))
        .expect("an entry");
    std::fs::remove_file(&entry).expect("a file");
    std::fs::write(&entry, vec![b' '; metrics.len()]).expect("a file");
    std::fs::remove_dir_all(project.path("outputs/quick")).expect("a folder");
    project.run(&["run", "experiments/quick.toml"]);
    assert_eq!(project.read("outputs/quick/metrics.json"), metrics);
}

#[test]
fn a_file_that_the_user_put_beside_the_results_stays() {
    let project = Project::new();
    project.run(&["run", "experiments/quick.toml"]);
    project.write("outputs/quick/notes.md", "mine");
    project.run(&["run", "experiments/quick.toml", "--set", "stage.train.epochs=1"]);
    assert_eq!(project.read("outputs/quick/notes.md"), b"mine");
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found
}
