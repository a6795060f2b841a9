-- Conversations of ten messages each, newer than every other one. A message is twelve words of a vocabulary of some
-- thousands; `delivery` is in every tenth of them, `invoice` in every hundredth and `warranty` in every thousandth, by
-- chance.
--
-- Texts are indexed as the triggers would do it, and the indexes are built afterwards, as a restored dump would have them.

set maintenance_work_mem = '1GB';
set work_mem = '256MB';
alter table conversation.conversations disable trigger index_subject;
alter table conversation.messages disable trigger index_message;
create temp table dropped as
select pg_get_indexdef(i) as definition
from unnest(array['conversation.conversations_search', 'conversation.messages_search']::regclass[]) i;
drop index conversation.conversations_search, conversation.messages_search;

insert into conversation.search_languages (org_id, config) select id, 'english' from bench.parameters on conflict do nothing;

insert into conversation.conversations (org_id, id, type, channel, direction, state, state_updated_at, requester_id, subject,
                                        language, details, message_count, activity_sequence, event_sequence, created_at,
                                        updated_at, last_message_at, search)
select p.id, 9000000 + n, 3, 6, 1, 1, now(), '01900000-0000-7000-b000-000000100001', 'Order ' || n, 'en',
       '{"contact_endpoint_id": "help@example.com"}', 10, 11, 11, now(), now(), now(),
       conversation.search_vector('english', 'Order ' || n)
from bench.parameters p, generate_series(1, p.searched) n;

insert into conversation.messages (org_id, conversation_id, position, id, type, direction, author_id, content_type, content,
                                   created_at, search)
select p.id, 9000000 + n / 10, 1 + n % 10, ('01900000-0000-7000-8000-9' || lpad(n::text, 11, '0'))::uuid, 2, 1,
       '01900000-0000-7000-b000-000000100001', 1, t.content, now(), conversation.search_vector('english', t.content)
from bench.parameters p, generate_series(10, 10 * p.searched + 9) n,
     lateral (select array_agg(string_agg) as phrases from (
         select string_agg('w' || abs(hashint8(word)) % 4000, ' ') from generate_series(1, 8000) word group by word / 4) s) v,
     lateral (select concat_ws(' ', v.phrases[1 + abs(hashint8(n)::bigint) % 2000], case when abs(hashint8(n + 1000000)::bigint) % 10 = 0 then 'delivery' end,
                               v.phrases[1 + abs(hashint8(n + 2000000)::bigint) % 2000],
                               case when abs(hashint8(n + 3000000)::bigint) % 100 = 0 then 'invoice' end,
                               v.phrases[1 + abs(hashint8(n + 4000000)::bigint) % 2000],
                               case when abs(hashint8(n + 5000000)::bigint) % 1000 = 0 then 'warranty' end) as content) t;

do $$
declare
    definition text;
begin
    for definition in select d.definition from dropped d loop
        execute definition;
    end loop;
end
$$;
drop table dropped;
alter index conversation.conversations_search alter column 1 set statistics 0;
alter index conversation.messages_search alter column 1 set statistics 0;
alter table conversation.conversations enable trigger index_subject;
alter table conversation.messages enable trigger index_message;
reset maintenance_work_mem;
reset work_mem;
