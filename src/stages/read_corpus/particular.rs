//! Parameters that have a meaning in files of some formats alone.

use super::ReadCorpus;
use crate::engine::stage::ParameterProblem;
use crate::stages::reading::Particular;
use crate::text::readers::{Columns, Fields, Format};

/// Objects with members.
const OBJECTS: &[Format] = &[Format::Jsonl, Format::Json, Format::Parquet];
/// Words with tags.
const WORDS: &[Format] = &[Format::Conll, Format::Jsonl, Format::Json, Format::Parquet];
/// Texts in which entities may be marked.
const MARKED: &[Format] =
    &[Format::Jsonl, Format::Json, Format::Parquet, Format::Csv, Format::Tsv, Format::Lines];
/// Texts with names for their parts.
const NAMED: &[Format] =
    &[Format::Jsonl, Format::Json, Format::Csv, Format::Tsv, Format::LabelStudio, Format::Parquet];

impl ReadCorpus {
    /// Those that were given.
    pub(super) fn particular(&self) -> Vec<Particular> {
        let Fields { text, entities, tokens, tags, .. } = &self.fields;
        let all: [(bool, &'static str, &'static str, &'static [Format]); 10] = [
            (self.columns != Columns::default(), "columns", "`columns`", &[Format::Conll]),
            (self.scheme.is_some(), "scheme", "`scheme`", WORDS),
            (self.join.is_some(), "join", "`join`", WORDS),
            (!self.label_names.is_empty(), "label_names", "`label_names`", OBJECTS),
            (self.markup, "markup", "`markup`", MARKED),
            (self.rules.is_some(), "rules", "`rules`", &[Format::Lines]),
            (text.is_some(), "fields", "`text` of `fields`", NAMED),
            (entities.is_some(), "fields", "`entities` of `fields`", NAMED),
            (tokens.is_some(), "fields", "`tokens` of `fields`", OBJECTS),
            (tags.is_some(), "fields", "`tags` of `fields`", OBJECTS),
        ];
        let given = all.into_iter().filter(|(is_given, ..)| *is_given);
        given
            .map(|(_, parameter, shown, formats)| Particular { parameter, shown, formats })
            .collect()
    }

    /// Those that are not about files of the format that was said.
    pub(super) fn check_particular(&self) -> Vec<ParameterProblem> {
        let format = self.format.or(self.rules.is_some().then_some(Format::Lines));
        let Some(format) = format else { return Vec::new() };
        let idle = self.particular().into_iter().filter(|it| !it.formats.contains(&format));
        let problem = |it: Particular| {
            let (shown, formats) = (it.shown, it.listed());
            let (other, said) = match self.format {
                Some(_) => ("format", format!("`format = \"{}\"`", format.name())),
                None => ("rules", "`rules` are for `lines`".to_owned()),
            };
            ParameterProblem::new(
                [it.parameter, other],
                format!("{shown} is for {formats}, and {said}"),
            )
            .help("leave one of them out")
        };
        let mut problems: Vec<ParameterProblem> = idle.map(problem).collect();
        if self.markup && self.rules.is_some() {
            let message = "`markup` and `rules` exclude each other";
            let help = "`[[entity]]` of the rules says what of a line is an entity";
            problems.push(ParameterProblem::new(["markup", "rules"], message).help(help));
        }
        problems
    }
}
