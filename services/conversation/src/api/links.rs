//! Parents and children.

use platform::access::Call;
use proto::conversation::v1 as wire;
use tonic::{Response, Status};

use super::transitions::{about, lock, owner, save};
use super::{Api, conversation_wire};
use crate::domain::{ConversationError, state};
use crate::store::Store;

/// Children of a conversation at most.
const CHILDREN: usize = 100;

impl Api {
    pub(super) async fn list_linked_conversations(
        &self,
        call: Call,
        message: wire::ListLinkedConversationsRequest,
    ) -> Result<Response<wire::ListLinkedConversationsResponse>, Status> {
        Store::expect_conversation(call.org(), &self.db, message.id).await?;
        let children = Store::children(call.org(), &self.db, message.id).await?;
        let conversations = Store::conversations(call.org(), &self.db, &children).await?;
        Ok(Response::new(wire::ListLinkedConversationsResponse {
            conversations: conversations.into_iter().map(Into::into).collect(),
        }))
    }

    pub(super) async fn link_conversation(
        &self,
        call: Call,
        message: wire::LinkConversationRequest,
    ) -> Result<Response<wire::LinkConversationResponse>, Status> {
        let kind = conversation_wire::link_kind("kind", message.kind).map_err(ConversationError::from)?;
        let (child_id, parent_id) = (message.id, message.parent_id);
        if child_id == parent_id {
            return Err(ConversationError::LinkRefused("a conversation can't be its own parent").into());
        }
        self.once(&call, "LinkConversation", &message, async |tx| {
            // In the order of their ids, so that two who link the same ones never block each other for good.
            let first = lock(&call, tx, child_id.min(parent_id)).await?;
            let second = lock(&call, tx, child_id.max(parent_id)).await?;
            let (child, parent) = if first.id == child_id {
                (first, second)
            } else {
                (second, first)
            };
            if child.parent_id == Some(parent_id) {
                return Ok(about(child_id, wire::LinkConversationResponse {}));
            }
            let refused = |why| Err(ConversationError::LinkRefused(why));
            if child.parent_id.is_some() {
                return refused("the conversation has a parent already");
            }
            if parent.parent_id.is_some() || !Store::children(call.org(), &mut *tx, child_id).await?.is_empty() {
                return refused("links can't be nested");
            }
            if Store::children(call.org(), &mut *tx, parent_id).await?.len() >= CHILDREN {
                return refused("the parent has the most children it can have");
            }
            Store::link(call.org(), tx, child_id, parent_id, kind).await?;
            for (locked, as_child) in [(&child, true), (&parent, false)] {
                let outcome = state::link(&locked.standing, child_id, parent_id, kind.as_str(), as_child);
                save(&call, tx, locked, outcome, owner(&call)).await?;
            }
            Ok(about(child_id, wire::LinkConversationResponse {}))
        })
        .await
    }
}
