//! `pipeline doctor`: what this program is and where it runs, to paste into the report of a mistake. Nothing secret is said: of a token only whether there is
//! one, and nothing of what lies in files of the user's.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::args::Doctor;
use super::root::Root;
use super::{Failure, terminal};
use crate::app::tools::{bf16_instructions, gpu};
use crate::base::disk::regular;
use crate::base::machine;
use crate::engine::exec::slurm::{self, ClusterError};
use crate::hub;
use crate::view::format;

/// Asked for its commit, to see whether the hub answers.
const MODEL_OF_HUB: &str = "answerdotai/ModernBERT-base";
const PATIENCE: Duration = Duration::from_secs(5);

pub fn run(arguments: &Doctor) -> Result<(), Failure> {
    let root = Root::here(&arguments.place)?;
    let facts = [
        ("program", program()),
        ("system", system()),
        ("processor", processor()),
        ("cores", cores()),
        ("memory", memory()),
        ("gpu", gpu().unwrap_or_else(|why| format!("none is used: {why}{}", driver()))),
        ("outputs", file_system(&root.outputs())),
        ("cluster", cluster()),
        ("hub", if arguments.offline { "not asked".to_owned() } else { of_hub() }),
    ];
    if arguments.json {
        let member = |(name, fact): (&str, String)| (name.to_owned(), Value::from(fact));
        return terminal::json(&Value::Object(
            facts.into_iter().map(member).collect::<Map<_, _>>(),
        ));
    }
    let lines = facts.map(|(name, fact)| format!("{name:<11}{fact}\n"));
    terminal::print(&lines.concat())
}

fn program() -> String {
    let features = [
        ("cuda", cfg!(feature = "cuda")),
        ("metal", cfg!(feature = "metal")),
        ("parquet", cfg!(feature = "parquet")),
        ("serve", cfg!(feature = "serve")),
    ];
    let built = if cfg!(debug_assertions) { "without optimisation" } else { "optimised" };
    let with = named(features).unwrap_or_else(|| "none".to_owned());
    format!("pipeline {}, {built}, features: {with}", env!("CARGO_PKG_VERSION"))
}

fn named<const N: usize>(flags: [(&str, bool); N]) -> Option<String> {
    let set: Vec<&str> =
        flags.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| *name).collect();
    (!set.is_empty()).then(|| set.join(", "))
}

/// A file of the system's, where it has it.
fn said(path: &str) -> Option<String> {
    regular::read_to_string(Path::new(path)).ok()
}

fn system() -> String {
    let release = said("/proc/sys/kernel/osrelease").unwrap_or_default();
    let name = said("/etc/os-release").and_then(|text| {
        let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
        Some(format!(", {}", name.trim_matches('"')))
    });
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    format!("{os} {} {arch}{}", release.trim(), name.unwrap_or_default())
}

fn processor() -> String {
    format!("{}; {}; bf16 by {}", machine::processor(), vectors(), bf16_instructions())
}

#[cfg(target_arch = "x86_64")]
fn vectors() -> String {
    let has = [
        ("AVX2", is_x86_feature_detected!("avx2")),
        ("FMA", is_x86_feature_detected!("fma")),
        ("AVX-512", is_x86_feature_detected!("avx512f")),
    ];
    named(has).unwrap_or_else(|| "no AVX2, which makes it slow".to_owned())
}

#[cfg(not(target_arch = "x86_64"))]
fn vectors() -> String {
    std::env::consts::ARCH.to_owned()
}

fn cores() -> String {
    let usable = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let all = said("/proc/cpuinfo")
        .map(|text| text.lines().filter(|line| line.starts_with("processor")).count())
        .filter(|all| *all > 0);
    let limit = least(&of_groups("cpu.max"), quota);
    let all = all.map(|all| format!(" of {all}")).unwrap_or_default();
    let limit = limit.map(|limit| format!("; the control group allows {limit:.1}"));
    format!("{usable}{all} are used{}", limit.unwrap_or_default())
}

fn memory() -> String {
    let text = said("/proc/meminfo").unwrap_or_default();
    let of = |name| meminfo(&text, name).map_or_else(|| "unknown".to_owned(), format::bytes);
    let limit = least(&of_groups("memory.max"), |text| text.trim().parse::<f64>().ok());
    let limit =
        limit.map(|limit| format!("; the control group allows {}", format::bytes(limit as u64)));
    let (all, free) = (of("MemTotal:"), of("MemAvailable:"));
    format!("{all}, {free} are available{}", limit.unwrap_or_default())
}

/// A line of `/proc/meminfo`, in bytes.
fn meminfo(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// What this process's control group and those around it say in a file.
fn of_groups(file: &str) -> Vec<String> {
    let groups = said("/proc/self/cgroup").unwrap_or_default();
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let own = Path::new("/sys/fs/cgroup").join(own);
    let above = own.ancestors().take_while(|folder| folder.starts_with("/sys/fs/cgroup"));
    above.filter_map(|folder| regular::read_to_string(&folder.join(file)).ok()).collect()
}

fn least(texts: &[String], read: impl Fn(&str) -> Option<f64>) -> Option<f64> {
    texts.iter().filter_map(|text| read(text)).min_by(f64::total_cmp)
}

/// Cores, of `cpu.max`: microseconds that may be used, and of how many; `max` is no limit.
fn quota(text: &str) -> Option<f64> {
    let (used, period) = text.trim().split_once(' ')?;
    Some(used.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
}

/// What there is of an NVIDIA GPU beside this program.
fn driver() -> String {
    match said("/proc/driver/nvidia/version") {
        Some(text) => format!("; {}", text.lines().next().unwrap_or_default().trim()),
        None if cfg!(target_os = "linux") => "; no NVIDIA driver is loaded".to_owned(),
        None => String::new(),
    }
}

/// Where a folder lies, or would.
fn file_system(outputs: &Path) -> String {
    let outputs = std::path::absolute(outputs).unwrap_or_else(|_| outputs.to_owned());
    let there = outputs.ancestors().find_map(|folder| folder.canonicalize().ok());
    let there = there.unwrap_or_else(|| PathBuf::from("/"));
    let free = rustix::fs::statvfs(&there).map(|disk| disk.f_bavail * disk.f_frsize);
    let free = free.map_or_else(|_| "unknown".to_owned(), format::bytes);
    let mounts = said("/proc/self/mountinfo").unwrap_or_default();
    let kind = kind_of(&mounts, &there).unwrap_or("a file system of unknown kind");
    let state = if outputs.is_dir() { "" } else { ", not there yet" };
    format!("`{}`{state}, on {kind}, {free} are free", outputs.display())
}

/// The kind of the file system that a path lies on, of `/proc/self/mountinfo`.
///
/// Reference: proc_pid_mountinfo(5)
fn kind_of<'m>(mounts: &'m str, path: &Path) -> Option<&'m str> {
    let mount = |line: &'m str| {
        let (place, kind) = line.split_once(" - ")?;
        let place = place.split(' ').nth(4)?.replace("\\040", " ");
        let depth = Path::new(&place).components().count();
        path.starts_with(&place).then(|| Some((depth, kind.split(' ').next()?)))?
    };
    // Of two on one place, the later one hides the other.
    mounts.lines().filter_map(mount).max_by_key(|(depth, _)| *depth).map(|(_, kind)| kind)
}

/// Whether a profile with `executor = "slurm"` has somewhere to go.
fn cluster() -> String {
    match slurm::describe() {
        Ok((version, tasks)) => format!("{version}, arrays of up to {tasks} tasks"),
        Err(ClusterError::NoCommand { command }) => {
            format!("none: there is no `{command}` on this machine")
        }
        Err(error) => format!("of no use: {error}"),
    }
}

fn of_hub() -> String {
    let mut options = hub::Options::from_environment();
    if options.offline {
        return "not asked: HF_HUB_OFFLINE is set".to_owned();
    }
    let token = if options.token.is_some() { "with a token" } else { "without a token" };
    let place = match options.endpoint {
        Some(_) => "that of HF_ENDPOINT",
        None => "https://huggingface.co",
    };
    // What is found out is kept nowhere.
    let Ok(cache) = tempfile::tempdir() else { return "no temporary folder".to_owned() };
    options.cache = Some(cache.path().to_owned());
    (options.patience, options.retries) = (PATIENCE, 0);
    let begun = Instant::now();
    let asked = hub::Client::new(options)
        .and_then(|client| client.resolve(MODEL_OF_HUB, "main", &mut hub::Silent));
    match asked {
        Ok(_) => format!("{place} answers in {} ms, {token}", begun.elapsed().as_millis()),
        Err(error) => format!("{place} is of no use, {token}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_quota_of_all_groups_counts_and_max_is_none() {
        let of = |texts: &[&str]| {
            least(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>(), quota)
        };
        assert_eq!(of(&["max 100000\n", "150000 100000\n", "400000 100000\n"]), Some(1.5));
        assert_eq!(of(&["max 100000\n"]), None);
    }

    #[test]
    fn a_path_lies_on_the_innermost_mount() {
        let mounts = "22 1 8:1 / / rw - ext4 /dev/a rw\n\
            30 22 0:25 / /data rw,noatime shared:1 - nfs4 host:/x rw\n\
            31 22 0:26 / /data/my\\040runs rw - tmpfs none rw\n\
            32 22 0:27 / /dat rw - xfs /dev/b rw\n";
        let of = |path| kind_of(mounts, Path::new(path));
        assert_eq!(
            ["/home", "/data", "/data/x", "/data/my runs/y", "/database"].map(of),
            ["ext4", "nfs4", "nfs4", "tmpfs", "ext4"].map(Some)
        );
        assert_eq!(kind_of("nonsense\n", Path::new("/")), None);
    }
}
