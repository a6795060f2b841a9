-- An agent takes a conversation from another one: the least that keeps the owner, two lines in the log and two events
-- together.
\set t random(:first, :last)
\set a random(10, 15)
\set c 1000 + :client_id
\set n :n + 1
begin;
update bench_conversation.conversations
set agent_id = ('01900000-0000-7000-a000-0000000000' || :a)::uuid, assigned_at = now(),
    activity_sequence = activity_sequence + 2, event_sequence = event_sequence + 2, updated_at = now()
where org_id = :org and id = :t
returning activity_sequence as entry, event_sequence as sequence, agent_id as agent \gset
insert into bench_conversation.activity_log (org_id, conversation_id, sequence, id, at, type, author_id, attributes)
values (:org, :t, :entry - 1, ('0191' || :run || '-' || :c || '-7000-9000-' || :n)::uuid, now(), 'ConversationUnassigned',
        :agent, :attributes),
       (:org, :t, :entry, ('0191' || :run || '-' || :c || '-7000-a000-' || :n)::uuid, now(), 'ConversationClaimed', :agent,
        :attributes);
insert into bench_conversation.outbox (org_id, event_id, stream, type, subject, sequence, data)
values (:org, ('0191' || :run || '-' || :c || '-7000-b000-' || :n)::uuid, :events, 'conversation.unassigned',
        'conversations/' || :t, :sequence - 1, :conversation_event),
       (:org, ('0191' || :run || '-' || :c || '-7000-8001-' || :n)::uuid, :events, 'conversation.assigned',
        'conversations/' || :t, :sequence, :conversation_event);
end;
