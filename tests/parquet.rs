//! Corpora in Parquet, which a build with the feature `parquet` reads.
#![cfg(feature = "parquet")]

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use pipeline::text::readers::{self, Classes, Heads, Options};
use serde_json::{Value, json};

#[test]
fn rows_read_as_the_library_that_wrote_them_reads_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers");
    let expected = std::fs::read(folder.join("expected.json")).expect("a fixture");
    let mut expected: BTreeMap<String, Vec<Value>> =
        serde_json::from_slice(&expected).expect("JSON");
    let names = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"];
    let options = Options {
        label_names: names.map(str::to_owned).to_vec(),
        heads: Heads::of(Some(&Classes::Fields(vec!["severity".to_owned()]))),
        ..Options::default()
    };
    let mut found = Vec::new();
    readers::read(&folder.join("datasets.parquet"), None, &options, &mut |row| {
        let row = row.unwrap_or_else(|problem| panic!("{problem:?}"));
        let entities = row.entities.iter().flatten();
        found.push(json!({
            "text": row.text,
            "entities": entities.map(|it| json!([it.start, it.end, it.label])).collect::<Value>(),
            "severity": row.classes.get("severity"),
        }));
        ControlFlow::Continue(())
    })
    .expect("it is Parquet");
    assert_eq!(expected.remove("datasets.parquet"), Some(found));
}
