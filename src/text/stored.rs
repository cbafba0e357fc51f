//! Labelled texts as the store holds them: JSON lines, in which a class is its number in its head's list.
//!
//! ```json
//! {"text": "Disk sda failed", "entities": [{"start": 5, "end": 8, "label": "DEV"}], "anomaly": 1, "event": "E7"}
//! ```
//!
//! What a text is not labelled for is left out. This is what [`readers`](super::readers) read from people, but here nobody has to be told what is wrong
//! with a line: only the program writes it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, BufRead as _, Read as _, Write};
use std::path::Path;

use rayon::prelude::*;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::{CorpusTasks, Entity, Example};
use crate::base::disk::regular;

/// How much text is read before it is parsed on all threads.
const CHUNK_BYTES: u64 = 4 << 20;

/// Writes one line for each example, with its fields as strings.
///
/// # Errors
/// Those of `writer`, and of an example with a class that `tasks` do not have.
pub fn write(examples: &[Example], tasks: &CorpusTasks, writer: &mut impl Write) -> io::Result<()> {
    for example in examples {
        let mut line = Members(Vec::with_capacity(4));
        line.put("text", Member::Text(&example.text));
        if let Some(entities) = &example.entities {
            line.put("entities", Member::Entities(entities));
        }
        for (name, class) in &example.classes {
            let number = tasks.head(name).and_then(|head| head.index(class)).ok_or_else(|| {
                io::Error::other(format!("there is no class `{class}` of a head `{name}`"))
            })?;
            line.put(name, Member::Class(number));
        }
        for (name, value) in &example.fields {
            line.put(name, Member::Text(value));
        }
        serde_json::to_writer(&mut *writer, &line)?;
        writer.write_all(b"\n")?;
    }
    Ok(())
}

/// The members of a line, each name once.
struct Members<'e>(Vec<(&'e str, Member<'e>)>);

#[derive(Serialize)]
#[serde(untagged)]
enum Member<'e> {
    Text(&'e str),
    Entities(&'e [Entity]),
    Class(u32),
}

impl<'e> Members<'e> {
    /// The last one of a name counts, in the place of the first.
    fn put(&mut self, name: &'e str, member: Member<'e>) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = member,
            None => self.0.push((name, member)),
        }
    }
}

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, member)| (name, member)))
    }
}

/// Reads what [`write`] wrote, in order. Few texts are in memory at a time.
///
/// # Errors
/// When the file cannot be read, or is not what was written for these tasks.
pub fn read(path: &Path, tasks: &CorpusTasks, each: &mut dyn FnMut(Example)) -> io::Result<()> {
    chunks(path, tasks)?.try_for_each(|chunk| {
        chunk?.into_iter().for_each(&mut *each);
        Ok(())
    })
}

/// Hands out the same some thousands at a time.
///
/// # Errors
/// As [`read`].
pub fn chunks(
    path: &Path,
    tasks: &CorpusTasks,
) -> io::Result<impl Iterator<Item = io::Result<Vec<Example>>>> {
    let blocks = Blocks::open(path)?;
    Ok(blocks
        .map(|block| block?.lines().map(|(number, line)| parse(line?, number, tasks)).collect()))
}

/// The labels of entities that a file has.
///
/// # Errors
/// When the file cannot be read, or is not what was written.
pub fn entity_labels(path: &Path) -> io::Result<BTreeSet<String>> {
    #[derive(Deserialize)]
    struct Labelled<'l> {
        #[serde(borrow, default)]
        entities: Option<Vec<Labels<'l>>>,
    }
    #[derive(Deserialize)]
    struct Labels<'l> {
        #[serde(borrow)]
        label: Cow<'l, str>,
    }
    let mut labels = BTreeSet::new();
    for block in Blocks::open(path)? {
        let block = block?;
        let add = |mut labels: BTreeSet<String>, (number, line): (usize, io::Result<&str>)| {
            let line: Labelled<'_> =
                serde_json::from_str(line?).map_err(|error| wrong(number, &error.to_string()))?;
            for Labels { label } in line.entities.into_iter().flatten() {
                if !labels.contains(&*label) {
                    labels.insert(label.into_owned());
                }
            }
            Ok::<_, io::Error>(labels)
        };
        let found = block.lines().try_fold(BTreeSet::new, add);
        let all = |mut one: BTreeSet<String>, mut other| {
            one.append(&mut other);
            Ok(one)
        };
        labels.append(&mut found.try_reduce(BTreeSet::new, all)?);
    }
    Ok(labels)
}

/// A file as blocks of whole lines.
struct Blocks {
    reader: io::BufReader<std::fs::File>,
    /// Lines before the next block.
    lines: usize,
}

/// Some lines.
struct Block {
    bytes: Vec<u8>,
    /// Where each line ends, its line break included.
    ends: Vec<usize>,
    /// The number of the first one.
    first: usize,
}

impl Blocks {
    fn open(path: &Path) -> io::Result<Self> {
        let reader = io::BufReader::with_capacity(1 << 16, regular::open(path)?);
        Ok(Self { reader, lines: 0 })
    }
}

impl Iterator for Blocks {
    type Item = io::Result<Block>;

    fn next(&mut self) -> Option<io::Result<Block>> {
        let mut bytes = Vec::new();
        let read = self.reader.by_ref().take(CHUNK_BYTES).read_to_end(&mut bytes);
        if let Err(error) = read.and_then(|_| self.reader.read_until(b'\n', &mut bytes)) {
            return Some(Err(error));
        }
        let mut ends: Vec<usize> =
            (1..).zip(&bytes).filter(|(_, byte)| **byte == b'\n').map(|(end, _)| end).collect();
        if ends.last().copied().unwrap_or_default() < bytes.len() {
            ends.push(bytes.len());
        }
        let first = self.lines + 1;
        self.lines += ends.len();
        (!bytes.is_empty()).then_some(Ok(Block { bytes, ends, first }))
    }
}

impl Block {
    /// The lines with their numbers.
    fn lines(&self) -> impl IndexedParallelIterator<Item = (usize, io::Result<&str>)> {
        (0..self.ends.len()).into_par_iter().with_min_len(64).map(move |at| {
            let begin = if at == 0 { 0 } else { self.ends[at - 1] };
            let number = self.first + at;
            let line = std::str::from_utf8(&self.bytes[begin..self.ends[at]]);
            (number, line.map_err(|error| wrong(number, &error.to_string())))
        })
    }
}

struct Line {
    text: String,
    entities: Option<Vec<Entity>>,
    others: Vec<(String, Value)>,
}

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Line;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Line, A::Error> {
                let (mut text, mut entities, mut others) = (None, None, Vec::new());
                while let Some(name) = map.next_key::<String>()? {
                    match name.as_str() {
                        "text" => text = Some(map.next_value()?),
                        "entities" => entities = map.next_value()?,
                        _ => others.push((name, map.next_value()?)),
                    }
                }
                let text = text.ok_or_else(|| A::Error::missing_field("text"))?;
                Ok(Line { text, entities, others })
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

fn wrong(number: usize, reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("line {number}: {reason}"))
}

fn parse(line: &str, number: usize, tasks: &CorpusTasks) -> io::Result<Example> {
    let wrong = |reason: String| wrong(number, &reason);
    let Line { text, entities, others } =
        serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
    let (mut classes, mut fields) = (BTreeMap::new(), BTreeMap::new());
    for (name, value) in others {
        match (tasks.head(&name), value) {
            (None, Value::String(value)) => drop(fields.insert(name, value)),
            (Some(head), Value::Number(class)) => {
                let index = class.as_u64().and_then(|index| usize::try_from(index).ok());
                let class = index
                    .and_then(|index| head.classes.get(index))
                    .ok_or_else(|| wrong(format!("`{name}` has no class {class}")))?;
                classes.insert(name, class.clone());
            }
            _ => return Err(wrong(format!("`{name}` is neither a field nor a class"))),
        }
    }
    Ok(Example { text, entities, classes, fields, file: 0, line: number })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{ClassHead, anomaly};

    fn written(examples: &[Example], tasks: &CorpusTasks) -> String {
        let mut bytes = Vec::new();
        write(examples, tasks, &mut bytes).expect("memory takes everything");
        String::from_utf8(bytes).expect("text")
    }

    fn example(line: usize) -> Example {
        Example {
            text: "Disk sda failed".into(),
            entities: None,
            classes: BTreeMap::new(),
            fields: BTreeMap::from([("event".into(), "E7".into())]),
            file: 0,
            line,
        }
    }

    #[test]
    fn a_text_of_the_usual_corpus_is_written_as_people_write_it() {
        let entities = Some(vec![Entity { start: 5, end: 8, label: "DEV".into() }]);
        let example = Example { entities, classes: anomaly(true), ..example(1) };
        assert_eq!(
            written(&[example], &CorpusTasks::default()),
            "{\"text\":\"Disk sda failed\",\"entities\":[{\"start\":5,\"end\":8,\"label\":\"DEV\"}],\"anomaly\":1,\"event\":\"E7\"}\n"
        );
    }

    #[test]
    fn what_was_written_is_read_back_with_what_texts_lack() {
        let severity = ClassHead {
            name: "severity".into(),
            classes: ["low", "mid", "high"].map(str::to_owned).to_vec(),
        };
        let tasks = CorpusTasks { tagging: true, heads: vec![severity] };
        let classes = BTreeMap::from([("severity".to_owned(), "high".to_owned())]);
        let examples = [
            example(1),
            Example { entities: Some(Vec::new()), ..example(2) },
            Example { classes, ..example(3) },
        ];
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.jsonl");
        std::fs::write(&path, written(&examples, &tasks)).expect("written");
        let mut read_back = Vec::new();
        read(&path, &tasks, &mut |example| read_back.push(example)).expect("read");
        assert_eq!(read_back, examples);
        let none = CorpusTasks { heads: Vec::new(), ..tasks };
        assert!(read(&path, &none, &mut drop).is_err());
    }
}
