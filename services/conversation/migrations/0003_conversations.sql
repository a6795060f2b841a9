-- Numbers for types, channels, directions, states and link kinds are those of conversation.proto.

-- Ids of conversations, the same for every organization so that no two conversations anywhere share one.
create sequence conversation.conversation_ids as bigint;

create table conversation.conversations (
    org_id            uuid        not null,
    id                bigint      not null default nextval('conversation.conversation_ids'),
    type              smallint    not null check (type between 1 and 10),
    channel           smallint    not null check (channel between 1 and 11),
    direction         smallint    not null check (direction between 1 and 3),
    state             smallint    not null check (state between 1 and 4),
    state_updated_at  timestamptz not null,
    requester_id      uuid        not null,
    agent_id          uuid,
    assigned_at       timestamptz,
    queue_id          uuid,
    queued_at         timestamptz,
    subject           text,
    -- BCP 47.
    language          text,
    -- What only some types have.
    details           jsonb       not null default '{}',
    external_id       text,
    parent_id         bigint,
    link_kind         smallint check (link_kind between 1 and 4),
    closed_at         timestamptz,
    follow_up_at      timestamptz,
    anonymized_at     timestamptz,
    message_count     integer     not null default 0,
    -- The last sequence numbers given to an entry of the activity log and to an event.
    activity_sequence integer     not null default 0,
    event_sequence    bigint      not null default 0,
    created_at        timestamptz not null,
    updated_at        timestamptz not null,
    last_message_at   timestamptz,
    primary key (org_id, id),
    constraint conversations_external_id unique (org_id, external_id),
    check ((agent_id is null) = (assigned_at is null)),
    check ((parent_id is null) = (link_kind is null)),
    check ((state = 3) = (closed_at is not null))
) with (fillfactor = 70);
-- An end user's conversations, newest first.
create index conversations_requester on conversation.conversations (org_id, requester_id, id desc);
-- Those an agent has.
create index conversations_agent on conversation.conversations (org_id, agent_id, id desc) where agent_id is not null;
-- Those that wait in a queue, in the order in which they came.
create index conversations_waiting on conversation.conversations (org_id, queue_id, queued_at, id)
    where state = 1 and agent_id is null;
-- The children of a conversation.
create index conversations_parent on conversation.conversations (org_id, parent_id, id) where parent_id is not null;
-- Follow-ups that will be due: read whole, because it holds only what is pending.
create index conversations_follow_up on conversation.conversations (org_id, follow_up_at) where follow_up_at is not null;

create table conversation.messages (
    org_id          uuid        not null,
    conversation_id bigint      not null,
    position        integer     not null,
    id              uuid        not null,
    type            smallint    not null check (type between 1 and 10),
    direction       smallint    not null check (direction between 1 and 3),
    author_id       uuid        not null,
    external_id     text,
    -- Null: there is no content.
    content_type    smallint check (content_type in (1, 2)),
    content         text check (octet_length(content) <= 32768),
    -- [{"url", "pretty_name"}]
    attachments     jsonb       not null default '[]',
    -- What only some types have.
    details         jsonb       not null default '{}',
    created_at      timestamptz not null,
    anonymized_at   timestamptz,
    primary key (org_id, conversation_id, position),
    constraint messages_id unique (org_id, id),
    constraint messages_external_id unique (org_id, external_id)
);
-- What somebody wrote.
create index messages_author on conversation.messages (org_id, author_id, conversation_id);

create table conversation.notes (
    org_id          uuid        not null,
    conversation_id bigint      not null,
    created_at      timestamptz not null,
    id              uuid        not null,
    author_id       uuid        not null,
    text            text        not null,
    primary key (org_id, conversation_id, created_at, id)
);

create table conversation.conversation_tags (
    org_id          uuid        not null,
    conversation_id bigint      not null,
    tag_id          uuid        not null,
    added_at        timestamptz not null default now(),
    primary key (org_id, conversation_id, tag_id)
);
create index conversation_tags_tag on conversation.conversation_tags (org_id, tag_id, conversation_id);

create table conversation.conversation_attributes (
    org_id          uuid   not null,
    conversation_id bigint not null,
    attribute_id    uuid   not null,
    -- A text, or the path of a select as an array of texts.
    value           jsonb  not null,
    primary key (org_id, conversation_id, attribute_id)
);
create index conversation_attributes_attribute
    on conversation.conversation_attributes (org_id, attribute_id, conversation_id);

create table conversation.activity_log (
    org_id          uuid        not null,
    conversation_id bigint      not null,
    sequence        integer     not null,
    id              uuid        not null,
    at              timestamptz not null,
    -- The documented word.
    type            text        not null,
    -- A person, or the key of a service.
    author_id       uuid,
    attributes      jsonb,
    primary key (org_id, conversation_id, sequence)
);
-- The organization's list.
create index activity_log_at on conversation.activity_log (org_id, at, id);

-- What an event says about the conversation it is about.
create function conversation.snapshot(c conversation.conversations) returns jsonb
    language sql stable
    return jsonb_strip_nulls(jsonb_build_object(
        'csid', c.id,
        'channel', (array['WHATS_APP', 'VOICEMAIL', 'WIDGET_CHAT', 'FACEBOOK_MESSENGER', 'TWITTER', 'EMAIL',
                          'CONTACT_FORM', 'CALLBACK', 'PSTN_PHONE', 'SMS', 'MESSENGER'])[c.channel],
        'status', (array['OPEN', 'PENDING', 'CLOSED', 'AWAITING_PENDING'])[c.state],
        'direction', (array['INBOUND', 'OUTBOUND', 'INTERNAL'])[c.direction],
        'queue', (select jsonb_build_object('id', q.id, 'name', q.name)
                  from conversation.queues q where q.org_id = c.org_id and q.id = c.queue_id),
        'contact_point', c.details ->> 'contact_endpoint_id',
        'requester', (select jsonb_build_object('id', p.id, 'name', p.display_name, 'email', p.email,
                                                'phone', p.phone_number)
                      from conversation.people p where p.org_id = c.org_id and p.id = c.requester_id),
        'assignee', (select jsonb_build_object('id', p.id, 'name', p.display_name, 'email', p.email,
                                               'phone', p.phone_number)
                     from conversation.people p where p.org_id = c.org_id and p.id = c.agent_id),
        'subject', c.subject,
        'tags', (select coalesce(jsonb_agg(jsonb_build_object('id', t.id, 'name', t.name) order by t.name), '[]')
                 from conversation.conversation_tags ct
                 join conversation.tags t on t.org_id = ct.org_id and t.id = ct.tag_id
                 where ct.org_id = c.org_id and ct.conversation_id = c.id),
        'created_at', to_char(c.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    ));
