//! Work orders in processes of their own: what they leave is what `run` leaves.

use super::support::Project;

/// Everything of a results folder but clocks.
const FILES: [&str; 4] =
    ["model/model.safetensors", "history.csv", "metrics.json", "predictions.csv"];

/// The shipped file, with less of it to do.
const LESS: [&str; 6] = [
    "--set",
    "corpus.samples=160",
    "--set",
    "train.epochs=1",
    "--set",
    "init_model.hidden_size=32",
];

fn results(project: &Project) -> Vec<Vec<u8>> {
    FILES.map(|file| project.read(&format!("outputs/tiny/{file}"))).into()
}

fn orders(project: &Project) -> Vec<String> {
    let output = project.run(&[&["plan", "experiments/tiny.toml", "--orders"][..], &LESS].concat());
    String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
}

/// Publishes what orders have made, and expects that nothing is left to do.
fn publish(project: &Project) -> Vec<Vec<u8>> {
    let outcomes = project.outcomes(&[&["experiments/tiny.toml"][..], &LESS].concat());
    assert!(outcomes.keys().all(|(_, how)| how == "stage_cached"), "{outcomes:?}");
    results(project)
}

#[test]
fn tiny_worked_off_as_orders_leaves_the_bytes_that_a_run_leaves() {
    let reference = Project::new();
    reference.run(&[&["run", "experiments/tiny.toml"][..], &LESS].concat());
    let expected = results(&reference);

    let together = Project::new();
    let mut lines = orders(&together);
    assert_eq!(lines.len(), 7);
    lines.reverse();
    together.write("orders.jsonl", &lines.join("\n"));
    together.run(&["stage", "run", "orders.jsonl"]);
    assert!(publish(&together) == expected);
    assert_eq!(orders(&together), [""; 0]);

    let apart = Project::new();
    for (number, line) in orders(&apart).iter().enumerate() {
        apart.write(&format!("{number}.jsonl"), line);
        apart.run(&["stage", "run", &format!("{number}.jsonl"), "--json"]);
    }
    assert!(publish(&apart) == expected);
}
