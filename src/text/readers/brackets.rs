//! Tags as the shared tasks from 2004 to 2012 have them: brackets around words, such as `(PER*`, `*` and `*)` for an entity of three words, `(PER)` or
//! `(PER*)` for one of a single word, and `*` outside of any.

use super::tags::Chunk;
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

/// Whether a tag is a bracket, and could be the name of a type in no other scheme.
pub(super) fn is_one(tag: &str) -> bool {
    part(tag).is_some()
}

/// The entities of a sentence in the order in which they open, also those that lie in others.
///
/// # Errors
/// The first word whose tag is no bracket, or does not fit those before it, and what is wrong with it.
pub(super) fn chunks(tags: &[String]) -> Result<Vec<Chunk<'_>>, (usize, String)> {
    let mut found: Vec<Chunk<'_>> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    for (at, tag) in tags.iter().enumerate() {
        let Some(Part { opens, closes }) = part(tag) else {
            let shown = visible::line(tag);
            return Err((at, format!("`{shown}` is no bracket such as `(PER*`, `*` or `*)`")));
        };
        for kind in opens {
            open.push(found.len());
            found.push(Chunk { first: at, past: at + 1, kind });
        }
        for _ in 0..closes {
            let Some(closed) = open.pop() else {
                return Err((at, format!("`{}` closes more than is open", visible::line(tag))));
            };
            found[closed].past = at + 1;
        }
    }
    match open.first().map(|open| found[*open]) {
        Some(Chunk { first, kind, .. }) => {
            let kind = visible::line(kind);
            Err((first, format!("`({kind}*` is open at the end of the sentence")))
        }
        None => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tags: &str) -> Result<Vec<(usize, usize, String)>, String> {
        let tags: Vec<String> = tags.split(' ').map(str::to_owned).collect();
        let found = chunks(&tags).map_err(|(_, message)| message)?;
        Ok(found.iter().map(|it| (it.first, it.past, it.kind.to_owned())).collect())
    }

    fn chunk(first: usize, past: usize, kind: &str) -> (usize, usize, String) {
        (first, past, kind.to_owned())
    }

    #[test]
    fn brackets_say_where_entities_begin_and_end() {
        let expected = vec![chunk(1, 4, "PER"), chunk(4, 5, "GPE"), chunk(5, 6, "WORK-OF_ART")];
        assert_eq!(read("* (PER* * *) (GPE) (WORK-OF_ART*) *"), Ok(expected));
    }

    #[test]
    fn an_entity_may_lie_in_another() {
        let expected = vec![chunk(0, 3, "ORG"), chunk(0, 2, "LOC"), chunk(2, 3, "X")];
        assert_eq!(read("(ORG(LOC* *) (X*))"), Ok(expected));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (tags, problem) in [
            ("(A* * (B*)", "`(A*` is open at the end"),
            ("* *)", "`*)` closes more than is open"),
            ("(A* *", "`(A*` is open at the end"),
            ("* B-PER O", "`B-PER` is no bracket"),
            ("(A", "`(A` is no bracket"),
            ("- *", "`-` is no bracket"),
        ] {
            let error = read(tags).expect_err(tags);
            assert!(error.starts_with(problem), "{tags}: {error}");
        }
    }
}
