-- A chat: the least that keeps the conversation, its session, its line in the log and its two events together.
\set t random(:first, :last)
\set c 1000 + :client_id
\set n :n + 1
begin;
insert into bench_conversation.conversations (org_id, type, channel, direction, state, state_updated_at, requester_id, queue_id,
                                              queued_at, language, details, activity_sequence, event_sequence, created_at,
                                              updated_at)
select :org, 1, 3, 1, 1, now(), ('01900000-0000-7000-b000-000000' || :t)::uuid, q.id, now(), 'en', '{}', 1, 1, now(), now()
from conversation.queues q where q.org_id = :org and q.number = :menu
returning id, requester_id as requester \gset
insert into bench_conversation.chats (org_id, conversation_id, event_sequence) values (:org, :id, 1);
insert into bench_conversation.activity_log (org_id, conversation_id, sequence, id, at, type, author_id, attributes)
values (:org, :id, 1, ('0191' || :run || '-' || :c || '-7000-9000-' || :n)::uuid, now(), 'ConversationCreatedByCustomer',
        :requester, null);
insert into bench_conversation.outbox (org_id, event_id, stream, type, subject, sequence, data)
values (:org, ('0191' || :run || '-' || :c || '-7000-b000-' || :n)::uuid, :events, 'conversation.created',
        'conversations/' || :id, 1, :conversation_event),
       (:org, ('0191' || :run || '-' || :c || '-7000-8001-' || :n)::uuid, :events, 'chat.created', 'chats/' || :id, 1,
        :chat_created);
end;
