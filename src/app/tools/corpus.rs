//! What is in a corpus, as a person and as JSON.

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::base::visible;
use crate::stages::artifacts::{Artifact as _, Backbone, CorpusFiles, StageError};
use crate::text::masked::mask;
use crate::text::{
    ClassHead, Corpus, Description, Example, Fit, LabelSet, Lengths, Split, TextTokenizer,
    TokenizerError,
};
use crate::view::{Mark, format, marked};

/// Beyond this a text is not tokenized to the end: lengths are to be known, not what a model could read.
const LONGEST: usize = 1 << 20;

/// How many characters of an example are shown.
const SHOWN: usize = 400;

/// How a stage makes tokens of a corpus.
pub struct Tokenizing {
    pub stage: Arc<str>,
    pub max_length: u64,
    /// Whether longer texts are read in windows of that length, and not cut.
    pub in_windows: bool,
    /// The folder of the backbone whose tokenizer it is.
    pub backbone: PathBuf,
}

/// Lengths in tokens.
struct Tokens {
    /// The stage that makes them.
    stage: Arc<str>,
    max_length: u64,
    in_windows: bool,
    /// By split.
    lengths: [Lengths; 3],
    /// Entities that begin or end inside of a token, by split.
    inside: [usize; 3],
}

impl Tokens {
    fn of(corpus: &Corpus, how: Tokenizing) -> Result<Self, StageError> {
        let failed = |error: TokenizerError| StageError::new(error.to_string());
        let tokenizer =
            TextTokenizer::load(&how.backbone.join(Backbone::TOKENIZER)).map_err(failed)?;
        let labels = LabelSet::of(corpus.entity_labels());
        let (mut lengths, mut inside): ([Lengths; 3], [usize; 3]) = Default::default();
        for split in Split::ALL {
            let (tokens, _) = tokenizer
                .encode_split(corpus.get(split), &labels, &corpus.tasks.heads, LONGEST)
                .map_err(failed)?;
            (0..tokens.len()).for_each(|row| lengths[split as usize].add(tokens.range(row).len()));
            inside[split as usize] = tokens.truth.count(Fit::InsideTokens);
        }
        let Tokenizing { stage, max_length, in_windows, .. } = how;
        Ok(Self { stage, max_length, in_windows, lengths, inside })
    }
}

/// What is in a corpus.
pub struct Look {
    corpus: Arc<Corpus>,
    /// By split.
    splits: [Description; 3],
    tokens: Option<Tokens>,
}

impl Look {
    /// Looks at a corpus that was read already; `None` where `corpus` is something else.
    ///
    /// # Errors
    /// As [`stored`](Self::stored).
    pub fn found(
        corpus: Arc<dyn Any + Send + Sync>,
        how: Option<Tokenizing>,
    ) -> Result<Option<Self>, StageError> {
        corpus.downcast().ok().map(|corpus| Self::at(corpus, how)).transpose()
    }

    /// Looks at a corpus in its folder, and returns what the folder says of it beside.
    ///
    /// # Errors
    /// When the folder, or the tokenizer, cannot be read.
    pub fn stored(
        folder: &Path,
        how: Option<Tokenizing>,
    ) -> Result<(Self, Vec<String>), StageError> {
        let files = CorpusFiles::open(folder)?;
        let look = Self::at(Arc::new(files.read()?), how)?;
        Ok((look, files.caveats.into_iter().map(|caveat| caveat.message).collect()))
    }

    fn at(corpus: Arc<Corpus>, how: Option<Tokenizing>) -> Result<Self, StageError> {
        let tokens = how.map(|how| Tokens::of(&corpus, how)).transpose()?;
        let mut splits: [Description; 3] = Default::default();
        for split in Split::ALL {
            corpus.get(split).iter().for_each(|example| splits[split as usize].add(example));
        }
        Ok(Self { corpus, splits, tokens })
    }

    /// * `messages`: what else there is to say
    #[must_use]
    pub fn to_json(&self, stage: &str, messages: &[String]) -> Value {
        let split = |split: Split| {
            let mut value = json!(self.splits[split as usize]);
            if let Some(tokens) = &self.tokens {
                let lengths = &tokens.lengths[split as usize];
                value["tokens"] = json!(lengths);
                value["entities_inside_tokens"] = tokens.inside[split as usize].into();
                let max_length = usize::try_from(tokens.max_length).unwrap_or(usize::MAX);
                value["longer_than_max_length"] = lengths.beyond(max_length).into();
            }
            (split.name().to_owned(), value)
        };
        let splits: serde_json::Map<_, _> = Split::ALL.map(split).into_iter().collect();
        json!({ "stage": stage, "splits": splits, "messages": messages })
    }

    /// For a terminal: what is foreign in it is written out, colours are ours.
    ///
    /// * `messages`: what else there is to say
    /// * `count`: how many texts are shown
    #[must_use]
    pub fn to_text(&self, stage: &str, messages: &[String], count: usize, color: bool) -> String {
        let numbers = self.numbers(stage, messages);
        visible::text(&numbers).into_owned() + &examples(&self.corpus, count, color)
    }

    fn numbers(&self, stage: &str, messages: &[String]) -> String {
        let mut table = Table::default();
        table.row(stage, Split::ALL.map(|split| split.name().to_owned()));
        table.numbers("texts", self.each(|split| split.texts));
        let untold = self.each(|split| split.texts - split.with_entities);
        if untold != [0; 3] {
            table.numbers("  without labels of entities", untold);
        }
        table.lengths("words", self.splits.each_ref().map(|split| &split.words));
        if let Some(tokens) = &self.tokens {
            table.lengths("tokens", tokens.lengths.each_ref());
            let max_length = usize::try_from(tokens.max_length).unwrap_or(usize::MAX);
            let cut = tokens.lengths.each_ref().map(|lengths| lengths.beyond(max_length));
            let read = if tokens.in_windows { ", read in windows" } else { "" };
            let name = format!("  longer than {max_length} (`{}`){read}", tokens.stage);
            table.numbers(&name, cut);
        }
        table.numbers("equal to one before", self.each(|split| split.repeats.equal));
        table.numbers("  with numbers masked", self.each(|split| split.repeats.masked));
        let contradicting = self.each(|split| split.repeats.contradicting);
        if contradicting != [0; 3] {
            table.numbers("  and labelled otherwise", contradicting);
        }
        self.classes(&mut table, &self.corpus.tasks.heads);
        self.labels(&mut table);
        let inside_words = self.each(|split| split.inside_words);
        if inside_words != [0; 3] {
            table.numbers("  that are not whole words", inside_words);
        }
        if let Some(tokens) = self.tokens.as_ref().filter(|it| it.inside != [0; 3]) {
            table.numbers("  that are not whole tokens", tokens.inside);
        }
        let mut text = table.render();
        text += &self.fields();
        if !messages.is_empty() {
            text += "\n";
        }
        for message in messages {
            writeln!(text, "warning: {}", format::fold(message, 9, 100)).expect("a string");
        }
        text
    }

    fn each<T>(&self, value: impl Fn(&Description) -> T) -> [T; 3] {
        self.splits.each_ref().map(value)
    }

    fn classes(&self, table: &mut Table, heads: &[ClassHead]) {
        for ClassHead { name, classes } in heads {
            table.row(&format!("classes of `{name}`"), Default::default());
            let count = |split: &Description, class: &str| {
                split.classes.get(name).and_then(|it| it.get(class)).copied().unwrap_or(0)
            };
            for class in classes {
                table.numbers(&format!("  {class}"), self.each(|split| count(split, class)));
            }
            let told = |split: &Description| {
                split.classes.get(name).map_or(0, |classes| classes.values().sum())
            };
            let untold = self.each(|split| split.texts - told(split));
            if untold != [0; 3] {
                table.numbers("  not labelled", untold);
            }
        }
    }

    fn labels(&self, table: &mut Table) {
        let labels = unique(self.splits.iter().flat_map(|split| split.labels.keys()));
        if labels.is_empty() {
            return;
        }
        table.row("entities", Default::default());
        for label in labels {
            let uses = self.each(|split| split.labels.get(label).cloned().unwrap_or_default());
            let shown = uses.iter().flat_map(|it| &it.examples).take(2);
            let shown: Vec<String> = shown.map(|it| format!("`{}`", short(it, 24))).collect();
            table.noted(
                &format!("  {label}"),
                uses.each_ref().map(|it| format::grouped(it.entities as u64)),
                shown.join(", "),
            );
        }
    }

    fn fields(&self) -> String {
        let names = unique(self.splits.iter().flat_map(|split| split.fields.keys()));
        if names.is_empty() {
            return String::new();
        }
        let mut text = "\nfields\n".to_owned();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        for name in names {
            let fields: Vec<_> = self.splits.iter().filter_map(|it| it.fields.get(name)).collect();
            let values: BTreeSet<&str> = fields.iter().flat_map(|field| field.values()).collect();
            let example = fields.first().map_or("", |field| &field.example);
            let count = format::counted(values.len(), "value");
            writeln!(text, "  {name:width$}  {count}, such as `{}`", short(example, 40))
                .expect("a string");
        }
        text
    }
}

/// Names that stand once or more, in order.
fn unique<'a>(names: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    names.map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect()
}

fn short(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    text.chars().take(longest - 3).chain("...".chars()).collect()
}

/// Rows with a number for each split, and maybe a note.
#[derive(Default)]
struct Table {
    rows: Vec<(String, [String; 3], String)>,
}

impl Table {
    fn row(&mut self, name: &str, cells: [String; 3]) {
        self.noted(name, cells, String::new());
    }

    fn noted(&mut self, name: &str, cells: [String; 3], note: String) {
        self.rows.push((name.to_owned(), cells, note));
    }

    fn numbers(&mut self, name: &str, counts: [usize; 3]) {
        self.row(name, counts.map(|count| format::grouped(count as u64)));
    }

    fn lengths(&mut self, unit: &str, lengths: [&Lengths; 3]) {
        for (name, share) in [("half up to", 0.5), ("95 % up to", 0.95), ("longest", 1.0)] {
            let cell = |lengths: &Lengths| {
                lengths.quantile(share).map_or_else(String::new, |it| format::grouped(it as u64))
            };
            self.row(&format!("{unit}: {name}"), lengths.map(cell));
        }
    }

    fn render(&self) -> String {
        let first = self.rows.iter().map(|(name, ..)| name.chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for (name, cells, note) in &self.rows {
            let [train, validation, test] = cells;
            let line = format!("{name:first$}  {train:>10}  {validation:>10}  {test:>10}  {note}");
            text += line.trim_end();
            text.push('\n');
        }
        text
    }
}

/// The first texts to train on, as far as a person reads them, with their entities marked.
fn examples(corpus: &Corpus, count: usize, color: bool) -> String {
    let labels: Vec<&str> = corpus.entity_labels().into_iter().collect();
    let number = |label: &str| labels.binary_search(&label).unwrap_or(0);
    let shown = |example: &Example| {
        let marks: Vec<Mark<'_>> = example
            .entities
            .iter()
            .flatten()
            .filter(|it| it.end <= SHOWN)
            .map(|it| Mark { start: it.start, end: it.end, label: &it.label })
            .collect();
        let classes: Vec<&str> = example.classes.values().map(String::as_str).collect();
        let classes = if classes.is_empty() {
            String::new()
        } else {
            format!("{}: ", visible::line(&classes.join(", ")))
        };
        format!("  {classes}{}\n", marked(&short(&example.text, SHOWN + 3), &marks, color, number))
    };
    // Lines of one template say no more than the first of them.
    let mut told = BTreeSet::new();
    let texts = corpus.train.iter().filter(|example| told.insert(mask(&example.text)));
    let texts: String = texts.take(count).map(shown).collect();
    if texts.is_empty() { texts } else { format!("\nexamples\n{texts}") }
}
