//! Labelled texts in splits.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::about::keep_about;
use super::{files, known};
use crate::engine::stage::{Artifact, Caveat, Facts, Reduction, StageError, Unread};
use crate::text::readers::Classes;
use crate::text::{Corpus, CorpusTasks, Example, FileNames, Split, stored};

/// One file of JSON lines for each split, what the texts are labelled for, and what a reader of scores on them should know.
///
/// Where each text came from lies beside them and is no part of the content: a blank line more in a file changes no text.
pub struct CorpusFiles {
    folder: PathBuf,
    pub tasks: CorpusTasks,
    /// As [`Corpus::order`]
    pub order: Option<String>,
    /// Such as that two splits share texts.
    pub caveats: Vec<Caveat>,
    /// The field whose values are in a split as a whole or not at all, where it was divided so.
    pub grouped_by: BTreeMap<Split, String>,
}

impl CorpusFiles {
    const CAVEATS: &'static str = "caveats.json";
    /// Not there where no split was divided by a field.
    const GROUPED_BY: &'static str = "grouped_by.json";
    /// The line of each text in its file, split by split in the order of [`Split::ALL`].
    const LINES: &'static str = "lines.json";
    /// What the files are called, and which of them each text is from where there are several, split by split.
    const FILES: &'static str = "files.json";

    /// What `read_corpus` left out, where it left out something.
    pub const SKIPPED: &'static str = "skipped.jsonl";

    /// The fields that are classes as `folder` says it, where somebody has left that there.
    ///
    /// # Errors
    /// When it is not what a corpus says.
    pub fn classes(folder: &Path) -> Result<Option<Classes>, StageError> {
        let tasks = read_tasks(folder)?;
        if tasks == CorpusTasks::default() {
            return Ok(None);
        }
        let named = tasks.heads.into_iter().map(|head| (head.name, head.classes)).collect();
        Ok(Some(Classes::Named(named)))
    }

    /// The field by which texts were split in an order as `folder` says it, where somebody has left that there.
    ///
    /// # Errors
    /// When it is not what a corpus says.
    pub fn order_in(folder: &Path) -> Result<Option<String>, StageError> {
        read_order(folder)
    }

    /// Begins every split, the empty ones too.
    ///
    /// # Errors
    /// When the disk refuses, or these are no tasks.
    pub fn writer(folder: &Path, tasks: CorpusTasks) -> Result<CorpusWriter, StageError> {
        tasks.check().map_err(StageError::new)?;
        let create = |split| {
            let path = folder.join(file_name(split));
            match File::create(&path) {
                Ok(file) => Ok((path, BufWriter::new(file))),
                Err(error) => Err(StageError::io("create", &path, &error)),
            }
        };
        let [train, validation, test] = Split::ALL.map(create);
        let files = [train?, validation?, test?];
        let (lines, grouped_by, names, sources) = Default::default();
        let (folder, order) = (folder.to_owned(), None);
        Ok(CorpusWriter { folder, tasks, order, files, lines, grouped_by, names, sources })
    }

    /// What the files are called that the texts are from.
    #[must_use]
    pub fn file_names(&self) -> FileNames {
        self.sources().names
    }

    /// Not there in a corpus of an older format, or that no files are behind.
    fn sources(&self) -> Sources {
        files::read_json(&self.folder.join(Self::FILES)).unwrap_or_default()
    }

    /// The labels of all entities.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn entity_labels(&self) -> Result<BTreeSet<String>, StageError> {
        let mut labels = BTreeSet::new();
        for split in Split::ALL {
            let path = self.texts(split);
            let found = stored::entity_labels(&path);
            labels.append(&mut found.map_err(|error| StageError::reading(&path, &error))?);
        }
        Ok(labels)
    }

    /// The file with the texts of a split.
    #[must_use]
    pub fn texts(&self, split: Split) -> PathBuf {
        self.folder.join(file_name(split))
    }

    /// What whoever reads some splits alone does not read: the others, and all but [`caveats_about`](super::caveats_about) these.
    #[must_use]
    pub fn unread_but(splits: Vec<Split>) -> Unread {
        let others = Split::ALL.into_iter().filter(|split| !splits.contains(split));
        let files = others.map(file_name).collect();
        let reduce: Reduction = Box::new(move |caveats| keep_about(&splits, caveats));
        Unread { files, parts: vec![(Self::CAVEATS, reduce)] }
    }

    /// Hands out every text, so that few are in memory at a time.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn for_each(&self, mut each: impl FnMut(Split, Example)) -> Result<(), StageError> {
        self.for_some(|split, examples| {
            examples.into_iter().for_each(|example| each(split, example));
            Ok(())
        })
    }

    /// Hands out some thousands of texts of a split at a time.
    ///
    /// # Errors
    /// As [`read`](Self::read), and those of `each`.
    pub fn for_some(
        &self,
        each: impl FnMut(Split, Vec<Example>) -> Result<(), StageError>,
    ) -> Result<(), StageError> {
        self.for_some_of(&Split::ALL, each)
    }

    /// The same of some splits.
    ///
    /// # Errors
    /// As [`for_some`](Self::for_some).
    pub fn for_some_of(
        &self,
        splits: &[Split],
        mut each: impl FnMut(Split, Vec<Example>) -> Result<(), StageError>,
    ) -> Result<(), StageError> {
        // Not there in a corpus of an older format, which is read to say how it differs.
        let lines: [Vec<usize>; 3] =
            files::read_json(&self.folder.join(Self::LINES)).unwrap_or_default();
        let all = Split::ALL.into_iter().zip(lines).zip(self.sources().of);
        for ((split, lines), sources) in all.filter(|((split, _), _)| splits.contains(split)) {
            let path = self.texts(split);
            let failed = |error| StageError::reading(&path, &error);
            let (mut lines, mut sources) = (lines.into_iter(), sources.into_iter());
            for examples in stored::chunks(&path, &self.tasks).map_err(failed)? {
                let mut examples = examples.map_err(failed)?;
                for example in &mut examples {
                    example.line = lines.next().unwrap_or(example.line);
                    example.file = sources.next().unwrap_or_default();
                }
                each(split, examples)?;
            }
        }
        Ok(())
    }

    /// # Errors
    /// When a file cannot be read or is not what was written.
    pub fn read(&self) -> Result<Corpus, StageError> {
        self.read_splits(&Split::ALL)
    }

    /// Some of its splits: the others are empty.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_splits(&self, splits: &[Split]) -> Result<Corpus, StageError> {
        let (tasks, order) = (self.tasks.clone(), self.order.clone());
        let mut corpus = Corpus { tasks, order, ..Corpus::default() };
        self.for_some_of(splits, |split, examples| {
            corpus.get_mut(split).extend(examples);
            Ok(())
        })?;
        Ok(corpus)
    }
}

/// `files.json`.
#[derive(Default, Serialize, Deserialize)]
struct Sources {
    names: FileNames,
    /// In the order of [`Split::ALL`]; empty where there is one file.
    of: [Vec<u16>; 3],
}

/// Writes a [`CorpusFiles`] text by text.
pub struct CorpusWriter {
    folder: PathBuf,
    tasks: CorpusTasks,
    order: Option<String>,
    /// In the order of [`Split::ALL`].
    files: [(PathBuf, BufWriter<File>); 3],
    lines: [Vec<usize>; 3],
    grouped_by: BTreeMap<Split, String>,
    names: FileNames,
    sources: [Vec<u16>; 3],
}

impl CorpusWriter {
    /// Says what the files are called.
    #[must_use]
    pub fn from_files(self, names: FileNames) -> Self {
        Self { names, ..self }
    }

    /// Says which splits have whole values of which field.
    #[must_use]
    pub fn grouped_by(self, grouped_by: BTreeMap<Split, String>) -> Self {
        Self { grouped_by, ..self }
    }

    /// Says by which field the texts were split in an order.
    #[must_use]
    pub fn ordered_by(self, order: Option<String>) -> Self {
        Self { order, ..self }
    }

    /// # Errors
    /// When the disk refuses.
    pub fn push(&mut self, split: Split, example: &Example) -> Result<(), StageError> {
        let line = self.line(split, example)?;
        self.push_line(split, example, &line)
    }

    /// The line of a text.
    ///
    /// # Errors
    /// When it has a class that there is not.
    pub fn line(&self, split: Split, example: &Example) -> Result<Vec<u8>, StageError> {
        let mut line = Vec::with_capacity(2 * example.text.len());
        stored::write(std::slice::from_ref(example), &self.tasks, &mut line)
            .map_err(|error| StageError::io("write", &self.files[split as usize].0, &error))?;
        Ok(line)
    }

    /// Adds a text whose [`line`](Self::line) is known.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn push_line(
        &mut self,
        split: Split,
        example: &Example,
        line: &[u8],
    ) -> Result<(), StageError> {
        self.lines[split as usize].push(example.line);
        if self.names.len() > 1 {
            self.sources[split as usize].push(example.file);
        }
        let (path, file) = &mut self.files[split as usize];
        file.write_all(line).map_err(|error| StageError::io("write", path, &error))
    }

    /// # Errors
    /// When the disk refuses.
    pub fn finish(self, caveats: &[Caveat]) -> Result<CorpusFiles, StageError> {
        for (path, mut file) in self.files {
            file.flush().map_err(|error| StageError::io("write", &path, &error))?;
        }
        write_tasks(&self.folder, &self.tasks)?;
        write_order(&self.folder, self.order.as_deref())?;
        files::write_json(&self.folder.join(CorpusFiles::LINES), &self.lines)?;
        if !self.names.is_empty() {
            let sources = Sources { names: self.names, of: self.sources };
            files::write_json(&self.folder.join(CorpusFiles::FILES), &sources)?;
        }
        files::write_json(&self.folder.join(CorpusFiles::CAVEATS), &caveats)?;
        if !self.grouped_by.is_empty() {
            files::write_json(&self.folder.join(CorpusFiles::GROUPED_BY), &self.grouped_by)?;
        }
        CorpusFiles::open(&self.folder)
    }
}

impl Artifact for CorpusFiles {
    const TYPE: &'static str = "corpus";
    const FORMAT: u32 = 3;
    const VOLATILE: &'static [&'static str] = &[Self::LINES, Self::FILES, Self::SKIPPED];

    fn facts(folder: &Path) -> Facts {
        read_tasks(folder).map_or_else(|_| Facts::new(), |tasks| known::of_tasks(&tasks))
    }

    fn open(folder: &Path) -> Result<Self, StageError> {
        Split::ALL
            .iter()
            .try_for_each(|split| files::require(folder, &file_name(*split)).map(drop))?;
        let caveats = files::read_json(&files::require(folder, Self::CAVEATS)?)?;
        let path = folder.join(Self::GROUPED_BY);
        let grouped_by =
            if files::present(&path)? { files::read_json(&path)? } else { BTreeMap::new() };
        let (tasks, order) = (read_tasks(folder)?, read_order(folder)?);
        Ok(Self { folder: folder.to_owned(), tasks, order, caveats, grouped_by })
    }
}

/// Not there where they are those of a corpus that says nothing of them.
const TASKS: &str = "tasks.json";

pub(super) fn write_tasks(folder: &Path, tasks: &CorpusTasks) -> Result<(), StageError> {
    if *tasks == CorpusTasks::default() {
        return Ok(());
    }
    files::write_json(&folder.join(TASKS), tasks)
}

pub(super) fn read_tasks(folder: &Path) -> Result<CorpusTasks, StageError> {
    let path = folder.join(TASKS);
    if files::present(&path)? { files::read_json(&path) } else { Ok(CorpusTasks::default()) }
}

/// Not there where the texts were split in no order.
const ORDER: &str = "order.json";

pub(super) fn write_order(folder: &Path, order: Option<&str>) -> Result<(), StageError> {
    order.map_or(Ok(()), |field| files::write_json(&folder.join(ORDER), &field))
}

pub(super) fn read_order(folder: &Path) -> Result<Option<String>, StageError> {
    let path = folder.join(ORDER);
    files::present(&path)?.then(|| files::read_json(&path)).transpose()
}

fn file_name(split: Split) -> String {
    format!("{split}.jsonl")
}

pub(super) fn read_examples(path: &Path, tasks: &CorpusTasks) -> Result<Vec<Example>, StageError> {
    let mut examples = Vec::new();
    read_each_example(path, tasks, &mut |example| examples.push(example))?;
    Ok(examples)
}

/// The fields of texts, up to where all that are sought have come.
pub(super) fn read_fields(
    path: &Path,
    tasks: &CorpusTasks,
    sought: &[String],
) -> Result<BTreeSet<String>, StageError> {
    let failed = |error| StageError::reading(path, &error);
    let mut fields = BTreeSet::new();
    for chunk in stored::chunks(path, tasks).map_err(failed)? {
        fields.extend(chunk.map_err(failed)?.into_iter().flat_map(|it| it.fields.into_keys()));
        if sought.iter().all(|name| fields.contains(name)) {
            break;
        }
    }
    Ok(fields)
}

pub(super) fn read_each_example(
    path: &Path,
    tasks: &CorpusTasks,
    each: &mut dyn FnMut(Example),
) -> Result<(), StageError> {
    stored::read(path, tasks, each).map_err(|error| StageError::reading(path, &error))
}
