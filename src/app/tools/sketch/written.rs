//! The experiment of a [`Sketch`], as text.

use std::fmt::Write as _;

use super::{Division, Reading, Sketch};
use crate::base::visible;
use crate::text::readers::{Columns, Encoding, Shipped};
use crate::text::{check_head_name, head_name};

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
        self.description.texts >= 30
    }

    fn corpus(&self, file: &str) -> String {
        let mut text = format!(
            "[stage.corpus]\nkind   = \"read_corpus\"\npath   = {}\nformat = \"{}\"\n",
            toml_text(file),
            self.format.name()
        );
        text += match self.encoding {
            Encoding::Latin1 => "encoding = \"latin-1\"    # it is not UTF-8\n",
            Encoding::Utf8 | Encoding::Utf16 => "",
        };
        if !self.label_names.is_empty() {
            let names: Vec<String> = self.label_names.iter().map(|name| toml_text(name)).collect();
            writeln!(
                text,
                "label_names = [{}]    # what the numbers of the tags are called, as the data set says",
                names.join(", ")
            )
            .expect("a string");
        }
        text += match self.reading {
            Reading::Plain => "",
            Reading::Brackets(columns) if columns == Columns::default() => {
                "scheme = \"brackets\"    # tags are brackets around words\n"
            }
            Reading::Brackets(_) => {
                "scheme = \"brackets\"\ncolumns = { token = 3, tag = 10 }    # words and named entities of CoNLL-2012\n"
            }
            Reading::Rules(Shipped::Syslog) => {
                "rules  = \"syslog\"    # or a file of your own: the README says how\n"
            }
            Reading::Rules(Shipped::Apache) => {
                "rules  = \"apache\"    # or a file of your own: the README says how\n"
            }
            Reading::Numbered => {
                "columns = { token = 1 }    # the first column numbers the words\n"
            }
            Reading::Markup => "markup = true    # texts hold their entities as `[Ada](PER)`\n",
            Reading::Outermost => {
                "nested = \"outermost\"    # entities overlap, and a token has one label: those inside of others are left out\n"
            }
        };
        if self.problems.count() > 0 {
            text += "on_error = \"skip\"    # what cannot be read is left out and counted; `\"stop\"` lists it with its places instead\n";
        }
        if !self.heads.is_empty() {
            text += "# The last of two classes is the positive one: turn them round where it is the other.\n";
            let heads = self.heads.iter().map(|(field, classes)| {
                let classes: Vec<String> = classes.iter().map(|class| toml_text(class)).collect();
                format!("{} = [{}]", name(field), classes.join(", "))
            });
            let heads: Vec<String> = heads.collect();
            writeln!(text, "classes = {{ {} }}", heads.join(", ")).expect("a string");
            let renamed = self.heads.iter().filter(|(field, _)| name(field) != *field);
            let renamed: Vec<String> = renamed
                .map(|(field, _)| format!("{} = {}", name(field), toml_text(field)))
                .collect();
            if !renamed.is_empty() {
                writeln!(text, "fields = {{ {} }}", renamed.join(", ")).expect("a string");
            }
        }
        if !self.others.is_empty() {
            let names: Vec<String> = self.others.iter().map(|name| format!("`{name}`")).collect();
            writeln!(text, "# Fields that could be classes too: {}.", names.join(", "))
                .expect("a string");
        }
        writeln!(text, "# The split: {}.", visible::line(&self.reason())).expect("a string");
        text += if self.has_test() {
            "split  = { train = 0.7, validation = 0.15, test = 0.15 }\n"
        } else {
            "split  = { train = 0.7, validation = 0.3 }\n"
        };
        match &self.division {
            Division::Order(field) => writeln!(text, "order  = {}", toml_text(field)),
            Division::Groups(field) => writeln!(text, "by     = {}", toml_text(field)),
            Division::Random => Ok(()),
        }
        .expect("a string");
        text + "\n"
    }

    /// How much of a text is read at once.
    fn lengths(&self) -> String {
        let quantile = |share| self.tokens.quantile(share).unwrap_or(16);
        let tokens = quantile(0.99).next_multiple_of(32).clamp(32, 512);
        if quantile(0.95) > tokens {
            return format!(
                "max_length = {tokens}    # tokens that are read at once; 95 % of the texts have up to about {}
overlap    = {}     # tokens that neighbouring windows of a longer text share, so that nothing is cut: as many as the longest entity has",
                quantile(0.95),
                tokens / 8
            );
        }
        let longest = self.description.words.quantile(0.99).unwrap_or(16);
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
        let epochs = (12_000 / self.description.texts.max(1)).clamp(2, 10);
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
        let it = &self.description;
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

/// A TOML string.
fn toml_text(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// What the head of a field is called: as the field, where that is a name for one.
fn name(field: &str) -> String {
    if check_head_name(field).is_ok() { field.to_owned() } else { head_name(field) }
}
