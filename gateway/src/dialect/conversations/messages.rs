//! Messages: as they are given, as they are shown, and what adds and lists them.

use proto::conversation::v1 as pb;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::Data;
use super::ask::{Ask, is_uuid};
use super::parts::{Content, File, files, shown};
use super::refusal::{Part, Refusal, Terms};
use super::words::{Direction, NewDirection};
use crate::answer::{Stamp, given};
use crate::errors::Names;
use crate::extract::Object;
use crate::words::Word as _;

/// A message to be added. Its author is the requester of the conversation (`Inbound`) or `agentId` (`Outbound`).
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateMessage {
    #[schema(value_type = Content)]
    content: Object<Content>,
    /// Of an agent. `Outbound` only, and required there.
    agent_id: Option<String>,
    #[schema(value_type = Option<Vec<File>>)]
    attachments: Option<Vec<Object<File>>>,
    /// Unique in the organization.
    external_id: Option<String>,
    #[schema(example = "my-integration@email.dixa.io")]
    integration_email: Option<String>,
    /// `Outbound` only, as `bcc`.
    cc: Option<Vec<String>>,
    bcc: Option<Vec<String>>,
    #[serde(rename = "_type")]
    kind: NewDirection,
}

impl CreateMessage {
    /// The message at `path` of the body; `path` is empty or ends with a dot.
    pub(super) fn input(self, path: &str) -> Result<pb::MessageInput, Refusal> {
        let outbound = self.kind == NewDirection::Outbound;
        let agent_id = self.agent_id.filter(|_| outbound);
        match &agent_id {
            None if outbound => return Err(Refusal::required(&format!("{path}agentId"))),
            Some(agent_id) if !is_uuid(agent_id) => {
                return Err(Refusal::invalid(Part::Body, format!("{path}agentId"), "must be a UUID"));
            }
            _ => {}
        }
        Ok(pb::MessageInput {
            direction: pb::Direction::from(self.kind).into(),
            content: Some(self.content.0.into()),
            agent_id,
            attachments: files(self.attachments),
            external_id: self.external_id,
            integration_email: self.integration_email,
            cc: self.cc.filter(|_| outbound).unwrap_or_default(),
            bcc: self.bcc.filter(|_| outbound).unwrap_or_default(),
        })
    }
}

/// The message that was added.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AddedMessage {
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Content>,
    direction: Direction,
    author_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    message_id: String,
    created_at: Stamp,
}

/// Add a message
///
/// To a conversation of a channel that carries messages. Inbound on a closed conversation reopens it.
#[utoipa::path(post, path = "/v1/conversations/{conversationId}/messages", tag = "Conversations",
    request_body(content = CreateMessage, content_type = "application/json",
        example = json!({"content": {"value": "I need some help!", "_type": "Html"}, "attachments": [], "_type": "Inbound"})),
    responses((status = 200, description = "The added message", body = Data<AddedMessage>)))]
pub(super) async fn add_message(ask: Ask) -> Result<Data<AddedMessage>, Refusal> {
    const NAMES: Names = &[("message", "")];
    let conversation_id = ask.conversation()?;
    let message = ask.object::<CreateMessage>()?.input("")?;
    let request = ask.request(pb::AddMessageRequest {
        conversation_id,
        message: Some(message),
    });
    let answer = ask.conversations().add_message(request).await;
    let answer = answer.map_err(Terms::BODY.names(NAMES).refuse())?.into_inner();
    let message = given(answer.message)?;
    let data = AddedMessage {
        direction: Direction::of(message.direction()).unwrap_or(Direction::Inbound),
        content: Content::maybe(message.content),
        author_id: message.author_id,
        external_id: message.external_id,
        message_id: message.id,
        created_at: Stamp::of(message.created_at),
    };
    Ok(Data { data })
}

/// A message.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    id: String,
    author_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    created_at: Stamp,
    attributes: Attributes,
}

/// What a message consists of.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = MessageAttributes)]
enum Attributes {
    Mail(Box<MailAttributes>),
    Text(TextAttributes),
    Phone(PhoneAttributes),
    Recording(RecordingAttributes),
}

/// An e-mail address with a name.
#[derive(Serialize, ToSchema)]
struct EmailContact {
    email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

impl From<pb::EmailContact> for EmailContact {
    fn from(contact: pb::EmailContact) -> Self {
        Self {
            email: contact.email,
            name: contact.name,
        }
    }
}

/// The text of an e-mail, or the file that holds it where it is too large.
#[derive(Serialize, ToSchema)]
struct EmailContent {
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Content>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<File>,
    #[serde(rename = "_type")]
    kind: EmailContentKind,
}

#[derive(Serialize, ToSchema)]
enum EmailContentKind {
    Regular,
    TooLarge,
}

/// Of an e-mail, or of a contact form.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MailAttributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    email_content: Option<EmailContent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<EmailContact>,
    /// ContactFormAttributes only.
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_default_to_emails: Option<Vec<EmailContact>>,
    to: Vec<EmailContact>,
    cc: Vec<EmailContact>,
    bcc: Vec<EmailContact>,
    is_auto_reply: bool,
    inline_images: Vec<File>,
    attachments: Vec<File>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_failure_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<Direction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_content_url: Option<File>,
    #[serde(rename = "_type")]
    kind: MailKind,
}

#[derive(Serialize, ToSchema)]
enum MailKind {
    EmailAttributes,
    ContactFormAttributes,
}

/// Of a message that is a text.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TextAttributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Content>,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<Direction>,
    attachments: Vec<File>,
    /// ChatAttributes only.
    #[serde(skip_serializing_if = "Option::is_none")]
    is_automated: Option<bool>,
    #[serde(rename = "_type")]
    kind: TextKind,
}

#[derive(Clone, Copy, PartialEq, Serialize, ToSchema)]
enum TextKind {
    #[serde(rename = "ChatAttributes")]
    Chat,
    #[serde(rename = "FacebookMessengerAttributes")]
    FacebookMessenger,
    #[serde(rename = "GenericAttributes")]
    Generic,
    #[serde(rename = "SmsAttributes")]
    Sms,
    #[serde(rename = "TwitterAttributes")]
    Twitter,
    #[serde(rename = "WhatsAppAttributes")]
    WhatsApp,
}

/// Of a call.
#[derive(Serialize, ToSchema)]
struct PhoneAttributes {
    from: String,
    to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<Direction>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<i32>,
    #[serde(rename = "_type")]
    kind: PhoneWord,
}

#[derive(Serialize, ToSchema)]
enum PhoneWord {
    PhoneAttributes,
}

/// Of a recorded call.
#[derive(Serialize, ToSchema)]
struct RecordingAttributes {
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<i32>,
    /// URL.
    recording: String,
    #[serde(rename = "_type")]
    kind: RecordingWord,
}

#[derive(Serialize, ToSchema)]
enum RecordingWord {
    CallRecordingAttributes,
}

impl From<pb::Message> for Message {
    fn from(message: pb::Message) -> Self {
        Self {
            id: message.id.clone(),
            author_id: message.author_id.clone(),
            external_id: message.external_id.clone(),
            created_at: Stamp::of(message.created_at),
            attributes: message.into(),
        }
    }
}

impl From<pb::Message> for Attributes {
    fn from(message: pb::Message) -> Self {
        use pb::MessageType as Type;
        let kind = match message.r#type() {
            Type::Email => return Self::mail(message, MailKind::EmailAttributes),
            Type::ContactForm => return Self::mail(message, MailKind::ContactFormAttributes),
            Type::Phone => return Self::phone(message),
            Type::CallRecording => return Self::recording(message),
            Type::Chat => TextKind::Chat,
            Type::FacebookMessenger => TextKind::FacebookMessenger,
            Type::Generic | Type::Unspecified => TextKind::Generic,
            Type::Sms => TextKind::Sms,
            Type::Twitter => TextKind::Twitter,
            Type::WhatsApp => TextKind::WhatsApp,
        };
        let automated = message.details.as_ref().is_some_and(|details| details.is_automated);
        Self::Text(TextAttributes {
            direction: Direction::of(message.direction()),
            content: Content::maybe(message.content),
            attachments: shown(message.attachments),
            is_automated: (kind == TextKind::Chat).then_some(automated),
            kind,
        })
    }
}

impl Attributes {
    fn mail(message: pb::Message, kind: MailKind) -> Self {
        let direction = Direction::of(message.direction());
        let details = message.details.unwrap_or_default();
        let contacts = |contacts: Vec<pb::EmailContact>| contacts.into_iter().map(EmailContact::from).collect();
        let email_content = match (details.content_file, Content::maybe(message.content)) {
            (Some(file), _) => Some(EmailContent {
                content: None,
                file: Some(file.into()),
                kind: EmailContentKind::TooLarge,
            }),
            (None, content) => content.map(|content| EmailContent {
                content: Some(content),
                file: None,
                kind: EmailContentKind::Regular,
            }),
        };
        let (from, reply) = match kind {
            // Required of an e-mail, even of one whose sender is forgotten.
            MailKind::EmailAttributes => (Some(details.from.unwrap_or_default()), None),
            MailKind::ContactFormAttributes => (details.from, Some(contacts(details.reply_default_to))),
        };
        Self::Mail(Box::new(MailAttributes {
            email_content,
            from: from.map(EmailContact::from),
            reply_default_to_emails: reply,
            to: contacts(details.to),
            cc: contacts(details.cc),
            bcc: contacts(details.bcc),
            is_auto_reply: details.is_auto_reply,
            inline_images: shown(details.inline_images),
            attachments: shown(message.attachments),
            delivery_failure_reason: details.delivery_failure_reason,
            direction,
            original_content_url: details.original_content_url.map(File::from),
            kind,
        }))
    }

    fn phone(message: pb::Message) -> Self {
        let direction = Direction::of(message.direction());
        let details = message.details.unwrap_or_default();
        Self::Phone(PhoneAttributes {
            from: details.from_number.unwrap_or_default(),
            to: details.to_number.unwrap_or_default(),
            direction,
            duration: details.duration,
            kind: PhoneWord::PhoneAttributes,
        })
    }

    fn recording(message: pb::Message) -> Self {
        let details = message.details.unwrap_or_default();
        Self::Recording(RecordingAttributes {
            duration: details.duration,
            recording: details.recording.unwrap_or_default(),
            kind: RecordingWord::CallRecordingAttributes,
        })
    }
}

/// List the messages of a conversation
///
/// Oldest first.
#[utoipa::path(get, path = "/v1/conversations/{conversationId}/messages", tag = "Conversations",
    responses((status = 200, description = "The messages", body = Data<Vec<Message>>)))]
pub(super) async fn list_conversation_messages(ask: Ask) -> Result<Data<Vec<Message>>, Refusal> {
    let conversation_id = ask.conversation()?;
    let request = ask.request(pb::ListMessagesRequest { conversation_id });
    let answer = ask.conversations().list_messages(request).await?.into_inner();
    let data = answer.messages.into_iter().map(Message::from).collect();
    Ok(Data { data })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: pb::MessageType) -> pb::Message {
        let contact = |email: &str| pb::EmailContact {
            email: email.to_owned(),
            name: None,
        };
        pb::Message {
            r#type: kind.into(),
            direction: pb::Direction::Outbound.into(),
            content: Some(pb::Content {
                r#type: pb::ContentType::Text.into(),
                value: "Hello".to_owned(),
            }),
            attachments: vec![pb::File {
                url: "https://files.example/1".to_owned(),
                pretty_name: Some("Picture".to_owned()),
            }],
            details: Some(pb::MessageDetails {
                from: Some(contact("help@shop.example")),
                to: vec![contact("someone@home.example")],
                from_number: Some("+4511".to_owned()),
                to_number: Some("+4522".to_owned()),
                duration: Some(180),
                recording: Some("https://calls.example/1".to_owned()),
                ..pb::MessageDetails::default()
            }),
            ..pb::Message::default()
        }
    }

    fn text(message: pb::Message) -> String {
        serde_json::to_string(&Attributes::from(message)).unwrap()
    }

    #[test]
    fn every_variant_of_the_attributes_ends_with_its_type() {
        use pb::MessageType as Type;
        let mail = r#""to":[{"email":"someone@home.example"}],"cc":[],"bcc":[],"isAutoReply":false,"inlineImages":[],"attachments":[{"url":"https://files.example/1","prettyName":"Picture"}],"direction":"Outbound""#;
        let content = r#""emailContent":{"content":{"value":"Hello","_type":"Text"},"_type":"Regular"},"from":{"email":"help@shop.example"}"#;
        let chat = r#""content":{"value":"Hello","_type":"Text"},"direction":"Outbound","attachments":[{"url":"https://files.example/1","prettyName":"Picture"}]"#;
        for (kind, expected) in [
            (
                Type::Email,
                format!(r#"{{{content},{mail},"_type":"EmailAttributes"}}"#),
            ),
            (
                Type::ContactForm,
                format!(r#"{{{content},"replyDefaultToEmails":[],{mail},"_type":"ContactFormAttributes"}}"#),
            ),
            (
                Type::Chat,
                format!(r#"{{{chat},"isAutomated":false,"_type":"ChatAttributes"}}"#),
            ),
            (
                Type::FacebookMessenger,
                format!(r#"{{{chat},"_type":"FacebookMessengerAttributes"}}"#),
            ),
            (Type::Generic, format!(r#"{{{chat},"_type":"GenericAttributes"}}"#)),
            (Type::Sms, format!(r#"{{{chat},"_type":"SmsAttributes"}}"#)),
            (Type::Twitter, format!(r#"{{{chat},"_type":"TwitterAttributes"}}"#)),
            (Type::WhatsApp, format!(r#"{{{chat},"_type":"WhatsAppAttributes"}}"#)),
            (
                Type::Phone,
                r#"{"from":"+4511","to":"+4522","direction":"Outbound","duration":180,"_type":"PhoneAttributes"}"#
                    .to_owned(),
            ),
            (
                Type::CallRecording,
                r#"{"duration":180,"recording":"https://calls.example/1","_type":"CallRecordingAttributes"}"#
                    .to_owned(),
            ),
        ] {
            assert_eq!(text(message(kind)), expected, "{kind:?}");
        }
    }

    #[test]
    fn an_email_that_is_too_large_is_a_file() {
        let mut email = message(pb::MessageType::Email);
        email.details.as_mut().unwrap().content_file = Some(pb::File {
            url: "https://files.example/2".to_owned(),
            pretty_name: None,
        });
        let start = r#"{"emailContent":{"file":{"url":"https://files.example/2"},"_type":"TooLarge"},"#;
        assert!(text(email).starts_with(start));
    }

    fn read(body: &str) -> Result<pb::MessageInput, String> {
        let message: Object<CreateMessage> =
            crate::extract::parse(body.as_bytes()).map_err(|failure| Refusal::from(failure).message().to_owned())?;
        message.0.input("").map_err(|refusal| refusal.message().to_owned())
    }

    #[test]
    fn a_message_without_its_type_or_with_another_is_refused() {
        for (body, expected) in [
            (
                r#"{"content":{"value":"a","_type":"Text"}}"#,
                "Invalid value for: body (_type is required)",
            ),
            (
                r#"{"content":{"value":"a","_type":"Text"},"_type":"Sideways"}"#,
                "Invalid value for: body (_type must be one of Inbound, Outbound)",
            ),
            (
                r#"{"content":{"value":"a"},"_type":"Inbound"}"#,
                "Invalid value for: body (content._type is required)",
            ),
            (
                r#"{"content":{"value":"a","_type":"Markdown"},"_type":"Inbound"}"#,
                "Invalid value for: body (content._type must be one of Html, Text)",
            ),
            (
                r#"{"_type":"Inbound"}"#,
                "Invalid value for: body (content is required)",
            ),
            (
                r#"{"content":{"value":"a","_type":"Text"},"_type":"Outbound"}"#,
                "Invalid value for: body (agentId is required)",
            ),
            (
                r#"{"content":{"value":"a","_type":"Text"},"agentId":"7","_type":"Outbound"}"#,
                "Invalid value for: body (agentId must be a UUID)",
            ),
        ] {
            assert_eq!(read(body).unwrap_err(), expected, "{body}");
        }
    }

    #[test]
    fn what_only_an_outbound_message_has_is_ignored_on_an_inbound_one() {
        let input =
            read(r#"{"content":{"value":"a","_type":"Html"},"agentId":"7","cc":["a"],"_type":"Inbound"}"#).unwrap();
        assert!(input.agent_id.is_none() && input.cc.is_empty());
        assert_eq!(input.direction(), pb::Direction::Inbound);
    }
}
