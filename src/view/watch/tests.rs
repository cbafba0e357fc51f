//! Screens of runs at moments, as text.

use std::time::Duration;

use ratatui_core::backend::TestBackend;
use ratatui_core::terminal::Terminal;

use super::look::{Look, Wish};
use super::screen::Screen;
use super::state::Watched;
use crate::engine::exec::{Because, Event, Finished, Line, NodeName, PointEnded, RunError};
use crate::engine::plan::CacheKey;
use crate::engine::runs::{Asked, RunFile, RunStatus};
use crate::engine::stage::{Score, Scores};

fn run(status: RunStatus, exit_code: Option<u8>) -> RunFile {
    RunFile {
        id: "20261129-113853-tiny".to_owned(),
        experiment: "tiny".to_owned(),
        file: "experiments/tiny.toml".into(),
        program: "0.1.0".to_owned(),
        asked: Asked { objective: "max evaluate.ner.span_f1".parse().ok(), ..Asked::default() },
        status,
        started: "2026-11-29T11:38:53.000Z".to_owned(),
        elapsed_ms: exit_code.map(|_| 90_000),
        exit_code,
        best: Vec::new(),
        fresh: Vec::new(),
        nodes: Vec::new(),
        outline: None,
    }
}

fn watched(events: &str) -> Watched {
    let stages = ["corpus", "tokenize", "train", "evaluate"].map(str::to_owned);
    let mut watched = Watched::new(run(RunStatus::Running, None), stages.into());
    events.lines().for_each(|line| drop(watched.line(line.as_bytes())));
    watched
}

/// What the screen shows, without colours.
fn screen(watched: &Watched, look: &mut Look, (width, height): (u16, u16)) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    let now = Duration::from_secs(83);
    let drawn = terminal.draw(|frame| {
        let screen = Screen { watched, now, color: false };
        frame.render_stateful_widget(screen, frame.area(), look);
    });
    drawn.expect("drawn");
    let cells = terminal.backend().buffer().content.chunks(width.into());
    let row = |cells: &[ratatui_core::buffer::Cell]| {
        let text: String = cells.iter().map(ratatui_core::buffer::Cell::symbol).collect();
        text.trim_end().to_owned() + "\n"
    };
    cells.map(row).collect()
}

const KEY: &str = "4ee5a9e2fb97d709b4bca607a5dfc22cb2b3331bf3b67b800f64b2d95569a1d5";

/// A training that is under way.
fn training() -> String {
    let mut text = format!(
        r#"{{"at_ms":0,"event":"run_started","experiment":"tiny","nodes":4,"jobs":2,"threads":2}}
{{"at_ms":1,"event":"stage_cached","node":0,"stage":"corpus","kind":"generate_corpus","key":"{KEY}"}}
{{"at_ms":2,"event":"stage_started","node":1,"stage":"tokenize","kind":"tokenize","key":"{KEY}","threads":1}}
{{"at_ms":310,"event":"stage_message","node":1,"stage":"tokenize","kind":"tokenize","warning":true,"text":"3 texts are cut"}}
{{"at_ms":320,"event":"stage_finished","node":1,"stage":"tokenize","kind":"tokenize","key":"{KEY}","elapsed_ms":318,"size_bytes":17837}}
{{"at_ms":330,"event":"stage_started","node":2,"stage":"train","kind":"train","key":"{KEY}","threads":2}}
"#
    );
    for step in 1..=40 {
        let (at, loss) = (1000 + step * 2000, 4.0 / f64::from(step));
        text += &format!(
            r#"{{"at_ms":{at},"event":"stage_progress","node":2,"stage":"train","kind":"train","done":{step},"total":80,"unit":"steps","numbers":{{"epoch":1.0,"loss":{loss},"learning_rate":0.001,"tokens_per_s":900.0}}}}
"#
        );
        if step % 10 == 0 {
            let score = f64::from(step) / 50.0;
            text += &format!(
                r#"{{"at_ms":{at},"event":"evaluated","node":2,"stage":"train","kind":"train","step":{step},"split":"validation","metrics":{{"loss":{loss},"anomaly.f1":0.5,"ner.span_f1":{score}}}}}
"#
            );
        }
    }
    text
}

/// A sweep some of whose points have ended.
fn sweep() -> String {
    let node = |event: &str, label: &str, rest: &str| {
        format!(
            r#"{{"at_ms":5000,"event":"{event}","node":2,"stage":"train","kind":"train","label":"{label}","key":"{KEY}"{rest}}}
"#
        )
    };
    let point = |number: usize, label: &str, mean: &str| {
        format!(
            r#"{{"at_ms":{number}0000,"event":"point_ended","number":{number},"count":4,"point":"{label}","metric":"evaluate.ner.span_f1","mean":{mean},"sd":0.01,"n":2,"best":null,"best_mean":null,"left_ms":65000}}
"#
        )
    };
    let finished = r#","elapsed_ms":4000,"size_bytes":9"#;
    [
        node("stage_finished", "x=1,seed=0", finished),
        node("stage_finished", "x=1,seed=1", finished),
        node("stage_failed", "x=2,seed=0", r#","error":"out of memory","elapsed_ms":10"#),
        node("stage_started", "x=3,seed=0", r#","threads":2"#),
        point(1, "x=1", "0.5"),
        point(2, "x=2", "null"),
        point(3, "x=4", "0.75"),
    ]
    .concat()
}

#[test]
fn a_training_shows_its_stages_its_curves_and_its_log() {
    let watched = watched(&training());
    insta::assert_snapshot!(screen(&watched, &mut Look::default(), (100, 34)));
}

#[test]
fn a_narrow_terminal_shows_what_there_is_room_for() {
    let watched = watched(&training());
    insta::assert_snapshot!(screen(&watched, &mut Look::default(), (44, 22)));
    for size in [(1, 1), (3, 2), (10, 4), (20, 7), (300, 3)] {
        screen(&watched, &mut Look::default(), size);
    }
}

#[test]
fn a_sweep_shows_its_points_the_best_first_and_the_nodes_that_run_or_failed() {
    let watched = watched(&sweep());
    insta::assert_snapshot!(screen(&watched, &mut Look::default(), (90, 24)));
}

#[test]
fn a_run_that_died_says_so_and_what_it_was_at() {
    let mut watched = watched(&training());
    watched.record(run(RunStatus::Died, None));
    let shown = screen(&watched, &mut Look::default(), (100, 20));
    assert!(shown.starts_with("tiny  died after 1:21 min: its process ended"), "{shown}");
    assert!(shown.contains("train     cut off"), "{shown}");
    watched.record(run(RunStatus::Failed, Some(1)));
    let shown = screen(&watched, &mut Look::default(), (100, 20));
    assert!(shown.starts_with("tiny  failed in 1:30 min, exit code 1"), "{shown}");
}

#[test]
fn what_is_no_event_is_counted_and_half_a_line_harms_nothing() {
    let text = training();
    let mut watched = watched(&text);
    let half = &text[..text.len() / 2];
    let cut = half.lines().last().expect("a line");
    for line in [cut, "", "{}", "\u{1b}[2J", "[1]", r#"{"at_ms":1,"event":"danced"}"#] {
        assert!(watched.line(line.as_bytes()).is_none(), "{line}");
    }
    let shown = screen(&watched, &mut Look::default(), (100, 20));
    assert!(shown.contains("5 lines not understood"), "{shown}");
}

#[test]
fn nothing_that_a_run_says_acts_on_the_terminal() {
    let hostile = r#"{"at_ms":1,"event":"stage_message","node":1,"stage":"a\u001b[2J","kind":"tokenize","warning":true,"text":"\u202ex\u0007"}"#;
    let shown = screen(&watched(hostile), &mut Look::default(), (100, 20));
    assert!(!shown.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{shown:?}");
    assert!(shown.contains("u001b[2J"), "{shown}");
}

#[test]
fn the_log_follows_until_it_is_scrolled_and_no_further_than_it_goes() {
    let line = |number: usize| {
        format!(
            r#"{{"at_ms":{number},"event":"warning","text":"number {number}."}}
"#
        )
    };
    let watched = watched(&(1..=50).map(line).collect::<String>());
    let mut look = Look::default();
    let shows = |look: &mut Look, number: usize| {
        screen(&watched, look, (60, 20)).contains(&format!("number {number}."))
    };
    assert!(shows(&mut look, 50) && !shows(&mut look, 1));
    for _ in 0..1000 {
        look.take(Wish::Back(1), &watched);
    }
    assert!(shows(&mut look, 1) && !shows(&mut look, 50));
    look.take(Wish::Forth(1), &watched);
    assert!(!shows(&mut look, 1), "one row down is one row down");
    look.take(Wish::End, &watched);
    assert!(shows(&mut look, 50));
    assert!(!look.take(Wish::Quit, &watched));
}

#[test]
fn a_line_is_read_as_it_was_written() {
    let name = |label: &str| NodeName {
        node: 3,
        stage: "train".into(),
        kind: "train".into(),
        label: label.into(),
    };
    let key = CacheKey::from_bytes([7; 32]);
    let numbers = vec![("loss".into(), 0.25), ("epoch".into(), 1.0)];
    let (done, total, unit) = (3, 9, "steps".into());
    let metrics = vec![("ner.f1".to_owned(), Some(0.5)), ("anomaly.f1".to_owned(), None)];
    let (error, upstream) = ("it broke".to_owned(), name(""));
    let finished = Finished {
        run: Some("a".to_owned()),
        metrics: Scores::from([("e.f1".to_owned(), Some(Score::Count(3)))]),
        errors: vec![RunError { name: Some(name("")), message: error.clone(), help: vec![] }],
        ..Finished::default()
    };
    let point = PointEnded {
        number: 1,
        count: 2,
        point: "x=1".to_owned(),
        rung: Some(1),
        is_finalist: false,
        metric: "e.f1".to_owned(),
        mean: Some(0.5),
        sd: None,
        n: 1,
        best: None,
        best_mean: None,
        left_ms: Some(7),
    };
    let because = Because::Failed { upstream };
    let events = [
        Event::RunStarted { experiment: "x".to_owned(), nodes: 3, jobs: 1, threads: 2 },
        Event::StageStarted { name: name("seed=1"), key, threads: 2 },
        Event::StageReused { name: name(""), key, from: key },
        Event::StageProgress { name: name(""), done, total, unit, numbers },
        Event::Evaluated { name: name(""), step: 4, split: "validation".into(), metrics },
        Event::StageFailed { name: name(""), error, help: None, is_hindered: false, elapsed_ms: 5 },
        Event::StageNotRun { name: name(""), because },
        Event::PointEnded(point),
        Event::Jobs { text: "job 7 is with Slurm".to_owned() },
        Event::Warning { text: "beware".to_owned() },
        Event::RunFinished(finished),
    ];
    for event in events {
        let line = serde_json::to_string(&Line { at_ms: 9, event: &event }).expect("plain data");
        let read: Line<Event> = serde_json::from_str(&line).expect(&line);
        assert_eq!((read.at_ms, read.event), (9, event), "{line}");
    }
}
