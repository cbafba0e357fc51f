//! The BIO labels of a corpus.

use std::collections::BTreeSet;

use crate::base::visible;

/// What a token's label says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    Outside,
    /// First token of an entity of this type.
    Begin(u32),
    /// Any other token of an entity of this type.
    Inside(u32),
}

/// The labels of tokens, sorted by name: `B-X` and `I-X` for every entity type `X`, and `O`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelSet {
    names: Vec<String>,
    /// The entity types, sorted.
    types: Vec<String>,
    outside: u32,
    tags: Vec<Tag>,
    /// `(B-X, I-X)` for every type.
    ids: Vec<(u32, u32)>,
}

/// Why a list of names is no set of BIO labels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    #[error("`{}` is no BIO label: expected `O`, `B-TYPE` or `I-TYPE`", visible::line(name))]
    NotBio { name: String },
    #[error("label `{}` is missing", visible::line(name))]
    Missing { name: String },
    #[error("labels are not sorted by name, or `{}` stands twice", visible::line(name))]
    NotSorted { name: String },
}

impl LabelSet {
    /// The labels for these entity types.
    pub fn of<'a>(types: impl IntoIterator<Item = &'a str>) -> Self {
        let types: Vec<String> =
            types.into_iter().collect::<BTreeSet<_>>().into_iter().map(String::from).collect();
        let mut names: Vec<String> =
            types.iter().flat_map(|kind| [format!("B-{kind}"), format!("I-{kind}")]).collect();
        names.push("O".into());
        names.sort_unstable();
        let position = |name: &str| {
            let index = names
                .binary_search_by(|other| other.as_str().cmp(name))
                .expect("every name was just inserted");
            u32::try_from(index).expect("fewer than 2^32 labels")
        };
        let outside = position("O");
        let ids: Vec<(u32, u32)> = types
            .iter()
            .map(|kind| (position(&format!("B-{kind}")), position(&format!("I-{kind}"))))
            .collect();
        let mut tags = vec![Tag::Outside; names.len()];
        for (kind, (begin, inside)) in ids.iter().enumerate() {
            let kind = u32::try_from(kind).expect("fewer than 2^32 types");
            tags[*begin as usize] = Tag::Begin(kind);
            tags[*inside as usize] = Tag::Inside(kind);
        }
        Self { names, types, outside, tags, ids }
    }

    /// The labels with these names, as saved with a model.
    ///
    /// # Errors
    /// [`LabelError`] unless the names are exactly what [`LabelSet::of`] gives for some types.
    pub fn from_names(names: &[String]) -> Result<Self, LabelError> {
        let mut types = BTreeSet::new();
        for name in names {
            match name.split_once('-') {
                Some(("B" | "I", kind)) if !kind.is_empty() => drop(types.insert(kind)),
                _ if name == "O" => {}
                _ => return Err(LabelError::NotBio { name: name.clone() }),
            }
        }
        let set = Self::of(types);
        if let Some(missing) = set.names.iter().find(|name| !names.contains(name)) {
            return Err(LabelError::Missing { name: missing.clone() });
        }
        match names.iter().enumerate().find(|(index, name)| set.names.get(*index) != Some(name)) {
            Some((_, name)) => Err(LabelError::NotSorted { name: name.clone() }),
            None => Ok(set),
        }
    }

    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The entity types, sorted.
    #[must_use]
    pub fn types(&self) -> &[String] {
        &self.types
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Never: `O` is always there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The number of `O`.
    #[must_use]
    pub fn outside(&self) -> u32 {
        self.outside
    }

    #[must_use]
    pub fn index(&self, name: &str) -> Option<u32> {
        self.names
            .binary_search_by(|other| other.as_str().cmp(name))
            .ok()
            .and_then(|index| u32::try_from(index).ok())
    }

    /// The numbers of `B-kind` and `I-kind`.
    #[must_use]
    pub fn begin_and_inside(&self, kind: &str) -> Option<(u32, u32)> {
        self.types
            .binary_search_by(|other| other.as_str().cmp(kind))
            .ok()
            .map(|index| self.ids[index])
    }

    /// What label `id` says; a number that is no label counts as outside.
    pub(crate) fn tag(&self, id: u32) -> Tag {
        self.tags.get(id as usize).copied().unwrap_or(Tag::Outside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_by_name_with_o_last() {
        assert_eq!(
            LabelSet::of(["PER", "DEV_ID", "DEV", "PER"]).names(),
            ["B-DEV", "B-DEV_ID", "B-PER", "I-DEV", "I-DEV_ID", "I-PER", "O"]
        );
    }

    #[test]
    fn names_lead_back_to_the_same_set() {
        let set = LabelSet::of(["a-b", "PER", "O"]);
        assert_eq!(LabelSet::from_names(set.names()), Ok(set));
    }

    #[test]
    fn a_list_that_lacks_an_inside_label_is_refused() {
        let names = ["B-PER".to_owned(), "O".to_owned()];
        assert_eq!(LabelSet::from_names(&names), Err(LabelError::Missing { name: "I-PER".into() }));
    }

    #[test]
    fn an_unsorted_or_repeated_list_is_refused() {
        let names = ["O", "B-PER", "I-PER"].map(String::from);
        assert!(matches!(LabelSet::from_names(&names), Err(LabelError::NotSorted { .. })));
        let names = ["B-PER", "I-PER", "O", "O"].map(String::from);
        assert!(matches!(LabelSet::from_names(&names), Err(LabelError::NotSorted { .. })));
    }
}
