//! Conversations that wait for a point in time are open again once it has come.

use platform::events::Outbox;
use platform::{Db, OrgId, due};
use tokio_util::sync::CancellationToken;

use super::Store;
use super::transitions::Step;
use crate::domain::{ConversationError, state};

/// Follow-ups in one transaction.
const BATCH: i64 = 50;

/// Opens what is due, until `stop`. Any number of replicas may do so at once.
pub(crate) async fn run(db: Db, outbox: Outbox, stop: CancellationToken) -> anyhow::Result<()> {
    let counter = "conversation_follow_ups_expired_total";
    due::run("follow-ups", counter, &outbox, stop, || Store::expire_follow_ups(&db)).await
}

impl Store {
    /// Opens conversations whose follow-up is due; how many it were.
    async fn expire_follow_ups(db: &Db) -> Result<u64, ConversationError> {
        let mut tx = db.begin().await?;
        let due = sqlx::query!(
            "select org_id, id from conversation.conversations where follow_up_at <= now()
             order by follow_up_at limit $1 for no key update skip locked",
            BATCH,
        )
        .fetch_all(&mut *tx)
        .await?;
        let mut opened = 0;
        for row in due {
            let org = OrgId(row.org_id);
            let locked = Self::lock_conversation(org, &mut tx, row.id).await?;
            let step = Step {
                outcome: state::expire(&locked.standing),
                author: None,
                message: None,
            };
            Self::save_outcome(org, None, &mut tx, &locked, step).await?;
            opened += 1;
        }
        tx.commit().await?;
        Ok(opened)
    }
}
