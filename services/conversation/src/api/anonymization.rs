//! Requests to anonymize.

use platform::access::Call;
use platform::fault::{self, Kind};
use platform::time;
use proto::conversation::v1 as wire;
use sqlx::PgConnection;
use tonic::{Response, Status};

use super::transitions::{owner, save};
use super::{Api, Done};
use crate::domain::anonymization::{Anonymization, Target};
use crate::domain::state::{self, State};
use crate::domain::{ConversationError, field};
use crate::store::Store;

/// What it takes to anonymize an end user, besides the right to write conversations.
const DIRECTORY: &str = "directory:write";

impl Api {
    pub(super) async fn anonymize(
        &self,
        call: Call,
        message: wire::AnonymizeRequest,
    ) -> Result<Response<wire::AnonymizeResponse>, Status> {
        let target = read(&message)?;
        if matches!(target, Target::EndUser(_)) && !call.caller.may(DIRECTORY) {
            return Err(fault::refuse(
                Kind::Forbidden,
                "SCOPE_MISSING",
                format!("the API key lacks the scope {DIRECTORY}"),
            ));
        }
        self.once(&call, "Anonymize", &message, async |tx| {
            let request = match admit(&call, tx, target, message.force).await? {
                Some(pending) => pending,
                None => Store::request_anonymization(call.org(), tx, target, owner(&call)).await?,
            };
            // Not kept under what is erased: a retry has to get it.
            let subject = format!("anonymizations/{}", request.id);
            let request = Some(request.into());
            Ok(Done::new(subject, wire::AnonymizeResponse { request }))
        })
        .await
    }

    pub(super) async fn get_anonymization_request(
        &self,
        call: Call,
        message: wire::GetAnonymizationRequestRequest,
    ) -> Result<Response<wire::GetAnonymizationRequestResponse>, Status> {
        let id = field::uuid("id", &message.id).map_err(ConversationError::from)?;
        let request = Store::anonymization(call.org(), &self.db, id).await?;
        Ok(Response::new(wire::GetAnonymizationRequestResponse {
            request: Some(request.into()),
        }))
    }
}

fn read(message: &wire::AnonymizeRequest) -> Result<Target, ConversationError> {
    Ok(match message.target() {
        wire::AnonymizationTarget::Conversation => Target::Conversation(message.conversation_id),
        wire::AnonymizationTarget::Message => {
            let id = field::uuid("message_id", &message.message_id)?;
            Target::Message(message.conversation_id, id)
        }
        wire::AnonymizationTarget::User => Target::EndUser(field::uuid("user_id", &message.user_id)?),
        wire::AnonymizationTarget::Unspecified => {
            return Err(ConversationError::invalid(
                "target",
                "must be something that can be anonymized",
            ));
        }
    })
}

/// Locks what is to be anonymized and sees whether it can be; the request for it that is pending already. With `force` a
/// conversation is closed right away, those of an end user one after the other when their turn comes.
async fn admit(
    call: &Call,
    tx: &mut PgConnection,
    target: Target,
    force: bool,
) -> Result<Option<Anonymization>, ConversationError> {
    let org = call.org();
    match target {
        Target::Conversation(id) => {
            let locked = Store::lock_conversation(org, tx, id).await?;
            if let Some(pending) = Store::pending_anonymization(org, tx, target).await? {
                return Ok(Some(pending));
            }
            if locked.anonymized {
                return Err(ConversationError::AlreadyAnonymized);
            }
            if locked.standing.state != State::Closed && !force {
                return Err(ConversationError::ConversationNotClosed);
            }
            save(call, tx, &locked, state::close(&locked.standing), owner(call)).await?;
        }
        Target::Message(conversation, id) => {
            let locked = Store::lock_conversation(org, tx, conversation).await?;
            let anonymized = Store::is_message_anonymized(org, &mut *tx, conversation, id).await?;
            if let Some(pending) = Store::pending_anonymization(org, tx, target).await? {
                return Ok(Some(pending));
            }
            if anonymized || locked.anonymized {
                return Err(ConversationError::AlreadyAnonymized);
            }
            if locked.standing.state != State::Closed {
                return Err(ConversationError::ConversationNotClosed);
            }
        }
        Target::EndUser(id) => {
            let anonymized = Store::is_end_user_anonymized(org, tx, id).await?;
            if let Some(pending) = Store::pending_anonymization(org, tx, target).await? {
                return Ok(Some(pending));
            }
            if anonymized {
                return Err(ConversationError::AlreadyAnonymized);
            }
            if !force && Store::has_open_conversation(org, tx, id).await? {
                return Err(ConversationError::ConversationNotClosed);
            }
        }
    }
    Ok(None)
}

impl From<Anonymization> for wire::AnonymizationRequest {
    fn from(request: Anonymization) -> Self {
        Self {
            id: request.id.to_string(),
            target: i32::from(request.kind as i16),
            target_id: request.target_id,
            requested_by: request.requested_by.to_string(),
            initiated_at: Some(time::to_proto(request.initiated_at)),
            processed_at: request.processed_at.map(time::to_proto),
        }
    }
}
