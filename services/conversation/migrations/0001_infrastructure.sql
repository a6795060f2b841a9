-- The tables that every context has in its own schema and that carry no business: exempt from the rule that a primary
-- key begins with the organization.

-- What became true, in the order in which it did within each subject. Written in the transaction that made it true;
-- moved to the Redis stream by the relay, which then fills `stream_id`.
create table conversation.outbox (
    id          bigint generated always as identity primary key,
    org_id      uuid        not null,
    event_id    uuid        not null,
    stream      text        not null,
    type        text        not null,
    subject     text        not null,
    sequence    bigint      not null,
    -- The context whose event led to this one, so that a bridge does not answer itself.
    cause       text,
    traceparent text,
    -- JSON, frozen here.
    data        text        not null,
    created_at  timestamptz not null default now(),
    stream_id   text
);
-- The relay's one query: what is not published yet, oldest first.
create index outbox_unpublished on conversation.outbox (id) where stream_id is null;

-- Which events a consumer has taken effect of: what makes an effect happen once.
create table conversation.inbox (
    consumer text        not null,
    event_id uuid        not null,
    at       timestamptz not null default now(),
    primary key (consumer, event_id)
);
-- The purge's query.
create index inbox_at on conversation.inbox (at);

-- How far a consumer is within each subject: what keeps the order.
create table conversation.inbox_subjects (
    consumer text        not null,
    subject  text        not null,
    sequence bigint      not null,
    at       timestamptz not null default now(),
    primary key (consumer, subject)
);
create index inbox_subjects_at on conversation.inbox_subjects (at);

-- Events a consumer could not take effect of, kept until somebody drives them again.
create table conversation.parked_events (
    consumer  text        not null,
    event_id  uuid        not null,
    stream    text        not null,
    event     text        not null,
    error     text        not null,
    parked_at timestamptz not null default now(),
    primary key (consumer, event_id)
);

-- Who does what only one process may do.
create table conversation.leases (
    name       text        primary key,
    holder     uuid        not null,
    expires_at timestamptz not null
);

-- What the relay knows of each stream: how it notices that Redis lost something.
create table conversation.relay_streams (
    stream         text primary key,
    -- What the epoch key in Redis must say.
    epoch          uuid not null,
    -- The entry that must still be there.
    last_stream_id text
);

-- First answers, so that a retry gets them again. Written in the transaction of the effect.
create table conversation.idempotency_keys (
    org_id       uuid        not null,
    owner        text        not null,
    rpc          text        not null,
    key          text        not null,
    request_hash bytea       not null,
    -- What the answer is about, for erasing it.
    subject      text,
    -- The encoded response; null where the answer is rebuilt from the subject.
    answer       bytea,
    created_at   timestamptz not null default now(),
    primary key (org_id, owner, rpc, key)
);
-- The purge's query. Rows come in order of time, so a block range is enough.
create index idempotency_keys_created_at on conversation.idempotency_keys using brin (created_at);
