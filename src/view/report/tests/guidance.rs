//! What the page tells beside scores: how settings were chosen, what limits a score and whose it is, and where to read on.

use super::*;

#[test]
fn what_was_found_says_which_run_made_it_and_in_what_time() {
    let html = Sweep::of(2).page(|material| {
        material.steps[0].ends = vec![(NodeStatus::Cached, 2)];
        let built = Built { run: "20261123-x".to_owned(), elapsed_ms: 287_000 };
        let found = BTreeMap::from([(found(), built)]);
        (material.steps[0].elapsed_ms, material.steps[0].found) = (None, found);
    });
    for part in [
        "<td class=n data-v=287>made in 4:47 min <span class=unit>by <code>20261123-x</code></span>",
        "The whole run took 1:01 min. What it found took 4:47 min to make.",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
    assert!(!Sweep::of(2).page(|_| {}).contains("What it found took"));
}

/// As if the file said it.
fn setting(path: &str, value: &str) -> Setting {
    let origin = "experiments/x.toml:9".to_owned();
    Setting { path: path.to_owned(), value: value.to_owned(), origin }
}

#[test]
fn what_a_rung_sets_is_no_default() {
    let mut sweep = Sweep::of(2);
    sweep.shape.rungs = 2;
    sweep.background.settings.push(setting("sweep.rung[0].train.dropout", "0.5"));
    let default = "stage.train.dropout</code><td><code>0.5</code>";
    // The chosen trial is of the first rung.
    let html = sweep.page(|_| {});
    assert!(!html.contains(default), "{html}");
    let mut points = sweep.rows();
    points.iter_mut().for_each(|point| point.level.rung = 1);
    let html = sweep.page_of(&points, |_| {});
    assert!(html.contains("stage.train.dropout</code> <span class=tag>set by rungs</span><td><code>0.5</code><td>default"), "{html}");
}

#[test]
fn the_configuration_has_what_the_chosen_trials_rung_sets() {
    let mut sweep = Sweep::of(2);
    sweep.shape.rungs = 2;
    let given = [("stage.train.epochs", "4"), ("sweep.rung[1].train.epochs", "3")];
    sweep.background.settings.extend(given.map(|(path, value)| setting(path, value)));
    let mut points = sweep.rows();
    points.iter_mut().for_each(|point| point.level.rung = 1);
    let html = sweep.page_of(&points, |_| {});
    let row = "stage.train.epochs</code> <span class=tag>set by rungs</span><td><code>3</code>";
    assert!(html.contains(row), "{html}");
}

#[test]
fn how_the_settings_were_chosen_is_said_with_who_says_so() {
    let mut sweep = Sweep::of(4);
    sweep.background.searched = Some(Searched { by: Method::Gp, is_auto: true });
    let given = [("sweep.method", "\"auto\""), ("sweep.points", "4"), ("sweep.finalists", "2")];
    sweep.background.settings.extend(given.map(|(path, value)| setting(path, value)));
    let html = sweep.page(|_| {});
    for part in [
        "<code>method = &quot;auto&quot;</code> (experiments/x.toml:9), a Gaussian process, since every axis is ordered, ",
        "<code>points = 4</code> (experiments/x.toml:9), <code>finalists = 2</code> (experiments/x.toml:9).",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
    sweep.background.searched = None;
    assert!(sweep.page(|_| {}).contains(", every combination that is not left out, "));
}

#[test]
fn what_limits_the_score_that_judges_stands_beside_it() {
    let html = Sweep::of(4).page(|material| {
        material.judging = vec![Caveat::new("shared_templates", 3, "validation shares `3`")];
    });
    let (answer, _) = html.split_once("<section id=configuration").expect("there");
    assert!(answer.contains("validation shares <code>3</code>. <a href=\"#caveats\">"), "{answer}");
}

#[test]
fn where_it_fails_leads_to_the_stage_that_it_is_about() {
    let sweep = Sweep::of(4);
    let mut points = sweep.rows();
    for row in &mut points[3].rows {
        for (label, f1, support) in [("A", 0.25, 7), ("B", 1.0, 9)] {
            let name = format!("evaluate_test.ner.per_label.{label}");
            row.scores.insert(format!("{name}.f1"), Some(Score::Measured(f1)));
            row.scores.insert(format!("{name}.support"), Some(Score::Count(support)));
        }
    }
    let page = |points: &[PointRows<'_>]| {
        sweep.page_of(points, |material| {
            let of = |stage: &str| Of { stage: stage.to_owned(), it: exhibits() };
            material.exhibits = ["evaluate", "evaluate_test"].map(of).to_vec();
        })
    };
    let html = page(&points);
    for part in [
        "<code>evaluate_test.ner.per_label</code></a>, with how many there are: A 0.2500 (7).</p>",
        "<p>To look at: <a href=\"#confusion-evaluate_test\">what was taken for what</a>, \
         <a href=\"#mistakes-evaluate_test\">the worst mistakes</a>.</p>",
        "<details open id=\"confusion-evaluate_test\">",
        "<details open id=\"mistakes-evaluate_test\">",
        "It is of the first of the 3 trials of the setting above (seed 0).",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
    for row in &mut points[3].rows {
        row.scores.retain(|name, _| !name.starts_with("evaluate_test.ner.per_label.A"));
    }
    let html = page(&points);
    assert!(html.contains("<p>No label of <code>evaluate_test</code> has a score below 1.</p>"));
}

#[test]
fn an_interval_of_one_trial_beside_the_mean_of_several_says_so() {
    let sweep = Sweep::of(4);
    let html = sweep.page(|_| {});
    let own = "<span class=unit>its first trial (0.8000)</span> 0.8000\u{2013}0.9500";
    assert!(html.contains(own), "{html}");
    let html = sweep.page(|material| material.intervals.clear());
    assert!(!html.contains("The interval says"), "{html}");
}

#[test]
fn scores_of_fresh_seeds_are_marked_where_settings_are_drawn() {
    let sweep = Sweep::of(4);
    let mut points = sweep.rows();
    points[3].level.is_fresh = true;
    let html = sweep.page_of(&points, |_| {});
    assert_eq!(html.matches(", fresh seeds</text>").count(), 1);
    assert!(!sweep.page(|_| {}).contains(", fresh seeds"));
}

#[test]
fn an_error_has_its_lines() {
    let html = Sweep::of(2).page(|material| {
        material.steps[0].error = Some("it failed:\nboom <b>".to_owned());
    });
    assert!(html.contains("it failed:<br>boom &lt;b&gt;</span>"), "{html}");
}

#[test]
fn choices_stand_in_the_order_of_the_file() {
    let mut sweep = Sweep::of(3);
    sweep.shape.along = vec![Along::List, Along::Choice];
    sweep.shape.axes[1].1 = [8, 16, 32].map(Into::into).to_vec();
    // The second is tried first.
    sweep.points.swap(0, 1);
    let html = sweep.page(|_| {});
    let ticks: Vec<usize> = ["8", "16", "32"]
        .iter()
        .map(|tick| html.rfind(&format!("text-anchor=middle>{tick}</text>")).expect("a tick"))
        .collect();
    assert!(ticks.is_sorted(), "{ticks:?}");
}
