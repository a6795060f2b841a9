//! Conversations: begun by API clients, and read.

use platform::access::Call;
use platform::fault::Violation;
use proto::conversation::v1 as wire;
use proto::conversation::v1::conversation_service_server::ConversationService;
use tonic::{Response, Status};
use uuid::Uuid;

use super::messages::draft;
use super::transitions::{about, owner};
use super::{Api, conversation_wire, cut, methods};
use crate::domain::channel::Channel;
use crate::domain::conversation::{ConversationType, Details, Message, Party};
use crate::domain::draft::Draft;
use crate::domain::state::{self, Direction};
use crate::domain::{ConversationError, field};
use crate::store::Store;
use crate::store::conversations::{NewConversation, Wanted};
use crate::store::reads::One;
use crate::store::transitions::Line;

/// Conversations on a page when the caller does not say, and at most.
const PAGE: i64 = 50;
const MAX_PAGE: i64 = 200;
/// Longest subject, in characters.
pub(super) const SUBJECT: usize = 2000;

methods! {
    ConversationService {
        create_conversation(CreateConversationRequest) -> CreateConversationResponse;
        import_conversation(ImportConversationRequest) -> ImportConversationResponse;
        ingest_conversation(IngestConversationRequest) -> IngestConversationResponse;
        ingest_message(IngestMessageRequest) -> IngestMessageResponse;
        get_conversation(GetConversationRequest) -> GetConversationResponse;
        list_conversations(ListConversationsRequest) -> ListConversationsResponse;
        list_linked_conversations(ListLinkedConversationsRequest) -> ListLinkedConversationsResponse;
        link_conversation(LinkConversationRequest) -> LinkConversationResponse;
        add_message(AddMessageRequest) -> AddMessageResponse;
        list_messages(ListMessagesRequest) -> ListMessagesResponse;
        add_notes(AddNotesRequest) -> AddNotesResponse;
        list_notes(ListNotesRequest) -> ListNotesResponse;
        claim_conversation(ClaimConversationRequest) -> ClaimConversationResponse;
        close_conversation(CloseConversationRequest) -> CloseConversationResponse;
        reopen_conversation(ReopenConversationRequest) -> ReopenConversationResponse;
        transfer_conversation(TransferConversationRequest) -> TransferConversationResponse;
        follow_up_conversation(FollowUpConversationRequest) -> FollowUpConversationResponse;
        list_conversation_tags(ListConversationTagsRequest) -> ListConversationTagsResponse;
        change_conversation_tag(ChangeConversationTagRequest) -> ChangeConversationTagResponse;
        tag_conversation_by_name(TagConversationByNameRequest) -> TagConversationByNameResponse;
        patch_conversation_attributes(PatchConversationAttributesRequest) -> PatchConversationAttributesResponse;
        list_activity_log(ListActivityLogRequest) -> ListActivityLogResponse;
        anonymize(AnonymizeRequest) -> AnonymizeResponse;
        get_anonymization_request(GetAnonymizationRequestRequest) -> GetAnonymizationRequestResponse;
        search_conversations(SearchConversationsRequest) -> SearchConversationsResponse;
    }
}

/// A conversation as a client asks for it, read but not yet with its people.
struct Begun {
    kind: ConversationType,
    channel: Channel,
    requester: Uuid,
    direction: Direction,
    endpoint: String,
    queue: Option<Uuid>,
    subject: Option<String>,
    language: Option<String>,
    details: Details,
    draft: Option<Draft>,
}

impl Begun {
    fn read(message: wire::CreateConversationRequest) -> Result<Self, Violation> {
        use wire::CreateKind as Kind;
        let kind = Kind::try_from(message.kind).unwrap_or(Kind::Unspecified);
        let (shown, channel) = match kind {
            Kind::Callback => (ConversationType::PstnPhone, Channel::Callback),
            Kind::Chat => (ConversationType::Chat, Channel::WidgetChat),
            Kind::ContactForm => (ConversationType::ContactForm, Channel::ContactForm),
            Kind::Email => (ConversationType::Email, Channel::Email),
            Kind::Sms => (ConversationType::Sms, Channel::Sms),
            Kind::Unspecified => return Err(Violation::new("kind", "must be a kind of conversation")),
        };
        let requester = field::uuid("requester_id", &message.requester_id)?;
        let endpoint = field::required("contact_endpoint_id", message.contact_endpoint_id, field::EMAIL)?;
        let subject = match kind {
            Kind::ContactForm | Kind::Email => {
                let subject = message.subject.unwrap_or_default();
                Some(field::required("subject", subject, SUBJECT)?)
            }
            _ => None,
        };
        let (direction, queue, draft) = if kind == Kind::Callback {
            let queue = field::uuid("queue_id", message.queue_id.as_deref().unwrap_or_default())?;
            let direction = conversation_wire::direction("direction", message.direction)?;
            (direction, Some(queue), None)
        } else {
            let input = message
                .message
                .ok_or_else(|| Violation::new("message", "must be present"))?;
            let draft = draft("message", input)?;
            (draft.direction, None, Some(draft))
        };
        let browser_info = message
            .browser_info
            .filter(|_| kind == Kind::Chat)
            .map(|info| conversation_wire::browser_info("browser_info", info))
            .transpose()?;
        Ok(Self {
            kind: shown,
            channel,
            requester,
            direction,
            queue,
            subject,
            language: conversation_wire::language("language", message.language)?,
            details: Details {
                browser_info,
                contact_endpoint_id: Some(endpoint.clone()),
                ..Details::default()
            },
            endpoint,
            draft,
        })
    }

    /// Says who it is from and to, the way its type does.
    fn address(&mut self, requester: &Party) {
        let endpoint = || Some(self.endpoint.clone());
        let inbound = self.direction == Direction::Inbound;
        let from_to = |theirs: Option<String>| {
            if inbound {
                (theirs, endpoint())
            } else {
                (endpoint(), theirs)
            }
        };
        match self.kind {
            ConversationType::Email | ConversationType::ContactForm => {
                // Both are always shown, so that one without an address is shown with an empty one.
                let (from, to) = from_to(Some(requester.email.clone().unwrap_or_default()));
                self.details.integration_email = endpoint();
                self.details.from_email = from;
                self.details.to_email = to;
            }
            ConversationType::Sms => {
                let (from, to) = from_to(requester.phone.clone());
                self.details.from_number = from;
                self.details.to_number = to;
            }
            _ => {}
        }
    }
}

impl Api {
    pub(super) async fn create_conversation(
        &self,
        call: Call,
        message: wire::CreateConversationRequest,
    ) -> Result<Response<wire::CreateConversationResponse>, Status> {
        let mut begun = Begun::read(message.clone()).map_err(ConversationError::from)?;
        self.once(&call, "CreateConversation", &message, async |tx| {
            let agent = begun.draft.as_ref().and_then(|draft| draft.agent);
            let wanted = Wanted {
                requester: begun.requester,
                agent,
                queue: begun.queue,
                way_in: (begun.direction == Direction::Inbound).then_some((begun.channel, begun.endpoint.as_str())),
            };
            let parties = Store::parties(call.org(), &mut *tx, wanted).await?;
            if agent.is_some() && parties.agent.is_none() {
                return Err(ConversationError::AgentNotFound);
            }
            if begun.queue.is_some() && parties.queue.is_none() {
                return Err(ConversationError::QueueNotFound);
            }
            begun.address(&parties.requester);
            let written = begun.draft.map(|draft| {
                draft.address(
                    begun.kind.message_type(),
                    &parties.requester,
                    &begun.details,
                    parties.now,
                )
            });
            let messages: Vec<_> = written.into_iter().collect();
            let said: Vec<_> = messages.iter().map(Message::said).collect();
            let subject = begun.subject.as_deref();
            let mut outcome = state::create(begun.direction, subject, parties.queue, parties.agent, said);
            let author = match begun.direction {
                Direction::Inbound => begun.requester,
                _ => agent.unwrap_or_else(|| owner(&call)),
            };
            let lines = std::mem::take(&mut outcome.entries)
                .into_iter()
                .map(|entry| Line {
                    author: entry.author.or(Some(author)),
                    at: parties.now,
                    entry,
                })
                .collect();
            let new = NewConversation {
                kind: begun.kind,
                channel: begun.channel,
                requester: parties.requester,
                direction: begun.direction,
                subject: begun.subject,
                language: begun.language,
                details: begun.details,
                external_id: None,
                created_at: parties.now,
                assigned_at: parties.now,
                closed_at: None,
                messages,
            };
            let told = Some(call.traceparent.as_deref());
            let id = Store::insert_conversation(call.org(), tx, new, outcome, lines, told)
                .await?
                .ok_or(ConversationError::DuplicateExternalId)?;
            let conversation = Some(Store::conversation(call.org(), tx, id).await?.into());
            Ok(about(id, wire::CreateConversationResponse { conversation }))
        })
        .await
    }

    pub(super) async fn get_conversation(
        &self,
        call: Call,
        message: wire::GetConversationRequest,
    ) -> Result<Response<wire::GetConversationResponse>, Status> {
        let found = self.batched.conversations.submit(One(call.org(), message.id)).await;
        let conversation = found
            .map_err(ConversationError::from)?
            .ok_or(ConversationError::ConversationNotFound)?;
        Ok(Response::new(wire::GetConversationResponse {
            conversation: Some(conversation.into()),
        }))
    }

    pub(super) async fn list_conversations(
        &self,
        call: Call,
        message: wire::ListConversationsRequest,
    ) -> Result<Response<wire::ListConversationsResponse>, Status> {
        let requester = field::uuid("requester_id", &message.requester_id).map_err(ConversationError::from)?;
        let size = match message.page_size {
            ..0 => return Err(ConversationError::invalid("page_size", "must not be negative").into()),
            0 => PAGE,
            size => MAX_PAGE.min(size.into()),
        };
        let (org, of) = (call.org().to_string(), requester.to_string());
        let list = ["conversations", &org, &of];
        let before: Option<i64> = self.tokens.read(&list, &message.page_token)?;
        Store::end_user(call.org(), &self.db, requester).await?;
        let ids = Store::conversations_of(call.org(), &self.db, requester, before, size + 1).await?;
        let (ids, next) = cut(ids, size, |id| *id);
        let conversations = Store::conversations(call.org(), &self.db, &ids).await?;
        Ok(Response::new(wire::ListConversationsResponse {
            conversations: conversations.into_iter().map(Into::into).collect(),
            next_page_token: next.map_or_else(String::new, |next| self.tokens.make(&list, &next)),
        }))
    }
}
