//! Questions to the hub, answered from the cache where it can.

use std::path::PathBuf;

use hf_hub::{Repo, RepoType};
use serde::Deserialize;
use ureq::http::{HeaderValue, Method, header};

use super::address::Endpoint;
use super::cache::{Folder, make_folder};
use super::exchange::{Answer, Follow, Session};
use super::names::{check_file, check_repo, check_revision, encode, encode_path};
use super::refusal::{Subject, is_ambiguous, refusal};
use super::transfer::{Patience, Source};
use super::verify::{Etag, check_digest, check_safetensors};
use super::{Commit, HubError, Observer, Options};
use crate::base::disk::crash::crash_point;

const DEFAULT_ENDPOINT: &str = "https://huggingface.co";
/// The description of a repository lists its files; large ones have tens of thousands.
const LONGEST_DESCRIPTION: usize = 64 << 20;

/// A hub and a cache. See the [module](super) for what it does and does not do.
#[derive(Debug, Clone)]
pub struct Client {
    endpoint: Endpoint,
    cache: PathBuf,
    token: Option<HeaderValue>,
    options: Options,
}

/// What the hub says about one file.
struct Description {
    etag: Etag,
    size: Option<u64>,
    validator: Option<HeaderValue>,
}

/// What the hub says about a model, as far as it is of use here.
#[derive(Deserialize)]
struct Model {
    sha: Option<String>,
}

impl Client {
    /// # Errors
    /// When the endpoint is no address, the token no token, or there is no folder for the cache. Nothing is read, and no connection made.
    pub fn new(options: Options) -> Result<Self, HubError> {
        let endpoint = Endpoint::parse(options.endpoint.as_deref().unwrap_or(DEFAULT_ENDPOINT))?;
        let cache = options.cache.clone().ok_or(HubError::NoCacheFolder)?;
        let token = options.token.as_ref().map(|token| token.header()).transpose()?;
        Ok(Self { endpoint, cache, token, options })
    }

    /// The commit that `revision` of `repo` is now; a commit is itself, which needs no network. Offline, what it was when the hub was last asked.
    ///
    /// # Errors
    /// [`HubError::MissingRepo`], [`HubError::MissingRevision`], [`HubError::OfflineRevision`] and what can happen to any request.
    pub fn resolve(
        &self,
        repo: &str,
        revision: &str,
        observer: &mut dyn Observer,
    ) -> Result<Commit, HubError> {
        check_repo(repo)?;
        check_revision(revision)?;
        if let Some(commit) = Commit::parse(revision) {
            return Ok(commit);
        }
        let folder = Folder::new(&self.cache, repo);
        if self.options.offline {
            return folder.read_ref(revision).ok_or_else(|| HubError::OfflineRevision {
                repo: repo.to_owned(),
                revision: revision.to_owned(),
                cache: self.cache.clone(),
            });
        }
        let session = self.session()?;
        let hub = self.endpoint.shown();
        observer.waiting(format!("asking `{hub}` which commit `{revision}` of `{repo}` is"));
        let subject = self.subject(&session, repo, revision, None);
        let commit = self
            .patience()
            .retry(observer, |observer| self.ask_commit(&session, &subject, observer))?;
        // Only later offline runs use it, so a cache that cannot be written is no reason to stop here.
        if let Err(error) = folder.write_ref(revision, &commit) {
            observer
                .message(format!("`--offline` will not know `{revision}` of `{repo}`: {error}"));
        }
        Ok(commit)
    }

    /// The snapshot's folder with `files` in it, verified, downloading what the cache lacks.
    ///
    /// A file that links to its blob is read once and held against the digest in the blob's name, whoever put it there; a damaged one is downloaded
    /// again. A plain file, as caches without links have it, has nothing to be held against but the header of a safetensors file.
    ///
    /// # Errors
    /// [`HubError::MissingFile`] for the first file that the commit does not have, [`HubError::OfflineFile`] for the first that the cache does not
    /// have, [`HubError::Cancelled`], and what else [`HubError`] lists. Files before it are complete in the cache.
    pub fn fetch(
        &self,
        repo: &str,
        commit: &Commit,
        files: &[&str],
        observer: &mut dyn Observer,
    ) -> Result<PathBuf, HubError> {
        check_repo(repo)?;
        files.iter().try_for_each(|file| check_file(file))?;
        let folder = Folder::new(&self.cache, repo);
        let mut session = None;
        for file in files {
            if self.is_cached(&folder, repo, commit, file, observer)? {
                continue;
            }
            let session = match &mut session {
                Some(session) => session,
                none => {
                    let hub = self.endpoint.shown();
                    observer.waiting(format!("asking `{hub}` for `{repo}` at {commit}"));
                    none.insert(self.session()?)
                }
            };
            self.download(
                session,
                &folder,
                self.subject(session, repo, commit.as_str(), Some(file)),
                commit,
                file,
                observer,
            )?;
            if file.ends_with(".safetensors") {
                check_safetensors(&folder.snapshot(commit).join(file), file)?;
            }
        }
        Ok(folder.snapshot(commit))
    }

    /// True if the cache has the file, whole. False if it must be downloaded, and may be.
    fn is_cached(
        &self,
        folder: &Folder,
        repo: &str,
        commit: &Commit,
        file: &str,
        observer: &mut dyn Observer,
    ) -> Result<bool, HubError> {
        let Some(entry) = folder.entry(commit, file) else {
            if self.options.offline {
                return Err(HubError::OfflineFile {
                    repo: repo.to_owned(),
                    commit: commit.to_string(),
                    file: file.to_owned(),
                    cache: self.cache.clone(),
                });
            }
            return Ok(false);
        };
        if let Some(etag) = &entry.etag {
            match check_digest(&entry.path, file, etag, observer) {
                Err(HubError::DigestMismatch { file, expected, found, .. })
                    if self.options.offline =>
                {
                    return Err(HubError::DigestMismatch {
                        file,
                        expected,
                        found,
                        cached: Some(folder.blob(etag)),
                    });
                }
                Err(HubError::DigestMismatch { .. }) => {
                    observer
                        .message(format!("`{file}` in the cache is damaged; downloading it again"));
                    return Ok(false);
                }
                result => result.map(drop)?,
            }
        }
        if file.ends_with(".safetensors") {
            check_safetensors(&entry.path, file)?;
        }
        Ok(true)
    }

    fn download(
        &self,
        session: &Session,
        folder: &Folder,
        subject: Subject<'_>,
        commit: &Commit,
        file: &str,
        observer: &mut dyn Observer,
    ) -> Result<(), HubError> {
        let path = self.resolve_path(subject.repo, commit.as_str(), file);
        let described = self.patience().retry(observer, |observer| {
            self.describe(session, &subject, &path, commit, file, observer)
        })?;
        let etag = &described.etag;

        let blob = folder.blob(etag);
        make_folder(blob.parent().expect("a file below blobs"))?;
        let _lock = folder.lock(etag, observer)?;
        // Another commit may have the same content, or another process may have been faster.
        let present = blob.is_file()
            && match check_digest(&blob, file, etag, observer) {
                Ok(_) => true,
                Err(HubError::DigestMismatch { .. }) => false,
                Err(error) => return Err(error),
            };
        if !present {
            let patience = self.patience();
            let source = Source {
                session,
                subject,
                file,
                path: &path,
                etag,
                size: described.size,
                validator: described.validator,
                patience,
            };
            source.download(&folder.incomplete(etag), observer)?;
            crash_point("before-blob-rename");
            folder.publish(etag)?;
            crash_point("after-blob-rename");
        }
        folder.link(commit, file, etag)
    }

    /// Asks for a file's digest and size.
    fn describe(
        &self,
        session: &Session,
        subject: &Subject<'_>,
        path: &str,
        commit: &Commit,
        file: &str,
        observer: &mut dyn Observer,
    ) -> Result<Description, HubError> {
        let mut answer = session.ask(&Method::HEAD, path, &[], Follow::WithinHub, observer)?;
        if matches!(answer.status, 405 | 501) {
            let first_byte = [(header::RANGE, HeaderValue::from_static("bytes=0-0"))];
            answer = session.ask(&Method::GET, path, &first_byte, Follow::WithinHub, observer)?;
        }
        if is_ambiguous(&answer) {
            return Err(self.diagnose(session, subject, file, observer));
        }
        if answer.status >= 400 {
            return Err(refusal(answer, subject, observer));
        }
        if answer.named("x-repo-commit").is_some_and(|named| named != commit.as_str()) {
            let problem = "it answers for another commit".to_owned();
            return Err(HubError::UnexpectedAnswer { url: answer.url(), problem });
        }

        let own = answer.header(&header::ETAG);
        let linked = answer.named("x-linked-etag");
        let Some(etag) = linked.or(own).and_then(Etag::parse) else {
            if answer.is_web_page() {
                return Err(HubError::WebPage { url: answer.url() });
            }
            let etag = linked.or(own).map(|etag| format!("its tag is `{}`", answer.shown(etag)));
            return Err(HubError::NoDigest { url: answer.url(), etag });
        };
        let length = match answer.status {
            200 => answer.content_length().filter(|length| *length > 0),
            206 => answer.content_range().and_then(|(_, total)| total),
            _ => None,
        };
        let size =
            answer.named("x-linked-size").and_then(|size| size.trim().parse().ok()).or(length);
        // A redirect's own tag says nothing about the bytes behind it, and a weak one cannot be used with ranges.
        let validator = own
            .filter(|own| answer.status < 300 && own.starts_with('"'))
            .and_then(|own| HeaderValue::from_str(own).ok());
        Ok(Description { etag, size, validator })
    }

    fn ask_commit(
        &self,
        session: &Session,
        subject: &Subject<'_>,
        observer: &mut dyn Observer,
    ) -> Result<Commit, HubError> {
        let encoded =
            Repo::with_revision(subject.repo.to_owned(), RepoType::Model, encode(subject.revision));
        let path = format!("api/{}", encoded.api_url());
        let answer = session.ask(&Method::GET, &path, &[], Follow::Everywhere, observer)?;
        if is_ambiguous(&answer) || matches!(answer.status, 405 | 501) {
            // Mirrors of files without the interface still name the commit with every file.
            let path = self.resolve_path(subject.repo, subject.revision, "config.json");
            let answer = session.ask(&Method::HEAD, &path, &[], Follow::WithinHub, observer)?;
            return match commit_of(&answer) {
                Some(commit) if answer.status < 400 => Ok(commit),
                _ if is_ambiguous(&answer) => {
                    Err(self.diagnose_revision(session, subject, observer))
                }
                _ if answer.status >= 400 => Err(refusal(answer, subject, observer)),
                _ => Err(HubError::UnexpectedAnswer {
                    url: answer.url(),
                    problem: "it does not name the commit".to_owned(),
                }),
            };
        }
        if answer.status != 200 {
            return Err(refusal(answer, subject, observer));
        }
        if answer.is_web_page() {
            return Err(HubError::WebPage { url: answer.url() });
        }
        let url = answer.url();
        let named = commit_of(&answer);
        let unexpected = |problem: &str| HubError::UnexpectedAnswer {
            url: url.clone(),
            problem: problem.to_owned(),
        };
        let body = answer
            .read_all(LONGEST_DESCRIPTION, observer)?
            .ok_or_else(|| unexpected("its description of the model is too long"))?;
        let model: Model = serde_json::from_slice(&body)
            .map_err(|_| unexpected("its description of the model is no JSON"))?;
        let commit = model.sha.as_deref().and_then(Commit::parse).or(named);
        commit.ok_or_else(|| unexpected("it does not name the commit"))
    }

    /// What is missing when the server says only that something is.
    fn diagnose(
        &self,
        session: &Session,
        subject: &Subject<'_>,
        file: &str,
        observer: &mut dyn Observer,
    ) -> HubError {
        if self.is_missing(session, &format!("api/models/{}", subject.repo), observer) {
            subject.missing_repo()
        } else if self.is_missing(
            session,
            &format!("api/models/{}/revision/{}", subject.repo, encode(subject.revision)),
            observer,
        ) {
            subject.missing_revision()
        } else {
            subject.missing_file(file)
        }
    }

    fn diagnose_revision(
        &self,
        session: &Session,
        subject: &Subject<'_>,
        observer: &mut dyn Observer,
    ) -> HubError {
        if self.is_missing(session, &format!("api/models/{}", subject.repo), observer) {
            subject.missing_repo()
        } else {
            subject.missing_revision()
        }
    }

    fn is_missing(&self, session: &Session, path: &str, observer: &mut dyn Observer) -> bool {
        let answer = session.ask(&Method::GET, path, &[], Follow::Everywhere, observer);
        answer.is_ok_and(|answer| matches!(answer.status, 401 | 404))
    }

    fn resolve_path(&self, repo: &str, revision: &str, file: &str) -> String {
        let repo = Repo::new(repo.to_owned(), RepoType::Model);
        format!("{}/resolve/{}/{}", repo.url(), encode(revision), encode_path(file))
    }

    fn subject<'a>(
        &'a self,
        session: &Session,
        repo: &'a str,
        revision: &'a str,
        file: Option<&'a str>,
    ) -> Subject<'a> {
        Subject { endpoint: &self.endpoint, repo, revision, file, token: session.has_token() }
    }

    fn session(&self) -> Result<Session, HubError> {
        Session::new(self.endpoint.clone(), self.token.clone(), &self.options)
    }

    fn patience(&self) -> Patience {
        // Three silences: a hub that answers nothing is given up before two minutes are over.
        let limit = self.options.patience.saturating_mul(5) / 2;
        Patience { retries: self.options.retries, wait: self.options.retry_wait, limit }
    }
}

fn commit_of(answer: &Answer) -> Option<Commit> {
    answer.named("x-repo-commit").and_then(Commit::parse)
}
