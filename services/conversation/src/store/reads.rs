//! The hot reads, which share queries.

use platform::OrgId;
use platform::batch::reads::Read;
use sqlx::PgConnection;

use super::Store;
use crate::domain::conversation::{Conversation, Message};

/// Messages of a conversation that are read together with those of others. A longer list is read on its own, so that it
/// does not hold up the others.
pub(crate) const SHARED: usize = 500;

/// A conversation to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct One(pub(crate) OrgId, pub(crate) i64);

impl Read for One {
    type Found = Option<Conversation>;

    async fn read(connection: &mut PgConnection, reads: &[Self]) -> Result<Vec<Self::Found>, sqlx::Error> {
        let wanted: Vec<_> = reads.iter().map(|read| (read.0, read.1)).collect();
        Store::conversations_by_id(connection, &wanted).await
    }
}

/// The messages of a conversation to be read, if there is such a conversation: those that are the newest, and one more
/// than [`SHARED`] of them at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MessagesOf(pub(crate) OrgId, pub(crate) i64);

impl Read for MessagesOf {
    type Found = Option<Vec<Message>>;

    async fn read(connection: &mut PgConnection, reads: &[Self]) -> Result<Vec<Self::Found>, sqlx::Error> {
        let wanted: Vec<_> = reads.iter().map(|read| (read.0, read.1)).collect();
        let exist = Store::exist(&mut *connection, &wanted).await?;
        let lists = Store::message_lists(connection, &wanted, i64::try_from(SHARED + 1).unwrap_or(i64::MAX)).await?;
        Ok(exist
            .into_iter()
            .zip(lists)
            .map(|(exists, list)| exists.then_some(list))
            .collect())
    }
}

impl Store {
    /// Which of these conversations there are.
    async fn exist(connection: &mut PgConnection, wanted: &[(OrgId, i64)]) -> Result<Vec<bool>, sqlx::Error> {
        sqlx::query_scalar!(
            r#"select exists (select from conversation.conversations c
                              where c.org_id = i.org_id and c.id = i.id) as "exists!"
               from unnest((select $1::uuid[]), $2::bigint[]) with ordinality as i (org_id, id, n)
               order by i.n"#,
            &wanted.iter().map(|(org, _)| org.0).collect::<Vec<_>>(),
            &wanted.iter().map(|(_, id)| *id).collect::<Vec<_>>(),
        )
        .fetch_all(connection)
        .await
    }
}
