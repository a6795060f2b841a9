//! Connections to PostgreSQL.
//!
//! A pool of our own around sqlx connections: sqlx's pool pings on every release without a bound, which costs a round
//! trip a statement and hangs on a half-open connection. Here every wait has a bound, and a connection that was left in
//! the middle of something is checked, within a second, before anybody gets it.

use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use parking_lot::Mutex;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Connection as _, Either, Execute, Executor, Postgres, SqlStr};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How to reach the database and how long to wait for it.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Config {
    /// PostgreSQL 15 or newer: `postgres://user:password@host/database`.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Secret,
    /// Connections this process keeps to the database for each context.
    #[arg(long, env = "DATABASE_CONNECTIONS", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub database_connections: u16,
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl std::str::FromStr for Secret {
    type Err = std::convert::Infallible;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// Getting a connection, the connect included, takes at most this long.
const ACQUIRE: Duration = Duration::from_secs(2);
/// A check of a connection takes at most this long; one that takes longer is half-open.
const CHECK: Duration = Duration::from_millis(500);
/// A migration waits for a lock this often, two seconds each.
const MIGRATE_ATTEMPTS: u32 = 150;
/// A connection that rested longer is checked before it is used.
const FRESH: Duration = Duration::from_secs(5);

/// One context's connections. Cloning shares them.
#[derive(Clone)]
pub struct Db(Arc<Pool>);

struct Pool {
    options: PgConnectOptions,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
    size: usize,
}

struct Idle {
    connection: PgConnection,
    since: Instant,
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db").field("size", &self.0.size).finish_non_exhaustive()
    }
}

impl Db {
    /// Connections made when they are first needed: a database that is down now may be up then.
    ///
    /// # Errors
    /// When the URL can't be read.
    pub fn open(config: &Config, application: &str) -> Result<Self, sqlx::Error> {
        let options = PgConnectOptions::from_str(config.database_url.reveal())?;
        Ok(Self::with_options(
            options,
            application,
            usize::from(config.database_connections),
        ))
    }

    /// The same from connect options, as tests have them.
    pub fn with_options(options: PgConnectOptions, application: &str, size: usize) -> Self {
        let options = options.application_name(application).options([
            // Every query starts from an index. Plans are kept, and one that was made while a table was still empty
            // would go on reading all of it.
            ("enable_seqscan", "off"),
            // No statement runs as long as it takes to compile one.
            ("jit", "off"),
            ("statement_timeout", "2000"),
            ("lock_timeout", "2000"),
            ("idle_in_transaction_session_timeout", "10000"),
            ("tcp_user_timeout", "5000"),
            ("tcp_keepalives_idle", "5"),
            ("tcp_keepalives_interval", "2"),
            ("tcp_keepalives_count", "3"),
        ]);
        Self(Arc::new(Pool {
            options,
            permits: Arc::new(Semaphore::new(size)),
            idle: Mutex::new(Vec::with_capacity(size)),
            size,
        }))
    }

    /// A connection from the pool, for several statements that need not be one transaction.
    ///
    /// # Errors
    /// [`sqlx::Error::PoolTimedOut`] when no connection is free within two seconds, or why the connect failed.
    pub async fn acquire(&self) -> Result<Conn, sqlx::Error> {
        timeout(ACQUIRE, self.acquire_unbounded())
            .await
            .unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    async fn acquire_unbounded(&self) -> Result<Conn, sqlx::Error> {
        let permit = Arc::clone(&self.0.permits)
            .acquire_owned()
            .await
            .map_err(|_| sqlx::Error::PoolClosed)?;
        loop {
            let idle = self.0.idle.lock().pop();
            let Some(Idle { mut connection, since }) = idle else {
                break;
            };
            if since.elapsed() < FRESH || alive(&mut connection).await {
                return Ok(self.conn(connection, permit));
            }
            // One dead connection means that the server went away: the others are no better.
            self.0.idle.lock().clear();
        }
        let connection = connect(&self.0.options).await?;
        Ok(self.conn(connection, permit))
    }

    fn conn(&self, connection: PgConnection, permit: OwnedSemaphorePermit) -> Conn {
        Conn {
            connection: Some(connection),
            pool: Arc::clone(&self.0),
            permit: Some(permit),
            left: Left::Statement,
        }
    }

    /// A transaction, `READ COMMITTED`. Dropped without [`Tx::commit`] it is rolled back.
    ///
    /// # Errors
    /// [`sqlx::Error::PoolTimedOut`] when no connection is free within two seconds, or why the connect failed.
    pub async fn begin(&self) -> Result<Tx, sqlx::Error> {
        let mut conn = self.acquire().await?;
        conn.left = Left::Transaction;
        (&mut *conn).execute("begin").await?;
        Ok(Tx(conn))
    }

    /// A connection outside the pool, for a worker that keeps it.
    ///
    /// # Errors
    /// As [`Db::begin`].
    pub async fn dedicated(&self) -> Result<PgConnection, sqlx::Error> {
        timeout(ACQUIRE, connect(&self.0.options))
            .await
            .unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    /// Whether the database answers now.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn check(&self) -> Result<(), sqlx::Error> {
        sqlx::query("select 1").execute(self).await.map(drop)
    }

    /// Brings a schema up to date, under a lock that lets one process do it. What a newer version has added to it stays:
    /// migrations are written so that the version before them still works.
    ///
    /// # Errors
    /// When the database can't be reached or a migration fails.
    pub async fn migrate(&self, migrator: &Migrator) -> anyhow::Result<()> {
        let mut connection = connect(&self.0.options).await?;
        // A migration may outlast a request, but never waits long for a lock that stops the others.
        (&mut connection).execute("set statement_timeout = '10min'").await?;
        // Another process may be at it for longer than a lock is waited for.
        let mut attempts = 0;
        let migrator = tolerant(migrator);
        while let Err(error) = migrator.run(&mut connection).await {
            attempts += 1;
            if !waited_for_lock(&error) || attempts == MIGRATE_ATTEMPTS {
                return Err(error.into());
            }
            tracing::info!("another process holds a lock that a migration needs, waiting");
        }
        connection.close().await?;
        Ok(())
    }

    /// What a schema and the migrations of this version have not in common.
    ///
    /// # Errors
    /// When the database can't be reached.
    pub async fn compare(&self, migrator: &Migrator) -> anyhow::Result<Difference> {
        use sqlx::migrate::Migrate as _;
        let mut connection = connect(&self.0.options).await?;
        let table = migrator.table_name.clone();
        let exists: bool = sqlx::query_scalar("select to_regclass($1) is not null")
            .bind(table.as_ref())
            .fetch_one(&mut connection)
            .await?;
        let applied = if exists {
            connection.list_applied_migrations(&table).await?
        } else {
            Vec::new()
        };
        let missing = migrator
            .iter()
            .filter(|migration| !applied.iter().any(|done| done.version == migration.version))
            .map(|migration| format!("{} {}", migration.version, migration.description))
            .collect();
        let newer = applied
            .iter()
            .map(|done| done.version)
            .filter(|version| !migrator.version_exists(*version))
            .collect();
        Ok(Difference { missing, newer })
    }
}

/// What a schema and the migrations of one version have not in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Migrations that the schema lacks: number and name.
    pub missing: Vec<String>,
    /// Numbers of migrations that only a newer version knows.
    pub newer: Vec<i64>,
}

/// The same migrations, for a schema that may have more: a version that was rolled back has to start.
fn tolerant(migrator: &Migrator) -> Migrator {
    Migrator {
        migrations: migrator.migrations.clone(),
        ignore_missing: true,
        locking: migrator.locking,
        no_tx: migrator.no_tx,
        table_name: migrator.table_name.clone(),
        create_schemas: migrator.create_schemas.clone(),
    }
}

fn waited_for_lock(error: &sqlx::migrate::MigrateError) -> bool {
    match error {
        sqlx::migrate::MigrateError::Execute(error) | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => {
            crate::fault::database_kind(error) == crate::fault::Kind::Busy
        }
        _ => false,
    }
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    PgConnection::connect_with(options).await.map_err(|error| match error {
        // A server that goes away during the handshake is taken for one that answers nonsense.
        sqlx::Error::Protocol(text) => io::Error::new(io::ErrorKind::ConnectionAborted, text).into(),
        error => error,
    })
}

async fn alive(connection: &mut PgConnection) -> bool {
    matches!(timeout(CHECK, connection.ping()).await, Ok(Ok(())))
}

/// A connection on loan from a [`Db`].
pub struct Conn {
    connection: Option<PgConnection>,
    pool: Arc<Pool>,
    permit: Option<OwnedSemaphorePermit>,
    left: Left,
}

/// What a connection that comes back may be in the middle of.
#[derive(Clone, Copy, Debug)]
enum Left {
    Nothing,
    /// Its answer may not have been read to its end.
    Statement,
    Transaction,
}

impl fmt::Debug for Conn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conn").field("left", &self.left).finish_non_exhaustive()
    }
}

impl Deref for Conn {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        self.connection.as_ref().expect("taken only by drop")
    }
}

impl DerefMut for Conn {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect("taken only by drop")
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        let (Some(mut connection), Some(permit)) = (self.connection.take(), self.permit.take()) else {
            return;
        };
        let pool = Arc::clone(&self.pool);
        let left = self.left;
        if matches!(left, Left::Nothing) {
            pool.put(connection);
            return;
        }
        // It is given back only if it comes to its end in time.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let _permit = permit;
                let end = async {
                    match left {
                        Left::Transaction => (&mut connection).execute("rollback").await.map(drop),
                        // Without a transaction the server would complain of a rollback.
                        Left::Nothing | Left::Statement => connection.ping().await,
                    }
                };
                if matches!(timeout(CHECK, end).await, Ok(Ok(()))) {
                    pool.put(connection);
                }
            });
        }
    }
}

impl Pool {
    fn put(&self, connection: PgConnection) {
        self.idle.lock().push(Idle {
            connection,
            since: Instant::now(),
        });
    }
}

/// A transaction on a [`Conn`].
#[derive(Debug)]
pub struct Tx(Conn);

impl Tx {
    /// Makes everything done in it true.
    ///
    /// # Errors
    /// When the commit fails; whether it took effect is then unknown if the connection was lost.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        self.end("commit").await
    }

    /// Undoes everything done in it.
    ///
    /// # Errors
    /// When the connection is lost: the server rolls back by itself then.
    pub async fn rollback(self) -> Result<(), sqlx::Error> {
        self.end("rollback").await
    }

    async fn end(mut self, how: &'static str) -> Result<(), sqlx::Error> {
        let ended = (&mut *self.0).execute(how).await;
        self.0.left = match &ended {
            Ok(_) => Left::Nothing,
            // A refused commit ends the transaction as well.
            Err(sqlx::Error::Database(_)) => Left::Statement,
            Err(_) => Left::Transaction,
        };
        ended.map(drop)
    }
}

impl Deref for Tx {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        &self.0
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0
    }
}

/// One statement on a connection of the pool, as on sqlx's own pool.
impl<'p> Executor<'p> for &'p Db {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<sqlx::postgres::PgQueryResult, PgRow>, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let db = self.clone();
        async_stream::try_stream! {
            let mut conn = db.acquire().await?;
            {
                let mut steps = (&mut *conn).fetch_many(query);
                while let Some(step) = steps.try_next().await? {
                    yield step;
                }
            }
            conn.left = Left::Nothing;
        }
        .boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let db = self.clone();
        Box::pin(async move {
            let mut conn = db.acquire().await?;
            let row = (&mut *conn).fetch_optional(query).await;
            if row.is_ok() {
                conn.left = Left::Nothing;
            }
            row
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'p: 'e,
    {
        let db = self.clone();
        Box::pin(async move {
            let mut conn = db.acquire().await?;
            (&mut *conn).prepare_with(sql, parameters).await
        })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<sqlx::Describe<Postgres>, sqlx::Error>>
    where
        'p: 'e,
    {
        let db = self.clone();
        Box::pin(async move {
            let mut conn = db.acquire().await?;
            (&mut *conn).describe(sql).await
        })
    }
}

/// A statement whose text is made at start, for tables that every context has under its own schema.
pub fn statement(text: &str) -> sqlx::query::Query<'static, Postgres, PgArguments> {
    sqlx::query(sqlx::AssertSqlSafe(text.to_owned()))
}
