-- A message, as four statements of a transaction: the least that keeps the key of the request, the count, the message and the
-- event together.
\set t random(:first, :last)
\set c 1000 + :client_id
\set n :n + 1
begin;
insert into bench.idempotency_keys (org_id, owner, rpc, key, request_hash, subject)
values (:org, 'developer', 'AppendMessage', :run || '-' || :c || '-' || :n,
        '\x0102030405060708091011121314151617181920212223242526272829303132',
        '0191' || :run || '-' || :c || '-7000-8000-' || :n);
update bench.threads
set message_count = message_count + 1, unread_count = unread_count + 1, event_sequence = event_sequence + 1, updated_at = now()
where org_id = :org and chatbot_id = :chatbot and thread_id = 'bench-' || :t
returning id, mode, message_count as position, event_sequence as sequence \gset
insert into bench.messages (org_id, thread_uid, position, id, author, mode, content)
values (:org, :id, :position, ('0191' || :run || '-' || :c || '-7000-8000-' || :n)::uuid, 1, :mode, :content);
insert into bench.outbox (org_id, event_id, stream, type, subject, sequence, data)
values (:org, ('0191' || :run || '-' || :c || '-7000-9000-' || :n)::uuid, :events, 'message.created', 'threads/' || :id,
        :sequence, :event);
end;
