//! Work orders: written to a file, read again, and worked off without their plan.

use pipeline::engine::exec::{
    Cancel, ExecError, Existing, OrderError, RunOutcome, WorkOrder, execute_orders,
};
use serde_json::{Value, json};

use crate::kinds;
use crate::support::*;

const STAGES: &str = r#"
    [stage.first]
    kind = "write"
    text = "1"
    [stage.second]
    kind = "copy"
    from = "@first"
    suffix = "2"
    [stage.third]
    kind = "join"
    first = "@first"
    second = "@second"
    retry = 3
    timeout = "1h30m"
    after = ["aside"]
    [stage.aside]
    kind = "write"
    text = "aside"
"#;

/// The orders for all nodes of a plan, as lines.
fn lines(project: &Project, stages: &str) -> Vec<String> {
    let (plan, store) = (project.plan(stages), project.store());
    let line = |id| {
        let order = WorkOrder::of(&plan, id, &store).expect("every key is known");
        order.to_line().expect("there is a current folder")
    };
    plan.ids().map(line).collect()
}

fn read(line: &str) -> Result<WorkOrder, OrderError> {
    WorkOrder::read(line, kinds::ALL)
}

fn work_off(project: &Project, lines: &[String]) -> Result<RunOutcome, ExecError> {
    let orders: Vec<WorkOrder> = lines.iter().map(|line| read(line).expect("an order")).collect();
    execute_orders(&orders, &project.store(), &project.options, &(), &Cancel::new())
}

/// The first order, with one of its members changed.
fn changed(
    project: &Project,
    stage: usize,
    member: &str,
    value: Value,
) -> Result<WorkOrder, OrderError> {
    let mut order: Value = serde_json::from_str(&lines(project, STAGES)[stage]).expect("JSON");
    order[member] = value;
    read(&order.to_string())
}

#[test]
fn orders_leave_the_entries_that_the_plan_leaves() {
    let (planned, ordered) = (Project::new(), Project::new());
    planned.run(STAGES);
    let mut lines = lines(&ordered, STAGES);
    lines.reverse();
    let outcome = work_off(&ordered, &lines).expect("it can start");
    assert_eq!((outcome.exit_code(), outcome.counts().built), (0, 4));
    assert!(contents(&ordered.store()) == contents(&planned.store()));
    assert_eq!(ordered.run(STAGES).started(), [""; 0]);
}

#[test]
fn an_order_is_the_same_after_it_was_read() {
    let project = Project::new();
    for line in lines(&project, STAGES) {
        assert_eq!(read(&line).expect("an order").to_line().expect("writable"), line);
    }
}

#[test]
fn an_order_keeps_its_limits() {
    let project = Project::new();
    let orders: Vec<WorkOrder> =
        lines(&project, STAGES).iter().map(|line| read(line).expect("an order")).collect();
    let third = orders.iter().find(|order| &*order.name.stage == "third").expect("there");
    assert_eq!((third.retry, third.timeout), (3, Some(std::time::Duration::from_secs(5400))));
    assert_eq!(third.after.len(), 1);
}

#[test]
fn what_is_in_the_store_needs_no_order() {
    let project = Project::new();
    project.run("[stage.first]\nkind = \"write\"\ntext = \"1\"\n");
    let lines = lines(&project, STAGES);
    let without_first: Vec<String> =
        lines.into_iter().filter(|line| !line.contains("\"stage\":\"first\"")).collect();
    let outcome = work_off(&project, &without_first).expect("it can start");
    assert_eq!((outcome.exit_code(), outcome.counts().built), (0, 3));
}

#[test]
fn what_is_nowhere_is_missed_before_anything_runs_or_is_written() {
    let project = Project::new();
    let lines = lines(&project, STAGES);
    let missing = |error: &ExecError| matches!(error, ExecError::InputMissing { stage, .. } if stage == "second");
    let second = lines.into_iter().find(|line| line.contains("\"stage\":\"second\""));
    assert!(work_off(&project, &[second.expect("there")]).is_err_and(|error| missing(&error)));
    assert!(!project.outputs().exists());
}

#[test]
fn a_damaged_input_that_no_order_makes_is_a_failure() {
    let project = Project::new();
    let first = "[stage.first]\nkind = \"write\"\ntext = \"1\"\n";
    project.run(first);
    flip(&project.folder(first, "first").join("text"));
    let lines = lines(&project, STAGES);
    let second = lines.into_iter().find(|line| line.contains("\"stage\":\"second\""));
    let outcome = work_off(&project, &[second.expect("there")]).expect("it can start");
    let error = &outcome.errors()[0];
    assert_eq!(outcome.exit_code(), 1);
    assert_eq!(error.message, "the input `from` is damaged, and no order makes it");
}

#[test]
fn an_order_that_was_changed_does_not_have_its_key() {
    let project = Project::new();
    let plan = project.plan(STAGES);
    let first = plan.node_of(0, "first").expect("there").index();
    let second = plan.node_of(0, "second").expect("there").index();
    let other_key = "0".repeat(64);
    let is_key = |read: Result<WorkOrder, OrderError>| matches!(read, Err(OrderError::Key { .. }));
    assert!(is_key(changed(&project, first, "parameters", json!({"text": "2"}))));
    assert!(is_key(changed(&project, first, "key", json!(other_key))));
    let of_no_hub = changed(&project, first, "commit", json!("ab"));
    assert!(matches!(of_no_hub, Err(OrderError::Commit { kind: "write" })));
    assert!(is_key(changed(&project, second, "inputs", json!({"from": other_key}))));
}

#[test]
fn what_is_no_order_says_what_is_wrong_with_it() {
    let project = Project::new();
    let plan = project.plan(STAGES);
    let second = plan.node_of(0, "second").expect("there").index();
    let wrong = |member, value| {
        changed(&project, second, member, value).err().map(|error| error.to_string())
    };
    let said = [
        wrong("format", json!(2)),
        wrong("kind", json!("coppy")),
        wrong("parameters", json!({"suffix": 7})),
        wrong("inputs", json!({})),
        wrong("sources", json!({"path": "00"})),
        wrong("timeout", json!("soon")),
    ];
    let expected = [
        "it is a work order of format 2, and this program reads format 1",
        "there is no stage kind `coppy`",
        "the parameters are not those of the kind `copy`: invalid type: integer `7`, expected a string",
        "the kind `copy` has the ports `from`, and the inputs are none",
        "the source files of the stage are none, and digests are there of `path`",
        "`soon` is no time",
    ];
    assert_eq!(said.map(Option::unwrap_or_default), expected);
    assert!(read("{}").is_err() && read("[1]").is_err() && read("run").is_err());
    assert!(changed(&project, second, "comment", json!("x")).is_err());
}

#[test]
fn orders_that_wait_for_each_other_are_refused() {
    let project = Project::new();
    let key = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["key"].clone();
    let stage = |name: &str| format!("[stage.{name}]\nkind = \"write\"\ntext = \"{name}\"\n");
    let lines = lines(&project, &["a", "b", "c"].map(stage).concat());
    let after = |line: &str, other: &str| {
        let mut order: Value = serde_json::from_str(line).expect("JSON");
        order["after"] = json!([key(other)]);
        order.to_string()
    };
    // What only waits for a circle is not named.
    let circle = [(2, 0), (0, 1), (1, 0)].map(|(of, other)| after(&lines[of], &lines[other]));
    let Err(ExecError::Circle { mut stages }) = work_off(&project, &circle) else {
        panic!("orders in a circle were worked off");
    };
    stages.sort();
    assert_eq!(stages, ["a", "b"]);
}

#[test]
fn a_source_file_that_changed_since_the_order_was_made_is_no_longer_read() {
    let project = Project::new();
    let source = project.root().join("source");
    std::fs::write(&source, "before").expect("writable");
    let lines = lines(&project, &format!("[stage.read]\npath = \"{}\"\n", source.display()));
    std::fs::write(&source, "after it").expect("writable");
    let outcome = work_off(&project, &lines).expect("it can start");
    let errors = outcome.errors();
    assert!(
        errors[0].message.ends_with("is no longer what it was when this was planned"),
        "{errors:?}"
    );
}

#[test]
fn a_result_that_is_ordered_again_is_made_again() {
    let project = Project::new();
    let stages = "[stage.first]\nkind = \"write\"\ntext = \"1\"\n";
    project.run(stages);
    let lines = lines(&project, stages);
    assert_eq!(work_off(&project, &lines).expect("it can start").counts().cached, 1);
    let mut order = read(&lines[0]).expect("an order");
    order.existing = Existing::Outdated;
    let again = [order.to_line().expect("writable")];
    assert_eq!(work_off(&project, &again).expect("it can start").counts().built, 1);
}
