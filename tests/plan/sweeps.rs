//! Trials, and what they share.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Instant;

use pipeline::engine::plan::NodeId;

use crate::world::{SMALL, World, count, key_in};

fn swept(sweep: &str) -> String {
    format!("{SMALL}\n{sweep}\n")
}

fn labels(text: &str) -> Vec<String> {
    World::new().plan(text).trials.iter().map(|trial| trial.label.to_string()).collect()
}

/// Two axes, of which the first reaches only what comes after the tokenizer, and two seeds.
const TWO_AXES: &str = "[sweep]\nseeds = 2\n[sweep.over]\ntrain.learning_rate = [1e-5, 2e-5, 5e-5]\nparams.max_length = [64, 128]";

#[test]
fn points_that_are_no_grid_are_planned_as_those_of_the_grid() {
    let world = World::new();
    let grid = world.plan(&swept(TWO_AXES));
    let plan = world.plan_points(&swept(TWO_AXES), &[&[2, 0], &[0, 1], &[1, 1]]);
    assert_eq!(plan.trials.len(), 6);
    assert_eq!(["corpus", "tokenize", "train"].map(|stage| count(&plan, stage)), [1, 2, 6]);
    for trial in &plan.trials {
        let same = grid.trials.iter().find(|other| other.label == trial.label).expect("a point");
        assert_eq!(same.point.identity(), trial.point.identity());
        for stage in plan.stages() {
            assert_eq!(key_in(&plan, trial.index, stage), key_in(&grid, same.index, stage));
        }
    }
}

#[test]
fn a_node_waits_for_those_of_its_own_points_only() {
    let text = swept(TWO_AXES)
        + "\n[stage.more]\nkind = \"plot\"\nhistory = \"@train\"\nafter = [\"tokenize\"]\n";
    let plan = World::new().plan_points(&text, &[&[2, 0], &[0, 1], &[1, 1]]);
    for trial in 0..6 {
        let node = plan.node(plan.node_of(trial, "more").expect("a node"));
        assert_eq!(node.after, [plan.node_of(trial, "tokenize").expect("a node")]);
    }
}

#[test]
fn equal_points_have_one_identity_however_their_numbers_and_axes_are_written() {
    let world = World::new();
    let identities = |over: &str| -> BTreeSet<[u8; 32]> {
        let plan = world.plan(&swept(&format!("[sweep.over]\n{over}")));
        plan.trials.iter().map(|trial| trial.point.identity()).collect()
    };
    let one = identities("train.epochs = [1, 2]\ntrain.weight_decay = [1, 0.5]");
    assert_eq!(one, identities("train.weight_decay = [0.50, 1.0]\ntrain.epochs = [2, 1]"));
    assert_eq!(one.len(), 4);
}

#[test]
fn nine_trials_tokenize_once_and_train_nine_times() {
    let plan = World::new()
        .plan(&swept("[sweep]\nseeds = 3\nover = { train.learning_rate = [1e-5, 2e-5, 5e-5] }"));
    let counts = ["fetch_model", "corpus", "tokenize", "train", "evaluate", "plot"]
        .map(|stage| count(&plan, stage));
    assert_eq!(counts, [1, 1, 1, 9, 9, 9]);
}

#[test]
fn labels_name_the_values_and_the_seed() {
    let labels = labels(&swept(
        "[sweep]\nseeds = 2\nover = { train.learning_rate = [1e-5, 0.002], train.betas = [[0.9, 0.98]] }",
    ));
    let expected = [
        "learning_rate=1e-5,betas=0.9_0.98,seed=0",
        "learning_rate=1e-5,betas=0.9_0.98,seed=1",
        "learning_rate=0.002,betas=0.9_0.98,seed=0",
        "learning_rate=0.002,betas=0.9_0.98,seed=1",
    ];
    assert_eq!(labels, expected);
}

#[test]
fn a_label_with_an_ambiguous_name_names_the_stage_too() {
    let text = swept("[sweep.over]\ntokenize.max_length = [64]\nparams.max_length = [1]").replacen(
        "epochs = 3",
        "epochs = \"@params.max_length\"",
        1,
    );
    assert_eq!(labels(&text), ["tokenize.max_length=64,params.max_length=1"]);
}

#[test]
fn a_label_is_safe_as_the_name_of_a_file() {
    let labels = labels(&swept("[sweep.over]\ntrain.frozen = [[\"a/../b\"], [\"ä\", \"..\"], []]"));
    let safe = |label: &str| {
        label.chars().all(|it| it.is_ascii_alphanumeric() || "=,._+-".contains(it))
            && label.starts_with("frozen=")
    };
    assert!(labels.iter().all(|label| safe(label)), "{labels:?}");
    assert_eq!(labels.iter().collect::<BTreeSet<_>>().len(), 3);
}

#[test]
fn a_long_label_is_shortened_and_stays_its_own() {
    let long = |letter: &str| format!("\"{}\"", letter.repeat(39));
    let mut params = String::new();
    let mut over = String::new();
    let mut used = String::new();
    for number in 0..6 {
        let _ = write!(params, "\np{number} = {}", long("x"));
        let _ = write!(used, "\"@params.p{number}\", ");
        let _ = write!(over, "\nparams.p{number} = [{}, {}]", long("y"), long("z"));
    }
    let text = swept(&format!("[sweep.over]{over}"))
        .replacen("[params]", &format!("[params]{params}"), 1)
        .replacen("epochs = 3", &format!("epochs = 3\nfrozen = [{used}]"), 1);
    let labels = labels(&text);
    assert!(labels.iter().all(|label| label.len() <= 160));
    assert_eq!(labels.iter().collect::<BTreeSet<_>>().len(), 64);
}

#[test]
fn a_new_point_or_seed_keeps_the_old_labels_points_and_keys() {
    let world = World::new();
    let few =
        world.plan(&swept("[sweep]\nseeds = 2\nover = { train.learning_rate = [1e-5, 2e-5] }"));
    let more = world
        .plan(&swept("[sweep]\nseeds = 3\nover = { train.learning_rate = [5e-5, 1e-5, 2e-5] }"));
    for trial in &few.trials {
        let same = more
            .trials
            .iter()
            .find(|other| other.label == trial.label)
            .expect("every old trial is there");
        assert_eq!(
            (&same.point.label, &same.point.values),
            (&trial.point.label, &trial.point.values)
        );
        assert_eq!(key_in(&more, same.index, "plot"), key_in(&few, trial.index, "plot"));
    }
}

#[test]
fn a_point_has_one_label_for_all_its_seeds() {
    let plan = World::new()
        .plan(&swept("[sweep]\nseeds = 2\nover = { train.learning_rate = [1e-5, 2e-5] }"));
    let points: Vec<&str> = plan.trials.iter().map(|trial| &*trial.point.label).collect();
    assert!(points[0] == points[1] && points[2] == points[3] && points[0] != points[2]);
}

#[test]
fn seeds_are_added_to_the_seed_of_the_training_and_of_nothing_else() {
    let world = World::new();
    let plain = world.plan(&SMALL.replacen("epochs = 3", "epochs = 3\nseed = 45", 1));
    let swept = world.plan(&swept("[sweep]\nseeds = [3]"));
    assert_eq!(key_in(&swept, 0, "plot"), key_in(&plain, 0, "plot"));
}

#[test]
fn the_first_seed_of_a_sweep_is_the_experiment_itself() {
    let world = World::new();
    assert_eq!(
        key_in(&world.plan(&swept("[sweep]\nseeds = 2")), 0, "plot"),
        key_in(&world.plan(SMALL), 0, "plot")
    );
}

#[test]
fn a_swept_param_reaches_every_stage_that_refers_to_it() {
    let plan = World::new().plan(&swept("[sweep.over]\nparams.max_length = [64, 128]"));
    let counts = ["fetch_model", "corpus", "tokenize", "train"].map(|stage| count(&plan, stage));
    assert_eq!(counts, [1, 1, 2, 2]);
}

#[test]
fn two_axes_of_two_stages_multiply_only_where_they_meet() {
    let plan = World::new().plan(&swept(
        "[sweep.over]\ntokenize.max_length = [64, 128]\nevaluate.split = [\"train\", \"test\"]",
    ));
    assert_eq!(
        ["tokenize", "train", "evaluate", "plot"].map(|stage| count(&plan, stage)),
        [2, 2, 4, 4]
    );
}

#[test]
fn waiting_for_a_swept_stage_waits_for_all_of_it_without_fanning_out() {
    let text = swept("[sweep.over]\ntrain.epochs = [1, 2, 3]")
        + "\n[stage.more]\nkind = \"tokenize\"\nmodel = \"@fetch_model\"\ncorpus = \"@corpus\"\nafter = [\"train\"]\n";
    let plan = World::new().plan(&text);
    let more: Vec<usize> = plan
        .nodes
        .iter()
        .filter(|node| &*node.stage == "more")
        .map(|node| node.after.len())
        .collect();
    assert_eq!(more, [3]);
}

#[test]
fn paths_to_the_same_content_share_a_node() {
    let world = World::new();
    world.write("same.toml", "one template");
    let plan =
        world.plan(&swept("[sweep.over]\ncorpus.templates = [\"templates.toml\", \"same.toml\"]"));
    assert_eq!((plan.trials.len(), count(&plan, "corpus"), count(&plan, "plot")), (2, 1, 1));
}

#[test]
fn every_trial_uses_one_node_of_each_stage() {
    let plan =
        World::new().plan(&swept("[sweep]\nseeds = 2\nover = { train.learning_rate = [1e-5, 2e-5], tokenize.max_length = [64, 128] }"));
    for stage in plan.stages() {
        let used: BTreeSet<NodeId> =
            (0..8).map(|trial| plan.node_of(trial, stage).expect("a stage")).collect();
        assert!(used.iter().all(|id| plan.node(*id).stage == *stage));
        assert_eq!(used.len(), count(&plan, stage));
    }
    assert_ne!(plan.node_of(5, "train"), plan.node_of(4, "train"));
}

#[test]
fn ten_thousand_trials_are_planned_with_one_node_for_each_difference() {
    let rates: Vec<String> = (1..=100).map(|number| format!("{number}e-6")).collect();
    let decays: Vec<String> = (0..10).map(|number| format!("0.0{number}")).collect();
    let sweep = format!(
        "[sweep]\nseeds = 10\nobjective = \"max evaluate.ner.span_f1\"\n[sweep.over]\ntrain.learning_rate = [{}]\ntrain.weight_decay = [{}]",
        rates.join(", "),
        decays.join(", ")
    );
    let world = World::new();
    let begin = Instant::now();
    let plan = world.plan(&swept(&sweep));
    let elapsed_ms = begin.elapsed().as_millis();
    #[expect(clippy::print_stdout, reason = "shown with --nocapture, for whoever wants to know")]
    {
        println!(
            "read and planned {} trials with {} nodes in {elapsed_ms} ms",
            plan.trials.len(),
            plan.nodes.len()
        );
    }
    assert_eq!((plan.trials.len(), plan.nodes.len()), (10_000, 30_003));
    let keys: BTreeSet<_> = plan.nodes.iter().map(|node| node.identity.key()).collect();
    assert_eq!(keys.len(), 30_003);
}

#[test]
fn an_axis_of_one_value_that_differs_from_the_files_is_an_axis() {
    let world = World::new();
    for axis in [
        "train.learning_rate = [1e-5]",
        "params.max_length = [64]",
        "train.betas = [[0.9, 0.99]]",
        "corpus.seed = [43]",
    ] {
        assert_eq!(world.plan(&swept(&format!("[sweep.over]\n{axis}"))).trials.len(), 1, "{axis}");
    }
}

#[test]
fn an_axis_of_one_value_that_is_needed_is_an_axis() {
    let text = swept("[sweep.over]\ntrain.epochs = [3]").replacen("epochs = 3\n", "", 1);
    assert_eq!(World::new().plan(&text).trials.len(), 1);
}

#[test]
fn an_axis_that_tells_in_one_of_two_stages_is_an_axis() {
    let text = swept("[sweep.over]\nparams.max_length = [128.0]").replacen(
        "learning_rate = 2e-5",
        "weight_decay = \"@params.max_length\"",
        1,
    );
    let text = text.replacen("max_length = \"@params.max_length\"", "max_length = 8", 1).replacen(
        "max_length = 128\n",
        "max_length = 0\n",
        1,
    );
    assert_eq!(World::new().plan(&text).trials.len(), 1);
}

#[test]
fn folds_divide_the_corpus_and_each_is_trained_with_each_seed() {
    let plan = World::new().plan(&swept("[sweep]\nfolds = 3\nseeds = 2"));
    let counts = ["fetch_model", "corpus", "tokenize", "train", "evaluate"];
    assert_eq!(counts.map(|stage| count(&plan, stage)), [1, 3, 3, 6, 6]);
    let labels: Vec<&str> = plan.trials.iter().map(|trial| &*trial.label).collect();
    let expected = ["fold=0,seed=0", "fold=0,seed=1", "fold=1,seed=0", "fold=1,seed=1"];
    assert_eq!(labels[..4], expected);
    let fold = |trial| {
        let node = plan.node(plan.node_of(trial, "corpus").expect("a node"));
        node.instance.parameters()["fold"].clone()
    };
    assert_eq!(fold(3), serde_json::json!({"index": 1, "of": 3}));
}

#[test]
fn folds_are_replicates_of_each_point_and_change_no_key_of_a_stage_that_they_do_not_reach() {
    let world = World::new();
    let rates = "over = { train.learning_rate = [1e-5, 2e-5] }";
    let plan = world.plan(&swept(&format!("[sweep]\nfolds = 2\n{rates}")));
    assert_eq!(plan.trials.len(), 4);
    assert_eq!(plan.trials[0].point.identity(), plan.trials[1].point.identity());
    assert_eq!(count(&plan, "corpus"), 2);
    let without = world.plan(&swept(&format!("[sweep]\n{rates}")));
    let key = |plan, stage| key_in(plan, 0, stage);
    assert_eq!(key(&plan, "fetch_model"), key(&without, "fetch_model"));
    assert_ne!(key(&plan, "corpus"), key(&without, "corpus"));
}

#[test]
fn folds_that_have_no_corpus_or_several_or_another_fold_beside_them_are_refused() {
    let world = World::new();
    let refused = |text: &str| world.mistakes(text);
    let second = "\n[stage.other]\nkind = \"generate_corpus\"\ntemplates = \"templates.toml\"\n\
                  samples = 10\nsplit = { train = 1 }\n";
    let said = refused(&swept(&format!("{second}[sweep]\nfolds = 3")));
    assert!(
        said.contains("`folds` divides one corpus, and there are `corpus` and `other`"),
        "{said}"
    );
    let one = SMALL.replace("samples = 5000", "samples = 5000\nfold = { index = 0, of = 2 }");
    let said = refused(&format!("{one}\n[sweep]\nfolds = 3\n"));
    assert!(
        said.contains("`folds` and `fold` both say what of stage `corpus` validates"),
        "{said}"
    );
    let said = refused("version = 1\n[stage.fetch_model]\nrepo = \"a/b\"\n[sweep]\nfolds = 3\n");
    assert!(said.contains("`folds` divides nothing, since no stage is of kind"), "{said}");
}

#[test]
fn what_moves_together_is_one_axis_whose_values_are_named_one_by_one() {
    let together = "[sweep.over]\ntrain.epochs = [1, 2]\n[[sweep.together]]\ntrain.learning_rate = [1e-5, 2e-5, 2e-5]\nparams.max_length = [64, 64, 128]\n\
                    [[sweep.skip]]\ntrain.epochs = 2\nparams.max_length = 128";
    let text = swept(together);
    assert_eq!(
        labels(&text),
        [
            "epochs=1,learning_rate=1e-5,max_length=64",
            "epochs=1,learning_rate=2e-5,max_length=64",
            "epochs=1,learning_rate=2e-5,max_length=128",
            "epochs=2,learning_rate=1e-5,max_length=64",
            "epochs=2,learning_rate=2e-5,max_length=64",
        ]
    );
    let plan = World::new().plan(&text);
    assert_eq!(["tokenize", "train"].map(|stage| count(&plan, stage)), [2, 5]);
}

/// Two rungs over two rates, the first with fewer epochs and seeds.
const RUNGS: &str = "[sweep]\nobjective = \"max evaluate.ner.span_f1\"\nseeds = 2\nfinalists = 1\n[sweep.over]\ntrain.learning_rate = [1e-5, 3e-5]\n\
                     [[sweep.rung]]\ntrain.epochs = 1\ntrain.weight_decay = 0.5\nseeds = 1\nkeep = 0.5\n[[sweep.rung]]\n";

#[test]
fn points_that_go_on_are_tried_as_the_file_says_and_the_others_as_their_rung_does() {
    let world = World::new();
    let file = world.plan(SMALL);
    let plan = world.plan_levels(&swept(RUNGS), |points| {
        points.go_on(1, &[1]);
        points.make_finalists(&[1]);
    });
    let labels: Vec<&str> = plan.trials.iter().map(|trial| &*trial.label).collect();
    let expected = [
        "learning_rate=1e-5,rung=1,seed=0",
        "learning_rate=3e-5,rung=1,seed=0",
        "learning_rate=3e-5,seed=0",
        "learning_rate=3e-5,seed=1",
        "learning_rate=3e-5,seed=2",
        "learning_rate=3e-5,seed=3",
    ];
    assert_eq!(labels, expected);
    let epochs = |trial: usize| {
        let id = plan.node_of(plan.trials[trial].index, "train").expect("a node");
        let parameters = plan.node(id).instance.parameters();
        (parameters["epochs"].clone(), parameters["weight_decay"].clone())
    };
    let of_file = file.node(file.node_of(0, "train").expect("a node")).instance.parameters();
    let whole = (of_file["epochs"].clone(), of_file["weight_decay"].clone());
    assert_eq!((epochs(0), epochs(1)), ((1.into(), 0.5.into()), (1.into(), 0.5.into())));
    assert!((2..6).all(|trial| epochs(trial) == whole));
    let levels: Vec<_> =
        plan.trials.iter().map(|trial| (trial.level.rung, trial.level.is_fresh)).collect();
    let (last, fresh) = ((1, false), (1, true));
    assert_eq!(levels, [(0, false), (0, false), last, last, fresh, fresh]);
    // What no rung reaches is shared.
    assert_eq!(["corpus", "tokenize", "train"].map(|stage| count(&plan, stage)), [1, 1, 6]);
}

#[test]
fn what_a_rung_sets_to_what_the_file_says_is_the_same_work() {
    let rungs = RUNGS.replace("train.epochs = 1\ntrain.weight_decay = 0.5", "train.epochs = 3");
    let plan = World::new().plan_levels(&swept(&rungs), |points| points.go_on(1, &[0, 1]));
    assert_eq!(count(&plan, "train"), 4);
}
