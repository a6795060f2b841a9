//! Every type of conversation and of message, however it came to be, as it is read.

use http::StatusCode;
use pb::{Channel, ConversationType, Direction, MessageType};
use proto::conversation::v1 as pb;
use serde_json::{Value, json};

use super::{NOBODY, Office, inbound};
use crate::shape::assert_same_shape;

/// A conversation as it is documented, with what its type has of its own.
fn document(own: &str, channel: &str, kind: &str) -> String {
    format!(
        r#"{{"id":1,"requesterId":"u","channel":"{channel}","createdAt":"2020-12-16T09:41:43Z","direction":"Inbound",
        "state":"Open","stateUpdatedAt":"2020-12-16T09:41:43Z",
        "assignment":{{"agentId":"a","assignedAt":"2020-12-16T09:41:43Z"}},
        "queue":{{"id":"q","queuedAt":"2020-12-16T09:41:43Z"}},{own}"customAttributes":[],"_type":"{kind}"}}"#
    )
}

/// What a connector knows: more than any one type shows.
fn details() -> pb::ConversationDetails {
    let text = |text: &str| Some(text.to_owned());
    pb::ConversationDetails {
        subject: text("Important Request"),
        language: text("en"),
        from_email: text("laura@home.example"),
        to_email: text("shop@email.example"),
        integration_email: text("shop@email.example"),
        from_contact_point_id: text("from"),
        to_contact_point_id: text("to"),
        from_number: text("+4511223344"),
        to_number: text("+4555667788"),
        twitter_conversation_type: text("DirectMessage"),
        contact_point_twitter_id: text("1"),
        end_user_twitter_id: text("2"),
        browser_info: Some(pb::BrowserInfo {
            name: "Chrome 9".to_owned(),
            version: text("91.0.4472.114"),
            ip_address: text("127.0.0.1"),
            originating_url: text("http://localhost:3000/"),
        }),
        contact_endpoint_id: None,
    }
}

/// Has a connector bring a conversation; its id.
async fn ingest(office: &Office, kind: ConversationType, channel: Channel) -> i64 {
    let request = pb::IngestConversationRequest {
        r#type: kind.into(),
        channel: channel.into(),
        requester_id: office.user.clone(),
        direction: Direction::Inbound.into(),
        details: Some(details()),
        ..pb::IngestConversationRequest::default()
    };
    let mut connector = office.world.conversations.clone();
    let answer = connector.ingest_conversation(office.world.internal(request)).await;
    answer.unwrap().into_inner().conversation.unwrap().id
}

const MAILED: &str = r#""toEmail":"b","fromEmail":"a","integrationEmail":"b","language":"en","subject":"s","#;
const BROWSED: &str =
    r#""browserInfo":{"name":"n","version":"1","ipAddress":"i","originatingUrl":"u"},"language":"en","#;

#[tokio::test]
async fn every_type_of_conversation_that_a_connector_brings_is_read_with_its_members() {
    let office = Office::open().await;
    let mut brought = Vec::new();
    for (kind, channel, own, channel_word, word) in [
        (
            ConversationType::Chat,
            Channel::WidgetChat,
            BROWSED,
            "WidgetChat",
            "ChatConversation",
        ),
        (
            ConversationType::ContactForm,
            Channel::ContactForm,
            MAILED,
            "ContactForm",
            "ContactFormConversation",
        ),
        (
            ConversationType::Email,
            Channel::Email,
            MAILED,
            "Email",
            "EmailConversation",
        ),
        (
            ConversationType::FacebookMessenger,
            Channel::FacebookMessenger,
            "",
            "FacebookMessenger",
            "FacebookMessengerConversation",
        ),
        (
            ConversationType::Generic,
            Channel::Messenger,
            r#""fromContactPointId":"from","toContactPointId":"to","#,
            "Messenger",
            "GenericConversation",
        ),
        (
            ConversationType::Messenger,
            Channel::Messenger,
            BROWSED,
            "Messenger",
            "MessengerConversation",
        ),
        (
            ConversationType::PstnPhone,
            Channel::PstnPhone,
            "",
            "PstnPhone",
            "PstnPhoneConversation",
        ),
        (
            ConversationType::PstnPhone,
            Channel::Voicemail,
            "",
            "Voicemail",
            "PstnPhoneConversation",
        ),
        (
            ConversationType::Sms,
            Channel::Sms,
            r#""fromNumber":"+45","toNumber":"+45","#,
            "Sms",
            "SmsConversation",
        ),
        (
            ConversationType::Twitter,
            Channel::Twitter,
            r#""conversationType":"Tweet","contactPointTwitterId":"1","endUserTwitterId":"2","#,
            "Twitter",
            "TwitterConversation",
        ),
        (
            ConversationType::WhatsApp,
            Channel::WhatsApp,
            "",
            "WhatsApp",
            "WhatsAppConversation",
        ),
    ] {
        let id = ingest(&office, kind, channel).await;
        let claim = office.put(id, "claim", json!({"agentId": office.agent})).await;
        assert_eq!(claim.status, StatusCode::NO_CONTENT, "{}", claim.text);
        let shown = office.read(id, "").await;
        let document = format!(r#"{{"data":{}}}"#, document(own, channel_word, word));
        assert_same_shape(&document, &shown.text, &[]);
        let data = &shown.json["data"];
        assert_eq!((&data["_type"], &data["channel"]), (&json!(word), &json!(channel_word)));
        brought.push(data.clone());
    }
    assert_eq!(brought[9]["conversationType"], "DirectMessage");

    // In the list of the end user they are the same, newest first and without their attributes.
    let listed = office
        .world
        .get(&format!("/v1/endusers/{}/conversations", office.user))
        .await;
    for conversation in &mut brought {
        conversation.as_object_mut().unwrap().remove("customAttributes");
    }
    brought.reverse();
    assert_eq!(listed.json["data"], Value::Array(brought));
}

/// What a connector knows of a message: more than any one type shows.
fn message(conversation_id: i64, kind: MessageType) -> pb::IngestMessageRequest {
    let contact = |email: &str| pb::EmailContact {
        email: email.to_owned(),
        name: Some("Somebody".to_owned()),
    };
    let file = |name: &str| pb::File {
        url: format!("https://files.example.com/{name}"),
        pretty_name: Some(name.to_owned()),
    };
    pb::IngestMessageRequest {
        conversation_id,
        r#type: kind.into(),
        direction: Direction::Inbound.into(),
        content: Some(pb::Content {
            r#type: pb::ContentType::Text.into(),
            value: "Hello".to_owned(),
        }),
        attachments: vec![file("attachment")],
        details: Some(pb::MessageDetails {
            from: Some(contact("laura@home.example")),
            to: vec![contact("shop@email.example")],
            cc: vec![contact("c@home.example")],
            bcc: vec![contact("d@home.example")],
            reply_default_to: vec![contact("e@home.example")],
            is_auto_reply: true,
            inline_images: vec![file("image")],
            delivery_failure_reason: Some("bounced".to_owned()),
            original_content_url: Some(file("original")),
            is_automated: true,
            from_number: Some("+4511223344".to_owned()),
            to_number: Some("+4555667788".to_owned()),
            duration: Some(180),
            recording: Some("https://files.example.com/call".to_owned()),
            ..pb::MessageDetails::default()
        }),
        external_id: Some(format!("{kind:?}")),
        ..pb::IngestMessageRequest::default()
    }
}

#[tokio::test]
async fn every_type_of_message_that_a_connector_brings_is_read_with_its_members() {
    const CONTACT: &str = r#"{"email":"e","name":"n"}"#;
    const FILE: &str = r#"{"url":"u","prettyName":"n"}"#;
    let office = Office::open().await;
    let id = office.conversation().await;
    let mail = |reply: &str, word: &str| {
        format!(
            r#"{{"emailContent":{{"content":{{"value":"v","_type":"Text"}},"_type":"Regular"}},"from":{CONTACT},{reply}
            "to":[{CONTACT}],"cc":[{CONTACT}],"bcc":[{CONTACT}],"isAutoReply":true,"inlineImages":[{FILE}],
            "attachments":[{FILE}],"deliveryFailureReason":"r","direction":"Inbound","originalContentUrl":{FILE},
            "_type":"{word}"}}"#
        )
    };
    let plain = |own: &str, word: &str| {
        format!(
            r#"{{"content":{{"value":"v","_type":"Text"}},"direction":"Inbound","attachments":[{FILE}],{own}"_type":"{word}"}}"#
        )
    };
    let reply = format!(r#""replyDefaultToEmails":[{CONTACT}],"#);
    let expected = [
        (MessageType::Email, "EmailAttributes", mail("", "EmailAttributes")),
        (
            MessageType::ContactForm,
            "ContactFormAttributes",
            mail(&reply, "ContactFormAttributes"),
        ),
        (
            MessageType::Chat,
            "ChatAttributes",
            plain(r#""isAutomated":true,"#, "ChatAttributes"),
        ),
        (
            MessageType::FacebookMessenger,
            "FacebookMessengerAttributes",
            plain("", "FacebookMessengerAttributes"),
        ),
        (
            MessageType::Generic,
            "GenericAttributes",
            plain("", "GenericAttributes"),
        ),
        (MessageType::Sms, "SmsAttributes", plain("", "SmsAttributes")),
        (
            MessageType::Twitter,
            "TwitterAttributes",
            plain("", "TwitterAttributes"),
        ),
        (
            MessageType::WhatsApp,
            "WhatsAppAttributes",
            plain("", "WhatsAppAttributes"),
        ),
        (
            MessageType::Phone,
            "PhoneAttributes",
            r#"{"from":"+45","to":"+45","direction":"Inbound","duration":1,"_type":"PhoneAttributes"}"#.to_owned(),
        ),
        (
            MessageType::CallRecording,
            "CallRecordingAttributes",
            r#"{"duration":1,"recording":"u","_type":"CallRecordingAttributes"}"#.to_owned(),
        ),
    ];
    let mut connector = office.world.conversations.clone();
    for (kind, ..) in &expected {
        let request = office.world.internal(message(id, *kind));
        connector.ingest_message(request).await.unwrap();
    }
    let mut large = message(id, MessageType::Email);
    large.external_id = None;
    large.details.as_mut().unwrap().content_file = Some(pb::File {
        url: "https://files.example.com/large".to_owned(),
        pretty_name: None,
    });
    connector.ingest_message(office.world.internal(large)).await.unwrap();

    let listed = office.read(id, "/messages").await;
    let messages: Vec<Box<serde_json::value::RawValue>> = {
        #[derive(serde::Deserialize)]
        struct Listed {
            data: Vec<Box<serde_json::value::RawValue>>,
        }
        serde_json::from_str::<Listed>(&listed.text).unwrap().data
    };
    // The first is the one the conversation began with.
    assert_eq!(messages.len(), expected.len() + 2);
    for (message, (kind, word, attributes)) in messages[1..].iter().zip(expected) {
        let document = format!(
            r#"{{"id":"i","authorId":"a","externalId":"e","createdAt":"2021-12-01T12:46:36.581Z","attributes":{attributes}}}"#
        );
        assert_same_shape(&document, message.get(), &[]);
        let message: Value = serde_json::from_str(message.get()).unwrap();
        assert_eq!(message["attributes"]["_type"], word);
        assert_eq!(message["externalId"], format!("{kind:?}"));
        assert_eq!(message["authorId"], office.user.as_str());
    }
    let large: Value = serde_json::from_str(messages.last().unwrap().get()).unwrap();
    assert_eq!(
        large["attributes"]["emailContent"],
        json!({"file": {"url": "https://files.example.com/large"}, "_type": "TooLarge"})
    );
}

#[tokio::test]
async fn every_variant_of_a_new_conversation_is_made_and_read_with_its_members() {
    let office = Office::open().await;
    let outbound = json!({"content": {"value": "a", "_type": "Html"}, "agentId": office.agent, "_type": "Outbound"});
    let browser = json!({"name": "n", "version": "1", "ipAddress": "i", "originatingUrl": "u"});
    let mail = json!({"emailIntegrationId": "unheard-of@email.example", "subject": "s", "language": "en"});
    let number = json!({"contactEndpointId": "+4511223355"});
    let mut with_queue = number.clone();
    with_queue["direction"] = "Inbound".into();
    with_queue["queueId"] = office.queue.clone().into();
    for (kind, members, message, channel, own, shown_as, attributes) in [
        (
            "Callback",
            with_queue,
            None,
            "Callback",
            "",
            "PstnPhoneConversation",
            None,
        ),
        (
            "Chat",
            json!({"widgetId": NOBODY, "browserInfo": browser, "language": "en"}),
            Some(inbound()),
            "WidgetChat",
            BROWSED,
            "ChatConversation",
            Some("ChatAttributes"),
        ),
        (
            "ContactForm",
            mail.clone(),
            Some(inbound()),
            "ContactForm",
            MAILED,
            "ContactFormConversation",
            Some("ContactFormAttributes"),
        ),
        (
            "Email",
            mail,
            Some(inbound()),
            "Email",
            MAILED,
            "EmailConversation",
            Some("EmailAttributes"),
        ),
        (
            "Sms",
            number,
            Some(outbound),
            "Sms",
            r#""fromNumber":"+45","toNumber":"+45","#,
            "SmsConversation",
            Some("SmsAttributes"),
        ),
    ] {
        let mut body = members;
        body["requesterId"] = office.user.clone().into();
        if let Some(message) = message {
            body["message"] = message;
        }
        body["_type"] = kind.into();
        let made = office.world.post("/v1/conversations", body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{kind}: {}", made.text);
        let id = made.json["data"]["id"].as_i64().unwrap();
        let transfer = office.put(id, "transfer/queue", json!({"queueId": office.queue})).await;
        assert_eq!(transfer.status, StatusCode::NO_CONTENT, "{kind}: {}", transfer.text);
        let claim = office.put(id, "claim", json!({"agentId": office.agent})).await;
        assert_eq!(claim.status, StatusCode::NO_CONTENT, "{kind}: {}", claim.text);

        let shown = office.read(id, "").await;
        let document = format!(r#"{{"data":{}}}"#, document(own, channel, shown_as));
        assert_same_shape(&document, &shown.text, &[]);
        let data = &shown.json["data"];
        assert_eq!((&data["_type"], &data["channel"]), (&json!(shown_as), &json!(channel)));
        let messages = office.read(id, "/messages").await;
        let kinds = messages.json["data"].as_array().unwrap().iter();
        let kinds: Vec<_> = kinds.map(|message| message["attributes"]["_type"].as_str()).collect();
        assert_eq!(kinds, attributes.map(Some).into_iter().collect::<Vec<_>>(), "{kind}");
    }
}
