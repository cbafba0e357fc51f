//! The shape of a kind's parameters, compiled once from the JSON Schema that its struct gives.
//!
//! Only what schemars makes of Rust types is understood; whatever else a schema says is left to the kind's own parsing and checks. A TOML file
//! has no null, so the null in an optional parameter's schema disappears.

use std::collections::BTreeMap;
use std::io;

use serde_json::{Map, Value};

use crate::engine::stage::{StageKind, first_sentence};

/// The parameters of one kind.
#[derive(Debug, Clone)]
pub(super) struct Schema {
    pub(super) properties: Vec<Property>,
    /// False when every parameter enters the key.
    strips: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Property {
    pub(super) name: String,
    pub(super) shape: Shape,
    pub(super) required: bool,
    pub(super) default: Option<Value>,
    /// False for what says how the work is done, and changes no result: `x-changes-result`.
    changes_result: bool,
    /// The value that does not enter the key, since it means what there was before there was the parameter: `x-as-without`.
    as_without: Option<Value>,
    /// The first sentence of its documentation.
    pub(super) about: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) enum Shape {
    Any,
    Boolean,
    Integer(Bounds),
    Number(Bounds),
    Text {
        format: Format,
        minimum_length: usize,
    },
    /// One of a few values, most often texts.
    Choice(Vec<Value>),
    Array(Items),
    Table {
        properties: Vec<Property>,
        extra: Extra,
    },
    OneOf(Vec<Shape>),
}

/// What an array holds.
#[derive(Debug, Clone)]
pub(super) struct Items {
    /// Shapes of the first items, as a tuple has them.
    pub(super) first: Vec<Shape>,
    pub(super) rest: Option<Box<Shape>>,
    pub(super) minimum: usize,
    pub(super) maximum: Option<usize>,
    pub(super) unique: bool,
}

impl Items {
    /// How few there may be.
    pub(super) fn least(&self) -> usize {
        self.minimum.max(self.first.len())
    }

    /// How many there may be, where that is bounded.
    pub(super) fn most(&self) -> Option<usize> {
        let is_tuple = !self.first.is_empty() && self.rest.is_none();
        self.maximum.or(is_tuple.then_some(self.first.len()))
    }

    /// The shape of an item; `None` where it may be anything.
    pub(super) fn shape(&self, number: usize) -> Option<&Shape> {
        self.first.get(number).or(self.rest.as_deref())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Plain,
    /// Relative to the file that wrote it; only the content of what it names enters a key.
    Path,
    /// Stands for a commit, which enters the key in its place.
    Revision,
}

/// What else a table may hold besides its properties.
#[derive(Debug, Clone)]
pub(super) enum Extra {
    Nothing,
    Anything,
    Each(Box<Shape>),
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bounds {
    pub(super) minimum: Option<f64>,
    pub(super) above: Option<f64>,
    pub(super) maximum: Option<f64>,
    pub(super) below: Option<f64>,
}

impl Schema {
    pub(super) fn of(kind: &StageKind) -> Self {
        Self::compile(&kind.schema())
    }

    pub(super) fn compile(root: &Value) -> Self {
        let compiler = Compiler { definitions: root.get("$defs").and_then(Value::as_object) };
        let properties = match compiler.shape(root, None) {
            Shape::Table { properties, .. } => properties,
            _ => Vec::new(),
        };
        let strips = properties.iter().any(Property::leaves_key);
        Self { properties, strips }
    }

    pub(super) fn property(&self, name: &str) -> Option<&Property> {
        self.properties.iter().find(|property| property.name == name)
    }

    /// Makes paths absolute, at any depth.
    pub(super) fn make_absolute(&self, parameters: &mut Map<String, Value>) -> io::Result<()> {
        let mut result = Ok(());
        Walk::Absolute(&mut result).table(&self.properties, &Extra::Nothing, parameters);
        result
    }

    /// Takes out what does not enter the key: what changes no result, and paths and revisions at any depth.
    pub(super) fn strip(&self, parameters: &mut Map<String, Value>) {
        if self.strips {
            Walk::Strip.table(&self.properties, &Extra::Nothing, parameters);
        }
    }
}

/// What is done to the texts of a value.
enum Walk<'r> {
    /// Paths are made absolute, unless that fails.
    Absolute(&'r mut io::Result<()>),
    /// What does not enter the key is taken out.
    Strip,
}

impl Walk<'_> {
    fn table(&mut self, properties: &[Property], extra: &Extra, table: &mut Map<String, Value>) {
        table.retain(|name, value| {
            let property = properties.iter().find(|property| property.name == *name);
            match (property, extra) {
                (Some(property), _) => {
                    let is_key = property.enters_key(value) || !matches!(self, Self::Strip);
                    is_key && self.keeps(&property.shape, value)
                }
                (None, Extra::Each(shape)) => self.keeps(shape, value),
                (None, Extra::Nothing | Extra::Anything) => true,
            }
        });
    }

    fn keeps(&mut self, shape: &Shape, value: &mut Value) -> bool {
        match (shape, value) {
            (Shape::Text { format, .. }, Value::String(text)) => return self.text(*format, text),
            (Shape::Array(shapes), Value::Array(items)) => {
                let mut numbers = 0..;
                items.retain_mut(|item| {
                    let shape = numbers.next().and_then(|number| shapes.shape(number));
                    shape.is_none_or(|shape| self.keeps(shape, item))
                });
            }
            (Shape::Table { properties, extra }, Value::Object(table)) => {
                self.table(properties, extra, table);
            }
            (Shape::OneOf(shapes), value) => {
                // A word that has a meaning of its own where a path may stand too is none.
                let is_word = shapes
                    .iter()
                    .any(|shape| matches!(shape, Shape::Choice(words) if words.contains(value)));
                return is_word || shapes.iter().all(|shape| self.keeps(shape, value));
            }
            _ => {}
        }
        true
    }

    fn text(&mut self, format: Format, text: &mut String) -> bool {
        match self {
            Self::Strip => format == Format::Plain,
            Self::Absolute(result) => {
                if format == Format::Path {
                    match std::path::absolute(&*text) {
                        // A path that is no text was refused when the value was made.
                        Ok(path) => *text = path.to_string_lossy().into_owned(),
                        Err(error) => **result = Err(error),
                    }
                }
                true
            }
        }
    }
}

impl Property {
    fn leaves_key(&self) -> bool {
        !self.changes_result || self.as_without.is_some() || self.shape.leaves_key()
    }

    fn enters_key(&self, value: &Value) -> bool {
        self.changes_result && self.as_without.as_ref() != Some(value)
    }
}

impl Shape {
    /// Whether a value of this shape holds something that stays out of the key.
    fn leaves_key(&self) -> bool {
        match self {
            Self::Text { format, .. } => *format != Format::Plain,
            Self::Array(Items { first, rest, .. }) => {
                first.iter().chain(rest.as_deref()).any(Self::leaves_key)
            }
            Self::Table { properties, extra } => {
                properties.iter().any(Property::leaves_key)
                    || matches!(extra, Extra::Each(shape) if shape.leaves_key())
            }
            Self::OneOf(shapes) => shapes.iter().any(Self::leaves_key),
            Self::Any | Self::Boolean | Self::Integer(_) | Self::Number(_) | Self::Choice(_) => {
                false
            }
        }
    }

    /// What it takes, with its article: `an integer`.
    pub(super) fn noun(&self) -> String {
        match self {
            Self::Any => "a value".to_owned(),
            Self::Boolean => "a boolean".to_owned(),
            Self::Integer(_) => "an integer".to_owned(),
            Self::Number(_) => "a number".to_owned(),
            Self::Text { format: Format::Path, .. } => "a path".to_owned(),
            Self::Text { .. } => "a string".to_owned(),
            Self::Choice(values) if values.iter().all(Value::is_string) => "a string".to_owned(),
            Self::Choice(values) => {
                values.iter().map(super::value_text).collect::<Vec<_>>().join(" or ")
            }
            Self::Array(_) => "an array".to_owned(),
            Self::Table { .. } => "a table".to_owned(),
            Self::OneOf(shapes) => {
                let mut nouns: Vec<String> = Vec::new();
                for noun in shapes.iter().map(Self::noun) {
                    if !nouns.contains(&noun) {
                        nouns.push(noun);
                    }
                }
                nouns.join(" or ")
            }
        }
    }
}

/// The definitions on the way to a schema, the innermost first. One that comes again belongs to a type that contains itself, and accepts
/// anything there.
#[derive(Clone, Copy)]
struct Open<'a> {
    name: &'a str,
    outer: Option<&'a Open<'a>>,
}

impl Open<'_> {
    fn holds(&self, name: &str) -> bool {
        self.name == name || self.outer.is_some_and(|outer| outer.holds(name))
    }
}

struct Compiler<'a> {
    definitions: Option<&'a Map<String, Value>>,
}

impl Compiler<'_> {
    fn shape(&self, schema: &Value, open: Option<&Open<'_>>) -> Shape {
        let Some(object) = schema.as_object() else { return Shape::Any };
        if let Some(target) = object.get("$ref").and_then(Value::as_str) {
            let name = target.strip_prefix("#/$defs/").unwrap_or(target);
            return match self.definitions.and_then(|definitions| definitions.get(name)) {
                Some(target) if !open.is_some_and(|open| open.holds(name)) => {
                    self.shape(target, Some(&Open { name, outer: open }))
                }
                _ => Shape::Any,
            };
        }
        if let Some(options) = object.get("enum").and_then(Value::as_array) {
            return Shape::Choice(
                options.iter().filter(|value| !value.is_null()).cloned().collect(),
            );
        }
        if let Some(value) = object.get("const") {
            return Shape::Choice(vec![value.clone()]);
        }
        for word in ["oneOf", "anyOf"] {
            if let Some(branches) = object.get(word).and_then(Value::as_array)
                && !object.contains_key("properties")
            {
                return self.alternatives(branches, open);
            }
        }
        if let Some([single]) = object.get("allOf").and_then(Value::as_array).map(Vec::as_slice) {
            return self.shape(single, open);
        }
        match object.get("type") {
            Some(Value::String(name)) => self.typed(name, object, open),
            Some(Value::Array(names)) => {
                let shapes: Vec<Shape> = names
                    .iter()
                    .filter_map(Value::as_str)
                    .filter(|name| *name != "null")
                    .map(|name| self.typed(name, object, open))
                    .collect();
                one_of(shapes)
            }
            _ if object.contains_key("properties") => self.typed("object", object, open),
            _ => Shape::Any,
        }
    }

    fn alternatives(&self, branches: &[Value], open: Option<&Open<'_>>) -> Shape {
        let mut shapes: Vec<Shape> = Vec::new();
        for branch in branches {
            if branch.get("type").and_then(Value::as_str) == Some("null") {
                continue;
            }
            match (self.shape(branch, open), shapes.last_mut()) {
                // Variants with documentation come as one alternative each.
                (Shape::Choice(more), Some(Shape::Choice(values))) => values.extend(more),
                (shape, _) => shapes.push(shape),
            }
        }
        one_of(shapes)
    }

    fn typed(&self, name: &str, object: &Map<String, Value>, open: Option<&Open<'_>>) -> Shape {
        let size = |word: &str| {
            object.get(word).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok())
        };
        match name {
            "boolean" => Shape::Boolean,
            "integer" => Shape::Integer(bounds(object)),
            "number" => Shape::Number(bounds(object)),
            "string" => Shape::Text {
                format: match object.get("format").and_then(Value::as_str) {
                    Some("path") => Format::Path,
                    Some("revision") => Format::Revision,
                    _ => Format::Plain,
                },
                minimum_length: size("minLength").unwrap_or(0),
            },
            "array" => Shape::Array(Items {
                first: match object.get("prefixItems").and_then(Value::as_array) {
                    Some(items) => items.iter().map(|item| self.shape(item, open)).collect(),
                    None => Vec::new(),
                },
                rest: object
                    .get("items")
                    .filter(|items| items.is_object())
                    .map(|items| Box::new(self.shape(items, open))),
                minimum: size("minItems").unwrap_or(0),
                maximum: size("maxItems"),
                unique: object.get("uniqueItems").and_then(Value::as_bool).unwrap_or(false),
            }),
            "object" => self.table(object, open),
            _ => Shape::Any,
        }
    }

    fn table(&self, object: &Map<String, Value>, open: Option<&Open<'_>>) -> Shape {
        let required: Vec<&str> = object
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let properties: Vec<Property> = object
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, schema)| Property {
                name: name.clone(),
                shape: with_format(self.shape(schema, open), schema),
                required: required.contains(&name.as_str()),
                default: schema.get("default").cloned(),
                changes_result: schema.get("x-changes-result") != Some(&Value::Bool(false)),
                as_without: schema.get("x-as-without").cloned(),
                about: schema.get("description").and_then(Value::as_str).map(first_sentence),
            })
            .collect();
        let extra = match object.get("additionalProperties") {
            Some(Value::Bool(true)) => Extra::Anything,
            Some(schema @ Value::Object(_)) => Extra::Each(Box::new(self.shape(schema, open))),
            // A struct without `deny_unknown_fields` would silently drop a misspelled key.
            None if properties.is_empty() => Extra::Anything,
            _ => Extra::Nothing,
        };
        Shape::Table { properties, extra }
    }
}

/// A format written beside a reference or in an optional parameter's schema belongs to the text inside.
fn with_format(shape: Shape, schema: &Value) -> Shape {
    let format = match schema.get("format").and_then(Value::as_str) {
        Some("path") => Format::Path,
        Some("revision") => Format::Revision,
        _ => return shape,
    };
    match shape {
        Shape::Text { minimum_length, .. } => Shape::Text { format, minimum_length },
        Shape::Array(Items { first, rest, minimum, maximum, unique }) => Shape::Array(Items {
            first: first.into_iter().map(|item| with_format(item, schema)).collect(),
            rest: rest.map(|item| Box::new(with_format(*item, schema))),
            minimum,
            maximum,
            unique,
        }),
        Shape::OneOf(shapes) => {
            Shape::OneOf(shapes.into_iter().map(|shape| with_format(shape, schema)).collect())
        }
        shape => shape,
    }
}

fn one_of(mut shapes: Vec<Shape>) -> Shape {
    match shapes.len() {
        0 => Shape::Any,
        1 => shapes.remove(0),
        _ => Shape::OneOf(shapes),
    }
}

fn bounds(object: &Map<String, Value>) -> Bounds {
    let number = |word: &str| object.get(word).and_then(Value::as_f64);
    let of_format: Option<(f64, f64)> = match object.get("format").and_then(Value::as_str) {
        Some("uint8") => Some((0.0, f64::from(u8::MAX))),
        Some("uint16") => Some((0.0, f64::from(u16::MAX))),
        Some("uint32") => Some((0.0, f64::from(u32::MAX))),
        Some("int8") => Some((f64::from(i8::MIN), f64::from(i8::MAX))),
        Some("int16") => Some((f64::from(i16::MIN), f64::from(i16::MAX))),
        Some("int32") => Some((f64::from(i32::MIN), f64::from(i32::MAX))),
        _ => None,
    };
    let (above, below) = (number("exclusiveMinimum"), number("exclusiveMaximum"));
    Bounds {
        minimum: number("minimum").or(of_format.filter(|_| above.is_none()).map(|range| range.0)),
        above,
        maximum: number("maximum").or(of_format.filter(|_| below.is_none()).map(|range| range.1)),
        below,
    }
}

impl Bounds {
    pub(super) fn contain(&self, number: f64) -> bool {
        self.minimum.is_none_or(|bound| number >= bound)
            && self.above.is_none_or(|bound| number > bound)
            && self.maximum.is_none_or(|bound| number <= bound)
            && self.below.is_none_or(|bound| number < bound)
    }

    /// What `number` should have been: `at least 1`, `above 0 and at most 1`. A bound that only the width of an integer sets is not worth a
    /// word, unless it was crossed.
    pub(super) fn text(&self, number: f64) -> String {
        let text = |bound: f64| match bound.fract() == 0.0 && bound.abs() < 1e15 {
            true => format!("{bound:.0}"),
            false => super::change::float_text(bound),
        };
        let telling =
            |bound: &f64| bound.abs() < f64::from(i32::MAX) || number.abs() >= bound.abs();
        let low = self.above.map(|bound| format!("above {}", text(bound)));
        let low =
            low.or(self.minimum.filter(telling).map(|bound| format!("at least {}", text(bound))));
        let high = self.below.map(|bound| format!("below {}", text(bound)));
        let high =
            high.or(self.maximum.filter(telling).map(|bound| format!("at most {}", text(bound))));
        match (low, high) {
            (Some(low), Some(high)) => format!("{low} and {high}"),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => "in range".to_owned(),
        }
    }
}

/// The compiled schemas of the kinds in use, each made once.
#[derive(Default)]
pub(super) struct Schemas {
    by_kind: BTreeMap<&'static str, std::sync::Arc<Schema>>,
}

impl Schemas {
    pub(super) fn of(&mut self, kind: &'static StageKind) -> std::sync::Arc<Schema> {
        std::sync::Arc::clone(
            self.by_kind.entry(kind.name).or_insert_with(|| std::sync::Arc::new(Schema::of(kind))),
        )
    }
}
