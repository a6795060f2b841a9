//! Messages of chats.

use platform::access::Call;
use platform::fault::Violation;
use platform::idempotency::Retry;
use proto::conversation::v1 as wire;
use proto::conversation::v1::send_chat_message_request::Content as Wire;
use sqlx::PgConnection;
use tonic::{Response, Status};

use super::lock_running;
use crate::api::{Api, conversation_wire};
use crate::domain::ConversationError;
use crate::domain::conversation::{Content, ContentType};
use crate::domain::draft::Input;
use crate::store::additions::{Addition, CHAT_RPC};

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
        let content = match read(message.content.clone()) {
            Ok(content) => content,
            // What is wrong with the key or the chat comes first.
            Err(error) => {
                let refuse = async |tx: &mut PgConnection| {
                    lock_running(&call, tx, message.chat_id).await?;
                    Err(error)
                };
                return self.once(&call, CHAT_RPC, &message, refuse).await;
            }
        };
        let addition = Addition {
            org: call.org(),
            conversation: message.chat_id,
            input: Input::Chat {
                from: message.from_user_id,
                content,
            },
            retry: Retry::of(&call, &message),
            traceparent: call.traceparent,
        };
        let written = self.batched.additions.submit(addition).await?;
        Ok(Response::new(wire::SendChatMessageResponse {
            message: Some(written.into()),
        }))
    }
}
