//! What holds for every experiment.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use pipeline::engine::plan::{CacheKey, Plan};
use proptest::prelude::*;
use proptest::sample::subsequence;

use crate::world::World;

/// A stage to be written: its kind, its parameters, and where its ports lead.
#[derive(Debug, Clone)]
struct Drawn {
    kind: &'static str,
    parameters: Vec<(&'static str, String)>,
    /// Numbers of earlier stages.
    wires: Vec<(&'static str, usize)>,
    after: Option<usize>,
}

/// Stages in an order in which each is wired to earlier ones: a model and a corpus first.
fn graphs() -> impl Strategy<Value = Vec<Drawn>> {
    let steps = prop::collection::vec(
        (0..4_u8, any::<[prop::sample::Index; 3]>(), any::<bool>(), 1..5_u32),
        1..12,
    );
    steps.prop_map(|steps| {
        let mut stages = vec![
            Drawn {
                kind: "fetch_model",
                parameters: vec![
                    ("repo", "\"a/b\"".into()),
                    ("revision", format!("\"{:040}\"", 1)),
                ],
                wires: vec![],
                after: None,
            },
            Drawn {
                kind: "generate_corpus",
                parameters: vec![
                    ("templates", "\"templates.toml\"".into()),
                    ("samples", "10".into()),
                    ("split", "{ train = 1, validation = 0 }".into()),
                ],
                wires: vec![],
                after: None,
            },
            Drawn {
                kind: "tokenize",
                parameters: vec![],
                wires: vec![("model", 0), ("corpus", 1)],
                after: None,
            },
        ];
        for (kind, picks, waits, number) in steps {
            let of = |kind: &str, pick: prop::sample::Index| {
                let all: Vec<usize> =
                    (0..stages.len()).filter(|stage| stages[*stage].kind == kind).collect();
                (!all.is_empty()).then(|| all[pick.index(all.len())])
            };
            let encoded = of("tokenize", picks[1]).expect("there is one from the start");
            let drawn = match (kind, of("train", picks[0])) {
                (0, _) => Drawn {
                    kind: "tokenize",
                    parameters: vec![("max_length", (number * 16).to_string())],
                    wires: vec![("model", 0), ("corpus", 1)],
                    after: None,
                },
                (1, Some(trained)) => Drawn {
                    kind: "evaluate",
                    parameters: vec![],
                    wires: vec![("model", trained), ("data", encoded)],
                    after: None,
                },
                (2, Some(trained)) => Drawn {
                    kind: "plot",
                    parameters: vec![],
                    wires: vec![("history", trained)],
                    after: None,
                },
                _ => Drawn {
                    kind: "train",
                    parameters: vec![
                        ("epochs", number.to_string()),
                        ("learning_rate", format!("{number}e-5")),
                    ],
                    wires: vec![("model", 0), ("data", encoded)],
                    after: None,
                },
            };
            let after = waits.then(|| picks[2].index(stages.len()));
            stages.push(Drawn { after, ..drawn });
        }
        stages
    })
}

/// Writes the stages in the given order, named by `name`; `turn` turns the order of the lines in each.
fn write(stages: &[Drawn], order: &[usize], turn: usize, name: &dyn Fn(usize) -> String) -> String {
    let mut text = "version = 1\nseed = 5\n".to_owned();
    for number in order {
        let stage = &stages[*number];
        let mut lines = vec![format!("kind = \"{}\"", stage.kind)];
        lines.extend(stage.parameters.iter().map(|(name, value)| format!("{name} = {value}")));
        lines.extend(stage.wires.iter().map(|(port, to)| format!("{port} = \"@{}\"", name(*to))));
        lines.extend(stage.after.iter().map(|to| format!("after = [\"{}\"]", name(*to))));
        let count = lines.len();
        lines.rotate_left(turn % count);
        let _ =
            write!(text, "\n[stage.{}] # number {number}\n{}\n", name(*number), lines.join("\n"));
    }
    text
}

fn keys(plan: &Plan) -> BTreeMap<String, CacheKey> {
    plan.nodes
        .iter()
        .map(|node| (node.stage.to_string(), node.identity.key().expect("the commit is given")))
        .collect()
}

/// An order of so many things.
fn shuffled(count: usize) -> impl Strategy<Value = Vec<usize>> {
    Just((0..count).collect::<Vec<_>>()).prop_shuffle()
}

fn swept(rates: &[u32], decays: &[u32], seeds: &[u32]) -> String {
    let list = |values: &[u32], unit: &str| {
        values.iter().map(|value| format!("{value}{unit}")).collect::<Vec<_>>().join(", ")
    };
    format!(
        "{}\n[sweep]\nseeds = [{}]\n[sweep.over]\ntrain.learning_rate = [{}]\nparams.length = [{}]\n",
        crate::world::SMALL
            .replacen("max_length = 128", "max_length = 128\nlength = 64", 1)
            .replacen("\"@params.max_length\"", "\"@params.length\"", 1),
        list(seeds, ""),
        list(rates, "e-6"),
        list(decays, "")
    )
}

/// Some distinct numbers in some order, never none.
fn some(from: std::ops::Range<u32>) -> impl Strategy<Value = Vec<u32>> {
    let all: Vec<u32> = from.collect();
    let count = all.len();
    subsequence(all, 1..=count).prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn keys_ignore_order_and_names((stages, order, turn) in graphs().prop_flat_map(|stages| {
        let count = stages.len();
        (Just(stages), shuffled(count), 0..5_usize)
    })) {
        let world = World::new();
        let straight: Vec<usize> = (0..stages.len()).collect();
        let one = keys(&world.plan(&write(&stages, &straight, 0, &|number| format!("s{number}"))));
        let other = keys(&world.plan(&write(&stages, &order, turn, &|number| format!("x{}", 100 - number))));
        for number in straight {
            prop_assert_eq!(one[&format!("s{number}")], other[&format!("x{}", 100 - number)]);
        }
    }

    #[test]
    fn a_plan_is_topological((stages, order) in graphs().prop_flat_map(|stages| {
        let count = stages.len();
        (Just(stages), shuffled(count))
    })) {
        let plan = World::new().plan(&write(&stages, &order, 0, &|number| format!("s{number}")));
        for id in plan.ids() {
            let node = plan.node(id);
            prop_assert!(node.inputs.iter().map(|(_, input)| input).chain(&node.after).all(|needed| *needed < id));
        }
    }

    #[test]
    fn every_swept_node_differs_in_its_point(rates in some(1..6), lengths in some(10..14), seeds in some(0..4)) {
        let plan = World::new().plan(&swept(&rates, &lengths, &seeds));
        for stage in plan.stages() {
            let nodes: Vec<_> = plan.nodes.iter().filter(|node| node.stage == *stage).collect();
            prop_assert_eq!(nodes.iter().map(|node| &node.label).collect::<BTreeSet<_>>().len(), nodes.len());
            prop_assert_eq!(nodes.iter().map(|node| node.identity.key()).collect::<BTreeSet<_>>().len(), nodes.len());
        }
        prop_assert_eq!(plan.trials.len(), rates.len() * lengths.len() * seeds.len());
    }

    #[test]
    fn more_points_and_seeds_keep_every_earlier_key(
        (rates, fewer_rates) in some(1..6).prop_flat_map(|all| (Just(all.clone()), subsequence(all.clone(), 1..=all.len()))),
        lengths in some(10..13),
        (seeds, fewer_seeds) in some(0..4).prop_flat_map(|all| (Just(all.clone()), subsequence(all.clone(), 1..=all.len()))),
    ) {
        let world = World::new();
        let all: BTreeMap<(String, String), CacheKey> = titled(&world.plan(&swept(&rates, &lengths, &seeds)));
        for (title, key) in titled(&world.plan(&swept(&fewer_rates, &lengths, &fewer_seeds))) {
            prop_assert_eq!(all.get(&title), Some(&key));
        }
    }
}

fn titled(plan: &Plan) -> BTreeMap<(String, String), CacheKey> {
    plan.nodes
        .iter()
        .map(|node| {
            (
                (node.stage.to_string(), node.label.to_string()),
                node.identity.key().expect("the commit is given"),
            )
        })
        .collect()
}
