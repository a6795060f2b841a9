//! Private PostgreSQL and Redis servers, durable and sized like those of a production system.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use private_stores::Stores;
use redis::aio::MultiplexedConnection;
use sqlx::{Connection as _, PgConnection};
use tokio::time::{Duration, Instant, sleep};

use super::cpu;

/// `fsync`, `synchronous_commit` and `full_page_writes` stay on, as they are by default.
const SETTINGS: [&str; 3] = [
    "alter system set shared_buffers = '1GB'",
    "alter system set max_wal_size = '8GB'",
    "alter system set checkpoint_timeout = '15min'",
];

/// The two servers, with a connection to each.
#[derive(Debug)]
pub struct Servers {
    stores: Stores,
    pub database: PgConnection,
    redis: MultiplexedConnection,
    /// The postmaster, parent of every process of the server.
    pub postgres: u32,
    pub redis_process: u32,
}

/// What commits and events have left to do behind a request's back has to end within this.
const DRAIN: Duration = Duration::from_mins(2);

impl Servers {
    /// Starts servers on the empty directory `directory`. To be called inside of a runtime that may be blocked.
    pub async fn start(directory: &Path) -> Result<Self> {
        let stores = Stores::start(directory)?;
        let mut database = PgConnection::connect(stores.database_url()).await?;
        for setting in SETTINGS {
            sqlx::raw_sql(setting).execute(&mut database).await?;
        }
        database.close().await?;
        stores.stop();
        let stores = Stores::start(directory)?;

        let mut database = PgConnection::connect(stores.database_url()).await?;
        let backend: i32 = sqlx::query_scalar("select pg_backend_pid()")
            .fetch_one(&mut database)
            .await?;
        let postgres = cpu::parent(backend.unsigned_abs())?;
        let mut redis = redis::Client::open(stores.redis_url())?
            .get_multiplexed_async_connection()
            .await?;
        let info: String = redis::cmd("INFO").arg("server").query_async(&mut redis).await?;
        let redis_process = info
            .lines()
            .find_map(|line| line.strip_prefix("process_id:")?.trim().parse().ok())
            .context("Redis does not tell its process")?;
        Ok(Self {
            stores,
            database,
            redis,
            postgres,
            redis_process,
        })
    }

    pub fn database_url(&self) -> &str {
        self.stores.database_url()
    }

    pub fn redis_url(&self) -> &str {
        self.stores.redis_url()
    }

    /// The running `postgres` executable.
    pub fn postgres_program(&self) -> Result<PathBuf> {
        std::fs::read_link(format!("/proc/{}/exe", self.postgres)).context("the PostgreSQL server can't be found")
    }

    /// The versions of the two, for the report.
    pub async fn versions(&mut self) -> Result<(String, String)> {
        let postgres = sqlx::query_scalar("show server_version")
            .fetch_one(&mut self.database)
            .await?;
        let info: String = redis::cmd("INFO").arg("server").query_async(&mut self.redis).await?;
        let redis = info
            .lines()
            .find_map(|line| line.strip_prefix("redis_version:"))
            .unwrap_or("unknown");
        Ok((postgres, redis.trim().to_owned()))
    }

    /// Waits until every event is published and every consumer group has taken it: work of a request that its answer
    /// did not wait for. Returns how long that took.
    pub async fn drain(&mut self) -> Result<Duration> {
        let start = Instant::now();
        while !self.drained().await? {
            anyhow::ensure!(
                start.elapsed() < DRAIN,
                "events are not taken: the relay or a consumer does not keep up"
            );
            sleep(Duration::from_millis(20)).await;
        }
        Ok(start.elapsed())
    }

    async fn drained(&mut self) -> Result<bool> {
        let waiting: bool = sqlx::query_scalar(
            "select exists (select from thread.outbox_unpublished)
                 or exists (select from settings.outbox_unpublished)
                 or exists (select from conversation.outbox_unpublished)",
        )
        .fetch_one(&mut self.database)
        .await?;
        if waiting {
            return Ok(false);
        }
        for stream in ["handoff:escalations", "handoff:events"] {
            let exists: bool = redis::cmd("EXISTS").arg(stream).query_async(&mut self.redis).await?;
            if exists && !self.taken(stream).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn taken(&mut self, stream: &str) -> Result<bool> {
        let facts: redis::Value = redis::cmd("XINFO")
            .arg("STREAM")
            .arg(stream)
            .query_async(&mut self.redis)
            .await?;
        let last = fact(&facts, "last-generated-id");
        let groups: Vec<redis::Value> = redis::cmd("XINFO")
            .arg("GROUPS")
            .arg(stream)
            .query_async(&mut self.redis)
            .await?;
        Ok(groups
            .iter()
            .all(|group| fact(group, "last-delivered-id") == last && fact(group, "pending").as_deref() == Some("0")))
    }
}

/// The value of a field in a flat list of names and values, as `XINFO` gives it.
fn fact(facts: &redis::Value, name: &str) -> Option<String> {
    let redis::Value::Array(list) = facts else {
        return None;
    };
    let (names, _) = list.as_chunks::<2>();
    names.iter().find_map(|[key, value]| {
        (redis::from_redis_value_ref::<String>(key).ok()? == name).then(|| redis::from_redis_value_ref(value).ok())?
    })
}
