//! Conversations are begun by API clients, and read.

use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;
use wire::{Channel, ConversationState, ConversationType, CreateKind, Direction};

use crate::support::{
    ADDRESS, Spoil, WIDGET, World, assert_field, assert_refused, chat, email, inbound, ok, outbound, person, refused,
    text, unknown,
};

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn each_of_the_five_kinds_becomes_its_type_and_channel(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let (user, queue) = (world.own.end_user.clone(), world.own.queues[1].clone());
    let callback = wire::CreateConversationRequest {
        kind: CreateKind::Callback.into(),
        requester_id: user.clone(),
        direction: Direction::Inbound.into(),
        contact_endpoint_id: "+4512345678".into(),
        queue_id: Some(queue.clone()),
        ..Default::default()
    };
    let mut form = email(&user, inbound("hi"));
    form.kind = CreateKind::ContactForm.into();
    let mut sms = chat(&user, outbound(&world.own.agents[0], "hi"));
    sms.kind = CreateKind::Sms.into();
    sms.contact_endpoint_id = "+4512345678".into();
    for (request, kind, channel) in [
        (callback, ConversationType::PstnPhone, Channel::Callback),
        (chat(&user, inbound("hi")), ConversationType::Chat, Channel::WidgetChat),
        (form, ConversationType::ContactForm, Channel::ContactForm),
        (email(&user, inbound("hi")), ConversationType::Email, Channel::Email),
        (sms, ConversationType::Sms, Channel::Sms),
    ] {
        let created = ok!(world.create_conversation(request)).conversation.unwrap();
        assert_eq!((created.r#type(), created.channel()), (kind, channel));
        assert_eq!(created.state(), ConversationState::Open);
        assert_eq!(world.conversation(created.id).await, created);
        let messages = world.messages(created.id).await.len();
        assert_eq!(messages, usize::from(kind != ConversationType::PstnPhone));
        let expected = if kind == ConversationType::PstnPhone {
            &queue
        } else {
            &world.own.queues[0]
        };
        assert_eq!(created.queue_id.as_ref(), Some(expected));
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn an_email_knows_who_it_is_from_and_to(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let (user, agent) = (world.own.end_user.clone(), world.own.agents[0].clone());
    let theirs = format!("{user}@example.com");
    for (message, from, to) in [
        (inbound("hi"), theirs.as_str(), ADDRESS),
        (outbound(&agent, "hi"), ADDRESS, theirs.as_str()),
    ] {
        let created = ok!(world.create_conversation(email(&user, message)))
            .conversation
            .unwrap();
        let details = created.details.unwrap();
        assert_eq!(details.from_email.as_deref(), Some(from));
        assert_eq!(details.to_email.as_deref(), Some(to));
        assert_eq!(details.integration_email.as_deref(), Some(ADDRESS));
        assert_eq!(details.subject.as_deref(), Some("My order"));
        let message = world.messages(created.id).await.remove(0);
        let shown = message.details.unwrap();
        assert_eq!(shown.from.unwrap().email, from);
        assert_eq!(shown.to[0].email, to);
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn an_inbound_one_is_the_requesters_and_an_outbound_one_its_agents(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let (user, agent) = (world.own.end_user.clone(), world.own.agents[0].clone());
    let written = ok!(world.create_conversation(chat(&user, inbound("hi"))))
        .conversation
        .unwrap();
    assert_eq!(written.agent_id, None);
    assert_eq!(world.messages(written.id).await[0].author_id, user);
    assert_eq!(
        world.log(written.id).await,
        ["ConversationCreatedByCustomer", "MessageAddedByCustomer"]
    );
    let sent = ok!(world.create_conversation(chat(&user, outbound(&agent, "hi"))))
        .conversation
        .unwrap();
    assert_eq!(sent.agent_id.as_ref(), Some(&agent));
    assert!(sent.assigned_at.is_some());
    assert_eq!(world.messages(sent.id).await[0].author_id, agent);
    assert_eq!(
        world.log(sent.id).await,
        [
            "ConversationCreatedByAgent",
            "MessageAddedByAgent",
            "ConversationAssigned"
        ]
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_flow_decides_on_the_queue_of_what_comes_in(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    sqlx::query(
        "insert into conversation.flows (org_id, id, name, channel, contact_endpoint_id, queue_id)
         values ($1, $2, 'flow', 3, $3, $4::uuid)",
    )
    .bind(world.own.org.0)
    .bind(platform::id::new())
    .bind(WIDGET)
    .bind(&world.own.queues[1])
    .execute(&world.db)
    .await
    .unwrap();
    let user = world.own.end_user.clone();
    let flowing = ok!(world.create_conversation(chat(&user, inbound("hi"))))
        .conversation
        .unwrap();
    assert_eq!(flowing.queue_id.as_ref(), Some(&world.own.queues[1]));
    let other = ok!(world.create_conversation(email(&user, inbound("hi"))))
        .conversation
        .unwrap();
    assert_eq!(other.queue_id.as_ref(), Some(&world.own.queues[0]));
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn what_is_told_carries_the_conversation(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    let told = world.told(id).await;
    let kinds: Vec<_> = told.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["conversation.created", "conversation.message_added"]);
    let data = &told[1].1;
    assert_eq!(data["text"], "hello");
    assert_eq!(data["direction"], "inbound");
    let conversation = &data["conversation"];
    assert_eq!(conversation["csid"], id);
    assert_eq!(conversation["channel"], "WIDGET_CHAT");
    assert_eq!(conversation["status"], "OPEN");
    assert_eq!(conversation["direction"], "INBOUND");
    assert_eq!(conversation["queue"]["name"], "Support");
    assert_eq!(conversation["requester"]["name"], "Ada");
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn what_is_missing_or_wrong_is_named(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let user = world.own.end_user.clone();
    let good = || email(&user, inbound("hi"));
    let cases: Vec<Spoil<wire::CreateConversationRequest>> = vec![
        (|r| r.kind = 0, "kind"),
        (|r| r.requester_id = "x".into(), "requester_id"),
        (|r| r.contact_endpoint_id.clear(), "contact_endpoint_id"),
        (|r| r.subject = None, "subject"),
        (|r| r.language = Some("no language".into()), "language"),
        (|r| r.message = None, "message"),
        (|r| r.message.as_mut().unwrap().direction = 0, "message.direction"),
        (|r| r.message.as_mut().unwrap().direction = 2, "message.agent_id"),
        (|r| r.message.as_mut().unwrap().content = None, "message.content"),
        (
            |r| r.message.as_mut().unwrap().content = text(""),
            "message.content.value",
        ),
        (
            |r| r.message.as_mut().unwrap().content = text(&"x".repeat(32 * 1024 + 1)),
            "message.content.value",
        ),
        (
            |r| r.message.as_mut().unwrap().external_id = Some(String::new()),
            "message.external_id",
        ),
        (
            |r| {
                r.message.as_mut().unwrap().attachments.push(wire::File {
                    url: "nowhere".into(),
                    pretty_name: None,
                });
            },
            "message.attachments[0].url",
        ),
        (|r| (r.kind, r.queue_id) = (1, None), "queue_id"),
        (
            |r| (r.kind, r.queue_id) = (1, Some(platform::id::new().to_string())),
            "direction",
        ),
    ];
    for (spoil, field) in cases {
        let mut request = good();
        spoil(&mut request);
        assert_field(&refused!(world.create_conversation(request)), field);
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn who_and_what_is_named_has_to_exist_in_the_organization(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let user = world.own.end_user.clone();
    for requester in [unknown(), world.other.end_user.clone(), world.own.agents[0].clone()] {
        let status = refused!(world.create_conversation(chat(&requester, inbound("hi"))));
        assert_refused(&status, Code::NotFound, "END_USER_NOT_FOUND");
    }
    for agent in [unknown(), world.other.agents[0].clone(), user.clone()] {
        let status = refused!(world.create_conversation(chat(&user, outbound(&agent, "hi"))));
        assert_refused(&status, Code::NotFound, "AGENT_NOT_FOUND");
    }
    for queue in [unknown(), world.other.queues[0].clone()] {
        let request = wire::CreateConversationRequest {
            kind: CreateKind::Callback.into(),
            requester_id: user.clone(),
            direction: Direction::Outbound.into(),
            contact_endpoint_id: "+4512345678".into(),
            queue_id: Some(queue),
            ..Default::default()
        };
        assert_refused(
            &refused!(world.create_conversation(request)),
            Code::NotFound,
            "QUEUE_NOT_FOUND",
        );
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn an_end_users_conversations_come_newest_first_and_page_by_page(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let stranger = person(&world.db, world.own.org, "Dee", false).await;
    ok!(world.create_conversation(chat(&stranger, inbound("hi"))));
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(world.chat().await);
    }
    ids.reverse();
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = wire::ListConversationsRequest {
            requester_id: world.own.end_user.clone(),
            page_size: 2,
            page_token,
        };
        let page = ok!(world.list_conversations(request));
        assert!(page.conversations.len() <= 2);
        seen.extend(page.conversations.into_iter().map(|conversation| conversation.id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ids);
    let forged = wire::ListConversationsRequest {
        requester_id: world.own.end_user.clone(),
        page_size: -1,
        page_token: String::new(),
    };
    assert_field(&refused!(world.list_conversations(forged)), "page_size");
    let nobody = wire::ListConversationsRequest {
        requester_id: unknown(),
        ..Default::default()
    };
    assert_refused(
        &refused!(world.list_conversations(nobody)),
        Code::NotFound,
        "END_USER_NOT_FOUND",
    );
}
