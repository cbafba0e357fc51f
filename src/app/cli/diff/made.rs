//! What stages are made with, beside each other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::app::cli::side::Side;
use crate::engine::plan::{Fingerprint, value_text};
use crate::view;

/// Values that are named where trials differ.
const NAMED: usize = 4;

/// Digits of a digest that people read.
const DIGITS: usize = 10;

/// What a difference is about, in the order in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Stage,
    Kind,
    Parameter,
    Source,
    Commit,
    Code,
    Format,
    Sweep,
}

impl What {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Stage, "stages"),
        (Self::Kind, "kinds"),
        (Self::Parameter, "parameters"),
        (Self::Source, "sources"),
        (Self::Commit, "commits"),
        (Self::Code, "code versions"),
        (Self::Format, "output formats"),
        (Self::Sweep, "sweep"),
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Stage => "stage",
            Self::Kind => "kind",
            Self::Parameter => "parameter",
            Self::Source => "source",
            Self::Commit => "commit",
            Self::Code => "code",
            Self::Format => "format",
            Self::Sweep => "sweep",
        }
    }
}

/// Something that differs.
pub struct Made {
    what: What,
    /// With the stage before it.
    name: String,
    /// Each value that trials have.
    values: [Vec<Value>; 2],
    /// Where a parameter's value comes from.
    origins: [String; 2],
}

/// What fingerprints say, each part with every value.
type Parts = BTreeMap<(What, String), Vec<Value>>;

/// Everything in which two sides differ, as far as it is known what their stages were made with.
pub fn compare(a: &Side, b: &Side) -> Vec<Made> {
    let stages: BTreeSet<&String> = a.made.keys().chain(b.made.keys()).collect();
    let mut found = Vec::new();
    for stage in stages {
        let sides = [a, b];
        let (Some(of_a), Some(of_b)) = (a.made.get(stage), b.made.get(stage)) else {
            let kind = |side: &&Side| match side.made.get(stage) {
                Some(made) => made.iter().map(|made| made.kind.clone().into()).take(1).collect(),
                // Its entry is gone, and with it what it was made with.
                None if side.has_stage(stage) => vec![Value::from("unknown")],
                None => Vec::new(),
            };
            let values = [kind(&a), kind(&b)];
            let origins = [String::new(), String::new()];
            found.push(Made { what: What::Stage, name: stage.clone(), values, origins });
            continue;
        };
        let parts = [parts(of_a), parts(of_b)];
        let names: BTreeSet<&(What, String)> = parts.iter().flat_map(BTreeMap::keys).collect();
        for part in names {
            let values = parts.each_ref().map(|parts| parts.get(part).cloned().unwrap_or_default());
            if values[0] == values[1] {
                continue;
            }
            let (what, name) = part;
            let origins = sides.map(|side| match what {
                What::Parameter => side.origin(stage, name).to_owned(),
                _ => String::new(),
            });
            let name = if name.is_empty() { stage.clone() } else { format!("{stage}.{name}") };
            found.push(Made { what: *what, name, values, origins });
        }
    }
    found.extend(of_sweeps(a, b));
    found.sort_by(|one, other| (one.what, &one.name).cmp(&(other.what, &other.name)));
    found
}

/// In what points are chosen otherwise; one of the points is not compared with a sweep.
fn of_sweeps(a: &Side, b: &Side) -> Vec<Made> {
    if a.sweep.is_empty() || b.sweep.is_empty() {
        return Vec::new();
    }
    let names: BTreeSet<&String> = a.sweep.keys().chain(b.sweep.keys()).collect();
    let made = |name: &String| {
        let of = [a, b].map(|side| side.sweep.get(name).cloned());
        let values =
            of.each_ref().map(|of| of.iter().map(|(value, _)| value.clone().into()).collect());
        let origins = of.map(|of| of.map_or_else(|| "default".to_owned(), |(_, place)| place));
        Made { what: What::Sweep, name: name.clone(), values, origins }
    };
    names.into_iter().map(made).filter(|made| made.values[0] != made.values[1]).collect()
}

fn parts(fingerprints: &[Fingerprint]) -> Parts {
    let mut parts = Parts::new();
    let mut add = |what: What, name: &str, value: Value| {
        let values = parts.entry((what, name.to_owned())).or_default();
        if !values.contains(&value) {
            values.push(value);
        }
    };
    for made in fingerprints {
        add(What::Kind, "", made.kind.clone().into());
        add(What::Format, "", made.format.into());
        made.code.iter().for_each(|(part, version)| add(What::Code, part, (*version).into()));
        made.sources.iter().for_each(|(name, it)| add(What::Source, name, it.clone().into()));
        made.commit.iter().for_each(|commit| add(What::Commit, "", commit.clone().into()));
        flatten("", &made.parameters, &mut |name, value| add(What::Parameter, name, value.clone()));
    }
    parts
}

fn flatten(path: &str, parameters: &Map<String, Value>, each: &mut dyn FnMut(&str, &Value)) {
    for (name, value) in parameters {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match value {
            Value::Null => {}
            Value::Object(table) => flatten(&path, table, each),
            value => each(&path, value),
        }
    }
}

impl Made {
    pub fn json(&self) -> Value {
        let origin = |side: usize| Some(&self.origins[side]).filter(|origin| !origin.is_empty());
        json!({
            "what": self.what.name(), "name": self.name, "a": self.values[0], "b": self.values[1],
            "a_origin": origin(0), "b_origin": origin(1),
        })
    }

    fn value(&self, side: usize) -> String {
        let values = &self.values[side];
        let text = |value: &Value| match (self.what, value) {
            (What::Source | What::Commit, Value::String(digest)) => {
                digest.chars().take(DIGITS).collect()
            }
            (What::Parameter, value) => value_text(value),
            (_, Value::String(text)) => text.clone(),
            (_, value) => value.to_string(),
        };
        let absent = if self.what == What::Stage { "(none)" } else { "(not set)" };
        match values.len() {
            0 => absent.to_owned(),
            count => {
                let named: Vec<String> = values.iter().take(NAMED).map(text).collect();
                named.join(", ") + if count > NAMED { ", ..." } else { "" }
            }
        }
    }
}

/// A table for each sort of difference.
pub fn text(made: &[Made]) -> String {
    let mut text = String::new();
    for (what, title) in What::ALL {
        let of_sort: Vec<&Made> = made.iter().filter(|made| made.what == what).collect();
        if of_sort.is_empty() {
            continue;
        }
        let column = |head: &str, cell: &dyn Fn(&Made) -> String| -> Vec<String> {
            std::iter::once(head.to_owned()).chain(of_sort.iter().map(|made| cell(made))).collect()
        };
        let mut columns = vec![
            column(title, &|made| made.name.clone()),
            column("A", &|made| made.value(0)),
            column("B", &|made| made.value(1)),
        ];
        if matches!(what, What::Parameter | What::Sweep) {
            columns.push(column("from", &|made| {
                let [a, b] = &made.origins;
                if a == b { a.clone() } else { format!("A {a}, B {b}") }
            }));
        }
        text += &format!("\n{}", view::columns_text(&columns));
    }
    text
}
