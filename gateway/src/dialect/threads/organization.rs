//! The organization's secret and what became of its mails: additions to the sources.

use proto::settings::v1 as pb;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::CursorPagination;
use super::chatting::LIST_NAMES;
use crate::answer::{Answer, Stamp};
use crate::errors::Failure;
use crate::extract::Call;
use crate::words::{LeadMailFilter, LeadMailState, Word as _, number};

/// A new company secret.
#[derive(Deserialize, ToSchema)]
pub(super) struct CompanySecret {
    /// 32 to 1024 bytes. It can never be read again.
    secret: String,
}

/// How many secrets are live now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LiveSecrets {
    /// 1 or 2: the newest two are live, so that a secret can be replaced without a gap.
    live_secrets: i32,
}

/// Set the company secret
#[utoipa::path(put, path = "/v1/organization/company-secret", tag = "Organization",
    request_body(content = CompanySecret, content_type = "application/json"),
    responses((status = 200, description = "`Company secret updated successfully`", body = Answer<LiveSecrets>)))]
pub(super) async fn set_company_secret(call: Call) -> Result<Answer<LiveSecrets>, Failure> {
    let body: CompanySecret = call.object()?;
    let request = call.request(pb::SetCompanySecretRequest { secret: body.secret });
    let live_secrets = call
        .settings()
        .set_company_secret(request)
        .await?
        .into_inner()
        .live_secrets;
    Ok(Answer::done(
        "Company secret updated successfully",
        LiveSecrets { live_secrets },
    ))
}

/// A mail that tells somebody of an escalation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LeadMail {
    id: String,
    chatbot_id: String,
    escalation_id: String,
    address: String,
    state: Option<LeadMailState>,
    attempts: i32,
    /// What the mail server said last.
    last_error: Option<String>,
    created_at: Stamp,
    next_attempt_at: Option<Stamp>,
    sent_at: Option<Stamp>,
}

impl From<pb::LeadMail> for LeadMail {
    fn from(mail: pb::LeadMail) -> Self {
        Self {
            state: LeadMailState::of(mail.state()),
            id: mail.id,
            chatbot_id: mail.chatbot_id,
            escalation_id: mail.escalation_id,
            address: mail.address,
            attempts: mail.attempts,
            last_error: mail.last_error,
            created_at: Stamp::of(mail.created_at),
            next_attempt_at: Stamp::maybe(mail.next_attempt_at),
            sent_at: Stamp::maybe(mail.sent_at),
        }
    }
}

/// A page of mails.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LeadMailPage {
    lead_mails: Vec<LeadMail>,
    pagination: CursorPagination,
}

/// List the lead mails
///
/// Newest first.
#[utoipa::path(get, path = "/v1/lead-mails", tag = "Escalations",
    params(
        ("chatbotId" = Option<String>, Query, description = "Of this chatbot only"),
        ("state" = inline(Option<LeadMailFilter>), Query, description = "Default all"),
        ("limit" = Option<i32>, Query, description = "1 to 100, default 20", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before"),
    ),
    responses((status = 200, description = "A page of mails", body = Answer<LeadMailPage>)))]
pub(super) async fn list_lead_mails(call: Call) -> Result<Answer<LeadMailPage>, Failure> {
    let query = call.query()?;
    let page_size = query.limit()?;
    let request = call.request(pb::ListLeadMailsRequest {
        chatbot_id: query.owned("chatbotId")?,
        state: number(query.word::<LeadMailFilter>("state")?),
        page_size,
        page_token: query.owned("cursor")?.unwrap_or_default(),
    });
    let answer = call
        .settings()
        .list_lead_mails(request)
        .await
        .map_err(Failure::naming(LIST_NAMES))?
        .into_inner();
    Ok(Answer::data(LeadMailPage {
        lead_mails: answer.lead_mails.into_iter().map(LeadMail::from).collect(),
        pagination: CursorPagination::of(page_size, answer.next_page_token),
    }))
}
