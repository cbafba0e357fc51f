//! A trained model as `predict` and `serve` open it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::ThreadPool;

use super::super::Failure;
use super::super::args::{ModelOptions, Threshold};
use crate::app::tools::{Limits, OpenError, Predictor, Service};
use crate::base::disk::regular::TO_READ;
use crate::view;

/// Batches that are read at the same time at most: each takes memory of its own.
const MOST_BATCHES: usize = 8;

/// How a model is asked.
pub struct Opener {
    /// The folder of a model or of results.
    model: PathBuf,
    options: ModelOptions,
    pool: Arc<ThreadPool>,
    /// Tokens that may wait.
    queue_tokens: usize,
}

impl Opener {
    /// Starts the threads.
    ///
    /// * `model`: the folder of a model or of results
    pub fn new(model: &Path, options: &ModelOptions, queue_tokens: usize) -> Result<Self, Failure> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(options.threads.map_or(0, |threads| threads as usize))
            .build()
            .map_err(|error| Failure::failed(format!("threads cannot be started: {error}")))?;
        let (model, options) = (model.to_owned(), options.clone());
        Ok(Self { model, options, pool: Arc::new(pool), queue_tokens })
    }

    /// What the model is called.
    #[cfg(feature = "serve")]
    pub fn name(&self) -> String {
        self.model.display().to_string()
    }

    /// Opens the model, whose files are held against their digests, and sets it to work.
    pub fn open(&self) -> Result<Service, Failure> {
        let dtype = self.options.dtype.unwrap_or_default();
        let folder = view::model_in(&self.model).unwrap_or_else(|| self.model.clone());
        let mut predictor = self
            .pool
            .install(|| Predictor::open(&folder, dtype))
            .map_err(|error| not_opened(&error))?;
        set_thresholds(&mut predictor, &self.options.threshold)?;
        let limits = Limits {
            batch_tokens: self.options.batch_tokens as usize,
            queue_tokens: self.queue_tokens,
            batches: self.pool.current_num_threads().min(MOST_BATCHES),
        };
        let memory = (self.options.cache as usize) << 20;
        Service::start(predictor, Arc::clone(&self.pool), limits, memory)
            .map_err(|error| Failure::failed(format!("threads cannot be started: {error}")))
    }
}

/// One without a head is for all of them that have none of their own.
fn set_thresholds(predictor: &mut Predictor, given: &[Threshold]) -> Result<(), Failure> {
    let all: Vec<(String, bool)> =
        predictor.heads().map(|(head, takes)| (head.to_owned(), takes)).collect();
    let heads: Vec<&String> = all.iter().map(|(head, _)| head).collect();
    for (index, threshold) in given.iter().enumerate() {
        if given[..index].iter().any(|other| other.head == threshold.head) {
            let of = threshold.head.as_ref().map(|head| format!(" of `{head}`"));
            return Err(Failure::usage(format!(
                "the threshold{} is given twice",
                of.unwrap_or_default()
            )));
        }
        if let Some(head) = threshold.head.as_ref().filter(|head| !heads.contains(head)) {
            let names: Vec<&str> = heads.iter().map(|head| head.as_str()).collect();
            return Err(Failure::usage(format!("the model has no head `{head}`"))
                .with_help(format!("it has `{}`", names.join("`, `"))));
        }
        if let Some((head, _)) =
            all.iter().find(|(head, takes)| !takes && threshold.head.as_ref() == Some(head))
        {
            let message = format!(
                "head `{head}` decides between more than two classes, of which none is looked for from a threshold on"
            );
            return Err(Failure::usage(message).with_help(format!(
                "leave the threshold of `{head}` out: its most likely class is the answer"
            )));
        }
    }
    for (head, _) in all.iter().filter(|(_, takes)| *takes) {
        let own = given.iter().find(|threshold| threshold.head.as_ref() == Some(head));
        let common = given.iter().find(|threshold| threshold.head.is_none());
        if let Some(threshold) = own.or(common) {
            predictor.set_threshold(head, threshold.value);
        }
    }
    Ok(())
}

/// Why a model cannot be opened, with what to do about it.
pub(in crate::app::cli) fn not_opened(error: &OpenError) -> Failure {
    let failure = Failure::usage(error.to_string());
    match error {
        OpenError::Missing { .. } | OpenError::File { .. } | OpenError::NoModel { .. } => failure
            .with_help(
                "a trained model is a folder that `run` published, such as `outputs/tiny/model`",
            ),
        OpenError::Earlier { folder } => {
            let file = view::experiment_of(folder);
            let file = file.as_deref().unwrap_or("EXPERIMENT.toml");
            failure.with_help(format!("train it again: `pipeline run {file}`"))
        }
        OpenError::Denied { .. } => failure.with_help(TO_READ),
        OpenError::Unusable(problem) => failure.with_help_of(problem.help.as_deref()),
    }
}
