//! New conversations: started here, or taken over from elsewhere.

use http::StatusCode;
use proto::conversation::v1 as pb;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::answer::{Data, Moment};
use super::ask::{Ask, is_uuid};
use super::conversation::BrowserInfo;
use super::messages::CreateMessage;
use super::parts::{Content, File, files};
use super::refusal::{Part, Refusal, Terms};
use super::words::{CreateKind, NewDirection};
use crate::answer::given;
use crate::errors::Names;
use crate::extract::{self, Object};
use crate::words::number;

/// A conversation to be started. Which members it needs depends on `_type`: all need `requesterId`; `Callback` needs
/// `direction`, `contactEndpointId` and `queueId`; the others need `message`; `Chat` needs `widgetId`, `ContactForm` and
/// `Email` need `emailIntegrationId` and `subject`, `Sms` needs `contactEndpointId`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateConversation {
    requester_id: Option<String>,
    direction: Option<NewDirection>,
    /// A number in E.164 form.
    contact_endpoint_id: Option<String>,
    queue_id: Option<String>,
    widget_id: Option<String>,
    #[schema(example = "my-integration@email.dixa.io")]
    email_integration_id: Option<String>,
    subject: Option<String>,
    #[schema(value_type = Option<CreateMessage>)]
    message: Option<Object<CreateMessage>>,
    #[schema(value_type = Option<BrowserInfo>)]
    browser_info: Option<Object<BrowserInfo>>,
    language: Option<String>,
    #[serde(rename = "_type")]
    kind: CreateKind,
}

fn needed<T>(value: Option<T>, name: &str) -> Result<T, Refusal> {
    value.ok_or_else(|| Refusal::required(name))
}

fn uuid(text: Option<String>, name: &str) -> Result<String, Refusal> {
    let text = needed(text, name)?;
    if is_uuid(&text) {
        Ok(text)
    } else {
        Err(Refusal::invalid(Part::Body, name, "must be a UUID"))
    }
}

impl CreateConversation {
    fn request(self) -> Result<pb::CreateConversationRequest, Refusal> {
        let mut request = pb::CreateConversationRequest {
            kind: pb::CreateKind::from(self.kind).into(),
            requester_id: uuid(self.requester_id, "requesterId")?,
            ..pb::CreateConversationRequest::default()
        };
        if self.kind == CreateKind::Callback {
            request.direction = number(Some(needed(self.direction, "direction")?));
            request.contact_endpoint_id = needed(self.contact_endpoint_id, "contactEndpointId")?;
            request.queue_id = Some(uuid(self.queue_id, "queueId")?);
            return Ok(request);
        }
        match self.kind {
            CreateKind::Chat => {
                request.contact_endpoint_id = uuid(self.widget_id, "widgetId")?;
                request.browser_info = self.browser_info.map(|Object(info)| info.into());
            }
            CreateKind::Sms => request.contact_endpoint_id = needed(self.contact_endpoint_id, "contactEndpointId")?,
            CreateKind::Callback | CreateKind::ContactForm | CreateKind::Email => {
                request.contact_endpoint_id = needed(self.email_integration_id, "emailIntegrationId")?;
                request.subject = Some(needed(self.subject, "subject")?);
            }
        }
        if self.kind != CreateKind::Sms {
            request.language = self.language;
        }
        let Object(message) = needed(self.message, "message")?;
        request.message = Some(message.input("message.")?);
        Ok(request)
    }

    /// What the contact endpoint of a context is known as.
    fn names(&self) -> Names {
        match self.kind {
            CreateKind::Chat => &[("contact_endpoint_id", "widgetId")],
            CreateKind::ContactForm | CreateKind::Email => &[("contact_endpoint_id", "emailIntegrationId")],
            CreateKind::Callback | CreateKind::Sms => &[],
        }
    }
}

/// The id of a new conversation.
#[derive(Serialize, ToSchema)]
pub(super) struct NewConversation {
    id: i64,
}

/// Create a conversation
#[utoipa::path(post, path = "/v1/conversations", tag = "Conversations",
    request_body(content = CreateConversation, content_type = "application/json",
        example = json!({"requesterId": "9c2a2cce-699f-4a72-89d9-fda5bc8dec8b", "emailIntegrationId": "my-integration@email.dixa.io",
            "subject": "order #123", "message": {"content": {"value": "My order hasn't shipped", "_type": "Text"},
            "attachments": [], "_type": "Inbound"}, "language": "en", "_type": "Email"})),
    responses((status = 201, description = "The id of the conversation", body = Data<NewConversation>)))]
pub(super) async fn create_conversation(ask: Ask) -> Result<(StatusCode, Data<NewConversation>), Refusal> {
    let body: CreateConversation = ask.object()?;
    let terms = Terms::BODY.names(body.names());
    let request = ask.request(body.request()?);
    let answer = ask.conversations().create_conversation(request).await;
    let answer = answer.map_err(terms.refuse())?.into_inner();
    let id = given(answer.conversation)?.id;
    Ok((
        StatusCode::CREATED,
        Data {
            data: NewConversation { id },
        },
    ))
}

/// A conversation that happened elsewhere.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ImportConversation)]
pub(super) struct Import {
    /// 1 to 100 characters.
    generic_channel_name: String,
    requester_id: String,
    requester_connection_status: Option<ConnectionStatus>,
    direction: NewDirection,
    /// At most 1000 of [`ImportMessage`]. One that can't be read is left out, and named in the answer.
    #[schema(value_type = Option<Vec<ImportMessage>>)]
    messages: Option<Vec<Box<RawValue>>>,
    created_at: Moment,
    #[schema(value_type = Option<ImportAssignment>)]
    assignment: Option<Object<ImportAssignment>>,
    /// A repeated one returns the first conversation.
    external_id: Option<String>,
    #[schema(value_type = Option<ImportClosing>)]
    closing: Option<Object<ImportClosing>>,
    #[serde(rename = "_type")]
    #[expect(dead_code, reason = "read so that it has to be there")]
    kind: ImportWord,
}

#[derive(Deserialize, ToSchema)]
enum ImportWord {
    GenericConversationImport,
}

/// Whether the requester is there.
#[derive(Clone, Copy, PartialEq, Deserialize, ToSchema)]
enum ConnectionStatus {
    Connected,
    Disconnected,
}

/// Who held the conversation.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ImportAssignment {
    agent_id: String,
    assigned_at: Moment,
}

/// Who closed the conversation.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ImportClosing {
    closed_at: Moment,
    closed_by: String,
}

/// A message of a conversation that happened elsewhere.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ImportMessage {
    #[schema(value_type = Content)]
    content: Object<Content>,
    /// `OutboundImport` only, and required there.
    agent_id: Option<String>,
    #[schema(value_type = Option<Vec<File>>)]
    attachments: Option<Vec<Object<File>>>,
    external_id: Option<String>,
    created_at: Moment,
    #[serde(rename = "_type")]
    kind: ImportKind,
}

#[derive(Clone, Copy, PartialEq, Deserialize, ToSchema)]
enum ImportKind {
    InboundImport,
    OutboundImport,
}

impl ImportMessage {
    fn read(text: &str) -> Result<pb::ImportMessage, Refusal> {
        let Object(message): Object<Self> = extract::parse(text.as_bytes())?;
        let (direction, agent_id) = match message.kind {
            ImportKind::InboundImport => (pb::Direction::Inbound, None),
            ImportKind::OutboundImport => (pb::Direction::Outbound, Some(uuid(message.agent_id, "agentId")?)),
        };
        Ok(pb::ImportMessage {
            message: Some(pb::MessageInput {
                direction: direction.into(),
                content: Some(message.content.0.into()),
                agent_id,
                attachments: files(message.attachments),
                external_id: message.external_id,
                ..pb::MessageInput::default()
            }),
            created_at: Some(message.created_at.0),
        })
    }
}

impl Import {
    fn request(self) -> Result<pb::ImportConversationRequest, Refusal> {
        let connected = |status| status == ConnectionStatus::Connected;
        let mut request = pb::ImportConversationRequest {
            generic_channel_name: self.generic_channel_name,
            requester_id: uuid(Some(self.requester_id), "requesterId")?,
            requester_connected: self.requester_connection_status.map(connected),
            direction: number(Some(self.direction)),
            created_at: Some(self.created_at.0),
            external_id: self.external_id,
            ..pb::ImportConversationRequest::default()
        };
        if let Some(Object(assignment)) = self.assignment {
            request.agent_id = Some(uuid(Some(assignment.agent_id), "assignment.agentId")?);
            request.assigned_at = Some(assignment.assigned_at.0);
        }
        if let Some(Object(closing)) = self.closing {
            request.closed_by = Some(uuid(Some(closing.closed_by), "closing.closedBy")?);
            request.closed_at = Some(closing.closed_at.0);
        }
        for (index, message) in self.messages.iter().flatten().enumerate() {
            match ImportMessage::read(message.get()) {
                Ok(message) => request.messages.push(message),
                Err(refusal) => {
                    let text = format!("messages[{index}] could not be read. {}", refusal.message());
                    request.unreadable.push(text);
                }
            }
        }
        Ok(request)
    }
}

/// What became of an import.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Imported {
    id: i64,
    partial_errors: Vec<PartialError>,
}

/// A part that was left out.
#[derive(Serialize, ToSchema)]
struct PartialError {
    message: String,
}

/// Import a conversation
///
/// That happened elsewhere: nothing is offered and nobody is told. What can't be used is left out and named in
/// `partialErrors`.
#[utoipa::path(post, path = "/v1/conversations/import", tag = "Conversations",
    request_body(content = Import, content_type = "application/json"),
    responses((status = 201, description = "The id of the conversation", body = Data<Imported>)))]
pub(super) async fn import_conversation(ask: Ask) -> Result<(StatusCode, Data<Imported>), Refusal> {
    const TERMS: Terms = Terms::BODY.known(&[
        (
            "END_USER_NOT_FOUND",
            StatusCode::BAD_REQUEST,
            "Requester does not exist",
        ),
        ("AGENT_NOT_FOUND", StatusCode::BAD_REQUEST, "Agent does not exist"),
        ("USER_NOT_FOUND", StatusCode::BAD_REQUEST, "Agent does not exist"),
    ]);
    let body: Import = ask.object()?;
    let request = ask.request(body.request()?);
    let answer = ask.conversations().import_conversation(request).await;
    let answer = answer.map_err(TERMS.refuse())?.into_inner();
    let errors = answer.partial_errors.into_iter();
    let data = Imported {
        id: answer.id,
        partial_errors: errors.map(|message| PartialError { message }).collect(),
    };
    Ok((StatusCode::CREATED, Data { data }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "9c2a2cce-699f-4a72-89d9-fda5bc8dec8b";
    const MESSAGE: &str = r#"{"content":{"value":"a","_type":"Text"},"_type":"Inbound"}"#;

    fn read(body: &str) -> Result<pb::CreateConversationRequest, String> {
        let body: Object<CreateConversation> =
            extract::parse(body.as_bytes()).map_err(|failure| Refusal::from(failure).message().to_owned())?;
        body.0.request().map_err(|refusal| refusal.message().to_owned())
    }

    #[test]
    fn each_variant_is_read_and_each_member_it_lacks_is_named() {
        let texts = |members: &[(&str, &str)]| {
            let members = members.iter().map(|(name, value)| format!("\"{name}\":{value}"));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        };
        let quoted = format!("\"{ID}\"");
        let requester = ("requesterId", &*quoted);
        let message = ("message", MESSAGE);
        let endpoint = ("contactEndpointId", "\"+4511223344\"");
        let integration = ("emailIntegrationId", "\"shop@email.example\"");
        let subject = ("subject", "\"order #123\"");
        for (kind, members) in [
            (
                "Callback",
                vec![requester, ("direction", "\"Inbound\""), endpoint, ("queueId", &*quoted)],
            ),
            ("Chat", vec![requester, ("widgetId", &*quoted), message]),
            ("ContactForm", vec![requester, integration, subject, message]),
            ("Email", vec![requester, integration, subject, message]),
            ("Sms", vec![requester, endpoint, message]),
        ] {
            let word = format!("\"{kind}\"");
            let mut all = members.clone();
            all.push(("_type", &word));
            read(&texts(&all)).unwrap();
            for (missing, _) in &members {
                let rest: Vec<_> = all.iter().copied().filter(|(name, _)| name != missing).collect();
                assert_eq!(
                    read(&texts(&rest)).unwrap_err(),
                    format!("Invalid value for: body ({missing} is required)"),
                    "{kind}"
                );
            }
        }
    }

    #[test]
    fn a_conversation_without_its_type_or_with_another_is_refused() {
        assert_eq!(read("{}").unwrap_err(), "Invalid value for: body (_type is required)");
        assert_eq!(
            read(r#"{"_type":"WidgetChat"}"#).unwrap_err(),
            "Invalid value for: body (_type must be one of Callback, Chat, ContactForm, Email, Sms)"
        );
        let body = format!(r#"{{"requesterId":"{ID}","contactEndpointId":"+45","message":{{}},"_type":"Sms"}}"#);
        assert_eq!(
            read(&body).unwrap_err(),
            "Invalid value for: body (message.content is required)"
        );
    }

    #[test]
    fn a_message_of_an_import_that_cannot_be_read_is_named_and_the_rest_is_taken() {
        let body = format!(
            r#"{{"genericChannelName":"MyCustomChat","requesterId":"{ID}","direction":"Inbound","messages":[
                {{"content":{{"value":"a","_type":"Text"}},"createdAt":"2021-12-01T13:00:00.003Z","_type":"InboundImport"}},
                {{}}, 7,
                {{"content":{{"value":"a","_type":"Text"}},"createdAt":"2021-12-01T13:00:00.003Z","_type":"OutboundImport"}}
            ],"createdAt":"2021-12-01T11:00:00.001Z[GMT]","_type":"GenericConversationImport"}}"#
        );
        let body: Object<Import> = extract::parse(body.as_bytes()).unwrap();
        let request = body.0.request().unwrap();
        assert_eq!(request.messages.len(), 1);
        assert_eq!(
            request.unreadable,
            [
                "messages[1] could not be read. Invalid value for: body (content is required)",
                "messages[2] could not be read. Invalid value for: body (body must be an object)",
                "messages[3] could not be read. Invalid value for: body (agentId is required)",
            ]
        );
    }
}
