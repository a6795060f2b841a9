-- A message, as the statement of the service for a single one: the idempotency key as well, and one round trip.
\set t random(:first, :last)
\set c 1000 + :client_id
\set n :n + 1
with found as materialized (
    select org_id, id as thread_uid, ('0191' || :run || '-' || :c || '-7000-8000-' || :n)::uuid as id
    from bench.threads where org_id = :org and chatbot_id = :chatbot and thread_id = 'bench-' || :t
),
claimed as (
    insert into bench.idempotency_keys (org_id, owner, rpc, key, request_hash, subject)
    select org_id, 'developer', 'AppendMessage', :run || '-' || :c || '-' || :n, '\x0102030405060708091011121314151617181920212223242526272829303132', id::text
    from found on conflict do nothing returning subject
),
updated as (
    update bench.threads t
    set message_count = t.message_count + 1, unread_count = t.unread_count + 1, event_sequence = t.event_sequence + 1,
        updated_at = now(), ended_at = null
    from found f where t.org_id = f.org_id and t.id = f.thread_uid and f.id::text in (select subject from claimed)
    returning t.org_id, t.id as thread_uid, f.id, t.mode, t.message_count as position, t.event_sequence as sequence
),
stored as (
    insert into bench.messages (org_id, thread_uid, position, id, author, mode, system_message_type, content,
                                agent_name, icon_url, parent_id, llm_model_id, sources)
    select org_id, thread_uid, position, id, 1, mode, 0, :content, null, null, null, null, null from updated
),
told as (
    insert into bench.outbox (org_id, event_id, stream, type, subject, sequence, traceparent, data)
    select org_id, ('0191' || :run || '-' || :c || '-7000-9000-' || :n)::uuid, :events, 'message.created',
           'threads/' || thread_uid, sequence, null, :event from updated
)
select u.position, u.mode, now() from found f left join updated u on u.id = f.id;
