//! Tags as the shared tasks from 2004 to 2012 have them: brackets around words, such as `(PER*`, `*` and `*)` for an entity of three words, `(PER)` or
//! `(PER*)` for one of a single word, and `*` outside of any.

use crate::base::visible;

/// What a tag opens, and how often it closes something.
struct Part<'t> {
    opens: Vec<&'t str>,
    closes: usize,
}

fn part(tag: &str) -> Option<Part<'_>> {
    let closes = tag.len() - tag.trim_end_matches(')').len();
    let inside = &tag[..tag.len() - closes];
    let (opened, is_word) = match inside.strip_suffix('*') {
        Some(opened) => (opened, true),
        None => (inside, false),
    };
    let opens: Vec<&str> = match opened.strip_prefix('(') {
        Some(names) => names.split('(').collect(),
        None if opened.is_empty() => Vec::new(),
        None => return None,
    };
    let is_name = |name: &&str| !name.is_empty() && !name.contains(['*', ')']);
    let is_whole = is_word || !opens.is_empty() && closes > 0;
    (is_whole && opens.iter().all(is_name)).then_some(Part { opens, closes })
}

/// The same tags in IOB2.
///
/// # Errors
/// The first that is none, or that does not fit those before it.
pub(super) fn to_iob2(tags: &[String]) -> Result<Vec<String>, String> {
    let mut open: Option<&str> = None;
    let mut found = Vec::with_capacity(tags.len());
    for tag in tags {
        let shown = || visible::line(tag);
        let Some(Part { opens, closes }) = part(tag) else {
            return Err(format!("`{}` is no bracket such as `(PER*`, `*` or `*)`", shown()));
        };
        found.push(match (opens.as_slice(), open) {
            ([], None) => "O".to_owned(),
            ([], Some(kind)) => format!("I-{kind}"),
            ([kind], None) => format!("B-{kind}"),
            _ => {
                return Err(format!(
                    "`{}` opens a bracket inside of another, and entities lie side by side: `columns` may name another column",
                    shown()
                ));
            }
        });
        open = opens.first().copied().or(open);
        match (closes, open) {
            (0, _) => {}
            (1, Some(_)) => open = None,
            _ => return Err(format!("`{}` closes more than is open", shown())),
        }
    }
    match open {
        Some(kind) => {
            Err(format!("`({}*` is open at the end of the sentence", visible::line(kind)))
        }
        None => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tags: &str) -> Result<String, String> {
        let tags: Vec<String> = tags.split(' ').map(str::to_owned).collect();
        to_iob2(&tags).map(|tags| tags.join(" "))
    }

    #[test]
    fn brackets_say_where_entities_begin_and_end() {
        let tags = "* (PER* * *) (GPE) (WORK-OF_ART*) *";
        let expected = "O B-PER I-PER I-PER B-GPE B-WORK-OF_ART O";
        assert_eq!(read(tags).as_deref(), Ok(expected));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (tags, problem) in [
            ("(A* * (B*)", "`(B*)` opens a bracket inside of another"),
            ("(A(B* *))", "`(A(B*` opens a bracket inside of another"),
            ("* *)", "`*)` closes more than is open"),
            ("(A* *", "`(A*` is open at the end"),
            ("B-PER O", "`B-PER` is no bracket"),
            ("(A", "`(A` is no bracket"),
            ("- *", "`-` is no bracket"),
        ] {
            let error = read(tags).expect_err(tags);
            assert!(error.starts_with(problem), "{tags}: {error}");
        }
    }
}
