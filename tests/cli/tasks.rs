//! What a model is trained for follows from what its corpus is labelled for.

use serde_json::{Value, json};

use crate::world::{OF_LINES, Shot, World};

fn world(lines: &[Value], more: &str) -> World {
    let world = World::empty();
    let plot = "[stage.plot]\nhistory = \"@train\"\nevaluation = \"@evaluate\"\n";
    world.write("experiments/base.toml", format!("{OF_LINES}{plot}"));
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    world.write("experiments/lines.jsonl", lines);
    world.write("experiments/one.toml", format!("extends = \"base.toml\"\n{more}"));
    world
}

fn run(world: &World) {
    let shot = world.pipeline(["run", "experiments/one.toml"]);
    assert_eq!(shot.code, Some(0), "{shot}");
}

fn read(world: &World, name: &str) -> Value {
    serde_json::from_str(&world.read(&format!("outputs/one/{name}"))).expect("JSON")
}

fn header(text: &str) -> Vec<&str> {
    text.lines().next().expect("a header").split(',').collect()
}

fn head_names(world: &World) -> Vec<Value> {
    let heads = read(world, "model/heads.json");
    heads["heads"].as_array().expect("a list").iter().map(|head| head["name"].clone()).collect()
}

/// Texts whose severity and urgency follow from a word each; every fourth lacks one of its labels.
fn tickets() -> Vec<Value> {
    let line = |number: usize| {
        let severity = ["low", "mid", "high"][number % 3];
        let urgent = number / 3 % 2 == 1;
        let word = ["fine", "slow", "down"][number % 3];
        let asked = if urgent { "now" } else { "later" };
        let text = format!("db-{number} is {word}, look {asked}");
        let end = 3 + number.to_string().len();
        let mut line = json!({
            "text": text, "id": number, "severity": severity, "urgent": u8::from(urgent),
            "entities": [{"start": 0, "end": end, "label": "HOST"}],
        });
        let lacks = match number % 16 {
            3 => Some("severity"),
            7 => Some("urgent"),
            11 => Some("entities"),
            _ => None,
        };
        lacks.map(|member| line.as_object_mut().expect("an object").remove(member));
        line
    };
    (0..48).map(line).collect()
}

const HEADS: &str =
    "[stage.corpus]\nclasses = { severity = [\"low\", \"mid\", \"high\"], urgent = [] }\n";

#[test]
fn a_corpus_with_two_heads_and_entities_trains_three_tasks_from_texts_that_lack_labels() {
    let more = format!(
        "{HEADS}[stage.train]\nkeep_best = \"urgent.macro_f1\"\nhead_weights = {{ urgent = 0.5 }}\n\
         class_weights = {{ severity = \"balanced\", urgent = {{ 1 = 2.0 }} }}\n\
         token_class_weights = {{ O = 0.5 }}\nfocal_gamma = 1.0\n"
    );
    let world = world(&tickets(), &more);
    run(&world);
    assert_eq!(head_names(&world), ["ner", "severity", "urgent"]);
    let heads = read(&world, "model/heads.json");
    assert_eq!(heads["heads"][1]["labels"], json!(["low", "mid", "high"]));
    let metrics = read(&world, "metrics.json");
    let names = |head: &str| -> Vec<String> {
        metrics[head].as_object().expect("an object").keys().cloned().collect()
    };
    let mut of_severity = names("severity");
    of_severity.sort();
    assert_eq!(of_severity, ["accuracy", "confusion", "ece", "macro_f1", "micro_f1", "per_class"]);
    assert!(names("urgent").contains(&"average_precision".to_owned()), "{metrics}");
    assert!(metrics["severity"]["macro_f1"].as_f64().is_some_and(|f1| f1 > 0.9), "{metrics}");
    assert!(metrics["urgent"]["f1"].as_f64().is_some_and(|f1| f1 > 0.9), "{metrics}");
    let counted: u64 = metrics["severity"]["confusion"]
        .as_array()
        .expect("rows")
        .iter()
        .flat_map(|row| row.as_array().expect("counts"))
        .filter_map(Value::as_u64)
        .sum();
    assert_eq!(counted, 45, "texts without the label count nowhere: {metrics}");
    assert!(metrics.get("anomaly").is_none(), "{metrics}");
    let history = world.read("outputs/one/history.csv");
    assert_eq!(header(&history)[5..8], ["ner_loss", "severity_loss", "urgent_loss"]);
    let predictions = world.read("outputs/one/predictions.csv");
    let columns = header(&predictions);
    for column in ["predicted_severity", "severity_score", "urgent", "urgent_score", "entities"] {
        assert!(columns.contains(&column), "{column}: {columns:?}");
    }
    let files = world.names("outputs/one").join(" ");
    for file in
        ["severity_confusion.png", "urgent_confusion.png", "urgent_roc.png", "ner_confusion.png"]
    {
        assert!(files.contains(file), "{file}: {files}");
    }
    assert!(!files.contains("severity_roc.png"), "{files}");
    assert!(world.read("outputs/one/classification_report.txt").contains("Class `severity`"));

    world.write("texts.txt", "db-7 is down, look now\n\n");
    let shot = world.pipeline(["predict", "outputs/one", "texts.txt"]).stdout;
    let answers: Vec<Value> =
        shot.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(answers[0]["severity"], "high", "{shot}");
    assert!(answers[0]["urgent_score"].as_f64().is_some_and(|score| score > 0.5), "{shot}");
    assert!(answers[0]["entities"].is_array(), "{shot}");
    assert_eq!(answers[1]["severity"], Value::Null, "{shot}");
    let refused =
        world.pipeline(["predict", "outputs/one", "texts.txt", "--threshold", "severity=0.9"]);
    assert_eq!(refused.code, Some(2), "{refused}");
    assert!(world.pipeline(["run", "experiments/one.toml"]).stdout.contains("6 cached"));
}

#[test]
fn a_corpus_without_entities_has_no_tags_and_one_without_classes_no_classes() {
    let lines: Vec<Value> = tickets()
        .into_iter()
        .filter(|line| line.get("severity").is_some())
        .map(|line| json!({"text": line["text"], "severity": line["severity"]}))
        .collect();
    let world = self::world(&lines, "[stage.corpus]\nclasses = [\"severity\"]\n");
    run(&world);
    assert_eq!(head_names(&world), ["severity"]);
    let metrics = read(&world, "metrics.json");
    assert!(metrics.get("ner").is_none() && metrics.get("anomaly").is_none(), "{metrics}");
    // By name: high, low, mid.
    assert_eq!(
        read(&world, "model/heads.json")["heads"][0]["labels"],
        json!(["high", "low", "mid"])
    );

    let lines: Vec<Value> = tickets()
        .into_iter()
        .filter(|line| line.get("entities").is_some())
        .map(|line| json!({"text": line["text"], "entities": line["entities"]}))
        .collect();
    let world = self::world(&lines, "");
    run(&world);
    assert_eq!(head_names(&world), ["ner"]);
    let metrics = read(&world, "metrics.json");
    assert!(metrics["ner"]["span_f1"].is_f64() && metrics.get("anomaly").is_none(), "{metrics}");
    assert!(!header(&world.read("outputs/one/predictions.csv")).contains(&"anomaly"));
}

#[test]
fn a_metric_of_a_head_that_there_is_not_is_refused_as_soon_as_that_is_known() {
    let world = world(&tickets(), HEADS);
    let asked = |command: &[&str], metric: &str| -> Shot {
        let set = format!("stage.train.keep_best={metric}");
        world.pipeline(command.iter().copied().chain(["experiments/one.toml", "--set", &set]))
    };
    assert_eq!(asked(&["check"], "anomaly.f1").code, Some(0), "it needs no mention");
    for command in [&["check", "--data"][..], &["run"]] {
        let unknown = asked(command, "anomaly.f1");
        assert_ne!(unknown.code, Some(0), "{unknown}");
        assert!(unknown.stderr.contains("`ner`, `severity` and `urgent`"), "{unknown}");
    }
    for command in [&["check"][..], &["check", "--data"], &["run"]] {
        let unknown = asked(command, "component.f1");
        assert_eq!(unknown.code, Some(2), "{unknown}");
        assert!(unknown.stderr.contains("`anomaly`, `severity` and `urgent`"), "{unknown}");
        let of_two = asked(command, "severity.f1");
        assert_ne!(of_two.code, Some(0), "{of_two}");
        assert!(of_two.stderr.contains("severity.macro_f1"), "{of_two}");
    }
    assert_eq!(asked(&["check", "--data"], "urgent.f1").code, Some(0));
    let objective =
        "[sweep]\nobjective = \"max evaluate.component.f1\"\n[sweep.over]\ntrain.epochs = [1, 2]\n";
    world.write("experiments/two.toml", format!("extends = \"one.toml\"\n{objective}"));
    let unknown = world.pipeline(["check", "experiments/two.toml"]);
    assert_eq!(unknown.code, Some(2), "{unknown}");
    assert!(unknown.stderr.contains("the model can have the heads"), "{unknown}");
    let objective = objective.replace("component", "anomaly");
    world.write("experiments/two.toml", format!("extends = \"one.toml\"\n{objective}"));
    let warned = world.pipeline(["check", "--data", "experiments/two.toml"]);
    assert!(warned.to_string().contains("`ner`, `severity` and `urgent`"), "{warned}");
}

#[test]
fn a_head_that_templates_do_not_have_is_no_metric_and_no_objective() {
    let world = World::new();
    let unknown = world.pipeline([
        "check",
        "experiments/mini.toml",
        "--set",
        "stage.train.keep_best=severity.f1",
    ]);
    assert_eq!(unknown.code, Some(2), "{unknown}");
    assert!(unknown.stderr.contains("`ner` and `anomaly`"), "{unknown}");
    world.child(
        "swept",
        "[sweep]\nmethod = \"grid\"\nobjective = \"max evaluate.severity.f1\"\n[sweep.over]\ntrain.epochs = [1, 2]\n",
    );
    let unknown = world.pipeline(["check", "experiments/swept.toml"]);
    assert_eq!(unknown.code, Some(2), "{unknown}");
    assert!(unknown.stderr.contains("`ner` and `anomaly`"), "{unknown}");
    let no_metric = world.pipeline([
        "check",
        "experiments/mini.toml",
        "--set",
        "stage.train.keep_best=anomaly.f",
    ]);
    assert_eq!(no_metric.code, Some(2), "{no_metric}");
    let help = "did you mean `anomaly.f1`?";
    assert!(
        no_metric.stderr.contains(help) && no_metric.stderr.contains("keep_best="),
        "{no_metric}"
    );
}
