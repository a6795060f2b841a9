//! What a command gets from private stores, and what is left of them afterwards.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use sqlx::{Connection, PgConnection};

/// Longer than the slowest shutdown the supervisor allows.
const DEADLINE: Duration = Duration::from_secs(40);

fn with_stores(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_private-stores"));
    command.arg("with-stores").args(args);
    command
}

/// A command that is running with stores, until its stdin closes or it gets a signal.
struct Running {
    owner: Child,
    database_url: String,
    redis_url: String,
    /// PostgreSQL, Redis.
    servers: [Pid; 2],
}

impl Running {
    async fn start(data: &Path) -> Self {
        let mut command = with_stores(&["--data", data.to_str().unwrap(), "--", "sh", "-c"]);
        command.arg("echo $DATABASE_URL; echo $REDIS_URL; read -r _ || :");
        let mut owner = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(owner.stdout.take().unwrap()).lines().map(Result::unwrap);
        let (database_url, redis_url) = (lines.next().unwrap(), lines.next().unwrap());
        let pid_file = fs::read_to_string(data.join("stores/postgres/postmaster.pid")).unwrap();
        let postgres = Pid::from_raw(pid_file.lines().next().unwrap().parse().unwrap()).unwrap();
        let mut running = Self {
            owner,
            database_url,
            redis_url,
            servers: [postgres; 2],
        };
        let info: redis::InfoDict = redis::cmd("INFO")
            .query_async(&mut running.redis().await)
            .await
            .unwrap();
        running.servers[1] = Pid::from_raw(info.get("process_id").unwrap()).unwrap();
        running
    }

    async fn connect(&self) -> sqlx::Result<PgConnection> {
        PgConnection::connect(&self.database_url).await
    }

    async fn redis(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.redis_url.as_str()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// Leaves a row and a key that [`Self::assert_kept`] looks for.
    async fn write(&self) {
        let mut postgres = self.connect().await.unwrap();
        sqlx::raw_sql("create table kept as select 7 as n")
            .execute(&mut postgres)
            .await
            .unwrap();
        let () = redis::cmd("SET")
            .arg("kept")
            .arg(7)
            .query_async(&mut self.redis().await)
            .await
            .unwrap();
    }

    async fn assert_kept(&self) {
        let mut postgres = self.connect().await.unwrap();
        let row: i32 = sqlx::query_scalar("select n from kept")
            .fetch_one(&mut postgres)
            .await
            .unwrap();
        let key: i32 = redis::cmd("GET")
            .arg("kept")
            .query_async(&mut self.redis().await)
            .await
            .unwrap();
        assert_eq!((row, key), (7, 7));
    }

    fn finish(mut self) -> ExitStatus {
        drop(self.owner.stdin.take());
        self.owner.wait().unwrap()
    }

    fn supervisor(&self) -> Pid {
        let status = fs::read_to_string(format!("/proc/{}/status", self.servers[1])).unwrap();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
        Pid::from_raw(parent.trim().parse().unwrap()).unwrap()
    }
}

async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition().await {
        assert!(Instant::now() < deadline, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn has_ended(pid: Pid) -> bool {
    test_kill_process(pid).is_err()
}

/// A data directory that the servers' account can reach, deleted afterwards.
fn data() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
    dir
}

#[tokio::test]
async fn a_second_start_finds_the_data_of_the_first() {
    let data = data();
    let first = Running::start(data.path()).await;
    first.write().await;
    let servers = first.servers;
    assert!(first.finish().success());
    assert!(servers.into_iter().all(has_ended));

    let second = Running::start(data.path()).await;
    second.assert_kept().await;
    second.finish();
}

#[tokio::test]
async fn a_connection_without_the_password_is_refused() {
    let data = data();
    let running = Running::start(data.path()).await;
    let (_, server) = running.database_url.split_once('@').unwrap();
    let refusal = PgConnection::connect(&format!("postgres://handoff:guess@{server}"))
        .await
        .unwrap_err();
    assert_eq!(refusal.as_database_error().unwrap().code().unwrap(), "28P01");
    running.finish();
}

#[tokio::test]
async fn data_that_is_in_use_is_refused_in_one_sentence() {
    let data = data();
    let first = Running::start(data.path()).await;
    let second = with_stores(&["--data", data.path().to_str().unwrap(), "--", "true"])
        .output()
        .unwrap();
    assert!(!second.status.success());
    let owner = first.owner.id();
    let expected = format!(
        "{} is in use by another handoff (process {owner})\n",
        data.path().display()
    );
    assert!(
        String::from_utf8_lossy(&second.stderr).ends_with(&expected),
        "{second:?}"
    );
    assert!(first.finish().success());
}

#[tokio::test]
async fn a_killed_owner_leaves_no_server_and_its_successor_waits_for_them() {
    let data = data();
    let mut killed = Running::start(data.path()).await;
    killed.write().await;
    killed.owner.kill().unwrap();

    let next = Running::start(data.path()).await;
    assert!(killed.servers.into_iter().all(has_ended));
    next.assert_kept().await;
    next.finish();
    killed.owner.wait().unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_owner_killed_together_with_its_supervisor_leaves_no_server() {
    let data = data();
    let mut killed = Running::start(data.path()).await;
    kill_process(killed.supervisor(), Signal::KILL).unwrap();
    killed.owner.kill().unwrap();
    killed.owner.wait().unwrap();
    eventually("both servers have ended", async || {
        killed.servers.into_iter().all(has_ended)
    })
    .await;
}

#[tokio::test]
async fn a_server_that_dies_is_started_again_on_its_port() {
    let data = data();
    let running = Running::start(data.path()).await;
    kill_process(running.servers[0], Signal::KILL).unwrap();
    eventually("PostgreSQL is back", async || running.connect().await.is_ok()).await;
    running.finish();
}

/// As root the servers run under another account, which cannot enter such a directory.
#[tokio::test]
async fn a_data_directory_that_only_its_owner_may_enter_works() {
    let closed = tempfile::tempdir().unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    let data = closed.path().join("data");
    let running = Running::start(&data).await;
    running.write().await;
    running.finish();

    let again = Running::start(&data).await;
    again.assert_kept().await;
    again.finish();

    let folder = data.join("stores").canonicalize().unwrap();
    fs::remove_dir_all(&data).unwrap();
    let unrelated = Running::start(&closed.path().join("unrelated")).await;
    unrelated.finish();
    assert!(
        !folder.exists(),
        "what a deleted data directory leaves elsewhere is removed by a later start"
    );
    fs::remove_dir_all(closed.path().join("unrelated/stores").canonicalize().unwrap()).unwrap();
}

#[test]
fn a_command_gets_both_urls_and_its_exit_code_is_passed_on() {
    let script = "printf '%s %s' \"$DATABASE_URL\" \"$REDIS_URL\"; exit 7";
    let output = with_stores(&["--", "sh", "-c", script]).output().unwrap();
    assert_eq!(output.status.code(), Some(7));
    let stdout = String::from_utf8(output.stdout).unwrap();
    let (database, redis) = stdout.split_once(' ').unwrap();
    assert!(
        database.starts_with("postgres://handoff:") && database.ends_with("/handoff"),
        "{database}"
    );
    assert!(redis.starts_with("redis://127.0.0.1:"), "{redis}");
}

#[test]
fn a_command_that_cannot_be_found_answers_like_a_shell() {
    let output = with_stores(&["--", "no-such-command"]).output().unwrap();
    assert_eq!(output.status.code(), Some(127));
}

#[test]
fn a_signal_reaches_the_command_and_nothing_is_left() {
    let temporary = data();
    let script = "trap 'exit 9' TERM; echo ready; while :; do read -r _ || :; done";
    let mut command = with_stores(&["--", "sh", "-c", script]);
    command
        .env("TMPDIR", temporary.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut owner = command.spawn().unwrap();
    let mut ready = String::new();
    BufReader::new(owner.stdout.take().unwrap())
        .read_line(&mut ready)
        .unwrap();
    assert_eq!(entries(temporary.path()).len(), 1);

    kill_process(Pid::from_child(&owner), Signal::TERM).unwrap();
    assert_eq!(owner.wait().unwrap().code(), Some(9));
    assert_eq!(entries(temporary.path()), [] as [PathBuf; 0]);
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}
