//! The memory that a GPU has in use, as its driver says it: the same measure for every program that uses it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

/// How often it is asked for.
pub const INTERVAL_MS: u32 = 50;

/// `nvidia-smi`, which says it again and again.
pub struct Sampler {
    process: Child,
    reader: Option<JoinHandle<()>>,
    highest_mib: Arc<AtomicU64>,
}

impl Sampler {
    /// `None` where there is no `nvidia-smi`.
    pub fn start() -> Option<Self> {
        let interval = INTERVAL_MS.to_string();
        let mut process = Command::new("nvidia-smi")
            .args(["--id=0", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "-lms"])
            .arg(interval)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let lines = BufReader::new(process.stdout.take()?).lines();
        let highest_mib = Arc::new(AtomicU64::new(0));
        let highest = Arc::clone(&highest_mib);
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Ok(mebibytes) = line.trim().parse() {
                    highest.fetch_max(mebibytes, Ordering::Relaxed);
                }
            }
        });
        Some(Self { process, reader: Some(reader), highest_mib })
    }

    /// The most since this was last asked, in GiB; `None` where nothing was said.
    pub fn take_peak_gib(&self) -> Option<f64> {
        let mebibytes = self.highest_mib.swap(0, Ordering::Relaxed);
        (mebibytes > 0).then(|| mebibytes as f64 / 1024.0)
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// The name of the card, its driver, memory and compute capability, as `nvidia-smi` names them.
pub fn card() -> serde_json::Value {
    const ASKED: [&str; 4] = ["name", "driver_version", "memory.total", "compute_cap"];
    let query = format!("--query-gpu={}", ASKED.join(","));
    let said =
        Command::new("nvidia-smi").args(["--id=0", &query, "--format=csv,noheader"]).output();
    let Some(said) = said.ok().filter(|said| said.status.success()) else {
        return serde_json::Value::Null;
    };
    let said = String::from_utf8_lossy(&said.stdout);
    let facts = ASKED.iter().zip(said.trim().split(", "));
    facts.map(|(asked, fact)| ((*asked).to_owned(), serde_json::Value::from(fact))).collect()
}
