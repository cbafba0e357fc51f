//! Names that a person gives: of heads, labels and fields.

use super::ReadCorpus;
use crate::base::diagnostics::quoted;
use crate::engine::stage::ParameterProblem;
use crate::text::readers::{Classes, Fields, check_label};
use crate::text::{ANOMALY, check_head_name, head_name};

impl ReadCorpus {
    /// Names that heads and labels cannot have.
    pub(super) fn check_names(&self) -> Vec<ParameterProblem> {
        let mut problems = Vec::new();
        for name in self.classes.iter().flat_map(Classes::names) {
            if let Err(reason) = check_head_name(name) {
                let other = head_name(name);
                let help = format!(
                    "a head gives its name to metrics, columns and pictures: call it otherwise, `classes = [\"{other}\"]` with `fields = {{ {other} = {name:?} }}`"
                );
                problems.push(ParameterProblem::new(["classes"], reason).help(help));
            }
        }
        for name in self.fields.heads.keys() {
            if name != ANOMALY && !self.possible_tasks().heads.iter().any(|it| it.name == *name) {
                let message = format!("`{name}` of `fields` is nothing that a text has");
                let help = format!(
                    "`text`, `entities`, `id`, `tokens` and `tags` are, and heads: `classes = [{name:?}]`"
                );
                problems.push(ParameterProblem::new(["fields"], message).help(help));
            }
        }
        for (from, to) in &self.labels {
            if let Err(reason) = check_label(to) {
                let message = format!("the name of the label `{from}` {reason}");
                let help = "for example `labels = { \"First Name\" = \"FIRST_NAME\" }`";
                problems.push(ParameterProblem::new(["labels"], message).help(help));
            }
        }
        problems
    }

    /// Names of `by`, `order` and `group` that are no field once the texts are read.
    pub(super) fn check_dividing_names(&self) -> Vec<ParameterProblem> {
        let by = self.dividing().division().by;
        let by = by.fields().into_iter().map(|(_, name)| ("by", name.to_owned()));
        let others = [("order", &self.order), ("group", &self.group)];
        let others =
            others.into_iter().filter_map(|(parameter, name)| Some((parameter, name.clone()?)));
        let problem = |(parameter, name): (&'static str, String)| {
            let (is, help) = self.no_field(parameter, &name)?;
            let message = format!("`{parameter}` names {}, which {is}", quoted(&name));
            Some(ParameterProblem::new([parameter], message).help(help))
        };
        by.chain(others).filter_map(problem).collect()
    }

    /// What a name is that is no field, and what to do; `None` where it may be one.
    fn no_field(&self, parameter: &str, name: &str) -> Option<(String, String)> {
        let another = || "name a field of the texts".to_owned();
        if self.possible_tasks().head(name).is_some() {
            let help = match parameter {
                "by" => "leave it out: without `by`, each split has its share of every class",
                _ => "name a field of the texts, such as a time or a session",
            };
            return Some(("is a head, whose classes are no field".to_owned(), help.to_owned()));
        }
        let Fields { text, entities, id, tokens, tags, heads } = &self.fields;
        let is = |field: &Option<String>| field.as_deref() == Some(name);
        // Columns of the second file keep their names.
        if self.lookup.is_some() {
            return None;
        }
        if is(id) {
            return Some(("`fields` calls `id`".to_owned(), "write `id`".to_owned()));
        }
        if is(text) {
            let help = if parameter == "group" { another() } else { "write `text`".to_owned() };
            return Some(("`fields` calls the text".to_owned(), help));
        }
        if let Some((head, _)) = heads.iter().find(|(_, from)| *from == name) {
            return Some((format!("says the classes of the head `{head}`"), another()));
        }
        let says_entities = is(entities) || is(tokens) || is(tags) || name == "entities";
        says_entities.then(|| ("says where entities are".to_owned(), another()))
    }
}
