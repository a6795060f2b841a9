-- A conversation with its first message: the least that keeps both, their lines in the log and their events together.
\set t random(:first, :last)
\set c 1000 + :client_id
\set n :n + 1
begin;
insert into bench_conversation.conversations (org_id, type, channel, direction, state, state_updated_at, requester_id, language,
                                              details, message_count, activity_sequence, event_sequence, created_at,
                                              updated_at, last_message_at)
values (:org, 1, 3, 1, 1, now(), ('01900000-0000-7000-b000-000000' || :t)::uuid, 'en', :details, 1, 2, 2, now(), now(), now())
returning id, requester_id as requester \gset
with written as (
    insert into bench_conversation.messages (org_id, conversation_id, position, id, type, direction, author_id, content_type,
                                             content, created_at)
    values (:org, :id, 1, ('0191' || :run || '-' || :c || '-7000-8000-' || :n)::uuid, 1, 1, :requester, 1, :content, now())
)
insert into bench_conversation.activity_log (org_id, conversation_id, sequence, id, at, type, author_id, attributes)
values (:org, :id, 1, ('0191' || :run || '-' || :c || '-7000-9000-' || :n)::uuid, now(), 'ConversationCreatedByCustomer',
        :requester, null),
       (:org, :id, 2, ('0191' || :run || '-' || :c || '-7000-a000-' || :n)::uuid, now(), 'MessageAddedByCustomer', :requester,
        :attributes);
insert into bench_conversation.outbox (org_id, event_id, stream, type, subject, sequence, data)
values (:org, ('0191' || :run || '-' || :c || '-7000-b000-' || :n)::uuid, :events, 'conversation.created',
        'conversations/' || :id, 1, :conversation_event),
       (:org, ('0191' || :run || '-' || :c || '-7000-8001-' || :n)::uuid, :events, 'conversation.message_added',
        'conversations/' || :id, 2, :conversation_event);
end;
