//! Slips of the fingers: characters that change places, are left out, come twice, or are their neighbours on the keyboard.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::draft::{Draft, Edit, share_of};

/// Shares of the letters and digits to which each slip happens.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Noise {
    /// It changes places with the next one.
    pub swap: f64,
    /// It is left out.
    pub drop: f64,
    /// It comes twice.
    pub repeat: f64,
    /// It is one beside it on a keyboard (QWERTY).
    pub keyboard: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slip {
    Swap,
    Drop,
    Repeat,
    Keyboard,
}

impl Noise {
    /// All slips alike.
    #[must_use]
    pub fn of(share: f64) -> Self {
        let each = share / 4.0;
        Self { swap: each, drop: each, repeat: each, keyboard: each }
    }

    /// Of all slips together.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.swap + self.drop + self.repeat + self.keyboard
    }

    pub(super) fn any(&self) -> bool {
        self.share() > 0.0
    }

    /// * `in_entities`: whether it reaches them too
    pub(super) fn apply(&self, draft: &mut Draft, in_entities: bool, stream: &mut ChaCha8Rng) {
        let mut places: Vec<usize> = (0..draft.text.len()).collect();
        places.retain(|at| is_open(draft, *at, in_entities));
        let all = places.len();
        let mut chosen = share_of(places, all, self.share(), stream);
        chosen.sort_unstable();
        let mut edits: Vec<Edit> = Vec::with_capacity(chosen.len());
        for at in chosen {
            // One that has changed places is done.
            if edits.last().is_some_and(|edit| at < edit.range.end) {
                continue;
            }
            edits.extend(self.slip(draft, at, in_entities, stream));
        }
        draft.apply(edits);
    }

    /// A slip that can happen to a character, where there is one.
    fn slip(
        &self,
        draft: &Draft,
        at: usize,
        in_entities: bool,
        stream: &mut ChaCha8Rng,
    ) -> Option<Edit> {
        let character = draft.text[at];
        let neighbours = neighbours(character);
        let entity = draft.entity_of(at);
        let next = draft.text.get(at + 1).copied().filter(|next| {
            *next != character
                && is_open(draft, at + 1, in_entities)
                && draft.entity_of(at + 1) == entity
        });
        let possible = [
            (Slip::Swap, self.swap, next.is_some()),
            // Something has to be left of an entity.
            (Slip::Drop, self.drop, entity.is_none_or(|entity| at > entity.start)),
            (Slip::Repeat, self.repeat, true),
            (Slip::Keyboard, self.keyboard, !neighbours.is_empty()),
        ];
        let possible: Vec<(Slip, f64)> = possible
            .into_iter()
            .filter(|(_, share, can)| *can && *share > 0.0)
            .map(|(slip, share, _)| (slip, share))
            .collect();
        let mut drawn =
            stream.random::<f64>() * possible.iter().map(|(_, share)| share).sum::<f64>();
        let mut slip = possible.last()?.0;
        for (other, share) in possible {
            if drawn < share {
                slip = other;
                break;
            }
            drawn -= share;
        }
        Some(match (slip, next) {
            (Slip::Swap, Some(next)) => Edit { range: at..at + 2, with: vec![next, character] },
            (Slip::Keyboard, _) => {
                let chosen = stream.random_range(0..neighbours.len() as u64) as usize;
                Edit { range: at..at + 1, with: vec![neighbours[chosen]] }
            }
            (Slip::Drop, _) => Edit { range: at..at + 1, with: Vec::new() },
            (Slip::Repeat | Slip::Swap, _) => {
                Edit { range: at..at + 1, with: vec![character, character] }
            }
        })
    }
}

fn is_open(draft: &Draft, at: usize, in_entities: bool) -> bool {
    draft.text[at].is_alphanumeric() && (in_entities || draft.entity_of(at).is_none())
}

/// What lies beside a key, in the case of its letter.
fn neighbours(character: char) -> Vec<char> {
    /// Each row lies half a key further right than the one above.
    const ROWS: [&str; 4] = ["1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm"];
    let lower = character.to_ascii_lowercase();
    let Some((row, column)) = ROWS
        .iter()
        .enumerate()
        .find_map(|(row, keys)| keys.find(lower).map(|column| (row, column)))
    else {
        return Vec::new();
    };
    let near = [
        (row.checked_sub(1), Some(column)),
        (row.checked_sub(1), Some(column + 1)),
        (Some(row), column.checked_sub(1)),
        (Some(row), Some(column + 1)),
        (Some(row + 1), column.checked_sub(1)),
        (Some(row + 1), Some(column)),
    ];
    let key = |(row, column): (Option<usize>, Option<usize>)| {
        let key = char::from(*ROWS.get(row?)?.as_bytes().get(column?)?);
        // A slip hits letters in words and digits in numbers.
        let is_alike = key.is_ascii_digit() == character.is_ascii_digit();
        is_alike
            .then(|| if character.is_ascii_uppercase() { key.to_ascii_uppercase() } else { key })
    };
    near.into_iter().filter_map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use crate::text::Entity;

    fn slipped(text: &str, noise: Noise, entity: Option<(usize, usize)>, inside: bool) -> Draft {
        let entity = entity.map(|(start, end)| Entity { start, end, label: "X".to_owned() });
        let mut draft =
            Draft { text: text.chars().collect(), entities: entity.into_iter().collect() };
        noise.apply(&mut draft, inside, &mut Rng::new(5).stream("test"));
        draft
    }

    fn text(draft: &Draft) -> String {
        draft.text.iter().collect()
    }

    #[test]
    fn each_slip_does_what_it_is_called() {
        let none = Noise::default();
        let said = |noise| text(&slipped("ab -", noise, None, false));
        assert_eq!(said(Noise { swap: 1.0, ..none }), "ba -");
        assert_eq!(said(Noise { drop: 1.0, ..none }), " -");
        assert_eq!(said(Noise { repeat: 1.0, ..none }), "aabb -");
        assert_eq!(text(&slipped("ü", Noise { keyboard: 1.0, ..none }, None, false)), "ü");
    }

    #[test]
    fn keys_lie_beside_those_of_a_keyboard() {
        assert_eq!(neighbours('G').into_iter().collect::<String>(), "TYFHVB");
        assert_eq!(neighbours('1'), ['2']);
        assert_eq!(neighbours('p').into_iter().collect::<String>(), "ol");
        assert_eq!(neighbours('é'), []);
    }

    #[test]
    fn entities_are_left_alone_unless_asked_and_never_vanish() {
        let drop = Noise { drop: 1.0, ..Noise::default() };
        let draft = slipped("x ada y", drop, Some((2, 5)), false);
        assert_eq!(
            (text(&draft), draft.entities[0].start, draft.entities[0].end),
            (" ada ".into(), 1, 4)
        );
        let draft = slipped("x ada y", drop, Some((2, 5)), true);
        assert_eq!(
            (text(&draft), draft.entities[0].start, draft.entities[0].end),
            (" a ".into(), 1, 2)
        );
    }

    #[test]
    fn characters_do_not_change_places_with_those_of_an_entity() {
        let swap = Noise { swap: 1.0, ..Noise::default() };
        let draft = slipped("abc", swap, Some((1, 2)), true);
        assert_eq!(draft.text[1], 'b');
    }
}
