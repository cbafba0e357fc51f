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

use super::names::TAGS;
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

/// What the numbers of fields are called, such as those of tags or of classes, as the data set of a file says it in the file's folder or the one above.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedNumbers(BTreeMap<String, Vec<String>>);

impl NamedNumbers {
    #[must_use]
    pub fn beside(path: &Path) -> Self {
        let Some(folder) = path.parent() else { return Self::default() };
        let read = |folder: &Path, name: &str| regular::read_to_string(&folder.join(name)).ok();
        let found = [Some(folder), folder.parent()].into_iter().flatten().find_map(|folder| {
            let of_info = || of_info(&read(folder, "dataset_info.json")?);
            let of_readme = || of_front_matter(&read(folder, "README.md")?);
            of_info().or_else(of_readme).filter(|named| !named.is_empty())
        });
        Self(found.unwrap_or_default())
    }

    /// What the numbers of the first field that holds tags are called.
    #[must_use]
    pub fn of_tags(&self) -> Option<&[String]> {
        TAGS.iter().find_map(|field| self.of(field))
    }

    /// What the numbers of a field are called, from 0.
    #[must_use]
    pub fn of(&self, field: &str) -> Option<&[String]> {
        self.0.get(field).map(Vec::as_slice)
    }
}

fn of_info(text: &str) -> Option<BTreeMap<String, Vec<String>>> {
    let info: Value = serde_json::from_str(text).ok()?;
    Some(class_names(info.get("features")?))
}

/// The lines that `datasets` writes, and no other YAML.
fn of_front_matter(text: &str) -> Option<BTreeMap<String, Vec<String>>> {
    let front = text.strip_prefix("---")?.split("\n---").next()?;
    let mut named: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut field: Option<&str> = None;
    for line in front.lines().map(str::trim) {
        if let Some(item) = line.strip_prefix("- ") {
            field = item.strip_prefix("name: ");
        }
        let (Some(field), Some((key, name))) = (field, line.split_once(": ")) else { continue };
        let known = named.get(field).map_or(0, Vec::len);
        if key.trim_matches(['\'', '"']) == known.to_string() {
            let name = name.trim_matches(['\'', '"']).to_owned();
            named.entry(field.to_owned()).or_default().push(name);
        }
    }
    Some(named)
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
        let named = NamedNumbers(of_front_matter(&text).unwrap_or_default());
        let tags = ["O", "B-PER"].map(str::to_owned);
        assert_eq!(named.of_tags(), Some(&tags[..]));
        assert_eq!(named.of("pos_tags"), Some(&["NN".to_owned()][..]));
        assert_eq!((named.of("id"), named.of("train")), (None, None));
        assert_eq!(of_front_matter("# No head\n"), None);
    }
}
