//! A producer, a consumer with a ledger of its effects, and a Redis of their own.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use platform::access::{Access, ServiceKey};
use platform::events::redis::{Config, Patience};
use platform::events::{self, Consumer, Event, Outbox, Received, Stream};
use platform::link::Link;
use platform::server::{Limits, Readiness, Server};
use platform::{Db, OrgId, id};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Row as _};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn within<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(PATIENCE, what)
        .await
        .expect("it should have happened long ago")
}

pub(crate) async fn until<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    within(async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// A Redis server that a test may do anything to.
pub(crate) struct Redis {
    port: u16,
    folder: TempDir,
    child: Child,
    /// How long consumers wait.
    pub(crate) patience: Patience,
}

impl Redis {
    pub(crate) async fn start() -> Self {
        let mut folder = tempfile::tempdir().unwrap();
        loop {
            let port = std::net::TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap()
                .port();
            let mut redis = Self {
                port,
                child: spawn(port, folder.path()),
                folder,
                patience: Patience {
                    claim: Duration::from_millis(600),
                    retry: Duration::from_millis(5),
                    ..Patience::default()
                },
            };
            if redis.came_up().await {
                return redis;
            }
            // Somebody else took the port.
            folder = redis.folder;
        }
    }

    async fn came_up(&mut self) -> bool {
        within(async {
            loop {
                if self.child.try_wait().unwrap().is_some() {
                    return false;
                }
                if self.try_connect().await.is_ok() {
                    return true;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
    }

    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Starts again on the same port, with what was saved.
    pub(crate) async fn restart(&mut self) {
        self.child = spawn(self.port, self.folder.path());
        assert!(self.came_up().await);
    }

    /// Saves a copy, to be restarted from.
    pub(crate) async fn save(&self) {
        let () = self.ask(redis::cmd("SAVE")).await;
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new(format!("redis://127.0.0.1:{}", self.port));
        config.patience = self.patience;
        config
    }

    async fn try_connect(&self) -> redis::RedisResult<redis::aio::MultiplexedConnection> {
        let mut connection = redis::Client::open(("127.0.0.1", self.port))?
            .get_multiplexed_async_connection()
            .await?;
        let () = redis::cmd("PING").query_async(&mut connection).await?;
        Ok(connection)
    }

    pub(crate) async fn ask<T: redis::FromRedisValue>(&self, command: redis::Cmd) -> T {
        let mut connection = self.try_connect().await.unwrap();
        command.query_async(&mut connection).await.unwrap()
    }

    pub(crate) async fn length(&self, stream: Stream) -> usize {
        let mut command = redis::cmd("XLEN");
        command.arg(stream.key());
        self.ask(command).await
    }

    /// Entries that the group was given and has not acknowledged.
    pub(crate) async fn pending(&self, group: &str) -> i64 {
        let mut pending = 0;
        for stream in Stream::ALL {
            let mut command = redis::cmd("XPENDING");
            command.arg(stream.key()).arg(group);
            let summary: Vec<redis::Value> = self.ask(command).await;
            let redis::Value::Int(number) = summary[0] else {
                panic!("{summary:?}");
            };
            pending += number;
        }
        pending
    }
}

fn spawn(port: u16, folder: &Path) -> Child {
    let launch = |binary: &str| {
        Command::new(binary)
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .args(["--stream-node-max-entries", "10", "--dir"])
            .arg(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
    };
    launch("redis-server")
        .or_else(|_| launch("valkey-server"))
        .expect("redis-server or valkey-server is on the PATH")
}

/// One context that tells, in the schema `producer`; one that listens, in the schema `consumer`.
pub(crate) struct Site {
    pub(crate) db: Db,
    pub(crate) options: PgConnectOptions,
    pub(crate) redis: Redis,
    pub(crate) outbox: Outbox,
    pub(crate) org: OrgId,
}

impl Site {
    pub(crate) async fn new(options: PgConnectOptions) -> Self {
        let db = Db::with_options(options.clone(), "test", 16);
        for schema in ["producer", "consumer"] {
            let tables = concat!(
                include_str!("../../sql/infrastructure.sql"),
                include_str!("../../sql/published.sql")
            )
            .replace("{schema}", schema);
            execute(&db, &format!("create schema {schema}; {tables}")).await;
        }
        execute(
            &db,
            "create table effects (n bigint generated always as identity, event_id uuid, subject text, sequence bigint)",
        )
        .await;
        Self {
            db,
            options,
            redis: Redis::start().await,
            outbox: Outbox::new("producer"),
            org: OrgId(id::random()),
        }
    }

    pub(crate) async fn record(&self, subject: &str, sequence: i64) {
        let mut tx = self.db.begin().await.unwrap();
        let stream = if subject.starts_with("escalations/") {
            Stream::Escalations
        } else {
            Stream::Events
        };
        let event = Event {
            org: self.org,
            stream,
            kind: "thing.changed",
            subject: subject.to_owned(),
            sequence,
            cause: None,
            data: serde_json::json!({ "text": format!("\"{sequence}\"") }),
        };
        self.outbox.record(&mut tx, None, event).await.unwrap();
        tx.commit().await.unwrap();
        self.outbox.wake();
    }

    pub(crate) async fn record_all(&self, subject: &str, sequences: impl IntoIterator<Item = i64>) {
        for sequence in sequences {
            self.record(subject, sequence).await;
        }
    }

    /// Adds an entry without an outbox, as a relay of the context `elsewhere` would.
    pub(crate) async fn add(&self, event: Uuid, subject: &str, sequence: i64) {
        let json = serde_json::json!({
            "specversion": "1.0",
            "id": event,
            "source": "/handoff/elsewhere",
            "type": "thing.changed",
            "subject": subject,
            "time": "2026-01-31T12:00:00.000000Z",
            "datacontenttype": "application/json",
            "organization": self.org.0,
            "sequence": sequence.to_string(),
            "data": {},
        });
        self.add_entry(&[
            ("event", &json.to_string()),
            ("type", "thing.changed"),
            ("organization", &self.org.to_string()),
        ])
        .await;
    }

    pub(crate) async fn add_entry(&self, fields: &[(&str, &str)]) {
        let mut command = redis::cmd("XADD");
        command.arg(Stream::Events.key()).arg("*").arg(fields);
        let _id: String = self.redis.ask(command).await;
    }

    /// Gives the one entry there is to a member of the group that does nothing about it.
    pub(crate) async fn give_to(&self, member: &str) -> String {
        let mut group = redis::cmd("XGROUP");
        group.arg("CREATE").arg(Stream::Events.key()).arg("ledger").arg("0");
        let () = self.redis.ask(group).await;
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP").arg("ledger").arg(member);
        read.arg("STREAMS").arg(Stream::Events.key()).arg(">");
        let _given: redis::Value = self.redis.ask(read).await;
        let mut range = redis::cmd("XRANGE");
        range.arg(Stream::Events.key()).arg("-").arg("+");
        let entries: Vec<(String, Vec<String>)> = self.redis.ask(range).await;
        entries[0].0.clone()
    }

    pub(crate) fn relay(&self) -> Process {
        let (db, redis) = (self.db.clone(), self.redis.config());
        Process::start(|server| events::relay(server, db, "producer", &self.outbox, redis))
    }

    pub(crate) fn consumer(&self, consumer: impl Consumer) -> Process {
        let (db, redis) = (self.db.clone(), self.redis.config());
        Process::start(|server| events::consume(server, db, "consumer", redis, consumer))
    }

    pub(crate) async fn count(&self, of: &str) -> i64 {
        sqlx::query(AssertSqlSafe(format!("select count(*) from {of}")))
            .fetch_one(&self.db)
            .await
            .unwrap()
            .get(0)
    }

    pub(crate) async fn published(&self) -> i64 {
        let events = self.count("producer.outbox where id not in (select id from producer.outbox_unpublished)");
        events.await
    }

    /// The effects on a subject, in the order in which they happened.
    pub(crate) async fn effects(&self, subject: &str) -> Vec<i64> {
        let rows = sqlx::query("select sequence from effects where subject = $1 order by n")
            .bind(subject)
            .fetch_all(&self.db)
            .await
            .unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    pub(crate) async fn until_effects(&self, subject: &str, effects: &[i64]) {
        let enough = within(async {
            loop {
                let now = self.effects(subject).await;
                if now.len() >= effects.len() {
                    return now;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        assert_eq!(enough, effects);
    }

    pub(crate) async fn until_acknowledged(&self) {
        until(async || self.redis.pending("ledger").await == 0).await;
    }
}

pub(crate) async fn execute(db: &Db, statements: &str) {
    let mut connection = db.dedicated().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned()))
        .execute(&mut connection)
        .await
        .unwrap();
}

/// A server with one loop.
pub(crate) struct Process {
    task: JoinHandle<anyhow::Result<()>>,
    stop: CancellationToken,
}

impl Process {
    fn start(mount: impl FnOnce(Server) -> Server) -> Self {
        let access = Access::new(Link::local(), ServiceKey::random());
        let running = mount(Server::new(access, Limits::default())).build();
        let stop = CancellationToken::new();
        let token = stop.clone();
        let task = tokio::spawn(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            running.run(listener, Readiness::default(), token).await
        });
        Self { task, stop }
    }

    /// Ends it as a crash does: nothing of it runs any more.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        within(self.task).await.unwrap().unwrap();
    }
}

/// A consumer that writes down what it did.
#[derive(Clone)]
pub(crate) struct Ledger(Arc<dyn Fn(&Received) -> Verdict + Send + Sync>);

/// What the ledger is to do about an event after writing it down.
pub(crate) enum Verdict {
    Done,
    Fail(anyhow::Error),
    Wait(Arc<tokio::sync::Notify>),
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self::with(|_| Verdict::Done)
    }

    pub(crate) fn with(verdict: impl Fn(&Received) -> Verdict + Send + Sync + 'static) -> Self {
        Self(Arc::new(verdict))
    }
}

#[async_trait::async_trait]
impl Consumer for Ledger {
    fn group(&self) -> &'static str {
        "ledger"
    }

    fn streams(&self) -> &'static [Stream] {
        &Stream::ALL
    }

    fn wants(&self, kind: &str) -> bool {
        kind.starts_with("thing.")
    }

    async fn handle(&self, tx: &mut PgConnection, event: &Received) -> anyhow::Result<()> {
        sqlx::query("insert into effects (event_id, subject, sequence) values ($1, $2, $3)")
            .bind(event.id)
            .bind(&event.subject)
            .bind(event.sequence)
            .execute(tx)
            .await?;
        match self.0(event) {
            Verdict::Done => Ok(()),
            Verdict::Fail(error) => Err(error),
            Verdict::Wait(until) => {
                until.notified().await;
                Ok(())
            }
        }
    }
}
