//! What was asked and how long it took, as Prometheus reads it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::app::tools::Service;

/// Upper ends of the classes of latency, in milliseconds.
const LATENCIES_MS: [u64; 12] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10_000];

#[derive(Debug, Default)]
pub struct Metrics {
    /// By path, as routes have it, and status.
    requests: Mutex<BTreeMap<(&'static str, u16), u64>>,
    /// Of answers of the model: within each class, and beyond the last.
    latencies: [AtomicU64; LATENCIES_MS.len() + 1],
    latency_us: AtomicU64,
    /// That are open.
    pub connections: AtomicU64,
}

impl Metrics {
    pub fn request(&self, path: &'static str, status: u16) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((path, status)).or_default() += 1;
    }

    /// The model has answered a request.
    pub fn latency(&self, elapsed: Duration) {
        let ms = elapsed.as_secs_f64() * 1000.0;
        let class = LATENCIES_MS.iter().position(|most| ms <= *most as f64);
        self.latencies[class.unwrap_or(LATENCIES_MS.len())].fetch_add(1, Ordering::Relaxed);
        self.latency_us.fetch_add(elapsed.as_micros() as u64, Ordering::Relaxed);
    }

    /// Reference: <https://prometheus.io/docs/instrumenting/exposition_formats/>.
    pub fn to_text(&self, service: &Service) -> String {
        let mut text = String::new();
        let mut say = |kind: &str, name: &str, help: &str, values: &[(String, f64)]| {
            writeln!(text, "# HELP pipeline_{name} {help}").expect("a string");
            writeln!(text, "# TYPE pipeline_{name} {kind}").expect("a string");
            for (labels, value) in values {
                writeln!(text, "pipeline_{name}{labels} {value}").expect("a string");
            }
        };
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed) as f64;
        let one = |value: f64| [(String::new(), value)];
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let requests: Vec<(String, f64)> = requests
            .iter()
            .map(|((path, status), count)| {
                (format!("{{path=\"{path}\",status=\"{status}\"}}"), *count as f64)
            })
            .collect();
        say("counter", "requests_total", "Requests that were answered.", &requests);
        let counts = service.counts();
        let (texts, tokens) = service.waiting();
        say("counter", "texts_total", "Texts that were asked for.", &one(load(&counts.texts)));
        let help = "Texts that had been answered before.";
        say("counter", "texts_repeated_total", help, &one(load(&counts.repeated)));
        let help = "Batches that the model has read.";
        say("counter", "batches_total", help, &one(load(&counts.batches)));
        let help = "Tokens of these batches.";
        say("counter", "batch_tokens_total", help, &one(load(&counts.batch_tokens)));
        say("gauge", "queue_texts", "Texts that wait.", &one(texts as f64));
        say("gauge", "queue_tokens", "Tokens that wait.", &one(tokens as f64));
        say("gauge", "connections", "Connections that are open.", &one(load(&self.connections)));
        self.latencies_to(&mut text);
        text
    }

    fn latencies_to(&self, text: &mut String) {
        let name = "pipeline_request_seconds";
        writeln!(text, "# HELP {name} How long requests to the model took.").expect("a string");
        writeln!(text, "# TYPE {name} histogram").expect("a string");
        let ends = LATENCIES_MS.iter().map(|ms| (*ms as f64 / 1000.0).to_string());
        let mut count = 0;
        for (end, within) in ends.chain(["+Inf".to_owned()]).zip(&self.latencies) {
            count += within.load(Ordering::Relaxed);
            writeln!(text, "{name}_bucket{{le=\"{end}\"}} {count}").expect("a string");
        }
        let sum = self.latency_us.load(Ordering::Relaxed) as f64 / 1e6;
        writeln!(text, "{name}_sum {sum}\n{name}_count {count}").expect("a string");
    }
}
