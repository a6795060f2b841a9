//! Looks everywhere.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use journeys::stores::connect;
use journeys::{System, until};
use redis::aio::MultiplexedConnection;
use redis::{Value, cmd};
use sqlx::{AssertSqlSafe, PgConnection, Row as _};

/// What every place holds, by its name: `<schema>.<table>`, `redis <key>`, `file <path>`.
pub(crate) struct Places(BTreeMap<String, String>);

impl Places {
    /// Waits until no event is on its way to Redis.
    pub(crate) async fn until_published(system: &System) {
        let mut database = connect(system.database_url()).await;
        until("every event is published", async || {
            let waiting: i64 = sqlx::query_scalar("select count(*) from conversation.outbox_unpublished")
                .fetch_one(&mut database)
                .await
                .unwrap();
            (waiting == 0).then_some(())
        })
        .await;
    }

    pub(crate) async fn of(system: &System) -> Self {
        let mut places = BTreeMap::new();
        rows(system, &mut places).await;
        dump(system, &mut places);
        keys(system, &mut places).await;
        files(system.folder(), &mut places);
        places.insert("log".to_owned(), system.logs().join("\n"));
        Self(places)
    }

    /// The places that hold a text, in whatever case, as it is or in hexadecimal as bytes are shown.
    pub(crate) fn with(&self, text: &str) -> Vec<String> {
        let text = text.to_lowercase();
        let mut bytes = String::new();
        for byte in text.bytes() {
            write!(bytes, "{byte:02x}").unwrap();
        }
        let found = self.0.iter().filter(|(_, held)| {
            let held = held.to_lowercase();
            held.contains(&text) || held.contains(&bytes)
        });
        found.map(|(place, _)| place.clone()).collect()
    }
}

/// Every row of every table of every schema.
async fn rows(system: &System, places: &mut BTreeMap<String, String>) {
    let mut database: PgConnection = connect(system.database_url()).await;
    let tables: Vec<(String, String)> = sqlx::query_as(
        "select n.nspname || '.' || c.relname, format('select t::text from %I.%I t', n.nspname, c.relname)
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'm', 'p') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')",
    )
    .fetch_all(&mut database)
    .await
    .unwrap();
    assert!(tables.len() > 40, "{tables:?}");
    for (table, select) in tables {
        let rows = sqlx::query(AssertSqlSafe(select))
            .fetch_all(&mut database)
            .await
            .unwrap();
        let held: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        places.insert(table, held.join("\n"));
    }
}

/// The same and the rest by `pg_dump`, where there is one.
fn dump(system: &System, places: &mut BTreeMap<String, String>) {
    if let Ok(dump) = Command::new("pg_dump").arg(system.database_url()).output() {
        assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
        places.insert("pg_dump".to_owned(), String::from_utf8(dump.stdout).unwrap());
    }
}

async fn keys(system: &System, places: &mut BTreeMap<String, String>) {
    let mut redis = redis::Client::open(system.redis_url())
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    let keys: Vec<String> = cmd("KEYS").arg("*").query_async(&mut redis).await.unwrap();
    assert!(keys.iter().any(|key| key == "handoff:events"), "{keys:?}");
    for key in keys {
        let held = format!("{key} {:?}", value(&mut redis, &key).await);
        places.insert(format!("redis {key}"), held);
    }
}

async fn value(redis: &mut MultiplexedConnection, key: &str) -> Value {
    let kind: String = cmd("TYPE").arg(key).query_async(redis).await.unwrap();
    let mut read = match kind.as_str() {
        "stream" => cmd("XRANGE"),
        "string" => cmd("GET"),
        "set" => cmd("SMEMBERS"),
        other => panic!("{key} is a {other}, which nobody looks into"),
    };
    read.arg(key);
    if kind == "stream" {
        read.arg("-").arg("+");
    }
    readable(read.query_async(redis).await.unwrap())
}

/// Texts instead of the bytes that they are.
fn readable(value: Value) -> Value {
    match value {
        Value::BulkString(bytes) => Value::SimpleString(String::from_utf8_lossy(&bytes).into_owned()),
        Value::Array(values) => Value::Array(values.into_iter().map(readable).collect()),
        other => other,
    }
}

/// Every file that is none of a database's own.
fn files(folder: &Path, places: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // What PostgreSQL and Redis keep there was asked of them; what they log was not.
        let of_a_store = path.file_name().is_some_and(|name| name == "stores");
        if of_a_store {
            logs(&path, places);
        } else if path.is_dir() {
            files(&path, places);
        } else {
            file(&path, places);
        }
    }
}

fn logs(stores: &Path, places: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(stores).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "log") {
            file(&path, places);
        }
    }
}

fn file(path: &Path, places: &mut BTreeMap<String, String>) {
    let held = std::fs::read(path).unwrap_or_default();
    places.insert(
        format!("file {}", path.display()),
        String::from_utf8_lossy(&held).into_owned(),
    );
}
