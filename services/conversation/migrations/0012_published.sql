-- Where the relay notes what it has published, without touching the rows of the outbox again: a mark in each row meant a
-- second version of it in every index. An earlier release that runs beside this one for a while marks them still, which is
-- taken over; one that is gone back to publishes again what was published since, which consumers drop.

-- How far the outbox is published: one row.
create table conversation.outbox_position (
    one       boolean  primary key default true check (one),
    -- Every row up to here was looked at …
    read_to   bigint   not null,
    -- … except for these ids, from and to, whose transactions may still be running.
    gap_first bigint[] not null,
    gap_last  bigint[] not null
);
insert into conversation.outbox_position (read_to, gap_first, gap_last) values (0, '{}', '{}');

-- What was published at once to one stream.
create table conversation.outbox_batches (
    id           bigint generated always as identity primary key,
    stream       text        not null,
    -- Rows of the outbox.
    events       bigint[]    not null,
    -- Their entries, in the same order; null where Redis lost it.
    stream_ids   text[]      not null,
    -- How many that are, and the least and the greatest of them.
    size         integer     not null generated always as (cardinality(events)) stored,
    first_event  bigint      not null,
    last_event   bigint      not null,
    -- Some of them are to be published again.
    lost         boolean     not null default false,
    published_at timestamptz not null default now()
);
-- Where an event is. Batches hardly overlap, so the first ones that end behind it are enough.
create index outbox_batches_last_event on conversation.outbox_batches (last_event);
create index outbox_batches_lost on conversation.outbox_batches (id) where lost;

drop index conversation.outbox_unpublished;
-- What is to be published, for those who look after it: at most 10 000 rows, and what is to be published again.
create view conversation.outbox_unpublished as
    (select * from conversation.outbox
     where id > (select read_to from conversation.outbox_position where one) and stream_id is null order by id limit 10000)
    union all
    (select waiting.* from conversation.outbox_position, unnest(gap_first, gap_last) as gap (first, last)
     cross join lateral (select * from conversation.outbox where id between gap.first and gap.last and stream_id is null
                         order by id limit 10000) as waiting
     where one)
    union all
    (select event.* from conversation.outbox_batches b, unnest(b.events, b.stream_ids) as place (event, stream_id)
     cross join lateral (select * from conversation.outbox where id = place.event) as event
     where b.lost and place.stream_id is null);
