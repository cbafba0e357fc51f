//! The reference recipe with a model from a hub on this machine.

use super::server::{COMMIT, Hub, REPO};
use super::support::{Project, succeed};

/// A hub that has a small model where `small.toml` looks for ModernBERT-base.
fn hub(project: &Project) -> Hub {
    project.run(&["run", "experiments/quick.toml", "init_model"]);
    let folder = std::fs::read_dir(project.path("outputs/store"))
        .expect("a store")
        .flat_map(|shelf| std::fs::read_dir(shelf.expect("an entry").path()).into_iter().flatten());
    let folder = folder
        .map(|entry| entry.expect("an entry").path())
        .find(|entry| entry.join("config.json").is_file())
        .expect("the model's entry");
    let hub = Hub::start();
    for (name, large) in
        [("config.json", false), ("tokenizer.json", false), ("model.safetensors", true)]
    {
        hub.add(name, &std::fs::read(folder.join(name)).expect("a model's file"), large);
    }
    hub
}

#[test]
fn the_reference_recipe_runs_on_a_model_from_a_hub_and_then_without_network() {
    let project = Project::new();
    let hub = hub(&project);
    let arguments = |offline: &'static [&'static str]| {
        let mut all = vec!["run", "experiments/small.toml"];
        all.extend(["--set", "stage.corpus.samples=60", "--set", "stage.train.epochs=1"]);
        all.extend(offline);
        let mut command = project.command(&all);
        command.env("HF_ENDPOINT", &hub.url).env("HF_HOME", project.path("hugging_face"));
        command
    };
    succeed(arguments(&[]));
    let metrics = project.json("outputs/small/metrics.json");
    assert!(metrics["ner"]["token_accuracy"].is_number(), "{metrics}");
    assert_eq!(hub.downloads("model.safetensors").len(), 1);

    // The store is gone, the network too, but the hub's cache is there.
    std::fs::remove_dir_all(project.path("outputs")).expect("a folder");
    let mut offline = arguments(&["--offline"]);
    offline.env("HF_ENDPOINT", "http://127.0.0.1:9");
    succeed(offline);
    assert_eq!(project.json("outputs/small/metrics.json"), metrics);
}

#[test]
fn a_branch_is_pinned_beside_the_file_and_planned_without_network_from_then_on() {
    let project = Project::new();
    let hub = hub(&project);
    project.write(
        "experiments/branch.toml",
        &format!("version = 1\n[stage.fetch_model]\nrepo = \"{REPO}\"\nrevision = \"main\"\n"),
    );
    let plan = project.run(&["plan", "experiments/branch.toml"]);
    assert!(String::from_utf8_lossy(&plan.stdout).contains("is not known yet"), "{plan:?}");
    let mut run = project.command(&["run", "experiments/branch.toml"]);
    run.env("HF_ENDPOINT", &hub.url).env("HF_HOME", project.path("hugging_face"));
    succeed(run);
    let lock = String::from_utf8(project.read("experiments/branch.toml.lock")).expect("UTF-8");
    assert!(lock.contains(COMMIT), "{lock}");
    let mut plan = project.command(&["plan", "--check", "experiments/branch.toml"]);
    plan.env("HF_ENDPOINT", "http://127.0.0.1:9");
    succeed(plan);
}

#[test]
fn without_network_the_run_says_what_else_there_is() {
    let project = Project::new();
    let mut run = project.command(&["run", "experiments/small.toml", "fetch_model"]);
    run.env("HF_ENDPOINT", "http://127.0.0.1:9").env("HF_HOME", project.path("hugging_face"));
    let output = run.output().expect("the binary starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("tiny.toml"), "{text}");
}
