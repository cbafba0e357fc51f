//! Command lines as one would type them.

/// A word as a shell takes it for one.
#[must_use]
pub fn word(text: &str) -> String {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "_-+=@%:,./".contains(character);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_a_shell_would_take_apart_is_quoted() {
        let words = ["--set", "a.b=1e-5", "", "max x", "it's", "[1, 2]", "$HOME", "*"];
        assert_eq!(
            words.map(word),
            ["--set", "a.b=1e-5", "''", "'max x'", "'it'\\''s'", "'[1, 2]'", "'$HOME'", "'*'"]
        );
    }
}
