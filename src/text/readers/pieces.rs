//! Pieces of a file that stand for themselves, such as lines, read on all threads.

use std::io::{self, BufRead};
use std::ops::ControlFlow;

use rayon::prelude::*;

use super::findings::Findings;
use super::problems::{Malformed, Misread, Spot, excerpt, spot};
use super::source::{LINE_LIMIT_BYTES, read_line};
use crate::base::problem::{Position, Problem};
use crate::text::Example;

/// How much text is read before it is parsed on all threads.
const CHUNK_BYTES: usize = 2 << 20;

/// The help of a line that is too long.
pub(super) const DIVIDE: &str = "every example has a line of its own: end each with a line break, or divide texts that are so long";

/// Takes what a reader found, and says whether to go on.
pub type Each<'e> = dyn FnMut(Result<Example, Malformed>) -> ControlFlow<()> + 'e;

/// A part of a file, and where it begins.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    pub(super) start: Position,
    /// The number by which its text is known: that of its line, or its own among the values of a file.
    pub(super) line: usize,
}

/// The next piece, or what is wrong in its place.
pub(super) type Next<'n> = dyn FnMut() -> io::Result<Option<Result<Piece, Malformed>>> + 'n;

/// Reads a piece: nothing where it stands for no text.
pub(super) type ReadPiece<'r> =
    dyn Fn(&str, &mut Findings) -> Result<Option<Example>, Misread> + Sync + 'r;

/// How many pieces one thread reads at a time.
const TOGETHER: usize = 64;

/// What some pieces say, in their order, and what was found in them.
type Read = (Vec<Result<Example, Malformed>>, Findings);

/// Reads a file of which each line is a piece.
///
/// # Errors
/// Those of `source`.
pub(super) fn read_lines(
    source: &mut dyn BufRead,
    read_piece: &ReadPiece<'_>,
    each: &mut Each<'_>,
) -> io::Result<Findings> {
    let mut number = 0;
    let mut next = || {
        number += 1;
        let start = Position { line: number, column: 1 };
        let piece = |line: Option<Vec<u8>>| {
            line.map(|bytes| Piece { bytes, start, line: number }).ok_or_else(|| too_long(start))
        };
        Ok(read_line(source, LINE_LIMIT_BYTES)?.map(piece))
    };
    read(&mut next, read_piece, each)
}

/// Reads all pieces, and hands out what they say in their order. While that is taken, the next ones are read on all threads.
///
/// # Errors
/// Those of `next`.
pub(super) fn read(
    next: &mut Next<'_>,
    read: &ReadPiece<'_>,
    each: &mut Each<'_>,
) -> io::Result<Findings> {
    let mut findings = Findings::default();
    let mut ready: Vec<Read> = Vec::new();
    let mut ended = false;
    while !ended || !ready.is_empty() {
        let chunk = if ended { Ok(Vec::new()) } else { chunk(next, &mut ended) };
        let (chunk, failed) = match chunk {
            Ok(chunk) => (chunk, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let mut following = Vec::new();
        let flow = rayon::in_place_scope(|scope| {
            scope.spawn(|_| following = read_all(chunk, read));
            ready.drain(..).try_for_each(|(found, more)| {
                findings.add(more);
                found.into_iter().try_for_each(&mut *each)
            })
        });
        match failed {
            _ if flow.is_break() => break,
            Some(error) => return Err(error),
            None => ready = following,
        }
    }
    Ok(findings)
}

fn chunk(next: &mut Next<'_>, ended: &mut bool) -> io::Result<Vec<Result<Piece, Malformed>>> {
    let (mut chunk, mut bytes) = (Vec::new(), 0);
    while bytes < CHUNK_BYTES && !*ended {
        match next()? {
            None => *ended = true,
            Some(piece) => {
                bytes += piece.as_ref().map_or(0, |piece| piece.bytes.len()) + 64;
                chunk.push(piece);
            }
        }
    }
    Ok(chunk)
}

fn read_all(chunk: Vec<Result<Piece, Malformed>>, read: &ReadPiece<'_>) -> Vec<Read> {
    let together = chunk.into_par_iter().chunks(TOGETHER).map(|pieces| {
        let mut findings = Findings::default();
        let found = pieces.into_iter().filter_map(|piece| {
            piece.and_then(|piece| read_piece(&piece, read, &mut findings)).transpose()
        });
        (found.collect(), findings)
    });
    together.collect()
}

fn read_piece(
    piece: &Piece,
    read: &ReadPiece<'_>,
    findings: &mut Findings,
) -> Result<Option<Example>, Malformed> {
    let text = text(&piece.bytes, piece.start)?;
    // What a crash of whoever wrote it left behind.
    let rest = text.trim_start_matches('\0');
    let cut = text.len() - rest.len();
    let content = rest.trim_end_matches('\0');
    if content.trim().is_empty() {
        return Ok(None);
    }
    match read(content, findings) {
        Ok(example) => Ok(example.map(|example| Example { line: piece.line, ..example })),
        Err(misread) => {
            let place = spot(text, misread.place + cut, piece.start);
            Err(misread.at(place))
        }
    }
}

/// The text of bytes that begin at `start`.
///
/// # Errors
/// The first byte that is no UTF-8.
pub(super) fn text(bytes: &[u8], start: Position) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let message = format!("byte {} is not UTF-8", at + 1);
        Problem::new(spot(&String::from_utf8_lossy(bytes), at, start), message)
            .help("`encoding = \"latin-1\"` or `\"utf-16\"`, at a command line `--encoding`, says what the file is in instead")
    })
}

/// What is wrong with a line that is too long.
pub(super) fn too_long(start: Position) -> Malformed {
    let message = format!("the text that begins here is longer than {LINE_LIMIT_BYTES} bytes");
    Problem::new(Spot { position: start, excerpt: String::new() }, message).help(DIVIDE)
}

/// Takes a line and its number, or what is wrong with it.
pub(super) type EachLine<'e> = dyn FnMut(usize, Result<&str, Malformed>) -> ControlFlow<()> + 'e;

/// Hands out lines; `each` is done where it breaks.
///
/// # Errors
/// Those of `source`.
pub(super) fn lines(source: &mut dyn BufRead, each: &mut EachLine<'_>) -> io::Result<()> {
    let mut number = 0;
    while let Some(line) = read_line(source, LINE_LIMIT_BYTES)? {
        number += 1;
        let start = Position { line: number, column: 1 };
        let line = line.ok_or_else(|| too_long(start));
        let flow = match &line {
            Ok(line) => each(number, text(line, start)),
            Err(problem) => each(number, Err(problem.clone())),
        };
        if flow.is_break() {
            break;
        }
    }
    Ok(())
}

/// What is wrong in a line, at a character of it from 0.
pub(super) fn in_line(
    number: usize,
    line: &str,
    character: usize,
    message: impl Into<String>,
) -> Malformed {
    let position = Position { line: number, column: character + 1 };
    Problem::new(Spot { position, excerpt: excerpt(line, character) }, message)
}
