-- Requests to anonymize something, and how far they are.

create table conversation.anonymizations (
    org_id       uuid        not null,
    id           uuid        not null,
    -- The number of AnonymizationTarget in conversation.proto.
    target       smallint    not null check (target between 1 and 3),
    -- As the contract writes it: `10749`, `10749_<message>`, `<person>`.
    target_id    text        not null,
    -- A person, or the key of a service.
    requested_by uuid        not null,
    initiated_at timestamptz not null default now(),
    processed_at timestamptz,
    -- Of an end user: his conversations up to this one are done.
    done_to      bigint      not null default 0,
    -- When somebody takes it up; while somebody is at it, when he is taken for gone.
    due_at       timestamptz default now(),
    -- Failures in a row.
    failures     integer     not null default 0,
    primary key (org_id, id),
    check ((processed_at is null) = (due_at is not null))
);
-- One request for one thing at a time.
create unique index anonymizations_pending on conversation.anonymizations (org_id, target, target_id)
    where processed_at is null;
-- What is due: read whole, because it holds only what is pending.
create index anonymizations_due on conversation.anonymizations (org_id, due_at) where due_at is not null;

-- What has to be erased is found by its subject.
create index outbox_subject on conversation.outbox (org_id, subject);
create index idempotency_keys_subject on conversation.idempotency_keys (org_id, subject) where answer is not null;
