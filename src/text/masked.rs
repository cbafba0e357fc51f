//! Texts with their numbers masked, so that lines of one template are equal.

/// A piece of a text: a run of digits, or what lies between two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    pub is_number: bool,
    /// Its first character.
    pub start: usize,
    /// The character after its last one.
    pub end: usize,
}

/// The pieces of a text, one after the other.
pub fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for (at, character) in text.chars().enumerate() {
        let is_number = character.is_ascii_digit();
        match pieces.last_mut() {
            Some(piece) if piece.is_number == is_number => piece.end = at + 1,
            _ => pieces.push(Piece { is_number, start: at, end: at + 1 }),
        }
    }
    pieces
}

/// The text with `0` in place of each run of digits.
pub fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut in_number = false;
    for character in text.chars() {
        let is_number = character.is_ascii_digit();
        if !is_number {
            masked.push(character);
        } else if !in_number {
            masked.push('0');
        }
        in_number = is_number;
    }
    masked
}

/// Where an offset of a text lies in another one that is equal once masked: an offset inside of a number goes to the number's end.
///
/// * `from`, `to`: the pieces of the two texts
/// * `offset`: in characters of the first
pub fn carry(from: &[Piece], to: &[Piece], offset: usize) -> usize {
    let Some(number) = from.iter().position(|piece| piece.start <= offset && offset < piece.end)
    else {
        return to.last().map_or(0, |piece| piece.end);
    };
    let (old, new) = (from[number], to[number]);
    match (old.is_number, offset == old.start) {
        (false, _) => new.start + (offset - old.start),
        (true, true) => new.start,
        (true, false) => new.end,
    }
}
