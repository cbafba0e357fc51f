//! Labelled texts as the store holds them: JSON lines, in which a class is its number in its head's list.
//!
//! ```json
//! {"text": "Disk sda failed", "entities": [{"start": 5, "end": 8, "label": "DEV"}], "anomaly": 1, "event": "E7"}
//! ```
//!
//! What a text is not labelled for is left out. This is what [`readers`](super::readers) read from people, but here nobody has to be told what is wrong
//! with a line: only the program writes it.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};
use std::path::Path;

use rayon::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{CorpusTasks, Entity, Example};
use crate::base::disk::regular;

/// How much text is read before it is parsed on all threads.
const CHUNK_BYTES: usize = 4 << 20;

/// Writes one line for each example, with its fields as strings.
///
/// # Errors
/// Those of `writer`, and of an example with a class that `tasks` do not have.
pub fn write(examples: &[Example], tasks: &CorpusTasks, writer: &mut impl Write) -> io::Result<()> {
    for example in examples {
        let mut line = serde_json::Map::new();
        line.insert("text".into(), json!(example.text));
        if let Some(entities) = &example.entities {
            line.insert("entities".into(), json!(entities));
        }
        for (name, class) in &example.classes {
            let number = tasks.head(name).and_then(|head| head.index(class)).ok_or_else(|| {
                io::Error::other(format!("there is no class `{class}` of a head `{name}`"))
            })?;
            line.insert(name.clone(), json!(number));
        }
        for (name, value) in &example.fields {
            line.insert(name.clone(), json!(value));
        }
        serde_json::to_writer(&mut *writer, &line)?;
        writer.write_all(b"\n")?;
    }
    Ok(())
}

/// Reads what [`write`] wrote, in order. Few texts are in memory at a time.
///
/// # Errors
/// When the file cannot be read, or is not what was written for these tasks.
pub fn read(path: &Path, tasks: &CorpusTasks, each: &mut dyn FnMut(Example)) -> io::Result<()> {
    let mut reader = io::BufReader::with_capacity(1 << 16, regular::open(path)?);
    let (mut number, mut ended) = (0, false);
    while !ended {
        let (mut chunk, mut bytes) = (Vec::new(), 0);
        while bytes < CHUNK_BYTES && !ended {
            let mut line = String::new();
            let length = reader.read_line(&mut line)?;
            if length == 0 {
                ended = true;
            } else {
                number += 1;
                bytes += length;
                chunk.push((number, line));
            }
        }
        let read = |(number, line): (usize, String)| parse(&line, number, tasks);
        let examples: io::Result<Vec<Example>> = chunk.into_par_iter().map(read).collect();
        examples?.into_iter().for_each(&mut *each);
    }
    Ok(())
}

#[derive(Deserialize)]
struct Line {
    text: String,
    entities: Option<Vec<Entity>>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

fn parse(line: &str, number: usize, tasks: &CorpusTasks) -> io::Result<Example> {
    let wrong = |reason: String| {
        io::Error::new(io::ErrorKind::InvalidData, format!("line {number}: {reason}"))
    };
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
