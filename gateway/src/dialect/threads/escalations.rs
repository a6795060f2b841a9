//! Escalations and who has seen them under `/v1/escalations`: additions to the sources.

use proto::thread::v1 as pb;
use serde::Serialize;
use utoipa::ToSchema;

use super::CursorPagination;
use super::chatting::LIST_NAMES;
use crate::answer::{Answer, Stamp, given};
use crate::errors::Failure;
use crate::extract::Call;
use crate::words::{EscalationFilter, EscalationState, Word as _, number};

/// One escalation of a thread, from on to off.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Escalation {
    id: String,
    chatbot_id: String,
    thread_id: String,
    state: Option<EscalationState>,
    /// The owner of the key that escalated.
    requested_by: String,
    /// What the visitor asked for.
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
            chatbot_id: escalation.chatbot_id,
            thread_id: escalation.thread_id,
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

/// A page of escalations.
#[derive(Serialize, ToSchema)]
pub(super) struct EscalationPage {
    escalations: Vec<Escalation>,
    pagination: CursorPagination,
}

/// List the escalations
///
/// Newest first.
#[utoipa::path(get, path = "/v1/escalations", tag = "Escalations",
    params(
        ("state" = inline(Option<EscalationFilter>), Query, description = "Default all"),
        ("limit" = Option<i32>, Query, description = "1 to 100, default 20", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before"),
    ),
    responses((status = 200, description = "A page of escalations", body = Answer<EscalationPage>)))]
pub(super) async fn list_escalations(call: Call) -> Result<Answer<EscalationPage>, Failure> {
    let query = call.query()?;
    let page_size = query.limit()?;
    let request = call.request(pb::ListEscalationsRequest {
        state: number(query.word::<EscalationFilter>("state")?),
        page_size,
        page_token: query.owned("cursor")?.unwrap_or_default(),
    });
    let answer = call
        .threads()
        .list_escalations(request)
        .await
        .map_err(Failure::naming(LIST_NAMES))?
        .into_inner();
    Ok(Answer::data(EscalationPage {
        escalations: answer.escalations.into_iter().map(Escalation::from).collect(),
        pagination: CursorPagination::of(page_size, answer.next_page_token),
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
    let request = call.request(pb::AcknowledgeEscalationRequest { id: call.id("id")? });
    let answer = call.threads().acknowledge_escalation(request).await?.into_inner();
    let escalation = given(answer.escalation)?.into();
    Ok(Answer::done(
        "Escalation acknowledged successfully",
        OneEscalation { escalation },
    ))
}
