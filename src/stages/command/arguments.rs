//! Arguments with places to fill in: `{in.NAME}` and `{out}`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A part of an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    /// The folder of an input.
    Input(&'a str),
    /// The folder of the result.
    Out,
}

/// # Errors
/// What is wrong with the argument.
pub(super) fn parse(argument: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = argument;
    while let Some(at) = rest.find(['{', '}']) {
        let (text, brace) = rest.split_at(at);
        pieces.push(Piece::Text(text));
        if brace.starts_with("{{") || brace.starts_with("}}") {
            pieces.push(Piece::Text(&brace[..1]));
            rest = &brace[2..];
            continue;
        }
        let name = brace.strip_prefix('{').and_then(|inside| inside.split_once('}'));
        let Some((name, behind)) = name else {
            return Err(format!("`{argument}` in `run` has a brace without its other one"));
        };
        pieces.push(match name.strip_prefix("in.") {
            Some(input) if !input.is_empty() => Piece::Input(input),
            _ if name == "out" => Piece::Out,
            _ => return Err(format!("`{{{name}}}` in `run` stands for nothing")),
        });
        rest = behind;
    }
    pieces.push(Piece::Text(rest));
    pieces.retain(|piece| *piece != Piece::Text(""));
    Ok(pieces)
}

/// The inputs that an argument names; none of one that is wrong.
pub(super) fn inputs(argument: &str) -> Vec<&str> {
    let input = |piece| if let Piece::Input(name) = piece { Some(name) } else { None };
    parse(argument).into_iter().flatten().filter_map(input).collect()
}

/// An argument with its places filled in.
///
/// # Panics
/// When the argument is wrong, or names an input that is not there.
pub(super) fn fill(argument: &str, inputs: &BTreeMap<&str, PathBuf>, out: &Path) -> OsString {
    let mut filled = OsString::new();
    for piece in parse(argument).expect("the plan has looked at it") {
        match piece {
            Piece::Text(text) => filled.push(text),
            Piece::Input(name) => filled.push(&inputs[name]),
            Piece::Out => filled.push(out),
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_wherever_they_stand() {
        let inputs = BTreeMap::from([("corpus", PathBuf::from("/store/corpus"))]);
        let fill = |argument| fill(argument, &inputs, Path::new("/out"));
        assert_eq!(fill("{in.corpus}/train.jsonl"), "/store/corpus/train.jsonl");
        assert_eq!(fill("--to={out}"), "--to=/out");
        assert_eq!(fill("{{print $1}}{out}{{"), "{print $1}/out{");
        assert_eq!(fill("plain"), "plain");
    }

    #[test]
    fn what_stands_for_nothing_is_refused() {
        assert_eq!(parse("{o}"), Err("`{o}` in `run` stands for nothing".into()));
        assert_eq!(parse("{in.}"), Err("`{in.}` in `run` stands for nothing".into()));
        for argument in ["{print", "a } b", "{"] {
            assert!(parse(argument).expect_err("a single brace").contains("without its other one"));
        }
    }

    #[test]
    fn the_inputs_of_an_argument_are_found() {
        assert_eq!(inputs("{in.a}:{in.b}:{out}"), ["a", "b"]);
    }
}
