//! Input that nobody means well: the fuzzer's corpus, changes of it, and a few files made to hurt.
//!
//! `PIPELINE_HOSTILE_INPUTS=1000000` sets how many changed inputs each reader gets, `PIPELINE_HOSTILE_SEED=1` which.

#![expect(
    clippy::print_stderr,
    reason = "counts, and what was skipped, are for whoever runs the tests"
)]

#[path = "hostile/mutate.rs"]
mod mutate;
#[path = "hostile/targets.rs"]
mod targets;

use std::fmt::Write as _;
use std::io::{BufReader, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use mutate::Mutations;
use pipeline::text::readers::{self, Format, Options};
use targets::{TARGETS, Target};

/// Far above what any of the inputs needs on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// Far above what all of them need together, threads and the program's own pages included.
const MEMORY_KIB: u64 = 3 << 20;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read(path).expect("readable"))).collect()
}

/// Runs a target; an input that takes too long is an error as a panic is.
fn feed(target: Target, bytes: &[u8], what: &dyn Fn() -> String) {
    let begun = Instant::now();
    if let Err(panic) = std::panic::catch_unwind(|| target(bytes)) {
        let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
        panic!(
            "{}: {text}\n{}",
            what(),
            bytes.escape_ascii().to_string().chars().take(2000).collect::<String>()
        );
    }
    assert!(begun.elapsed() < PATIENCE, "{} took {:?}", what(), begun.elapsed());
}

/// Runs one of this program's tests in a process whose memory is limited.
fn with_little_memory(test: &str) {
    let output = Command::new("sh")
        .args([
            "-c",
            &format!("ulimit -v {MEMORY_KIB} && exec \"$0\" --exact {test} --ignored --nocapture"),
        ])
        .arg(std::env::current_exe().expect("known"))
        .env("RAYON_NUM_THREADS", "2")
        .output()
        .expect("there is a shell");
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{}\n{text}", output.status);
    text.lines().filter(|line| line.contains(" inputs")).for_each(|line| eprintln!("{line}"));
}

#[test]
fn every_reader_takes_its_corpus_and_changes_of_it_without_panic_hang_or_much_memory() {
    with_little_memory("corpus_and_changes");
}

#[test]
#[ignore = "run by another test, as a process of its own"]
fn corpus_and_changes() {
    let count = variable("PIPELINE_HOSTILE_INPUTS").unwrap_or(1500);
    let seed = variable("PIPELINE_HOSTILE_SEED").unwrap_or(1);
    for (name, target) in TARGETS {
        let corpus = corpus(name);
        assert!(corpus.len() >= 2, "{name} has no corpus");
        let begun = Instant::now();
        for (path, bytes) in &corpus {
            feed(*target, bytes, &|| path.display().to_string());
        }
        let mut mutations =
            Mutations::new(seed, corpus.iter().map(|(_, bytes)| bytes.as_slice()).collect());
        for number in 0..count {
            let bytes = mutations.next();
            feed(*target, &bytes, &|| format!("{name}: input {number} of seed {seed}"));
        }
        eprintln!("{name}: {} inputs in {:?}", corpus.len() as u64 + count, begun.elapsed());
    }
}

#[test]
fn files_made_to_hurt_are_refused_quickly_and_in_little_memory() {
    with_little_memory("made_to_hurt");
}

#[test]
#[ignore = "run by another test, as a process of its own"]
fn made_to_hurt() {
    for (name, bytes) in hurtful() {
        for (target, function) in TARGETS {
            feed(*function, &bytes, &|| format!("{target}: {name}"));
        }
    }
}

fn safetensors(header: &str, body: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + body, 0);
    bytes
}

/// Inputs that are too large to be kept, or made to be kept by nobody.
fn hurtful() -> Vec<(&'static str, Vec<u8>)> {
    let deep = 200_000;
    let mut many = String::new();
    for number in 0..50_000 {
        writeln!(many, "{{\"text\": \"a\", \"entities\": [], \"anomaly\": 0, \"f{number}\": 1}}")
            .expect("a string");
    }
    let terabytes = 4_u64 << 40;
    let entry = format!(
        r#"{{"ids":{{"dtype":"U32","shape":[{}],"data_offsets":[0,{terabytes}]}}}}"#,
        terabytes / 4
    );
    let overflow =
        format!(r#"{{"ids":{{"dtype":"F32","shape":[{0},{0}],"data_offsets":[0,8]}}}}"#, u64::MAX);
    let sizes = |hidden: &str, layers: &str, vocabulary: &str| {
        let text = format!(
            r#"{{"model_type":"modernbert","hidden_size":{hidden},"num_hidden_layers":{layers},"vocab_size":{vocabulary},"num_attention_heads":1,"intermediate_size":{hidden}}}"#
        );
        text.into_bytes()
    };
    vec![
        ("nothing", vec![]),
        ("zeros", vec![0; 1 << 20]),
        ("ones", vec![0xff; 1 << 20]),
        ("deep arrays", "[".repeat(deep).into_bytes()),
        ("deep objects", "{\"a\":".repeat(deep).into_bytes()),
        ("deep arrays in a line", format!("{{\"text\": \"a\", \"x\": {}{}}}", "[".repeat(deep), "]".repeat(deep)).into_bytes()),
        ("deep values", format!("a = {}", "[".repeat(deep)).into_bytes()),
        ("deep keys", format!("{} = 1", "a.".repeat(deep) + "a").into_bytes()),
        ("deep placeholders", format!("[templates]\nnormal = [\"{}\"]", "{".repeat(deep)).into_bytes()),
        ("many fields", many.into_bytes()),
        ("a tensor of 4 TB", safetensors(&entry, 64)),
        ("a tensor of more bytes than there are numbers", safetensors(&overflow, 8)),
        ("a header of 4 TB", [terabytes.to_le_bytes().as_slice(), b"{}"].concat()),
        ("a header of 100 MB", [100_000_000_u64.to_le_bytes().as_slice(), b"{}"].concat()),
        ("a wide model", sizes("1000000000000", "1", "50")),
        ("a deep model", sizes("4", "1000000000000", "50")),
        ("a talkative model", sizes("4", "1", "9223372036854775807")),
        ("a model of every size", sizes("18446744073709551615", "18446744073709551615", "18446744073709551615")),
        ("a negative model", sizes("-1", "-1", "-1")),
        ("numbers out of range", b"{\"text\": \"a\", \"entities\": [{\"start\": -1, \"end\": 1e400, \"label\": \"A\"}], \"anomaly\": 0}".to_vec()),
        ("no numbers", b"{\"text\": \"a\", \"entities\": [], \"anomaly\": NaN}\n{\"text\": \"a\", \"anomaly\": Infinity}".to_vec()),
        ("numbers of an experiment", b"version = 1\nseed = nan\n[stage.train]\nlearning_rate = inf\nepochs = 1e999\n".to_vec()),
        (
            "the largest offsets",
            b"{\"text\": \"a\", \"entities\": [{\"start\": 18446744073709551615, \"end\": 18446744073709551615, \"label\": \"A\"}], \"anomaly\": 0}"
                .to_vec(),
        ),
    ]
}

/// Bytes without end or line, until there are enough.
struct OneLine {
    left: u64,
}

impl Read for OneLine {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = (buffer.len() as u64).min(self.left) as usize;
        buffer[..length].fill(b'a');
        self.left -= length as u64;
        Ok(length)
    }
}

#[test]
fn a_line_of_gigabytes_is_refused_in_little_memory() {
    with_little_memory("long_line");
}

#[test]
#[ignore = "run by another test, as a process of its own"]
fn long_line() {
    // More than the process may have.
    let mut reader = BufReader::new(OneLine { left: 4 << 30 });
    let mut problems = Vec::new();
    readers::read_as(Format::Jsonl, &mut reader, &Options::default(), &mut |found| {
        problems.extend(found.err());
        ControlFlow::Continue(())
    })
    .expect("there is nothing to fail");
    assert_eq!(problems.len(), 1);
    assert!(problems[0].message.contains("longer than"), "{problems:?}");
}
