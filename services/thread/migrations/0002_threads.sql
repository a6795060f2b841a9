-- Numbers for modes, authors, reactions and system message types are those of thread.proto.

create table thread.visitors (
    org_id       uuid        not null,
    id           uuid        not null,
    email        text,
    name         text,
    phone_number text,
    verified     boolean     not null default false,
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now(),
    primary key (org_id, id)
);
-- A visitor is found by address, whatever its case.
create unique index visitors_email on thread.visitors (org_id, lower(email)) where email is not null;

create table thread.threads (
    org_id          uuid        not null,
    id              uuid        not null,
    chatbot_id      text        not null,
    thread_id       text        not null,
    mode            smallint    not null check (mode in (1, 2)),
    title           text,
    escalated       boolean     not null default false,
    important       boolean     not null default false,
    resolved        boolean     not null default false,
    archived        boolean     not null default false,
    tags            text[]      not null default '{}',
    internal_notes  text,
    platform_source text        not null,
    visitor_id      uuid,
    webhook_url     text,
    -- Sealed.
    webhook_token   bytea,
    message_count   integer     not null default 0,
    unread_count    integer     not null default 0,
    read_count      integer     not null default 0,
    positive_count  integer     not null default 0,
    negative_count  integer     not null default 0,
    -- The last sequence number given to an event of this thread.
    event_sequence  bigint      not null default 0,
    started_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    ended_at        timestamptz,
    primary key (org_id, id),
    constraint threads_thread_id_taken unique (org_id, chatbot_id, thread_id)
) with (fillfactor = 70);
-- A chatbot's threads, newest first: ids grow with time. No index holds what a message changes, so that appending one
-- updates the row in place.
create index threads_newest on thread.threads (org_id, chatbot_id, id desc);

create table thread.messages (
    org_id              uuid        not null,
    thread_uid          uuid        not null,
    position            integer     not null,
    id                  uuid        not null,
    author              smallint    not null check (author between 1 and 4),
    mode                smallint    not null check (mode in (1, 2)),
    system_message_type smallint    not null default 0,
    content             text        not null check (octet_length(content) between 1 and 32768),
    agent_name          text,
    icon_url            text,
    parent_id           uuid,
    llm_model_id        text,
    reaction            smallint    not null default 0,
    -- A JSON array, kept as it came.
    sources             text,
    edited_by           text,
    edited_at           timestamptz,
    created_at          timestamptz not null default now(),
    updated_at          timestamptz not null default now(),
    primary key (org_id, thread_uid, position),
    constraint messages_id unique (org_id, id)
);
-- The answer to a question.
create index messages_parent on thread.messages (org_id, parent_id) where parent_id is not null;
-- Threads in which a model has answered.
create index messages_llm_model on thread.messages (org_id, thread_uid, llm_model_id) where llm_model_id is not null;

create table thread.escalations (
    org_id          uuid        not null,
    id              uuid        not null,
    thread_uid      uuid        not null,
    requested_by    text        not null,
    prompt          text,
    -- The last sequence number given to an event of this escalation.
    event_sequence  bigint      not null default 1,
    created_at      timestamptz not null default now(),
    acknowledged_by text,
    acknowledged_at timestamptz,
    resolved_by     text,
    resolved_at     timestamptz,
    -- How often it was told again, and when it will be; null once somebody has seen it or it was told often enough.
    reminders       smallint    not null default 0,
    remind_at       timestamptz,
    primary key (org_id, id)
);
-- What is due to be told again: read whole, because it holds only what nobody has seen yet.
create index escalations_remind on thread.escalations (org_id, remind_at) where remind_at is not null;
-- A thread has one open escalation at most.
create unique index escalations_open on thread.escalations (org_id, thread_uid) where resolved_at is null;
-- The three lists by state, newest first; the list of all is the primary key.
create index escalations_unacknowledged on thread.escalations (org_id, id desc) where acknowledged_at is null and resolved_at is null;
create index escalations_acknowledged on thread.escalations (org_id, id desc) where acknowledged_at is not null and resolved_at is null;
create index escalations_resolved on thread.escalations (org_id, id desc) where resolved_at is not null;
