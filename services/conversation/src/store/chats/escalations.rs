//! Escalations of chats.

use platform::OrgId;
use platform::access::Call;
use platform::events::Stream;
use platform::time::Time;
use serde_json::{Value, json};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::{Store, Telling};
use crate::domain::ConversationError;
use crate::domain::chats::chat::Chat;
use crate::domain::chats::escalation::{Channel, Deflection, Escalation, Progress, Reason, Status, reminder_after};

struct Row {
    id: Uuid,
    number: i64,
    conversation_id: i64,
    status: Status,
    reason: Reason,
    deflection: Option<Deflection>,
    channel: Option<Channel>,
    event_sequence: i64,
    requested_by: String,
    created_at: Time,
    acknowledged_by: Option<String>,
    acknowledged_at: Option<Time>,
    resolved_by: Option<String>,
    resolved_at: Option<Time>,
    age_seconds: i64,
}

impl From<Row> for Escalation {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            number: row.number,
            chat_id: row.conversation_id,
            status: row.status,
            reason: row.reason,
            deflection: row.deflection,
            channel: row.channel,
            event_sequence: row.event_sequence,
            requested_by: row.requested_by,
            created_at: row.created_at,
            acknowledged_by: row.acknowledged_by,
            acknowledged_at: row.acknowledged_at,
            resolved_by: row.resolved_by,
            resolved_at: row.resolved_at,
            age_seconds: row.age_seconds,
        }
    }
}

/// An escalation that is about to be stored.
#[derive(Debug)]
pub(crate) struct NewEscalation<'a> {
    pub(crate) chat: i64,
    pub(crate) status: Status,
    pub(crate) reason: Reason,
    pub(crate) deflection: Option<Deflection>,
    pub(crate) requested_by: &'a str,
}

/// Runs a statement that ends in rows of escalations `e`, and returns [`Escalation`]s.
macro_rules! escalations {
    ($on:expr, $before:literal, $after:literal, $($argument:expr),* $(,)?) => {
        sqlx::query_as!(
            Row,
            $before
                + r#" e.id, e.number, e.conversation_id, e.status as "status: Status", e.reason as "reason: Reason",
                      e.deflection_reason as "deflection: Deflection", e.deflection_channel as "channel: Channel",
                      e.event_sequence, e.requested_by, e.created_at, e.acknowledged_by, e.acknowledged_at, e.resolved_by,
                      e.resolved_at,
                      extract(epoch from coalesce(e.resolved_at, now()) - e.created_at)::bigint as "age_seconds!" "#
                + $after,
            $($argument),*
        )
        .fetch_all($on)
        .await
        .map(|rows| rows.into_iter().map(Escalation::from).collect::<Vec<_>>())
        .map_err(ConversationError::from)
    };
}

impl Store {
    /// The newest escalation of a chat.
    pub(crate) async fn newest_escalation(
        org: OrgId,
        on: impl PgExecutor<'_>,
        chat: i64,
    ) -> Result<Option<Escalation>, ConversationError> {
        let found = escalations!(
            on,
            "select",
            "from conversation.escalations e where e.org_id = $1 and e.conversation_id = $2 order by e.id desc limit 1",
            org.0,
            chat,
        )?;
        Ok(found.into_iter().next())
    }

    /// An escalation of a chat, by its number.
    pub(crate) async fn escalation_numbered(
        org: OrgId,
        on: impl PgExecutor<'_>,
        chat: i64,
        number: i64,
    ) -> Result<Escalation, ConversationError> {
        let found = escalations!(
            on,
            "select",
            "from conversation.escalations e where e.org_id = $1 and e.number = $2 and e.conversation_id = $3",
            org.0,
            number,
            chat,
        )?;
        found.into_iter().next().ok_or(ConversationError::EscalationNotFound)
    }

    /// An escalation.
    pub(crate) async fn escalation(
        org: OrgId,
        on: impl PgExecutor<'_>,
        id: Uuid,
    ) -> Result<Escalation, ConversationError> {
        let found = escalations!(
            on,
            "select",
            "from conversation.escalations e where e.org_id = $1 and e.id = $2",
            org.0,
            id,
        )?;
        found.into_iter().next().ok_or(ConversationError::EscalationNotFound)
    }

    /// Escalations in one state, or all, newest first, older than `before`.
    pub(crate) async fn escalations(
        org: OrgId,
        on: impl PgExecutor<'_>,
        progress: Option<Progress>,
        before: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Escalation>, ConversationError> {
        let before = before.unwrap_or(Uuid::max());
        // A statement for each state, so that each has its own partial index.
        match progress {
            None => escalations!(
                on,
                "select",
                "from conversation.escalations e where e.org_id = $1 and e.id < $2 order by e.id desc limit $3",
                org.0,
                before,
                limit,
            ),
            Some(Progress::Unacknowledged) => escalations!(
                on,
                "select",
                "from conversation.escalations e
                 where e.org_id = $1 and e.id < $2 and e.acknowledged_at is null and e.resolved_at is null
                 order by e.id desc limit $3",
                org.0,
                before,
                limit,
            ),
            Some(Progress::Acknowledged) => escalations!(
                on,
                "select",
                "from conversation.escalations e
                 where e.org_id = $1 and e.id < $2 and e.acknowledged_at is not null and e.resolved_at is null
                 order by e.id desc limit $3",
                org.0,
                before,
                limit,
            ),
            Some(Progress::Resolved) => escalations!(
                on,
                "select",
                "from conversation.escalations e where e.org_id = $1 and e.id < $2 and e.resolved_at is not null
                 order by e.id desc limit $3",
                org.0,
                before,
                limit,
            ),
        }
    }

    /// Stores an open escalation of a locked chat, and tells it.
    pub(crate) async fn open_escalation(
        call: &Call,
        tx: &mut PgConnection,
        new: NewEscalation<'_>,
    ) -> Result<Escalation, ConversationError> {
        let org = call.org();
        let opened = escalations!(
            &mut *tx,
            "insert into conversation.escalations as e (org_id, id, conversation_id, status, reason, deflection_reason,
                                                        requested_by, created_at, event_sequence, remind_at)
             values ($1, $2, $3, $4, $5, $6, $7, now(), 1, now() + make_interval(secs => $8)) returning",
            "",
            org.0,
            platform::id::new(),
            new.chat,
            new.status as i16,
            new.reason as i16,
            new.deflection.map(|deflection| deflection as i16),
            new.requested_by,
            reminder_after(0).map(|after| after.as_secs_f64()),
        )?;
        let opened = opened.into_iter().next().ok_or(ConversationError::EscalationNotFound)?;
        let chat = Self::chat(org, &mut *tx, new.chat).await?;
        let last = Self::last_words(org, tx, new.chat).await?;
        let last = last.map(|(id, content)| json!({ "id": id, "author": "USER", "content": content }));
        let extra = json!({ "lastMessage": last });
        let trace = call.traceparent.as_deref();
        Self::tell_escalation(org, trace, tx, "escalation.created", &opened, &chat, extra).await?;
        Ok(opened)
    }

    /// What the end user wrote last, and the message's id. Among the newest few: an escalation that comes long after it
    /// does not need it.
    async fn last_words(
        org: OrgId,
        tx: &mut PgConnection,
        chat: i64,
    ) -> Result<Option<(Uuid, String)>, ConversationError> {
        let last = sqlx::query!(
            r#"select id, content as "content!" from (
                   select position, direction, id, content from conversation.messages
                   where org_id = $1 and conversation_id = $2 order by position desc limit 50
               ) newest where direction = 1 and content is not null order by position desc limit 1"#,
            org.0,
            chat,
        )
        .fetch_optional(tx)
        .await?;
        Ok(last.map(|row| (row.id, row.content)))
    }

    /// Notes what was chosen for an open escalation, and tells where that leads.
    pub(crate) async fn choose_deflection(
        call: &Call,
        tx: &mut PgConnection,
        escalation: &Escalation,
        status: Status,
        channel: Option<Channel>,
    ) -> Result<Escalation, ConversationError> {
        let org = call.org();
        let by = (!status.is_open()).then_some(&*call.caller.owner);
        let chosen = escalations!(
            &mut *tx,
            "update conversation.escalations e
             set status = $3, deflection_channel = coalesce($4, deflection_channel), resolved_by = $5,
                 resolved_at = case when $5::text is not null then now() end,
                 remind_at = case when $5::text is null then remind_at end, event_sequence = event_sequence + 1
             where e.org_id = $1 and e.id = $2 returning",
            "",
            org.0,
            escalation.id,
            status as i16,
            channel.map(|channel| channel as i16),
            by,
        )?;
        let chosen = chosen.into_iter().next().ok_or(ConversationError::EscalationNotFound)?;
        let chat = Self::chat(org, &mut *tx, escalation.chat_id).await?;
        let kind = if status.is_open() {
            "escalation.updated"
        } else {
            "escalation.resolved"
        };
        let trace = call.traceparent.as_deref();
        Self::tell_escalation(org, trace, tx, kind, &chosen, &chat, json!({})).await?;
        Ok(chosen)
    }

    /// Resolves the open escalation of a chat, when there is one, and tells it.
    pub(crate) async fn resolve_escalation(
        org: OrgId,
        traceparent: Option<&str>,
        tx: &mut PgConnection,
        chat: &Chat,
        status: Status,
        by: Option<&str>,
    ) -> Result<Option<Escalation>, ConversationError> {
        let resolved = escalations!(
            &mut *tx,
            "update conversation.escalations e
             set status = $3, resolved_by = $4, resolved_at = now(), remind_at = null, event_sequence = event_sequence + 1
             where e.org_id = $1 and e.conversation_id = $2 and e.resolved_at is null returning",
            "",
            org.0,
            chat.id,
            status as i16,
            by,
        )?;
        let resolved = resolved.into_iter().next();
        if let Some(escalation) = &resolved {
            let kind = "escalation.resolved";
            Self::tell_escalation(org, traceparent, tx, kind, escalation, chat, json!({})).await?;
        }
        Ok(resolved)
    }

    /// Notes who has seen an escalation; the first one wins. What is acknowledged or resolved stays as it is.
    pub(crate) async fn acknowledge_escalation(
        call: &Call,
        tx: &mut PgConnection,
        id: Uuid,
    ) -> Result<Escalation, ConversationError> {
        let org = call.org();
        let found = Self::escalation(org, &mut *tx, id).await?;
        // The conversation first, as every step of an escalation does it.
        Self::lock_conversation(org, tx, found.chat_id).await?;
        let seen = escalations!(
            &mut *tx,
            "update conversation.escalations e
             set acknowledged_by = $3, acknowledged_at = now(), remind_at = null, event_sequence = event_sequence + 1
             where e.org_id = $1 and e.id = $2 and e.acknowledged_at is null and e.resolved_at is null returning",
            "",
            org.0,
            id,
            &*call.caller.owner,
        )?;
        if let Some(escalation) = seen.into_iter().next() {
            let chat = Self::chat(org, &mut *tx, escalation.chat_id).await?;
            let (trace, kind) = (call.traceparent.as_deref(), "escalation.acknowledged");
            Self::tell_escalation(org, trace, tx, kind, &escalation, &chat, json!({})).await?;
        }
        Self::escalation(org, tx, id).await
    }

    /// Records an event of an escalation; `extra` is added to its data.
    pub(super) async fn tell_escalation(
        org: OrgId,
        traceparent: Option<&str>,
        tx: &mut PgConnection,
        kind: &'static str,
        escalation: &Escalation,
        chat: &Chat,
        extra: Value,
    ) -> Result<(), ConversationError> {
        let mut data = escalation.told(chat);
        if let (Some(data), Value::Object(extra)) = (data.as_object_mut(), extra) {
            data.extend(extra);
        }
        let telling = Telling {
            stream: Stream::Escalations,
            kind,
            subject: format!("escalations/{}", escalation.id),
            sequence: escalation.event_sequence,
            data,
        };
        Ok(Self::tell(org, traceparent, tx, telling).await?)
    }
}
