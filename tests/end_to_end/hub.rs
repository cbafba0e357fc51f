//! The reference recipe with a model from a hub on this machine.

use std::path::PathBuf;
use std::process::Output;

use super::server::{Access, COMMIT, Hub, REPO};
use super::support::{Project, succeed};

const FILES: [(&str, bool); 3] =
    [("config.json", false), ("tokenizer.json", false), ("model.safetensors", true)];

/// A hub that has a small model where `small.toml` looks for ModernBERT-base.
fn hub(project: &Project) -> Hub {
    project.run(&["run", "experiments/quick.toml", "init_model"]);
    let folder = model(project);
    let hub = Hub::start();
    for (name, large) in FILES {
        hub.add(name, &std::fs::read(folder.join(name)).expect("a model's file"), large);
    }
    hub
}

/// The folder of that model.
fn model(project: &Project) -> PathBuf {
    let shelves = std::fs::read_dir(project.path("outputs/store")).expect("a store");
    let entries = shelves
        .flat_map(|shelf| std::fs::read_dir(shelf.expect("an entry").path()).into_iter().flatten());
    entries
        .map(|entry| entry.expect("an entry").path())
        .find(|entry| entry.join("config.json").is_file())
        .expect("the model's entry")
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

/// A model that may come from a hub, from a repository that there is not, or from a folder.
struct Sources {
    project: Project,
    hub: Hub,
}

const FALLBACK: &str = "experiments/fallback.toml";
const LOCK: &str = "experiments/fallback.toml.lock";

impl Sources {
    /// * `sources`: the parameters of the stage
    fn new(sources: &str) -> Self {
        let project = Project::new();
        let hub = hub(&project);
        project.write(FALLBACK, &format!("version = 1\n[stage.fetch_model]\n{sources}\n"));
        Self { project, hub }
    }

    /// Puts the hub's model into `models/base`.
    fn keep(&self) {
        let (from, to) = (model(&self.project), self.project.path("models/base"));
        std::fs::create_dir_all(&to).expect("a new folder");
        for (name, _) in FILES {
            std::fs::copy(from.join(name), to.join(name)).expect("a writable folder");
        }
    }

    fn command(&self, arguments: &[&str]) -> Output {
        let mut command = self.project.command(arguments);
        command.env("HF_ENDPOINT", &self.hub.url);
        command.env("HF_HOME", self.project.path("hugging_face"));
        command.output().expect("the binary starts")
    }

    /// Standard output and error of a run that succeeds.
    fn run(&self, more: &[&str]) -> String {
        let output = self.command(&[&["run", FALLBACK], more].concat());
        assert!(output.status.success(), "{output:?}");
        told(&output)
    }

    fn plan(&self) -> String {
        told(&self.command(&["plan", FALLBACK]))
    }

    fn lock(&self) -> String {
        String::from_utf8(self.project.read(LOCK)).expect("UTF-8")
    }
}

fn told(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

#[test]
fn a_source_that_cannot_be_had_gives_way_to_the_next_once_and_for_all() {
    let sources = Sources::new(&format!(
        "path = \"../models/base\"\nfallback = [{{ repo = \"nobody/nothing\" }}, {{ repo = \"{REPO}\" }}]"
    ));
    let plan = sources.plan();
    assert!(plan.contains("source is not chosen yet"), "{plan}");

    let run = sources.run(&[]);
    assert!(
        run.contains("`experiments/../models/base` cannot be had: there is no such folder"),
        "{run}"
    );
    assert!(run.contains("`nobody/nothing` at `main` cannot be had"), "{run}");
    assert!(run.contains(&format!("`{REPO}` at `main` is chosen")), "{run}");
    let lock = sources.lock();
    assert!(lock.contains("first = { path = \"../models/base\" }"), "{lock}");
    assert!(lock.contains(COMMIT) && !lock.contains("nobody"), "{lock}");

    // What comes back changes nothing.
    sources.keep();
    let plan = sources.plan();
    assert!(plan.contains("1 cached"), "{plan}");
    assert!(
        plan.contains("is made from `answerdotai/ModernBERT-base` at `main` instead of"),
        "{plan}"
    );
    assert_eq!(sources.lock(), lock);
    assert!(sources.run(&["--offline"]).contains("cached"), "it was built");

    // The same stage as one that has this source alone.
    let alone =
        format!("version = 1\n[stage.fetch_model]\nrepo = \"{REPO}\"\nrevision = \"{COMMIT}\"\n");
    sources.project.write("experiments/alone.toml", &alone);
    let plan = told(&sources.command(&["plan", "experiments/alone.toml"]));
    assert!(plan.contains("1 cached"), "{plan}");
}

#[test]
fn a_gated_model_gives_way_to_a_folder_and_a_record_says_so() {
    let sources =
        Sources::new(&format!("repo = \"{REPO}\"\nfallback = [{{ path = \"../models/base\" }}]"));
    sources.keep();
    sources.hub.set().access = Access::Gated;
    let run = sources.run(&[]);
    assert!(run.contains("is gated"), "{run}");
    let lock = sources.lock();
    assert!(lock.contains("chosen = { path = \"../models/base\" }"), "{lock}");
    assert!(!lock.contains("[[pin]]"), "{lock}");
    let folders = std::fs::read_dir(sources.project.path("outputs/runs")).expect("records");
    let runs = folders.map(|run| run.expect("a record").file_name().into_string().expect("UTF-8"));
    let run = runs.into_iter().find(|run| run.ends_with("-fallback")).expect("a record");
    let show = told(&sources.command(&["show", &run]));
    assert!(show.contains("instead of"), "{show}");

    // Without its folder the choice stands, and what helps is said.
    std::fs::remove_dir_all(sources.project.path("models")).expect("a folder");
    let output = sources.command(&["run", FALLBACK]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(told(&output).contains("to choose again, remove its `[[choice]]`"), "{output:?}");
}

#[test]
fn a_hub_that_fails_chooses_nothing() {
    let sources =
        Sources::new(&format!("repo = \"{REPO}\"\nfallback = [{{ path = \"../models/base\" }}]"));
    sources.keep();
    sources.hub.set().access = Access::Limited;
    let output = sources.command(&["run", FALLBACK]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!sources.project.path(LOCK).exists(), "{output:?}");
}

#[test]
fn without_a_source_nothing_runs_and_each_says_why() {
    let sources =
        Sources::new(&format!("repo = \"{REPO}\"\nfallback = [{{ path = \"../models/base\" }}]"));
    let output = sources.command(&["run", FALLBACK, "--offline"]);
    let text = told(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("the network must not be used"), "{text}");
    assert!(text.contains("there is no such folder"), "{text}");
    assert!(text.contains("none of these 2 sources can be had"), "{text}");
}

#[test]
fn a_fallback_that_names_no_source_is_refused_where_it_stands() {
    let project = Project::new();
    for (fallback, problem) in [
        ("[]", "expects at least 1 item"),
        ("[{ repo = \"a\", path = \"b\" }]", "`fallback[0]`: `repo` and `path` exclude each other"),
        ("[{ path = \"b\" }, {}]", "`fallback[1]`: one of `repo` and `path` is needed"),
        ("[{ reppo = \"a\" }]", "did you mean `repo`?"),
        ("[{ repo = \"a/../b\" }]", "`fallback[0]`: `a/../b` is no repository"),
        ("[{ repo = \"first\" }]", "`fallback[0]`: the source stands before it already"),
    ] {
        let text =
            format!("version = 1\n[stage.fetch_model]\nrepo = \"first\"\nfallback = {fallback}\n");
        project.write(FALLBACK, &text);
        let output = project.command(&["check", FALLBACK]).output().expect("the binary starts");
        let text = told(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(problem) && text.contains("fallback.toml:4:"), "{text}");
    }
}
