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
    tokenizer: TextTokenizer,
    max_length: u64,
    in_windows: bool,
    /// By split.
    lengths: [Lengths; 3],
    /// Entities that begin or end inside of a token, by split.
    inside: [usize; 3],
}

impl Tokens {
    fn new(how: Tokenizing) -> Result<Self, StageError> {
        let Tokenizing { stage, max_length, in_windows, backbone } = how;
        let tokenizer = TextTokenizer::load(&backbone.join(Backbone::TOKENIZER));
        let tokenizer = tokenizer.map_err(|error| failed(&error))?;
        let (lengths, inside) = Default::default();
        Ok(Self { stage, tokenizer, max_length, in_windows, lengths, inside })
    }

    fn add(&mut self, split: Split, texts: &[Example]) -> Result<(), StageError> {
        // Whether an entity is whole tokens does not depend on the labels of other texts.
        let labels = texts.iter().flat_map(Example::entities).map(|entity| entity.label.as_str());
        let labels = LabelSet::of(labels.collect::<BTreeSet<&str>>());
        let encoded = self.tokenizer.encode_split(texts, &labels, &[], LONGEST);
        let (tokens, _) = encoded.map_err(|error| failed(&error))?;
        let lengths = &mut self.lengths[split as usize];
        (0..tokens.len()).for_each(|row| lengths.add(tokens.range(row).len()));
        self.inside[split as usize] += tokens.truth.count(Fit::InsideTokens);
        Ok(())
    }
}

fn failed(error: &TokenizerError) -> StageError {
    StageError::new(error.to_string())
}

/// Looks at the texts of a corpus as they come.
pub struct Looking {
    splits: [Description; 3],
    tokens: Option<Tokens>,
    /// How many texts are to be shown.
    most: usize,
    /// The first texts to train on that differ, numbers masked.
    shown: Vec<Example>,
    told: BTreeSet<String>,
}

impl Looking {
    /// * `how`: the corpus becomes tokens, where it does
    /// * `most`: how many texts are shown
    ///
    /// # Errors
    /// When the tokenizer cannot be read.
    pub fn new(how: Option<Tokenizing>, most: usize) -> Result<Self, StageError> {
        let tokens = how.map(Tokens::new).transpose()?;
        let (splits, shown, told) = Default::default();
        Ok(Self { splits, tokens, most, shown, told })
    }

    /// Looks at some texts of a split.
    ///
    /// # Errors
    /// When a text cannot be tokenized.
    pub fn add(&mut self, split: Split, texts: &[Example]) -> Result<(), StageError> {
        if let Some(tokens) = &mut self.tokens {
            tokens.add(split, texts)?;
        }
        for example in texts {
            self.splits[split as usize].add(example);
            // Lines of one template say no more than the first of them.
            if split == Split::Train
                && self.shown.len() < self.most
                && self.told.insert(mask(&example.text))
            {
                self.shown.push(example.clone());
            }
        }
        Ok(())
    }

    /// Looks at a corpus in its folder, and returns what the folder says of it beside.
    ///
    /// # Errors
    /// When the folder, or the tokenizer, cannot be read.
    pub fn stored(mut self, folder: &Path) -> Result<(Look, Vec<String>), StageError> {
        let files = CorpusFiles::open(folder)?;
        files.for_some(|split, texts| self.add(split, &texts))?;
        let messages = files.caveats.into_iter().map(|caveat| caveat.message).collect();
        Ok((self.finish(files.tasks.heads), messages))
    }

    /// Looks at a corpus in memory; `None` where `corpus` is something else.
    ///
    /// # Errors
    /// When a text cannot be tokenized.
    pub fn found(mut self, corpus: &(dyn Any + Send + Sync)) -> Result<Option<Look>, StageError> {
        let Some(corpus) = corpus.downcast_ref::<Corpus>() else { return Ok(None) };
        Split::ALL.into_iter().try_for_each(|split| self.add(split, corpus.get(split)))?;
        Ok(Some(self.finish(corpus.tasks.heads.clone())))
    }

    /// * `heads`: what the texts are labelled for
    #[must_use]
    pub fn finish(self, heads: Vec<ClassHead>) -> Look {
        let Self { splits, tokens, shown, .. } = self;
        Look { heads, splits, tokens, shown }
    }
}

/// What is in a corpus.
pub struct Look {
    heads: Vec<ClassHead>,
    /// By split.
    splits: [Description; 3],
    tokens: Option<Tokens>,
    /// Texts to train on.
    shown: Vec<Example>,
}

impl Look {
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
    #[must_use]
    pub fn to_text(&self, stage: &str, messages: &[String], color: bool) -> String {
        let numbers = self.numbers(stage, messages);
        visible::text(&numbers).into_owned() + &self.examples(color)
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
        self.classes(&mut table);
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

    fn classes(&self, table: &mut Table) {
        for ClassHead { name, classes } in &self.heads {
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

    /// The types of the entities, in order.
    fn types(&self) -> Vec<&str> {
        unique(self.splits.iter().flat_map(|split| split.labels.keys()))
    }

    fn labels(&self, table: &mut Table) {
        let labels = self.types();
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

    /// Texts to train on, as far as a person reads them, with their entities marked.
    fn examples(&self, color: bool) -> String {
        let labels = self.types();
        let number = |label: &str| labels.binary_search(&label).unwrap_or(0);
        let shown = |example: &Example| {
            let marks: Vec<Mark<'_>> = example
                .entities()
                .iter()
                .filter(|it| it.end <= SHOWN)
                .map(|it| Mark { start: it.start, end: it.end, label: &it.label })
                .collect();
            let classes: Vec<&str> = example.classes.values().map(String::as_str).collect();
            let classes = if classes.is_empty() {
                String::new()
            } else {
                format!("{}: ", visible::line(&classes.join(", ")))
            };
            let text = short(&example.text, SHOWN + 3);
            format!("  {classes}{}\n", marked(&text, &marks, color, number))
        };
        let texts: String = self.shown.iter().map(shown).collect();
        if texts.is_empty() { texts } else { format!("\nexamples\n{texts}") }
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
