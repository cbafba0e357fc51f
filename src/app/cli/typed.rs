//! The command line as one would type it.

/// This process's, so that a shell reads the same again.
pub fn command_line() -> String {
    let rest = std::env::args_os().skip(1);
    let words = rest.map(|word| quoted(&word.to_string_lossy()));
    std::iter::once("pipeline".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// A word as a shell takes it for one.
fn quoted(word: &str) -> String {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "_-+=@%:,./".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_a_shell_would_take_apart_is_quoted() {
        let words = ["--set", "a.b=1e-5", "", "max x", "it's", "[1, 2]", "$HOME", "*"];
        assert_eq!(
            words.map(quoted),
            ["--set", "a.b=1e-5", "''", "'max x'", "'it'\\''s'", "'[1, 2]'", "'$HOME'", "'*'"]
        );
    }
}
