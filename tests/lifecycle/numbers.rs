//! Numbers that go wrong: a decay that multiplies the weights with -99 at every step overflows soon.

use crate::support::Project;

const DIVERGES: &str =
    "learning_rate = 10.0\nweight_decay = 10.0\nschedule = \"constant\"\nepochs = 12";

/// Numbers in a text.
fn numbers(text: &str) -> Vec<u64> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn a_training_that_diverges_stops_and_names_the_step_its_lines_and_the_last_good_checkpoint() {
    let project = Project::new();
    let ran = project.run(&format!("{DIVERGES}\ncheckpoint_every = 1"));
    let error = ran.error();
    let (what, rest) = error
        .split_once(" is not finite; its texts are those of line ")
        .unwrap_or_else(|| panic!("{error}"));
    let (lines, checkpoint) = rest
        .split_once(" of the training split; the last good saved state is that of step ")
        .expect(&error);
    let step = numbers(what)[0];
    assert_eq!(numbers(checkpoint), [step - 2], "the loss of the step after it is finite: {error}");
    assert_eq!(numbers(lines).len(), 8, "a batch: {error}");
    assert!(ran.help().contains("on_nonfinite"), "{}", ran.help());
}

#[test]
fn without_a_checkpoint_it_says_so() {
    let error = Project::new().run(DIVERGES).error();
    assert!(error.ends_with("there is no earlier saved state"), "{error}");
}

#[test]
fn a_training_in_which_nothing_but_skipping_is_left_has_failed() {
    let ran = Project::new().run(&format!(
        "{}\non_nonfinite = \"skip\"",
        DIVERGES.replace("epochs = 12", "epochs = 60")
    ));
    let error = ran.error();
    let (_, step) =
        error.split_once("the last 100 steps up to step ").unwrap_or_else(|| panic!("{error}"));
    assert!((101..240).contains(&numbers(step)[0]), "{error}");
    assert!(ran.help().contains("learning_rate"), "{}", ran.help());
}

#[test]
fn a_training_that_ends_with_weights_beyond_hope_has_failed() {
    let error = Project::new().run(&format!("{DIVERGES}\non_nonfinite = \"skip\"")).error();
    assert!(
        error.contains(" up to step 48 were all skipped: the weights no longer give a finite loss"),
        "{error}"
    );
}

#[test]
fn weights_that_give_no_finite_loss_are_no_result_although_every_step_was_finite() {
    let after = |epochs: usize| {
        Project::new().run(
            &DIVERGES
                .replace("epochs = 12", &format!("epochs = {epochs}\ngradient_accumulation = 4")),
        )
    };
    let error = (1..12).map(after).find_map(|ran| {
        matches!(ran.outcome(), pipeline::engine::exec::Outcome::Failed { .. }).then(|| ran.error())
    });
    let error = error.expect("it diverges");
    assert!(
        error.starts_with("after step ")
            && error.ends_with(" the weights no longer give a finite loss"),
        "{error}"
    );
}

#[test]
fn without_a_validation_split_the_first_texts_show_that() {
    let mut project = Project::new();
    project.split = "{ train = 1.0 }";
    let error = project.run(&format!("{DIVERGES}\non_nonfinite = \"skip\"")).error();
    assert!(
        error.contains(" were all skipped: the weights no longer give a finite loss"),
        "{error}"
    );
}

#[test]
fn numbers_that_single_precision_does_not_hold_are_refused() {
    for (line, parameter) in [
        ("eps = 1e-50", "eps"),
        ("ner_weight = 1e-50", "ner_weight"),
        ("class_weights = [1e39, 1.0]", "class_weights"),
    ] {
        let mistakes = Project::new().mistakes(line);
        assert!(
            mistakes.contains(&format!("`{parameter}` = "))
                && mistakes.contains("single precision"),
            "{mistakes}"
        );
    }
}

#[test]
fn steps_that_are_skipped_are_counted_and_reported() {
    // The weights that are kept are those of an evaluation that was finite.
    let ran = Project::new();
    let ran = ran.run(&format!("{DIVERGES}\non_nonfinite = \"skip\"\nkeep_best = \"loss\""));
    let messages = ran.messages();
    let each = messages.iter().filter(|message| message.contains(" was skipped: its ")).count();
    let total = messages
        .iter()
        .find(|message| message.contains("steps were skipped"))
        .unwrap_or_else(|| panic!("{messages:?}"));
    assert!(each > 0, "{messages:?}");
    assert_eq!(numbers(total), [each as u64, 48]);
}
