//! Connections that come back.

use std::sync::Arc;

use parking_lot::Mutex;
use platform::db::Db;
use sqlx::Executor as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// What PostgreSQL had to remark.
#[derive(Clone, Default)]
struct Notices(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber> Layer<S> for Notices {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "sqlx::postgres::notice" {
            event.record(&mut self.clone());
        }
    }
}

impl Visit for Notices {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0.lock().push(format!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.0.lock().push(value.to_owned());
        }
    }
}

#[sqlx::test(migrations = false)]
async fn a_connection_is_used_again_and_rolled_back_only_when_a_transaction_is_open(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let db = Db::with_options(options, "test", 1);
    let notices = Notices::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(notices.clone()));
    let connection = async || {
        let pid: i32 = sqlx::query_scalar("select pg_backend_pid()")
            .fetch_one(&db)
            .await
            .unwrap();
        pid
    };
    let first = connection().await;

    (&db).execute("select 1 / 0").await.unwrap_err();
    assert_eq!(connection().await, first);

    let mut tx = db.begin().await.unwrap();
    tx.execute("create table dropped ()").await.unwrap();
    drop(tx);
    assert_eq!(connection().await, first);
    let found: bool = sqlx::query_scalar("select to_regclass('dropped') is not null")
        .fetch_one(&db)
        .await
        .unwrap();
    assert!(!found);

    let mut tx = db.begin().await.unwrap();
    tx.execute("create table late (n int unique deferrable initially deferred)")
        .await
        .unwrap();
    tx.execute("insert into late values (1), (1)").await.unwrap();
    tx.commit().await.unwrap_err();
    assert_eq!(connection().await, first);

    (&db)
        .execute("do $$ begin raise warning 'heard'; end $$")
        .await
        .unwrap();
    assert_eq!(*notices.0.lock(), ["heard"]);
}
