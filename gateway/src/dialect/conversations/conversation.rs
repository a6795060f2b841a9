//! Conversations as they are shown, and what reads them.

use proto::conversation::v1 as pb;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{Data, Page};
use super::ask::Ask;
use super::parts::CustomAttribute;
use super::refusal::{Refusal, Terms};
use super::words::{Channel, ConversationKind, Direction, LinkKind, State};
use crate::answer::{Stamp, given};
use crate::words::Word as _;

/// Who holds a conversation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Assignment {
    agent_id: String,
    assigned_at: Stamp,
}

/// Where a conversation waits, or waited last.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConversationQueue)]
struct InQueue {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    queued_at: Option<Stamp>,
}

/// The browser a chat began in.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct BrowserInfo {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    originating_url: Option<String>,
}

impl From<BrowserInfo> for pb::BrowserInfo {
    fn from(info: BrowserInfo) -> Self {
        Self {
            name: info.name,
            version: info.version,
            ip_address: info.ip_address,
            originating_url: info.originating_url,
        }
    }
}

/// The parent of a conversation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ConversationLink {
    parent_id: i64,
    #[serde(rename = "_type")]
    kind: LinkKind,
}

/// What a conversation is.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum ShownKind {
    Anonymized(AnonymizedWord),
    Other(ConversationKind),
}

#[derive(Serialize, ToSchema)]
enum AnonymizedWord {
    AnonymizedConversation,
}

/// A conversation. Which of the optional members there are depends on `_type`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Conversation {
    id: i64,
    requester_id: String,
    channel: Channel,
    created_at: Stamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<Direction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<State>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_updated_at: Option<Stamp>,
    /// AnonymizedConversation only.
    #[serde(skip_serializing_if = "Option::is_none")]
    anonymized_at: Option<Stamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assignment: Option<Assignment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<InQueue>,
    /// ChatConversation, MessengerConversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    browser_info: Option<BrowserInfo>,
    /// EmailConversation, ContactFormConversation, as the next two.
    #[serde(skip_serializing_if = "Option::is_none")]
    to_email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    integration_email: Option<String>,
    /// GenericConversation, as the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    from_contact_point_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_contact_point_id: Option<String>,
    /// SmsConversation, as the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    from_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_number: Option<String>,
    /// TwitterConversation, as the next two: `DirectMessage` or `Tweet`.
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contact_point_twitter_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_user_twitter_id: Option<String>,
    /// ChatConversation, ContactFormConversation, EmailConversation, MessengerConversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    /// ContactFormConversation, EmailConversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<ConversationLink>,
    /// Absent in lists where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_attributes: Option<Vec<CustomAttribute>>,
    #[serde(rename = "_type")]
    kind: ShownKind,
}

impl From<pb::Conversation> for Conversation {
    fn from(conversation: pb::Conversation) -> Self {
        use ConversationKind::{Chat, ContactForm, Email, Generic, Messenger, Sms, Twitter};
        let (state, direction, channel) = (
            State::of(conversation.state()),
            Direction::of(conversation.direction()),
            Channel::of(conversation.channel()).unwrap_or(Channel::WidgetChat),
        );
        let link_kind = LinkKind::of(conversation.link_kind()).unwrap_or(LinkKind::FollowUp);
        let anonymized = conversation.anonymized_at.is_some();
        let kind = ConversationKind::of(conversation.r#type()).unwrap_or(Generic);
        let details = conversation.details.unwrap_or_default();
        let is = |kinds: &[ConversationKind]| !anonymized && kinds.contains(&kind);
        // A member that the type requires is there even where its text is not known.
        let text = |kinds: &[ConversationKind], text: Option<String>| text.filter(|_| is(kinds));
        let required = |kinds: &[ConversationKind], text: Option<String>| is(kinds).then(|| text.unwrap_or_default());
        Self {
            id: conversation.id,
            requester_id: conversation.requester_id,
            channel,
            created_at: Stamp::of(conversation.created_at),
            direction,
            state,
            state_updated_at: Stamp::maybe(conversation.state_updated_at),
            anonymized_at: Stamp::maybe(conversation.anonymized_at),
            assignment: conversation
                .agent_id
                .filter(|_| !anonymized)
                .map(|agent_id| Assignment {
                    agent_id,
                    assigned_at: Stamp::of(conversation.assigned_at),
                }),
            queue: conversation.queue_id.filter(|_| !anonymized).map(|id| InQueue {
                id,
                queued_at: Stamp::maybe(conversation.queued_at),
            }),
            browser_info: details
                .browser_info
                .filter(|_| is(&[Chat, Messenger]))
                .map(|info| BrowserInfo {
                    name: info.name,
                    version: info.version,
                    ip_address: info.ip_address,
                    originating_url: info.originating_url,
                }),
            to_email: required(&[Email], details.to_email.clone()).or(text(&[ContactForm], details.to_email)),
            from_email: required(&[Email, ContactForm], details.from_email),
            integration_email: required(&[Email], details.integration_email.clone())
                .or(text(&[ContactForm], details.integration_email)),
            from_contact_point_id: text(&[Generic], details.from_contact_point_id),
            to_contact_point_id: text(&[Generic], details.to_contact_point_id),
            from_number: text(&[Sms], details.from_number),
            to_number: text(&[Sms], details.to_number),
            conversation_type: required(&[Twitter], details.twitter_conversation_type),
            contact_point_twitter_id: text(&[Twitter], details.contact_point_twitter_id),
            end_user_twitter_id: text(&[Twitter], details.end_user_twitter_id),
            language: text(&[Chat, ContactForm, Email, Messenger], details.language),
            subject: text(&[ContactForm, Email], details.subject),
            link: conversation.parent_id.map(|parent_id| ConversationLink {
                parent_id,
                kind: link_kind,
            }),
            custom_attributes: Some(
                conversation
                    .custom_attributes
                    .into_iter()
                    .map(CustomAttribute::from)
                    .collect(),
            ),
            kind: if anonymized {
                ShownKind::Anonymized(AnonymizedWord::AnonymizedConversation)
            } else {
                ShownKind::Other(kind)
            },
        }
    }
}

impl Conversation {
    /// As a list shows it.
    fn listed(conversation: pb::Conversation) -> Self {
        let mut conversation = Self::from(conversation);
        conversation.custom_attributes = conversation.custom_attributes.filter(|list| !list.is_empty());
        conversation
    }
}

/// Get a conversation
#[utoipa::path(get, path = "/v1/conversations/{conversationId}", tag = "Conversations",
    responses((status = 200, description = "The conversation", body = Data<Conversation>)))]
pub(super) async fn get_conversation(ask: Ask) -> Result<Data<Conversation>, Refusal> {
    let id = ask.conversation()?;
    let request = ask.request(pb::GetConversationRequest { id });
    let answer = ask.conversations().get_conversation(request).await?.into_inner();
    let data = given(answer.conversation)?.into();
    Ok(Data { data })
}

/// List the linked conversations
///
/// The children of a conversation.
#[utoipa::path(get, path = "/v1/conversations/{conversationId}/linked", tag = "Conversations",
    responses((status = 200, description = "The children", body = Data<Vec<Conversation>>)))]
pub(super) async fn list_linked_conversations(ask: Ask) -> Result<Data<Vec<Conversation>>, Refusal> {
    let id = ask.conversation()?;
    let request = ask.request(pb::ListLinkedConversationsRequest { id });
    let answer = ask
        .conversations()
        .list_linked_conversations(request)
        .await?
        .into_inner();
    let data = answer.conversations.into_iter().map(Conversation::listed).collect();
    Ok(Data { data })
}

/// List the conversations of an end user
///
/// Newest first.
#[utoipa::path(get, path = "/v1/endusers/{userId}/conversations", tag = "End users",
    params(
        ("pageLimit" = Option<i32>, Query, description = "1 to 200, default 50", minimum = 1, maximum = 200),
        ("pageKey" = Option<String>, Query, description = "From `meta.next` of the page before"),
    ),
    responses((status = 200, description = "A page of conversations", body = Page<Conversation>)))]
pub(super) async fn list_end_user_conversations(ask: Ask) -> Result<Page<Conversation>, Refusal> {
    let params = ask.paged(&[])?;
    let request = ask.request(pb::ListConversationsRequest {
        requester_id: ask.uuid("userId")?,
        page_size: params.limit(200)?,
        page_token: params.token(),
    });
    let answer = ask.conversations().list_conversations(request).await;
    let answer = answer.map_err(Terms::PAGE.refuse())?.into_inner();
    let meta = ask.links(&params, &[], &answer.next_page_token)?;
    let conversations = answer.conversations.into_iter().map(|conversation| Conversation {
        custom_attributes: None,
        ..conversation.into()
    });
    Ok(Page {
        data: conversations.collect(),
        meta,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEN: Option<prost_types::Timestamp> = Some(prost_types::Timestamp { seconds: 0, nanos: 0 });

    /// With every detail there is, so that each type shows which are its own.
    fn conversation(kind: pb::ConversationType) -> pb::Conversation {
        let text = |text: &str| Some(text.to_owned());
        pb::Conversation {
            id: 1,
            r#type: kind.into(),
            channel: pb::Channel::WidgetChat.into(),
            requester_id: "r".to_owned(),
            direction: pb::Direction::Outbound.into(),
            state: pb::ConversationState::Open.into(),
            state_updated_at: THEN,
            created_at: THEN,
            agent_id: text("a"),
            assigned_at: THEN,
            queue_id: text("q"),
            queued_at: THEN,
            details: Some(pb::ConversationDetails {
                subject: text("s"),
                language: text("en"),
                from_email: text("f"),
                to_email: text("t"),
                integration_email: text("i"),
                from_contact_point_id: text("fc"),
                to_contact_point_id: text("tc"),
                from_number: text("fn"),
                to_number: text("tn"),
                twitter_conversation_type: text("Tweet"),
                contact_point_twitter_id: text("ct"),
                end_user_twitter_id: text("et"),
                browser_info: Some(pb::BrowserInfo {
                    name: "Chrome 9".to_owned(),
                    ..pb::BrowserInfo::default()
                }),
                contact_endpoint_id: None,
            }),
            parent_id: Some(1234),
            link_kind: pb::LinkKind::SideConversation.into(),
            ..pb::Conversation::default()
        }
    }

    /// The names of members as they come; a map would sort them.
    struct Keys(Vec<String>);
    impl<'de> serde::de::Visitor<'de> for &mut Keys {
        type Value = ();
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
            while let Some((key, _)) = members.next_entry::<String, serde::de::IgnoredAny>()? {
                self.0.push(key);
            }
            Ok(())
        }
    }

    fn keys(conversation: pb::Conversation) -> Vec<String> {
        let text = serde_json::to_string(&Conversation::from(conversation)).unwrap();
        let mut at = serde_json::Deserializer::from_str(&text);
        let mut keys = Keys(Vec::new());
        serde::Deserializer::deserialize_map(&mut at, &mut keys).unwrap();
        keys.0
    }

    #[test]
    fn each_type_has_its_own_members_and_ends_with_its_word() {
        use pb::ConversationType as Kind;
        for (kind, word, own) in [
            (Kind::Chat, "ChatConversation", &["browserInfo", "language"][..]),
            (
                Kind::ContactForm,
                "ContactFormConversation",
                &["toEmail", "fromEmail", "integrationEmail", "language", "subject"],
            ),
            (
                Kind::Email,
                "EmailConversation",
                &["toEmail", "fromEmail", "integrationEmail", "language", "subject"],
            ),
            (Kind::FacebookMessenger, "FacebookMessengerConversation", &[]),
            (
                Kind::Generic,
                "GenericConversation",
                &["fromContactPointId", "toContactPointId"],
            ),
            (Kind::Messenger, "MessengerConversation", &["browserInfo", "language"]),
            (Kind::PstnPhone, "PstnPhoneConversation", &[]),
            (Kind::Sms, "SmsConversation", &["fromNumber", "toNumber"]),
            (
                Kind::Twitter,
                "TwitterConversation",
                &["conversationType", "contactPointTwitterId", "endUserTwitterId"],
            ),
            (Kind::WhatsApp, "WhatsAppConversation", &[]),
        ] {
            let common = [
                "id",
                "requesterId",
                "channel",
                "createdAt",
                "direction",
                "state",
                "stateUpdatedAt",
                "assignment",
                "queue",
            ];
            let expected: Vec<_> = common
                .iter()
                .chain(own)
                .chain(&["link", "customAttributes", "_type"])
                .copied()
                .collect();
            assert_eq!(keys(conversation(kind)), expected, "{word}");
            let shown = serde_json::to_value(Conversation::from(conversation(kind))).unwrap();
            assert_eq!(shown["_type"], word);
            let link = serde_json::to_string(&Conversation::from(conversation(kind)).link).unwrap();
            assert_eq!(link, r#"{"parentId":1234,"_type":"SideConversation"}"#);
        }
    }

    #[test]
    fn an_anonymized_conversation_shows_nobody_and_no_details() {
        let mut anonymized = conversation(pb::ConversationType::Email);
        anonymized.anonymized_at = THEN;
        let expected = [
            "id",
            "requesterId",
            "channel",
            "createdAt",
            "direction",
            "state",
            "stateUpdatedAt",
            "anonymizedAt",
            "link",
            "customAttributes",
            "_type",
        ];
        assert_eq!(keys(anonymized.clone()), expected);
        let shown = serde_json::to_value(Conversation::from(anonymized)).unwrap();
        assert_eq!(shown["_type"], "AnonymizedConversation");
    }

    #[test]
    fn what_a_type_requires_is_there_even_without_a_text() {
        let mut email = conversation(pb::ConversationType::Email);
        email.details = None;
        let shown = serde_json::to_value(Conversation::from(email)).unwrap();
        for member in ["toEmail", "fromEmail", "integrationEmail"] {
            assert_eq!(shown[member], "", "{member}");
        }
    }
}
