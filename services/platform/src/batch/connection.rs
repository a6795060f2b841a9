//! The connection that a worker keeps between batches.

use std::time::Duration;

use sqlx::PgConnection;
use tokio::time::timeout;

use crate::db::Db;
use crate::fault::{self, Kind};

/// A batch takes at most this long; the server's own statement timeout comes first.
const BATCH: Duration = Duration::from_millis(2500);

#[derive(Debug)]
pub(super) struct Kept {
    db: Db,
    connection: Option<PgConnection>,
}

impl Kept {
    pub(super) fn new(db: Db) -> Self {
        Self { db, connection: None }
    }

    /// Does something on the connection. One that was lost, or was late, is not used again.
    pub(super) async fn run<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.db.dedicated().await?,
        };
        let done = timeout(BATCH, work(&mut connection))
            .await
            .map_err(|_| sqlx::Error::PoolTimedOut)?;
        if !matches!(&done, Err(error) if fault::database_kind(error) == Kind::Unavailable) {
            self.connection = Some(connection);
        }
        done
    }
}
