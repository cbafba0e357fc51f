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
