-- Three thousand conversations with 50 messages each, held with one end user each of the same number; the first thousand is
-- read, the second written, and the last written as chats. The messages of all conversations are mixed, as they are when they
-- arrive.

insert into conversation.people (org_id, id, number, is_agent, is_end_user, is_virtual, display_name, email)
select p.id, ('01900000-0000-7000-b000-000000' || n)::uuid, n, false, true, false, 'Customer ' || n,
       'customer' || n || '@example.com'
from bench.parameters p, generate_series(100001, 103000) n;

-- Those who claim: one for each hexadecimal digit.
insert into conversation.people (org_id, id, is_agent, is_end_user, is_virtual, display_name, email)
select p.id, ('01900000-0000-7000-a000-00000000000' || to_hex(n))::uuid, true, false, false, 'Agent ' || n,
       'agent' || n || '@example.com'
from bench.parameters p, generate_series(0, 15) n;

-- Where chats begin.
insert into conversation.queues (org_id, id, number, name, is_default, options)
select p.id, '01900000-0000-7000-c000-000000100001', 100001, 'Chats', false, '{}' from bench.parameters p;

insert into conversation.conversations (org_id, id, type, channel, direction, state, state_updated_at, requester_id, queue_id,
                                        queued_at, language, details, message_count, activity_sequence, event_sequence,
                                        created_at, updated_at, last_message_at)
select p.id, n, 1, 3, 1, 1, now(), ('01900000-0000-7000-b000-000000' || n)::uuid, q.id, now(), 'en',
       '{"contact_endpoint_id": "5a556159-2c21-4f3e-a44f-a323deb80d16"}', 50, 51, 51, now(), now(), now()
from bench.parameters p
join conversation.queues q on q.org_id = p.id and q.is_default, generate_series(100001, 103000) n;
insert into conversation.chats (org_id, conversation_id, end_user_wrote, event_sequence)
select p.id, n, true, 51 from bench.parameters p, generate_series(102001, 103000) n;
select setval('conversation.conversation_ids', 1000000);

-- The index of texts takes them in large portions meanwhile.
alter index conversation.messages_search set (gin_pending_list_limit = 4096);
insert into conversation.messages (org_id, conversation_id, position, id, type, direction, author_id, content_type, content,
                                   created_at)
select p.id, n, position, ('01900000-' || 1000 + position || '-7000-8000-000000' || n)::uuid, 1, 1,
       ('01900000-0000-7000-b000-000000' || n)::uuid, 1, p.content, now()
from bench.parameters p, generate_series(1, 50) position, generate_series(100001, 103000) n;

-- What pgbench works on: the same tables with the same content, and texts indexed in the same way. Not the same rows,
-- because the relay would publish what it writes.
create schema bench_conversation;
create table bench_conversation.conversations (like conversation.conversations including all) with (fillfactor = 70);
create table bench_conversation.chats (like conversation.chats including all) with (fillfactor = 70);
create table bench_conversation.messages (like conversation.messages including all);
create table bench_conversation.activity_log (like conversation.activity_log including all);
create table bench_conversation.outbox (like conversation.outbox including all);
create table bench_conversation.idempotency_keys (like conversation.idempotency_keys including all);
alter index bench_conversation.messages_search_scope_idx set (gin_pending_list_limit = 4096);
-- Copies don't take over what is not to be counted.
do $$
declare
    statement text;
begin
    for statement in
        select format('alter table bench_conversation.%I alter column %I set statistics 0', c.relname, a.attname)
        from pg_attribute a join pg_class c on c.oid = a.attrelid
        where c.relnamespace = 'conversation'::regnamespace and c.relkind = 'r' and a.attstattarget = 0 and a.attnum > 0
          and not a.attisdropped
          and to_regclass('bench_conversation.' || c.relname) is not null
    loop
        execute statement;
    end loop;
end
$$;
alter index bench_conversation.messages_search_scope_idx alter column 1 set statistics 0;
alter index bench_conversation.conversations_search_scope_idx alter column 1 set statistics 0;
insert into bench_conversation.conversations select * from conversation.conversations where id between 100001 and 103000;
insert into bench_conversation.chats select * from conversation.chats where conversation_id between 102001 and 103000;
insert into bench_conversation.messages
select * from conversation.messages where conversation_id between 100001 and 103000 order by position, conversation_id;
select gin_clean_pending_list('conversation.messages_search'),
       gin_clean_pending_list('bench_conversation.messages_search_scope_idx');
alter index conversation.messages_search set (gin_pending_list_limit = 64);
alter index bench_conversation.messages_search_scope_idx set (gin_pending_list_limit = 64);
create trigger index_subject before insert or update of subject, language on bench_conversation.conversations
    for each row execute function conversation.index_subject();
do $$
begin
    execute replace(pg_get_functiondef('conversation.index_message'::regproc), 'conversation.index_message',
                    'bench_conversation.index_message');
    execute replace(pg_get_functiondef('bench_conversation.index_message'::regproc), 'conversation.conversations',
                    'bench_conversation.conversations');
end
$$;
create trigger index_message before insert or update of content on bench_conversation.messages
    for each row execute function bench_conversation.index_message();
