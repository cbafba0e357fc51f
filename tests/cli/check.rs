//! `check`: every mistake at once.

use crate::world::{World, snapshot};

const MISTAKES: &str = r#"version = 1
colour = "blue"

[params]
length = "long"

[stage.corpus]
kind = "generate_corpora"
templates = "data/events.toml"

[stage.texts]
kind = "generate_corpus"
templates = "data/evens.toml"
samples = 10
split = { train = 0.8, validation = 0.3 }

[stage.none]
kind = "generate_corpus"
templates = "data/events.toml"
samples = 0

[stage.init_model]
corpus = "@texts"
num_attention_heads = 3

[stage.tokenize]
model = "@init_modell"
corpus = "@texts"
max_length = "@params.length"

[stage.train]
model = "@init_model"
data = "@texts"
epoch = 3
learning_rate = "fast"

[stage.evaluate]
data = "@tokenize"
model = "@train"
split = "validate"
after = ["plot"]

[stage.plot]
history = "@train"
evaluation = "@evaluate"

[sweep]
method = "grid"
objective = "best evaluate.ner.span_f1"
[sweep.over]
train.learning_rate = [1e-3, -1.0]
"#;

#[test]
fn no_value_is_suggested_that_would_be_refused() {
    let world = World::new();
    for (epochs, help) in
        [("1e9", "help: an integer, at least 1 and at most 100000"), ("1e3", "help: write `1000`")]
    {
        world.child("many", &format!("[stage.train]\nepochs = {epochs}\n"));
        let shot = world.pipeline(["check", "experiments/many.toml"]);
        assert!(shot.code == Some(2) && shot.stderr.lines().any(|line| line == help), "{shot}");
    }
}

#[test]
fn all_mistakes_of_a_file_come_at_once_each_with_its_place_and_a_remedy() {
    let world = World::new();
    world.write("experiments/wrong.toml", MISTAKES);
    snapshot!(world.pipeline(["check", "experiments/wrong.toml"]));
}

#[test]
fn a_file_that_passes_says_how_much_is_in_it() {
    let world = World::new();
    snapshot!(
        world.pipeline(["check", "experiments/mini.toml"]),
        world.pipeline([
            "check",
            "experiments/mini.toml",
            "--sweep",
            "train.epochs=1,2",
            "--seeds",
            "3"
        ])
    );
}

#[test]
fn several_files_are_all_checked_and_one_mistake_makes_exit_code_2() {
    let world = World::new();
    world.child("wrong", "[stage.train]\nepochs = 0\n");
    snapshot!(world.pipeline([
        "check",
        "experiments/mini.toml",
        "experiments/wrong.toml",
        "experiments/mimi.toml",
        "experiments/mini.toml"
    ]));
}

#[test]
fn mistakes_as_json_have_code_place_and_help() {
    let world = World::new();
    world.child("wrong", "[stage.train]\nepoch = 1\n");
    snapshot!(world.pipeline([
        "check",
        "--json",
        "experiments/wrong.toml",
        "experiments/mini.toml"
    ]));
}

#[test]
fn mistakes_on_the_command_line_are_pointed_at() {
    let world = World::new();
    let check = |option: &str, value: &str| {
        world.pipeline(["check", "experiments/mini.toml", option, value])
    };
    snapshot!(
        check("--set", "stage.train.epoch=1"),
        check("--set", "train.epochs=1"),
        check("--set", "stage.train.epochs"),
        check("--set", "stage.train.epochs=many"),
        check("--sweep", "train.epochs=0,1"),
        check("--sweep", "train.epoch=1,2"),
        check("--seeds", "0"),
        check("--sweep", "train.learning_rate=1e-3"),
        world.pipeline([
            "check",
            "experiments/mini.toml",
            "--sweep",
            "train.seed=1,2",
            "--seeds",
            "2"
        ]),
        world.pipeline([
            "check",
            "experiments/mini.toml",
            "--json",
            "--set",
            "stage.train.epoch=1"
        ]),
    );
}

#[test]
fn checking_planning_showing_and_drawing_leave_nothing_behind() {
    let world = World::new();
    for command in [
        &["check"][..],
        &["plan"],
        &["show"],
        &["show", "--origins"],
        &["graph"],
        &["run", "--dry-run"],
    ] {
        let shot = world.pipeline(command.iter().chain(&["experiments/mini.toml"]));
        assert_eq!(shot.code, Some(0), "{shot}");
    }
    for arguments in [
        &["explain", "experiments/mini.toml", "train"][..],
        &["verify"],
        &["show", "abcd"],
        &["kinds"],
    ] {
        world.pipeline(arguments);
    }
    assert_eq!(world.names("."), ["experiments"]);
    assert_eq!(world.names("experiments"), ["data", "mini.toml"]);
}

#[test]
fn mistakes_inside_a_file_of_templates_are_found_before_anything_runs() {
    let world = World::new();
    let check = |templates: &str| {
        world.write("experiments/data/events.toml", templates);
        world.pipeline(["check", "experiments/mini.toml"])
    };
    snapshot!(
        check(""),
        check("# nothing yet\n"),
        check("[entities.user]\nlabel = \"PER\"\nvalues = [\"a\", \"b\"]\n"),
        check(
            "[templates]\nnormal = [\"{usr} and {user:b} {user:c}\", \"{user\", \"{nobody} }\"]\n[entities.user]\nlabel = \"P ER\"\nvalues = [\"a\", \"a\"]\n"
        ),
        check(
            "[templates]\nnormal = \"x\"\nanomalies = [3]\n[entities.user]\nlabel = 3\nvalue = []\n[entities]\nip = 4\n"
        ),
        check("[templates]\nnormal = [\"a\" \"b\"]\nanomaly = [x]\n"),
        check("[templates]\nnormal = [\"a\",\nanomaly = [\"b\"]\n"),
        check("[templates]\nnormal = [\"a\", \"b\"]\n"),
    );
    let shot = world.pipeline(["run", "experiments/mini.toml"]);
    assert!(shot.code == Some(2) && !world.path("outputs").exists(), "{shot}");
}

#[test]
fn a_corpus_that_cannot_be_divided_is_found_before_anything_runs() {
    let world = World::new();
    let check = |set: &str| world.pipeline(["check", "experiments/mini.toml", "--set", set]);
    snapshot!(
        check("stage.corpus.samples=1"),
        check("stage.corpus.by=colour"),
        check("stage.corpus.split={ train = 0.9999, validation = 0.0001 }"),
        check("stage.corpus.split={ train = 0.9, validation = 0.2 }"),
    );
}

#[test]
fn names_that_the_hub_does_not_have_are_found_without_it() {
    let world = World::new();
    world.child(
        "wrong",
        "[stage.a]\nkind = \"fetch_model\"\nrepo = \"a/b/c\"\nrevision = \"../x\"\n[stage.b]\nkind = \"fetch_model\"\npath = \"model\"\n",
    );
    snapshot!(world.pipeline(["check", "experiments/wrong.toml"]));
}

#[test]
fn mistakes_that_span_two_stages_are_found_before_anything_runs() {
    let world = World::new();
    let check = |sets: &[&str]| {
        let sets = sets.iter().flat_map(|set| ["--set", set]);
        world.pipeline(["check", "experiments/mini.toml"].into_iter().chain(sets))
    };
    snapshot!(
        check(&[
            "stage.evaluate.split=test",
            "stage.tokenize.max_length=64",
            "stage.init_model.max_position_embeddings=32"
        ]),
        check(&[
            "stage.corpus.split={ train = 1.0 }",
            "stage.train.early_stopping={ metric = \"loss\", patience = 1 }"
        ]),
        // What is wrong elsewhere hides none of it.
        check(&["stage.evaluate.split=test", "stage.plot.colour=red"]),
        world.pipeline([
            "check",
            "experiments/mini.toml",
            "--sweep",
            "tokenize.max_length=16,64",
            "--set",
            "stage.init_model.max_position_embeddings=32"
        ]),
    );
}

#[test]
fn a_swept_value_that_does_not_go_with_another_parameter_is_pointed_at() {
    let world = World::new();
    world.child(
        "swept",
        "[params]\nheld_out = 0.2\n[stage.corpus]\nsplit = { train = 0.8, validation = \"@params.held_out\" }\n[sweep.over]\nparams.held_out = [0.2, 0.3]\n",
    );
    snapshot!(
        world.pipeline([
            "check",
            "experiments/mini.toml",
            "--sweep",
            "init_model.hidden_size=32,33"
        ]),
        world.pipeline(["check", "experiments/swept.toml"]),
    );
}
