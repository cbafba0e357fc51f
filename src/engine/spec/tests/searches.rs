//! What sweeps mean that choose their points, move parameters together, or try points on rungs.

use super::super::{Along, Choose, Method, Sweep};
use super::{Experiment, Overrides, good, good_with, set, sweep};

/// A search, and what it is of.
const SEARCH: &str = "version = 1\n[stage.evaluate]\nlr = 1\n[sweep]\nmethod = \"auto\"\nobjective = \"max evaluate.loss\"\n\
                      points = 30\nparallel = 2\n[sweep.over]\nevaluate.lr = { log = [1e-5, 1] }\n\
                      evaluate.n = { int = [1, 8] }\nevaluate.x = { uniform = [0, 0.5] }\nevaluate.y = { choice = [1, 2] }\n";

#[test]
fn a_search_is_read_and_written_with_its_ranges() {
    let search = good_with(&[("x.toml", SEARCH)], &Overrides::default());
    let written = search.to_toml();
    let again = good_with(&[("x.toml", &written)], &Overrides::default());
    for experiment in [search, again] {
        let sweep = experiment.sweep.expect("a sweep");
        let along: Vec<Along> = sweep.axes.iter().map(|axis| axis.along).collect();
        assert_eq!(along, [Along::Log, Along::Int, Along::Uniform, Along::Choice]);
        let counts = [sweep.points, sweep.parallel].map(|it| it.map(|it| it.count));
        assert_eq!((sweep.method(), counts), (Method::Auto, [Some(30), Some(2)]));
    }
}

#[test]
fn how_points_are_chosen_and_left_out_has_an_origin() {
    let skip = "[[sweep.skip]]\nevaluate.n = [8]\n";
    let search = good_with(&[("x.toml", &format!("{SEARCH}{skip}"))], &Overrides::default());
    let origins = search.origins();
    let origin = |path: &str| {
        let found = origins.iter().find(|origin| origin.path == path).expect("an origin");
        (found.value.as_str(), found.line)
    };
    assert_eq!(origin("sweep.method"), ("\"auto\"", 5));
    assert_eq!(origin("sweep.skip[0].evaluate.n"), ("[8]", 15));
    // A grid is written out where no file says so, and differs in nothing.
    let grid = good(&[("x.toml", "version = 1\n[stage.a]\n[sweep.over]\na.x = [1]\n")]);
    assert!(grid.to_toml().contains("method = \"grid\""));
    let again = good(&[("x.toml", &grid.to_toml())]);
    assert!(again.origins().iter().all(|origin| origin.path != "sweep.method"));
}

#[test]
fn a_grid_of_the_command_line_takes_the_place_of_a_search_whose_objective_stays() {
    let grid = Overrides { sweep: vec!["evaluate.lr=1,2".into()], ..Overrides::default() };
    let sweep = good_with(&[("x.toml", SEARCH)], &grid).sweep.expect("a sweep");
    assert_eq!((sweep.method(), sweep.points, sweep.parallel), (Method::Grid, None, None));
    assert_eq!((sweep.axes.len(), sweep.axes[0].values.len()), (1, 2));
    assert!(sweep.objective.is_some());
    let child = "extends = \"x.toml\"\n[sweep]\npoints = 9\n[sweep.over]\nevaluate.x = [1, 2]\n";
    let sweep = good_with(&[("a.toml", child), ("x.toml", SEARCH)], &Overrides::default()).sweep;
    let sweep = sweep.expect("a sweep");
    assert_eq!((sweep.points.map(|it| it.count), sweep.axes[2].along), (Some(9), Along::List));
}

/// Two axes that move as one beside one that moves by itself.
const TOGETHER: &str = "version = 1\n[params]\nlength = 1\n[stage.a]\nx = 1\ny = 3\nz = 4\n[sweep]\nobjective = \"max a.loss\"\nseeds = 2\n\
                        choose = \"one-standard-error\"\n[sweep.over]\na.z = [4, 5]\n\
                        [[sweep.together]]\na.x = [1, 1, 2]\nparams.length = [1, 2, 3]\n[[sweep.together]]\nstage.a.y = [3, 4]\n";

/// Of each axis, what it is of and which `together` it is of.
fn moving(experiment: &Experiment) -> Vec<(String, Option<usize>)> {
    let sweep = experiment.sweep.as_ref().expect("a sweep");
    sweep.axes.iter().map(|axis| (axis.target.to_string(), axis.together)).collect()
}

#[test]
fn what_moves_together_is_read_written_inherited_and_replaced_whole() {
    let read = good(&[("x.toml", TOGETHER)]);
    let again = good(&[("x.toml", &read.to_toml())]);
    let all = [("a.z", None), ("a.x", Some(0)), ("params.length", Some(0)), ("a.y", Some(1))]
        .map(|(name, of)| (name.to_owned(), of));
    for experiment in [&read, &again] {
        assert_eq!(moving(experiment), all);
        let sweep = experiment.sweep.as_ref().expect("a sweep");
        assert_eq!(sweep.dimensions(), [vec![0], vec![1, 2], vec![3]]);
        assert_eq!(sweep.choice(), Choose::OneStandardError);
    }
    assert!(read.origins().iter().any(|origin| origin.path == "sweep.together.a.x"));
    let child = |text: &str| {
        let text = format!("extends = \"x.toml\"\n{text}\n");
        moving(&good(&[("c.toml", &text), ("x.toml", TOGETHER)]))
    };
    assert_eq!(child("")[..], all);
    assert_eq!(
        child("[[sweep.together]]\na.x = [1, 2]\n[sweep.over]\na.z = [6, 7]\na.y = [1, 2]"),
        [("a.z", None), ("a.y", None), ("a.x", Some(0))].map(|(name, of)| (name.to_owned(), of))
    );
    assert_eq!(child("unset = [\"sweep.together\"]")[..], all[..1]);
    assert_eq!(child("unset = [\"sweep.over\", \"sweep.choose\"]")[..], all[1..]);
    let grid = good_with(&[("x.toml", TOGETHER)], &sweep(&["a.x=7,8"], None));
    assert_eq!(moving(&grid), [("a.x".to_owned(), None)]);
    let set = set(&["sweep.together=[{a.x=[5,6]}]", "sweep.choose=mean"]);
    assert_eq!(moving(&good_with(&[("x.toml", TOGETHER)], &set))[1].0, "a.x");
}

/// A sweep whose points are tried first in a cheap way, and the best again with fresh seeds.
const RUNGS: &str = "version = 1\n[stage.a]\nx = 1\nfile = \"f\"\n[sweep]\nobjective = \"max a.loss\"\nseeds = [0, 4]\nfinalists = 3\nfresh_seeds = 2\n\
                     [sweep.over]\na.x = [1, 2]\n[[sweep.rung]]\na.epochs = 1\nseeds = 1\nkeep = 0.33\n\
                     [[sweep.rung]]\nstage.a.epochs = 2\nkeep = 1\n[[sweep.rung]]\nseeds = 3\n";

#[test]
fn rungs_and_finalists_are_read_written_inherited_and_replaced_whole() {
    let read = good(&[("x.toml", RUNGS)]);
    let again = good(&[("x.toml", &read.to_toml())]);
    for experiment in [&read, &again] {
        let sweep = experiment.sweep.as_ref().expect("a sweep");
        let keep: Vec<_> = sweep.rungs.iter().map(|rung| rung.keep.map(|(keep, _)| keep)).collect();
        assert_eq!(keep, [Some(0.33), Some(1.0), None]);
        let set: Vec<usize> = sweep.rungs.iter().map(|rung| rung.parameters.len()).collect();
        assert_eq!(set, [1, 1, 0]);
        assert_eq!(sweep.addends(), [vec![0], vec![0, 4], vec![0, 1, 2]]);
        // They follow the largest that is used anywhere.
        assert_eq!(sweep.fresh_addends(), [5, 6]);
        assert_eq!(sweep.deciding(), 2);
    }
    let child = |text: &str| {
        let text = format!("extends = \"x.toml\"\n{text}\n");
        good(&[("c.toml", &text), ("x.toml", RUNGS)]).sweep.expect("a sweep")
    };
    let counts = |sweep: &Sweep| {
        let counts = [sweep.finalists, sweep.fresh_seeds].map(|it| it.map(|it| it.count));
        (sweep.rungs.len(), counts)
    };
    assert_eq!(counts(&child("")), (3, [Some(3), Some(2)]));
    let replaced = "[sweep]\nfinalists = 1\n[[sweep.rung]]\nseeds = 1\nkeep = 0.5\n[[sweep.rung]]";
    assert_eq!(counts(&child(replaced)), (2, [Some(1), Some(2)]));
    let unset =
        "unset = [\"sweep.rung\", \"sweep.finalists\", \"sweep.fresh_seeds\", \"sweep.seeds\"]";
    let sweep = child(unset);
    assert_eq!((counts(&sweep), sweep.addends()), ((0, [None, None]), vec![vec![]]));
    // As many fresh seeds as there were before, where nobody says how many.
    assert_eq!(child("unset = [\"sweep.fresh_seeds\"]").fresh_addends(), [5, 6, 7]);
    let grid =
        good_with(&[("x.toml", RUNGS)], &super::sweep(&["a.x=7,8"], None)).sweep.expect("a sweep");
    assert_eq!(counts(&grid), (0, [None, None]));
    let seeds = good_with(&[("x.toml", RUNGS)], &super::sweep(&[], Some("5")));
    assert_eq!(counts(&seeds.sweep.expect("a sweep")), (3, [Some(3), Some(2)]));
    let set = set(&["sweep.finalists=7", "sweep.rung=[{seeds=1,keep=0.5},{}]"]);
    let set = good_with(&[("x.toml", RUNGS)], &set).sweep.expect("a sweep");
    assert_eq!(counts(&set), (2, [Some(7), Some(2)]));
}
