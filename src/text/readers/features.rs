//! What `datasets` says of the fields of its files: in the metadata of a Parquet file, and beside files of any format in `dataset_info.json` or at the head
//! of `README.md`.
//!
//! ```text
//! ---
//! dataset_info:
//!   features:
//!   - name: ner_tags
//!     sequence:
//!       class_label:
//!         names:
//!           '0': O
//!           '1': B-PER
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::shapes::TAGS;
use crate::base::disk::regular;

/// The names of the classes of each field that has some.
///
/// * `features`: the value of that name
pub(super) fn class_names(features: &Value) -> BTreeMap<String, Vec<String>> {
    let names = |feature: &Value| -> Option<Vec<String>> {
        let of = feature.get("feature").unwrap_or(feature);
        let names = of.get("names")?.as_array()?;
        names.iter().map(|name| name.as_str().map(str::to_owned)).collect()
    };
    let features = features.as_object().into_iter().flatten();
    features.filter_map(|(field, feature)| Some((field.clone(), names(feature)?))).collect()
}

/// What the numbers of tags in a file are called, as its data set says it in the file's folder or the one above.
#[must_use]
pub fn label_names(path: &Path) -> Option<Vec<String>> {
    let folder = path.parent()?;
    let read = |folder: &Path, name: &str| regular::read_to_string(&folder.join(name)).ok();
    [Some(folder), folder.parent()].into_iter().flatten().find_map(|folder| {
        let of_info = || of_info(&read(folder, "dataset_info.json")?);
        of_info().or_else(|| of_front_matter(&read(folder, "README.md")?))
    })
}

fn of_info(text: &str) -> Option<Vec<String>> {
    let info: Value = serde_json::from_str(text).ok()?;
    let mut names = class_names(info.get("features")?);
    TAGS.iter().find_map(|field| names.remove(*field))
}

/// The lines that `datasets` writes, and no other YAML.
fn of_front_matter(text: &str) -> Option<Vec<String>> {
    let front = text.strip_prefix("---")?.split("\n---").next()?;
    TAGS.iter().find_map(|field| {
        let begins = format!("- name: {field}");
        let mut lines = front.lines().map(str::trim);
        lines.find(|line| *line == begins)?;
        let mut lines = lines.take_while(|line| !line.starts_with("- "));
        lines.find(|line| *line == "names:")?;
        let name = |(number, line): (usize, &str)| {
            let (key, name) = line.split_once(": ")?;
            let is_next = key.trim_matches('\'') == number.to_string();
            is_next.then(|| name.trim_matches(['\'', '"']).to_owned())
        };
        let names: Vec<String> = lines.enumerate().map_while(name).collect();
        (!names.is_empty()).then_some(names)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_a_readme_names_tags() {
        let feature = |name: &str, names: &str| {
            format!("  - name: {name}\n    sequence:\n      class_label:\n        names:\n{names}")
        };
        let text = format!(
            "---\ndataset_info:\n  features:\n  - name: id\n    dtype: string\n{}{}  splits:\n  - name: train\n---\n# A data set\n",
            feature("pos_tags", "          '0': NN\n"),
            feature("ner_tags", "          '0': O\n          '1': B-PER\n"),
        );
        assert_eq!(of_front_matter(&text), Some(vec!["O".to_owned(), "B-PER".to_owned()]));
        assert_eq!(of_front_matter("# No head\n"), None);
        assert_eq!(of_front_matter(&text.replace("ner_tags", "other")), None);
    }
}
