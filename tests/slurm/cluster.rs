//! A Slurm of a test's own.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::common::Folder;

/// Set, a missing Slurm is a failure.
const WANTED: &str = "PIPELINE_TEST_REQUIRE_SLURM";
const PROGRAMS: [&str; 6] = ["munged", "mungekey", "slurmctld", "slurmd", "sbatch", "setpriv"];
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Says why nothing is tested. The harness hides what a test prints that passes, but not what goes to standard error itself.
fn skip<T>(why: &str) -> Option<T> {
    assert!(std::env::var_os(WANTED).is_none(), "{WANTED} is set: {why}");
    let _ = writeln!(std::io::stderr(), "\nSKIPPED: {why}");
    None
}

/// Whether something becomes true within a minute.
fn until(is_true: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    while !is_true() {
        if begun.elapsed() > Duration::from_secs(60) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    true
}

/// Its daemons end with this process.
pub struct Cluster {
    folder: Folder,
    daemons: Mutex<Vec<Child>>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for daemon in self.daemons.get_mut().expect("no thread has panicked").iter_mut().rev() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

impl Cluster {
    /// `None` where there is no Slurm, or it does not start.
    pub fn start() -> Option<Self> {
        let has = |program: &&str| {
            PATH.split(':').any(|folder| std::path::Path::new(folder).join(program).exists())
        };
        if !rustix::process::geteuid().is_root() || !PROGRAMS.iter().all(has) {
            return skip("needs root, `slurm-wlm` and `munge`");
        }
        let cluster = Self { folder: Folder::new(), daemons: Mutex::default() };
        cluster.configure();
        cluster.daemon(
            "munged",
            &[
                "--foreground",
                "--force",
                &cluster.at("--key-file=", "munge.key"),
                &cluster.at("--socket=", "munge.sock"),
                &cluster.at("--log-file=", "log/munged.log"),
                &cluster.at("--pid-file=", "munged.pid"),
                &cluster.at("--seed-file=", "munged.seed"),
            ],
        );
        if !until(|| cluster.folder.path("munge.sock").exists()) {
            return skip("munged does not start");
        }
        let configuration = cluster.at("", "slurm.conf");
        cluster.daemon("slurmctld", &["-D", "-f", &configuration]);
        for node in ["n1", "n2", "n3"] {
            cluster.daemon("slurmd", &["-D", "-f", &configuration, "-N", node]);
        }
        let is_up = until(|| cluster.command("sinfo", &["-h", "-o", "%D %t"]).trim() == "3 idle");
        if is_up { Some(cluster) } else { skip(&format!("no nodes: {}", cluster.state())) }
    }

    fn configure(&self) {
        for folder in ["log", "state", "spool/n1", "spool/n2", "spool/n3"] {
            fs::create_dir_all(self.folder.path(folder)).expect("writable");
        }
        let ports: Vec<TcpListener> =
            (0..4).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
        let port = |number: usize| ports[number].local_addr().expect("bound").port().to_string();
        let host = Command::new("hostname").arg("-s").output().expect("`hostname` starts").stdout;
        let text = include_str!("slurm.conf")
            .replace("@DIR@", &self.folder.root().display().to_string())
            .replace("@HOST@", String::from_utf8_lossy(&host).trim())
            .replace("@PORT@", &port(0))
            .replace("@PORT1@", &port(1))
            .replace("@PORT2@", &port(2))
            .replace("@PORT3@", &port(3));
        self.folder.write("slurm.conf", text);
        let key = self.at("--keyfile=", "munge.key");
        let made = Command::new("mungekey").env("PATH", PATH).args(["--create", &key]).status();
        assert!(made.is_ok_and(|status| status.success()), "a key is made");
    }

    fn at(&self, option: &str, name: &str) -> String {
        format!("{option}{}", self.folder.path(name).display())
    }

    /// Starts a daemon that is killed when this thread ends, which lives as long as the cluster is used.
    fn daemon(&self, program: &str, arguments: &[&str]) {
        let log = fs::File::create(self.folder.path(format!(
            "log/{program}.{}.out",
            arguments[arguments.len() - 1].replace('/', "_")
        )));
        let log = log.expect("writable");
        let daemon = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", program])
            .args(arguments)
            .env("PATH", PATH)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("`setpriv` starts");
        self.daemons.lock().expect("no thread has panicked").push(daemon);
    }

    /// Has a command talk to this cluster.
    pub fn enter(&self, command: &mut Command) {
        command.env("PATH", PATH).env("SLURM_CONF", self.folder.path("slurm.conf"));
    }

    /// What one of Slurm's commands prints.
    pub fn command(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(program);
        self.enter(&mut command);
        let output = command.args(arguments).output().expect("Slurm's commands start");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub fn is_idle(&self) -> bool {
        self.command("squeue", &["-h"]).trim().is_empty()
    }

    /// For who reads of a failure.
    pub fn state(&self) -> String {
        let jobs = self.command("squeue", &["-t", "all"]);
        let log = fs::read_to_string(self.folder.path("log/slurmctld.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        format!("{jobs}\n{}", lines[lines.len().saturating_sub(15)..].join("\n"))
    }
}
