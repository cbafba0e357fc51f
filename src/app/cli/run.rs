//! `pipeline run`: plans, pins, runs what has changed, records, publishes, and says how it went.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::args::{Means, Run};
use super::check::place_of;
use super::compare::compare;
use super::failure::{Failure, Outcome};
use super::listener::Listener;
use super::output::Output;
use super::pin::pin;
use super::profile::profile;
use super::project::{self, Project};
use super::root::Root;
use super::rounds::{Rounds, Told};
use super::signals::Signals;
use super::{cost, jobs, origin, plan as planning, terminal, typed};
use crate::base::diagnostics::{Diagnostic, Diagnostics, suggest};
use crate::engine::exec::{
    self, Cancel, Counts, Event, NodeResult, Options, Reporter, RunOutcome, slurm,
};
use crate::engine::plan::Plan;
use crate::engine::runs::{
    self, Asked, CameTo, NewRun, NodeStatus, Outline, Results, RunFile, RunNode, RunRecord,
    RunStatus, name_of_file,
};
use crate::engine::spec::unsafe_name;
use crate::engine::stage::{Caveat, Device};
use crate::engine::store::Claim;
use crate::stages;
use crate::view::{self, Console, Part, PublishError, Published, TensorBoard, format};

pub fn run(arguments: &Run, color: bool) -> Result<Outcome, Failure> {
    let signals = Signals::watch()?;
    let root = Root::of(&arguments.file, &arguments.place)?;
    let rerun = arguments.rerun.iter().map(|stage| stage.as_str().into()).collect();
    let mut options = Options { rerun, ..means(&arguments.means, &root)? };
    match &mut options.cluster {
        Some(cluster) => {
            if !arguments.dry_run {
                slurm::check().map_err(|error| Failure::usage_of(&error))?;
            }
            cluster.detach = arguments.detach;
        }
        None if arguments.detach => {
            let failure = Failure::usage("`--detach` leaves a run to the jobs of a cluster");
            return Err(failure.with_help(
                "name a profile with `executor = \"slurm\"`: `--profile NAME`, or start the run with `nohup`",
            ));
        }
        None => {}
    }
    let (mut project, mut plan) = planned(arguments)?;
    if let Some(stage) =
        arguments.rerun.iter().find(|name| !plan.nodes.iter().any(|node| node.is_named(name)))
    {
        let titles: Vec<String> = plan.nodes.iter().map(crate::engine::plan::Node::title).collect();
        let known = plan.stages().iter().map(|known| &**known);
        let help = match suggest(stage, known.chain(titles.iter().map(String::as_str))) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`--rerun` takes the name of a stage that this run includes, or of a trial, such as \
                     `train [seed=0]`"
                .to_owned(),
        };
        return Err(Failure::not_found(format!("this run has no stage `{stage}`")).with_help(help));
    }
    if arguments.dry_run {
        let mut forecast = planning::forecast(&plan, &project.store, &arguments.rerun);
        if !arguments.retry_failed {
            planning::end_failed(&project, &plan, &mut forecast);
        }
        return planning::print(&project, &plan, &forecast, options.threads, arguments.json)
            .map(|()| Outcome::Done);
    }
    view::check_place(&project.store, &plan.results, &name_of_file(&project.store, &plan.file))
        .map_err(|error| Failure::usage_of(&error))?;
    let unresolved = plan.unresolved();
    if !unresolved.is_empty() {
        signals.begin();
        if !pin(&project, &unresolved, options.offline, &signals.cancel)? {
            return Ok(Outcome::Interrupted);
        }
        signals.pause();
        (project, plan) = planned(arguments)?;
    }
    if arguments.retry_failed && forget_failures(&project, &plan)? {
        (project, plan) = planned(arguments)?;
    }
    signals.begin();
    project.store.when_waiting(terminal::waiting(Some(signals.cancel.clone())));
    let writes_board =
        profile(&root, arguments.means.profile.as_deref())?.tensorboard.unwrap_or(true);
    let ending = execute(arguments, &project, plan, &options, &signals, color, writes_board)?;
    if options.cluster.is_none() {
        return Ok(ending);
    }
    jobs::left(ending, arguments, &project, &signals)
}

/// Forgets what is recorded of failures; whether there was anything.
fn forget_failures(project: &Project, plan: &Plan) -> Result<bool, Failure> {
    let mut any = false;
    for key in plan.nodes.iter().filter_map(|node| node.identity.key()) {
        if project.store.failure(&key).is_some() {
            project.store.forget_failure(&key).map_err(|error| Failure::failed_of(&error))?;
            any = true;
        }
    }
    Ok(any)
}

/// The plan, with its results in the folder that `--name` asks for.
fn planned(arguments: &Run) -> Result<(Project, Plan), Failure> {
    let (project, mut plan) =
        Project::plan(&arguments.file, &arguments.place, &arguments.changes, &arguments.stages)?;
    if let Some(name) = &arguments.name {
        let results = format!("{}@{name}", plan.name);
        if let Some(problem) =
            if name.is_empty() { Some("is empty") } else { unsafe_name(&results) }
        {
            let failure = Failure::usage(format!("`--name {name}`: the name {problem}"));
            return Err(failure.with_help("results go to `outputs/EXPERIMENT@NAME/`"));
        }
        plan.results = results;
    }
    Ok((project, plan))
}

fn execute(
    arguments: &Run,
    project: &Project,
    plan: Plan,
    options: &Options,
    signals: &Signals,
    color: bool,
    writes_board: bool,
) -> Result<Outcome, Failure> {
    let resolved = project.experiment.to_toml_with_paths(&origin::is_path);
    let objective = plan.sweep.as_ref().and_then(|sweep| sweep.objective.as_ref());
    let asked = Asked {
        command: typed::command_line(),
        overrides: project::asked(&arguments.changes),
        results: plan.results.clone(),
        objective: objective.cloned(),
        single_trials: plan.of_single_trials,
    };
    let new = NewRun {
        experiment: &plan.name,
        file: &plan.file,
        resolved: &resolved,
        started: jiff::Timestamp::now(),
        asked: &asked,
    };
    let record =
        RunRecord::begin(&project.store, &new).map_err(|error| Failure::usage_of(&error))?;
    // Before the claim, which removes what else killed runs left.
    for warning in view::bring_over(&project.store) {
        terminal::complain(&format!("warning: {warning}\n"));
    }
    // Until the results are published and the record says what was used: from there `gc` knows it.
    let claim = match Claim::of(&project.store, plan.names()) {
        Err(_) if signals.cancel.is_cancelled() => {
            record.finish(RunStatus::Interrupted, 130, 0, CameTo::default(), |_| None)?;
            return Ok(Outcome::Interrupted);
        }
        result => result?,
    };
    let console = (!arguments.json).then(|| Arc::new(console(&plan, arguments.quiet, color)));
    if let Some(console) = &console {
        signals.answer_on(console);
    }
    let output = Output::new(console, arguments.json);
    for text in &plan.warnings {
        output.tell(&Event::Warning { text: text.to_string() }, |line| record.event(line));
    }
    let begin = || TensorBoard::begin(record.folder(), record.id(), &asked.command, &resolved);
    let board = writes_board.then(begin);
    let (record, output, board) = (&record, &output, board.as_ref());
    let running = Running { arguments, project, options, signals, record, output, board };
    running.in_rounds(plan, vec![claim], color)
}

/// A run that has begun.
#[derive(Clone, Copy)]
struct Running<'a> {
    arguments: &'a Run,
    project: &'a Project,
    options: &'a Options,
    signals: &'a Signals,
    record: &'a RunRecord<'a>,
    output: &'a Output,
    board: Option<&'a TensorBoard>,
}

impl Running<'_> {
    /// Runs a plan, and those to which its results lead, and concludes.
    ///
    /// * `claims`: what is kept for the run, as far as it is known
    fn in_rounds(
        self,
        mut plan: Plan,
        mut claims: Vec<Option<Claim>>,
        color: bool,
    ) -> Result<Outcome, Failure> {
        let Self { arguments, project, options, signals, record, output, board } = self;
        let on_cpu = matches!(options.device, Device::Cpu | Device::Auto)
            && !cfg!(any(feature = "cuda", feature = "metal"))
            && options.cluster.is_none();
        let searched = project.search.as_ref().filter(|search| search.searches);
        let searches = searched.is_some();
        let (mut rounds, told, standings) = (Rounds::default(), Told::default(), Mutex::default());
        let store = &project.store;
        let background = &origin::background(&project.experiment);
        loop {
            let again = |part: Part<'_>, folder: &Path| {
                origin::again(&project.experiment, &plan, arguments.name.is_some(), part, folder)
            };
            let asked = Options {
                verify: view::unpublished(&plan, store),
                logs: Some(record.folder().to_owned()),
                ..rounds.begin(&plan, store, options, searches)
            };
            let is_first_round = rounds.is_first();
            let (plan_now, again, told) = (&plan, &again, &told);
            let listener = Listener {
                record,
                output,
                board,
                plan: plan_now,
                store,
                on_cpu,
                again,
                background,
                told,
                standings: &standings,
                is_first_round,
            };
            listener.begin(searched.map(|search| search.count));
            let outcome = exec::execute(plan_now, store, &asked, &listener, &signals.cancel)
                .map_err(|error| Failure::failed_of(&error));
            let ended = outcome
                .and_then(|outcome| Ok((self.go_on(plan_now, &outcome, &mut rounds)?, outcome)));
            let (next, outcome) = match ended {
                Ok(ended) => ended,
                Err(failure) => {
                    let is_cancelled = signals.cancel.is_cancelled();
                    let ending =
                        if is_cancelled { Outcome::Interrupted } else { failure.outcome() };
                    let elapsed = u64::try_from(output.elapsed().as_millis()).unwrap_or(u64::MAX);
                    record.finish(
                        status(ending),
                        ending.code(),
                        elapsed,
                        CameTo::default(),
                        |_| None,
                    )?;
                    return if is_cancelled { Ok(ending) } else { Err(failure) };
                }
            };
            let Some((next, claim)) = next else {
                let outcome = rounds.whole(&plan, outcome, searches, output.elapsed());
                if !arguments.json
                    && let Some(places) = places(project, &outcome)
                {
                    terminal::complain(&places.render(color));
                }
                return conclude(&outcome, &listener, &signals.cancel);
            };
            let unwritten = board.and_then(|board| board.end(&plan, store));
            unwritten.into_iter().for_each(|text| listener.event(&Event::Warning { text }));
            claims.push(claim);
            plan = next;
        }
    }

    /// The plan to which the results of a round lead, of a file that is planned in steps. An interrupted run has it too: what it lacks is
    /// said, and that it is not done.
    fn go_on(
        self,
        plan: &Plan,
        outcome: &RunOutcome,
        rounds: &mut Rounds,
    ) -> Result<Option<(Plan, Option<Claim>)>, Failure> {
        let Self { arguments, project, record, output, .. } = self;
        let Some(search) = &project.search else { return Ok(None) };
        let ended = rounds
            .end(plan, outcome, &project.store, record.id(), search)
            .map_err(|error| Failure::failed(error.to_string()))?;
        ended.iter().for_each(|event| output.tell(event, |line| record.event(line)));
        let (next, search) = project.go_on(plan, &arguments.stages)?;
        let states = runs::saved_states(next.as_ref().unwrap_or(plan), &project.store);
        if let Err(error) = states.remove_dropped(&project.store) {
            let text = format!("saved states of points that were dropped stay: {error}");
            output.tell(&Event::Warning { text }, |line| record.event(line));
        }
        for text in search.iter().flat_map(|search| rounds.news(search, next.is_none())) {
            output.tell(&Event::Warning { text }, |line| record.event(line));
        }
        let Some(next) = next else { return Ok(None) };
        let claim = Claim::of(&project.store, next.names())?;
        Ok(Some((next, claim)))
    }
}

/// Where the experiment says what stages found mistakes in, or names the files that have them.
fn places(project: &Project, outcome: &RunOutcome) -> Option<Diagnostics> {
    let place = |node: &NodeResult| {
        let exec::Outcome::Failed { error, .. } = &node.outcome else { return None };
        let (stage, parameter) = (&node.name.stage, error.parameter()?);
        let message = format!("stage `{stage}` failed because of its `{parameter}`");
        let span = place_of(&project.experiment, stage, error)?;
        Some(Diagnostic::new("bad-data", message).at(span))
    };
    let found: Vec<Diagnostic> = outcome.nodes.iter().filter_map(place).collect();
    (!found.is_empty()).then(|| Diagnostics::new(Arc::clone(&project.experiment.sources), found))
}

/// Publishes a run that has come to its end, records it, and says how it went.
fn conclude(
    outcome: &RunOutcome,
    listener: &Listener<'_>,
    cancel: &Cancel,
) -> Result<Outcome, Failure> {
    let results = results(listener, outcome);
    let published = publish(listener, &results, cancel);
    let published = published.and_then(|published| match listener.output.unwritten() {
        Some(failure) => Err(failure),
        None => Ok(published),
    });
    // One truth for the record, the last event and the process: how the work ended, and for work that is done whether its results are there.
    let ending = match ending(outcome) {
        Outcome::Done => published.as_ref().map_or_else(Failure::outcome, |_| Outcome::Done),
        ending => ending,
    };
    let recorded = finish(listener.record, &results.run, outcome, ending);
    let ending =
        if recorded.is_err() && ending == Outcome::Done { Outcome::Failed } else { ending };
    for warning in published.iter().flatten().flat_map(|published| &published.warnings) {
        listener.event(&Event::Warning { text: warning.clone() });
    }
    let caveats = match &published {
        Ok(Some(_)) => results.caveats().map_err(|error| {
            Failure::failed(format!("the scores cannot be read: {error}"))
                .with_help("`pipeline verify` lists damaged entries; `run` rebuilds them")
        }),
        _ => Ok(Vec::new()),
    };
    if let Some(board) = listener.board {
        let published = published.as_ref().ok().and_then(Option::as_ref);
        let caveats = caveats.as_ref().map_or(&[][..], Vec::as_slice);
        let unwritten = board.finish(listener.plan, listener.store, &results, published, caveats);
        unwritten.into_iter().for_each(|text| listener.event(&Event::Warning { text }));
    }
    let ended = published.and_then(|published| {
        recorded?;
        let table = published.as_ref().and_then(|_| table(&results, listener));
        Ok(Shown { published, table, caveats: caveats? })
    });
    listener.event(&finished(listener.record.id(), outcome, &ended, ending));
    let shown = match ended.map_err(|failure| failure.ending(ending)) {
        // The last event has said it.
        Err(failure) if listener.output.is_json() && listener.output.unwritten().is_none() => {
            return Ok(failure.outcome());
        }
        ended => ended?,
    };
    if let Some(notice) = shown.published.as_ref().and_then(Published::notice) {
        terminal::complain(&format!("{notice}\n"));
    }
    if !listener.output.is_json() {
        let earlier = match shown.published {
            Some(_) => None,
            None => view::earlier(listener.store, &results.run),
        };
        let summary = summary(&results.run, ending, &shown, earlier.as_deref());
        match terminal::print(&summary) {
            // The terminal may be gone, which is why the run was interrupted.
            Err(_) if ending == Outcome::Interrupted => {}
            result => result?,
        }
    }
    Ok(ending)
}

/// What is shown of a run at its end.
struct Shown {
    published: Option<Published>,
    /// What the end of a sweep shows.
    table: Option<String>,
    /// What its scores are to be read with.
    caveats: Vec<Caveat>,
}

/// Puts the results where people look for them.
fn publish(
    listener: &Listener<'_>,
    results: &Results,
    cancel: &Cancel,
) -> Result<Option<Published>, Failure> {
    let (store, again, background) = (listener.store, listener.again, listener.background);
    let (compare, reporter) = (&compare, listener);
    let task = view::Task { results, store, again, compare, background, cancel, reporter };
    view::publish(task).map_err(|error| {
        let ending = match error {
            PublishError::Interrupted { .. } => Outcome::Interrupted,
            _ => Outcome::Failed,
        };
        Failure::failed_of(&error).ending(ending)
    })
}

/// Tells of nodes, or of stages where there are more nodes than one reads of, as `plan` does.
fn console(plan: &Plan, quiet: bool, color: bool) -> Console {
    let console = if plan.nodes.len() <= planning::LISTED {
        let titles: Vec<String> = plan.nodes.iter().map(crate::engine::plan::Node::title).collect();
        Console::new(titles.iter().map(String::as_str), color)
    } else {
        let totals = plan.by_stage().into_iter().map(|(stage, ids)| (Arc::clone(stage), ids.len()));
        Console::new(plan.stages().iter().map(|stage| &**stage), color).by_stage(totals)
    };
    if quiet { console.quietly() } else { console }
}

/// How work is carried out, from the command line, else from a profile of the root's settings.
pub(super) fn means(asked: &Means, root: &Root) -> Result<Options, Failure> {
    let profile = profile(root, asked.profile.as_deref())?;
    let defaults = Options::default();
    let threads =
        asked.threads.or(profile.threads).map_or(defaults.threads, |threads| threads as usize);
    let jobs = asked.jobs.or(profile.jobs).map_or(threads, |jobs| jobs as usize);
    let device = available(asked.device.or(profile.device).unwrap_or(Device::Auto))?;
    let offline = asked.offline || profile.offline.unwrap_or(false);
    let cluster = profile.cluster();
    // What was submitted goes on in any case.
    let keep_going = asked.keep_going || cluster.is_some();
    let memory = cost::available();
    Ok(Options { jobs, threads, memory, device, keep_going, offline, cluster, ..defaults })
}

/// The device, unless this program was built without it.
fn available(device: Device) -> Result<Device, Failure> {
    let lacking = match device {
        // Without a GPU's feature there is nothing to choose between, and records say what was used.
        Device::Auto if !cfg!(any(feature = "cuda", feature = "metal")) => return Ok(Device::Cpu),
        Device::Cuda(_) if !cfg!(feature = "cuda") => "cuda",
        Device::Metal(_) if !cfg!(feature = "metal") => "metal",
        _ => return Ok(device),
    };
    Err(Failure::usage(format!("this program was built without `{lacking}`")).with_help(format!(
        "build it with `cargo build --release --features {lacking}`, or use `--device cpu`"
    )))
}

/// The last event of a run.
///
/// * `ended`: what was published, or what went wrong after the stages
fn finished(
    run: &str,
    outcome: &RunOutcome,
    ended: &Result<Shown, Failure>,
    ending: Outcome,
) -> Event {
    let mut finished = outcome.finished(ending.code());
    finished.run = Some(run.to_owned());
    match ended {
        Ok(Shown { published, caveats, .. }) => {
            if let Some(Published { folder, best, metrics, .. }) = published {
                finished.results = Some(folder.clone());
                finished.best.clone_from(best);
                finished.metrics = metrics.clone();
            }
            finished.caveats.clone_from(caveats);
        }
        Err(failure) => finished.errors.push(failure.to_run_error()),
    }
    Event::RunFinished(finished)
}

/// What the work has come to, whatever becomes of its results.
fn results(listener: &Listener<'_>, outcome: &RunOutcome) -> Results {
    let mut nodes = outcome.records(listener.plan);
    runs::note_built(listener.store, &mut nodes);
    let run = RunFile {
        status: status(ending(outcome)),
        elapsed_ms: Some(u64::try_from(outcome.elapsed.as_millis()).unwrap_or(u64::MAX)),
        nodes,
        outline: Some(Outline::of(listener.plan)),
        ..listener.record.run().clone()
    };
    let entries = outcome.entries();
    let entry = |node: &RunNode| {
        let key = node.key.filter(|_| node.outcome.is_complete())?;
        entries.get(&key).copied().cloned()
    };
    let entries = run.nodes.iter().map(entry).collect();
    let mut results = Results::of(run, entries, stages::ALL);
    // Where scores cannot be read, publishing says it.
    results.run.best = view::best_trials(&results).unwrap_or_default();
    let fresh = results.trials.iter().filter(|of| of.level.is_fresh);
    results.run.fresh = fresh.map(|of| of.label.to_string()).collect();
    results
}

/// Completes the record.
///
/// * `run`: what the work has come to
fn finish(
    record: &RunRecord<'_>,
    run: &RunFile,
    outcome: &RunOutcome,
    ending: Outcome,
) -> Result<(), Failure> {
    let elapsed = run.elapsed_ms.unwrap_or(0);
    let RunFile { outline, nodes, best, fresh, .. } = run.clone();
    let came_to = CameTo { outline, nodes, best, fresh };
    record.finish(status(ending), ending.code(), elapsed, came_to, outcome.fingerprints())?;
    Ok(())
}

fn status(ending: Outcome) -> RunStatus {
    match ending {
        Outcome::Done => RunStatus::Done,
        Outcome::Interrupted => RunStatus::Interrupted,
        _ => RunStatus::Failed,
    }
}

/// What the end of a sweep shows.
fn table(results: &Results, listener: &Listener<'_>) -> Option<String> {
    view::sweep_table(results).unwrap_or_else(|error| {
        let text = format!("the metrics of the sweep cannot be read: {error}");
        listener.event(&Event::Warning { text });
        None
    })
}

/// * `earlier`: the folder of results that this run left as they were
fn summary(run: &RunFile, ending: Outcome, shown: &Shown, earlier: Option<&Path>) -> String {
    let elapsed = Duration::from_millis(run.elapsed_ms.unwrap_or(0));
    let ends = run.nodes.iter().map(|node| node.outcome);
    let mut text = format!("\n{}", line_of(ending, elapsed, ends.clone().collect()));
    if let Some(Published { folder, metrics: scores, missing, .. }) = &shown.published {
        match &shown.table {
            Some(table) => text += table,
            None => text += &view::scores_text(scores, &is_detail),
        }
        text += &view::caveat_lines(&shown.caveats);
        writeln!(text, "results: {}", folder.display()).expect("a string");
        if !missing.is_empty() {
            let stages: Vec<String> = missing.iter().map(|stage| format!("`{stage}`")).collect();
            writeln!(text, "missing: what {} would have made", stages.join(", "))
                .expect("a string");
        }
    }
    if shown.published.is_none() && earlier.is_none() && run.asked.single_trials {
        text += "results: none; single trials of a sweep are published with the others\n";
    }
    if let Some(folder) = earlier {
        writeln!(text, "results: none; `{}` still holds those of an earlier run", folder.display())
            .expect("a string");
    }
    if !ends.clone().all(NodeStatus::is_complete) {
        let run = &run.id;
        writeln!(text, "run: {run} (`pipeline show {run}`)").expect("a string");
    }
    text
}

/// Whether a score is one that some artifact calls a detail.
pub(super) fn is_detail(name: &str) -> bool {
    let (_, path) = name.split_once('.').unwrap_or_default();
    stages::ALL.iter().any(|kind| kind.output.is_detail(path))
}

/// How the work ended.
pub(super) fn ending(outcome: &RunOutcome) -> Outcome {
    match outcome.exit_code() {
        0 => Outcome::Done,
        130 => Outcome::Interrupted,
        _ => Outcome::Failed,
    }
}

/// How the work ended, in a line for people.
pub(super) fn line_of(ending: Outcome, elapsed: Duration, counts: Counts) -> String {
    let ends = format::ends(counts, |count| count.to_string());
    let elapsed = format::duration(elapsed);
    format!("{} in {elapsed}: {}\n", status(ending).name(), ends.join(", "))
}
