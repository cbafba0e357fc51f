//! Texts that are made of all lines with the same value of a field.

use std::collections::HashMap;

use crate::base::diagnostics::quoted;
use crate::engine::stage::StageError;
use crate::text::readers::{Joined, Options};
use crate::text::{Division, Example, FileNames, Place, is_later};

/// Texts of lines with one value each, in the order of their first lines. They are in memory until the last line is read.
#[derive(Default)]
pub(super) struct Groups {
    places: HashMap<String, usize>,
    pub(super) texts: Vec<Joined>,
}

impl Groups {
    pub(super) fn push(
        &mut self,
        field: &str,
        line: Example,
        division: &Division,
        options: &Options,
        names: &FileNames,
    ) -> Result<(), StageError> {
        let Some(value) = line.fields.get(field) else {
            let place = names.line(Place::of(&line));
            let there: Vec<String> = line.fields.keys().map(|name| quoted(name)).collect();
            let has = if there.is_empty() { "none" } else { &there.join(", ") };
            let message = format!("{place} has no field `{field}` to group by; it has {has}");
            return Err(StageError::new(message).with_help(needed(options)).in_file_of("group"));
        };
        let Some(place) = self.places.get(value) else {
            self.places.insert(value.clone(), self.texts.len());
            self.texts.push(Joined::of(line));
            return Ok(());
        };
        let joined = &mut self.texts[*place];
        for (_, by) in division.by.fields().into_iter().filter(|(_, by)| *by != "text") {
            let [one, other] = [&joined.example().fields, &line.fields].map(|it| it.get(by));
            if other.is_some() && one != other {
                let message = format!(
                    "the lines of `{field}` {} have several values of `{by}`, such as {} in {}, and `by` is to keep each in one split",
                    quoted(value),
                    quoted(other.map_or("", String::as_str)),
                    names.line(Place::of(&line))
                );
                let help = format!("`by` needs a field that all lines of a `{field}` share");
                return Err(StageError::new(message).with_help(help).in_file_of("group"));
            }
        }
        let heads = &options.heads;
        for (head, class) in &line.classes {
            let known = joined.example().classes.get(head).filter(|known| *known != class);
            let two = known.map(|known| [known.clone(), class.clone()]);
            if let Some(two) = two.filter(|two| heads.names(head).is_empty() && !is_ordered(two)) {
                return Err(unordered(head, &two).in_file_of("group"));
            }
        }
        joined.push(&line, heads);
        // What a text holds lies before a cut where its last line does.
        if let Some(order) = &division.order
            && let Some(value) = line.fields.get(order)
            && joined.example().fields.get(order).is_none_or(|known| is_later(value, known))
        {
            joined.set(order, value);
        }
        Ok(())
    }
}

/// The help where a line lacks a field.
pub(super) fn needed(options: &Options) -> &'static str {
    match options.rules {
        None => "every text needs the field; `on_error = \"skip\"` leaves out those without it",
        Some(_) => {
            "every line needs the field: a `[[field]]` of the rules finds one in the text of lines, and `on_error = \"skip\"` leaves out lines without it"
        }
    }
}

/// Whether classes are numbers, whose order nobody needs to say.
pub(super) fn is_ordered(classes: &[String]) -> bool {
    classes.len() < 2 || classes.iter().all(|class| class.parse::<i64>().is_ok())
}

/// What is wrong where lines are joined whose classes are in no order.
pub(super) fn unordered(head: &str, classes: &[String]) -> StageError {
    let shown = classes.iter().take(8).map(|class| format!("{class:?}")).collect::<Vec<_>>();
    let message = format!(
        "the class of joined lines is the last of theirs in the order of classes, and nothing says the order of `{head}`"
    );
    let help = format!("`classes = {{ {head} = [{}] }}`, in their order", shown.join(", "));
    StageError::new(message).with_help(help)
}
