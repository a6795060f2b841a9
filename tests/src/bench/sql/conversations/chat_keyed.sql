-- A message of a chat, as five statements of a transaction: the least that keeps the key of the request, the counts, the
-- session, the message, its line in the log and its two events together. A chat's end user is taken for its author without
-- being looked up.
\set t random(:first, :last)
\set c 1000 + :client_id
\set n :n + 1
begin;
insert into bench_conversation.idempotency_keys (org_id, owner, rpc, key, request_hash, subject)
values (:org, 'developer', 'SendChatMessage', :run || '-' || :c || '-' || :n,
        '\x0102030405060708091011121314151617181920212223242526272829303132',
        'conversations/' || :t);
update bench_conversation.conversations
set message_count = message_count + 1, activity_sequence = activity_sequence + 1, event_sequence = event_sequence + 1,
    last_message_at = now(), updated_at = now()
where org_id = :org and id = :t and state <> 3
returning message_count as position, activity_sequence as entry, event_sequence as sequence, requester_id as requester \gset
update bench_conversation.chats
set end_user_wrote = true, idle_since = null, dismissed_since = null, event_sequence = event_sequence + 1
where org_id = :org and conversation_id = :t
returning event_sequence as told \gset
with written as (
    insert into bench_conversation.messages (org_id, conversation_id, position, id, type, direction, author_id, content_type,
                                             content, created_at)
    values (:org, :t, :position, ('0191' || :run || '-' || :c || '-7000-8000-' || :n)::uuid, 1, 1, :requester, 1, :content,
            now())
)
insert into bench_conversation.activity_log (org_id, conversation_id, sequence, id, at, type, author_id, attributes)
values (:org, :t, :entry, ('0191' || :run || '-' || :c || '-7000-9000-' || :n)::uuid, now(), 'MessageAddedByCustomer',
        :requester, :attributes);
insert into bench_conversation.outbox (org_id, event_id, stream, type, subject, sequence, data)
values (:org, ('0191' || :run || '-' || :c || '-7000-b000-' || :n)::uuid, :events, 'conversation.message_added',
        'conversations/' || :t, :sequence, :conversation_event),
       (:org, ('0191' || :run || '-' || :c || '-7000-8001-' || :n)::uuid, :events, 'chat.message_received',
        'chats/' || :t, :told, :chat_event);
end;
