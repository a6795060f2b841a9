-- Where the relay notes what it has published, without touching the rows of the outbox again: a mark in each row meant a
-- second version of it in every index. An earlier release that runs beside this one for a while marks them still, which is
-- taken over; one that is gone back to publishes again what was published since, which consumers drop.

-- How far the outbox is published: one row.
create table thread.outbox_position (
    one       boolean  primary key default true check (one),
    -- Every row up to here was looked at …
    read_to   bigint   not null,
    -- … except for these ids, from and to, whose transactions may still be running.
    gap_first bigint[] not null,
    gap_last  bigint[] not null
);
insert into thread.outbox_position (read_to, gap_first, gap_last) values (0, '{}', '{}');

-- What was published at once to one stream.
create table thread.outbox_batches (
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
create index outbox_batches_last_event on thread.outbox_batches (last_event);
create index outbox_batches_lost on thread.outbox_batches (id) where lost;

drop index thread.outbox_unpublished;
-- What is to be published, for those who look after it: at most 10 000 rows, and what is to be published again.
create view thread.outbox_unpublished as
    (select * from thread.outbox
     where id > (select read_to from thread.outbox_position where one) and stream_id is null order by id limit 10000)
    union all
    (select waiting.* from thread.outbox_position, unnest(gap_first, gap_last) as gap (first, last)
     cross join lateral (select * from thread.outbox where id between gap.first and gap.last and stream_id is null
                         order by id limit 10000) as waiting
     where one)
    union all
    (select event.* from thread.outbox_batches b, unnest(b.events, b.stream_ids) as place (event, stream_id)
     cross join lateral (select * from thread.outbox where id = place.event) as event
     where b.lost and place.stream_id is null);
