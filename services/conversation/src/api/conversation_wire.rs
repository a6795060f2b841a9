//! Conversations, messages and what is about them, from and to their wire form.

use platform::fault::Violation;
use platform::time;
use proto::conversation::v1 as wire;

use crate::domain::conversation::{
    BrowserInfo, Content, ContentType, Conversation, ConversationType, Details, EmailContact, File, LinkKind, Message,
    MessageDetails, MessageType, Note,
};
use crate::domain::field;
use crate::domain::state::{Direction, State};

/// Longest message and note, in bytes.
pub(super) const TEXT: usize = 32 * 1024;
/// Attachments of a message at most.
const FILES: usize = 50;
/// Addresses in one field of a message at most.
const CONTACTS: usize = 100;

fn at(time: time::Time) -> prost_types::Timestamp {
    time::to_proto(time)
}

/// Inbound or outbound.
pub(super) fn direction(field: &str, number: i32) -> Result<Direction, Violation> {
    match wire::Direction::try_from(number) {
        Ok(wire::Direction::Inbound) => Ok(Direction::Inbound),
        Ok(wire::Direction::Outbound) => Ok(Direction::Outbound),
        _ => Err(Violation::new(field, "must be inbound or outbound")),
    }
}

/// Any direction: what a connector may say.
pub(super) fn any_direction(field: &str, number: i32) -> Result<Direction, Violation> {
    match wire::Direction::try_from(number) {
        Ok(wire::Direction::Internal) => Ok(Direction::Internal),
        _ => direction(field, number),
    }
}

pub(super) fn conversation_type(field: &str, number: i32) -> Result<ConversationType, Violation> {
    use wire::ConversationType as Wire;
    Ok(match Wire::try_from(number) {
        Ok(Wire::Chat) => ConversationType::Chat,
        Ok(Wire::ContactForm) => ConversationType::ContactForm,
        Ok(Wire::Email) => ConversationType::Email,
        Ok(Wire::FacebookMessenger) => ConversationType::FacebookMessenger,
        Ok(Wire::Generic) => ConversationType::Generic,
        Ok(Wire::Messenger) => ConversationType::Messenger,
        Ok(Wire::PstnPhone) => ConversationType::PstnPhone,
        Ok(Wire::Sms) => ConversationType::Sms,
        Ok(Wire::Twitter) => ConversationType::Twitter,
        Ok(Wire::WhatsApp) => ConversationType::WhatsApp,
        Ok(Wire::Unspecified) | Err(_) => return Err(Violation::new(field, "must be a type of conversation")),
    })
}

pub(super) fn message_type(field: &str, number: i32) -> Result<MessageType, Violation> {
    use wire::MessageType as Wire;
    Ok(match Wire::try_from(number) {
        Ok(Wire::Chat) => MessageType::Chat,
        Ok(Wire::Email) => MessageType::Email,
        Ok(Wire::ContactForm) => MessageType::ContactForm,
        Ok(Wire::FacebookMessenger) => MessageType::FacebookMessenger,
        Ok(Wire::Generic) => MessageType::Generic,
        Ok(Wire::Sms) => MessageType::Sms,
        Ok(Wire::Twitter) => MessageType::Twitter,
        Ok(Wire::WhatsApp) => MessageType::WhatsApp,
        Ok(Wire::Phone) => MessageType::Phone,
        Ok(Wire::CallRecording) => MessageType::CallRecording,
        Ok(Wire::Unspecified) | Err(_) => return Err(Violation::new(field, "must be a type of message")),
    })
}

/// How an API client may link: as a side conversation or as related.
pub(super) fn link_kind(field: &str, number: i32) -> Result<LinkKind, Violation> {
    match wire::LinkKind::try_from(number) {
        Ok(wire::LinkKind::SideConversation) => Ok(LinkKind::SideConversation),
        Ok(wire::LinkKind::Related) => Ok(LinkKind::Related),
        Ok(wire::LinkKind::EmailForward) => Ok(LinkKind::EmailForward),
        Ok(wire::LinkKind::FollowUp) => Ok(LinkKind::FollowUp),
        Ok(wire::LinkKind::Unspecified) | Err(_) => Err(Violation::new(field, "must be a kind of link")),
    }
}

pub(super) fn browser_info(field: &str, info: wire::BrowserInfo) -> Result<BrowserInfo, Violation> {
    Ok(BrowserInfo {
        name: field::required(&format!("{field}.name"), info.name, field::NAME)?,
        version: field::optional(&format!("{field}.version"), info.version, field::NAME)?,
        ip_address: field::optional(&format!("{field}.ip_address"), info.ip_address, 64)?,
        originating_url: field::optional(&format!("{field}.originating_url"), info.originating_url, field::URL)?,
    })
}

/// A BCP 47 language tag, as far as its form goes.
pub(super) fn language(field: &str, text: Option<String>) -> Result<Option<String>, Violation> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let valid = text.len() <= 35
        && text
            .split('-')
            .all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    if valid {
        Ok(Some(text))
    } else {
        Err(Violation::new(field, "must be a BCP 47 language tag"))
    }
}

/// The details of a connector's conversation, subject and language aside.
pub(super) fn details(field: &str, details: wire::ConversationDetails) -> Result<Details, Violation> {
    let short = |name: &str, text| field::optional(&format!("{field}.{name}"), text, field::FOREIGN_ID);
    let twitter_conversation_type = details.twitter_conversation_type;
    if twitter_conversation_type
        .as_deref()
        .is_some_and(|kind| !matches!(kind, "DirectMessage" | "Tweet"))
    {
        return Err(Violation::new(
            format!("{field}.twitter_conversation_type"),
            "must be DirectMessage or Tweet",
        ));
    }
    Ok(Details {
        from_email: short("from_email", details.from_email)?,
        to_email: short("to_email", details.to_email)?,
        integration_email: short("integration_email", details.integration_email)?,
        from_contact_point_id: short("from_contact_point_id", details.from_contact_point_id)?,
        to_contact_point_id: short("to_contact_point_id", details.to_contact_point_id)?,
        from_number: short("from_number", details.from_number)?,
        to_number: short("to_number", details.to_number)?,
        twitter_conversation_type,
        contact_point_twitter_id: short("contact_point_twitter_id", details.contact_point_twitter_id)?,
        end_user_twitter_id: short("end_user_twitter_id", details.end_user_twitter_id)?,
        browser_info: details
            .browser_info
            .map(|info| browser_info(&format!("{field}.browser_info"), info))
            .transpose()?,
        contact_endpoint_id: short("contact_endpoint_id", details.contact_endpoint_id)?,
    })
}

/// A content that is there: 1 byte to 32 KiB.
pub(super) fn content(field: &str, content: Option<wire::Content>) -> Result<Content, Violation> {
    let content = content.ok_or_else(|| Violation::new(field, "must be present"))?;
    let kind = match wire::ContentType::try_from(content.r#type) {
        Ok(wire::ContentType::Text) => ContentType::Text,
        Ok(wire::ContentType::Html) => ContentType::Html,
        Ok(wire::ContentType::Unspecified) | Err(_) => {
            return Err(Violation::new(format!("{field}.type"), "must be text or HTML"));
        }
    };
    let value = long_text(&format!("{field}.value"), content.value)?;
    Ok(Content { kind, value })
}

/// A message or a note: 1 byte to 32 KiB.
pub(super) fn long_text(field: &str, text: String) -> Result<String, Violation> {
    if text.len() > TEXT {
        return Err(Violation::new(field, "must be at most 32 KiB"));
    }
    field::required(field, text, TEXT)
}

fn file(field: &str, file: wire::File) -> Result<File, Violation> {
    Ok(File {
        url: field::url(&format!("{field}.url"), file.url)?,
        pretty_name: field::optional(&format!("{field}.pretty_name"), file.pretty_name, field::FOREIGN_ID)?,
    })
}

/// Files, which stay where they are: what is kept is their URL.
pub(super) fn files(name: &str, files: Vec<wire::File>) -> Result<Vec<File>, Violation> {
    field::count(name, files.len(), 0, FILES)?;
    let files = files.into_iter().enumerate();
    files
        .map(|(index, wire)| file(&format!("{name}[{index}]"), wire))
        .collect()
}

fn contact(field: &str, contact: wire::EmailContact) -> Result<EmailContact, Violation> {
    Ok(EmailContact {
        email: field::required(&format!("{field}.email"), contact.email, field::EMAIL)?,
        name: field::optional(&format!("{field}.name"), contact.name, field::NAME)?,
    })
}

fn contacts(name: &str, contacts: Vec<wire::EmailContact>) -> Result<Vec<EmailContact>, Violation> {
    field::count(name, contacts.len(), 0, CONTACTS)?;
    let contacts = contacts.into_iter().enumerate();
    contacts
        .map(|(index, wire)| contact(&format!("{name}[{index}]"), wire))
        .collect()
}

/// Addresses as an API client gives them.
pub(super) fn addresses(name: &str, addresses: Vec<String>) -> Result<Vec<EmailContact>, Violation> {
    let contacts = addresses
        .into_iter()
        .map(|email| wire::EmailContact { email, name: None });
    self::contacts(name, contacts.collect())
}

/// The details of a connector's message.
pub(super) fn message_details(field: &str, details: wire::MessageDetails) -> Result<MessageDetails, Violation> {
    let name = |name: &str| format!("{field}.{name}");
    let short = |what: &str, text| field::optional(&name(what), text, field::FOREIGN_ID);
    if details.duration.is_some_and(|duration| duration < 0) {
        return Err(Violation::new(name("duration"), "must not be negative"));
    }
    let optional_file = |what: &str, wire: Option<wire::File>| wire.map(|wire| file(&name(what), wire)).transpose();
    Ok(MessageDetails {
        from: details.from.map(|wire| contact(&name("from"), wire)).transpose()?,
        to: contacts(&name("to"), details.to)?,
        cc: contacts(&name("cc"), details.cc)?,
        bcc: contacts(&name("bcc"), details.bcc)?,
        reply_default_to: contacts(&name("reply_default_to"), details.reply_default_to)?,
        is_auto_reply: details.is_auto_reply,
        inline_images: files(&name("inline_images"), details.inline_images)?,
        delivery_failure_reason: field::optional(
            &name("delivery_failure_reason"),
            details.delivery_failure_reason,
            field::PROSE,
        )?,
        original_content_url: optional_file("original_content_url", details.original_content_url)?,
        content_file: optional_file("content_file", details.content_file)?,
        is_automated: details.is_automated,
        from_number: short("from_number", details.from_number)?,
        to_number: short("to_number", details.to_number)?,
        duration: details.duration,
        recording: details
            .recording
            .map(|url| field::url(&name("recording"), url))
            .transpose()?,
        integration_email: short("integration_email", details.integration_email)?,
    })
}

impl From<State> for wire::ConversationState {
    fn from(state: State) -> Self {
        match state {
            State::Open => Self::Open,
            State::Pending => Self::Pending,
            State::Closed => Self::Closed,
            State::AwaitingPending => Self::AwaitingPending,
        }
    }
}

impl From<Conversation> for wire::Conversation {
    fn from(conversation: Conversation) -> Self {
        let state = wire::ConversationState::from(conversation.state);
        let details = conversation.details;
        Self {
            id: conversation.id,
            r#type: i32::from(conversation.kind as i16),
            channel: i32::from(conversation.channel as i16),
            requester_id: conversation.requester_id.to_string(),
            direction: i32::from(conversation.direction as i16),
            state: state.into(),
            state_updated_at: Some(at(conversation.state_updated_at)),
            created_at: Some(at(conversation.created_at)),
            agent_id: conversation.agent_id.map(|id| id.to_string()),
            assigned_at: conversation.assigned_at.map(at),
            queue_id: conversation.queue_id.map(|id| id.to_string()),
            queued_at: conversation.queued_at.map(at),
            details: Some(wire::ConversationDetails {
                subject: conversation.subject,
                language: conversation.language,
                from_email: details.from_email,
                to_email: details.to_email,
                integration_email: details.integration_email,
                from_contact_point_id: details.from_contact_point_id,
                to_contact_point_id: details.to_contact_point_id,
                from_number: details.from_number,
                to_number: details.to_number,
                twitter_conversation_type: details.twitter_conversation_type,
                contact_point_twitter_id: details.contact_point_twitter_id,
                end_user_twitter_id: details.end_user_twitter_id,
                browser_info: details.browser_info.map(|info| wire::BrowserInfo {
                    name: info.name,
                    version: info.version,
                    ip_address: info.ip_address,
                    originating_url: info.originating_url,
                }),
                contact_endpoint_id: details.contact_endpoint_id,
            }),
            parent_id: conversation.parent_id,
            link_kind: conversation.link_kind.map_or(0, |kind| i32::from(kind as i16)),
            custom_attributes: conversation.attributes.into_iter().map(Into::into).collect(),
            external_id: conversation.external_id,
            closed_at: conversation.closed_at.map(at),
            follow_up_at: conversation.follow_up_at.map(at),
            anonymized_at: conversation.anonymized_at.map(at),
        }
    }
}

impl From<Content> for wire::Content {
    fn from(content: Content) -> Self {
        Self {
            r#type: i32::from(content.kind as i16),
            value: content.value,
        }
    }
}

impl From<File> for wire::File {
    fn from(file: File) -> Self {
        Self {
            url: file.url,
            pretty_name: file.pretty_name,
        }
    }
}

impl From<EmailContact> for wire::EmailContact {
    fn from(contact: EmailContact) -> Self {
        Self {
            email: contact.email,
            name: contact.name,
        }
    }
}

fn all<T, U: From<T>>(list: Vec<T>) -> Vec<U> {
    list.into_iter().map(Into::into).collect()
}

impl From<Message> for wire::Message {
    fn from(message: Message) -> Self {
        let details = message.details;
        Self {
            id: message.id.to_string(),
            author_id: message.author_id.to_string(),
            external_id: message.external_id,
            created_at: Some(at(message.created_at)),
            r#type: i32::from(message.kind as i16),
            direction: i32::from(message.direction as i16),
            content: message.content.map(Into::into),
            attachments: all(message.attachments),
            details: Some(wire::MessageDetails {
                from: details.from.map(Into::into),
                to: all(details.to),
                cc: all(details.cc),
                bcc: all(details.bcc),
                reply_default_to: all(details.reply_default_to),
                is_auto_reply: details.is_auto_reply,
                inline_images: all(details.inline_images),
                delivery_failure_reason: details.delivery_failure_reason,
                original_content_url: details.original_content_url.map(Into::into),
                content_file: details.content_file.map(Into::into),
                is_automated: details.is_automated,
                from_number: details.from_number,
                to_number: details.to_number,
                duration: details.duration,
                recording: details.recording,
                integration_email: details.integration_email,
            }),
            anonymized_at: message.anonymized_at.map(at),
        }
    }
}

impl From<Note> for wire::Note {
    fn from(note: Note) -> Self {
        Self {
            id: note.id.to_string(),
            author_id: note.author_id.to_string(),
            created_at: Some(at(note.created_at)),
            conversation_id: note.conversation_id,
            message: note.text,
        }
    }
}
