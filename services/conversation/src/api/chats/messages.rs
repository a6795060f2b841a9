//! Messages of chats.

use platform::access::Call;
use platform::fault::Violation;
use proto::conversation::v1 as wire;
use proto::conversation::v1::send_chat_message_request::Content as Wire;
use tonic::{Response, Status};

use super::lock_running;
use crate::api::transitions::about;
use crate::api::{Api, conversation_wire};
use crate::domain::ConversationError;
use crate::domain::conversation::{Content, ContentType, Message, MessageDetails};
use crate::domain::state::{self, Direction};
use crate::store::Store;
use crate::store::transitions::Step;

fn read(content: Option<Wire>) -> Result<Content, ConversationError> {
    match content {
        Some(Wire::Text(text)) => Ok(Content {
            kind: ContentType::Text,
            value: conversation_wire::long_text("text", text)?,
        }),
        Some(Wire::PhotoMediaId(_) | Wire::VideoMediaId(_)) => Err(ConversationError::MediaNotFound),
        None => Err(Violation::new("content", "must be present").into()),
    }
}

impl Api {
    pub(in crate::api) async fn send_chat_message(
        &self,
        call: Call,
        message: wire::SendChatMessageRequest,
    ) -> Result<Response<wire::SendChatMessageResponse>, Status> {
        self.once(&call, "SendChatMessage", &message, async |tx| {
            let author = Store::person_numbered(call.org(), tx, message.from_user_id).await?;
            let locked = lock_running(&call, tx, message.chat_id).await?;
            let content = read(message.content.clone())?;
            let direction = match &author {
                Some(author) if author.id == locked.requester.id => Direction::Inbound,
                Some(author) if author.roles.is_agent => Direction::Outbound,
                _ => {
                    let what = "must be the chat's end user or an agent";
                    return Err(ConversationError::invalid("from_user_id", what));
                }
            };
            let written = Message {
                id: platform::id::new(),
                kind: locked.kind.message_type(),
                direction,
                author_id: author.map_or(locked.requester.id, |author| author.id),
                external_id: None,
                content: Some(content),
                attachments: Vec::new(),
                details: MessageDetails::default(),
                created_at: locked.now,
                anonymized_at: None,
            };
            let row = (call.org(), locked.id, locked.message_count + 1, &written);
            Store::insert_messages(tx, &[row]).await?;
            let step = Step {
                outcome: state::message(&locked.standing, &written.said(), locked.default_queue.clone()),
                author: Some(written.author_id),
                messages: 1,
            };
            Store::save_step(&call, tx, &locked, step).await?;
            let answer = wire::SendChatMessageResponse {
                message: Some(written.into()),
            };
            Ok(about(locked.id, answer))
        })
        .await
    }
}
