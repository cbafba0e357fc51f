//! `fetch_model`: a pretrained encoder from the hub or a local folder.

mod published;

use std::any::Any;
use std::collections::BTreeMap;
use std::iter;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use self::published::Weights;
use super::facts;
use crate::base::problem::Help;
use crate::base::visible;
use crate::engine::stage::{
    Artifact as _, CodeVersion, Content, Context, Facts, HubCommit, InputFacts, Inspection,
    ParameterProblem, Progress, Remark, Source, SourceFile, SourceProblem, Stage, StageError,
    Survey, SurveyInputs, Usage,
};
use crate::hub::{self, Client, HubError, Options, tokenizer_remedy};
use crate::nn::{ConfigError, EncoderSpec, JointModel};

use crate::stages::artifacts::known;
use crate::stages::artifacts::{Backbone, files};
use crate::text::TextTokenizer;

/// A pretrained encoder from the Hugging Face hub, or from a local folder in Hugging Face layout. It is a ModernBERT, BERT, RoBERTa, XLM-RoBERTa, CamemBERT, DistilBERT, ELECTRA or DeBERTa-v3, with `config.json`, `tokenizer.json`, and weights in `model.safetensors`, in shards that `model.safetensors.index.json` names, or in PyTorch's `pytorch_model.bin`, of which nothing is run. What `tokenizer_config.json` says of case, accents and the space before a text is honoured. A token is read from `HF_TOKEN` or from where `hf auth login` puts it; `HF_ENDPOINT`, `HF_HOME` and `HF_HUB_OFFLINE` are honoured.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FetchModel {
    /// Repository on the hub, such as `answerdotai/ModernBERT-base`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// Branch, tag or commit. `run` resolves a branch to a commit and pins it in `<file>.lock`.
    #[serde(default = "main_branch")]
    #[schemars(extend("format" = "revision"))]
    pub revision: String,
    /// Local folder, instead of `repo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path"))]
    pub path: Option<PathBuf>,
    /// Other sources, taken in order where those before cannot be had: the hub has no such repository or revision, or does not let you have it; there is no network, or `--offline`, and the cache does not have it; there is no such folder. Each is a table with `repo` and `revision`, or with `path`: `[{ repo = "...", revision = "..." }, { path = "..." }]`. The first `run` chooses and writes that to `<file>.lock`; later ones take the same source, whatever has come back since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    pub fallback: Vec<ModelSource>,
}

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelSource {
    /// Repository on the hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// Branch, tag or commit.
    #[serde(default = "main_branch")]
    #[schemars(extend("format" = "revision"))]
    pub revision: String,
    /// Local folder, instead of `repo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path"))]
    pub path: Option<PathBuf>,
}

impl ModelSource {
    fn problems(&self) -> Vec<ParameterProblem> {
        let problem = |parameters: &[&'static str], message: &str, help: &str| {
            ParameterProblem::new(parameters, message).help(help)
        };
        let repo = "such as `repo = \"answerdotai/ModernBERT-base\"`";
        let mut problems = match (&self.repo, &self.path) {
            (None, None) => vec![problem(
                &["repo", "path"],
                "one of `repo` and `path` is needed",
                "`repo = \"answerdotai/ModernBERT-base\"`, or `path` with a local folder",
            )],
            (Some(_), Some(_)) => {
                let message = "`repo` and `path` exclude each other";
                vec![problem(&["path", "repo"], message, "remove one of them")]
            }
            (Some(_), None) | (None, Some(_)) => Vec::new(),
        };
        if let Some(name) = &self.repo {
            if let Err(error) = hub::check_repo(name) {
                problems.push(problem(&["repo"], &error.to_string(), repo));
            }
            if let Err(error) = hub::check_revision(&self.revision) {
                let help = "a branch, a tag, or the 40 digits of a commit";
                problems.push(problem(&["revision"], &error.to_string(), help));
            }
        }
        problems
    }

    fn hub_commit(&self) -> Option<HubCommit> {
        let revision = self.revision.clone();
        self.repo.clone().map(|repo| HubCommit { repo, revision })
    }

    /// `None` for one in which something is wrong.
    fn source(&self) -> Option<Source> {
        let folder = self.path.clone().map(Source::Folder);
        self.hub_commit().map(Source::Hub).or(folder)
    }
}

impl FetchModel {
    /// The source that is liked best.
    fn first(&self) -> ModelSource {
        let Self { repo, revision, path, fallback: _ } = self.clone();
        ModelSource { repo, revision, path }
    }

    /// The folder to take the model from, where it is known to be one.
    fn folder(&self) -> Option<&Path> {
        self.path.as_deref().filter(|_| self.fallback.is_empty())
    }
}

fn main_branch() -> String {
    "main".to_owned()
}

crate::inputs! {
    pub struct NoInputs {}
}

impl Stage for FetchModel {
    const KIND: &'static str = "fetch_model";
    const USAGE: Usage = Usage {
        when: "Nearly always: a pretrained encoder, from the hub or from a folder, needs far fewer labelled texts than random weights.",
        snippet: r#"[stage.fetch_model]
repo     = "answerdotai/ModernBERT-base"
revision = "main"                  # the first run pins its commit"#,
    };
    const CODE: &'static [CodeVersion] = &[];
    type Inputs = NoInputs;
    type Output = Backbone;

    fn check(&self) -> Vec<ParameterProblem> {
        let first = self.first();
        let mut problems = first.problems();
        let mut seen = vec![&first];
        for (number, source) in self.fallback.iter().enumerate() {
            let mut wrong = source.problems();
            if seen.contains(&source) {
                let message = "the source stands before it already";
                wrong.push(ParameterProblem::new([], message).help("remove one of them"));
            }
            problems.extend(wrong.into_iter().map(|problem| ParameterProblem {
                place: vec!["fallback"],
                message: format!("`fallback[{number}]`: {}", problem.message),
                help: problem.help,
            }));
            seen.push(source);
        }
        problems
    }

    fn sources(&self) -> Vec<SourceFile> {
        let file = |folder: &Path, name: &str| SourceFile {
            parameter: "path",
            name: format!("path/{name}"),
            path: folder.join(name),
            inspection: (name == Backbone::CONFIG).then_some(INSPECTION),
        };
        let files = |folder: &Path| published::sources(folder).into_iter();
        let files = self
            .folder()
            .into_iter()
            .flat_map(|folder| files(folder).map(move |name| (folder, name)));
        files.map(|(folder, name)| file(folder, &name)).collect()
    }

    fn facts(&self, _inputs: InputFacts<'_>) -> Facts {
        let repo = self.repo.as_deref().filter(|_| self.fallback.is_empty());
        let published = repo.and_then(EncoderSpec::published);
        published.as_ref().map(known::of_encoder).unwrap_or_default()
    }

    fn facts_of_content(&self, content: &dyn Any) -> Facts {
        let Some(encoder) = content.downcast_ref::<EncoderSpec>() else { return Facts::new() };
        let mut facts = facts::of_model(encoder.max_position_embeddings);
        facts.extend(known::of_encoder(encoder));
        facts
    }

    fn survey(
        &self,
        _inputs: SurveyInputs<'_>,
        entry: Option<&Path>,
    ) -> Result<Survey, StageError> {
        let Some(folder) = self.folder().or(entry) else {
            let text = "the model is not here before it was downloaded: nothing is said of tokens";
            let remarks = vec![Remark::Note(text.to_owned())];
            return Ok(Survey { remarks, ..Survey::default() });
        };
        let tokenizer = published::tokenizer(folder)?;
        let remarks = match Weights::of(folder)? {
            Weights::Whole => left_out(&checked(folder)?)?.map(Remark::Warning),
            Weights::Shards { .. } | Weights::Pickles { .. } => {
                let text = "the weights are looked at by a run, which brings them into one file";
                Some(Remark::Note(text.to_owned()))
            }
        };
        let remarks = remarks.into_iter().collect();
        Ok(Survey { remarks, finding: Some(Arc::new(tokenizer)), ..Survey::default() })
    }

    fn hub_commit(&self) -> Option<HubCommit> {
        self.first().hub_commit().filter(|_| self.fallback.is_empty())
    }

    fn alternatives(&self) -> Vec<(Source, Self)> {
        if self.fallback.is_empty() {
            return Vec::new();
        }
        let all = iter::once(self.first()).chain(self.fallback.iter().cloned());
        all.filter_map(|one| {
            let source = one.source()?;
            let ModelSource { repo, revision, path } = one;
            Some((source, Self { repo, revision, path, fallback: Vec::new() }))
        })
        .collect()
    }

    fn run(&self, _inputs: NoInputs, context: &Context<'_>) -> Result<Backbone, StageError> {
        if !self.fallback.is_empty() {
            return Err(StageError::new("the source was not chosen")
                .with_help("run the experiment, which chooses it: `pipeline run FILE`"));
        }
        let folder = match (&self.path, &self.repo) {
            (Some(folder), _) => folder.clone(),
            (None, Some(repo)) => download(repo, context)?,
            (None, None) => return Err(StageError::new("one of `repo` and `path` is needed")),
        };
        let tokenizer = folder.join(Backbone::TOKENIZER);
        if !files::present(&tokenizer)? {
            let message = format!("`{}` is missing", tokenizer.display());
            return Err(StageError::new(message).with_help(tokenizer_remedy(&folder.display())));
        }
        let weights = Weights::of(&folder)?;
        // What can be looked at where it lies is named by its place there.
        let whole = if weights == Weights::Whole { Some(checked(&folder)?) } else { None };
        for name in [Backbone::CONFIG, Backbone::TOKENIZER] {
            let from =
                if whole.is_some() { folder.join(name) } else { files::require(&folder, name)? };
            files::copy(&from, &context.output.join(name))?;
        }
        if let Some(tokenizer) = published::tokenizer_of(&folder)? {
            files::write(&context.output.join(Backbone::TOKENIZER), &tokenizer)?;
            context.note(
                "`tokenizer_config.json` differs from `tokenizer.json`, and decides".to_owned(),
            );
        }
        context.check_cancelled()?;
        weights.write(&folder, &context.output.join(Backbone::WEIGHTS))?;
        context.check_cancelled()?;
        let model = match whole {
            Some(model) => model,
            None => checked(context.output)?,
        };
        if let Some(warning) = left_out(&model)? {
            context.warn(warning);
        }
        Backbone::open(context.output)
    }
}

/// A model that was trained for a task loses what it learned for it, and that must not happen without a word. The heads of pretraining are no
/// loss: every encoder on the hub has them.
fn left_out(model: &Backbone) -> Result<Option<String>, StageError> {
    const NAMED: usize = 6;
    let heads = JointModel::heads_in(&model.weights, &model.encoder)
        .map_err(|error| StageError::of(&error))?;
    if heads.iter().all(|name| model.encoder.names.is_of_pretraining(name)) {
        return Ok(None);
    }
    let mut names: Vec<String> =
        heads.iter().take(NAMED).map(|name| format!("`{}`", visible::line(name))).collect();
    if heads.len() > NAMED {
        names.push(format!("{} more", heads.len() - NAMED));
    }
    Ok(Some(format!(
        "this model was trained for a task: only its encoder is used, and its heads are left out: {}",
        names.join(", ")
    )))
}

/// A model whose weights and tokens have what its configuration says.
fn checked(folder: &Path) -> Result<Backbone, StageError> {
    let model = Backbone::open(folder)?;
    JointModel::check(&model.weights, &model.encoder).map_err(|error| StageError::of(&error))?;
    check_vocabulary(&model)?;
    Ok(model)
}

/// A `config.json` is small by nature.
const INSPECTION: Inspection = Inspection { largest: 1 << 20, read: read_config };

fn read_config(text: &str) -> Result<Content, Vec<SourceProblem>> {
    let read = EncoderSpec::from_json(text);
    let help = read.as_ref().err().and_then(Help::help).unwrap_or_default().into_owned();
    match read {
        Ok(encoder) => Ok(Arc::new(encoder)),
        Err(ConfigError::Unsupported(problems)) => Err(problems
            .into_iter()
            .map(|problem| {
                let range = place_of(text, problem.place);
                problem.at(range)
            })
            .collect()),
        Err(ConfigError::Json { message, line, column }) => {
            let before = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len);
            let at = before.sum::<usize>() + column.saturating_sub(1);
            let at = text.floor_char_boundary(at.min(text.len()));
            Err(vec![SourceProblem::new(at..at, message).help(help)])
        }
    }
}

/// Where the value of a key of a JSON object stands, in bytes; its beginning where the key is not there.
fn place_of(text: &str, key: &str) -> Range<usize> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).unwrap_or_default();
    members.get(key).map_or(0..0, |value| {
        let start = value.get().as_ptr() as usize - text.as_ptr() as usize;
        start..start + value.get().len()
    })
}

fn download(repo: &str, context: &Context<'_>) -> Result<PathBuf, StageError> {
    let commit = context
        .commit
        .ok_or_else(|| StageError::new("the commit of the hub revision was not resolved"))?;
    let commit = hub::Commit::parse(commit)
        .ok_or_else(|| StageError::new(format!("`{commit}` is no commit")))?;
    let mut options = Options::from_environment();
    options.offline |= context.offline;
    let client = Client::new(options).map_err(failed)?;
    let mut watch = Watch { context, begun: Instant::now(), shown: None };
    published::download(&client, repo, &commit, &mut watch).map_err(failed)
}

/// A token without a row in the embedding would end the first training that meets it.
fn check_vocabulary(model: &Backbone) -> Result<(), StageError> {
    let tokenizer = TextTokenizer::load(&model.tokenizer)
        .map_err(|error| StageError::new(error.to_string()))?;
    let (largest, token) = tokenizer.largest_id();
    let rows = model.encoder.vocab_size;
    if (largest as usize) < rows {
        return Ok(());
    }
    let token = token.map(|token| format!(" (`{}`)", visible::line(&token))).unwrap_or_default();
    Err(StageError::new(format!(
        "`{}` has tokens up to number {largest}{token}, but the embedding has only {rows} rows, for 0 to {}",
        model.tokenizer.display(),
        rows - 1
    ))
    .with_help("take the `tokenizer.json` that belongs to the model, or a model whose embedding was resized to it"))
}

/// Shows the progress of the file that is being downloaded.
struct Watch<'a> {
    context: &'a Context<'a>,
    begun: Instant,
    shown: Option<Instant>,
}

impl hub::Observer for Watch<'_> {
    fn progress(&mut self, _file: &str, done: u64, total: u64) {
        if self.shown.is_some_and(|shown| shown.elapsed() < Duration::from_millis(100)) {
            return;
        }
        let now = Instant::now();
        let speed = done as f64 / now.duration_since(self.begun).as_secs_f64().max(1e-3);
        self.shown = Some(now);
        self.context.progress(Progress {
            done,
            total,
            unit: "bytes",
            numbers: vec![("bytes_per_s".into(), speed)],
        });
    }

    fn cancelled(&self) -> bool {
        self.context.is_cancelled()
    }

    fn message(&mut self, text: String) {
        self.context.note(text);
    }

    fn waiting(&mut self, text: String) {
        self.context.note(text);
    }
}

fn failed(error: HubError) -> StageError {
    if matches!(error, HubError::Cancelled) {
        return StageError::Cancelled;
    }
    StageError::of(&error).hindered()
}
