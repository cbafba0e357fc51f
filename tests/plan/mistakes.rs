//! A snapshot of every kind of mistake that the plan finds.

use crate::world::{SMALL, World};

/// `SMALL` with some of its text replaced, and some added.
fn changed(changes: &[(&str, &str)], added: &str) -> String {
    let mut text = SMALL.to_owned();
    for (old, new) in changes {
        assert!(text.contains(old), "`{old}` is not in the experiment");
        text = text.replacen(old, new, 1);
    }
    text + added
}

/// The mistakes of an experiment with a file of templates.
fn with_templates(templates: &[u8], text: &str) -> String {
    let world = World::new();
    world.write("templates.toml", templates);
    world.mistakes(text)
}

/// Writes the test and its snapshot under one name.
macro_rules! mistake {
    ($name:ident, $changes:expr, $added:expr) => {
        mistake!($name, b"one template", $changes, $added);
    };
    ($name:ident, $templates:expr, $changes:expr, $added:expr) => {
        #[test]
        fn $name() {
            let text = with_templates($templates, &changed(&$changes, $added));
            insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "snapshots", omit_expression => true }, {
                insta::assert_snapshot!(stringify!($name), text);
            });
        }
    };
}

mistake!(
    an_unknown_kind_gets_a_suggestion,
    [(r#"kind = "generate_corpus""#, r#"kind = "generate_corpora""#)],
    ""
);
mistake!(
    a_stage_named_like_no_kind_says_where_kinds_come_from,
    [(r#"kind = "generate_corpus""#, "")],
    ""
);
mistake!(
    an_unknown_parameter_gets_a_suggestion,
    [("learning_rate = 2e-5", "learning_rat = 2e-5")],
    ""
);
mistake!(
    an_unknown_parameter_like_no_other_lists_them,
    [("learning_rate = 2e-5", "colour = 2e-5")],
    ""
);
mistake!(
    a_wire_under_a_wrong_name_suggests_the_port_of_its_type,
    [(r#"data = "@tokenize""#, r#"texts = "@tokenize""#)],
    ""
);
mistake!(
    a_wire_of_the_wrong_type_says_who_produces_the_right_one,
    [(r#"data = "@tokenize""#, r#"data = "@corpus""#)],
    ""
);
mistake!(
    missing_inputs_are_said_with_what_could_fill_them,
    [("model = \"@fetch_model\"\ndata = \"@tokenize\"\n", "")],
    ""
);
mistake!(
    an_input_that_nothing_produces_names_the_kind_that_would,
    [],
    "\n[stage.more]\nkind = \"plot\"\nhistory = \"@corpus\"\n"
);
mistake!(
    an_unknown_stage_gets_a_suggestion,
    [(r#"data = "@tokenize""#, r#"data = "@tokenise""#)],
    ""
);
mistake!(
    an_unknown_stage_in_after_gets_a_suggestion,
    [("epochs = 3", "epochs = 3\nafter = [\"corpse\"]")],
    ""
);
mistake!(a_cycle_is_named_whole, [("epochs = 3", "epochs = 3\nafter = [\"plot\"]")], "");
mistake!(
    a_stage_that_needs_itself_is_a_cycle,
    [("epochs = 3", "epochs = 3\nafter = [\"train\"]")],
    ""
);
mistake!(a_wire_where_a_value_belongs, [("epochs = 3", "epochs = \"@corpus\"")], "");
mistake!(
    a_wire_where_one_of_a_few_values_belongs,
    [("epochs = 3", "epochs = 3\nschedule = \"@cosine\"\nfrozen = [\"a\"]")],
    ""
);
mistake!(
    brackets_around_a_single_value,
    [
        ("epochs = 3", "epochs = [3]\nschedule = [\"cosine\"]"),
        ("learning_rate = 2e-5", "learning_rate = [1, 2]")
    ],
    ""
);
mistake!(a_word_for_a_boolean, [("epochs = 3", "epochs = 3\nignore_outside = \"yes\"")], "");
mistake!(a_key_with_another_ending, [("epochs = 3", "epochs = 3\nretries = 2")], "");
mistake!(
    a_stage_in_a_cycle_that_needs_itself_too,
    [("epochs = 3", "epochs = 3\nafter = [\"plot\", \"train\"]")],
    ""
);
mistake!(a_value_where_a_wire_belongs, [(r#"data = "@tokenize""#, r#"data = "tokenize""#)], "");
mistake!(a_number_where_a_wire_belongs, [(r#"data = "@tokenize""#, "data = 3")], "");
mistake!(
    a_param_where_a_wire_belongs,
    [(r#"data = "@tokenize""#, r#"data = "@params.max_length""#)],
    ""
);
mistake!(a_string_for_an_integer, [("epochs = 3", "epochs = \"3\"")], "");
mistake!(a_float_for_an_integer, [("epochs = 3", "epochs = 3.0")], "");
mistake!(a_table_for_a_number, [("learning_rate = 2e-5", "learning_rate = { log = 3 }")], "");
mistake!(a_number_for_an_array, [("epochs = 3", "epochs = 3\nbetas = 0.9")], "");
mistake!(an_array_of_the_wrong_length, [("epochs = 3", "epochs = 3\nbetas = [0.9]")], "");
mistake!(
    a_wrong_item_is_pointed_at_by_itself,
    [("epochs = 3", "epochs = 3\nbetas = [0.9, \"0.99\"]")],
    ""
);
mistake!(no_epochs_are_out_of_range, [("epochs = 3", "epochs = 0")], "");
mistake!(
    a_negative_learning_rate_is_out_of_range,
    [("learning_rate = 2e-5", "learning_rate = -2e-5")],
    ""
);
mistake!(
    a_length_beyond_both_bounds_names_both,
    [("max_length = 128", "max_length = 100_000")],
    ""
);
mistake!(
    an_unknown_value_gets_a_suggestion,
    [("epochs = 3", "epochs = 3\nschedule = \"liner\"")],
    ""
);
mistake!(
    a_number_for_one_of_a_few_values_lists_them,
    [("epochs = 3", "epochs = 3\nschedule = 4")],
    ""
);
mistake!(an_unknown_key_in_a_table, [("validation = 0.2", "validaton = 0.2")], "");
mistake!(
    a_value_inside_a_table_is_pointed_at_by_itself,
    [("validation = 0.2", "validation = 1.2")],
    ""
);
mistake!(
    a_missing_key_in_a_table,
    [("epochs = 3", "epochs = 3\nearly_stop = { metric = \"loss\" }")],
    ""
);
mistake!(an_unknown_alternative, [("epochs = 3", "epochs = 3\nwarmup = { step = 3 }")], "");
mistake!(
    a_wrong_value_in_an_alternative,
    [("epochs = 3", "epochs = 3\nwarmup = { steps = \"three\" }")],
    ""
);
mistake!(
    missing_parameters_say_what_they_are_for,
    [("templates = \"templates.toml\"\nsamples = 5000\n", "")],
    ""
);
mistake!(
    parameters_that_exclude_each_other,
    [("revision = ", "path = \"model\"\nrevision = ")],
    ""
);
mistake!(a_missing_file, [("templates.toml", "template.toml")], "");
mistake!(
    what_comes_after_a_wrong_value_of_a_stage_waits_until_it_is_right,
    [("templates.toml", "template.toml"), ("anomaly_ratio = 0.3", "anomaly_ratio = 1.5")],
    ""
);
mistake!(
    a_wrong_value_that_an_axis_hides,
    [("learning_rate = 2e-5", "learning_rate = -2e-5")],
    "\n[sweep.over]\ntrain.learning_rate = [1e-5, 2e-5]\n"
);
mistake!(a_missing_folder, [("templates.toml", "data/templates.toml")], "");
mistake!(a_path_in_the_home_folder, [("templates.toml", "~/templates.toml")], "");
mistake!(a_path_with_a_variable, [("templates.toml", "$HOME/templates.toml")], "");
mistake!(
    several_files_that_are_missing_in_a_folder,
    [("repo = \"answerdotai/ModernBERT-base\"", "path = \".\"")],
    ""
);
mistake!(
    what_follows_from_a_wrong_required_value_is_not_said,
    [("split = { train = 0.8, validation = 0.2 }", "split = 3"), ("\"templates.toml\"", "true")],
    ""
);
mistake!(
    every_sound_point_is_looked_at_beside_wrong_ones,
    [],
    "\n[sweep.over]\ncorpus.templates = [\"templates.toml\", \"none.toml\", 3, \"nothing.toml\"]\ncorpus.split = [{ train = 1, validation = 1 }, 3]\n"
);
mistake!(
    mistakes_inside_a_source_file_are_pointed_at_there_beside_those_of_the_experiment,
    b"one\na wrong and a wrong template",
    [("epochs = 3", "epochs = 0")],
    ""
);
mistake!(a_source_file_that_is_no_text_says_where, b"one\ntemplate \xff\n", [], "");
mistake!(
    a_parameter_that_does_not_fit_the_content_of_a_source_file_is_pointed_at,
    b"one",
    [("anomaly_ratio = 0.3", "anomaly_ratio = 1")],
    ""
);
mistake!(a_folder_for_a_file, [("templates.toml", ".")], "");
mistake!(an_axis_of_an_unknown_parameter, [], "\n[sweep.over]\ntrain.epoch = [1, 2]\n");
mistake!(
    what_moves_together_and_is_no_parameter,
    [],
    "\n[[sweep.together]]\ntrain.epoch = [1, 2]\ntrain.data = [1, 2]\n"
);
mistake!(
    what_a_rung_sets_and_is_no_parameter_or_no_value,
    [],
    "\n[sweep]\nobjective = \"max evaluate.ner.span_f1\"\n[sweep.over]\ntrain.learning_rate = [1e-5, 2e-5]\n\
     [[sweep.rung]]\nkeep = 0.5\ntrain.epoch = 1\ntrain.epochs = 0\ntokenize.model = 3\n[[sweep.rung]]\n"
);
mistake!(an_axis_of_an_input, [], "\n[sweep.over]\ntrain.data = [1, 2]\n");
mistake!(
    an_objective_that_its_stage_does_not_measure,
    [],
    "\n[sweep]\nobjective = \"max evaluate.ner.span_f2\"\n[sweep.over]\ntrain.epochs = [1, 2]\n"
);
mistake!(
    an_objective_that_is_a_table,
    [],
    "\n[sweep]\nobjective = \"max evaluate.ner.per_label\"\n[sweep.over]\ntrain.epochs = [1, 2]\n"
);
mistake!(
    an_objective_that_another_stage_measures,
    [],
    "\n[sweep]\nobjective = \"max train.ner.span_f1\"\n[sweep.over]\ntrain.epochs = [1, 2]\n"
);
mistake!(an_axis_named_by_initials, [], "\n[sweep.over]\ntrain.lr = [1, 2]\n");
mistake!(
    an_axis_that_nothing_refers_to,
    [("\"@params.max_length\"", "64")],
    "\n[sweep.over]\nparams.max_length = [64, 128]\n"
);
mistake!(
    an_axis_hidden_by_another,
    [],
    "\n[sweep.over]\nparams.max_length = [64, 128]\ntokenize.max_length = [32, 256]\n"
);
mistake!(
    an_axis_whose_values_are_all_the_same,
    [],
    "\n[sweep.over]\ntrain.weight_decay = [1, 1.0]\n"
);
mistake!(
    an_axis_of_the_value_that_the_file_has,
    [],
    "\n[sweep.over]\ntrain.learning_rate = [0.00002]\n"
);
mistake!(
    an_axis_of_the_default_as_an_integer_and_one_of_the_experiments_seed,
    [],
    "\n[sweep.over]\ntrain.weight_decay = [0]\ncorpus.seed = [42]\n"
);
mistake!(an_axis_of_the_value_that_a_param_has, [], "\n[sweep.over]\nparams.max_length = [128]\n");
mistake!(
    an_axis_of_what_a_reference_stands_for_beside_one_that_tells,
    [],
    "\n[sweep.over]\ntokenize.max_length = [128]\ntrain.epochs = [1]\n"
);
mistake!(
    values_of_an_axis_with_the_same_effect,
    [],
    "\n[sweep.over]\ntrain.weight_decay = [1, 0.5, 1.0]\n"
);
mistake!(
    a_bad_swept_value_is_pointed_at_on_its_own_line,
    [],
    "\n[sweep.over]\ntrain.learning_rate = [\n  1e-5,\n  -2e-5,\n  \"fast\",\n]\n"
);
mistake!(
    a_bad_swept_param_is_pointed_at_on_its_own_line,
    [],
    "\n[sweep.over]\nparams.max_length = [\n  64,\n  4,\n]\n"
);
mistake!(
    a_params_axis_and_seeds_for_one_seed,
    [
        ("max_length = 128", "max_length = 128\nchance = 1"),
        ("epochs = 3", "epochs = 3\nseed = \"@params.chance\"")
    ],
    "\n[sweep]\nseeds = 3\n[sweep.over]\nparams.chance = [1, 2]\n"
);
mistake!(
    an_axis_over_the_seed_that_seeds_add_to,
    [],
    "\n[sweep]\nseeds = 3\n[sweep.over]\ntrain.seed = [1, 2]\n"
);
mistake!(
    seeds_without_a_training,
    [("[stage.train]", "[stage.train]\nkind = \"evaluate\"")],
    "\n[sweep]\nseeds = 3\n"
);
mistake!(
    a_swept_table_without_what_is_referred_to,
    [
        ("max_length = 128", "shape = { length = 8 }"),
        ("@params.max_length", "@params.shape.length")
    ],
    "\n[sweep.over]\nparams.shape = [{ length = 64 }, { lenght = 128 }]\n"
);
mistake!(
    a_number_below_what_its_type_holds,
    [("epochs = 3", "epochs = 3\nwarmup = { steps = -1 }")],
    ""
);
mistake!(a_number_beyond_what_its_type_holds, [("epochs = 3", "epochs = 5_000_000_000")], "");
mistake!(an_empty_path, [("templates.toml", "")], "");
mistake!(
    too_many_trials,
    [],
    "\n[sweep]\nseeds = 10_000\nover = { train.epochs = [1, 2, 3, 4], train.weight_decay = [0.1, 0.2, 0.3] }\n"
);
mistake!(
    all_mistakes_come_at_once_and_in_the_order_of_the_file,
    [
        ("samples = 5000", "samples = 0"),
        ("max_length = \"@params.max_length\"", "max_len = 3"),
        ("@train", "@trian"),
        ("epochs = 3", "epoch = 3")
    ],
    "\n[stage.report]\nkind = \"reprot\"\n\n[sweep.over]\ntrain.learning_rate = [0.0]\n"
);

#[test]
fn what_the_reader_could_not_read_is_not_complained_of_again() {
    let world = World::new();
    world.write(
        "experiment.toml",
        changed(&[("epochs = 3", "epochs = 1979-05-27"), ("samples = 5000", "samples = 0")], ""),
    );
    let (reader, plan) = world.recovered("experiment.toml");
    assert_eq!((reader.len(), plan), (1, vec!["out-of-range"]));
}

#[test]
fn a_byte_order_mark_moves_no_caret() {
    let text = with_templates(b"\xef\xbb\xbfa wrong word", SMALL);
    assert!(text.contains("templates.toml:1:3\n"), "{text}");
}

#[test]
fn a_source_file_beyond_the_size_is_left_to_the_run() {
    let world = World::new();
    world.write("templates.toml", "wrong ".repeat(100));
    world.plan(SMALL);
    assert_eq!(world.looks.get(), 0);
}

#[test]
fn a_source_file_is_looked_into_once_for_all_stages_and_trials() {
    let world = World::new();
    let samples: Vec<String> = (1..=100).map(|number| number.to_string()).collect();
    let more = "[stage.more]\nkind = \"generate_corpus\"\ntemplates = \"templates.toml\"\nsamples = 5\nsplit = { train = 1, validation = 0 }\n";
    world.plan(&changed(
        &[],
        &format!("\n{more}[sweep.over]\ncorpus.samples = [{}]\n", samples.join(", ")),
    ));
    assert_eq!(world.looks.get(), 1);
}
