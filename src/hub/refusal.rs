//! What the hub means by an answer that is no success.

use super::HubError;
use super::exchange::Answer;
use super::{Observer, address::Endpoint};

/// What was asked for.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) repo: &'a str,
    pub(super) revision: &'a str,
    pub(super) file: Option<&'a str>,
    pub(super) token: bool,
}

impl Subject<'_> {
    pub(super) fn missing_repo(&self) -> HubError {
        HubError::MissingRepo {
            repo: self.repo.to_owned(),
            endpoint: self.endpoint.shown(),
            token: self.token,
        }
    }

    pub(super) fn missing_revision(&self) -> HubError {
        HubError::MissingRevision { repo: self.repo.to_owned(), revision: self.revision.to_owned() }
    }

    pub(super) fn missing_file(&self, file: &str) -> HubError {
        HubError::MissingFile {
            repo: self.repo.to_owned(),
            revision: self.revision.to_owned(),
            file: file.to_owned(),
        }
    }
}

/// True if the answer says that something is missing, but not what: mirrors leave the hub's own header out.
pub(super) fn is_ambiguous(answer: &Answer) -> bool {
    answer.status == 404 && answer.named("x-error-code").is_none()
}

/// The error that `answer` stands for. The body is read for its message only, and never kept.
pub(super) fn refusal(
    answer: Answer,
    subject: &Subject<'_>,
    observer: &mut dyn Observer,
) -> HubError {
    let status = answer.status;
    let url = answer.url();
    let token = subject.token;
    let endpoint = || subject.endpoint.shown();
    let code =
        answer.named("x-error-code").filter(|_| answer.from_hub).unwrap_or_default().to_owned();
    let from_hub = answer.from_hub;
    if status >= 500 {
        let wait = answer.retry_after();
        return HubError::ServerFailed { url, status, wait };
    }
    let wait = answer.retry_after();
    let message = message_of(answer, observer);

    match (code.as_str(), subject.file) {
        ("GatedRepo", _) => {
            return HubError::GatedRepo {
                repo: subject.repo.to_owned(),
                endpoint: endpoint(),
                token,
            };
        }
        ("RevisionNotFound", _) => return subject.missing_revision(),
        ("EntryNotFound", Some(file)) => return subject.missing_file(file),
        // With a token, 401 is about the token: to one that the hub takes, what is missing is a 404.
        ("RepoNotFound", _) if !(token && status == 401) => return subject.missing_repo(),
        _ => {}
    }
    match (status, subject.file) {
        (401, _) if token && from_hub => HubError::InvalidToken { endpoint: endpoint() },
        // Without a token the hub says this of a private model and of one that does not exist.
        (401, _) if from_hub => subject.missing_repo(),
        (403, _) if from_hub => HubError::Forbidden { url, message, token },
        (404, Some(file)) => subject.missing_file(file),
        (404, None) => subject.missing_revision(),
        (429, _) => HubError::RateLimited { endpoint: endpoint(), token, wait },
        _ => HubError::Refused { url, status, message },
    }
}

fn message_of(answer: Answer, observer: &mut dyn Observer) -> Option<String> {
    if let Some(message) = answer.named("x-error-message") {
        return Some(answer.shown(message));
    }
    let secrets = answer.secrets().clone();
    let body = answer.read_all(64 << 10, observer).ok()??;
    let body: serde_json::Value = serde_json::from_slice(&body).ok()?;
    body.get("error")?.as_str().map(|message| secrets.hide(message))
}
