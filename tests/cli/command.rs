//! Programs as stages.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::world::{World, snapshot};

const FILE: &str = "experiments/tool.toml";

/// A folder with an experiment of one stage, which runs a script in a shell.
fn world(script: &str, more: &str) -> World {
    let world = World::empty();
    write(&world, script, more);
    world
}

fn write(world: &World, script: &str, more: &str) {
    let stage = "[stage.tool]\nkind = \"command\"\nrun = [\"sh\", \"tool.sh\", \"{out}\"]";
    let text = format!("version = 1\n{stage}\nsources = [\"tool.sh\"]\n{more}\n");
    world.write(FILE, text);
    world.write("experiments/tool.sh", script);
}

/// The only file of a name in the store.
fn stored(world: &World, name: &str) -> String {
    let mut found = Vec::new();
    for prefix in world.names("outputs/store").iter().filter(|name| name.len() == 2) {
        for key in world.names(&format!("outputs/store/{prefix}")) {
            let text = world.read_if_there(&format!("outputs/store/{prefix}/{key}/{name}"));
            found.extend(Some(text).filter(|text| !text.is_empty()));
        }
    }
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn what_a_program_writes_is_the_result_and_what_it_prints_is_in_the_runs_folder() {
    let world = world("echo said; echo complained >&2; echo made > $1/made", "");
    let shot = world.pipeline(["run", FILE]);
    assert_eq!(shot.code, Some(0), "{shot}");
    assert_eq!(stored(&world, "made"), "made\n");
    let log = world.read(&format!("outputs/runs/{}/tool.log", world.latest_run()));
    assert_eq!(log, "said\ncomplained\n");
}

#[test]
fn a_program_runs_again_when_one_of_its_sources_has_changed_and_not_before() {
    let world = world("echo ran >> ../count; touch $1/made", "");
    for _ in 0..2 {
        assert_eq!(world.pipeline(["run", FILE]).code, Some(0));
    }
    assert_eq!(world.read("count"), "ran\n");
    write(&world, "echo again >> ../count; touch $1/made", "");
    assert_eq!(world.pipeline(["run", FILE]).code, Some(0));
    assert_eq!(world.read("count"), "ran\nagain\n");
}

#[test]
fn a_file_that_is_no_source_is_said_before_anything_runs() {
    let world = world("touch ../ran", "");
    world.write(FILE, world.read(FILE).replace("sources = [\"tool.sh\"]\n", ""));
    for command in ["check", "run"] {
        let shot = world.pipeline([command, FILE]);
        assert_eq!(shot.code, Some(2), "{shot}");
        assert!(shot.stderr.contains("`tool.sh` in `run` is a file, and not among"), "{shot}");
        assert!(shot.stderr.contains("add it: `sources = [\"tool.sh\"]`"), "{shot}");
    }
    assert!(!world.path("ran").exists());
}

#[test]
fn a_program_reads_what_another_stage_has_left() {
    let script = "echo one > $1/words";
    let second = "[stage.second]\nkind = \"command\"\nwords = \"@tool\"\n\
                  run = [\"cp\", \"{in.words}/words\", \"{out}/copy\"]";
    let world = world(script, second);
    assert_eq!(world.pipeline(["run", FILE]).code, Some(0));
    assert_eq!(stored(&world, "copy"), "one\n");
}

#[test]
fn a_program_gets_the_variables_that_it_is_given_and_no_others() {
    let world = world(
        "env | sort | grep -v -e PWD -e SHLVL -e ^_= | cut -d= -f1 > $1/names; echo $SET > $1/set",
        "env = [\"KEPT\", \"SET=here\", \"NOWHERE\"]",
    );
    let mut command = world.command(["run", FILE]);
    command
        .env("KEPT", "1")
        .env("SECRET", "2")
        .env("HOME", "/")
        .env("PATH", "/usr/bin:/bin")
        .env_remove("TMPDIR");
    assert_eq!(world.shot("run", &mut command).code, Some(0));
    assert_eq!(stored(&world, "names"), "HOME\nKEPT\nPATH\nSET\n");
    assert_eq!(stored(&world, "set"), "here\n");
}

#[test]
fn a_program_that_fails_says_its_last_lines_and_leaves_nothing() {
    let world = world("for i in $(seq 20); do echo row: $i; done; exit 3", "");
    snapshot!(world.pipeline(["run", FILE]));
    assert!(world.pipeline(["plan", FILE, "--check"]).code == Some(3));
}

#[test]
fn a_program_that_is_not_there_is_said_to_be() {
    let world = World::empty();
    world.write(
        FILE,
        "version = 1\n[stage.tool]\nkind = \"command\"\nrun = [\"no-such-program\"]\n",
    );
    snapshot!(world.pipeline(["run", FILE]));
}

#[test]
fn mistakes_in_arguments_and_variables_are_found_before_anything_runs() {
    let world = world("touch ../ran", "env = [\"=1\"]");
    let run = "run = [\"awk\", \"{print}\", \"{in.words}\", \"{out\"]";
    let text = world.read(FILE).replace("run = [\"sh\", \"tool.sh\", \"{out}\"]", run);
    world.write(FILE, text);
    snapshot!(world.pipeline(["run", FILE]));
    assert!(!world.path("ran").exists());
}

#[test]
fn an_input_that_is_not_wired_is_pointed_at() {
    let world = World::empty();
    world.write(
        FILE,
        "version = 1\n[stage.tool]\nkind = \"command\"\nrun = [\"cat\", \"{in.words}\"]\n",
    );
    snapshot!(world.pipeline(["check", FILE]));
}

#[test]
fn looking_at_an_experiment_starts_no_program() {
    let world = world("touch ../ran", "");
    for command in ["check", "plan", "show", "graph"] {
        assert_eq!(world.pipeline([command, FILE]).code, Some(0), "{command}");
    }
    assert_eq!(world.pipeline(["check", "--data", FILE]).code, Some(0));
    assert!(!world.path("ran").exists());
}

#[test]
fn an_interruption_ends_the_program_and_all_that_it_started() {
    let world = world("sleep 600 & echo $! > ../child; echo $$ > ../parent; wait", "");
    let mut run = world.process(["run", FILE]);
    let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    let begun = Instant::now();
    while world.read_if_there("parent").is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(300), "the program never began");
        std::thread::sleep(Duration::from_millis(20));
    }
    let told = std::process::Command::new("kill").arg(run.id().to_string()).status();
    assert!(told.expect("kill runs").success());
    assert_eq!(run.wait().expect("ends").code(), Some(130));
    for file in ["child", "parent"] {
        let process = format!("/proc/{}/stat", world.read(file).trim());
        let state = std::fs::read_to_string(process).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "{file} lives on: {state}");
    }
}

/// `mini.toml` with a corpus that a shell has made of its own.
fn cleaned(script: &str) -> World {
    let world = World::new();
    let clean = format!(
        "kind = \"command\"\noutput = \"corpus\"\ncorpus = \"@corpus\"\nrun = [\"sh\", \"-c\", '{script}']"
    );
    let wires = "[stage.init_model]\ncorpus = \"@clean\"\n[stage.tokenize]\ncorpus = \"@clean\"";
    world.child("cleaned", &format!("[stage.clean]\n{clean}\n{wires}\n"));
    world
}

#[test]
fn a_model_is_trained_on_the_corpus_that_a_program_has_made_of_another() {
    let world = cleaned("cp {in.corpus}/train.jsonl {in.corpus}/validation.jsonl {out}");
    let shot = world.pipeline(["run", "experiments/cleaned.toml"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    let world = cleaned("cp {in.corpus}/*.jsonl {out}");
    assert_eq!(world.pipeline(["run", "experiments/cleaned.toml", "--quiet"]).code, Some(0));
}

#[test]
fn a_corpus_without_its_file_or_with_bad_lines_is_refused() {
    let run = |script| cleaned(script).pipeline(["run", "experiments/cleaned.toml", "clean"]);
    snapshot!(run("true"), run("echo words > {out}/train.jsonl"));
}

#[test]
fn what_leaves_files_cannot_stand_for_a_corpus() {
    let world = cleaned("true");
    let text = world.read("experiments/cleaned.toml").replace("output = \"corpus\"\n", "");
    world.write("experiments/cleaned.toml", text);
    snapshot!(world.pipeline(["check", "experiments/cleaned.toml"]));
}

#[test]
fn an_experiment_without_a_folder_in_its_name_runs_its_programs_beside_it() {
    let world = world("pwd > $1/where", "").inside("experiments");
    assert_eq!(world.pipeline(["run", "tool.toml"]).code, Some(0));
    assert!(stored(&world, "where").trim_end().ends_with("/experiments"));
}

#[test]
fn a_file_beside_the_experiment_that_is_no_source_is_refused() {
    let world = world("true", "");
    let text = world.read(FILE).replace("sources = [\"tool.sh\"]\n", "");
    world.write(FILE, text);
    let shot = world.pipeline(["run", FILE]);
    assert!(shot.stderr.contains("`tool.sh` in `run` is a file, and not among"), "{shot}");
}

#[test]
fn of_two_sources_that_end_alike_the_one_that_is_named_runs() {
    let world = world("echo right > $1/which", "");
    world.write("experiments/other/tool.sh", "echo wrong > $1/which");
    let text = world.read(FILE).replace("[\"tool.sh\"]\n", "[\"other/tool.sh\", \"tool.sh\"]\n");
    world.write(FILE, text);
    assert_eq!(world.pipeline(["run", FILE]).code, Some(0));
    assert_eq!(stored(&world, "which"), "right\n");
}

#[test]
fn what_a_program_leaves_running_writes_nothing_into_its_result() {
    let script = "(sleep 1; echo late > $1/late) & echo done > $1/made";
    let world = world(script, "");
    assert_eq!(world.pipeline(["run", FILE]).code, Some(0));
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(world.pipeline(["verify"]).code, Some(0));
}

#[test]
fn the_scores_of_a_program_are_shown_as_others_are_and_may_be_an_objective() {
    let script = "echo \"{\\\"f1\\\": 0.$SIZE, \\\"of\\\": {\\\"PER\\\": null}, \\\"caveats\\\": [{\\\"code\\\": \\\"toy\\\", \\\"message\\\": \\\"it is a toy\\\", \\\"count\\\": 1}]}\" > $1/metrics.json";
    let sweep = "output = \"evaluation\"\n[sweep]\nobjective = \"max tool.f1\"\n[sweep.over]\ntool.env = [[\"SIZE=3\"], [\"SIZE=7\"]]";
    let world = world(script, sweep);
    let shot = world.pipeline(["run", FILE]);
    assert_eq!(shot.code, Some(0), "{shot}");
    assert!(shot.stdout.contains("best point: env=SIZE-7"), "{shot}");
    assert!(shot.stdout.contains("caveat: it is a toy"), "{shot}");
    assert!(world.read("outputs/tool/best/tool/metrics.json").contains("0.7"), "{shot}");
    assert!(world.read("outputs/tool/summary.csv").contains("tool.f1"), "{shot}");
}

#[test]
fn scores_that_are_none_are_refused() {
    for (content, reason) in [
        ("", "left no `metrics.json`"),
        ("{\"f1\": NaN}", "is no JSON"),
        ("[1]", "is no JSON object"),
        ("{\"f1\": \"high\"}", "has no number in it"),
        ("{\"f1\": 1, \"caveats\": [\"x\"]}", "has `caveats` that are none"),
    ] {
        let script = match content {
            "" => "true".to_owned(),
            content => format!("cat > $1/metrics.json <<'END'\n{content}\nEND\n"),
        };
        let shot = world(&script, "output = \"evaluation\"").pipeline(["run", FILE]);
        assert_eq!(shot.code, Some(1), "{shot}");
        assert!(shot.stderr.contains(reason), "{reason}\n{shot}");
    }
}

#[test]
fn a_program_that_takes_too_long_is_said_to_begin_anew() {
    let shot = world("sleep 60", "timeout = \"300ms\"").pipeline(["run", FILE]);
    assert!(shot.stderr.contains("it was stopped, and begins anew with the next run"), "{shot}");
}

#[test]
fn what_a_program_has_started_ends_when_pipeline_is_killed() {
    let world = world("sleep 600 & echo $! > ../child; echo $$ > ../parent; wait", "");
    let mut run = world.process(["run", FILE]);
    let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    let begun = Instant::now();
    let wait = |is_over: &dyn Fn() -> bool| {
        while !is_over() {
            assert!(begun.elapsed() < Duration::from_secs(300), "it takes too long");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    wait(&|| !world.read_if_there("parent").is_empty());
    run.kill().expect("killed");
    run.wait().expect("ends");
    for file in ["child", "parent"] {
        let process = format!("/proc/{}/stat", world.read(file).trim());
        wait(&|| {
            let state = std::fs::read_to_string(&process).unwrap_or_default();
            state.is_empty() || state.contains(") Z ")
        });
    }
}

#[test]
fn the_experiment_among_the_results_runs_from_where_it_lies() {
    let script = "echo '{\"f1\": 0.5}' > $1/metrics.json; cat $2 > $1/words";
    let world = world(script, "output = \"evaluation\"");
    world.write("experiments/data/words.txt", "words\n");
    let text = world.read(FILE);
    let text = text.replace("\"{out}\"]", "\"{out}\", \"./data/words.txt\"]");
    let text = text.replace("[\"tool.sh\"]\n", "[\"tool.sh\", \"data/words.txt\"]\n");
    world.write(FILE, text);
    let shot = world.pipeline(["run", FILE]);
    assert_eq!(shot.code, Some(0), "{shot}");
    let again = world.pipeline(["run", "outputs/tool/experiment.toml", "--rerun", "tool"]);
    assert_eq!(again.code, Some(0), "{again}");
    let plan = world.pipeline(["plan", "outputs/tool/experiment.toml"]);
    assert!(plan.stdout.contains("cached"), "{plan}");
}

#[test]
fn of_files_the_parts_of_a_key_show_their_content_and_no_empty_list() {
    let shot = world("true", "").pipeline(["explain", FILE, "tool"]);
    assert!(shot.stdout.contains("content of sources.0 "), "{shot}");
    assert!(!shot.stdout.contains("[]"), "{shot}");
}

#[test]
fn texts_stay_in_their_order_behind_a_program_that_hands_it_on() {
    let run = |script| {
        let world = cleaned(script);
        let line = |number: usize| {
            let (day, anomaly) = (number / 4 + 1, number % 2);
            format!(
                "{{\"text\": \"a {number}\", \"anomaly\": {anomaly}, \"time\": \"2024-05-{day:02}\"}}\n"
            )
        };
        world.write("experiments/data/lines.jsonl", (0..80).map(line).collect::<String>());
        let text = world.read("experiments/cleaned.toml")
            + "[stage.corpus]\nkind = \"read_corpus\"\npath = \"data/lines.jsonl\"\norder = \"time\"\n\
               [stage.train]\nthresholds = { anomaly = { alerts_per_day = 1 } }\n";
        world.write("experiments/cleaned.toml", text);
        world.pipeline(["run", "experiments/cleaned.toml", "train"])
    };
    let shot = run("cp {in.corpus}/*.jsonl {in.corpus}/*.json {out}");
    assert!(shot.code == Some(0) && shot.stderr.contains("alerts in 3.00 days"), "{shot}");
    let shot = run("cp {in.corpus}/*.jsonl {in.corpus}/tasks.json {out}");
    assert!(shot.code != Some(0) && shot.to_string().contains("copies `order.json`"), "{shot}");
}
