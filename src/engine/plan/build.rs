//! [`Plan::build`]: everything put together.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::foresight::Foresight;
use super::grid::Grid;
use super::instances::{Instances, Reader};
use super::key::key_of;
use super::node::Commit;
use super::schema::Schemas;
use super::select::Selector;
use super::sources::Contents;
use super::sweep::{Dimensions, Target, check_effects, one_idle_value};
use super::wires::{Draft, Graph};
use super::{Digests, Identity, Node, NodeId, Plan, PlanError};
use crate::base::diagnostics::{Diagnostic, Diagnostics, suggest};
use crate::engine::spec::Experiment;
use crate::engine::stage::{StageKind, UndefinedMetrics};

impl Plan {
    /// Plans an experiment: types, wires, trials and keys.
    ///
    /// * `kinds`: the table of kinds
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
        digests: &dyn Digests,
        selected: &[String],
    ) -> Result<Self, PlanError> {
        let mut found = Vec::new();
        let graph = Graph::connect(experiment, kinds, &mut Schemas::default(), &mut found);
        let dimensions = Dimensions::resolve(experiment, &graph, &mut found);
        let mut reader = Reader::new(experiment, &dimensions, digests, &mut found);
        let instances: Vec<Option<Instances>> = graph
            .drafts
            .iter()
            .enumerate()
            .map(|(number, draft)| reader.read(number, draft))
            .collect();
        let Reader { used, telling, files, .. } = reader;
        let (texts, contents) = files.finish();
        check_axes(&dimensions, &graph, experiment, (&used, &telling), &instances, &mut found);
        let mut assembly = Assembly::new(&dimensions, &contents);
        let mut warnings = Vec::new();
        if dimensions.bounded && dimensions.complete {
            assembly.place_all(&graph, &graph.order, &instances);
            found.append(&mut assembly.foresight.found);
            warnings.extend(assembly.check_objective(experiment, &graph, &mut found));
        }
        if !found.is_empty() || !dimensions.complete || !instances.iter().all(Option::is_some) {
            return Err(Diagnostics::new(texts, found).into());
        }
        let wanted = select(&graph, selected)?;
        let order: Vec<usize> =
            graph.order.iter().copied().filter(|stage| wanted.contains(stage)).collect();
        if order.len() < graph.drafts.len() {
            assembly = Assembly::new(&dimensions, &contents);
            assembly.place_all(&graph, &order, &instances);
        }
        let stages: Vec<Arc<str>> =
            order.iter().map(|stage| Arc::clone(&graph.drafts[*stage].declaration.name)).collect();
        let positions = (0..).zip(&stages).map(|(at, stage)| (Arc::clone(stage), at)).collect();
        let trials = dimensions.trials();
        let table = assembly.share_out(&order, trials.len());
        Self {
            name: experiment.name.clone(),
            results: results(experiment),
            firsts: firsts(experiment),
            file: experiment.file.clone(),
            nodes: assembly.nodes,
            trials,
            sweep: dimensions.shape(experiment),
            partial: order.len() < graph.drafts.len(),
            of_single_trials: false,
            warnings,
            stages,
            positions,
            table,
        }
        .keep_named(selected)
    }
}

/// The stage of each kind that is called as the kind is, else the first in the file.
fn firsts(experiment: &Experiment) -> BTreeSet<Arc<str>> {
    let mut firsts: HashMap<&str, &Arc<str>> = HashMap::new();
    for stage in &experiment.stages {
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

/// An axis must reach a stage, and each of its values must change something there.
fn check_axes(
    dimensions: &Dimensions<'_>,
    graph: &Graph<'_>,
    experiment: &Experiment,
    (used, telling): (&BTreeSet<usize>, &BTreeSet<usize>),
    instances: &[Option<Instances>],
    found: &mut Vec<Diagnostic>,
) {
    // A stage without a kind may use an axis in a way that nobody can tell.
    let all_known = graph.drafts.iter().all(|draft| draft.kind.is_some());
    for (_, dimension) in
        dimensions.axes.iter().enumerate().filter(|(number, _)| !used.contains(number))
    {
        if let (Target::Params(name), true) = (&dimension.target, all_known) {
            let message =
                format!("axis `{}` changes nothing: no parameter refers to it", dimension.name);
            let help = format!(
                "write `\"@params.{name}\"` as the value of a parameter, or sweep `stage.parameter` itself"
            );
            found.push(Diagnostic::new("idle-axis", message).at(dimension.axis.span).help(help));
        }
    }
    if !instances.iter().all(Option::is_some) {
        return;
    }
    let mut effects: Vec<Vec<Vec<u8>>> = dimensions
        .axes
        .iter()
        .map(|dimension| vec![Vec::new(); dimension.axis.values.len()])
        .collect();
    for instances in instances.iter().flatten() {
        for number in
            instances.grid.dimensions.iter().filter(|number| **number < dimensions.axes.len())
        {
            for (row, instance) in instances.rows.iter().enumerate() {
                effects[*number][instances.grid.coordinate(row, *number)]
                    .extend_from_slice(&instance.typed);
            }
        }
    }
    for number in used {
        let dimension = &dimensions.axes[*number];
        check_effects(dimension, &effects[*number], found);
        if let ([value], false) = (dimension.axis.values.as_slice(), telling.contains(number)) {
            found.push(one_idle_value(dimension, value, graph, experiment));
        }
    }
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
            let draft = &graph.drafts[stage];
            open.extend(
                draft
                    .wires
                    .iter()
                    .map(|wire| wire.stage)
                    .chain(draft.after.iter().map(|(stage, _)| *stage)),
            );
        }
    }
    Ok(wanted)
}

/// A stage's nodes along everything that reaches it.
struct Placed {
    grid: Grid,
    /// By row of the grid.
    nodes: Vec<NodeId>,
}

struct Assembly<'a> {
    dimensions: &'a Dimensions<'a>,
    contents: &'a Contents,
    nodes: Vec<Node>,
    /// By number of the draft.
    placed: HashMap<usize, Placed>,
    /// By the dimensions of a grid.
    labels: HashMap<Vec<usize>, Arc<[Arc<str>]>>,
    foresight: Foresight,
}

impl<'a> Assembly<'a> {
    fn new(dimensions: &'a Dimensions<'a>, contents: &'a Contents) -> Self {
        Self {
            dimensions,
            contents,
            nodes: Vec::new(),
            placed: HashMap::new(),
            labels: HashMap::new(),
            foresight: Foresight::default(),
        }
    }

    /// Makes the nodes of all stages in `order` which are sound and whose inputs are.
    fn place_all(&mut self, graph: &Graph<'_>, order: &[usize], instances: &[Option<Instances>]) {
        for stage in order {
            let draft = &graph.drafts[*stage];
            let mut needs = draft
                .wires
                .iter()
                .map(|wire| wire.stage)
                .chain(draft.after.iter().map(|(stage, _)| *stage));
            if let (Some(instances), true) =
                (&instances[*stage], needs.all(|stage| self.placed.contains_key(&stage)))
            {
                self.place(*stage, draft, instances);
            }
        }
    }

    /// Makes the nodes of a stage, whose inputs have theirs.
    fn place(&mut self, number: usize, draft: &Draft<'_>, instances: &Instances) {
        let Some((kind, _)) = &draft.kind else { return };
        let upstream = |stage: usize| &self.placed[&stage];
        let reach = draft
            .wires
            .iter()
            .flat_map(|wire| upstream(wire.stage).grid.dimensions.iter())
            .chain(&instances.grid.dimensions);
        let grid = self.dimensions.grid(reach.copied().collect());
        let own = grid.onto(&instances.grid);
        let wires: Vec<_> = draft
            .wires
            .iter()
            .map(|wire| {
                (wire.port.name, grid.onto(&upstream(wire.stage).grid), &upstream(wire.stage).nodes)
            })
            .collect();
        let after: Vec<_> = draft
            .after
            .iter()
            .map(|(stage, _)| (grid.onto(&upstream(*stage).grid), &upstream(*stage).nodes))
            .collect();
        // Keys list inputs by name.
        let mut by_name: Vec<usize> = (0..wires.len()).collect();
        by_name.sort_unstable_by_key(|at| wires[*at].0);

        let labels = self
            .labels
            .entry(grid.dimensions.clone())
            .or_insert_with(|| self.dimensions.labels(&grid).into());
        let mut same: HashMap<([u8; 32], Vec<NodeId>), NodeId> = HashMap::with_capacity(grid.rows);
        let mut placed = Vec::with_capacity(grid.rows);
        let first = self.nodes.len();
        let mut row_of_new = Vec::new();
        for row in 0..grid.rows {
            let instance = &instances.rows[own.row(row)];
            let inputs: Vec<NodeId> =
                wires.iter().map(|(_, onto, nodes)| nodes[onto.row(row)]).collect();
            let mut waits: Vec<NodeId> = after
                .iter()
                .flat_map(|(onto, nodes)| onto.rows(row).map(|row| nodes[row]))
                .collect();
            waits.sort_unstable();
            waits.dedup();
            let next =
                NodeId(u32::try_from(self.nodes.len()).expect("trials and stages are bounded"));
            let id =
                *same.entry((instance.own.digest, inputs)).or_insert_with_key(|(_, inputs)| {
                    let identity = identity(&instance.own.commit, &self.nodes, inputs, |nodes| {
                        let keys: Vec<_> = by_name
                            .iter()
                            .filter_map(|at| {
                                Some((wires[*at].0, nodes[inputs[*at].index()].identity.key()?))
                            })
                            .collect();
                        key_of(&instance.own.digest, keys.into_iter())
                    });
                    self.nodes.push(Node {
                        stage: Arc::clone(&draft.declaration.name),
                        kind,
                        instance: Arc::clone(&instance.stage),
                        inputs: wires
                            .iter()
                            .zip(inputs)
                            .map(|((port, _, _), input)| (*port, *input))
                            .collect(),
                        after: Vec::new(),
                        retry: draft.declaration.retry.map_or(0, |(retry, _)| retry),
                        timeout: draft.declaration.timeout.map(|(timeout, _)| timeout),
                        identity,
                        label: Arc::clone(&labels[row]),
                        own: Arc::clone(&instance.own),
                    });
                    next
                });
            if id == next {
                row_of_new.push(row);
            }
            let node = &mut self.nodes[id.index()];
            if node.after.is_empty() {
                node.after = waits;
            } else if node.after != waits {
                node.after.extend(waits);
                node.after.sort_unstable();
                node.after.dedup();
            }
            placed.push(id);
        }
        for (node, row) in self.nodes[first..].iter().zip(row_of_new) {
            let place = (self.dimensions, &grid, row);
            self.foresight.look(node, number, draft, place, self.contents);
        }
        self.placed.insert(number, Placed { grid, nodes: placed });
    }

    /// An objective that no trial can ever define is a mistake; where the data are why, a warning.
    fn check_objective(
        &self,
        experiment: &Experiment,
        graph: &Graph<'_>,
        found: &mut Vec<Diagnostic>,
    ) -> Option<String> {
        let objective = experiment.sweep.as_ref()?.objective.as_ref()?;
        let (stage, metric) = objective.metric.split_once('.')?;
        let is_asked = |draft: &Draft<'_>| *draft.declaration.name == *stage;
        let placed = self.placed.get(&graph.drafts.iter().position(is_asked)?)?;
        let why = |id: &NodeId| self.foresight.never_defines(&self.nodes[id.index()], metric);
        let reasons: Option<Vec<UndefinedMetrics>> = placed.nodes.iter().map(why).collect();
        let reasons = reasons?;
        if let Some(by_data) = reasons.iter().find(|undefined| undefined.by_data) {
            return Some(undefined_objective(&objective.metric, &by_data.because));
        }
        let because = &reasons.first()?.because;
        let message = format!("`{}` is undefined in every trial: {because}", objective.metric);
        let help = "choose another objective, or see that it is defined";
        found.push(Diagnostic::new("undefined-metric", message).at(objective.span).help(help));
        None
    }

    /// Which node each trial uses for each stage.
    fn share_out(&self, order: &[usize], trials: usize) -> Vec<Vec<Option<NodeId>>> {
        let whole = self.dimensions.grid((0..self.dimensions.sizes.len()).collect());
        order
            .iter()
            .map(|stage| {
                let placed = &self.placed[stage];
                let onto = whole.onto(&placed.grid);
                (0..trials).map(|trial| Some(placed.nodes[onto.row(trial)])).collect()
            })
            .collect()
    }
}

/// A warning of an objective that the data leave undefined.
#[must_use]
pub fn undefined_objective(metric: &str, because: &str) -> String {
    format!(
        "the objective `{metric}` is undefined in every trial, so that none will be the best: {because}"
    )
}

fn identity(
    commit: &Commit,
    nodes: &[Node],
    inputs: &[NodeId],
    key: impl FnOnce(&[Node]) -> super::CacheKey,
) -> Identity {
    if let Commit::Unknown(commit) = commit {
        return Identity::CommitUnknown(Arc::clone(commit));
    }
    for input in inputs {
        if let Identity::CommitUnknown(commit) = &nodes[input.index()].identity {
            return Identity::CommitUnknown(Arc::clone(commit));
        }
    }
    Identity::Key(key(nodes))
}
