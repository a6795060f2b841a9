//! The owner's side: start the supervisor, hold the pipe, wait for the end.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::engines::{self, Engines};
use crate::{account, folder, supervisor};

/// What the supervisor is asked to run: one line of JSON on its stdin.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) owner: u32,
    pub(crate) dir: PathBuf,
    pub(crate) lifetime: Lifetime,
    pub(crate) engines: Engines,
}

/// How long the data outlives its servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Lifetime {
    /// Kept: every acknowledged commit survives a crash of the machine.
    Kept,
    /// Deleted with the servers, so nothing is ever flushed to disk.
    ThrowAway,
}

/// The supervisor's one answer, on its stdout.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Ready(Urls),
    Failed(String),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Urls {
    pub(crate) database: String,
    pub(crate) redis: String,
}

/// A running pair of private servers. They stop when this is dropped and when the process that holds it dies.
#[derive(Debug)]
pub struct Stores {
    urls: Urls,
    supervisor: Child,
}

impl Stores {
    /// Starts both servers on the data in `dir`, which is created on first use and kept.
    ///
    /// Missing engines are installed first. Blocks until both servers accept connections. Must be called from an
    /// executable that offers [`Command`](crate::Command), which it starts once more. Fails with one sentence for
    /// people when an engine cannot be had, or when another process uses `dir`.
    pub fn start(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let dir = dir
            .canonicalize()
            .with_context(|| format!("cannot open {}", dir.display()))?;
        Self::launch(dir, Lifetime::Kept)
    }

    /// Starts both servers on an empty temporary directory that is deleted when they stop. The data is not flushed to
    /// disk: do not measure writes against it.
    pub fn throw_away() -> Result<Self> {
        let name = format!("handoff-{:016x}", rand::random::<u64>());
        Self::launch(std::env::temp_dir().join(name), Lifetime::ThrowAway)
    }

    fn launch(dir: PathBuf, lifetime: Lifetime) -> Result<Self> {
        let account = account::for_servers(&dir)?;
        let engines = engines::find_or_install(account, folder::cluster_version(&dir))?;
        let executable = std::env::current_exe().context("cannot find the running executable")?;
        let mut supervisor = Command::new(&executable);
        supervisor
            .arg(supervisor::COMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        // Ctrl-C in a terminal reaches the whole process group; the servers must outlive their owner's clean-up.
        std::os::unix::process::CommandExt::process_group(&mut supervisor, 0);
        let supervisor = supervisor
            .spawn()
            .with_context(|| format!("cannot start {}", executable.display()))?;
        // From here on the drop of `stores` closes the pipe and waits.
        let mut stores = Self {
            urls: Urls {
                database: String::new(),
                redis: String::new(),
            },
            supervisor,
        };
        let plan = Plan {
            owner: std::process::id(),
            dir,
            lifetime,
            engines,
        };
        match stores.ask(&plan)? {
            Answer::Ready(urls) => stores.urls = urls,
            Answer::Failed(reason) => bail!(reason),
        }
        Ok(stores)
    }

    fn ask(&mut self, plan: &Plan) -> Result<Answer> {
        let mut line = serde_json::to_string(plan)?;
        line.push('\n');
        let stdin = self.supervisor.stdin.as_mut().expect("stdin is piped until the drop");
        stdin
            .write_all(line.as_bytes())
            .context("the supervisor of the private stores ended at once")?;
        let stdout = self.supervisor.stdout.as_mut().expect("stdout is piped");
        let mut answer = String::new();
        BufReader::new(stdout).read_line(&mut answer)?;
        serde_json::from_str(&answer).context("the supervisor of the private stores ended before they were ready")
    }

    /// URL of the database `handoff`, with the password of its only role.
    pub fn database_url(&self) -> &str {
        &self.urls.database
    }

    /// URL of the Redis server.
    pub fn redis_url(&self) -> &str {
        &self.urls.redis
    }

    /// Stops both servers and waits until they have ended, some seconds at most.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Stores {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        // Bounded: the supervisor kills what does not stop in time.
        let _ = self.supervisor.wait();
    }
}
