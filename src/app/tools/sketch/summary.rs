//! What a [`Sketch`] says of a file and of its choices.

use std::fmt::Write as _;

use super::{Candidate, Division, MANY_REPEATS, Sketch};
use crate::base::visible;
use crate::text::readers::{Format, Note};
use crate::text::{ANOMALY, Offsets};
use crate::view::format;

/// How much of what a reader found is told here; `check --data` tells all of it.
const MOST_NOTES: usize = 12;

/// How many classes of a head are told by their names.
const SHOWN_CLASSES: usize = 20;

impl Sketch {
    /// What was seen, for a person.
    #[must_use]
    pub fn summary(&self) -> String {
        let it = &self.seen.description;
        let mut lines =
            vec![format!("{}, {}", self.seen.format.name(), format::counted(it.texts, "text"))];
        if let (Some(half), Some(most)) = (it.words.quantile(0.5), it.words.quantile(0.95)) {
            write!(lines[0], "; half of them up to {half} words long, 95 % up to {most}")
                .expect("a string");
        }
        lines.extend(self.said_of_texts());
        lines.extend(self.notes());
        let labels: Vec<String> =
            it.labels.iter().map(|(name, of)| format!("{name} {}", of.entities)).collect();
        if !labels.is_empty() {
            lines.push(format!("entities: {}", labels.join(", ")));
        }
        lines.extend(self.said_of_classes());
        lines.push(format!("split: {}", self.reason()));
        visible::text(&(lines.join("\n") + "\n")).into_owned()
    }

    fn said_of_texts(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(field) = &self.seen.longest {
            lines.push(format!(
                "the text: `{field}`, whose strings are the longest (`--text` names another field)"
            ));
        }
        let unit = self.seen.options.offsets;
        if unit != Offsets::default() {
            lines.push(format!(
                "offsets of entities count {}: as characters they would break words or lie outside of their texts",
                unit.units()
            ));
        }
        if self.seen.blank > 0 {
            lines.push(format!("without a word: {}", format::counted(self.seen.blank, "text")));
        }
        if let Division::Order { field, without: without @ 1.. } = &self.division {
            let lines_without = format::counted(*without, "line");
            lines.push(format!("left out, since they have no `{field}`: {lines_without}"));
        }
        let problems = &self.seen.problems;
        if let Some(first) = problems.first() {
            let left_out = format::counted(problems.count(), "text");
            lines.push(format!(
                "left out, since they cannot be read: {left_out}, the first: {first}"
            ));
        }
        lines
    }

    /// What the reader did that nobody asked for.
    fn notes(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let findings = &self.seen.findings;
        if let Some((scheme, repaired)) = findings.scheme(None)
            && repaired > 0
        {
            lines.push(format!("tags: `{}`{}", scheme.name(), scheme.said_of_repairs(repaired)));
        }
        // Numbers get names all the same.
        let is_told = |note: &Note| {
            !matches!(note, Note::Label { .. }) || self.seen.options.labels.is_empty()
        };
        let notes = findings.notes.iter().filter(|(note, _)| is_told(note));
        lines.extend(notes.map(|(note, count)| note.said(*count)));
        if lines.len() > MOST_NOTES {
            let more = lines.len() - MOST_NOTES;
            lines.truncate(MOST_NOTES);
            lines.push(format!("and {more} more, which `pipeline check --data` tells"));
        }
        lines
    }

    fn said_of_classes(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for Candidate { field, classes } in &self.chosen.heads {
            let shown = classes.iter().take(SHOWN_CLASSES).cloned().collect::<Vec<_>>().join(", ");
            let more = match classes.len().checked_sub(SHOWN_CLASSES) {
                Some(more @ 1..) => format!(" and {more} more"),
                _ => String::new(),
            };
            lines.push(format!("classes of `{field}`: {shown}{more}"));
        }
        if self.has_anomaly {
            let counts = self.seen.description.classes[ANOMALY].iter();
            let counts: Vec<String> =
                counts.map(|(name, count)| format!("{name} {count}")).collect();
            lines.push(format!("classes of `{ANOMALY}`: {}", counts.join(", ")));
        }
        for (field, unfit) in &self.chosen.unfit {
            let is_head = self.chosen.heads.iter().any(|head| head.field == *field);
            let said = if is_head { "think again" } else { "no head" };
            lines.push(format!("{said}: `{field}` {unfit}"));
        }
        if let Some(others) = self.others() {
            lines.push(format!("could be classes too (`--classes` names fields): {others}"));
        }
        lines
    }

    /// Fields that might be heads.
    pub(super) fn others(&self) -> Option<String> {
        let other = |it: &Candidate| {
            format!(
                "`{}` ({})",
                visible::line(&it.field),
                format::counted(it.classes.len(), "value")
            )
        };
        let others: Vec<String> = self.chosen.others.iter().map(other).collect();
        (!others.is_empty()).then(|| others.join(", "))
    }

    /// Why the texts are divided as they are.
    pub(super) fn reason(&self) -> String {
        let share = (100.0 * self.repeats()).round();
        let has_classes = !self.chosen.heads.is_empty() || self.has_anomaly;
        let mut reason = match &self.division {
            Division::Order { field, .. } => {
                return format!(
                    "by time, as `{field}` has it: the past trains, the future is scored"
                );
            }
            Division::Groups(field) => {
                return format!(
                    "whole values of `{field}` in one part: {share} % of the texts are equal to others but for numbers, which a random split would let a model remember"
                );
            }
            Division::Random { .. } if self.repeats() >= MANY_REPEATS => format!(
                "at random, equal texts together; {share} % of the texts are equal to others but for numbers, so that scores measure memory of them: a field that says where a text comes from would do better (`by = \"field\"`)"
            ),
            Division::Random { .. } if has_classes => {
                "at random, classes alike, equal texts together".to_owned()
            }
            Division::Random { .. } => "at random, equal texts together".to_owned(),
        };
        match &self.division {
            Division::Random { unordered: Some(field) } => reason.push_str(&format!(
                "; `{field}` would say when, but as it is written it is in no order: as ISO 8601 or in seconds it would do (`order = \"{field}\"`)"
            )),
            Division::Random { unordered: None } if self.seen.format == Format::Lines && self.seen.shipped.is_some() => {
                reason.push_str("; no field says when a line was written, so that what follows in one moment stands in several parts");
            }
            _ => {}
        }
        reason
    }
}
