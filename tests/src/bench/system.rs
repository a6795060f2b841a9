//! The system under load: one process, or a gateway and services.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Duration, Instant, sleep};

use super::load::{self, Template};
use super::servers::Servers;

/// How the system is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Kind {
    /// `handoff dev`.
    One,
    /// `gateway`, `thread-service`, `conversation-service` and `settings-service`.
    Services,
}

impl Kind {
    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::One => "one process",
            Self::Services => "gateway + services",
        }
    }
}

/// Where the system's programs and data are.
#[derive(Debug)]
pub struct Site {
    programs: PathBuf,
    data: PathBuf,
    database_url: String,
    redis_url: String,
}

/// A running system. It is killed when this is dropped.
#[derive(Debug)]
pub struct System {
    pub kind: Kind,
    /// By what each one is called.
    pub processes: Vec<(&'static str, Child)>,
    pub http: SocketAddr,
    started: Instant,
}

/// High enough that the limiter counts every request and refuses none.
const UNLIMITED: &str = "10000000";
/// Threads that each process of [`Kind::Services`] works with. They share the machine with the stores and the load
/// generator, as one process does, which takes half of the cores by itself.
pub fn workers() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (cores / 2).max(1)
}

const START: Duration = Duration::from_mins(1);
const STOP: Duration = Duration::from_secs(40);

impl Site {
    /// The programs are expected beside this one.
    pub fn new(directory: &Path, servers: &Servers) -> Result<Self> {
        let own = std::env::current_exe()?;
        let data = directory.join("system");
        std::fs::create_dir_all(&data)?;
        Ok(Self {
            programs: own.parent().context("an executable is in a directory")?.to_owned(),
            data,
            database_url: servers.database_url().to_owned(),
            redis_url: servers.redis_url().to_owned(),
        })
    }

    /// The value of a line of `dev.env`, which is there once the system was ready.
    pub fn value(&self, name: &str) -> Result<String> {
        let text = std::fs::read_to_string(self.data.join("dev.env")).context("the system has not become ready")?;
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
            .map(str::to_owned)
            .with_context(|| format!("dev.env has no {name}"))
    }

    /// Starts the system; [`System::ready`] waits for it.
    pub fn start(&self, kind: Kind) -> Result<System> {
        let mut system = System {
            kind,
            processes: Vec::new(),
            http: free()?,
            started: Instant::now(),
        };
        match kind {
            Kind::One => {
                let mut command = self.command("handoff")?;
                command
                    .arg("dev")
                    .arg("--data")
                    .arg(&self.data)
                    .args(["--http", &system.http.to_string()])
                    .args(["--grpc", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
                system.add("handoff", command)?;
            }
            Kind::Services => {
                let (settings, thread, conversation) = (free()?, free()?, free()?);
                let master_key = std::fs::read_to_string(self.data.join("master.key"))?;
                let service = |name: &str| -> Result<Command> {
                    let mut command = self.command(name)?;
                    command
                        .args(["--admin", "127.0.0.1:0"])
                        .env("TOKIO_WORKER_THREADS", workers().to_string())
                        .env("HANDOFF_LINGER_SECONDS", "0")
                        .env("HANDOFF_SERVICE_KEY", "a-service-key-for-the-bench-and-nothing-else")
                        .env("HANDOFF_MASTER_KEY", master_key.trim())
                        .env("HANDOFF_SETTINGS_URL", format!("http://{settings}"))
                        .env("HANDOFF_THREAD_URL", format!("http://{thread}"))
                        .env("HANDOFF_CONVERSATION_URL", format!("http://{conversation}"))
                        .env("MAIL_DIR", self.data.join("mail"));
                    Ok(command)
                };
                let mut command = service("settings-service")?;
                command.args(["--grpc", &settings.to_string()]);
                system.add("settings-service", command)?;
                let mut command = service("thread-service")?;
                command.args(["--grpc", &thread.to_string()]);
                system.add("thread-service", command)?;
                let mut command = service("conversation-service")?;
                command.args(["--grpc", &conversation.to_string()]);
                system.add("conversation-service", command)?;
                let mut command = service("gateway")?;
                command.args(["--http", &system.http.to_string()]);
                system.add("gateway", command)?;
            }
        }
        Ok(system)
    }

    fn command(&self, program: &str) -> Result<Command> {
        let path = self.programs.join(program);
        anyhow::ensure!(path.exists(), "{} is missing: run `make bench`", path.display());
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.data.join(format!("{program}.log")))?;
        let mut command = Command::new(path);
        command
            .env("DATABASE_URL", &self.database_url)
            .env("REDIS_URL", &self.redis_url)
            .env("HANDOFF_RATE_PER_SECOND", UNLIMITED)
            .env("HANDOFF_RATE_BURST", UNLIMITED)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        Ok(command)
    }
}

impl System {
    fn add(&mut self, name: &'static str, mut command: Command) -> Result<()> {
        let child = command.spawn().with_context(|| format!("{name} can't be started"))?;
        self.processes.push((name, child));
        Ok(())
    }

    /// Waits until `probe` holds, and returns how long that was after the start.
    pub async fn until(&mut self, mut probe: impl AsyncFnMut() -> bool) -> Result<Duration> {
        while !probe().await {
            for (name, child) in &mut self.processes {
                if let Some(status) = child.try_wait()? {
                    bail!("{name} ended at once ({status}): see its log beside the data");
                }
            }
            anyhow::ensure!(self.started.elapsed() < START, "the system does not become ready");
            sleep(Duration::from_millis(1)).await;
        }
        Ok(self.started.elapsed())
    }

    /// Waits for the first successful answer to `template`, and returns how long that was after the start.
    pub async fn ready(&mut self, template: &Template, thread: u32) -> Result<Duration> {
        let target = self.http;
        self.until(async || load::once(target, template, thread).await.is_ok())
            .await
    }

    /// Stops every process, the gateway first, and waits for their ends.
    pub async fn stop(mut self) -> Result<()> {
        while let Some((name, mut child)) = self.processes.pop() {
            if let Some(pid) = Pid::from_raw(child.id().cast_signed()) {
                kill_process(pid, Signal::TERM)?;
            }
            let asked = Instant::now();
            let status = loop {
                if let Some(status) = child.try_wait()? {
                    break status;
                }
                if asked.elapsed() > STOP {
                    child.kill()?;
                    child.wait()?;
                    bail!("{name} does not stop");
                }
                sleep(Duration::from_millis(5)).await;
            };
            anyhow::ensure!(status.success(), "{name} ended with {status}");
        }
        Ok(())
    }
}

impl Drop for System {
    fn drop(&mut self) {
        for (_, child) in &mut self.processes {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// An address that nobody listens on.
fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
