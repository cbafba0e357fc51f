//! A graph of operators, and the file that holds it.
//!
//! Reference: `onnx.proto3` of ONNX 1.12, whose numbers of fields these are.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::wire::Message;

/// The version of the file format, and that of the operators: the first with a layer norm.
const FORMAT: u64 = 8;
const OPERATORS: u64 = 17;

/// No message may be larger than 2 GiB; what is beside the numbers takes far less than this.
pub(super) const LARGEST: u64 = (1 << 31) - (64 << 20);

/// Kinds of numbers.
const FLOAT: u64 = 1;
const INTEGER: u64 = 7;

/// The name of what an operator gives, of an input or of numbers that are in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value(pub String);

/// What an operator is told beside its inputs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Attribute<'a> {
    Float(f32),
    Integer(i64),
    Integers(&'a [i64]),
}

/// Numbers that are in the file.
#[derive(Debug)]
pub(super) enum Numbers<'m> {
    Floats(Cow<'m, [f32]>),
    /// A matrix of so many columns, of which the file has the rows as columns.
    Transposed {
        values: Cow<'m, [f32]>,
        columns: usize,
    },
    Integers(Vec<i64>),
}

#[derive(Debug)]
struct Initializer<'m> {
    name: String,
    shape: Vec<usize>,
    numbers: Numbers<'m>,
}

/// Operators in the order of the computation.
#[derive(Debug, Default)]
pub(super) struct Graph<'m> {
    /// Fields of the graph.
    nodes: Message,
    ports: Message,
    initializers: Vec<Initializer<'m>>,
    /// How many values have got a name.
    named: usize,
}

/// One side of what goes in or out.
#[derive(Debug, Clone, Copy)]
pub(super) enum Side {
    Any(&'static str),
    Of(usize),
}

impl<'m> Graph<'m> {
    pub fn input(&mut self, name: &str, shape: &[Side]) -> Value {
        self.ports = std::mem::take(&mut self.ports).message(11, &port(name, INTEGER, shape));
        Value(name.to_owned())
    }

    /// Calls a value by a name outside.
    pub fn output(&mut self, name: &str, value: &Value, shape: &[Side]) {
        self.node("Identity", &[value], &[name.to_owned()], &[]);
        self.ports = std::mem::take(&mut self.ports).message(12, &port(name, FLOAT, shape));
    }

    /// Adds an operator that gives one value.
    pub fn add(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        attributes: &[(&str, Attribute<'_>)],
    ) -> Value {
        let [value] = self.add_several(operator, inputs, attributes);
        value
    }

    pub fn add_several<const N: usize>(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        attributes: &[(&str, Attribute<'_>)],
    ) -> [Value; N] {
        let outputs = [(); N].map(|()| self.name(operator));
        self.node(operator, inputs, &outputs, attributes);
        outputs.map(Value)
    }

    pub fn floats(&mut self, shape: &[usize], values: impl Into<Cow<'m, [f32]>>) -> Value {
        self.numbers(shape, Numbers::Floats(values.into()))
    }

    pub fn integers(&mut self, shape: &[usize], values: &[i64]) -> Value {
        self.numbers(shape, Numbers::Integers(values.to_vec()))
    }

    pub fn numbers(&mut self, shape: &[usize], numbers: Numbers<'m>) -> Value {
        let name = self.name("numbers");
        self.initializers.push(Initializer { name: name.clone(), shape: shape.to_vec(), numbers });
        Value(name)
    }

    /// One that no head has.
    fn name(&mut self, of: &str) -> String {
        self.named += 1;
        format!("{of}:{}", self.named)
    }

    fn node(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        outputs: &[String],
        attributes: &[(&str, Attribute<'_>)],
    ) {
        let node = inputs.iter().fold(Message::default(), |node, input| node.text(1, &input.0));
        let node = outputs.iter().fold(node, |node, output| node.text(2, output)).text(4, operator);
        let node = attributes.iter().fold(node, |node, it| node.message(5, &attribute(it)));
        self.nodes = std::mem::take(&mut self.nodes).message(1, &node);
    }

    /// Writes the file. Where it would have more than `largest` bytes of numbers, they go into `data` beside it.
    pub fn write(&self, path: &Path, data: &Path, largest: u64) -> io::Result<()> {
        let sizes = self.initializers.iter().map(|it| it.numbers.size());
        let is_beside = sizes.sum::<u64>() > largest;
        let name = data.file_name().map(|name| name.to_string_lossy().into_owned());
        let mut offset = 0;
        let mut heads = Vec::new();
        for initializer in &self.initializers {
            let beside = name.as_deref().filter(|_| is_beside).map(|name| (name, offset));
            offset += initializer.numbers.size();
            heads.push(initializer.head(beside));
        }
        let own_size = |it: &Initializer<'_>| if is_beside { 0 } else { it.numbers.size() };
        let heads: Vec<Message> = heads
            .into_iter()
            .zip(&self.initializers)
            .map(|(head, initializer)| {
                let length = head.bytes().len() as u64 + own_size(initializer);
                let mut whole = Message::default().counted(5, length);
                whole.append(&head);
                whole
            })
            .collect();
        let named = Message::default().text(2, "pipeline");
        let mut length = [&self.nodes, &named, &self.ports]
            .map(|it| it.bytes().len() as u64)
            .iter()
            .sum::<u64>();
        length += heads.iter().map(|head| head.bytes().len() as u64).sum::<u64>();
        length += self.initializers.iter().map(own_size).sum::<u64>();

        let mut file = BufWriter::new(File::create(path)?);
        let mut beside = match is_beside {
            true => Some(BufWriter::new(File::create(data)?)),
            false => None,
        };
        let version = env!("CARGO_PKG_VERSION");
        let operators = Message::default().text(1, "").integer(2, OPERATORS);
        let model = Message::default().integer(1, FORMAT).text(2, "pipeline").text(3, version);
        let model = model.message(8, &operators).counted(7, length);
        for part in [&model, &self.nodes, &named, &self.ports] {
            file.write_all(part.bytes())?;
        }
        for (head, initializer) in heads.iter().zip(&self.initializers) {
            file.write_all(head.bytes())?;
            initializer.numbers.write(beside.as_mut().unwrap_or(&mut file))?;
        }
        beside.map_or(Ok(()), |mut beside| beside.flush())?;
        file.flush()
    }
}

impl Initializer<'_> {
    /// Its fields but for the numbers.
    ///
    /// * `beside`: the file that has them, and from which byte on
    fn head(&self, beside: Option<(&str, u64)>) -> Message {
        let sides = self.shape.iter();
        let head = sides.fold(Message::default(), |head, side| head.integer(1, *side as u64));
        let head = head.integer(2, self.numbers.kind()).text(8, &self.name);
        let size = self.numbers.size();
        match beside {
            None => head.counted(9, size),
            Some((file, offset)) => {
                let entry = |key, value: &str| Message::default().text(1, key).text(2, value);
                head.message(13, &entry("location", file))
                    .message(13, &entry("offset", &offset.to_string()))
                    .message(13, &entry("length", &size.to_string()))
                    .integer(14, 1)
            }
        }
    }
}

impl Numbers<'_> {
    fn kind(&self) -> u64 {
        match self {
            Self::Floats(_) | Self::Transposed { .. } => FLOAT,
            Self::Integers(_) => INTEGER,
        }
    }

    /// In bytes.
    fn size(&self) -> u64 {
        match self {
            Self::Floats(values) | Self::Transposed { values, .. } => 4 * values.len() as u64,
            Self::Integers(values) => 8 * values.len() as u64,
        }
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Floats(values) => {
                values.iter().try_for_each(|value| out.write_all(&value.to_le_bytes()))
            }
            Self::Transposed { values, columns } => (0..*columns).try_for_each(|column| {
                let values = values.iter().skip(column).step_by(*columns);
                values.into_iter().try_for_each(|value| out.write_all(&value.to_le_bytes()))
            }),
            Self::Integers(values) => {
                values.iter().try_for_each(|value| out.write_all(&value.to_le_bytes()))
            }
        }
    }
}

fn attribute((name, value): &(&str, Attribute<'_>)) -> Message {
    let named = Message::default().text(1, name);
    match value {
        Attribute::Float(value) => named.float(2, *value).integer(20, 1),
        Attribute::Integer(value) => named.integer(3, *value as u64).integer(20, 2),
        Attribute::Integers(values) => {
            values.iter().fold(named, |named, value| named.integer(8, *value as u64)).integer(20, 7)
        }
    }
}

/// What goes in or out.
fn port(name: &str, kind: u64, shape: &[Side]) -> Message {
    let sides = shape.iter().fold(Message::default(), |sides, side| {
        let side = match side {
            Side::Any(name) => Message::default().text(2, name),
            Side::Of(length) => Message::default().integer(1, *length as u64),
        };
        sides.message(1, &side)
    });
    let tensor = Message::default().integer(1, kind).message(2, &sides);
    Message::default().text(1, name).message(2, &Message::default().message(1, &tensor))
}
