-- Threads with 200 messages each if they are read, and with 20 if they are written. A thread's number has six digits, so that
-- it fits the last group of a UUID and a place of fixed width in a request. The messages of all threads are mixed, as they
-- are when they arrive.

insert into thread.visitors (org_id, id, email, name)
select org.id, ('01900000-0000-7000-9000-000000' || t)::uuid, 'visitor' || t || '@example.com', 'Visitor ' || t
from bench.parameters org, generate_series(org.first, org.last) t;

insert into thread.threads (org_id, id, chatbot_id, thread_id, mode, platform_source, visitor_id, message_count,
                            unread_count, event_sequence)
select org.id, ('01900000-0000-7000-8000-000000' || t)::uuid, org.chatbot, 'bench-' || t, 1, 'api',
       ('01900000-0000-7000-9000-000000' || t)::uuid, messages, case when t < org.first_written then 0 else messages / 2 end,
       messages
from bench.parameters org, generate_series(org.first, org.last) t,
     lateral (select case when t < org.first_written then 200 else 20 end as messages) m;

-- Odd ones are the visitor's, even ones the bot's answers to them.
insert into thread.messages (org_id, thread_uid, position, id, author, mode, content, parent_id)
select org.id, ('01900000-0000-7000-8000-000000' || t)::uuid, n,
       ('01900000-' || 1000 + n || '-7000-8000-000000' || t)::uuid, 2 - n % 2, 1, org.content,
       case when n % 2 = 0 then ('01900000-' || 999 + n || '-7000-8000-000000' || t)::uuid end
from bench.parameters org, generate_series(1, 200) n, generate_series(org.first, org.last) t
where n <= 20 or t < org.first_written;

-- What pgbench works on: the same tables with the same content. Not the same rows, because the relay would publish what it
-- writes.
create table bench.visitors (like thread.visitors including all);
create table bench.threads (like thread.threads including all) with (fillfactor = 70);
create table bench.messages (like thread.messages including all);
create table bench.escalations (like thread.escalations including all);
create table bench.outbox (like thread.outbox including all);
create table bench.idempotency_keys (like thread.idempotency_keys including all);
insert into bench.visitors select * from thread.visitors where id in (select visitor_id from thread.threads where thread_id like 'bench-%');
insert into bench.threads select * from thread.threads where thread_id like 'bench-%';
insert into bench.messages select * from thread.messages where thread_uid in (select id from bench.threads) order by position, thread_uid;
