//! Ports that may be left out, that take several stages, and inputs of a stage's own.

use crate::world::{SMALL, World};

/// The names of the inputs of `added`, a stage that is added to `SMALL`.
fn inputs(added: &str) -> Vec<String> {
    let plan = World::new().plan(&format!("{SMALL}\n[stage.added]\n{added}"));
    let id = plan.node_of(0, "added").expect("planned");
    plan.node(id).inputs.iter().map(|(name, _)| name.to_string()).collect()
}

fn mistakes(added: &str) -> String {
    World::new().mistakes(&format!("{SMALL}\n[stage.added]\n{added}"))
}

#[test]
fn a_port_that_takes_several_numbers_its_inputs() {
    let added = "kind = 'compare'\nbase = '@evaluate'\nevaluations = ['@evaluate', '@evaluate']";
    assert_eq!(inputs(added), ["evaluations.0", "evaluations.1", "base"]);
}

#[test]
fn a_port_that_takes_several_may_have_none() {
    assert_eq!(inputs("kind = 'compare'\nevaluations = []"), [""; 0]);
    assert_eq!(inputs("kind = 'compare'"), [""; 0]);
}

#[test]
fn the_order_of_several_inputs_is_in_the_key() {
    let key = |list: &str| {
        let second = "[stage.again]\nkind = 'evaluate'\nmodel = '@train'\ndata = '@tokenize'\nsplit = 'test'";
        let added = format!("[stage.added]\nkind = 'compare'\nevaluations = {list}");
        let plan = World::new().plan(&format!("{SMALL}\n{second}\n{added}"));
        plan.node(plan.node_of(0, "added").expect("planned")).identity.key().expect("known")
    };
    assert_ne!(key("['@evaluate', '@again']"), key("['@again', '@evaluate']"));
}

#[test]
fn a_list_is_asked_for_where_a_port_takes_several() {
    insta::assert_snapshot!(mistakes("kind = 'compare'\nevaluations = '@evaluate'"));
}

#[test]
fn a_list_is_refused_where_a_port_takes_one() {
    insta::assert_snapshot!(mistakes("kind = 'compare'\nbase = ['@evaluate']"));
}

#[test]
fn every_stage_of_a_list_is_looked_at() {
    let added = "kind = 'compare'\nevaluations = ['@train', '@nobody', 'evaluate', 3]";
    insta::assert_snapshot!(mistakes(added));
}

#[test]
fn a_kind_with_free_inputs_takes_any_stage_under_any_name() {
    assert_eq!(inputs("kind = 'tool'\nwords = '@corpus'\nnet = '@train'"), ["words", "net"]);
}

#[test]
fn a_value_under_a_name_that_is_no_parameter_is_refused_in_spite_of_free_inputs() {
    insta::assert_snapshot!(mistakes("kind = 'tool'\nwords = 3"));
}

#[test]
fn a_parameter_decides_what_a_stage_can_be_wired_to() {
    let tool = |output: &str| {
        let text = format!("{SMALL}\n[stage.tool]\noutput = '{output}'\n");
        text + "[stage.added]\nkind = 'compare'\nbase = '@tool'"
    };
    World::new().plan(&tool("evaluation"));
    insta::assert_snapshot!(World::new().mistakes(&tool("figures")));
}

#[test]
fn a_parameter_that_decides_the_output_cannot_be_swept() {
    let axis = "[sweep.over]\nadded.output = ['figures', 'evaluation']";
    insta::assert_snapshot!(mistakes(&format!("kind = 'tool'\n{axis}")));
}
