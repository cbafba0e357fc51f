//! Every kind of mistake, as a person sees it.

use std::fmt::Write as _;

use super::super::source::LARGEST;
use super::{Memory, Overrides, chain, read, read_with, set, sweep};
use std::path::Path;

const HEAD: &str = "version = 1\n[stage.train]\nepochs = 3\n";

/// The rendered mistakes of several files, each under a title.
#[derive(Default)]
struct Report(String);

impl Report {
    fn add(&mut self, title: &str, rendered: &str) {
        let rendered = if rendered.is_empty() { "NO MISTAKE\n" } else { rendered };
        let _ = write!(self.0, "## {title}\n{rendered}\n");
    }

    fn files(&mut self, title: &str, files: &[(&str, &str)]) {
        self.add(title, &read(files).diagnostics.render(false));
    }

    /// A file of one's own.
    fn whole(&mut self, title: &str, text: &str) {
        self.files(title, &[("x.toml", text)]);
    }

    /// Something in a stage.
    fn in_stage(&mut self, title: &str, text: &str) {
        self.whole(title, &format!("{HEAD}{text}\n"));
    }

    fn line(&mut self, title: &str, overrides: &Overrides) {
        let text = "version = 1\n[params]\nlength = 128\n[stage.train]\nepochs = 3\nshape = { x = \"@params.length\" }\n[stage.tokenize]\n[stage.evaluate]\n";
        self.add(title, &read_with(&[("x.toml", text)], overrides).diagnostics.render(false));
    }
}

#[test]
fn files_that_cannot_be_read_say_why() {
    let mut report = Report::default();
    let missing = chain::read(
        &Memory::of(&[("experiments/small.toml", HEAD)]),
        Path::new("experiments/smal.toml"),
        &Overrides::default(),
    );
    report.add("a missing file with a neighbour", &missing.diagnostics.render(false));
    let missing =
        chain::read(&Memory::of(&[]), Path::new("experiments/small.toml"), &Overrides::default());
    report.add("a missing file", &missing.diagnostics.render(false));
    let bytes = |bytes: &[u8]| {
        let files = Memory([("x.toml".into(), bytes.to_vec())].into());
        chain::read(&files, Path::new("x.toml"), &Overrides::default()).diagnostics.render(false)
    };
    report.add("invalid UTF-8", &bytes(b"version = 1\nabout = \"caf\xe9\"\n"));
    report.add("UTF-16", &bytes(b"\xff\xfev\0e\0r\0"));
    report.add("a file that is too large", &bytes(&vec![b'#'; LARGEST as usize + 1]));
    report.add("an empty file", &bytes(b""));
    report.add("a file of white space behind a byte order mark", &bytes(b"\xef\xbb\xbf\n \n"));
    insta::assert_snapshot!(report.0);
}

#[test]
fn a_folder_is_not_an_experiment_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let error = super::Experiment::read(folder.path(), &Overrides::default())
        .expect_err("a folder cannot be read");
    assert!(error.to_string().ends_with("is a folder, not an experiment file"), "{error}");
}

#[test]
fn mistakes_of_syntax_are_pointed_at() {
    let mut report = Report::default();
    for text in [
        "rate",
        "rate 3",
        "rate =",
        "rate = # later",
        "= 3",
        "rate == 3",
        "rate = 3 4",
        "rate = three",
        "rate = True",
        "rate = tru",
        "rate = none",
        "rate = 012",
        "rate = 1_",
        "rate = 1e",
        "rate = .5",
        "rate = 1.",
        "rate = 0xZZ",
        "rate = 99999999999999999999",
        "rate = 1e999",
        "rate = nan",
        "rate = -inf",
        "rate = 2026-11-24",
        "rate = 07:32:00",
        "rate = 2026-13-45",
        "path = \"a\\qb\"",
        "path = \"a\\u12\"",
        "path = \"abc",
        "path = 'abc",
        "path = abc\"",
        "path = \"a\u{7}b\"",
        "list = [1 2]",
        "list = [1,,2]",
        "list = [a = 1]",
        "list = 1, 2]",
        "list = ]",
        "list = [1, 2",
        "split = { train = 0.8 validation = 0.2 }",
        "split = { train = 0.8,, validation = 0.2 }",
        "split = { train 0.8 }",
        "split = { 0.8 }",
        "split = { train = 0.8",
        "split = }",
        "größe = 3",
        "a..b = 3",
        "\"\"\"a\"\"\" = 3",
        "epochs = 4",
        "epochs.x = 4",
        "split = { train = 1, train = 2 }",
        "split = { train = 1 }\nsplit.validation = 2",
        "[stage.other.x]\n[stage.other]\nx.y = 1",
        "[[stage.other]]\n[stage.other]",
        "[stage.train]",
        "[stage.train.epochs]",
        "[stage.other",
        "[stage.other]]",
        "[]",
        "stage.other]",
        "{ }",
        "rate = 1 # \u{7}",
        "path = \"\"\"abc",
    ] {
        report.in_stage(text, text);
    }
    insta::assert_snapshot!(report.0);
}

#[test]
fn retries_and_timeouts_that_are_none_are_found() {
    let mut report = Report::default();
    for text in [
        "retry = -1",
        "retry = 1000",
        "retry = \"twice\"",
        "timeout = 1800",
        "timeout = \"30 minutes\"",
        "timeout = \"0s\"",
        "timeout = \"@params.x\"",
        "timeout = [\"30m\"]",
    ] {
        report.in_stage(text, text);
    }
    report.line("a retry on the command line", &set(&["stage.train.retry=many"]));
    insta::assert_snapshot!(report.0);
}

#[test]
fn mistakes_outside_of_stages_are_found() {
    let mut report = Report::default();
    report.whole("no version", "[stage.train]\n");
    report.whole("a version to come", "version = 2\n[stage.train]\n");
    report.whole("a version in quotes", "version = \"1\"\n[stage.train]\n");
    report.whole("no stages", "version = 1\n");
    report.whole("only a comment", "# nothing yet\n");
    report.whole("an unknown key", "version = 1\nabuot = \"x\"\n[stage.train]\n");
    report
        .whole("a parameter outside of its stage", "version = 1\nbatch_size = 16\n[stage.train]\n");
    report.whole("a stage without `stage.`", "version = 1\n[train]\nepochs = 3\n");
    report.whole("stages in the plural", "version = 1\n[stages.train]\nepochs = 3\n");
    report.whole("a negative seed", "version = 1\nseed = -1\n[stage.train]\n");
    report.whole("a seed in quotes", "version = 1\nseed = \"42\"\n[stage.train]\n");
    report.whole("about that is no string", "version = 1\nabout = 3\n[stage.train]\n");
    report.whole("a name that is taken", "version = 1\nname = \"Store\"\n[stage.train]\n");
    report.whole("a name with a slash", "version = 1\nname = \"../x\"\n[stage.train]\n");
    report.whole("a hidden name", "version = 1\nname = \".x\"\n[stage.train]\n");
    report.whole("an empty name", "version = 1\nname = \"\"\n[stage.train]\n");
    report.files("a file whose name is taken", &[("experiments/runs.toml", HEAD)]);
    report.whole("params that are no table", "version = 1\nparams = 3\n[stage.train]\n");
    report.whole(
        "a param with a strange name",
        "version = 1\n[params]\n\"a.b\" = 3\n[stage.train]\n",
    );
    report.whole("stage that is no table", "version = 1\nstage = 3\n");
    report.whole("a stage that is no table", "version = 1\nstage.train = 3\n");
    report.whole("a stage that is an array", "version = 1\n[[stage.train]]\n");
    report.whole(
        "a stage with a strange name",
        "version = 1\n[stage.2nd]\n[stage.\"a b\"]\n[stage.params]\n[stage.seed]\n[stage.stage]\n[stage.sweep]\n",
    );
    report.in_stage("a kind that is no string", "kind = 3");
    report.in_stage(
        "a kind that is no string, and mistakes beside it",
        "kind = 3\nafter = 4\n[stage.plot]\nhistory = { of = \"@train\" }\nx = \"@params.y\"",
    );
    report.whole(
        "a parameter below `stage` alone",
        "version = 1\n[stage]\nepochs = 3\n[stage.train]\nretry = -1\n",
    );
    report.whole(
        "a key of stages outside of them",
        "version = 1\nafter = [\"corpus\"]\n[stage.train]\n",
    );
    report.in_stage("a kind with a strange name", "kind = \"@train\"");
    report.in_stage("after that is a string", "after = \"corpus\"");
    report.in_stage("after with references", "after = [\"@corpus\", 3, \"a b\"]");
    insta::assert_snapshot!(report.0);
}

#[test]
fn references_that_are_none_are_found() {
    let mut report = Report::default();
    report.in_stage("a reference to a stage inside a table", "data = { of = \"@corpus\" }");
    report.in_stage("a reference to the output of a stage", "data = \"@corpus.train\"");
    report.in_stage("params in the singular", "length = \"@param.length\"");
    report.in_stage("an address", "data = \"@me@example.org\"");
    report.in_stage("nothing but the sign", "data = \"@\"");
    report.in_stage("no param", "data = \"@params\"");
    report.in_stage("an empty word", "data = \"@params.a..b\"");
    report.in_stage("a param that does not exist", "length = \"@params.max_length\"");
    report.whole("a misspelt param", "version = 1\n[params]\nmax_length = 128\n[stage.train]\nlength = { a = [\"@params.max_lenght\"] }\n");
    report.whole(
        "below a param that is no table",
        "version = 1\n[params]\nmax_length = 128\n[stage.train]\nlength = \"@params.max_length.x\"\n",
    );
    report.whole("below a param", "version = 1\n[params]\nsizes = { small = 1 }\n[stage.train]\nlength = \"@params.sizes.smal\"\n");
    report.whole(
        "a reference in params",
        "version = 1\n[params]\na = 1\nb = [\"@params.a\"]\n[stage.train]\n",
    );
    report.whole("a reference in about", "version = 1\nabout = \"@home\"\n[stage.train]\n");
    report.whole(
        "a reference in a sweep",
        "version = 1\n[stage.train]\n[sweep.over]\ntrain.data = [\"@a\", \"@b\"]\n",
    );
    insta::assert_snapshot!(report.0);
}

#[test]
fn mistakes_in_what_is_extended_are_found() {
    let mut report = Report::default();
    let child = ("experiments/large.toml", "extends = \"small.toml\"\n[stage.train]\nepochs = 4\n");
    report.files("a missing parent", &[child, ("experiments/smal.toml", HEAD)]);
    report
        .files("a parent without version", &[child, ("experiments/small.toml", "[stage.train]\n")]);
    report.files(
        "a mistake in the parent and one in the child",
        &[
            ("experiments/large.toml", "extends = \"small.toml\"\nsead = 3\n"),
            ("experiments/small.toml", "version = 1\nabuot = \"x\"\n[stage.train]\n"),
        ],
    );
    report.files(
        "a broken child of a broken parent",
        &[
            ("experiments/large.toml", "extends = \"small.toml\"\n[stage.train]\nlist = [1,\n"),
            ("experiments/small.toml", "version = 1\n[stage.train]\nrate = three\n"),
        ],
    );
    report.files("a file that extends itself", &[("a.toml", "extends = \"a.toml\"\n")]);
    report.files(
        "a circle with a tail",
        &[
            ("a.toml", "extends = \"b.toml\"\n"),
            ("b.toml", "extends = \"c.toml\"\n"),
            ("c.toml", "extends = \"b.toml\"\n"),
        ],
    );
    report.files("nothing", &[("a.toml", "extends = \"\"\n")]);
    report.files("a list", &[("a.toml", "extends = [\"b.toml\"]\n[stage.train]\n")]);
    report.whole("unset without extends", &format!("unset = [\"stage.train\"]\n{HEAD}"));
    let unset =
        |path: &str| format!("extends = \"b.toml\"\nunset = [{path}]\n[stage.train]\nx = 1\n");
    for path in [
        "\"stage.trian\"",
        "\"stage.train.epoch\"",
        "\"stage.trian.epochs\"",
        "\"stage.train.split.a\"",
        "\"stage.train.kind\"",
        "\"params.x\"",
        "\"sweep\"",
        "\"sweep.over.train.epochs\"",
        "\"sweep.train\"",
        "\"seed\"",
        "\"train.epoch\"",
        "\"trian.epochs\"",
        "\"sweep.over.stage.train.epochs\"",
        "\"epochs\"",
        "\"a b\"",
        "3",
    ] {
        report.files(&format!("unset {path}"), &[("a.toml", &unset(path)), ("b.toml", HEAD)]);
    }
    report.files(
        "unset that is a string",
        &[("a.toml", "extends = \"b.toml\"\nunset = \"sweep\"\n"), ("b.toml", HEAD)],
    );
    insta::assert_snapshot!(report.0);
}

#[test]
fn mistakes_in_sweeps_are_found() {
    let mut report = Report::default();
    for text in [
        "",
        "method = \"random\"\n[sweep.over]\ntrain.epochs = [1, 2]",
        "method = 3\nseeds = 2",
        "method = \"tpo\"\nseeds = 2",
        "method = \"tpe\"\npoints = 0\nparallel = \"a\"\nobjective = \"max evaluate.loss\"\n[sweep.over]\ntrain.epochs = { int = [3, 1] }",
        "method = \"gp\"\n[sweep.over]\ntrain.rate = { log = [0, 1] }\ntrain.epochs = { int = [1.5, 2] }\ntrain.x = { uniform = [1] }",
        "points = 3\nseeds = 2\n[sweep.over]\ntrain.rate = { log = [1e-5, 1e-3] }",
        "method = \"random\"\npoints = 3\nobjective = \"max evaluate.loss\"",
        "sedes = 3",
        "learning_rate = [1, 2]\nseeds = 3",
        "seeds = 0",
        "seeds = -1",
        "seeds = 1_000_000_000_000",
        "seeds = []",
        "seeds = [0, 1, 0, -1, \"a\"]",
        "seeds = 1.5",
        "seeds = 2\nobjective = \"evaluate.ner.span_f1\"",
        "seeds = 2\nobjective = \"maximize evaluate.ner.span_f1\"",
        "seeds = 2\nobjective = \"max span_f1\"",
        "seeds = 2\nobjective = \"max evalute.ner.span_f1\"",
        "seeds = 2\nobjective = 3",
        "over = [1]",
        "[sweep.over]\nepochs = [1, 2]",
        "[sweep.over]\n\"train.epochs\" = [1, 2]",
        "[sweep.over]\ntrain.epochs = 3",
        "[sweep.over]\ntrain.epochs = []",
        "[sweep.over]\ntrain.epochs = [1, 2, 1]",
        "[sweep.over]\ntrain.learning_rate = { log = [1e-6, 1e-3] }",
        "[sweep.over]\ntrain.learning_rate = { choice = 3 }",
        "[sweep.over]\ntrain.learning_rate = { choice = [1], log = [2] }",
        "[sweep.over]\nlearning_rate = { choice = [1, 2] }",
        "[sweep.over]\ntrain.split.train = [0.7, 0.8]",
        "[sweep.over]\ntrian.epochs = [1, 2]",
        "[sweep.over]\ntrain.kind = [\"a\", \"b\"]",
        "[sweep.over]\nparams.length = [1, 2]",
        "[sweep.over]\ntrain.epochs = [1, 2]\nstage.train.epochs = [3, 4]",
        "[sweep.over]\nstage.train = [1, 2]",
        "[sweep.over]\nstage = [1, 2]",
        "[sweep.over]\nstage.params.x = [1, 2]",
        "[sweep.over]\nsweep.x = [1, 2]",
        "[sweep.over]\nstage.train.split.train = [0.7, 0.8]",
        "[sweep.over]\n\"a b\".epochs = [1, 2]",
        "[[sweep.together]]\ntrain.epochs = [1, 2]\ntrain.rate = [1, 2, 3]",
        "[[sweep.together]]\ntrain.epochs = [1, 2, 1]\ntrain.rate = [5, 6, 5]",
        "[[sweep.together]]\ntrain.epochs = [1, 2]\ntrain.rate = [5, 5]",
        "[[sweep.together]]\ntrain.epochs = [1, 2]\n[sweep.over]\ntrain.epochs = [1, 2]",
        "[[sweep.together]]\ntrain.epochs = 3\nparams.x = []\ntrian.rate = [1, 2]\nrate = [1, 2]",
        "together = [{}, 3]\n[sweep.over]\ntrain.epochs = [1, 2]",
        "finalists = 0\nfresh_seeds = \"a\"\nobjective = \"min evaluate.loss\"\n[sweep.over]\ntrain.epochs = [1, 2]\n",
        "fresh_seeds = 2\nobjective = \"min evaluate.loss\"\n[sweep.over]\ntrain.epochs = [1, 2]\n",
        "finalists = 2\nseeds = 2",
        "choose = \"one-standard-error\"\nfinalists = 2\nfresh_seeds = 1\nseeds = 3\nobjective = \"min evaluate.loss\"\n[sweep.over]\ntrain.epochs = [1, 2]\n",
        "objective = \"min evaluate.loss\"\n[sweep.over]\ntrain.epochs = [1, 2]\n[[sweep.rung]]",
        "objective = \"min evaluate.loss\"\n[sweep.over]\ntrain.epochs = [1, 2]\n[[sweep.rung]]\ntrain.rate = 1\n[[sweep.rung]]\nkeep = 0.5\n[[sweep.rung]]\ntrain.rate = 2",
        "objective = \"min evaluate.loss\"\n[sweep.over]\ntrain.epochs = [1, 2]\n[[sweep.rung]]\nkeep = 0\ntrain.epochs = 1\nparams.x = 1\ntrian.rate = 1\nrate = 2\n[[sweep.rung]]",
        "objective = \"min evaluate.loss\"\nrung = [3, {seeds = 0, keep = \"a\", train.rate = 1, stage.train.rate = 2}, {}]\n[sweep.over]\ntrain.epochs = [1, 2]",
        "choose = \"one-standard-error\"\nobjective = \"min evaluate.loss\"\nfolds = 2\n[sweep.over]\ntrain.other = [1, 2]",
        "[sweep.over]\ntrain.epochs = [1, 2]\n[[sweep.rung]]\nseeds = 1\nkeep = 0.5\n[[sweep.rung]]",
        "choose = \"median\"\n[sweep.over]\ntrain.epochs = [1, 2]",
        "objective = \"best x\"\n[sweep.over]\ntrain.rate = { uniform = [0.4, 0.1] }\n[[sweep.rung]]\nseeds = 1\nkeep = 0.5\n[[sweep.rung]]\n[[sweep.skip]]\ntrain.rate = 3\n[[sweep.skip]]\ntrain.epoch = 3",
        "choose = \"one-standard-error\"\n[sweep.over]\ntrain.epochs = [1, 2]",
    ] {
        report.whole(text, &format!("{HEAD}[stage.evaluate]\n[sweep]\n{text}\n"));
    }
    report.whole("no table", &format!("sweep = 3\n{HEAD}"));
    insta::assert_snapshot!(report.0);
}

#[test]
fn mistakes_on_the_command_line_are_pointed_at() {
    let mut report = Report::default();
    for text in [
        "stage.train.epochs",
        "stage.train.epochs=",
        "=3",
        "stage.train=3",
        "stage.train.epochs.x=3",
        "stage.train.shape.x.y=3",
        "stage.trian.epochs=3",
        "trian.epochs=3",
        "trian.split.train=0.8",
        "train.epochs=1,2",
        "train.split.train=0.7,0.8",
        "params.length=a,b",
        "seed=1,2",
        "stage.params.x=3",
        "seed.x=3",
        "sweep=3",
        "params.lenght=3",
        "params.length.x=3",
        "params.lenght.x=3",
        "epochs=3",
        "about=hello",
        "seed=-1",
        "seed=many",
        "stage.train.epochs=[1, 2",
        "stage.train.epochs=\"abc",
        "stage.train.epochs=99999999999999999999",
        "stage.train.epochs=nan",
        "stage.train.since=2026-11-24",
        "stage.train.data=@a.b",
        "stage.train.kind=3",
        "stage.a b.c=3",
        "params.length=@params.length",
    ] {
        report.line(&format!("--set {text}"), &set(&[text]));
    }
    for text in [
        "train.epochs",
        "train.epochs=",
        "train.epochs=1,,2",
        "train.epochs=1,2,1",
        "train.epochs=[1, 2",
        "trian.epochs=1,2",
        "stage.train=1,2",
        "train.split.train=0.7,0.8",
        "seed.x=1,2",
        "stage.params.x=1,2",
        "stage.2nd.x=1,2",
        "epochs=1,2",
        "params.lenght=1,2",
        "train.kind=a,b",
        "train.data=@a,@b",
    ] {
        report.line(&format!("--sweep {text}"), &sweep(&[text], None));
    }
    report.line("an axis given twice", &sweep(&["train.epochs=1,2", "train.epochs=3,4"], None));
    report.line(
        "an axis given twice in two spellings",
        &sweep(&["train.epochs=1,2", "stage.train.epochs=3,4"], None),
    );
    for text in ["0", "many", "1,1", "", "1.5"] {
        report.line(&format!("--seeds {text}"), &sweep(&[], Some(text)));
    }
    insta::assert_snapshot!(report.0);
}

#[test]
fn lock_files_that_are_none_are_found() {
    let mut report = Report::default();
    for text in [
        "version = 2\n",
        "[[pin]]\nrepo = \"a\"\nrevision = \"main\"\ncommit = \"8949b909ec900327062f0ebf497f51aef5e6f0c8\"\n",
        "version = 1\n[[pin]]\nrepo = \"a\"\nrevision = \"main\"\ncommit = \"8949\"\n",
        "version = 1\npin = [3]\n",
        "version = 1\nother = 3\n",
        "version = \n",
    ] {
        report.files(text, &[("x.toml", HEAD), ("x.toml.lock", text)]);
    }
    insta::assert_snapshot!(report.0);
}

#[test]
fn all_mistakes_come_at_once() {
    let mut report = Report::default();
    report.whole(
        "one file",
        "version = 3\nabuot = 1\nseed = -4\n\n[params]\nlength = \"@stage\"\n\n[stage.train]\nepochs 3\nepochs = three\nrate = 1e999\nrate = 2\ndata = [[\"@corpus\"]]\n\
         after = \"corpus\"\nlength = \"@params.lenght\"\n\n[stage.train]\n\n[sweep]\nmethod = \"tpe\"\nseeds = 0\n[sweep.over]\nepochs = [1]\ntrain.rate = 3\n",
    );
    insta::assert_snapshot!(report.0);
}
