//! Chats: conversations of the channel WidgetChat, the way integrators of a chat see them.

use platform::access::Call;
use platform::fault::Violation;
use platform::time::Time;
use proto::conversation::v1 as wire;
use proto::conversation::v1::chat_service_server::ChatService;
use serde_json::{Map, Value};
use sqlx::PgConnection;
use tonic::{Response, Status};
use uuid::Uuid;

use super::transitions::{about, lock, owner, save};
use super::{Api, conversation_wire, methods};
use crate::domain::channel::Channel;
use crate::domain::chats::escalation::{self, Channel as Deflection};
use crate::domain::chats::{Ended, Holder};
use crate::domain::conversation::{
    Content, ContentType, ConversationType, Details, File, Locked, Message, MessageDetails, MessageType,
};
use crate::domain::people::Person;
use crate::domain::state::{self, Direction, State};
use crate::domain::{ConversationError, field};
use crate::store::Store;
use crate::store::conversations::{NewConversation, Wanted};
use crate::store::transitions::Line;

mod custom_data;
mod end_users;
mod escalations;
mod menus;
mod messages;
mod show;

/// The largest context, in bytes of JSON.
const CONTEXT: usize = 16 * 1024;
/// Messages of a transcript at most.
const TRANSCRIPT: usize = 500;

methods! {
    ChatService {
        upsert_end_user(UpsertEndUserRequest) -> UpsertEndUserResponse;
        get_end_user(GetEndUserRequest) -> GetEndUserResponse;
        list_menus(ListMenusRequest) -> ListMenusResponse;
        list_chat_agents(ListChatAgentsRequest) -> ListChatAgentsResponse;
        create_chat(CreateChatRequest) -> CreateChatResponse;
        get_chat(GetChatRequest) -> GetChatResponse;
        update_chat(UpdateChatRequest) -> UpdateChatResponse;
        resume_chat(ResumeChatRequest) -> ResumeChatResponse;
        send_chat_message(SendChatMessageRequest) -> SendChatMessageResponse;
        create_chat_escalation(CreateChatEscalationRequest) -> CreateChatEscalationResponse;
        update_chat_escalation(UpdateChatEscalationRequest) -> UpdateChatEscalationResponse;
        list_chat_escalations(ListChatEscalationsRequest) -> ListChatEscalationsResponse;
        acknowledge_chat_escalation(AcknowledgeChatEscalationRequest) -> AcknowledgeChatEscalationResponse;
        get_customer_flags(GetCustomerFlagsRequest) -> GetCustomerFlagsResponse;
        set_customer_flags(SetCustomerFlagsRequest) -> SetCustomerFlagsResponse;
        set_custom_data(SetCustomDataRequest) -> SetCustomDataResponse;
        get_conversation_custom_data(GetConversationCustomDataRequest) -> GetConversationCustomDataResponse;
        update_chat_end_user(UpdateChatEndUserRequest) -> UpdateChatEndUserResponse;
        configure_queue(ConfigureQueueRequest) -> ConfigureQueueResponse;
    }
}

/// Locks a chat, which has a session from then on.
async fn lock_chat(call: &Call, tx: &mut PgConnection, id: i64) -> Result<Locked, ConversationError> {
    let locked = lock(call, tx, id).await.map_err(|error| match error {
        ConversationError::ConversationNotFound => ConversationError::ChatNotFound,
        error => error,
    })?;
    if !locked.is_chat() {
        return Err(ConversationError::ChatNotFound);
    }
    Store::open_sessions(tx, &[(call.org(), id)]).await?;
    Ok(locked)
}

/// Locks a chat that has not ended.
async fn lock_running(call: &Call, tx: &mut PgConnection, id: i64) -> Result<Locked, ConversationError> {
    let locked = lock_chat(call, tx, id).await?;
    if locked.standing.state == State::Closed {
        return Err(ConversationError::ChatEnded);
    }
    Ok(locked)
}

/// A message of something that was said before.
struct Earlier {
    from_end_user: bool,
    at: Option<Time>,
    text: Option<String>,
    media: Vec<File>,
}

/// A chat as it is asked for, read but not yet with its people.
struct Begun {
    menu: i64,
    end_user: i64,
    language: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    context: Option<Value>,
    transcript: Vec<Earlier>,
}

impl Begun {
    fn read(message: wire::CreateChatRequest) -> Result<Self, Violation> {
        field::count("transcript", message.transcript.len(), 0, TRANSCRIPT)?;
        let transcript = message.transcript.into_iter().enumerate().map(|(index, wire)| {
            let name = |part: &str| format!("transcript[{index}].{part}");
            let media = conversation_wire::files(&name("media"), wire.media)?;
            let text = if wire.text.is_empty() && !media.is_empty() {
                None
            } else {
                Some(conversation_wire::long_text(&name("text"), wire.text)?)
            };
            Ok(Earlier {
                from_end_user: wire.from_end_user,
                at: wire.at.map(|at| field::time(&name("at"), at)).transpose()?,
                text,
                media,
            })
        });
        Ok(Self {
            menu: message.menu_id,
            end_user: message.end_user_id,
            language: conversation_wire::language("lang", message.lang)?,
            email: end_users::email(message.email)?,
            phone: end_users::phone(message.phone)?,
            context: context("context_json", &message.context_json)?,
            transcript: transcript.collect::<Result<_, Violation>>()?,
        })
    }

    /// The transcript as messages. What was answered is the virtual agent's, or else the caller's.
    fn history(&self, end_user: Uuid, answered: Uuid, now: Time) -> Result<Vec<Message>, Violation> {
        let messages = self.transcript.iter().enumerate().map(|(index, earlier)| {
            let at = earlier.at.unwrap_or(now);
            if at > now {
                return Err(Violation::new(
                    format!("transcript[{index}].at"),
                    "must not be in the future",
                ));
            }
            let content = earlier.text.clone().map(|value| Content {
                kind: ContentType::Text,
                value,
            });
            let (author_id, direction) = if earlier.from_end_user {
                (end_user, Direction::Inbound)
            } else {
                (answered, Direction::Outbound)
            };
            Ok(Message {
                id: platform::id::new(),
                kind: MessageType::Chat,
                direction,
                author_id,
                external_id: None,
                content,
                attachments: earlier.media.clone(),
                details: MessageDetails::default(),
                created_at: at,
                anonymized_at: None,
            })
        });
        messages.collect()
    }
}

/// The object of a context; the empty text is none.
fn context(field: &str, json: &str) -> Result<Option<Value>, Violation> {
    if json.is_empty() {
        return Ok(None);
    }
    let refused = |description: &str| Violation::new(field, description);
    if json.len() > CONTEXT {
        return Err(refused("must be at most 16 KiB"));
    }
    if json.contains("\\u0000") {
        return Err(refused("must not contain U+0000"));
    }
    let object: Map<String, Value> = serde_json::from_str(json).map_err(|_| refused("must be a JSON object"))?;
    Ok(Some(object.into()))
}

impl Api {
    pub(super) async fn create_chat(
        &self,
        call: Call,
        message: wire::CreateChatRequest,
    ) -> Result<Response<wire::CreateChatResponse>, Status> {
        let begun = Begun::read(message.clone()).map_err(ConversationError::from)?;
        self.once(&call, "CreateChat", &message, async |tx| {
            let org = call.org();
            if begun.email.is_some() || begun.phone.is_some() {
                Store::lock_people(org, tx, true).await?;
            }
            let start = Store::menu(org, &mut *tx, begun.menu).await?;
            let end_user = Store::person_numbered(org, tx, begun.end_user).await?;
            let end_user = end_user
                .filter(|person| person.roles.is_end_user && person.anonymized_at.is_none())
                .ok_or(ConversationError::EndUserNotFound)?;
            end_users::complete(org, tx, &end_user, begun.email.as_deref(), begun.phone.as_deref()).await?;
            let mut virtual_agent = None;
            if let Some(id) = start.virtual_agent_id
                && Store::hold_virtual_agent(org, tx, id).await?
            {
                virtual_agent = Some(id);
            }
            let wanted = Wanted {
                requester: end_user.id,
                agent: virtual_agent,
                queue: Some(start.queue_id),
                way_in: None,
            };
            let parties = Store::parties(org, &mut *tx, wanted).await?;
            let answered = virtual_agent.unwrap_or_else(|| owner(&call));
            let messages = begun.history(end_user.id, answered, parties.now)?;
            // A history is no news: it is neither logged nor told.
            let mut outcome = state::create(Direction::Inbound, None, parties.queue, parties.agent, Vec::new());
            let lines = std::mem::take(&mut outcome.entries).into_iter().map(|entry| Line {
                author: Some(end_user.id),
                at: parties.now,
                entry,
            });
            let new = NewConversation {
                kind: ConversationType::Chat,
                channel: Channel::WidgetChat,
                requester: parties.requester,
                direction: Direction::Inbound,
                subject: None,
                language: begun.language,
                details: Details::default(),
                external_id: None,
                created_at: parties.now,
                assigned_at: parties.now,
                closed_at: None,
                messages,
            };
            let wrote = new
                .messages
                .iter()
                .any(|message| message.direction == Direction::Inbound);
            let trace = call.traceparent.as_deref();
            let id = Store::insert_conversation(org, tx, new, outcome, lines.collect(), Some(trace))
                .await?
                .ok_or(ConversationError::DuplicateExternalId)?;
            Store::begin_session(org, tx, id, begun.context.as_ref(), wrote, virtual_agent).await?;
            Store::tell_created(org, trace, tx, id).await?;
            let chat = Some(self.show(org, tx, id).await?);
            Ok(about(id, wire::CreateChatResponse { chat }))
        })
        .await
    }

    pub(super) async fn get_chat(
        &self,
        call: Call,
        message: wire::GetChatRequest,
    ) -> Result<Response<wire::GetChatResponse>, Status> {
        let mut connection = self.db.acquire().await.map_err(ConversationError::from)?;
        let chat = Some(self.show(call.org(), &mut connection, message.id).await?);
        Ok(Response::new(wire::GetChatResponse { chat }))
    }

    pub(super) async fn update_chat(
        &self,
        call: Call,
        message: wire::UpdateChatRequest,
    ) -> Result<Response<wire::UpdateChatResponse>, Status> {
        let deflected = deflection(&message).map_err(ConversationError::from)?;
        self.once(&call, "UpdateChat", &message, async |tx| {
            let org = call.org();
            let mut locked = lock_running(&call, tx, message.id).await?;
            let by = match message.finished_by_user_id {
                None => locked.requester.id,
                Some(number) => finisher(Store::person_numbered(org, tx, number).await?, &locked)?,
            };
            if let Some((number, channel)) = deflected {
                let escalation = Store::escalation_numbered(org, &mut *tx, locked.id, number).await?;
                self.deflect(&call, tx, &locked, &escalation, channel).await?;
            }
            if message.finish || deflected.is_some() {
                locked.ending = Some(Ended::Finished);
                let outcome = state::close(&locked.standing);
                save(&call, tx, &locked, outcome, by).await?;
            }
            let chat = Some(self.show(org, tx, locked.id).await?);
            Ok(about(locked.id, wire::UpdateChatResponse { chat }))
        })
        .await
    }

    pub(super) async fn resume_chat(
        &self,
        call: Call,
        message: wire::ResumeChatRequest,
    ) -> Result<Response<wire::ResumeChatResponse>, Status> {
        self.once(&call, "ResumeChat", &message, async |tx| {
            let org = call.org();
            let locked = lock_running(&call, tx, message.id).await?;
            let is_virtual = Store::chat(org, &mut *tx, locked.id).await?.holder() == Holder::VirtualAgent;
            let outcome = state::chats::resume(&locked.standing, is_virtual, locked.default_queue.clone())?;
            save(&call, tx, &locked, outcome, locked.requester.id).await?;
            let chat = Some(self.show(org, tx, locked.id).await?);
            Ok(about(locked.id, wire::ResumeChatResponse { chat }))
        })
        .await
    }
}

/// Who may be said to have finished a chat.
fn finisher(person: Option<Person>, locked: &Locked) -> Result<Uuid, ConversationError> {
    person
        .filter(|person| person.roles.is_agent || person.id == locked.requester.id)
        .map(|person| person.id)
        .ok_or_else(|| ConversationError::invalid("finished_by_user_id", "must be the chat's end user or an agent"))
}

/// The escalation that is deflected with the end of a chat, and how.
fn deflection(message: &wire::UpdateChatRequest) -> Result<Option<(i64, Deflection)>, Violation> {
    let channel = escalations::channel("deflection_channel", message.deflection_channel)?;
    match (message.escalation_id, channel) {
        (None, None) => Ok(None),
        (Some(id), Some(channel @ (escalation::Channel::Email | escalation::Channel::ExternalLink))) => {
            Ok(Some((id, channel)))
        }
        (Some(_), None) | (_, Some(Deflection::HumanAgent | Deflection::VirtualAgent)) => Err(Violation::new(
            "deflection_channel",
            "must be email or external_link with an escalation",
        )),
        (None, Some(_)) => Err(Violation::new(
            "escalation_id",
            "must be present with a deflection channel",
        )),
    }
}
