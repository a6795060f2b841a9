//! Tags and custom attributes of conversations.

use platform::access::Call;
use proto::conversation::v1 as wire;
use tonic::{Response, Status};

use super::Api;
use super::attributes::parse_changes;
use super::transitions::{about, lock, owner, save};
use crate::domain::attributes::{self, Entity};
use crate::domain::state::{self, Named};
use crate::domain::tags::Tag;
use crate::domain::{ConversationError, field};
use crate::store::Store;

/// Tags in one request at most.
const TAGS: usize = 100;

fn named(tag: Tag) -> Named {
    Named {
        id: tag.id,
        name: Some(tag.name),
    }
}

impl Api {
    pub(super) async fn list_conversation_tags(
        &self,
        call: Call,
        message: wire::ListConversationTagsRequest,
    ) -> Result<Response<wire::ListConversationTagsResponse>, Status> {
        Store::expect_conversation(call.org(), &self.db, message.conversation_id).await?;
        let tags = Store::conversation_tags(call.org(), &self.db, message.conversation_id).await?;
        Ok(Response::new(wire::ListConversationTagsResponse {
            tags: tags.into_iter().map(Into::into).collect(),
        }))
    }

    pub(super) async fn change_conversation_tag(
        &self,
        call: Call,
        message: wire::ChangeConversationTagRequest,
    ) -> Result<Response<wire::ChangeConversationTagResponse>, Status> {
        let tag_id = field::uuid("tag_id", &message.tag_id).map_err(ConversationError::from)?;
        self.once(&call, "ChangeConversationTag", &message, async |tx| {
            let id = message.conversation_id;
            let locked = lock(&call, tx, id).await?;
            let tag = Store::tag(call.org(), &mut *tx, tag_id).await?;
            let changed = if message.remove {
                Store::remove_conversation_tag(call.org(), tx, id, tag_id).await?
            } else if tag.active {
                Store::add_conversation_tag(call.org(), tx, id, tag_id).await?
            } else {
                return Err(ConversationError::TagInactive);
            };
            let tags: Vec<_> = changed.then(|| named(tag)).into_iter().collect();
            let outcome = state::tags(&locked.standing, &tags, !message.remove);
            save(&call, tx, &locked, outcome, owner(&call)).await?;
            Ok(about(id, wire::ChangeConversationTagResponse {}))
        })
        .await
    }

    pub(super) async fn tag_conversation_by_name(
        &self,
        call: Call,
        message: wire::TagConversationByNameRequest,
    ) -> Result<Response<wire::TagConversationByNameResponse>, Status> {
        field::count("names", message.names.len(), 1, TAGS).map_err(ConversationError::from)?;
        let mut names = field::texts("names", message.names.clone(), TAGS, |name, text| {
            field::required(name, text, field::NAME)
        })
        .map_err(ConversationError::from)?;
        // In one order for everybody, so that two who make the same tags never block each other for good.
        names.sort_unstable();
        self.once(&call, "TagConversationByName", &message, async |tx| {
            let id = message.conversation_id;
            let locked = lock(&call, tx, id).await?;
            let mut added = Vec::with_capacity(names.len());
            for name in &names {
                let tag = Store::ensure_tag(call.org(), tx, name, None).await?;
                if !tag.active {
                    return Err(ConversationError::TagInactive);
                }
                if Store::add_conversation_tag(call.org(), tx, id, tag.id).await? {
                    added.push(named(tag));
                }
            }
            let outcome = state::tags(&locked.standing, &added, true);
            save(&call, tx, &locked, outcome, owner(&call)).await?;
            Ok(about(id, wire::TagConversationByNameResponse {}))
        })
        .await
    }

    pub(super) async fn patch_conversation_attributes(
        &self,
        call: Call,
        message: wire::PatchConversationAttributesRequest,
    ) -> Result<Response<wire::PatchConversationAttributesResponse>, Status> {
        let changes = parse_changes(message.changes.clone()).map_err(ConversationError::from)?;
        self.once(&call, "PatchConversationAttributes", &message, async |tx| {
            let id = message.conversation_id;
            let locked = lock(&call, tx, id).await?;
            let definitions = Store::definitions_for(call.org(), tx, Entity::Conversation, &changes).await?;
            attributes::check_changes(&definitions, &changes)?;
            let changed = Store::save_conversation_attributes(call.org(), tx, id, &changes).await?;
            let values: Vec<_> = changes
                .iter()
                .filter(|change| changed.contains(&change.id))
                .map(|change| (change.id, serde_json::json!(change.value)))
                .collect();
            let outcome = state::attributes(&locked.standing, &values);
            save(&call, tx, &locked, outcome, owner(&call)).await?;
            let asked: Vec<_> = changes.iter().map(|change| change.id).collect();
            let shown = Store::conversation_attributes(call.org(), tx, id, &asked).await?;
            let answer = wire::PatchConversationAttributesResponse {
                custom_attributes: shown.into_iter().map(Into::into).collect(),
            };
            Ok(about(id, answer))
        })
        .await
    }
}
