//! The measurements of `benches/compare.sh` that need the library: `cargo bench --bench measure -- SECTION...` prints a line of JSON for each.
//!
//! `composed`, `composed_candle_adamw`: a step of base in composed candle operations, with our AdamW and with `candle_nn::AdamW`;
//! `tokenize FOLDER [TOKENIZER]`: texts a second, on texts that it leaves in the folder for others to tokenize; `digest`: bytes a second; `plan`:
//! 10,000 trials; `rounding MODEL IDS OUT`: what a trained model says in f32 and in bf16, for `rounding.py`; `curve_tiny`, `curve_base`: the loss curve of our kernels beside that of composed candle operations.

use std::path::Path;
use std::time::Instant;

use candle_core::{DType, Device};
use candle_nn::{AdamW, Optimizer as _, ParamsAdamW};
use pipeline::app::tools::{peak_rss_gib, synthetic_split};
use pipeline::base::median::median;
use pipeline::base::rng::Rng;
use pipeline::engine::plan::{Digests as _, Plan, Points};
use pipeline::engine::spec::{Experiment, Overrides};
use pipeline::engine::store::Store;
use pipeline::nn::{
    Batch, ComposedModel, EncoderSpec, HeadSpec, Instructions, JointModel, Over, Workspace,
};
use pipeline::stages;
use pipeline::tasks::{self, Task};
use pipeline::text::{CorpusTasks, Example, LabelSet, Templates, TextTokenizer, train_tokenizer};
use pipeline::training::{
    self, CandleEngine, CpuEngine, CpuForward, Data, Engine, Forward as _, Recipe, Row,
    StateVector, Storage,
};
use serde_json::{Value, json};

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let mut rest = arguments.iter().map(String::as_str);
    while let Some(section) = rest.next() {
        let found = match section {
            "composed" => composed(),
            "composed_candle_adamw" => composed_with_candles_adamw(),
            "tokenize" => {
                tokenize(Path::new(rest.next().expect("a folder")), rest.next().map(Path::new))
            }
            "digest" => digest(),
            "plan" => plan(),
            "rounding" => {
                let mut path = || Path::new(rest.next().expect("a path"));
                rounding(path(), path(), path())
            }
            "curve_tiny" => curve_tiny(),
            "curve_base" => curve_base(),
            other => panic!("there is no section `{other}`"),
        };
        #[expect(clippy::print_stdout, reason = "what the script reads")]
        {
            println!("{found}");
        }
    }
}

/// Seconds that each call takes.
fn times(count: usize, mut call: impl FnMut()) -> Vec<f64> {
    let time = |_| {
        let begun = Instant::now();
        call();
        begun.elapsed().as_secs_f64()
    };
    (0..count).map(time).collect()
}

const BATCH: usize = 16;
const LABELS: usize = 93;
const WARM_UP: usize = 1;
const STEPS: usize = 3;

fn base_spec() -> EncoderSpec {
    EncoderSpec::published("base").expect("it is published")
}

fn base() -> JointModel {
    let heads = tasks::heads(&tasks::joint(LABELS));
    JointModel::new_random(base_spec(), &heads, &Rng::new(0)).expect("memory")
}

fn composed() -> Value {
    let model = base();
    let split = synthetic_split(BATCH * (WARM_UP + STEPS), model.spec.vocab_size, None);
    let mut engine = CandleEngine::new(&model, &Device::Cpu, DType::F32).expect("a CPU");
    drop(model);
    let types: Vec<String> = (0..LABELS / 2).map(|kind| kind.to_string()).collect();
    let labels = LabelSet::of(types.iter().map(String::as_str));
    let recipe = Recipe { epochs: 1, batch_size: BATCH, ..Recipe::default() };
    let data =
        Data { train: &split, validation: None, labels: &labels, tasks: &CorpusTasks::default() };
    let engine: &mut dyn Engine = &mut engine;
    let trained = training::train(engine, data, &recipe, Storage::default(), &()).expect("steps");
    let step_s = median(trained.timings[WARM_UP..].iter().map(|timing| timing.seconds));
    json!({"section": "composed", "step_s": step_s, "peak_rss_gib": peak_rss_gib()})
}

fn composed_with_candles_adamw() -> Value {
    let model = base();
    let split = synthetic_split(BATCH * (WARM_UP + STEPS), model.spec.vocab_size, None);
    let composed = ComposedModel::new(&model, &Device::Cpu).expect("a CPU");
    drop(model);
    let parameters = ParamsAdamW { lr: 2e-5, weight_decay: 0.01, ..ParamsAdamW::default() };
    let mut optimiser =
        AdamW::new(composed.variables().to_vec(), parameters).expect("an optimiser");
    let tasks = tasks::joint(LABELS);
    let options: Vec<_> = tasks.iter().map(Task::loss_options).collect();
    let mut rows = (0..split.len() as u32)
        .collect::<Vec<_>>()
        .chunks(BATCH)
        .map(|rows| tasks::batch(&tasks, &split, rows).expect("a batch"))
        .collect::<Vec<_>>()
        .into_iter();
    let seconds = times(WARM_UP + STEPS, || {
        let batch = rows.next().expect("a batch for each step");
        let (loss, _) = composed.loss(&batch, &options).expect("a loss");
        optimiser.backward_step(&loss).expect("a step");
    });
    json!({"section": "composed_candle_adamw", "step_s": median(seconds[WARM_UP..].iter().copied()), "peak_rss_gib": peak_rss_gib()})
}

fn corpus(samples: usize) -> Vec<Example> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/data/security_events.toml");
    let templates = Templates::read(&path).expect("the shipped templates");
    templates.generate(samples, 0.3, Rng::new(42)).expect("templates of both classes")
}

/// Leaves `texts.txt`, a text in each line, and `tokenizer.json` in `folder`.
fn tokenize(folder: &Path, tokenizer: Option<&Path>) -> Value {
    let examples = corpus(20_000);
    let labels = LabelSet::of(
        examples.iter().flat_map(|example| example.entities()).map(|entity| entity.label.as_str()),
    );
    let tokenizer = match tokenizer {
        Some(path) => TextTokenizer::load(path).expect("a tokenizer"),
        None => {
            train_tokenizer(examples.iter().map(|example| example.text.as_str()), 2000, &|| false)
                .expect("a vocabulary")
        }
    };
    let texts: Vec<&str> = examples.iter().map(|example| example.text.as_str()).collect();
    std::fs::write(folder.join("texts.txt"), texts.join("\n")).expect("written");
    tokenizer.save(&folder.join("tokenizer.json")).expect("written");
    let mut tokens = 0;
    let seconds = times(7, || {
        tokens =
            tokenizer.encode_split(&examples, &labels, &[], 128).expect("short texts").0.tokens()
    });
    json!({"section": "tokenize", "texts": texts.len(), "tokens": tokens, "texts_per_s": texts.len() as f64 / median(seconds.into_iter())})
}

/// Leaves in `out` what a trained model says in f32 and in bf16: of each text the logits of each head.
///
/// * `ids`: a file with the tokens of each text
fn rounding(folder: &Path, ids: &Path, out: &Path) -> Value {
    let json = |path: &Path| -> Value {
        serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON")
    };
    let texts: Vec<Vec<u32>> = serde_json::from_value(json(ids)).expect("numbers");
    let heads = json(&folder.join("heads.json"));
    let head = |head: &Value| HeadSpec {
        name: head["name"].as_str().expect("a name").to_owned(),
        outputs: head["labels"].as_array().expect("labels").len(),
        over: if head["task"] == "tagging" { Over::Tokens } else { Over::FirstToken },
    };
    let heads: Vec<HeadSpec> = heads["heads"].as_array().expect("heads").iter().map(head).collect();
    let said = |products: DType| -> Value {
        let spec = EncoderSpec::from_json(&json(&folder.join("config.json")).to_string());
        let weights = folder.join("model.safetensors");
        let model = JointModel::load_trained(&weights, spec.expect("a model"), &heads);
        let model = model.expect("its weights").with_products_in(products).expect("memory");
        let mut forward = CpuForward { model: &model, workspace: &mut Workspace::default() };
        let text = |ids: &Vec<u32>| {
            let batch = Batch::new(ids.clone(), vec![0, ids.len()]).expect("some tokens");
            let logits = forward.logits(&batch).expect("a forward pass");
            let names = heads.iter().map(|head| head.name.clone());
            names.zip(logits).map(|(name, logits)| (name, json!(logits))).collect()
        };
        texts.iter().map(text).collect::<Vec<serde_json::Map<String, Value>>>().into()
    };
    let found = json!({"f32": said(DType::F32), "bf16": said(DType::BF16)});
    std::fs::write(out, found.to_string()).expect("written");
    json!({"section": "rounding", "texts": texts.len(), "instructions": Instructions::best().name()})
}

/// The digest of a file in the page cache, against BLAKE3 over the same bytes in memory on all threads.
fn digest() -> Value {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("bytes");
    let bytes: Vec<u8> = (0..(256 << 20) / 4_u32)
        .flat_map(|word| word.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    std::fs::write(&path, &bytes).expect("written");
    // A new store each time, which remembers nothing.
    let file = times(7, || {
        drop(
            Store::open(&folder.path().join("outputs"))
                .expect("a store")
                .digests()
                .file(&path)
                .expect("a digest"),
        )
    });
    let memory = times(7, || {
        std::hint::black_box(blake3::Hasher::new().update_rayon(&bytes).finalize());
    });
    let rate = |seconds: Vec<f64>| bytes.len() as f64 / median(seconds.into_iter()) / 1e9;
    json!({"section": "digest", "file_gb_per_s": rate(file), "memory_gb_per_s": rate(memory)})
}

fn plan() -> Value {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/tiny.toml");
    let list = |exponent: i32, count: i32| {
        (1..=count).map(|value| format!("{value}e{exponent}")).collect::<Vec<_>>().join(", ")
    };
    let text = format!(
        "extends = {:?}\n[sweep]\nseeds = 10\n[sweep.over]\ntrain.learning_rate = [{}]\ntrain.weight_decay = [{}]\n",
        shipped.display().to_string(),
        list(-5, 100),
        list(-3, 10)
    );
    let file = folder.path().join("many.toml");
    std::fs::write(&file, text).expect("a file");
    let store = Store::open(&folder.path().join("outputs")).expect("a store");
    let mut trials = 0;
    let seconds = times(9, || {
        let experiment = Experiment::read(&file, &Overrides::default()).expect("a good file");
        trials =
            Plan::build(&experiment, stages::ALL, &Points::of(&experiment), store.digests(), &[])
                .expect("a good plan")
                .trials
                .len();
    });
    json!({"section": "plan", "trials": trials, "plan_s": median(seconds.into_iter())})
}

/// The training of `tiny.toml`.
fn curve_tiny() -> Value {
    let sizes = r#"{"hidden_size": 128, "intermediate_size": 192, "num_hidden_layers": 4, "num_attention_heads": 4}"#;
    let spec = EncoderSpec::from_json(sizes).expect("good sizes");
    let recipe =
        Recipe { epochs: 8, learning_rate: 1e-3, warmup_ratio: Some(0.1), ..Recipe::default() };
    curve("tiny.toml, from random weights", spec, &corpus(1600), &recipe)
}

/// The training of `small.toml` on fewer texts, from random weights.
fn curve_base() -> Value {
    let recipe = Recipe { epochs: 2, learning_rate: 2e-5, ..Recipe::default() };
    curve("small.toml on 160 texts, from random weights", base_spec(), &corpus(160), &recipe)
}

/// Trains the same model on the same batches by our kernels and by composed candle operations.
fn curve(what: &str, spec: EncoderSpec, examples: &[Example], recipe: &Recipe) -> Value {
    let labels = LabelSet::of(
        examples.iter().flat_map(|example| example.entities()).map(|entity| entity.label.as_str()),
    );
    let tokenizer =
        train_tokenizer(examples.iter().map(|example| example.text.as_str()), 2000, &|| false)
            .expect("a vocabulary");
    let (split, _) = tokenizer.encode_split(examples, &labels, &[], 128).expect("short texts");
    let spec = spec.with_vocab_size(tokenizer.vocabulary_size());
    let model =
        JointModel::new_random(spec, &tasks::heads(&tasks::joint(labels.len())), &Rng::new(42))
            .expect("memory");
    let run = |engine: &mut dyn Engine| {
        let data = Data {
            train: &split,
            validation: None,
            labels: &labels,
            tasks: &CorpusTasks::default(),
        };
        let trained =
            training::train(engine, data, recipe, Storage::default(), &()).expect("a training");
        let mut weights = Vec::new();
        let exported = engine.export(StateVector::Parameters, &mut |values| {
            weights.extend_from_slice(values);
            Ok(())
        });
        exported.expect("weights");
        (trained.history.rows, weights)
    };
    let (composed, composed_weights) =
        run(&mut CandleEngine::new(&model, &Device::Cpu, DType::F32).expect("a CPU"));
    let (own, own_weights) = run(&mut CpuEngine::new(model));
    let largest = |difference: &dyn Fn(&Row, &Row) -> f64| {
        own.iter().zip(&composed).map(|(own, other)| difference(own, other)).fold(0.0, f64::max)
    };
    let norm = |row: &Row| row.grad_norm.expect("every step has a gradient");
    let length = |values: &mut dyn Iterator<Item = f64>| {
        values.map(|value| value * value).sum::<f64>().sqrt()
    };
    let apart = length(
        &mut own_weights.iter().zip(&composed_weights).map(|(own, other)| f64::from(own - other)),
    );
    json!({
        "what": what,
        "steps": own.len(),
        "first": own[0].loss,
        "last": own[own.len() - 1].loss,
        "largest_loss_difference": largest(&|own, other| (own.loss - other.loss).abs()),
        "largest_norm_difference": largest(&|own, other| (norm(own) / norm(other) - 1.0).abs()),
        "weights_difference": apart / length(&mut own_weights.iter().map(|&weight| f64::from(weight))),
    })
}
