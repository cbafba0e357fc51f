//! Real logs, where `PIPELINE_TEST_DATA` says where they are.

use super::support::Project;

/// A few steps only: how well a model gets is measured in release builds, and said in the README.
#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn a_real_log_file_trains_and_warns_of_lines_in_two_splits() {
    let Some(data) = std::env::var_os("PIPELINE_TEST_DATA") else {
        eprintln!("skipped: PIPELINE_TEST_DATA is not set");
        return;
    };
    let log = std::path::Path::new(&data).join("bgl/bgl.jsonl");
    let project = Project::new();
    let text = format!(
        "extends = \"quick.toml\"\nunset = [\"stage.corpus\"]\n[stage.corpus]\nkind = \"read_corpus\"\npath = {:?}\nsplit = {{ train = 0.8, validation = 0.2 }}\nduplicates = \"keep\"\n[stage.train]\nepochs = 1\n",
        log.display().to_string()
    );
    project.write("experiments/log.toml", &text);
    let output = project.run(&["run", "experiments/log.toml"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("validation texts are also in train"));
    let metrics = project.json("outputs/log/metrics.json");
    assert!(metrics["ner"]["span_f1"].as_f64().is_some_and(|f1| f1 > 0.2), "{metrics}");
    assert!(metrics["anomaly"]["auroc"].as_f64().is_some_and(|area| area > 0.6), "{metrics}");

    project.write(
        "experiments/log_by_event.toml",
        "extends = \"log.toml\"\n[stage.corpus]\nby = \"event\"\n",
    );
    let output = project.run(&["run", "experiments/log_by_event.toml", "corpus"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("also in train"));
}
