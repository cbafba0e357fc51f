//! What was answered before: logs repeat.

use std::collections::HashMap;

/// Values by text, within a limit of bytes: what has not been asked for the longest is forgotten first, half of all at a time.
#[derive(Debug)]
pub struct Memory<V> {
    limit: usize,
    /// What was put or asked for since the others were old.
    young: HashMap<Box<str>, (usize, V)>,
    old: HashMap<Box<str>, (usize, V)>,
    /// Of the young ones.
    bytes: usize,
}

impl<V: Clone> Memory<V> {
    /// * `limit`: in bytes; with 0 nothing is remembered
    pub fn new(limit: usize) -> Self {
        Self { limit, young: HashMap::new(), old: HashMap::new(), bytes: 0 }
    }

    pub fn get(&mut self, text: &str) -> Option<V> {
        if let Some((_, value)) = self.young.get(text) {
            return Some(value.clone());
        }
        let (text, (bytes, value)) = self.old.remove_entry(text)?;
        self.insert(text, bytes, value.clone());
        Some(value)
    }

    /// * `bytes`: what text and value take
    pub fn put(&mut self, text: &str, bytes: usize, value: V) {
        if bytes <= self.limit / 2 {
            self.insert(text.into(), bytes, value);
        }
    }

    fn insert(&mut self, text: Box<str>, bytes: usize, value: V) {
        let before = self.young.remove(&text);
        self.bytes -= before.map_or(0, |(bytes, _)| bytes);
        if self.bytes + bytes > self.limit / 2 {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.young.insert(text, (bytes, value));
        self.bytes += bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_what_is_not_goes() {
        let mut memory = Memory::new(8);
        for number in 0..100 {
            memory.put(&number.to_string(), 1, number);
            assert_eq!(memory.get("0"), Some(0));
        }
        assert_eq!((memory.get("99"), memory.get("50")), (Some(99), None));
        assert!(memory.young.len() + memory.old.len() <= 8);
    }

    #[test]
    fn without_room_nothing_is_remembered() {
        let mut memory = Memory::new(0);
        memory.put("a", 1, ());
        assert_eq!(memory.get("a"), None);
        let mut memory = Memory::new(10);
        memory.put("long", 6, ());
        assert_eq!(memory.get("long"), None);
    }

    #[test]
    fn the_same_text_is_counted_once() {
        let mut memory = Memory::new(8);
        memory.put("a", 1, 1);
        (0..100).for_each(|number| memory.put("b", 3, number));
        assert_eq!((memory.get("a"), memory.get("b")), (Some(1), Some(99)));
    }
}
