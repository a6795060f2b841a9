//! What channel connectors bring.

use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;
use wire::{Channel, ConversationState, ConversationType, Direction, MessageType};

use crate::support::{World, assert_field, assert_refused, text, unknown};

fn conversation(world: &World, kind: ConversationType, channel: Channel) -> wire::IngestConversationRequest {
    wire::IngestConversationRequest {
        r#type: kind.into(),
        channel: channel.into(),
        requester_id: world.own.end_user.clone(),
        direction: Direction::Inbound.into(),
        details: Some(wire::ConversationDetails {
            subject: Some("subject".into()),
            language: Some("da-DK".into()),
            from_email: Some("a@example.com".into()),
            to_email: Some("b@example.com".into()),
            integration_email: Some("c@example.com".into()),
            from_contact_point_id: Some("from".into()),
            to_contact_point_id: Some("to".into()),
            from_number: Some("+4511111111".into()),
            to_number: Some("+4522222222".into()),
            twitter_conversation_type: Some("Tweet".into()),
            contact_point_twitter_id: Some("1".into()),
            end_user_twitter_id: Some("2".into()),
            browser_info: Some(wire::BrowserInfo {
                name: "Firefox".into(),
                ..Default::default()
            }),
            contact_endpoint_id: Some("endpoint".into()),
        }),
        external_id: None,
        queue_id: None,
    }
}

async fn ingest(world: &World, request: wire::IngestConversationRequest) -> Result<wire::Conversation, tonic::Status> {
    let answer = world
        .client
        .clone()
        .ingest_conversation(world.internal(request))
        .await?;
    Ok(answer.into_inner().conversation.unwrap())
}

async fn say(world: &World, request: wire::IngestMessageRequest) -> Result<wire::Message, tonic::Status> {
    let answer = world.client.clone().ingest_message(world.internal(request)).await?;
    Ok(answer.into_inner().message.unwrap())
}

fn message(conversation_id: i64, kind: MessageType) -> wire::IngestMessageRequest {
    let contact = |email: &str| wire::EmailContact {
        email: email.into(),
        name: Some("N".into()),
    };
    let file = |name: &str| wire::File {
        url: format!("https://files.example.com/{name}"),
        pretty_name: None,
    };
    wire::IngestMessageRequest {
        conversation_id,
        r#type: kind.into(),
        direction: Direction::Inbound.into(),
        author_id: None,
        content: text("hello"),
        attachments: vec![file("attachment")],
        details: Some(wire::MessageDetails {
            from: Some(contact("a@example.com")),
            to: vec![contact("b@example.com")],
            cc: vec![contact("c@example.com")],
            bcc: vec![contact("d@example.com")],
            reply_default_to: vec![contact("e@example.com")],
            is_auto_reply: true,
            inline_images: vec![file("image")],
            delivery_failure_reason: Some("bounced".into()),
            original_content_url: Some(file("original")),
            content_file: Some(file("large")),
            is_automated: true,
            from_number: Some("+4511111111".into()),
            to_number: Some("+4522222222".into()),
            duration: Some(180),
            recording: Some("https://files.example.com/call".into()),
            integration_email: Some("f@example.com".into()),
        }),
        external_id: None,
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn every_type_of_conversation_reads_back_as_it_came(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    for (kind, channel) in [
        (ConversationType::Chat, Channel::WidgetChat),
        (ConversationType::ContactForm, Channel::ContactForm),
        (ConversationType::Email, Channel::Email),
        (ConversationType::FacebookMessenger, Channel::FacebookMessenger),
        (ConversationType::Generic, Channel::Messenger),
        (ConversationType::Messenger, Channel::Messenger),
        (ConversationType::PstnPhone, Channel::Voicemail),
        (ConversationType::Sms, Channel::Sms),
        (ConversationType::Twitter, Channel::Twitter),
        (ConversationType::WhatsApp, Channel::WhatsApp),
    ] {
        let request = conversation(&world, kind, channel);
        let made = ingest(&world, request.clone()).await.unwrap();
        assert_eq!((made.r#type(), made.channel()), (kind, channel));
        assert_eq!(made.details, request.details);
        assert_eq!(made.queue_id.as_ref(), Some(&world.own.queues[0]));
        assert_eq!(world.conversation(made.id).await, made);
        assert_eq!(world.log(made.id).await, ["ConversationCreatedByCustomer"]);
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn every_type_of_message_reads_back_as_it_came(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    let mut expected = world.messages(id).await;
    for kind in [
        MessageType::Chat,
        MessageType::Email,
        MessageType::ContactForm,
        MessageType::FacebookMessenger,
        MessageType::Generic,
        MessageType::Sms,
        MessageType::Twitter,
        MessageType::WhatsApp,
        MessageType::Phone,
        MessageType::CallRecording,
    ] {
        let request = message(id, kind);
        let made = say(&world, request.clone()).await.unwrap();
        assert_eq!(made.r#type(), kind);
        assert_eq!(
            (&made.content, &made.attachments),
            (&request.content, &request.attachments)
        );
        assert_eq!(made.details, request.details);
        expected.push(made);
    }
    assert_eq!(world.messages(id).await, expected);
    let bare = wire::IngestMessageRequest {
        content: None,
        attachments: Vec::new(),
        details: Some(wire::MessageDetails {
            recording: Some("https://files.example.com/1".into()),
            ..Default::default()
        }),
        ..message(id, MessageType::CallRecording)
    };
    assert_eq!(say(&world, bare).await.unwrap().content, None);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn inbound_on_a_closed_conversation_reopens_it(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    let close = wire::CloseConversationRequest { id, user_id: None };
    world
        .client
        .clone()
        .close_conversation(world.own.request(close))
        .await
        .unwrap();
    let sent = wire::IngestMessageRequest {
        direction: Direction::Outbound.into(),
        author_id: Some(world.own.agents[0].clone()),
        ..message(id, MessageType::Chat)
    };
    say(&world, sent).await.unwrap();
    assert_eq!(world.conversation(id).await.state(), ConversationState::Closed);
    say(&world, message(id, MessageType::Chat)).await.unwrap();
    assert_eq!(world.conversation(id).await.state(), ConversationState::Open);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_taken_external_id_already_exists(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let named = wire::IngestConversationRequest {
        external_id: Some("x-1".into()),
        ..conversation(&world, ConversationType::Chat, Channel::WidgetChat)
    };
    let id = ingest(&world, named.clone()).await.unwrap().id;
    let status = ingest(&world, named).await.unwrap_err();
    assert_refused(&status, Code::AlreadyExists, "DUPLICATE_EXTERNAL_ID");
    let named = wire::IngestMessageRequest {
        external_id: Some("x-1".into()),
        ..message(id, MessageType::Chat)
    };
    say(&world, named.clone()).await.unwrap();
    let status = say(&world, named).await.unwrap_err();
    assert_refused(&status, Code::AlreadyExists, "DUPLICATE_EXTERNAL_ID");
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn what_a_type_is_always_shown_with_has_to_be_there(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    for (kind, field) in [
        (ConversationType::Unspecified, "type"),
        (ConversationType::Email, "details.from_email"),
        (ConversationType::ContactForm, "details.from_email"),
        (ConversationType::Twitter, "details.twitter_conversation_type"),
        (ConversationType::Generic, "channel"),
    ] {
        let request = wire::IngestConversationRequest {
            details: None,
            ..conversation(&world, kind, Channel::Unspecified)
        };
        assert_field(&ingest(&world, request).await.unwrap_err(), field);
    }
    let wrong = conversation(&world, ConversationType::Email, Channel::Sms);
    assert_field(&ingest(&world, wrong).await.unwrap_err(), "channel");
    for (kind, field) in [
        (MessageType::Unspecified, "type"),
        (MessageType::Email, "details.from"),
        (MessageType::Phone, "details.from_number"),
        (MessageType::CallRecording, "details.recording"),
    ] {
        let request = wire::IngestMessageRequest {
            details: None,
            ..message(id, kind)
        };
        assert_field(&say(&world, request).await.unwrap_err(), field);
    }
    let nobodys = wire::IngestMessageRequest {
        direction: Direction::Outbound.into(),
        ..message(id, MessageType::Chat)
    };
    assert_field(&say(&world, nobodys.clone()).await.unwrap_err(), "author_id");
    let strangers = wire::IngestMessageRequest {
        author_id: Some(unknown()),
        ..nobodys
    };
    assert_refused(
        &say(&world, strangers).await.unwrap_err(),
        Code::NotFound,
        "USER_NOT_FOUND",
    );
}
