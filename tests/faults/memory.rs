//! Memory that the system does not give.

use std::process::Command;

use crate::support::*;

/// A training whose activations take far more than its parameters, and these far more than the program itself.
const LARGE: &str = r#"
extends = "small.toml"
[stage.corpus]
samples = 1000
[stage.init_model]
hidden_size = 768
num_hidden_layers = 6
intermediate_size = 1536
[stage.train]
batch_size = 512
epochs = 1
evaluate_every = 1000
"#;

/// Runs with at most so many megabytes of addresses.
fn run_with(project: &Project, megabytes: u64, arguments: &str) -> Ended {
    let program = assert_cmd::cargo::cargo_bin!("pipeline");
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("ulimit -v {} && exec \"$0\" {arguments}", megabytes << 10)])
        .arg(program)
        .current_dir(project.root());
    finish(start(&mut command))
}

#[test]
fn a_training_that_gets_no_memory_fails_with_its_name_and_what_helps() {
    let project = Project::new();
    project.write("large.toml", LARGE);
    let ended = project.pipeline(&["run", "large.toml", "tokenize"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let failed = |megabytes: u64, what: &str, help: &str| {
        let ended = run_with(&project, megabytes, "run large.toml train");
        let said = ended.stderr.contains(&format!("no memory is left for {what}"));
        let failed = ended.stderr.lines().find(|line| line.starts_with("train")).is_some()
            && ended.stderr.contains("failed");
        assert!(
            !said || (ended.code == Some(1) && failed && ended.stderr.contains(help)),
            "{megabytes} MB: {ended:#?}"
        );
        (said, ended)
    };
    for megabytes in (900..=1400).step_by(100) {
        let (said, ended) = failed(
            megabytes,
            "its activations",
            "lower `batch_size` and raise `gradient_accumulation` by as much",
        );
        assert!(said, "{megabytes} MB: {ended:#?}");
    }
    // Below that, threads take addresses by chance, and something small may be what is refused.
    let count = |what: &str, help: &str| {
        (60..800).step_by(40).filter(|megabytes| failed(*megabytes, what, help).0).count()
    };
    let counts = [
        count("the weights", "take a smaller model"),
        count("its gradients and the optimiser's moments", "take a smaller model"),
    ];
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

#[test]
fn a_model_for_which_there_is_no_memory_is_not_drawn() {
    let project = Project::new();
    let ended = run_with(
        &project,
        1000,
        "run small.toml init_model --set stage.init_model.hidden_size=8192",
    );
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(
        ended.stderr.contains("init_model  failed   no memory is left for the weights"),
        "{ended:#?}"
    );
    assert!(
        ended.stderr.contains("help: lower `hidden_size` or `num_hidden_layers`"),
        "{ended:#?}"
    );
}
