//! What Redis lost, to be published again: the batches that say so.

use std::collections::HashMap;

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

use super::{BATCH, COLUMNS, Trouble, bounded};
use crate::db;
use crate::events::Stream;
use crate::events::lease::Lease;

/// The statements.
pub(super) struct Republish {
    batches: String,
    rows: String,
    note: String,
}

/// Batches of which something was lost.
pub(super) struct Lost {
    batches: Vec<Batch>,
    rows: HashMap<i64, PgRow>,
}

struct Batch {
    id: i64,
    stream: usize,
    events: Vec<i64>,
    /// None where it is lost.
    places: Vec<Option<String>>,
}

impl Republish {
    pub(super) fn new(schema: &str, lease: &Lease) -> Self {
        let held = lease.held();
        Self {
            // As many as make a batch, and at least one.
            batches: format!(
                "select id, stream, events, stream_ids
                 from (select *, sum(size) over (order by id) - size as before
                       from (select id, stream, events, stream_ids, size from {schema}.outbox_batches
                             where lost order by id limit {BATCH}) as lost) as lost
                 where before < {BATCH} order by id"
            ),
            rows: format!("select {COLUMNS} from {schema}.outbox where id = any($1)"),
            note: format!(
                "with streams as (
                     update {schema}.relay_streams as known set last_stream_id = last.id
                     from unnest($3::text[], $4::text[]) as last (stream, id)
                     where known.stream = last.stream and last.id is not null and {held}
                 )
                 update {schema}.outbox_batches as batch
                 set stream_ids = place.ids::text[], lost = false, published_at = now()
                 from unnest($1::bigint[], $2::text[]) as place (batch, ids)
                 where batch.id = place.batch and {held}"
            ),
        }
    }

    /// The oldest ones.
    pub(super) async fn read(&self, pg: &mut PgConnection) -> Result<Lost, sqlx::Error> {
        let found = bounded(db::statement(&self.batches).fetch_all(&mut *pg)).await?;
        let mut batches = Vec::with_capacity(found.len());
        for row in found {
            let stream: &str = row.try_get(1)?;
            batches.push(Batch {
                id: row.try_get(0)?,
                stream: Stream::ALL
                    .iter()
                    .position(|known| known.key() == stream)
                    .unwrap_or_default(),
                events: row.try_get(2)?,
                places: row.try_get(3)?,
            });
        }
        let mut rows = HashMap::new();
        if !batches.is_empty() {
            let missing: Vec<i64> = batches.iter().flat_map(Batch::missing).collect();
            for row in bounded(db::statement(&self.rows).bind(missing).fetch_all(pg)).await? {
                rows.insert(row.try_get(0)?, row);
            }
        }
        Ok(Lost { batches, rows })
    }

    /// Notes where they are now.
    pub(super) async fn note(
        &self,
        pg: &mut PgConnection,
        lost: &Lost,
        last: &[Option<String>; 2],
    ) -> Result<(), Trouble> {
        let (ids, places): (Vec<i64>, Vec<String>) = lost
            .batches
            .iter()
            .map(|batch| (batch.id, literal(&batch.places)))
            .unzip();
        let noted = bounded(
            db::statement(&self.note)
                .bind(ids)
                .bind(places)
                .bind(Stream::ALL.map(Stream::key).as_slice())
                .bind(last.as_slice())
                .execute(pg),
        )
        .await?;
        if noted.rows_affected() == 0 {
            return Err(Trouble::Lost);
        }
        Ok(())
    }
}

impl Batch {
    fn missing(&self) -> impl Iterator<Item = i64> {
        self.events
            .iter()
            .zip(&self.places)
            .filter(|(_, place)| place.is_none())
            .map(|(event, _)| *event)
    }
}

impl Lost {
    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// What is to be published, in order. The rows of very old events are gone.
    pub(super) fn rows(&self) -> impl Iterator<Item = &PgRow> {
        self.batches
            .iter()
            .flat_map(Batch::missing)
            .filter_map(|event| self.rows.get(&event))
    }

    /// Takes over where [`Lost::rows`] are now. Says which is the newest entry of each stream, in the order of
    /// [`Stream::ALL`].
    pub(super) fn found(&mut self, places: Vec<String>) -> [Option<String>; 2] {
        let mut places = places.into_iter();
        let mut last: [Option<String>; 2] = Default::default();
        for batch in &mut self.batches {
            for (event, place) in batch.events.iter().zip(&mut batch.places) {
                if place.is_none() && self.rows.contains_key(event) {
                    *place = places.next();
                    last[batch.stream].clone_from(place);
                }
            }
        }
        last
    }
}

/// An array of entries' ids as PostgreSQL writes it. They consist of digits and a dash.
pub(super) fn literal(places: &[Option<String>]) -> String {
    let places: Vec<&str> = places.iter().map(|place| place.as_deref().unwrap_or("NULL")).collect();
    format!("{{{}}}", places.join(","))
}
