//! Steps of a conversation: claimed, closed, opened again, handed on, put off.

use platform::access::Call;
use proto::conversation::v1 as wire;
use sqlx::PgConnection;
use tonic::{Response, Status};
use uuid::Uuid;

use super::{Api, Done};
use crate::domain::conversation::Locked;
use crate::domain::state::{self, Named, Outcome};
use crate::domain::{ConversationError, field};
use crate::store::Store;
use crate::store::transitions::Step;

/// Who stands behind the key: the person that owns it, or else the key itself.
pub(super) fn owner(call: &Call) -> Uuid {
    platform::id::parse(&call.caller.owner).unwrap_or(call.caller.key_id)
}

/// In whose name a step is done: an agent, or else the owner of the key.
async fn acting(call: &Call, tx: &mut PgConnection, user_id: Option<&str>) -> Result<Uuid, ConversationError> {
    let Some(id) = field::optional_uuid("user_id", user_id)? else {
        return Ok(owner(call));
    };
    let person = Store::person(call.org(), tx, id).await?;
    if person.roles.is_agent {
        Ok(id)
    } else {
        Err(ConversationError::UserNotAgent)
    }
}

/// Locks a conversation for a step. An anonymized one takes none.
pub(super) async fn lock(call: &Call, tx: &mut PgConnection, id: i64) -> Result<Locked, ConversationError> {
    let locked = Store::lock_conversation(call.org(), tx, id).await?;
    if locked.anonymized {
        return Err(ConversationError::AlreadyAnonymized);
    }
    Ok(locked)
}

/// Saves what a step without messages did, if it did anything.
pub(super) async fn save(
    call: &Call,
    tx: &mut PgConnection,
    locked: &Locked,
    outcome: Outcome,
    author: Uuid,
) -> Result<(), ConversationError> {
    if outcome.is_noop() {
        return Ok(());
    }
    let step = Step {
        outcome,
        author: Some(author),
        message: None,
    };
    Store::save_step(call, tx, locked, step).await
}

/// What answers about a conversation are kept under.
pub(super) fn about<A>(id: i64, answer: A) -> Done<A> {
    Done::new(format!("conversations/{id}"), answer)
}

async fn read(call: &Call, tx: &mut PgConnection, id: i64) -> Result<Option<wire::Conversation>, ConversationError> {
    Ok(Some(Store::conversation(call.org(), tx, id).await?.into()))
}

impl Api {
    pub(super) async fn claim_conversation(
        &self,
        call: Call,
        message: wire::ClaimConversationRequest,
    ) -> Result<Response<wire::ClaimConversationResponse>, Status> {
        let agent_id = field::uuid("agent_id", &message.agent_id).map_err(ConversationError::from)?;
        self.once(&call, "ClaimConversation", &message, async |tx| {
            let agent = Store::hold_agent(call.org(), tx, agent_id)
                .await?
                .ok_or(ConversationError::AgentNotFound)?;
            let locked = match Store::take_conversation(call.org(), tx, message.id, agent_id).await? {
                Some(taken) => taken,
                None => lock(&call, tx, message.id).await?,
            };
            let outcome = state::claim(&locked.standing, agent, message.force)?;
            save(&call, tx, &locked, outcome, agent_id).await?;
            let conversation = read(&call, tx, message.id).await?;
            Ok(about(message.id, wire::ClaimConversationResponse { conversation }))
        })
        .await
    }

    pub(super) async fn close_conversation(
        &self,
        call: Call,
        message: wire::CloseConversationRequest,
    ) -> Result<Response<wire::CloseConversationResponse>, Status> {
        self.once(&call, "CloseConversation", &message, async |tx| {
            let author = acting(&call, tx, message.user_id.as_deref()).await?;
            let locked = lock(&call, tx, message.id).await?;
            let outcome = state::close(&locked.standing);
            save(&call, tx, &locked, outcome, author).await?;
            let conversation = read(&call, tx, message.id).await?;
            Ok(about(message.id, wire::CloseConversationResponse { conversation }))
        })
        .await
    }

    pub(super) async fn reopen_conversation(
        &self,
        call: Call,
        message: wire::ReopenConversationRequest,
    ) -> Result<Response<wire::ReopenConversationResponse>, Status> {
        self.once(&call, "ReopenConversation", &message, async |tx| {
            let author = acting(&call, tx, message.user_id.as_deref()).await?;
            let locked = lock(&call, tx, message.id).await?;
            let outcome = state::reopen(&locked.standing, locked.default_queue.clone());
            save(&call, tx, &locked, outcome, author).await?;
            let conversation = read(&call, tx, message.id).await?;
            Ok(about(message.id, wire::ReopenConversationResponse { conversation }))
        })
        .await
    }

    pub(super) async fn transfer_conversation(
        &self,
        call: Call,
        message: wire::TransferConversationRequest,
    ) -> Result<Response<wire::TransferConversationResponse>, Status> {
        let queue_id = field::uuid("queue_id", &message.queue_id).map_err(ConversationError::from)?;
        self.once(&call, "TransferConversation", &message, async |tx| {
            let author = acting(&call, tx, message.user_id.as_deref()).await?;
            let locked = lock(&call, tx, message.id).await?;
            let queue = Store::queue(call.org(), &mut *tx, queue_id).await?;
            let queue = Named {
                id: queue.id,
                name: Some(queue.name),
            };
            let outcome = state::transfer(&locked.standing, queue)?;
            save(&call, tx, &locked, outcome, author).await?;
            let conversation = read(&call, tx, message.id).await?;
            Ok(about(message.id, wire::TransferConversationResponse { conversation }))
        })
        .await
    }

    pub(super) async fn follow_up_conversation(
        &self,
        call: Call,
        message: wire::FollowUpConversationRequest,
    ) -> Result<Response<wire::FollowUpConversationResponse>, Status> {
        let missing = || ConversationError::invalid("at", "must be present");
        let at = message.at.ok_or_else(missing)?;
        let at = field::time("at", at).map_err(ConversationError::from)?;
        self.once(&call, "FollowUpConversation", &message, async |tx| {
            let author = acting(&call, tx, message.user_id.as_deref()).await?;
            let locked = lock(&call, tx, message.id).await?;
            if at <= locked.now {
                return Err(ConversationError::invalid("at", "must be in the future"));
            }
            let outcome = state::follow_up(&locked.standing, at)?;
            save(&call, tx, &locked, outcome, author).await?;
            let conversation = read(&call, tx, message.id).await?;
            Ok(about(message.id, wire::FollowUpConversationResponse { conversation }))
        })
        .await
    }
}
