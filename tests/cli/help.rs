//! `--help`, and what is said of a command line that is none.

use crate::world::{World, snapshot};

macro_rules! help {
    ($($name:ident: $arguments:expr;)+) => {$(
        #[test]
        fn $name() {
            snapshot!(World::empty().pipeline($arguments));
        }
    )+};
}

help! {
    the_help_lists_every_command_and_exit_code: ["--help"];
    the_help_of_run_says_what_each_option_takes: ["run", "--help"];
    the_help_of_plan_says_what_each_option_takes: ["plan", "--help"];
    the_help_of_stage_says_what_it_does: ["stage", "--help"];
    the_help_of_stage_run_says_what_each_option_takes: ["stage", "run", "--help"];
    the_help_of_check_says_what_each_option_takes: ["check", "--help"];
    the_help_of_pin_says_what_each_option_takes: ["pin", "--help"];
    the_help_of_unpin_says_what_each_option_takes: ["unpin", "--help"];
    the_help_of_explain_says_what_each_option_takes: ["explain", "--help"];
    the_help_of_show_says_what_each_option_takes: ["show", "--help"];
    the_help_of_ls_says_what_each_option_takes: ["ls", "--help"];
    the_help_of_diff_says_what_each_option_takes: ["diff", "--help"];
    the_help_of_graph_says_what_each_option_takes: ["graph", "--help"];
    the_help_of_kinds_says_what_each_option_takes: ["kinds", "--help"];
    the_help_of_predict_says_what_each_option_takes: ["predict", "--help"];
    the_help_of_export_says_what_each_option_takes: ["export", "--help"];
    the_help_of_serve_says_what_each_option_takes: ["serve", "--help"];
    the_help_of_doctor_says_what_each_option_takes: ["doctor", "--help"];
    the_help_of_bench_says_what_each_option_takes: ["bench", "--help"];
    the_help_of_verify_says_what_each_option_takes: ["verify", "--help"];
    the_help_of_gc_says_what_each_option_takes: ["gc", "--help"];
    the_help_of_export_runs_says_what_each_option_takes: ["export-runs", "--help"];
    the_help_of_schema_says_what_each_option_takes: ["schema", "--help"];
    the_help_of_init_says_what_each_option_takes: ["init", "--help"];
    the_help_of_completions_says_what_each_option_takes: ["completions", "--help"];
    the_help_of_man_says_what_each_option_takes: ["man", "--help"];
}

#[test]
fn no_command_at_all_prints_the_help_and_is_a_mistake() {
    let shot = World::empty().pipeline::<[&str; 0], _>([]);
    assert!(
        shot.code == Some(2) && shot.stdout.is_empty() && shot.stderr.contains("Usage: pipeline"),
        "{shot}"
    );
}

#[test]
fn a_command_without_its_file_shows_how_it_is_written() {
    let world = World::empty();
    snapshot!(
        world.pipeline(["run"]),
        world.pipeline(["plan", "--json"]),
        world.pipeline(["check"]),
        world.pipeline(["explain", "experiments/tiny.toml"]),
        world.pipeline(["show"]),
        world.pipeline(["graph"]),
        world.pipeline(["predict"]),
    );
}

#[test]
fn a_mistyped_command_gets_the_nearest_one() {
    let world = World::empty();
    snapshot!(
        world.pipeline(["rnu", "x.toml"]),
        world.pipeline(["pln"]),
        world.pipeline(["frobnicate"])
    );
}

#[test]
fn options_say_what_they_expect() {
    let world = World::new();
    let run =
        |option: &str, value: &str| world.pipeline(["run", "experiments/mini.toml", option, value]);
    snapshot!(
        run("--threads", "0"),
        run("--jobs", "x"),
        run("--jobs", "-1"),
        run("--device", "gpu"),
        run("--device", "cpu:1"),
        run("--prof", "x"),
        run("--color", "blue"),
        world.pipeline(["run"]),
        world.pipeline(["predict", "outputs/mini", "--batch-tokens", "0"]),
        world.pipeline(["completions", "tcsh"]),
    );
}

#[test]
fn a_device_that_the_program_was_not_built_for_names_the_feature() {
    if !cfg!(feature = "cuda") {
        snapshot!(World::new().pipeline(["run", "experiments/mini.toml", "--device", "cuda:1"]));
    }
}

#[test]
fn the_manual_has_a_page_for_every_command() {
    let world = World::empty();
    let page = world.pipeline(["man"]);
    assert!(page.code == Some(0) && page.stdout.contains(".TH pipeline 1"), "{page}");
    let written = world.pipeline(["man", "man1"]);
    assert!(written.code == Some(0) && written.stdout.is_empty(), "{written}");
    for name in ["pipeline", "pipeline-run", "pipeline-stage-run", "pipeline-export-runs"] {
        assert!(world.path("man1").join(format!("{name}.1")).is_file(), "{name}");
    }
}

#[test]
fn a_manual_that_cannot_be_written_is_a_failure() {
    let world = World::empty();
    world.write("file", "");
    snapshot!(world.pipeline(["man", "file"]));
}
