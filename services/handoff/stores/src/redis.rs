//! The private Redis.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::account::Account;
use crate::server::Engine;
use crate::stores::Lifetime;

#[derive(Debug)]
pub(crate) struct Redis {
    program: PathBuf,
    data: PathBuf,
    log: PathBuf,
    lifetime: Lifetime,
}

impl Redis {
    pub(crate) fn prepare(
        program: PathBuf,
        folder: &std::path::Path,
        lifetime: Lifetime,
        account: Option<Account>,
    ) -> Result<Self> {
        let data = folder.join("redis");
        std::fs::create_dir_all(&data)?;
        if let Some(account) = account {
            std::os::unix::fs::chown(&data, Some(account.uid), Some(account.gid))?;
        }
        Ok(Self {
            program,
            data,
            log: folder.join("redis.log"),
            lifetime,
        })
    }
}

impl Engine for Redis {
    const NAME: &'static str = "Redis";
    const STOP: &'static [Signal] = &[Signal::TERM];
    const PASSING: &'static [&'static str] = &["Address already in use"];

    fn program(&self) -> PathBuf {
        self.program.clone()
    }

    fn args(&self, port: u16) -> Vec<String> {
        let append_only = match self.lifetime {
            Lifetime::Kept => "yes",
            Lifetime::ThrowAway => "no",
        };
        let port = port.to_string();
        let data = self.data.to_string_lossy();
        [
            ("--port", port.as_str()),
            ("--bind", "127.0.0.1"),
            ("--dir", data.as_ref()),
            ("--appendonly", append_only),
            ("--appendfsync", "everysec"),
            ("--save", ""),
            ("--maxmemory-policy", "noeviction"),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value.to_owned()])
        .collect()
    }

    fn log(&self) -> PathBuf {
        self.log.clone()
    }

    async fn accepts(&self, _pid: u32, port: u16) -> bool {
        let ping = async {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
            stream.write_all(b"PING\r\n").await?;
            let mut answer = [0; 5];
            stream.read_exact(&mut answer).await?;
            std::io::Result::Ok(&answer == b"+PONG")
        };
        timeout(Duration::from_secs(1), ping)
            .await
            .is_ok_and(|answer| answer.unwrap_or(false))
    }
}
