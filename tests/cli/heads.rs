//! A head with weight 0: it is not trained, so it is not there, and says nothing.

use serde_json::Value;

use crate::world::{Shot, World};

/// A child of `mini.toml` that was run with one weight at 0.
fn trained_without(weight: &str) -> World {
    let world = World::new();
    world.child("one", &format!("[stage.train]\n{weight} = 0\n"));
    let shot = world.pipeline(["run", "experiments/one.toml"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    world
}

fn json(world: &World, name: &str) -> Value {
    serde_json::from_str(&world.read(name)).expect("JSON")
}

fn predicted(world: &World) -> Value {
    world.write("texts.txt", "attack on db-07 since 02:15\n");
    world.pipeline(["predict", "outputs/one", "texts.txt"]).json()
}

fn header(world: &World) -> String {
    world.read("outputs/one/predictions.csv").lines().next().expect("a header").to_owned()
}

/// Names of the tensors of the heads.
fn tensors(world: &World) -> Vec<String> {
    let bytes = std::fs::read(world.path("outputs/one/model/model.safetensors")).expect("readable");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let mut names: Vec<String> = tensors
        .names()
        .into_iter()
        .filter(|name| name.contains("classifier"))
        .map(str::to_owned)
        .collect();
    names.sort();
    names
}

fn heads(world: &World) -> Vec<Value> {
    let heads = json(world, "outputs/one/model/heads.json");
    heads["heads"].as_array().expect("a list").iter().map(|head| head["name"].clone()).collect()
}

/// Every score that is not null, whatever counts and lists are beside them.
fn defined(scores: &Value) -> Vec<&String> {
    let scores = scores.as_object().expect("an object");
    scores.iter().filter(|(_, value)| value.is_f64()).map(|(name, _)| name).collect()
}

#[test]
fn a_model_that_only_tags_says_nothing_of_anomalies() {
    let world = trained_without("anomaly_weight");
    assert_eq!(heads(&world), ["ner"]);
    assert_eq!(tensors(&world), ["ner_classifier.bias", "ner_classifier.weight"]);
    let metrics = json(&world, "outputs/one/metrics.json");
    let anomaly = metrics["anomaly"].as_object().expect("an object");
    assert!(anomaly.contains_key("auroc") && anomaly.values().all(Value::is_null), "{metrics}");
    assert!(metrics["ner"]["token_accuracy"].is_f64() && metrics["loss"].is_f64(), "{metrics}");
    assert!(!header(&world).contains("anomaly"), "{}", header(&world));
    let answer = predicted(&world);
    assert!(answer["entities"].is_array() && answer.get("anomaly").is_none(), "{answer}");
    assert!(answer.get("anomaly_score").is_none(), "{answer}");
    assert!(!world.read("outputs/one/classification_report.txt").contains("Anomaly"));
    let files = world.names("outputs/one").join(" ");
    assert!(files.contains("ner_confusion.png") && !files.contains("roc.png"), "{files}");
    assert!(!files.contains("anomaly_confusion.png"), "{files}");
    let history = world.read("outputs/one/history.csv");
    for row in csv::Reader::from_reader(history.as_bytes()).records() {
        let row = row.expect("a row");
        assert_eq!((&row[4], &row[6]), (&row[5], ""), "the loss is that of the tags: {history}");
    }
}

#[test]
fn texts_of_one_class_are_no_caveat_where_the_classes_are_not_learnt() {
    let said = |weight: &str| {
        let world = World::new();
        let text = format!(
            "[stage.corpus]\nanomaly_ratio = 0\n[stage.train]\nanomaly_weight = {weight}\n"
        );
        world.child("calm", &text);
        let shots = ["check --data", "run", "run"].map(|command| {
            let words = command.split(' ').chain(["experiments/calm.toml"]);
            world.pipeline(words.collect::<Vec<_>>()).to_string()
        });
        let codes: Vec<Value> = json(&world, "outputs/calm/metrics.json")["caveats"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|caveat| caveat["code"].clone())
            .collect();
        (shots.map(|shot| shot.contains("is an anomaly: ")), codes)
    };
    let (shown, codes) = said("0");
    assert!(shown == [false; 3] && !codes.contains(&"class_never_occurs".into()), "{codes:?}");
    let (shown, codes) = said("1");
    assert!(shown == [true; 3] && codes.contains(&"class_never_occurs".into()), "{codes:?}");
}

#[test]
fn a_trial_without_a_head_has_no_column_for_its_confusion() {
    let world = World::new();
    world.child(
        "heads",
        "[sweep]\nmethod = \"grid\"\n[sweep.over]\ntrain.anomaly_weight = [0.0, 1.0]\n",
    );
    let shot = world.pipeline(["run", "experiments/heads.toml"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    let trials = world.read("outputs/heads/trials.csv");
    assert!(trials.contains("evaluate.anomaly.f1") && !trials.contains("confusion"), "{trials}");
}

#[test]
fn a_model_that_only_classifies_tags_nothing() {
    let world = trained_without("ner_weight");
    assert_eq!(heads(&world), ["anomaly"]);
    assert_eq!(tensors(&world), ["anomaly_classifier.bias", "anomaly_classifier.weight"]);
    let metrics = json(&world, "outputs/one/metrics.json");
    assert_eq!(defined(&metrics["ner"]), Vec::<&String>::new(), "{metrics}");
    assert!(metrics["anomaly"]["accuracy"].is_f64(), "{metrics}");
    assert!(!header(&world).contains("entities"), "{}", header(&world));
    let answer = predicted(&world);
    assert!(answer["anomaly"].is_u64() && answer.get("entities").is_none(), "{answer}");
    let report = world.read("outputs/one/classification_report.txt");
    assert!(report.contains("Anomaly detection") && !report.contains("Named entities"), "{report}");
    let files = world.names("outputs/one").join(" ");
    assert!(files.contains("roc.png") && !files.contains("ner_confusion"), "{files}");
}

/// What `check` says of a child of `mini.toml`.
fn checked(text: &str) -> Shot {
    let world = World::new();
    world.child("one", text);
    world.pipeline(["check", "experiments/one.toml"])
}

#[test]
fn a_metric_of_an_untrained_head_is_refused_before_anything_runs() {
    let shot = checked(
        "[stage.train]\nanomaly_weight = 0\nkeep_best = \"anomaly.f1\"\n\
         early_stopping = { metric = \"anomaly.auroc\", patience = 2 }\n",
    );
    assert_eq!(shot.code, Some(2), "{shot}");
    for said in [
        "`keep_best` cannot go by `anomaly.f1`: with `anomaly_weight = 0`",
        "`early_stopping` cannot go by `anomaly.auroc`: with `anomaly_weight = 0`",
    ] {
        assert!(shot.stderr.contains(said), "{shot}");
    }
}

#[test]
fn an_objective_of_an_untrained_head_is_refused_unless_some_trial_trains_it() {
    let sweep = |axis: &str| {
        checked(&format!(
            "[stage.train]\nner_weight = 0\n[sweep]\nmethod = \"grid\"\n\
             objective = \"max evaluate.ner.span_f1\"\n[sweep.over]\n{axis}\n"
        ))
    };
    let shot = sweep("train.learning_rate = [1e-3, 2e-3]");
    assert_eq!(shot.code, Some(2), "{shot}");
    let said = "`evaluate.ner.span_f1` is undefined in every trial: the model has no head `ner`";
    assert!(shot.stderr.contains(said), "{shot}");
    let shot = sweep("train.ner_weight = [0.0, 1.0]");
    assert_eq!(shot.code, Some(0), "{shot}");
}

/// Words of `HOST` and `TIME` are of several tokens and of several words, such as `db-07`.
#[test]
fn a_model_says_where_its_entities_end_and_all_who_ask_it_read_it_alike() {
    let world = World::new();
    let train = "[stage.train]\nepochs = 3\nlearning_rate = 4e-3\nviterbi = true\nkeep_best = \"ner.span_f1\"\n";
    world.child("words", train);
    let shot = world.pipeline(["run", "experiments/words.toml"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    let heads = json(&world, "outputs/words/model/heads.json");
    assert_eq!((&heads["decoding"], &heads["viterbi"]), (&"words".into(), &true.into()));
    let evaluated = world.read("outputs/words/predictions.csv");
    let mut evaluated = csv::Reader::from_reader(evaluated.as_bytes());
    let column = |name: &str, header: &csv::StringRecord| header.iter().position(|it| it == name);
    let header = evaluated.headers().expect("a header").clone();
    let [text, entities] =
        ["text", "predicted_entities"].map(|name| column(name, &header).expect("a column"));
    let rows: Vec<csv::StringRecord> = evaluated.records().map(|row| row.expect("a row")).collect();
    let texts: Vec<&str> = rows.iter().map(|row| &row[text]).collect();
    world.write("texts.txt", texts.join("\n"));
    let said = world.pipeline(["predict", "outputs/words", "texts.txt"]).stdout;
    let mut found = 0;
    for (row, line) in rows.iter().zip(said.lines()) {
        let evaluated: Vec<Value> = serde_json::from_str(&row[entities]).expect("JSON");
        let mut predicted: Value = serde_json::from_str(line).expect("JSON");
        let predicted = predicted["entities"].as_array_mut().expect("a list");
        for entity in predicted.iter_mut() {
            let score = entity.as_object_mut().expect("an object").remove("score");
            assert!(score.is_some(), "{line}");
            let ends = ["start", "end"].map(|end| entity[end].as_u64().expect("a number") as usize);
            let characters: Vec<char> = row[text].chars().collect();
            let splits = |at: &usize| {
                *at > 0
                    && *at < characters.len()
                    && [at - 1, *at].iter().all(|at| characters[*at].is_alphanumeric())
            };
            assert!(!ends.iter().any(splits), "{line}");
        }
        assert_eq!(*predicted, evaluated, "{line}");
        found += evaluated.len();
    }
    assert!(found > 0, "it has learnt nothing");
    let watched = world.read("outputs/words/history.csv");
    let best = watched.lines().filter_map(|row| row.rsplit(',').next()?.parse::<f64>().ok());
    let metrics = json(&world, "outputs/words/metrics.json");
    assert_eq!(best.reduce(f64::max), metrics["ner"]["span_f1"].as_f64());
}

/// `02` of `002:15` is no word.
#[test]
fn entities_that_are_no_whole_words_are_told_before_a_training_and_beside_its_scores() {
    let world = World::new();
    let events = world.read("experiments/data/events.toml");
    world.write("experiments/data/events.toml", events.replace("{time}", "0{time}"));
    let said = |decode: &str| {
        world.child("parts", &format!("[stage.train]\ndecode = \"{decode}\"\n"));
        let check = world.pipeline(["check", "--data", "experiments/parts.toml"]).to_string();
        let run = world.pipeline(["run", "experiments/parts.toml"]);
        assert_eq!(run.code, Some(0), "{run}");
        let told = "entities begin or end inside a word";
        let caveat = world.read("outputs/parts/metrics.json").contains("entities_inside_words");
        (check.contains(told), run.stderr.contains(told), caveat)
    };
    assert_eq!(said("words"), (true, true, true));
    assert_eq!(said("tokens"), (false, false, false));
}
