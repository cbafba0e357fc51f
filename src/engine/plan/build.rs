//! [`Plan::build`]: everything put together.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::draft::{Draft, Wire};
use super::facts::{InputCheck, undefined};
use super::folds::folded;
use super::instances::{Instance, Instances, Reader};
use super::key::key_of;
use super::node::Commit;
use super::points::{self, Points};
use super::schema::Schemas;
use super::select::Selector;
use super::sources::Contents;
use super::sweep::Axes;
use super::trials::Trials;
use super::warning::{Warning, undefined_everywhere};
use super::wires::Graph;
use super::{Digests, Foreseen, Home, Identity, Node, NodeId, Plan, PlanError, SweepShape};
use crate::base::diagnostics::{Diagnostic, Diagnostics, suggest};
use crate::engine::spec::{Experiment, StageDeclaration};
use crate::engine::stage::{AnyStage, Resources, StageKind};

/// Bounds trials times stages and wires.
const MOST_NODES: usize = 4_000_000;

impl Plan {
    /// Plans an experiment: types, wires, trials and keys.
    ///
    /// * `kinds`: the table of kinds
    /// * `points`: what is tried, such as all that the file asks for ([`Points::of`])
    /// * `selected`: names of the stages, or of single trials of them (`train [seed=0]`), that are wanted; everything where empty. What they
    ///   need is planned with them.
    ///
    /// # Errors
    /// [`PlanError::Diagnostics`] with every mistake, of stages that were not selected too. For an experiment of which not all could be read
    /// ([`Experiment::read_recovering`]) it is what comes on top of the reader's own, maybe nothing.
    /// [`PlanError::NothingSelected`] when there is no stage of a selected name.
    pub fn build(
        experiment: &Experiment,
        kinds: &'static [StageKind],
        points: &Points,
        digests: &dyn Digests,
        selected: &[String],
    ) -> Result<Self, PlanError> {
        let mut found = Vec::new();
        let graph = Graph::connect(experiment, kinds, &mut Schemas::default(), &mut found);
        let axes = Axes::resolve(experiment, &graph, &mut found);
        let trials = bounded(experiment, points, &graph, &mut found);
        let mut reader =
            Reader::new(experiment, &axes, &trials, digests, folded(&graph).ok(), &mut found);
        let stages = graph.drafts.iter().enumerate();
        let instances: Vec<Option<Instances>> =
            stages.map(|(number, draft)| reader.read(number, draft)).collect();
        let (effects, files, choices) = reader.finish();
        let (texts, contents) = files.finish();
        let is_sound = instances.iter().all(Option::is_some);
        effects.check_use(&axes, &graph, &mut found);
        if is_sound {
            effects.check(experiment, &graph, &axes, points, &mut found);
        }
        let mut assembly = Assembly::new(&axes, &trials, &contents);
        assembly.place_all(&graph, &graph.order, &instances);
        found.append(&mut assembly.inputs.found);
        let undefined = assembly.check_objective(experiment, &graph, &mut found);
        if !found.is_empty() || !axes.are_complete() || !is_sound {
            return Err(Diagnostics::new(texts, found).into());
        }
        let wanted = select(&graph, selected)?;
        let order: Vec<usize> =
            graph.order.iter().copied().filter(|stage| wanted.contains(stage)).collect();
        if order.len() < graph.drafts.len() {
            assembly = Assembly::new(&axes, &trials, &contents);
            assembly.place_all(&graph, &order, &instances);
        }
        let stages: Vec<Arc<str>> =
            order.iter().map(|stage| Arc::clone(&graph.drafts[*stage].declaration.name)).collect();
        let positions = (0..).zip(&stages).map(|(at, stage)| (Arc::clone(stage), at)).collect();
        let of_trials = |stage: &usize| assembly.placed[stage].nodes.clone();
        Self {
            name: experiment.name.clone(),
            results: results(experiment),
            firsts: firsts(experiment, kinds),
            file: experiment.file.clone(),
            trials: trials.list(),
            sweep: experiment.sweep.as_ref().map(|sweep| SweepShape::of(sweep, &trials, &graph)),
            home: Home::of(experiment),
            partial: order.len() < graph.drafts.len(),
            of_single_trials: false,
            warnings: undefined
                .into_iter()
                .chain(choices.into_iter().filter(|warning| warning.is_of_one_in(&stages)))
                .collect(),
            stages,
            positions,
            table: order.iter().map(of_trials).collect(),
            foreseen: assembly.foreseen,
            nodes: assembly.nodes,
        }
        .keep_named(selected)
    }
}

/// Every point with every fold and seed; only the first where the plan would be too large, which is said.
fn bounded<'a>(
    experiment: &'a Experiment,
    points: &'a Points,
    graph: &Graph<'_>,
    found: &mut Vec<Diagnostic>,
) -> Trials<'a> {
    let Some(sweep) = &experiment.sweep else { return Trials::new(points, None) };
    if let Some(refused) = &points.refused {
        found.push(refused.clone());
        return Trials::new(points, None);
    }
    let trials = Trials::new(points, Some(sweep));
    let count = trials.count();
    if count <= 1 || count.saturating_mul(graph.size()) <= MOST_NODES {
        return trials;
    }
    let stages = graph.drafts.len();
    let message = format!("the sweep has {count} trials, too many for a file of {stages} stages");
    found.push(points::too_many(message, sweep));
    trials.first()
}

/// The stage of each kind that is called as the kind is, else the first in the file; none of a kind whose results lie aside.
fn firsts(experiment: &Experiment, kinds: &[StageKind]) -> BTreeSet<Arc<str>> {
    let is_aside = |name: &str| kinds.iter().any(|kind| kind.name == name && kind.aside);
    let mut firsts: HashMap<&str, &Arc<str>> = HashMap::new();
    for stage in experiment.stages.iter().filter(|stage| !is_aside(&stage.kind)) {
        let first = firsts.entry(&stage.kind).or_insert(&stage.name);
        if stage.name == stage.kind {
            *first = &stage.name;
        }
    }
    firsts.into_values().cloned().collect()
}

/// A sweep that the file does not have leaves the results of the file alone.
fn results(experiment: &Experiment) -> String {
    let asked = experiment.sweep.as_ref().is_some_and(|sweep| sweep.from_command_line);
    format!("{}{}", experiment.name, if asked { "-sweep" } else { "" })
}

/// The stages that are wanted, and all that they need.
fn select(graph: &Graph<'_>, selected: &[String]) -> Result<BTreeSet<usize>, PlanError> {
    let mut open = Vec::new();
    for selector in selected {
        let Some(stage) = graph.position(Selector::parse(selector).stage) else {
            let stages: Vec<String> =
                graph.drafts.iter().map(|draft| draft.declaration.name.to_string()).collect();
            let suggestion =
                suggest(Selector::parse(selector).stage, stages.iter().map(String::as_str))
                    .map(str::to_owned);
            return Err(PlanError::NothingSelected {
                selector: selector.clone(),
                suggestion,
                stages,
            });
        };
        open.push(stage);
    }
    if selected.is_empty() {
        open.extend(0..graph.drafts.len());
    }
    let mut wanted = BTreeSet::new();
    while let Some(stage) = open.pop() {
        if wanted.insert(stage) {
            open.extend(graph.drafts[stage].needs().map(|(need, _)| need));
        }
    }
    Ok(wanted)
}

/// The nodes of a stage.
struct Placed {
    /// The dimensions along which it, or what it needs, varies.
    reach: Vec<usize>,
    /// By trial.
    nodes: Vec<Option<NodeId>>,
    /// Whether it, or something that it needs, runs for the best point alone.
    is_late: bool,
}

struct Assembly<'a> {
    axes: &'a Axes<'a>,
    trials: &'a Trials<'a>,
    contents: &'a Contents,
    nodes: Vec<Node>,
    foreseen: Vec<Foreseen>,
    /// By number of the draft.
    placed: HashMap<usize, Placed>,
    /// Of the classes along some dimensions.
    labels: HashMap<Vec<usize>, Arc<[Arc<str>]>>,
    inputs: InputCheck,
}

impl<'a> Assembly<'a> {
    fn new(axes: &'a Axes<'a>, trials: &'a Trials<'a>, contents: &'a Contents) -> Self {
        Self {
            axes,
            trials,
            contents,
            nodes: Vec::new(),
            foreseen: Vec::new(),
            placed: HashMap::new(),
            labels: HashMap::new(),
            inputs: InputCheck::default(),
        }
    }

    /// Makes the nodes of all stages in `order` which are sound and whose inputs are.
    fn place_all(&mut self, graph: &Graph<'_>, order: &[usize], instances: &[Option<Instances>]) {
        for stage in order {
            let draft = &graph.drafts[*stage];
            if let Some(instances) = &instances[*stage]
                && draft.needs().all(|(need, _)| self.placed.contains_key(&need))
            {
                self.place(*stage, draft, instances);
            }
        }
    }

    /// Makes the nodes of a stage, whose inputs have theirs: one for all trials that give it the same parameters and inputs.
    fn place(&mut self, number: usize, draft: &Draft<'_>, instances: &Instances) {
        let Some((kind, _)) = &draft.kind else { return };
        let (axes, trials) = (self.axes, self.trials);
        let reach = draft.wires.iter().flat_map(|wire| &self.placed[&wire.stage].reach);
        let classes = trials.classes(reach.chain(&instances.classes.dimensions).copied());
        let labels = self
            .labels
            .entry(classes.dimensions.clone())
            .or_insert_with(|| trials.labels(&classes).into());
        let labels = Arc::clone(labels);
        let is_late = self.trials.are_swept()
            && (draft.declaration.at_best.is_some()
                || draft.needs().any(|(need, _)| self.placed[&need].is_late));
        let of_best = if is_late { trials.of_best() } else { Vec::new() };
        if is_late && of_best.is_empty() {
            self.foresee(draft, instances);
        }
        // Of each class a trial that has all that it needs.
        let mut firsts: Vec<Option<usize>> = classes.firsts.iter().copied().map(Some).collect();
        if is_late {
            firsts.fill(None);
            for trial in of_best.iter().rev() {
                firsts[classes.of(*trial)] = Some(*trial);
            }
        }
        // Keys list inputs by name.
        let mut by_name: Vec<usize> = (0..draft.wires.len()).collect();
        by_name.sort_unstable_by_key(|at| &draft.wires[*at].name);
        let needs: Vec<&[Option<NodeId>]> =
            draft.wires.iter().map(|wire| &*self.placed[&wire.stage].nodes).collect();
        let mut same: HashMap<([u8; 32], Vec<NodeId>), NodeId> =
            HashMap::with_capacity(classes.firsts.len());
        let mut of_class = Vec::with_capacity(classes.firsts.len());
        for (trial, label) in firsts.iter().zip(&*labels) {
            let Some(trial) = trial else {
                of_class.push(None);
                continue;
            };
            let instance = instances.of(*trial);
            let input =
                |nodes: &&[Option<NodeId>]| nodes[*trial].expect("what is late is needed late");
            let inputs: Vec<NodeId> = needs.iter().map(input).collect();
            let next =
                NodeId(u32::try_from(self.nodes.len()).expect("trials and stages are bounded"));
            let id = *same.entry((instance.own.digest, inputs.clone())).or_insert(next);
            of_class.push(Some(id));
            if id != next {
                continue;
            }
            let named = || by_name.iter().map(|at| (&*draft.wires[*at].name, inputs[*at]));
            let identity = identity(instance, &self.nodes, named());
            let ports = draft.wires.iter().map(|wire| Arc::clone(&wire.name));
            let mut node = Node {
                stage: Arc::clone(&draft.declaration.name),
                kind,
                instance: Arc::clone(&instance.stage),
                inputs: ports.zip(inputs.iter().copied()).collect(),
                after: Vec::new(),
                retry: draft.declaration.retry.map_or(0, |(retry, _)| retry),
                timeout: draft.declaration.timeout.map(|(timeout, _)| timeout),
                resources: resources(&*instance.stage, draft.declaration),
                identity,
                label: Arc::clone(label),
                is_late,
                facts: Arc::default(),
                own: Arc::clone(&instance.own),
            };
            let place = |parameter: &str| match axes.of_parameter(number, parameter) {
                Some(axis) => trials.value(*trial, axis).span,
                None => draft.place(parameter),
            };
            node.facts = self.inputs.look(&node, &self.nodes, number, &place, self.contents);
            self.nodes.push(node);
        }
        let runs = |trial: usize| !is_late || of_best.binary_search(&trial).is_ok();
        let of = |trial: usize| of_class[classes.of(trial)].filter(|_| runs(trial));
        let nodes: Vec<Option<NodeId>> = (0..trials.count()).map(of).collect();
        self.wait(draft, &nodes);
        self.placed.insert(number, Placed { reach: classes.dimensions, nodes, is_late });
    }

    /// Remembers a stage that has no node yet.
    fn foresee(&mut self, draft: &Draft<'_>, instances: &Instances) {
        const FIRST: usize = 0;
        let input = |wire: &Wire| {
            let node = *self.placed[&wire.stage].nodes.get(FIRST)?;
            Some((Arc::clone(&wire.name), node?))
        };
        let inputs = draft.wires.iter().filter_map(input).collect();
        let instance = Arc::clone(&instances.of(FIRST).stage);
        let stage = Arc::clone(&draft.declaration.name);
        self.foreseen.push(Foreseen { stage, instance, inputs });
    }

    /// Lets the nodes of a stage wait for those that it is to come after: in each of their trials, whichever node is that trial's.
    ///
    /// * `nodes`: by trial
    fn wait(&mut self, draft: &Draft<'_>, nodes: &[Option<NodeId>]) {
        let mut waits: Vec<(NodeId, NodeId)> = draft
            .after
            .iter()
            .flat_map(|(stage, _)| {
                let pairs = nodes.iter().zip(&self.placed[stage].nodes);
                pairs.filter_map(|(node, before)| Some(((*node)?, (*before)?)))
            })
            .collect();
        waits.sort_unstable();
        waits.dedup();
        for (node, before) in waits {
            self.nodes[node.index()].after.push(before);
        }
    }

    /// An objective that no trial can ever define is a mistake; where the data are why, a warning.
    fn check_objective(
        &self,
        experiment: &Experiment,
        graph: &Graph<'_>,
        found: &mut Vec<Diagnostic>,
    ) -> Option<Warning> {
        let (objective, span) = experiment.sweep.as_ref()?.objective.as_ref()?;
        let (stage, metric) = objective.path();
        let placed = self.placed.get(&graph.position(stage)?)?;
        if placed.is_late {
            let message =
                format!("the objective is of `{stage}`, which runs for the best point alone");
            let help = "choose by a stage that runs for every point";
            found.push(Diagnostic::new("late-objective", message).at(*span).help(help));
            return None;
        }
        let of_node = |id: &NodeId| undefined(&self.nodes[id.index()], &self.nodes);
        let reasons = undefined_everywhere(metric, placed.nodes.iter().flatten().map(of_node))?;
        let metric = objective.metric.clone();
        if let Some(by_data) = reasons.iter().find(|undefined| undefined.by_data) {
            let because = by_data.because.clone();
            return Some(Warning::UndefinedObjective { metric, because });
        }
        let because = &reasons[0].because;
        let message = format!("`{metric}` is undefined in every trial: {because}");
        let help = "choose another objective, or see that it is defined";
        found.push(Diagnostic::new("undefined-metric", message).at(*span).help(help));
        None
    }
}

/// What a stage takes of a machine: as the file says, else as the kind does.
fn resources(stage: &dyn AnyStage, declaration: &StageDeclaration) -> Resources {
    let own = stage.resources();
    let said = declaration.resources.map(|(said, _)| said).unwrap_or_default();
    Resources {
        threads: own.threads,
        cpus: said.cpus.or(own.cpus),
        memory: said.memory.or(own.memory),
        gpus: said.gpus.or(own.gpus),
        time: said.time.or(own.time),
    }
}

/// * `inputs`: sorted by name
fn identity<'n>(
    instance: &Instance,
    nodes: &[Node],
    inputs: impl Iterator<Item = (&'n str, NodeId)>,
) -> Identity {
    if let Commit::Unknown(unresolved) = &instance.own.commit {
        return Identity::Unresolved(Arc::clone(unresolved));
    }
    let mut keys = Vec::new();
    for (name, input) in inputs {
        match &nodes[input.index()].identity {
            Identity::Key(key) => keys.push((name, *key)),
            Identity::Unresolved(unresolved) => {
                return Identity::Unresolved(Arc::clone(unresolved));
            }
        }
    }
    Identity::Key(key_of(&instance.own.digest, keys.into_iter()))
}
