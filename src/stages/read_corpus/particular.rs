//! Parameters that have a meaning in files of some formats alone.

use std::collections::BTreeSet;

use super::{Files, ReadCorpus};
use crate::engine::stage::ParameterProblem;
use crate::stages::reading::Particular;
use crate::text::Offsets;
use crate::text::readers::{self, Columns, Encoding, Fields, Format, Nested};

use Format::{Conll, Csv, Json, Jsonl, LabelStudio, Lines, Parquet, Tsv};

/// Objects with members.
const OBJECTS: &[Format] = &[Jsonl, Json, Parquet];
/// Words with tags.
const WORDS: &[Format] = &[Conll, Jsonl, Json, Parquet];
/// Texts in which entities may be marked.
const MARKED: &[Format] = &[Jsonl, Json, Parquet, Csv, Tsv, Lines];
/// Texts with names for their parts.
const NAMED: &[Format] = &[Jsonl, Json, Csv, Tsv, LabelStudio, Parquet];
/// Texts with a part that holds their entities, under any name.
const ANNOTATED: &[Format] = &[Jsonl, Json, Csv, Tsv, Parquet];
/// Texts with fields, by whatever they are named.
const FIELDS: &[Format] = &[Jsonl, Json, Csv, Tsv, Lines, LabelStudio, Parquet];
/// Entities that may overlap.
const OVERLAPPING: &[Format] = &[Jsonl, Json, Csv, Tsv, Conll, LabelStudio, Parquet];
/// Entities with a start and an end; those of Label Studio count as browsers do, whatever was said.
const OFFSETS: &[Format] = &[Jsonl, Json, Csv, Tsv, LabelStudio, Parquet];
/// Characters.
const TEXT: &[Format] = &[Jsonl, Json, Conll, Csv, Tsv, Lines, LabelStudio];

/// What is known of the files before anything is read of them.
enum Known {
    /// Somebody said it.
    Said(Format),
    /// All names say it.
    Named(BTreeSet<Format>),
    /// There are rules.
    Ruled,
}

impl ReadCorpus {
    /// Those that were given.
    pub(super) fn particular(&self) -> Vec<Particular> {
        // A new parameter has to be named here.
        let Self {
            path: _,
            split: _,
            by: _,
            order: _,
            fold: _,
            duplicates: _,
            train: _,
            validation: _,
            test: _,
            format: _,
            encoding,
            classes: _,
            fields,
            labels: _,
            nested,
            markup,
            columns,
            scheme,
            join,
            label_names,
            rules,
            window: _,
            group: _,
            lookup: _,
            corrections: _,
            on_error: _,
            offsets,
            seed: _,
        } = self;
        let Fields { text, entities, id, tokens, tags, heads: _ } = fields;
        let of = |is_given, parameter, shown, formats| {
            let it = Particular { parameter, shown, formats, is_of_words: false };
            (is_given, it)
        };
        let of_words = |is_given, parameter, shown, formats| {
            let it = Particular { parameter, shown, formats, is_of_words: true };
            (is_given, it)
        };
        let all = [
            of(*encoding != Encoding::default(), "encoding", "`encoding`", TEXT),
            of(*offsets != Offsets::default(), "offsets", "`offsets`", OFFSETS),
            of(*nested != Nested::default(), "nested", "`nested`", OVERLAPPING),
            of(*columns != Columns::default(), "columns", "`columns`", &[Conll]),
            of_words(scheme.is_some(), "scheme", "`scheme`", WORDS),
            of_words(join.is_some(), "join", "`join`", WORDS),
            of_words(!label_names.is_empty(), "label_names", "`label_names`", OBJECTS),
            of(*markup, "markup", "`markup`", MARKED),
            of(rules.is_some(), "rules", "`rules`", &[Lines]),
            of(text.is_some(), "fields", "`text` of `fields`", NAMED),
            of(entities.is_some(), "fields", "`entities` of `fields`", ANNOTATED),
            of(id.is_some(), "fields", "`id` of `fields`", FIELDS),
            of_words(tokens.is_some(), "fields", "`tokens` of `fields`", OBJECTS),
            of_words(tags.is_some(), "fields", "`tags` of `fields`", OBJECTS),
        ];
        all.into_iter().filter_map(|(is_given, it)| is_given.then_some(it)).collect()
    }

    /// Those that are not about files of the format that was said, by whatever says it.
    pub(super) fn check_particular(&self) -> Vec<ParameterProblem> {
        let mut problems = Vec::new();
        if let Some(known) = self.known() {
            let (formats, other, said) = match &known {
                Known::Said(format) => {
                    let said = format!("`format = \"{}\"`", format.name());
                    (BTreeSet::from([*format]), "format", said)
                }
                Known::Named(formats) => {
                    let names: Vec<String> =
                        formats.iter().map(|it| format!("`{}`", it.name())).collect();
                    let said = format!("the files are {} by their names", names.join(" and "));
                    (formats.clone(), self.names(), said)
                }
                Known::Ruled => {
                    (BTreeSet::from([Lines]), "rules", "`rules` are for `lines`".to_owned())
                }
            };
            let help = match known {
                Known::Named(_) => "leave it out, or say with `format` what the files are",
                Known::Said(_) | Known::Ruled => "leave one of them out",
            };
            let is_idle = |it: &Particular| it.formats.iter().all(|of| !formats.contains(of));
            problems.extend(self.particular().into_iter().filter(is_idle).map(|it| {
                let message = format!("{} is for {}, and {said}", it.shown, it.listed());
                ParameterProblem::new([it.parameter, other], message).help(help)
            }));
        }
        if self.markup && self.rules.is_some() {
            let message = "`markup` and `rules` exclude each other";
            let help = "`[[entity]]` of the rules says what of a line is an entity";
            problems.push(ParameterProblem::new(["markup", "rules"], message).help(help));
        }
        problems
    }

    fn known(&self) -> Option<Known> {
        if let Some(format) = self.format {
            return Some(Known::Said(format));
        }
        let files = self.files().into_iter().filter_map(|(_, files)| files);
        let paths: Vec<_> = files.flat_map(Files::paths).collect();
        let named: Option<BTreeSet<Format>> =
            paths.iter().map(|path| readers::named(path)).collect();
        match named {
            Some(formats) if !formats.is_empty() => Some(Known::Named(formats)),
            _ => self.rules.is_some().then_some(Known::Ruled),
        }
    }

    /// The first parameter that names files.
    fn names(&self) -> &'static str {
        let mut files = self.files().into_iter();
        files.find_map(|(parameter, files)| files.map(|_| parameter)).unwrap_or("path")
    }
}
