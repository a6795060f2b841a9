//! Escalations: one row for each time a thread was handed to people.

use platform::OrgId;
use platform::access::Call;
use platform::events::{Event, Stream};
use platform::time::{Time, to_rfc3339};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Store;
use crate::domain::{Author, Error, Escalation, EscalationState, EscalationStep, Message, Thread, reminder_after};

impl Store {
    /// Takes a locked thread through one escalation step: flags, system message, escalation row and event. The thread is
    /// saved.
    pub(crate) async fn escalate(
        &self,
        tx: &mut PgConnection,
        call: &Call,
        thread: &mut Thread,
        step: &EscalationStep,
        prompt: Option<&str>,
    ) -> Result<Message, Error> {
        let org = call.org();
        let by = &*call.caller.owner;
        let last = self.last_visitor_message(tx, org, thread.id).await?;
        thread.escalated = step.escalated;
        thread.mode = step.mode;
        let message = self.append(tx, org, thread, step.message(platform::id::new())).await?;
        self.save_thread(tx, org, thread, None).await?;

        let (kind, row) = if step.escalated {
            (
                "escalation.created",
                Some(self.open_escalation(tx, org, thread.id, by, prompt).await?),
            )
        } else {
            (
                "escalation.resolved",
                self.resolve_escalation(tx, org, thread.id, by).await?,
            )
        };
        if let Some(row) = row {
            let data = json!({
                "systemMessage": { "id": message.id, "content": message.content },
                "lastMessage": last.map(|(id, content)| {
                    json!({ "id": id, "author": Author::User.name(), "content": content })
                }),
            });
            self.tell_escalation(tx, thread, &row, Telling::by(call, kind, data))
                .await?;
        }
        Ok(message)
    }

    /// Resolves the open escalation of a locked thread, when there is one, and tells it.
    pub(crate) async fn resolve(&self, tx: &mut PgConnection, call: &Call, thread: &Thread) -> Result<(), Error> {
        if let Some(row) = self
            .resolve_escalation(tx, call.org(), thread.id, &call.caller.owner)
            .await?
        {
            self.tell_escalation(tx, thread, &row, Telling::by(call, "escalation.resolved", json!({})))
                .await?;
        }
        Ok(())
    }

    pub(super) async fn tell_escalation(
        &self,
        tx: &mut PgConnection,
        thread: &Thread,
        row: &EscalationRow,
        telling: Telling<'_>,
    ) -> Result<(), Error> {
        let Telling {
            org,
            traceparent,
            kind,
            extra,
        } = telling;
        let mut data = json!({
            "kind": "thread",
            "escalationId": row.id,
            "chatbotId": thread.chatbot_id,
            "threadId": thread.thread_id,
            "threadUid": thread.id,
            "title": thread.title,
            "visitor": thread.visitor.as_ref().map(|visitor| json!({
                "id": visitor.id,
                "email": visitor.email,
                "name": visitor.name,
                "phoneNumber": visitor.phone_number,
            })),
            "requestedBy": row.requested_by,
            "prompt": row.prompt,
            "createdAt": to_rfc3339(row.created_at),
            "acknowledgedBy": row.acknowledged_by,
            "acknowledgedAt": row.acknowledged_at.map(to_rfc3339),
            "resolvedBy": row.resolved_by,
            "resolvedAt": row.resolved_at.map(to_rfc3339),
        });
        if let (Some(data), serde_json::Value::Object(extra)) = (data.as_object_mut(), extra) {
            data.extend(extra);
        }
        let event = Event {
            org,
            stream: Stream::Escalations,
            kind,
            subject: format!("escalations/{}", row.id),
            sequence: row.event_sequence,
            cause: None,
            data,
        };
        Ok(self.outbox.record(tx, traceparent, event).await?)
    }

    async fn last_visitor_message(
        &self,
        tx: &mut PgConnection,
        org: OrgId,
        thread: Uuid,
    ) -> Result<Option<(Uuid, String)>, Error> {
        // Among the newest few: an escalation that comes long after the visitor's last word does not need it.
        let last = sqlx::query!(
            r#"select id, content as "content!" from (
                   select position, author, id, content from thread.messages
                   where org_id = $1 and thread_uid = $2 order by position desc limit 50
               ) newest where author = 1 order by position desc limit 1"#,
            org.0,
            thread,
        )
        .fetch_optional(tx)
        .await?;
        Ok(last.map(|row| (row.id, row.content)))
    }

    async fn open_escalation(
        &self,
        tx: &mut PgConnection,
        org: OrgId,
        thread: Uuid,
        by: &str,
        prompt: Option<&str>,
    ) -> Result<EscalationRow, Error> {
        Ok(sqlx::query_as!(
            EscalationRow,
            "insert into thread.escalations (org_id, id, thread_uid, requested_by, prompt, remind_at)
             values ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))
             returning id, event_sequence, requested_by, prompt, created_at, acknowledged_by, acknowledged_at, resolved_by, resolved_at",
            org.0,
            platform::id::new(),
            thread,
            by,
            prompt,
            reminder_after(0).map(|after| after.as_secs_f64()),
        )
        .fetch_one(tx)
        .await?)
    }

    async fn resolve_escalation(
        &self,
        tx: &mut PgConnection,
        org: OrgId,
        thread: Uuid,
        by: &str,
    ) -> Result<Option<EscalationRow>, Error> {
        Ok(sqlx::query_as!(
            EscalationRow,
            "update thread.escalations set resolved_by = $3, resolved_at = now(), remind_at = null, event_sequence = event_sequence + 1
             where org_id = $1 and thread_uid = $2 and resolved_at is null
             returning id, event_sequence, requested_by, prompt, created_at, acknowledged_by, acknowledged_at, resolved_by, resolved_at",
            org.0,
            thread,
            by,
        )
        .fetch_optional(tx)
        .await?)
    }

    /// Notes who has seen an escalation; the first one wins. What is acknowledged or resolved stays as it is.
    pub(crate) async fn acknowledge(&self, tx: &mut PgConnection, call: &Call, id: Uuid) -> Result<Escalation, Error> {
        let org = call.org();
        let key = sqlx::query!(
            "select t.chatbot_id, t.thread_id from thread.escalations e
             join thread.threads t on t.org_id = e.org_id and t.id = e.thread_uid
             where e.org_id = $1 and e.id = $2",
            org.0,
            id,
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(Error::EscalationNotFound)?;
        // The thread first, as every step of an escalation does it.
        let thread = self.lock_thread(tx, org, &key.chatbot_id, &key.thread_id).await?;
        let row = sqlx::query_as!(
            EscalationRow,
            "update thread.escalations set acknowledged_by = $3, acknowledged_at = now(), remind_at = null, event_sequence = event_sequence + 1
             where org_id = $1 and id = $2 and acknowledged_at is null and resolved_at is null
             returning id, event_sequence, requested_by, prompt, created_at, acknowledged_by, acknowledged_at, resolved_by, resolved_at",
            org.0,
            id,
            &*call.caller.owner,
        )
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(row) = row {
            self.tell_escalation(
                tx,
                &thread,
                &row,
                Telling::by(call, "escalation.acknowledged", json!({})),
            )
            .await?;
        }
        sqlx::query_as!(
            Escalation,
            r#"select e.id, t.chatbot_id, t.thread_id, e.requested_by, e.prompt, e.created_at, e.acknowledged_by,
                      e.acknowledged_at, e.resolved_by, e.resolved_at,
                      extract(epoch from coalesce(e.resolved_at, now()) - e.created_at)::bigint as "age_seconds!",
                      v.name as "visitor_name?", v.email as "visitor_email?"
               from thread.escalations e
               join thread.threads t on t.org_id = e.org_id and t.id = e.thread_uid
               left join thread.visitors v on v.org_id = t.org_id and v.id = t.visitor_id
               where e.org_id = $1 and e.id = $2"#,
            org.0,
            id,
        )
        .fetch_optional(tx)
        .await?
        .ok_or(Error::EscalationNotFound)
    }

    /// Escalations in one state, or all, newest first, older than `before`.
    pub(crate) async fn escalations(
        &self,
        org: OrgId,
        state: Option<EscalationState>,
        before: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Escalation>, Error> {
        let before = before.unwrap_or(Uuid::max());
        // A statement for each state, so that each has its own partial index.
        macro_rules! list {
            ($condition:literal) => {
                sqlx::query_as!(
                    Escalation,
                    r#"select e.id, t.chatbot_id, t.thread_id, e.requested_by, e.prompt, e.created_at, e.acknowledged_by,
                              e.acknowledged_at, e.resolved_by, e.resolved_at,
                              extract(epoch from coalesce(e.resolved_at, now()) - e.created_at)::bigint as "age_seconds!",
                              v.name as "visitor_name?", v.email as "visitor_email?"
                       from thread.escalations e
                       join thread.threads t on t.org_id = e.org_id and t.id = e.thread_uid
                       left join thread.visitors v on v.org_id = t.org_id and v.id = t.visitor_id
                       where e.org_id = $1 and e.id < $2 and "#
                        + $condition
                        + " order by e.id desc limit $3",
                    org.0,
                    before,
                    limit,
                )
                .fetch_all(&self.db)
                .await
            };
        }
        Ok(match state {
            None => list!("true"),
            Some(EscalationState::Unacknowledged) => {
                list!("e.acknowledged_at is null and e.resolved_at is null")
            }
            Some(EscalationState::Acknowledged) => {
                list!("e.acknowledged_at is not null and e.resolved_at is null")
            }
            Some(EscalationState::Resolved) => list!("e.resolved_at is not null"),
        }?)
    }
}

/// What is told of an escalation besides what it is.
pub(super) struct Telling<'a> {
    pub(super) org: OrgId,
    pub(super) traceparent: Option<&'a str>,
    pub(super) kind: &'static str,
    /// Added to its data: an object.
    pub(super) extra: serde_json::Value,
}

impl<'a> Telling<'a> {
    fn by(call: &'a Call, kind: &'static str, extra: serde_json::Value) -> Self {
        Self {
            org: call.org(),
            traceparent: call.traceparent.as_deref(),
            kind,
            extra,
        }
    }
}

pub(super) struct EscalationRow {
    pub(super) id: Uuid,
    pub(super) event_sequence: i64,
    pub(super) requested_by: String,
    pub(super) prompt: Option<String>,
    pub(super) created_at: Time,
    pub(super) acknowledged_by: Option<String>,
    pub(super) acknowledged_at: Option<Time>,
    pub(super) resolved_by: Option<String>,
    pub(super) resolved_at: Option<Time>,
}
