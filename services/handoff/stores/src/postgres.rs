//! The private PostgreSQL: one cluster, one role, one database, both called `handoff`.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use tokio::io::AsyncWriteExt;

use crate::account::Account;
use crate::server::{Engine, command};
use crate::stores::Lifetime;

#[derive(Debug)]
pub(crate) struct Postgres {
    bin: PathBuf,
    data: PathBuf,
    log: PathBuf,
    lifetime: Lifetime,
}

impl Postgres {
    /// Makes the cluster on first use.
    pub(crate) async fn prepare(
        bin: PathBuf,
        folder: &Path,
        lifetime: Lifetime,
        account: Option<Account>,
    ) -> Result<Self> {
        let data = folder.join("postgres");
        let postgres = Self {
            bin,
            data: data.clone(),
            log: folder.join("postgres.log"),
            lifetime,
        };
        if !data.exists() {
            // Appears under its name when it is complete, so a start that is cut short leaves nothing half made.
            let unfinished = folder.join("postgres.unfinished");
            if unfinished.exists() {
                fs::remove_dir_all(&unfinished)?;
            }
            postgres.init(&unfinished, &password_file(folder), account).await?;
            fs::rename(&unfinished, &data)?;
        }
        Ok(postgres)
    }

    /// Any local user can reach a loopback port, and a superuser can run commands: hence a password. It is sent as it
    /// is, since nobody reads along on loopback, while SCRAM costs a debug build 50 ms for every connection.
    async fn init(&self, data: &Path, password: &Path, account: Option<Account>) -> Result<()> {
        let mut file = fs::File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(password)?;
        write!(file, "{:032x}", rand::random::<u128>())?;
        if let Some(account) = account {
            chown(password, Some(account.uid), Some(account.gid))?;
        }
        let mut initdb = command(&self.bin.join("initdb"), account);
        initdb
            .args([
                "--username=handoff",
                "--encoding=UTF8",
                "--locale=C",
                "--auth=password",
                "--no-sync",
            ])
            .arg(format!("--pwfile={}", password.display()))
            .arg("--pgdata")
            .arg(data);
        run(initdb, "")
            .await
            .context("PostgreSQL could not create its data directory")?;
        let mut single = command(&self.bin.join("postgres"), account);
        single.arg("--single").arg("-D").arg(data).arg("postgres");
        run(single, "create database handoff;\n")
            .await
            .context("PostgreSQL could not create its database")
    }

    pub(crate) fn url(folder: &Path, port: u16) -> Result<String> {
        let path = password_file(folder);
        let password = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(format!("postgres://handoff:{password}@127.0.0.1:{port}/handoff"))
    }
}

fn password_file(folder: &Path) -> PathBuf {
    folder.join("postgres.password")
}

async fn run(mut command: tokio::process::Command, input: &str) -> Result<()> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().expect("stdin is piped");
    // A program that ends without reading has its reason on stderr.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = child.wait_with_output().await?;
    if !output.status.success() {
        bail!(
            "{}",
            String::from_utf8_lossy(&output.stderr).trim().replace('\n', " / ")
        );
    }
    Ok(())
}

impl Engine for Postgres {
    const NAME: &'static str = "PostgreSQL";
    /// Fast shutdown: ends the sessions and writes a checkpoint. Immediate shutdown: recovers at the next start.
    const STOP: &'static [Signal] = &[Signal::INT, Signal::QUIT];
    const PASSING: &'static [&'static str] = &[
        "Address already in use",
        "lock file \"postmaster.pid\" already exists",
        "is still in use",
    ];

    fn program(&self) -> PathBuf {
        self.bin.join("postgres")
    }

    fn args(&self, port: u16) -> Vec<String> {
        let port = format!("port={port}");
        let mut settings = vec![
            port.as_str(),
            "listen_addresses=127.0.0.1",
            // A socket's path is limited to about 100 bytes, and nothing needs one.
            "unix_socket_directories=",
            // The services of a whole system, and tests in parallel, each with pools of their own.
            "max_connections=300",
            // Creating and dropping databases waits for connections that have not said who they are.
            "authentication_timeout=10s",
            "timezone=UTC",
            "log_timezone=UTC",
        ];
        if self.lifetime == Lifetime::ThrowAway {
            settings.extend(["fsync=off", "full_page_writes=off"]);
        }
        let data = ["-D".to_owned(), self.data.to_string_lossy().into_owned()];
        data.into_iter()
            .chain(settings.into_iter().flat_map(|s| ["-c".to_owned(), s.to_owned()]))
            .collect()
    }

    fn log(&self) -> PathBuf {
        self.log.clone()
    }

    /// The server says so in its pid file, whose lines are the same in all versions: the first is the process, the
    /// eighth its state.
    async fn accepts(&self, pid: u32, _port: u16) -> bool {
        let Ok(file) = fs::read_to_string(self.data.join("postmaster.pid")) else {
            return false;
        };
        let mut lines = file.lines().map(str::trim);
        lines.next() == Some(pid.to_string().as_str()) && lines.nth(6) == Some("ready")
    }
}
