use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::text::{Entity, anomaly};

/// A folder with a few words in WordNet's format.
pub(super) fn wordnet_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let licence = "  1 This software and database is being provided to you\n";
    let files = [
        (
            "index.noun",
            "attack n 2 2 @ ~ 2 2 00000100 00000200  \nonslaught n 1 0 1 0 00000100  \nhost n 1 0 1 0 00000300  \n",
        ),
        (
            "data.noun",
            "00000100 04 n 04 attack 0 onslaught 0 Blitz 0 surprise_attack 0 001 @ 00000200 n 0000 | an act  \n\
             00000200 04 n 02 attack 1 fire 1 000 | another  \n00000300 04 n 02 host 0 IBM 0 000 | a computer  \n",
        ),
        (
            "index.verb",
            "attack v 1 0 1 1 00000400  \nonslaught v 1 0 1 1 00000400  \nset v 1 0 1 1 00000400  \nstrike v 1 0 1 1 00000400  \n",
        ),
        ("data.verb", "00000400 04 v 04 attack 0 assail 0 onslaught 0 set_upon 0 000 | act  \n"),
        (
            "index.adj",
            "afraid a 1 0 1 0 00000500  \nattacked a 1 0 1 0 00000500  \nsetting a 1 0 1 0 00000500  \nstriking a 1 0 1 0 00000500  \n",
        ),
        ("data.adj", "00000500 00 a 02 afraid(p) 0 frightened(p) 0 000 | in fear  \n"),
        ("index.adv", "quickly r 1 0 1 0 00000600  \n"),
        ("data.adv", "00000600 02 r 02 quickly 0 rapidly 0 000 | with speed  \n"),
    ];
    for (name, lines) in files {
        std::fs::write(folder.path().join(name), format!("{licence}{lines}")).expect("written");
    }
    folder
}

/// A text of which the words in brackets are entities.
fn example(line: usize, marked: &str, is_anomaly: bool) -> Example {
    let (mut text, mut entities, mut start) = (String::new(), Vec::new(), 0);
    for character in marked.chars() {
        let at = text.chars().count();
        match character {
            '[' => start = at,
            ']' => entities.push(Entity { start, end: at, label: "X".to_owned() }),
            other => text.push(other),
        }
    }
    let (classes, fields) = (anomaly(is_anomaly), BTreeMap::new());
    Example { text, entities: Some(entities), classes, fields, file: 0, line }
}

fn covered(example: &Example) -> Vec<String> {
    let text: Vec<char> = example.text.chars().collect();
    let value = |entity: &Entity| text[entity.start..entity.end].iter().collect();
    example.entities().iter().map(value).collect()
}

/// The texts to train on, with what was made of them.
fn augmented(
    augmentation: &Augmentation,
    train: &[Example],
    held_out: &[Example],
) -> (Vec<Example>, Tally) {
    let mut seen = Seen::new(augmentation.clone(), &CorpusTasks::default()).expect("sound");
    train.iter().for_each(|example| seen.push(Split::Train, example));
    held_out.iter().for_each(|example| seen.push(Split::Test, example));
    let wordnet = (augmentation.methods.synonyms > 0.0)
        .then(|| WordNet::read(wordnet_folder().path()).expect("sound"));
    let mut augmenter = seen.augmenter(wordnet).expect("sound");
    let mut extended = Vec::new();
    let mut push = |example| {
        extended.push(example);
        Ok::<(), ()>(())
    };
    train.iter().try_for_each(|example| augmenter.push(example.clone(), &mut push)).expect("taken");
    let tally = augmenter.finish(&mut push).expect("taken");
    (extended, tally)
}

fn asked(methods: Methods, copies: usize) -> Augmentation {
    Augmentation { methods, copies, oversampling: None, seed: 3 }
}

fn all() -> Methods {
    Methods {
        swap_entities: 0.5,
        synonyms: 0.5,
        noise: Noise::of(0.1),
        case: Case::Words(0.2),
        ..Methods::default()
    }
}

fn corpus() -> Vec<Example> {
    let texts = ["attack on [db-07] quickly", "[web] was afraid of [db-07]", "no host", "[x] [yy]"];
    texts.iter().zip(1..).map(|(text, line)| example(line, text, line == 3)).collect()
}

#[test]
fn a_copy_says_of_which_text_it_was_made_and_how_and_has_no_id_of_its_own() {
    let mut train = corpus();
    train[1].fields = BTreeMap::from([("id".into(), "T7".into()), ("host".into(), "a".into())]);
    let methods = Methods { noise: Noise::of(0.1), case: Case::Words(1.0), ..Methods::default() };
    let (extended, tally) = augmented(&asked(methods, 1), &train, &[]);
    assert_eq!((extended.len(), tally.originals, tally.copies), (7, 4, 3), "{extended:?}");
    assert_eq!((&extended[0], &extended[2]), (&train[0], &train[1]));
    let field = |number: usize, name: &str| extended[number].fields.get(name).map(String::as_str);
    assert_eq!(field(1, AUGMENTED_FROM), Some("1"));
    assert_eq!(field(3, AUGMENTED_FROM), Some("T7"));
    assert_eq!((field(3, "id"), field(3, "host")), (None, Some("a")));
    assert_eq!(field(3, AUGMENTATION), Some("noise+case"));
    // An augmented text that is augmented once more still leads back to the first.
    let methods = Methods { swap_entities: 1.0, ..Methods::default() };
    let (again, _) = augmented(&asked(methods, 1), &extended, &[]);
    let last = again.iter().rfind(|it| it.fields.get(AUGMENTED_FROM).is_some_and(|it| it == "T7"));
    assert_eq!(last.expect("there").fields[AUGMENTATION], "noise+case+swap_entities");
}

#[test]
fn a_text_more_changes_no_other_copy() {
    let methods = Methods { swap_entities: 0.0, ..all() };
    let of = |train: &[Example]| -> BTreeSet<String> {
        let (extended, _) = augmented(&asked(methods.clone(), 3), train, &[]);
        extended.into_iter().map(|example| example.text).collect()
    };
    let mut more = corpus();
    more.insert(0, example(9, "quickly [gone]", false));
    assert!(of(&more).is_superset(&of(&corpus())));
}

#[test]
fn another_seed_makes_other_copies_and_the_same_one_the_same() {
    let of = |seed| augmented(&Augmentation { seed, ..asked(all(), 2) }, &corpus(), &[]);
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
}

#[test]
fn no_copy_is_a_text_of_another_split_or_one_that_is_there_already() {
    let train =
        [example(1, "to [a]", false), example(2, "to [b]", false), example(3, "at [a]", false)];
    let held_out = [example(1, "at [b]", false)];
    let methods = Methods { swap_entities: 1.0, ..Methods::default() };
    let (extended, tally) = augmented(&asked(methods, 2), &train, &held_out);
    assert_eq!(extended, train);
    let Tally { copies, unchanged, equal, held_out, .. } = tally;
    assert_eq!((copies, unchanged, equal, held_out), (0, 0, 4, 2));
}

#[test]
fn texts_that_nothing_changes_get_no_copies() {
    let methods = Methods { swap_entities: 1.0, ..Methods::default() };
    let (extended, tally) = augmented(&asked(methods, 2), &[example(1, "no entity", false)], &[]);
    assert_eq!((extended.len(), tally.unchanged), (1, 2));
}

#[test]
fn unknown_entities_stay_unknown() {
    let train = [Example { entities: None, ..example(1, "attack", false) }];
    let (extended, _) = augmented(&asked(all(), 1), &train, &[]);
    assert_eq!(extended.len(), 2);
    assert_eq!(extended[1].entities, None);
}

#[test]
fn rare_classes_are_repeated_as_they_are_or_changed_where_methods_are_asked_for() {
    let balanced = Oversampling { head: "anomaly".to_owned(), target: Target::Balanced };
    let plain = Augmentation { oversampling: Some(balanced), ..asked(Methods::default(), 1) };
    let (extended, tally) = augmented(&plain, &corpus(), &[]);
    let rare: Vec<&Example> = extended.iter().filter(|example| example.line == 3).collect();
    assert_eq!((extended.len(), rare.len(), tally.oversampled), (6, 3, 2));
    assert!(rare.iter().all(|example| example.text == "no host"));
    assert_eq!(rare[1].fields[AUGMENTATION], "oversample");
    let classes = vec![("normal".to_owned(), [3, 3]), ("anomaly".to_owned(), [1, 3])];
    assert_eq!(tally.classes, Some(ClassCounts { head: "anomaly".to_owned(), classes }));
    let methods = Methods { noise: Noise::of(0.1), ..Methods::default() };
    let (extended, tally) = augmented(&Augmentation { methods, ..plain }, &corpus(), &[]);
    let rare: Vec<&Example> = extended.iter().filter(|example| example.line == 3).collect();
    assert_eq!((rare.len(), tally.oversampled), (6, 4));
    let texts: BTreeSet<&str> = rare.iter().map(|example| example.text.as_str()).collect();
    assert!(texts.len() > 3, "{texts:?}");
    assert_eq!(rare[3].fields[AUGMENTATION], "oversample+noise");
}

#[test]
fn heads_and_classes_that_the_corpus_lacks_are_named_with_those_that_it_has() {
    let error = |head: &str, shares: &[(&str, f64)]| {
        let shares = shares.iter().map(|(class, share)| ((*class).to_owned(), *share)).collect();
        let oversampling = Oversampling { head: head.to_owned(), target: Target::Shares(shares) };
        let asked =
            Augmentation { oversampling: Some(oversampling), ..asked(Methods::default(), 0) };
        let seen = Seen::new(asked, &CorpusTasks::default());
        let error = seen.and_then(|mut seen| {
            seen.push(Split::Train, &example(1, "a", false));
            seen.augmenter(None)
        });
        let error = error.err().expect("it is refused");
        use crate::base::problem::Help as _;
        format!("{error}; {}", error.help().unwrap_or_default())
    };
    assert!(error("severity", &[]).ends_with("it has those of `anomaly`"));
    assert!(error("anomaly", &[("high", 0.5)]).ends_with("classes are `normal`, `anomaly`"));
    assert!(error("anomaly", &[("anomaly", 0.5)]).starts_with("no text of train has the class"));
}

/// Words, some of which are entities.
fn texts() -> impl Strategy<Value = Vec<Vec<(String, bool)>>> {
    let word = prop_oneof![
        "[a-zA-Z0-9äß€\u{301}-]{1,8}",
        Just("attack".to_owned()),
        Just("quickly,".to_owned())
    ];
    let text = prop::collection::vec((word, any::<bool>()), 1..8);
    prop::collection::vec(text, 1..6)
}

fn marked(line: usize, words: &[(String, bool)]) -> Example {
    let word = |(word, is_entity): &(String, bool)| {
        if *is_entity { format!("[{word}]") } else { word.clone() }
    };
    example(line, &words.iter().map(word).collect::<Vec<_>>().join(" "), false)
}

proptest! {
    #[test]
    fn entities_cover_the_same_characters_unless_they_were_swapped(texts in texts(), seed: u64) {
        let train: Vec<Example> =
            texts.iter().zip(1..).map(|(words, line)| marked(line, words)).collect();
        let values: BTreeSet<String> = train.iter().flat_map(covered).collect();
        for swap_entities in [0.0, 0.5] {
            let methods = Methods { swap_entities, ..all() };
            let (extended, _) = augmented(&Augmentation { seed, ..asked(methods, 3) }, &train, &[]);
            for copy in &extended {
                let original = covered(&train[copy.line - 1]);
                let covered = covered(copy);
                prop_assert_eq!(covered.len(), original.len());
                if swap_entities == 0.0 {
                    prop_assert_eq!(covered, original);
                } else {
                    prop_assert!(covered.iter().all(|value| values.contains(value)));
                }
            }
        }
    }

    #[test]
    fn entities_that_change_inside_stay_in_order_and_apart(texts in texts(), seed: u64) {
        let train: Vec<Example> =
            texts.iter().zip(1..).map(|(words, line)| marked(line, words)).collect();
        let methods = Methods {
            noise: Noise::of(0.5),
            noise_in_entities: true,
            case_in_entities: true,
            ..all()
        };
        let (extended, _) = augmented(&Augmentation { seed, ..asked(methods, 2) }, &train, &[]);
        for copy in &extended {
            let mut end = 0;
            for entity in copy.entities() {
                prop_assert!(end <= entity.start && entity.start < entity.end);
                end = entity.end;
            }
            prop_assert!(end <= copy.text.chars().count());
        }
    }
}
