//! One file's bytes: from the hub into `<etag>.incomplete`, in as many pieces as it takes.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use ureq::http::{HeaderName, HeaderValue, Method, header};

use super::exchange::{Answer, Follow, Session, wait};
use super::refusal::{Subject, refusal};
use super::verify::{Etag, check_digest};
use super::{HubError, Observer};
use crate::base::disk::crash::crash_point;
use crate::base::disk::durable;
use crate::base::disk::regular;

/// How often, and after which waits, a transient failure is tried again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) retries: u32,
    pub(super) wait: Duration,
    /// No further attempt begins after so long without progress.
    pub(super) limit: Duration,
}

/// A server that asks to be left alone for longer is not waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

impl Patience {
    /// Runs `work` until it succeeds, is refused, or fails once too often.
    pub(super) fn retry<T>(
        self,
        observer: &mut dyn Observer,
        mut work: impl FnMut(&mut dyn Observer) -> Result<T, HubError>,
    ) -> Result<T, HubError> {
        let (begun, mut failures) = (Instant::now(), 0);
        loop {
            match work(observer) {
                Err(error) if error.is_transient() => {
                    self.pause(error, failures, begun, observer)?;
                    failures += 1;
                }
                result => return result,
            }
        }
    }

    /// Says why, and waits before the next attempt: longer each time, or as long as the server asks for. The error, where there is to be no
    /// further attempt.
    ///
    /// * `failures`, `since`: attempts without progress, and when the first of them began
    fn pause(
        self,
        error: HubError,
        failures: u32,
        since: Instant,
        observer: &mut dyn Observer,
    ) -> Result<(), HubError> {
        let asked = error.asked_wait();
        if failures >= self.retries
            || since.elapsed() >= self.limit
            || asked.is_some_and(|asked| asked > LONGEST_WAIT)
        {
            return Err(error);
        }
        let pause = self.wait.saturating_mul(1 << failures.min(6)).max(asked.unwrap_or_default());
        observer.waiting(format!("{error}; asking again in {} s", pause.as_secs().max(1)));
        wait(pause, observer)
    }
}

/// What is downloaded.
pub(super) struct Source<'a> {
    pub(super) session: &'a Session,
    pub(super) subject: Subject<'a>,
    pub(super) file: &'a str,
    /// Where the hub has it, percent-encoded.
    pub(super) path: &'a str,
    pub(super) etag: &'a Etag,
    pub(super) size: Option<u64>,
    /// The `ETag` of the hub's own answer, for `If-Range`. `None` if another server holds the bytes, whose tags are its own.
    pub(super) validator: Option<HeaderValue>,
    pub(super) patience: Patience,
}

/// As much progress as this forgives the failures before it.
const FORGIVING: u64 = 1 << 20;

impl Source<'_> {
    /// Fills `incomplete` and verifies it, beginning with whatever it holds.
    ///
    /// Bytes from an earlier attempt are trusted only as far as the digest of the whole goes: if it does not fit, they are dropped and everything
    /// is downloaded once more. A download in one piece that does not fit is an error.
    pub(super) fn download(
        &self,
        incomplete: &Path,
        observer: &mut dyn Observer,
    ) -> Result<(), HubError> {
        let (mut since, mut failures) = (Instant::now(), 0);
        let mut mended = length_of(incomplete) > 0;
        let mut restarted = false;
        loop {
            let before = length_of(incomplete);
            let result = self
                .attempt(incomplete, observer)
                .and_then(|()| check_digest(incomplete, self.file, self.etag, observer));
            match result {
                Ok(_) => return Ok(()),
                Err(error) if error.is_transient() => {
                    if length_of(incomplete) >= before + FORGIVING {
                        (since, failures) = (Instant::now(), 0);
                    }
                    self.patience.pause(error, failures, since, observer)?;
                    failures += 1;
                    mended |= length_of(incomplete) > 0;
                }
                Err(
                    error @ (HubError::DigestMismatch { .. }
                    | HubError::Truncated { .. }
                    | HubError::Oversized { .. }),
                ) => {
                    remove(incomplete)?;
                    if !mended || restarted {
                        return Err(error);
                    }
                    observer.message(format!(
                        "`{}` does not fit together; downloading it from the start",
                        self.file
                    ));
                    restarted = true;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks for what is missing and appends it.
    fn attempt(&self, incomplete: &Path, observer: &mut dyn Observer) -> Result<(), HubError> {
        let mut offset = length_of(incomplete);
        if self.size.is_some_and(|size| offset > size) {
            remove(incomplete)?;
            offset = 0;
        }
        if offset > 0 && self.size == Some(offset) {
            return Ok(());
        }

        let answer = self.session.ask(
            &Method::GET,
            self.path,
            &self.range(offset),
            Follow::Everywhere,
            observer,
        )?;
        let start = match answer.status {
            200 => 0,
            206 if answer
                .content_range()
                .is_some_and(|(from, total)| from == offset && self.agrees(total)) =>
            {
                offset
            }
            // The server has something else, or the part on disk is longer than it should be.
            206 | 416 if offset > 0 => {
                remove(incomplete)?;
                return self.attempt(incomplete, observer);
            }
            206 => {
                let problem = "it sends a part of a file that was asked for as a whole".to_owned();
                return Err(HubError::UnexpectedAnswer { url: answer.url(), problem });
            }
            _ => return Err(refusal(answer, &self.subject, observer)),
        };
        if answer.is_web_page() && !self.file.ends_with(".html") {
            return Err(HubError::WebPage { url: answer.url() });
        }
        self.store(answer, start, incomplete, observer)
    }

    fn range(&self, offset: u64) -> Vec<(HeaderName, HeaderValue)> {
        if offset == 0 {
            return Vec::new();
        }
        let range = HeaderValue::from_str(&format!("bytes={offset}-")).expect("digits");
        let validator = self.validator.clone().map(|validator| (header::IF_RANGE, validator));
        std::iter::once((header::RANGE, range)).chain(validator).collect()
    }

    fn agrees(&self, total: Option<u64>) -> bool {
        total.is_none() || self.size.is_none() || total == self.size
    }

    fn store(
        &self,
        mut answer: Answer,
        start: u64,
        incomplete: &Path,
        observer: &mut dyn Observer,
    ) -> Result<(), HubError> {
        let announced = answer.content_length().map(|length| start.saturating_add(length));
        if let (Some(size), Some(announced)) = (self.size, announced) {
            self.check_length(size, announced)?;
        }
        let total = self.size.or(announced);

        let failed = |error| HubError::io("write", incomplete, error);
        let mut file = regular::open_with(File::options().create(true).append(true), incomplete)
            .map_err(failed)?;
        file.set_len(start).map_err(failed)?;
        let mut done = start;
        observer.progress(self.file, done, total.unwrap_or(0));
        while let Some(bytes) = answer.read(observer)? {
            done += bytes.len() as u64;
            if let Some(size) = self.size.filter(|size| done > *size) {
                self.check_length(size, done)?;
            }
            file.write_all(&bytes).map_err(failed)?;
            crash_point("mid-download");
            observer.progress(self.file, done, total.unwrap_or(0));
        }
        durable::sync_file(&file, incomplete).map_err(failed)?;
        match total {
            // Nobody announced the end, so it was the connection's.
            Some(total) if done < total => Err(HubError::Broken {
                host: answer.url(),
                reason: format!("it ended after {done} of {total} bytes"),
            }),
            _ => Ok(()),
        }
    }

    fn check_length(&self, expected: u64, found: u64) -> Result<(), HubError> {
        let file = self.file.to_owned();
        match found.cmp(&expected) {
            std::cmp::Ordering::Less => Err(HubError::Truncated { file, expected, found }),
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => Err(HubError::Oversized { file, expected, found }),
        }
    }
}

fn length_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn remove(path: &Path) -> Result<(), HubError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(HubError::io("remove", path, error))
        }
        _ => Ok(()),
    }
}
