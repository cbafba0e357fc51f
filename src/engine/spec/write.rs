//! An experiment as text again: the resolved file of a run, and where each value came from.

use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::experiment::{Along, Axis, Count, Experiment, Method, Sweep, What};
use super::path::AxisTarget;
use super::syntax::quote;
use super::value::{Data, Value};
use crate::base::diagnostics::Span;
use crate::base::units;

/// Where a value came from, for `show --origins`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// `stage.train.epochs`, `params.x`, `seed`, `sweep.over.train.learning_rate`.
    pub path: String,
    /// The value as TOML.
    pub value: String,
    /// `experiments/small.toml`, or `--set stage.train.epochs=1`.
    pub file: String,
    pub line: usize,
    pub column: usize,
}

/// Writes a value of a parameter of a stage; the text that replaces it, or nothing for the value as it is.
type Rewrite<'a> = &'a dyn Fn(&str, &str, &Value) -> Option<String>;

/// Whether a text at a place in the parameters of a kind is a path.
type IsPath<'a> = &'a dyn Fn(&str, &str, &str) -> bool;

impl Experiment {
    /// The experiment as one file, after `extends` and the command line. Read again, it is the same experiment up to spans and folders.
    #[must_use]
    pub fn to_toml(&self) -> String {
        self.write(&|_, _, _| None)
    }

    /// As [`Experiment::to_toml`], but with the relative paths of parameters made absolute, so that the file means the same wherever it lies.
    /// `is_path` says of a kind, a place in its parameters and a text there whether that is a path: `path`, `sources[]` or `lookup.path` are places.
    #[must_use]
    pub fn to_toml_with_paths(&self, is_path: IsPath<'_>) -> String {
        self.write_with_paths(is_path, &|folder, path| std::path::absolute(folder.join(path)).ok())
    }

    /// As [`Experiment::to_toml`], but for a file that lies in `folder`, from where the relative paths of parameters lead. `folder` has no link
    /// in it, but need not be there yet. `is_path` as in [`Experiment::to_toml_with_paths`].
    #[must_use]
    pub fn to_toml_in(&self, folder: &Path, is_path: IsPath<'_>) -> String {
        self.write_with_paths(is_path, &|from, path| {
            if path.is_absolute() {
                return Some(path.to_owned());
            }
            Some(relative(folder, &whole(&from.join(path)).ok()?))
        })
    }

    /// * `path`: how a path is written that is relative to a folder
    fn write_with_paths(
        &self,
        is_path: IsPath<'_>,
        rewritten: &dyn Fn(&Path, &Path) -> Option<PathBuf>,
    ) -> String {
        let is_swept = |param: &str| {
            let axes = self.sweep.iter().flat_map(|sweep| &sweep.axes);
            axes.into_iter()
                .any(|axis| matches!(&axis.target, AxisTarget::Params(name) if **name == *param))
        };
        self.write(&|kind, parameter, value| {
            self.rewritten(value, parameter, &is_swept, &|place, value| {
                let Data::String(path) = &value.data else { return None };
                let path = is_path(kind, place, path).then_some(Path::new(path))?;
                Some(quote_plain(rewritten(&value.folder, path)?.to_str()?))
            })
        })
    }

    /// The text of a value of which something is written otherwise; `None` where nothing is.
    ///
    /// * `place`: of the value, as [`IsPath`] takes it
    fn rewritten(
        &self,
        value: &Value,
        place: &str,
        is_swept: &dyn Fn(&str) -> bool,
        one: &dyn Fn(&str, &Value) -> Option<String>,
    ) -> Option<String> {
        let inner = |value: &Value, place: &str| self.rewritten(value, place, is_swept, one);
        match &value.data {
            // Its values are rewritten where they stand.
            Data::Param(name) if is_swept(name) => None,
            Data::Param(_) => inner(&value.resolve(&self.params).ok()?, place),
            Data::Array(items) => {
                let place = format!("{place}[]");
                let new: Vec<_> = items.iter().map(|item| inner(item, &place)).collect();
                let whole =
                    |(new, item): (Option<String>, &Value)| new.unwrap_or_else(|| toml(item));
                new.iter().any(Option::is_some).then(|| {
                    let items: Vec<String> = new.into_iter().zip(items).map(whole).collect();
                    format!("[{}]", items.join(", "))
                })
            }
            Data::Table(entries) => {
                let of = |(name, _, value): &(Arc<str>, Span, Value)| {
                    inner(value, &format!("{place}.{name}"))
                };
                let new: Vec<_> = entries.iter().map(of).collect();
                new.iter().any(Option::is_some).then(|| {
                    let entries = new.into_iter().zip(entries).map(|(new, (name, _, value))| {
                        format!("{} = {}", key(name), new.unwrap_or_else(|| toml(value)))
                    });
                    format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
                })
            }
            _ => one(place, value),
        }
    }

    /// A value of `[params]`, or of an axis over it, is what the first parameter is that refers to it.
    fn write_param(&self, name: &str, value: &Value, rewrite: Rewrite<'_>) -> String {
        let refers = |value: &Value| matches!(&value.data, Data::Param(path) if **path == *name);
        let uses = self
            .stages
            .iter()
            .flat_map(|stage| stage.parameters.iter().map(move |parameter| (stage, parameter)));
        let mut uses = uses.filter(|(_, parameter)| refers(&parameter.value));
        uses.find_map(|(stage, parameter)| rewrite(&stage.kind, &parameter.name, value))
            .unwrap_or_else(|| toml(value))
    }

    fn write(&self, rewrite: Rewrite<'_>) -> String {
        let mut out = format!("version = 1\nname = {}\n", quote_plain(&self.name));
        if let Some(about) = &self.about {
            let _ = writeln!(out, "about = {}", quote_plain(about));
        }
        if let Some((seed, _)) = self.seed {
            let _ = writeln!(out, "seed = {seed}");
        }
        if !self.params.is_empty() {
            out.push_str("\n[params]\n");
            for (name, value) in &self.params {
                let _ = writeln!(out, "{} = {}", key(name), self.write_param(name, value, rewrite));
            }
        }
        for stage in &self.stages {
            let _ = writeln!(out, "\n[stage.{}]\nkind = {}", key(&stage.name), quote(&stage.kind));
            if !stage.after.is_empty() {
                let names: Vec<String> = stage.after.iter().map(|(name, _)| quote(name)).collect();
                let _ = writeln!(out, "after = [{}]", names.join(", "));
            }
            if stage.at_best.is_some() {
                out.push_str("at = \"best\"\n");
            }
            if let Some((retry, _)) = stage.retry {
                let _ = writeln!(out, "retry = {retry}");
            }
            if let Some((timeout, _)) = stage.timeout {
                let _ = writeln!(out, "timeout = {}", quote(&units::duration_text(timeout)));
            }
            if let Some((resources, _)) = stage.resources {
                let _ = writeln!(out, "resources = {}", resources.to_toml());
            }
            for parameter in &stage.parameters {
                let value = rewrite(&stage.kind, &parameter.name, &parameter.value)
                    .unwrap_or_else(|| toml(&parameter.value));
                let _ = writeln!(out, "{} = {value}", key(&parameter.name));
            }
        }
        self.write_sweep(&mut out, rewrite);
        out
    }

    fn write_sweep(&self, out: &mut String, rewrite: Rewrite<'_>) {
        let Some(sweep) = &self.sweep else { return };
        let _ = writeln!(out, "\n[sweep]\nmethod = {}", quote(sweep.method().name()));
        if let Some((objective, _)) = &sweep.objective {
            let _ = writeln!(out, "objective = {}", quote(&objective.to_string()));
        }
        if let Some(seeds) = &sweep.seeds {
            let _ = writeln!(out, "seeds = {:?}", seeds.addends);
        }
        if let Some(folds) = &sweep.folds {
            let _ = writeln!(out, "folds = {}", folds.count);
        }
        for (key, given) in counts(sweep) {
            if let Some(given) = given {
                let _ = writeln!(out, "{key} = {}", given.count);
            }
        }
        if let Some((choose, _)) = sweep.choose {
            let _ = writeln!(out, "choose = {}", quote(choose.name()));
        }
        self.write_axes(sweep, out, rewrite);
        self.write_rungs(sweep, out, rewrite);
        for skip in &sweep.skip {
            out.push_str("\n[[sweep.skip]]\n");
            for (target, condition) in &skip.conditions {
                let (first, second) = words(target);
                let _ = writeln!(out, "{}.{} = {}", key(first), key(second), met(&condition.what));
            }
        }
    }

    fn write_rungs(&self, sweep: &Sweep, out: &mut String, rewrite: Rewrite<'_>) {
        for rung in &sweep.rungs {
            out.push_str("\n[[sweep.rung]]\n");
            for (target, _, value) in &rung.parameters {
                let (first, second) = words(target);
                let value = self.write_value(target, value, rewrite);
                let _ = writeln!(out, "{}.{} = {value}", key(first), key(second));
            }
            if let Some(seeds) = &rung.seeds {
                let _ = writeln!(out, "seeds = {:?}", seeds.addends);
            }
            if let Some((share, _)) = rung.keep {
                let _ = writeln!(out, "keep = {share:?}");
            }
        }
    }

    /// A value of what an axis varies, or a rung sets.
    fn write_value(&self, target: &AxisTarget, value: &Value, rewrite: Rewrite<'_>) -> String {
        match target {
            AxisTarget::Params(name) => self.write_param(name, value, rewrite),
            AxisTarget::Stage { stage, parameter } => {
                let stage = self.stages.iter().find(|known| known.name == *stage);
                let written = stage.and_then(|stage| rewrite(&stage.kind, parameter, value));
                written.unwrap_or_else(|| toml(value))
            }
        }
    }

    fn write_axes(&self, sweep: &Sweep, out: &mut String, rewrite: Rewrite<'_>) {
        let mut before = None;
        for axis in &sweep.axes {
            if before != Some(axis.together) {
                let header =
                    if axis.together.is_some() { "[[sweep.together]]" } else { "[sweep.over]" };
                let _ = writeln!(out, "\n{header}");
                before = Some(axis.together);
            }
            let (first, second) = words(&axis.target);
            let one = |value: &Value| self.write_value(&axis.target, value, rewrite);
            let values: Vec<String> = axis.values.iter().map(one).collect();
            let values = match axis.together {
                Some(_) => format!("[{}]", values.join(", ")),
                None => drawn(axis, &values),
            };
            let _ = writeln!(out, "{}.{} = {values}", key(first), key(second));
        }
    }

    /// Every value with the place that wrote it, in the order of [`Experiment::to_toml`].
    #[must_use]
    pub fn origins(&self) -> Vec<Origin> {
        let mut origins = Vec::new();
        let mut add = |path: String, value: String, span: Span| {
            let (line, column) = self.sources.location(span);
            origins.push(Origin {
                path,
                value,
                file: self.sources.name(span.source).to_owned(),
                line,
                column,
            });
        };
        if let Some((seed, span)) = self.seed {
            add("seed".to_owned(), seed.to_string(), span);
        }
        for (name, value) in &self.params {
            add(format!("params.{}", key(name)), toml(value), value.span);
        }
        for stage in &self.stages {
            let path = format!("stage.{}", key(&stage.name));
            add(format!("{path}.kind"), quote(&stage.kind), stage.kind_span);
            for (name, span) in &stage.after {
                add(format!("{path}.after"), quote(name), *span);
            }
            if let Some(span) = stage.at_best {
                add(format!("{path}.at"), quote("best"), span);
            }
            if let Some((retry, span)) = stage.retry {
                add(format!("{path}.retry"), retry.to_string(), span);
            }
            if let Some((timeout, span)) = stage.timeout {
                add(format!("{path}.timeout"), quote(&units::duration_text(timeout)), span);
            }
            if let Some((resources, span)) = stage.resources {
                add(format!("{path}.resources"), resources.to_toml(), span);
            }
            for parameter in &stage.parameters {
                add(
                    format!("{path}.{}", key(&parameter.name)),
                    toml(&parameter.value),
                    parameter.value.span,
                );
            }
        }
        if let Some(sweep) = &self.sweep {
            sweep_origins(sweep, &mut add);
        }
        origins
    }
}

/// What a sweep says, and where.
///
/// * `add`: takes a path, what stands there, and its place
fn sweep_origins(sweep: &Sweep, add: &mut dyn FnMut(String, String, Span)) {
    // A sweep is a grid whether or not a file says so, and one that was written here always does.
    if let Some((method, span)) = sweep.method.filter(|(method, _)| *method != Method::Grid) {
        add("sweep.method".to_owned(), quote(method.name()), span);
    }
    if let Some((objective, span)) = &sweep.objective {
        add("sweep.objective".to_owned(), quote(&objective.to_string()), *span);
    }
    if let Some(seeds) = &sweep.seeds {
        add("sweep.seeds".to_owned(), format!("{:?}", seeds.addends), seeds.span);
    }
    if let Some(folds) = &sweep.folds {
        add("sweep.folds".to_owned(), folds.count.to_string(), folds.span);
    }
    for (key, given) in counts(sweep) {
        if let Some(given) = given {
            add(format!("sweep.{key}"), given.count.to_string(), given.span);
        }
    }
    if let Some((choose, span)) = sweep.choose {
        add("sweep.choose".to_owned(), quote(choose.name()), span);
    }
    for axis in &sweep.axes {
        let (first, second) = words(&axis.target);
        let values: Vec<String> = axis.values.iter().map(toml).collect();
        let (place, values) = match axis.together {
            Some(_) => ("together", format!("[{}]", values.join(", "))),
            None => ("over", drawn(axis, &values)),
        };
        let path = format!("sweep.{place}.{}.{}", key(first), key(second));
        add(path, values, axis.span);
    }
    for (number, rung) in sweep.rungs.iter().enumerate() {
        let path = |name: &str| format!("sweep.rung[{number}].{name}");
        for (target, span, value) in &rung.parameters {
            add(path(&target.to_string()), toml(value), *span);
        }
        if let Some(seeds) = &rung.seeds {
            add(path("seeds"), format!("{:?}", seeds.addends), seeds.span);
        }
        if let Some((share, span)) = rung.keep {
            add(path("keep"), format!("{share:?}"), span);
        }
    }
    for (number, skip) in sweep.skip.iter().enumerate() {
        for (target, condition) in &skip.conditions {
            add(format!("sweep.skip[{number}].{target}"), met(&condition.what), condition.span);
        }
    }
}

/// What a sweep counts, by its keys.
fn counts(sweep: &Sweep) -> [(&'static str, Option<Count>); 4] {
    [
        ("points", sweep.points),
        ("parallel", sweep.parallel),
        ("finalists", sweep.finalists),
        ("fresh_seeds", sweep.fresh_seeds),
    ]
}

/// What a value must be to be left out.
fn met(what: &What) -> String {
    match what {
        What::Among(values) => {
            format!("[{}]", values.iter().map(toml).collect::<Vec<_>>().join(", "))
        }
        What::Between { min, max } => {
            let bounds = [("min", min), ("max", max)];
            let bounds = bounds.iter().filter_map(|(name, bound)| Some((name, (**bound)?)));
            let bounds: Vec<String> =
                bounds.map(|(name, bound)| format!("{name} = {bound:?}")).collect();
            format!("{{ {} }}", bounds.join(", "))
        }
    }
}

/// What an axis takes its values from.
fn drawn(axis: &Axis, values: &[String]) -> String {
    let list = format!("[{}]", values.join(", "));
    match axis.along {
        Along::List => list,
        along => format!("{{ {} = {list} }}", along.name()),
    }
}

fn words(target: &AxisTarget) -> (&str, &str) {
    match target {
        AxisTarget::Stage { stage, parameter } => (stage, parameter),
        AxisTarget::Params(name) => ("params", name),
    }
}

/// The path without links on the way to it; a link at its end stays, and so does a name that is not there.
fn whole(path: &Path) -> std::io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return path.canonicalize();
    };
    Ok(folder.canonicalize().map_or(path.clone(), |folder| folder.join(name)))
}

/// The way from a folder to a path, both whole; the path itself where they have nothing in common.
fn relative(folder: &Path, path: &Path) -> PathBuf {
    let pairs = folder.components().zip(path.components());
    let common = pairs.take_while(|(one, other)| one == other).count();
    if folder.components().take(common).all(|part| !matches!(part, Component::Normal(_))) {
        return path.to_owned();
    }
    let up = folder.components().skip(common).map(|_| Component::ParentDir);
    up.chain(path.components().skip(common)).collect()
}

/// A value on one line of TOML.
fn toml(value: &Value) -> String {
    match &value.data {
        Data::Bool(value) => value.to_string(),
        Data::Integer(value) => value.to_string(),
        // `{:?}` is the shortest text that is the same number again, and has a point or an exponent.
        Data::Float(value) => format!("{value:?}"),
        Data::String(text) => quote_plain(text),
        Data::Array(items) => {
            format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", "))
        }
        Data::Table(entries) if entries.is_empty() => "{}".to_owned(),
        Data::Table(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(name, _, value)| format!("{} = {}", key(name), toml(value)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Data::Stage(name) => quote(&format!("@{name}")),
        Data::Param(path) => quote(&format!("@params.{path}")),
        Data::Invalid => "\"\"".to_owned(),
    }
}

/// A string that is no reference, whatever it starts with.
fn quote_plain(text: &str) -> String {
    if text.starts_with('@') { quote(&format!("@{text}")) } else { quote(text) }
}

fn key(name: &str) -> String {
    let bare = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if bare { name.to_owned() } else { quote(name) }
}
