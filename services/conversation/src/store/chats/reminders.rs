//! Escalations of chats that nobody has seen yet are told again, ever more rarely.

use platform::events::Outbox;
use platform::{Db, OrgId, due};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::Store;
use crate::domain::ConversationError;
use crate::domain::chats::escalation::reminder_after;

/// Reminders in one transaction.
const BATCH: i64 = 50;

/// Tells what is due, until `stop`. Any number of replicas may do so at once.
pub(crate) async fn run(db: Db, outbox: Outbox, stop: CancellationToken) -> anyhow::Result<()> {
    let counter = "escalation_reminders_total";
    due::run("reminders", counter, &outbox, stop, || {
        Store::remind_of_escalations(&db)
    })
    .await
}

impl Store {
    /// Tells the escalations that are due again; how many it were.
    async fn remind_of_escalations(db: &Db) -> Result<u64, ConversationError> {
        let mut tx = db.begin().await?;
        let due = sqlx::query!(
            "select c.org_id, e.id, e.reminders from conversation.escalations e
             join conversation.conversations c on c.org_id = e.org_id and c.id = e.conversation_id
             where e.remind_at <= now() order by e.remind_at limit $1 for no key update of c skip locked",
            BATCH,
        )
        .fetch_all(&mut *tx)
        .await?;
        let mut told = 0;
        for row in due {
            let org = OrgId(row.org_id);
            let reminders = row.reminders + 1;
            let reminded = sqlx::query!(
                "update conversation.escalations
                 set reminders = $3, remind_at = created_at + make_interval(secs => $4), event_sequence = event_sequence + 1
                 where org_id = $1 and id = $2 and remind_at <= now()",
                org.0,
                row.id,
                reminders,
                reminder_after(reminders).map(|after| after.as_secs_f64()),
            )
            .execute(&mut *tx)
            .await?;
            // Somebody was faster, before we had the lock.
            if reminded.rows_affected() == 0 {
                continue;
            }
            let escalation = Self::escalation(org, &mut *tx, row.id).await?;
            let chat = Self::chat(org, &mut *tx, escalation.chat_id).await?;
            let (kind, extra) = ("escalation.reminded", json!({ "reminder": reminders }));
            Self::tell_escalation(org, None, &mut tx, kind, &escalation, &chat, extra).await?;
            told += 1;
        }
        tx.commit().await?;
        Ok(told)
    }
}
