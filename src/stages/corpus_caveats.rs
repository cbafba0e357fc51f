//! What a reader of scores must know of the labels of a corpus, found text by text.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher as _};

use crate::engine::stage::Caveat;
use crate::tasks::{self, Task, classification, tagging};
use crate::text::{ClassHead, Corpus, CorpusTasks, Example, FileNames, Place, Split, words};

/// Not all values of the field by which a corpus is split are times, or numbers.
pub(super) const ORDERED_AS_TEXT: &str = "ordered_as_text";
/// No text of a split has some class.
const CLASS_NEVER_OCCURS: &str = "class_never_occurs";
const LABELS_NOT_IN_TRAIN: &str = "labels_not_in_train";
/// What there is to say of entities only, here and where texts become tokens.
const OF_ENTITIES: [&str; 4] =
    [LABELS_NOT_IN_TRAIN, "entities_cut", "entities_inside_tokens", "offsets_unit"];

/// Whether a caveat is about nothing but scores that a model for these tasks has not.
pub(super) fn is_idle(caveat: &Caveat, tasks: &[Task]) -> bool {
    let code = caveat.code.as_str();
    (code == CLASS_NEVER_OCCURS && !tasks.iter().any(Task::is_of_texts))
        || (OF_ENTITIES.contains(&code) && !tasks::has(tasks, tagging::NAME))
}

/// How many entities of a text are no whole words.
pub(super) fn inside_words(example: &Example) -> usize {
    let ends = example.entities().iter().map(|entity| (entity.start, entity.end));
    words::inside(&example.text, ends)
}

/// What a score of a model that reads words is to be read with.
pub(super) fn of_words(split: Split, texts: &[Example]) -> Option<Caveat> {
    missed_by_words(split, texts, "the model", "; with `decode = \"tokens\"` of `train` it would")
}

/// The same of a gazetteer.
pub(super) fn of_names(split: Split, texts: &[Example]) -> Option<Caveat> {
    missed_by_words(split, texts, "a gazetteer", "")
}

fn missed_by_words(split: Split, texts: &[Example], who: &str, remedy: &str) -> Option<Caveat> {
    let count: usize = texts.iter().map(inside_words).sum();
    let all: usize = texts.iter().map(|example| example.entities().len()).sum();
    let message = format!(
        "{count} of {all} {split} entities begin or end inside a word, where {who} looks for none, and count as missed{remedy}"
    );
    (count > 0).then(|| Caveat::new("entities_inside_words", count, message))
}

/// Those among the caveats of a corpus that whoever learns its classes is warned of, and nobody else.
pub(super) fn about_classes(caveats: &[Caveat]) -> impl Iterator<Item = &Caveat> {
    caveats.iter().filter(|caveat| caveat.code == CLASS_NEVER_OCCURS)
}

/// Looks at every text once; [`caveats`](Self::caveats) says what was found.
pub(super) struct LabelFindings {
    heads: Vec<ClassHead>,
    splits: BTreeMap<Split, Labels>,
    /// By split and digest of the text.
    texts: HashMap<(Split, u64), Seen>,
}

/// The labels of a split.
#[derive(Default)]
struct Labels {
    /// Texts of each class, by head.
    classes: Vec<Vec<usize>>,
    /// Entities by type.
    entities: BTreeMap<String, usize>,
}

/// The first text of several equal ones in a split.
struct Seen {
    place: Place,
    /// By head; `None` where it is not labelled.
    classes: Vec<Option<u32>>,
    /// A digest of its entities, where they are known.
    entities: Option<u64>,
    /// How many there were.
    count: usize,
    /// The first with other labels.
    other: Option<Place>,
}

/// Equal texts of a split that equal ones there or before contradict.
struct Contradiction {
    first: Place,
    /// Two that do.
    places: [(Split, Place); 2],
    /// How many there are in the split.
    texts: usize,
}

impl Seen {
    fn differs(&self, classes: &[Option<u32>], entities: Option<u64>) -> bool {
        self.classes.iter().zip(classes).any(|(one, other)| is_other(*one, *other))
            || is_other(self.entities, entities)
    }
}

impl LabelFindings {
    pub(super) fn new(tasks: &CorpusTasks) -> Self {
        Self { heads: tasks.heads.clone(), splits: BTreeMap::new(), texts: HashMap::new() }
    }

    pub(super) fn of(corpus: &Corpus) -> Self {
        let mut findings = Self::new(&corpus.tasks);
        for split in Split::ALL {
            corpus.get(split).iter().for_each(|example| findings.push(split, example));
        }
        findings
    }

    pub(super) fn push(&mut self, split: Split, example: &Example) {
        let class =
            |head: &ClassHead| example.classes.get(&head.name).and_then(|class| head.index(class));
        let classes: Vec<Option<u32>> = self.heads.iter().map(class).collect();
        let counted = self.splits.entry(split).or_default();
        counted.classes.resize_with(self.heads.len(), Vec::new);
        for ((counts, head), class) in counted.classes.iter_mut().zip(&self.heads).zip(&classes) {
            counts.resize(head.classes.len(), 0);
            class.iter().for_each(|class| counts[*class as usize] += 1);
        }
        for entity in example.entities() {
            match counted.entities.get_mut(&entity.label) {
                Some(count) => *count += 1,
                None => drop(counted.entities.insert(entity.label.clone(), 1)),
            }
        }
        let entities = example.entities.as_ref().map(digest);
        let place = Place::of(example);
        match self.texts.entry((split, digest(&example.text))) {
            Entry::Vacant(entry) => {
                entry.insert(Seen { place, classes, entities, count: 1, other: None });
            }
            Entry::Occupied(mut entry) => {
                let first = entry.get_mut();
                first.count += 1;
                if first.other.is_none() && first.differs(&classes, entities) {
                    first.other = Some(place);
                }
            }
        }
    }

    /// What is to be said of them, but for [`classes`](Self::classes).
    pub(super) fn caveats(&self, files: &FileNames) -> Vec<Caveat> {
        let mut caveats = self.labels();
        caveats.extend(Split::ALL.into_iter().filter_map(|split| self.contradicting(split, files)));
        caveats
    }

    /// Texts of a split whose equals there, or in a split before it, have another class or other entities: so what is corrected in a split changes
    /// nothing that is said of those before.
    fn contradicting(&self, split: Split, files: &FileNames) -> Option<Caveat> {
        let mut found: Vec<Contradiction> = Vec::new();
        for ((_, text), seen) in self.texts.iter().filter(|((of, _), _)| *of == split) {
            let other = |of: Split| {
                let first = self.texts.get(&(of, *text))?;
                let differs = first.differs(&seen.classes, seen.entities);
                Some((of, if differs { first.place } else { first.other? }))
            };
            let own = (split, seen.place);
            let before = Split::ALL.into_iter().take_while(|before| *before < split);
            let places = match before.filter_map(other).next() {
                Some(before) => [before, own],
                None => match seen.other {
                    Some(place) => [own, (split, place)],
                    None => continue,
                },
            };
            found.push(Contradiction { first: seen.place, places, texts: seen.count });
        }
        let first = found.iter().min_by_key(|it| it.first)?;
        let [one, other] = first.places.map(|(split, place)| files.line_in(split, place));
        let texts: usize = found.iter().map(|it| it.texts).sum();
        let have = if texts == 1 { "text has" } else { "texts have" };
        let message = format!(
            "{texts} {split} {have} equals with other labels ({} distinct ones, the first in {one} and {other}): \
             no model can be right on all of them",
            found.len()
        );
        Some(Caveat::new("contradicting_labels", texts, message).of(split))
    }

    /// Splits in which a class never occurs. Texts that are labelled with entities alone are all normal, so that this is said where the classes
    /// are learnt.
    pub(super) fn classes(&self) -> Vec<Caveat> {
        self.heads
            .iter()
            .enumerate()
            .flat_map(|(number, head)| self.classes_of(number, head))
            .collect()
    }

    fn classes_of(&self, number: usize, head: &ClassHead) -> Vec<Caveat> {
        const MEANS: &str =
            "scores that compare the classes, such as AUROC, are undefined or say nothing";
        let counts = |labels: &Labels| labels.classes[number].clone();
        let lacks = |labels: &Labels| {
            let absent = (0..).zip(&labels.classes[number]).filter(|(_, count)| **count == 0);
            absent.map(|(class, _)| class).collect::<Vec<usize>>()
        };
        let said = |all: usize, of: &str, classes: &[usize], means: &str| match all {
            0 => format!("no {of}text is labelled for `{}`: {means}", head.name),
            _ => {
                let what = classification::is_of(head, classes);
                format!("none of the {all} {of}texts {what}: {means}")
            }
        };
        let lacking: Vec<Vec<usize>> = self.splits.values().map(lacks).collect();
        if let Some(classes) = lacking.first().filter(|classes| !classes.is_empty())
            && lacking.len() > 1
            && lacking.iter().all(|other| other == classes)
        {
            let all: usize = self.splits.values().flat_map(counts).sum();
            return vec![Caveat::new(CLASS_NEVER_OCCURS, all, said(all, "", classes, MEANS))];
        }
        let caveat = |(split, labels): (&Split, &Labels)| {
            let classes = Some(lacks(labels)).filter(|classes| !classes.is_empty())?;
            let all: usize = counts(labels).into_iter().sum();
            let means = match (*split, classes.len()) {
                (Split::Train, 1) => "a model cannot learn it",
                (Split::Train, _) => "a model cannot learn them",
                _ => MEANS,
            };
            let message = said(all, &format!("{split} "), &classes, means);
            Some(Caveat::new(CLASS_NEVER_OCCURS, all, message).of(split))
        };
        self.splits.iter().filter_map(caveat).collect()
    }

    /// Types of entities that are to be found, but that nothing shows in training.
    fn labels(&self) -> Vec<Caveat> {
        let Some(train) = self.splits.get(&Split::Train) else { return Vec::new() };
        let caveat = |(split, labels): (&Split, &Labels)| {
            let only =
                labels.entities.iter().filter(|(kind, _)| !train.entities.contains_key(*kind));
            let (kinds, counts): (Vec<&String>, Vec<usize>) = only.unzip();
            let count: usize = counts.iter().sum();
            if count == 0 {
                return None;
            }
            let message = format!(
                "{count} {split} entities have labels that train does not have, so that no model learns them: {}",
                some_of(&kinds)
            );
            Some(Caveat::new(LABELS_NOT_IN_TRAIN, count, message).of(split))
        };
        self.splits.iter().filter_map(caveat).collect()
    }
}

/// What is not known is no contradiction.
fn is_other<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one != other)
}

/// Equal within a run of the program, which is all that is asked; a text of 64 equal bits that is another one is not worth a copy of each text.
fn digest(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn some_of(names: &[&String]) -> String {
    const SHOWN: usize = 8;
    let quoted: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => quoted.join(", "),
        more => format!("{} and {more} more", quoted.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Entity;

    /// Split, text, entities, and whether it is an anomaly.
    type Text<'a> = (Split, &'a str, &'a [(usize, usize, &'a str)], u32);

    fn caveats(texts: &[Text<'_>]) -> Vec<(String, u64, String)> {
        let mut findings = LabelFindings::new(&CorpusTasks::default());
        for (line, (split, text, entities, anomaly)) in texts.iter().enumerate() {
            let entity = |(start, end, label): &(usize, usize, &str)| Entity {
                start: *start,
                end: *end,
                label: (*label).to_owned(),
            };
            let example = Example {
                text: (*text).to_owned(),
                entities: Some(entities.iter().map(entity).collect()),
                classes: crate::text::anomaly(*anomaly == 1),
                fields: BTreeMap::new(),
                file: 0,
                line: line + 1,
            };
            findings.push(*split, &example);
        }
        let told = |caveat: Caveat| (caveat.code, caveat.count, caveat.message);
        findings
            .classes()
            .into_iter()
            .chain(findings.caveats(&FileNames::default()))
            .map(told)
            .collect()
    }

    use Split::{Test, Train, Validation};

    #[test]
    fn equal_texts_with_equal_labels_are_no_contradiction() {
        let found = caveats(&[
            (Train, "Ann", &[(0, 3, "PER")], 0),
            (Train, "Bo", &[], 1),
            (Train, "Ann", &[(0, 3, "PER")], 0),
        ]);
        assert_eq!(found, []);
    }

    #[test]
    fn equal_texts_with_another_class_or_other_entities_are_counted_and_the_first_is_placed() {
        let found = caveats(&[
            (Train, "Ann", &[(0, 3, "PER")], 0),
            (Train, "Bo", &[], 1),
            (Train, "Ann", &[(0, 3, "PER")], 0),
            (Train, "Bo", &[], 0),
            (Train, "Ann", &[], 0),
            (Train, "Ann", &[(0, 3, "PER")], 0),
        ]);
        let [(code, count, message)] = &found[..] else { panic!("{found:?}") };
        assert_eq!((code.as_str(), *count), ("contradicting_labels", 6));
        assert!(
            message.contains("2 distinct ones, the first in line 1 (train) and line 5 (train)"),
            "{message}"
        );
    }

    #[test]
    fn what_test_contradicts_changes_nothing_that_is_said_of_the_splits_before() {
        let told = |test: u32| {
            caveats(&[
                (Train, "Ann", &[], 0),
                (Train, "Bo", &[], 1),
                (Validation, "Ann", &[], 1),
                (Validation, "Cy", &[], 0),
                (Test, "Bo", &[], test),
            ])
        };
        let message = |split, places| {
            format!(
                "1 {split} text has equals with other labels (1 distinct ones, the first in {places}): no model can be right on all of them"
            )
        };
        let of_validation = message("validation", "line 1 (train) and line 3 (validation)");
        let code = || "contradicting_labels".to_owned();
        let counted: Vec<_> = told(1).into_iter().filter(|(it, ..)| *it == code()).collect();
        assert_eq!(counted, [(code(), 1, of_validation.clone())]);
        let of_test = message("test", "line 2 (train) and line 5 (test)");
        let counted: Vec<_> = told(0).into_iter().filter(|(it, ..)| *it == code()).collect();
        assert_eq!(counted, [(code(), 1, of_validation), (code(), 1, of_test)]);
    }

    #[test]
    fn a_class_that_never_occurs_is_said_of_its_split_and_once_where_no_split_has_it() {
        let found = caveats(&[(Train, "a", &[], 0), (Train, "b", &[], 1), (Test, "c", &[], 0)]);
        let message = "none of the 1 test texts is an anomaly: scores that compare the classes, such as AUROC, are undefined or say nothing";
        assert_eq!(found, [("class_never_occurs".into(), 1, message.into())]);
        let found =
            caveats(&[(Train, "a", &[], 1), (Validation, "b", &[], 1), (Test, "c", &[], 1)]);
        assert_eq!(found.len(), 1);
        assert!(found[0].2.starts_with("none of the 3 texts is normal"), "{found:?}");
    }

    #[test]
    fn a_class_of_any_head_that_never_occurs_is_named_with_its_head() {
        let severity = ClassHead {
            name: "severity".to_owned(),
            classes: ["low", "mid", "high"].map(str::to_owned).to_vec(),
        };
        let mut findings =
            LabelFindings::new(&CorpusTasks { tagging: false, heads: vec![severity] });
        let mut push = |split, class: Option<&str>| {
            let class = class.map(|class| ("severity".to_owned(), class.to_owned()));
            let classes = class.into_iter().collect();
            let (text, fields) = (String::new(), BTreeMap::new());
            findings.push(split, &Example { text, classes, fields, line: 1, ..Example::default() });
        };
        push(Train, Some("low"));
        push(Train, Some("mid"));
        push(Train, Some("high"));
        push(Validation, Some("mid"));
        push(Test, None);
        let messages: Vec<String> =
            findings.classes().into_iter().map(|caveat| caveat.message).collect();
        let means = "scores that compare the classes, such as AUROC, are undefined or say nothing";
        assert_eq!(
            messages,
            [
                format!(
                    "none of the 1 validation texts has the class `low` or `high` of `severity`: {means}"
                ),
                format!("no test text is labelled for `severity`: {means}"),
            ]
        );
    }

    #[test]
    fn labels_outside_of_train_are_counted_by_entity() {
        let found = caveats(&[
            (Train, "Ann", &[(0, 3, "PER")], 0),
            (Train, "b", &[], 1),
            (Test, "Oslo Rome", &[(0, 4, "LOC"), (5, 9, "LOC")], 1),
            (Test, "c", &[], 0),
        ]);
        let message = "2 test entities have labels that train does not have, so that no model learns them: `LOC`";
        assert_eq!(found, [("labels_not_in_train".into(), 2, message.into())]);
    }
}
