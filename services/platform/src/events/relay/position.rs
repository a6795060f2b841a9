//! How far the relay has read the outbox.
//!
//! Ids are given out before transactions commit, so a row may appear behind others that were read before. The ids that
//! were passed over are gaps. They are looked at again until their row appears, or until it can't any more: an insert
//! holds a lock on the table from before it takes an id to the end of its transaction.
//!
//! Within a subject, ids are in the order of commits: each is taken under the subject's row lock.

use sqlx::{PgConnection, Row as _};

use super::bounded;
use crate::db;

/// Ids of which no row was seen, from and to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    first: i64,
    last: i64,
}

/// Where the relay is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// Every row up to here was looked at, except for the gaps.
    read_to: i64,
    /// In order.
    gaps: Vec<Gap>,
}

impl Position {
    pub(super) async fn load(schema: &str, pg: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let select = format!("select read_to, gap_first, gap_last from {schema}.outbox_position where one");
        let row = bounded(db::statement(&select).fetch_one(pg)).await?;
        let (first, last): (Vec<i64>, Vec<i64>) = (row.try_get(1)?, row.try_get(2)?);
        let gaps = first.into_iter().zip(last).map(|(first, last)| Gap { first, last });
        Ok(Self {
            read_to: row.try_get(0)?,
            gaps: gaps.collect(),
        })
    }

    pub(super) fn read_to(&self) -> i64 {
        self.read_to
    }

    /// The ends of the gaps, as the database has them.
    pub(super) fn gaps(&self) -> (Vec<i64>, Vec<i64>) {
        self.gaps.iter().map(|gap| (gap.first, gap.last)).unzip()
    }

    /// Where the relay is once it has seen these rows, which are in order of their ids and are all there are from the
    /// first gap to the last one of them. Gaps that are closed are dropped.
    pub(super) fn after(&self, ids: &[i64], closed: &[Gap]) -> Self {
        let behind = ids.partition_point(|id| *id <= self.read_to);
        let (late, ids) = ids.split_at(behind);
        let mut gaps = without(&self.gaps, late.iter().map(|id| Gap { first: *id, last: *id }));
        gaps = without(&gaps, closed.iter().copied());
        let mut read_to = self.read_to;
        for id in ids {
            if *id > read_to + 1 {
                gaps.push(Gap {
                    first: read_to + 1,
                    last: id - 1,
                });
            }
            read_to = *id;
        }
        Self { read_to, gaps }
    }
}

/// What is left of the gaps. Both are in order.
fn without(gaps: &[Gap], taken: impl IntoIterator<Item = Gap>) -> Vec<Gap> {
    let mut taken = taken.into_iter().peekable();
    let mut left = Vec::with_capacity(gaps.len());
    for gap in gaps {
        let mut first = gap.first;
        while let Some(next) = taken.peek().copied().filter(|next| next.first <= gap.last) {
            if first < next.first {
                left.push(Gap {
                    first,
                    last: next.first - 1,
                });
            }
            first = first.max(next.last + 1);
            if next.last > gap.last {
                break;
            }
            taken.next();
        }
        if first <= gap.last {
            left.push(Gap { first, last: gap.last });
        }
    }
    left
}

/// Gaps that may be closed, because whoever might have filled them was seen and is waited for.
#[derive(Debug)]
pub(super) struct Doubt {
    gaps: Vec<Gap>,
    writers: Vec<String>,
}

impl Doubt {
    /// About every gap there is; none about none.
    pub(super) async fn about(
        position: &Position,
        schema: &str,
        pg: &mut PgConnection,
    ) -> Result<Option<Self>, sqlx::Error> {
        if position.gaps.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            gaps: position.gaps.clone(),
            writers: writers(schema, pg).await?,
        }))
    }

    /// Looks who of them is still there.
    pub(super) async fn look(&mut self, schema: &str, pg: &mut PgConnection) -> Result<(), sqlx::Error> {
        if !self.writers.is_empty() {
            let still = writers(schema, pg).await?;
            self.writers.retain(|writer| still.contains(writer));
        }
        Ok(())
    }

    /// The gaps, if nobody can fill them any more. What he might have put there is seen by whoever looks from now on.
    pub(super) fn closed(&self) -> &[Gap] {
        if self.writers.is_empty() { &self.gaps } else { &[] }
    }
}

/// The transactions that write to the outbox. One that has none of its locks any more can be seen to have ended.
async fn writers(schema: &str, pg: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    let select = format!(
        "select virtualtransaction from pg_locks
         where locktype = 'relation' and relation = '{schema}.outbox'::regclass and mode = 'RowExclusiveLock' and granted
               and database = (select oid from pg_database where datname = current_database())"
    );
    let rows = bounded(db::statement(&select).fetch_all(pg)).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn at(read_to: i64, gaps: &[(i64, i64)]) -> Position {
        let gaps = gaps.iter().map(|(first, last)| Gap {
            first: *first,
            last: *last,
        });
        Position {
            read_to,
            gaps: gaps.collect(),
        }
    }

    #[test]
    fn ids_that_are_passed_over_are_gaps() {
        let start = Position::default();
        assert_eq!(start.after(&[], &[]), start);
        assert_eq!(start.after(&[1, 2, 3], &[]), at(3, &[]));
        assert_eq!(start.after(&[3, 4, 8], &[]), at(8, &[(1, 2), (5, 7)]));
    }

    #[test]
    fn a_row_that_comes_late_splits_its_gap() {
        let position = at(10, &[(3, 7), (9, 9)]);
        assert_eq!(position.after(&[5], &[]), at(10, &[(3, 4), (6, 7), (9, 9)]));
        assert_eq!(position.after(&[3, 7, 9, 12], &[]), at(12, &[(4, 6), (11, 11)]));
        assert_eq!(position.after(&[3, 4, 5, 6, 7, 9], &[]), at(10, &[]));
    }

    #[test]
    fn what_is_closed_is_dropped_and_what_came_since_is_not() {
        let doubted = at(10, &[(3, 7)]).gaps;
        let position = at(10, &[(3, 7)]).after(&[4, 12], &[]);
        assert_eq!(position.after(&[6], &doubted), at(12, &[(11, 11)]));
    }

    proptest! {
        /// Against sets of ids: whatever the order in which rows appear, each is either behind, in a gap or ahead.
        #[test]
        fn nothing_is_passed_over_for_good(looks in prop::collection::vec(prop::collection::btree_set(1_i64..200, 0..20), 1..12)) {
            let mut position = Position::default();
            let mut seen = BTreeSet::new();
            for look in &looks {
                let ids: Vec<i64> = look.difference(&seen).copied().collect();
                position = position.after(&ids, &[]);
                seen.extend(ids);
                let waiting: BTreeSet<i64> = position.gaps.iter().flat_map(|gap| gap.first..=gap.last).collect();
                let missing: BTreeSet<i64> = (1..=position.read_to).filter(|id| !seen.contains(id)).collect();
                prop_assert_eq!(position.read_to, seen.last().copied().unwrap_or_default());
                prop_assert_eq!(waiting, missing);
            }
        }
    }
}
