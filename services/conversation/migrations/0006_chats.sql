-- Chats: what a conversation of the channel WidgetChat has beside it, under the same id. Numbers are those of chat.proto.

alter table conversation.queues
    -- BCP 47; null: English.
    add column language text,
    -- Chats that wait in it before escalations are deflected; null: any number.
    add column max_size integer check (max_size >= 0),
    -- {"time_zone", "intervals": [{"day", "opens", "closes"}]}; null: always open.
    add column opening_hours jsonb;

-- A session. It begins when a chat is created or the chat surface first changes something of a conversation.
create table conversation.chats (
    org_id             uuid        not null,
    conversation_id    bigint      not null,
    -- What the integrator tells virtual agents: a JSON object.
    context            jsonb,
    -- How a closed one has ended.
    ended_as           smallint check (ended_as between 6 and 8),
    -- The end user has written something.
    end_user_wrote     boolean     not null default false,
    -- Since when the end user has not answered whoever has the chat.
    idle_since         timestamptz,
    -- Since when it is dismissed.
    dismissed_since    timestamptz,
    verified_customer  boolean     not null default false,
    bad_actor          boolean     not null default false,
    repeat_customer    boolean     not null default false,
    -- The last update of the end user, as a keyed hash, and when it was.
    end_user_update    text,
    end_user_update_at timestamptz,
    -- The last sequence number given to an event of the chat.
    event_sequence     bigint      not null default 0,
    primary key (org_id, conversation_id),
    foreign key (org_id, conversation_id) references conversation.conversations
) with (fillfactor = 70);
-- What will be dismissed and what will be finished: each read in the order in which it is due.
create index chats_idle on conversation.chats (org_id, idle_since) where idle_since is not null;
create index chats_dismissed on conversation.chats (org_id, dismissed_since) where dismissed_since is not null;

-- Everybody who took part for the organization.
create table conversation.chat_participants (
    org_id          uuid        not null,
    conversation_id bigint      not null,
    person_id       uuid        not null,
    status          smallint    not null check (status between 1 and 3),
    joined_at       timestamptz not null,
    primary key (org_id, conversation_id, person_id)
);

-- Who took part in a conversation that has no session yet: who has it, and who has claimed it before.
create function conversation.chat_history(org uuid, conversation bigint)
    returns table (person_id uuid, status smallint, joined_at timestamptz)
    language sql stable
begin atomic
        select h.person_id, min(h.status), min(h.joined_at)
        from (select c.agent_id as person_id, (case when c.state = 3 then 3 else 2 end)::smallint as status,
                     c.assigned_at as joined_at
              from conversation.conversations c
              where c.org_id = org and c.id = conversation and c.agent_id is not null
              union all
              select l.author_id, 3::smallint, l.at from conversation.activity_log l
              where l.org_id = org and l.conversation_id = conversation and l.type = 'ConversationClaimed') h
        where h.person_id is not null group by h.person_id;
end;

-- What integrators know of a chat's end user.
create table conversation.chat_custom_data (
    org_id          uuid    not null,
    conversation_id bigint  not null,
    key             text    not null,
    label           text,
    value           jsonb   not null,
    type            text check (type in ('string', 'number', 'date', 'url', 'boolean')),
    -- Not for agents.
    invisible       boolean not null,
    -- It came in a token that verified.
    signed          boolean not null,
    primary key (org_id, conversation_id, key)
);

-- A number stands for one escalation wherever ids are integers.
create sequence conversation.escalation_numbers as bigint maxvalue 9007199254740991;

create table conversation.escalations (
    org_id             uuid        not null,
    id                 uuid        not null,
    number             bigint      not null default nextval('conversation.escalation_numbers'),
    conversation_id    bigint      not null,
    status             smallint    not null check (status between 1 and 5),
    reason             smallint    not null check (reason between 1 and 9),
    deflection_reason  smallint check (deflection_reason in (1, 2)),
    deflection_channel smallint check (deflection_channel between 1 and 4),
    -- The last sequence number given to an event of this escalation.
    event_sequence     bigint      not null default 0,
    requested_by       text        not null,
    created_at         timestamptz not null,
    acknowledged_by    text,
    acknowledged_at    timestamptz,
    -- Null: it ended by itself.
    resolved_by        text,
    resolved_at        timestamptz,
    -- How often it was told again, and when it will be; null once somebody has seen it or it was told often enough.
    reminders          smallint    not null default 0,
    remind_at          timestamptz,
    primary key (org_id, id),
    constraint escalations_number unique (org_id, number),
    check ((status in (1, 4)) = (resolved_at is null))
);
-- Those of a chat; it has one open escalation at most.
create index escalations_chat on conversation.escalations (org_id, conversation_id, id desc);
create unique index escalations_open on conversation.escalations (org_id, conversation_id) where resolved_at is null;
-- What is due to be told again: read whole, because it holds only what nobody has seen yet.
create index escalations_remind on conversation.escalations (org_id, remind_at) where remind_at is not null;
-- The three lists by state, newest first; the list of all is the primary key.
create index escalations_unacknowledged on conversation.escalations (org_id, id desc)
    where acknowledged_at is null and resolved_at is null;
create index escalations_acknowledged on conversation.escalations (org_id, id desc)
    where acknowledged_at is not null and resolved_at is null;
create index escalations_resolved on conversation.escalations (org_id, id desc) where resolved_at is not null;
