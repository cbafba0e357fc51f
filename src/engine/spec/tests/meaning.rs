//! What files without mistakes mean.

use std::path::Path;

use super::super::{AxisTarget, Data};
use super::{
    Experiment, Overrides, good, good_with, meaning, read, read_with, set, stage, sweep, value,
};
use crate::base::diagnostics::Diagnostics;

const SMALL: &str = r#"
version = 1
about = "the reference recipe"
seed = 42

[params]
max_length = 128
files = { templates = "data/events.toml" }

[stage.fetch_model]
repo = "answerdotai/ModernBERT-base"
revision = "main"

[stage.corpus]
kind = "generate_corpus"
templates = "@params.files.templates"
samples = 5000
split = { train = 0.8, validation = 0.2 }

[stage.tokenize]
model = "@fetch_model"
corpus = "@corpus"
max_length = "@params.max_length"

[stage.train]
model = "@fetch_model"
data = "@tokenize"
epochs = 3
learning_rate = 2e-5
ignore_outside = true
"#;

fn child(text: &str) -> Experiment {
    good(&[("experiments/child.toml", text), ("experiments/small.toml", SMALL)])
}

fn small_with(overrides: &Overrides) -> Experiment {
    good_with(&[("experiments/small.toml", SMALL)], overrides)
}

fn axes(experiment: &Experiment) -> Vec<String> {
    let sweep = experiment.sweep.as_ref().expect("there is a sweep");
    sweep
        .axes
        .iter()
        .map(|axis| {
            format!(
                "{} {}",
                axis.target,
                axis.values.iter().map(super::super::Value::to_json).collect::<serde_json::Value>()
            )
        })
        .collect()
}

fn seeds(experiment: &Experiment) -> Option<Vec<u64>> {
    Some(experiment.sweep.as_ref()?.seeds.as_ref()?.addends.clone())
}

#[test]
fn a_stage_is_of_the_kind_of_its_name_unless_it_says_another() {
    let small = good(&[("experiments/small.toml", SMALL)]);
    assert_eq!(&*stage(&small, "train").kind, "train");
    assert_eq!(&*stage(&small, "corpus").kind, "generate_corpus");
}

#[test]
fn stages_and_parameters_keep_the_order_of_the_file() {
    let small = good(&[("experiments/small.toml", SMALL)]);
    let names: Vec<&str> = small.stages.iter().map(|stage| &*stage.name).collect();
    assert_eq!(names, ["fetch_model", "corpus", "tokenize", "train"]);
    let parameters: Vec<&str> =
        stage(&small, "train").parameters.iter().map(|parameter| &*parameter.name).collect();
    assert_eq!(parameters, ["model", "data", "epochs", "learning_rate", "ignore_outside"]);
}

#[test]
fn an_experiment_is_called_as_its_file_unless_it_says_another_name() {
    assert_eq!(good(&[("experiments/small.toml", SMALL)]).name, "small");
    assert_eq!(
        good(&[("small.toml", "version = 1\nname = \"other\"\n[stage.train]\n")]).name,
        "other"
    );
}

#[test]
fn name_and_about_are_not_inherited() {
    let parent = ("a.toml", "version = 1\nname = \"a\"\nabout = \"a\"\nseed = 7\n[stage.train]\n");
    let child = good(&[("b.toml", "extends = \"a.toml\"\n"), parent]);
    assert_eq!(
        (child.name.as_str(), child.about, child.seed.map(|(seed, _)| seed)),
        ("b", None, Some(7))
    );
}

#[test]
fn references_and_escapes_are_told_apart() {
    let text = "version = 1\n[params]\na = \"@@x\"\n[stage.train]\ndata = \"@corpus\"\nlength = \"@params.a\"\ndeep = { x = [\"@params.a\"] }\nhandle = \"@@me\"\nats = \"@@@\"\nmail = \"a@b\"\n";
    let experiment = good(&[("x.toml", text)]);
    let data = |name: &str| value(&experiment, "train", name).data.clone();
    assert_eq!(data("data"), Data::Stage("corpus".into()));
    assert_eq!(data("length"), Data::Param("a".into()));
    assert_eq!(data("handle"), Data::String("@me".into()));
    assert_eq!(data("ats"), Data::String("@@".into()));
    assert_eq!(data("mail"), Data::String("a@b".into()));
    let deep =
        value(&experiment, "train", "deep").resolve(&experiment.params).expect("the param exists");
    assert_eq!(deep.to_json(), serde_json::json!({ "x": ["@x"] }));
}

#[test]
fn a_param_keeps_its_type_and_the_folder_of_the_file_that_wrote_it() {
    let experiment = good(&[
        (
            "lab/child.toml",
            "extends = \"../experiments/small.toml\"\n[stage.corpus]\nsamples = 10\ntemplates = \"@params.files.templates\"\n",
        ),
        ("lab/../experiments/small.toml", SMALL),
    ]);
    let templates = value(&experiment, "corpus", "templates")
        .resolve(&experiment.params)
        .expect("the param exists");
    assert_eq!(templates.data, Data::String("data/events.toml".into()));
    assert_eq!(&*templates.folder, Path::new("lab/../experiments"));
    assert_eq!(&*value(&experiment, "corpus", "samples").folder, Path::new("lab"));
    let length = value(&experiment, "tokenize", "max_length")
        .resolve(&experiment.params)
        .expect("the param exists");
    assert_eq!(length.data, Data::Integer(128));
}

#[test]
fn a_child_wins_over_single_parameters_and_replaces_each_whole() {
    let large = child(
        "extends = \"small.toml\"\n[params]\nmax_length = 64\n[stage.corpus]\nsplit = { test = 1.0 }\n[stage.train]\nepochs = 1\nextra = 2\n",
    );
    assert_eq!(value(&large, "corpus", "split").to_json(), serde_json::json!({ "test": 1.0 }));
    assert_eq!(value(&large, "corpus", "samples").to_json(), 5000);
    assert_eq!(value(&large, "train", "epochs").to_json(), 1);
    assert_eq!(value(&large, "train", "extra").to_json(), 2);
    assert_eq!(large.params["max_length"].to_json(), 64);
    let chain: Vec<&Path> = large.chain.iter().map(|path| &**path).collect();
    assert_eq!(chain, [Path::new("experiments/child.toml"), Path::new("experiments/small.toml")]);
}

#[test]
fn a_child_that_changes_the_kind_starts_the_stage_empty() {
    let changed = child(
        "extends = \"small.toml\"\n[stage.corpus]\nkind = \"read_corpus\"\npath = \"x.jsonl\"\n",
    );
    let names: Vec<&str> =
        stage(&changed, "corpus").parameters.iter().map(|parameter| &*parameter.name).collect();
    assert_eq!(names, ["path"]);
}

#[test]
fn a_child_that_repeats_the_kind_changes_nothing() {
    let same = child(
        "extends = \"small.toml\"\n[stage.corpus]\nkind = \"generate_corpus\"\n[stage.train]\nkind = \"train\"\n",
    );
    let mut small = good(&[("experiments/small.toml", SMALL)]);
    small.name = same.name.clone();
    small.about = None;
    assert_eq!(meaning(&same), meaning(&small));
}

#[test]
fn unset_and_rewrite_replaces() {
    let text = "extends = \"small.toml\"\nunset = [\"stage.train\", \"stage.corpus.split\", \"params.max_length\", \"stage.tokenize.max_length\", \"seed\"]\n[stage.train]\nepochs = 1\n";
    let experiment = child(text);
    let names: Vec<&str> =
        stage(&experiment, "train").parameters.iter().map(|parameter| &*parameter.name).collect();
    assert_eq!(names, ["epochs"]);
    assert!(stage(&experiment, "corpus").parameter("split").is_none());
    assert!(!experiment.params.contains_key("max_length"));
    assert!(experiment.seed.is_none());
}

#[test]
fn a_sweep_is_inherited_down_to_its_axes() {
    let parent = "version = 1\n[stage.train]\na = 1\n[stage.evaluate]\n[sweep]\nobjective = \"max evaluate.f1\"\nseeds = 3\n[sweep.over]\ntrain.a = [1, 2]\ntrain.b = { choice = [[1], [2]] }\n";
    let files = |text| good(&[("b.toml", text), ("a.toml", parent)]);
    let experiment = files(
        "extends = \"a.toml\"\n[sweep]\nseeds = [5, 7]\n[sweep.over]\ntrain.a = [3]\ntrain.c = [true]\n",
    );
    assert_eq!(axes(&experiment), ["train.a [3]", "train.b [[1],[2]]", "train.c [true]"]);
    assert_eq!(seeds(&experiment), Some(vec![5, 7]));
    assert!(
        experiment
            .sweep
            .and_then(|sweep| sweep.objective)
            .is_some_and(|(objective, _)| objective.maximize && objective.metric == "evaluate.f1")
    );
    let experiment = files(
        "extends = \"a.toml\"\nunset = [\"sweep.over.train.b\", \"sweep.objective\", \"sweep.seeds\"]\n",
    );
    assert_eq!(axes(&experiment), ["train.a [1,2]"]);
    assert!(files("extends = \"a.toml\"\nunset = [\"sweep\"]\n").sweep.is_none());
    let experiment = files("extends = \"a.toml\"\nunset = [\"sweep.over\"]\n");
    assert_eq!((axes(&experiment), seeds(&experiment)), (vec![], Some(vec![0, 1, 2])));
}

#[test]
fn set_replaces_parameters_params_and_the_seed() {
    let overrides = set(&[
        "params.max_length=64",
        "seed=7",
        "stage.train.epochs=2",
        "stage.corpus.split={ train = 1.0 }",
    ]);
    let experiment = small_with(&overrides);
    assert_eq!(value(&experiment, "train", "epochs").to_json(), 2);
    assert_eq!(&*value(&experiment, "train", "epochs").folder, Path::new("here"));
    assert_eq!(experiment.params["max_length"].to_json(), 64);
    assert_eq!(experiment.seed.map(|(seed, _)| seed), Some(7));
    assert_eq!(
        value(&experiment, "corpus", "split").to_json(),
        serde_json::json!({ "train": 1.0 })
    );
}

#[test]
fn stage_may_stand_before_the_two_words_of_a_parameter_or_not() {
    let of = |overrides: &Overrides| meaning(&small_with(overrides));
    assert_eq!(of(&set(&["train.epochs=1"])), of(&set(&["stage.train.epochs=1"])));
    assert_eq!(
        of(&sweep(&["train.epochs=1,2"], None)),
        of(&sweep(&["stage.train.epochs=1,2"], None))
    );
    let unset = |path: &str| child(&format!("extends = \"small.toml\"\nunset = [\"{path}\"]\n"));
    assert_eq!(meaning(&unset("train.epochs")), meaning(&unset("stage.train.epochs")));
    let over = |axes: &str| child(&format!("extends = \"small.toml\"\n[sweep]\n[sweep.over{axes}"));
    let short = over("]\ntrain.epochs = [1, 2]\n");
    for axes in [
        "]\nstage.train.epochs = [1, 2]\n",
        "]\nstage.train = { epochs = [1, 2] }\n",
        ".stage]\ntrain.epochs = [1, 2]\n",
        ".stage.train]\nepochs = [1, 2]\n",
        ".train]\nepochs = [1, 2]\n",
    ] {
        assert_eq!(meaning(&over(axes)), meaning(&short), "{axes}");
    }
    let swept = "version = 1\n[stage.train]\n[sweep]\nseeds = 2\n[sweep.over]\ntrain.a = [1, 2]\n";
    for path in ["sweep.over.train.a", "sweep.over.stage.train.a"] {
        let text = format!("extends = \"a.toml\"\nunset = [\"{path}\"]\n");
        assert_eq!(axes(&good(&[("b.toml", &text), ("a.toml", swept)])), [""; 0], "{path}");
    }
}

#[test]
fn set_puts_a_member_into_the_table_of_a_parameter_or_of_a_param() {
    let json = |texts: &[&str]| {
        let experiment = small_with(&set(texts));
        let train = stage(&experiment, "train");
        let stopping = train.parameter("early_stopping").map(|found| found.value.to_json());
        (value(&experiment, "corpus", "split").to_json(), stopping)
    };
    let halves = serde_json::json!({"train": 0.5, "validation": 0.2, "test": 0.3});
    assert_eq!(json(&["corpus.split.train=0.5", "stage.corpus.split.test=0.3"]), (halves, None));
    let whole = ["train.early_stopping.patience=2", "train.early_stopping={ metric = 'loss' }"];
    let stopping = serde_json::json!({"metric": "loss", "patience": 2});
    assert_eq!(json(&whole).1, Some(stopping), "whole values come first, whatever the order");
    let deep = json(&["train.early_stopping.a.b=true"]).1;
    assert_eq!(deep, Some(serde_json::json!({"a": {"b": true}})));
    let experiment = small_with(&set(&["params.files.templates=other.toml"]));
    assert_eq!(experiment.params["files"].to_json()["templates"], "other.toml");
    let Data::Table(files) = &experiment.params["files"].data else { panic!("a table") };
    assert_eq!(&*files[0].2.folder, Path::new("here"), "a path is relative to the current folder");
}

#[test]
fn the_right_side_of_set_is_a_toml_value_or_a_bare_word() {
    for (text, expected) in [
        ("1", serde_json::json!(1)),
        ("1e-5", serde_json::json!(1e-5)),
        ("true", serde_json::json!(true)),
        ("answerdotai/ModernBERT-large", serde_json::json!("answerdotai/ModernBERT-large")),
        (
            "45bb4654a4d5aaff24dd11d4781fa46d39bf8c13",
            serde_json::json!("45bb4654a4d5aaff24dd11d4781fa46d39bf8c13"),
        ),
        ("\"1\"", serde_json::json!("1")),
        ("''", serde_json::json!("")),
        ("two words", serde_json::json!("two words")),
        ("a=b", serde_json::json!("a=b")),
        ("[0.9, 0.99]", serde_json::json!([0.9, 0.99])),
        ("'a,b'", serde_json::json!("a,b")),
        ("@corpus", serde_json::json!("@corpus")),
        (" cosine ", serde_json::json!("cosine")),
    ] {
        let experiment = small_with(&set(&[&format!("stage.train.x={text}")]));
        assert_eq!(value(&experiment, "train", "x").to_json(), expected, "{text}");
    }
}

#[test]
fn set_may_change_a_kind_together_with_its_parameters_in_any_order() {
    for texts in [
        ["stage.corpus.kind=read_corpus", "stage.corpus.path=x.jsonl"],
        ["stage.corpus.path=x.jsonl", "stage.corpus.kind=read_corpus"],
    ] {
        let experiment = small_with(&set(&texts));
        let corpus = stage(&experiment, "corpus");
        let names: Vec<&str> = corpus.parameters.iter().map(|parameter| &*parameter.name).collect();
        assert_eq!((&*corpus.kind, names), ("read_corpus", vec!["path"]));
    }
}

#[test]
fn sweep_and_seeds_make_a_grid_where_there_is_none() {
    let experiment =
        small_with(&sweep(&["train.learning_rate=1e-5,2e-5", "params.max_length=64"], Some("2")));
    assert_eq!(
        axes(&experiment),
        ["train.learning_rate [0.00001,0.00002]", "params.max_length [64]"]
    );
    assert_eq!(seeds(&experiment), Some(vec![0, 1]));
    let sweep = experiment.sweep.expect("there is a sweep");
    assert_eq!(sweep.axes[1].target, AxisTarget::Params("max_length".into()));
}

#[test]
fn the_objective_comes_from_the_command_line_in_two_ways() {
    let set = ["sweep.objective=max evaluate.loss", "sweep.seeds=2"].map(str::to_owned).to_vec();
    let named = Overrides {
        seeds: Some("2".into()),
        objective: Some("max evaluate.loss".into()),
        ..Overrides::default()
    };
    let files = [("x.toml", "version = 1\n[stage.evaluate]\n")];
    for overrides in [Overrides { set, ..Overrides::default() }, named] {
        let sweep = good_with(&files, &overrides).sweep.expect("a sweep");
        let (objective, _) = sweep.objective.expect("an objective");
        assert!(objective.maximize && objective.metric == "evaluate.loss");
        assert_eq!(sweep.seeds.map(|seeds| seeds.addends), Some(vec![0, 1]));
        assert!(sweep.from_command_line);
    }
}

#[test]
fn an_objective_without_anything_that_varies_is_refused() {
    let files = [("x.toml", "version = 1\n[stage.evaluate]\n")];
    let overrides =
        Overrides { objective: Some("max evaluate.loss".into()), ..Overrides::default() };
    let found = read_with(&files, &overrides).diagnostics.to_string();
    assert!(found.contains("`[sweep]` varies nothing"), "{found}");
}

#[test]
fn sweep_and_seeds_replace_those_of_the_file() {
    let text = "version = 1\n[stage.train]\n[sweep]\nseeds = 3\n[sweep.over]\ntrain.a = [1, 2]\ntrain.b = [1, 2]\n";
    let with = |overrides: &Overrides| good_with(&[("x.toml", text)], overrides);
    let experiment = with(&sweep(&["train.c=x,y"], None));
    assert_eq!(
        (axes(&experiment), seeds(&experiment)),
        (vec!["train.c [\"x\",\"y\"]".to_owned()], Some(vec![0, 1, 2]))
    );
    let experiment = with(&sweep(&[], Some("4,9")));
    assert_eq!((axes(&experiment).len(), seeds(&experiment)), (2, Some(vec![4, 9])));
}

#[test]
fn the_values_of_sweep_are_read_as_a_list() {
    for (text, expected) in [
        ("1,2", "[1,2]"),
        ("1, 2,", "[1,2]"),
        ("[1, 2]", "[1,2]"),
        ("[1],[2,3]", "[[1],[2,3]]"),
        ("[[1],[2]]", "[[1],[2]]"),
        ("linear,cosine", "[\"linear\",\"cosine\"]"),
        ("'a,b',c", "[\"a,b\",\"c\"]"),
        ("{ a = 1, b = 2 },{ a = 2, b = 1 }", "[{\"a\":1,\"b\":2},{\"a\":2,\"b\":1}]"),
        ("true", "[true]"),
    ] {
        let experiment = small_with(&sweep(&[&format!("train.x={text}")], None));
        assert_eq!(axes(&experiment), [format!("train.x {expected}")], "{text}");
    }
}

#[test]
fn retry_and_timeout_are_inherited_replaced_and_unset() {
    let limits = |text: &str| {
        let experiment = good(&[
            ("child.toml", text),
            ("root.toml", "version = 1\n[stage.train]\nretry = 2\ntimeout = \"1h30m\"\n"),
        ]);
        let train = stage(&experiment, "train");
        assert!(train.parameters.is_empty());
        (train.retry.map(|(retry, _)| retry), train.timeout.map(|(timeout, _)| timeout.as_secs()))
    };
    assert_eq!(limits("extends = \"root.toml\"\n"), (Some(2), Some(5400)));
    assert_eq!(
        limits("extends = \"root.toml\"\n[stage.train]\ntimeout = \"90s\"\n"),
        (Some(2), Some(90))
    );
    assert_eq!(
        limits(
            "extends = \"root.toml\"\nunset = [\"stage.train.retry\", \"stage.train.timeout\"]\n"
        ),
        (None, None)
    );
}

#[test]
fn retry_and_timeout_can_be_set_on_the_command_line() {
    let experiment = small_with(&set(&["stage.train.retry=3", "stage.train.timeout='2h'"]));
    let train = stage(&experiment, "train");
    assert_eq!(
        (train.retry.map(|it| it.0), train.timeout.map(|it| it.0.as_secs())),
        (Some(3), Some(7200))
    );
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_do_not_matter() {
    let plain = good(&[("x.toml", SMALL)]);
    let windows = good(&[("x.toml", &format!("\u{feff}{}", SMALL.replace('\n', "\r\n")))]);
    assert_eq!(meaning(&plain), meaning(&windows));
}

#[test]
fn the_resolved_file_is_one_file_without_extends() {
    let text = "extends = \"small.toml\"\n[stage.train]\nafter = [\"corpus\"]\nhandle = \"@@me\"\n[sweep]\nseeds = 2\n[sweep.over]\ntrain.learning_rate = [1e-5, 2e-5]\n";
    insta::assert_snapshot!(child(text).to_toml());
}

#[test]
fn paths_of_the_resolved_file_can_be_made_absolute() {
    let experiment = good(&[("/lab/small.toml", SMALL)]);
    let text = experiment
        .to_toml_with_paths(&|kind, place, _| kind == "generate_corpus" && place == "templates");
    assert!(text.contains("templates = \"/lab/data/events.toml\"\n"), "{text}");
}

#[test]
fn paths_that_are_swept_over_a_param_are_made_absolute_where_they_stand() {
    let text = "version = 1\n[params]\nfile = \"a.toml\"\n[stage.corpus]\nkind = \"generate_corpus\"\ntemplates = \"@params.file\"\n\
                [sweep]\n[sweep.over]\nparams.file = [\"b.toml\", \"c.toml\"]\n";
    let experiment = good(&[("/lab/small.toml", text)]);
    let text = experiment.to_toml_with_paths(&|_, place, _| place == "templates");
    for line in [
        "file = \"/lab/a.toml\"",
        "templates = \"@params.file\"",
        "params.file = [\"/lab/b.toml\", \"/lab/c.toml\"]",
    ] {
        assert!(text.lines().any(|written| written == line), "{text}");
    }
}

#[test]
fn paths_in_lists_and_tables_are_made_absolute_and_words_beside_them_are_not() {
    let text = "version = 1\n[params]\nb = \"b.sh\"\n[stage.corpus]\nkind = \"generate_corpus\"\n\
                templates = { rules = \"syslog\", files = [\"a.sh\", \"@params.b\"], n = 1 }\nseed = [1]\n";
    let experiment = good(&[("/lab/small.toml", text)]);
    let text = experiment.to_toml_with_paths(&|_, place, text| {
        ["templates.rules", "templates.files[]"].contains(&place) && text != "syslog"
    });
    let line = "templates = { files = [\"/lab/a.sh\", \"/lab/b.sh\"], n = 1, rules = \"syslog\" }";
    assert!(text.contains(line) && text.contains("seed = [1]"), "{text}");
}

#[test]
fn a_path_that_is_set_twice_is_a_mistake_however_it_is_spelled() {
    for settings in [
        &["stage.train.kind=other", "stage.train.epochs=1", "train.epochs=1"][..],
        &["seed=1", "seed=2"],
        &["params.max_length=1", "params.max_length=2"],
    ] {
        let super::Reading { diagnostics, .. } =
            super::read_with(&[("experiments/small.toml", SMALL)], &set(settings));
        let codes: Vec<&str> =
            diagnostics.list().iter().map(|diagnostic| diagnostic.code).collect();
        assert_eq!(codes, ["repeated-set"], "{diagnostics}");
    }
}

#[test]
fn every_value_has_an_origin() {
    let files = [
        (
            "experiments/child.toml",
            "extends = \"small.toml\"\nseed = 3\n[stage.train]\nepochs = 1\n[sweep.over]\ntrain.x = [1]\n",
        ),
        ("experiments/small.toml", SMALL),
    ];
    let overrides =
        Overrides { seeds: Some("2".into()), ..set(&["stage.train.learning_rate=1e-4"]) };
    let lines: Vec<String> = good_with(&files, &overrides)
        .origins()
        .iter()
        .map(|origin| {
            format!(
                "{} = {}  # {}:{}:{}",
                origin.path, origin.value, origin.file, origin.line, origin.column
            )
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn what_could_be_read_is_there_in_spite_of_mistakes() {
    let reading = read(&[(
        "x.toml",
        "version = 1\nabuot = 1\n[stage.train]\nepochs = three\nlist = [1, tru]\nrate 3\ndata = \"@a.b\"\ngood = 1\n",
    )]);
    assert_eq!(reading.diagnostics.list().len(), 5);
    let experiment = reading.experiment.expect("the mistakes are small");
    let invalid: Vec<&str> = stage(&experiment, "train")
        .parameters
        .iter()
        .filter(|parameter| parameter.value.data == Data::Invalid)
        .map(|parameter| &*parameter.name)
        .collect();
    assert_eq!(invalid, ["epochs", "data"]);
}

#[test]
fn nothing_is_guessed_when_part_of_a_file_is_swallowed() {
    for text in [
        "version = 1\n[stage.train]\nx = [1,\n[stage.other]\n",
        "version = 1\nstage = 3\n",
        "version = 1\n[[stage.train]]\nkind = \"a\"\n",
    ] {
        assert!(read(&[("x.toml", text)]).experiment.is_none(), "{text}");
    }
}

#[test]
fn a_stage_whose_kind_cannot_be_read_is_there_without_one() {
    let reading = read(&[(
        "x.toml",
        "version = 1\n[stage.train]\nkind = 3\n[stage.plot]\nhistory = \"@train\"\n",
    )]);
    assert_eq!(reading.diagnostics.list().len(), 1);
    assert_eq!(&*stage(&reading.experiment.expect("the mistake is small"), "train").kind, "");
}

#[test]
fn what_the_plan_finds_joins_what_the_file_lacks() {
    let reading = read(&[("x.toml", "version = 1\nabuot = 1\n[stage.train]\nepochs = 0\n")]);
    let experiment = reading.experiment.expect("the mistake is small");
    let span = value(&experiment, "train", "epochs").span;
    let found = crate::base::diagnostics::Diagnostic::new("out-of-range", "`epochs` is at least 1")
        .at(span);
    let all = reading.diagnostics.merge(Diagnostics::new(experiment.sources.clone(), vec![found]));
    let codes: Vec<&str> = all.list().iter().map(|diagnostic| diagnostic.code).collect();
    assert_eq!(codes, ["unknown-key", "out-of-range"]);
}

#[test]
fn a_text_can_be_parsed_without_a_file() {
    let experiment = Experiment::parse(Path::new("nowhere/x.toml"), "version = 1\n[stage.train]\n")
        .expect("the text has no mistakes");
    assert_eq!((experiment.name.as_str(), experiment.stages.len()), ("x", 1));
}
