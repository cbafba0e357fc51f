//! Foreign text as it may reach a terminal: whoever wrote it, it moves no cursor, sets no title and turns no line around.

use std::borrow::Cow;
use std::fmt::Write as _;

/// `text` with every character that acts on a screen written as `\u001b`, a form that JSON and TOML read as the same character; line breaks
/// and tabs stay.
#[must_use]
pub fn text(text: &str) -> Cow<'_, str> {
    escape(text, |character| acts(character) && !matches!(character, '\n' | '\t'))
}

/// [`text`] for a message: a value or a name in one may be of any size, and no more of it is shown than anybody reads.
#[must_use]
pub fn message(message: &str) -> Cow<'_, str> {
    match cut(message) {
        Cow::Borrowed(message) => text(message),
        Cow::Owned(message) => text(&message).into_owned().into(),
    }
}

/// The part of a message that anybody reads, with nothing in it written otherwise: for machines.
#[must_use]
pub fn cut(message: &str) -> Cow<'_, str> {
    const SHOWN: usize = 2000;
    match message.char_indices().nth(SHOWN) {
        None => message.into(),
        Some((end, _)) => {
            let rest = message[end..].chars().count();
            format!("{}... ({rest} characters more)", &message[..end]).into()
        }
    }
}

/// `text` with no line longer than anybody reads: of a longer one the middle is left out, since both ends say what it is about.
#[must_use]
pub fn narrow(text: &str) -> String {
    const SHOWN: usize = 500;
    let narrow = |line: &str| {
        let count = line.chars().count();
        if count <= 2 * SHOWN {
            return line.to_owned();
        }
        let begin: String = line.chars().take(SHOWN).collect();
        let end: String = line.chars().skip(count - SHOWN).collect();
        format!("{begin}...{end}")
    };
    text.split('\n').map(narrow).collect::<Vec<_>>().join("\n")
}

/// The same for what must stay on one line, such as a name.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    escape(text, acts)
}

/// [`text`], but for the colours and weights that a renderer has put into it. What is foreign in it went through [`text`] before.
#[must_use]
pub fn styled(text: &str) -> Cow<'_, str> {
    let mut parts = text.split("\x1b[");
    let mut out = self::text(parts.next().unwrap_or_default());
    for part in parts {
        let style = part.find(|character: char| !matches!(character, '0'..='9' | ';'));
        let out = out.to_mut();
        out.push_str(match style {
            Some(end) if part[end..].starts_with('m') => "\x1b[",
            _ => "\\u001b[",
        });
        out.push_str(&self::text(part));
    }
    out
}

fn escape(text: &str, escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&escaped) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if escaped(character) {
            write!(out, "\\u{:04x}", u32::from(character)).expect("a string");
        } else {
            out.push(character);
        }
    }
    out.into()
}

/// Control characters, and those that change the direction or the line of what follows them. All of them have four digits.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_screen_is_written_out() {
        assert_eq!(
            text("a\x1b]0;title\x07 b\r\u{9b}2J\u{202e}txt.exe\u{7f}"),
            r"a\u001b]0;title\u0007 b\u000d\u009b2J\u202etxt.exe\u007f"
        );
    }

    #[test]
    fn letters_of_any_script_and_line_breaks_stay() {
        let plain = "größe\t日本語\nשלום 👩\u{200d}💻 e\u{301}";
        assert!(matches!(text(plain), Cow::Borrowed(same) if same == plain));
        assert_eq!(line("a\nb"), r"a\u000ab");
    }

    #[test]
    fn a_message_is_no_longer_than_anybody_reads() {
        assert_eq!(message("ü\x1b"), r"ü\u001b");
        let long = "ü".repeat(200_000);
        assert!(message(&long).ends_with("ü... (198000 characters more)"));
        assert_eq!(cut(&long), message(&long));
        assert_eq!((cut("\x1b"), narrow("a\n\nb\n")), ("\x1b".into(), "a\n\nb\n".to_owned()));
        let line = narrow(&format!("value '{long}' for X\nusage"));
        assert!(line.starts_with("value 'ü") && line.ends_with("ü' for X\nusage"), "{line}");
        assert!(line.chars().count() < 1100, "{line}");
    }

    #[test]
    fn json_and_toml_read_the_same_text_again() {
        let name = "x\u{202e}\u{9b}";
        let json = serde_json::to_string(name).expect("a string");
        assert_eq!(serde_json::from_str::<String>(&text(&json)).expect("JSON"), name);
        let toml: toml::Table = text(&format!("name = \"{name}\"")).parse().expect("TOML");
        assert_eq!(toml["name"].as_str(), Some(name));
    }

    #[test]
    fn of_escape_sequences_only_colours_are_kept_where_a_renderer_puts_them() {
        assert_eq!(
            styled("\x1b[1;31merror\x1b[0m \x1b[2J \x1b]0;x\x07 \x1b["),
            "\x1b[1;31merror\x1b[0m \\u001b[2J \\u001b]0;x\\u0007 \\u001b["
        );
    }
}
