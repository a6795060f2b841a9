//! Lead mails and what became of them.

use platform::access::Call;
use platform::fault::Violation;
use platform::{page, time};
use proto::settings::v1::{self as wire, LeadMailState, ListLeadMailsRequest, ListLeadMailsResponse};
use tonic::{Request, Response, Status};

use super::Api;
use crate::domain::SettingsError;
use crate::domain::lead::{LeadMail, MailState};
use crate::store::Store;

pub(super) async fn list(
    api: &Api,
    request: Request<ListLeadMailsRequest>,
) -> Result<Response<ListLeadMailsResponse>, Status> {
    let (call, message) = Call::open(request)?;
    let size = page::size(message.page_size)?;
    let chatbot_id = message.chatbot_id.map(super::chatbot_id).transpose()?;
    let state = parse_state(message.state).map_err(SettingsError::from)?;
    let org = call.org().to_string();
    let list = [
        "lead-mails",
        &org,
        chatbot_id.as_deref().unwrap_or_default(),
        state.map_or("", MailState::as_str),
    ];
    let after = api.tokens.read(&list, &message.page_token)?;
    let mails = Store::lead_mails(call.org(), &api.db, chatbot_id.as_deref(), state, after, size + 1).await?;
    let (mails, next) = super::cut(mails, size, |mail| (mail.created_at, mail.id));
    Ok(Response::new(ListLeadMailsResponse {
        lead_mails: mails.into_iter().map(Into::into).collect(),
        next_page_token: next.map_or_else(String::new, |last| api.tokens.make(&list, &last)),
    }))
}

fn parse_state(value: i32) -> Result<Option<MailState>, Violation> {
    match LeadMailState::try_from(value) {
        Ok(LeadMailState::Unspecified) => Ok(None),
        Ok(LeadMailState::Pending) => Ok(Some(MailState::Pending)),
        Ok(LeadMailState::Sent) => Ok(Some(MailState::Sent)),
        Ok(LeadMailState::Failed) => Ok(Some(MailState::Failed)),
        Err(_) => Err(Violation::new("state", "must be PENDING, SENT or FAILED")),
    }
}

impl From<LeadMail> for wire::LeadMail {
    fn from(mail: LeadMail) -> Self {
        let state = match mail.state {
            MailState::Pending => LeadMailState::Pending,
            MailState::Sent => LeadMailState::Sent,
            MailState::Failed => LeadMailState::Failed,
        };
        Self {
            id: mail.id.to_string(),
            chatbot_id: mail.chatbot_id,
            escalation_id: mail.escalation_id,
            address: mail.address,
            state: state.into(),
            attempts: mail.attempts,
            last_error: mail.last_error,
            created_at: Some(time::to_proto(mail.created_at)),
            next_attempt_at: mail.next_attempt_at.map(time::to_proto),
            sent_at: mail.sent_at.map(time::to_proto),
        }
    }
}
