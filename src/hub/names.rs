//! Names of repositories, revisions, commits and files, checked before they become part of a path or an address.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::HubError;
use crate::base::visible;

/// A commit of a repository: 40 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Commit(String);

impl Commit {
    /// `None` unless `text` is 40 hexadecimal digits in lower case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        is_hex(text, 40).then(|| Self(text.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Commit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

pub(super) fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Holds `repo` against the hub's own rules: `name` or `owner/name`, of letters, digits, `-`, `_` and `.`.
///
/// # Errors
/// [`HubError::InvalidName`] with the rule that it breaks.
pub fn check_repo(repo: &str) -> Result<(), HubError> {
    let problem = if repo.is_empty() {
        "it is empty"
    } else if repo.len() > 96 {
        "it is longer than 96 characters"
    } else if repo.split('/').count() > 2 {
        "it is written `owner/name`"
    } else if !repo
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/'))
    {
        "it has only letters, digits, `-`, `_` and `.`"
    } else if repo.contains("--") || repo.contains("..") {
        "`--` and `..` are not allowed in it"
    } else if repo
        .split('/')
        .any(|part| part.is_empty() || part.starts_with(['-', '.']) || part.ends_with(['-', '.']))
    {
        "its parts neither start nor end with `-` or `.`"
    } else {
        return Ok(());
    };
    Err(HubError::InvalidName { what: "repository", name: shown(repo), problem })
}

/// A revision becomes a file below `refs/`, so it must be a path that stays there.
///
/// # Errors
/// [`HubError::InvalidName`] with the rule that it breaks.
pub fn check_revision(revision: &str) -> Result<(), HubError> {
    path_problem(revision).map_or(Ok(()), |problem| {
        Err(HubError::InvalidName { what: "revision", name: shown(revision), problem })
    })
}

/// A file's name becomes a path below the snapshot's folder.
pub(super) fn check_file(file: &str) -> Result<(), HubError> {
    path_problem(file).map_or(Ok(()), |problem| {
        Err(HubError::InvalidName { what: "file name", name: shown(file), problem })
    })
}

fn path_problem(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        Some("it is empty")
    } else if path.len() > 1024 {
        Some("it is longer than 1024 bytes")
    } else if path
        .chars()
        .any(|character| character.is_control() || matches!(character, '\\' | ':'))
    {
        Some("control characters, `\\` and `:` are not allowed in it")
    } else if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        Some("it must stay inside its folder")
    } else {
        None
    }
}

/// `text` as it may stand in a message: whoever wrote it, it moves no cursor and fills no screen.
pub(super) fn shown(text: &str) -> String {
    visible::line(&text.chars().take(200).collect::<String>()).into_owned()
}

/// Percent-encodes everything that is not unreserved; `/` too.
pub(super) fn encode(text: &str) -> String {
    const RESERVED: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Percent-encodes the parts of a path.
pub(super) fn encode_path(path: &str) -> String {
    path.split('/').map(encode).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leaves_its_folder_is_refused() {
        for name in [
            "",
            "..",
            "../x",
            "a/../../x",
            "/etc/passwd",
            "a//b",
            "./a",
            "a/",
            "a\\b",
            "C:x",
            "a\0b",
            "a\nb",
        ] {
            assert!(check_file(name).is_err(), "{name:?}");
            assert!(check_revision(name).is_err(), "{name:?}");
        }
        for name in ["config.json", "onnx/model.onnx", "a..b", "refs/pr/5", "ein name.txt"] {
            assert!(check_file(name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn a_repository_is_named_as_the_hub_names_them() {
        for repo in ["gpt2", "answerdotai/ModernBERT-base", "a/b_c.d"] {
            assert!(check_repo(repo).is_ok(), "{repo:?}");
        }
        for repo in [
            "",
            "a/b/c",
            "a//b",
            "../b",
            "a/..",
            "a/b--c",
            "a/.b",
            "a/b ",
            "/a",
            "a/",
            "https://huggingface.co/a/b",
        ] {
            assert!(check_repo(repo).is_err(), "{repo:?}");
        }
    }

    #[test]
    fn a_commit_is_forty_lower_case_digits() {
        assert!(Commit::parse("8949b909ec900327062f0ebf497f51aef5e6f0c8").is_some());
        assert!(Commit::parse("8949b909ec900327062f0ebf497f51aef5e6f0c").is_none());
        assert!(Commit::parse("8949B909ec900327062f0ebf497f51aef5e6f0c8").is_none());
    }

    #[test]
    fn an_address_holds_only_unreserved_characters() {
        assert_eq!(encode("refs/pr/5"), "refs%2Fpr%2F5");
        assert_eq!(encode_path("a b/ü?.json"), "a%20b/%C3%BC%3F.json");
    }
}
