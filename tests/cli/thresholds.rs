//! From which score on answers count, and how sure they are: chosen on validation, stored in the model, applied by whoever asks it.

use serde_json::{Value, json};

use crate::world::{Shot, World};

const BASE: &str = r#"version = 1
[stage.corpus]
kind = "read_corpus"
path = "lines.jsonl"
order = "at"
duplicates = "keep"
split = { train = 0.5, validation = 0.25, test = 0.25 }
[stage.init_model]
corpus = "@corpus"
hidden_size = 32
num_hidden_layers = 2
num_attention_heads = 2
intermediate_size = 48
vocab_size = 300
[stage.tokenize]
model = "@init_model"
corpus = "@corpus"
[stage.train]
model = "@init_model"
data = "@tokenize"
epochs = 12
learning_rate = 3e-3
[stage.evaluate]
model = "@train"
data = "@tokenize"
[stage.evaluate_test]
kind = "evaluate"
model = "@train"
data = "@tokenize"
split = "test"
[stage.plot]
history = "@train"
evaluation = "@evaluate"
"#;

/// A text an hour, of which every seventh is not labelled as its word says.
fn lines() -> Vec<Value> {
    let line = |number: usize| {
        let is_odd = number.is_multiple_of(3);
        let word = if is_odd { "down" } else { "fine" };
        let anomaly = u8::from(is_odd != number.is_multiple_of(7));
        let at = 1_714_521_600 + 3600 * number;
        json!({"text": format!("node {} is {word}", number % 11), "id": number, "at": at, "anomaly": anomaly})
    };
    (0..160).map(line).collect()
}

fn world(lines: &[Value], more: &str) -> World {
    let world = World::empty();
    world.write("experiments/base.toml", BASE);
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    world.write("experiments/lines.jsonl", lines);
    world.write("experiments/one.toml", format!("extends = \"base.toml\"\n{more}"));
    world
}

fn run(world: &World) -> Shot {
    let shot = world.pipeline(["run", "experiments/one.toml"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    shot
}

fn json_of(world: &World, name: &str) -> Value {
    serde_json::from_str(&world.read(&format!("outputs/one/{name}"))).expect("JSON")
}

/// Truth, answer and score of every text.
fn predictions(world: &World, folder: &str) -> Vec<(u8, u8, f64)> {
    let text = world.read(&format!("outputs/one/{folder}predictions.csv"));
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().expect("a header").clone();
    let at = |name: &str| header.iter().position(|column| column == name).expect("a column");
    let columns = ["anomaly", "predicted_anomaly", "anomaly_score"].map(at);
    let row = |row: Result<csv::StringRecord, _>| {
        let row = row.expect("a row");
        let [truth, answer, score] = columns.map(|column| row[column].to_owned());
        (truth.parse().unwrap(), answer.parse().unwrap(), score.parse().unwrap())
    };
    reader.records().map(row).collect()
}

/// What was taken for what, where answers count from `least` on.
fn confusion(rows: &[(u8, u8, f64)], least: f64) -> Value {
    let count = |truth: u8, answer: bool| {
        rows.iter().filter(|row| row.0 == truth && (row.2 >= least) == answer).count()
    };
    json!([[count(0, false), count(0, true)], [count(1, false), count(1, true)]])
}

fn codes(metrics: &Value) -> Vec<&str> {
    let caveats = metrics["caveats"].as_array().expect("a list");
    caveats.iter().filter_map(|caveat| caveat["code"].as_str()).collect()
}

#[test]
fn what_validation_chose_is_stored_applied_and_scored_on_other_splits() {
    let more =
        "[stage.train]\nthresholds = { anomaly = { alerts_per_day = 6 } }\ncalibrate = true\n";
    let world = world(&lines(), more);
    run(&world);
    let head = &json_of(&world, "model/heads.json")["heads"][0];
    let threshold = head["threshold"].as_f64().expect("a threshold");
    let temperature = head["temperature"].as_f64().expect("a temperature");
    assert!(temperature != 1.0 && threshold > 0.0 && threshold < 1.0, "{head}");

    // The split that chose: at 0.5, although the model answers otherwise.
    let own = json_of(&world, "metrics.json");
    assert!(codes(&own).contains(&"chosen_on_these"), "{own}");
    let anomaly = &own["anomaly"];
    assert_eq!(
        (anomaly["threshold"].as_f64(), &anomaly["at_threshold"]["threshold"]),
        (Some(0.5), &json!(threshold))
    );
    let rows = predictions(&world, "");
    assert!(rows.iter().all(|row| (row.2 >= threshold) == (row.1 == 1)), "{rows:?}");
    assert_eq!(anomaly["confusion"], confusion(&rows, 0.5));
    assert_eq!(anomaly["ece"], anomaly["calibration"]["ece_before"]);
    assert!(rows.iter().filter(|row| row.1 == 1).count() <= 9, "39 hours have 9 alerts: {rows:?}");
    assert_eq!(anomaly["budget"]["alerts"], 9);
    assert!(anomaly["precision_at_budget"].is_f64(), "{anomaly}");

    // Another: at the threshold.
    let other = json_of(&world, "evaluate_test/metrics.json");
    assert!(!codes(&other).contains(&"chosen_on_these"), "{other}");
    let anomaly = &other["anomaly"];
    assert_eq!(anomaly["threshold"], json!(threshold));
    assert_eq!(anomaly.get("at_threshold"), None);
    let rows = predictions(&world, "evaluate_test/");
    assert!(rows.iter().all(|row| (row.2 >= threshold) == (row.1 == 1)), "{rows:?}");
    assert_eq!(anomaly["confusion"], confusion(&rows, threshold));
    assert_eq!(anomaly["ece"], anomaly["calibration"]["ece_after"]);
    let report = world.read("outputs/one/evaluate_test/classification_report.txt");
    assert!(report.contains(&format!("Scores are at the threshold {threshold}")), "{report}");

    let files = world.names("outputs/one").join(" ");
    assert!(
        files.contains("anomaly_reliability.png") && files.contains("reliability.csv"),
        "{files}"
    );

    // `predict` answers as `predictions.csv` does.
    let texts: String = lines()[120..].iter().map(|line| format!("{line}\n")).collect();
    world.write("texts.jsonl", texts);
    let shot = world.pipeline(["predict", "outputs/one", "texts.jsonl"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    for (line, row) in shot.stdout.lines().zip(&rows) {
        let answer: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(
            (&answer["anomaly"], answer["anomaly_score"].as_f64()),
            (&json!(row.1), Some(row.2))
        );
    }
    let again = world.pipeline(["run", "experiments/one.toml"]);
    assert!(again.stdout.contains("7 cached"), "{again}");
}

#[test]
fn a_budget_that_the_validation_split_does_not_bound_is_said() {
    let of = |rate: f64, lines: &[Value]| {
        let more = format!(
            "[stage.train]\nepochs = 1\nthresholds = {{ anomaly = {{ alerts_per_day = {rate} }} }}\n"
        );
        let world = world(lines, &more);
        (run(&world), json_of(&world, "evaluate_test/metrics.json"))
    };
    let (shot, metrics) = of(1000.0, &lines());
    assert!(codes(&metrics).contains(&"budget_beyond_texts"), "{metrics}");
    let said = "takes every text for an alert: 1000 a day are 1625 in the 1.62 days of the validation split, which has 40 texts";
    assert!(shot.stderr.contains(said), "{shot}");
    // A text a minute, so that a quarter of them are 39 minutes.
    let minutes = lines().into_iter().map(|mut line| {
        line["at"] = json!(1_714_521_600 + 60 * line["id"].as_u64().expect("a number"));
        line
    });
    let (shot, metrics) = of(200.0, &minutes.collect::<Vec<_>>());
    assert!(codes(&metrics).contains(&"budget_of_less_than_a_day"), "{metrics}");
    assert!(shot.stderr.contains("for 5 alerts in 0.03 days"), "{shot}");
}

#[test]
fn a_number_is_a_threshold_that_no_split_chose() {
    let world = world(&lines(), "[stage.train]\nthresholds = { anomaly = 0.9 }\n");
    run(&world);
    let metrics = json_of(&world, "metrics.json");
    let anomaly = &metrics["anomaly"];
    assert_eq!(anomaly["threshold"], 0.9);
    assert_eq!(anomaly["confusion"], confusion(&predictions(&world, ""), 0.9));
    assert_eq!((anomaly.get("calibration"), anomaly.get("at_threshold")), (None, None));
    assert!(!codes(&metrics).contains(&"chosen_on_these"), "{metrics}");
    assert!(!world.names("outputs/one").join(" ").contains("reliability"));
}

#[test]
fn a_precision_that_nothing_reaches_leaves_no_threshold_and_every_score_says_so() {
    // Texts that say nothing of their class.
    let blind: Vec<Value> = lines()
        .into_iter()
        .map(|line| json!({"text": "node is up", "at": line["at"], "anomaly": line["anomaly"]}))
        .collect();
    let world = world(
        &blind,
        "[stage.train]\nepochs = 1\nthresholds = { anomaly = { precision = 0.9 } }\n",
    );
    let shot = run(&world);
    assert!(shot.stderr.contains("no threshold has a precision of 0.9"), "{shot}");
    assert_eq!(json_of(&world, "model/heads.json")["heads"][0]["threshold"], Value::Null);
    for name in ["metrics.json", "evaluate_test/metrics.json"] {
        let metrics = json_of(&world, name);
        assert!(codes(&metrics).contains(&"threshold_not_reached"), "{metrics}");
        assert_eq!(metrics["anomaly"].get("threshold"), None);
    }
}

/// What a command says of a child of the base.
fn said(command: &[&str], lines: &[Value], more: &str) -> Shot {
    world(lines, more).pipeline(command.iter().copied().chain(["experiments/one.toml"]))
}

#[test]
fn what_can_be_known_to_be_impossible_is_refused_by_check_with_its_place() {
    let severity =
        "[stage.corpus]\nclasses = { severity = [\"low\", \"mid\", \"high\"], topic = [] }\n";
    let cases = [
        ("severty = \"f1\"", "names `severty`, which is no head"),
        ("severity = \"f1\"", "names `severity`, which has 3 classes"),
        ("anomaly = { precision = 1.5 }", "must be"),
        ("anomaly = 2", "must be"),
        ("ner = \"f1\"", "is of heads over whole texts"),
    ];
    for (threshold, message) in cases {
        let more = format!("{severity}[stage.train]\nthresholds = {{ {threshold} }}\n");
        let shot = said(&["check"], &lines(), &more);
        assert_eq!(shot.code, Some(2), "{threshold}: {shot}");
        assert!(shot.stderr.contains(message) && shot.stderr.contains("one.toml:5:"), "{shot}");
    }
    let alerts = "[stage.train]\nthresholds = { anomaly = { alerts_per_day = 20 } }\n";
    let unordered = format!("unset = [\"stage.corpus.order\"]\n{alerts}");
    let cases = [
        (unordered.as_str(), "needs a corpus that is split by `order`"),
        (
            "[stage.corpus]\nsplit = { train = 1.0 }\n[stage.train]\ncalibrate = true\n",
            "`calibrate` needs a validation split",
        ),
        (
            "[stage.train]\nanomaly_weight = 0\nthresholds = { anomaly = \"f1\" }\n",
            "with `anomaly_weight = 0` that head is not trained",
        ),
    ];
    for (more, message) in cases {
        let shot = said(&["check"], &lines(), more);
        assert_eq!(shot.code, Some(2), "{shot}");
        assert!(shot.stderr.contains(message) && shot.stderr.contains("one.toml:"), "{shot}");
    }
}

#[test]
fn what_only_the_data_show_is_refused_before_the_training() {
    let alerts = "thresholds = { anomaly = { alerts_per_day = 20 } }\n";
    let numbers = format!("[stage.corpus]\norder = \"id\"\n[stage.train]\n{alerts}");
    let few = "[stage.train]\nthresholds = { anomaly = { alerts_per_day = 0.1 } }\n";
    let calm: Vec<Value> = lines()
        .into_iter()
        .enumerate()
        .map(|(number, mut line)| {
            if number >= 80 {
                line["anomaly"] = 0.into();
            }
            line
        })
        .collect();
    let sought = format!("[stage.train]\n{alerts}");
    let mut mixed = lines();
    mixed[0]["at"] = "yesterday".into();
    let cases = [
        (mixed, sought.as_str(), "needs an order of times, and other splits have values"),
        (lines(), numbers.as_str(), "the field `id`, by which the corpus is split, holds no times"),
        (lines(), few, "leaves no alert: the validation split spans 1.625 days"),
        (
            calm,
            "[stage.train]\nthresholds = { anomaly = \"f1\" }\n",
            "in the validation split: it has no anomaly",
        ),
    ];
    for (lines, more, message) in cases {
        assert_eq!(said(&["check"], &lines, more).code, Some(0));
        for command in [&["check", "--data"][..], &["run"]] {
            let shot = said(command, &lines, more);
            assert_ne!(shot.code, Some(0), "{shot}");
            assert!(shot.stderr.contains(message) && shot.stderr.contains("one.toml:"), "{shot}");
        }
    }
}

#[test]
fn weights_of_what_there_is_not_are_refused() {
    let severity: Vec<Value> = lines()
        .into_iter()
        .map(|line| json!({"text": line["text"], "at": line["at"], "severity": line["anomaly"]}))
        .collect();
    let declared = "[stage.corpus]\nclasses = [\"severity\"]\n";
    let at_once = [
        ("head_weights = { severty = 0.5 }", "`head_weights` names `severty`"),
        ("class_weights = { component = \"balanced\" }", "`class_weights` names `component`"),
    ];
    for (parameter, message) in at_once {
        let shot = said(&["check"], &severity, &format!("{declared}[stage.train]\n{parameter}\n"));
        assert_eq!(shot.code, Some(2), "{shot}");
        assert!(shot.stderr.contains(message), "{shot}");
    }
    let by_data = [
        (
            "class_weights = [1, 2]",
            "two numbers of `class_weights` are those of the head `anomaly`",
        ),
        ("anomaly_weight = 0.5", "`anomaly_weight` is that of the head `anomaly`"),
        ("token_class_weights = { HOST = 2 }", "`token_class_weights` names `HOST`"),
    ];
    for (parameter, message) in by_data {
        let more = format!("{declared}[stage.train]\n{parameter}\n");
        let shot = said(&["check", "--data"], &severity, &more);
        assert_eq!(shot.code, Some(2), "{shot}");
        assert!(shot.stderr.contains(message), "{shot}");
    }
    let world = World::new();
    world.child("one", "[stage.train]\ntoken_class_weights = { HOTS = 2 }\n");
    let shot = world.pipeline(["check", "experiments/one.toml"]);
    assert_eq!(shot.code, Some(2), "{shot}");
    assert!(shot.stderr.contains("it has `HOST`, `TIME`"), "{shot}");
}

#[test]
fn an_objective_that_nothing_will_ever_have_is_refused() {
    let baseline =
        "[stage.guess]\nkind = \"baseline\"\nmethod = \"majority\"\ncorpus = \"@corpus\"\n";
    let cases = [
        ("guess.loss", "a baseline has none"),
        ("guess.severity.f1", "the corpus has the heads `ner` and `anomaly`"),
        ("evaluate.severity.f1", "the model has the heads `ner` and `anomaly`"),
        ("evaluate.anomaly.precision_at_budget", "the model has no `alerts_per_day`"),
        ("evaluate.severity.per_class", "`evaluate.severity.per_class.` and its name"),
        ("evaluate.severity.macro_f2", "did you mean `evaluate.severity.macro_f1`?"),
    ];
    for (metric, message) in cases {
        let world = World::new();
        let sweep =
            format!("[sweep]\nobjective = \"max {metric}\"\n[sweep.over]\ntrain.epochs = [1, 2]\n");
        world.child("swept", &format!("{baseline}{sweep}"));
        let shot = world.pipeline(["check", "experiments/swept.toml"]);
        assert_eq!(shot.code, Some(2), "{metric}: {shot}");
        assert!(shot.stderr.contains(message), "{metric}: {shot}");
    }
}
