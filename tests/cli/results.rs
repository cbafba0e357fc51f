//! What lies where in `outputs/`.

use crate::world::World;

const FILE: &str = "experiments/mini.toml";

/// A second evaluation, which comes before the first in the alphabet.
const SECOND: &str = "[stage.again]\nkind = \"evaluate\"\nmodel = \"@train\"\ndata = \"@tokenize\"\nsplit = \"train\"\n";

#[test]
fn a_second_evaluation_leaves_the_files_of_the_first_where_they_are() {
    let world = World::trained();
    let metrics = world.read("outputs/mini/metrics.json");
    world.write(FILE, world.read(FILE) + SECOND);
    let shot = world.pipeline(["run", FILE]);
    assert_eq!(shot.code, Some(0), "{shot}");
    assert_eq!(world.read("outputs/mini/metrics.json"), metrics);
    assert!(world.path("outputs/mini/again/metrics.json").is_file());
}

#[test]
fn where_no_stage_is_called_as_its_kind_the_first_of_the_file_has_its_files_at_the_top() {
    let world = World::new();
    let text = world.read(FILE).replace("[stage.evaluate]", "[stage.zebra]\nkind = \"evaluate\"");
    world.write(FILE, text.replace("@evaluate", "@zebra") + SECOND);
    let shot = world.pipeline(["run", FILE]);
    assert_eq!(shot.code, Some(0), "{shot}");
    assert!(world.path("outputs/mini/metrics.json").is_file());
    assert!(world.path("outputs/mini/again/metrics.json").is_file());
    assert!(!world.path("outputs/mini/zebra").exists());
}

#[test]
fn a_stage_has_its_place_also_where_another_of_its_kind_is_not_run() {
    let world = World::new();
    world.write(FILE, world.read(FILE) + SECOND);
    let shot = world.pipeline(["run", FILE, "again"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    assert!(world.path("outputs/mini/again/metrics.json").is_file());
    assert!(!world.path("outputs/mini/metrics.json").exists());
}

#[test]
fn a_sweep_that_only_the_command_line_asks_for_leaves_the_results_of_the_file() {
    let world = World::trained();
    let model = world.names("outputs/mini/model");
    let shot = world.pipeline(["run", FILE, "--sweep", "train.learning_rate=1e-3,2e-3"]);
    assert!(shot.stdout.contains("results: outputs/mini-sweep\n"), "{shot}");
    assert_eq!(world.names("outputs/mini/model"), model);
    assert!(world.path("outputs/mini-sweep/trials.csv").is_file());
    // One that the file has is the file's result, whatever the command line changes in it.
    world.child("rates", "[sweep]\nseeds = 2\n");
    let shot = world.pipeline(["run", "experiments/rates.toml", "--seeds", "1"]);
    assert!(shot.stdout.contains("results: outputs/rates\n"), "{shot}");
}

#[test]
fn a_run_with_a_name_has_results_of_its_own() {
    let world = World::trained();
    let metrics = world.read("outputs/mini/metrics.json");
    let shot = world.pipeline(["run", FILE, "--name", "two", "--set", "stage.train.epochs=2"]);
    assert!(shot.stdout.contains("results: outputs/mini@two\n"), "{shot}");
    assert_eq!(world.read("outputs/mini/metrics.json"), metrics);
    assert!(world.path("outputs/mini@two/model/config.json").is_file());
}

#[test]
fn a_name_that_is_no_folder_is_refused_before_anything_runs() {
    let world = World::new();
    for name in ["", "../x", "a/b", "two ", "a\nb"] {
        let shot = world.pipeline(["run", FILE, "--name", name]);
        assert!(shot.code == Some(2) && shot.stderr.contains("the name "), "{shot}");
    }
    assert!(!world.path("outputs/runs").exists());
}

#[test]
fn the_chosen_trial_is_that_of_the_first_seed_and_a_model_to_predict_with() {
    let world = World::new();
    world.child("rates", "[sweep]\nseeds = [4, 0]\n[sweep.over]\ntrain.epochs = [2, 1]\n");
    let predict = || {
        let mut command = world.command(["predict", "outputs/rates"]);
        world.shot("predict outputs/rates", command.write_stdin("attack on db-07\n"))
    };
    world.pipeline(["run", "experiments/rates.toml"]);
    assert_eq!(world.read("outputs/rates/first/trial.txt"), "epochs=2,seed=4\n");
    assert!(!world.path("outputs/rates/best").exists());
    assert_eq!(predict().code, Some(0));
    for (objective, chosen) in
        [("min train.x", None), ("max evaluate.loss", Some("")), ("min evaluate.loss", Some(""))]
    {
        let shot = world.pipeline(["run", "experiments/rates.toml", "--objective", objective]);
        if chosen.is_none() {
            assert_eq!(shot.code, Some(2), "{shot}");
            continue;
        }
        assert_eq!(shot.code, Some(0), "{shot}");
        assert!(world.read("outputs/rates/best/trial.txt").ends_with("seed=4\n"));
        assert!(!world.path("outputs/rates/first").exists());
        assert_eq!(predict().code, Some(0));
    }
    let set = ["run", "experiments/rates.toml", "--set", "sweep.objective=max evaluate.loss"];
    assert!(world.pipeline(set).stdout.contains("best"));
}

#[test]
fn the_experiment_beside_the_results_makes_the_same_again() {
    let world = World::trained();
    let text = world.read("outputs/mini/experiment.toml");
    assert!(text.contains("name = \"mini-again\"\n"), "{text}");
    assert!(text.contains("templates = \"../../experiments/data/events.toml\"\n"), "{text}");
    let shot = world.pipeline(["run", "outputs/mini/experiment.toml"]);
    assert!(shot.stdout.contains(": 6 cached\n"), "{shot}");
    assert!(shot.stdout.contains("results: outputs/mini-again\n"), "{shot}");
    assert_eq!(
        world.read("outputs/mini-again/metrics.json"),
        world.read("outputs/mini/metrics.json")
    );
}

#[test]
fn the_experiment_beside_the_results_says_what_the_command_line_changed() {
    let world = World::new();
    let run = ["run", FILE, "--name", "two", "--set", "stage.train.epochs=2"];
    assert_eq!(world.pipeline(run).code, Some(0));
    let file = "outputs/mini@two/experiment.toml";
    assert!(world.read(file).contains("name = \"mini@two-again\"\n"));
    let shot = world.pipeline(["run", file]);
    assert!(shot.stdout.contains(": 6 cached\n"), "{shot}");
}

#[test]
fn every_trial_has_an_experiment_that_makes_it_again_from_where_it_lies() {
    let world = World::new();
    world.child(
        "rates",
        "[sweep]\nmethod = \"grid\"\nseeds = 2\n[sweep.over]\ntrain.learning_rate = [1e-3, 2e-3]\n",
    );
    assert_eq!(world.pipeline(["run", "experiments/rates.toml"]).code, Some(0));
    let trial = "outputs/rates/trials/learning_rate=2e-3,seed=1";
    let file = format!("{trial}/experiment.toml");
    let text = world.read(&file);
    for line in ["name = \"rates-2e-3,seed=1\"", "learning_rate = 0.002", "seed = 8"] {
        assert!(text.contains(&format!("{line}\n")), "{text}");
    }
    assert!(!text.contains("[sweep"), "{text}");
    let shot = world.pipeline(["run", file.as_str()]);
    assert!(shot.code == Some(0) && shot.stdout.contains("cached\n"), "{shot}");
    assert!(!shot.stdout.contains("built"), "{shot}");
    let metrics = |folder: &str| world.read(&format!("{folder}/metrics.json"));
    assert_eq!(metrics("outputs/rates-2e-3,seed=1"), metrics(trial));
    // Another one, and all of it, have places of their own beside that one.
    for part in ["trials/learning_rate=1e-3,seed=0/", "first/", ""] {
        let shot = world.pipeline(["run", &format!("outputs/rates/{part}experiment.toml")]);
        assert_eq!(shot.code, Some(0), "{shot}");
    }
}

#[test]
fn what_the_scores_of_a_sweep_are_to_be_read_with_lies_beside_them() {
    let world = World::new();
    world.child("seeds", "[sweep]\nmethod = \"grid\"\nseeds = 2\n");
    let shot = world.pipeline(["run", "experiments/seeds.toml"]);
    let said = "all 2 seeds share the weights to start from, which `init_model` drew once";
    assert!(shot.stdout.replace("\n        ", " ").contains(said), "{shot}");
    let caveats = world.read("outputs/seeds/caveats.csv");
    assert!(caveats.starts_with("code,count,message\n"), "{caveats}");
    assert!(caveats.contains(&format!("shared_draw,2,\"{said}")), "{caveats}");
}

#[test]
fn the_experiment_of_the_chosen_trial_is_that_trial() {
    let world = World::new();
    world.write(
        FILE,
        world.read(FILE).replace("epochs = 1", "epochs = \"@params.epochs\"")
            + "[params]\nepochs = 1\n",
    );
    world.child(
        "rates",
        "[sweep]\nseeds = [3, 0]\nobjective = \"min evaluate.loss\"\n[sweep.over]\nparams.epochs = [1, 2]\ntrain.learning_rate = [2e-3]\n",
    );
    assert_eq!(world.pipeline(["run", "experiments/rates.toml"]).code, Some(0));
    let file = "outputs/rates/best/experiment.toml";
    let text = world.read(file);
    for line in ["name = \"rates-best\"", "epochs = 2", "learning_rate = 0.002", "seed = 10"] {
        assert!(text.contains(&format!("\n{line}\n")), "{line} in {text}");
    }
    assert!(!text.contains("[sweep"), "{text}");
    let shot = world.pipeline(["run", file]);
    assert!(shot.stdout.contains(": 6 cached\n"), "{shot}");
    let metrics = |folder: &str| world.read(&format!("outputs/{folder}/metrics.json"));
    assert_eq!(metrics("rates-best"), metrics("rates/best"));
    let whole = world.pipeline(["run", "outputs/rates/experiment.toml"]);
    assert!(whole.stdout.contains(": 15 cached\n"), "{whole}");
}

#[test]
fn results_without_their_experiment_are_published_again() {
    let world = World::trained();
    std::fs::remove_file(world.path("outputs/mini/experiment.toml")).expect("removed");
    let shot = world.pipeline(["run", FILE]);
    assert!(shot.stderr.contains("published again"), "{shot}");
    assert!(world.path("outputs/mini/experiment.toml").is_file());
}

#[test]
fn what_made_the_results_is_said_by_both_records_and_by_show() {
    let world = World::new();
    let run = [
        "run",
        FILE,
        "--set",
        "stage.train.epochs=2",
        "--sweep",
        "train.learning_rate=1e-3,2e-3",
        "--objective",
        "min evaluate.loss",
    ];
    assert_eq!(world.pipeline(run).code, Some(0));
    let id = world.latest_run();
    let read = |name: &str| -> serde_json::Value {
        serde_json::from_str(&world.read(name)).expect("JSON")
    };
    let record = read(&format!("outputs/runs/{id}/run.json"));
    let made = read("outputs/mini-sweep/published.json");
    assert_eq!((&record["id"], &record["results"]), (&made["run"], &"mini-sweep".into()));
    for part in ["command", "overrides", "program"] {
        assert_eq!(record[part], made[part]);
    }
    assert_eq!(
        made["command"],
        "pipeline run experiments/mini.toml --set stage.train.epochs=2 --sweep train.learning_rate=1e-3,2e-3 --objective 'min evaluate.loss'"
    );
    assert_eq!(made["overrides"]["set"][0], "stage.train.epochs=2");
    let shown = world.pipeline(["show", &id]);
    for line in [
        "set          stage.train.epochs=2",
        "sweep        train.learning_rate=1e-3,2e-3",
        "results      outputs/mini-sweep",
    ] {
        assert!(shown.stdout.contains(line), "{shown}");
    }
    for folder in
        [&*format!("outputs/runs/{id}"), &*format!("outputs/runs/{id}/"), "outputs/mini-sweep"]
    {
        assert_eq!(world.pipeline(["show", folder]).stdout, shown.stdout, "{folder}");
    }
    // Without its own record a folder is that of the latest run that had its results there.
    std::fs::remove_file(world.path("outputs/mini-sweep/published.json")).expect("removed");
    assert_eq!(world.pipeline(["show", "outputs/mini-sweep"]).stdout, shown.stdout);
}

#[test]
fn results_outlive_the_record_of_their_run() {
    let world = World::trained();
    std::fs::remove_dir_all(world.path(format!("outputs/runs/{}", world.latest_run())))
        .expect("removed");
    let shot = world.pipeline(["show", "outputs/mini"]);
    assert!(
        shot.stdout
            .contains("(its record is gone)\n  command      pipeline run experiments/mini.toml\n"),
        "{shot}"
    );
}
