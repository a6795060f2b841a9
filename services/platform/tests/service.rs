//! How a process starts and stops.

#![expect(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use clap::{CommandFactory as _, Parser};
use platform::db::Db;
use platform::http;
use platform::link::Link;
use platform::service::{self, Common, Config, Process, Settings, Socket, Startup};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, SqlSafeStr as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(20);

async fn within<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(PATIENCE, what)
        .await
        .expect("it should have happened long ago")
}

async fn until<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    within(async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

async fn status(address: SocketAddr, path: &str) -> u16 {
    let answer = reqwest::get(format!("http://{address}{path}")).await;
    answer.map_or(0, |answer| answer.status().as_u16())
}

/// A binary with everything a binary can have.
#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    config: Config,
    #[command(flatten)]
    settings: Settings,
}

fn parse(more: &[&str]) -> Result<Cli, clap::Error> {
    let key = platform::seal::MasterKey::random().to_text();
    let base = [
        "test",
        "--grpc=127.0.0.1:0",
        "--admin=127.0.0.1:0",
        "--linger-seconds=0",
        "--master-key",
        &key,
    ]
    .into_iter()
    .chain([
        "--service-key=0123456789abcdef0123456789abcdef",
        "--settings-url=http://127.0.0.1:1",
    ])
    .chain(["--redis-url=redis://user:hidden@127.0.0.1:1"]);
    Cli::try_parse_from(base.chain(more.iter().copied()))
}

fn common(linger_seconds: u64) -> Common {
    let common = parse(&["--database-url=postgres://nobody@127.0.0.1:1/none"])
        .unwrap()
        .config
        .common;
    Common {
        linger_seconds,
        ..common
    }
}

#[test]
fn every_setting_fits_beside_the_others_and_is_documented() {
    let command = Cli::command();
    command.clone().debug_assert();
    for argument in command.get_arguments() {
        let name = argument.get_id();
        assert!(argument.get_help().is_some(), "{name} has no help");
        assert!(argument.get_env().is_some(), "{name} can't be set by the environment");
    }
}

#[test]
fn no_secret_is_printed() {
    let cli = parse(&["--database-url=postgres://nobody:hidden@127.0.0.1:1/none"]).unwrap();
    let printed = format!("{cli:?}");
    assert!(!printed.contains("0123456789abcdef"), "{printed}");
    assert!(!printed.contains(":hidden"), "{printed}");
    for name in ["service_key", "master_key", "database_url", "redis_url"] {
        let command = Cli::command();
        let argument = command
            .get_arguments()
            .find(|argument| argument.get_id() == name)
            .unwrap();
        assert!(argument.is_hide_env_values_set(), "{name}");
    }
}

/// A supervised process that serves HTTP with a path that waits for `release`.
struct Supervised {
    admin: SocketAddr,
    http: SocketAddr,
    asked: CancellationToken,
    release: Arc<Notify>,
    entered: Arc<Notify>,
    ended: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Supervised {
    async fn start(linger_seconds: u64) -> Self {
        let (asked, release, entered) = (
            CancellationToken::new(),
            Arc::new(Notify::new()),
            Arc::new(Notify::new()),
        );
        let (send, addresses) = oneshot::channel();
        let (waits, enters) = (Arc::clone(&release), Arc::clone(&entered));
        let slow = async move || {
            enters.notify_one();
            waits.notified().await;
        };
        let routes = Router::new().route("/", get(async || "")).route("/slow", get(slow));
        let serve = async move |process: Process| {
            let socket = Socket::bind("http", "127.0.0.1:0".parse()?)?;
            send.send((process.admin, socket.address())).unwrap();
            let listener = socket.listen()?;
            process.ready.start();
            http::serve(listener, routes, http::Limits::default(), process.stop).await?;
            Ok(())
        };
        let token = asked.clone();
        let ended = tokio::spawn(async move { service::supervise(&common(linger_seconds), token, serve).await });
        let (admin, http) = addresses.await.unwrap();
        Self {
            admin,
            http,
            asked,
            release,
            entered,
            ended,
        }
    }
}

#[tokio::test]
async fn a_process_that_is_asked_to_stop_serves_on_while_it_says_that_it_is_not_ready() {
    let process = Supervised::start(2).await;
    until(async || status(process.admin, "/readyz").await == 200).await;
    process.asked.cancel();
    until(async || status(process.admin, "/readyz").await == 503).await;
    assert_eq!(status(process.http, "/").await, 200);
    assert_eq!(status(process.admin, "/livez").await, 200);
    within(process.ended).await.unwrap().unwrap();
    assert!(TcpStream::connect(process.http).await.is_err());
    assert!(TcpStream::connect(process.admin).await.is_err());
}

#[tokio::test]
async fn what_is_in_flight_is_finished_before_the_process_ends() {
    let process = Supervised::start(0).await;
    let url = format!("http://{}/slow", process.http);
    let slow = tokio::spawn(async move { reqwest::get(url).await.unwrap().status().as_u16() });
    within(process.entered.notified()).await;
    process.asked.cancel();
    until(async || TcpStream::connect(process.http).await.is_err()).await;
    assert_eq!(status(process.admin, "/readyz").await, 503);
    assert!(!process.ended.is_finished());
    process.release.notify_one();
    assert_eq!(within(slow).await.unwrap(), 200);
    within(process.ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_failure_ends_the_process_with_its_cause() {
    let never = CancellationToken::new();
    let result = service::supervise(&common(0), never, async |_| anyhow::bail!("no more")).await;
    assert_eq!(result.unwrap_err().to_string(), "no more");
}

#[tokio::test]
async fn sigterm_ends_a_process_with_success() {
    let serve = async |process: Process| {
        process.ready.start();
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM)?;
        process.stop.cancelled().await;
        assert_eq!(process.ready.missing(), Some(vec!["running"]));
        Ok(())
    };
    let code = within(service::process("test", &common(0), serve)).await;
    assert_eq!(code, ExitCode::SUCCESS);
}

#[tokio::test]
async fn a_taken_address_is_refused_until_somebody_listens() {
    let socket = Socket::bind("test", "127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.address();
    assert!(TcpStream::connect(address).await.is_err());
    let _listener = socket.listen().unwrap();
    TcpStream::connect(address).await.unwrap();
    let taken = Socket::bind("test", address).and_then(Socket::listen);
    let error = format!("{:#}", taken.unwrap_err());
    assert!(error.contains(&address.to_string()), "{error}");
}

fn migration(version: i64, sql: &'static str) -> Migration {
    let sql = sql.into_sql_str();
    Migration::new(version, "a name".into(), MigrationType::Simple, sql, false)
}

fn migrations() -> &'static Migrator {
    let one = migration(1, "create table migrated ()");
    Box::leak(Box::new(Migrator::with_migrations(vec![one])))
}

/// For servers of tests, which are faster without fsync.
const UNSAFE: Startup = Startup {
    no_migrate: false,
    allow_unsafe_durability: true,
};

fn open(options: &PgConnectOptions) -> Db {
    Db::with_options(options.clone(), "test", 2)
}

async fn is_migrated(db: &Db) -> bool {
    let found: bool = sqlx::query_scalar("select to_regclass('migrated') is not null")
        .fetch_one(db)
        .await
        .unwrap();
    found
}

#[sqlx::test(migrations = false)]
async fn a_context_migrates_becomes_ready_and_stops(_: PgPoolOptions, options: PgConnectOptions) {
    let url = options.to_url_lossy().to_string();
    let config = parse(&["--database-url", &url, "--allow-unsafe-durability"])
        .unwrap()
        .config;
    let asked = CancellationToken::new();
    let (token, common) = (asked.clone(), config.common.clone());
    let (send, admin) = oneshot::channel();
    let serve = async move |process: Process| {
        send.send(process.admin).unwrap();
        let mount = |server: platform::server::Server, deps: service::Deps| {
            Ok(server.check("schema", move || {
                let db = deps.db.clone();
                async move { is_migrated(&db).await }
            }))
        };
        service::serve("test", config, Link::local(), migrations(), mount, process).await
    };
    let watch = async {
        let admin = admin.await.unwrap();
        until(async || status(admin, "/readyz").await == 200).await;
        assert_eq!(status(admin, "/startupz").await, 200);
        asked.cancel();
    };
    let (ended, ()) = within(async { tokio::join!(service::supervise(&common, token, serve), watch) }).await;
    ended.unwrap();
}

#[sqlx::test(migrations = false)]
async fn a_schema_that_is_behind_is_refused_when_it_may_not_be_migrated(_: PgPoolOptions, options: PgConnectOptions) {
    let db = open(&options);
    let behind = Startup {
        no_migrate: true,
        ..UNSAFE
    };
    let error = service::prepare(&db, migrations(), behind).await.unwrap_err();
    assert!(error.to_string().contains("1 a name"), "{error}");
    assert!(!is_migrated(&db).await);
    service::prepare(&db, migrations(), UNSAFE).await.unwrap();
    assert!(is_migrated(&db).await);
    service::prepare(&db, migrations(), behind).await.unwrap();
}

#[sqlx::test(migrations = false)]
async fn a_version_that_was_rolled_back_starts_on_the_newer_schema(_: PgPoolOptions, options: PgConnectOptions) {
    let db = open(&options);
    let two = migration(2, "create table newer ()");
    let newer = Migrator::with_migrations(migrations().iter().cloned().chain([two]).collect());
    service::prepare(&db, &newer, UNSAFE).await.unwrap();
    service::prepare(&db, migrations(), UNSAFE).await.unwrap();
    let difference = db.compare(migrations()).await.unwrap();
    assert_eq!((difference.missing, difference.newer), (vec![], vec![2]));

    let changed = migration(1, "create table changed ()");
    let changed = Migrator::with_migrations(vec![changed]);
    let error = service::prepare(&db, &changed, UNSAFE).await.unwrap_err();
    let error = format!("{error:#}");
    assert!(error.contains("migration 1"), "{error}");
}

#[sqlx::test(migrations = false)]
async fn a_database_that_may_lose_commits_is_refused_unless_allowed(_: PgPoolOptions, options: PgConnectOptions) {
    let db = open(&options);
    let name = options.get_database().unwrap();
    let unsafely = format!("alter database \"{name}\" set synchronous_commit = off");
    (&db).execute(AssertSqlSafe(unsafely)).await.unwrap();
    let db = open(&options);
    let error = service::prepare(&db, migrations(), Startup::default())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("synchronous_commit is off"), "{error}");
    assert!(!is_migrated(&db).await);
    service::prepare(&db, migrations(), UNSAFE).await.unwrap();
    assert!(is_migrated(&db).await);
}

#[sqlx::test(migrations = false)]
async fn a_start_waits_for_a_database_that_is_not_there_yet(_: PgPoolOptions, options: PgConnectOptions) {
    let server = format!("{}:{}", options.get_host(), options.get_port());
    let socket = Socket::bind("database", "127.0.0.1:0".parse().unwrap()).unwrap();
    let db = open(&options.clone().host("127.0.0.1").port(socket.address().port()));
    let prepare = service::prepare(&db, migrations(), UNSAFE);
    let come_up = async {
        assert!(db.check().await.is_err(), "nobody listens yet");
        let listener = socket.listen().unwrap();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut upstream = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut upstream).await });
            }
        });
    };
    let (prepared, ()) = within(async { tokio::join!(prepare, come_up) }).await;
    prepared.unwrap();
    assert!(is_migrated(&open(&options)).await);
}

#[tokio::test]
async fn a_database_that_refuses_us_is_not_waited_for() {
    let url = "postgres://nobody@127.0.0.1/none?sslmode=nonsense";
    let config = parse(&["--database-url", url]).unwrap().config;
    assert!(Db::open(&config.database, "test").is_err());
}
