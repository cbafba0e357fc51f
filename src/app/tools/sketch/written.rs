//! The experiment of a [`Sketch`], as text.

use std::fmt::Write as _;

use super::{Candidate, Division, Sketch, name};
use crate::base::visible;
use crate::text::Offsets;
use crate::text::readers::{Columns, Encoding, Nested, Note, Options};

impl Sketch {
    /// The experiment.
    ///
    /// * `file`: how it names the file of texts
    /// * `name`: its own
    #[must_use]
    pub fn to_toml(&self, file: &str, name: &str) -> String {
        let mut text = format!("# Trains on {}.\n#\n", visible::line(file));
        for line in self.summary().lines() {
            writeln!(text, "#     {line}").expect("a string");
        }
        write!(
            text,
            "#\n#     pipeline data experiments/{name}.toml    what is in it\n#     pipeline run  experiments/{name}.toml    trains, scores and draws; results lie in outputs/{name}/\nversion = 1\nseed    = 42\n\n"
        )
        .expect("a string");
        text += &self.corpus(file);
        text += &self.model();
        text += &self.training();
        text
    }

    /// Below this many texts a third part would have none.
    fn has_test(&self) -> bool {
        self.seen.description.texts >= 30
    }

    fn corpus(&self, file: &str) -> String {
        let mut text = format!(
            "[stage.corpus]\nkind   = \"read_corpus\"\npath   = {}\nformat = \"{}\"\n",
            toml_text(file),
            self.seen.format.name()
        );
        text += &self.options();
        if self.seen.problems.count() > 0 {
            text += "on_error = \"skip\"    # what cannot be read is left out and counted; `\"stop\"` lists it with its places instead\n";
        }
        if let Division::Order { without: 1.., .. } = self.division
            && self.seen.problems.count() == 0
        {
            text += "on_error = \"skip\"    # lines that no rule fits say no time, and are left out and counted\n";
        }
        let heads = &self.chosen.heads;
        if !heads.is_empty() {
            if heads.iter().any(|head| head.classes.len() == 2) {
                text += "# The last of two classes is the positive one: turn them round where it is the other.\n";
            }
            let shown: Vec<String> = heads.iter().map(toml_classes).collect();
            writeln!(text, "classes = {{ {} }}", shown.join(", ")).expect("a string");
        }
        let asked = self.seen.options.fields.text.iter().map(|field| ("text".to_owned(), field));
        let renamed = heads.iter().map(|head| (name(&head.field), &head.field));
        let fields: Vec<String> = asked
            .chain(renamed.filter(|(name, field)| name != *field))
            .map(|(name, field)| format!("{name} = {}", toml_text(field)))
            .collect();
        if !fields.is_empty() {
            writeln!(text, "fields = {{ {} }}", fields.join(", ")).expect("a string");
        }
        if let Some(others) = self.others() {
            writeln!(text, "# Fields that could be classes too: {others}.").expect("a string");
        }
        writeln!(text, "# The split: {}.", visible::line(&self.reason())).expect("a string");
        text += if self.has_test() {
            "split  = { train = 0.7, validation = 0.15, test = 0.15 }\n"
        } else {
            "split  = { train = 0.7, validation = 0.3 }\n"
        };
        match &self.division {
            Division::Order { field, .. } => writeln!(text, "order  = {}", toml_text(field)),
            Division::Groups(field) => writeln!(text, "by     = {}", toml_text(field)),
            Division::Random { .. } => Ok(()),
        }
        .expect("a string");
        text + "\n"
    }

    /// What has to be said of the file so that it is read as it was.
    fn options(&self) -> String {
        let Options { encoding, offsets, labels, label_names, nested, markup, columns, .. } =
            &self.seen.options;
        let mut text = match encoding {
            Encoding::Latin1 => "encoding = \"latin-1\"    # it is not UTF-8\n",
            Encoding::Utf16 => "encoding = \"utf-16\"    # it has no byte order mark\n",
            Encoding::Utf8 => "",
        }
        .to_owned();
        if *offsets != Offsets::default() {
            let (unit, units) = (offsets.name(), offsets.units());
            writeln!(text, "offsets = \"{unit}\"    # `start` and `end` count {units}: as characters they would break words or lie outside of their texts")
                .expect("a string");
        }
        if !label_names.is_empty() {
            writeln!(
                text,
                "label_names = {}    # what the numbers of the tags are called, as the data set says",
                toml_texts(label_names)
            )
            .expect("a string");
        }
        let used = |(_, to): &(&String, &String)| self.seen.description.labels.contains_key(*to);
        let labels: Vec<String> = labels
            .iter()
            .filter(used)
            .map(|(from, to)| format!("{} = {}", toml_text(from), toml_text(to)))
            .collect();
        if !labels.is_empty() {
            writeln!(
                text,
                "labels = {{ {} }}    # numbers stand for them: call them by their names",
                labels.join(", ")
            )
            .expect("a string");
        }
        let Columns { token, tag } = columns;
        match (*columns == Columns::default(), tag) {
            (true, _) => {}
            (false, -1) => {
                writeln!(
                    text,
                    "columns = {{ token = {token} }}    # the first column numbers the words"
                )
                .expect("a string");
            }
            (false, _) => {
                writeln!(text, "columns = {{ token = {token}, tag = {tag} }}    # where words and their tags stand, from 0")
                    .expect("a string");
            }
        }
        if let Some(shipped) = self.seen.shipped {
            let rules = shipped.name();
            writeln!(text, "rules  = \"{rules}\"    # or a file of your own: the README says how")
                .expect("a string");
        }
        if *markup {
            text += "markup = true    # texts hold their entities as `[Ada](PER)`\n";
        }
        let overlapping = self.seen.findings.notes.get(&Note::Nested(nested.name()));
        if let (Nested::Outermost, Some(count)) = (nested, overlapping) {
            writeln!(text, "nested = \"outermost\"    # a token has one label: what lies in another entity or crosses it is left out ({count}); `\"longest\"` keeps the longest")
                .expect("a string");
        }
        text
    }

    /// How much of a text is read at once.
    fn lengths(&self) -> String {
        let quantile = |share| self.seen.tokens.quantile(share).unwrap_or(16);
        let tokens = quantile(0.99).next_multiple_of(32).clamp(32, 512);
        if quantile(0.95) > tokens {
            return format!(
                "max_length = {tokens}    # tokens that are read at once; 95 % of the texts have up to about {}
overlap    = {}     # tokens that neighbouring windows of a longer text share, so that nothing is cut: as many as the longest entity has",
                quantile(0.95),
                tokens / 8
            );
        }
        let longest = self.seen.description.words.quantile(0.99).unwrap_or(16);
        format!(
            "max_length = {tokens}    # tokens; 99 % of the texts have up to {longest} words, and `pipeline data` counts what is cut"
        )
    }

    fn model(&self) -> String {
        let lengths = self.lengths();
        format!(
            "# A small encoder from random weights: it needs no download, and shows in minutes whether all is well. For good scores take a
# pretrained one in its place (600 MB from the Hugging Face hub, once), with learning_rate = 2e-5 and 3 epochs:
#
#     [stage.model]
#     kind     = \"fetch_model\"
#     repo     = \"answerdotai/ModernBERT-base\"
#     revision = \"8949b909ec900327062f0ebf497f51aef5e6f0c8\"
[stage.model]
kind                = \"init_model\"
corpus              = \"@corpus\"
vocab_size          = 4000
hidden_size         = 128
num_hidden_layers   = 4
num_attention_heads = 4
intermediate_size   = 192

[stage.tokenize]
model      = \"@model\"
corpus     = \"@corpus\"
{lengths}

"
        )
    }

    fn training(&self) -> String {
        let epochs = (12_000 / self.seen.description.texts.max(1)).clamp(2, 10);
        let looks = if self.repeats() > 0.0 { "masked" } else { "lookup" };
        let test = if self.has_test() {
            "# For the last look: choose by the validation split, and report this one.
[stage.evaluate_test]
kind  = \"evaluate\"
model = \"@train\"
data  = \"@tokenize\"
split = \"test\"

"
        } else {
            ""
        };
        // Texts that are said to have no entities have no tags to learn.
        let it = &self.seen.description;
        let ner = if it.with_entities > 0 && it.labels.is_empty() {
            "ner_weight    = 0    # the texts have no entities: classes alone are learnt\n"
                .to_owned()
        } else {
            let tokens = |(inside, all)| {
                format!(
                    "decode        = \"tokens\"    # {inside} of {all} entities begin or end inside a word\n"
                )
            };
            it.many_inside_words().map(tokens).unwrap_or_default()
        };
        format!(
            "[stage.train]
model         = \"@model\"
data          = \"@tokenize\"
epochs        = {epochs}
batch_size    = 16
learning_rate = 1e-3
warmup_ratio  = 0.1
{ner}
# What a model has to beat: seconds each.
[stage.majority]
kind   = \"baseline\"
method = \"majority\"
corpus = \"@corpus\"

[stage.{looks}]
kind   = \"baseline\"
method = \"{looks}\"
corpus = \"@corpus\"

[stage.linear]
kind   = \"baseline\"
method = \"linear\"
corpus = \"@corpus\"

[stage.evaluate]
model     = \"@train\"
data      = \"@tokenize\"
split     = \"validation\"
baselines = [\"@majority\", \"@{looks}\", \"@linear\"]

{test}[stage.plot]
history    = \"@train\"
evaluation = \"@evaluate\"
corpus     = \"@corpus\"
"
        )
    }
}

/// A head and its classes, in as many words as a person reads.
fn toml_classes(head: &Candidate) -> String {
    const NAMED: usize = 20;
    let Candidate { field, classes } = head;
    // What is listed is in that order; an empty list is sorted by name.
    let is_sorted = classes.is_sorted();
    let listed = if classes.len() > NAMED && is_sorted { &[][..] } else { classes };
    format!("{} = {}", name(field), toml_texts(listed))
}

/// A TOML string.
fn toml_text(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A TOML array of strings.
fn toml_texts(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| toml_text(text)).collect();
    format!("[{}]", texts.join(", "))
}
