//! One server process: start, wait until it accepts, restart, stop.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::account::Account;

const READY_POLL: Duration = Duration::from_millis(20);
/// Crash recovery replays the log since the last checkpoint first.
const READY_DEADLINE: Duration = Duration::from_mins(2);
const RETRY_DEADLINE: Duration = Duration::from_secs(10);
/// For each signal in turn.
const STOP_DEADLINE: Duration = Duration::from_secs(8);
const RESTART_DELAY: Duration = Duration::from_secs(1);

/// How to run a server on a port, and how to see that it accepts.
pub(crate) trait Engine {
    const NAME: &'static str;
    /// Asks politely first, then insists; what is left after the last is killed.
    const STOP: &'static [Signal];
    /// What its log says when a start fails for a reason that passes: another process was first to take the port, or a
    /// server that was told to stop is still at it.
    const PASSING: &'static [&'static str];

    fn program(&self) -> PathBuf;
    fn args(&self, port: u16) -> Vec<String>;
    fn log(&self) -> PathBuf;
    /// Does process `pid` accept connections on `port`?
    async fn accepts(&self, pid: u32, port: u16) -> bool;
}

/// A server that may be started, and what is needed to start it again.
#[derive(Debug)]
pub(crate) struct Server<E> {
    engine: E,
    account: Option<Account>,
    port: u16,
    child: Option<Child>,
}

impl<E: Engine> Server<E> {
    pub(crate) fn new(engine: E, account: Option<Account>) -> Self {
        Self {
            engine,
            account,
            port: 0,
            child: None,
        }
    }

    /// Starts the engine on a free port and waits until it accepts connections.
    pub(crate) async fn start(&mut self) -> Result<()> {
        let deadline = Instant::now() + RETRY_DEADLINE;
        loop {
            let log = self.engine.log();
            File::create(&log).with_context(|| format!("cannot create {}", log.display()))?;
            self.port = free_port()?;
            self.child = Some(self.spawn()?);
            let Err(error) = self.ready().await else {
                return Ok(());
            };
            self.stop().await;
            let reason = error.to_string();
            if !E::PASSING.iter().any(|passing| reason.contains(passing)) || Instant::now() > deadline {
                return Err(error);
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// The port of the last start.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    async fn ready(&mut self) -> Result<()> {
        let child = self.child.as_mut().expect("it was started");
        let pid = child.id().expect("nobody has waited for it yet");
        let deadline = Instant::now() + READY_DEADLINE;
        while Instant::now() < deadline {
            if let Some(status) = child.try_wait()? {
                return Err(anyhow!("{} did not start ({status}): {}", E::NAME, self.log_tail()));
            }
            if self.engine.accepts(pid, self.port).await {
                return Ok(());
            }
            sleep(READY_POLL).await;
        }
        bail!("{} does not accept connections: {}", E::NAME, self.log_tail())
    }

    /// The end of the log, in one line.
    fn log_tail(&self) -> String {
        let mut text = Vec::new();
        let _ = File::open(self.engine.log()).and_then(|mut log| {
            let length = log.metadata()?.len();
            log.seek(SeekFrom::Start(length.saturating_sub(2000)))?;
            log.read_to_end(&mut text)
        });
        let text = String::from_utf8_lossy(&text);
        let mut lines: Vec<_> = text.lines().rev().take(8).map(str::trim).collect();
        lines.reverse();
        lines.join(" / ")
    }

    /// Starts the server again whenever it ends; its clients see a server that was away for a moment. Returns only
    /// when it cannot be started.
    pub(crate) async fn keep_running(&mut self) -> Result<()> {
        while let Some(child) = &mut self.child {
            let status = child.wait().await?;
            eprintln!("the private {} ended ({status}) and is started again", E::NAME);
            sleep(RESTART_DELAY).await;
            self.child = Some(self.spawn()?);
        }
        Ok(())
    }

    pub(crate) async fn stop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        for signal in E::STOP {
            // No id: it has ended and has been waited for.
            let Some(pid) = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) else {
                return;
            };
            let _ = kill_process(pid, *signal);
            if timeout(STOP_DEADLINE, child.wait()).await.is_ok() {
                return;
            }
        }
        let _ = child.kill().await;
    }

    fn spawn(&self) -> Result<Child> {
        let path = self.engine.log();
        let log = File::options().append(true).open(&path);
        let log = log.with_context(|| format!("cannot open {}", path.display()))?;
        let program = self.engine.program();
        let mut command = command(&program, self.account);
        command
            .args(self.engine.args(self.port))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        command
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))
    }
}

/// A command under the servers' account and in a neutral environment.
///
/// Where the system can, it is told to stop when this process is killed. That signal follows the calling *thread*, so
/// call it on one that lives as long as the supervisor.
pub(crate) fn command(program: &Path, account: Option<Account>) -> Command {
    let mut command = if *HAS_DEATH_SIGNAL {
        let mut command = Command::new(SETPRIV[0]);
        command.args(&SETPRIV[1..]).arg(program);
        command
    } else {
        Command::new(program)
    };
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
    // PostgreSQL on macOS does not start without a locale.
    command
        .current_dir("/")
        .env("LC_ALL", "C")
        .env_remove("PGDATA")
        .env_remove("PGPORT")
        .kill_on_drop(true);
    command
}

/// From util-linux, which every distribution with apt or dnf has.
const SETPRIV: [&str; 4] = ["setpriv", "--pdeathsig", "INT", "--"];

static HAS_DEATH_SIGNAL: LazyLock<bool> = LazyLock::new(|| {
    let mut probe = std::process::Command::new(SETPRIV[0]);
    probe
        .args(&SETPRIV[1..])
        .arg("true")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
});

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
}
