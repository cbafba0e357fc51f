//! The command line of what writes a model in the forms of other programs.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("form").args(["hf", "onnx"]).required(true).multiple(true),
    after_help = "ONNX takes all heads in one file: `input_ids` and `attention_mask` (texts, tokens), padded behind, give `<head>_logits`. Weights of more than \
    2 GiB lie in FILE.data.\n\
    Transformers knows one head a model: each head gets a folder of its own with the encoder, which `AutoModelForTokenClassification` or \
    `AutoModelForSequenceClassification` loads and `transformers.pipeline` serves, without code from the folder. Temperatures are in its weights.\n\
    `transformers.pipeline` reads entities token by token; the example beside what is written reads them as `pipeline predict` does: by words, in windows, at \
    the thresholds. It needs regex, and torch and transformers or onnxruntime.\n\n\
    Examples:\n  \
    pipeline export outputs/tiny --hf tiny-hf\n  \
    pipeline export outputs/tiny --hf tiny-ner --head ner\n  \
    python tiny-hf/predict.py < texts.txt\n  \
    pipeline export outputs/tiny --onnx tiny.onnx && python tiny.py < texts.txt"
)]
pub struct Export {
    /// A trained model's folder, such as `outputs/tiny/model`, or a results folder such as `outputs/tiny`
    pub model: PathBuf,
    /// Write a folder for transformers of each head into this folder, which must not be there yet, or be empty
    #[arg(long, value_name = "DIR")]
    pub hf: Option<PathBuf>,
    /// Write a file for ONNX, which ends in `.onnx`, and beside it, by the same name, labels and decoding (`.json`), tokenizer and example (`.py`), none of which
    /// may be there yet
    #[arg(long, value_name = "FILE")]
    pub onnx: Option<PathBuf>,
    /// Only this head. Several times for several heads [default: all]
    #[arg(long, value_name = "NAME")]
    pub head: Vec<String>,
}
