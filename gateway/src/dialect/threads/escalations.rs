//! Escalations of threads and of chats, and who has seen them, under `/v1/escalations`: additions to the sources.

use futures::try_join;
use proto::conversation::v1 as chat;
use proto::thread::v1 as pb;
use serde::Serialize;
use tonic::Code;
use utoipa::ToSchema;

use super::CursorPagination;
use crate::answer::{Answer, Stamp, given};
use crate::dialect::chats::words::{ChatEscalationStatus, EscalationReason};
use crate::errors::{Failure, Names};
use crate::extract::Call;
use crate::words::{EscalationFilter, EscalationState, Word, number};

/// What was escalated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum EscalationKind {
    Thread,
    Chat,
}

impl Word for EscalationKind {
    type Proto = Self;
    const ALL: &'static [(&'static str, Self)] = &[("thread", Self::Thread), ("chat", Self::Chat)];
}

/// One escalation of a thread, from on to off, or of a chat.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Escalation {
    id: String,
    kind: EscalationKind,
    /// Of a thread.
    chatbot_id: Option<String>,
    /// Of a thread.
    thread_id: Option<String>,
    /// Of a chat, which is the conversation with the same id.
    chat_id: Option<i64>,
    /// Of a chat: the id that the surface of chats shows.
    number: Option<i64>,
    /// Of a chat.
    status: Option<ChatEscalationStatus>,
    /// Of a chat.
    reason: Option<EscalationReason>,
    state: Option<EscalationState>,
    /// The owner of the key that escalated.
    requested_by: String,
    /// What the visitor of a thread asked for.
    prompt: Option<String>,
    created_at: Stamp,
    acknowledged_by: Option<String>,
    acknowledged_at: Option<Stamp>,
    resolved_by: Option<String>,
    resolved_at: Option<Stamp>,
    /// Whole seconds from its creation to now, or to its resolution.
    age_seconds: i64,
    visitor_name: Option<String>,
    visitor_email: Option<String>,
}

impl From<pb::Escalation> for Escalation {
    fn from(escalation: pb::Escalation) -> Self {
        Self {
            state: EscalationState::of(escalation.state()),
            id: escalation.id,
            kind: EscalationKind::Thread,
            chatbot_id: Some(escalation.chatbot_id),
            thread_id: Some(escalation.thread_id),
            chat_id: None,
            number: None,
            status: None,
            reason: None,
            requested_by: escalation.requested_by,
            prompt: escalation.prompt,
            created_at: Stamp::of(escalation.created_at),
            acknowledged_by: escalation.acknowledged_by,
            acknowledged_at: Stamp::maybe(escalation.acknowledged_at),
            resolved_by: escalation.resolved_by,
            resolved_at: Stamp::maybe(escalation.resolved_at),
            age_seconds: escalation.age_seconds,
            visitor_name: escalation.visitor_name,
            visitor_email: escalation.visitor_email,
        }
    }
}

impl From<chat::ChatEscalation> for Escalation {
    fn from(escalation: chat::ChatEscalation) -> Self {
        Self {
            // States have the same numbers in both contexts.
            state: pb::EscalationState::try_from(escalation.state)
                .ok()
                .and_then(EscalationState::of),
            status: ChatEscalationStatus::of(escalation.status()),
            reason: EscalationReason::of(escalation.reason()),
            id: escalation.escalation_id,
            kind: EscalationKind::Chat,
            chatbot_id: None,
            thread_id: None,
            chat_id: Some(escalation.chat_id),
            number: Some(escalation.id),
            requested_by: escalation.requested_by,
            prompt: None,
            created_at: Stamp::of(escalation.created_at),
            acknowledged_by: escalation.acknowledged_by,
            acknowledged_at: Stamp::maybe(escalation.acknowledged_at),
            resolved_by: escalation.resolved_by,
            resolved_at: Stamp::maybe(escalation.resolved_at),
            age_seconds: escalation.age_seconds,
            visitor_name: escalation.end_user_name,
            visitor_email: escalation.end_user_email,
        }
    }
}

/// A page of escalations.
#[derive(Serialize, ToSchema)]
pub(super) struct EscalationPage {
    escalations: Vec<Escalation>,
    pagination: CursorPagination,
}

/// The newest escalations of a kind, and whether there are more.
#[derive(Default)]
struct Found {
    escalations: Vec<Escalation>,
    has_more: bool,
}

impl Found {
    /// The newest `limit` of both.
    fn merge(self, other: Self, limit: usize) -> Self {
        let mut escalations = self.escalations;
        escalations.extend(other.escalations);
        // Ids begin with the time.
        escalations.sort_unstable_by(|a, b| b.id.cmp(&a.id));
        let has_more = self.has_more || other.has_more || escalations.len() > limit;
        escalations.truncate(limit);
        Self { escalations, has_more }
    }
}

const NAMES: Names = &[("page_size", "limit"), ("before", "cursor")];

async fn of_threads(call: &Call, state: i32, page_size: i32, before: String) -> Result<Found, Failure> {
    let request = call.request(pb::ListEscalationsRequest {
        state,
        page_size,
        before,
    });
    let answer = call.threads().list_escalations(request).await;
    let answer = answer.map_err(Failure::naming(NAMES))?.into_inner();
    Ok(Found {
        escalations: answer.escalations.into_iter().map(Escalation::from).collect(),
        has_more: answer.has_more,
    })
}

async fn of_chats(call: &Call, state: i32, page_size: i32, before: String) -> Result<Found, Failure> {
    let request = call.request(chat::ListChatEscalationsRequest {
        state,
        page_size,
        before,
    });
    let answer = call.chats().list_chat_escalations(request).await;
    let answer = answer.map_err(Failure::naming(NAMES))?.into_inner();
    Ok(Found {
        escalations: answer.escalations.into_iter().map(Escalation::from).collect(),
        has_more: answer.has_more,
    })
}

/// List the escalations
///
/// Of threads and of chats, newest first.
#[utoipa::path(get, path = "/v1/escalations", tag = "Escalations",
    params(
        ("state" = inline(Option<EscalationFilter>), Query, description = "Default all"),
        ("kind" = inline(Option<EscalationKind>), Query, description = "Default both"),
        ("limit" = Option<i32>, Query, description = "1 to 100, default 20", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before"),
    ),
    responses((status = 200, description = "A page of escalations", body = Answer<EscalationPage>)))]
pub(super) async fn list_escalations(call: Call) -> Result<Answer<EscalationPage>, Failure> {
    let query = call.query()?;
    let state = number(query.word::<EscalationFilter>("state")?);
    let wanted = query.word::<EscalationKind>("kind")?;
    let limit = match query.limit()? {
        0 => platform::page::DEFAULT_SIZE,
        limit => limit,
    };
    let before = query.owned("cursor")?.unwrap_or_default();
    let Found { escalations, has_more } = match wanted {
        Some(EscalationKind::Thread) => of_threads(&call, state, limit, before).await?,
        Some(EscalationKind::Chat) => of_chats(&call, state, limit, before).await?,
        None => {
            let (threads, chats) = try_join!(
                of_threads(&call, state, limit, before.clone()),
                of_chats(&call, state, limit, before),
            )?;
            threads.merge(chats, usize::try_from(limit).unwrap_or_default())
        }
    };
    let last = escalations.last().filter(|_| has_more);
    let next = last.map_or_else(String::new, |escalation| escalation.id.clone());
    Ok(Answer::data(EscalationPage {
        escalations,
        pagination: CursorPagination::of(limit, next),
    }))
}

/// One escalation.
#[derive(Serialize, ToSchema)]
pub(super) struct OneEscalation {
    escalation: Escalation,
}

/// Acknowledge an escalation
///
/// Says that a person has seen it. The first acknowledgement wins; a later one changes nothing. A body is ignored.
#[utoipa::path(put, path = "/v1/escalations/{id}/acknowledge", tag = "Escalations",
    responses((status = 200, description = "`Escalation acknowledged successfully`", body = Answer<OneEscalation>)))]
pub(super) async fn acknowledge_escalation(call: Call) -> Result<Answer<OneEscalation>, Failure> {
    let id = call.id("id")?;
    let request = call.request(pb::AcknowledgeEscalationRequest { id: id.clone() });
    let escalation = match call.threads().acknowledge_escalation(request).await {
        Ok(answer) => given(answer.into_inner().escalation)?.into(),
        // No thread's, so perhaps a chat's.
        Err(status) if status.code() == Code::NotFound => {
            let request = call.request(chat::AcknowledgeChatEscalationRequest { escalation_id: id });
            let answer = call.chats().acknowledge_chat_escalation(request).await?.into_inner();
            given(answer.escalation)?.into()
        }
        Err(status) => return Err(status.into()),
    };
    Ok(Answer::done(
        "Escalation acknowledged successfully",
        OneEscalation { escalation },
    ))
}
