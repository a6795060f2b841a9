//! Flows.

use platform::OrgId;
use sqlx::{PgConnection, PgExecutor};

use super::{MOST, Store};
use crate::domain::flows::Flow;
use crate::domain::{Channel, ConversationError};

impl Store {
    /// Stores a flow. Its queue has to exist.
    pub(crate) async fn create_flow(org: OrgId, tx: &mut PgConnection, flow: &Flow) -> Result<(), ConversationError> {
        sqlx::query!(
            "insert into conversation.flows (org_id, id, name, channel, contact_endpoint_id, queue_id)
             values ($1, $2, $3, $4, $5, $6)",
            org.0,
            flow.id,
            flow.name,
            flow.channel as Channel,
            flow.contact_endpoint_id,
            flow.queue_id
        )
        .execute(tx)
        .await?;
        Ok(())
    }

    /// The flows of a channel, or all, by name.
    pub(crate) async fn flows(
        org: OrgId,
        on: impl PgExecutor<'_>,
        channel: Option<Channel>,
    ) -> Result<Vec<Flow>, ConversationError> {
        Ok(sqlx::query_as!(
            Flow,
            r#"select id, name, channel as "channel: Channel", contact_endpoint_id, queue_id from conversation.flows
               where org_id = $1 and ($2::smallint is null or channel = $2) order by name, id limit $3"#,
            org.0,
            channel.map(|channel| channel as i16),
            MOST
        )
        .fetch_all(on)
        .await?)
    }
}
