//! `cargo bench`: the parts whose time a user notices. The step of a base-sized model, beside PyTorch, is `benches/compare.sh`.

use std::path::Path;
use std::process::Command;

use candle_core::{DType, Device};
use divan::{Bencher, black_box};
use pipeline::base::rng::Rng;
use pipeline::engine::plan::{Digests, FileDigest, Plan, Points};
use pipeline::engine::search::{Axis, Method, Outcome, Point, Score, Space, Value, propose};
use pipeline::engine::spec::{Experiment, Overrides};
use pipeline::nn::{EncoderSpec, JointModel, StepProducts};
use pipeline::stages;
use pipeline::tasks;
use pipeline::text::{
    CorpusTasks, EncodedSplit, Example, LabelSet, Templates, TextTokenizer, train_tokenizer,
};
use pipeline::training::{self, CandleEngine, CpuEngine, Data, Engine, Recipe, Storage};

fn main() {
    divan::main();
}

fn corpus(samples: usize) -> Vec<Example> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/data/security_events.toml");
    let templates = Templates::read(&path).expect("the shipped templates");
    templates.generate(samples, 0.3, Rng::new(42)).expect("templates of both classes")
}

fn tokenizer(examples: &[Example]) -> TextTokenizer {
    train_tokenizer(examples.iter().map(|example| example.text.as_str()), 2000, &|| false)
        .expect("a vocabulary")
}

/// The tiny model of `tiny.toml`, and one batch of its texts.
fn tiny() -> (JointModel, EncodedSplit, LabelSet) {
    let examples = corpus(16);
    let labels = LabelSet::of(
        examples.iter().flat_map(|example| example.entities()).map(|entity| entity.label.as_str()),
    );
    let tokenizer = tokenizer(&examples);
    let (split, _) = tokenizer.encode_split(&examples, &labels, &[], 128).expect("short texts");
    let sizes = r#"{"vocab_size": 2000, "hidden_size": 128, "intermediate_size": 192, "num_hidden_layers": 4, "num_attention_heads": 4}"#;
    let spec = EncoderSpec::from_json(sizes).expect("good sizes");
    let model =
        JointModel::new_random(spec, &tasks::heads(&tasks::joint(labels.len())), &Rng::new(1))
            .expect("good sizes");
    (model, split, labels)
}

/// A training of one step.
fn step(engine: &mut dyn Engine, split: &EncodedSplit, labels: &LabelSet) {
    let recipe = Recipe { epochs: 1, batch_size: split.len(), ..Recipe::default() };
    let data = Data { train: split, validation: None, labels, tasks: &CorpusTasks::default() };
    black_box(training::train(engine, data, &recipe, Storage::default(), &()).expect("a step"));
}

#[divan::bench]
fn tiny_step(bencher: Bencher) {
    let (model, split, labels) = tiny();
    let mut engine = CpuEngine::new(model);
    bencher.bench_local(|| step(&mut engine, &split, &labels));
}

#[divan::bench]
fn tiny_step_in_composed_candle_operations(bencher: Bencher) {
    let (model, split, labels) = tiny();
    let mut engine = CandleEngine::new(&model, &Device::Cpu, DType::F32).expect("a CPU");
    bencher.bench_local(|| step(&mut engine, &split, &labels));
}

#[divan::bench]
fn matrix_products_of_a_tiny_step(bencher: Bencher) {
    let (model, split, _) = tiny();
    let mut products = StepProducts::try_new(&model.spec, split.tokens(), None).expect("memory");
    bencher.bench_local(|| products.run());
}

/// The 251st point along six axes, of which the scores have a top, noise and three seeds each.
#[divan::bench(args = [Method::Tpe, Method::Gp], sample_count = 20)]
fn proposal_after_250_points(bencher: Bencher, method: Method) {
    let space =
        Space::new(vec![Axis::Uniform { low: 0.0, high: 1.0 }; 6], vec![]).expect("a space");
    let mut results: Vec<(Point, Outcome)> = Vec::new();
    for number in 0..250 {
        let point = propose(&space, Method::Random, 1, &results, &[]).expect("one is open");
        let away: f64 = point
            .iter()
            .map(|value| match value {
                Value::Real(real) => (real - 0.4).powi(2),
                other => unreachable!("all axes are reals, not {other:?}"),
            })
            .sum();
        let mean = -away + 0.01 * f64::from(number % 7);
        results.push((point, Outcome::Scored(Score { mean, sd: 0.03, n: 3 })));
    }
    bencher.bench_local(|| black_box(propose(&space, method, 1, &results, &[])));
}

#[divan::bench(sample_count = 10)]
fn tokenize_5000_texts(bencher: Bencher) {
    let examples = corpus(5000);
    let labels = LabelSet::of(
        examples.iter().flat_map(|example| example.entities()).map(|entity| entity.label.as_str()),
    );
    let tokenizer = tokenizer(&examples);
    bencher
        .bench_local(|| tokenizer.encode_split(&examples, &labels, &[], 128).expect("short texts"));
}

/// Reads files without a memory.
struct Fresh;

impl Digests for Fresh {
    fn file(&self, path: &Path) -> std::io::Result<FileDigest> {
        let bytes = std::fs::read(path)?;
        Ok(FileDigest {
            digest: blake3::hash(&bytes).to_hex().to_string(),
            size: bytes.len() as u64,
        })
    }

    fn content(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn names(&self, _: &Path) -> std::io::Result<Vec<String>> {
        Ok(Vec::new())
    }
}

#[divan::bench(sample_count = 20)]
fn plan_10000_trials(bencher: Bencher) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/tiny.toml");
    let rates: Vec<String> = (1..=100).map(|rate| format!("{rate}e-5")).collect();
    let decays: Vec<String> = (0..10).map(|decay| format!("{decay}e-3")).collect();
    let text = format!(
        "extends = {:?}\n[sweep]\nseeds = 10\n[sweep.over]\ntrain.learning_rate = [{}]\ntrain.weight_decay = [{}]\n",
        shipped.display().to_string(),
        rates.join(", "),
        decays.join(", ")
    );
    let file = folder.path().join("many.toml");
    std::fs::write(&file, text).expect("a file");
    bencher.bench_local(|| {
        let experiment = Experiment::read(&file, &Overrides::default()).expect("a good file");
        let plan = Plan::build(&experiment, stages::ALL, &Points::of(&experiment), &Fresh, &[])
            .expect("a good plan");
        assert_eq!(plan.trials.len(), 10_000);
    });
}

#[divan::bench(sample_count = 20)]
fn run_of_an_experiment_that_is_done(bencher: Bencher) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/tiny.toml");
    let run = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pipeline"));
        command
            .current_dir(folder.path())
            .args(["run", "--set", "stage.train.epochs=1", "--set", "stage.corpus.samples=200"])
            .arg(&shipped);
        let output = command.output().expect("the binary starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run();
    bencher.bench_local(run);
}
