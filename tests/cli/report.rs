//! `report.html`: what a run came to, on one page.

use crate::world::World;

const FILE: &str = "experiments/mini.toml";
const REPORT: &str = "outputs/mini/report.html";

#[test]
fn a_run_leaves_a_report_with_its_scores_curves_mistakes_and_how_to_repeat_it() {
    let world = World::trained();
    let html = world.read(REPORT);
    for part in [
        "How good is the model?",
        "<span class=metric>ner.span_f1</span>",
        "experiments/mini.toml:",
        "stage.train.batch_size</code><td><code>16</code><td>default",
        "<b>Loss</b>",
        "NER: what tokens were taken for",
        "Anomaly: ROC",
        "texts have a mistake",
        "<pre><code>pipeline run experiments/mini.toml</code></pre>",
        "<code>evaluate.ner.per_label</code>, 2 labels",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains(&*world.path("").to_string_lossy()), "a path of this machine");
}

#[test]
fn a_run_that_finds_all_in_the_cache_leaves_the_report_as_it_is() {
    let world = World::trained();
    let (html, changed) = (world.read(REPORT), world.modified(REPORT));
    let shot = world.pipeline(["run", FILE, "--quiet"]);
    assert!(shot.code == Some(0) && shot.stderr.is_empty(), "{shot}");
    assert_eq!((world.read(REPORT), world.modified(REPORT)), (html, changed));
}

#[test]
fn a_report_that_was_removed_is_made_again_and_survives_when_something_else_is() {
    let world = World::trained();
    let html = world.read(REPORT);
    std::fs::remove_file(world.path("outputs/mini/metrics.json")).expect("removed");
    assert_eq!(world.pipeline(["run", FILE]).code, Some(0));
    assert_eq!(world.read(REPORT), html);
    std::fs::remove_file(world.path(REPORT)).expect("removed");
    let shot = world.pipeline(["run", FILE]);
    assert!(shot.stderr.contains("`report.html`"), "{shot}");
    assert!(world.read(REPORT).contains("How good is the model?"));
}

#[test]
fn a_sweep_leaves_a_report_that_names_its_best_setting() {
    let world = World::new();
    world.child(
        "rates",
        "[sweep]\nmethod = \"grid\"\nobjective = \"min evaluate.loss\"\nseeds = 2\n[sweep.over]\ntrain.learning_rate = [1e-4, 1e-2]\ntrain.batch_size = [8, 16]\n",
    );
    assert_eq!(world.pipeline(["run", "experiments/rates.toml"]).code, Some(0));
    let html = world.read("outputs/rates/report.html");
    let best = world.read("outputs/rates/best/trial.txt");
    assert!(html.contains("Which of 4 settings has the lowest <code>evaluate.loss</code>?"));
    let rate = best.split(['=', ',']).nth(1).expect("a rate");
    assert!(html.contains(&format!("<i>train.learning_rate</i> <b>{rate}</b>")), "{best}");
    for part in [
        "Which axes matter",
        "Settings and their scores",
        "8 trials of 4 settings",
        "all 2 seeds share",
        "<pre><code>pipeline run outputs/rates/best/experiment.toml</code></pre>",
        "<pre><code>pipeline predict outputs/rates/best/model texts.txt</code></pre>",
    ] {
        assert!(html.contains(part), "{part}");
    }
    is_compared_as_by_diff(&world, &html);
    world.write("texts.txt", "Ada met Bob\n");
    let answer = world.pipeline(["predict", "outputs/rates/best/model", "texts.txt"]);
    assert_eq!(answer.code, Some(0), "{answer}");
}

/// That each difference that a report tells of a sweep by `evaluate.loss` is what the command beside it says, in its figures and words.
fn is_compared_as_by_diff(world: &World, html: &str) {
    let commands: Vec<&str> = html
        .split("<code>pipeline diff ")
        .skip(1)
        .filter_map(|part| part.split_once("</code>"))
        .map(|(arguments, _)| arguments)
        .filter(|arguments| *arguments != "A B")
        .collect();
    assert!(!commands.is_empty(), "{html}");
    for arguments in commands {
        let words = arguments.split(' ').chain(["--metric", "evaluate.loss"]);
        let shot = world.pipeline(std::iter::once("diff").chain(words));
        assert_eq!(shot.code, Some(0), "{shot}");
        let row = shot.stdout.lines().find(|line| line.trim().starts_with("evaluate.loss"));
        let cells: Vec<&str> =
            row.expect("a row").split("  ").filter(|it| !it.is_empty()).collect();
        let [_, _, _, difference, interval, drawn, p] = cells[..] else { panic!("{shot}") };
        let told = |text: &str| text.trim().replace('-', "\u{2212}");
        let notes: Vec<&str> =
            shot.stdout.lines().skip_while(|line| !line.contains(" seeds cannot")).collect();
        for part in [
            format!("<b>{}</b> ", told(difference)),
            format!("95 % of it from {}", told(interval)),
            format!("drawn over {}; p {}. {}.", drawn.trim(), p.trim(), notes.join(" ")),
        ] {
            assert!(html.contains(&part), "{part}: {shot}");
        }
    }
}

#[test]
fn a_run_in_which_a_stage_failed_says_in_its_report_what_is_missing() {
    let world = World::new();
    let failing = "[stage.broken]\nkind = \"command\"\nrun = [\"false\"]\n";
    world.write(FILE, world.read(FILE) + failing);
    let shot = world.pipeline(["run", FILE, "--keep-going"]);
    assert_eq!(shot.code, Some(1), "{shot}");
    let html = world.read(REPORT);
    assert!(html.contains("<span class=\"end failed\">failed</span>"), "{shot}");
    assert!(html.contains("<span class=metric>ner.span_f1</span>"));
}

/// `PIPELINE_TEST_CHROMIUM` names a Chromium, such as `chromium-headless-shell`; `PIPELINE_TEST_PICTURES` a folder for what was seen.
#[test]
fn a_report_is_seen_and_used_in_a_browser_without_a_fault() {
    let Some(chromium) = std::env::var_os("PIPELINE_TEST_CHROMIUM") else {
        #[expect(clippy::print_stderr, reason = "a skipped test says so")]
        {
            eprintln!("SKIPPED: PIPELINE_TEST_CHROMIUM names no browser to look at reports with");
        }
        return;
    };
    let world = World::trained();
    let sweep = "[sweep]\nmethod = \"grid\"\nobjective = \"max evaluate.ner.token_accuracy\"\nseeds = 2\n\
                 [sweep.over]\ntrain.learning_rate = [1e-4, 1e-3, 1e-2]\ntrain.batch_size = [8, 16]\n";
    world.child("rates", sweep);
    assert_eq!(world.pipeline(["run", "experiments/rates.toml", "--quiet"]).code, Some(0));
    for name in ["mini", "rates"] {
        let mut command = std::process::Command::new("python3");
        command
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/report/browser.py"))
            .arg(&chromium)
            .arg(world.path(format!("outputs/{name}/report.html")));
        if let Some(pictures) = std::env::var_os("PIPELINE_TEST_PICTURES") {
            command.arg(std::path::Path::new(&pictures).join(name));
        }
        let output = command.output().expect("Python starts");
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}:\n{said}{errors}");
    }
}

#[test]
fn a_command_that_scores_a_search_is_no_baseline_and_its_choices_stand_as_in_the_file() {
    let world = World::new();
    world.write("score.sh", "echo \"{\\\"score\\\": $2}\" > \"$1/metrics.json\"\n");
    world.write(
        "choices.toml",
        r#"version = 1
[params]
x = "0.3"
[stage.score]
kind = "command"
run = ["sh", "score.sh", "{out}", "@params.x"]
sources = ["score.sh"]
output = "evaluation"
[sweep]
method = "random"
objective = "max score.score"
points = 4
[sweep.over]
params.x = { choice = ["0.1", "0.2", "0.3", "0.4"] }
"#,
    );
    let shot = world.pipeline(["run", "choices.toml"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    let html = world.read("outputs/choices/report.html");
    assert!(!html.contains("<span class=tag>baseline</span>"));
    // The file's own value is tried first.
    let place = |tick: &str| html.rfind(&format!("text-anchor=middle>{tick}</text>"));
    let places = ["0.1", "0.2", "0.3", "0.4"].map(place);
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}");
}
