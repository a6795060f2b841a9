//! Who does what only one process may do.

use std::time::Duration;

use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use super::bounded;
use crate::db;

/// A lease is over this long after it was last renewed, by the database's clock.
const TERM: &str = "5 seconds";

/// A claim to a named lease of a context.
#[derive(Debug)]
pub(super) struct Lease {
    holder: Uuid,
    take: String,
    release: String,
    held: String,
}

/// What became of an attempt to take a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is ours for another term.
    Ours,
    /// Somebody else has it, for so long unless he renews it.
    Theirs(Duration),
}

impl Lease {
    pub(super) fn new(schema: &str, name: &str) -> Self {
        let holder = crate::id::new();
        Self {
            holder,
            take: format!(
                "with taken as (
                     insert into {schema}.leases as lease (name, holder, expires_at)
                     values ('{name}', $1, clock_timestamp() + interval '{TERM}')
                     on conflict (name) do update set holder = excluded.holder, expires_at = excluded.expires_at
                     where lease.holder = $1 or lease.expires_at <= clock_timestamp()
                     returning 1
                 )
                 select exists (select from taken),
                        (select extract(epoch from expires_at - clock_timestamp())::float8
                         from {schema}.leases where name = '{name}')"
            ),
            release: format!("delete from {schema}.leases where name = '{name}' and holder = $1"),
            held: format!(
                "exists (select from {schema}.leases
                         where name = '{name}' and holder = '{holder}' and expires_at > clock_timestamp())"
            ),
        }
    }

    /// A condition for other statements: true while the lease is ours. It makes what they do safe however long the
    /// process was stopped before it got to run them.
    pub(super) fn held(&self) -> &str {
        &self.held
    }

    /// Takes or renews it.
    pub(super) async fn take(&self, pg: &mut PgConnection) -> Result<Taken, sqlx::Error> {
        let row = bounded(db::statement(&self.take).bind(self.holder).fetch_one(pg)).await?;
        if row.try_get(0)? {
            return Ok(Taken::Ours);
        }
        let left: Option<f64> = row.try_get(1)?;
        Ok(Taken::Theirs(
            Duration::try_from_secs_f64(left.unwrap_or_default()).unwrap_or_default(),
        ))
    }

    /// Gives it up, so that the next one need not wait for its end.
    pub(super) async fn release(&self, pg: &mut PgConnection) -> Result<(), sqlx::Error> {
        bounded(db::statement(&self.release).bind(self.holder).execute(pg))
            .await
            .map(drop)
    }
}
