//! Escalations that nobody has seen yet are told again, ever more rarely.

use platform::{OrgId, due};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::Store;
use super::escalations::{EscalationRow, Telling};
use super::reads::{Read, pages};
use crate::domain::{Error, reminder_after};

/// Reminders in one transaction.
const BATCH: i64 = 50;

/// Tells what is due, until `stop`. Any number of replicas may do so at once.
pub(crate) async fn run(store: Store, stop: CancellationToken) -> anyhow::Result<()> {
    let counter = "escalation_reminders_total";
    due::run("reminders", counter, &store.outbox, stop, || store.remind()).await
}

impl Store {
    /// Tells the escalations that are due again; how many it were.
    async fn remind(&self) -> Result<u64, Error> {
        let mut tx = self.begin().await?;
        let due = sqlx::query!(
            "select e.org_id, e.id, e.reminders, t.chatbot_id, t.thread_id from thread.escalations e
             join thread.threads t on t.org_id = e.org_id and t.id = e.thread_uid
             where e.remind_at <= now() and e.acknowledged_at is null and e.resolved_at is null
             order by e.remind_at limit $1 for update of e skip locked",
            BATCH,
        )
        .fetch_all(&mut *tx)
        .await?;
        let mut told = 0;
        for escalation in due {
            let org = OrgId(escalation.org_id);
            let reminders = escalation.reminders + 1;
            let row = sqlx::query_as!(
                EscalationRow,
                "update thread.escalations set reminders = $3, remind_at = created_at + make_interval(secs => $4),
                        event_sequence = event_sequence + 1
                 where org_id = $1 and id = $2
                 returning id, event_sequence, requested_by, prompt, created_at, acknowledged_by, acknowledged_at,
                           resolved_by, resolved_at",
                org.0,
                escalation.id,
                reminders,
                reminder_after(reminders).map(|after| after.as_secs_f64()),
            )
            .fetch_one(&mut *tx)
            .await?;
            let read = Read {
                org,
                chatbot_id: escalation.chatbot_id,
                thread_id: escalation.thread_id.clone(),
                before: None,
                limit: 0,
            };
            // Not locked: an escalation's step locks the thread first, so locking it here could block both for good.
            let page = pages(&mut tx, &[read]).await?.pop().flatten();
            let thread = page.ok_or(Error::ThreadNotFound(escalation.thread_id))?.thread;
            let telling = Telling {
                org,
                traceparent: None,
                kind: "escalation.reminded",
                extra: json!({ "reminder": reminders }),
            };
            self.tell_escalation(&mut tx, &thread, &row, telling).await?;
            told += 1;
        }
        tx.commit().await?;
        Ok(told)
    }
}
