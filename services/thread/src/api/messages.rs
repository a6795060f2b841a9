//! Messages: appended, read, changed.

use platform::access::Call;
use platform::page;
use proto::thread::v1 as pb;
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;
use tonic::{Response, Status};

use super::{Api, Done, wire};
use crate::domain::{
    Author, Error, Message, Mode, NewMessage, SystemMessageType, content, icon_url, lookup, message_id, sources, text,
    thread_id,
};
use crate::store::NewThread;
use crate::store::append::{Append, RPC, retry};
use crate::store::reads::Read;

impl Api {
    pub(super) async fn append_message(
        &self,
        mut call: Call,
        message: pb::AppendMessageRequest,
    ) -> Result<Response<pb::AppendMessageResponse>, Status> {
        let retry = retry(&call, &message);
        let Some(id) = message.thread_id.clone() else {
            return self.start_thread(call, message).await;
        };
        let chatbot_id = message.chatbot_id.clone();
        let new = new_message(message)?;
        let thread_id = thread_id("thread_id", id)?;
        self.chatbots.profile(call.org(), &chatbot_id).await?;
        let append = Append {
            org: call.org(),
            event: event_of(&chatbot_id, &thread_id, &new),
            chatbot_id: chatbot_id.clone(),
            thread_id: thread_id.clone(),
            message: new,
            retry,
            traceparent: call.traceparent.take(),
        };
        let stored = self.store.appends.submit(append).await?;
        Ok(call.answer(pb::AppendMessageResponse {
            message: Some(wire::message(stored, &chatbot_id, &thread_id)),
        }))
    }

    /// A message without a thread: both are made in one transaction.
    async fn start_thread(
        &self,
        call: Call,
        message: pb::AppendMessageRequest,
    ) -> Result<Response<pb::AppendMessageResponse>, Status> {
        let request = message.clone();
        let new = new_message(message)?;
        if !matches!(new.author, Author::User | Author::Bot) {
            return Err(Error::invalid(
                "thread_id",
                "is required unless the visitor or the bot starts the thread",
            )
            .into());
        }
        if new.parent_id.is_some() {
            return Err(Error::invalid("parent_message_id", "must be a message of this thread").into());
        }
        let chatbot_id = request.chatbot_id.clone();
        let profile = self.chatbots.profile(call.org(), &chatbot_id).await?;
        self.once(&call, RPC, &request, async |tx| {
            let thread = NewThread {
                id: platform::id::new(),
                chatbot_id,
                thread_id: platform::id::random().to_string(),
                mode: profile.start.unwrap_or(Mode::Ai),
                platform_source: "api".to_owned(),
                visitor: None,
            };
            let mut thread = self.store.insert_thread(tx, call.org(), thread).await?;
            let created = json!({ "chatbotId": thread.chatbot_id, "threadId": thread.thread_id });
            self.store
                .tell(tx, &call, &mut thread, "thread.created", created)
                .await?;
            let event = serde_json::to_value(MessageEvent::new(&thread.chatbot_id, &thread.thread_id, &new))
                .unwrap_or_default();
            let stored = self.store.append(tx, call.org(), &mut thread, new).await?;
            self.store
                .tell(tx, &call, &mut thread, "message.created", event)
                .await?;
            self.store.save_thread(tx, call.org(), &mut thread, None).await?;
            let subject = stored.id.to_string();
            let answer = pb::AppendMessageResponse {
                message: Some(wire::message(stored, &thread.chatbot_id, &thread.thread_id)),
            };
            Ok(Done::new(subject, answer))
        })
        .await
    }

    pub(super) async fn list_messages(
        &self,
        call: Call,
        message: pb::ListMessagesRequest,
    ) -> Result<Response<pb::ListMessagesResponse>, Status> {
        lookup("thread_id", &message.thread_id)?;
        let size = page::size(message.page_size)?;
        let before = message.before.map(|id| message_id("before", &id)).transpose()?;
        let profile = self.chatbots.profile(call.org(), &message.chatbot_id).await?;
        let read = Read {
            org: call.org(),
            chatbot_id: message.chatbot_id,
            thread_id: message.thread_id,
            before,
            limit: i32::try_from(size).unwrap_or(page::MAX_SIZE),
        };
        let found = self.store.page(read).await?;
        let (mut thread, messages) = (found.thread, found.messages);
        if let Some(before) = before
            && messages.is_empty()
            && !self.store.holds(call.org(), thread.id, before).await?
        {
            return Err(Error::invalid("before", "must be a message of this thread").into());
        }
        if message.mark_read && thread.unread_count > 0 {
            self.store.mark_read(call.org(), &thread).await?;
            thread.read_count = thread.message_count;
            thread.unread_count = 0;
        }
        // Places have no gaps, so nothing is before the first one.
        let more = messages.last().filter(|oldest| oldest.position > 1);
        let (has_more, next_cursor) = (more.is_some(), more.map(|oldest| oldest.id.to_string()));
        let messages = messages
            .into_iter()
            .rev()
            .map(|message| wire::message(message, &thread.chatbot_id, &thread.thread_id))
            .collect();
        Ok(call.answer(pb::ListMessagesResponse {
            messages,
            thread: Some(wire::thread(thread, &profile)),
            has_more,
            next_cursor: next_cursor.unwrap_or_default(),
        }))
    }

    pub(super) async fn update_message(
        &self,
        call: Call,
        message: pb::UpdateMessageRequest,
    ) -> Result<Response<pb::UpdateMessageResponse>, Status> {
        let request = message.clone();
        let reaction = wire::read_reaction(message.reaction)?;
        let new_content = message.content.map(|text| content("content", text)).transpose()?;
        // What is not a UUID is as unknown as one that was never given out.
        let id = platform::id::parse(lookup("message_id", &message.message_id)?).ok_or(Error::MessageNotFound)?;
        lookup("thread_id", message.thread_id.as_deref().unwrap_or_default())?;
        self.chatbots.profile(call.org(), &message.chatbot_id).await?;
        self.once(&call, "UpdateMessage", &request, async |tx| {
            let (mut thread, mut stored) = self
                .store
                .lock_message(tx, call.org(), &message.chatbot_id, message.thread_id.as_deref(), id)
                .await?;
            let told_before = thread.event_sequence;
            if let Some(text) = new_content
                && text != stored.content
            {
                if stored.author == Author::System {
                    return Err(Error::invalid("content", "of a system message can't be edited"));
                }
                stored.content = text;
                stored.edited_by = Some(call.caller.owner.to_string());
                self.store.save_message(tx, call.org(), &mut stored, true).await?;
                self.tell_message(tx, &call, &mut thread, &stored).await?;
            }
            if let Some(reaction) = reaction {
                // On a question and its answer shown as one, the reaction is to the answer.
                let answer = if stored.author == Author::User {
                    self.store.answer_to(tx, call.org(), stored.id).await?
                } else {
                    None
                };
                let target = answer.unwrap_or_else(|| stored.clone());
                let reacted = self.react(tx, &call, &mut thread, target, reaction).await?;
                if reacted.id == stored.id {
                    stored = reacted;
                }
            }
            if thread.event_sequence > told_before {
                self.store.save_thread(tx, call.org(), &mut thread, None).await?;
            }
            let answer = pb::UpdateMessageResponse {
                message: Some(wire::message(stored, &thread.chatbot_id, &thread.thread_id)),
            };
            Ok(Done::new(id.to_string(), answer))
        })
        .await
    }

    async fn react(
        &self,
        tx: &mut PgConnection,
        call: &Call,
        thread: &mut crate::domain::Thread,
        mut target: Message,
        reaction: crate::domain::Reaction,
    ) -> Result<Message, Error> {
        if target.reaction == reaction {
            return Ok(target);
        }
        let (positive, negative) = target.reaction.counts();
        thread.positive_count -= positive;
        thread.negative_count -= negative;
        let (positive, negative) = reaction.counts();
        thread.positive_count += positive;
        thread.negative_count += negative;
        target.reaction = reaction;
        self.store.save_message(tx, call.org(), &mut target, false).await?;
        self.tell_message(tx, call, thread, &target).await?;
        Ok(target)
    }

    async fn tell_message(
        &self,
        tx: &mut PgConnection,
        call: &Call,
        thread: &mut crate::domain::Thread,
        message: &Message,
    ) -> Result<(), Error> {
        let data = json!({
            "chatbotId": thread.chatbot_id,
            "threadId": thread.thread_id,
            "messageId": message.id,
            "author": message.author.name(),
            "content": message.content,
            "reaction": match message.reaction.counts() { (1, _) => Some("POSITIVE"), (_, 1) => Some("NEGATIVE"), _ => None },
            "editedBy": message.edited_by,
        });
        self.store.tell(tx, call, thread, "message.updated", data).await
    }
}

fn new_message(message: pb::AppendMessageRequest) -> Result<NewMessage, Error> {
    let author = wire::read_author(message.author)?;
    let only = |field: &'static str, present: bool, allowed: bool, rule: &'static str| {
        if present && !allowed {
            Err(Error::invalid(field, rule))
        } else {
            Ok(())
        }
    };
    only(
        "agent_name",
        message.agent_name.is_some(),
        author == Author::Agent,
        "is for messages of agents",
    )?;
    only(
        "llm_model_id",
        message.llm_model_id.is_some(),
        author == Author::Bot,
        "is for messages of the bot",
    )?;
    only(
        "sources_json",
        message.sources_json.is_some(),
        author == Author::Bot,
        "is for messages of the bot",
    )?;
    let system = pb::SystemMessageType::try_from(message.system_message_type)
        .map_err(|_| Error::invalid("system_message_type", "is not a known type"))?;
    if (author == Author::System) != (system != pb::SystemMessageType::Unspecified) {
        return Err(Error::invalid(
            "system_message_type",
            "goes with system messages, and only with them",
        ));
    }
    Ok(NewMessage {
        id: platform::id::new(),
        author,
        system_message_type: SystemMessageType(i16::try_from(message.system_message_type).unwrap_or_default()),
        content: content("content", message.content)?,
        agent_name: message
            .agent_name
            .map(|name| text("agent_name", name, 200))
            .transpose()?,
        icon_url: message.icon_url.map(|url| icon_url("icon_url", url)).transpose()?,
        parent_id: message
            .parent_message_id
            .map(|id| message_id("parent_message_id", &id))
            .transpose()?,
        llm_model_id: message
            .llm_model_id
            .map(|id| text("llm_model_id", id, 200))
            .transpose()?,
        sources: message
            .sources_json
            .map(|json| sources("sources_json", json))
            .transpose()?
            .flatten(),
    })
}

/// What is told of a new message. Its time and place are the event's.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageEvent<'a> {
    chatbot_id: &'a str,
    thread_id: &'a str,
    message_id: uuid::Uuid,
    author: &'static str,
    content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_message_id: Option<uuid::Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    llm_model_id: Option<&'a str>,
}

impl<'a> MessageEvent<'a> {
    fn new(chatbot_id: &'a str, thread_id: &'a str, message: &'a NewMessage) -> Self {
        Self {
            chatbot_id,
            thread_id,
            message_id: message.id,
            author: message.author.name(),
            content: &message.content,
            agent_name: message.agent_name.as_deref(),
            parent_message_id: message.parent_id,
            llm_model_id: message.llm_model_id.as_deref(),
        }
    }
}

fn event_of(chatbot_id: &str, thread_id: &str, message: &NewMessage) -> String {
    serde_json::to_string(&MessageEvent::new(chatbot_id, thread_id, message)).unwrap_or_default()
}
