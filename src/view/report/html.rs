//! Pieces of HTML. All that is foreign goes through [`text`], which also serves between quotes.

use std::borrow::Cow;

use crate::base::visible;
use crate::engine::stage::Cell;
use crate::view::format;

/// A part of the page with a heading of its own.
pub struct Section {
    /// What links call it.
    pub id: &'static str,
    pub title: &'static str,
    pub html: String,
}

/// Foreign text: nothing in it is read as markup, and nothing turns a line around.
#[must_use]
pub fn text(text: &str) -> String {
    escaped(&visible::text(text))
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            _ => out.push(character),
        }
    }
    out
}

/// A message, in which what stands between backticks is code.
#[must_use]
pub fn message(message: &str) -> String {
    let mut out = String::new();
    for (number, part) in text(message).split('`').enumerate() {
        match number % 2 {
            0 => out += part,
            _ => out += &format!("<code>{part}</code>"),
        }
    }
    out
}

/// The name of a score or a setting, which may be broken behind its dots.
#[must_use]
pub fn dotted(name: &str) -> String {
    text(name).replace('.', ".<wbr>")
}

/// The same on one line and no longer than anybody reads in a table: the rest is told by its title.
#[must_use]
pub fn brief(foreign: &str, most: usize) -> String {
    let line = visible::line(foreign);
    if line.chars().count() <= most {
        return escaped(&line);
    }
    let cut: String = line.chars().take(most.saturating_sub(1)).collect();
    let whole: Cow<'_, str> = visible::cut(&line);
    format!("<span title=\"{}\">{}\u{2026}</span>", escaped(&whole), escaped(&cut))
}

/// What links call a part of a section.
///
/// * `part`: such as the name of a stage or of a score
#[must_use]
pub fn anchor(section: &str, part: &str) -> String {
    let plain = |character: char| {
        let is_plain = character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
        if is_plain { character } else { '-' }
    };
    format!("{section}-{}", part.chars().map(plain).collect::<String>())
}

/// Data for the page's script, which no text in it can end.
#[must_use]
pub fn json(value: &serde_json::Value) -> String {
    value.to_string().replace('<', "\\u003c")
}

/// A number in as few characters as four digits take.
#[must_use]
pub fn short(value: f64) -> String {
    if !value.is_finite() {
        return "null".to_owned();
    }
    let rounded = rounded(value);
    if rounded != 0.0 && !(1e-4..1e7).contains(&rounded.abs()) {
        return format!("{rounded:e}");
    }
    rounded.to_string()
}

/// The number with these four digits.
#[must_use]
pub fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

/// A cell of numbers, with what it is sorted by.
#[must_use]
pub fn number(value: Option<f64>, shown: &str) -> String {
    match value {
        Some(value) => format!("<td class=n data-v={}>{shown}", short(value)),
        None => format!("<td class=n>{shown}"),
    }
}

#[must_use]
pub fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => format!("<td>{}", brief(text, 60)),
        Cell::Count(count) => number(Some(*count as f64), &format::grouped(*count)),
        Cell::Score(score) => number(Some(*score), &format::number(*score)),
        Cell::Nothing => number(None, "\u{2013}"),
    }
}

/// A table that may be wider than the page, and that the script makes sortable.
///
/// * `head`: names of columns with whether they are of numbers, as HTML
/// * `rows`: each begins with `<tr>`
#[must_use]
pub fn table(class: &str, caption: &str, head: &[(String, bool)], rows: &str) -> String {
    let column = |(name, is_number): &(String, bool)| {
        let class = if *is_number { " class=n" } else { "" };
        format!("<th scope=col{class}>{name}")
    };
    let head: String = head.iter().map(column).collect();
    let caption =
        if caption.is_empty() { String::new() } else { format!("<caption>{caption}</caption>") };
    format!(
        "<div class=wide tabindex=0><table class=\"sortable {class}\">{caption}<thead><tr>{head}</thead><tbody>{rows}</tbody></table></div>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_neither_markup_nor_turns_lines_around() {
        assert_eq!(
            text("</script><!-- \"a\" & 'b' \u{202e}x"),
            "&lt;/script&gt;&lt;!-- &quot;a&quot; &amp; &#39;b&#39; \\u202ex"
        );
        assert_eq!(brief("ab\ncd<", 5), "<span title=\"ab\\u000acd&lt;\">ab\\u\u{2026}</span>");
        assert_eq!(message("`<a>` is"), "<code>&lt;a&gt;</code> is");
        let data = json(&serde_json::json!(["</script>", "<!--"]));
        assert_eq!(data, r#"["\u003c/script>","\u003c!--"]"#);
    }

    #[test]
    fn numbers_are_short_and_keep_four_digits() {
        assert_eq!(
            [0.123_456, 1_234_567.0, 2e-5, 0.0, 1.0, -0.5].map(short),
            ["0.1235", "1235000", "2e-5", "0", "1", "-0.5"]
        );
        assert_eq!(short(f64::NAN), "null");
    }
}
