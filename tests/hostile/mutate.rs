//! Changes of a corpus that look random and are the same for the same seed.

/// Pieces that formats care about.
const PIECES: &[&[u8]] = &[
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"=",
    b"\n",
    b"\0",
    b"@",
    b"..",
    b"../../../etc/passwd",
    b"/",
    b"-1",
    b"0",
    b"NaN",
    b"nan",
    b"inf",
    b"1e400",
    b"18446744073709551615",
    b"9223372036854775808",
    b"4398046511104",
    b"null",
    b"true",
    b"\xff\xff\xff\xff",
    b"\xf0\x9f\x92\xa5",
    b"e\xcc\x81",
    b"\xed\xa0\x80",
    b"\\ud800",
    b"\\u0000",
    b"{x}",
    b"{x:y}",
    b"[[",
    b"]]",
];

pub struct Mutations<'a> {
    state: u64,
    corpus: Vec<&'a [u8]>,
}

impl<'a> Mutations<'a> {
    pub fn new(seed: u64, corpus: Vec<&'a [u8]>) -> Self {
        Self { state: seed, corpus }
    }

    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.draw() % limit.max(1) as u64) as usize
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let begin = self.below(length + 1);
        begin..begin + self.below((length - begin).min(64) + 1)
    }

    /// A file of the corpus after a few changes.
    pub fn next(&mut self) -> Vec<u8> {
        let chosen = self.below(self.corpus.len());
        let mut bytes = self.corpus[chosen].to_vec();
        for _ in 0..1 + self.below(4) {
            self.change(&mut bytes);
        }
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len() + 1);
        match self.below(8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 if at < bytes.len() => bytes[at] = self.draw() as u8,
            2 => bytes.truncate(at),
            3 => {
                let range = self.range(bytes.len());
                bytes.drain(range);
            }
            4 => {
                let copied = bytes[self.range(bytes.len())].to_vec();
                bytes.splice(at..at, copied);
            }
            5 => {
                let chosen = self.below(self.corpus.len());
                let other = self.corpus[chosen];
                let copied = other[self.range(other.len())].to_vec();
                bytes.splice(at..at, copied);
            }
            _ => {
                let piece = PIECES[self.below(PIECES.len())];
                let end = if self.draw().is_multiple_of(2) {
                    at
                } else {
                    (at + piece.len()).min(bytes.len())
                };
                bytes.splice(at..end, piece.iter().copied());
            }
        }
    }
}
