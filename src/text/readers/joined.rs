//! Lines that make one text: a window of consecutive ones, or a group.

use std::cmp::Ordering;
use std::collections::VecDeque;

use super::classes::Heads;
use crate::text::{Entity, Example};

/// A text of several lines: they stand below each other, fields are those of the first line, and the class of a head is the last of the lines'
/// in the order of its classes.
#[derive(Debug)]
pub struct Joined {
    example: Example,
    /// Of the text, in characters.
    length: usize,
}

impl Joined {
    #[must_use]
    pub fn of(line: Example) -> Self {
        Self { length: line.text.chars().count(), example: line }
    }

    pub fn push(&mut self, line: &Example, heads: &Heads) {
        let shift = self.length + 1;
        self.length = shift + line.text.chars().count();
        self.example.text.push('\n');
        self.example.text.push_str(&line.text);
        if let Some(entities) = &line.entities {
            let moved = |it: &Entity| Entity {
                start: it.start + shift,
                end: it.end + shift,
                label: it.label.clone(),
            };
            self.example.entities.get_or_insert_default().extend(entities.iter().map(moved));
        }
        for (head, class) in &line.classes {
            let known = self.example.classes.get(head);
            if known.is_none_or(|known| heads.order(head, known, class) == Ordering::Less) {
                self.example.classes.insert(head.clone(), class.clone());
            }
        }
    }

    /// The text so far.
    #[must_use]
    pub fn example(&self) -> &Example {
        &self.example
    }

    /// Gives the text another value of a field than its first line's.
    pub fn set(&mut self, field: &str, value: &str) {
        self.example.fields.insert(field.to_owned(), value.to_owned());
    }

    #[must_use]
    pub fn finish(self) -> Example {
        self.example
    }
}

/// Makes windows of consecutive lines.
#[derive(Debug)]
pub struct Windows {
    lines: usize,
    step: usize,
    open: VecDeque<Example>,
    /// How many of the open lines are in no window yet.
    fresh: usize,
}

impl Windows {
    /// * `lines`: how many a window has, at least 1
    /// * `step`: how many lines after a window the next one begins, from 1 to `lines`
    #[must_use]
    pub fn new(lines: usize, step: usize) -> Self {
        Self { lines, step, open: VecDeque::with_capacity(lines), fresh: 0 }
    }

    /// Takes a line, and gives the window that ends with it.
    pub fn push(&mut self, line: Example, heads: &Heads) -> Option<Example> {
        self.open.push_back(line);
        self.fresh += 1;
        if self.open.len() < self.lines {
            return None;
        }
        let window = self.window(heads);
        self.open.drain(..self.step.min(self.open.len()));
        self.fresh = 0;
        window
    }

    /// The lines at the end that are in no window yet, with those that the last one shares with them.
    pub fn finish(&mut self, heads: &Heads) -> Option<Example> {
        let window = if self.fresh > 0 { self.window(heads) } else { None };
        self.open.clear();
        self.fresh = 0;
        window
    }

    fn window(&self, heads: &Heads) -> Option<Example> {
        let mut lines = self.open.iter();
        let mut joined = Joined::of(lines.next()?.clone());
        lines.for_each(|line| joined.push(line, heads));
        Some(joined.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: usize, is_anomaly: bool) -> Example {
        Example {
            text: format!("é{number}"),
            entities: Some(vec![Entity { start: 1, end: 2, label: "N".into() }]),
            classes: crate::text::anomaly(is_anomaly),
            line: number,
            ..Example::default()
        }
    }

    #[test]
    fn windows_cover_every_line_and_have_the_worst_class_of_theirs() {
        let (mut windows, heads) = (Windows::new(3, 2), Heads::default());
        let mut found: Vec<Example> = Vec::new();
        for number in 0..6 {
            found.extend(windows.push(line(number, number == 3), &heads));
        }
        found.extend(windows.finish(&heads));
        let said: Vec<_> = found
            .iter()
            .map(|it| (it.text.replace('\n', " "), it.classes["anomaly"].as_str()))
            .collect();
        assert_eq!(
            said,
            [
                ("é0 é1 é2".to_owned(), "normal"),
                ("é2 é3 é4".to_owned(), "anomaly"),
                ("é4 é5".to_owned(), "normal")
            ]
        );
        let places: Vec<usize> = found[0].entities().iter().map(|it| it.start).collect();
        assert_eq!((places, found[1].line), (vec![1, 4, 7], 2));
    }
}
