//! When things run, and how they are stopped.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

use pipeline::engine::exec::{Because, Cancel, Event, Options, Outcome, SavedStates};
use pipeline::engine::stage::Device;

use crate::support::*;

fn many(kind: &str, count: usize) -> String {
    (0..count).fold(String::new(), |mut text, index| {
        write!(text, "[stage.s{index}]\nkind = \"{kind}\"\nname = \"{index}\"\n")
            .expect("a string");
        text
    })
}

/// Calls `each` with the stages that run and their threads, every time one starts.
fn at_every_start(ran: &Ran, mut each: impl FnMut(&BTreeMap<String, usize>)) {
    let mut running = BTreeMap::new();
    for event in &ran.events {
        match event {
            Event::StageStarted { name, threads, .. } => {
                running.insert(name.to_string(), *threads);
                each(&running);
            }
            Event::StageFinished { name, .. } => drop(running.remove(&name.to_string())),
            _ => {}
        }
    }
}

#[test]
fn exclusive_stages_run_alone_on_all_threads() {
    let project = Project::new();
    let ran = project.run(&(many("gauge", 3) + &many("solo", 3).replace("stage.s", "stage.t")));
    at_every_start(&ran, |running| {
        if running.keys().any(|name| name.starts_with('t')) {
            assert_eq!(running.values().collect::<Vec<_>>(), [&4], "{running:?}");
        }
    });
}

/// The most that ran at the same time of four stages that may take all of four threads, and the threads of each.
fn small_ones(project: &Project, parameters: &str) -> (usize, Vec<usize>) {
    let ran = project.run(&many("solo", 4).replace("name", &format!("{parameters}\nname")));
    let mut most = (0, Vec::new());
    at_every_start(&ran, |running| {
        let threads: Vec<usize> = running.values().copied().collect();
        assert!(threads.iter().sum::<usize>() <= 4, "{running:?}");
        if running.len() > most.0 {
            most = (running.len(), threads);
        }
    });
    most
}

#[test]
fn stages_that_cannot_use_all_threads_run_side_by_side() {
    let project = |change: fn(&mut Options)| {
        let mut project = Project::new();
        project.options.device = Device::Cpu;
        change(&mut project.options);
        project
    };
    let any = |_: &mut Options| {};
    assert_eq!(small_ones(&project(any), "uses = 1"), (4, vec![1; 4]));
    assert_eq!(small_ones(&project(any), "uses = 2"), (2, vec![2; 2]));
    // What three threads would leave is enough for nobody.
    assert_eq!(small_ones(&project(any), "uses = 3"), (1, vec![4]));
    assert_eq!(small_ones(&project(any), "uses = 8"), (1, vec![4]));
    assert_eq!(small_ones(&project(|options| options.jobs = 2), "uses = 1"), (2, vec![2; 2]));
    assert_eq!(small_ones(&project(|options| options.jobs = 1), "uses = 1"), (1, vec![4]));
    let with_memory = |options: &mut Options| options.memory = Some(20);
    let (at_once, _) = small_ones(&project(with_memory), "uses = 1\nbytes = 9");
    assert_eq!(at_once, 2);
    let on_another = |options: &mut Options| options.device = Device::Cuda(0);
    assert_eq!(small_ones(&project(on_another), "uses = 1"), (1, vec![4]));
}

#[test]
fn what_can_share_the_threads_goes_before_what_takes_them_all() {
    let project = Project::new();
    let ran = project.run(
        "[stage.a]\nkind = \"solo\"\nname = \"1\"\n[stage.b]\nkind = \"solo\"\nname = \"2\"\n\
         [stage.c]\nkind = \"gauge\"\nname = \"3\"\nafter = [\"a\"]\n",
    );
    assert_eq!(ran.started(), ["a", "c", "b"]);
}

#[test]
fn what_is_further_down_goes_first() {
    let mut project = Project::new();
    project.options.jobs = 1;
    let first = many("solo", 2);
    let second = many("solo", 2).replace("stage.s", "stage.t").replace("name = \"", "name = \"t");
    let second = second
        .replace("\"t0\"\n", "\"t0\"\nafter = [\"s0\"]\n")
        .replace("\"t1\"\n", "\"t1\"\nafter = [\"s1\"]\n");
    assert_eq!(project.run(&(first + &second)).started(), ["s0", "t0", "s1", "t1"]);
}

#[test]
fn a_stage_has_the_threads_that_were_announced() {
    let mut project = Project::new();
    project.options.threads = 3;
    assert_eq!(project.run(&many("solo", 1)).messages(), ["3 threads"]);
}

#[test]
fn the_record_of_an_entry_names_the_device_that_the_stage_used() {
    let project = Project::new();
    let stages = many("solo", 1) + "[stage.b]\nkind = \"write\"\ntext = \"x\"\n";
    let ran = project.run(&stages);
    let device = |node: &pipeline::engine::exec::NodeResult| {
        node.entry.as_ref().expect("built").manifest().made_with["device"].clone()
    };
    let mut devices: Vec<String> = ran.outcome.nodes.iter().map(device).collect();
    devices.sort();
    assert_eq!(devices, ["cpu", "toy:1"]);
}

#[test]
fn stages_run_side_by_side_within_the_threads() {
    let project = Project::new();
    let started = Instant::now();
    project.run(&many("sleep", 4).replace("name", "milliseconds = 300\nname"));
    assert!(started.elapsed() < Duration::from_millis(1100), "{:?}", started.elapsed());
}

#[test]
fn one_job_runs_one_stage_at_a_time_on_all_threads() {
    let mut project = Project::new();
    project.options.jobs = 1;
    let ran = project.run(&many("gauge", 3));
    at_every_start(&ran, |running| {
        assert_eq!(running.values().collect::<Vec<_>>(), [&4], "{running:?}")
    });
}

#[test]
fn no_more_threads_are_used_than_there_are() {
    let mut project = Project::new();
    project.options.jobs = 16;
    project.options.threads = 3;
    let ran = project.run(&many("gauge", 8));
    at_every_start(&ran, |running| assert!(running.values().sum::<usize>() <= 3, "{running:?}"));
}

#[test]
fn one_job_and_four_leave_the_same_entries() {
    let mut stages =
        "[stage.n]\nkind = \"numbers\"\ncount = 30\n[stage.w]\nkind = \"write\"\ntext = \"w\"\n"
            .to_owned();
    for index in 0..6 {
        let from = if index == 0 { "n".to_owned() } else { format!("c{}", (index - 1) / 2) };
        write!(
            stages,
            "[stage.c{index}]\nkind = \"copy\"\nfrom = \"@{from}\"\nsuffix = \"{index}\"\n"
        )
        .expect("a string");
    }
    stages += "[stage.j]\nkind = \"join\"\nfirst = \"@c5\"\nsecond = \"@w\"\n";
    let stores = [(1, 1), (4, 4), (2, 3)].map(|(jobs, threads)| {
        let mut project = Project::new();
        project.options.jobs = jobs;
        project.options.threads = threads;
        assert_eq!(project.run(&stages).outcome.exit_code(), 0);
        contents(&project.store())
    });
    assert!(stores[0] == stores[1] && stores[1] == stores[2]);
}

#[test]
fn a_stage_waits_for_what_it_comes_after() {
    let project = Project::new();
    let ran = project
        .run("[stage.first]\nkind = \"sleep\"\nmilliseconds = 50\n[stage.a_second]\nkind = \"write\"\ntext = \"x\"\nafter = [\"first\"]\n");
    assert_eq!(ran.started(), ["first", "a_second"]);
}

#[test]
fn progress_is_told_a_few_times_a_second() {
    let started = Instant::now();
    let ran = Project::new().run("[stage.a]\nkind = \"sleep\"\nmilliseconds = 250\n");
    let told =
        ran.events.iter().filter(|event| matches!(event, Event::StageProgress { .. })).count();
    assert!(
        told as u128 <= 1 + started.elapsed().as_millis() / 100,
        "{told} times in {:?}",
        started.elapsed()
    );
}

const LONG: &str = r#"
    [stage.quick]
    kind = "write"
    text = "1"
    [stage.long]
    kind = "sleep"
    milliseconds = 60000
    after = ["quick"]
    [stage.later]
    kind = "copy"
    from = "@long"
"#;

/// Runs until the long stage has begun, and interrupts it.
fn interrupt(project: &Project, stages: &str) -> Ran {
    let cancel = Cancel::new();
    let asked = cancel.clone();
    let react = move |event: &Event| {
        if matches!(event, Event::StageStarted { name, .. } if &*name.stage == "long") {
            asked.cancel();
        }
    };
    project.run_with(stages, &cancel, &react)
}

#[test]
fn an_interrupted_run_keeps_what_is_finished() {
    let project = Project::new();
    let started = Instant::now();
    let ran = interrupt(&project, LONG);
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(
        (ran.end("quick"), ran.end("long"), ran.end("later")),
        ("built", "cancelled", "not run")
    );
    assert!(matches!(ran.outcome_of("later"), Outcome::NotRun { because: Because::Interrupted }));
    assert_eq!(ran.outcome.exit_code(), 130);
    assert_eq!(project.temporary(), [""; 0]);
}

#[test]
fn an_interrupted_run_goes_on_where_it_was() {
    let project = Project::new();
    interrupt(&project, &LONG.replace("60000", "400"));
    let ran = project.run(&LONG.replace("60000", "400"));
    assert_eq!(ran.started(), ["long", "later"]);
    assert_eq!(ran.outcome.exit_code(), 0);
}

#[test]
fn checkpoints_outlive_an_interruption_and_go_when_the_entry_is_complete() {
    let project = Project::new();
    let stages = LONG.replace("60000", "300");
    interrupt(&project, &stages);
    assert_eq!(
        names(&project.outputs().join("checkpoints")),
        [project.key(&stages, "long").to_string()]
    );
    project.run(&stages);
    assert_eq!(names(&project.outputs().join("checkpoints")), [""; 0]);
}

#[test]
fn checkpoints_that_a_killed_run_left_beside_a_complete_entry_go() {
    let project = Project::new();
    let stages = "[stage.a]\nkind = \"write\"\ntext = \"1\"\n";
    project.run(stages);
    let folder = project.store().saved_state(&project.key(stages, "a"));
    std::fs::create_dir_all(&folder).expect("ours");
    project.run(stages);
    assert!(!folder.exists());
}

#[test]
fn checkpoints_are_kept_where_the_caller_wants_them() {
    let mut project = Project::new();
    project.options.saved_states = SavedStates::Keep;
    let stages = LONG.replace("60000", "300");
    interrupt(&project, &stages);
    project.run(&stages);
    assert_eq!(names(&project.outputs().join("checkpoints")).len(), 1);
}

#[test]
fn a_run_interrupted_before_it_begins_runs_nothing() {
    let project = Project::new();
    let cancel = Cancel::new();
    cancel.cancel();
    let ran = project.run_with(LONG, &cancel, &|_| {});
    assert_eq!((ran.started(), ran.outcome.exit_code()), (vec![], 130));
}

#[test]
fn an_interruption_ends_the_wait_for_another_process() {
    let project = Project::new();
    let stages = "[stage.a]\nkind = \"write\"\ntext = \"1\"\n";
    let store = project.store();
    let _held = store.try_lock(&project.key(stages, "a")).expect("writable").expect("free");
    let cancel = Cancel::new();
    let asked = cancel.clone();
    let react = move |event: &Event| {
        if matches!(event, Event::StageWaiting { .. }) {
            asked.cancel();
        }
    };
    let ran = project.run_with(stages, &cancel, &react);
    assert_eq!((ran.end("a"), ran.outcome.exit_code()), ("not run", 130));
}

#[test]
fn while_another_builds_one_entry_others_are_built() {
    let project = Project::new();
    let stages =
        "[stage.a]\nkind = \"write\"\ntext = \"1\"\n[stage.b]\nkind = \"write\"\ntext = \"2\"\n";
    let store = project.store();
    let held = std::sync::Mutex::new(store.try_lock(&project.key(stages, "a")).expect("writable"));
    let react = |event: &Event| {
        if matches!(event, Event::StageFinished { name, .. } if &*name.stage == "b") {
            drop(held.lock().expect("no panic").take());
        }
    };
    let ran = project.run_with(stages, &Cancel::new(), &react);
    assert_eq!((ran.started(), ran.outcome.exit_code()), (vec!["b".to_owned(), "a".to_owned()], 0));
}
