//! A Redis server that a test may do anything to.

use std::process::Stdio;
use std::time::Duration;

use ::redis::RedisResult;
use ::redis::aio::MultiplexedConnection;
use platform::events::redis::Config;
use tempfile::TempDir;
use tokio::process::{Child, Command};

pub(crate) struct Redis {
    port: u16,
    folder: TempDir,
    child: Child,
}

impl Redis {
    pub(crate) async fn start() -> Self {
        loop {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            drop(listener);
            let folder = tempfile::tempdir().unwrap();
            let mut redis = Self {
                port,
                child: spawn(port, &folder),
                folder,
            };
            if redis.came_up().await {
                return redis;
            }
            // Somebody else took the port.
        }
    }

    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Starts it again on the same port, empty.
    pub(crate) async fn restart(&mut self) {
        self.child = spawn(self.port, &self.folder);
        assert!(self.came_up().await);
    }

    pub(crate) fn config(&self) -> Config {
        Config::new(self.url())
    }

    pub(crate) async fn ask<T: ::redis::FromRedisValue>(&self, command: &::redis::Cmd) -> T {
        let mut connection = self.connect().await.unwrap();
        command.query_async(&mut connection).await.unwrap()
    }

    /// The events in the stream that all but escalations are in.
    pub(crate) async fn events(&self) -> Vec<String> {
        self.stream("handoff:events").await
    }

    pub(crate) async fn stream(&self, key: &str) -> Vec<String> {
        let range = ::redis::cmd("XRANGE").arg(key).arg("-").arg("+").to_owned();
        let entries: Vec<(String, Vec<String>)> = self.ask(&range).await;
        entries.into_iter().map(|(_, fields)| fields[1].clone()).collect()
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let mut connection = ::redis::Client::open(self.url())?
            .get_multiplexed_async_connection()
            .await?;
        let () = ::redis::cmd("PING").query_async(&mut connection).await?;
        Ok(connection)
    }

    async fn came_up(&mut self) -> bool {
        let coming_up = async {
            loop {
                if self.child.try_wait().unwrap().is_some() {
                    return false;
                }
                if self.connect().await.is_ok() {
                    return true;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), coming_up).await.unwrap()
    }
}

fn spawn(port: u16, folder: &TempDir) -> Child {
    let launch = |binary: &str| {
        Command::new(binary)
            .args(["--port", &port.to_string()])
            .args(["--bind", "127.0.0.1"])
            .args(["--save", ""])
            .args(["--appendonly", "no"])
            .arg("--dir")
            .arg(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
    };
    launch("redis-server")
        .or_else(|_| launch("valkey-server"))
        .expect("redis-server or valkey-server is on the PATH")
}
