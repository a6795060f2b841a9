//! A database and a Redis server for one system alone.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::str::FromStr as _;

use rand::Rng as _;
use redis::FromRedisValue;
use redis::aio::MultiplexedConnection;
use reqwest::Url;
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};
use tempfile::TempDir;

use crate::process::Process;
use crate::wait::until;

/// Where this test run's PostgreSQL is.
#[expect(
    clippy::disallowed_methods,
    reason = "a test has no command line of its own to be configured with"
)]
fn server() -> Url {
    let url = std::env::var("DATABASE_URL").expect("run the tests with `make test`, which gives them DATABASE_URL");
    url.parse().expect("DATABASE_URL is a URL")
}

/// An empty database of its own. It is deleted when this is dropped.
#[derive(Debug)]
pub struct Database {
    url: Url,
}

impl Database {
    /// Creates one on the server of this test run.
    pub async fn create() -> Self {
        let mut url = server();
        let name = format!("journey_{:016x}", rand::random::<u64>());
        ask(&url, &format!("create database {name}")).await;
        url.set_path(&name);
        Self { url }
    }

    /// What a system is told.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// `host:port` of the server.
    pub fn address(&self) -> String {
        let host = self.url.host_str().expect("the server is reached over TCP");
        format!("{host}:{}", self.url.port().unwrap_or(5432))
    }

    /// The URL with another server address, such as that of a [`Wire`](crate::wire::Wire).
    pub fn url_through(&self, port: u16) -> String {
        let mut url = self.url.clone();
        url.set_port(Some(port)).expect("the URL has a host");
        url.into()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let url = self.url.clone();
        // A thread of its own: this may run inside of a runtime, which must not be blocked by another one.
        let deleted = std::thread::spawn(move || {
            let name = url.path().trim_start_matches('/').to_owned();
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime starts")
                .block_on(ask(&server(), &format!("drop database if exists {name} with (force)")));
        })
        .join();
        if deleted.is_err() {
            eprintln!("{} was not deleted", self.url.path());
        }
    }
}

/// A connection to the database behind `url`.
pub async fn connect(url: &str) -> PgConnection {
    let options = PgConnectOptions::from_str(url).expect("a database URL");
    options.connect().await.expect("the database answers")
}

async fn ask(server: &Url, sql: &str) {
    let mut connection = connect(server.as_str()).await;
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut connection)
        .await
        .expect("the server obeys");
    connection.close().await.expect("the connection is closed");
}

/// A port that nobody is given by chance, so that a server that was killed finds it free again: port 0 and outgoing
/// connections take theirs from 32768 upwards.
pub fn port() -> u16 {
    loop {
        let port = rand::rng().random_range(20_000..32_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A Redis server without persistence, which a test may do anything to.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    folder: TempDir,
    process: Process,
}

impl Redis {
    /// Starts one.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = port();
        let process = spawn(port, &folder);
        let mut redis = Self { port, folder, process };
        redis.up().await;
        redis
    }

    async fn up(&mut self) {
        until("Redis is up", async || {
            self.process.assert_running();
            self.try_connect().await.ok()
        })
        .await;
    }

    /// What a system is told.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Kills it as a crash would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again, with what [`Redis::save`] has kept and nothing else.
    pub async fn restart(&mut self) {
        self.process = spawn(self.port, &self.folder);
        self.up().await;
    }

    /// Keeps a copy of what it holds now.
    pub async fn save(&self) {
        let () = self.ask(&redis::cmd("SAVE")).await;
    }

    async fn try_connect(&self) -> redis::RedisResult<MultiplexedConnection> {
        let mut connection = redis::Client::open(self.url())?
            .get_multiplexed_async_connection()
            .await?;
        let () = redis::cmd("PING").query_async(&mut connection).await?;
        Ok(connection)
    }

    /// The answer to a command.
    pub async fn ask<T: FromRedisValue>(&self, command: &redis::Cmd) -> T {
        let mut connection = self.try_connect().await.expect("Redis is up");
        command.query_async(&mut connection).await.expect("Redis obeys")
    }

    /// The CloudEvents in a stream, oldest first.
    pub async fn events(&self, stream: &str) -> Vec<Value> {
        type Entry = (String, Vec<(String, String)>);
        let range = redis::cmd("XRANGE").arg(stream).arg("-").arg("+").to_owned();
        let entries: Vec<Entry> = self.ask(&range).await;
        entries
            .into_iter()
            .map(|(_, fields)| {
                let event = fields.iter().find(|(name, _)| name == "event");
                let (_, json) = event.expect("an entry holds an event");
                serde_json::from_str(json).expect("an event is JSON")
            })
            .collect()
    }
}

fn spawn(port: u16, folder: &TempDir) -> Process {
    let mut command = Command::new("redis-server");
    command
        .args(["--port", &port.to_string()])
        .args(["--bind", "127.0.0.1"])
        .args(["--save", ""])
        .args(["--appendonly", "no"])
        .args(["--maxmemory-policy", "noeviction"])
        .arg("--dir")
        .arg(folder.path())
        .stdin(Stdio::null());
    Process::start("redis", command)
}
