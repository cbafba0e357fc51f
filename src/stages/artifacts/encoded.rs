//! Texts as labelled tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::about::keep_about;
use super::known::{self, Texts};
use super::{corpus, files};
use crate::engine::stage::{
    Artifact, CardPart, Caveat, Cell, Facts, Reduction, Shown, StageError, Table, Unread,
};
use crate::text::{
    CorpusTasks, EncodedSplit, Example, LabelSet, Split, SplitWriter, Statistics, Windowing,
};

/// The tokens of each split beside its texts, the labels, and the tokenizer that made them.
pub struct Encoded {
    folder: PathBuf,
    /// What its texts are labelled for.
    pub tasks: CorpusTasks,
    /// As [`Corpus::order`](crate::text::Corpus::order)
    pub order: Option<String>,
    pub labels: LabelSet,
    /// How much of a text is read at once.
    pub windowing: Windowing,
    pub statistics: BTreeMap<Split, Statistics>,
    /// Those of the corpus, and what became of its entities.
    pub caveats: Vec<Caveat>,
    /// As the corpus has it.
    pub grouped_by: BTreeMap<Split, String>,
}

/// `encoding.json`.
#[derive(Serialize, Deserialize)]
struct Encoding {
    max_length: usize,
    /// Left out where texts are cut.
    #[serde(default, skip_serializing_if = "is_zero")]
    overlap: usize,
    /// Left out where they are those of a corpus that says nothing of them.
    #[serde(default, skip_serializing_if = "is_usual")]
    tasks: CorpusTasks,
    labels: Vec<String>,
    statistics: BTreeMap<Split, Statistics>,
    caveats: Vec<Caveat>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    grouped_by: BTreeMap<Split, String>,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

fn is_usual(tasks: &CorpusTasks) -> bool {
    *tasks == CorpusTasks::default()
}

/// Writes an [`Encoded`] split by split, each of them part by part.
pub struct EncodedWriter {
    folder: PathBuf,
    encoding: Encoding,
}

impl EncodedWriter {
    /// # Errors
    /// When the tokenizer cannot be copied.
    pub fn new(
        folder: &Path,
        tokenizer: &Path,
        tasks: &CorpusTasks,
        labels: &LabelSet,
        windowing: Windowing,
    ) -> Result<Self, StageError> {
        files::copy(tokenizer, &folder.join(Encoded::TOKENIZER))?;
        let encoding = Encoding {
            max_length: windowing.max_length,
            overlap: windowing.overlap,
            tasks: tasks.clone(),
            labels: labels.names().to_vec(),
            statistics: BTreeMap::new(),
            caveats: Vec::new(),
            grouped_by: BTreeMap::new(),
        };
        Ok(Self { folder: folder.to_owned(), encoding })
    }

    /// Says which splits have whole values of which field.
    pub fn group_by(&mut self, grouped_by: BTreeMap<Split, String>) {
        self.encoding.grouped_by = grouped_by;
    }

    /// Says by which field the texts were split in an order.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn ordered_by(&self, order: Option<&str>) -> Result<(), StageError> {
        corpus::write_order(&self.folder, order)
    }

    /// Begins the tokens of a split.
    #[must_use]
    pub fn tokens(&self, split: Split) -> SplitWriter {
        SplitWriter::new(self.folder.join(tokens_file(split)))
    }

    /// Adds a split.
    ///
    /// * `tokens`: all of it, from [`tokens`](Self::tokens)
    /// * `texts`: the file of the corpus that they came from
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn split(
        &mut self,
        split: Split,
        tokens: SplitWriter,
        statistics: Statistics,
        texts: &Path,
    ) -> Result<(), StageError> {
        let path = self.folder.join(tokens_file(split));
        tokens.finish().map_err(|error| StageError::writing(&path, &error))?;
        files::copy(texts, &self.folder.join(texts_file(split)))?;
        self.encoding.statistics.insert(split, statistics);
        Ok(())
    }

    /// # Errors
    /// When the disk refuses.
    pub fn finish(mut self, caveats: Vec<Caveat>) -> Result<Encoded, StageError> {
        self.encoding.caveats = caveats;
        files::write_json(&self.folder.join(Encoded::ENCODING), &self.encoding)?;
        Encoded::open(&self.folder)
    }
}

impl Encoded {
    const ENCODING: &'static str = "encoding.json";
    const TOKENIZER: &'static str = "tokenizer.json";

    /// What whoever reads some splits alone does not read: the others, what was counted of any, and all but [`caveats_about`](super::caveats_about)
    /// these.
    #[must_use]
    pub fn unread_but(splits: Vec<Split>) -> Unread {
        let others = Split::ALL.into_iter().filter(|split| !splits.contains(split));
        let files = others.flat_map(|split| [tokens_file(split), texts_file(split)]).collect();
        let reduce: Reduction = Box::new(move |encoding| {
            let Some(encoding) = encoding.as_object_mut() else { return };
            encoding.remove("statistics");
            let caveats = encoding.get_mut("caveats");
            caveats.into_iter().for_each(|caveats| keep_about(&splits, caveats));
        });
        Unread { files, parts: vec![(Self::ENCODING, reduce)] }
    }

    #[must_use]
    pub fn tokenizer(&self) -> PathBuf {
        self.folder.join(Self::TOKENIZER)
    }

    /// # Errors
    /// When the file cannot be read or is not what was written.
    pub fn tokens(&self, split: Split) -> Result<EncodedSplit, StageError> {
        EncodedSplit::load(&self.folder.join(tokens_file(split)))
            .map_err(|error| StageError::new(error.to_string()))
    }

    /// The texts that the tokens came from, in the same order.
    ///
    /// # Errors
    /// When the file cannot be read or is not what was written.
    pub fn examples(&self, split: Split) -> Result<Vec<Example>, StageError> {
        corpus::read_examples(&self.folder.join(texts_file(split)), &self.tasks)
    }

    /// The fields that texts of a split have: all of them, unless those that are sought are among the first.
    ///
    /// # Errors
    /// As [`examples`](Self::examples).
    pub fn fields(&self, split: Split, sought: &[String]) -> Result<BTreeSet<String>, StageError> {
        corpus::read_fields(&self.folder.join(texts_file(split)), &self.tasks, sought)
    }

    /// Hands out its texts one by one.
    ///
    /// # Errors
    /// As [`examples`](Self::examples).
    pub fn each_example(
        &self,
        split: Split,
        each: &mut dyn FnMut(Example),
    ) -> Result<(), StageError> {
        corpus::read_each_example(&self.folder.join(texts_file(split)), &self.tasks, each)
    }
}

/// What the card of a model says of the data: their sizes, split by split.
fn card_part(folder: &Path) -> Result<CardPart, StageError> {
    let encoded = Encoded::open(folder)?;
    let columns = ["split", "texts", "tokens", "entities"].map(str::to_owned);
    let row = |(split, of): (&Split, &Statistics)| {
        let counts = [of.sequences, of.tokens, of.entities].map(|count| Cell::Count(count as u64));
        [vec![Cell::Text(split.to_string())], counts.to_vec()].concat()
    };
    let is_there = |(_, of): &(&Split, &Statistics)| of.sequences > 0;
    let rows = encoded.statistics.iter().filter(is_there).map(row).collect();
    let table = Table { title: "Data".to_owned(), columns: columns.to_vec(), rows };
    Ok(CardPart { fields: Vec::new(), table })
}

impl Artifact for Encoded {
    const TYPE: &'static str = "encoded";
    const FORMAT: u32 = 2;
    const CARD_PARTS: Shown<CardPart> =
        Shown { files: &[Self::ENCODING], read: |folder| card_part(folder).map(|part| vec![part]) };

    fn facts(folder: &Path) -> Facts {
        let Ok(encoded) = Self::open(folder) else { return Facts::new() };
        let of = |split| encoded.statistics.get(&split);
        let count = |split| of(split).map_or(0, Statistics::read_at_once);
        let mut facts = known::of_tasks(&encoded.tasks);
        facts.extend(known::of_texts(Texts {
            train: count(Split::Train),
            validation: count(Split::Validation),
            tokens_per_text: of(Split::Train).map(Statistics::length_read),
        }));
        facts
    }

    fn open(folder: &Path) -> Result<Self, StageError> {
        files::require(folder, Self::TOKENIZER)?;
        for split in Split::ALL {
            files::require(folder, &tokens_file(split))?;
            files::require(folder, &texts_file(split))?;
        }
        let path = files::require(folder, Self::ENCODING)?;
        let Encoding { max_length, overlap, tasks, labels, statistics, caveats, grouped_by } =
            files::read_json(&path)?;
        let labels = LabelSet::from_names(&labels)
            .map_err(|error| StageError::new(format!("`{}`: {error}", path.display())))?;
        let (order, folder) = (corpus::read_order(folder)?, folder.to_owned());
        let windowing = Windowing { max_length, overlap };
        Ok(Self { folder, tasks, order, labels, windowing, statistics, caveats, grouped_by })
    }
}

fn tokens_file(split: Split) -> String {
    format!("{split}.safetensors")
}

fn texts_file(split: Split) -> String {
    format!("{split}.jsonl")
}
